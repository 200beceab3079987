/* judge: which samples of a data set cannot be read, found by reading all of each with several threads. */
#include "../base/pool.h"
#include "dataset.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct judging {
    ba_dataset *data;
    int64_t first;
    uint8_t *bad;
    bai_scratch *scratch;         /* [workers] */
    _Atomic int64_t sum, failed;  /* failed: of those that failed for another reason, the last of samples + 1 that was seen; 0: none */
} judging;

static void judge_one(void *ctx, int64_t task, int worker)
{
    judging *j = ctx;
    const ba_picture *p;
    ba_err e = { 0 };
    int status = bai_dataset_picture(j->data, j->first + task, &j->scratch[worker], NULL, &p, &e);
    j->bad[task] = status == BA_EDATA;
    if (status == BA_EDATA)
        atomic_fetch_add(&j->sum, 1);
    else if (status < 0)
        atomic_store(&j->failed, j->first + task + 1);
}

int64_t ba_dataset_judge(ba_dataset *d, int64_t first, int64_t n, int32_t threads, uint8_t *bad, ba_err *e)
{
    int64_t count = ba_dataset_count(d);
    if (!d || !bad || first < 0 || n < 0 || n > count || first > count - n || threads < 0 || threads > 64)
        return ba_fail(e, BA_EARG, "data set: %lld samples from %lld on by %d threads; of %lld samples and 0 to 64 threads expected", (long long)n,
            (long long)first, threads, (long long)count);
    bai_pool *pool = bai_pool_new(threads ? threads : bai_loader_threads(), NULL, e);
    if (!pool)
        return e ? e->code : BA_EMACHINE;
    int workers = bai_pool_workers(pool), ready;
    judging j = { .data = d, .first = first, .bad = bad, .scratch = calloc((size_t)workers, sizeof *j.scratch) };
    ready = j.scratch != NULL;
    for (int i = 0; ready && i < workers; i++)
        bai_scratch_begin(&j.scratch[i]);
    if (ready)
        bai_pool_run(pool, n, judge_one, &j);
    bai_pool_free(pool);
    for (int i = 0; ready && i < workers; i++)
        bai_scratch_end(&j.scratch[i]);
    free(j.scratch);
    if (!ready)
        return ba_fail(e, BA_EMACHINE, "data set: no memory for %d threads", workers);
    if (!j.failed)
        return j.sum;
    ba_sample again; /* says why */
    int status = ba_dataset_read(d, j.failed - 1, &again, e);
    return status < 0 ? status : ba_fail(e, BA_EMACHINE, "sample %lld could not be read, and now it can", (long long)j.failed - 1);
}
