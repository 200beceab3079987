/* pool: worker threads for kernels. Tasks are handed out one by one from an atomic counter, so that a busy neighbour
 * on one processor delays one task and not half of the work. Between runs a worker spins for a few microseconds
 * (kernels follow each other closely), then sleeps on a futex. */
#include "pool.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { SPINS = 4000, MEMBERS = 4096 }; /* MEMBERS: more threads than a pool may have; see epoch */

typedef struct member { pthread_t thread; atomic_int id; int stat; } member; /* id: the system's, once it runs; stat: its file of waiting, -1: not open yet */

struct bai_pool {
    int workers, started, limit;
    member *members;
    void (*enter)(void);
    void (*fn)(void *, int64_t, int);
    void *ctx;
    int64_t tasks;
    _Alignas(64) atomic_llong next;
    /* Rises by MEMBERS when there is work; the rest is how many threads are to do it, so that a thread learns both at once. Also the futex workers sleep on. */
    _Alignas(64) atomic_int epoch;
    _Alignas(64) atomic_int gate;    /* rises when more threads are to work than before; those that are left out sleep on it */
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

static int id_of_this_thread(void) { return (int)syscall(SYS_gettid); }

/* Sleeps while the work of `epoch`, which is for others, is the last there was. The epoch is looked at after the gate, and written before it, so none is missed. */
static void stay_out(bai_pool *p, int epoch)
{
    int gate = atomic_load(&p->gate);
    if (atomic_load(&p->epoch) == epoch)
        futex_wait(&p->gate, gate);
}

static void *worker_main(void *arg)
{
    start s = *(start *)arg;
    free(arg);
    bai_denormals_off();
    if (s.pool->enter)
        s.pool->enter();
    atomic_store(&s.pool->members[s.worker].id, id_of_this_thread());
    for (int epoch = 0;;) {
        wait_change(&s.pool->epoch, epoch, &s.pool->sleepers);
        epoch = atomic_load_explicit(&s.pool->epoch, memory_order_acquire);
        if (atomic_load(&s.pool->stop))
            return NULL;
        if (s.worker >= (epoch & (MEMBERS - 1))) {
            stay_out(s.pool, epoch);
            continue;
        }
        work(s.pool, s.worker);
        if (atomic_fetch_sub(&s.pool->running, 1) == 1)
            futex_wake(&s.pool->running, 1);
    }
}

static int start_threads(bai_pool *p)
{
    sigset_t all, old; /* signals belong to the main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; i < p->workers; i++) {
        start *s = malloc(sizeof *s);
        if (!s)
            break;
        *s = (start){ p, i };
        if (pthread_create(&p->members[i].thread, NULL, worker_main, s)) {
            free(s);
            break;
        }
        p->started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return p->started == p->workers - 1;
}

bai_pool *bai_pool_new(int workers, void (*enter)(void), ba_err *e)
{
    workers = workers < 1 ? 1 : workers;
    if (workers >= MEMBERS) {
        ba_fail(e, BA_EARG, "%d threads; at most %d expected", workers, MEMBERS - 1);
        return NULL;
    }
    bai_pool *p = aligned_alloc(64, (sizeof *p + 63) & ~(size_t)63);
    member *members = calloc((size_t)workers, sizeof *members);
    if (!p || !members) {
        free(p);
        free(members);
        ba_fail(e, BA_EMACHINE, "no memory for a pool of %d threads", workers);
        return NULL;
    }
    *p = (bai_pool){ .workers = workers, .limit = workers, .members = members, .enter = enter };
    for (int i = 0; i < workers; i++)
        members[i].stat = -1;
    members[0].id = id_of_this_thread();
    if (!start_threads(p)) {
        ba_fail(e, BA_EMACHINE, "cannot start %d threads", workers);
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
    atomic_fetch_add(&p->epoch, MEMBERS);
    atomic_fetch_add(&p->gate, 1);
    futex_wake(&p->epoch, INT_MAX);
    futex_wake(&p->gate, INT_MAX);
    for (int i = 1; i <= p->started; i++)
        pthread_join(p->members[i].thread, NULL);
    for (int i = 0; i < p->workers; i++)
        if (p->members[i].stat >= 0)
            close(p->members[i].stat);
    free(p->members);
    free(p);
}

int bai_pool_workers(const bai_pool *p)
{
    return p->workers;
}

void bai_pool_limit(bai_pool *p, int n)
{
    p->limit = n < 1 ? 1 : n > p->workers ? p->workers : n;
}

/* Nanoseconds that a thread waited; -1 where nobody says. The file has three numbers: running, waiting, turns. */
static long long member_waited(member *m)
{
    char text[96];
    const int id = atomic_load(&m->id);
    if (m->stat < 0 && id) {
        snprintf(text, sizeof text, "/proc/self/task/%d/schedstat", id);
        m->stat = open(text, O_RDONLY | O_CLOEXEC);
    }
    if (m->stat < 0)
        return id ? -1 : 0; /* not yet begun: it has not waited for anything to do */
    const ssize_t n = pread(m->stat, text, sizeof text - 1, 0);
    long long waited;
    text[n > 0 ? n : 0] = 0;
    return sscanf(text, "%*d %lld", &waited) == 1 ? waited : -1;
}

double bai_pool_waited(void *pool)
{
    bai_pool *p = pool;
    double all = 0;
    for (int i = 0; i < p->workers; i++) {
        const long long one = member_waited(&p->members[i]);
        if (one < 0)
            return -1;
        all += 1e-9 * (double)one;
    }
    return all;
}

/* Begins an epoch for the first p->limit threads. */
static void call(bai_pool *p)
{
    const int last = atomic_load_explicit(&p->epoch, memory_order_relaxed), before = last & (MEMBERS - 1);
    atomic_store(&p->epoch, (int)((unsigned)last - (unsigned)before + MEMBERS) + p->limit);
    if (atomic_load(&p->sleepers))
        futex_wake(&p->epoch, INT_MAX);
    if (p->limit > before) {
        atomic_fetch_add(&p->gate, 1);
        futex_wake(&p->gate, INT_MAX);
    }
}

void bai_pool_run(bai_pool *p, int64_t tasks, void (*fn)(void *, int64_t, int), void *ctx)
{
    if (p->limit == 1 || tasks < 2) {
        for (int64_t t = 0; t < tasks; t++)
            fn(ctx, t, 0);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->tasks = tasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->running, p->limit - 1, memory_order_relaxed);
    call(p);
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
