/* tile_attention: see tile_attention.h. Queries go through in panels of 32: scores, softmax and, backward, their gradient are made for one panel at a
 * time. A row of scores has the stride `wide`, the tokens filled up to whole tiles; what is filled up is zero in all that is multiplied. */
#include "tile_attention.h"

typedef struct sizes { int64_t wide, long_strips, short_strips, panel, scores; } sizes; /* bytes but for wide; long: T columns, d to sum over */

static sizes sizes_of(int64_t T, int64_t d)
{
    return (sizes){ .wide = bai_side(T), .long_strips = bai_strips_bytes(bai_ceil(T, BAI_SIDE), d), .short_strips = bai_strips_bytes(bai_ceil(d, BAI_SIDE), T),
                    .panel = bai_strips_bytes(1, bai_max(T, d)), .scores = BAI_SIDE * bai_side(T) * 4 };
}

/* Terms of a sum over the tokens, read in place from rows of scores, which end in zeros. */
static int64_t terms_of(int64_t T) { return bai_ceil(T, BAI_WHOLE) * BAI_WHOLE; }

static void *take(char **room, int64_t bytes) { char *p = *room; *room += bytes; return p; }

/* Rows m..m + n - 1 of x [T,d] by the packed columns of a matrix [d,T]: n rows of scores. */
static void score(const uint16_t *x, int64_t ld, int64_t m, int64_t n, const uint16_t *strips, int64_t T, int64_t d, uint16_t *panel, float *to)
{
    bai_place place = { .to = to, .ld = bai_side(T), .first = m, .over = 1 };
    bai_tile_product((bai_half){ x, ld, 0 }, m, m + n, strips, 0, bai_ceil(T, BAI_SIDE), T, d, panel, bai_tile_put, &place);
}

