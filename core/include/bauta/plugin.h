/* bauta/plugin.h: everything a plugin includes. A plugin is one shared object, links against nothing and exports one
 * constant descriptor, `ba_plugin`, which is judged before any of its code runs.
 *
 * A plugin describes: its functions build graph nodes, once, while a step is compiled. Nothing of it is called while
 * steps run, except for data plugins, whose `read` is called by the loader's threads.
 *
 * Rules:
 *  - What op(), signal() and weight() return belongs to the graph; a plugin frees nothing but its own `self`.
 *  - A function that fails has written a sentence with BA_FAIL; the core puts "plugin NAME:" in front.
 *  - All functions but `read` of a data plugin are called on one thread. */
#ifndef BAUTA_PLUGIN_H
#define BAUTA_PLUGIN_H

#include "base.h"

#define BA_MAGIC     0x42415554u  /* "BAUT" */
#define BA_ABI_MAJOR 1            /* raised when anything already here changes */
#define BA_ABI_MINOR 5            /* raised when something is appended */
/* The oldest core this plugin is content with: `#define BA_WANT_MINOR n` before the first header of Bauta. What was appended since stands behind
 * `#if BA_WANT_MINOR >= n` and does not exist for a plugin that asks for less, so that none calls what its oldest core lacks. */
#ifndef BA_WANT_MINOR
#define BA_WANT_MINOR 0
#endif

enum { BA_KIND_MASK = 1, BA_KIND_LOSS = 2, BA_KIND_ARCH = 3, BA_KIND_DATA = 4,
       BA_KIND_REDUCER = 5 /* since 1.1 */ };

typedef struct ba_tensor ba_tensor;
typedef struct ba_build ba_build; /* one call from the core while a step is described */
struct ba_block;
struct ba_arch_in;
struct ba_arch_facts;
struct ba_vit; /* bauta/vit.h */
struct ba_saliency;

