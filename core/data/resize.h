/* resize: part of an RGB picture to another size, to the bit as Pillow does it. */
#ifndef BAI_DATA_RESIZE_H
#define BAI_DATA_RESIZE_H

#include "bauta/data.h"

/* What is resized: a part of a picture, cut out first, so that the filter never sees pixels outside. */
typedef struct bai_part {
    const uint8_t *pixels;   /* of the part's first pixel */
    int64_t stride;          /* bytes from row to row */
    int64_t rows, columns;
} bai_part;

/* What is wanted: of the part at size full_rows x full_columns, the window that begins at (row, column). */
typedef struct bai_window {
    int64_t full_rows, full_columns;
    int64_t row, column, rows, columns;
    int flip;                /* mirror the window's columns */
} bai_window;

/* Memory that is used again from call to call; one per thread, all zero at first. */
typedef struct bai_resizer {
    struct bai_taps { int32_t *first, *count, *weight; int64_t room, width; } across, down;
    double *real;            /* the weights of one output pixel */
    uint8_t *between;        /* after the horizontal pass */
    int64_t real_room, between_room;
} bai_resizer;

/* Of `in` pixels made `full`, those that outputs first..first+n-1 are made from: *from up to, without, *end. */
void bai_resize_reads(int64_t in, int64_t full, int64_t first, int64_t n, int interpolation, int64_t *from, int64_t *end);
int bai_resize(bai_resizer *r, const bai_part *in, const bai_window *w, int interpolation, uint8_t *out, ba_err *e);
void bai_resizer_end(bai_resizer *r);
/* The same, fast (AVX2; only where the processor has it) or by the way of machines without: what a test compares. */
int bai_resize_by(bai_resizer *r, const bai_part *in, const bai_window *w, int interpolation, int fast, uint8_t *out, ba_err *e);

#endif
