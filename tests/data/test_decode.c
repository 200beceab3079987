/* decode: the kinds of JPEG and PNG there are, what is refused and in which words, truncation at every place, and bombs. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <png.h>

#include "../check.h"
#include "data/decode.h"
#include "help.h"

static ba_picture out = { .size = sizeof out };
static ba_err e;

static int decode(const bytes *b)
{
    e = (ba_err){ 0 };
    return bai_decode(b->p, b->n, "x", &out, &e);
}

static int worst_difference(const uint8_t *a, const uint8_t *b, int64_t n)
{
    int worst = 0;
    for (int64_t i = 0; i < n; i++)
        worst = abs(a[i] - b[i]) > worst ? abs(a[i] - b[i]) : worst;
    return worst;
}

static void jpeg_colours(void)
{
    uint8_t *rgb = smooth_picture(37, 29, 3), *grey = smooth_picture(37, 29, 1);
    for (int k = 0; k < 4; k++) {
        bytes b = make_jpeg(rgb, 37, 29, (jpeg_kind){ .channels = 3, .progressive = k & 1, .subsample = k >> 1 });
        CHECK(decode(&b) == BA_OK && out.rows == 29 && out.columns == 37, "%s", e.msg);
        CHECK(worst_difference(out.pixels, rgb, 37 * 29 * 3) <= (k >> 1 ? 8 : 4), "kind %d: off by %d", k,
            worst_difference(out.pixels, rgb, 37 * 29 * 3));
        bytes_end(&b);
    }
    bytes b = make_jpeg(grey, 37, 29, (jpeg_kind){ .channels = 1 });
    CHECK(decode(&b) == BA_OK, "%s", e.msg);
    int same = 1, close = 1;
    for (int i = 0; i < 37 * 29; i++) {
        same &= out.pixels[3 * i] == out.pixels[3 * i + 1] && out.pixels[3 * i] == out.pixels[3 * i + 2];
        close &= abs(out.pixels[3 * i] - grey[i]) <= 2;
    }
    CHECK(same && close, "grey is repeated over the channels: %d %d", same, close);
    bytes_end(&b);
    free(rgb);
    free(grey);
    check_group("JPEG: colour, grey, progressive, subsampled");
}

/* A flat picture of inverted inks c m y k: stored samples are 255 - ink. The wanted colours are Pillow's. */
static void jpeg_inks(void)
{
    static const uint8_t inks[][4] = { { 255, 255, 255, 255 }, { 255, 255, 255, 0 }, { 0, 128, 255, 255 }, { 200, 100, 50, 180 },
        { 0, 0, 0, 255 } };
    static const uint8_t wanted[][3] = { { 255, 255, 255 }, { 0, 0, 0 }, { 0, 128, 255 }, { 141, 71, 35 }, { 0, 0, 0 } };
    for (int k = 0; k < 5; k++)
        for (int ycck = 0; ycck < 2; ycck++) {
            uint8_t pixels[16 * 16 * 4];
            for (int i = 0; i < 256; i++)
                memcpy(pixels + 4 * i, inks[k], 4);
            bytes b = make_jpeg(pixels, 16, 16, (jpeg_kind){ .channels = 4, .ycck = ycck });
            CHECK(decode(&b) == BA_OK, "%s", e.msg);
            CHECK(worst_difference(out.pixels, wanted[k], 3) <= (ycck ? 2 : 1), "inks %d, ycck %d: %d %d %d", k, ycck,
                out.pixels[0], out.pixels[1],
                out.pixels[2]);
            bytes_end(&b);
        }
    check_group("JPEG: CMYK and YCCK");
}

static void jpeg_refused(void)
{
    uint8_t *rgb = smooth_picture(64, 64, 3);
    bytes b = make_jpeg(rgb, 64, 64, (jpeg_kind){ .channels = 3, .arithmetic = 1 });
    CHECK(decode(&b) == BA_EDATA && strstr(e.msg, "x: is an arithmetic-coded JPEG"), "%s", e.msg);
    bytes_end(&b);
    b = make_jpeg(rgb, 64, 64, (jpeg_kind){ .channels = 3 });
    for (int64_t i = 0; i + 5 < b.n; i++)
        if (b.p[i] == 0xff && b.p[i + 1] == 0xc0) {
            b.p[i + 4] = 12;
            break;
        }
    CHECK(decode(&b) == BA_EDATA && strstr(e.msg, "x: is a 12-bit JPEG"), "%s", e.msg);
    bytes_end(&b);
    free(rgb);
    check_group("JPEG: kinds that are refused");
}

