/* linear on CUDA: the product by the library, what comes after it as ../cuda/linear.h says. */
#include "../cuda/linear.h"

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *x = &c->in[0].type;
    int64_t M = ba_type_rows(x), N = ba_type_last(&c->out[0].type), K = ba_type_last(x), from = bai_cuda_i(c, "from");
    int gelu = bai_cuda_i(c, "gelu") != 0;
    void *to = c->out[1].data ? c->out[1].data : c->out[0].data;
    const float *bias = c->n_in > 2 && c->in[2].data ? (const float *)c->in[2].data + from : NULL;
    rt_gemm g = {};
    g.trans_b = 1;
    g.type_a = g.type_b = g.type_c = x->dtype;
    g.tf32 = c->tf32;
    g.m = M, g.n = N, g.k = K, g.lda = K, g.ldb = K, g.ldc = N, g.batch = 1;
    g.alpha = 1;
    g.a = c->in[0].data;
    g.b = (const char *)c->in[1].data + from * K * ba_dtype_size(x->dtype);
    g.c = to;
    g.bias = bias && x->dtype == BA_BF16 ? ba_bias_halves(c, bias, c->scratch, N) : bias;
    int left = rt_gemm_run(bai_cuda_rt(c->cuda), &g, e);
    if (left < 0)
        return left;
    if (!left)
        bias = NULL;
    if (!gelu && !bias && (to == c->out[0].data || !c->out[0].data))
        return BA_OK;
    ba_linear_end(c, x->dtype, to, bias, bias ? c->out[1].data : NULL, c->out[0].data, M, N, gelu);
    return BA_OK;
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params;
    return n_in > 2 && in[2] && out[0].dtype == BA_BF16 ? (size_t)ba_type_last(&out[0]) * 2 : 0;
}

BA_CUDA_OP(linear) = { "linear", launch, scratch };
