/* linear on CUDA: the product by the library, with the bias in its epilogue where it takes it; bias and exact GELU by an own pass. */
#include "../cuda/each.h"

/* y (and pre, before the GELU) from the product in y or pre. */
template <typename T> static __global__ void finish(const T *from, const float *bias, T *pre, T *y, int64_t count, int64_t N, int gelu)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        float v = ba_wide(from[i]) + (bias ? bias[i % N] : 0.f);
        if (pre)
            ba_narrow(v, &pre[i]);
        if (y)
            ba_narrow(gelu ? ba_gelu(v) : v, &y[i]);
    }
}

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
    g.m = M, g.n = N, g.k = K, g.lda = K, g.ldb = K, g.ldc = N, g.batch = 1;
    g.alpha = 1;
    g.a = c->in[0].data;
    g.b = (const char *)c->in[1].data + from * K * ba_dtype_size(x->dtype);
    g.c = to;
    g.bias = bias;
    int without = rt_gemm_run(bai_cuda_rt(c->cuda), &g, e);
    if (without < 0)
        return without;
    if (!gelu && !without && (to == c->out[0].data || !c->out[0].data))
        return BA_OK;
    BA_REAL(x->dtype, T, {
        auto f = finish<T>;
        BA_LAUNCH(f, ba_blocks(M * N, BA_THREADS), BA_THREADS, 0, c, (const T *)to, without ? bias : NULL, without ? (T *)c->out[1].data : NULL, (T *)c->out[0].data, M * N, N, gelu);
    });
    return BA_OK;
}

BA_CUDA_OP(linear) = { "linear", launch };
