/* bauta/weights.h: weights in safetensors files: named fp32 tensors that PyTorch and timm load unchanged. PyTorch's own files (.pth, .pt since
 * version 1.6) are read too, without running what is pickled in them; where they hold several dicts of tensors, names have "DICT/" in front.
 *
 * Reading is strict: a file is judged whole before a number is read, nothing is allocated from a number that was not
 * compared with the file size, and a file is read into our memory, never mapped. Each defect has one line.
 * Limits: header 16 MiB, 65,536 tensors, rank 8, names of 512 bytes. F32, F16, BF16 and F64 are read as float. */
#ifndef BAUTA_WEIGHTS_H
#define BAUTA_WEIGHTS_H

#include "base.h"
#include "graph.h"

#pragma GCC visibility push(default)
/* cdef begin */
typedef struct ba_weights ba_weights;

typedef struct ba_weight_info {
    const char *name;        /* lent by the ba_weights */
    const char *dtype;       /* as the file names it: "F32", "BF16", ... */
    int32_t rank;
    int64_t dim[8];
    int64_t count, bytes;    /* elements; bytes in the file */
} ba_weight_info;

typedef struct ba_weight_item { const char *name; ba_type type; const float *data; } ba_weight_item; /* type.dtype is BA_F32 */
typedef struct ba_note { const char *key, *value; } ba_note; /* of the file's __metadata__ */

/* ---- reading ---- */
/* One ba_weights is read on one thread at a time: the checksum of a tensor of PyTorch's is compared when it is first read. */
ba_weights *ba_weights_open(const char *path, ba_err *e);
void ba_weights_free(ba_weights *w);
int64_t ba_weights_count(const ba_weights *w);
int64_t ba_weights_find(const ba_weights *w, const char *name);      /* index, or -1 */
int ba_weights_info(const ba_weights *w, int64_t i, ba_weight_info *out, ba_err *e);
int ba_weights_read(const ba_weights *w, int64_t i, float *out, int64_t count, ba_err *e); /* count: all elements */
int64_t ba_weights_notes(const ba_weights *w);
int ba_weights_note(const ba_weights *w, int64_t i, ba_note *out, ba_err *e);

/* ---- writing ---- */
int ba_weights_write(const char *path, int64_t n, const ba_weight_item *items, int64_t n_notes, const ba_note *notes, ba_err *e);

/* ---- to and from a store ---- */
/* Fills the store from a file. Every tensor of the store must be in the file with its shape, and the other way round; otherwise
 * nothing is written and all that does not match is named: as much as fits in e, the first 20 and a count in `report`
 * (one line each; may be NULL). NaN and infinite numbers are refused.
 * prefix: what the file puts in front of our names ("" or NULL: nothing); names without it are then not looked at.
 * partial: beginnings of names that need not match, separated by commas ("head,head_dist"; NULL: all must). */
int ba_weights_load(ba_store *s, const char *path, const char *prefix, const char *partial, char *report, int64_t report_size,
    ba_err *e);
/* The same for files of other people. keys: whose names the file has: "auto" (found out by names that only one source has), "plain" (ours, timm's),
 * "deit3", "cait", "dino", "clip", "swin", "openmmlab", "openmmlab-swin", "ast", "deit-to-ast", "module". resize: how a position table for another
 * grid is brought to this one: "bicubic", "bicubic-antialias", "bilinear", "dino", "crop"; "": it is an error. */
typedef struct ba_weights_how {
    uint32_t size;               /* sizeof(ba_weights_how) */
    const char *prefix, *partial, *keys, *resize; /* each may be NULL: "", "", "plain", "" */
    int64_t rows, columns;       /* grid of the model's patches; for resize */
    char told[80];               /* out: what was done with the names, in words; "": nothing */
} ba_weights_how;
int ba_weights_load_as(ba_store *s, const char *path, ba_weights_how *how, char *report, int64_t report_size, ba_err *e);
/* Whether ba_weights_load_as would find names and shapes as they must be; no number is read and nothing written. With `from` the names and shapes
 * are those of that store, as a file saved from it would have them, and path is only how messages call it. report: as in ba_weights_load. */
int ba_weights_check(const ba_store *s, const char *path, const ba_store *from, ba_weights_how *how, char *report, int64_t report_size, ba_err *e);
int ba_weights_save(const ba_store *s, const char *path, int64_t n_notes, const ba_note *notes, ba_err *e);
/* cdef end */
#pragma GCC visibility pop

#endif