/* No prefix of a file decodes, and each is refused in a line; bytes behind the end do not matter. */
static void truncated(const char *what, bytes b)
{
    int64_t wrong = 0, odd = 0;
    CHECK(decode(&b) == BA_OK, "%s: %s", what, e.msg);
    for (int64_t n = 0; n < b.n; n++) {
        bytes cut = { .p = malloc((size_t)n + 1), .n = n };
        memcpy(cut.p, b.p, (size_t)n);
        wrong += decode(&cut) != BA_EDATA;
        odd += strncmp(e.msg, "x: ", 3) != 0 || strchr(e.msg, '\n') || strlen(e.msg) < 8;
        free(cut.p);
    }
    CHECK(!wrong && !odd, "%s: %lld of %lld prefixes decoded, %lld odd messages", what, (long long)wrong, (long long)b.n,
        (long long)odd);
    bytes_add(&b, "trailing", 8);
    CHECK(decode(&b) == BA_OK, "%s: %s", what, e.msg);
    bytes_end(&b);
}

static void truncations(void)
{
    uint8_t *rgb = test_picture(40, 32);
    truncated("baseline", make_jpeg(rgb, 40, 32, (jpeg_kind){ .channels = 3, .quality = 75, .subsample = 1 }));
    truncated("progressive", make_jpeg(rgb, 40, 32, (jpeg_kind){ .channels = 3, .quality = 75, .progressive = 1 }));
    truncated("png", make_png(rgb, 120, 40, 32, (png_kind){ .type = PNG_COLOR_TYPE_RGB, .depth = 8 }));
    truncated("interlaced png", make_png(rgb, 120, 40, 32, (png_kind){ .type = PNG_COLOR_TYPE_RGB, .depth = 8,
        .interlaced = 1 }));
    bytes b = make_jpeg(rgb, 40, 32, (jpeg_kind){ .channels = 3, .quality = 75 });
    b.n -= 40;
    CHECK(decode(&b) == BA_EDATA && !strcmp(e.msg, "x: premature end of JPEG"), "%s", e.msg);
    bytes_end(&b);
    free(rgb);
    check_group("truncated at every byte");
}

typedef struct wanted { png_kind k; int channels; const char *what; } wanted;

/* What a PNG's sample row must become. v: the first sample of a pixel, as stored. */
static void png_kinds(void)
{
    static const wanted kinds[] = {
        { { PNG_COLOR_TYPE_GRAY, 8, 0, 0, 0 }, 1, "grey" }, { { PNG_COLOR_TYPE_GRAY, 8, 1, 1, 0 }, 1, "grey, tRNS, interlaced" },
        { { PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, 0, 0 }, 2, "grey and alpha" },
            { { PNG_COLOR_TYPE_RGB, 8, 1, 0, 1 }, 3, "interlaced with text" },
        { { PNG_COLOR_TYPE_RGB, 8, 0, 1, 0 }, 3, "tRNS" }, { { PNG_COLOR_TYPE_RGB_ALPHA, 8, 1, 0, 0 }, 4, "alpha, interlaced" },
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int c = kinds[k].channels, same = 1;
        uint8_t *p = smooth_picture(21, 13, c);
        bytes b = make_png(p, 21 * c, 21, 13, kinds[k].k);
        CHECK(decode(&b) == BA_OK && out.rows == 13 && out.columns == 21, "%s: %s", kinds[k].what, e.msg);
        for (int i = 0; i < 21 * 13; i++)
            for (int j = 0; j < 3; j++)
                same &= out.pixels[3 * i + j] == p[i * c + (c > 2 ? j : 0)];
        CHECK(same, "%s", kinds[k].what);
        bytes_end(&b);
        free(p);
    }
    check_group("PNG: grey, alpha, transparency, interlaced");
}

