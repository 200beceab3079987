/* blocks: linear, LayerNorm, patch embedding and the pre-norm transformer block, with timm's names and DeiT's initialisation
 * (facebookresearch/deit): matrices N(0, 0.02), biases 0, LayerNorm 1 and 0, the patch convolution uniform in +-1/sqrt(fan in).
 *
 * A block ends with a residual sum. Where a LayerNorm reads that sum, both become one operation (add_layernorm): the sum is noted
 * (bai_sum) and made together with the LayerNorm that comes next. */
#include "blocks.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../plugin/build.h"
#include "bauta/fp8.h"
#include "bauta/op.h"
#include "bauta/recompute.h"
#include "short.h"

enum { LONGEST = 256 };

static int no_store(const ba_build *b, const char *name, ba_err *e)
{
    if (bai_build_check(b, e) || !b->call.desc)
        return ba_fail(e, BA_EPLUGIN, "a host function was called outside of a call");
    if (!name || !*name || strlen(name) > LONGEST)
        return ba_fail(e, BA_EARG, "learned tensor: a name of 1 to %d bytes expected", LONGEST);
    return b->call.store ? BA_OK : ba_fail(e, BA_EARG, "learned tensor '%s': there is no store for learned tensors in this call", name);
}

/* Adds the tensor to the store, or finds it there; its full name goes into `full`. */
static int own(ba_build *b, const char *name, int rank, const int64_t *dim, int init, double scale, int flags, char full[2 * LONGEST], ba_err *e)
{
    if (no_store(b, name, e))
        return BA_EPLUGIN;
    snprintf(full, 2 * LONGEST, "%s%s", b->call.weights, name);
    int64_t i = ba_store_add(b->call.store, full, rank, dim, init, scale, flags, e);
    return i < 0 ? (int)i : BA_OK;
}

ba_tensor *bai_nn_weight(ba_build *b, const char *name, int rank, const int64_t *dim, int init, double scale, int flags, ba_err *e)
{
    char full[2 * LONGEST];
    return own(b, name, rank, dim, init, scale, flags, full, e) ? NULL : ba_variable(b->g, b->call.store, full, e);
}

/* PREFIX.PART, as fp32. */
static ba_tensor *vector(ba_build *b, const char *prefix, const char *part, int64_t n, int init, double scale, ba_err *e)
{
    char name[LONGEST + 16];
    snprintf(name, sizeof name, "%.200s.%s", prefix, part);
    return bai_nn_weight(b, name, 1, &n, init, scale, 0, e);
}

/* PREFIX.weight in the graph's precision, for matrix products. */
static ba_tensor *matrix(ba_build *b, const char *prefix, int rank, const int64_t *dim, int init, double scale, ba_err *e)
{
    char name[LONGEST + 16], full[2 * LONGEST];
    snprintf(name, sizeof name, "%.200s.weight", prefix ? prefix : "");
    return own(b, name, rank, dim, init, scale, 0, full, e) ? NULL : ba_weight(b->g, b->call.store, full, e);
}

/* NAME [n], fp32, beginning as `value`. */
static ba_tensor *weight_of(ba_build *b, const char *name, int64_t n, double value, ba_err *e)
{
    float *v = malloc((size_t)n * sizeof *v);
    if (!v) {
        ba_fail(e, BA_EMACHINE, "%s: no memory", name);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)value;
    ba_tensor *t = bai_nn_weight_from(b, name, 1, &n, v, 0, e);
    free(v);
    return t;
}

ba_tensor *bai_nn_weight_from(ba_build *b, const char *name, int rank, const int64_t *dim, const float *data, int flags, ba_err *e)
{
    char full[2 * LONGEST];
    if (no_store(b, name, e))
        return NULL;
    snprintf(full, sizeof full, "%s%s", b->call.weights, name);
    int fresh = ba_store_find(b->call.store, full) < 0;
    if (own(b, name, rank, dim, BA_INIT_ZERO, 0, flags, full, e))
        return NULL;
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    if (fresh && ba_store_write(b->call.store, ba_store_find(b->call.store, full), data, count, e))
        return NULL;
    return ba_variable(b->g, b->call.store, full, e);
}

/* The type of t; a sentence when t is no tensor of at least one axis. */
static int type_of(ba_build *b, ba_tensor **t, const char *prefix, ba_type *type, ba_err *e)
{
    if (bai_build_check(b, e) || !prefix || !*prefix || strlen(prefix) > 200)
        return ba_fail(e, BA_EARG, "block: a prefix of 1 to 200 bytes expected");
    *t = bai_sum_joined(b, *t);
    if (ba_tensor_type(*t, type, e))
        return BA_EARG;
    return type->rank > 0 ? BA_OK : ba_fail(e, BA_EARG, "%s: the input is a scalar", prefix);
}

