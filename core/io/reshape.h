/* reshape: what is done to numbers of a file on their way into a store: turned matrices, columns in another order, positions on another grid. */
#ifndef BAI_RESHAPE_H
#define BAI_RESHAPE_H

#include "bauta/weights.h"

typedef struct bai_grids { int64_t lead, rows, columns, to_rows, to_columns, width; } bai_grids; /* of a position table [lead + rows*columns, width] */

int bai_resize_named(const char *name, int *kernel, ba_err *e);  /* "bicubic" and so on; BA_EARG when there is none of this name */
/* Each returns new memory with the result, NULL when there is none to be had; `in` is the caller's. */
float *bai_turned(const float *in, int64_t rows, int64_t columns);
float *bai_folded(const float *in, int64_t rows, int64_t columns); /* columns channel*4 + 2*dy + dx become (dx*2 + dy)*C + channel */
float *bai_summed(const float *in, int64_t outer, int64_t channels, int64_t inner);
float *bai_resized(const float *in, const bai_grids *g, int kernel);

#endif
