/* part: of a JPEG only a part decoded has in that part the pixels of the whole picture, whatever the sampling of its colours, its
 * size and the place of the part. */
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "data/decode.h"
#include "help.h"

static ba_err e;
static uint64_t state;

static int64_t below(int64_t n) { return (int64_t)(next_random(&state) % (uint32_t)n); }

static int choose(void *ctx, int64_t rows, int64_t columns, bai_region *out, ba_err *err)
{
    const bai_region *r = ctx;
    (void)err;
    CHECK(r->x + r->width <= columns && r->y + r->height <= rows, "a part outside of %lldx%lld", (long long)columns, (long long)rows);
    *out = *r;
    return BA_OK;
}

static int refuse(void *ctx, int64_t rows, int64_t columns, bai_region *out, ba_err *err)
{
    (void)ctx, (void)out;
    return ba_fail(err, BA_EDATA, "%lldx%lld is not wanted", (long long)columns, (long long)rows);
}

/* Noise: each pixel differs from its neighbours in all channels. */
static uint8_t *noise(int64_t n)
{
    uint8_t *p = malloc((size_t)n);
    for (int64_t i = 0; i < n; i++)
        p[i] = (uint8_t)below(256);
    return p;
}

static int64_t differing(const ba_picture *a, const ba_picture *b, const bai_region *r)
{
    int64_t n = 0;
    for (int64_t y = r->y; y < r->y + r->height; y++)
        n += memcmp(a->pixels + (y * a->columns + r->x) * 3, b->pixels + (y * a->columns + r->x) * 3, (size_t)r->width * 3) != 0;
    return n;
}

static bai_region any_part(int64_t rows, int64_t columns, int small)
{
    bai_region r = { .width = 1 + below(small && columns > 9 ? 9 : columns), .height = 1 + below(small && rows > 9 ? 9 : rows) };
    r.x = below(columns - r.width + 1);
    r.y = below(rows - r.height + 1);
    return r;
}

/* One picture, some parts of it; the picture is filled with another value each time so that what was not decoded shows. */
static int64_t parts_of(const bytes *b, const char *what, int parts)
{
    static ba_picture whole = { .size = sizeof whole }, part = { .size = sizeof part };
    int64_t wrong = 0;
    CHECK(bai_decode(b->p, b->n, "x", &whole, &e) == BA_OK, "%s: %s", what, e.msg);
    for (int i = 0; i < parts; i++) {
        bai_region r = any_part(whole.rows, whole.columns, i % 3 == 0);
        bai_wish wish = { choose, &r };
        CHECK(bai_picture_reserve(&part, whole.rows, whole.columns, &e) == BA_OK, "%s", e.msg);
        memset(part.pixels, 0x55 * (1 + i % 3), (size_t)(whole.rows * whole.columns * 3));
        int status = bai_decode_part(b->p, b->n, "x", &wish, &part, &e);
        int64_t rows = status ? -1 : differing(&whole, &part, &r);
        CHECK(!rows, "%s: %lldx%lld of %lldx%lld from (%lld,%lld): %lld rows differ, seed %llu %s", what, (long long)r.width, (long long)r.height,
            (long long)whole.columns, (long long)whole.rows, (long long)r.x, (long long)r.y, (long long)rows, (unsigned long long)state, status ? e.msg : "");
        wrong += rows != 0;
    }
    return wrong;
}

static void test_samplings(void)
{
    static const struct { const char *name; int channels, across, down; } kinds[] = { { "444", 3, 1, 1 }, { "422", 3, 2, 1 }, { "420", 3, 2, 2 },
        { "440", 3, 1, 2 }, { "411", 3, 4, 1 }, { "410", 3, 4, 2 }, { "441", 3, 1, 4 }, { "grey", 1, 0, 0 }, { "inks", 4, 1, 1 } };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int i = 0; i < 12; i++) {
            int64_t columns = i < 2 ? 1 + below(40) : 1 + below(300), rows = i == 2 ? 1 + below(20) : 1 + below(200);
            uint8_t *p = noise(rows * columns * kinds[k].channels);
            bytes b = make_jpeg(p, columns, rows, (jpeg_kind){ .channels = kinds[k].channels, .quality = 70 + (int)below(30), .subsample = 1,
                .across = kinds[k].across, .down = kinds[k].down, .progressive = i % 4 == 3, .restart = i % 5 == 4 ? 3 : 0 });
            parts_of(&b, kinds[k].name, 24);
            bytes_end(&b);
            free(p);
        }
        check_group(kinds[k].name);
    }
}

