/* move: copies of parts of tensors, in units as wide as shapes and addresses allow. */
#ifndef BAI_CUDA_MOVE_H
#define BAI_CUDA_MOVE_H

#include "each.h"

/* [outer, rows, inner] bytes: row r of block o of `from` (rows_from rows a block, beginning at row at_from) goes to the same of `to`.
 * With zero set, rows of `to` outside of [at_to, at_to + rows) become 0. */
typedef struct ba_slab {
    void *to;
    const void *from;
    int64_t outer, rows, inner, rows_to, at_to, rows_from, at_from;
    int zero;
} ba_slab;

template <typename U> static __global__ void ba_slab_copy(ba_slab s)
{
    int64_t inner = s.inner / (int64_t)sizeof(U), rows = s.zero ? s.rows_to : s.rows, n = s.outer * rows * inner;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t x = i % inner, r = i / inner % rows, o = i / inner / rows;
        U v = {};
        if (s.zero) {
            if (r >= s.at_to && r < s.at_to + s.rows)
                v = ((const U *)s.from)[(o * s.rows_from + s.at_from + r - s.at_to) * inner + x];
            ((U *)s.to)[(o * s.rows_to + r) * inner + x] = v;
        } else {
            ((U *)s.to)[(o * s.rows_to + s.at_to + r) * inner + x] = ((const U *)s.from)[(o * s.rows_from + s.at_from + r) * inner + x];
        }
    }
}

/* The widest unit that divides bytes and both addresses. */
static inline int ba_unit(int64_t bytes, const void *a, const void *b)
{
    uint64_t all = (uint64_t)bytes | (uintptr_t)a | (uintptr_t)b;
    return all % 16 == 0 ? 16 : all % 4 == 0 ? 4 : all % 2 == 0 ? 2 : 1;
}
/* BA_UNIT(width, U, statement) runs it with U of that width. */
#define BA_UNIT(WIDTH, U, ...) do { \
    if ((WIDTH) == 16) { typedef uint4 U; __VA_ARGS__; } else if ((WIDTH) == 4) { typedef uint32_t U; __VA_ARGS__; } \
    else if ((WIDTH) == 2) { typedef uint16_t U; __VA_ARGS__; } else { typedef uint8_t U; __VA_ARGS__; } } while (0)

static inline int ba_slab_run(const bai_cuda_call *c, ba_slab s)
{
    int64_t n = s.outer * (s.zero ? s.rows_to : s.rows) * s.inner;
    int width = ba_unit(s.inner, s.to, s.from);
    BA_UNIT(width, U, {
        auto k = ba_slab_copy<U>;
        BA_LAUNCH(k, ba_blocks(n / (int64_t)sizeof(U), BA_THREADS), BA_THREADS, 0, c, s);
    });
    return BA_OK;
}

/* Axes before `axis`, and bytes of what lies behind it. */
static inline int64_t ba_before(const ba_type *t, int axis)
{
    int64_t n = 1;
    for (int a = 0; a < axis; a++)
        n *= t->dim[a];
    return n;
}
static inline int64_t ba_behind(const ba_type *t, int axis)
{
    int64_t n = ba_dtype_size(t->dtype);
    for (int a = axis + 1; a < t->rank; a++)
        n *= t->dim[a];
    return n;
}
static inline int ba_axis(const bai_cuda_call *c, const ba_type *t)
{
    int64_t a = bai_cuda_i(c, "axis");
    return (int)(a < 0 ? a + t->rank : a);
}

/* Whole numbers of "2,3,-1" into v; how many. */
static inline int ba_list(const char *text, int64_t *v, int room)
{
    int n = 0;
    for (char *end; n < room && *text; text = *end ? end + 1 : end, n++) {
        v[n] = strtoll(text, &end, 10);
        if (end == text)
            break;
    }
    return n;
}

#endif
