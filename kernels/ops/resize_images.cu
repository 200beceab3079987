/* resize_images on CUDA: a thread a number of the new picture, four taps each way. */
#include "../cuda/each.h"

typedef struct pictures { int64_t H, W, C, rows, columns, count; int linear, corners; } pictures;
typedef struct taps { int64_t at[4]; float weight[4]; } taps;

static __device__ double cubic(double x) /* cubic convolution, a = -0.75 */
{
    const double a = -0.75;
    x = fabs(x);
    return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static __device__ taps taps_of(int64_t i, int64_t n, int64_t M, int linear, int corners)
{
    double x = corners ? (M > 1 ? (double)i * (double)(n - 1) / (double)(M - 1) : 0) : ((double)i + 0.5) * (double)n / (double)M - 0.5;
    if (linear && x < 0)
        x = 0;
    int64_t first = (int64_t)floor(x) - 1;
    taps t;
    for (int k = 0; k < 4; k++) {
        int64_t at = first + k;
        double off = x - (double)at;
        t.weight[k] = (float)(linear ? fmax(0., 1 - fabs(off)) : cubic(off));
        t.at[k] = at < 0 ? 0 : at > n - 1 ? n - 1 : at;
    }
    return t;
}

static __global__ void run(ba_array x, float *y, pictures p)
{
    for (int64_t o = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; o < p.count; o += (int64_t)gridDim.x * blockDim.x) {
        int64_t c = o % p.C, j = o / p.C % p.columns, i = o / p.C / p.columns % p.rows, b = o / p.C / p.columns / p.rows;
        taps r = taps_of(i, p.H, p.rows, p.linear, p.corners), q = taps_of(j, p.W, p.columns, p.linear, p.corners);
        float s = 0;
        for (int u = 0; u < 4; u++)
            for (int v = 0; v < 4; v++)
                s += r.weight[u] * q.weight[v] * ba_get(x, ((b * p.H + r.at[u]) * p.W + q.at[v]) * p.C + c);
        y[o] = s;
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    pictures p = { x->dim[1], x->dim[2], x->dim[3], bai_cuda_i(c, "rows"), bai_cuda_i(c, "columns"), ba_type_count(&c->out[0].type), (int)bai_cuda_i(c, "filter"),
                   (int)bai_cuda_i(c, "corners") };
    BA_LAUNCH(run, ba_blocks(p.count, BA_THREADS), BA_THREADS, 0, c, ba_array_of(&c->in[0]), (float *)c->out[0].data, p);
    return BA_OK;
}

BA_CUDA_OP(resize_images) = { "resize_images", launch };
