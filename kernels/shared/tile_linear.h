/* tile_linear: the three products of a linear layer in bf16, over the pool. Which tasks there are follows from the shape alone. */
#ifndef BAI_TILE_LINEAR_H
#define BAI_TILE_LINEAR_H

#include "tile_product.h"

#define bai_tile_linear_bytes BAI_TIERED(bai_tile_linear_bytes)
#define bai_tile_linear BAI_TIERED(bai_tile_linear)
#define bai_tile_dw_bytes BAI_TIERED(bai_tile_dw_bytes)
#define bai_tile_dw BAI_TIERED(bai_tile_dw)
/* C[M,N] = a b: packs b, then multiplies; done may be called on several threads at once, never twice for one block. */
size_t bai_tile_linear_bytes(int64_t N, int64_t K, int workers);
void bai_tile_linear(const ba_kernel *k, bai_half a, bai_half b, int64_t M, int64_t N, int64_t K, void *room, bai_block_fn done, void *ctx);
/* dw [N,K] = d^T x and db [N] = column sums of d (each may be NULL), over M rows: d [M,N], x [M,K]. */
size_t bai_tile_dw_bytes(int64_t M, int64_t N, int64_t K, int workers);
void bai_tile_dw(const ba_kernel *k, const uint16_t *d, const uint16_t *x, int64_t M, int64_t N, int64_t K, void *room, float *dw, float *db);

#endif
