/* exif: how a picture was held when it was taken. */
#ifndef BAI_DATA_EXIF_H
#define BAI_DATA_EXIF_H

#include "bauta/data.h"

/* The EXIF orientation 1..8 of a JPEG or PNG file's bytes; 1 (upright) when nothing, or nothing sensible, is said. */
int bai_orientation(const void *bytes, int64_t n);
/* Turns the pixels and the box of a picture of that orientation upright. */
int bai_upright(ba_picture *p, int orientation, ba_err *e);

#endif