/* ---- what the core offers ---- */
typedef struct ba_host {          /* append only */
    uint32_t size, abi_minor;
    int (*fail)(ba_err *e, int code, const char *fmt, ...);

    /* Applies an operation (`bauta ops` lists them) and returns its first output; output() gives the others. NULL on error. */
    ba_tensor *(*op)(ba_build *b, const char *name, int n_in, ba_tensor *const *in, int n_attr, const ba_attr *attr, ba_err *e);
    ba_tensor *(*output)(ba_build *b, ba_tensor *t, int i, ba_err *e);
    ba_tensor *(*scalar)(ba_build *b, double value, ba_err *e);
    ba_tensor *(*constant)(ba_build *b, int rank, const int64_t *dim, const float *data, ba_err *e); /* fp32, copied */
    int     (*rank)(const ba_tensor *t);
    int64_t (*dim)(const ba_tensor *t, int axis);
    int     (*dtype)(const ba_tensor *t);                 /* BA_F32, BA_BF16, BA_I32 or BA_U8 */

    /* Signals. WHO is "student", "teacher", "batch" or the name of an auxiliary model; for a criterion also "masked": the model that will be
     * masked (its facts are known, its signals are not built yet); for a reducer "reduced": the model it works in. WHAT:
     *   batch:  images [B,H,W,C] of the data's size, 0..255: u8 as they are, f32 where they were erased or mixed; of spectrograms f32 [B,bins,frames,1];
     *           with several views of a picture all of view 0, then of view 1, and local_images u8 [.., size,size,C] where there are small ones.
     *           labels i32 [B] (of pictures: one for all views), targets f32 [B,classes] (soft labels; only when training mixes pictures).
     *           step i32 [], from 1; epoch i32 [], from 0; progress f32 []: the share of the run's epochs that lies behind this step, 0..1.
     *           In training only, samples i32 [B]: their numbers in the training set, there when a loss `needs` batch.samples; momentum f32 []: of an
     *           averaged teacher, where there is one
     *   models: logits [B,classes]; class_attention [B,heads,E,E+N] of block `layer` (rows: the E extra tokens; softmax over all keys);
     *           tokens [B,E+N,dim] after block `layer`; features [B,E+N,dim] after the final norm; normed: tokens of `layer` after it; kept i32 [B,k] (masked
     *           models only); pooled [B,dim]: the mean of tokens after a norm of its own, where the classifier sees that;
     *           of block `layer` also attention and attention_logits [B,heads,T,T] (after and before the softmax over all keys; fp32),
     *           queries, keys, values [B,heads,T,dim/heads], attention_output and mlp_output [B,T,dim] (what is added to the residual
     *           stream), mlp_hidden [B,T,hidden] (after the GELU); embedded [B,E+N,dim] (with positions, before the first block)
     *           In a masked model N is k everywhere; T = E+N. Some have more (docs/architectures.md).
     * layer counts from 0; negative counts from the last (-1). NULL and a sentence (what there is) when it does not exist.
     * What nobody asks for is not computed. */
    ba_tensor *(*signal)(ba_build *b, const char *who, const char *what, int64_t layer, ba_err *e);
    /* An architecture makes a signal known under its own WHO; layer -1 for those without one. */
    int (*publish)(ba_build *b, const char *what, int64_t layer, ba_tensor *t, ba_err *e);
    /* Facts about a model: those of ba_arch_facts ("patches" N, "prefix" E, "grid_rows", "grid_columns", "depth", "heads", "dim", "classes", ...; since 1.4
     * "trunk", "joins" and "asks"), and of a masked one "kept" k. Where a loss needs batch.samples, "images" of WHO "data": how many pictures the training
     * set has. -1 and a sentence if unknown. */
    int64_t (*fact)(ba_build *b, const char *who, const char *what, ba_err *e);

    /* A learned tensor of the model (or loss) being built, created on first use. init: BA_INIT_*, flags: BA_NO_DECAY, BA_FIXED. */
    ba_tensor *(*weight)(ba_build *b, const char *name, int rank, const int64_t *dim, int init, double scale, int flags, ba_err *e);
    /* Uniform fp32 numbers in [0,1), new at every step: a function of the run's seed, the step and the stream's name, which is OWNER/NAME. OWNER: WHO in an
     * architecture; the label of a loss (in a run its name, with its teacher or a number where there are several); a criterion's name, with @WHOM
     * behind it unless the masked model is "teacher"; a reducer's name. */
    ba_tensor *(*random)(ba_build *b, const char *name, int rank, const int64_t *dim, ba_err *e);

    /* Blocks shared by architectures (core/nn). Weights are named PREFIX.weight and so on, as timm names them. */
    /* Embeds the patches (the kept ones only) of in->images: [B,k,dim]; weight [dim,C,patch,patch], bias [dim]. */
    ba_tensor *(*embed)(ba_build *b, const char *prefix, const struct ba_arch_in *in, int64_t patch, int64_t dim, ba_err *e);
    ba_tensor *(*linear)(ba_build *b, const char *prefix, ba_tensor *x, int64_t out, int bias, int gelu, ba_err *e);
    ba_tensor *(*layernorm)(ba_build *b, const char *prefix, ba_tensor *x, double eps, ba_err *e);
    ba_tensor *(*block)(ba_build *b, const char *prefix, ba_tensor *x, const struct ba_block *spec, ba_err *e);

    /* Files and pictures, for data plugins; see bauta/data.h. */
    const struct ba_data_host *data;

#if BA_WANT_MINOR >= 1
    /* For losses that compare the inside of student and teacher (core/nn).
     * match: [B,T,D] tensors of both at the places that both have: tokens of the model that sees more are gathered by the other's kept patches, a
     * student of another grid is resized to the teacher's first. out[0] the student's, out[1] the teacher's, of equal T; the extra tokens that
     * both have stand in front when `extras` is set. */
    int (*match)(ba_build *b, ba_tensor *student, ba_tensor *teacher, int extras, ba_tensor *out[2], ba_err *e);
    /* Pairs of blocks whose tokens are compared. chosen: "all", "last", "last-6", "first-2", numbers ("0,1,-1"); theirs: the teacher's, "" for the usual
     * rule: blocks of the first half are counted from the front, the others from the back. Blocks behind the trunk (ba_arch_facts), which leave the
     * patches as they are, do not count. Returns how many; at most `most`. */
    int64_t (*layers)(ba_build *b, const char *chosen, const char *theirs, int64_t most, int64_t *student, int64_t *teacher, ba_err *e);
    /* x W^T + b, and a 3x3 convolution with zeros around of [B,rows*columns,D]; learned NAME.weight and NAME.bias begin uniform in
     * +-1/sqrt(fan in), as PyTorch's do. The result is f32. */
    ba_tensor *(*project)(ba_build *b, const char *name, ba_tensor *x, int64_t out, ba_err *e);
    ba_tensor *(*conv3x3)(ba_build *b, const char *name, ba_tensor *x, int64_t rows, int64_t columns, int64_t out, ba_err *e);

    /* A learned tensor that begins as `data` says (copied when it is created). */
    ba_tensor *(*weight_from)(ba_build *b, const char *name, int rank, const int64_t *dim, const float *data, int flags, ba_err *e);
    ba_tensor *(*indices)(ba_build *b, int rank, const int64_t *dim, const int32_t *data, ba_err *e); /* an i32 constant, copied: for gather_rows */
    /* Queries, keys, values and the like: x [B,T,parts*dim] as `parts` tensors [B,heads,T,dim/heads]; and back: [B,heads,T,d] as [B,T,heads*d]. */
    int (*split_heads)(ba_build *b, ba_tensor *x, int64_t parts, int64_t heads, ba_tensor **out, ba_err *e);
    ba_tensor *(*join_heads)(ba_build *b, ba_tensor *x, ba_err *e);
    /* A convolution whose kernel is its stride, on a map [B,rows*columns,C] in raster order: [B,rows/side*(columns/side),dim]; weight [dim,C,side,side]. */
    ba_tensor *(*merge)(ba_build *b, const char *prefix, ba_tensor *x, int64_t rows, int64_t columns, int64_t side, int64_t dim, ba_err *e);
    /* Parts of a vision transformer, as struct ba_vit describes it; see bauta/vit.h. */
    int        (*vit_facts)(const struct ba_vit *v, struct ba_arch_facts *out, ba_err *e);
    ba_tensor *(*vit_embed)(ba_build *b, const struct ba_vit *v, const struct ba_arch_in *in, ba_err *e);
    ba_tensor *(*vit_blocks)(ba_build *b, const struct ba_vit *v, int64_t from, int64_t to, ba_tensor *x, ba_err *e);
    ba_tensor *(*vit_head)(ba_build *b, const char *name, ba_tensor *x, int64_t at, int64_t classes, ba_err *e);
    ba_tensor *(*vit_table)(ba_build *b, const char *name, const struct ba_vit *v, ba_err *e);
    ba_tensor *(*vit_positions)(ba_build *b, const struct ba_vit *v, ba_tensor *table, ba_err *e);

    /* For criteria (core/nn/saliency.c). saliency: f32 [B,N], how much WHO attends to each patch, on the grid of the model that will be masked. */
    ba_tensor *(*saliency)(ba_build *b, const char *who, const struct ba_saliency *how, ba_err *e);
    /* regrid: numbers [..,N] of WHO's patches on the grid of the model that will be masked, bilinearly; x itself where the grids are equal. */
    ba_tensor *(*regrid)(ba_build *b, const char *who, ba_tensor *x, ba_err *e);

    /* For losses. state: an fp32 tensor that lives from step to step and that no gradient reaches (a centre, a queue); one of the same name,
     * shape and initialiser as a learned tensor of this loss begins as its copy. after: an operation that renews state in place ("ema", "enqueue"),
     * noted now and added behind the optimiser, so that all of the step reads the old values and an average sees the new weights. */
    ba_tensor *(*state)(ba_build *b, const char *name, int rank, const int64_t *dim, int init, double scale, ba_err *e);
    int (*after)(ba_build *b, const char *op, int n_in, ba_tensor *const *in, int n_attr, const ba_attr *attr, ba_err *e);
#endif
#if BA_WANT_MINOR >= 4
    /* For losses. layers, for what blocks attend to: those behind the trunk count, too. */
    int64_t (*attention_layers)(ba_build *b, const char *chosen, const char *theirs, int64_t most, int64_t *student, int64_t *teacher, ba_err *e);
#endif
#if BA_WANT_MINOR >= 5
    /* For criteria and losses. A number for the log: the mean of all elements of t (f32 or bf16) becomes the column note_LABEL_NAME of every
     * training step; LABEL is the criterion's or the loss's. name: 1 to 32 of a-z, 0-9 and _. Costs what t costs, and no gradient goes through it. */
    int (*note)(ba_build *b, const char *name, ba_tensor *t, ba_err *e);
#endif
} ba_host;

