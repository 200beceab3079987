/* mix: each sample of x[B,..] with its partner B-1-b, as `plan` of mix_draw says: pictures [B,H,W,C] blended, or with the plan's box taken
 * from the partner; anything else (targets) blended by the share. x of any type, y f32. No gradient: it makes data. */
#include "../shared/kernel.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params, (void)n_in;
    if (in[0]->rank < 1 || in[1]->dtype != BA_F32 || in[1]->rank != 1 || in[1]->dim[0] != 6)
        return ba_fail(e, BA_EARG, "mix: x is %s, the plan %s; samples [B,..] and f32[6] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    if (in[0]->dim[0] % 2)
        return ba_fail(e, BA_EARG, "mix: a batch of %lld; partners need an even one", (long long)in[0]->dim[0]);
    *out = bai_like(in[0], BA_F32);
    return BA_OK;
}

enum { STRIP = 1024 };

/* n elements from `at`, whose partners begin at `with`: share * x + (1 - share) * partner; a share of 1 copies, one of 0 takes the partner. */
static void strip(const ba_kernel *k, int64_t at, int64_t with, int64_t n, float share)
{
    float tmp[2][STRIP], *y = (float *)k->out[0].data;
    for (int64_t i = 0; i < n; i += STRIP) {
        int64_t m = bai_min(STRIP, n - i);
        const float *a = share == 0 ? NULL : bai_row(&k->in[0], at + i, m, tmp[0]);
        const float *b = share == 1 ? a : bai_row(&k->in[0], with + i, m, tmp[1]);
        for (int64_t j = 0; j < m; j++)
            y[at + i + j] = share == 1 ? a[j] : share == 0 ? b[j] : share * a[j] + (1 - share) * b[j];
    }
}

/* The first of n columns that is not before v. */
static int64_t edge(float v, int64_t n) { return !(v > 0) ? 0 : v >= (float)n ? n : (int64_t)ceilf(v); }

static void task(void *ctx, int64_t t, int worker) /* one row of one picture, or one sample */
{
    const ba_kernel *k = ctx;
    const ba_type *x = &k->in[0].type;
    const float *plan = k->in[1].data;
    int picture = x->rank == 4, cut = picture && plan[5] != 0;
    int64_t B = x->dim[0], R = picture ? x->dim[1] : 1, n = ba_type_count(x) / (B * R), b = t / R, r = t % R;
    int64_t at = t * n, with = ((B - 1 - b) * R + r) * n;
    (void)worker;
    if (!cut) {
        strip(k, at, with, n, plan[0]);
        return;
    }
    int64_t C = x->dim[3], from = edge(plan[3], x->dim[2]) * C, to = edge(plan[4], x->dim[2]) * C;
    int inside = (float)r >= plan[1] && (float)r < plan[2] && to > from;
    strip(k, at, with, inside ? from : n, 1);
    if (inside) {
        strip(k, at + from, with + from, to - from, 0);
        strip(k, at + to, with + to, n - to, 1);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const ba_type *x = &k->in[0].type;
    (void)e;
    k->parallel(k, x->dim[0] * (x->rank == 4 ? x->dim[1] : 1), task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const ba_type *x = &r->in_type[0];
    const double *plan = r->in[1];
    int64_t B = x->dim[0], each = ba_type_count(x) / B;
    for (int64_t i = 0; i < B * each; i++) {
        double mine = r->in[0][i], other = r->in[0][(B - 1 - i / each) * each + i % each], share = plan[0];
        if (x->rank == 4 && plan[5] != 0) {
            int64_t row = i / (x->dim[2] * x->dim[3]) % x->dim[1], column = i / x->dim[3] % x->dim[2];
            share = !((double)row >= plan[1] && (double)row < plan[2] && (double)column >= plan[3] && (double)column < plan[4]);
        }
        r->out[0][i] = share * mine + (1 - share) * other;
    }
}

BA_OP(mix) = {
    .name = "mix", .doc = "each sample mixed with its partner from the other end of the batch, as mix_draw says",
    .min_in = 2, .max_in = 2, .n_out = 1,
    .shape = shape, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_U8, 4, { 4, 5, 6, 3 }, BA_FILL_INDEX, 0, 256 }, { BA_F32, 1, { 6 }, BA_FILL_INDEX, 0, 5 } } },
        { "", 2, { { BA_F32, 4, { 2, 3, 5, 3 }, 0, 0, 255 }, { BA_F32, 1, { 6 }, BA_FILL_INDEX, 1, 4 } } },
        { "", 2, { { BA_F32, 2, { 6, 10 }, 0, 0, 1 }, { BA_F32, 1, { 6 }, 0, 0, 1 } } }),
    .tolerance = 1e-6,
};
