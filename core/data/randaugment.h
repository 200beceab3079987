/* randaugment: a few random operations on a finished crop, as timm's "rand-m9-mstd0.5-inc1" draws them. */
#ifndef BAI_DATA_RANDAUGMENT_H
#define BAI_DATA_RANDAUGMENT_H

#include "bauta/data.h"

/* Changes image [a->image, a->image, 3] in place and moves the box along; scratch is as large as the image. */
void bai_randaugment(const ba_augment *a, uint64_t seed, uint32_t epoch, int64_t sample, uint8_t *image, uint8_t *scratch,
    ba_box *box);

/* The operation of this number (0..14) at a level (0..10) and sign (-1 or 1); for tests. */
void bai_randaugment_one(const ba_augment *a, int op, double level, int sign, uint8_t *image, uint8_t *scratch, ba_box *box);
enum { BAI_RANDAUGMENT_OPS = 15 };

#endif