/* What a block does with its normalised input instead of ordinary self-attention: [B,T,dim] in, [B,T,dim] out. */
typedef ba_tensor *(*ba_attend)(const ba_host *h, ba_build *b, const char *prefix, ba_tensor *x, const void *given, ba_err *e);

/* A pre-norm transformer block: x += drop_path(scale1 * attn(LN1 x)); x += drop_path(scale2 * mlp(LN2 x)). */
typedef struct ba_block { /* append only; what a shorter size leaves out is 0 */
    uint32_t size;
    int64_t layer;          /* published as class_attention and tokens of this layer */
    int64_t heads, mlp;     /* mlp: hidden width */
    int64_t prefix;         /* E: extra tokens in front */
    double eps, drop_path;  /* drop_path: rate of this block, used in training only */
#if BA_WANT_MINOR >= 1
    double layer_scale;     /* what scale1, scale2 [dim] begin as; 0: there are none */
    int64_t gamma_names;    /* 1: scale1, scale2 are called gamma_1, gamma_2; 0: ls1.gamma, ls2.gamma */
    int64_t quick_gelu;     /* 1: x * sigmoid(1.702 x) in the MLP instead of the exact GELU */
    int64_t no_qkv_bias;    /* 1: no bias of queries, keys and values */
    int64_t kernels;        /* 1: the MLP's matrices are stored as 1x1 kernels [out,in,1,1] */
    int64_t quiet;          /* 1: the block publishes nothing; the architecture does it, where its tokens are not [B,E+N,dim] */
    ba_attend attend;       /* NULL: self-attention */
    const void *given;      /* for attend */
#endif
} ba_block;

