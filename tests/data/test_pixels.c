/* pixels: values and places as Pillow 9.4 changes them: CRCs and one pixel of each operation on G(40,32). */
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "data/colour.h"
#include "data/pixels.h"
#include "data/randaugment.h"
#include "help.h"

enum { W = 40, H = 32, BYTES = W * H * 3 };

static const uint8_t fill[3] = { 124, 116, 104 };
static uint8_t scratch_bytes[BYTES];

static void is(const char *what, const uint8_t *p, uint32_t crc, int r, int g, int b)
{
    const uint8_t *px = p + (7 * W + 5) * 3;
    CHECK(crc_of(p, BYTES) == crc, "%s: %08x, Pillow has %08x", what, crc_of(p, BYTES), crc);
    CHECK(px[0] == r && px[1] == g && px[2] == b, "%s: %d %d %d, Pillow has %d %d %d", what, px[0], px[1], px[2], r, g, b);
}

static bai_image fresh(void)
{
    return (bai_image){ test_picture(W, H), H, W };
}

static void affine_is(const char *what, double a, double b, double c, double d, double e, double f, int filter, uint32_t crc,
    int r, int g, int bl)
{
    bai_image im = fresh();
    double m[6] = { a, b, c, d, e, f };
    bai_affine(im, m, filter, fill, scratch_bytes);
    is(what, scratch_bytes, crc, r, g, bl);
    free(im.p);
}

static void affine(void)
{
    affine_is("shear x, bicubic", 1, .27, 0, 0, 1, 0, 0, 0xb40b5c79, 67, 168, 7);
    affine_is("shear x, bilinear", 1, .27, 0, 0, 1, 0, 1, 0x03b04f3b, 66, 167, 12);
    affine_is("shear y, bicubic", 1, 0, 0, -.27, 1, 0, 0, 0xbde3d131, 60, 225, 161);
    affine_is("shear y, bilinear", 1, 0, 0, -.27, 1, 0, 1, 0x7ccaed9c, 92, 193, 162);
    affine_is("shift x, bicubic", 1, 0, 12.3, 0, 1, 0, 0, 0x6a6abfcf, 155, 179, 101);
    affine_is("shift x, bilinear", 1, 0, 12.3, 0, 1, 0, 1, 0x1c614886, 150, 174, 96);
    affine_is("shift y, bicubic", 1, 0, 0, 0, 1, -5.6, 0, 0x168f7986, 2, 164, 138);
    affine_is("shift y, bilinear", 1, 0, 0, 0, 1, -5.6, 1, 0xe13f9b94, 35, 136, 134);
    double m[6];
    bai_rotation(H, W, 27, m);
    affine_is("turn 27, bicubic", m[0], m[1], m[2], m[3], m[4], m[5], 0, 0x619a3ab7, 181, 73, 180);
    bai_rotation(H, W, -27, m);
    affine_is("turn -27, bilinear", m[0], m[1], m[2], m[3], m[4], m[5], 1, 0xc2d446e2, 115, 181, 61);
    affine_is("nothing", 1, 0, 0, 0, 1, 0, 0, 0x5ee0bd48, 205, 50, 151);
    check_group("shears, shifts, turns");
}

static void blends(void)
{
    static const struct { const char *what; uint32_t crc[2]; int px[2][3]; } wanted[] = {
        { "brightness", { 0xa65d4ac7, 0x72d06b37 }, { { 38, 9, 28 }, { 255, 90, 255 } } },
        { "contrast", { 0x96738c1a, 0x66746fe5 }, { { 141, 112, 131 }, { 255, 0, 170 } } },
        { "saturation", { 0xb2093870, 0x23f3b45f }, { { 126, 96, 116 }, { 255, 3, 185 } } },
        { "sharpness", { 0xc31f5034, 0xda41d031 }, { { 157, 97, 134 }, { 252, 2, 167 } } },
    };
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 3; i++) {
            bai_image im = fresh();
            float f = i == 0 ? 0.19f : i == 1 ? 1.81f : 1;
            k == 0 ? bai_brightness(im, f) : k == 1 ? bai_contrast(im, f) : k == 2 ? bai_saturation(im, f)
                : bai_sharpness(im, f, scratch_bytes);
            if (i < 2)
                is(wanted[k].what, im.p, wanted[k].crc[i], wanted[k].px[i][0], wanted[k].px[i][1], wanted[k].px[i][2]);
            else
                is(wanted[k].what, im.p, 0x5ee0bd48, 205, 50, 151);
            free(im.p);
        }
    check_group("brightness, contrast, saturation, sharpness");
}

