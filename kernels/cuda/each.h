/* each: one function over every element of up to three inputs, which repeat along axes as numpy's do (../shared/elementwise.h for CUDA). */
#ifndef BAI_CUDA_EACH_H
#define BAI_CUDA_EACH_H

#include "cuda.h"

enum { BA_EACH = 3, BA_THREADS = 256 };

/* The output's axes, innermost first; axes of size 1 left out, neighbours joined where every input allows it. step 0: it repeats. */
typedef struct ba_walk {
    int rank;
    int64_t count, dim[BA_MAX_RANK], step[BA_EACH][BA_MAX_RANK];
    ba_array in[BA_EACH], out;
} ba_walk;

static inline ba_walk ba_walk_of(const bai_cuda_call *c, int n)
{
    ba_walk w = {};
    const ba_type *o = &c->out[0].type;
    int64_t stride[BA_EACH] = { 1, 1, 1 };
    w.count = ba_type_count(o);
    w.out = ba_array_of(&c->out[0]);
    for (int i = 0; i < n; i++)
        w.in[i] = ba_array_of(&c->in[i]);
    for (int a = o->rank - 1; a >= 0; a--) {
        int64_t step[BA_EACH] = { 0, 0, 0 };
        int joins = w.rank > 0;
        for (int i = 0; i < n; i++) {
            const ba_type *t = &c->in[i].type;
            int at = a - (o->rank - t->rank); /* axes are counted from the last */
            int64_t d = at >= 0 ? t->dim[at] : 1;
            step[i] = d > 1 ? stride[i] : 0;
            stride[i] *= d;
            if (joins && step[i] != w.step[i][w.rank - 1] * w.dim[w.rank - 1])
                joins = 0;
        }
        if (o->dim[a] == 1)
            continue;
        if (joins) {
            w.dim[w.rank - 1] *= o->dim[a];
            continue;
        }
        for (int i = 0; i < n; i++)
            w.step[i][w.rank] = step[i];
        w.dim[w.rank++] = o->dim[a];
    }
    return w;
}

static __device__ __forceinline__ void ba_walk_seek(const ba_walk *w, int n, int64_t at, int64_t *off)
{
    for (int i = 0; i < n; i++)
        off[i] = 0;
    for (int a = 0; a < w->rank; a++) {
        int64_t x = a + 1 < w->rank ? at % w->dim[a] : at;
        at = a + 1 < w->rank ? at / w->dim[a] : 0;
        for (int i = 0; i < n; i++)
            off[i] += x * w->step[i][a];
    }
}

/* F: struct with parameters and float operator()(const float *x). */
template <int N, typename F> static __global__ void ba_each_any(ba_walk w, F f)
{
    for (int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; at < w.count; at += (int64_t)gridDim.x * blockDim.x) {
        int64_t off[N];
        float x[N];
        ba_walk_seek(&w, N, at, off);
        for (int i = 0; i < N; i++)
            x[i] = ba_get(w.in[i], off[i]);
        ba_set(w.out, at, f(x));
    }
}

/* All tensors of one type T, every input as long as the output or one repeated number: 16 bytes at a time. */
template <typename T, int N, typename F> static __global__ void ba_each_flat(ba_walk w, F f)
{
    enum { PER = 16 / sizeof(T) };
    int64_t at = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * PER;
    if (at >= w.count)
        return;
    float x[N];
    if (at + PER > w.count) { /* the end, one by one: a loop of unknown length would put the packs below into local memory */
        for (; at < w.count; at++) {
            for (int i = 0; i < N; i++)
                x[i] = ba_wide(((const T *)w.in[i].data)[w.step[i][0] ? at : 0]);
            ba_narrow(f(x), (T *)w.out.data + at);
        }
        return;
    }
    ba_pack<T, PER> v[N], y;
BA_UNROLL
    for (int i = 0; i < N; i++) {
        const T *from = (const T *)w.in[i].data;
        if (w.step[i][0])
            v[i] = *(const ba_pack<T, PER> *)(from + at);
        else {
BA_UNROLL
            for (int k = 0; k < PER; k++)
                v[i].x[k] = from[0];
        }
    }
BA_UNROLL
    for (int k = 0; k < PER; k++) {
BA_UNROLL
        for (int i = 0; i < N; i++)
            x[i] = ba_wide(v[i].x[k]);
        ba_narrow(f(x), &y.x[k]);
    }
    *(ba_pack<T, PER> *)((T *)w.out.data + at) = y;
}

static inline unsigned ba_blocks(int64_t n, int64_t per) /* enough blocks for n things, at most what the grid takes in x */
{
    return (unsigned)ba_least(ba_ceil(n, per), 1 << 20);
}

template <int N, typename F> static int ba_each_run(const bai_cuda_call *c, F f)
{
    ba_walk w = ba_walk_of(c, N);
    int flat = w.rank <= 1 && (w.out.dtype == BA_F32 || w.out.dtype == BA_BF16);
    for (int i = 0; i < N; i++)
        flat &= w.in[i].dtype == w.out.dtype && (uintptr_t)w.in[i].data % 16 == 0;
    if (flat && ba_ceil(w.count, BA_THREADS * (w.out.dtype == BA_BF16 ? 8 : 4)) <= 0x7fffffff)
        BA_REAL(w.out.dtype, T, {
            auto k = ba_each_flat<T, N, F>;
            BA_LAUNCH(k, (unsigned)ba_ceil(w.count, BA_THREADS * (16 / sizeof(T))), BA_THREADS, 0, c, w, f);
        });
    else {
        auto k = ba_each_any<N, F>;
        BA_LAUNCH(k, ba_blocks(w.count, BA_THREADS), BA_THREADS, 0, c, w, f);
    }
    return BA_OK;
}

#endif
