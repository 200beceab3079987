/* saliency: what criteria share: how much a model attends to each of its patches, and numbers of one grid of patches on another.
 * MaskedKD's equation 2 and footnote 1, and what its released code (effl-lab/MaskedKD) does instead: settings of ba_saliency. */
#include <string.h>

#include "blocks.h"
#include "short.h"

/* In a criterion "masked" is whoever will be masked. */
static const char *name_of(const ba_build *b, const char *who)
{
    return who && b->call.whom && !strcmp(who, "masked") ? b->call.whom : who;
}

/* Divides each row by its sum. One that gives the patches nothing stays 0. */
static ba_tensor *over_patches(ba_build *b, ba_tensor *a, ba_err *e)
{
    ba_tensor *sum = bai_nn_op1(b, "sum", a, BA_ATTRS(BA_I("axis", 3), BA_I("keep", 1)), e), *least = sum ? ba_scalar(b->g, 1e-30, e) : NULL;
    return bai_nn_op2(b, "div", a, bai_nn_op2(b, "maximum", sum, least, 0, NULL, e), 0, NULL, e);
}

static int judge(ba_build *b, const char *who, const ba_saliency *how, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    if (!how || how->size < sizeof *how || how->source < 0 || how->source > BA_SALIENCY_PATCHES || how->rows < 0 || how->rows > BA_ROWS_AUTO)
        return ba_fail(e, BA_EPLUGIN, "saliency: a ba_saliency of %zu bytes with one of the sources and rows expected", sizeof *how);
    if (!b->call.whom)
        return ba_fail(e, BA_EPLUGIN, "saliency is for criteria: nobody is masked here");
    if (bai_build_fact_get(b, who, "kept") >= 0)
        return ba_fail(e, BA_EARG, "%.60s sees %lld of its %lld patches only; scores need a model that sees them all", who,
                       (long long)bai_build_fact_get(b, who, "kept"), (long long)bai_build_fact_get(b, who, "patches"));
    return BA_OK;
}

/* Rows of the extra tokens, the ones asked for: [B,heads,R,E+N]. */
static ba_tensor *class_rows(ba_build *b, const char *who, const ba_saliency *how, int64_t layer, ba_err *e)
{
    ba_type t;
    ba_tensor *a = ba_build_get(b, who, "class_attention", layer, e);
    int64_t rows = how->rows == BA_ROWS_AUTO ? bai_build_fact_get(b, who, "asks") : how->rows; /* signals put by hand may come without any fact */
    if (!a || ba_tensor_type(a, &t, e) || rows == BA_ROWS_EXTRA)
        return a;
    if (rows != BA_ROWS_OTHERS)
        return bai_nn_slice(b, a, 2, 0, 1, e);
    if (t.dim[2] < 2) {
        ba_fail(e, BA_EARG, "%.60s has %lld extra token; the rows of the others need two at least", who, (long long)t.dim[2]);
        return NULL;
    }
    return bai_nn_slice(b, a, 2, 1, t.dim[2], e);
}

static ba_tensor *patch_rows(ba_build *b, const char *who, int64_t layer, ba_err *e)
{
    ba_type t;
    ba_tensor *a = ba_build_get(b, who, "attention", layer, e);
    int64_t E = a ? ba_build_fact(b, who, "prefix", e) : -1;
    return E < 0 || ba_tensor_type(a, &t, e) ? NULL : bai_nn_slice(b, a, 2, E, t.dim[2], e);
}

/* Without the columns of the extra tokens. Signals that were put by hand, without a model, have as many as the class attention has rows. */
static ba_tensor *patch_columns(ba_build *b, const char *who, ba_tensor *a, ba_err *e)
{
    ba_type t, rows;
    int64_t E = bai_build_fact_get(b, who, "prefix");
    if (!a || ba_tensor_type(a, &t, e))
        return NULL;
    if (E < 0)
        E = ba_tensor_type(ba_build_get(b, who, "class_attention", -1, e), &rows, e) ? 1 : rows.dim[2];
    return bai_nn_slice(b, a, 3, E, t.dim[3], e);
}

/* Mean over the heads, then over the rows: [B,heads,R,N] -> [B,N]. */
static ba_tensor *means(ba_build *b, ba_tensor *a, ba_err *e)
{
    ba_type t;
    a = bai_nn_mean(b, a, 1, 0, e);
    if (!a || ba_tensor_type(a, &t, e) || t.dim[1] > 1)
        return bai_nn_mean(b, a, 1, 0, e);
    return bai_nn_reshape(b, a, 2, (const int64_t[]){ t.dim[0], t.dim[2] }, e);
}

ba_tensor *bai_nn_saliency(ba_build *b, const char *who, const ba_saliency *how, ba_err *e)
{
    who = b ? name_of(b, who) : who;
    if (judge(b, who, how, e))
        return NULL;
    int64_t layer = how->layer, depth = layer == BA_LAYER_MIDDLE ? ba_build_fact(b, who, "depth", e) : 1;
    if (depth < 0)
        return NULL;
    layer = layer == BA_LAYER_MIDDLE ? (depth - 1) / 2 : layer;
    ba_tensor *a = how->source == BA_SALIENCY_CLASS ? class_rows(b, who, how, layer, e) : patch_rows(b, who, layer, e);
    a = patch_columns(b, who, a, e);
    if (a && how->softmax == BA_SOFTMAX_PATCHES)
        a = over_patches(b, a, e);
    a = means(b, a, e);
    return a ? bai_nn_regrid(b, who, a, e) : NULL;
}

ba_tensor *bai_nn_regrid(ba_build *b, const char *who, ba_tensor *x, ba_err *e)
{
    ba_type t;
    int64_t above = 1;
    if (bai_build_check(b, e) || ba_tensor_type(x, &t, e))
        return NULL;
    who = name_of(b, who);
    const char *whom = b->call.whom ? b->call.whom : who;
    int64_t rows = bai_build_fact_get(b, who, "grid_rows"), columns = bai_build_fact_get(b, who, "grid_columns");
    int64_t to_rows = bai_build_fact_get(b, whom, "grid_rows"), to_columns = bai_build_fact_get(b, whom, "grid_columns");
    if (rows < 0 || columns < 0 || to_rows < 0 || to_columns < 0) /* signals without a described model: taken as they are */
        return x;
    if (t.rank < 1 || t.dim[t.rank - 1] != rows * columns) {
        ba_fail(e, BA_EARG, "%.60s has %lldx%lld patches; numbers for %lld of them cannot be put on another grid", who, (long long)rows,
                (long long)columns, (long long)(t.rank ? t.dim[t.rank - 1] : 1));
        return NULL;
    }
    if (rows == to_rows && columns == to_columns)
        return x;
    for (int i = 0; i + 1 < t.rank; i++)
        above *= t.dim[i];
    x = bai_nn_reshape(b, x, 2, (const int64_t[]){ above, rows * columns }, e);
    x = bai_nn_op1(b, "resize", x, BA_ATTRS(BA_I("rows", rows), BA_I("columns", columns), BA_I("to_rows", to_rows), BA_I("to_columns", to_columns),
                   BA_I("corners", b->corners)), e);
    t.dim[t.rank - 1] = to_rows * to_columns;
    return bai_nn_reshape(b, x, t.rank, t.dim, e);
}
