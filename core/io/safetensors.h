/* safetensors: the header of a safetensors file, judged whole, and the pieces shared by weights and checkpoints. */
#ifndef BAI_SAFETENSORS_H
#define BAI_SAFETENSORS_H

#include "../base/file.h"
#include "bauta/weights.h"
#include "zip.h"

enum { BAI_ST_HEADER = 16 << 20, BAI_ST_TENSORS = 65536, BAI_ST_NOTES = 65536, BAI_ST_RANK = 8, BAI_ST_NAME = 512 };

typedef struct bai_st_dtype { const char *name; int bytes; int is_float; } bai_st_dtype;

typedef struct bai_st_entry {
    const char *name;            /* in the header's text */
    const bai_st_dtype *dtype;
    int32_t rank;
    int64_t dim[BAI_ST_RANK], count;
    int64_t begin, end;          /* bytes, from the first byte behind the header */
    int64_t member;              /* .pth: the number of the archive's member that it lies in */
} bai_st_entry;

typedef struct bai_st_header {
    char *text;                  /* owned; names and notes point into it */
    bai_st_entry *entry;         /* ascending by name */
    ba_note *note;               /* ascending by key */
    int64_t count, notes;
    bai_zip zip;                 /* .pth: the archive; safetensors: empty */
} bai_st_header;

/* Parses `length` bytes of JSON (a zero stands behind them) for a data part of `data` bytes. Takes text, also on failure. */
int bai_st_parse(bai_st_header *h, char *text, int64_t length, int64_t data, const char *label, ba_err *e);
void bai_st_clear(bai_st_header *h);
const bai_st_dtype *bai_st_dtype_named(const char *name);    /* NULL: no such type */

/* pth.c: the same list from a PyTorch file (zip archive); places of tensors count from the beginning of the file. */
int bai_pth_parse(bai_st_header *h, int fd, int64_t size, const char *label, ba_err *e);

/* The bytes a file begins with: length, header, spaces up to a multiple of 64. Tensors follow in the order of items.
 * NULL on failure, with the code in *bytes. */
char *bai_st_make(int64_t n, const ba_weight_item *items, int64_t n_notes, const ba_note *notes, int64_t *bytes, ba_err *e);

/* A file, or the part of a file that begins at `offset`; takes fd, also on failure. */
ba_weights *bai_weights_open(int fd, int64_t offset, int64_t bytes, const char *label, ba_err *e);
/* What a file of these tensors would hold, without their numbers: nothing of it can be read. */
ba_weights *bai_weights_listed(int64_t n, const ba_weight_item *items, const char *label, ba_err *e);
int bai_weights_fd(const ba_weights *w);                     /* -1: no file */
const char *bai_weights_label(const ba_weights *w);

#endif
