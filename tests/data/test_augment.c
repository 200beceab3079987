/* augment: what is drawn stays within the picture and follows the distribution; boxes move with their pixels; evaluation
 * keeps the centre as torchvision does; small pictures get a black border. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "data/augment.h"
#include "help.h"

static ba_err e;

static ba_augment defaults(int policy, int64_t image)
{
    ba_loader_options o;
    ba_loader_defaults(&o);
    o.augment.policy = policy;
    o.augment.image = image;
    return o.augment;
}

/* The two means are those of a simulation of torchvision's rule with 100,000 draws. */
static void crops(void)
{
    ba_augment a = defaults(BA_AUGMENT_CROP, 224);
    double area = 0, log_ratio = 0, flips = 0, left = 0;
    int inside = 1, ratios = 1, N = 20000;
    for (int i = 0; i < N; i++) {
        bai_draw d;
        CHECK(bai_augment_draw(&a, 375, 500, 7, (uint32_t)i % 5, i, &d, &e) == BA_OK, "%s", e.msg);
        inside &= d.x >= 0 && d.y >= 0 && d.width >= 1 && d.height >= 1 && d.x + d.width <= 500 && d.y + d.height <= 375;
        double r = (double)d.width / (double)d.height;
        ratios &= r > 0.74 && r < 1.35;
        area += (double)(d.width * d.height) / (375 * 500);
        log_ratio += log(r);
        flips += d.window.flip;
        left += (double)d.x / (double)(500 - d.width + 1);
    }
    CHECK(inside && ratios, "inside %d, ratios %d", inside, ratios);
    CHECK(fabs(area / N - 0.4328) < 0.008, "mean area %g", area / N);
    CHECK(fabs(log_ratio / N - 0.0303) < 0.006, "mean of log ratio %g", log_ratio / N);
    CHECK(fabs(flips / N - 0.5) < 0.02, "flips %g", flips / N);
    CHECK(fabs(left / N - 0.5) < 0.02, "mean place %g", left / N);
    check_group("random resized crops");
}

/* Drawn once and cut to the picture, as MAE's linear probe does: means of a simulation of that rule with 4,000,000 draws. */
static void drawn_once(void)
{
    static const struct { int64_t rows, columns; double area, log_ratio, high; } want[] = {
        { 375, 500, 0.51863, 0.02599, 0.26243 }, { 100, 1000, 0.22455, 0.76300, 0.97747 }, { 1, 1, 1, 0, 1 } };
    ba_augment a = defaults(BA_AUGMENT_CROP, 224);
    a.once = 1;
    for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
        int64_t rows = want[k].rows, columns = want[k].columns;
        double area = 0, log_ratio = 0, high = 0;
        int inside = 1, N = 20000;
        for (int i = 0; i < N; i++) {
            bai_draw d;
            CHECK(bai_augment_draw(&a, rows, columns, 7, 1, i, &d, &e) == BA_OK, "%s", e.msg);
            inside &= d.x >= 0 && d.y >= 0 && d.width >= 1 && d.height >= 1 && d.x + d.width <= columns && d.y + d.height <= rows;
            area += (double)(d.width * d.height) / (double)(rows * columns);
            log_ratio += log((double)d.width / (double)d.height);
            high += d.height == rows;
        }
        CHECK(inside && fabs(area / N - want[k].area) < 0.008 && fabs(log_ratio / N - want[k].log_ratio) < 0.01 && fabs(high / N - want[k].high) < 0.015,
            "%lldx%lld: inside %d, mean area %g, log of ratio %g, as high as the picture %g", (long long)columns, (long long)rows, inside, area / N,
            log_ratio / N, high / N);
    }
    check_group("crops that are drawn once");
}

/* Extreme pictures fall back to a crop in the middle, with the ratio held to its bounds. */
static void extremes(void)
{
    static const int64_t sizes[][6] = { /* rows, columns; x, y, width, height */
        { 1, 1, 0, 0, 1, 1 }, { 5000, 1, 0, 2499, 1, 1 }, { 1, 5000, 2499, 0, 1, 1 }, { 1000, 10, 0, 493, 10, 13 },
            { 10, 1000, 493, 0, 13, 10 },
    };
    bai_resizer r = { 0 };
    ba_augment a = defaults(BA_AUGMENT_CROP, 16);
    a.scale_low = 0.9; /* can never be met by the long ones */
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const int64_t *s = sizes[k];
        bai_draw d;
        ba_picture p = { .rows = s[0], .columns = s[1], .pixels = test_picture(s[1], s[0]) };
        uint8_t out[16 * 16 * 3];
        ba_box box;
        CHECK(bai_augment_draw(&a, s[0], s[1], 1, 0, 3, &d, &e) == BA_OK, "%s", e.msg);
        CHECK(d.x == s[2] && d.y == s[3] && d.width == s[4] && d.height == s[5], "%zu: %lld %lld %lldx%lld", k, (long long)d.x,
            (long long)d.y, (long long)d.width, (long long)d.height);
        CHECK(bai_augment_apply(&r, &a, &d, &p, out, &box, &e) == BA_OK, "%s", e.msg);
        a.policy = BA_AUGMENT_EVALUATE;
        CHECK(bai_augment_draw(&a, s[0], s[1], 1, 0, 3, &d, &e) == BA_OK
            && bai_augment_apply(&r, &a, &d, &p, out, &box, &e) == BA_OK, "%s", e.msg);
        a.policy = BA_AUGMENT_CROP;
        free(p.pixels);
    }
    bai_resizer_end(&r);
    check_group("extreme pictures");
}

