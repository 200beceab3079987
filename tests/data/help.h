/* help: pictures, archives and folders made by the tests of core/data, so that no binary file lies in the tree. */
#ifndef DATA_HELP_H
#define DATA_HELP_H

#include <stddef.h>
#include <stdint.h>

#include "bauta/data.h"

typedef struct bytes { uint8_t *p; int64_t n, room; } bytes;

void bytes_add(bytes *b, const void *p, int64_t n);
void bytes_end(bytes *b);

/* The test picture of docs and goldens: G(W,H)[y][x][c] = (37x + 61y + 101c + 3xy) mod 256. */
uint8_t *test_picture(int64_t columns, int64_t rows);
uint8_t *smooth_picture(int64_t columns, int64_t rows, int channels);

typedef struct jpeg_kind { int channels, ycck, progressive, quality, arithmetic, subsample, many_scans, across, down, restart; } jpeg_kind;
/* channels 1, 3 or 4 (inks, stored as given); across, down: so many pixels of brightness to one of colour, 0: as `subsample` says */
bytes make_jpeg(const uint8_t *pixels, int64_t columns, int64_t rows, jpeg_kind k);

typedef struct png_kind { int type, depth, interlaced, transparent, text; } png_kind;   /* type: PNG_COLOR_TYPE_* */
bytes make_png(const uint8_t *rows, int64_t row_bytes, int64_t columns, int64_t n, png_kind k);

/* A tar member with a right checksum; type '0', 'L', 'x', ... */
void tar_add(bytes *b, const char *name, char type, const void *data, int64_t n);
void tar_header(uint8_t h[512], const char *name, char type, int64_t n);
void tar_sum(uint8_t h[512]);
void tar_end(bytes *b);
bytes gzipped(const bytes *b);

/* A folder of this test's own below TMPDIR or /tmp; removed with all that is in it at the end. */
const char *scratch(void);
void scratch_end(void);
const char *put_file(const char *name, const void *p, int64_t n); /* returns its path; makes folders as needed */

/* A split of a plugin whose parameters are its defaults, but for `path` (NULL: it has none) and those that settings names: "limit=3 upright=1". */
ba_dataset *open_data(const ba_plugin_desc *d, const char *path, const char *split, const char *settings, ba_err *e);

uint32_t crc_of(const void *p, int64_t n); /* zlib's */
uint32_t crc_on(uint32_t crc, const void *p, int64_t n);
uint32_t next_random(uint64_t *state);

#endif