/* Each place of a picture that has a few units across and down, at each width that is near a unit's. */
static void test_edges(void)
{
    static ba_picture whole = { .size = sizeof whole }, part = { .size = sizeof part };
    enum { COLUMNS = 187, ROWS = 53 };
    uint8_t *p = noise(COLUMNS * ROWS * 3);
    int64_t wrong = 0, n = 0;
    bytes b = make_jpeg(p, COLUMNS, ROWS, (jpeg_kind){ .channels = 3, .quality = 90, .subsample = 1, .across = 2, .down = 2 });
    CHECK(bai_decode(b.p, b.n, "x", &whole, &e) == BA_OK && bai_picture_reserve(&part, ROWS, COLUMNS, &e) == BA_OK, "%s", e.msg);
    for (int64_t at = 0; at < COLUMNS; at++)
        for (int64_t size = 1; size <= 17; size += 8, n++) {
            bai_region r = { .x = at, .y = at % ROWS, .width = at + size > COLUMNS ? COLUMNS - at : size,
                             .height = at % ROWS + size > ROWS ? ROWS - at % ROWS : size };
            memset(part.pixels, 0xaa, COLUMNS * ROWS * 3);
            wrong += bai_decode_part(b.p, b.n, "x", &(bai_wish){ choose, &r }, &part, &e) < 0 || differing(&whole, &part, &r);
        }
    CHECK(!wrong, "%lld of %lld parts differ", (long long)wrong, (long long)n);
    bytes_end(&b);
    free(p);
    check_group("every column and row of 4:2:0");
}

static void test_refusals(void)
{
    ba_picture out = { .size = sizeof out };
    uint8_t *p = noise(200 * 100 * 3);
    bytes b = make_jpeg(p, 200, 100, (jpeg_kind){ .channels = 3, .quality = 80, .subsample = 1 });
    CHECK(bai_decode_part(b.p, b.n, "x", &(bai_wish){ refuse, NULL }, &out, &e) == BA_EDATA && !strcmp(e.msg, "200x100 is not wanted"), "%s", e.msg);
    bai_region low = { 0, 90, 200, 10 }, high = { 150, 0, 50, 10 };
    CHECK(bai_decode_part(b.p, b.n / 2, "x", &(bai_wish){ choose, &low }, &out, &e) == BA_EDATA && strstr(e.msg, "premature end of JPEG"), "%s", e.msg);
    CHECK(bai_decode_part(b.p, b.n / 2, "x", &(bai_wish){ choose, &high }, &out, &e) == BA_OK, "what comes before the end can be read: %s", e.msg);
    for (int64_t n = 0; n < b.n; n += 37) { /* cut anywhere: pixels or a sentence */
        e = (ba_err){ 0 };
        int status = bai_decode_part(b.p, n, "x", &(bai_wish){ choose, &low }, &out, &e);
        CHECK(status == BA_EDATA && *e.msg, "%lld bytes: %d %s", (long long)n, status, e.msg);
    }
    bytes_end(&b);
    free(p);
    free(out.pixels);
    check_group("what is refused");
}

/* ---- through the loader ---- */
extern const ba_plugin_desc plugin_images;

static const char *folder_of_pictures(void)
{
    for (int i = 0; i < 12; i++) {
        char name[64];
        int64_t columns = 60 + below(200), rows = 60 + below(150);
        uint8_t *p = noise(columns * rows * 3);
        bytes b = make_jpeg(p, columns, rows, (jpeg_kind){ .channels = 3, .quality = 85, .subsample = i % 3 > 0 });
        snprintf(name, sizeof name, "set/train/%c/%02d.jpg", 'a' + i % 2, i);
        put_file(name, b.p, b.n);
        bytes_end(&b);
        free(p);
    }
    static char path[4096];
    snprintf(path, sizeof path, "%s/set", scratch());
    return path;
}

