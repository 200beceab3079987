/* farthest on CUDA: a block an image; each round a warp a token measures the distance to the one just chosen, then a warp looks for the next. */
#include "../cuda/rows.h"

static __global__ void run(const float *x, const float *weights, float *nearest, float *y, int n, int d, uint32_t *fault, uint32_t id)
{
    __shared__ int chosen;
    const int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP, warps = (int)blockDim.x / BA_WARP;
    const float *tokens = x + (int64_t)blockIdx.x * n * d, *w = weights + (int64_t)blockIdx.x * n;
    float *near = nearest + (int64_t)blockIdx.x * n, *out = y + (int64_t)blockIdx.x * n;
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        near[i] = INFINITY;
        out[i] = 0;
    }
    for (int order = 0; order < n; order++) {
        __syncthreads();
        if (!warp) {
            int best = n;
            float top = -INFINITY;
            for (int i = lane; i < n; i += BA_WARP) {
                float v = order ? w[i] * near[i] : w[i];
                if (out[i] == 0 && ba_before(v, i, top, best)) {
                    top = v;
                    best = i;
                }
            }
            ba_warp_largest(&top, &best);
            if (!lane) {
                out[best] = (float)(n - order);
                chosen = best;
            }
        }
        __syncthreads();
        for (int i = warp; i < n; i += warps) {
            float s = 0;
            for (int c = lane; c < d; c += BA_WARP) {
                float off = tokens[(int64_t)i * d + c] - tokens[(int64_t)chosen * d + c];
                s += off * off;
            }
            s = sqrtf(ba_warp_sum(s));
            if (!lane && (s != s || w[i] != w[i]))
                ba_fault(fault, id, BA_FAULT_NAN);
            if (!lane)
                near[i] = fminf(near[i], s);
        }
    }
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return (size_t)ba_type_count(in[1]) * 4;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    BA_LAUNCH(run, (unsigned)x->dim[0], 256, 0, c, (const float *)c->in[0].data, (const float *)c->in[1].data, (float *)c->scratch, (float *)c->out[0].data, (int)x->dim[1],
              (int)x->dim[2], c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(farthest) = { "farthest", launch, scratch };
