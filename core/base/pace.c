/* pace: watch, try, choose. See pace.h.
 *
 * WATCH runs with all threads. A window in which they waited little begins the next one; one in which they waited much is followed by TRY,
 * a window with fewer. The faster of the two is kept for a while: FEW, or WATCH without trials. After FEW all are watched again, for one window. */
#include "pace.h"

enum { WATCH, TRY, FEW };

static const double window = 0.1;                /* seconds of runs that are compared; at least one run */
static const double much = 0.2;                  /* threads waiting, on average, from which fewer are worth a trial */
static const double gain = 0.95;                 /* of the time, at most, that fewer must take to be kept */
static const double shortest = 1, longest = 10;  /* seconds for which a choice stays; and never less than ten windows */

static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }

int bai_pace_threads(const bai_pace *p, int workers) { return p->state == WATCH ? workers : p->few; }

static void begin(bai_pace *p, int state, double now, double waited)
{
    p->state = state;
    p->runs = 0;
    p->wall = 0;
    p->since = now;
    p->waited = waited;
}

/* Keeps the faster of both numbers of threads. */
static void choose(bai_pace *p, double now, double waited)
{
    const int better = p->less < gain * p->all;
    p->hold = larger(p->hold, larger(shortest, 10 * p->wall));
    p->until = now + p->hold;
    p->hold = smaller(2 * p->hold, larger(longest, 10 * p->wall));
    if (!better)
        p->less = 0;
    begin(p, better ? FEW : WATCH, now, waited);
}

static void watched(bai_pace *p, int workers, double now, double waited)
{
    const double crowd = (waited - p->waited) / larger(now - p->since, 1e-9);
    if (crowd < much) {
        p->hold = p->less = p->until = 0;
        begin(p, WATCH, now, waited);
    } else if (now < p->until) {
        begin(p, WATCH, now, waited);
    } else if (p->less > 0) {
        choose(p, now, waited);
    } else {
        p->few = workers - (int)larger(1, smaller(workers - 1, crowd + 0.5));
        begin(p, TRY, now, waited);
    }
}

void bai_pace_took(bai_pace *p, int workers, double seconds, double now, double (*waited)(void *ctx), void *ctx)
{
    p->runs++;
    p->wall += seconds;
    if (workers < 2 || p->wall < window || (p->state == FEW && now < p->until))
        return;
    const double all = waited(ctx);
    const int state = p->state;
    if (all < 0)
        begin(p, WATCH, now, 0);
    else if (p->since == 0) /* what was waited before the first window says nothing */
        begin(p, WATCH, now, all);
    else {
        *(state == WATCH ? &p->all : &p->less) = p->wall / (double)p->runs;
        if (state == WATCH)
            watched(p, workers, now, all);
        else if (state == TRY)
            choose(p, now, all);
        else
            begin(p, WATCH, now, all);
    }
}
