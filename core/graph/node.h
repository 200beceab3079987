/* node: the graph's insides, shared by the files of core/graph and by nobody else. */
#ifndef BAI_NODE_H
#define BAI_NODE_H

#include "../base/mem.h"
#include "../base/type.h"
#include "bauta/op.h"
#include "bauta/recompute.h"

enum { BAI_TAG_GRAPH = 0x47524150, BAI_TAG_TENSOR = 0x54454e53, BAI_TAG_STORE = 0x53544f52,
       BAI_TAG_PROGRAM = 0x50524f47, BAI_TAG_DEVICE = 0x44455649 };

typedef enum bai_kind { BAI_OP, BAI_INPUT, BAI_CONSTANT, BAI_VARIABLE } bai_kind;

typedef struct bai_node bai_node;

struct ba_tensor {
    uint32_t tag;
    int index;              /* which output of its node */
    bai_node *node;
    ba_tensor *forward;     /* a pass has replaced this tensor by that one */
    ba_type type;
    int64_t users;          /* scratch of the passes: live uses */
    int wanted, kept;       /* scratch of recompute.c: asked for by the gradient of its block; there anyhow when that runs */
    int64_t buffer;         /* scratch of the compiler: buffer number, -1 for none */
};

struct bai_node {
    ba_graph *graph;
    bai_kind kind;
    const ba_op *op;        /* BAI_OP only */
    void *params;
    const char *name;       /* of an input or variable */
    int n_in, n_out;
    ba_tensor **in;         /* NULL entries: left out */
    ba_tensor out[BA_MAX_OUT];
    ba_store *store;        /* BAI_VARIABLE */
    int64_t variable;
    void *data;             /* BAI_CONSTANT */
    int role, place;        /* indices into the graph's texts */
    int64_t block;          /* that it lies in (ba_graph_block); 0: none */
    int gradient;           /* made by ba_grad */
    bai_node *again;        /* recompute.c: what computes it again */
    bai_node *copy_of;      /* recompute.c: what this one computes again */
    int still;              /* recompute.c: depends on weights only */
    int live;               /* scratch of the passes */
    int tf32;               /* made while the graph's precision was tf32 */
    int counted;            /* its nominal cost is in the ledger */
    int fixed;              /* scratch of the compiler: the same at every step */
    int64_t order;          /* scratch of the compiler: position in the program */
    bai_node *prev, *next;
};

typedef struct bai_fetch { const char *name; ba_tensor *t; } bai_fetch;

struct ba_graph {
    uint32_t tag;
    int refs;                   /* its owner, until ba_graph_free, and the programs that need it */
    int given_up;               /* by its owner */
    bai_arena arena;
    ba_device *device;
    uint64_t seed;
    int32_t dtype;
    int tf32;
    bai_node *first, *last;
    bai_node *at;           /* new nodes go in front of this one; NULL: at the end */
    const char **texts;     /* roles and places, each once */
    int n_texts, role, place;
    int64_t block, n_blocks;    /* that of the nodes made now; how many were begun */
    int gradient;               /* the nodes made now are a gradient's */
    int recompute;
    bai_fetch *fetch;
    int n_fetch;
    struct bai_nominal { double macs, norm; } *nominal; /* per text, counted before dead rows were cut */
    int n_nominal;
};

/* graph.c */
ba_tensor *bai_resolve(ba_tensor *t);               /* follows forward */
int bai_graph_check(const ba_graph *g, ba_err *e);
int bai_tensor_check(const ba_tensor *t, const char *what, ba_err *e);
int bai_tensor_in(const ba_graph *g, const ba_tensor *t, const char *what, ba_err *e); /* a tensor of this very graph */
void bai_graph_unref(ba_graph *g);
ba_tensor *bai_root(ba_tensor *t);                  /* the tensor whose memory t is: looks through aliases */
int bai_graph_text(ba_graph *g, const char *s, ba_err *e); /* index of the text, made when new */
bai_node *bai_node_new(ba_graph *g, bai_kind kind, int n_in, int n_out, ba_err *e);
void bai_in_types(const bai_node *n, const ba_type **types);

/* live.c: what the roots need */
int bai_mark_live(ba_graph *g, ba_tensor *const *roots, int n_roots); /* fetched tensors, effects and roots; counts users */
void bai_count_nominal(ba_graph *g);                /* adds the paper-convention cost of live nodes, once per node */
int bai_cut(ba_graph *g, ba_tensor *const *roots, int n_roots, ba_err *e); /* dead rows and columns */

/* recompute.c: lets gradients read activations that are computed again, until bai_recompute_undo. Call bai_cut before it. *made: how many nodes were added; 0: nothing was changed. */
int bai_recompute(ba_graph *g, int64_t *made, ba_err *e);
void bai_recompute_undo(ba_graph *g);               /* the graph is as before bai_recompute; what was added lives as long as the graph's memory */

/* cost.c */
void bai_node_cost(const bai_node *n, ba_cost *c);

#endif
