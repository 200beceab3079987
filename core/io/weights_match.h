/* match: tensors of a file and of a store put together by name and shape, before a number is read. */
#ifndef BAI_WEIGHTS_MATCH_H
#define BAI_WEIGHTS_MATCH_H

#include "keymap.h"
#include "reshape.h"

typedef struct bai_match {
    const ba_store *s;
    ba_weights *w;
    const char *prefix, *partial;
    bai_keymap map;
    int resize;              /* BAI_* of interpolate.h; 0: not allowed */
    int64_t rows, columns;   /* grid of the model */
    int64_t *of;             /* [store] index in the file, -1: none */
    char **ours;             /* [file] what the tensor is called here; NULL: not wanted */
    int64_t *order;          /* [file] ascending by these names, those not wanted at the end */
    unsigned char *used;     /* [file] */
    unsigned char *action;   /* [file] BAI_TAKE, ... */
    bai_grids *grids;        /* [store] width 0: as it is */
    int64_t wrong;
    char *report;
    int64_t report_size, report_at;
    char line[508];          /* what goes into the error */
    size_t line_at;
    int64_t in_line;
} bai_match;

/* Opens the file, unless m->w is open already, and gives its tensors our names. The match is to be closed also after a failure. */
int bai_match_open(bai_match *m, const char *path, const ba_weights_how *how, ba_err *e);
int bai_match_all(bai_match *m, ba_err *e);  /* BA_EDATA, and all that does not match named, when anything is left over on either side */
void bai_match_close(bai_match *m);

#endif
