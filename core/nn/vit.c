/* vit: what architectures of the ViT family share beyond the block: geometry, tokens with their positions, runs of blocks, the head.
 * A position table that belongs to another grid is resized in the graph, by two small constant matrices, so that gradients reach it. */
#include "bauta/vit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/interpolate.h"
#include "bauta/op.h"
#include "blocks.h"
#include "short.h"

static int64_t step(const ba_vit *v) { return v->stride ? v->stride : v->patch; }
static int64_t along(const ba_vit *v, int64_t side) { return (side - v->patch) / step(v) + 1; }
static int64_t count_of(const ba_vit *v, int i) { return v->extra_count[i] ? v->extra_count[i] : 1; }

static int64_t prefix_of(const ba_vit *v)
{
    int64_t n = 0;
    for (int i = 0; i < BA_MOST_EXTRA && v->extra[i]; i++)
        n += count_of(v, i);
    return n;
}

/* Of the extra tokens, those that the table of positions has rows for. */
static int64_t placed(const ba_vit *v) { return v->bare == 1 ? 0 : v->bare == 2 && v->extra[0] ? count_of(v, 0) : prefix_of(v); }

static int judge_side(const ba_vit *v, int64_t side, ba_err *e)
{
    int64_t below = v->patch > 0 ? side / v->patch * v->patch : 0;
    if (v->patch > side)
        return ba_fail(e, BA_EARG, "patch = %lld is larger than image = %lld", (long long)v->patch, (long long)side);
    if (step(v) == v->patch && below != side)
        return ba_fail(e, BA_EARG, "image = %lld is no multiple of patch = %lld; %lld or %lld would be", (long long)side, (long long)v->patch, (long long)below,
                       (long long)(below + v->patch));
    return BA_OK;
}

int bai_nn_vit_facts(const ba_vit *v, ba_arch_facts *out, ba_err *e)
{
    if (!v || v->size < sizeof *v || !out || out->size < sizeof *out)
        return ba_fail(e, BA_EPLUGIN, "a ba_vit of %zu bytes and a place for the facts expected", sizeof *v);
    if (judge_side(v, v->image_rows, e) || judge_side(v, v->image_columns, e))
        return BA_EARG;
    if (v->dim < 1 || v->heads < 1 || v->dim % v->heads)
        return ba_fail(e, BA_EARG, "heads = %lld do not divide dim = %lld", (long long)v->heads, (long long)v->dim);
    if (v->hidden < 1)
        return ba_fail(e, BA_EARG, "mlp leaves no hidden unit of dim = %lld", (long long)v->dim);
    if (v->sincos && v->dim % 4)
        return ba_fail(e, BA_EARG, "dim = %lld: positions of sines and cosines need a multiple of 4", (long long)v->dim);
    out->image_rows = v->image_rows;
    out->image_columns = v->image_columns;
    out->channels = v->channels;
    out->grid_rows = along(v, v->image_rows);
    out->grid_columns = along(v, v->image_columns);
    out->patches = out->grid_rows * out->grid_columns;
    out->prefix = prefix_of(v);
    out->depth = v->depth;
    out->heads = v->heads;
    out->dim = v->dim;
    out->classes = v->classes;
    return BA_OK;
}

/* ---- positions ---- */
static ba_tensor *rows(ba_build *b, ba_tensor *x, int64_t from, int64_t to, ba_err *e)
{
    return bai_nn_slice(b, x, 1, from, to, e);
}

/* The matrix [out,in] of a resize along one axis. */
static ba_tensor *resizer(ba_build *b, int kernel, int64_t in, int64_t out, ba_err *e)
{
    double *w = malloc((size_t)in * sizeof *w);
    float *m = malloc((size_t)(in * out) * sizeof *m);
    const int64_t dim[] = { out, in };
    ba_tensor *t = NULL;
    for (int64_t o = 0; w && m && o < out; o++) {
        bai_interpolate(kernel, in, out, o, w);
        for (int64_t i = 0; i < in; i++)
            m[o * in + i] = (float)w[i];
    }
    if (w && m)
        t = ba_constant(b->g, BA_F32, 2, dim, m, e);
    else
        ba_fail(e, BA_EMACHINE, "positions: no memory");
    free(w);
    free(m);
    return t;
}

