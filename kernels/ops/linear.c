/* linear: y = x W^T + b, optionally through the exact GELU in the same pass. x [..,K], W [O,K], b [O]; y [..,O].
 * out1 is y before the GELU, written only when the backward pass wants it.
 * `from`, `to` use rows from..to of W (and b) only: columns of y; to = 0 means all. */
#include "../shared/linear.h"
#include "../shared/tile_linear.h"
#include "../shared/widen.h"

typedef struct linear_params { int64_t gelu, from, to, counted; } linear_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const linear_params *p = params;
    const ba_type *x = in[0], *w = in[1], *b = n_in > 2 ? in[2] : NULL;
    char t[2][96];
    if (x->rank < 1 || w->rank != 2 || !bai_is_real(x) || w->dtype != x->dtype || ba_type_last(x) != w->dim[1])
        return ba_fail(e, BA_EARG, "linear: x is %s and W %s; x [..,K] and W [O,K] of one type expected", bai_text(x, t[0]), bai_text(w, t[1]));
    if (bai_linear_check("linear", p->from, p->to, w, b, e))
        return BA_EARG;
    out[0] = *x;
    out[0].dim[x->rank - 1] = bai_linear_width(p->from, p->to, w);
    out[1] = out[0];
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    const linear_params *p = params;
    (void)n_in;
    c->macs = (double)ba_type_count(&out[0]) * (double)in[1]->dim[1];
    if (p->counted && in[0]->rank > 1) /* tokens that the papers count here, e.g. all patches of a masked embedding */
        c->nominal = c->macs / (double)in[0]->dim[in[0]->rank - 2] * (double)p->counted;
    c->flops = (double)ba_type_count(&out[0]) * (p->gelu ? 20 : 1);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in;
    int64_t N = ba_type_last(&out[0]), K = in[1]->dim[1], mb, nb;
#if BAI_TILES
    if (in[0]->dtype == BA_BF16)
        return bai_tile_linear_bytes(N, K, workers);
#endif
    bai_linear_blocks(ba_type_rows(in[0]), N, &mb, &nb);
    return (size_t)(bai_widen_bytes(in[1], N * K) + bai_panels_bytes(K, N) + workers * (bai_widen_bytes(in[0], mb * K) + bai_widen_bytes(&out[0], mb * nb)));
}

static const float *block(const bai_linear *j, int64_t at, int64_t n, float *room) { return bai_row(&j->k->in[0], at, n, room); }

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const linear_params *p = k->params;
    const float *bias = k->n_in > 2 && k->in[2].data ? (const float *)k->in[2].data + p->from : NULL;
    bai_linear j = { .k = k, .M = ba_type_rows(&k->in[0].type), .N = ba_type_last(&k->out[0].type), .K = k->in[1].type.dim[1], .gelu = p->gelu != 0, .by = 1 };
    float *room = k->scratch;
    j.pre = &k->out[1];
#if BAI_TILES
    if (k->in[0].type.dtype == BA_BF16) {
        const bai_half x = { k->in[0].data, j.K, 0 }, w = { (const uint16_t *)k->in[1].data + p->from * j.K, j.K, 1 };
        j.bias = bias;
        bai_tile_linear(k, x, w, j.M, j.N, j.K, k->scratch, bai_linear_finish, &(bai_linear_place){ &j, 0, 0 });
        return BA_OK;
    }
#endif
    j.finished = k->in[0].type.dtype == BA_F32 && (!k->out[1].data || !k->out[0].data) && !(p->gelu && k->out[0].data);
    j.start = bias;
    j.y = k->out[0].data ? &k->out[0] : &k->out[1];
    j.block = block;
    bai_linear_blocks(j.M, j.N, &j.mb, &j.nb);
    j.w = (bai_panels){ .B = bai_widen(k, &k->in[1], p->from * j.K, j.N * j.K, &room), .ldb = j.K, .trans = 1, .K = j.K, .N = j.N };
    j.w.at = room;
    j.room = (char *)room + bai_panels_bytes(j.K, j.N);
    j.x_bytes = bai_widen_bytes(&k->in[0].type, j.mb * j.K);
    j.y_bytes = bai_widen_bytes(&k->out[0].type, j.mb * j.nb);
    bai_linear_run(&j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const linear_params *p = r->params;
    int64_t M = ba_type_rows(&r->in_type[0]), N = ba_type_last(&r->out_type[0]), K = r->in_type[1].dim[1];
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            double s = r->n_in > 2 && r->in[2] ? r->in[2][p->from + n] : 0;
            for (int64_t i = 0; i < K; i++)
                s += r->in[0][m * K + i] * r->in[1][(p->from + n) * K + i];
            r->out[1][m * N + n] = s;
            r->out[0][m * N + n] = p->gelu ? 0.5 * s * (1 + erf(s / sqrt(2))) : s;
        }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const linear_params *p = c->params;
    ba_tensor *d = c->dout[0];
    if (p->gelu && d)
        d = bai_op2(c->g, "gelu_grad", d, c->out[1], 0, NULL, e);
    if (c->dout[1])
        d = d ? bai_op2(c->g, "add", d, c->dout[1], 0, NULL, e) : c->dout[1];
    if (!d)
        return BA_EBUG;
    const ba_attr range[] = { BA_I("from", p->from), BA_I("to", p->to) };
    if (c->want[0] && !(c->din[0] = bai_op2(c->g, "linear_dx", d, c->in[1], 2, range, e)))
        return BA_EBUG;
    int bias = c->n_in > 2 && c->in[2] && c->want[2];
    if (!c->want[1] && !bias)
        return BA_OK;
    ba_tensor *dw = bai_op2(c->g, "linear_dw", d, c->in[0], 0, NULL, e), *db = dw ? ba_output_of(dw, 1, e) : NULL;
    if (!db)
        return BA_EBUG;
    int64_t rows = bai_dim(c->in[1], 0);
    int part = p->from > 0 || (p->to && p->to < rows);
    const ba_attr back[] = { BA_I("axis", 0), BA_I("from", p->from), BA_I("size", rows) };
    if (c->want[1] && !(c->din[1] = part ? bai_op1(c->g, "unslice", dw, 3, back, e) : dw))
        return BA_EBUG;
    if (bias && !(c->din[2] = part ? bai_op1(c->g, "unslice", db, 3, back, e) : db))
        return BA_EBUG;
    return BA_OK;
}

