/* randaugment: Cubuk et al., RandAugment (2020), in the "increasing" form DeiT trains with: each of a->operations picks one
 * of 15 with equal chance, is skipped half of the time, and draws its level from a normal distribution cut to 0..10. */
#include "randaugment.h"

#include "pixels.h"

#include <math.h>
#include <string.h>

#include "bauta/rng.h"

enum { AUTOCONTRAST, EQUALIZE, INVERT, ROTATE, POSTERIZE, SOLARIZE, SOLARIZE_ADD, COLOUR, CONTRAST, BRIGHTNESS, SHARPNESS,
       SHEAR_X, SHEAR_Y, SHIFT_X, SHIFT_Y };
enum { BLOCKS = 16 }; /* of four words for a sample: two an operation */

static const uint8_t fill[3] = { 124, 116, 104 }; /* the mean of ImageNet */

static float held(double v, double n)
{
    return (float)(v < 0 ? 0 : v > n ? n : v);
}

/* The box around where the corners of the box go; m leads from the new picture to the old one. */
static void move_box(const double m[6], double side, ba_box *b)
{
    double det = m[0] * m[4] - m[1] * m[3], x0 = side, y0 = side, x1 = 0, y1 = 0;
    if (!(b->x1 > b->x0) || det == 0)
        return;
    for (int k = 0; k < 4; k++) {
        double u = (k & 1 ? b->x1 : b->x0) - m[2], v = (k & 2 ? b->y1 : b->y0) - m[5];
        double x = (m[4] * u - m[1] * v) / det, y = (m[0] * v - m[3] * u) / det;
        x0 = fmin(x0, x), x1 = fmax(x1, x);
        y0 = fmin(y0, y), y1 = fmax(y1, y);
    }
    *b = (ba_box){ held(x0, side), held(y0, side), held(x1, side), held(y1, side) };
    if (!(b->x1 > b->x0 && b->y1 > b->y0))
        *b = (ba_box){ 0 };
}

static void geometric(const ba_augment *a, int op, double v, bai_image im, uint8_t *scratch, ba_box *box)
{
    double m[6] = { 1, 0, 0, 0, 1, 0 }, side = (double)a->image;
    switch (op) {
    case ROTATE: bai_rotation(im.rows, im.columns, 30 * v, m); break;
    case SHEAR_X: m[1] = 0.3 * v; break;
    case SHEAR_Y: m[3] = 0.3 * v; break;
    case SHIFT_X: m[2] = 0.45 * v * side; break;
    default: m[5] = 0.45 * v * side; break;
    }
    bai_affine(im, m, a->interpolation, fill, scratch);
    memcpy(im.p, scratch, (size_t)(im.rows * im.columns * 3));
    move_box(m, side, box);
}

void bai_randaugment_one(const ba_augment *a, int op, double level, int sign, uint8_t *image, uint8_t *scratch, ba_box *box)
{
    bai_image im = { image, a->image, a->image };
    double v = sign * level / 10;
    float factor = (float)fmax(0.1, 1 + 0.9 * v);
    switch (op) {
    case AUTOCONTRAST: bai_autocontrast(im); break;
    case EQUALIZE: bai_equalize(im); break;
    case INVERT: bai_invert(im); break;
    case POSTERIZE: bai_posterize(im, 4 - (int)(level / 10 * 4)); break;
    case SOLARIZE: bai_solarize(im, 256 - (int)(level / 10 * 256)); break;
    case SOLARIZE_ADD: bai_solarize_add(im, (int)(level / 10 * 110)); break;
    case COLOUR: bai_saturation(im, factor); break;
    case CONTRAST: bai_contrast(im, factor); break;
    case BRIGHTNESS: bai_brightness(im, factor); break;
    case SHARPNESS: bai_sharpness(im, factor, scratch); break;
    default: geometric(a, op, v, im, scratch, box); break;
    }
}

void bai_randaugment(const ba_augment *a, uint64_t seed, uint32_t epoch, int64_t sample, uint8_t *image, uint8_t *scratch,
    ba_box *box)
{
    uint32_t stream = ba_stream("randaugment");
    for (int64_t i = 0; i < a->operations; i++) {
        uint64_t block = (uint64_t)sample * BLOCKS + 2 * (uint64_t)i;
        ba_philox u = ba_philox4x32(seed, stream, epoch, block), g = ba_philox4x32(seed, stream, epoch, block + 1);
        int op = (int)(((uint64_t)u.x[0] * BAI_RANDAUGMENT_OPS) >> 32);
        double radius = sqrt(-2 * log(((double)g.x[0] + 1) * 0x1p-32)),
            normal = radius * cos(6.283185307179586 * g.x[1] * 0x1p-32);
        double level = fmin(fmax(a->magnitude + a->spread * normal, 0), 10);
        if (u.x[1] >> 31)
            bai_randaugment_one(a, op, level, u.x[2] >> 31 ? 1 : -1, image, scratch, box);
    }
}
