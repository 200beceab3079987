/* crash: last words. A handler for the signals of a crash, a watchdog for plugins that never return and a check at exit for those that end
 * the process, all on the same notes. The handler calls only what a signal handler may call, and never returns. */
#include "crash.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bauta/system.h"
#include "clock.h"

enum { SLOTS = 256, STACK = 65536, STATUS_PLUGIN = 4, STATUS_BUG = 70 };

typedef struct slot {            /* what one thread is doing */
    _Atomic int taken;
    const char *name, *what;     /* name NULL: nothing foreign */
    int64_t item;
    _Atomic int64_t since;       /* monotonic seconds; 0: nothing that could be late */
} slot;

#ifdef __GLIBC__
extern int __cxa_thread_atexit_impl(void (*end)(void *), void *arg, void *dso);
extern void *__dso_handle __attribute__((visibility("hidden")));
#endif

static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
static slot slots[SLOTS];
static char stacks[SLOTS][STACK]; /* on which a thread whose own stack has overflowed can speak */
static __thread slot *mine __attribute__((tls_model("initial-exec")));
static __thread int said __attribute__((tls_model("initial-exec")));
static pthread_key_t ending;
static _Atomic int installed, speaking;
static int64_t limit;
static bai_last_words *volatile also_call;
static void *volatile also_ctx;
static const int64_t *volatile also_at;

/* ---- texts ---- */
void bai_crash_text(char *out, int size, int *used, const char *text)
{
    for (; *text && *used < size - 1; text++)
        out[(*used)++] = *text;
    out[*used] = 0;
}

void bai_crash_number(char *out, int size, int *used, int64_t number)
{
    char digits[24];
    int n = sizeof digits - 1;
    uint64_t v = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[n] = 0;
    do
        digits[--n] = (char)('0' + v % 10);
    while ((v /= 10));
    if (number < 0)
        digits[--n] = '-';
    bai_crash_text(out, size, used, digits + n);
}

static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    default: return "SIGABRT";
    }
}

/* ---- the end ---- */
/* "plugin NAME: HOW in WHAT ITEM (step N)", or without a plugin "internal error: HOW". */
static void compose(char *out, int size, const slot *s, const char *how)
{
    int n = 0, foreign = s && s->name;
    bai_crash_text(out, size, &n, foreign ? "plugin " : "internal error");
    bai_crash_text(out, size, &n, foreign ? s->name : "");
    bai_crash_text(out, size, &n, ": ");
    bai_crash_text(out, size, &n, how);
    bai_crash_text(out, size, &n, foreign ? s->what : "");
    if (foreign && s->item >= 0) {
        bai_crash_text(out, size, &n, " ");
        bai_crash_number(out, size, &n, s->item);
    }
    if (also_at) {
        bai_crash_text(out, size, &n, " (step ");
        bai_crash_number(out, size, &n, *also_at);
        bai_crash_text(out, size, &n, ")");
    }
}

/* One line, the run's last words, the end. The first thread that comes here speaks; another one waits for the end, and one that crashes
 * over its last words is content with what was said. */
static void say_and_end(const slot *s, const char *how)
{
    char line[400], why[320];
    int n = 0, code = s && s->name ? STATUS_PLUGIN : STATUS_BUG;
    if (said)
        _exit(code);
    while (atomic_exchange(&speaking, 1))
        pause();
    said = 1;
    compose(why, sizeof why, s, how);
    bai_crash_text(line, sizeof line, &n, "bauta: ");
    bai_crash_text(line, sizeof line, &n, why);
    bai_crash_text(line, sizeof line, &n, "\n");
    ssize_t wrote = write(2, line, (size_t)n);
    (void)wrote;
    if (also_call)
        also_call(also_ctx, why, code);
    _exit(code);
}

static void on_crash(int number)
{
    char how[40];
    int n = 0;
    bai_crash_text(how, sizeof how, &n, mine && mine->name ? "killed by " : "");
    bai_crash_text(how, sizeof how, &n, signal_name(number));
    bai_crash_text(how, sizeof how, &n, mine && mine->name ? " in " : "");
    say_and_end(mine, how);
}

static void at_exit(void)
{
    if (mine && mine->name)
        say_and_end(mine, "ended the process in ");
}

/* ---- notes ---- */
static int64_t now(void) { return (int64_t)bai_now(CLOCK_MONOTONIC) + 1; } /* never 0 */