static void colours(void)
{
    static const struct { double v; uint32_t crc; int px[3]; } blurs[] = { { .1, 0x5ee0bd48, { 205, 50, 151 } }, { .5, 0xb5a30f91, { 158, 97, 147 } },
        { 1, 0x034de2d1, { 118, 133, 130 } }, { 2, 0xf5438d2e, { 124, 126, 131 } } }, hues[] = { { .1, 0xabcdacd4, { 205, 51, 62 } }, { -.07, 0xba988f12, { 196, 51, 205 } } };
    for (int i = 0; i < 4; i++) {
        bai_image im = fresh();
        bai_blur(im, blurs[i].v, scratch_bytes);
        is("blur", im.p, blurs[i].crc, blurs[i].px[0], blurs[i].px[1], blurs[i].px[2]);
        free(im.p);
    }
    for (int i = 0; i < 2; i++) {
        bai_image im = fresh();
        bai_hue(im, hues[i].v);
        is("hue", im.p, hues[i].crc, hues[i].px[0], hues[i].px[1], hues[i].px[2]);
        free(im.p);
    }
    bai_image im = fresh();
    uint8_t one[W * H];
    bai_grey(im);
    for (int i = 0; i < W * H; i++)
        one[i] = im.p[3 * i + i % 3];
    CHECK(crc_of(one, W * H) == 0x9dbdcbf9 && one[7 * W + 5] == 108, "grey: %08x, %d", crc_of(one, W * H), one[7 * W + 5]);
    free(im.p);
    check_group("grey, hue, blur");
}

static void tables(void)
{
    bai_image im = fresh();
    for (int i = 0; i < BYTES; i++)
        im.p[i] = (uint8_t)(im.p[i] / 2 + 30);
    bai_autocontrast(im);
    is("autocontrast", im.p, 0x62407fb4, 204, 50, 150);
    free(im.p);
    (im = fresh(), bai_equalize(im), is("equalize", im.p, 0x9a55e9d4, 255, 48, 182), free(im.p));
    (im = fresh(), bai_invert(im), is("invert", im.p, 0xb0a1e74c, 50, 205, 104), free(im.p));
    (im = fresh(), bai_posterize(im, 1), is("posterize", im.p, 0xd2d5834c, 128, 0, 128), free(im.p));
    (im = fresh(), bai_posterize(im, 8), is("posterize 8", im.p, 0x5ee0bd48, 205, 50, 151), free(im.p));
    (im = fresh(), bai_solarize(im, 26), is("solarize 26", im.p, 0x89b768ee, 50, 205, 104), free(im.p));
    (im = fresh(), bai_solarize(im, 128), is("solarize 128", im.p, 0x862f3e20, 50, 50, 104), free(im.p));
    im = fresh();
    bai_posterize(im, 0);
    CHECK(im.p[0] == 0 && !memcmp(im.p, im.p + 1, BYTES - 1), "no bits: black");
    bai_autocontrast(im);
    bai_equalize(im);
    CHECK(im.p[0] == 0 && !memcmp(im.p, im.p + 1, BYTES - 1), "one value: left alone");
    bai_solarize_add(im, 99);
    CHECK(im.p[0] == 99, "99 added to 0: %d", im.p[0]);
    bai_solarize_add(im, 200);
    CHECK(im.p[0] == 255, "held at 255: %d", im.p[0]);
    bai_solarize_add(im, 1);
    CHECK(im.p[0] == 255, "255 is not below 128: %d", im.p[0]);
    free(im.p);
    check_group("tables");
}

/* ---- random operations ---- */

static ba_augment settings(int64_t image)
{
    ba_loader_options o;
    ba_loader_defaults(&o);
    o.augment.image = image;
    o.augment.operations = 2;
    return o.augment;
}

/* At level 9 the arguments are those of the published table. */
static void levels(void)
{
    enum { S = 32, N = S * S * 3 };
    ba_augment a = settings(S);
    uint8_t other[N], out[N];
    for (int sign = -1; sign <= 1; sign += 2)
        for (int op = 0; op < BAI_RANDAUGMENT_OPS; op++) {
            bai_image im = { test_picture(S, S), S, S }, want = { test_picture(S, S), S, S };
            ba_box box = { 0 };
            double m[6] = { 1, 0, 0, 0, 1, 0 };
            float factor = (float)(1 + sign * 0.81);
            bai_randaugment_one(&a, op, 9, sign, im.p, other, &box);
            switch (op) {
            case 0: bai_autocontrast(want); break;
            case 1: bai_equalize(want); break;
            case 2: bai_invert(want); break;
            case 3: bai_rotation(S, S, sign * 27.0, m); break;
            case 4: bai_posterize(want, 1); break;
            case 5: bai_solarize(want, 26); break;
            case 6: bai_solarize_add(want, 99); break;
            case 7: bai_saturation(want, factor); break;
            case 8: bai_contrast(want, factor); break;
            case 9: bai_brightness(want, factor); break;
            case 10: bai_sharpness(want, factor, other); break;
            case 11: m[1] = sign * 0.27; break;
            case 12: m[3] = sign * 0.27; break;
            case 13: m[2] = sign * 0.405 * S; break;
            default: m[5] = sign * 0.405 * S; break;
            }
            if (op == 3 || op > 10) {
                bai_affine(want, m, BA_BICUBIC, fill, out);
                memcpy(want.p, out, N);
            }
            int worst = 0;
            for (int i = 0; i < N; i++)
                worst = abs(im.p[i] - want.p[i]) > worst ? abs(im.p[i] - want.p[i]) : worst;
            CHECK(worst <= 1, "operation %d, sign %d: off by %d", op, sign, worst);
            free(im.p);
            free(want.p);
        }
    check_group("random operations at level 9");
}