/* The layer in FP8: the codes of PREFIX.weight, their scale, the scale of x. */
static ba_tensor *linear_fp8(ba_build *b, const char *prefix, ba_tensor *x, const int64_t *dim, ba_tensor *scale, int bias, int gelu, ba_err *e)
{
    char name[LONGEST + 16], full[2 * LONGEST];
    snprintf(name, sizeof name, "%.200s.weight", prefix);
    ba_tensor *codes = own(b, name, 2, dim, BA_INIT_NORMAL, 0.02, 0, full, e) ? NULL : ba_weight_fp8(b->g, b->call.store, full, e);
    ba_tensor *in[5] = { x, codes, scale, codes ? ba_output_of(codes, 1, e) : NULL, NULL };
    if (in[3] && bias)
        in[4] = vector(b, prefix, "bias", dim[0], BA_INIT_ZERO, 0, e);
    if (!in[3] || (bias && !in[4]))
        return NULL;
    return ba_op_apply(b->g, "linear_fp8", bias ? 5 : 4, in, BA_ATTRS(BA_I("gelu", gelu != 0)), e);
}

ba_tensor *bai_nn_linear(ba_build *b, const char *prefix, ba_tensor *x, int64_t out, int bias, int gelu, ba_err *e)
{
    ba_type t;
    ba_tensor *scale = NULL;
    if (type_of(b, &x, prefix, &t, e))
        return NULL;
    const int64_t dim[] = { out, ba_type_last(&t) };
    if (bai_nn_is_fp8(b) && bai_nn_fp8_layer(b, prefix, x, out, &scale, e))
        return NULL;
    if (scale)
        return linear_fp8(b, prefix, x, dim, scale, bias, gelu, e);
    ba_tensor *in[3] = { bai_nn_cast(b, x, ba_graph_dtype(b->g), e), NULL, NULL }; /* of a loss x may be fp32 in a graph of bf16 */
    in[1] = in[0] ? matrix(b, prefix, 2, dim, BA_INIT_NORMAL, 0.02, e) : NULL;
    if (in[1] && bias)
        in[2] = vector(b, prefix, "bias", out, BA_INIT_ZERO, 0, e);
    if (!in[1] || (bias && !in[2]))
        return NULL;
    return ba_op_apply(b->g, "linear", bias ? 3 : 2, in, BA_ATTRS(BA_I("gelu", gelu != 0)), e);
}

ba_tensor *bai_nn_kernel(ba_build *b, const char *prefix, ba_tensor *x, int rank, const int64_t *kernel, int bias, int gelu, int64_t counted, ba_err *e)
{
    char shape[64];
    int64_t fan = 1;
    for (int i = 1; i < rank; i++)
        fan *= kernel[i];
    double bound = 1 / sqrt((double)fan);
    snprintf(shape, sizeof shape, "%lld,%lld", (long long)kernel[0], (long long)fan);
    ba_tensor *in[3] = { x, matrix(b, prefix, rank, kernel, BA_INIT_UNIFORM, bound, e), NULL };
    in[1] = in[1] ? ba_op_apply(b->g, "reshape", 1, &in[1], BA_ATTRS(BA_S("shape", shape)), e) : NULL;
    if (in[1] && bias)
        in[2] = vector(b, prefix, "bias", kernel[0], BA_INIT_UNIFORM, bound, e);
    if (!in[1] || (bias && !in[2]))
        return NULL;
    return ba_op_apply(b->g, "linear", bias ? 3 : 2, in, BA_ATTRS(BA_I("gelu", gelu != 0), BA_I("counted", counted)), e);
}

/* LayerNorm of a noted sum: sum and norm in one operation. Of a sum with which another block ends it lies in no block: what both need is kept. */
static ba_tensor *join(ba_build *b, bai_sum *s, ba_tensor *w, ba_tensor *bias, double eps, ba_err *e)
{
    ba_tensor *in[] = { s->x, s->branch, w, bias, s->scale };
    int64_t was = ba_graph_block(b->g, 0, NULL);
    ba_graph_block(b->g, was == ba_tensor_block(s->sum) ? was : 0, NULL);
    ba_tensor *sum = ba_op_apply(b->g, "add_layernorm", s->scale ? 5 : 4, in, BA_ATTRS(BA_F("eps", eps)), e);
    ba_graph_block(b->g, was, NULL);
    s->joined = sum;
    return sum ? ba_output_of(sum, 1, e) : NULL;
}

