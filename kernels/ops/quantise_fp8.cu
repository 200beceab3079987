/* quantise_fp8 on CUDA: the largest number (as the bits of an absolute value, which are ordered as whole numbers are: the order of threads does not show),
 * the scale, the codes. */
#include "../cuda/fp8.h"

static __global__ void largest(ba_array x, int64_t n, uint32_t *top)
{
    uint32_t mine = 0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x) {
        float a = fabsf(ba_get(x, i));
        uint32_t u = a == a ? ba_float_bits(a) : 0;
        mine = u > mine ? u : mine;
    }
    for (int d = BA_WARP / 2; d; d >>= 1) {
        uint32_t other = __shfl_xor_sync(0xffffffffu, mine, d);
        mine = other > mine ? other : mine;
    }
    if (threadIdx.x % BA_WARP == 0)
        atomicMax(top, mine);
}

static __global__ void clear(uint32_t *top) { *top = 0; }
static __global__ void scale_of(const uint32_t *top, float *scale) { *scale = ba_e4m3_scale(ba_bits_float(*top)); }

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const int64_t n = ba_type_count(&c->in[0].type);
    uint32_t *top = (uint32_t *)c->scratch;
    float *scale = c->out[1].data ? (float *)c->out[1].data : (float *)(top + 1);
    BA_LAUNCH(clear, 1, 1, 0, c, top);
    BA_LAUNCH(largest, (unsigned)ba_least(ba_ceil(n, 4 * BA_THREADS), 1024), BA_THREADS, 0, c, ba_array_of(&c->in[0]), n, top);
    BA_LAUNCH(scale_of, 1, 1, 0, c, top, scale);
    if (c->out[0].data)
        ba_quantise_all(c, &c->in[0], scale, (uint8_t *)c->out[0].data, n);
    return BA_OK;
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)in, (void)out;
    return 8;
}

BA_CUDA_OP(quantise_fp8) = { "quantise_fp8", launch, scratch };
