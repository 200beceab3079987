/* cuda: what every NAME.cu includes: the call that a launch function gets, numbers of any element type as fp32, sums over warps and
 * blocks, Philox, the tensor-core product.
 *
 * The files are C with templates. nvcc compiles them for the device; the C++ compiler compiles the same files for the emulator
 * (emulate.h), on which the operation test judges every kernel on machines without a GPU. So a kernel uses nothing but what stands
 * here, and is started with BA_LAUNCH. */
#ifndef BAI_CUDA_H
#define BAI_CUDA_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include "call.h"
#include "runtime.h"
rt *bai_cuda_rt(struct bai_cuda *c);
}
#include "bauta/rng.h"

#ifndef __CUDACC__
#include "emulate.h"
#endif

#define BA_CUDA_OP(NAME) extern "C" const bai_cuda_op bai_cuda_op_##NAME; const bai_cuda_op bai_cuda_op_##NAME

#ifdef __CUDACC__
/* All shared memory that the device gives a block, whatever this launch takes: the limit belongs to the kernel, and a step recorded with a larger block must
 * not find it lowered by a smaller one. What goes wrong here the launch says. */
static inline void ba_allow_shared(const void *kernel)
{
    cudaFuncAttributes a;
    int device = 0, most = 0;
    if (cudaGetDevice(&device) == cudaSuccess && cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) == cudaSuccess &&
        cudaFuncGetAttributes(&a, kernel) == cudaSuccess)
        (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most - (int)a.sharedSizeBytes);
}

#define BA_UNROLL _Pragma("unroll")
#define BA_UNROLL_8 _Pragma("unroll 8")   /* of a loop whose length is not known: so many loads are on their way at once */
#define BA_UNROLL_16 _Pragma("unroll 16")
/* grid, block: dim3 or int; shared: bytes of dynamic shared memory. KERNEL is a plain name (an `auto k = kernel<...>` for a template). */
#define BA_LAUNCH(KERNEL, GRID, BLOCK, SHARED, C, ...) do { \
    if ((SHARED) > 48 * 1024) ba_allow_shared((const void *)(KERNEL)); \
    KERNEL<<<(GRID), (BLOCK), (SHARED), (cudaStream_t)(C)->stream>>>(__VA_ARGS__); } while (0)
#define BA_DYNAMIC_SHARED(T, NAME) extern __shared__ __align__(16) unsigned char ba_dynamic_shared[]; T *NAME = (T *)ba_dynamic_shared
#endif

enum { BA_WARP = 32 };

/* ---- element types ---- */
typedef struct bf16 { uint16_t bits; } bf16;

static __device__ __forceinline__ float ba_bits_float(uint32_t u)
{
#ifdef __CUDACC__
    return __uint_as_float(u);
#else
    float f;
    memcpy(&f, &u, 4);
    return f;
#endif
}
static __device__ __forceinline__ uint32_t ba_float_bits(float f)
{
#ifdef __CUDACC__
    return __float_as_uint(f);
#else
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
#endif
}

static __device__ __forceinline__ float ba_wide(float x) { return x; }
static __device__ __forceinline__ float ba_wide(bf16 x) { return ba_bits_float((uint32_t)x.bits << 16); }
static __device__ __forceinline__ float ba_wide(int32_t x) { return (float)x; }
static __device__ __forceinline__ float ba_wide(uint8_t x) { return (float)x; }
/* Round to nearest, ties to even; a NaN stays one. */
static __device__ __forceinline__ void ba_narrow(float x, float *to) { *to = x; }
static __device__ __forceinline__ void ba_narrow(float x, bf16 *to)
{
#if defined(__CUDA_ARCH__)
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to->bits) : "f"(x));
#else
    uint32_t u = ba_float_bits(x);
    to->bits = x != x ? 0x7fffu : (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
#endif
}
static __device__ __forceinline__ void ba_narrow(float x, int32_t *to) { *to = (int32_t)x; }
static __device__ __forceinline__ void ba_narrow(float x, uint8_t *to) { *to = (uint8_t)x; }
static __device__ __forceinline__ uint32_t ba_pair(float low, float high) /* two bf16 in a word, the first in the low half */
{
    bf16 a, b;
    ba_narrow(low, &a);
    ba_narrow(high, &b);
    return (uint32_t)a.bits | (uint32_t)b.bits << 16;
}

/* Element i of a tensor of any type. The type is the same for all threads, so the branch costs little; kernels that are bound by
 * memory and run in every step are templates over the types instead (BA_REAL). */
typedef struct ba_array { void *data; int32_t dtype; } ba_array;
static inline ba_array ba_array_of(const ba_view *v) { ba_array a = { v->data, v->type.dtype }; return a; }
static __device__ __forceinline__ float ba_get(ba_array a, int64_t i)
{
    return a.dtype == BA_F32 ? ((const float *)a.data)[i] : a.dtype == BA_BF16 ? ba_wide(((const bf16 *)a.data)[i])
         : a.dtype == BA_I32 ? (float)((const int32_t *)a.data)[i] : (float)((const uint8_t *)a.data)[i];
}
static __device__ __forceinline__ void ba_set(ba_array a, int64_t i, float x)
{
    if (a.dtype == BA_F32)
        ((float *)a.data)[i] = x;
    else if (a.dtype == BA_BF16)
        ba_narrow(x, (bf16 *)a.data + i);
    else if (a.dtype == BA_I32)
        ((int32_t *)a.data)[i] = (int32_t)x;
    else
        ((uint8_t *)a.data)[i] = (uint8_t)x;
}