/* 224 out of 256: torchvision's Resize(256) and CenterCrop(224) on 375 x 500, and the box goes along. */
static void evaluation(void)
{
    ba_augment a = defaults(BA_AUGMENT_EVALUATE, 224);
    bai_draw d;
    CHECK(bai_augment_draw(&a, 375, 500, 0, 0, 0, &d, &e) == BA_OK, "%s", e.msg);
    CHECK(d.window.full_rows == 256 && d.window.full_columns == 341 && d.window.row == 16 && d.window.column == 58
        && !d.window.flip,
        "%lldx%lld, %lld %lld", (long long)d.window.full_columns, (long long)d.window.full_rows, (long long)d.window.column,
            (long long)d.window.row);
    CHECK(bai_augment_draw(&a, 301, 200, 0, 0, 0, &d, &e) == BA_OK && d.window.full_rows == 385 && d.window.row == 80,
        "half to even: %lld of %lld",
        (long long)d.window.row, (long long)d.window.full_rows);
    ba_picture p = { .rows = 375, .columns = 500, .pixels = test_picture(500, 375), .box = { 250, 187.5f, 500, 375 } };
    uint8_t *out = malloc(224 * 224 * 3), *all = malloc(341 * 256 * 3);
    bai_resizer r = { 0 };
    ba_box box;
    bai_augment_draw(&a, 375, 500, 0, 0, 0, &d, &e);
    CHECK(bai_augment_apply(&r, &a, &d, &p, out, &box, &e) == BA_OK, "%s", e.msg);
    CHECK(fabsf(box.x0 - 112.5f) < 0.01f && fabsf(box.y0 - 112) < 0.01f && box.x1 == 224 && box.y1 == 224, "%g %g %g %g", box.x0,
        box.y0, box.x1, box.y1);
    bai_part part = { p.pixels, 1500, 375, 500 };
    bai_window whole = { .full_rows = 256, .full_columns = 341, .rows = 256, .columns = 341 };
    bai_resize(&r, &part, &whole, BA_BICUBIC, all, &e);
    int same = 1;
    for (int y = 0; y < 224; y++)
        same &= !memcmp(out + y * 224 * 3, all + ((y + 16) * 341 + 58) * 3, 224 * 3);
    CHECK(same, "the crop is cut out of the resized picture");
    bai_resizer_end(&r);
    free(out);
    free(all);
    free(p.pixels);
    check_group("evaluation");
}

/* Every pixel of a padded crop is the picture's at its place, or black; the box follows the white square. */
static void padding(void)
{
    ba_augment a = defaults(BA_AUGMENT_PAD, 32);
    uint8_t *pixels = calloc(32 * 32, 3), out[32 * 32 * 3];
    for (int y = 10; y < 20; y++)
        memset(pixels + (y * 32 + 5) * 3, 255, 3 * 8);
    ba_picture p = { .rows = 32, .columns = 32, .pixels = pixels, .box = { 5, 10, 13, 20 } };
    int seen[9][9] = { { 0 } }, flips = 0, right = 1;
    for (int i = 0; i < 2000; i++) {
        bai_draw d;
        ba_box b;
        CHECK(!bai_augment_draw(&a, 32, 32, 3, 1, i, &d, &e) && !bai_augment_apply(NULL, &a, &d, &p, out, &b, &e), "%s", e.msg);
        seen[d.y + 4][d.x + 4]++;
        flips += d.window.flip;
        for (int y = 0; y < 32; y++)
            for (int x = 0; x < 32; x++)
                right &= (out[(y * 32 + x) * 3 + 1] == 255) == ((float)x >= b.x0 && (float)x < b.x1 && (float)y >= b.y0
                    && (float)y < b.y1);
    }
    int places = 0;
    for (int i = 0; i < 81; i++)
        places += seen[i / 9][i % 9] > 0;
    CHECK(right, "box and pixels go together");
    CHECK(places == 81 && flips > 900 && flips < 1100, "%d places, %d flips", places, flips);
    bai_draw d;
    CHECK(bai_augment_draw(&a, 20, 32, 0, 0, 0, &d, &e) == BA_EDATA && strstr(e.msg,
        "32x20 with a border of 4 is smaller than 32x32"), "%s", e.msg);
    a = defaults(BA_AUGMENT_NONE, 32);
    CHECK(bai_augment_draw(&a, 32, 40, 0, 0, 0, &d, &e) == BA_EDATA && strstr(e.msg, "40x32; 32x32 expected"), "%s", e.msg);
    free(pixels);
    check_group("small pictures");
}

