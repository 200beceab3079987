/* decode: bytes of a JPEG or PNG file to an RGB picture. */
#ifndef BAI_DATA_DECODE_H
#define BAI_DATA_DECODE_H

#include "bauta/data.h"

enum { BAI_MAX_SIDE = 16384, BAI_MAX_PIXELS = 64000000, BAI_MAX_SCANS = 256, BAI_MAX_FILE = 1 << 28 };

int bai_picture_reserve(ba_picture *p, int64_t rows, int64_t columns, ba_err *e);
/* Judges announced sizes before anything is decoded: sides, area, and area against the n bytes there are. */
int bai_picture_limits(int64_t rows, int64_t columns, int64_t n, const char *name, ba_err *e);
int bai_decode(const void *bytes, int64_t n, const char *name, ba_picture *out, ba_err *e);
int bai_decode_jpeg(const uint8_t *bytes, int64_t n, const char *name, ba_picture *out, ba_err *e);
int bai_decode_png(const uint8_t *bytes, int64_t n, const char *name, ba_picture *out, ba_err *e);

#endif
