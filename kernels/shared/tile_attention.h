/* tile_attention: one head of self-attention in bf16 on tiles, on the calling thread. Scores and softmax are fp32 and stay in the cache. */
#ifndef BAI_TILE_ATTENTION_H
#define BAI_TILE_ATTENTION_H

#include "tile_product.h"

typedef struct bai_half_head { int64_t T, d, ld; const uint16_t *q, *k, *v; } bai_half_head; /* each [T,d], row stride ld */

#define bai_tile_forward_bytes BAI_TIERED(bai_tile_forward_bytes)
#define bai_tile_forward BAI_TIERED(bai_tile_forward)
#define bai_tile_backward_bytes BAI_TIERED(bai_tile_backward_bytes)
#define bai_tile_backward BAI_TIERED(bai_tile_backward)
/* out [T,d] (row stride ldo) = softmax(q k^T / sqrt d) v; lse [T]; first [E,T]: the first E rows of the attention. Each may be NULL. */
size_t bai_tile_forward_bytes(int64_t T, int64_t d);
void bai_tile_forward(const bai_half_head *h, void *room, uint16_t *out, int64_t ldo, float *lse, float *first, int64_t E);
/* Gradients of q, k, v (row stride h->ld) from those of out (dout, row stride ldo) and of the first E rows (dfirst); each may be NULL. */
size_t bai_tile_backward_bytes(int64_t T, int64_t d);
void bai_tile_backward(const bai_half_head *h, void *room, const float *lse, const uint16_t *dout, int64_t ldo, const float *dfirst, int64_t E,
                       uint16_t *dq, uint16_t *dk, uint16_t *dv);

#endif