/* A white square moves to where the box says, within a pixel, in any crop. */
static void boxes(void)
{
    ba_augment a = defaults(BA_AUGMENT_CROP, 64);
    uint8_t *pixels = calloc(100 * 80, 3), *out = malloc(64 * 64 * 3);
    for (int y = 30; y < 60; y++)
        memset(pixels + (y * 100 + 40) * 3, 255, 3 * 30);
    ba_picture p = { .rows = 80, .columns = 100, .pixels = pixels, .box = { 40, 30, 70, 60 } };
    bai_resizer r = { 0 };
    int wrong = 0, gone = 0;
    for (int i = 0; i < 500; i++) {
        bai_draw d;
        ba_box b;
        float x0 = 64, x1 = 0, y0 = 64, y1 = 0;
        CHECK(!bai_augment_draw(&a, 80, 100, 9, 0, i, &d, &e) && !bai_augment_apply(&r, &a, &d, &p, out, &b, &e), "%s", e.msg);
        for (int y = 0; y < 64; y++)
            for (int x = 0; x < 64; x++)
                if (out[(y * 64 + x) * 3] > 127) {
                    x0 = fminf(x0, (float)x), x1 = fmaxf(x1, (float)x + 1);
                    y0 = fminf(y0, (float)y), y1 = fmaxf(y1, (float)y + 1);
                }
        if (x1 <= x0 || b.x1 - b.x0 < 2 || b.y1 - b.y0 < 2)
            gone++;
        else
            wrong += fabsf(x0 - b.x0) > 1 || fabsf(x1 - b.x1) > 1 || fabsf(y0 - b.y0) > 1 || fabsf(y1 - b.y1) > 1;
    }
    CHECK(!wrong && gone < 250, "%d boxes are wrong, %d objects out of sight", wrong, gone);
    bai_resizer_end(&r);
    free(pixels);
    free(out);
    check_group("boxes move with the pixels");
}

static void same_arguments(void)
{
    ba_augment a = defaults(BA_AUGMENT_CROP, 224);
    bai_draw one, two;
    int same = 0;
    bai_augment_draw(&a, 300, 400, 5, 2, 77, &one, &e);
    bai_augment_draw(&a, 300, 400, 5, 2, 77, &two, &e);
    CHECK(!memcmp(&one, &two, sizeof one), "a function of its arguments");
    for (int k = 0; k < 3; k++) {
        bai_augment_draw(&a, 300, 400, 5 + (k == 0), 2 + (k == 1), 77 + (k == 2), &two, &e);
        same += one.x == two.x && one.y == two.y && one.width == two.width;
    }
    CHECK(same == 0, "seed, epoch and sample each matter: %d the same", same);
    check_group("a function of seed, epoch and sample");
}

static void refused(ba_augment a, const char *words)
{
    CHECK(bai_augment_judge(&a, &e) == BA_EARG && strstr(e.msg, words), "wanted '%s', got '%s'", words, e.msg);
}

static void judged(void)
{
    ba_augment a = defaults(BA_AUGMENT_CROP, 224), b;
    CHECK(bai_augment_judge(&a, &e) == BA_OK, "%s", e.msg);
    (b = a, b.size = 3, refused(b, "size 3"));
    (b = a, b.policy = 9, refused(b, "policy 9"));
    (b = a, b.image = 0, refused(b, "image 0"));
    (b = a, b.image = 5000, refused(b, "image 5000"));
    (b = a, b.interpolation = 3, refused(b, "interpolation 3"));
    (b = a, b.scale_low = 0, refused(b, "scale 0 to 1"));
    (b = a, b.scale_high = NAN, refused(b, "scale"));
    (b = a, b.ratio_low = 2, refused(b, "ratio 2 to"));
    (b = a, b.flip = 1.5, refused(b, "flip 1.5"));
    (b = a, b.once = 2, refused(b, "once 2"));
    (b = a, b.operations = 9, refused(b, "operations 9"));
    (b = a, b.magnitude = 11, refused(b, "magnitude 11 with spread 0.5"));
    (b = a, b.policy = BA_AUGMENT_PAD, b.pad = -1, refused(b, "pad -1"));
    (b = a, b.policy = BA_AUGMENT_EVALUATE, b.crop = 2, refused(b, "crop 2"));
    check_group("settings out of range");
}

int main(void)
{
    crops();
    drawn_once();
    extremes();
    evaluation();
    padding();
    boxes();
    same_arguments();
    judged();
    return check_done();
}
