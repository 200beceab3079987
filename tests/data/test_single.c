/* single: the EXIF orientation in all its kinds and damages, pictures turned by it, files and samples shown as evaluation shows them,
 * checksums of samples. */
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "data/exif.h"
#include "help.h"

extern const ba_plugin_desc plugin_images, plugin_scenes;

static ba_err e;

/* ---- EXIF ---- */

static void put(uint8_t *p, uint32_t v, int n, int big)
{
    for (int i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> 8 * (big ? n - 1 - i : i));
}

/* A TIFF block with two entries, the second of which is the orientation. */
static bytes make_tiff(int orientation, int big)
{
    uint8_t t[8 + 2 + 2 * 12 + 4] = { 0 };
    bytes b = { 0 };
    memcpy(t, big ? "MM\0*" : "II*\0", 4);
    put(t + 4, 8, 4, big);
    put(t + 8, 2, 2, big);
    put(t + 10, 0x10f, 2, big);
    put(t + 12, 2, 2, big);
    put(t + 22, 0x112, 2, big);
    put(t + 24, 3, 2, big);
    put(t + 26, 1, 4, big);
    put(t + 30, (uint32_t)orientation, 2, big);
    bytes_add(&b, t, sizeof t);
    return b;
}

/* The picture with an EXIF segment behind its first two bytes. */
static bytes with_exif(const bytes *jpeg, const bytes *tiff)
{
    uint8_t head[10] = { 0xff, 0xe1 };
    bytes b = { 0 };
    put(head + 2, (uint32_t)(tiff->n + 8), 2, 1);
    memcpy(head + 4, "Exif\0\0", 6);
    bytes_add(&b, jpeg->p, 2);
    bytes_add(&b, head, 10);
    bytes_add(&b, tiff->p, tiff->n);
    bytes_add(&b, jpeg->p + 2, jpeg->n - 2);
    return b;
}

static bytes png_with_exif(const bytes *tiff)
{
    uint8_t chunk[8] = { 0 }, rgb[3] = { 1, 2, 3 };
    bytes png = make_png(rgb, 3, 1, 1, (png_kind){ .type = 2, .depth = 8 }), b = { 0 };
    put(chunk, (uint32_t)tiff->n, 4, 1);
    memcpy(chunk + 4, "eXIf", 4);
    bytes_add(&b, png.p, 33); /* signature and IHDR */
    bytes_add(&b, chunk, 8);
    bytes_add(&b, tiff->p, tiff->n);
    bytes_add(&b, "\0\0\0\0", 4);
    bytes_add(&b, png.p + 33, png.n - 33);
    bytes_end(&png);
    return b;
}

static bytes small_jpeg(void)
{
    uint8_t *rgb = smooth_picture(16, 8, 3);
    bytes b = make_jpeg(rgb, 16, 8, (jpeg_kind){ .channels = 3 });
    free(rgb);
    return b;
}

static void reading(void)
{
    bytes plain = small_jpeg();
    CHECK(bai_orientation(plain.p, plain.n) == 1, "no EXIF");
    for (int o = 0; o <= 9; o++)
        for (int big = 0; big < 2; big++) {
            int want = o >= 1 && o <= 8 ? o : 1;
            bytes tiff = make_tiff(o, big), b = with_exif(&plain, &tiff), png = png_with_exif(&tiff);
            CHECK(bai_orientation(b.p, b.n) == want, "JPEG %d, %s: %d", o, big ? "MM" : "II", bai_orientation(b.p, b.n));
            CHECK(bai_orientation(png.p, png.n) == want, "PNG %d, %s: %d", o, big ? "MM" : "II", bai_orientation(png.p, png.n));
            bytes_end(&tiff);
            bytes_end(&b);
            bytes_end(&png);
        }
    bytes_end(&plain);
    check_group("EXIF orientations, both byte orders, JPEG and PNG");
}

/* Every prefix in memory of exactly its size, and every byte changed: an answer from 1 to 8, and nothing is read behind the end. */
static void damaged(void)
{
    bytes plain = small_jpeg(), tiff = make_tiff(6, 1), all[2] = { with_exif(&plain, &tiff), png_with_exif(&tiff) };
    int64_t wrong = 0;
    for (int k = 0; k < 2; k++) {
        for (int64_t n = 0; n <= all[k].n; n++) {
            uint8_t *cut = malloc(n ? (size_t)n : 1);
            memcpy(cut, all[k].p, (size_t)n);
            int o = bai_orientation(cut, n);
            wrong += o != 1 && o != 6;
            free(cut);
        }
        for (int64_t i = 0; i < all[k].n; i++)
            for (int v = 0; v < 256; v += 51) {
                uint8_t was = all[k].p[i];
                all[k].p[i] = (uint8_t)v;
                int o = bai_orientation(all[k].p, all[k].n);
                wrong += o < 1 || o > 8;
                all[k].p[i] = was;
            }
        bytes_end(&all[k]);
    }
    CHECK(!wrong, "%lld answers out of range", (long long)wrong);
    CHECK(bai_orientation(NULL, 0) == 1 && bai_orientation("x", 1) == 1, "nothing");
    bytes_end(&plain);
    bytes_end(&tiff);
    check_group("damaged EXIF counts as none");
}

