/* bauta/principal.h: principal directions of embeddings. */
#ifndef BAUTA_PRINCIPAL_H
#define BAUTA_PRINCIPAL_H

#include "base.h"

#pragma GCC visibility push(default)
/* cdef begin */
/* Of x [n,d]: the mean [d], the singular vectors of the centred rows as columns of basis [d,d] and their values [d] (may be NULL), largest first. Of each
 * vector the largest entry is positive. */
int ba_principal(const float *x, int64_t n, int64_t d, float *mean, float *basis, float *values, ba_err *e);
/* cdef end */
#pragma GCC visibility pop

#endif
