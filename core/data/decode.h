/* decode: bytes of a JPEG or PNG file to an RGB picture. */
#ifndef BAI_DATA_DECODE_H
#define BAI_DATA_DECODE_H

#include "bauta/data.h"

enum { BAI_MAX_SIDE = 16384, BAI_MAX_PIXELS = 64000000, BAI_MAX_SCANS = 256, BAI_MAX_FILE = 1 << 28 };

int bai_picture_reserve(ba_picture *p, int64_t rows, int64_t columns, ba_err *e);
/* Judges announced sizes before anything is decoded: sides, area, and area against the n bytes there are. */
int bai_picture_limits(int64_t rows, int64_t columns, int64_t n, const char *name, ba_err *e);
int bai_decode(const void *bytes, int64_t n, const char *name, ba_picture *out, ba_err *e);

/* The part of a picture that will be looked at, 1x1 pixel or more, and who says, once the picture's size is known, which part that is. */
typedef struct bai_region { int64_t x, y, width, height; } bai_region;
typedef struct bai_wish {
    int (*choose)(void *ctx, int64_t rows, int64_t columns, bai_region *out, ba_err *e);
    void *ctx;
} bai_wish;

/* As bai_decode, but pixels outside of the wanted part may stay undefined; inside they are the same. Only what had to be read was judged. */
int bai_decode_part(const void *bytes, int64_t n, const char *name, const bai_wish *wish, ba_picture *out, ba_err *e);
int bai_decode_jpeg(const uint8_t *bytes, int64_t n, const char *name, const bai_wish *wish, ba_picture *out, ba_err *e);
/* A JPEG file of a picture, to be freed; quality 1..100. */
int bai_encode_jpeg(const uint8_t *rgb, int64_t rows, int64_t columns, int quality, uint8_t **out, int64_t *n, ba_err *e);
int bai_decode_png(const uint8_t *bytes, int64_t n, const char *name, ba_picture *out, ba_err *e);

#endif