/* Rows of a table [1,R*C,D] for a grid of r x c. */
static ba_tensor *on_grid(ba_build *b, const ba_vit *v, ba_tensor *x, int64_t r, int64_t c, ba_err *e)
{
    int64_t R = v->table_rows, C = v->table_columns, D = v->dim;
    ba_tensor *in[2] = { resizer(b, (int)v->resize, R, r, e), bai_nn_reshape(b, x, 3, (const int64_t[]){ 1, R, C * D }, e) };
    x = in[0] && in[1] ? ba_op_apply(b->g, "matmul", 2, in, 0, NULL, e) : NULL; /* [1,r,C*D] */
    in[0] = x ? resizer(b, (int)v->resize, C, c, e) : NULL;
    in[1] = bai_nn_reshape(b, x, 3, (const int64_t[]){ r, C, D }, e);
    x = in[0] && in[1] ? ba_op_apply(b->g, "matmul", 2, in, 0, NULL, e) : NULL; /* [r,c,D] */
    return bai_nn_reshape(b, x, 3, (const int64_t[]){ 1, r * c, D }, e);
}

ba_tensor *bai_nn_vit_positions(ba_build *b, const ba_vit *v, ba_tensor *table, ba_err *e)
{
    ba_type t;
    int64_t r = along(v, v->image_rows), c = along(v, v->image_columns), R = v->table_rows ? v->table_rows : r, C = v->table_columns ? v->table_columns : c;
    int64_t lead = placed(v) - v->tail;
    if (!table || ba_tensor_type(table, &t, e))
        return NULL;
    if (lead < 0 || ba_type_count(&t) != (lead + R * C + v->tail) * v->dim) {
        ba_fail(e, BA_EPLUGIN, "positions: a table of %lld rows expected, it has %lld numbers of width %lld", (long long)(lead + R * C + v->tail),
                (long long)ba_type_count(&t), (long long)v->dim);
        return NULL;
    }
    if (R == r && C == c && !v->tail)
        return table;
    if ((R != r || C != c) && v->resize == BA_RESIZE_NONE) {
        ba_fail(e, BA_EARG, "positions are a table for %lldx%lld patches, the picture has %lldx%lld; resize = ... says how to bring one to the other", (long long)R,
                (long long)C, (long long)r, (long long)c);
        return NULL;
    }
    table = bai_nn_reshape(b, table, 3, (const int64_t[]){ 1, lead + R * C + v->tail, v->dim }, e);
    ba_tensor *part[3], *x = table ? rows(b, table, lead, lead + R * C, e) : NULL;
    int n = 0;
    if (R != r || C != c)
        x = x ? on_grid(b, v, x, r, c, e) : NULL;
    if (lead)
        part[n++] = table ? rows(b, table, 0, lead, e) : NULL;
    if (v->tail)
        part[n++] = table ? rows(b, table, lead + R * C, lead + R * C + v->tail, e) : NULL;
    part[n++] = x;
    for (int i = 0; i < n; i++)
        if (!part[i])
            return NULL;
    return n > 1 ? ba_op_apply(b->g, "concat", n, part, BA_ATTRS(BA_I("axis", 1)), e) : x;
}

