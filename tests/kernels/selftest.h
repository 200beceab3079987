/* selftest: every operation on every sample, held against its own float64 reference on this machine. */
#ifndef SELFTEST_H
#define SELFTEST_H

#include <stdio.h>

#include "bauta/op.h"

typedef struct bai_selftest_count { long passed, failed, skipped; } bai_selftest_count;

/* Walks the operation table with inputs made from seed and prints a line an operation and totals. The kernels of the CPU are
 * called directly, on each tier this processor has; any other device runs compiled programs. coarse: it is a GPU, held to ba_op.coarse. Adds to *total and
 * returns the number of failures. */
int bai_selftest(ba_device *d, int coarse, uint64_t seed, FILE *out, bai_selftest_count *total);

/* direct.c and through.c: one sample, each finding reported through walk_check. */
typedef struct walk_tally { long done, failed; } walk_tally;
typedef struct walk {
    FILE *out;
    ba_device *device;
    int coarse;                /* a GPU, which sums as ba_op.coarse says */
    uint64_t seed;
    walk_tally forward, workers, alone, program, gradient;
    long no_gradient, skipped;
    void *pools[3];            /* of 1, 2 and 3 workers */
    const char *op;
    int sample;
} walk;

struct op_case;
/* Counts; prints what when not ok. Returns ok. */
int walk_check(walk *w, walk_tally *t, int ok, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void walk_direct(walk *w, const struct op_case *c);    /* forward, workers, outputs alone, in place: kernels called directly */
void walk_program(walk *w, const struct op_case *c);   /* forward through a compiled program on w->device */
void walk_gradient(walk *w, const struct op_case *c);  /* gradient through a compiled program against finite differences */
void walk_strange(walk *w, struct op_case *c);         /* one NaN among the inputs: w->device ends as the CPU's kernel does */
/* The sample through a compiled program on w->device; 0, or the code of the error. */
int walk_run(walk *w, const struct op_case *c, ba_err *e);
/* Whether n values of got are those of want within tolerance; otherwise says where. */
int walk_close(walk *w, walk_tally *t, const char *what, const double *got, const double *want, const ba_type *type, double tolerance);

#endif