/* A stack to speak on; NULL: none any more. AddressSanitizer has its own, and its own handler, which says more than ours. */
#ifdef __SANITIZE_ADDRESS__
enum { HANDLED_ELSEWHERE = 1 };
#else
enum { HANDLED_ELSEWHERE = 0 };
#endif

static void own_stack(char *stack)
{
    stack_t s = { .ss_sp = stack, .ss_size = stack ? STACK : 0, .ss_flags = stack ? 0 : SS_DISABLE };
    if (!HANDLED_ELSEWHERE)
        sigaltstack(&s, NULL);
}

/* The thread ends, or the whole process by a call of exit() on this thread: glibc calls this before every other handler of an exit. */
static void give_back(void *p)
{
    slot *s = p;
    at_exit();
    own_stack(NULL);
    mine = NULL;
    s->name = NULL;
    atomic_store(&s->taken, 0);
}

/* Threads that block signals must not block these: the kernel would end the process without a word. */
static void let_through(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        sigaddset(&set, fatal[i]);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void at_end_of_thread(slot *s)
{
#ifdef __GLIBC__
    if (!__cxa_thread_atexit_impl(give_back, s, &__dso_handle))
        return;
#endif
    pthread_setspecific(ending, s);
}

/* This thread's slot, taken at its first visit; NULL when there are more threads than slots, which then go unnoted. */
static slot *take(void)
{
    for (int i = 0; i < SLOTS; i++) {
        int free_ = 0;
        if (!atomic_compare_exchange_strong(&slots[i].taken, &free_, 1))
            continue;
        mine = &slots[i];
        own_stack(stacks[i]);
        let_through();
        at_end_of_thread(mine);
        return mine;
    }
    return NULL;
}

static void note(slot *s, bai_note n)
{
    atomic_store_explicit(&s->since, 0, memory_order_release);
    s->what = n.what;
    s->item = n.item;
    s->name = n.name;
    atomic_store_explicit(&s->since, n.since, memory_order_release);
}

bai_note bai_crash_enter(const char *name, const char *what, int64_t item, int patient)
{
    slot *s = !atomic_load_explicit(&installed, memory_order_acquire) ? NULL : mine ? mine : take();
    if (!s)
        return (bai_note){ 0 };
    bai_note before = { s->name, s->what, s->item, atomic_load(&s->since) };
    note(s, (bai_note){ name, what, item, patient || !limit ? 0 : now() });
    return before;
}

void bai_crash_leave(bai_note before)
{
    if (mine)
        note(mine, before);
}

void bai_crash_also(bai_last_words *also, void *ctx, const int64_t *at)
{
    also_call = NULL;
    also_ctx = ctx;
    also_at = at;
    also_call = also;
}

/* ---- the watchdog ---- */
static void *watch(void *arg)
{
    char how[80];
    int n = 0;
    (void)arg;
    bai_crash_text(how, sizeof how, &n, "not back after ");
    bai_crash_number(how, sizeof how, &n, limit);
    bai_crash_text(how, sizeof how, &n, " s (--plugin-timeout) from ");
    for (;;) {
        nanosleep(&(struct timespec){ 0, 250000000 }, NULL);
        for (int i = 0; i < SLOTS; i++) {
            int64_t since = atomic_load_explicit(&slots[i].since, memory_order_acquire);
            if (since && now() - since > limit)
                say_and_end(&slots[i], how);
        }
    }
    return NULL;
}

static int start_watch(ba_err *e)
{
    pthread_t thread;
    pthread_attr_t how;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&how);
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&thread, &how, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
    return failed ? ba_fail(e, BA_EMACHINE, "no thread to watch over plugins: %s", strerror(failed)) : BA_OK;
}

static void install_handler(void)
{
    struct sigaction a = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER };
    sigemptyset(&a.sa_mask);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal && !HANDLED_ELSEWHERE; i++)
        sigaction(fatal[i], &a, NULL);
}

int ba_crash_install(int64_t seconds, ba_err *e)
{
    if (seconds < 0 || seconds > 1000000)
        return ba_fail(e, BA_EARG, "plugin time-out of %lld s; 0 (none) to 1000000 expected", (long long)seconds);
    if (atomic_load(&installed))
        return BA_OK;
    limit = seconds;
    if (pthread_key_create(&ending, give_back) || atexit(at_exit))
        return ba_fail(e, BA_EMACHINE, "no room for a handler of crashes");
    int r = limit ? start_watch(e) : BA_OK;
    if (r)
        return r;
    install_handler();
    atomic_store_explicit(&installed, 1, memory_order_release);
    return BA_OK;
}