static int slice(const ba_slice_call *c, ba_err *e)
{
    const linear_params *p = c->params;
    ba_tensor *in[3] = { NULL, c->in[1], c->n_in > 2 ? c->in[2] : NULL };
    ba_attr at[4] = { BA_I("from", p->from), BA_I("to", p->to), BA_I("gelu", p->gelu), BA_I("counted", p->counted) };
    if (bai_linear_slice(c, at, &in[0], e))
        return BA_EBUG;
    ba_tensor *y = ba_op_apply(c->g, "linear", c->n_in, in, 4, at, e);
    c->sliced[0] = y;
    c->sliced[1] = y ? ba_output_of(y, 1, e) : NULL;
    return y ? BA_OK : BA_EBUG;
}

BA_OP(linear) = {
    .name = "linear", .doc = "y = x W^T + b, optionally followed by the exact GELU",
    .min_in = 2, .max_in = 3, .n_out = 2,
    BA_PARAMS(linear_params,
        BA_FLAG(linear_params, gelu, 0, "apply the exact (erf) GELU"),
        BA_INT(linear_params, from, 0, 0, 1 << 30, NULL, "first row of W used"),
        BA_INT(linear_params, to, 0, 0, 1 << 30, NULL, "row after the last row of W used; 0: all"),
        BA_INT(linear_params, counted, 0, 0, 1 << 30, "tokens", "tokens an image counts here in the papers' cost; 0: as many as there are")),
    .shape = shape, .cost = cost, .scratch = scratch, .grad = grad, .slice_outs = 3, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 3, { { BA_F32, 2, { 5, 7 }, 0, -1, 1 }, { BA_F32, 2, { 6, 7 }, 0, -1, 1 }, { BA_F32, 1, { 6 }, 0, -1, 1 } } },
        { "gelu=1", 3, { { BA_F32, 3, { 2, 3, 33 }, 0, -1, 1 }, { BA_F32, 2, { 19, 33 }, 0, -1, 1 }, { BA_F32, 1, { 19 }, 0, -1, 1 } } },
        { "from=2,to=5", 3, { { BA_F32, 2, { 4, 8 }, 0, -1, 1 }, { BA_F32, 2, { 6, 8 }, 0, -1, 1 }, { BA_F32, 1, { 6 }, 0, -1, 1 } } },
        { "gelu=1", 2, { { BA_F32, 2, { 2000, 16 }, 0, -1, 1 }, { BA_F32, 2, { 24, 16 }, 0, -1, 1 } }, .fixed = 3 },
        { "", 3, { { BA_F32, 2, { 3, 40 }, 0, -1, 1 }, { BA_F32, 2, { 300, 40 }, 0, -1, 1 }, { BA_F32, 1, { 300 }, 0, -1, 1 } }, .fixed = 7 },
        { "gelu=1", 3, { { BA_F32, 2, { 193, 385 }, 0, -.1, .1 }, { BA_F32, 2, { 33, 385 }, 0, -1, 1 }, { BA_F32, 1, { 33 }, 0, -1, 1 } }, .fixed = 7 }, /* one past each block of gemm */
        { "", 2, { { BA_F32, 2, { 191, 383 }, 0, -.1, .1 }, { BA_F32, 2, { 31, 383 }, 0, -1, 1 } }, .fixed = 3 },
        { "", 3, { { BA_F32, 2, { 384, 768 }, 0, -.1, .1 }, { BA_F32, 2, { 32, 768 }, 0, -.5, .5 }, { BA_F32, 1, { 32 }, 0, -1, 1 } }, .fixed = 7 },
        { "from=3", 3, { { BA_F32, 2, { 1, 1 }, 0, -1, 1 }, { BA_F32, 2, { 4, 1 }, 0, -1, 1 }, { BA_F32, 1, { 4 }, 0, -1, 1 } } },
        { "gelu=1", 3, { { BA_BF16, 2, { 9, 16 }, 0, -1, 1 }, { BA_BF16, 2, { 12, 16 }, 0, -1, 1 }, { BA_F32, 1, { 12 }, 0, -1, 1 } }, .fixed = 7 },
        { "", 3, { { BA_BF16, 2, { 197, 400 }, 0, -.1, .1 }, { BA_BF16, 2, { 37, 400 }, 0, -1, 1 }, { BA_F32, 1, { 37 }, 0, -1, 1 } }, .fixed = 7 }),
    .tolerance = 2e-6, .coarse = 5e-6, /* one chain of thousands of terms */
};