/* ---- masking criteria ---- */
#if BA_WANT_MINOR >= 1
enum { BA_SALIENCY_CLASS = 0,  /* attention of extra tokens on the patches */
       BA_SALIENCY_PATCHES };  /* attention that each patch receives from all patches, itself included */
enum { BA_SOFTMAX_ALL = 0,     /* the softmax ran over all keys; the extra ones are left out afterwards (released code) */
       BA_SOFTMAX_PATCHES };   /* over the patches only (paper) */
enum { BA_ROWS_CLASS = 0,      /* of the extra tokens: the class token's row */
       BA_ROWS_EXTRA,          /* the mean of all (class and distillation token) */
       BA_ROWS_OTHERS,         /* the mean of all but the class token's (detection tokens) */
       BA_ROWS_AUTO };         /* what the architecture says (fact asks); since 1.4 */
enum { BA_LAYER_MIDDLE = 1000 }; /* as a layer: block (depth - 1) / 2 */

typedef struct ba_saliency {
    uint32_t size;
    int64_t layer;             /* from 0; -1 is the last; BA_LAYER_MIDDLE */
    int64_t source, softmax, rows;
} ba_saliency;
#endif

#if BA_WANT_MINOR >= 4
/* Its fields as settings of a criterion: BA_PARAMS(ba_saliency, BA_SALIENCY_ROWS). */
#define BA_SALIENCY_ROWS \
    BA_CHOICE(ba_saliency, source, 0, ((const char *const[]){ "class", "patches", NULL }), \
              "class: attention of the class token; patches: what a patch receives from all patches"), \
    BA_CHOICE(ba_saliency, softmax, 0, ((const char *const[]){ "all", "patches", NULL }), \
              "tokens the softmax runs over: all (released code), or patches only (paper)"), \
    BA_CHOICE(ba_saliency, rows, BA_ROWS_AUTO, ((const char *const[]){ "class", "extra", "others", "auto", NULL }), \
              "extra tokens that are asked: class, the mean of all (extra), or of all but class (others); auto: ast extra, yolos others, all else class"), \
    BA_INT(ba_saliency, layer, -1, -1000, BA_LAYER_MIDDLE, NULL, \
           "block whose attention is taken, from 0 (first); -1 is the last, 1000 the middle; scripts may say \"first\", \"middle\", \"last\"")