/* [sin of the column | cos | sin of the row | cos], a quarter of the width each; rows of the extra tokens are 0, as in MAE's code. */
static float *sines(int64_t lead, int64_t R, int64_t C, int64_t D)
{
    float *v = calloc((size_t)((lead + R * C) * D), sizeof *v);
    int64_t q = D / 4;
    for (int64_t i = 0; v && i < R * C; i++)
        for (int64_t k = 0; k < q; k++) {
            double w = pow(10000, -(double)k / (double)q);
            float *to = v + (lead + i) * D + k;
            to[0] = (float)sin((double)(i % C) * w);
            to[q] = (float)cos((double)(i % C) * w);
            to[2 * q] = (float)sin((double)(i / C) * w);
            to[3 * q] = (float)cos((double)(i / C) * w);
        }
    return v;
}

static const char *scoped(const ba_vit *v, const char *name, char full[200])
{
    snprintf(full, 200, "%.60s%.120s", v->scope ? v->scope : "", name);
    return full;
}

ba_tensor *bai_nn_vit_table(ba_build *b, const char *name, const ba_vit *v, ba_err *e)
{
    int64_t R = v->table_rows ? v->table_rows : along(v, v->image_rows), C = v->table_columns ? v->table_columns : along(v, v->image_columns);
    int64_t lead = placed(v) - v->tail, dim[] = { 1, lead + R * C + v->tail, v->dim };
    if (!v->sincos)
        return bai_nn_vit_positions(b, v, bai_nn_weight(b, name, 3, dim, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, e), e);
    float *data = sines(lead, R, C, v->dim);
    ba_tensor *t = data ? bai_nn_weight_from(b, name, 3, dim, data, BA_NO_DECAY | (v->sincos == 2 ? BA_FIXED : 0), e) : NULL;
    if (!data)
        ba_fail(e, BA_EMACHINE, "positions: no memory");
    free(data);
    return bai_nn_vit_positions(b, v, t, e);
}

/* ---- tokens ---- */
/* The extra tokens, one below the other: [1,P,D]; zeros, of which nothing remains, where the model has none. */
static ba_tensor *extras(ba_build *b, const ba_vit *v, ba_err *e)
{
    ba_tensor *t[BA_MOST_EXTRA];
    char name[200];
    int n = 0;
    for (; n < BA_MOST_EXTRA && v->extra[n]; n++) {
        const int64_t dim[] = { 1, count_of(v, n), v->dim };
        if (!(t[n] = bai_nn_weight(b, scoped(v, v->extra[n], name), 3, dim, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, e)))
            return NULL;
    }
    return n > 1 ? ba_op_apply(b->g, "concat", n, t, BA_ATTRS(BA_I("axis", 1)), e) : n ? t[0] : NULL;
}

/* Without extra tokens: x plus the positions of the patches that are there. */
static ba_tensor *only_patches(ba_build *b, ba_tensor *x, ba_tensor *pos, ba_tensor *kept, const ba_vit *v, ba_err *e)
{
    ba_type t;
    char shape[80];
    ba_tensor *in[] = { x, pos };
    if (kept && !ba_tensor_type(kept, &t, e)) {
        snprintf(shape, sizeof shape, "%lld,%lld,%lld", (long long)t.dim[0], (long long)(along(v, v->image_rows) * along(v, v->image_columns)), (long long)v->dim);
        ba_tensor *rest[] = { bai_nn_op1(b, "broadcast_to", pos, BA_ATTRS(BA_S("shape", shape)), e), kept };
        in[1] = rest[0] ? ba_op_apply(b->g, "gather_rows", 2, rest, 0, NULL, e) : NULL;
    }
    x = in[1] ? ba_op_apply(b->g, "add", 2, in, 0, NULL, e) : NULL;
    return x && ba_graph_dtype(b->g) == BA_BF16 ? bai_nn_op1(b, "cast", x, BA_ATTRS(BA_S("dtype", "bf16")), e) : x;
}