/* BA_REAL(dtype, T, statement): runs the statement with T = float or bf16. */
#define BA_REAL(DTYPE, T, ...) do { if ((DTYPE) == BA_BF16) { typedef bf16 T; __VA_ARGS__; } else { typedef float T; __VA_ARGS__; } } while (0)

/* Several neighbours in one memory access. */
template <typename T, int N> struct __align__(sizeof(T) * N) ba_pack { T x[N]; };

/* ---- functions ---- */
static __device__ __forceinline__ float ba_sigmoid(float x)
{
    float t = expf(-fabsf(x)); /* never overflows */
    return x >= 0 ? 1 / (1 + t) : t / (1 + t);
}
static __device__ __forceinline__ float ba_gelu(float x) { return 0.5f * x * (1 + erff(x * 0.70710678118654752f)); }
static __device__ __forceinline__ float ba_gelu_slope(float x) /* Phi(x) + x phi(x) */
{
    return 0.5f * (1 + erff(x * 0.70710678118654752f)) + x * 0.39894228040143268f * expf(-0.5f * x * x);
}

/* ---- sums: always in the same order, whatever the schedule ---- */
static __device__ __forceinline__ float ba_warp_sum(float x) /* every lane gets it */
{
    for (int d = BA_WARP / 2; d; d >>= 1)
        x += __shfl_xor_sync(0xffffffffu, x, d);
    return x;
}
static __device__ __forceinline__ float ba_warp_max(float x)
{
    for (int d = BA_WARP / 2; d; d >>= 1)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, d));
    return x;
}
/* All threads of the block call them; room: 33 floats of shared memory, free again after the next barrier. */
static __device__ __forceinline__ float ba_block_sum(float x, float *room)
{
    int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP, warps = ((int)blockDim.x + BA_WARP - 1) / BA_WARP;
    x = ba_warp_sum(x);
    __syncthreads(); /* an earlier reading of room is over */
    if (!lane)
        room[warp] = x;
    __syncthreads();
    if (!warp) {
        x = ba_warp_sum(lane < warps ? room[lane] : 0);
        if (!lane)
            room[32] = x;
    }
    __syncthreads();
    return room[32];
}
static __device__ __forceinline__ float ba_block_max(float x, float *room)
{
    int warp = (int)threadIdx.x / BA_WARP, lane = (int)threadIdx.x % BA_WARP, warps = ((int)blockDim.x + BA_WARP - 1) / BA_WARP;
    x = ba_warp_max(x);
    __syncthreads();
    if (!lane)
        room[warp] = x;
    __syncthreads();
    if (!warp) {
        x = ba_warp_max(lane < warps ? room[lane] : -INFINITY);
        if (!lane)
            room[32] = x;
    }
    __syncthreads();
    return room[32];
}

/* ---- tensor cores ---- */
/* D[16,8] += A[16,16] B[16,8], bf16 in, fp32 out, by a warp. With g = lane / 4, t = lane % 4: a[0], a[1]: rows g, g+8 of columns 2t, 2t+1;
 * a[2], a[3]: the same rows of columns 2t+8, 2t+9; b[0], b[1]: rows 2t, 2t+1 and 2t+8, 2t+9 of column g; d[0..1]: row g, columns 2t, 2t+1; d[2..3]: row g+8. */
static __device__ __forceinline__ void ba_mma(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if defined(__CUDA_ARCH__)
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif !defined(__CUDACC__)
    bai_emulate_mma(d, a, b);
#endif
}

/* Four 8 x 8 matrices of bf16 in shared memory, by a warp: lane 8 i + r points at row r of matrix i, 16 bytes from a multiple of 16 on. With g = lane / 4, t = lane % 4,
 * r[i] are numbers 2t, 2t+1 of row g of matrix i, as ba_mma wants its factors; turned: of column g. */
static __device__ __forceinline__ void ba_matrices(uint32_t r[4], const bf16 *row, int turned)
{
#if defined(__CUDA_ARCH__)
    const uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    if (turned)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
#elif !defined(__CUDACC__)
    bai_emulate_matrices(r, row, turned);
#endif
}

/* ---- bad input found by a kernel: the first word of it is kept and becomes the error of the run ---- */
enum { BA_FAULT_INDEX = 1, BA_FAULT_NAN = 2, BA_FAULT_STEP = 3 };
static __device__ __forceinline__ void ba_fault(uint32_t *fault, uint32_t id, uint32_t code)
{
    atomicCAS(fault, 0u, id << 4 | code);
}

static inline int64_t ba_ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t ba_least(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
