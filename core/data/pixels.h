/* pixels: operations on whole RGB pictures, each as Pillow's ImageOps, ImageEnhance and Image.transform do it, to the bit. */
#ifndef BAI_DATA_PIXELS_H
#define BAI_DATA_PIXELS_H

#include <stdint.h>

typedef struct bai_image { uint8_t *p; int64_t rows, columns; } bai_image; /* RGB without gaps */

void bai_invert(bai_image im);
void bai_posterize(bai_image im, int bits);                 /* keeps 0..8 bits */
void bai_solarize(bai_image im, int threshold);             /* inverts values of at least 0..256 */
void bai_solarize_add(bai_image im, int add);               /* adds to values below 128 */
void bai_autocontrast(bai_image im);
void bai_equalize(bai_image im);
/* 0: black, grey of the mean, without colour, smoothed; 1: unchanged; above 1: the other way. */
void bai_brightness(bai_image im, float factor);
void bai_contrast(bai_image im, float factor);
void bai_saturation(bai_image im, float factor);
void bai_sharpness(bai_image im, float factor, uint8_t *scratch);   /* scratch: as large as the picture */

/* out(x, y) is read at (m0 X + m1 Y + m2, m3 X + m4 Y + m5) of the picture, X = x + .5, Y = y + .5; `fill` where that is
 * outside. */
void bai_affine(bai_image in, const double m[6], int interpolation, const uint8_t fill[3], uint8_t *out);
void bai_rotation(int64_t rows, int64_t columns, double degrees, double m[6]); /* counter-clockwise about the middle */

#endif
