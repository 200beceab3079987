/* interpolate: weights of resizing a row of numbers, as PyTorch's functions have them (half-pixel rule). */
#ifndef BAI_INTERPOLATE_H
#define BAI_INTERPOLATE_H

#include <stdint.h>

enum { BAI_BILINEAR = 1, BAI_BICUBIC = 2, BAI_ANTIALIAS = 3, BAI_DINO = 4, BAI_CROP = 5 }; /* as BA_RESIZE_* of bauta/vit.h */

/* w[in]: what each number of the old row weighs in number o of the new row of `out`. */
void bai_interpolate(int kernel, int64_t in, int64_t out, int64_t o, double *w);

#endif
