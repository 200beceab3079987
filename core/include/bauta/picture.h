/* bauta/picture.h: PNG files and contact sheets: what the teacher was shown, side by side.
 *
 * Pictures are RGB, 8 bits, row-major, without gaps. A sheet is a grid of equal cells with a title and captions in a
 * small built-in font (ASCII; other characters show as a box). */
#ifndef BAUTA_PICTURE_H
#define BAUTA_PICTURE_H

#include "base.h"

#pragma GCC visibility push(default)
/* cdef begin */
typedef struct ba_sheet ba_sheet;

/* Writes a PNG file, complete or not at all. */
int ba_png_write(const char *path, const uint8_t *rgb, int64_t columns, int64_t rows, ba_err *e);

/* A white sheet of columns x rows cells, each cell_width x cell_height pixels, with a line of text under each when `captions`. */
ba_sheet *ba_sheet_new(int64_t columns, int64_t rows, int64_t cell_width, int64_t cell_height, int32_t captions,
    const char *title, ba_err *e);
void ba_sheet_free(ba_sheet *s);
/* Puts a picture into a cell, every pixel scale x scale times; it must fit. */
int ba_sheet_picture(ba_sheet *s, int64_t column, int64_t row, const uint8_t *rgb, int64_t width, int64_t height,
    int64_t scale, ba_err *e);
/* Darkens, in the picture of that cell, all patches of a grid that are not among kept[0..n-1] (numbers row by row). */
int ba_sheet_mask(ba_sheet *s, int64_t column, int64_t row, int64_t grid_rows, int64_t grid_columns, const int32_t *kept,
    int64_t n, ba_err *e);
int ba_sheet_caption(ba_sheet *s, int64_t column, int64_t row, const char *text, ba_err *e);
int ba_sheet_write(const ba_sheet *s, const char *path, ba_err *e);
/* cdef end */
#pragma GCC visibility pop

#endif