/* a b c over d e f, as the standard says it must be shown. */
static void turning(void)
{
    static const char *const wanted[] = { "abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead" };
    for (int o = 1; o <= 8; o++) {
        uint8_t pixels[18];
        for (int i = 0; i < 18; i++)
            pixels[i] = (uint8_t)("abcdef"[i / 3]);
        /* the box is pixel c: the third of the first row */
        ba_picture p = { .size = sizeof p, .rows = 2, .columns = 3, .pixels = pixels, .capacity = 18, .box = { 2, 0, 3, 1 } };
        char got[7] = "";
        CHECK(bai_upright(&p, o, &e) == BA_OK, "%s", e.msg);
        for (int i = 0; i < 6; i++)
            got[i] = (char)pixels[3 * i];
        CHECK(!strcmp(got, wanted[o - 1]), "orientation %d: %s, wanted %s", o, got, wanted[o - 1]);
        CHECK(p.rows == (o < 5 ? 2 : 3) && p.columns == (o < 5 ? 3 : 2), "orientation %d: size", o);
        int64_t at = (int64_t)p.box.y0 * p.columns + (int64_t)p.box.x0;
        CHECK(p.box.x1 - p.box.x0 == 1 && p.box.y1 - p.box.y0 == 1 && got[at] == 'c', "orientation %d: the box goes along", o);
    }
    ba_picture p = { .size = sizeof p };
    CHECK(bai_upright(&p, 6, &e) == BA_EARG && bai_upright(NULL, 6, &e) == BA_EARG, "nothing to turn");
    check_group("pictures turned upright");
}

/* ---- pictures from files, samples ---- */

static ba_augment evaluation(int64_t image)
{
    ba_loader_options o;
    ba_loader_defaults(&o);
    o.augment.policy = BA_AUGMENT_EVALUATE;
    o.augment.image = image;
    o.augment.crop = 1;
    return o.augment;
}

static void files(void)
{
    uint8_t rgb[8 * 8 * 3], turned[8 * 8 * 3];
    bytes plain = small_jpeg(), tiff = make_tiff(3, 0), b = with_exif(&plain, &tiff);
    const char *path = put_file("single/one.jpg", b.p, b.n);
    ba_augment how = evaluation(8);
    CHECK(ba_picture_load(path, 0, &how, rgb, &e) == BA_OK, "%s", e.msg);
    CHECK(ba_picture_load(path, 1, &how, turned, &e) == BA_OK, "%s", e.msg);
    int same = 1; /* upside down: an 8 x 8 crop out of the middle turns with the picture */
    for (int i = 0; i < 64; i++)
        same &= !memcmp(rgb + 3 * i, turned + 3 * (63 - i), 3);
    CHECK(same, "turned by half a turn");
    path = put_file("single/broken.jpg", b.p, b.n / 2);
    CHECK(ba_picture_load(path, 0, &how, rgb, &e) == BA_EDATA && strstr(e.msg, "broken.jpg"), "%s", e.msg);
    path = put_file("single/empty.jpg", "", 0);
    CHECK(ba_picture_load(path, 0, &how, rgb, &e) == BA_EDATA && strstr(e.msg, "is empty"), "%s", e.msg);
    CHECK(ba_picture_load(scratch(), 0, &how, rgb, &e) == BA_EDATA && strstr(e.msg, "is a folder; a regular file expected"), "%s", e.msg);
    CHECK(ba_picture_load("/nowhere/at.all", 0, &how, rgb, &e) == BA_EDATA && strstr(e.msg, "No such file"), "%s", e.msg);
    how.policy = BA_AUGMENT_CROP;
    path = put_file("single/one.jpg", b.p, b.n);
    CHECK(ba_picture_load(path, 0, &how, rgb, &e) == BA_EARG && strstr(e.msg, "not by policy 1"), "%s", e.msg);
    CHECK(ba_picture_load(NULL, 0, &how, rgb, &e) == BA_EARG && ba_picture_load(path, 0, NULL, rgb, &e) == BA_EARG, "nothing");
    bytes_end(&plain);
    bytes_end(&tiff);
    bytes_end(&b);
    check_group("pictures from files");
}

