/* pickle: reads the pickle of a PyTorch weight file without running anything. A closed list of opcodes and of names is understood; every other is
 * refused. Calls are recognised, not made: what is left are nodes that say "a tensor over storage 12", "an ordered dict", "something of no interest". */
#ifndef BAI_PICKLE_H
#define BAI_PICKLE_H

#include "bauta/base.h"

enum { BAI_PK_NODES = 1 << 20, BAI_PK_RANK = 8, BAI_PK_LONGEST = 64 << 20 };
enum bai_pk_kind { BAI_PK_MARK = 1, BAI_PK_NONE, BAI_PK_INT, BAI_PK_REAL, BAI_PK_TEXT, BAI_PK_LIST, BAI_PK_DICT, BAI_PK_NAME, BAI_PK_STORAGE, BAI_PK_TENSOR, BAI_PK_OTHER };

typedef struct bai_pk_node {
    int32_t kind;
    int32_t first, last;     /* LIST (also tuples), DICT: cells, -1: none; TENSOR: first: its storage; NAME: first: number in the list of names */
    int64_t i;               /* INT: value; TEXT: length; STORAGE: elements; TENSOR: offset in elements */
    const char *text;        /* TEXT: not closed; STORAGE: its key, closed */
    const char *dtype;       /* STORAGE */
    const int64_t *dim;      /* TENSOR: rank, then sizes, then strides */
} bai_pk_node;
typedef struct bai_pk_cell { int32_t key, value, next; } bai_pk_cell; /* of a LIST: value only */

typedef struct bai_pickle { /* to be cleared with bai_pickle_free, also after a failure */
    bai_pk_node *node;
    bai_pk_cell *cell;
    int32_t n_nodes, n_cells, root, room_nodes, room_cells;
    char **own;              /* memory of texts and sizes */
    int32_t n_own, room_own;
} bai_pickle;

/* data: `bytes` bytes, which must live as long as the result. */
int bai_pickle_read(bai_pickle *p, const unsigned char *data, int64_t bytes, const char *label, ba_err *e);
void bai_pickle_free(bai_pickle *p);

#endif