static void png_depths(void)
{
    uint8_t wide[2 * 3 * 4] = { 0, 255, 1, 0, 2, 128, 255, 255, 128, 127, 64, 0, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4 };
    bytes b = make_png(wide, 24, 4, 1, (png_kind){ .type = PNG_COLOR_TYPE_RGB, .depth = 16 });
    CHECK(decode(&b) == BA_OK, "%s", e.msg);
    for (int i = 0; i < 12; i++)
        CHECK(out.pixels[i] == wide[2 * i], "16 bits: sample %d is %d", i, out.pixels[i]);
    bytes_end(&b);
    uint8_t grey16[8] = { 0, 255, 128, 1, 255, 0, 77, 200 };
    b = make_png(grey16, 8, 4, 1, (png_kind){ .type = PNG_COLOR_TYPE_GRAY, .depth = 16 });
    CHECK(decode(&b) == BA_OK && out.pixels[3] == 128 && out.pixels[8] == 255, "%s", e.msg);
    bytes_end(&b);
    uint8_t bits[1] = { 0xa0 }, fours[2] = { 0x0f, 0x50 }, index[1] = { 0x1b };
    b = make_png(bits, 1, 4, 1, (png_kind){ .type = PNG_COLOR_TYPE_GRAY, .depth = 1 });
    CHECK(decode(&b) == BA_OK && out.pixels[0] == 255 && out.pixels[3] == 0 && out.pixels[6] == 255, "%s", e.msg);
    bytes_end(&b);
    b = make_png(fours, 2, 4, 1, (png_kind){ .type = PNG_COLOR_TYPE_GRAY, .depth = 4 });
    CHECK(decode(&b) == BA_OK && out.pixels[3] == 255 && out.pixels[6] == 85, "%s", e.msg);
    bytes_end(&b);
    for (int transparent = 0; transparent < 2; transparent++) {
        b = make_png(index, 1, 4, 1, (png_kind){ .type = PNG_COLOR_TYPE_PALETTE, .depth = 2, .transparent = transparent });
        static const uint8_t palette[12] = { 10, 20, 30, 200, 100, 50, 0, 255, 0, 7, 8, 9 };
        CHECK(decode(&b) == BA_OK && !memcmp(out.pixels, palette, 12), "palette: %s", e.msg);
        bytes_end(&b);
    }
    check_group("PNG: 1, 2, 4 and 16 bits, palettes");
}

