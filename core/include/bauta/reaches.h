/* bauta/reaches.h: whether a gradient reaches tensors at all, before one is taken. */
#ifndef BAUTA_REACHES_H
#define BAUTA_REACHES_H

#include "graph.h"

#pragma GCC visibility push(default)
/* cdef begin */
/* 1 when the gradient of t, as ba_grad goes, reaches one of these n tensors; 0 when it reaches none: t does not depend on them, or only through
 * operations that have no gradient (a choice, a comparison). Adds nothing to the graph. A negative code where something is no tensor of g. */
int ba_grad_reaches(ba_graph *g, ba_tensor *t, int32_t n, ba_tensor *const *wrt, ba_err *e);
/* cdef end */
#pragma GCC visibility pop

#endif
