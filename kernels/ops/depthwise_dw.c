/* depthwise_dw: gradients of depthwise's squares and bias. d, x [B,rows*columns,C], w f32 of C*side*side numbers (its shape only): dw f32 like w,
 * db f32 [C]. A task sums a band of channels over all places, in one order. */
#include "../shared/widen.h"

typedef struct depthwise_params { int64_t rows, columns, side, flip; } depthwise_params;

enum { BAND = 32 };

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const depthwise_params *p = params;
    char t[2][96];
    (void)n_in;
    if (in[0]->rank != 3 || !bai_same_dims(in[0], in[1]) || !bai_is_real(in[0]) || !bai_is_real(in[1]) || in[0]->dim[1] != p->rows * p->columns ||
        !(p->side & 1) || ba_type_count(in[2]) != in[0]->dim[2] * p->side * p->side)
        return ba_fail(e, BA_EARG, "depthwise_dw: d is %s and x %s; both [B,%lld x %lld,C] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]),
                       (long long)p->rows, (long long)p->columns);
    out[0] = bai_like(in[2], BA_F32);
    out[1] = bai_shape(BA_F32, 1, in[0]->dim[2], 1, 1, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    const depthwise_params *p = params;
    (void)n_in, (void)out;
    c->macs = (double)ba_type_count(in[0]) * (double)(p->side * p->side);
    c->flops = (double)ba_type_count(in[0]);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out, (void)workers;
    return (size_t)(bai_widen_bytes(in[0], ba_type_count(in[0])) + bai_widen_bytes(in[1], ba_type_count(in[1])));
}

typedef struct job { const ba_kernel *k; int64_t B, H, W, C, side, half, flip; const float *d, *x; } job;

/* Sum over all places of d times the x that lies (dy,dx) away, for n channels from c on. */
static vf shifted(const job *j, int64_t dy, int64_t dx, int64_t c, int64_t n)
{
    vf s = { 0 };
    for (int64_t r = 0; r < j->B * j->H; r++) {
        int64_t y = r % j->H + dy - j->half;
        if (y < 0 || y >= j->H)
            continue;
        vf line = { 0 };
        const float *d = j->d + r * j->W * j->C + c, *x = j->x + ((r / j->H * j->H + y) * j->W + dx - j->half) * j->C + c;
        for (int64_t i = bai_max(0, j->half - dx); i < bai_min(j->W, j->W + j->half - dx); i++)
            line += v_load_part(d + i * j->C, n) * v_load_part(x + i * j->C, n);
        s += line;
    }
    return s;
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    float *dw = j->k->out[0].data, *db = j->k->out[1].data;
    int64_t squares = j->side * j->side, end = bai_min(j->C, (t + 1) * BAND);
    (void)worker;
    for (int64_t c = t * BAND; c < end; c += VL) {
        int64_t n = bai_min(VL, end - c);
        for (int64_t i = 0; dw && i < squares; i++) {
            vf s = shifted(j, i / j->side, i % j->side, c, n);
            for (int64_t k = 0; k < n; k++)
                dw[(c + k) * squares + (j->flip ? squares - 1 - i : i)] = s[k];
        }
        vf s = { 0 };
        for (int64_t r = 0; db && r < j->B * j->H * j->W; r++)
            s += v_load_part(j->d + r * j->C + c, n);
        if (db)
            v_store_part(db + c, s, n);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const depthwise_params *p = k->params;
    const ba_type *x = &k->in[0].type;
    float *room = k->scratch;
    job j = { .k = k, .B = x->dim[0], .H = p->rows, .W = p->columns, .C = x->dim[2], .side = p->side, .half = p->side / 2, .flip = p->flip };
    j.d = bai_widen(k, &k->in[0], 0, ba_type_count(x), &room);
    j.x = bai_widen(k, &k->in[1], 0, ba_type_count(x), &room);
    k->parallel(k, bai_ceil(j.C, BAND), task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const depthwise_params *p = r->params;
    int64_t B = r->in_type[0].dim[0], C = r->in_type[0].dim[2], H = p->rows, W = p->columns, s = p->side, h = s / 2;
    for (int64_t c = 0; c < C; c++) {
        for (int64_t i = 0; i < s * s; i++)
            r->out[0][c * s * s + i] = 0;
        r->out[1][c] = 0;
        for (int64_t b = 0; b < B; b++)
            for (int64_t y = 0; y < H; y++)
                for (int64_t x = 0; x < W; x++) {
                    double d = r->in[0][((b * H + y) * W + x) * C + c];
                    r->out[1][c] += d;
                    for (int64_t i = 0; i < s * s; i++) {
                        int64_t yy = y + i / s - h, xx = x + i % s - h;
                        if (yy >= 0 && yy < H && xx >= 0 && xx < W)
                            r->out[0][c * s * s + (p->flip ? s * s - 1 - i : i)] += d * r->in[1][((b * H + yy) * W + xx) * C + c];
                    }
                }
    }
}

BA_OP(depthwise_dw) = {
    .name = "depthwise_dw", .doc = "gradients of depthwise's squares and bias",
    .min_in = 3, .max_in = 3, .n_out = 2,
    BA_PARAMS(depthwise_params,
        BA_INT(depthwise_params, rows, 1, 1, 65536, NULL, "of the map"), BA_INT(depthwise_params, columns, 1, 1, 65536, NULL, "of the map"),
        BA_INT(depthwise_params, side, 5, 1, 31, NULL, "of the square; odd"), BA_FLAG(depthwise_params, flip, 0, "the squares are turned by half a turn")),
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "rows=4,columns=3,side=3", 3, { { BA_F32, 3, { 2, 12, 5 }, 0, -1, 1 }, { BA_F32, 3, { 2, 12, 5 }, 0, -1, 1 }, { BA_F32, 4, { 5, 1, 3, 3 }, 0, -1, 1 } } },
        { "rows=3,columns=6,side=5,flip=1", 3, { { BA_F32, 3, { 2, 18, 70 }, 0, -1, 1 }, { BA_F32, 3, { 2, 18, 70 }, 0, -1, 1 }, { BA_F32, 3, { 70, 5, 5 }, 0, -1, 1 } } },
        { "rows=4,columns=4,side=3", 3, { { BA_BF16, 3, { 2, 16, 6 }, 0, -1, 1 }, { BA_BF16, 3, { 2, 16, 6 }, 0, -1, 1 }, { BA_F32, 4, { 6, 1, 3, 3 }, 0, -1, 1 } } }),
    .tolerance = 5e-6,
};
