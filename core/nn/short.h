/* short: short forms for what describes graphs in core; compose.h has those of plugins. All hand NULL on, so that a chain is checked once, at its
 * end: the first error is the one that is kept. */
#ifndef BAI_SHORT_H
#define BAI_SHORT_H

#include <stdio.h>

#include "../plugin/build.h"

static inline ba_tensor *bai_nn_op1(ba_build *b, const char *name, ba_tensor *x, int n, const ba_attr *attr, ba_err *e)
{
    return x ? ba_op_apply(b->g, name, 1, &x, n, attr, e) : NULL;
}

static inline ba_tensor *bai_nn_op2(ba_build *b, const char *name, ba_tensor *x, ba_tensor *y, int n, const ba_attr *attr, ba_err *e)
{
    return x && y ? ba_op_apply(b->g, name, 2, (ba_tensor *[]){ x, y }, n, attr, e) : NULL;
}

static inline ba_tensor *bai_nn_slice(ba_build *b, ba_tensor *x, int axis, int64_t from, int64_t to, ba_err *e)
{
    return bai_nn_op1(b, "slice", x, BA_ATTRS(BA_I("axis", axis), BA_I("from", from), BA_I("to", to)), e);
}

static inline ba_tensor *bai_nn_mean(ba_build *b, ba_tensor *x, int axis, int keep, ba_err *e)
{
    return bai_nn_op1(b, "mean", x, BA_ATTRS(BA_I("axis", axis), BA_I("keep", keep)), e);
}

static inline ba_tensor *bai_nn_reshape(ba_build *b, ba_tensor *x, int rank, const int64_t *dim, ba_err *e)
{
    char text[BA_MAX_RANK * 24];
    int at = 0;
    for (int i = 0; i < rank && i < BA_MAX_RANK; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld", i ? "," : "", (long long)dim[i]);
    return bai_nn_op1(b, "reshape", x, BA_ATTRS(BA_S("shape", text)), e);
}

static inline ba_tensor *bai_nn_permute(ba_build *b, ba_tensor *x, const char *order, ba_err *e)
{
    return bai_nn_op1(b, "permute", x, BA_ATTRS(BA_S("order", order)), e);
}

/* x itself where it is of that type, BA_F32 or BA_BF16, already. */
static inline ba_tensor *bai_nn_cast(ba_build *b, ba_tensor *x, int dtype, ba_err *e)
{
    ba_type t;
    if (!x || ba_tensor_type(x, &t, e))
        return NULL;
    return t.dtype == dtype ? x : bai_nn_op1(b, "cast", x, BA_ATTRS(BA_S("dtype", dtype == BA_BF16 ? "bf16" : "f32")), e);
}

#endif
