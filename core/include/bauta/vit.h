/* bauta/vit.h: for architectures that are vision transformers in the main: a description that host functions turn into facts,
 * tokens and blocks, and the settings that they all have. What is left to the plugin is what makes the architecture its own.
 *
 *   h->vit_facts(&v, out, e)             judges the geometry, fills the facts
 *   h->vit_embed(b, &v, in, e)           [B,E+k,dim]: patches (the kept ones), extra tokens in front, positions, pre_norm
 *   h->vit_blocks(b, &v, from, to, x, e) blocks from..to-1
 *   h->vit_head(b, name, x, at, K, e)    logits f32 [B,K]: a linear layer on token `at` of x [B,T,dim], or on x [B,dim]
 *   h->vit_table(b, name, &v, e)         learned positions as vit_embed uses pos_embed
 *   h->vit_positions(b, &v, table, e)    a position table [..,rows,dim] as vit_embed uses pos_embed: resized, rows of the extra tokens first */
#ifndef BAUTA_VIT_H
#define BAUTA_VIT_H

#include "plugin.h"

#if BA_WANT_MINOR < 1
#error "bauta/vit.h is for cores of ABI 1.1 and later: #define BA_WANT_MINOR 1 (or more) before the first header of Bauta"
#endif

enum { BA_MOST_EXTRA = 3 };

/* How a table of positions is brought to another grid: as PyTorch's interpolate (half-pixel rule; BICUBIC a = -0.75, ANTIALIAS
 * a = -0.5), or as the code of DINO and of AST (CROP) has it. */
enum { BA_RESIZE_NONE = 0, BA_RESIZE_BILINEAR = 1, BA_RESIZE_BICUBIC = 2, BA_RESIZE_ANTIALIAS = 3, BA_RESIZE_DINO = 4, BA_RESIZE_CROP = 5 };

typedef struct ba_vit {
    uint32_t size;
    const char *scope;                  /* in front of every name, with its point; NULL: nothing */
    int64_t image_rows, image_columns, channels, classes;
    int64_t patch, stride;              /* pixels; stride 0: as patch. With a smaller one patches overlap */
    int64_t dim, depth, heads, hidden;
    const char *extra[BA_MOST_EXTRA];   /* names of the extra tokens in front, [1,count,dim] each; NULL at the end */
    int64_t extra_count[BA_MOST_EXTRA]; /* 0 means 1 */
    int64_t bare;                       /* 1: the extra tokens have no positions (the table has rows for patches only); 2 (since 1.3): only the first has one */
    int64_t tail;                       /* of the table's rows, those of the last `tail` extra tokens stand behind the patches' */
    int64_t table_rows, table_columns;  /* grid of the position table; 0: the grid of patches */
    int64_t resize;                     /* BA_RESIZE_*: how the table gets to the grid of patches */
    int64_t sincos;                     /* 1: positions begin as sines and cosines; 2 (since 1.3): and are never trained */
    int64_t no_patch_bias;
    const char *pre_norm;               /* name of a LayerNorm before the blocks; NULL: none */
    double drop_path;                   /* of the last block */
    int64_t drop_constant;              /* 1: of every block; 0: linear from 0 in the first */
    ba_block block;                     /* what all blocks have in common: eps, layer_scale, quick_gelu, ... */
} ba_vit;

/* ---- settings ---- */
typedef struct ba_vit_settings { int64_t size, dim, depth, heads, image, patch, channels, classes; double mlp, drop_path; } ba_vit_settings;
typedef struct ba_vit_size { int64_t dim, depth, heads; } ba_vit_size;

#define BA_VIT_INT(T, m, fld, d_, lo_, hi_, unit_, text) { .name = #fld, .doc = text, .unit = unit_, .type = BA_I64, \
    .offset = BA_AT(T, m.fld, int64_t), .def = { .i = d_ }, .min = { .i = lo_ }, .max = { .i = hi_ } }
