/* blocks: learned tensors and the parts that architectures share, on the graph of the call that is being made. */
#ifndef BAI_BLOCKS_H
#define BAI_BLOCKS_H

#include "bauta/plugin.h"

ba_tensor *bai_nn_weight(ba_build *b, const char *name, int rank, const int64_t *dim, int init, double scale, int flags, ba_err *e);
ba_tensor *bai_nn_embed(ba_build *b, const char *prefix, const ba_arch_in *in, int64_t patch, int64_t dim, ba_err *e);
ba_tensor *bai_nn_linear(ba_build *b, const char *prefix, ba_tensor *x, int64_t out, int bias, int gelu, ba_err *e);
ba_tensor *bai_nn_layernorm(ba_build *b, const char *prefix, ba_tensor *x, double eps, ba_err *e);
ba_tensor *bai_nn_weight_from(ba_build *b, const char *name, int rank, const int64_t *dim, const float *data, int flags, ba_err *e);
/* A linear layer whose matrix is stored as a convolution's kernel [out,..] of `rank` axes and initialised as one. counted: see the operation linear. */
ba_tensor *bai_nn_kernel(ba_build *b, const char *prefix, ba_tensor *x, int rank, const int64_t *kernel, int bias, int gelu, int64_t counted, ba_err *e);
ba_tensor *bai_nn_patch_embed(ba_build *b, const char *prefix, const ba_arch_in *in, int64_t patch, int64_t stride, int64_t dim, int bias, ba_err *e);
ba_tensor *bai_nn_block(ba_build *b, const char *prefix, ba_tensor *x, const ba_block *spec, ba_err *e);

/* fp8.c: whether the layer that is built now is one that FP8 takes (inside of a block of a model for which it was asked), and what it needs: notes the layer
 * PREFIX with its input x; *scale is that of x where it is to be computed in FP8, NULL where it is only measured. */
int bai_nn_is_fp8(const ba_build *b);
int bai_nn_fp8_layer(ba_build *b, const char *prefix, ba_tensor *x, int64_t out, ba_tensor **scale, ba_err *e);
int bai_nn_fp8_judge(const ba_build *b, const char *arch, ba_err *e); /* of a model that was built: whether anything was taken */

/* derived.c: offers queries, keys, values, attention_logits and attention of a block, from its packed queries, keys and values; where there is
 * no class token (prefix 0) also class_attention, the mean over all queries. sizes: f32 [B,T], how many tokens each key stands for; NULL: one each. */
/* `features` were published: where a LayerNorm made them, the signal normed is the same one on the tokens of each block. */
int bai_nn_offer_normed(ba_build *b, const ba_tensor *features, ba_err *e);
int bai_nn_offer(ba_build *b, int64_t layer, int64_t heads, int64_t prefix, ba_tensor *qkv, ba_tensor *sizes, ba_err *e);

/* reduce.c: fewer tokens between attention and MLP, where the model has a reducer; attention of tokens that stand for several. */
int bai_nn_judge_reducer(const ba_build *b, const char *prefix, const ba_block *spec, ba_err *e); /* whether anything can be reduced in this block */
ba_tensor *bai_nn_reduce(ba_build *b, const ba_block *spec, ba_tensor *x, ba_err *e);
ba_tensor *bai_nn_weighted(ba_build *b, const ba_block *spec, ba_tensor *qkv, ba_err *e);

/* heads.c */
int bai_nn_split_heads(ba_build *b, ba_tensor *x, int64_t parts, int64_t heads, ba_tensor **out, ba_err *e);
ba_tensor *bai_nn_join_heads(ba_build *b, ba_tensor *x, ba_err *e);
ba_tensor *bai_nn_merge(ba_build *b, const char *prefix, ba_tensor *x, int64_t rows, int64_t columns, int64_t side, int64_t dim, ba_err *e);

/* vit.c */
int bai_nn_vit_facts(const struct ba_vit *v, ba_arch_facts *out, ba_err *e);
ba_tensor *bai_nn_vit_embed(ba_build *b, const struct ba_vit *v, const ba_arch_in *in, ba_err *e);
ba_tensor *bai_nn_vit_blocks(ba_build *b, const struct ba_vit *v, int64_t from, int64_t to, ba_tensor *x, ba_err *e);
ba_tensor *bai_nn_vit_head(ba_build *b, const char *name, ba_tensor *x, int64_t at, int64_t classes, ba_err *e);
ba_tensor *bai_nn_vit_table(ba_build *b, const char *name, const struct ba_vit *v, ba_err *e);
ba_tensor *bai_nn_vit_positions(ba_build *b, const struct ba_vit *v, ba_tensor *table, ba_err *e);

/* saliency.c: see ba_host.saliency and ba_host.regrid. */
ba_tensor *bai_nn_saliency(ba_build *b, const char *who, const ba_saliency *how, ba_err *e);
ba_tensor *bai_nn_regrid(ba_build *b, const char *who, ba_tensor *x, ba_err *e);

#endif
