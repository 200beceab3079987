/* linear_dw on CUDA: the product by the library, with the column sums in its epilogue where it was told to and takes them; else these in fixed
 * blocks of 128 rows, then over the blocks in order. */
#include "../cuda/columns.h"

enum { BLOCK = 128 };

template <typename T> static __global__ void columns(const T *d, int64_t rows, int64_t n, float *partial)
{
    int64_t c = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= n)
        return;
    for (int64_t block = blockIdx.y; block * BLOCK < rows; block += gridDim.y) {
        const T *from = d + block * BLOCK * n + c;
        int last = rows - block * BLOCK < BLOCK ? (int)(rows - block * BLOCK) : BLOCK;
        float s = 0;
BA_UNROLL_16
        for (int r = 0; r < last; r++)
            s += ba_wide(from[r * n]);
        partial[block * n + c] = s;
    }
}

struct f_same { __device__ float operator()(const float *x) const { return x[0]; } };

/* Scratch: block sums of the columns; behind them, where the types differ, both factors as fp32. */
static size_t sums(const ba_type *d) { return ((size_t)(ba_ceil(ba_type_rows(d), BLOCK) * ba_type_last(d)) * 4 + 255) / 256 * 256; }
static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return sums(in[0]) + (in[0]->dtype == in[1]->dtype ? 0 : (size_t)ba_type_count(in[in[0]->dtype == BA_BF16 ? 0 : 1]) * 4);
}

static void sum_columns(const bai_cuda_call *c, int64_t M, int64_t N)
{
    int64_t blocks = ba_ceil(M, BLOCK);
    BA_REAL(c->in[0].type.dtype, T, {
        auto f = columns<T>;
        BA_LAUNCH(f, dim3((unsigned)ba_ceil(N, 64), (unsigned)ba_least(blocks, 65535)), 64, 0, c, (const T *)c->in[0].data, M, N, (float *)c->scratch);
    });
    ba_columns_join(c, c->scratch, blocks, N, N, c->out[1].data, NULL);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    const ba_type *d = &c->in[0].type, *x = &c->in[1].type;
    int64_t M = ba_type_rows(d), N = ba_type_last(d), K = ba_type_last(x);
    int left = RT_NO_SUMS;
    if (c->out[0].data) {
        rt_gemm g = {};
        const void *part[2] = { c->in[0].data, c->in[1].data };
        int type = d->dtype;
        if (d->dtype != x->dtype) {
            int narrow = d->dtype == BA_BF16 ? 0 : 1;
            ba_view wide = { c->in[narrow].type, (char *)c->scratch + sums(d) };
            bai_cuda_call cast = *c;
            wide.type.dtype = type = BA_F32;
            cast.in = &c->in[narrow];
            cast.out = &wide;
            cast.n_in = 1;
            int r = ba_each_run<1>(&cast, f_same());
            if (r)
                return r;
            part[narrow] = wide.data;
        }
        g.trans_a = 1;
        g.type_a = g.type_b = type, g.type_c = BA_F32;
        g.tf32 = c->tf32;
        g.m = N, g.n = K, g.k = M, g.lda = N, g.ldb = K, g.ldc = K, g.batch = 1;
        g.alpha = 1;
        g.a = part[0], g.b = part[1], g.c = c->out[0].data, g.sums = c->out[1].data;
        left = rt_gemm_run(bai_cuda_rt(c->cuda), &g, e);
        if (left < 0)
            return left;
    }
    if (left && c->out[1].data)
        sum_columns(c, M, N);
    return BA_OK;
}

BA_CUDA_OP(linear_dw) = { "linear_dw", launch, scratch };
