/* pixels: operations that change values and not places: tables of 256 entries, and blends with a degenerate picture. */
#include "pixels.h"

#include <string.h>

static void through_table(bai_image im, const uint8_t *table)
{
    for (int64_t i = 0; i < im.rows * im.columns * 3; i++)
        im.p[i] = table[im.p[i]];
}

void bai_invert(bai_image im)
{
    bai_solarize(im, 0);
}

void bai_posterize(bai_image im, int bits)
{
    uint8_t table[256];
    for (int v = 0; v < 256; v++)
        table[v] = (uint8_t)(v & ~((1 << (8 - bits)) - 1));
    through_table(im, table);
}

void bai_solarize(bai_image im, int threshold)
{
    uint8_t table[256];
    for (int v = 0; v < 256; v++)
        table[v] = (uint8_t)(v < threshold ? v : 255 - v);
    through_table(im, table);
}

void bai_solarize_add(bai_image im, int add)
{
    uint8_t table[256];
    for (int v = 0; v < 256; v++)
        table[v] = (uint8_t)(v >= 128 ? v : v + add > 255 ? 255 : v + add);
    through_table(im, table);
}

/* ---- per channel ---- */

static void histogram(bai_image im, int channel, int64_t h[256])
{
    memset(h, 0, 256 * sizeof *h);
    for (int64_t i = channel; i < im.rows * im.columns * 3; i += 3)
        h[im.p[i]]++;
}

static void channel_through_table(bai_image im, int channel, const uint8_t *table)
{
    for (int64_t i = channel; i < im.rows * im.columns * 3; i += 3)
        im.p[i] = table[im.p[i]];
}

static uint8_t clip(double v)
{
    int i = (int)v;
    return (uint8_t)(i < 0 ? 0 : i > 255 ? 255 : i);
}

void bai_autocontrast(bai_image im)
{
    for (int c = 0; c < 3; c++) {
        int64_t h[256];
        int lo = 0, hi = 255;
        uint8_t table[256];
        histogram(im, c, h);
        while (lo < 255 && !h[lo])
            lo++;
        while (hi > 0 && !h[hi])
            hi--;
        if (hi <= lo)
            continue;
        double scale = 255.0 / (hi - lo), offset = -lo * scale;
        for (int v = 0; v < 256; v++)
            table[v] = clip(v * scale + offset);
        channel_through_table(im, c, table);
    }
}

void bai_equalize(bai_image im)
{
    for (int c = 0; c < 3; c++) {
        int64_t h[256], sum = 0;
        int last = 255, used = 0;
        uint8_t table[256];
        histogram(im, c, h);
        while (last > 0 && !h[last])
            last--;
        for (int v = 0; v < 256; v++) {
            used += h[v] > 0;
            sum += h[v];
        }
        int64_t step = (sum - h[last]) / 255, n = step / 2;
        if (used <= 1 || !step)
            continue;
        for (int v = 0; v < 256; n += h[v++])
            table[v] = (uint8_t)(n / step > 255 ? 255 : n / step);
        channel_through_table(im, c, table);
    }
}

/* ---- blends ---- */

/* From the degenerate value d towards x, and beyond when f is above 1; cut off, not rounded. */
static uint8_t blend(int d, int x, float f)
{
    float t = (float)d + f * (float)(x - d);
    return (uint8_t)(t <= 0 ? 0 : t >= 255 ? 255 : t);
}

static int grey(const uint8_t *p)
{
    return (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16;
}

static void towards(bai_image im, int value, float f)
{
    uint8_t table[256];
    for (int v = 0; v < 256; v++)
        table[v] = blend(value, v, f);
    through_table(im, table);
}

void bai_brightness(bai_image im, float factor)
{
    towards(im, 0, factor);
}

void bai_contrast(bai_image im, float factor)
{
    int64_t sum = 0, n = im.rows * im.columns;
    for (int64_t i = 0; i < n; i++)
        sum += grey(im.p + 3 * i);
    towards(im, (int)((double)sum / (double)n + 0.5), factor);
}

void bai_saturation(bai_image im, float factor)
{
    for (uint8_t *p = im.p; p < im.p + im.rows * im.columns * 3; p += 3) {
        int d = grey(p);
        for (int c = 0; c < 3; c++)
            p[c] = blend(d, p[c], factor);
    }
}

void bai_sharpness(bai_image im, float factor, uint8_t *scratch)
{
    int64_t line = im.columns * 3, bytes = im.rows * line;
    memcpy(scratch, im.p, (size_t)bytes);
    for (int64_t y = 1; y < im.rows - 1; y++)
        for (int64_t i = y * line + 3; i < (y + 1) * line - 3; i++) {
            const uint8_t *a = scratch + i - line, *b = scratch + i, *c = scratch + i + line;
            const float one = 1.0f / 13, five = 5.0f / 13;
            float s = 0.5f;
            s += c[-3] * one + c[0] * one + c[3] * one;
            s += b[-3] * one + b[0] * five + b[3] * one;
            s += a[-3] * one + a[0] * one + a[3] * one;
            im.p[i] = blend((int)s, b[0], factor);
        }
}
