/* depthwise: each channel of a map convolved with a small square of its own, zeros around: y[b,p,c] = bias[c] + sum w[c,dy,dx] x[b,p+(dy,dx),c].
 * x [B,rows*columns,C] in raster order, w f32 of C*side*side numbers, bias f32 [C] (optional). With flip = 1 the squares are turned by half a
 * turn, which gives the gradient of x. One task a row of a map. */
#include "../shared/widen.h"

typedef struct depthwise_params { int64_t rows, columns, side, flip; } depthwise_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const depthwise_params *p = params;
    const ba_type *x = in[0], *w = in[1], *b = n_in > 2 ? in[2] : NULL;
    char t[2][96];
    if (x->rank != 3 || !bai_is_real(x) || x->dim[1] != p->rows * p->columns)
        return ba_fail(e, BA_EARG, "depthwise: x is %s; [B,%lld x %lld,C] expected", bai_text(x, t[0]), (long long)p->rows, (long long)p->columns);
    if (!(p->side & 1) || w->dtype != BA_F32 || ba_type_count(w) != x->dim[2] * p->side * p->side || (b && (b->dtype != BA_F32 || b->rank != 1 || b->dim[0] != x->dim[2])))
        return ba_fail(e, BA_EARG, "depthwise: w is %s for %lld channels and side = %lld; an odd side and f32 [C,side,side], bias f32 [C] expected",
                       bai_text(w, t[0]), (long long)x->dim[2], (long long)p->side);
    *out = *x;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    const depthwise_params *p = params;
    (void)n_in, (void)in;
    c->macs = (double)ba_type_count(out) * (double)(p->side * p->side);
    c->flops = (double)ba_type_count(out);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in;
    return (size_t)(bai_round64(ba_type_count(in[1]) * 4) + bai_widen_bytes(in[0], ba_type_count(in[0])) + workers * bai_round64(out->dim[2] * 4));
}

typedef struct job { const ba_kernel *k; int64_t H, W, C, side, half; const float *x, *w, *bias; float *row; } job;

