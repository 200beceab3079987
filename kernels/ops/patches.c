/* patches: cuts pictures into normalised patches, and only those that are kept.
 * images u8 or f32 [B,H,W,C], scale, shift f32 [C]: pixel * scale + shift; kept i32 [B,k] (optional). Output [B,N or k, C*p*p], each patch in
 * the order channel, row, column (a patch convolution is then a linear); patches in raster order. Rows and columns that do not fill a patch are dropped; with a stride
 * smaller than the patch, patches overlap. */
#include "../shared/index.h"

typedef struct patches_params { int64_t patch, stride; const char *dtype; } patches_params;

static int64_t step(const patches_params *p) { return p->stride ? p->stride : p->patch; }
static int64_t fit(const patches_params *p, int64_t side) { return (side - p->patch) / step(p) + 1; } /* patches along a side */

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const patches_params *p = params;
    const ba_type *x = in[0], *kept = n_in > 3 ? in[3] : NULL;
    char t[2][96];
    int bf16 = !strcmp(p->dtype, "bf16");
    if (!bf16 && strcmp(p->dtype, "f32"))
        return ba_fail(e, BA_EARG, "patches: dtype = %.20s; f32 or bf16 expected", p->dtype);
    if (x->rank != 4 || (x->dtype != BA_U8 && x->dtype != BA_F32) || x->dim[1] < p->patch || x->dim[2] < p->patch)
        return ba_fail(e, BA_EARG, "patches: images are %s; u8 or f32 [B,H,W,C] with H, W >= %lld expected", bai_text(x, t[0]), (long long)p->patch);
    for (int i = 1; i < 3; i++)
        if (in[i]->dtype != BA_F32 || in[i]->rank != 1 || in[i]->dim[0] != x->dim[3])
            return ba_fail(e, BA_EARG, "patches: %s is %s; f32[%lld] expected", i == 1 ? "scale" : "shift", bai_text(in[i], t[0]), (long long)x->dim[3]);
    int64_t n = fit(p, x->dim[1]) * fit(p, x->dim[2]);
    if (kept && (kept->dtype != BA_I32 || kept->rank != 2 || kept->dim[0] != x->dim[0] || kept->dim[1] > n))
        return ba_fail(e, BA_EARG, "patches: kept is %s; i32[%lld,at most %lld] expected", bai_text(kept, t[0]), (long long)x->dim[0], (long long)n);
    out[0] = bai_shape(bf16 ? BA_BF16 : BA_F32, 3, x->dim[0], kept ? kept->dim[1] : n, x->dim[3] * p->patch * p->patch, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 2 * (double)ba_type_count(&out[0]);
}

typedef struct job { const ba_kernel *k; int64_t H, W, C, p, step, n, across; const int32_t *kept; } job;

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)in;
    return (size_t)(workers * bai_round64(out[0].dim[2] * 4));
}

static void one_patch(const job *j, int64_t b, int64_t which, float *to)
{
    int64_t y0 = which / j->across * j->step, x0 = which % j->across * j->step;
    const float *scale = j->k->in[1].data, *shift = j->k->in[2].data;
    const uint8_t *u8 = j->k->in[0].type.dtype == BA_U8 ? j->k->in[0].data : NULL;
    const float *f32 = u8 ? NULL : j->k->in[0].data;
    for (int64_t y = 0; y < j->p; y++) {
        int64_t at = ((b * j->H + y0 + y) * j->W + x0) * j->C;
        for (int64_t c = 0; c < j->C; c++) {
            float *o = to + (c * j->p + y) * j->p, s = scale[c], h = shift[c];
            for (int64_t x = 0; x < j->p; x++)
                o[x] = (u8 ? (float)u8[at + x * j->C + c] : f32[at + x * j->C + c]) * s + h;
        }
    }
}

