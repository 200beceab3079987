/* kernel: what every operation's file includes: descriptors, rows in fp32 whatever they are stored as, fixed blocks. */
#ifndef BAI_KERNEL_H
#define BAI_KERNEL_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bauta/op.h"
#include "simd.h"

#define BAI_CAT_(a, b) a##_##b
#define BAI_CAT(a, b) BAI_CAT_(a, b)
#define BAI_TIERED(name) BAI_CAT(name, BA_TIER)   /* one symbol a tier */
#define BA_OP(name) extern const ba_op BAI_TIERED(ba_op_##name); const ba_op BAI_TIERED(ba_op_##name)

enum { BAI_ROWS = 16, BAI_BLOCK = 4096 }; /* fixed blocks: rows of a task, elements of a partial sum; part of the result, not of the tuning */

static inline int64_t bai_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t bai_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t bai_ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t bai_round64(int64_t bytes) { return (bytes + 63) & ~INT64_C(63); }

/* n numbers from element `at` of a view, as fp32: the data itself, or converted into tmp. */
static inline const float *bai_row(const ba_view *v, int64_t at, int64_t n, float *tmp)
{
    if (v->type.dtype == BA_F32)
        return (const float *)v->data + at;
    if (v->type.dtype == BA_BF16)
        for (int64_t i = 0; i < n; i += VL)
            v_store_part(tmp + i, v_load_halves((const uint16_t *)v->data + at + i, n - i), n - i);
    else if (v->type.dtype == BA_I32)
        for (int64_t i = 0; i < n; i++)
            tmp[i] = (float)((const int32_t *)v->data)[at + i];
    else
        for (int64_t i = 0; i < n; i++)
            tmp[i] = (float)((const uint8_t *)v->data)[at + i];
    return tmp;
}

/* Where to write n numbers meant for element `at`: the data itself, or tmp; then bai_row_done. */
static inline float *bai_row_out(const ba_view *v, int64_t at, float *tmp)
{
    return v->type.dtype == BA_F32 ? (float *)v->data + at : tmp;
}
static inline void bai_row_done(const ba_view *v, int64_t at, int64_t n, const float *row)
{
    if (v->type.dtype == BA_BF16)
        for (int64_t i = 0; i < n; i += VL)
            v_store_halves((uint16_t *)v->data + at + i, v_load_part(row + i, n - i), n - i);
}

/* shape rules */
static inline ba_type bai_like(const ba_type *t, int dtype) { ba_type r = *t; r.dtype = dtype ? dtype : t->dtype; return r; }
static inline ba_type bai_shape(int dtype, int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    ba_type r = { dtype, rank, { 1, 1, 1, 1, 1 } };
    int64_t v[4] = { a, b, c, d };
    for (int i = 0; i < rank && i < 4; i++)
        r.dim[i] = v[i];
    return r;
}
static inline int bai_is_real(const ba_type *t) { return t->dtype == BA_F32 || t->dtype == BA_BF16; }
static inline int bai_same_dims(const ba_type *a, const ba_type *b)
{
    if (a->rank != b->rank)
        return 0;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return 0;
    return 1;
}
static inline const char *bai_text(const ba_type *t, char buf[96]) /* "f32[2,3]" */
{
    static const char *const names[] = { "?", "f32", "bf16", "i32", "u8" };
    int n = snprintf(buf, 96, "%s[", names[t->dtype >= 1 && t->dtype <= 4 ? t->dtype : 0]);
    for (int i = 0; i < t->rank; i++)
        n += snprintf(buf + n, (size_t)(96 - n), "%s%lld", i ? "," : "", (long long)t->dim[i]);
    snprintf(buf + n, (size_t)(96 - n), "]");
    return buf;
}

/* building gradients */
static inline ba_tensor *bai_op1(ba_graph *g, const char *op, ba_tensor *a, int n, const ba_attr *at, ba_err *e)
{
    return a ? ba_op_apply(g, op, 1, &a, n, at, e) : NULL;
}
static inline ba_tensor *bai_op2(ba_graph *g, const char *op, ba_tensor *a, ba_tensor *b, int n, const ba_attr *at, ba_err *e)
{
    ba_tensor *in[2] = { a, b };
    return a && b ? ba_op_apply(g, op, 2, in, n, at, e) : NULL;
}
static inline int64_t bai_dim(const ba_tensor *t, int axis)
{
    ba_type y;
    return ba_tensor_type(t, &y, NULL) || axis < 0 || axis >= y.rank ? -1 : y.dim[axis];
}
static inline int bai_dtype(const ba_tensor *t)
{
    ba_type y;
    return ba_tensor_type(t, &y, NULL) ? 0 : y.dtype;
}

#endif
