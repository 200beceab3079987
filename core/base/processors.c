/* processors: how many of them this process may use. */
#include <sched.h>
#include <unistd.h>

#include "bauta/system.h"

/* A set of 1024 processors is too small for some machines; those answer for all that are running. */
int32_t ba_processors(void)
{
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) ? sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&set);
    return n > 1 ? (int32_t)n : 1;
}