static void task(void *ctx, int64_t b, int worker)
{
    const job *j = ctx;
    const ba_view *out = &j->k->out[0];
    int64_t size = out->type.dim[2];
    float *tmp = (float *)((char *)j->k->scratch + worker * bai_round64(size * 4));
    for (int64_t i = 0; i < j->n; i++) {
        float *to = bai_row_out(out, (b * j->n + i) * size, tmp);
        one_patch(j, b, j->kept ? j->kept[b * j->n + i] : i, to);
        bai_row_done(out, (b * j->n + i) * size, size, to);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const patches_params *p = k->params;
    const ba_type *x = &k->in[0].type;
    job j = { k, x->dim[1], x->dim[2], x->dim[3], p->patch, step(p), k->out[0].type.dim[1], fit(p, x->dim[2]), k->n_in > 3 ? k->in[3].data : NULL };
    if (j.kept && bai_index_check("patches", &k->in[3], fit(p, x->dim[1]) * j.across, e))
        return BA_EDATA;
    k->parallel(k, x->dim[0], task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const patches_params *p = r->params;
    int64_t H = r->in_type[0].dim[1], W = r->in_type[0].dim[2], C = r->in_type[0].dim[3], n = r->out_type[0].dim[1], s = p->patch, at = 0;
    int64_t by = p->stride ? p->stride : s, across = 0;
    for (int64_t x = 0; x + s <= W; x += by)
        across++;
    for (int64_t b = 0; b < r->in_type[0].dim[0]; b++)
        for (int64_t i = 0; i < n; i++) {
            int64_t which = r->n_in > 3 && r->in[3] ? (int64_t)r->in[3][b * n + i] : i;
            for (int64_t c = 0; c < C; c++)
                for (int64_t y = 0; y < s; y++)
                    for (int64_t x = 0; x < s; x++)
                        r->out[0][at++] = r->in[0][((b * H + which / across * by + y) * W + which % across * by + x) * C + c] * r->in[1][c] + r->in[2][c];
        }
}

BA_OP(patches) = {
    .name = "patches", .doc = "normalised patches of pictures; with `kept`, of the kept patches only",
    .min_in = 3, .max_in = 4, .n_out = 1,
    BA_PARAMS(patches_params,
        BA_INT(patches_params, patch, 16, 1, 4096, "pixels", "side of a patch"),
        BA_INT(patches_params, stride, 0, 0, 4096, "pixels", "from one patch to the next; 0: as patch"),
        BA_STRING(patches_params, dtype, "f32", "f32 or bf16")),
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "patch=4", 3, { { BA_U8, 4, { 2, 8, 12, 3 }, BA_FILL_INDEX, 0, 256 }, { BA_F32, 1, { 3 }, 0, .01, .02 }, { BA_F32, 1, { 3 }, 0, -1, 1 } } },
        { "patch=3", 4, { { BA_U8, 4, { 2, 10, 9, 3 }, BA_FILL_INDEX, 0, 256 }, { BA_F32, 1, { 3 }, 0, .01, .02 }, { BA_F32, 1, { 3 }, 0, -1, 1 },
          { BA_I32, 2, { 2, 4 }, BA_FILL_CHOICE, 0, 9 } } },
        { "patch=2", 3, { { BA_F32, 4, { 1, 4, 4, 1 }, 0, -1, 1 }, { BA_F32, 1, { 1 }, 0, 1, 2 }, { BA_F32, 1, { 1 }, 0, -1, 1 } } },
        { "patch=4,stride=3", 4, { { BA_F32, 4, { 2, 10, 12, 2 }, 0, -1, 1 }, { BA_F32, 1, { 2 }, 0, 1, 2 }, { BA_F32, 1, { 2 }, 0, -1, 1 },
          { BA_I32, 2, { 2, 5 }, BA_FILL_CHOICE, 0, 9 } } },
        { "patch=4,dtype=bf16", 3, { { BA_U8, 4, { 2, 8, 8, 3 }, BA_FILL_INDEX, 0, 256 }, { BA_F32, 1, { 3 }, 0, .01, .02 }, { BA_F32, 1, { 3 }, 0, -1, 1 } } }),
    .tolerance = 1e-6,
};