ba_tensor *bai_nn_layernorm(ba_build *b, const char *prefix, ba_tensor *x, double eps, ba_err *e)
{
    ba_type t;
    bai_sum *s = bai_build_check(b, e) ? NULL : bai_sum_of(b, x);
    if (type_of(b, &x, prefix, &t, e))
        return NULL;
    ba_tensor *in[3] = { x, vector(b, prefix, "weight", ba_type_last(&t), BA_INIT_ONE, 0, e), NULL };
    in[2] = in[1] ? vector(b, prefix, "bias", ba_type_last(&t), BA_INIT_ZERO, 0, e) : NULL;
    if (!in[2])
        return NULL;
    ba_tensor *y = s && !s->joined ? join(b, s, in[1], in[2], eps, e) : ba_op_apply(b->g, "layernorm", 3, in, BA_ATTRS(BA_F("eps", eps)), e);
    b->norm = (bai_norm){ y, in[1], in[2], eps };
    return y;
}

/* The factor [B] of a branch; *out NULL where nothing is dropped. */
static int drop_scale(ba_build *b, const char *name, double rate, int64_t batch, ba_tensor **out, ba_err *e)
{
    char stream[LONGEST + 80];
    *out = NULL;
    if (!b->call.training || rate <= 0)
        return BA_OK;
    ba_tensor *step = ba_build_get(b, "batch", "step", -1, e);
    snprintf(stream, sizeof stream, "%s/%s", b->call.label, name);
    if (step)
        *out = ba_op_apply(b->g, "drop_path_scale", 1, &step, BA_ATTRS(BA_F("rate", rate), BA_I("batch", batch), BA_S("stream", stream)), e);
    return *out ? BA_OK : BA_EARG;
}

/* x + scale * branch, noted for the LayerNorm that may follow. */
static ba_tensor *add(ba_build *b, ba_tensor *x, ba_tensor *branch, ba_tensor *scale, ba_err *e)
{
    ba_tensor *in[] = { x, branch, scale };
    ba_tensor *sum = x && branch ? ba_op_apply(b->g, "add_scaled", scale ? 3 : 2, in, 0, NULL, e) : NULL;
    return sum && !bai_sum_put(b, (bai_sum){ sum, x, branch, scale, NULL }, e) ? sum : NULL;
}

/* Publishes t, a signal of this block, unless it is to be quiet, and gives it back. */
static ba_tensor *told(ba_build *b, const char *what, const ba_block *spec, ba_tensor *t, ba_err *e)
{
    return t && b->call.who && !spec->quiet && bai_host.publish(b, what, strcmp(what, "embedded") ? spec->layer : -1, t, e) ? NULL : t;
}

static ba_tensor *attend(ba_build *b, const char *prefix, ba_tensor *x, int64_t dim, const ba_block *spec, ba_err *e)
{
    char name[LONGEST];
    snprintf(name, sizeof name, "%s.attn.qkv", prefix);
    ba_tensor *qkv = bai_nn_linear(b, name, x, 3 * dim, !spec->no_qkv_bias, 0, e), *y, *classes;
    ba_tensor *sizes = b->reduction.weigh ? b->reduction.sizes : NULL;
    int tells = b->call.who && !spec->quiet;
    if (!qkv || (tells && bai_nn_offer(b, spec->layer, spec->heads, spec->prefix, qkv, sizes, e)))
        return NULL;
    y = sizes ? bai_nn_weighted(b, spec, qkv, e)
        : ba_op_apply(b->g, "attention", 1, &qkv, BA_ATTRS(BA_I("heads", spec->heads), BA_I("prefix", spec->prefix)), e);
    if (!y)
        return NULL;
    if (!sizes && spec->prefix > 0 && tells && (!(classes = ba_output_of(y, 2, e)) || bai_host.publish(b, "class_attention", spec->layer, classes, e)))
        return NULL;
    snprintf(name, sizeof name, "%s.attn.proj", prefix);
    return bai_nn_linear(b, name, y, dim, 1, 0, e);
}

/* x * sigmoid(1.702 x), as in CLIP */
static ba_tensor *quick_gelu(ba_build *b, ba_tensor *x, ba_err *e)
{
    ba_tensor *in[2] = { x, x ? ba_op_apply(b->g, "scale", 1, &x, BA_ATTRS(BA_F("by", 1.702)), e) : NULL };
    in[1] = in[1] ? ba_op_apply(b->g, "sigmoid", 1, &in[1], 0, NULL, e) : NULL;
    return in[1] ? ba_op_apply(b->g, "mul", 2, in, 0, NULL, e) : NULL;
}

