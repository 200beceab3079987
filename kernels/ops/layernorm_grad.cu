/* layernorm_grad on CUDA: rows by warps; the sums over rows for w and b in fixed blocks of 64 rows (a thread block, a thread a column),
 * then over the blocks in order. */
#include "../cuda/columns.h"

enum { WARPS = 4, BLOCK = 64 };

typedef struct back { ba_array dsum, dx; const float *stats, *w; int64_t rows, n; int joined; } back;

template <typename D, typename X> static __global__ void rows(const D *dy, const X *x, back k)
{
    int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / BA_WARP, at = row * k.n;
    int lane = (int)threadIdx.x % BA_WARP;
    if (row >= k.rows)
        return;
    float mean = k.stats[2 * row], rstd = k.stats[2 * row + 1], a = 0, b = 0;
BA_UNROLL_8
    for (int64_t i = lane; i < k.n; i += BA_WARP) {
        float g = ba_wide(dy[at + i]) * k.w[i];
        a += g;
        b += g * (ba_wide(x[at + i]) - mean) * rstd;
    }
    a = ba_warp_sum(a) / (float)k.n;
    b = ba_warp_sum(b) / (float)k.n;
    for (int64_t i = lane; i < k.n; i += BA_WARP) {
        float h = (ba_wide(x[at + i]) - mean) * rstd;
        ba_set(k.dx, at + i, rstd * (ba_wide(dy[at + i]) * k.w[i] - a - h * b) + (k.joined ? ba_get(k.dsum, at + i) : 0.f));
    }
}

template <typename D, typename X> static __global__ void columns(const D *dy, const X *x, back k, float *partial)
{
    int64_t c = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, first = (int64_t)blockIdx.y * BLOCK;
    if (c >= k.n)
        return;
    const int64_t last = first + BLOCK < k.rows ? first + BLOCK : k.rows;
    float dw = 0, db = 0;
BA_UNROLL_8
    for (int64_t r = first; r < last; r++) {
        float g = ba_wide(dy[r * k.n + c]);
        dw += g * (ba_wide(x[r * k.n + c]) - k.stats[2 * r]) * k.stats[2 * r + 1];
        db += g;
    }
    partial[((int64_t)blockIdx.y * 2) * k.n + c] = dw;
    partial[((int64_t)blockIdx.y * 2 + 1) * k.n + c] = db;
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return (size_t)(ba_ceil(ba_type_rows(in[0]), BLOCK) * 2 * ba_type_last(in[0])) * 4;
}

template <typename D, typename X> static void launch_all(const bai_cuda_call *c, const back &k, int64_t blocks)
{
    const D *dy = (const D *)c->in[0].data;
    const X *x = (const X *)c->in[1].data;
    auto by_column = columns<D, X>;
    auto by_row = rows<D, X>;
    if (c->out[1].data || c->out[2].data) { /* before dx, which may lie where dy does */
        BA_LAUNCH(by_column, dim3((unsigned)ba_ceil(k.n, 128), (unsigned)blocks), 128, 0, c, dy, x, k, (float *)c->scratch);
        ba_columns_join(c, c->scratch, blocks, 2 * k.n, k.n, c->out[1].data, c->out[2].data);
    }
    if (c->out[0].data)
        BA_LAUNCH(by_row, (unsigned)ba_ceil(k.rows, WARPS), WARPS * BA_WARP, 0, c, dy, x, k);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[1].type;
    int joined = c->n_in > 4 && c->in[4].data;
    back k = { ba_array_of(&c->in[joined ? 4 : 0]), ba_array_of(&c->out[0]), (const float *)c->in[2].data, (const float *)c->in[3].data, ba_type_rows(x),
               ba_type_last(x), joined };
    int64_t blocks = ba_ceil(k.rows, BLOCK);
    if (blocks > 65535)
        return ba_fail(e, BA_EARG, "%lld rows; at most %d on this device", (long long)k.rows, 65535 * BLOCK);
    BA_REAL(c->in[0].type.dtype, D, BA_REAL(x->dtype, X, launch_all<D, X>(c, k, blocks)));
    return BA_OK;
}

BA_CUDA_OP(layernorm_grad) = { "layernorm_grad", launch, scratch };
