/* linear: what the products y = x W^T + b share, whatever their numbers are: which rows of W are used, how the work is cut, what becomes of the sums. */
#ifndef BAI_LINEAR_H
#define BAI_LINEAR_H

#include "gemm.h"
#include "tile_product.h"

/* Rows from..to of W [O,K] are used; to = 0: all from `from` on. */
static inline int64_t bai_linear_width(int64_t from, int64_t to, const ba_type *w) { return (to ? to : w->dim[0]) - from; }

static inline int bai_linear_check(const char *op, int64_t from, int64_t to, const ba_type *w, const ba_type *b, ba_err *e)
{
    char t[96];
    if (b && (b->dtype != BA_F32 || b->rank != 1 || b->dim[0] != w->dim[0]))
        return ba_fail(e, BA_EARG, "%s: b is %s; f32[%lld] expected", op, bai_text(b, t), (long long)w->dim[0]);
    if (from < 0 || from >= w->dim[0] || (to && (to <= from || to > w->dim[0])))
        return ba_fail(e, BA_EARG, "%s: rows %lld to %lld of W asked, it has %lld", op, (long long)from, (long long)to, (long long)w->dim[0]);
    return BA_OK;
}

typedef struct bai_linear bai_linear;
struct bai_linear {
    const ba_kernel *k;
    int64_t M, N, K, mb, nb;     /* y [M,N] in blocks of mb x nb */
    const ba_view *y;            /* what the sums go to */
    const ba_view *pre;          /* a second output, of the sums before the GELU, or NULL */
    const float *start, *bias;   /* b, where the sums begin with it, and where it comes at their end; NULL: neither */
    int gelu;
    float by;                    /* what sums are multiplied by before b; 1: as they are */
    bai_panels w;
    char *room;                  /* of each worker: a block of x, and where y is bf16 one of y while it is summed */
    int64_t x_bytes, y_bytes;
    /* n numbers of x from element `at`, as the product takes them, in `room` or where they are. */
    const float *(*block)(const bai_linear *j, int64_t at, int64_t n, float *room);
    int finished;                /* the sums are what is asked for, and where it belongs */
};

typedef struct bai_linear_place { const bai_linear *j; int64_t at, column; } bai_linear_place; /* the block's first element of y, and its column */

static inline void bai_linear_blocks(int64_t M, int64_t N, int64_t *mb, int64_t *nb)
{
    *mb = bai_min(M, BAI_MB);
    *nb = bai_ceil(M, *mb) >= 8 ? N : bai_min(N, 256);
}

static inline void bai_linear_put(const ba_view *v, int64_t at, vf a, int64_t n)
{
    if (v->type.dtype == BA_F32)
        v_store_part((float *)v->data + at, a, n);
    else
        v_store_halves((uint16_t *)v->data + at, a, n);
}

static inline void bai_linear_end(int gelu, const bai_linear_place *to, int64_t m, int64_t n, int64_t rows, int64_t cols, const float *t, int64_t ldt)
{
    const bai_linear *j = to->j;
    const ba_view y = j->k->out[0], pre = j->pre ? *j->pre : (ba_view){ 0 };
    const float *bias = j->bias ? j->bias + to->column + n : NULL;
    const int64_t N = j->N;
    int64_t at = to->at + m * N + n;
    for (int64_t r = 0; r < rows; r++, at += N, t += ldt) {
        if (y.data && y.type.dtype == BA_BF16) /* lines of the next block, in time; fp32 is written where sums are, which are fetched */
            __builtin_prefetch((uint16_t *)y.data + at + cols, 1);
        if (pre.data && pre.type.dtype == BA_BF16)
            __builtin_prefetch((uint16_t *)pre.data + at + cols, 1);
        for (int64_t i = 0; i < cols; i += VL) {
            const int64_t c = bai_min(VL, cols - i);
            vf a = v_load_part(t + i, c);
            a = a * j->by;
            if (bias)
                a += v_load_part(bias + i, c);
            if (pre.data)
                bai_linear_put(&pre, at + i, a, c);
            if (y.data)
                bai_linear_put(&y, at + i, gelu ? v_gelu(a) : a, c);
        }
    }
}

/* The end of the sums of a place (a bai_finish_fn); whether there is a GELU is known when its loop is compiled. */
static inline void bai_linear_finish(void *ctx, int64_t m, int64_t n, int64_t rows, int64_t cols, const float *t, int64_t ldt)
{
    const bai_linear_place *to = ctx;
    if (to->j->gelu)
        bai_linear_end(1, to, m, n, rows, cols, t, ldt);
    else
        bai_linear_end(0, to, m, n, rows, cols, t, ldt);
}

static inline void bai_linear_task(void *ctx, int64_t t, int worker)
{
    const bai_linear *j = ctx;
    const int64_t per_row = bai_ceil(j->N, j->nb), m0 = t / per_row * j->mb, n0 = t % per_row * j->nb;
    const int direct = j->y->type.dtype == BA_F32;
    char *mine = j->room + worker * (j->x_bytes + j->y_bytes);
    bai_linear_place to = { j, m0 * j->N + n0, n0 };
    bai_gemm g = { .M = bai_min(j->mb, j->M - m0), .N = bai_min(j->nb, j->N - n0), .K = j->K, .alpha = 1, .lda = j->K, .ctx = &to };
    g.finish = j->finished ? NULL : bai_linear_finish;
    g.bias = j->start ? j->start + n0 : NULL;
    g.A = j->block(j, m0 * j->K, g.M * j->K, (float *)mine);
    g.C = direct ? (float *)j->y->data + to.at : (float *)(mine + j->x_bytes);
    g.ldc = direct ? j->N : j->nb;
    g.also = direct && !j->finished && j->pre && j->pre->data ? (float *)j->pre->data + to.at : NULL;
    bai_multiply(&g, &j->w, n0);
}

/* W is filled, everything else set. */
static inline void bai_linear_run(bai_linear *j)
{
    bai_panels_fill(j->k, &j->w);
    j->k->parallel(j->k, bai_ceil(j->M, j->mb) * bai_ceil(j->N, j->nb), bai_linear_task, j);
}

/* A slice of y: rows are cut from x, columns are rows of W: range holds the attributes `from` and `to`. */
static inline int bai_linear_slice(const ba_slice_call *c, ba_attr range[2], ba_tensor **x, ba_err *e)
{
    ba_type t;
    *x = c->in[0];
    if (ba_tensor_type(c->in[0], &t, e))
        return BA_EBUG;
    if (c->axis == t.rank - 1) {
        const int64_t first = range[0].value.i;
        range[0].value.i = first + c->from;
        range[1].value.i = first + c->to;
        return BA_OK;
    }
    const ba_attr cut[] = { BA_I("axis", c->axis), BA_I("from", c->from), BA_I("to", c->to) };
    *x = bai_op1(c->g, "slice", *x, 3, cut, e);
    return *x ? BA_OK : BA_EBUG;
}

#endif
