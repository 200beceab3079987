/* elementwise: one vector function over every element of up to three inputs, which repeat along axes as numpy's do.
 *
 * The output's elements are cut into fixed blocks; inside a block the work goes along rows in which every input is
 * either contiguous or one repeated number. Equal shapes, a repeated last axis and scalars thus are one straight loop. */
#ifndef BAI_ELEMENTWISE_H
#define BAI_ELEMENTWISE_H

#include "axes.h"

enum { BAI_EACH = 3, BAI_CHUNK = 256 }; /* most inputs; elements converted at once where something is not fp32 */

typedef struct bai_walk {         /* the output's axes: those of size 1 left out, neighbours joined where all inputs allow it */
    int rank, n;
    int64_t dim[BA_MAX_RANK], step[BAI_EACH][BA_MAX_RANK]; /* step 0: the input repeats */
} bai_walk;

/* narrow: not all are fp32; halves: all are bf16 and lie as the output does. */
typedef struct bai_each { const ba_kernel *k; bai_walk w; int64_t count; int narrow, halves; } bai_each;
typedef vf (*bai_each_fn)(const vf *x, const void *params);
typedef double (*bai_each_ref)(const double *x, const void *params);

#define bai_broadcast BAI_TIERED(bai_broadcast)
#define bai_each_shape BAI_TIERED(bai_each_shape)
#define bai_walk_plan BAI_TIERED(bai_walk_plan)
#define bai_walk_seek BAI_TIERED(bai_walk_seek)
#define bai_each_run BAI_TIERED(bai_each_run)
#define bai_each_reference BAI_TIERED(bai_each_reference)
#define bai_each_slice BAI_TIERED(bai_each_slice)
#define bai_each_pick BAI_TIERED(bai_each_pick)

/* The common shape of n inputs into out's rank and axes. */
int bai_broadcast(const char *op, int n, const ba_type *const *in, ba_type *out, ba_err *e);
/* The same for real inputs, with the type: the common one, f32 where they differ. */
int bai_each_shape(const char *op, int n, const ba_type *const *in, ba_type *out, ba_err *e);
void bai_walk_plan(bai_walk *w, const ba_type *out, int n, const ba_type *const *in);
/* Offsets of the inputs at output element `at`; returns how many elements follow in the same row, this one counted. */
int64_t bai_walk_seek(const bai_walk *w, int64_t at, int64_t off[BAI_EACH]);
/* Plans and runs task over blocks; task calls bai_each_block. */
int bai_each_run(const ba_kernel *k, int n, void (*task)(void *ctx, int64_t t, int worker));
void bai_each_reference(const ba_ref *r, int n, bai_each_ref f);
/* Slice rule: the same operation on cut inputs. */
int bai_each_slice(const ba_slice_call *c, const char *op, int n_attr, const ba_attr *attr, ba_err *e);
/* Gradient of an operation that takes input 0 where in[more] > in[less], and input 1 where it is the other way round; half and half where they are equal. */
int bai_each_pick(const ba_grad_call *c, int more, int less, ba_err *e);

static inline __attribute__((always_inline)) void bai_each_row(const bai_each *j, int n, const int64_t *off, int64_t at, int64_t len, bai_each_fn f)
{
    const ba_kernel *k = j->k;
    float tmp[BAI_EACH + 1][BAI_CHUNK];
    const float *x[BAI_EACH];
    vf same[BAI_EACH];
    int one[BAI_EACH];
    tmp[BAI_EACH][0] = 0; /* the compiler cannot see that len > 0 */
    for (int i = 0; i < n; i++) {
        tmp[i][0] = 0;
        one[i] = !j->w.step[i][j->w.rank - 1];
        x[i] = bai_row(&k->in[i], off[i], one[i] ? 1 : len, tmp[i]);
        same[i] = v_set(x[i][0]);
    }
    float *y = bai_row_out(&k->out[0], at, tmp[BAI_EACH]);
    for (int64_t c = 0; c < len; c += VL) {
        int64_t m = bai_min(VL, len - c);
        vf v[BAI_EACH];
        for (int i = 0; i < n; i++)
            v[i] = one[i] ? same[i] : v_load_part(x[i] + c, m);
        v_store_part(y + c, f(v, k->params), m);
    }
    bai_row_done(&k->out[0], at, len, y);
}

/* The same for halves. */
static inline __attribute__((always_inline)) void bai_each_halves(const bai_each *j, int n, int64_t at, int64_t len, bai_each_fn f)
{
    const ba_kernel *k = j->k;
    for (int64_t c = 0; c < len; c += VL) {
        vf v[BAI_EACH];
        for (int i = 0; i < n; i++)
            v[i] = v_load_halves((const uint16_t *)k->in[i].data + at + c, len - c);
        v_store_halves((uint16_t *)k->out[0].data + at + c, f(v, k->params), len - c);
    }
}

/* Block t of the output; n and f are known where this is inlined. */
static inline __attribute__((always_inline)) void bai_each_block(const bai_each *j, int64_t t, int n, bai_each_fn f)
{
    int64_t off[BAI_EACH], end = bai_min(j->count, (t + 1) * BAI_BLOCK);
    if (j->halves) {
        bai_each_halves(j, n, t * BAI_BLOCK, end - t * BAI_BLOCK, f);
        return;
    }
    for (int64_t at = t * BAI_BLOCK, len; at < end; at += len) {
        len = bai_min(bai_walk_seek(&j->w, at, off), end - at);
        if (j->narrow)
            len = bai_min(len, BAI_CHUNK);
        bai_each_row(j, n, off, at, len, f);
    }
}

#endif
