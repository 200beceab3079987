/* erase on CUDA: a block a picture; its first thread draws the box. */
#include "../cuda/each.h"
#include "../shared/mixing.h"

typedef struct sizes { int64_t H, W, C; } sizes;

template <typename T> static __global__ void run(const T *x, const float *scale, const float *shift, float *y, const int32_t *step, uint64_t seed, uint32_t stream, bai_erasing p, sizes s)
{
    __shared__ bai_erase_box box[1];
    const int64_t n = s.H * s.W * s.C, at = (int64_t)blockIdx.x * n;
    if (!threadIdx.x)
        box[0] = bai_erase_draw(&p, seed, stream, (uint32_t)*step, (int64_t)blockIdx.x, s.H, s.W);
    __syncthreads();
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        int64_t row = i / (s.W * s.C), column = i / s.C % s.W, c = i % s.C;
        int in = row >= box[0].y0 && row < box[0].y1 && column >= box[0].x0 && column < box[0].x1;
        y[at + i] = in ? (float)bai_erase_paint(&p, seed, stream, (uint32_t)*step, at + i, scale[c], shift[c]) : ba_wide(x[at + i]);
    }
}

template <typename T> static int start(const bai_cuda_call *c)
{
    const ba_type *t = &c->in[0].type;
    bai_erasing p = { bai_cuda_f(c, "probability"), bai_cuda_f(c, "area_low"), bai_cuda_f(c, "area_high"), bai_cuda_f(c, "ratio_low"), (int)bai_cuda_i(c, "integers") };
    sizes s = { t->dim[1], t->dim[2], t->dim[3] };
    auto f = run<T>;
    BA_LAUNCH(f, (int)t->dim[0], BA_THREADS, 0, c, (const T *)c->in[0].data, (const float *)c->in[1].data, (const float *)c->in[2].data, (float *)c->out[0].data, (const int32_t *)c->in[3].data,
              c->seed, ba_stream(bai_cuda_s(c, "stream")), p, s);
    return BA_OK;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    return c->in[0].type.dtype == BA_U8 ? start<uint8_t>(c) : start<float>(c);
}

BA_CUDA_OP(erase) = { "erase", launch };
