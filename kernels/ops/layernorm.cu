/* layernorm on CUDA. */
#include "../cuda/norm.h"

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    ba_norm k = { ba_type_rows(x), ba_type_last(x), 1, (float)bai_cuda_f(c, "eps") };
    BA_REAL(x->dtype, T, ba_norm_launch<T>(c, c->in[0].data, NULL, NULL, c->in[1].data, c->in[2].data, NULL, c->out[0].data, c->out[1].data, k));
    return BA_OK;
}

BA_CUDA_OP(layernorm) = { "layernorm", launch };
