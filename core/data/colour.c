/* colour: colour jitter, grey, blur and solarisation of finished crops: 3-Augment of DeiT III and what DINO does to its views. The arithmetic is
 * Pillow's, to the bit; the numbers come from Philox, keyed by (seed, "colour", epoch, sample). */
#include "colour.h"

#include <math.h>
#include <string.h>

#include "bauta/rng.h"
#include "pixels.h"

/* ---- grey and hue ---- */

void bai_grey(bai_image im)
{
    for (uint8_t *p = im.p; p < im.p + im.rows * im.columns * 3; p += 3)
        p[0] = p[1] = p[2] = (uint8_t)((19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16);
}

static uint8_t clip(double v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

static void to_hsv(const uint8_t *p, uint8_t *h, uint8_t *s, uint8_t *v)
{
    int max = p[0] > p[1] ? p[0] : p[1], min = p[0] < p[1] ? p[0] : p[1];
    max = p[2] > max ? p[2] : max;
    min = p[2] < min ? p[2] : min;
    *v = (uint8_t)max;
    *h = *s = 0;
    if (max == min)
        return;
    float c = (float)(max - min), rc = (float)(max - p[0]) / c, gc = (float)(max - p[1]) / c, bc = (float)(max - p[2]) / c, x;
    x = p[0] == max ? bc - gc : p[1] == max ? (float)(2.0 + rc - bc) : (float)(4.0 + gc - rc);
    x = (float)fmod(x / 6.0 + 1.0, 1.0);
    *h = clip((int)(x * 255.0));
    *s = clip((int)(c / (float)max * 255.0));
}

static void to_rgb(uint8_t h, uint8_t s, uint8_t v, uint8_t *p)
{
    float six = (float)h * 6.0f / 255.0f, u = (float)s / 255.0f;
    int i = (int)floorf(six);
    float g = six - (float)i;
    uint8_t low = clip(round((float)v * (1.0 - u))), down = clip(round((float)v * (1.0 - u * g))), up = clip(round((float)v * (1.0 - u * (1.0 - g))));
    const uint8_t parts[6][3] = { { v, up, low }, { down, v, low }, { low, v, up }, { low, down, v }, { up, low, v }, { v, low, down } };
    memcpy(p, parts[i % 6], 3);
    if (!s)
        p[0] = p[1] = p[2] = v;
}

void bai_hue(bai_image im, double shift)
{
    for (uint8_t *p = im.p; p < im.p + im.rows * im.columns * 3; p += 3) {
        uint8_t h, s, v;
        to_hsv(p, &h, &s, &v);
        to_rgb((uint8_t)(h + (int)(shift * 255)), s, v, p);
    }
}

/* ---- blur ---- */
typedef struct box { int64_t radius; uint32_t inner, edge; } box; /* weights of 2 radius + 1 pixels and of the two beyond, in 2^-24 */

static box box_of(double radius)
{
    float r = (float)radius, s = r * r / 3.0f, l = floorf((sqrtf(12.0f * s + 1.0f) - 1.0f) / 2.0f);
    float a = (2 * l + 1) * (l * (l + 1) - 3 * s);
    a /= 6 * (s - (l + 1) * (l + 1));
    float whole = l + a;
    box b = { (int64_t)whole, (uint32_t)((1 << 24) / (whole * 2 + 1)), 0 };
    b.edge = ((1 << 24) - (uint32_t)(b.radius * 2 + 1) * b.inner) / 2;
    return b;
}

static int64_t at(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

/* One box blur of a line of n pixels `step` bytes apart; `line` has room for n. */
static void blur_line(uint8_t *p, int64_t n, int64_t step, box b, uint8_t *line)
{
    uint32_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        line[i] = p[i * step];
    for (int64_t k = -b.radius; k <= b.radius; k++)
        sum += line[at(k, n)];
    for (int64_t i = 0; i < n; i++) {
        uint32_t ends = (uint32_t)line[at(i - b.radius - 1, n)] + line[at(i + b.radius + 1, n)];
        p[i * step] = (uint8_t)((sum * b.inner + ends * b.edge + (1u << 23)) >> 24);
        sum += (uint32_t)line[at(i + b.radius + 1, n)] - line[at(i - b.radius, n)];
    }
}

void bai_blur(bai_image im, double radius, uint8_t *scratch)
{
    box b = box_of(radius);
    for (int pass = 0; pass < 3; pass++)
        for (int64_t y = 0; y < im.rows; y++)
            for (int c = 0; c < 3; c++)
                blur_line(im.p + y * im.columns * 3 + c, im.columns, 3, b, scratch);
    for (int pass = 0; pass < 3; pass++)
        for (int64_t x = 0; x < im.columns; x++)
            for (int c = 0; c < 3; c++)
                blur_line(im.p + x * 3 + c, im.rows, im.columns * 3, b, scratch);
}

/* ---- what a sample gets ---- */

static double unit(uint32_t word) { return word * 0x1p-32; }

static double factor(uint32_t word, double strength)
{
    double low = strength < 1 ? 1 - strength : 0;
    return low + (1 + strength - low) * unit(word);
}

/* Brightness, contrast, saturation and hue in a random order; u: one word each, and four that make the order. */
static void jitter(const ba_augment *a, bai_image im, ba_philox u, ba_philox order)
{
    int at[4] = { 0, 1, 2, 3 };
    for (int i = 3; i > 0; i--) {
        int j = (int)(((uint64_t)order.x[i] * (uint64_t)(i + 1)) >> 32), t = at[i];
        at[i] = at[j];
        at[j] = t;
    }
    for (int i = 0; i < 4; i++)
        if (at[i] == 0 && a->brightness > 0)
            bai_brightness(im, (float)factor(u.x[0], a->brightness));
        else if (at[i] == 1 && a->contrast > 0)
            bai_contrast(im, (float)factor(u.x[1], a->contrast));
        else if (at[i] == 2 && a->saturation > 0)
            bai_saturation(im, (float)factor(u.x[2], a->saturation));
        else if (at[i] == 3 && a->hue > 0)
            bai_hue(im, a->hue * (2 * unit(u.x[3]) - 1));
}

static double radius(uint32_t word) { return 0.1 + 1.9 * unit(word); }

static void one_of_three(bai_image im, ba_philox u, uint8_t *scratch)
{
    int which = (int)(((uint64_t)u.x[0] * 3) >> 32);
    if (which == 0)
        bai_grey(im);
    else if (which == 1)
        bai_solarize(im, 128);
    else
        bai_blur(im, radius(u.x[1]), scratch);
}

int bai_colour_wanted(const ba_augment *a)
{
    int jitters = a->jitter > 0 && (a->brightness > 0 || a->contrast > 0 || a->saturation > 0 || a->hue > 0);
    return jitters || a->three || a->grey > 0 || a->blur > 0 || a->solarize > 0;
}

void bai_colour(const ba_augment *a, uint64_t seed, uint32_t epoch, int64_t sample, uint8_t *image, uint8_t *scratch)
{
    uint32_t stream = ba_stream("colour");
    uint64_t block = (uint64_t)sample * 4;
    ba_philox u = ba_philox4x32(seed, stream, epoch, block), more = ba_philox4x32(seed, stream, epoch, block + 1);
    bai_image im = { image, a->image, a->image };
    if (a->three)
        one_of_three(im, more, scratch);
    if (unit(u.x[0]) < a->jitter)
        jitter(a, im, ba_philox4x32(seed, stream, epoch, block + 2), ba_philox4x32(seed, stream, epoch, block + 3));
    if (unit(u.x[1]) < a->grey)
        bai_grey(im);
    if (unit(u.x[2]) < a->blur)
        bai_blur(im, radius(more.x[2]), scratch);
    if (unit(u.x[3]) < a->solarize)
        bai_solarize(im, 128);
}