#endif

typedef struct ba_mask_ops {
    uint32_t size;
    /* Builds the scores [B,N] of the N patches of the model that will be masked; the highest are kept unless the user selects otherwise.
     * Scores of another known model's grid are resampled to the masked model's, bilinearly.
     * *out NULL (and BA_OK): this criterion masks nothing. */
    int (*score)(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e);
} ba_mask_ops;

/* ---- losses ---- */
typedef struct ba_loss_ops {
    uint32_t size;
    int (*build)(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e); /* a scalar, already weighted */
} ba_loss_ops;

/* ---- architectures ---- */
typedef struct ba_arch_facts { /* what the geometry says without building anything */
    uint32_t size;
    int64_t image_rows, image_columns, channels;
    int64_t patches, prefix, grid_rows, grid_columns, depth, heads, dim, classes;
#if BA_WANT_MINOR >= 4
    /* trunk: blocks that change the patches; in those behind it the class token alone asks (CaiT). 0: all of them.
     * joins: the first block that sees the extra tokens; in `tokens` of those before it they stand as they were embedded. */
    int64_t trunk, joins;
    int64_t asks;                /* BA_ROWS_CLASS, _EXTRA or _OTHERS: whose attention tells how salient a patch is, unless the user says otherwise */
#endif
} ba_arch_facts;

typedef struct ba_arch_in {
    uint32_t size;
    ba_tensor *images;         /* u8 or fp32 [B,H,W,C] */
    ba_tensor *scale, *shift;  /* fp32 [C]: normalised pixel = u8 * scale + shift */
    ba_tensor *kept;           /* i32 [B,k], ascending patch numbers; NULL: all patches */
    int training;              /* 1: stochastic depth is on */
} ba_arch_in;

typedef struct ba_arch_ops {
    uint32_t size;
    int (*facts)(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e); /* also judges the parameters against each other */
    int (*build)(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e); /* publishes at least "logits" */
} ba_arch_ops;

/* ---- reducers: fewer tokens inside a model, block by block ---- */
#if BA_WANT_MINOR >= 1
typedef struct ba_reduce_in {
    uint32_t size;
    int64_t layer, depth;
    int64_t prefix;              /* extra tokens, which stay in front */
    ba_tensor *x;                /* [B,n,dim]: the residual stream between attention and MLP of this block */
    ba_tensor *sizes;            /* f32 [B,n]: how many tokens each stands for; NULL: one each */
} ba_reduce_in;

typedef struct ba_reduce_out {
    uint32_t size;
    ba_tensor *x;                /* [B,m,dim] with prefix <= m <= n; NULL: nothing is reduced in this block */
    ba_tensor *sizes;            /* f32 [B,m]; NULL: one each */
    int64_t weigh;               /* 1: from the next block on, a token attracts attention in proportion to its size */
} ba_reduce_out;

