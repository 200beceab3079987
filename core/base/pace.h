/* pace: how many threads work that is done again and again should use while other programs want the processors too.
 *
 * The threads of a pool finish each kernel together. Where one of them has to wait for a processor all wait for it, so that fewer threads can be
 * faster than all. How long threads that could run had to wait is known to the system: where that is much, fewer are tried for a moment, and the clock decides. Results do not depend on the
 * number of threads, so nothing but the time changes. */
#ifndef BAI_PACE_H
#define BAI_PACE_H

typedef struct bai_pace {   /* of one piece of work; begins as zeros */
    int state, few;         /* see pace.c; how many threads are tried, or used instead of all */
    long runs;              /* of the present window: runs, their seconds, the clock and the waiting at its beginning */
    double wall, since, waited;
    double all, less;       /* seconds a run with all threads, and with few: 0 where that is not known or long ago */
    double until, hold;     /* the clock until which what was chosen stays; for how long the next choice will */
} bai_pace;

/* Threads for the next run, 1 to `workers`. */
int bai_pace_threads(const bai_pace *p, int workers);
/* The run took `seconds` and ended at `now` (seconds of a clock that only goes forward). waited(ctx): seconds that all threads together have waited for a
 * processor so far; negative where the system does not say. */
void bai_pace_took(bai_pace *p, int workers, double seconds, double now, double (*waited)(void *ctx), void *ctx);

#endif
