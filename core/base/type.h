/* type: what a tensor is, in words. */
#ifndef BAI_TYPE_H
#define BAI_TYPE_H

#include "bauta/base.h"

void bai_dims_text(int rank, const int64_t *dim, char *out, size_t size); /* "[2,197,192]"; cut where it does not fit */
void bai_type_text(const ba_type *t, char *out, size_t size);             /* "f32[2,197,192]"; without the name where the element type is 0 */

#endif
