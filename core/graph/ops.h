/* ops: the operation table, made from the list in kernels/meson.build. Where core meets kernels. */
#ifndef BAI_OPS_H
#define BAI_OPS_H

#include "bauta/op.h"

/* avx512bf16: avx512, and products of bf16 by its instruction for pairs. amx: the same on AMX's tiles. tiles: the best of the first three, and the same
 * products on tiles emulated in C, for tests. */
enum { BAI_TIER_PLAIN = 0, BAI_TIER_AVX2, BAI_TIER_AVX512, BAI_TIER_AVX512BF16, BAI_TIER_AMX, BAI_TIER_TILES, BAI_TIERS };

int bai_op_count(void);
const ba_op *bai_op_at(int i);
const ba_op *bai_op_find(const char *name);          /* NULL: no such operation */
const ba_op *bai_op_tier(const ba_op *op, int tier); /* the same operation as a tier runs it, perhaps the kernel of a lower one; NULL when not built */
int bai_tier_best(void);                             /* highest tier that was built and that this processor has; never the emulated one */
int bai_tier_has(int tier);                          /* 1: built, and this processor has it */
const char *bai_tier_name(int tier);
const char *bai_gemm_library(int tier);              /* what multiplies fp32 matrices: "oneDNN 2.6.3", "OpenBLAS 0.3.21", "own products" */
void bai_gemm_thread(void);                          /* called once by every worker thread: keeps the library single-threaded inside it */

#endif