/* A white square and its box stay together; nothing is drawn for a quarter of the samples; seeds and samples matter. */
static void drawn(void)
{
    enum { S = 48, N = S * S * 3, SAMPLES = 3000 };
    ba_augment a = settings(S);
    uint8_t before[N] = { 0 }, image[N], again[N], scratch[N];
    for (int y = 18; y < 30; y++)
        memset(before + (y * S + 14) * 3, 255, 3 * 16);
    int untouched = 0, same = 1, moved = 0, wrong = 0;
    for (int i = 0; i < SAMPLES; i++) {
        ba_box box = { 14, 18, 30, 30 }, other = box;
        memcpy(image, before, N);
        memcpy(again, before, N);
        bai_randaugment(&a, 1, 2, i, image, scratch, &box);
        bai_randaugment(&a, 1, 2, i, again, scratch, &other);
        same &= !memcmp(image, again, N) && !memcmp(&box, &other, sizeof box);
        untouched += !memcmp(image, before, N);
        if (box.x0 == 14 && box.x1 == 30 && box.y0 == 18 && box.y1 == 30)
            continue;
        moved++;
        int x = (int)(box.x0 + box.x1) / 2, y = (int)(box.y0 + box.y1) / 2, inside = image[(y * S + x) * 3], edge = image[0];
        wrong += box.x1 - box.x0 > 8 && box.y1 - box.y0 > 8 && abs(inside - edge) < 20;
    }
    CHECK(same, "a function of its arguments");
    CHECK(untouched > SAMPLES / 5 && untouched < SAMPLES / 2, "%d of %d untouched", untouched, SAMPLES);
    CHECK(moved > SAMPLES / 4 && moved < SAMPLES / 2, "%d of %d boxes moved", moved, SAMPLES);
    CHECK(wrong < moved / 10, "%d of %d boxes have lost their object", wrong, moved);
    check_group("random operations as drawn");
}

/* 3-Augment picks each of its three as often; jitter stays within its bounds; the same sample is drawn the same. */
static void sampled(void)
{
    enum { S = 16, N = S * S * 3, SAMPLES = 3000 };
    ba_augment a = { .size = sizeof a, .policy = BA_AUGMENT_CROP, .image = S, .three = 1 }, j = { .size = sizeof j, .image = S, .jitter = 1, .brightness = 0.4 };
    uint8_t before[N], image[N], again[N], scratch[N];
    int grey = 0, inverted = 0, same = 1, low = 255, high = 0;
    for (int i = 0; i < N; i++)
        before[i] = (uint8_t)(i % 3 == 0 ? 200 : i % 3 == 1 ? 150 : 180);
    for (int i = 0; i < SAMPLES; i++) {
        memcpy(image, before, N);
        memcpy(again, before, N);
        bai_colour(&a, 3, 1, i, image, scratch);
        bai_colour(&a, 3, 1, i, again, scratch);
        same &= !memcmp(image, again, N);
        grey += image[0] == image[1] && image[1] == image[2];
        inverted += image[0] == 55 && image[1] == 105;
        memset(image, 100, N);
        bai_colour(&j, 3, 1, i, image, scratch);
        low = image[0] < low ? image[0] : low;
        high = image[0] > high ? image[0] : high;
    }
    CHECK(same, "a function of its arguments");
    CHECK(abs(grey - SAMPLES / 3) < 120 && abs(inverted - SAMPLES / 3) < 120, "%d grey, %d solarised of %d", grey, inverted, SAMPLES);
    CHECK(low >= 60 && low <= 61 && high >= 138 && high <= 140, "brightness 0.4: %d to %d", low, high);
    check_group("colours as drawn");
}

int main(void)
{
    levels();
    drawn();
    affine();
    blends();
    tables();
    colours();
    sampled();
    return check_done();
}