/* Rows may end in what was never written: a lane past the end takes `other`. */
static vf inside(vf x, int64_t left, float other)
{
    static const int32_t lane[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    vi at;
    memcpy(&at, lane, sizeof at);
    return v_select(at < (int32_t)left, x, v_set(other));
}

/* P = exp(scale row - top) in bf16, zeros up to `wide`, and, where asked for, in fp32 in place of the row; returns the sum, and top. */
static float soften(float *row, int64_t n, int64_t wide, float scale, int keep, float *top, uint16_t *P)
{
    vf most = v_set(-3.0e38f), sum = { 0 };
    int64_t i = 0;
    for (; i + VL <= n; i += VL)
        most = v_max(v_load(row + i), most);
    if (i < n)
        most = v_max(inside(v_load(row + i), n - i, -3.0e38f), most);
    *top = v_top(most) * scale;
    for (i = 0; i < n; i += VL) {
        vf x = v_exp(v_load(row + i) * scale - *top);
        if (i + VL > n)
            x = inside(x, n - i, 0);
        sum += x;
        if (keep)
            v_store(row + i, x);
        v_store_halves(P + i, x, VL);
    }
    memset(P + i, 0, (size_t)(wide - i) * sizeof *P);
    return v_sum(sum);
}

size_t bai_tile_forward_bytes(int64_t T, int64_t d)
{
    sizes z = sizes_of(T, d);
    return (size_t)(z.long_strips + z.short_strips + z.panel + z.scores + z.scores / 2);
}

void bai_tile_forward(const bai_half_head *h, void *room, uint16_t *out, int64_t ldo, float *lse, float *first, int64_t E)
{
    const int64_t T = h->T, d = h->d, across = bai_ceil(T, BAI_SIDE);
    const sizes z = sizes_of(T, d);
    const float scale = 1.0f / sqrtf((float)d);
    char *at = room;
    uint16_t *keys = take(&at, z.long_strips), *values = take(&at, z.short_strips), *panel = take(&at, z.panel), *P = take(&at, z.scores / 2);
    float *S = take(&at, z.scores), by[BAI_SIDE];
    bai_pack_strips((bai_half){ h->k, h->ld, 1 }, d, T, 0, across, keys);
    bai_pack_strips((bai_half){ h->v, h->ld, 0 }, T, d, 0, bai_ceil(d, BAI_SIDE), values);
    for (int64_t m = 0; m < T; m += BAI_SIDE) {
        int64_t n = bai_min(BAI_SIDE, T - m);
        score(h->q, h->ld, m, n, keys, T, d, panel, S);
        for (int64_t r = 0; r < n; r++) {
            const int kept = first && m + r < E;
            float top, *row = S + r * z.wide, sum = soften(row, T, z.wide, scale, kept, &top, P + r * z.wide);
            by[r] = 1.0f / sum;
            if (lse)
                lse[m + r] = top + logf(sum);
            for (int64_t i = 0; kept && i < T; i++)
                first[(m + r) * T + i] = row[i] * by[r];
        }
        if (out)
            bai_tile_product((bai_half){ P, z.wide, 0 }, 0, n, values, 0, bai_ceil(d, BAI_SIDE), d, terms_of(T), panel, bai_tile_halve,
                             &(bai_half_place){ out + m * ldo, ldo, by });
    }
}

size_t bai_tile_backward_bytes(int64_t T, int64_t d)
{
    sizes z = sizes_of(T, d);
    return (size_t)(2 * z.long_strips + 3 * z.short_strips + z.panel + 2 * z.scores + 2 * z.wide * z.wide * 2);
}

/* One row of P and of dS = P (dP - sum P dP) scale, from the scores and dP; both in bf16, zeros up to `wide`. */
static void score_row(float *s, const float *dp, int64_t n, int64_t wide, float scale, float lse, uint16_t *P, uint16_t *dS)
{
    vf sum = { 0 };
    int64_t i;
    for (i = 0; i < n; i += VL) {
        vf p = v_exp(v_load(s + i) * scale - lse), q = v_load(dp + i);
        if (i + VL > n)
            p = inside(p, n - i, 0), q = inside(q, n - i, 0);
        sum += p * q;
        v_store(s + i, p);
        v_store_halves(P + i, p, VL);
    }
    const float dot = v_sum(sum);
    for (int64_t at = 0; at < n; at += VL) {
        vf x = v_load(s + at) * (v_load(dp + at) - dot) * scale;
        v_store_halves(dS + at, at + VL > n ? inside(x, n - at, 0) : x, VL);
    }
    memset(P + i, 0, (size_t)(wide - i) * sizeof *P);
    memset(dS + i, 0, (size_t)(wide - i) * sizeof *dS);
}

typedef struct backward { /* what the panels share */
    const bai_half_head *h;
    sizes z;
    const float *lse, *dfirst;
    const uint16_t *dout;
    int64_t ldo, E;
    uint16_t *keys, *values, *panel, *P, *dS;
    float *S, *dP;
} backward;

static void score_panel(const backward *b, int64_t m)
{
    const int64_t T = b->h->T, d = b->h->d, n = bai_min(BAI_SIDE, T - m), wide = b->z.wide;
    score(b->h->q, b->h->ld, m, n, b->keys, T, d, b->panel, b->S);
    if (b->dout)
        score(b->dout, b->ldo, m, n, b->values, T, d, b->panel, b->dP);
    else
        memset(b->dP, 0, (size_t)b->z.scores);
    for (int64_t r = 0; r < n; r++) {
        float *dp = b->dP + r * wide;
        for (int64_t i = 0; b->dfirst && m + r < b->E && i < T; i++)
            dp[i] += b->dfirst[(m + r) * T + i];
        score_row(b->S + r * wide, dp, T, wide, 1.0f / sqrtf((float)d), b->lse[m + r], b->P + (m + r) * wide, b->dS + (m + r) * wide);
    }
}

void bai_tile_backward(const bai_half_head *h, void *room, const float *lse, const uint16_t *dout, int64_t ldo, const float *dfirst, int64_t E,
                       uint16_t *dq, uint16_t *dk, uint16_t *dv)
{
    const int64_t T = h->T, d = h->d, across = bai_ceil(d, BAI_SIDE);
    backward b = { .h = h, .z = sizes_of(T, d), .lse = lse, .dfirst = dfirst, .dout = dout, .ldo = ldo, .E = E };
    char *at = room;
    b.keys = take(&at, b.z.long_strips), b.values = take(&at, b.z.long_strips);
    uint16_t *q = take(&at, b.z.short_strips), *k = take(&at, b.z.short_strips), *o = take(&at, b.z.short_strips);
    b.panel = take(&at, b.z.panel);
    b.S = take(&at, b.z.scores), b.dP = take(&at, b.z.scores);
    b.P = take(&at, b.z.wide * b.z.wide * 2), b.dS = take(&at, b.z.wide * b.z.wide * 2);
    bai_pack_strips((bai_half){ h->k, h->ld, 1 }, d, T, 0, bai_ceil(T, BAI_SIDE), b.keys);
    bai_pack_strips((bai_half){ h->v, h->ld, 1 }, d, T, 0, bai_ceil(T, BAI_SIDE), b.values);
    for (int64_t m = 0; m < T; m += BAI_SIDE)
        score_panel(&b, m);
    bai_pack_strips((bai_half){ h->q, h->ld, 0 }, T, d, 0, across, q);
    bai_pack_strips((bai_half){ h->k, h->ld, 0 }, T, d, 0, across, k);
    bai_tile_product((bai_half){ b.dS, b.z.wide, 0 }, 0, T, k, 0, across, d, terms_of(T), b.panel, bai_tile_halve, &(bai_half_place){ dq, h->ld, NULL });
    bai_tile_product((bai_half){ b.dS, b.z.wide, 1 }, 0, T, q, 0, across, d, T, b.panel, bai_tile_halve, &(bai_half_place){ dk, h->ld, NULL });
    for (int64_t r = 0; !dout && r < T; r++)
        memset(dv + r * h->ld, 0, (size_t)d * 2);
    if (!dout)
        return;
    bai_pack_strips((bai_half){ dout, ldo, 0 }, T, d, 0, across, o);
    bai_tile_product((bai_half){ b.P, b.z.wide, 1 }, 0, T, o, 0, across, d, T, b.panel, bai_tile_halve, &(bai_half_place){ dv, h->ld, NULL });
}
