/* resize: the pixels are Pillow's, to the bit: CRCs of whole pictures made with Pillow 9.4, windows against the whole,
 * each with and without AVX2. */
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "data/resize.h"
#include "help.h"

typedef struct golden { int64_t columns, rows, x, y, width, height, out_columns, out_rows; int filter; uint32_t crc; int px, py,
    r, g, b; } golden;

static const golden goldens[] = {
    { 7, 5, 0, 0, 7, 5, 4, 3, BA_BICUBIC, 0x918674bf, 0, 0, 37, -1, -1 },
    { 7, 5, 0, 0, 7, 5, 4, 3, BA_BILINEAR, 0x5bae93ac, 0, 0, 46, -1, -1 },
    { 7, 5, 0, 0, 7, 5, 12, 9, BA_BICUBIC, 0xed021ca8, 1, 0, 5, -1, -1 },
    { 40, 32, 0, 0, 40, 32, 224, 224, BA_BICUBIC, 0x3297c60b, 5, 7, 46, 154, 110 },
    { 40, 32, 0, 0, 40, 32, 17, 13, BA_BICUBIC, 0x18d1dc64, 5, 7, 147, 150, 134 },
    { 40, 32, 0, 0, 40, 32, 17, 13, BA_BILINEAR, 0x74980edb, 5, 7, 141, 146, 135 },
    { 40, 32, 3, 2, 30, 25, 24, 24, BA_BICUBIC, 0x1ce81441, 5, 7, 131, 99, 89 },
    { 40, 32, 0, 0, 40, 32, 40, 32, BA_BICUBIC, 0x5ee0bd48, 5, 7, 205, 50, 151 },
};

static int plain; /* 1: as machines without AVX2 do it */

static int resize(bai_resizer *r, const bai_part *in, const bai_window *w, int interpolation, uint8_t *out, ba_err *e)
{
    return plain ? bai_resize_by(r, in, w, interpolation, 0, out, e) : bai_resize(r, in, w, interpolation, out, e);
}

static bai_part part_of(const uint8_t *p, int64_t columns, int64_t x, int64_t y, int64_t width, int64_t height)
{
    return (bai_part){ .pixels = p + (y * columns + x) * 3, .stride = columns * 3, .rows = height, .columns = width };
}

static bai_window whole(int64_t columns, int64_t rows)
{
    return (bai_window){ .full_rows = rows, .full_columns = columns, .rows = rows, .columns = columns };
}

static void against_pillow(bai_resizer *r)
{
    static const int bicubic_rows[12] = { 37, 110, 160, 127, 144, 176, 117, 96, 176, 72, 151, 152 };
    ba_err e;
    for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
        golden g = goldens[i];
        uint8_t *in = test_picture(g.columns, g.rows), *out = malloc((size_t)(g.out_columns * g.out_rows * 3));
        bai_part part = part_of(in, g.columns, g.x, g.y, g.width, g.height);
        bai_window w = whole(g.out_columns, g.out_rows);
        CHECK(resize(r, &part, &w, g.filter, out, &e) == BA_OK, "golden %zu: %s", i, e.msg);
        uint32_t crc = crc_of(out, g.out_columns * g.out_rows * 3);
        CHECK(crc == g.crc, "golden %zu: %08x, Pillow has %08x", i, crc, g.crc);
        const uint8_t *px = out + (g.py * g.out_columns + g.px) * 3;
        CHECK(px[0] == g.r && (g.g < 0 || (px[1] == g.g && px[2] == g.b)), "golden %zu: pixel %d %d %d", i, px[0], px[1], px[2]);
        for (int k = 0; i == 0 && k < 12; k++)
            CHECK(out[3 * k] == bicubic_rows[k], "red %d is %d", k, out[3 * k]);
        free(in);
        free(out);
    }
    check_group("pictures resized by Pillow");
}

/* 500 parts of pictures of random sizes; make_resize.py says where the CRC is from. */
static void against_pillow_often(bai_resizer *r)
{
    uint64_t seed = 11;
    uint32_t crc = 0;
    ba_err e;
    for (int i = 0; i < 500; i++) {
        int64_t size[4], x, y, w, h;
        for (int k = 0; k < 4; k++)
            size[k] = 1 + next_random(&seed) % 130;
        x = next_random(&seed) % (uint32_t)size[0];
        y = next_random(&seed) % (uint32_t)size[1];
        w = 1 + next_random(&seed) % (uint32_t)(size[0] - x);
        h = 1 + next_random(&seed) % (uint32_t)(size[1] - y);
        int filter = next_random(&seed) % 2 ? BA_BILINEAR : BA_BICUBIC;
        uint8_t *in = test_picture(size[0], size[1]), *out = malloc((size_t)(size[2] * size[3] * 3));
        bai_part part = part_of(in, size[0], x, y, w, h);
        bai_window window = whole(size[2], size[3]);
        CHECK(resize(r, &part, &window, filter, out, &e) == BA_OK, "%s", e.msg);
        crc = crc_on(crc, out, size[2] * size[3] * 3);
        free(in);
        free(out);
    }
    CHECK(crc == 0x67215c61, "%08x, Pillow has 67215c61", crc);
    check_group(plain ? "500 more, without AVX2" : "500 more");
}

