/* colour: random changes of colour and sharpness of a finished crop. */
#ifndef BAI_DATA_COLOUR_H
#define BAI_DATA_COLOUR_H

#include "bauta/data.h"
#include "pixels.h"

void bai_grey(bai_image im);
void bai_hue(bai_image im, double shift);                           /* of the circle, -.5 to .5 */
void bai_blur(bai_image im, double radius, uint8_t *scratch);       /* scratch: as large as the picture */

int bai_colour_wanted(const ba_augment *a);
/* Changes image [a->image, a->image, 3] in place; scratch is as large as the image. */
void bai_colour(const ba_augment *a, uint64_t seed, uint32_t epoch, int64_t sample, uint8_t *image, uint8_t *scratch);

#endif