/* The table with a row of zeros for each extra token that it has none for, as long as some have one; without any, `tokens` knows by itself. */
static ba_tensor *completed(ba_build *b, const ba_vit *v, ba_tensor *pos, ba_err *e)
{
    int64_t have = placed(v), none = prefix_of(v) - have, N = along(v, v->image_rows) * along(v, v->image_columns);
    if (!pos || !have || !none)
        return pos;
    const int64_t dim[] = { 1, none, v->dim };
    float *zeros = calloc((size_t)(none * v->dim), sizeof *zeros);
    ba_tensor *part[] = { NULL, zeros ? ba_constant(b->g, BA_F32, 3, dim, zeros, e) : NULL, NULL };
    if (!zeros)
        ba_fail(e, BA_EMACHINE, "positions: no memory");
    free(zeros);
    part[0] = part[1] ? rows(b, pos, 0, have, e) : NULL;
    part[2] = part[0] ? rows(b, pos, have, have + N, e) : NULL;
    return part[2] ? ba_op_apply(b->g, "concat", 3, part, BA_ATTRS(BA_I("axis", 1)), e) : NULL;
}

ba_tensor *bai_nn_vit_embed(ba_build *b, const ba_vit *v, const ba_arch_in *in, ba_err *e)
{
    char name[200];
    int64_t P = prefix_of(v), N = along(v, v->image_rows) * along(v, v->image_columns);
    ba_tensor *extra = P ? extras(b, v, e) : NULL, *pos = extra || !P ? bai_nn_vit_table(b, scoped(v, "pos_embed", name), v, e) : NULL;
    pos = completed(b, v, pos, e);
    ba_tensor *x = pos ? bai_nn_patch_embed(b, scoped(v, "patch_embed.proj", name), in, v->patch, step(v), v->dim, !v->no_patch_bias, e) : NULL;
    ba_tensor *to[] = { x, extra, pos, in->kept };
    if (!x)
        return NULL;
    x = P ? ba_op_apply(b->g, "tokens", in->kept ? 4 : 3, to, BA_ATTRS(BA_I("prefix", P), BA_I("patches", N)), e) : only_patches(b, x, pos, in->kept, v, e);
    if (x && v->pre_norm)
        x = bai_nn_layernorm(b, scoped(v, v->pre_norm, name), x, v->block.eps, e);
    return x && v->block.quiet && bai_host.publish(b, "embedded", -1, x, e) ? NULL : x; /* otherwise the first block says it */
}

ba_tensor *bai_nn_vit_blocks(ba_build *b, const ba_vit *v, int64_t from, int64_t to, ba_tensor *x, ba_err *e)
{
    for (int64_t i = from; x && i < to; i++) {
        char name[200], plain[40];
        ba_block spec = v->block;
        spec.layer = i;
        spec.heads = v->heads;
        spec.mlp = v->hidden;
        spec.prefix = prefix_of(v);
        spec.drop_path = v->drop_constant ? v->drop_path : v->depth > 1 ? v->drop_path * (double)i / (double)(v->depth - 1) : 0;
        snprintf(plain, sizeof plain, "blocks.%lld", (long long)i);
        x = bai_nn_block(b, scoped(v, plain, name), x, &spec, e);
    }
    return x;
}

ba_tensor *bai_nn_vit_head(ba_build *b, const char *name, ba_tensor *x, int64_t at, int64_t classes, ba_err *e)
{
    ba_type t;
    char shape[48];
    if (bai_build_check(b, e) || ba_tensor_type(x = bai_sum_joined(b, x), &t, e))
        return NULL;
    if (t.rank == 3)
        x = rows(b, x, at, at + 1, e);
    x = x ? bai_nn_linear(b, name, x, classes, 1, 0, e) : NULL;
    snprintf(shape, sizeof shape, "-1,%lld", (long long)classes);
    x = bai_nn_op1(b, "reshape", x, BA_ATTRS(BA_S("shape", shape)), e);
    return x && !ba_tensor_type(x, &t, e) && t.dtype != BA_F32 ? bai_nn_op1(b, "cast", x, BA_ATTRS(BA_S("dtype", "f32")), e) : x;
}
