/* check: the whole test framework. CHECK counts and, on failure, prints where and what; check_skip prints and counts;
 * `return check_done()` prints the closing line and gives the exit status. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

static long check_passed, check_failed, check_skipped;

#define CHECK(cond, ...) do { \
    if (cond) { check_passed++; break; } \
    check_failed++; \
    printf("not ok: %s:%d: %s: ", __FILE__, __LINE__, #cond); \
    printf(__VA_ARGS__); \
    printf("\n"); \
} while (0)

static inline void check_group(const char *name) /* one line a group of checks, with the failures so far */
{
    printf("%s - %s (%ld checks so far)\n", check_failed ? "not ok" : "ok", name, check_passed + check_failed);
    fflush(stdout);
}

static inline void check_skip(const char *what, const char *why)
{
    check_skipped++;
    printf("skip - %s: %s\n", what, why);
}

static inline int check_done(void)
{
    printf("%ld passed, %ld failed, %ld skipped\n", check_passed, check_failed, check_skipped);
    return check_failed || !check_passed;
}

#endif
