/* layernorm_grad: gradient of a layer normalisation, with the gradient of the residual stream joined in the same pass.
 * dy, x [..,D], stats [rows,2], w f32 [D], dsum [..,D] (optional): out0 dx (+ dsum), out1 dw, out2 db f32 [D].
 * Sums over rows are taken in fixed blocks of 64 rows, then over blocks in order. */
#include "../shared/norm.h"

enum { BLOCK = 64 };

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[3][96];
    (void)params;
    if (!bai_same_dims(in[0], in[1]) || in[0]->rank < 1 || !bai_is_real(in[0]) || !bai_is_real(in[1]) || in[2]->rank != 2 || in[2]->dtype != BA_F32 ||
        in[2]->dim[0] != ba_type_rows(in[0]) || in[2]->dim[1] != 2 || in[3]->rank != 1 || in[3]->dtype != BA_F32 || in[3]->dim[0] != ba_type_last(in[0]))
        return ba_fail(e, BA_EARG, "layernorm_grad: dy is %s, x %s, statistics %s", bai_text(in[0], t[0]), bai_text(in[1], t[1]), bai_text(in[2], t[2]));
    if (n_in > 4 && in[4] && (!bai_same_dims(in[0], in[4]) || !bai_is_real(in[4])))
        return ba_fail(e, BA_EARG, "layernorm_grad: dy is %s, the gradient of the sum %s", bai_text(in[0], t[0]), bai_text(in[4], t[1]));
    out[0] = *in[1];
    out[1] = out[2] = *in[3];
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 14 * (double)ba_type_count(&out[0]);
}

static int64_t blocks_of(const ba_type *t) { return bai_ceil(ba_type_rows(t), BLOCK); }

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    int64_t room = bai_round64(ba_type_last(in[0]) * 4);
    return (size_t)((blocks_of(in[0]) * 2 + workers * 4) * room);
}

static void one_row(const ba_kernel *k, int64_t r, int64_t n, float *tmp, float *dw, float *db)
{
    int64_t room = bai_round64(n * 4) / 4;
    const float *dy = bai_row(&k->in[0], r * n, n, tmp), *x = bai_row(&k->in[1], r * n, n, tmp + room), *w = k->in[3].data;
    const float *more = k->n_in > 4 && k->in[4].data ? bai_row(&k->in[4], r * n, n, tmp + 2 * room) : NULL;
    const float mean = ((const float *)k->in[2].data)[2 * r], rstd = ((const float *)k->in[2].data)[2 * r + 1];
    vf a = { 0 }, b = { 0 };
    for (int64_t i = 0; i < n; i += VL) {
        int64_t m = bai_min(VL, n - i);
        vf g = v_load_part(dy + i, m), h = (v_load_part(x + i, m) - mean) * rstd, gw = g * v_load_part(w + i, m);
        a += gw;
        b += gw * h;
        v_store_part(dw + i, v_load_part(dw + i, m) + g * h, m);
        v_store_part(db + i, v_load_part(db + i, m) + g, m);
    }
    if (!k->out[0].data)
        return;
    const float ma = v_sum(a) / (float)n, mb = v_sum(b) / (float)n;
    float *dx = bai_row_out(&k->out[0], r * n, tmp + 3 * room);
    for (int64_t i = 0; i < n; i += VL) {
        int64_t m = bai_min(VL, n - i);
        vf h = (v_load_part(x + i, m) - mean) * rstd, gw = v_load_part(dy + i, m) * v_load_part(w + i, m);
        vf d = rstd * (gw - ma - h * mb);
        v_store_part(dx + i, more ? d + v_load_part(more + i, m) : d, m);
    }
    bai_row_done(&k->out[0], r * n, n, dx);
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    int64_t rows = ba_type_rows(&k->in[0].type), n = ba_type_last(&k->in[0].type), room = bai_round64(n * 4) / 4;
    float *part = (float *)k->scratch + t * 2 * room, *tmp = (float *)k->scratch + (blocks_of(&k->in[0].type) * 2 + worker * 4) * room;
    memset(part, 0, (size_t)(2 * room) * 4);
    for (int64_t r = t * BLOCK; r < bai_min(rows, (t + 1) * BLOCK); r++)
        one_row(k, r, n, tmp, part, part + room);
}

static void total(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    (void)worker;
    int64_t n = ba_type_last(&k->in[0].type), room = bai_round64(n * 4) / 4, blocks = blocks_of(&k->in[0].type);
    float *out = k->out[1 + t].data;
    if (!out)
        return;
    memset(out, 0, (size_t)n * 4);
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t i = 0; i < n; i++)
            out[i] += ((const float *)k->scratch)[(2 * b + t) * room + i];
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, blocks_of(&k->in[0].type), task, (void *)k);
    k->parallel(k, 2, total, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    int64_t rows = ba_type_rows(&r->in_type[0]), n = ba_type_last(&r->in_type[0]);
    memset(r->out[1], 0, (size_t)n * sizeof(double));
    memset(r->out[2], 0, (size_t)n * sizeof(double));
    for (int64_t i = 0; i < rows; i++) {
        double mean = r->in[2][2 * i], rstd = r->in[2][2 * i + 1], a = 0, b = 0;
        for (int64_t j = 0; j < n; j++) {
            double g = r->in[0][i * n + j], h = (r->in[1][i * n + j] - mean) * rstd;
            a += g * r->in[3][j] / (double)n;
            b += g * r->in[3][j] * h / (double)n;
            r->out[1][j] += g * h;
            r->out[2][j] += g;
        }
        for (int64_t j = 0; j < n; j++)
            r->out[0][i * n + j] = rstd * (r->in[0][i * n + j] * r->in[3][j] - a - (r->in[1][i * n + j] - mean) * rstd * b) +
                                   (r->n_in > 4 && r->in[4] ? r->in[4][i * n + j] : 0);
    }
}

BA_OP(layernorm_grad) = {
    .name = "layernorm_grad", .doc = "gradients of layernorm: input (plus that of the residual stream), weight, bias",
    .min_in = 4, .max_in = 5, .n_out = 3, .reuse = 1 | 16,
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 4, { { BA_F32, 2, { 5, 24 }, 0, -1, 1 }, { BA_F32, 2, { 5, 24 }, 0, -1, 1 }, { BA_F32, 2, { 5, 2 }, 0, .5, 1 }, { BA_F32, 1, { 24 }, 0, .5, 1.5 } } },
        { "", 5, { { BA_F32, 3, { 10, 15, 37 }, 0, -1, 1 }, { BA_F32, 3, { 10, 15, 37 }, 0, -1, 1 }, { BA_F32, 2, { 150, 2 }, 0, .5, 1 }, { BA_F32, 1, { 37 }, 0, .5, 1.5 },
          { BA_F32, 3, { 10, 15, 37 }, 0, -1, 1 } } },
        { "", 4, { { BA_BF16, 2, { 5, 24 }, 0, -1, 1 }, { BA_BF16, 2, { 5, 24 }, 0, -1, 1 }, { BA_F32, 2, { 5, 2 }, 0, .5, 1 }, { BA_F32, 1, { 24 }, 0, .5, 1.5 } } }),
    .tolerance = 5e-6,
};
