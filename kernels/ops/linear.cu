/* linear on CUDA: the product by the library, with the bias in its epilogue where it takes it. The GELU is an own pass: the library's is the tanh
 * form, which is another function than erf's. In bf16 the library wants a bias of the output's type: it is rounded first. */
#include "../cuda/each.h"

/* y (and pre, before the GELU) from the product in y or pre: PER neighbours of one row at a time. */
template <typename T, int PER> static __global__ void finish(const T *from, const float *bias, T *pre, T *y, int64_t packs, int64_t N, int gelu)
{
    for (int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; at < packs; at += (int64_t)gridDim.x * blockDim.x) {
        ba_pack<T, PER> v = ((const ba_pack<T, PER> *)from)[at], plain, out;
        const float *b = bias ? bias + at * PER % N : NULL;
        for (int i = 0; i < PER; i++) {
            float x = ba_wide(v.x[i]) + (b ? b[i] : 0.f);
            ba_narrow(x, &plain.x[i]);
            ba_narrow(gelu ? ba_gelu(x) : x, &out.x[i]);
        }
        if (pre)
            ((ba_pack<T, PER> *)pre)[at] = plain;
        if (y)
            ((ba_pack<T, PER> *)y)[at] = out;
    }
}

static __global__ void round_bias(const float *from, bf16 *to, int64_t n)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        ba_narrow(from[i], &to[i]);
}

template <typename T, int PER> static void finish_all(const bai_cuda_call *c, const void *from, const float *bias, void *pre, int64_t count, int64_t N, int gelu)
{
    auto f = finish<T, PER>;
    BA_LAUNCH(f, ba_blocks(count / PER, BA_THREADS), BA_THREADS, 0, c, (const T *)from, bias, (T *)pre, (T *)c->out[0].data, count / PER, N, gelu);
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
    g.tf32 = c->tf32;
    g.m = M, g.n = N, g.k = K, g.lda = K, g.ldb = K, g.ldc = N, g.batch = 1;
    g.alpha = 1;
    g.a = c->in[0].data;
    g.b = (const char *)c->in[1].data + from * K * ba_dtype_size(x->dtype);
    g.c = to;
    g.bias = bias;
    if (bias && x->dtype == BA_BF16) {
        g.bias = c->scratch;
        BA_LAUNCH(round_bias, (unsigned)ba_ceil(N, BA_THREADS), BA_THREADS, 0, c, bias, (bf16 *)c->scratch, N);
    }
    int left = rt_gemm_run(bai_cuda_rt(c->cuda), &g, e);
    if (left < 0)
        return left;
    if (!left)
        bias = NULL;
    if (!gelu && !bias && (to == c->out[0].data || !c->out[0].data))
        return BA_OK;
    void *pre = bias ? c->out[1].data : NULL;
    uintptr_t all = (uintptr_t)to | (uintptr_t)c->out[0].data; /* parts of packed tensors may begin in the middle */
    BA_REAL(x->dtype, T, {
        if (N % (16 / (int64_t)sizeof(T)) || all % 16)
            finish_all<T, 1>(c, to, bias, pre, M * N, N, gelu);
        else
            finish_all<T, 16 / sizeof(T)>(c, to, bias, pre, M * N, N, gelu);
    });
    return BA_OK;
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params;
    return n_in > 2 && in[2] && out[0].dtype == BA_BF16 ? (size_t)ba_type_last(&out[0]) * 2 : 0;
}

BA_CUDA_OP(linear) = { "linear", launch, scratch };
