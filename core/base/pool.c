/* pool: worker threads for kernels. Tasks are handed out one by one from an atomic counter, so that a busy neighbour
 * on one processor delays one task and not half of the work. Between runs a worker spins for a few microseconds
 * (kernels follow each other closely), then sleeps on a futex. */
#include "pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { SPINS = 4000 };

struct bai_pool {
    int workers, started;
    pthread_t *threads;
    void (*enter)(void);
    void (*fn)(void *, int64_t, int);
    void *ctx;
    int64_t tasks;
    _Alignas(64) atomic_llong next;
    _Alignas(64) atomic_int epoch;   /* rises when there is work; also the futex workers sleep on */
    _Alignas(64) atomic_int running; /* workers that have not finished this epoch; the caller sleeps on it */
    _Alignas(64) atomic_int sleepers;
    atomic_int stop;
};

typedef struct start { bai_pool *pool; int worker; } start;

static void relax(void)
{
#if defined(__x86_64__)
    _mm_pause();
#endif
}

unsigned bai_denormals_off(void)
{
#if defined(__x86_64__)
    unsigned s = _mm_getcsr();
    _mm_setcsr(s | 0x8040);
    return s;
#else
    return 0;
#endif
}

void bai_denormals_restore(unsigned state)
{
#if defined(__x86_64__)
    _mm_setcsr(state);
#else
    (void)state;
#endif
}

static void futex_wait(atomic_int *a, int value)
{
    syscall(SYS_futex, a, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_int *a, int n)
{
    syscall(SYS_futex, a, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* Waits until *a differs from value; spins first. */
static void wait_change(atomic_int *a, int value, atomic_int *sleepers)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(a, memory_order_acquire) != value)
            return;
        relax();
    }
    atomic_fetch_add(sleepers, 1);
    while (atomic_load(a) == value)
        futex_wait(a, value);
    atomic_fetch_sub(sleepers, 1);
}

static void work(bai_pool *p, int worker)
{
    for (;;) {
        int64_t t = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (t >= p->tasks)
            return;
        p->fn(p->ctx, t, worker);
    }
}

static void *worker_main(void *arg)
{
    start s = *(start *)arg;
    free(arg);
    bai_denormals_off();
    if (s.pool->enter)
        s.pool->enter();
    for (int epoch = 0;;) {
        wait_change(&s.pool->epoch, epoch, &s.pool->sleepers);
        epoch = atomic_load_explicit(&s.pool->epoch, memory_order_acquire);
        if (atomic_load(&s.pool->stop))
            return NULL;
        work(s.pool, s.worker);
        if (atomic_fetch_sub(&s.pool->running, 1) == 1)
            futex_wake(&s.pool->running, 1);
    }
}

bai_pool *bai_pool_new(int workers, void (*enter)(void), ba_err *e)
{
    bai_pool *p = aligned_alloc(64, (sizeof *p + 63) & ~(size_t)63);
    if (!p) {
        ba_fail(e, BA_EMACHINE, "no memory for a pool of %d threads", workers);
        return NULL;
    }
    *p = (bai_pool){ .workers = workers < 1 ? 1 : workers, .enter = enter };
    p->threads = calloc((size_t)p->workers, sizeof *p->threads);
    sigset_t all, old; /* signals belong to the main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; p->threads && i < p->workers; i++) {
        start *s = malloc(sizeof *s);
        if (!s)
            break;
        *s = (start){ p, i };
        if (pthread_create(&p->threads[i], NULL, worker_main, s)) {
            free(s);
            break;
        }
        p->started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!p->threads || p->started != p->workers - 1) {
        ba_fail(e, BA_EMACHINE, p->threads ? "cannot start %d threads" : "no memory for a pool of %d threads", p->workers);
        bai_pool_free(p);
        return NULL;
    }
    return p;
}

void bai_pool_free(bai_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, 1);
    atomic_fetch_add(&p->epoch, 1);
    futex_wake(&p->epoch, INT_MAX);
    for (int i = 1; i <= p->started; i++)
        pthread_join(p->threads[i], NULL);
    free(p->threads);
    free(p);
}

int bai_pool_workers(const bai_pool *p)
{
    return p->workers;
}

void bai_pool_run(bai_pool *p, int64_t tasks, void (*fn)(void *, int64_t, int), void *ctx)
{
    if (p->workers == 1 || tasks < 2) {
        for (int64_t t = 0; t < tasks; t++)
            fn(ctx, t, 0);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->tasks = tasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->running, p->workers - 1, memory_order_relaxed);
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->sleepers))
        futex_wake(&p->epoch, INT_MAX);
    work(p, 0);
    for (int i = 0; atomic_load_explicit(&p->running, memory_order_acquire); i++) {
        if (i < SPINS) {
            relax();
            continue;
        }
        int left = atomic_load(&p->running);
        if (left)
            futex_wait(&p->running, left);
    }
}
