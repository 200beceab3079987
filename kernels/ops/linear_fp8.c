/* linear_fp8: y = x W^T + b in FP8 (E4M3), optionally through the exact GELU. x [..,K] is divided by its scale and rounded to E4M3 here; W [O,K] are codes
 * (quantise_fp8) with a scale of their own; products are summed in fp32, multiplied by both scales, then comes b [O].
 * `from`, `to` use rows from..to of W (and b) only: columns of y; to = 0 means all. */
#include "../shared/e4m3.h"
#include "../shared/linear.h"
#include "../shared/widen.h"

typedef struct linear_fp8_params { int64_t gelu, from, to; } linear_fp8_params;

static int is_scale(const ba_type *t) { return t->dtype == BA_F32 && t->rank == 0; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const linear_fp8_params *p = params;
    const ba_type *x = in[0], *w = in[1], *b = n_in > 4 ? in[4] : NULL;
    char t[2][96];
    if (x->rank < 1 || w->rank != 2 || !bai_is_real(x) || w->dtype != BA_U8 || ba_type_last(x) != w->dim[1])
        return ba_fail(e, BA_EARG, "linear_fp8: x is %s and W %s; x [..,K] of f32 or bf16 and W [O,K] of u8 expected", bai_text(x, t[0]), bai_text(w, t[1]));
    if (!is_scale(in[2]) || !is_scale(in[3]))
        return ba_fail(e, BA_EARG, "linear_fp8: the scales are %s and %s; f32[] expected", bai_text(in[2], t[0]), bai_text(in[3], t[1]));
    if (bai_linear_check("linear_fp8", p->from, p->to, w, b, e))
        return BA_EARG;
    const int64_t width = bai_linear_width(p->from, p->to, w);
    if (w->dim[1] % BA_FP8_STEP || p->from % BA_FP8_STEP || width % BA_FP8_STEP)
        return ba_fail(e, BA_EARG, "linear_fp8: W is %s, and its rows from %lld on are used; FP8 products need multiples of %d", bai_text(w, t[0]),
                       (long long)p->from, BA_FP8_STEP);
    out[0] = *x;
    out[0].dim[x->rank - 1] = width;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    const linear_fp8_params *p = params;
    (void)n_in;
    c->macs = (double)ba_type_count(&out[0]) * (double)in[1]->dim[1];
    c->flops = (double)ba_type_count(&out[0]) * (p->gelu ? 22 : 3) + 2 * (double)ba_type_count(in[0]);
    c->bytes += 2 * (double)ba_type_count(in[0]); /* the codes of x, written and read */
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in;
    int64_t N = ba_type_last(&out[0]), K = in[1]->dim[1], mb, nb;
    bai_linear_blocks(ba_type_rows(in[0]), N, &mb, &nb);
    return (size_t)(bai_round64(N * K * 4) + bai_panels_bytes(K, N) + workers * (bai_round64(mb * K * 4) + bai_widen_bytes(&out[0], mb * nb)));
}

/* Of W: its codes from the first row used on, their numbers, and the number of each code. */
typedef struct codes { const uint8_t *code; float *wide, value[256]; int64_t n; } codes;

static void widen(void *ctx, int64_t t, int worker)
{
    const codes *c = ctx;
    (void)worker;
    for (int64_t i = t * BAI_BLOCK; i < bai_min(c->n, (t + 1) * BAI_BLOCK); i++)
        c->wide[i] = c->value[c->code[i]];
}

static const float *block(const bai_linear *j, int64_t at, int64_t n, float *room)
{
    const float *x = bai_row(&j->k->in[0], at, n, room), by = 1 / *(const float *)j->k->in[2].data;
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t c = bai_min(VL, n - i);
        v_store_part(room + i, v_to_e4m3(v_load_part(x + i, c) * by), c);
    }
    return room;
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const linear_fp8_params *p = k->params;
    bai_linear j = { .k = k, .M = ba_type_rows(&k->in[0].type), .N = ba_type_last(&k->out[0].type), .K = k->in[1].type.dim[1], .gelu = p->gelu != 0 };
    codes w = { .code = (const uint8_t *)k->in[1].data + p->from * j.K, .wide = k->scratch, .n = j.N * j.K };
    for (int c = 0; c < 256; c++)
        w.value[c] = e4m3_value(c);
    k->parallel(k, bai_ceil(w.n, BAI_BLOCK), widen, &w);
    j.by = *(const float *)k->in[2].data * *(const float *)k->in[3].data;
    j.bias = k->n_in > 4 && k->in[4].data ? (const float *)k->in[4].data + p->from : NULL;
    j.y = &k->out[0];
    j.block = block;
    bai_linear_blocks(j.M, j.N, &j.mb, &j.nb);
    j.w = (bai_panels){ .B = w.wide, .ldb = j.K, .trans = 1, .K = j.K, .N = j.N };
    j.w.at = (float *)((char *)k->scratch + bai_round64(w.n * 4));
    j.room = (char *)j.w.at + bai_panels_bytes(j.K, j.N);
    j.x_bytes = bai_round64(j.mb * j.K * 4);
    j.y_bytes = bai_widen_bytes(&k->out[0].type, j.mb * j.nb);
    bai_linear_run(&j);
    return BA_OK;
}

/* A number of E4M3 from its code, and the nearest one to a number: written for the reference, by other means than the kernel's. */
static double decode(int code)
{
    const int c = code & 127;
    const double a = c == 127 ? NAN : c < 8 ? ldexp(c, -9) : ldexp(8 + c % 8, c / 8 - 10);
    return code & 128 ? -a : a;
}

static double rounded(double x)
{
    const double a = fabs(x);
    if (!(a <= 448))
        return isfinite(x) ? copysign(448, x) : NAN;
    int e;
    frexp(a, &e);
    const double unit = ldexp(1, (e > -5 ? e : -5) - 4); /* between neighbours */
    return copysign(nearbyint(a / unit) * unit, x);
}