typedef struct ba_reducer_ops {
    uint32_t size;
    /* Called once a block. Signals of the model that is being built are those of "reduced": keys, class_attention, ... of in->layer. */
    int (*reduce)(const ba_host *h, ba_build *b, const void *params, const ba_reduce_in *in, ba_reduce_out *out, ba_err *e);
} ba_reducer_ops;
#endif

/* ---- data ---- */
typedef struct ba_box { float x0, y0, x1, y1; } ba_box;  /* of the object, in pixels of the picture; x1 <= x0: unknown */
typedef struct ba_picture {      /* one sample; the core owns and reuses it */
    uint32_t size;
    int64_t rows, columns;       /* of pixels */
    uint8_t *pixels;             /* RGB, rows * columns * 3; get room with ba_data_host.reserve */
    int64_t capacity;            /* of pixels, in bytes */
    int32_t label;
    ba_box box;
#if BA_WANT_MINOR >= 3
    /* For data whose channels are 1: rows * columns numbers instead of pixels; get room with ba_data_host.reserve_values or .spectrum. */
    float *values;
    int64_t values_capacity;     /* in numbers */
#endif
} ba_picture;

#if BA_WANT_MINOR >= 2
/* A sample as its file has it, not decoded: the core then decodes the part only that will be looked at. */
typedef struct ba_encoded {
    uint32_t size;
    int32_t label;
    ba_box box;                  /* in pixels of the picture */
    void *bytes;                 /* a whole JPEG or PNG file; the core owns and reuses them, get room with ba_data_host.reserve_bytes */
    int64_t n, capacity;
    char name[512];              /* how messages call it */
} ba_encoded;
#endif

typedef struct ba_data_facts {
    uint32_t size;
    int64_t count, classes;
    const char *const *class_names; /* [classes], lives as long as self; NULL: numbers */
    int has_boxes;
#if BA_WANT_MINOR >= 3
    int64_t rows, columns;       /* where channels are 1: the size of all samples, 1..16384 */
#endif
} ba_data_facts;

typedef struct ba_data_ops {
    uint32_t size;
    int (*open)(const ba_host *h, const void *params, const char *split, void **self, ba_data_facts *facts, ba_err *e); /* split: "train" or "test" */
    /* Fills out with sample i. Called by several threads at once; a function of (params, split, i) only. */
    int (*read)(const ba_host *h, void *self, int64_t i, ba_picture *out, ba_err *e);
    void (*close)(const ba_host *h, void *self);
#if BA_WANT_MINOR >= 2
    /* May be NULL. Sample i as it is stored: 1 when out is filled, 0 when it must be asked with read, which gives the same pixels,
     * label and box. Called as read is. */
    int (*encoded)(const ba_host *h, void *self, int64_t i, ba_encoded *out, ba_err *e);
#endif
#if BA_WANT_MINOR >= 3
    int64_t channels;            /* 0: RGB pictures of 8 bits; 1: spectrograms, fp32 numbers of one channel, all of one size */
#endif
} ba_data_ops;

/* ---- the descriptor ---- */
typedef struct ba_plugin_desc {
    uint32_t magic;
    uint16_t abi_major, abi_minor;
    uint32_t size, kind, params_size, nparams;
    const char *name, *doc, *version, *cite; /* name: [a-z0-9_-]+; cite: where it is from, may be NULL */
    const char *const *needs;                /* signals that must exist, "who.what", NULL at the end; may be NULL */
    const ba_param *params;
    const void *ops;                         /* ba_mask_ops, ba_loss_ops, ba_arch_ops, ba_data_ops or ba_reducer_ops, by kind */
} ba_plugin_desc;

extern __attribute__((visibility("default"))) const ba_plugin_desc ba_plugin; /* the one export */

#define BA_HEAD(K) .magic = BA_MAGIC, .abi_major = BA_ABI_MAJOR, .abi_minor = BA_WANT_MINOR, \
    .size = sizeof(ba_plugin_desc), .kind = BA_KIND_##K
#define BA_FAIL(h, e, code, ...) (h)->fail((e), (code), __VA_ARGS__)

#endif
