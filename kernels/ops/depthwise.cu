/* depthwise on CUDA: a thread a result; neighbouring threads have neighbouring channels. */
#include "../cuda/each.h"

typedef struct conv { int64_t rows, columns, C, side, count; int flip; } conv;

static __global__ void run(ba_array x, const float *w, const float *bias, ba_array y, conv k)
{
    for (int64_t o = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; o < k.count; o += (int64_t)gridDim.x * blockDim.x) {
        int64_t c = o % k.C, at = o / k.C % k.columns, row = o / k.C / k.columns % k.rows, b = o / k.C / k.columns / k.rows, all = k.side * k.side, h = k.side / 2;
        float s = bias ? bias[c] : 0;
        for (int64_t i = 0; i < all; i++) {
            int64_t r = row + i / k.side - h, q = at + i % k.side - h;
            if (r >= 0 && r < k.rows && q >= 0 && q < k.columns)
                s += w[c * all + (k.flip ? all - 1 - i : i)] * ba_get(x, ((b * k.rows + r) * k.columns + q) * k.C + c);
        }
        ba_set(y, o, s);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    conv k = { bai_cuda_i(c, "rows"), bai_cuda_i(c, "columns"), c->in[0].type.dim[2], bai_cuda_i(c, "side"), ba_type_count(&c->out[0].type), (int)bai_cuda_i(c, "flip") };
    BA_LAUNCH(run, ba_blocks(k.count, BA_THREADS), BA_THREADS, 0, c, ba_array_of(&c->in[0]), (const float *)c->in[1].data,
              c->n_in > 2 ? (const float *)c->in[2].data : NULL, ba_array_of(&c->out[0]), k);
    return BA_OK;
}

BA_CUDA_OP(depthwise) = { "depthwise", launch };
