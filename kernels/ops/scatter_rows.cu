/* scatter_rows on CUDA: a warp a row of y looks through the k rows of its sample, 32 at a time, and adds up those that belong to it in their
 * order: no atomic sums. */
#include "../cuda/each.h"

enum { WARPS = 8, HELD = 4 }; /* numbers of the row that a lane holds at a time */

typedef struct parts { int64_t rows, N, k, row; } parts; /* rows: of y in all, N of a sample */

template <typename T> static __global__ void scatter(const T *x, const int32_t *idx, T *y, parts s, uint32_t *fault, uint32_t id)
{
    const int lane = (int)threadIdx.x % BA_WARP;
    const int64_t out = (int64_t)blockIdx.x * WARPS + threadIdx.x / BA_WARP, n = out % s.N, b = out / s.N;
    int broken = 0;
    if (out >= s.rows)
        return; /* the whole warp */
    for (int64_t c = lane; c - lane < s.row; c += BA_WARP * HELD) {
        float sum[HELD] = { 0 };
        for (int64_t j = 0; j < s.k; j += BA_WARP) {
            const int64_t at = j + lane < s.k ? idx[b * s.k + j + lane] : -1;
            broken |= j + lane < s.k && (at < 0 || at >= s.N);
            for (uint32_t mine = __ballot_sync(0xffffffffu, at == n); mine; mine &= mine - 1) {
                const T *from = x + (b * s.k + j + __ffs((int)mine) - 1) * s.row;
BA_UNROLL
                for (int h = 0; h < HELD; h++)
                    sum[h] += c + h * BA_WARP < s.row ? ba_wide(from[c + h * BA_WARP]) : 0.f;
            }
        }
BA_UNROLL
        for (int h = 0; h < HELD; h++)
            if (c + h * BA_WARP < s.row)
                ba_narrow(sum[h], y + out * s.row + c + h * BA_WARP);
    }
    if (!n && broken) /* one warp of a sample says it */
        ba_fault(fault, id, BA_FAULT_INDEX);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type, *y = &c->out[0].type;
    parts s = { y->dim[0] * y->dim[1], y->dim[1], x->dim[1], ba_type_count(y) / (y->dim[0] * y->dim[1]) };
    BA_REAL(x->dtype, T, {
        auto f = scatter<T>;
        BA_LAUNCH(f, (unsigned)ba_ceil(s.rows, WARPS), WARPS * BA_WARP, 0, c, (const T *)c->in[0].data, (const int32_t *)c->in[1].data, (T *)c->out[0].data, s, c->fault, c->id);
    });
    return BA_OK;
}

BA_CUDA_OP(scatter_rows) = { "scatter_rows", launch };
