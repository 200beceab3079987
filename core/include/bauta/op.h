/* bauta/op.h: what an operation is. Read by kernels/, walked by core/graph, held against its own reference by
 * the one operation test (tests/kernels/test_ops.c).
 *
 * An operation is one constant descriptor in kernels/ops/NAME.c with everything about it: parameter schema,
 * shape rule, cost rule, gradient rule, CPU kernel, float64 reference and samples. The file is compiled once per
 * CPU tier (plain, AVX2, AVX-512), so a kernel is written once, in portable C with vector types. */
#ifndef BAUTA_OP_H
#define BAUTA_OP_H

#include "graph.h"

enum { BA_MAX_OUT = 4 };

typedef struct ba_view {      /* a tensor as a kernel sees it: dense, row-major, 64-byte aligned */
    ba_type type;
    void *data;               /* output: NULL when nobody reads it, the kernel then skips it; optional input left out: NULL */
} ba_view;

typedef struct ba_kernel ba_kernel;
struct ba_kernel {            /* one call of an operation on the CPU */
    const void *params;
    int n_in, n_out;
    const ba_view *in, *out;
    void *scratch;            /* what op->scratch asked for, 64-byte aligned; contents undefined */
    uint64_t seed;            /* of the run; random operations combine it with their stream and the step input */
    int workers;              /* worker numbers are 0..workers-1 */
    void *pool;               /* for parallel() only */
    /* Runs fn(ctx, task, worker) for task 0..tasks-1, in any order, on all workers; returns when all are done.
     * What a task computes must depend on the task number alone, so that results do not depend on `workers`. */
    void (*parallel)(const ba_kernel *k, int64_t tasks, void (*fn)(void *ctx, int64_t task, int worker), void *ctx);
};

typedef struct ba_cost {
    double macs;              /* multiply-adds of matrix products, executed */
    double nominal;           /* as the papers count them: rows that nobody reads too, of an embedding all patches, kept or not; 0: as macs. Each node once */
    double norm;              /* elements that pass a LayerNorm: a paper's number is nominal + 5 norm */
    double flops;             /* all floating-point operations, executed: 2 per multiply-add plus the rest */
    double bytes;             /* read and written once each */
} ba_cost;

typedef struct ba_grad_call { /* builds d(in) from d(out), as further nodes of g */
    ba_graph *g;
    const void *params;
    int n_in, n_out;
    ba_tensor *const *in, *const *out;
    ba_tensor *const *dout;   /* [n_out] NULL where the gradient is zero; at least one is not */
    const unsigned char *want;/* [n_in] whether d(in) is asked for */
    ba_tensor **din;          /* [n_in] to fill; leave NULL for zero */
} ba_grad_call;

typedef struct ba_slice_call {/* builds the nodes that compute [.., from:to, ..] of the outputs marked in slice_outs */
    ba_graph *g;
    const void *params;
    int n_in, n_out;
    ba_tensor *const *in, *const *out;
    int axis;                 /* axis of the marked outputs that is cut */
    int64_t from, to;
    ba_tensor **sliced;       /* [n_out] to fill: marked outputs cut, the others as equal replacements; NULL where there is none */
} ba_slice_call;

typedef struct ba_slice_params { int64_t axis, from, to; } ba_slice_params; /* of the operation marked BA_OP_SLICE */

/* ---- samples: what the operation test feeds ---- */
enum { BA_FILL_UNIFORM = 0,   /* real in [lo, hi) */
       BA_FILL_INDEX,         /* whole numbers in [lo, hi) */
       BA_FILL_CHOICE,        /* last axis: ascending distinct whole numbers in [lo, hi) */
       BA_FILL_PROB,          /* last axis: positive, sums to 1 */
       BA_FILL_DISTINCT };    /* last axis: real, all pairwise differences at least 1e-2 */
typedef struct ba_op_sample_in { int dtype, rank; int64_t dim[BA_MAX_RANK]; int fill; double lo, hi; } ba_op_sample_in; /* dtype 0: input left out */
typedef struct ba_op_sample {
    const char *attrs;        /* "name=value,name=value" */
    int n_in;
    ba_op_sample_in in[8];
    unsigned fixed;           /* bit i: input i takes no part in the gradient check */
    unsigned loose;           /* bit i: output i is not compared with the reference (saved statistics of a private form) */
} ba_op_sample;

typedef struct ba_ref {       /* one call of the reference: every number a double */
    const void *params;
    int n_in, n_out;
    const ba_type *in_type, *out_type;
    double *const *in;        /* [n_in], NULL for an input left out */
    double *const *out;       /* [n_out]; inputs marked in `inout` are written in place */
    uint64_t seed;
} ba_ref;

enum { BA_OP_EFFECT = 1,      /* keeps its node alive (writes an inout input) */
       BA_OP_ALIAS = 2,       /* output 0 is input 0 under another shape: no kernel */
       BA_OP_SLICE = 4,       /* cuts input 0 as ba_slice_params say */
       BA_OP_FROZEN = 8 };    /* a gradient that would have to go through it is an error, not zero */

typedef struct ba_op {
    const char *name, *doc;
    int min_in, max_in;       /* inputs; those past min_in may be left out (NULL) */
    int n_out;
    uint32_t flags;
    uint32_t inout;           /* bit i: input i (of the first 32) is a variable and is updated in place */
    uint32_t reuse;           /* bit i: output 0 may take the buffer of input i when i is not read later */
    uint32_t params_size, nparams;
    const ba_param *params;
    int (*shape)(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e); /* the only judge of shapes; in[i] NULL: left out */
    void (*cost)(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c); /* NULL: bytes and one FLOP per output element */
    size_t (*scratch)(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers); /* NULL: none */
    int (*grad)(const ba_grad_call *c, ba_err *e);    /* NULL: no gradient passes */
    uint32_t slice_outs;      /* bit i: output i is cut by slice() */
    int (*slice)(const ba_slice_call *c, ba_err *e);  /* NULL: cannot be cut; returns 1 (nothing built) when this cut is impossible */
    int (*cpu)(const ba_kernel *k, ba_err *e);        /* NULL with BA_OP_ALIAS */
    void (*reference)(const ba_ref *r);
    const ba_op_sample *samples; /* attrs NULL at the end */
    double tolerance;         /* largest |kernel - reference| / (1 + |reference|) in fp32 */
    double coarse;            /* the same on a GPU, whose units sum in longer chains or with fewer digits; 0: tolerance */
} ba_op;

#define BA_SAMPLES(...) (const ba_op_sample[]){ __VA_ARGS__, { .attrs = NULL } }

/* number of elements */
static inline int64_t ba_type_count(const ba_type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}
/* product of all axes but the last */
static inline int64_t ba_type_rows(const ba_type *t)
{
    int64_t n = 1;
    for (int i = 0; i + 1 < t->rank; i++)
        n *= t->dim[i];
    return n;
}
static inline int64_t ba_type_last(const ba_type *t) { return t->rank ? t->dim[t->rank - 1] : 1; }
static inline int64_t ba_dtype_size(int dtype) { return dtype == BA_F32 || dtype == BA_I32 ? 4 : dtype == BA_BF16 ? 2 : 1; }

#endif
