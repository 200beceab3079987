/* bauta/graph.h: describe a step once, compile it, run it many times.
 *
 * A graph is a list of nodes; a node is an operation (see `bauta ops`) on tensors of static shape. Tensors belong to
 * their graph and die with it. Order of creation is order of execution, except where a pass moves nodes.
 *
 * All functions that take a device, or anything that was made with it, are called on one thread at a time: const says that no value changes, not
 * that readers may run at once (a store draws a tensor's first values when somebody first reads them). Whoever makes an object frees it, in this
 * order: programs and graphs, stores, the device. */
#ifndef BAUTA_GRAPH_H
#define BAUTA_GRAPH_H

#include "base.h"

#pragma GCC visibility push(default)
/* cdef begin */
typedef struct ba_graph ba_graph;
typedef struct ba_tensor ba_tensor;
typedef struct ba_store ba_store;
typedef struct ba_program ba_program;
typedef struct ba_device ba_device;

/* ---- devices ---- */
/* "cpu" is built in. Any other name is opened from bauta_NAME.so in the device folder; NULL with one line when it cannot be had.
 * threads: worker threads of a CPU device, 0 for one per processor. tier: "auto" or one of "plain", "avx2", "avx512", "avx512bf16", "amx", "tiles". */
ba_device *ba_device_open(const char *name, int64_t threads, const char *tier, ba_err *e);
void ba_device_free(ba_device *d);                    /* after every store, graph and program that was made with it */
const char *ba_device_describe(const ba_device *d);   /* one line: name, tier, threads, GEMM library */
int64_t ba_device_peak(ba_device *d, int32_t anew);   /* most bytes its buffers ever held together; anew: from now on */
/* 1 or 0. "host": tensors lie in the program's own memory (the CPU). "bf16", "tf32": matrix products in it are faster than in fp32; where they are
 * not, it is computed in all the same ("tf32": as fp32). "fp8": linear_fp8 by the device's own products. Anything else: 0. */
int ba_device_has(const ba_device *d, const char *what);

/* ---- stores: named, persistent fp32 tensors (weights, optimiser state, averages) ---- */
ba_store *ba_store_new(ba_device *d, uint64_t seed, ba_err *e);     /* seed of the initialisers: stream "init/NAME" */
void ba_store_free(ba_store *s);                                    /* after every program that uses it */
/* Adds a tensor, or checks that the one of this name has this shape. Returns its index or a negative code. */
int64_t ba_store_add(ba_store *s, const char *name, int32_t rank, const int64_t *dim, int32_t init, double scale, int32_t flags, ba_err *e);
int64_t ba_store_count(const ba_store *s);
int64_t ba_store_find(const ba_store *s, const char *name);         /* index, or -1 */
const char *ba_store_name(const ba_store *s, int64_t i);            /* NULL when out of range */
int32_t ba_store_flags(const ba_store *s, int64_t i);
int ba_store_type(const ba_store *s, int64_t i, ba_type *t, ba_err *e);
int ba_store_read(const ba_store *s, int64_t i, float *out, int64_t count, ba_err *e); /* count: all elements */
int ba_store_write(ba_store *s, int64_t i, const float *in, int64_t count, ba_err *e);
int ba_store_copy(ba_store *to, const ba_store *from, ba_err *e);   /* adds or overwrites every tensor of `from` */

/* ---- building ---- */
ba_graph *ba_graph_new(ba_device *d, uint64_t seed, ba_err *e);
void ba_graph_free(ba_graph *g);
/* The role of the nodes made from now on: "student", "teacher", "mask", "loss", "optimiser", ...: the rows of the cost ledger. */
int ba_graph_role(ba_graph *g, const char *role, ba_err *e);
int ba_graph_place(ba_graph *g, const char *place, ba_err *e);      /* free text named in run-time errors, e.g. "blocks.3.attn"; "" for none */
enum { BA_TF32 = 65 };        /* fp32 throughout, but that a device may round the factors of products to 10 bits of mantissa; for ba_graph_precision only */
int ba_graph_precision(ba_graph *g, int32_t dtype, ba_err *e);      /* BA_F32 (default), BA_BF16: type of activations and matrix weights; BA_TF32 */
int32_t ba_graph_dtype(const ba_graph *g);                          /* BA_F32 or BA_BF16: what was set there */

