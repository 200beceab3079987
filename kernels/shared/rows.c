/* rows: see rows.h. */
#include "rows.h"

typedef struct job { const ba_kernel *k; int n_in; bai_row_fn fn; int64_t rows, n; } job;

size_t bai_rows_scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    return (size_t)(workers * (BAI_ROW_INS + 1) * bai_round64(ba_type_last(in[0]) * 4));
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    int64_t room = bai_round64(j->n * 4) / 4;
    float *tmp = (float *)j->k->scratch + worker * (BAI_ROW_INS + 1) * room;
    for (int64_t r = t * BAI_ROWS; r < bai_min(j->rows, (t + 1) * BAI_ROWS); r++) {
        const float *x[BAI_ROW_INS] = { 0 };
        for (int i = 0; i < j->n_in; i++)
            x[i] = bai_row(&j->k->in[i], r * j->n, j->n, tmp + i * room);
        float *y = bai_row_out(&j->k->out[0], r * j->n, tmp + BAI_ROW_INS * room);
        j->fn(j->k, j->n, x, y);
        bai_row_done(&j->k->out[0], r * j->n, j->n, y);
    }
}

int bai_rows(const ba_kernel *k, int n_in, bai_row_fn fn)
{
    const ba_type *x = &k->in[0].type;
    job j = { k, n_in, fn, ba_type_rows(x), ba_type_last(x) };
    k->parallel(k, bai_ceil(j.rows, BAI_ROWS), task, &j);
    return BA_OK;
}

int bai_rows_shape(const char *op, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    if (!bai_is_real(in[0]) || in[0]->rank < 1)
        return ba_fail(e, BA_EARG, "%s: x is %s; f32 or bf16 [..,N] expected", op, bai_text(in[0], t[0]));
    for (int i = 1; i < n_in; i++)
        if (!bai_is_real(in[i]) || !bai_same_dims(in[0], in[i]))
            return ba_fail(e, BA_EARG, "%s: input %d is %s and input 0 %s; equal shapes expected", op, i, bai_text(in[i], t[0]), bai_text(in[0], t[1]));
    *out = *in[0];
    return BA_OK;
}
