/* index: judging index tensors, which come from data and therefore may be wrong at any step. The same fault has the same code on every device: BA_EDATA. */
#ifndef BAI_INDEX_H
#define BAI_INDEX_H

#include "kernel.h"

/* BA_OK when each of the view's whole numbers lies in 0..limit-1. */
static inline int bai_index_check(const char *op, const ba_view *v, int64_t limit, ba_err *e)
{
    const int32_t *x = v->data;
    int64_t n = ba_type_count(&v->type);
    for (int64_t i = 0; i < n; i++)
        if (x[i] < 0 || x[i] >= limit)
            return ba_fail(e, BA_EDATA, "%s: index %d at element %lld; 0 to %lld expected", op, (int)x[i], (long long)i, (long long)limit - 1);
    return BA_OK;
}

#endif