static void reference(const ba_ref *r)
{
    const linear_fp8_params *p = r->params;
    int64_t M = ba_type_rows(&r->in_type[0]), N = ba_type_last(&r->out_type[0]), K = r->in_type[1].dim[1];
    const double in = r->in[2][0], weight = r->in[3][0];
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            double s = 0;
            for (int64_t i = 0; i < K; i++)
                s += rounded(r->in[0][m * K + i] / in) * decode((int)r->in[1][(p->from + n) * K + i]);
            s = s * in * weight + (r->n_in > 4 && r->in[4] ? r->in[4][p->from + n] : 0);
            r->out[0][m * N + n] = p->gelu ? 0.5 * s * (1 + erf(s / sqrt(2))) : s;
        }
}

static int slice(const ba_slice_call *c, ba_err *e)
{
    const linear_fp8_params *p = c->params;
    ba_tensor *in[5] = { NULL, c->in[1], c->in[2], c->in[3], c->n_in > 4 ? c->in[4] : NULL };
    ba_attr at[3] = { BA_I("from", p->from), BA_I("to", p->to), BA_I("gelu", p->gelu) };
    if (bai_linear_slice(c, at, &in[0], e))
        return BA_EBUG;
    if (at[0].value.i % BA_FP8_STEP || at[1].value.i % BA_FP8_STEP)
        return 1; /* columns that FP8 products do not take */
    c->sliced[0] = ba_op_apply(c->g, "linear_fp8", c->n_in, in, 3, at, e);
    return c->sliced[0] ? BA_OK : BA_EBUG;
}

/* x, W as codes of one sign (a sample's codes are whole numbers, and 127 and 255 are NaN), both scales. */
#define SCALE(s) { BA_F32, 0, { 0 }, 0, s, s }
#define CODES(o, k) { BA_U8, 2, { o, k }, 0, 0, 127 }
#define NEGATIVE(o, k) { BA_U8, 2, { o, k }, 0, 128, 255 }
#define BIAS(o) { BA_F32, 1, { o }, 0, -1, 1 }

BA_OP(linear_fp8) = {
    .name = "linear_fp8",
    .doc = "y = x W^T + b with x rounded to FP8 (E4M3) and W in its codes, optionally followed by the exact GELU; no gradient goes through it",
    .min_in = 4, .max_in = 5, .n_out = 1, .flags = BA_OP_FROZEN,
    BA_PARAMS(linear_fp8_params,
        BA_FLAG(linear_fp8_params, gelu, 0, "apply the exact (erf) GELU"),
        BA_INT(linear_fp8_params, from, 0, 0, 1 << 30, NULL, "first row of W used"),
        BA_INT(linear_fp8_params, to, 0, 0, 1 << 30, NULL, "row after the last row of W used; 0: all")),
    .shape = shape, .cost = cost, .scratch = scratch, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 5, { { BA_F32, 2, { 5, 16 }, 0, -1, 1 }, CODES(16, 16), SCALE(0.00390625), SCALE(0.0009765625), BIAS(16) } },
        { "gelu=1", 5, { { BA_F32, 3, { 2, 3, 32 }, 0, -1, 1 }, NEGATIVE(48, 32), SCALE(0.00390625), SCALE(0.0009765625), BIAS(48) } },
        { "from=16,to=48", 5, { { BA_F32, 2, { 4, 16 }, 0, -1, 1 }, CODES(64, 16), SCALE(0.00390625), SCALE(0.0009765625), BIAS(64) } },
        { "from=32", 4, { { BA_F32, 2, { 1, 16 }, 0, -1, 1 }, CODES(48, 16), SCALE(0.00390625), SCALE(0.0009765625) } },
        { "", 4, { { BA_F32, 2, { 7, 32 }, BA_FILL_INDEX, -40, 41 }, CODES(16, 32), SCALE(0.25), SCALE(0.0000152587890625) } },     /* many ties */
        { "", 4, { { BA_F32, 2, { 7, 32 }, 0, -900, 900 }, CODES(16, 32), SCALE(1), SCALE(0.0000019073486328125) } }, /* half of it too large */
        { "", 4, { { BA_F32, 2, { 7, 32 }, 0, -0.03, 0.03 }, NEGATIVE(16, 32), SCALE(1), SCALE(0.0625) } },                         /* subnormal */
        { "", 4, { { BA_F32, 2, { 7, 16 }, 0, 0, 0 }, CODES(16, 16), SCALE(1), SCALE(1) } },
        /* one row past a block */
        { "gelu=1", 5, { { BA_F32, 2, { 193, 384 }, 0, -.1, .1 }, CODES(32, 384), SCALE(0.00048828125), SCALE(0.00048828125), BIAS(32) } },
        { "", 4, { { BA_F32, 2, { 2000, 16 }, 0, -1, 1 }, NEGATIVE(32, 16), SCALE(0.00390625), SCALE(0.0009765625) } },
        { "", 5, { { BA_F32, 2, { 3, 48 }, 0, -1, 1 }, CODES(304, 48), SCALE(0.00390625), SCALE(0.00048828125), BIAS(304) } },
        { "gelu=1", 5, { { BA_BF16, 2, { 9, 16 }, 0, -1, 1 }, CODES(32, 16), SCALE(0.00390625), SCALE(0.0009765625), BIAS(32) } },
        { "", 5, { { BA_BF16, 2, { 197, 400 }, 0, -.1, .1 }, NEGATIVE(48, 400), SCALE(0.00048828125), SCALE(0.00048828125), BIAS(48) } }),
    .tolerance = 3e-6, .coarse = 2e-3,
};