/* One place: y[c] over all channels. */
static void place(const job *j, int64_t b, int64_t y, int64_t x, float *to)
{
    for (int64_t c = 0; c < j->C; c += VL) {
        int64_t n = bai_min(VL, j->C - c);
        vf s = j->bias ? v_load_part(j->bias + c, n) : (vf){ 0 };
        for (int64_t dy = bai_max(0, j->half - y); dy < bai_min(j->side, j->H + j->half - y); dy++)
            for (int64_t dx = bai_max(0, j->half - x); dx < bai_min(j->side, j->W + j->half - x); dx++)
                s += v_load_part(j->w + (dy * j->side + dx) * j->C + c, n) *
                     v_load_part(j->x + ((b * j->H + y + dy - j->half) * j->W + x + dx - j->half) * j->C + c, n);
        v_store_part(to + c, s, n);
    }
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_view *out = &j->k->out[0];
    for (int64_t x = 0; x < j->W; x++) {
        int64_t at = (t * j->W + x) * j->C;
        float *to = bai_row_out(out, at, j->row + worker * bai_round64(j->C * 4) / 4);
        place(j, t / j->H, t % j->H, x, to);
        bai_row_done(out, at, j->C, to);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const depthwise_params *p = k->params;
    int64_t C = k->in[0].type.dim[2], n = p->side * p->side;
    float *w = k->scratch, *room = w + bai_round64(C * n * 4) / 4;
    const float *given = k->in[1].data;
    for (int64_t c = 0; c < C; c++) /* channels side by side */
        for (int64_t i = 0; i < n; i++)
            w[(p->flip ? n - 1 - i : i) * C + c] = given[c * n + i];
    job j = { .k = k, .H = p->rows, .W = p->columns, .C = C, .side = p->side, .half = p->side / 2, .w = w, .bias = k->n_in > 2 ? k->in[2].data : NULL };
    j.x = bai_widen(k, &k->in[0], 0, ba_type_count(&k->in[0].type), &room);
    j.row = room;
    k->parallel(k, k->in[0].type.dim[0] * j.H, task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const depthwise_params *p = r->params;
    int64_t C = r->in_type[0].dim[2], s = p->side, h = s / 2;
    for (int64_t o = 0; o < ba_type_count(&r->out_type[0]); o++) {
        int64_t c = o % C, x = o / C % p->columns, y = o / C / p->columns % p->rows, b = o / C / p->columns / p->rows;
        double sum = r->n_in > 2 && r->in[2] ? r->in[2][c] : 0;
        for (int64_t i = 0; i < s * s; i++) {
            int64_t yy = y + i / s - h, xx = x + i % s - h;
            if (yy >= 0 && yy < p->rows && xx >= 0 && xx < p->columns)
                sum += r->in[1][c * s * s + (p->flip ? s * s - 1 - i : i)] * r->in[0][((b * p->rows + yy) * p->columns + xx) * C + c];
        }
        r->out[0][o] = sum;
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const depthwise_params *p = c->params;
    ba_type w;
    const ba_attr at[] = { BA_I("rows", p->rows), BA_I("columns", p->columns), BA_I("side", p->side), BA_I("flip", !p->flip) };
    if (c->want[0] && !(c->din[0] = bai_op2(c->g, "depthwise", c->dout[0], c->in[1], 4, at, e)))
        return BA_EBUG;
    int bias = c->n_in > 2 && c->in[2] && c->want[2];
    if ((!c->want[1] && !bias) || ba_tensor_type(c->in[1], &w, e))
        return BA_OK;
    const ba_attr back[] = { BA_I("rows", p->rows), BA_I("columns", p->columns), BA_I("side", p->side), BA_I("flip", p->flip) };
    ba_tensor *in[] = { c->dout[0], c->in[0], c->in[1] }, *dw = ba_op_apply(c->g, "depthwise_dw", 3, in, 4, back, e);
    c->din[1] = dw;
    if (bias && dw)
        c->din[2] = ba_output_of(dw, 1, e);
    return dw ? BA_OK : BA_EBUG;
}

BA_OP(depthwise) = {
    .name = "depthwise", .doc = "each channel of a map convolved with a square of its own, zeros around",
    .min_in = 2, .max_in = 3, .n_out = 1,
    BA_PARAMS(depthwise_params,
        BA_INT(depthwise_params, rows, 1, 1, 65536, NULL, "of the map"), BA_INT(depthwise_params, columns, 1, 1, 65536, NULL, "of the map"),
        BA_INT(depthwise_params, side, 5, 1, 31, NULL, "of the square; odd"), BA_FLAG(depthwise_params, flip, 0, "turn the squares by half a turn")),
    .shape = shape, .cost = cost, .scratch = scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "rows=4,columns=3,side=3", 3, { { BA_F32, 3, { 2, 12, 5 }, 0, -1, 1 }, { BA_F32, 4, { 5, 1, 3, 3 }, 0, -1, 1 }, { BA_F32, 1, { 5 }, 0, -1, 1 } } },
        { "rows=3,columns=6,side=5", 3, { { BA_F32, 3, { 1, 18, 19 }, 0, -1, 1 }, { BA_F32, 4, { 19, 1, 5, 5 }, 0, -1, 1 }, { BA_F32, 1, { 19 }, 0, -1, 1 } }, .fixed = 6 },
        { "rows=5,columns=5,side=3,flip=1", 2, { { BA_F32, 3, { 2, 25, 8 }, 0, -1, 1 }, { BA_F32, 3, { 8, 3, 3 }, 0, -1, 1 } }, .fixed = 1 },
        { "rows=4,columns=4,side=3", 2, { { BA_BF16, 3, { 2, 16, 6 }, 0, -1, 1 }, { BA_F32, 4, { 6, 1, 3, 3 }, 0, -1, 1 } }, .fixed = 3 }),
    .tolerance = 3e-6,
};
