/* grad_norm on CUDA: squares are summed in double, a block of 8192 elements a thread block, a hundred tensors a launch; then the blocks in order. */
#include "../cuda/each.h"

enum { GROUP = 100, BLOCK = 8192 };

typedef struct group { ba_array x[GROUP]; int64_t count[GROUP]; int32_t first[GROUP + 1]; int n; } group; /* first: block number */

static __device__ double warp_sum(double x)
{
    for (int d = BA_WARP / 2; d; d >>= 1) { /* a double is two words */
        uint64_t u;
        memcpy(&u, &x, 8);
        uint32_t low = __shfl_xor_sync(0xffffffffu, (uint32_t)u, d), high = __shfl_xor_sync(0xffffffffu, (uint32_t)(u >> 32), d);
        double o;
        u = (uint64_t)high << 32 | low;
        memcpy(&o, &u, 8);
        x += o;
    }
    return x;
}

static __device__ double block_sum(double x)
{
    __shared__ double room[BA_WARP];
    int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP;
    x = warp_sum(x);
    if (!lane)
        room[warp] = x;
    __syncthreads();
    return warp_sum(lane < (int)blockDim.x / BA_WARP ? room[lane] : 0);
}

static __global__ void squares(group g, double *partial)
{
    int t = 0;
    while (t + 1 < g.n && g.first[t + 1] <= (int)blockIdx.x)
        t++;
    int64_t from = (int64_t)((int)blockIdx.x - g.first[t]) * BLOCK, to = from + BLOCK < g.count[t] ? from + BLOCK : g.count[t];
    double s = 0;
    for (int64_t i = from + threadIdx.x; i < to; i += blockDim.x) {
        double v = ba_get(g.x[t], i);
        s += v * v;
    }
    s = block_sum(s);
    if (!threadIdx.x)
        partial[blockIdx.x] = s;
}

static __global__ void root(const double *partial, int64_t n, float *y)
{
    double s = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
        s += partial[i];
    s = block_sum(s);
    if (!threadIdx.x)
        *y = (float)sqrt(s);
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)out;
    int64_t n = 0;
    for (int i = 0; i < n_in; i++)
        n += ba_ceil(ba_type_count(in[i]), BLOCK);
    return (size_t)n * sizeof(double);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t done = 0;
    for (int i = 0; i < c->n_in;) {
        group g = {};
        for (; i < c->n_in && g.n < GROUP; i++, g.n++) {
            g.x[g.n] = ba_array_of(&c->in[i]);
            g.count[g.n] = ba_type_count(&c->in[i].type);
            g.first[g.n + 1] = g.first[g.n] + (int32_t)ba_ceil(g.count[g.n], BLOCK);
        }
        BA_LAUNCH(squares, (unsigned)g.first[g.n], 256, 0, c, g, (double *)c->scratch + done);
        done += g.first[g.n];
    }
    BA_LAUNCH(root, 1, 1024, 0, c, (const double *)c->scratch, done, (float *)c->out[0].data);
    return BA_OK;
}

BA_CUDA_OP(grad_norm) = { "grad_norm", launch, scratch };
