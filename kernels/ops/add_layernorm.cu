/* add_layernorm on CUDA. Rows wider than 1024 are read back from the sum: where nobody else wants it, it is made in scratch. */
#include "../cuda/norm.h"

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in;
    return ba_type_last(in[0]) > BA_NORM_HELD * BA_WARP ? (size_t)(ba_type_count(&out[0]) * ba_dtype_size(out[0].dtype)) : 0;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    ba_norm k = { ba_type_rows(x), ba_type_last(x), ba_type_rows(x) / x->dim[0], (float)bai_cuda_f(c, "eps") };
    void *sum = c->out[0].data ? c->out[0].data : k.n > BA_NORM_HELD * BA_WARP ? c->scratch : NULL;
    BA_REAL(x->dtype, T, ba_norm_launch<T>(c, c->in[0].data, c->in[1].data, c->n_in > 4 ? c->in[4].data : NULL, c->in[2].data, c->in[3].data, sum, c->out[1].data, c->out[2].data, k));
    return BA_OK;
}

BA_CUDA_OP(add_layernorm) = { "add_layernorm", launch, scratch };
