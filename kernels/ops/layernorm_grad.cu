/* layernorm_grad on CUDA: rows by warps; the sums over rows for w and b in fixed blocks of 64 rows (a thread block, a thread a column),
 * then over the blocks in order. */
#include "../cuda/each.h"

enum { WARPS = 4, BLOCK = 64 };

typedef struct back { ba_array dy, x, dsum, dx; const float *stats, *w; int64_t rows, n; int joined; } back;

static __global__ void rows(back k)
{
    int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / BA_WARP, at = row * k.n;
    int lane = (int)threadIdx.x % BA_WARP;
    if (row >= k.rows)
        return;
    float mean = k.stats[2 * row], rstd = k.stats[2 * row + 1], a = 0, b = 0;
    for (int64_t i = lane; i < k.n; i += BA_WARP) {
        float g = ba_get(k.dy, at + i) * k.w[i];
        a += g;
        b += g * (ba_get(k.x, at + i) - mean) * rstd;
    }
    a = ba_warp_sum(a) / (float)k.n;
    b = ba_warp_sum(b) / (float)k.n;
    for (int64_t i = lane; i < k.n; i += BA_WARP) {
        float h = (ba_get(k.x, at + i) - mean) * rstd;
        ba_set(k.dx, at + i, rstd * (ba_get(k.dy, at + i) * k.w[i] - a - h * b) + (k.joined ? ba_get(k.dsum, at + i) : 0.f));
    }
}

static __global__ void columns(back k, float *partial)
{
    int64_t c = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, first = (int64_t)blockIdx.y * BLOCK;
    if (c >= k.n)
        return;
    float dw = 0, db = 0;
    for (int64_t r = first; r < first + BLOCK && r < k.rows; r++) {
        float g = ba_get(k.dy, r * k.n + c);
        dw += g * (ba_get(k.x, r * k.n + c) - k.stats[2 * r]) * k.stats[2 * r + 1];
        db += g;
    }
    partial[((int64_t)blockIdx.y * 2) * k.n + c] = dw;
    partial[((int64_t)blockIdx.y * 2 + 1) * k.n + c] = db;
}

static __global__ void join(const float *partial, int64_t blocks, int64_t n, float *dw, float *db)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= 2 * n)
        return;
    float s = 0;
    for (int64_t k = 0; k < blocks; k++)
        s += partial[k * 2 * n + i];
    if (i < n && dw)
        dw[i] = s;
    if (i >= n && db)
        db[i - n] = s;
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return (size_t)(ba_ceil(ba_type_rows(in[0]), BLOCK) * 2 * ba_type_last(in[0])) * 4;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[1].type;
    int joined = c->n_in > 4 && c->in[4].data;
    back k = { ba_array_of(&c->in[0]), ba_array_of(&c->in[1]), ba_array_of(&c->in[joined ? 4 : 0]), ba_array_of(&c->out[0]), (const float *)c->in[2].data,
               (const float *)c->in[3].data, ba_type_rows(x), ba_type_last(x), joined };
    int64_t blocks = ba_ceil(k.rows, BLOCK);
    if (blocks > 65535)
        return ba_fail(e, BA_EARG, "%lld rows; at most %d on this device", (long long)k.rows, 65535 * BLOCK);
    if (c->out[1].data || c->out[2].data) { /* before dx, which may lie where dy does */
        BA_LAUNCH(columns, dim3((unsigned)ba_ceil(k.n, 128), (unsigned)blocks), 128, 0, c, k, (float *)c->scratch);
        BA_LAUNCH(join, (unsigned)ba_ceil(2 * k.n, 128), 128, 0, c, (const float *)c->scratch, blocks, k.n, (float *)c->out[1].data, (float *)c->out[2].data);
    }
    if (c->out[0].data)
        BA_LAUNCH(rows, (unsigned)ba_ceil(k.rows, WARPS), WARPS * BA_WARP, 0, c, k);
    return BA_OK;
}

BA_CUDA_OP(layernorm_grad) = { "layernorm_grad", launch, scratch };
