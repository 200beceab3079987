/* picture: the font of captions, and what tests see of a sheet. */
#ifndef BAI_PICTURE_H
#define BAI_PICTURE_H

#include "bauta/picture.h"

enum { BAI_GLYPH_WIDTH = 5, BAI_GLYPH_HEIGHT = 7 };

const uint8_t *bai_glyph(int c); /* five columns from the left; bit 0 is the top row. A box for what is not ASCII. */
const uint8_t *bai_sheet_pixels(const ba_sheet *s, int64_t *width, int64_t *height); /* lent */

#endif
