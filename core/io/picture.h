/* picture: the font of captions. */
#ifndef BAI_PICTURE_H
#define BAI_PICTURE_H

#include <stdint.h>

enum { BAI_GLYPH_WIDTH = 5, BAI_GLYPH_HEIGHT = 7 };

const uint8_t *bai_glyph(int c); /* five columns from the left; bit 0 is the top row. A box for what is not ASCII. */

#endif