/* One of the MLP's two layers: a linear one, or a convolution of 1x1. */
static ba_tensor *dense(ba_build *b, const char *prefix, const char *part, ba_tensor *x, int64_t out, int gelu, const ba_block *spec, ba_err *e)
{
    char name[LONGEST];
    ba_type t;
    if (!x || ba_tensor_type(x, &t, e))
        return NULL;
    const int64_t kernel[] = { out, ba_type_last(&t), 1, 1 };
    snprintf(name, sizeof name, "%s.mlp.%s", prefix, part);
    return spec->kernels ? bai_nn_kernel(b, name, x, 4, kernel, 1, gelu, 0, e) : bai_nn_linear(b, name, x, out, 1, gelu, e);
}

static ba_tensor *mlp(ba_build *b, const char *prefix, ba_tensor *x, int64_t dim, const ba_block *spec, ba_err *e)
{
    ba_tensor *h = dense(b, prefix, "fc1", x, spec->mlp, !spec->quick_gelu, spec, e);
    h = told(b, "mlp_hidden", spec, h && spec->quick_gelu ? quick_gelu(b, h, e) : h, e);
    return dense(b, prefix, "fc2", h, dim, 0, spec, e);
}

/* The branch times its learned scale, where the block has one (LayerScale); i: 1 after attention, 2 after the MLP. */
static ba_tensor *layer_scale(ba_build *b, const char *prefix, int i, ba_tensor *branch, int64_t dim, const ba_block *spec, ba_err *e)
{
    char name[LONGEST];
    if (!branch || spec->layer_scale == 0)
        return branch;
    snprintf(name, sizeof name, spec->gamma_names ? "%s.gamma_%d" : "%s.ls%d.gamma", prefix, i);
    ba_type t;
    ba_tensor *in[] = { branch, weight_of(b, name, dim, spec->layer_scale, e) };
    ba_tensor *y = in[1] ? ba_op_apply(b->g, "mul", 2, in, 0, NULL, e) : NULL;
    if (!y || ba_tensor_type(branch, &t, e) || t.dtype == BA_F32)
        return y;
    return ba_op_apply(b->g, "cast", 1, &y, BA_ATTRS(BA_S("dtype", "bf16")), e); /* the scale is fp32, and so was the product */
}

/* Copies what the plugin knows of a ba_block; what was appended later is 0. */
static int take_block(const char *prefix, const ba_block *given, ba_block *spec, ba_err *e)
{
    const uint32_t first = offsetof(ba_block, layer_scale);
    if (!given || given->size < first)
        return ba_fail(e, BA_EPLUGIN, "%s: a ba_block of at least %u bytes expected", prefix, first);
    memset(spec, 0, sizeof *spec);
    memcpy(spec, given, given->size < sizeof *spec ? given->size : sizeof *spec);
    return BA_OK;
}

static int judge_block(const char *prefix, const ba_block *spec, const ba_type *t, ba_err *e)
{
    if (t->rank != 3)
        return ba_fail(e, BA_EARG, "%s: the input has %d axes; [B,tokens,dim] expected", prefix, t->rank);
    if (spec->heads < 1 || t->dim[2] % spec->heads)
        return ba_fail(e, BA_EARG, "%s: %lld heads do not divide the width %lld", prefix, (long long)spec->heads, (long long)t->dim[2]);
    return spec->mlp >= 1 && spec->layer >= 0 && spec->prefix >= 0 ? BA_OK
        : ba_fail(e, BA_EARG, "%s: layer %lld, mlp %lld, prefix %lld", prefix, (long long)spec->layer, (long long)spec->mlp, (long long)spec->prefix);
}

