/* call: one call of an operation on the CUDA device, and what an operation's .cu gives. */
#ifndef BAI_CUDA_CALL_H
#define BAI_CUDA_CALL_H

#include "bauta/op.h"

struct bai_cuda; /* the opened device: device.c */

enum { BAI_CUDA_MANY = 384 };

typedef struct bai_cuda_call {    /* one call of an operation */
    const ba_op *op;
    const void *params;
    int n_in, n_out;
    const ba_view *in, *out;      /* data: device pointers; an output that nobody reads: NULL */
    void *scratch;                /* what bai_cuda_op.scratch asked for */
    uint64_t seed;
    int tf32;                     /* fp32 factors may be rounded to 10 bits of mantissa in products */
    void *stream;
    struct bai_cuda *cuda;
    uint32_t *fault, id;          /* for ba_fault: where a kernel leaves word of bad input, and which call this is */
} bai_cuda_call;

typedef struct bai_cuda_op {
    const char *name;
    int (*launch)(const bai_cuda_call *c, ba_err *e);  /* enqueues; never waits; must do the same whenever it is called */
    size_t (*scratch)(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out); /* NULL: none */
    /* NULL, or the launches of up to BAI_CUDA_MANY calls that follow each other, none of which reads what another writes, as one */
    int (*many)(const bai_cuda_call *calls, int n, ba_err *e);
} bai_cuda_op;

/* Parameters by the names of the operation's schema. */
int64_t bai_cuda_i(const bai_cuda_call *c, const char *name);
double bai_cuda_f(const bai_cuda_call *c, const char *name);
const char *bai_cuda_s(const bai_cuda_call *c, const char *name);
int64_t bai_cuda_param_i(const ba_op *op, const void *params, const char *name);

#endif