ba_tensor *ba_input(ba_graph *g, const char *name, int32_t dtype, int32_t rank, const int64_t *dim, ba_err *e);
ba_tensor *ba_constant(ba_graph *g, int32_t dtype, int32_t rank, const int64_t *dim, const void *data, ba_err *e); /* data is copied */
ba_tensor *ba_scalar(ba_graph *g, double value, ba_err *e);         /* fp32 constant of rank 0 */
ba_tensor *ba_variable(ba_graph *g, ba_store *s, const char *name, ba_err *e);  /* fp32, the stored values themselves */
ba_tensor *ba_weight(ba_graph *g, ba_store *s, const char *name, ba_err *e);    /* the same in the graph's precision: for matrix products */

/* Applies an operation and returns its first output. in[i] may be NULL where the operation allows it. */
ba_tensor *ba_op_apply(ba_graph *g, const char *op, int32_t n_in, ba_tensor *const *in, int32_t n_attr, const ba_attr *attr, ba_err *e);
ba_tensor *ba_output_of(ba_tensor *t, int32_t i, ba_err *e);        /* output i of the node that made t */

int ba_tensor_type(const ba_tensor *t, ba_type *out, ba_err *e);
const char *ba_tensor_op(const ba_tensor *t);                       /* name of the operation that made it; "input", "constant", "variable" */

/* Appends the nodes of d(loss)/d(wrt[i]); loss is a scalar; grad[i] is NULL where the loss does not depend on wrt[i].
 * Cuts what the loss does not need first (dead rows). */
int ba_grad(ba_graph *g, ba_tensor *loss, int32_t n, ba_tensor *const *wrt, ba_tensor **grad, ba_err *e);

int ba_fetch(ba_graph *g, const char *name, ba_tensor *t, ba_err *e); /* t can be read by this name after a run */

/* ---- running ---- */
ba_program *ba_compile(ba_graph *g, ba_err *e);                     /* the graph may be freed afterwards */
void ba_program_free(ba_program *p);
int ba_program_feed(ba_program *p, const char *input, const void *data, int64_t bytes, ba_err *e); /* copied before it returns */
/* The same in two calls: what is sent can travel while a step runs, and belongs to the steps after the take. `data` keeps what it holds until then. */
int ba_program_send(ba_program *p, const char *input, const void *data, int64_t bytes, ba_err *e);
int ba_program_take(ba_program *p, const char *input, ba_err *e);
int ba_program_run(ba_program *p, ba_err *e);
int ba_program_read(ba_program *p, const char *fetched, void *data, int64_t bytes, ba_err *e);
int ba_program_type(const ba_program *p, const char *name, ba_type *t, ba_err *e); /* of an input or a fetched tensor */

/* ---- the plan: what a step costs, known before it runs ---- */
typedef struct ba_plan_row {
    char role[64];                      /* a role, or "ROLE.backward" */
    double macs, nominal, norm, flops, bytes; /* per step; see op.h */
    int64_t peak;                       /* bytes of this role in the arena at the moment of the overall peak */
    int64_t nodes;
    double seconds;                     /* summed over the runs since ba_program_profile(p, 1) */
} ba_plan_row;
int64_t ba_plan_rows(const ba_program *p);
int ba_plan_row_get(const ba_program *p, int64_t i, ba_plan_row *out, ba_err *e);
int64_t ba_plan_arena(const ba_program *p);      /* bytes of the arena (activations, gradients, scratch) */
int64_t ba_plan_variables(const ba_program *p);  /* bytes of the variables it uses, copies in lower precision included */
int ba_program_profile(ba_program *p, int32_t on, ba_err *e);
int64_t ba_plan_nodes(const ba_program *p);
/* Node i as one line: role, operation, place, type of output 0, MACs, FLOPs, bytes, seconds, "step" or "once"; tabs between. 0 when out of range. */
int64_t ba_plan_node(const ba_program *p, int64_t i, char *out, int64_t size);

/* ---- what there is ---- */
typedef struct ba_op_info {
    const char *name, *doc;
    int32_t min_in, max_in, n_out;      /* inputs past min_in may be left out */
    uint32_t nparams;
    const ba_param *params;
} ba_op_info;
int64_t ba_op_count(void);
int ba_op_info_get(int64_t i, ba_op_info *out, ba_err *e);
const char *ba_version(void);           /* of the library: "0.1.0" */
/* All declarations of the public headers that stand between "cdef begin" and "cdef end", as they were when the library was built: for LuaJIT's FFI. */
const char *ba_declarations(void);
/* cdef end */
#pragma GCC visibility pop

#endif