/* Every flipped bit of a PNG is found: whatever still decodes has the same pixels. */
static void png_flips(void)
{
    uint8_t *p = test_picture(9, 7);
    int64_t decoded = 0;
    bytes b = make_png(p, 27, 9, 7, (png_kind){ .type = PNG_COLOR_TYPE_RGB, .depth = 8 });
    for (int64_t bit = 64; bit < b.n * 8; bit++) {
        b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        decoded += decode(&b) == BA_OK;
        b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(decoded == 0, "%lld of %lld", (long long)decoded, (long long)b.n * 8 - 64);
    bytes_end(&b);
    free(p);
    check_group("PNG: every flipped bit is found");
}

static void not_pictures(void)
{
    static const struct { const char *text; int64_t n; const char *words; } files[] = {
        { "", 0, "x: is empty" }, { "\n<!DOCTYPE html><html>404", 24, "x: is HTML (a failed download?); JPEG or PNG expected" },
        { "<HTML><body>", 12, "HTML" }, { "<?xml version=\"1.0\"?><Error>", 28, "XML (a failed download?)" },
            { "GIF89a....", 10, "x: is GIF" },
        { "RIFF\4\0\0\0WEBPVP8 ", 16, "WebP" }, { "BM\0\0\0\0", 6, "BMP" },
            { "version https://git-lfs.github.com/spec/v1\n", 42, "Git LFS pointer" },
        { "hello, world\n", 13, "x: is text" }, { "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, "zeros" },
            { "\1\2\3\4", 4, "of no known kind" },
        { "\xff\xd8", 2, "JPEG with a damaged beginning" }, { "\x89PNG\n\x1a\n", 7, "PNG with a damaged signature" },
            { "II*\0", 4, "TIFF" },
        { "P6\n1 1\n255\n...", 14, "PPM" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bytes b = { .p = (uint8_t *)(uintptr_t)files[i].text, .n = files[i].n };
        CHECK(decode(&b) == BA_EDATA && strstr(e.msg, files[i].words), "%s", e.msg);
    }
    CHECK(bai_decode(NULL, 4, "x", &out, &e) == BA_EARG, "%s", e.msg);
    check_group("files that are no pictures");
}

/* Of this thread alone: the machine may be busy. */
static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void refused_fast(const char *what, const bytes *b, const char *words)
{
    double begin = now_ms();
    int status = decode(b);
    double took = now_ms() - begin;
    CHECK(status == BA_EDATA && strstr(e.msg, words), "%s: %s", what, e.msg);
    CHECK(took < 10, "%s: refused after %.1f ms", what, took);
}

static void set_size(bytes *b, int64_t at, int width, int big)
{
    for (int i = 0; i < width; i++)
        b->p[at + i] = (uint8_t)(big >> 8 * (width - 1 - i));
}

static void bombs(void)
{
    uint8_t *p = test_picture(64, 64);
    bytes b = make_jpeg(p, 64, 64, (jpeg_kind){ .channels = 3, .quality = 50, .progressive = 1 });
    int64_t sof = 0;
    while (b.p[sof] != 0xff || b.p[sof + 1] != 0xc2)
        sof++;
    set_size(&b, sof + 5, 2, 65500);
    set_size(&b, sof + 7, 2, 65500);
    refused_fast("JPEG 65500x65500", &b, "x: 65500x65500 exceeds 16384 pixels a side");
    set_size(&b, sof + 5, 2, 16000);
    set_size(&b, sof + 7, 2, 16000);
    refused_fast("JPEG 16000x16000", &b, "x: 16000x16000 exceeds 64 Mpx");
    set_size(&b, sof + 5, 2, 8000);
    set_size(&b, sof + 7, 2, 7000);
    refused_fast("JPEG 7000x8000 of few bytes", &b, "exceeds a compression of 1000");
    b.p = realloc(b.p, (size_t)(b.room = 200000 + b.n));
    memset(b.p + b.n, 0, 200000);
    b.n += 200000;
    refused_fast("JPEG 7000x8000, progressive", &b, "more than 256 MiB");
    bytes_end(&b);
    b = make_png(p, 192, 64, 64, (png_kind){ .type = PNG_COLOR_TYPE_RGB, .depth = 8 });
    set_size(&b, 16, 4, 30000);
    set_size(&b, 20, 4, 30000);
    refused_fast("PNG 30000x30000", &b, "x: 30000x30000 exceeds 16384 pixels a side");
    set_size(&b, 16, 4, 10000);
    set_size(&b, 20, 4, 10000);
    refused_fast("PNG 10000x10000", &b, "x: 10000x10000 exceeds 64 Mpx");
    set_size(&b, 16, 4, 0);
    refused_fast("PNG without pixels", &b, "no pixels");
    bytes_end(&b);
    free(p);
    check_group("bombs are refused within 10 ms");
}

/* A correct progressive JPEG that sends every bit of every coefficient by itself: 320 scans, stopped at 256. */
static void scans(void)
{
    uint8_t *p = smooth_picture(16, 16, 1);
    bytes b = make_jpeg(p, 16, 16, (jpeg_kind){ .channels = 1, .progressive = 1, .many_scans = 1 });
    CHECK(decode(&b) == BA_EDATA && !strcmp(e.msg, "x: more than 256 scans"), "%s", e.msg);
    bytes_end(&b);
    free(p);
    check_group("JPEG: too many scans");
}

int main(void)
{
    jpeg_colours();
    jpeg_inks();
    jpeg_refused();
    truncations();
    png_kinds();
    png_depths();
    png_flips();
    not_pictures();
    bombs();
    scans();
    free(out.pixels);
    return check_done();
}
