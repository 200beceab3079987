/* The thread pool: every task once, for many sizes and thread counts, in bursts and after pauses. */
#include "../../core/base/pool.h"
#include "../check.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 1000 };
static atomic_int seen[MOST];
static atomic_int bad_worker, entered;

static void enter(void) { atomic_fetch_add(&entered, 1); }

static void task(void *ctx, int64_t t, int worker)
{
    atomic_fetch_add(&seen[t], 1);
    if (worker < 0 || worker >= *(int *)ctx)
        atomic_fetch_add(&bad_worker, 1);
}

int main(void)
{
    for (int workers = 1; workers <= 5; workers++) {
        ba_err e = { 0 };
        atomic_store(&entered, 0);
        bai_pool *p = bai_pool_new(workers, enter, &e);
        CHECK(p, "%s", e.msg);
        if (!p)
            continue;
        long wrong = 0;
        for (int round = 0; round < 300; round++) {
            int64_t n = round * 37 % MOST;
            memset(seen, 0, sizeof seen);
            bai_pool_run(p, n, task, &workers);
            for (int i = 0; i < MOST; i++)
                wrong += atomic_load(&seen[i]) != (i < n);
            if (round % 100 == 99)
                usleep(20000); /* lets the workers fall asleep */
        }
        CHECK(wrong == 0, "%ld tasks not run exactly once by %d workers", wrong, workers);
        bai_pool_free(p);
        CHECK(atomic_load(&entered) == workers - 1, "%d of %d threads entered", atomic_load(&entered), workers - 1);
    }
    CHECK(atomic_load(&bad_worker) == 0, "%d worker numbers out of range", atomic_load(&bad_worker));
    check_group("every task once");
    return check_done();
}
