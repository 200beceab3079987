/* pack: a packed data set gives the samples of its source, at its size or another; what is damaged or hostile is one line, what is not finished
 * is not there. */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check.h"
#include "base/crc.h"
#include "data/pack.h"
#include "data/resize.h"
#include "help.h"

extern const ba_plugin_desc plugin_images, plugin_scenes;

static ba_err e;
static uint64_t state = 7;

static ba_dataset *open_images(const char *path, const char *split, int64_t limit)
{
    char settings[40];
    snprintf(settings, sizeof settings, "limit=%lld", (long long)limit);
    return open_data(&plugin_images, path, split, settings, &e);
}

static ba_dataset *open_scenes(const char *split, int64_t size)
{
    char settings[80];
    snprintf(settings, sizeof settings, "size=%lld train=50 test=20 seed=1", (long long)size);
    return open_data(&plugin_scenes, NULL, split, settings, &e);
}

static const char *in_scratch(const char *name)
{
    static char path[4][4096];
    static int at;
    char *p = path[at++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", scratch(), name);
    return p;
}

/* Photographs of several sizes in two classes, JPEG and PNG, both splits, with a name that has a blank. */
static const char *folder(void)
{
    static const char *const splits[] = { "train", "test" };
    for (int i = 0; i < 20; i++) {
        char name[96];
        int64_t columns = 40 + next_random(&state) % 90, rows = 40 + next_random(&state) % 60;
        uint8_t *p = malloc((size_t)(columns * rows * 3));
        for (int64_t k = 0; k < columns * rows * 3; k++)
            p[k] = (uint8_t)next_random(&state);
        bytes b = i % 5 == 4 ? make_png(p, columns * 3, columns, rows, (png_kind){ .type = 2, .depth = 8 })
            : make_jpeg(p, columns, rows, (jpeg_kind){ .channels = 3, .quality = 80, .subsample = i % 2 });
        snprintf(name, sizeof name, "set/%s/%s/%02d.%s", splits[i % 4 == 3], i % 2 ? "a dog" : "cat", i, i % 5 == 4 ? "png" : "jpg");
        put_file(name, b.p, b.n);
        bytes_end(&b);
        free(p);
    }
    uint8_t extra[3 * 64 * 64] = { 0 };
    bytes b = make_jpeg(extra, 64, 64, (jpeg_kind){ .channels = 3, .quality = 80 });
    put_file("set/test/cat/99.jpg", b.p, b.n);
    bytes_end(&b);
    return in_scratch("set");
}

static int64_t pack(const char *path, ba_dataset *train, ba_dataset *test, ba_pack_how how)
{
    how.size = sizeof how;
    e = (ba_err){ 0 };
    ba_packer *p = ba_packer_new(path, &how, &e);
    int r = p ? BA_OK : e.code;
    ba_dataset *const sets[] = { train, test };
    for (int i = 0; i < 2 && !r; i++)
        if (sets[i] && !(r = ba_packer_split(p, sets[i], i ? "test" : "train", &e)))
            r = ba_packer_add(p, 0, ba_dataset_count(sets[i]), &e);
    int64_t n = r ? r : ba_packer_end(p, &e);
    ba_packer_free(p);
    return n;
}

/* Sizes, labels, boxes, names and pixels of two data sets; the second's pixels may be other ones. */
static void same_samples(ba_dataset *a, ba_dataset *b, const char *what, int pixels)
{
    ba_sample x, y;
    CHECK(a && b && ba_dataset_count(a) == ba_dataset_count(b) && ba_dataset_classes(a) == ba_dataset_classes(b)
        && ba_dataset_has_boxes(a) == ba_dataset_has_boxes(b), "%s: other facts: %s", what, e.msg);
    for (int64_t c = 0; c < ba_dataset_classes(a); c++)
        CHECK(!strcmp(ba_dataset_class(a, c), ba_dataset_class(b, c)), "%s: class %lld", what, (long long)c);
    for (int64_t i = 0; a && b && i < ba_dataset_count(a); i++) {
        CHECK(!ba_dataset_read(a, i, &x, &e) && !ba_dataset_read(b, i, &y, &e), "%s: %s", what, e.msg);
        CHECK(x.rows == y.rows && x.columns == y.columns && x.label == y.label && !memcmp(x.box, y.box, sizeof x.box), "%s: sample %lld", what, (long long)i);
        CHECK(!pixels || !memcmp(x.pixels, y.pixels, (size_t)(x.rows * x.columns * 3)), "%s: sample %lld: other pixels", what, (long long)i);
    }
}

static void test_same(void)
{
    const char *source = folder(), *file = in_scratch("same.pack");
    static const struct { const char *name; ba_pack_how how; } kinds[] = { { "raw", { .coding = BA_PACK_RAW } }, { "same", { .coding = BA_PACK_SAME } },
        { "jpeg", { .coding = BA_PACK_JPEG, .quality = 95 } } };
    for (int k = 0; k < 3; k++) {
        ba_dataset *train = open_images(source, "train", 0), *test = open_images(source, "test", 0);
        CHECK(pack(file, train, test, kinds[k].how) > 0, "%s", e.msg);
        ba_dataset *a = open_images(file, "train", 0), *b = open_images(file, "test", 0);
        same_samples(train, a, kinds[k].name, k < 2);
        same_samples(test, b, kinds[k].name, k < 2);
        ba_dataset *s[] = { train, test, a, b };
        for (int i = 0; i < 4; i++)
            ba_dataset_free(s[i]);
    }
    ba_dataset *train = open_scenes("train", 24), *test = open_scenes("test", 24);
    CHECK(pack(file, train, test, (ba_pack_how){ .threads = 3 }) > 0, "%s", e.msg);
    ba_dataset *a = open_images(file, "train", 0), *b = open_images(file, "test", 0), *few = open_images(file, "train", 2);
    same_samples(train, a, "scenes", 1);
    same_samples(test, b, "scenes", 1);
    CHECK(ba_dataset_count(few) == 20 && ba_dataset_classes(few) == 10, "%lld of each class", (long long)ba_dataset_count(few));
    ba_dataset *s[] = { train, test, a, b, few };
    for (int i = 0; i < 5; i++)
        ba_dataset_free(s[i]);
    check_group("the samples of the source: raw, its own files, with boxes");
}

/* ---- an epoch through the loader ---- */
static int64_t epoch(ba_dataset *d, uint8_t *out)
{
    ba_loader_options o;
    const ba_batch *b;
    int64_t n = 0;
    ba_loader_defaults(&o);
    o.batch = 5;
    o.threads = 2;
    o.augment.image = 32;
    CHECK(!ba_dataset_keep(d, 0, &e), "%s", e.msg);
    ba_loader *l = ba_loader_new(d, &o, &e);
    CHECK(l && !ba_loader_start(l, 2, 0, &e), "%s", e.msg);
    for (; l && ba_loader_next(l, &b, &e) == 1; n += b->count)
        memcpy(out + n * 3072, b->images, (size_t)b->count * 3072);
    ba_loader_free(l);
    return n;
}

static void test_epoch(void)
{
    static uint8_t one[64 * 3072], two[64 * 3072];
    ba_dataset *source = open_images(in_scratch("set"), "train", 0);
    const char *file = in_scratch("epoch.pack");
    int64_t n = epoch(source, one);
    for (int coding = BA_PACK_RAW; coding <= BA_PACK_SAME; coding += 2) {
        CHECK(pack(file, source, NULL, (ba_pack_how){ .coding = coding }) > 0, "%s", e.msg);
        ba_dataset *d = open_images(file, "train", 0);
        CHECK(n == 15 && epoch(d, two) == n && !memcmp(one, two, (size_t)n * 3072), "coding %d: another epoch", coding);
        ba_dataset_free(d);
    }
    CHECK(!open_images(file, "test", 0) && strstr(e.msg, "packed without test pictures"), "%s", e.msg);
    ba_dataset_free(source);
    check_group("the same epochs");
}

static void test_sizes(void)
{
    static const struct { ba_pack_how how; int64_t rows, columns; } kinds[] = { { { .rows = 20 }, 20, 20 }, { { .rows = 30, .columns = 10 }, 30, 10 },
        { { .rows = 9, .columns = 40, .interpolation = BA_BILINEAR }, 9, 40 } };
    const char *file = in_scratch("sizes.pack");
    uint8_t rgb[30 * 40 * 3];
    ba_sample x, y;
    for (int k = 0; k < 3; k++) {
        ba_dataset *train = open_scenes("train", 48);
        CHECK(pack(file, train, NULL, kinds[k].how) > 0, "%s", e.msg);
        ba_dataset *d = open_images(file, "train", 0);
        for (int64_t i = 0; i < 50; i++) {
            bai_resizer r = { 0 };
            CHECK(!ba_dataset_read(train, i, &x, &e) && !ba_dataset_read(d, i, &y, &e), "%s", e.msg);
            bai_part part = { x.pixels, 48 * 3, 48, 48 };
            bai_window w = { .full_rows = kinds[k].rows, .full_columns = kinds[k].columns, .rows = kinds[k].rows, .columns = kinds[k].columns };
            CHECK(!bai_resize(&r, &part, &w, kinds[k].how.interpolation, rgb, &e), "%s", e.msg);
            CHECK(y.rows == kinds[k].rows && y.columns == kinds[k].columns && !memcmp(rgb, y.pixels, (size_t)(y.rows * y.columns * 3)), "sample %lld", (long long)i);
            CHECK(fabs(y.box[2] - x.box[2] * (double)y.columns / 48) < 1e-4 && fabs(y.box[1] - x.box[1] * (double)y.rows / 48) < 1e-4, "box of %lld", (long long)i);
            bai_resizer_end(&r);
        }
        ba_dataset_free(train);
        ba_dataset_free(d);
    }
    ba_dataset *train = open_images(in_scratch("set"), "train", 0); /* the shorter side, whichever it is */
    CHECK(pack(file, train, NULL, (ba_pack_how){ .rows = 24, .coding = BA_PACK_JPEG, .quality = 90 }) > 0, "%s", e.msg);
    ba_dataset *d = open_images(file, "train", 0);
    for (int64_t i = 0; i < ba_dataset_count(train); i++) {
        CHECK(!ba_dataset_read(train, i, &x, &e) && !ba_dataset_read(d, i, &y, &e), "%s", e.msg);
        int wide = x.columns >= x.rows;
        CHECK(wide ? y.rows == 24 && y.columns == 24 * x.columns / x.rows : y.columns == 24 && y.rows == 24 * x.rows / x.columns,
            "%lldx%lld became %lldx%lld", (long long)x.columns, (long long)x.rows, (long long)y.columns, (long long)y.rows);
    }
    ba_dataset_free(train);
    ba_dataset_free(d);
    check_group("other sizes, as Pillow resizes, boxes with them");
}

/* ---- hostile files ---- */
static uint8_t *whole;
static int64_t size;

static void load(const char *path)
{
    FILE *f = fopen(path, "rb");
    free(whole);
    whole = malloc(1 << 22);
    size = f ? (int64_t)fread(whole, 1, 1 << 22, f) : 0;
    if (f)
        fclose(f);
    CHECK(size > 64 && size < 1 << 22, "%s: %lld bytes", path, (long long)size);
}

/* Opens and reads all of what is in `whole` now; the first status that is none. */
static int look(const uint8_t *p, int64_t n)
{
    ba_data_facts facts = { .size = sizeof facts };
    ba_picture out = { .size = sizeof out };
    int fd = memfd_create("pack", 0), r = BA_OK;
    CHECK(fd >= 0 && write(fd, p, (size_t)n) == n, "no file");
    e = (ba_err){ 0 };
    ba_pack *pack = bai_pack_open_fd(fd, "x.pack", "train", &facts, &e);
    for (int64_t i = 0; pack && i < facts.count && !r; i++)
        r = bai_pack_read(pack, i, &out, &e);
    r = pack ? r : e.code ? e.code : BA_EBUG;
    bai_pack_close(pack);
    free(out.pixels);
    return r;
}

static bai_pack_head *head(void) { return (bai_pack_head *)whole; }
static bai_pack_entry *entries(void) { return (bai_pack_entry *)(whole + size) - head()->count[0] - head()->count[1]; }

/* After something was changed on purpose: right sums again. */
static void seal(void)
{
    bai_pack_head *h = head();
    if (h->index_at < (uint64_t)size)
        h->index_crc = bai_crc32c(0, whole + h->index_at, (size_t)((uint64_t)size - h->index_at));
    h->crc = bai_crc32c(0, &h->bytes, sizeof *h - offsetof(bai_pack_head, bytes));
}

static void expect(const char *want)
{
    seal();
    int r = look(whole, size);
    CHECK(r == BA_EDATA && strstr(e.msg, want) && strstr(e.msg, "x.pack"), "%d '%s'\n   want '%s'", r, e.msg, want);
}

static const char *small_file(void)
{
    ba_dataset *train = open_scenes("train", 16), *test = open_scenes("test", 16);
    const char *file = in_scratch("small.pack");
    CHECK(pack(file, train, test, (ba_pack_how){ 0 }) > 0, "%s", e.msg);
    ba_dataset_free(train);
    ba_dataset_free(test);
    return file;
}

static void test_lies(void)
{
    const char *file = small_file();
#define LIE(change, want) do { load(file); change; expect(want); } while (0)
    LIE(head()->magic[3] = 'X', "is no packed data set");
    LIE(head()->version = 2, "packed in format 2; this bauta reads format 1");
    LIE(head()->bytes += 64, "packed as");
    LIE(head()->index_at += 8, "its index is not where it should be");
    LIE(head()->index_at = UINT64_MAX - 7, "its index is not where it should be");
    LIE(head()->index_bytes = UINT64_MAX, "its index is not where it should be");
    LIE(head()->classes = 0, "classes (0)");
    LIE(head()->classes = UINT32_MAX, "classes (4294967295)");
    LIE(head()->classes = 11, "a class without a name (10)");
    LIE(((bai_pack_names *)(whole + head()->index_at))->bytes--, "a class without a name (9)");
    LIE(head()->count[0] = 1ull << 32, "number of pictures");
    LIE(head()->count[0] = INT32_MAX, "its index has not the size of its pictures");
    LIE(head()->count[1]++, "its index has not the size of its pictures");
    LIE((head()->count[0] = 0, head()->count[1] = 70), "packed without train pictures");
    LIE(((bai_pack_names *)(whole + head()->index_at))->bytes = UINT32_MAX, "its index has not the size of its pictures");
    LIE(((char *)whole + head()->index_at)[9] = '\n', "a class's name with control characters");
    LIE(entries()[3].at = head()->index_at - 8, "a picture that lies outside of the file (3)");
    LIE(entries()[69].at = UINT64_MAX - 8, "a picture that lies outside of the file (69)");
    LIE(entries()[0].at = 0, "a picture that lies outside of the file (0)");
    LIE(entries()[1].bytes = 0, "whose bytes do not fit its size (1)");
    LIE(entries()[1].bytes = UINT32_MAX, "whose bytes do not fit its size (1)");
    LIE(entries()[1].rows = 17, "whose bytes do not fit its size (1)");
    LIE((entries()[1].rows = 16384, entries()[1].columns = 16384), "a picture of an impossible size (1)");
    LIE(entries()[1].rows = 0, "a picture of an impossible size (1)");
    LIE(entries()[1].coding = 2, "whose bytes do not fit its size (1)");
    LIE(entries()[2].label = 10, "a picture of a class that is not there (2)");
    LIE(entries()[2].label = -1, "a picture of a class that is not there (2)");
    LIE(entries()[2].box[1] = NAN, "a picture's box is no box (2)");
    LIE(entries()[2].crc ^= 1, "picture 2 is damaged: its bytes do not fit their checksum");
    LIE((entries()[4].coding = BAI_PACK_FILE), "picture 4");
    check_group("an index that lies");
}

/* Every byte of head and index, and some of the pictures; every length. */
static void test_damage(void)
{
    load(small_file());
    int64_t index = (int64_t)head()->index_at, found = 0, tried = 0;
    for (int64_t i = 0; i < size; i += i < 64 || i >= index ? 1 : 97, tried++) {
        uint8_t was = whole[i];
        whole[i] ^= (uint8_t)(1 << next_random(&state) % 8);
        int r = look(whole, size);
        int padding = i >= 64 && i < index; /* between pictures, or the test split's */
        CHECK(r == BA_EDATA ? *e.msg != 0 : !r && padding, "byte %lld: %d %s", (long long)i, r, e.msg);
        found += r != 0;
        whole[i] = was;
    }
    CHECK(found > 100, "%lld of %lld found", (long long)found, (long long)tried);
    for (int64_t n = 0; n < size; n += n < 200 ? 1 : 211) {
        int r = look(whole, n);
        CHECK(r == BA_EDATA && *e.msg, "%lld bytes: %d %s", (long long)n, r, e.msg);
    }
    CHECK(look(whole, size) == BA_OK, "the file itself: %s", e.msg);
    check_group("flipped bits and cut files");
}

/* ---- writing ---- */
static int files_in(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    for (struct dirent *t; d && (t = readdir(d));)
        n += strcmp(t->d_name, ".") && strcmp(t->d_name, "..");
    if (d)
        closedir(d);
    return n;
}

static void test_writing(void)
{
    ba_pack_how how = { .size = sizeof how };
    ba_dataset *train = open_scenes("train", 16), *other = open_images(in_scratch("set"), "test", 0);
    put_file("out/old.pack", "old", 3);
    const char *file = in_scratch("out/old.pack"), *place = in_scratch("out");
    ba_packer *p = ba_packer_new(file, &how, &e);
    CHECK(p && !ba_packer_split(p, train, "train", &e) && !ba_packer_add(p, 0, 40, &e), "%s", e.msg);
    CHECK(ba_packer_split(p, other, "test", &e) == BA_EDATA && strstr(e.msg, "test has other classes than train"), "%s", e.msg);
    CHECK(ba_packer_split(p, train, "train", &e) == BA_EARG && strstr(e.msg, "each once, train first"), "%s", e.msg);
    CHECK(ba_packer_add(p, 40, 11, &e) == BA_EARG && strstr(e.msg, "11 pictures from 40 on of a split of 50"), "%s", e.msg);
    CHECK(ba_packer_add(p, 0, 1, &e) == BA_OK, "a refusal of arguments spoils nothing: %s", e.msg);
    ba_packer_free(p);
    FILE *f = fopen(file, "rb");
    char old[4] = "";
    CHECK(f && fread(old, 1, 3, f) == 3 && !strcmp(old, "old") && files_in(place) == 1, "what is not finished left something: %s", old);
    if (f)
        fclose(f);
    static const struct { ba_pack_how how; const char *want; } wrong[] = { { { .coding = 3 }, "coding 3" }, { { .coding = BA_PACK_JPEG }, "quality 0; 1 to 100" },
        { { .rows = 5000 }, "sides of 1 to 4096" }, { { .columns = 5 }, "sides of 1 to 4096" }, { { .rows = 5, .coding = BA_PACK_SAME }, "cannot have another size" },
        { { .threads = 65 }, "threads 65" } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(pack(file, train, NULL, wrong[i].how) < 0 && strstr(e.msg, wrong[i].want), "'%s'\n   want '%s'", e.msg, wrong[i].want);
    CHECK(pack(file, train, NULL, (ba_pack_how){ .coding = BA_PACK_SAME }) == BA_EARG && strstr(e.msg, "sample 0 has no JPEG or PNG file of its own"), "%s", e.msg);
    CHECK(pack(in_scratch("nowhere/x.pack"), train, NULL, (ba_pack_how){ 0 }) == BA_EMACHINE && strstr(e.msg, "No such file"), "%s", e.msg);
    CHECK(pack(file, train, NULL, (ba_pack_how){ 0 }) > 0 && files_in(place) == 1 && bai_is_pack(file), "%s", e.msg);
    CHECK(!open_data(&plugin_images, file, "train", "test=val", &e) && e.code == BA_EARG && strstr(e.msg, "pack it with this setting"), "%s", e.msg);
    ba_dataset_free(train);
    ba_dataset_free(other);
    check_group("writing: refusals, and nothing under the name before the end");
}

/* A broken picture of the source stops the packing with the picture's own line. */
static void test_broken_source(void)
{
    put_file("broken/train/a/1.jpg", "\xff\xd8\xff", 3);
    ba_dataset *train = open_images(in_scratch("broken"), "train", 0);
    for (int coding = BA_PACK_RAW; coding <= BA_PACK_SAME; coding += 2)
        CHECK(pack(in_scratch("broken.pack"), train, NULL, (ba_pack_how){ .coding = coding }) == BA_EDATA && strstr(e.msg, "train/a/1.jpg"), "%s", e.msg);
    ba_pack_how how = { .size = sizeof how };
    ba_packer *p = ba_packer_new(in_scratch("broken.pack"), &how, &e);
    CHECK(p && !ba_packer_split(p, train, "train", &e) && ba_packer_add(p, 0, 1, &e) == BA_EDATA, "%s", e.msg);
    CHECK(ba_packer_add(p, 0, 1, &e) == BA_EARG && ba_packer_end(p, &e) == BA_EARG && !bai_is_pack(in_scratch("broken.pack")), "after a failure nothing goes on");
    ba_packer_free(p);
    ba_dataset_free(train);
    check_group("a broken source");
}

int main(void)
{
    test_same();
    test_epoch();
    test_sizes();
    test_lies();
    test_damage();
    test_writing();
    test_broken_source();
    free(whole);
    scratch_end();
    return check_done();
}
