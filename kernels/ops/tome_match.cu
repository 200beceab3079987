/* tome_match on CUDA: a block an image. First a warp each token of A finds its partner; then every token counts who is ahead of it. */
#include "../cuda/each.h"

typedef struct match { int n, d, r, prefix; } match;

static __device__ float length(const float *x, int d, int lane)
{
    float s = 0;
    for (int i = lane; i < d; i += BA_WARP)
        s += x[i] * x[i];
    return fmaxf(sqrtf(ba_warp_sum(s)), 1e-12f);
}

/* Scratch of an image: similarity and partner of each token of A. */
static __global__ void run(const float *keys, float *values, int32_t *partners, int32_t *to, match m, uint32_t *fault, uint32_t id)
{
    const int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP, warps = (int)blockDim.x / BA_WARP, A = (m.n + 1) / 2, B = m.n - A;
    const float *x = keys + (int64_t)blockIdx.x * m.n * m.d;
    float *value = values + (int64_t)blockIdx.x * m.n;
    int32_t *partner = partners + (int64_t)blockIdx.x * m.n, *place = to + (int64_t)blockIdx.x * m.n;
    int broken = 0;
    for (int i = (int)threadIdx.x; i < m.n * m.d; i += (int)blockDim.x) /* protected tokens too, which are compared with none */
        broken |= x[i] != x[i];
    if (broken)
        ba_fault(fault, id, BA_FAULT_NAN);
    for (int a = warp; a < A; a += warps) {
        const float *own = x + (int64_t)2 * a * m.d;
        float best = -INFINITY, mine = length(own, m.d, lane);
        int with = m.prefix > 1 ? 1 : 0;
        for (int b = m.prefix > 1 ? 1 : 0; b < B && 2 * a >= m.prefix; b++) { /* a distillation token is nobody's partner */
            const float *other = x + (int64_t)(2 * b + 1) * m.d;
            float s = 0, its = length(other, m.d, lane);
            for (int i = lane; i < m.d; i += BA_WARP)
                s += own[i] / mine * (other[i] / its);
            s = ba_warp_sum(s);
            if (s > best) {
                best = s;
                with = b;
            }
        }
        if (!lane) {
            value[a] = best;
            partner[a] = with;
        }
    }
    __syncthreads();
    const int first = m.prefix > 1 ? 1 : 0, left = m.prefix + A - (m.prefix + 1) / 2 - m.r; /* where B begins */
    for (int b = (int)threadIdx.x; b < B; b += (int)blockDim.x)
        place[2 * b + 1] = 2 * b + 1 < m.prefix ? 2 * b + 1 : left + b - first;
    for (int a = (int)threadIdx.x; a < A; a += (int)blockDim.x) {
        int ahead = 0, before = 0;
        for (int j = 0; j < A; j++)
            ahead += value[j] > value[a] || (value[j] == value[a] && j < a);
        for (int j = 0; j < a && 2 * a >= m.prefix; j++) { /* tokens of A in front of it that stay */
            int its = 0;
            for (int i = 0; i < A; i++)
                its += value[i] > value[j] || (value[i] == value[j] && i < j);
            before += 2 * j >= m.prefix && its >= m.r;
        }
        if (2 * a < m.prefix)
            place[2 * a] = 2 * a;
        else
            place[2 * a] = ahead < m.r ? left + partner[a] - first : m.prefix + before;
    }
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return (size_t)(in[0]->dim[0] * in[0]->dim[1]) * 8;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    match m = { (int)x->dim[1], (int)x->dim[2], (int)bai_cuda_i(c, "r"), (int)bai_cuda_i(c, "prefix") };
    BA_LAUNCH(run, (unsigned)x->dim[0], 256, 0, c, (const float *)c->in[0].data, (float *)c->scratch, (int32_t *)c->scratch + x->dim[0] * x->dim[1],
              (int32_t *)c->out[0].data, m, c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(tome_match) = { "tome_match", launch, scratch };
