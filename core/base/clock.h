/* clock: seconds of a clock of the system, CLOCK_MONOTONIC or CLOCK_REALTIME. */
#ifndef BAI_CLOCK_H
#define BAI_CLOCK_H

#include <time.h>

static inline double bai_now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