/* Shown one by one, samples are what a loader of some of them, evenly spaced, gives. */
static void samples(void)
{
    ba_dataset *d = open_data(&plugin_scenes, NULL, "test", "", &e);
    int64_t n = ba_dataset_count(d), side = 20, wrong = 0, seen = 0;
    ba_loader_options o;
    ba_loader_defaults(&o);
    o.shuffle = o.drop_last = 0;
    o.batch = 16;
    o.subset = 37;
    o.augment = evaluation(side);
    ba_loader *l = ba_loader_new(d, &o, &e);
    const ba_batch *b;
    uint8_t *rgb = malloc((size_t)(side * side * 3));
    CHECK(l && ba_loader_batches(l) == 3 && ba_loader_start(l, 0, 0, &e) == BA_OK, "%s", e.msg);
    while (l && ba_loader_next(l, &b, &e) == 1)
        for (int64_t i = 0; i < b->count; i++, seen++) {
            wrong += b->samples[i] != seen * n / 37 || ba_dataset_show(d, b->samples[i], &o.augment, rgb, &e) < 0
                || memcmp(rgb, b->images + i * side * side * 3, (size_t)(side * side * 3));
        }
    CHECK(seen == 37 && !wrong, "%lld of %lld samples differ", (long long)wrong, (long long)seen);
    CHECK(ba_dataset_show(d, n, &o.augment, rgb, &e) == BA_EARG, "no such sample");
    ba_loader_free(l);
    o.subset = n + 1000;
    l = ba_loader_new(d, &o, &e);
    CHECK(ba_loader_batches(l) == (n + 15) / 16, "more than there are: all");
    ba_loader_free(l);
    o.subset = -1;
    CHECK(!ba_loader_new(d, &o, &e) && strstr(e.msg, "subset -1"), "%s", e.msg);
    o.subset = 8;
    o.drop_last = 1;
    CHECK(!ba_loader_new(d, &o, &e) && strstr(e.msg, "has 8 samples"), "%s", e.msg);
    free(rgb);
    ba_dataset_free(d);
    check_group("samples one by one, and some of them evenly spaced");
}

static void hashes(void)
{
    char a[65], b[65], c[65];
    ba_dataset *d = open_data(&plugin_scenes, NULL, "test", "", &e), *t = open_data(&plugin_scenes, NULL, "train", "", &e);
    ba_sample s;
    int second = ba_dataset_hash(d, 1, b, &e);
    CHECK(ba_dataset_hash(d, 0, a, &e) >= 0 && ba_dataset_read(d, 1, &s, &e) == BA_OK && second == s.label, "%s", e.msg);
    CHECK(ba_dataset_hash(d, 0, c, &e) >= 0 && !strcmp(a, c) && strcmp(a, b) && strlen(a) == 64, "%s %s %s", a, b, c);
    CHECK(ba_dataset_hash(t, 0, c, &e) >= 0 && strcmp(a, c), "train and test differ");
    CHECK(ba_dataset_hash(d, -1, c, &e) == BA_EARG && ba_dataset_hash(d, 0, NULL, &e) == BA_EARG, "refused");
    ba_dataset_free(d);
    ba_dataset_free(t);
    check_group("checksums of samples");
}

/* The data plugin's switch: off as torchvision reads, on as a photograph is meant. */
static void plugin(void)
{
    bytes plain = small_jpeg(), tiff = make_tiff(8, 0), b = with_exif(&plain, &tiff);
    put_file("tree/train/a/1.jpg", b.p, b.n);
    put_file("tree/test/a/1.jpg", plain.p, plain.n);
    for (int upright = 0; upright < 2; upright++) {
        ba_sample s;
        char path[2048];
        snprintf(path, sizeof path, "%s/tree", scratch());
        const char *settings = upright ? "upright=1" : "";
        ba_dataset *d = open_data(&plugin_images, path, "train", settings, &e), *t = open_data(&plugin_images, path, "test", settings, &e);
        CHECK(ba_dataset_read(d, 0, &s, &e) == BA_OK && s.rows == (upright ? 16 : 8), "%s %lld", e.msg, (long long)s.rows);
        CHECK(ba_dataset_read(t, 0, &s, &e) == BA_OK && s.rows == 8, "without EXIF: %s", e.msg);
        ba_dataset_free(d);
        ba_dataset_free(t);
    }
    bytes_end(&plain);
    bytes_end(&tiff);
    bytes_end(&b);
    check_group("the switch of the data plugin");
}

int main(void)
{
    reading();
    damaged();
    turning();
    files();
    samples();
    hashes();
    plugin();
    scratch_end();
    return check_done();
}
