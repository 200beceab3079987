/* emulate: CUDA's words for the C++ compiler, so that the .cu files run on a CPU. One block runs at a time; its threads are fibers that
 * change at barriers and warp operations only, in an order that is another one in every launch. So a missing barrier shows, and so does
 * a sum whose order depends on the schedule. For tests: a thousand times slower than a GPU. */
#ifndef BAI_EMULATE_H
#define BAI_EMULATE_H

#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static /* one block at a time, so one of each is enough */
#define __constant__ static
#define BA_UNROLL
#define BA_UNROLL_8
#define BA_UNROLL_16

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;
struct float4 { float x, y, z, w; };
struct uint4 { unsigned x, y, z, w; };

extern "C" {
typedef void (*bai_emulate_fn)(void *ctx);
/* Runs fn(ctx) for every thread of every block. */
void bai_emulate_run(const dim3 *grid, const dim3 *block, size_t shared, bai_emulate_fn fn, void *ctx);
/* Takes a launch (ctx is copied) instead of running it at once: a test's own streams. NULL: launches run at once. */
extern void (*bai_emulate_later)(void *stream, const dim3 *grid, const dim3 *block, size_t shared, bai_emulate_fn fn, const void *ctx, size_t bytes);
void *bai_emulate_shared(void);
void bai_emulate_barrier(void);
/* All lanes of the warp that are named in mask: gives each the words that the 32 lanes have put. */
const uint32_t *bai_emulate_exchange(uint32_t mask, const uint32_t *words, int n);
void bai_emulate_mma(float d[4], const uint32_t a[4], const uint32_t b[2]);
void bai_emulate_matrices(uint32_t r[4], const void *row, int turned);
}

/* A launch: the arguments are what they are now, as on a device. */
template <typename... P> struct bai_launch {
    void *stream;
    dim3 grid, block;
    size_t shared;
    void (*kernel)(P...);
    void operator()(P... p) const
    {
        auto f = [k = kernel, p...]() { k(p...); };
        bai_emulate_fn fn = [](void *ctx) { (*(decltype(f) *)ctx)(); };
        if (bai_emulate_later)
            bai_emulate_later(stream, &grid, &block, shared, fn, &f, sizeof f);
        else
            bai_emulate_run(&grid, &block, shared, fn, &f);
    }
};
template <typename... P> static bai_launch<P...> bai_launch_of(void *stream, dim3 grid, dim3 block, size_t shared, void (*kernel)(P...))
{
    return { stream, grid, block, shared, kernel };
}
#define BA_LAUNCH(KERNEL, GRID, BLOCK, SHARED, C, ...) bai_launch_of((C)->stream, (GRID), (BLOCK), (SHARED), KERNEL)(__VA_ARGS__)
#define BA_DYNAMIC_SHARED(T, NAME) T *NAME = (T *)bai_emulate_shared()

static inline void __syncthreads(void) { bai_emulate_barrier(); }
static inline void __syncwarp(uint32_t mask = 0xffffffffu) { uint32_t none = 0; bai_emulate_exchange(mask, &none, 1); }
static inline int bai_lane(void) { return (int)((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31); }

template <typename T> static inline T bai_from_lane(uint32_t mask, T x, int lane)
{
    static_assert(sizeof(T) == 4, "warp operations move words");
    uint32_t w;
    memcpy(&w, &x, 4);
    w = bai_emulate_exchange(mask, &w, 1)[lane & 31];
    memcpy(&x, &w, 4);
    return x;
}
template <typename T> static inline T __shfl_sync(uint32_t mask, T x, int lane) { return bai_from_lane(mask, x, lane); }
template <typename T> static inline T __shfl_xor_sync(uint32_t mask, T x, int d) { return bai_from_lane(mask, x, bai_lane() ^ d); }
template <typename T> static inline T __shfl_down_sync(uint32_t mask, T x, int d)
{
    int from = bai_lane() + d;
    return bai_from_lane(mask, x, from < 32 ? from : bai_lane());
}
template <typename T> static inline T __shfl_up_sync(uint32_t mask, T x, int d)
{
    int from = bai_lane() - d;
    return bai_from_lane(mask, x, from >= 0 ? from : bai_lane());
}
static inline uint32_t __ballot_sync(uint32_t mask, int yes)
{
    uint32_t w = yes != 0, all = 0;
    const uint32_t *got = bai_emulate_exchange(mask, &w, 1);
    for (int i = 0; i < 32; i++)
        all |= (mask >> i & 1 & got[i]) << i;
    return all;
}
static inline int __popc(uint32_t x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }

/* One thread runs at a time: atomic by itself. No fp32 atomics: the sum would depend on the schedule. */
static inline uint32_t atomicCAS(uint32_t *p, uint32_t was, uint32_t to) { uint32_t old = *p; if (old == was) *p = to; return old; }
static inline int atomicAdd(int *p, int v) { int old = *p; *p += v; return old; }
static inline uint32_t atomicAdd(uint32_t *p, uint32_t v) { uint32_t old = *p; *p += v; return old; }
static inline uint32_t atomicMax(uint32_t *p, uint32_t v) { uint32_t old = *p; if (v > old) *p = v; return old; }

#endif
