/* The pace of repeated work: with how many threads it runs, on machines that are made up. */
#include "../../core/base/pace.h"
#include "../check.h"

/* A machine: seconds of a run by its number of threads, and how many threads wait for a processor meanwhile. */
typedef struct machine { int workers; double seconds[9], crowd[9], clock, waited; int silent; } machine;

static double waited(void *ctx)
{
    const machine *m = ctx;
    return m->silent ? -1 : m->waited;
}

/* Runs for so long; returns the share of the runs that took fewer threads than all. */
static double work(machine *m, bai_pace *p, double seconds)
{
    const double end = m->clock + seconds;
    int few = 0, runs = 0, out_of_range = 0;
    for (; m->clock < end; runs++) {
        const int n = bai_pace_threads(p, m->workers);
        if (n < 1 || n > m->workers) {
            out_of_range++;
            break;
        }
        m->clock += m->seconds[n];
        m->waited += m->seconds[n] * m->crowd[n];
        few += n < m->workers;
        bai_pace_took(p, m->workers, m->seconds[n], m->clock, waited, m);
    }
    CHECK(!out_of_range, "%d threads of %d", bai_pace_threads(p, m->workers), m->workers);
    return (double)few / (runs ? runs : 1);
}

int main(void)
{
    {
        bai_pace p = { 0 };
        machine m = { 2, { 0, 0.05, 0.03 }, { 0, 0, 0.05 }, 100, 7, 0 };
        CHECK(work(&m, &p, 60) == 0, "a quiet machine: all threads, always");
    }
    {
        bai_pace p = { 0 };
        machine m = { 2, { 0, 0.06, 0.09 }, { 0, 0.3, 1 }, 100, 7, 0 };
        double few = work(&m, &p, 60);
        CHECK(few > 0.9, "two neighbours on two processors: one thread is faster and is taken in %.3f of the runs", few);
        m.seconds[2] = 0.03, m.crowd[2] = 0; /* they go */
        work(&m, &p, 12);
        CHECK(work(&m, &p, 60) == 0, "all threads again once it is quiet, within twelve seconds");
        m.seconds[2] = 0.09, m.crowd[2] = 1; /* they come back */
        few = work(&m, &p, 60);
        CHECK(few > 0.9, "and fewer when they come back: %.3f", few);
    }
    {
        bai_pace p = { 0 };
        machine m = { 2, { 0, 0.06, 0.04 }, { 0, 0.1, 0.8 }, 100, 7, 0 };
        double few = work(&m, &p, 120);
        CHECK(few < 0.05, "waiting, but fewer are slower: tried in %.3f of the runs, not kept", few);
        CHECK(few > 0, "it was tried");
    }
    {
        bai_pace p = { 0 };
        machine m = { 8, { 0, 9, 9, 9, 9, 9, 0.1, 0.09, 0.2 }, { 0, 0, 0, 0, 0, 0, 0, 0, 1.2 }, 100, 7, 0 };
        work(&m, &p, 30);
        CHECK(p.few == 7, "one of eight waits: seven are tried, not %d", p.few);
    }
    {
        bai_pace p = { 0 };
        machine m = { 4, { 0, 20, 9, 9, 30 }, { 0, 0, 0, 0, 40 }, 100, 7, 0 }; /* runs longer than a window; more waiting than there are threads */
        double few = work(&m, &p, 2000);
        CHECK(p.few == 1 && few > 0.8, "one thread (%d) is faster than all and is taken in %.3f of the runs", p.few, few);
    }
    {
        bai_pace p = { 0 };
        machine m = { 2, { 0, 0.06, 0.09 }, { 0, 0, 1 }, 100, 7, 1 };
        CHECK(work(&m, &p, 60) == 0, "a system that does not say who waited: all threads");
    }
    {
        bai_pace p = { 0 };
        machine m = { 1, { 0, 0.06 }, { 0, 1 }, 100, 7, 0 };
        CHECK(work(&m, &p, 60) == 0, "one thread is all there is");
    }
    check_group("pace");
    return check_done();
}
