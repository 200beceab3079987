/* type: what a tensor is, in words. */
#include "type.h"

#include <stdio.h>

void bai_dims_text(int rank, const int64_t *dim, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < rank && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "," : "", (long long)dim[i]);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

void bai_type_text(const ba_type *t, char *out, size_t size)
{
    static const char *const names[] = { "", "f32", "bf16", "i32", "u8" };
    size_t n = (size_t)snprintf(out, size, "%s", t->dtype >= 0 && t->dtype <= BA_U8 ? names[t->dtype] : "?");
    if (n < size)
        bai_dims_text(t->rank, t->dim, out + n, size - n);
}
