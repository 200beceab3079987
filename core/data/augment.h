/* augment: which part of a picture a sample shows in an epoch, and the picture of it. */
#ifndef BAI_DATA_AUGMENT_H
#define BAI_DATA_AUGMENT_H

#include "decode.h"
#include "resize.h"

typedef struct bai_draw {         /* what was drawn for one sample */
    int64_t x, y, width, height;  /* the part of the picture; PAD: may begin at negative places */
    bai_window window;            /* what of it is shown */
} bai_draw;

int bai_augment_judge(const ba_augment *a, ba_err *e);
/* Whether it is meant for samples of so many channels: spectrograms are masked and nothing else, pictures are not masked. */
int bai_augment_fits(const ba_augment *a, int64_t channels, ba_err *e);
/* Masks a spectrogram [rows, columns] in place: SpecAugment, one band of rows and one of columns. A function of its arguments only. */
void bai_augment_spectrum(const ba_augment *a, int64_t rows, int64_t columns, uint64_t seed, uint32_t epoch, int64_t sample, float *values);
/* A function of its arguments only. */
int bai_augment_draw(const ba_augment *a, int64_t rows, int64_t columns, uint64_t seed, uint32_t epoch, int64_t sample,
                     bai_draw *out, ba_err *e);
/* The part of a picture of rows x columns pixels that the next function reads. */
void bai_augment_needs(const ba_augment *a, const bai_draw *d, int64_t rows, int64_t columns, bai_region *out);
/* Fills image [a->image, a->image, 3] and box. */
int bai_augment_apply(bai_resizer *r, const ba_augment *a, const bai_draw *d, const ba_picture *in, uint8_t *image, ba_box *box,
    ba_err *e);

#endif
