/* case: one sample of one operation made concrete: settings, types, random inputs, and what the reference makes of them. */
#ifndef CASE_H
#define CASE_H

#include "bauta/op.h"

enum { CASE_IN = 8 };

typedef struct op_case op_case;
struct op_case {
    const ba_op *op;
    const ba_op_sample *sample;
    uint64_t seed;             /* of the inputs, and the run's seed for random operations */
    char *keep;                /* texts of the settings */
    void *params;
    int n_in;
    ba_type in[CASE_IN], out[BA_MAX_OUT];
    const ba_type *in_p[CASE_IN]; /* NULL: left out */
    double *x[CASE_IN];        /* the inputs, rounded as their element type rounds */
    double *after[CASE_IN];    /* the same after the call: differs where the operation writes an input */
    double *y[BA_MAX_OUT];     /* outputs of the reference */
};

/* 0, or -1 with a sentence. Also after a failure, case_free is due. */
int case_new(op_case *c, const ba_op *op, const ba_op_sample *s, uint64_t seed, ba_err *e);
void case_free(op_case *c);
/* Runs the reference on the inputs x (as c->x) into y; inputs are not changed, what is written in place goes to after (may be NULL). */
int case_reference(const op_case *c, double *const *x, double *const *y, double *const *after);
int case_is_narrow(const op_case *c);      /* something is bf16 */
double case_tolerance(const op_case *c, int coarse); /* of a forward comparison; coarse: as a GPU sums */
int case_attrs(const op_case *c, ba_attr *attr, int room); /* the settings as attributes; how many */

uint64_t case_random(uint64_t seed, const char *stream, uint64_t i);        /* 32 random bits */
double case_uniform(uint64_t seed, const char *stream, uint64_t i);         /* in [0, 1) */
void case_store(const double *from, int64_t n, int dtype, void *to);
void case_load(const void *from, int64_t n, int dtype, double *to);
static inline int64_t case_bytes(const ba_type *t) { return ba_type_count(t) * ba_dtype_size(t->dtype); }

#endif
