/* depthwise_dw on CUDA: a block has 32 channels and a place of the square (the last one makes the bias): lanes are channels, and every warp sums its share of the
 * places of all pictures in order; then the shares are added up in order. */
#include "../cuda/each.h"

enum { WARPS = 16 };

typedef struct conv { int64_t pictures, C; int rows, columns, side, flip; } conv;

template <typename D, typename X> static __global__ void run(const D *d, const X *x, float *dw, float *db, conv k)
{
    __shared__ float room[WARPS][BA_WARP];
    const int lane = (int)threadIdx.x % BA_WARP, warp = (int)threadIdx.x / BA_WARP, all = k.side * k.side, i = (int)blockIdx.y, places = k.rows * k.columns;
    const int up = i / k.side - k.side / 2, right = i % k.side - k.side / 2;
    const int64_t c = (int64_t)blockIdx.x * BA_WARP + lane;
    float s = 0;
    for (int64_t b = 0; b < k.pictures && c < k.C; b++) {
        const D *dp = d + b * places * k.C + c;
        const X *xp = x + b * places * k.C + c;
        if (i == all) {
BA_UNROLL_8
            for (int p = warp; p < places; p += WARPS)
                s += ba_wide(dp[p * k.C]);
            continue;
        }
BA_UNROLL_8
        for (int p = warp; p < places; p += WARPS) {
            const int r = p / k.columns + up, q = p % k.columns + right, inside = r >= 0 && r < k.rows && q >= 0 && q < k.columns;
            const float g = ba_wide(dp[p * k.C]), v = ba_wide(xp[(inside ? r * k.columns + q : p) * k.C]); /* without a branch between the loads */
            s += inside ? g * v : 0.f;
        }
    }
    room[warp][lane] = s;
    __syncthreads();
    if (warp || c >= k.C)
        return;
    s = 0;
    for (int w = 0; w < WARPS; w++)
        s += room[w][lane];
    if (i == all && db)
        db[c] = s;
    if (i < all && dw)
        dw[c * all + (k.flip ? all - 1 - i : i)] = s;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[1].type;
    conv k = { x->dim[0], x->dim[2], (int)bai_cuda_i(c, "rows"), (int)bai_cuda_i(c, "columns"), (int)bai_cuda_i(c, "side"), (int)bai_cuda_i(c, "flip") };
    BA_REAL(c->in[0].type.dtype, D, BA_REAL(x->dtype, X, {
        auto f = run<D, X>;
        BA_LAUNCH(f, dim3((unsigned)ba_ceil(k.C, BA_WARP), (unsigned)(k.side * k.side + 1)), WARPS * BA_WARP, 0, c, (const D *)c->in[0].data, (const X *)c->in[1].data,
                  (float *)c->out[0].data, (float *)c->out[1].data, k);
    }));
    return BA_OK;
}

BA_CUDA_OP(depthwise_dw) = { "depthwise_dw", launch };
