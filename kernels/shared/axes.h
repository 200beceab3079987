/* axes: what operations about shapes share: axes counted from the end, lists of numbers in settings, shapes as text. */
#ifndef BAI_AXES_H
#define BAI_AXES_H

#include "kernel.h"

enum { BAI_ALL = -100 };                              /* as an axis: all of them */

#define bai_axis BAI_TIERED(bai_axis)
#define bai_list BAI_TIERED(bai_list)
#define bai_list_text BAI_TIERED(bai_list_text)
#define bai_count_list BAI_TIERED(bai_count_list)
#define bai_shape_list BAI_TIERED(bai_shape_list)
#define bai_back_to BAI_TIERED(bai_back_to)
/* Axis 0..rank-1 for one that may count from the end (-1: last). */
int bai_axis(const char *op, int64_t axis, const ba_type *t, int *out, ba_err *e);
/* Whole numbers of "2,3,-1" (commas or blanks between); how many, or -1 when it is no such list or longer than room. */
int bai_list(const char *text, int64_t *v, int room);
const char *bai_list_text(const int64_t *v, int n, char buf[120]);
static inline const char *bai_dims_text(const ba_type *t, char buf[120]) { return bai_list_text(t->dim, t->rank, buf); }
/* A shape of dtype from its text; no axis below 1, fewer than 2^40 elements. */
int bai_shape_list(const char *op, const char *text, int dtype, ba_type *out, ba_err *e);
/* d as the gradient of `in`: summed over the axes along which `in` was repeated, in its element type. NULL on error. */
ba_tensor *bai_back_to(ba_graph *g, ba_tensor *d, const ba_tensor *in, ba_err *e);

#endif
