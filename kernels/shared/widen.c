/* widen: fp32 copies of bf16 tensors. */
#include "widen.h"

typedef struct job { const ba_view *v; int64_t at, n; float *to; } job;

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    (void)worker;
    int64_t i = t * BAI_BLOCK;
    bai_row(j->v, j->at + i, bai_min(BAI_BLOCK, j->n - i), j->to + i);
}

const float *bai_widen(const ba_kernel *k, const ba_view *v, int64_t at, int64_t n, float **room)
{
    if (v->type.dtype == BA_F32)
        return (const float *)v->data + at;
    job j = { v, at, n, *room };
    *room += bai_round64(n * 4) / 4;
    k->parallel(k, bai_ceil(n, BAI_BLOCK), task, &j);
    return j.to;
}
