/* mix on CUDA: element by element. */
#include "../cuda/each.h"

typedef struct sizes { int64_t count, each, W, C; int picture; } sizes;

template <typename T> static __global__ void run(const T *x, const float *plan, float *y, sizes s)
{
    const int cut = s.picture && plan[5] != 0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < s.count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t in = i % s.each, other = s.count - s.each - (i - in) + in;
        float share = plan[0];
        if (cut) {
            float row = (float)(in / (s.W * s.C)), column = (float)(in / s.C % s.W);
            share = !(row >= plan[1] && row < plan[2] && column >= plan[3] && column < plan[4]);
        }
        y[i] = share == 1 ? ba_wide(x[i]) : share == 0 ? ba_wide(x[other]) : share * ba_wide(x[i]) + (1 - share) * ba_wide(x[other]);
    }
}

template <typename T> static int start(const bai_cuda_call *c)
{
    const ba_type *t = &c->in[0].type;
    int64_t n = ba_type_count(t);
    sizes s = { n, n / t->dim[0], t->rank == 4 ? t->dim[2] : 1, t->rank == 4 ? t->dim[3] : 1, t->rank == 4 };
    auto f = run<T>;
    BA_LAUNCH(f, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (const T *)c->in[0].data, (const float *)c->in[1].data, (float *)c->out[0].data, s);
    return BA_OK;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    switch (c->in[0].type.dtype) {
    case BA_U8: return start<uint8_t>(c);
    case BA_I32: return start<int32_t>(c);
    case BA_BF16: return start<bf16>(c);
    default: return start<float>(c);
    }
}

BA_CUDA_OP(mix) = { "mix", launch };
