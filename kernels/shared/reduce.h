/* reduce: sums and maxima over any set of axes, in fixed blocks. */
#ifndef BAI_REDUCE_H
#define BAI_REDUCE_H

#include "axes.h"

typedef struct axis_params { int64_t axis, keep; } axis_params; /* of sum, mean, max */

enum { BAI_SUM, BAI_MAX };

#define bai_reduce BAI_TIERED(bai_reduce)
#define bai_reduce_scratch BAI_TIERED(bai_reduce_scratch)
#define bai_reduce_shape BAI_TIERED(bai_reduce_shape)
#define bai_reduce_mask BAI_TIERED(bai_reduce_mask)
#define bai_reduce_cost BAI_TIERED(bai_reduce_cost)
#define bai_reduce_room BAI_TIERED(bai_reduce_room)
#define bai_reduce_reference BAI_TIERED(bai_reduce_reference)
#define bai_spread BAI_TIERED(bai_spread)
/* out0 = factor * (sum or maximum) of in0 over the axes whose bits are set. */
int bai_reduce(const ba_kernel *k, unsigned axes, int what, float factor);
size_t bai_reduce_scratch(const ba_type *in, unsigned axes);
/* For operations with axis_params: rules of shape, cost and scratch, set of axes, naive reference (divide: the mean), gradient spread over the input. */
int bai_reduce_shape(const char *op, const axis_params *p, const ba_type *in, ba_type *out, ba_err *e);
void bai_reduce_cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c);
size_t bai_reduce_room(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers);
unsigned bai_reduce_mask(const axis_params *p, const ba_type *in);
void bai_reduce_reference(const ba_ref *r, unsigned axes, int what, int divide);
ba_tensor *bai_spread(const ba_grad_call *c, ba_tensor *d, ba_err *e);

#endif
