/* program: a compiled graph. */
#ifndef BAI_PROGRAM_H
#define BAI_PROGRAM_H

#include "device.h"
#include "memory.h"
#include "node.h"

typedef struct bai_port { const char *name; ba_type type; void *data; int owned; const void *sent; } bai_port; /* an input or a fetched tensor; sent: what ba_program_send was given */

struct ba_program {
    uint32_t tag;
    ba_graph *graph;            /* kept alive: parameters and names are its */
    ba_device *device;
    bai_arena mem;              /* host: steps, views, texts */
    bai_step *step, *fixed;     /* every run; when a frozen variable has changed */
    bai_node **node, **fixed_node;
    int64_t n_steps, n_fixed, n_nodes;
    bai_node **live;            /* every live operation, in order of execution */
    void *arena, *constants;    /* device memory */
    int64_t arena_bytes, variable_bytes, peak_step;
    int64_t kept_bytes, n_again; /* the arena if no block were computed again; nodes that are */
    void **owned;               /* device blocks to release, and how long each is */
    int64_t n_owned, *owned_bytes;
    bai_port *input, *fetch;
    int n_input, n_fetch;
    ba_store **stores;          /* every store it reads; the version decides whether `fixed` runs again */
    int64_t *versions;
    unsigned char *written;     /* [n_stores] it updates variables of this one */
    int n_stores, ready;
    bai_buffer *buffer;
    int64_t *scratch;           /* [n_steps] buffer of a step's working memory; -1: none */
    int64_t n_buffers;
    ba_plan_row *row;
    int *row_role;              /* [n_rows] index of the role's text */
    int n_rows, profile;
};

int bai_plan_make(ba_program *p, ba_err *e); /* plan.c: the rows */

/* layout.c: order of the nodes, which of them run once, buffers and their places in the arena. May be called again when the graph has changed. */
int bai_lay_out(ba_program *p, ba_err *e);
int bai_in_arena(const ba_tensor *root);
int64_t bai_scratch_of(ba_program *p, const bai_node *n);
static inline int64_t bai_type_bytes(const ba_type *t) { return ba_type_count(t) * ba_dtype_size(t->dtype); }

#endif