#define BA_VIT_FLOAT(T, m, fld, d_, lo_, hi_, text) { .name = #fld, .doc = text, .type = BA_F64, \
    .offset = BA_AT(T, m.fld, double), .def = { .f = d_ }, .min = { .f = lo_ }, .max = { .f = hi_ } }
/* Rows of a schema; m: the ba_vit_settings in T. sizes: names of the sizes, the first is the default (number at_). */
#define BA_VIT_ROWS(T, m, sizes, at_, size_doc, image_, patch_, drop_) \
    { .name = "size", .doc = size_doc, .type = BA_ENUM, .offset = BA_AT(T, m.size, int64_t), .def = { .i = at_ }, .choices = sizes }, \
    BA_VIT_INT(T, m, dim, 0, 0, 16384, NULL, "width of a token; 0: as the size says"), \
    BA_VIT_INT(T, m, depth, 0, 0, 1000, "blocks", "number of blocks; 0: as the size says"), \
    BA_VIT_INT(T, m, heads, 0, 0, 1024, NULL, "attention heads, a divisor of dim; 0: as the size says"), \
    BA_VIT_FLOAT(T, m, mlp, 4, 0.01, 64, "hidden width of the MLP, as a multiple of dim"), \
    BA_VIT_INT(T, m, image, image_, 1, 4096, "pixels", "side of the square picture, a multiple of patch"), \
    BA_VIT_INT(T, m, patch, patch_, 1, 1024, "pixels", "side of a patch"), \
    BA_VIT_INT(T, m, channels, 3, 1, 64, NULL, "channels of a picture"), \
    BA_VIT_INT(T, m, classes, 1000, 1, 1048576, NULL, "outputs of the head"), \
    BA_VIT_FLOAT(T, m, drop_path, drop_, 0, 0.99, "stochastic depth of the last block; in training only")

/* What the settings say: a named size, and over it what was given. */
static inline ba_vit ba_vit_of(const ba_vit_settings *p, const ba_vit_size *sizes)
{
    const ba_vit_size *n = &sizes[p->size];
    ba_vit v = { .size = sizeof v, .image_rows = p->image, .image_columns = p->image, .channels = p->channels, .classes = p->classes, .patch = p->patch,
                 .dim = p->dim ? p->dim : n->dim, .depth = p->depth ? p->depth : n->depth, .heads = p->heads ? p->heads : n->heads,
                 .extra = { "cls_token" }, .drop_path = p->drop_path, .block = { .size = sizeof v.block, .eps = 1e-6 } };
    v.hidden = (int64_t)((double)v.dim * p->mlp + 0.5);
    return v;
}

/* The logits of "head" on the class token of x, the tokens after the last norm. distilled: the token behind it has a head of its own, "head_dist", published
 * as distillation_logits; in evaluation the logits are then the mean of both, in training the class head's alone. */
static inline ba_tensor *ba_vit_logits(const ba_host *h, ba_build *b, const ba_vit *v, ba_tensor *x, int64_t distilled, int training, ba_err *e)
{
    ba_tensor *logits = h->vit_head(b, "head", x, 0, v->classes, e);
    if (!logits || !distilled)
        return logits;
    ba_tensor *two[] = { logits, h->vit_head(b, "head_dist", x, 1, v->classes, e) };
    if (!two[1] || h->publish(b, "distillation_logits", -1, two[1], e))
        return NULL;
    ba_tensor *sum = training ? NULL : h->op(b, "add", 2, two, 0, NULL, e);
    return training ? logits : sum ? h->op(b, "scale", 1, &sum, BA_ATTRS(BA_F("by", 0.5)), e) : NULL;
}

/* The usual end, from the blocks' tokens [B,T,dim]: LayerNorm "norm" (published as features), then "head" on the class token (as logits). */
static inline int ba_vit_end(const ba_host *h, ba_build *b, const ba_vit *v, ba_tensor *x, ba_err *e)
{
    x = x ? h->layernorm(b, "norm", x, v->block.eps, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e))
        return e->code;
    x = h->vit_head(b, "head", x, 0, v->classes, e);
    return x && !h->publish(b, "logits", -1, x, e) ? BA_OK : e->code;
}

#endif
