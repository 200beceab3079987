/* patches on CUDA: pixels of kept patches, normalised, in the order a matrix product wants. Threads run along the output. */
#include "../cuda/each.h"

typedef struct cutting { int64_t H, W, C, s, step, n, count; } cutting;

template <typename U, typename T> static __global__ void run(const U *images, const float *scale, const float *shift, const int32_t *kept, T *y, cutting k, uint32_t *fault, uint32_t id)
{
    int per = (int)(k.C * k.s * k.s), across = (int)((k.W - k.s) / k.step) + 1, all = across * (int)((k.H - k.s) / k.step + 1);
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < k.count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t patch = i / per, b = patch / k.n;
        int in = (int)(i % per), c = in / (int)(k.s * k.s), row = in / (int)k.s % (int)k.s, col = in % (int)k.s, which = kept ? kept[patch] : (int)(patch % k.n);
        if (which < 0 || which >= all) {
            ba_fault(fault, id, BA_FAULT_INDEX);
            which = 0;
        }
        int64_t at = ((b * k.H + which / across * k.step + row) * k.W + which % across * k.step + col) * k.C + c;
        ba_narrow(ba_wide(images[at]) * scale[c] + shift[c], &y[i]);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    int64_t patch = bai_cuda_i(c, "patch"), stride = bai_cuda_i(c, "stride");
    cutting k = { x->dim[1], x->dim[2], x->dim[3], patch, stride ? stride : patch, c->out[0].type.dim[1], ba_type_count(&c->out[0].type) };
    const int32_t *kept = c->n_in > 3 ? (const int32_t *)c->in[3].data : NULL;
    BA_REAL(c->out[0].type.dtype, T, {
        if (x->dtype == BA_U8) {
            auto f = run<uint8_t, T>;
            BA_LAUNCH(f, ba_blocks(k.count, BA_THREADS), BA_THREADS, 0, c, (const uint8_t *)c->in[0].data, (const float *)c->in[1].data, (const float *)c->in[2].data, kept,
                      (T *)c->out[0].data, k, c->fault, c->id);
        } else {
            auto f = run<float, T>;
            BA_LAUNCH(f, ba_blocks(k.count, BA_THREADS), BA_THREADS, 0, c, (const float *)c->in[0].data, (const float *)c->in[1].data, (const float *)c->in[2].data, kept,
                      (T *)c->out[0].data, k, c->fault, c->id);
        }
    });
    return BA_OK;
}

BA_CUDA_OP(patches) = { "patches", launch };