/* An epoch's pictures one after the other; decoded whole and kept, or in parts. */
static int64_t epoch(const char *path, int policy, int64_t keep, uint8_t *out, ba_box *boxes)
{
    ba_loader_options o;
    const ba_batch *b;
    int64_t n = 0;
    ba_loader_defaults(&o);
    o.threads = 2;
    o.batch = 4;
    o.augment.policy = policy;
    o.augment.image = 48;
    o.augment.interpolation = policy == BA_AUGMENT_EVALUATE ? BA_BILINEAR : BA_BICUBIC;
    ba_dataset *d = open_data(&plugin_images, path, "train", "test=train", &e);
    CHECK(d && !ba_dataset_keep(d, keep, &e), "%s", e.msg);
    ba_loader *l = d ? ba_loader_new(d, &o, &e) : NULL;
    CHECK(l && !ba_loader_start(l, 3, 0, &e), "%s", e.msg);
    for (; l && ba_loader_next(l, &b, &e) == 1; n += b->count) {
        memcpy(out + n * 48 * 48 * 3, b->images, (size_t)(b->count * 48 * 48 * 3));
        memcpy(boxes + n, b->boxes, (size_t)b->count * sizeof *boxes);
    }
    ba_loader_free(l);
    ba_dataset_free(d);
    return n;
}

static void test_loader(void)
{
    static const char *const names[] = { "none", "crop", "pad", "evaluate" };
    static uint8_t whole[12 * 48 * 48 * 3], part[12 * 48 * 48 * 3];
    static ba_box boxes[2][12];
    const char *path = folder_of_pictures();
    for (int policy = BA_AUGMENT_CROP; policy <= BA_AUGMENT_EVALUATE; policy++) {
        memset(part, 1, sizeof part);
        CHECK(epoch(path, policy, 1 << 29, whole, boxes[0]) == 12 && epoch(path, policy, 0, part, boxes[1]) == 12, "%s: %s", names[policy], e.msg);
        CHECK(!memcmp(whole, part, sizeof whole) && !memcmp(boxes[0], boxes[1], sizeof boxes[0]), "%s: other pictures", names[policy]);
    }
    scratch_end();
    check_group("a loader that decodes parts gives the same batches");
}

/* Tall pictures that are cut off below their centre. Whether that is an error is a question of how large the set is, and of nothing else. */
static void test_damage_below(void)
{
    char path[4096];
    ba_picture top = { .size = sizeof top };
    bai_region corner = { 0, 0, 1, 1 };
    int parts = 1;
    for (int i = 0; i < 40; i++) {
        char name[64];
        uint8_t *p = noise(64 * 256 * 3);
        bytes b = make_jpeg(p, 64, 256, (jpeg_kind){ .channels = 3, .quality = 85 });
        snprintf(name, sizeof name, "tall/train/a/%02d.jpg", i);
        put_file(name, b.p, b.n * 9 / 10);
        parts &= bai_decode_part(b.p, b.n * 9 / 10, name, &(bai_wish){ choose, &corner }, &top, &e) == BA_OK;
        bytes_end(&b);
        free(p);
    }
    free(top.pixels);
    if (!parts)
        check_skip("damage below what is shown", "this libjpeg decodes whole pictures only");
    snprintf(path, sizeof path, "%s/tall", scratch());
    for (int threads = 1; threads <= 4; threads++)
        for (int fits = !parts; fits < 2; fits++) {
            ba_loader_options o;
            const ba_batch *b;
            int got = -1, n = 0;
            ba_loader_defaults(&o);
            o.threads = threads;
            o.batch = 8;
            o.augment = (ba_augment){ .size = sizeof o.augment, .policy = BA_AUGMENT_EVALUATE, .image = 32, .crop = 1 };
            ba_dataset *d = open_data(&plugin_images, path, "train", "", &e);
            CHECK(d && !ba_dataset_keep(d, fits ? 1 << 29 : 1 << 20, &e), "%s", e.msg);
            ba_loader *l = d ? ba_loader_new(d, &o, &e) : NULL;
            CHECK(l && !ba_loader_start(l, 0, 0, &e), "%s", e.msg);
            while (l && (got = ba_loader_next(l, &b, &e)) == 1)
                n++;
            CHECK(fits ? got == BA_EDATA && !n : !got && n == 5, "%d threads, %s: %d batches, %d %s", threads, fits ? "kept" : "in parts", n, got, e.msg);
            ba_loader_free(l);
            ba_dataset_free(d);
        }
    scratch_end();
    check_group("damage below what is shown: the same for any number of threads");
}

int main(void)
{
    const char *seed = getenv("BAUTA_SEED");
    state = seed ? strtoull(seed, NULL, 0) : 20261121;
    test_samplings();
    test_edges();
    test_refusals();
    test_loader();
    test_damage_below();
    return check_done();
}
