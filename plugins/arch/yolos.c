/* yolos: YOLOS: a plain ViT with 100 detection tokens, each of which gives a class and a box. Here the extra tokens stand in front (class, detections,
 * patches), which changes nothing, because attention knows no order; in files the positions of the detection tokens come last. `logits` are the
 * detections' class scores side by side [B,detections*classes], `boxes` [B,detections,4] are centre and size, 0 to 1. The picture need not be
 * square: positions are resized. With middle = true every block but the last adds a table of its own. Code: hustvl/YOLOS. */
#define BA_WANT_MINOR 4
#include <bauta/compose.h>
#include <bauta/vit.h>

typedef struct yolos_params { int64_t size, dim, depth, heads, rows, columns, table_rows, table_columns, middle, detections, classes; double drop_path; } yolos_params;

static const char *const sizes[] = { "tiny", "small", "base", NULL };
static const ba_vit_size named[] = { { 192, 12, 3 }, { 384, 12, 6 }, { 768, 12, 12 } };
enum { PATCH = 16 };

static ba_vit form_of(const yolos_params *p)
{
    const ba_vit_settings s = { p->size, p->dim, p->depth, p->heads, 0, PATCH, 3, p->detections * p->classes, 4, p->drop_path };
    ba_vit v = ba_vit_of(&s, named);
    v.scope = "backbone.";
    v.image_rows = p->rows;
    v.image_columns = p->columns;
    v.extra[1] = "det_token";
    v.extra_count[1] = v.tail = p->detections;
    v.table_rows = p->table_rows;
    v.table_columns = p->table_columns;
    v.resize = BA_RESIZE_BICUBIC;
    return v;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    ba_vit v = form_of(params);
    out->asks = BA_ROWS_OTHERS;
    return h->vit_facts(&v, out, e);
}

/* The positions that are added behind block i, for the tokens that are there. tables [depth-1,1,rows,dim]. */
static ba_tensor *middle(ba_on o, const ba_vit *v, ba_tensor *tables, int64_t i, ba_tensor *kept)
{
    ba_tensor *t = o.h->vit_positions(o.b, v, ba_slice(o, tables, 0, i, i + 1), o.e);
    const int64_t E = 1 + v->tail, all = t ? o.h->dim(t, t ? o.h->rank(t) - 2 : 0) : 0;
    t = ba_reshape(o, t, BA_DIMS(1, all, v->dim));
    if (!kept || !t)
        return t;
    const int64_t B = o.h->dim(kept, 0);
    char shape[64];
    snprintf(shape, sizeof shape, "%lld,%lld,%lld", (long long)B, (long long)all, (long long)v->dim);
    t = ba_op1(o, "broadcast_to", t, BA_ATTRS(BA_S("shape", shape)));
    ba_tensor *patches = ba_op2(o, "gather_rows", ba_slice(o, t, 1, E, all), kept, 0, NULL);
    return ba_op2(o, "concat", ba_slice(o, t, 1, 0, E), patches, BA_ATTRS(BA_I("axis", 1)));
}

static ba_tensor *trunk(ba_on o, const yolos_params *p, const ba_vit *v, ba_tensor *x, ba_tensor *kept)
{
    ba_tensor *tables = NULL;
    const int64_t rows = 1 + p->detections + (p->table_rows ? p->table_rows : p->rows / PATCH) * (p->table_columns ? p->table_columns : p->columns / PATCH);
    if (!p->middle)
        return o.h->vit_blocks(o.b, v, 0, v->depth, x, o.e);
    if (v->depth > 1 && !(tables = o.h->weight(o.b, "backbone.mid_pos_embed", 4, (const int64_t[]){ v->depth - 1, 1, rows, v->dim }, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, o.e)))
        return NULL;
    for (int64_t i = 0; x && i < v->depth; i++) {
        x = o.h->vit_blocks(o.b, v, i, i + 1, x, o.e);
        if (x && i + 1 < v->depth) {
            ba_tensor *sum = ba_add(o, x, middle(o, v, tables, i, kept)); /* fp32, as the tables are */
            x = sum && o.h->dtype(x) == BA_BF16 ? ba_op1(o, "cast", sum, BA_ATTRS(BA_S("dtype", "bf16"))) : sum;
        }
    }
    return x;
}

/* Three layers with ReLU between. */
static ba_tensor *head(ba_on o, const char *prefix, ba_tensor *x, int64_t dim, int64_t out)
{
    for (int i = 0; x && i < 3; i++) {
        char name[48];
        snprintf(name, sizeof name, "%s.layers.%d", prefix, i);
        x = o.h->project(o.b, name, x, i < 2 ? dim : out, o.e);
        x = i < 2 ? ba_op1(o, "relu", x, 0, NULL) : x;
    }
    return x;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const ba_on o = { h, b, e };
    const yolos_params *p = params;
    const ba_vit v = form_of(p);
    ba_tensor *x = h->vit_embed(b, &v, in, e);
    x = x ? trunk(o, p, &v, x, in->kept) : NULL;
    x = x ? h->layernorm(b, "backbone.norm", x, v.block.eps, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e))
        return e->code;
    x = ba_slice(o, x, 1, 1, 1 + p->detections);
    ba_tensor *boxes = ba_op1(o, "sigmoid", head(o, "bbox_embed", x, v.dim, 4), 0, NULL);
    ba_tensor *logits = boxes ? ba_reshape(o, head(o, "class_embed", x, v.dim, p->classes), BA_DIMS(-1, p->detections * p->classes)) : NULL;
    return logits && !h->publish(b, "boxes", -1, boxes, e) && !h->publish(b, "logits", -1, logits, e) ? BA_OK : e->code;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "yolos", .version = "1.0", .doc = "YOLOS: a ViT with detection tokens; its losses are those that compare features",
    .cite = "Fang et al., You Only Look at One Sequence, NeurIPS 2021",
    BA_PARAMS(yolos_params,
        BA_CHOICE(yolos_params, size, 0, sizes, "dim/depth/heads: tiny 192/12/3, small 384/12/6, base 768/12/12"),
        BA_INT(yolos_params, dim, 0, 0, 16384, NULL, "width of a token; 0: as the size says"),
        BA_INT(yolos_params, depth, 0, 0, 1000, "blocks", "number of blocks; 0: as the size says"),
        BA_INT(yolos_params, heads, 0, 0, 1024, NULL, "attention heads, a divisor of dim; 0: as the size says"),
        BA_INT(yolos_params, rows, 512, 16, 4096, "pixels", "of the picture, a multiple of 16"),
        BA_INT(yolos_params, columns, 672, 16, 4096, "pixels", "of the picture, a multiple of 16"),
        BA_INT(yolos_params, table_rows, 0, 0, 4096, "patches", "of the position tables; 0: the picture's (files: tiny 50x83, small 32x54, base 50x84)"),
        BA_INT(yolos_params, table_columns, 0, 0, 4096, "patches", "of the position tables; 0: the picture's"),
        BA_FLAG(yolos_params, middle, 0, "positions added behind every block but the last, as the small and base models have them"),
        BA_INT(yolos_params, detections, 100, 1, 1000, "tokens", "detection tokens"),
        BA_INT(yolos_params, classes, 92, 2, 65536, NULL, "outputs of each detection, the last is \"no object\" (COCO 92, VOC 21)"),
        BA_FLOAT(yolos_params, drop_path, 0, 0, 0.99, NULL, "stochastic depth of the last block, linear from 0 in the first; in training only")),
    .ops = &ops,
};