/* A window of a large result is the same as cutting it out of the whole; a flip is a mirror. */
static void windows(bai_resizer *r)
{
    uint64_t seed = 1;
    uint8_t *in = test_picture(61, 47), *all = malloc(300 * 300 * 3), *some = malloc(300 * 300 * 3);
    ba_err e;
    for (int k = 0; k < 60; k++) {
        int64_t W = 1 + next_random(&seed) % 150, H = 1 + next_random(&seed) % 150;
        W = k % 7 ? W : 61;
        H = k % 5 ? H : 47;
        bai_window w = whole(W, H), v = w;
        v.rows = 1 + next_random(&seed) % (uint32_t)H;
        v.columns = 1 + next_random(&seed) % (uint32_t)W;
        v.row = next_random(&seed) % (uint32_t)(H - v.rows + 1);
        v.column = next_random(&seed) % (uint32_t)(W - v.columns + 1);
        v.flip = k % 2;
        bai_part part = part_of(in, 61, 0, 0, 61, 47);
        int filter = k % 3 ? BA_BICUBIC : BA_BILINEAR, same = 1;
        CHECK(!resize(r, &part, &w, filter, all, &e) && !resize(r, &part, &v, filter, some, &e), "%s", e.msg);
        for (int64_t y = 0; y < v.rows; y++)
            for (int64_t x = 0; x < v.columns; x++)
                same &= !memcmp(some + (y * v.columns + (v.flip ? v.columns - 1 - x : x)) * 3,
                    all + ((y + v.row) * W + x + v.column) * 3, 3);
        CHECK(same, "case %d: %lldx%lld", k, (long long)W, (long long)H);
    }
    free(in);
    free(all);
    free(some);
    check_group("windows and flips");
}

/* The definition in plain double arithmetic, for sizes no golden has: never more than one level away. */
static double kernel(int filter, double x)
{
    x = x < 0 ? -x : x;
    if (filter == BA_BILINEAR)
        return x < 1 ? 1 - x : 0;
    return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1 : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

static double sample(const uint8_t *p, int64_t stride, int64_t n, double centre, double spread, int filter)
{
    double sum = 0, all = 0;
    for (int64_t j = 0; j < n; j++) {
        double w = kernel(filter, ((double)j + 0.5 - centre) / spread);
        sum += w * p[j * stride];
        all += w;
    }
    return sum / all;
}

static void against_definition(bai_resizer *r)
{
    static const int64_t sizes[][2] = { { 1, 9 }, { 9, 1 }, { 200, 3 }, { 3, 200 }, { 33, 32 }, { 32, 33 }, { 97, 96 },
        { 5000, 7 } };
    ba_err e;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int filter = 0; filter < 2; filter++) {
            int64_t n = sizes[k][0], m = sizes[k][1];
            uint8_t *in = test_picture(n, 2), *out = malloc((size_t)(m * 2 * 3));
            bai_part part = part_of(in, n, 0, 0, n, 2);
            bai_window w = whole(m, 2);
            CHECK(!resize(r, &part, &w, filter, out, &e), "%s", e.msg);
            double step = (double)n / (double)m, worst = 0;
            for (int64_t o = 0; o < m; o++) {
                double v = sample(in, 3, n, ((double)o + 0.5) * step, step > 1 ? step : 1, filter);
                v = v < 0 ? 0 : v > 255 ? 255 : v;
                double d = v - out[3 * o];
                worst = d > worst ? d : -d > worst ? -d : worst;
            }
            CHECK(worst <= 1, "%lld to %lld, filter %d: %g levels", (long long)n, (long long)m, filter, worst);
            free(in);
            free(out);
        }
    check_group("against the definition");
}

static void wrong_calls(bai_resizer *r)
{
    uint8_t in[27] = { 0 }, out[27];
    ba_err e = { 0 };
    bai_part part = part_of(in, 3, 0, 0, 3, 3), none = part;
    bai_window w = whole(3, 3), outside = w;
    none.rows = 0;
    outside.row = 1;
    CHECK(resize(r, &none, &w, BA_BICUBIC, out, &e) == BA_EARG, "%s", e.msg);
    CHECK(resize(r, &part, &outside, BA_BICUBIC, out, &e) == BA_EARG, "%s", e.msg);
    CHECK(resize(r, &part, &w, 7, out, &e) == BA_EARG && strstr(e.msg, "interpolation 7"), "%s", e.msg);
    check_group("wrong calls");
}

int main(void)
{
    bai_resizer r = { 0 };
    for (plain = 0; plain < 2; plain++) {
        against_pillow(&r);
        against_pillow_often(&r);
        windows(&r);
        against_definition(&r);
    }
    plain = 0;
    wrong_calls(&r);
    bai_resizer_end(&r);
    return check_done();
}
