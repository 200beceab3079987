/* blocks: learned tensors and the parts that architectures share, on the graph of the call that is being made. */
#ifndef BAI_BLOCKS_H
#define BAI_BLOCKS_H

#include "bauta/plugin.h"

ba_tensor *bai_nn_weight(ba_build *b, const char *name, int rank, const int64_t *dim, int init, double scale, int flags, ba_err *e);
ba_tensor *bai_nn_embed(ba_build *b, const char *prefix, const ba_arch_in *in, int64_t patch, int64_t dim, ba_err *e);
ba_tensor *bai_nn_linear(ba_build *b, const char *prefix, ba_tensor *x, int64_t out, int bias, int gelu, ba_err *e);
ba_tensor *bai_nn_layernorm(ba_build *b, const char *prefix, ba_tensor *x, double eps, ba_err *e);
ba_tensor *bai_nn_block(ba_build *b, const char *prefix, ba_tensor *x, const ba_block *spec, ba_err *e);

/* derived.c: offers queries, keys, values, attention_logits and attention of a block, from its packed queries, keys and values. */
int bai_nn_offer(ba_build *b, int64_t layer, int64_t heads, ba_tensor *qkv, ba_err *e);

#endif
