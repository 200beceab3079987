/* test_picture: PNG files read back by libpng, sheets pixel by pixel, every character of the font different from the others. */
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/io/picture.h"
#include "../check.h"
#include "bauta/picture.h"
#include "help.h"

static char folder[400], path[500];

static uint8_t *read_png(unsigned *width, unsigned *height)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_file(&image, path))
        return NULL;
    image.format = PNG_FORMAT_RGB;
    uint8_t *p = malloc(PNG_IMAGE_SIZE(image));
    *width = image.width;
    *height = image.height;
    if (png_image_finish_read(&image, NULL, p, 0, NULL))
        return p;
    free(p);
    return NULL;
}

static void test_png(void)
{
    ba_err e = { 0 };
    unsigned w = 0, h = 0;
    uint64_t seed = 5;
    uint8_t rgb[3 * 37 * 11];
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)noise(&seed);
    CHECK(!ba_png_write(path, rgb, 37, 11, &e), "%s", e.msg);
    uint8_t *p = read_png(&w, &h);
    CHECK(p && w == 37 && h == 11 && !memcmp(p, rgb, sizeof rgb), "%u x %u", w, h);
    free(p);
    CHECK(!ba_png_write(path, rgb, 1, 1, &e), "%s", e.msg);
    CHECK(ba_png_write(path, rgb, 0, 1, &e) == BA_EARG && ba_png_write(path, rgb, 1, 30001, &e) == BA_EARG
        && ba_png_write(path, rgb, 30000, 30000, &e) == BA_EARG
       && ba_png_write(path, NULL, 1, 1, &e) == BA_EARG && ba_png_write(NULL, rgb, 1, 1, &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_png_write("/no/such/x.png", rgb, 1, 1, &e) == BA_EMACHINE && !strcmp(e.msg,
        "/no/such/x.png: No such file or directory"), "%s", e.msg);
    check_group("png");
}

static void test_sheet(void)
{
    ba_err e = { 0 };
    int64_t w, h;
    uint8_t rgb[3 * 4 * 4];
    int32_t kept[] = { 0, 3 };
    memset(rgb, 200, sizeof rgb);
    rgb[0] = 100;
    ba_sheet *s = ba_sheet_new(2, 1, 10, 8, 1, "two", &e);
    CHECK(s, "%s", e.msg);
    CHECK(!ba_sheet_picture(s, 1, 0, rgb, 4, 4, 2, &e) && !ba_sheet_caption(s, 1, 0, "a caption that is too long", &e), "%s",
        e.msg);
    CHECK(!ba_sheet_mask(s, 1, 0, 2, 2, kept, 2, &e), "%s", e.msg);
    const uint8_t *p = bai_sheet_pixels(s, &w, &h);
    CHECK(w == 8 + 2 * 18 && h == 8 + 16 + 8 + 12 + 8, "%lld x %lld", (long long)w, (long long)h);
    const uint8_t *at = p + 3 * (24 * w + 26); /* the picture's corner */
    CHECK(at[0] == 100 && at[1] == 200 && at[3] == 100 && at[6] == 200 && at[3 * w] == 100 && at[6 * w] == 200,
        "scaled: %d %d", at[0], at[1]);
    CHECK(at[3 * 4] == 50 && at[3 * (4 * w)] == 50 && at[3 * (4 * w + 4)] == 200, "masked: %d %d", at[3 * 4], at[3 * (4 * w)]);
    CHECK(at[-3] == 255 && at[3 * 8] == 255 && at[3 * (8 * w)] == 255, "around it");
    long dark = 0;
    for (int64_t i = 0; i < 3 * w * h; i++)
        dark += p[i] == 0;
    CHECK(dark > 60 && dark < 600, "%ld dark dots of text", dark);
    CHECK(!ba_sheet_write(s, path, &e), "%s", e.msg);
    CHECK(ba_sheet_picture(s, 2, 0, rgb, 4, 4, 1, &e) == BA_EARG && !strcmp(e.msg, "sheet: cell 2, 0 of 2 x 1"), "%s", e.msg);
    CHECK(ba_sheet_picture(s, 0, 0, rgb, 4, 4, 3, &e) == BA_EARG && !strcmp(e.msg,
        "sheet: a picture of 4 x 4, 3 times, does not fit into 10 x 8"), "%s", e.msg);
    CHECK(ba_sheet_picture(s, 0, 0, rgb, 4, 4, INT64_MAX, &e) == BA_EARG && ba_sheet_picture(s, 0, 0, NULL, 1, 1, 1,
        &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_sheet_mask(s, 0, 0, 2, 2, kept, 2, &e) == BA_EARG, "no picture there: %s", e.msg);
    kept[1] = 4;
    CHECK(ba_sheet_mask(s, 1, 0, 2, 2, kept, 2, &e) == BA_EARG && !strcmp(e.msg, "sheet: patch 4 of 4"), "%s", e.msg);
    CHECK(ba_sheet_mask(s, 1, 0, INT64_MAX, 2, kept, 1, &e) == BA_EARG && ba_sheet_mask(s, 1, 0, 2, 2, kept, -1,
        &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_sheet_caption(s, 0, 0, NULL, &e) == BA_EARG && ba_sheet_caption(NULL, 0, 0, "x", &e) == BA_EARG, "%s", e.msg);
    ba_sheet_free(s);
    CHECK(!ba_sheet_new(0, 1, 1, 1, 0, NULL, &e) && !ba_sheet_new(10000, 10000, 10, 10, 0, NULL, &e)
        && !ba_sheet_new(INT64_MAX, 1, INT64_MAX, 1, 0, NULL, &e), "%s", e.msg);
    check_group("sheets");
}

static void test_font(void)
{
    int same = 0, tall = 0;
    for (int a = 32; a < 127; a++) {
        for (int b = a + 1; b < 128; b++)
            same += !memcmp(bai_glyph(a), bai_glyph(b), BAI_GLYPH_WIDTH);
        for (int i = 0; i < BAI_GLYPH_WIDTH; i++)
            tall += bai_glyph(a)[i] > 0x7f;
    }
    CHECK(!same && !tall && bai_glyph(200) == bai_glyph(0), "%d pairs alike, %d too tall", same, tall);
    ba_err e = { 0 };
    ba_sheet *plain = ba_sheet_new(1, 1, 80, 8, 1, "bear Ox", &e), *accents = ba_sheet_new(1, 1, 80, 8, 1, "b\xc3\xa9\xc3\xa4r \xc3\x98\xc3\x97", &e);
    CHECK(plain && accents && !ba_sheet_write(plain, path, &e), "%s", e.msg);
    unsigned w, h, w2, h2;
    uint8_t *a = read_png(&w, &h);
    CHECK(!ba_sheet_write(accents, path, &e), "%s", e.msg);
    uint8_t *b = read_png(&w2, &h2);
    CHECK(a && b && w == w2 && h == h2 && !memcmp(a, b, (size_t)3 * w * h), "accents are left out");
    free(a);
    free(b);
    ba_sheet_free(plain);
    ba_sheet_free(accents);
    check_group("font");
}

int main(void)
{
    snprintf(folder, sizeof folder, "%s", temp_folder("pictures"));
    snprintf(path, sizeof path, "%s/a.png", folder);
    test_png();
    test_sheet();
    test_font();
    return check_done();
}
