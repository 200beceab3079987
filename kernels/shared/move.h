/* move: copying bands of bytes, for the operations that only rearrange. */
#ifndef BAI_MOVE_H
#define BAI_MOVE_H

#include "axes.h"

#define bai_move BAI_TIERED(bai_move)
#define bai_around BAI_TIERED(bai_around)
/* rows bands of `bytes` each: from + r * from_step to to + r * to_step; from NULL: zeros. */
void bai_move(const ba_kernel *k, void *to, int64_t to_step, const void *from, int64_t from_step, int64_t bytes, int64_t rows);
/* A tensor seen as [outer, dim[axis], inner]. */
void bai_around(const ba_type *t, int axis, int64_t *outer, int64_t *inner);

#endif