static ba_tensor *whole_block(ba_build *b, const char *prefix, ba_tensor *x, const ba_block *as_given, ba_err *e)
{
    ba_type t;
    ba_block own, *spec = &own;
    ba_tensor *given = x, *scale[2], *y;
    char name[LONGEST];
    if (type_of(b, &x, prefix, &t, e) || take_block(prefix, as_given, spec, e) || judge_block(prefix, spec, &t, e) || bai_nn_judge_reducer(b, prefix, spec, e))
        return NULL;
    if (!spec->layer && !told(b, "embedded", spec, x, e))
        return NULL;
    for (int i = 0; i < 2; i++) { /* two draws a block */
        snprintf(name, sizeof name, "%s.drop_path%d", prefix, i + 1);
        if (drop_scale(b, name, spec->drop_path, t.dim[0], &scale[i], e))
            return NULL;
    }
    snprintf(name, sizeof name, "%s.attn", prefix);
    ba_graph_place(b->g, strlen(name) <= 60 ? name : "", NULL);
    snprintf(name, sizeof name, "%s.norm1", prefix);
    y = bai_nn_layernorm(b, name, given, spec->eps, e);
    y = !y ? NULL : spec->attend ? spec->attend(&bai_host, b, prefix, y, spec->given, e) : attend(b, prefix, y, t.dim[2], spec, e);
    y = told(b, "attention_output", spec, layer_scale(b, prefix, 1, y, t.dim[2], spec, e), e);
    given = add(b, bai_sum_joined(b, given), y, scale[0], e);
    given = bai_nn_reduce(b, spec, bai_sum_joined(b, given), e);
    snprintf(name, sizeof name, "%s.mlp", prefix);
    ba_graph_place(b->g, strlen(name) <= 60 ? name : "", NULL);
    snprintf(name, sizeof name, "%s.norm2", prefix);
    y = given ? bai_nn_layernorm(b, name, given, spec->eps, e) : NULL;
    y = y ? mlp(b, prefix, y, t.dim[2], spec, e) : NULL;
    y = told(b, "mlp_output", spec, layer_scale(b, prefix, 2, y, t.dim[2], spec, e), e);
    y = add(b, bai_sum_joined(b, given), y, scale[1], e);
    ba_graph_place(b->g, "", NULL);
    return told(b, "tokens", spec, y, e);
}

/* All of its nodes lie in a block of the graph: the unit whose activations may be computed again. */
ba_tensor *bai_nn_block(ba_build *b, const char *prefix, ba_tensor *x, const ba_block *spec, ba_err *e)
{
    int64_t was = bai_build_check(b, e) ? -1 : ba_graph_block(b->g, BA_BLOCK_NEW, e);
    ba_tensor *y = was < 0 ? NULL : whole_block(b, prefix, x, spec, e);
    if (was >= 0)
        ba_graph_block(b->g, was, NULL);
    return y;
}

/* Checks what an embedding is asked to do, and gives the type of the pictures. */
static int judge_embed(ba_build *b, const char *prefix, const ba_arch_in *in, int64_t patch, int64_t stride, int64_t dim, ba_type *t, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    if (!prefix || !*prefix || strlen(prefix) > 200)
        return ba_fail(e, BA_EARG, "embed: a prefix of 1 to 200 bytes expected");
    if (!in || in->size < sizeof *in || ba_tensor_type(in->images, t, e) || t->rank != 4)
        return ba_fail(e, BA_EARG, "%s: images [B,H,W,C] expected", prefix);
    if (dim < 1 || patch < 1 || stride < 1 || patch > t->dim[1] || patch > t->dim[2])
        return ba_fail(e, BA_EARG, "%s: patches of %lld pixels, every %lld, in images of %lldx%lld, width %lld", prefix, (long long)patch, (long long)stride,
                       (long long)t->dim[1], (long long)t->dim[2], (long long)dim);
    return BA_OK;
}

ba_tensor *bai_nn_patch_embed(ba_build *b, const char *prefix, const ba_arch_in *in, int64_t patch, int64_t stride, int64_t dim, int bias, ba_err *e)
{
    ba_type t;
    if (judge_embed(b, prefix, in, patch, stride, dim, &t, e))
        return NULL;
    const int64_t kernel[] = { dim, t.dim[3], patch, patch };
    int64_t all = ((t.dim[1] - patch) / stride + 1) * ((t.dim[2] - patch) / stride + 1); /* the papers count the embedding of every patch */
    ba_tensor *cut[] = { in->images, in->scale, in->shift, in->kept };
    const char *dtype = ba_graph_dtype(b->g) == BA_BF16 ? "bf16" : "f32";
    ba_graph_place(b->g, "patch_embed", NULL);
    ba_tensor *x = ba_op_apply(b->g, "patches", in->kept ? 4 : 3, cut, BA_ATTRS(BA_I("patch", patch), BA_I("stride", stride), BA_S("dtype", dtype)), e);
    x = x ? bai_nn_kernel(b, prefix, x, 4, kernel, bias, 0, all, e) : NULL;
    ba_graph_place(b->g, "", NULL);
    return x;
}

ba_tensor *bai_nn_embed(ba_build *b, const char *prefix, const ba_arch_in *in, int64_t patch, int64_t dim, ba_err *e)
{
    return bai_nn_patch_embed(b, prefix, in, patch, patch, dim, 1, e);
}
