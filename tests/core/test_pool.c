/* The thread pool: every task once, for many sizes and thread counts, in bursts and after pauses, and for changing parts of the threads. */
#include "../../core/base/pool.h"
#include "bauta/system.h"
#include "../check.h"

#include <sched.h>
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

/* Between runs the number of threads that may work changes; those left out get nothing. */
static void limits(void)
{
    enum { WORKERS = 6 };
    ba_err e = { 0 };
    bai_pool *p = bai_pool_new(WORKERS, NULL, &e);
    CHECK(p, "%s", e.msg);
    unsigned state = 12345;
    long wrong = 0;
    for (int round = 0; p && round < 20000; round++) {
        state = state * 1664525u + 1013904223u;
        int limit = 1 + (int)(state >> 16) % WORKERS;
        const int64_t n = 2 + (state >> 8) % 30;
        if (round % 3 == 0)
            bai_pool_limit(p, limit);
        else
            limit = WORKERS;
        memset(seen, 0, sizeof seen[0] * 40);
        bai_pool_run(p, n, task, &limit);
        for (int i = 0; i < 40; i++)
            wrong += atomic_load(&seen[i]) != (i < n);
        bai_pool_limit(p, round % 3 == 1 ? WORKERS + 5 : WORKERS);
        if (round % 4000 == 3999)
            usleep(20000);
    }
    CHECK(wrong == 0, "%ld tasks not run exactly once", wrong);
    CHECK(atomic_load(&bad_worker) == 0, "%d tasks done by threads that were left out", atomic_load(&bad_worker));
    const double waited = p ? bai_pool_waited(p) : 0;
    CHECK(waited == -1 || (waited >= 0 && waited < 1e4), "threads have waited %g s", waited);
    bai_pool_free(p);
    check_group("a part of the threads");
}

/* Where this process is held to one processor, there is one. */
static void processors(void)
{
    cpu_set_t all, one;
    const int n = ba_processors();
    CHECK(!sched_getaffinity(0, sizeof all, &all) && n == CPU_COUNT(&all), "%d processors, %d in the set", n, CPU_COUNT(&all));
    int first = 0;
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    CHECK(!sched_setaffinity(0, sizeof one, &one) && ba_processors() == 1, "held to one of %d: %d", n, ba_processors());
    CHECK(!sched_setaffinity(0, sizeof all, &all) && ba_processors() == n, "held no more: %d of %d", ba_processors(), n);
    check_group("processors that may be used");
}

int main(void)
{
    processors();
    limits();
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
