/* widen: fp32 copies of bf16 tensors, for matrix products on processors without fast bf16. */
#ifndef BAI_WIDEN_H
#define BAI_WIDEN_H

#include "kernel.h"

#define bai_widen BAI_TIERED(bai_widen)
/* n numbers of v from element `at`: the data themselves when fp32, else converted into *room, which then moves past them. */
const float *bai_widen(const ba_kernel *k, const ba_view *v, int64_t at, int64_t n, float **room);
static inline int64_t bai_widen_bytes(const ba_type *t, int64_t n) { return t->dtype == BA_F32 ? 0 : bai_round64(n * 4); }

#endif
