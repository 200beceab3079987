/* nomem: every request for memory fails once, for each way through core/data and plugins/data: nothing crashes, nothing leaks
 * (under AddressSanitizer), every failure is a line. The linker replaces malloc and its like by the functions below. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "data/dataset.h"
#include "data/decode.h"
#include "data/files.h"
#include "help.h"

extern const ba_plugin_desc plugin_images, plugin_cifar, plugin_scenes, plugin_sound;

static _Atomic long asked, fails_at; /* 0: none fails */

static int fails(void)
{
    return atomic_fetch_add(&asked, 1) + 1 == atomic_load(&fails_at);
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t m);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t a, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t m);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t a, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t m) { return fails() ? NULL : __real_calloc(n, m); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t a, size_t n) { return fails() ? NULL : __real_aligned_alloc(a, n); }
char *__wrap_strdup(const char *s) { return fails() ? NULL : __real_strdup(s); }
char *__wrap_strndup(const char *s, size_t n) { return fails() ? NULL : __real_strndup(s, n); }

static char tar_path[1024], gz_path[1024], folder_path[1024];
static ba_err e;

/* All batches of one epoch through two threads; 1: complete. */
static int epoch(ba_dataset *d, int policy, int64_t image)
{
    ba_loader_options o;
    const ba_batch *b;
    ba_loader_defaults(&o);
    o.batch = 4;
    o.threads = 2;
    o.drop_last = 0;
    o.augment.policy = policy;
    o.augment.image = image;
    ba_loader *l = d ? ba_loader_new(d, &o, &e) : NULL;
    int got = l ? ba_loader_start(l, 0, 0, &e) : -1;
    while (got >= 0 && (got = ba_loader_next(l, &b, &e)) == 1)
        ;
    ba_loader_free(l);
    return got == 0;
}

static int images_of(const char *path, const char *split)
{
    ba_dataset *d = open_data(&plugin_images, path, split, "", &e);
    int done = epoch(d, BA_AUGMENT_CROP, 16);
    ba_dataset_free(d);
    return done;
}

static int from_folder(void) { return images_of(folder_path, "train"); }
static int from_tar(void) { return images_of(tar_path, "test"); }
static int from_gzip(void) { return images_of(gz_path, "train"); }

static int from_scenes(void)
{
    ba_dataset *d = open_data(&plugin_scenes, NULL, "train", "size=16 train=12 test=12", &e);
    int done = epoch(d, BA_AUGMENT_PAD, 16);
    ba_dataset_free(d);
    return done;
}

static int from_cifar(void)
{
    ba_dataset *d = open_data(&plugin_cifar, folder_path, "train", "", &e);
    int done = epoch(d, BA_AUGMENT_PAD, 32);
    ba_dataset_free(d);
    return done;
}

static int from_sound(void)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/clips", scratch());
    ba_dataset *d = open_data(&plugin_sound, path, "train", "fold=2 bins=16 frames=12", &e);
    int done = epoch(d, BA_AUGMENT_NONE, 16);
    ba_dataset_free(d);
    return done;
}

/* Packed by one thread, then read. */
static int from_pack(void)
{
    ba_pack_how how = { .size = sizeof how, .coding = BA_PACK_JPEG, .quality = 90, .rows = 12, .threads = 1 };
    static char path[4096];
    snprintf(path, sizeof path, "%s/t.pack", scratch());
    ba_dataset *d = open_data(&plugin_images, folder_path, "train", "", &e);
    ba_packer *k = d ? ba_packer_new(path, &how, &e) : NULL;
    int done = k && !ba_packer_split(k, d, "train", &e) && !ba_packer_add(k, 0, ba_dataset_count(d), &e) && ba_packer_end(k, &e) > 0;
    ba_packer_free(k);
    ba_dataset_free(d);
    d = done ? open_data(&plugin_images, path, "train", "", &e) : NULL;
    done = d && epoch(d, BA_AUGMENT_CROP, 16);
    ba_dataset_free(d);
    return done;
}

/* Lets the 1st, 2nd, ... request fail until the way is gone through without meeting a failure. Keeping a picture in memory
 * is a convenience: when that fails the way goes on, so a complete way counts as well. */
static void every_request(const char *what, int (*way)(void))
{
    long n = 0, odd = 0, completed = 0;
    for (;;) {
        e = (ba_err){ 0 };
        asked = 0;
        fails_at = ++n;
        int done = way();
        fails_at = 0;
        if (asked < n) {
            CHECK(done, "%s: without a failure: %s", what, e.msg);
            break;
        }
        completed += done;
        odd += !done && (e.code != BA_EMACHINE || !strstr(e.msg, "memory"));
        if (!done && odd == 1)
            printf("# %s, request %ld: %d %s\n", what, n, e.code, e.msg);
    }
    printf("# %s: %ld requests, %ld of which could be done without\n", what, n - 1, completed);
    CHECK(n > 5 && !odd, "%s: %ld of %ld failures are not said to be of memory", what, odd, n - 1);
    CHECK(completed < n / 2, "%s: %ld of %ld", what, completed, n);
    check_group(what);
}

static void add(bytes *tar, const char *name, const bytes *b)
{
    char path[256];
    snprintf(path, sizeof path, "tree/%s", name);
    put_file(path, b->p, b->n);
    tar_add(tar, name, '0', b->p, b->n);
}

/* Four clips of silence, 16 bits at 8 kHz, of two classes and two folds. */
static void make_clips(void)
{
    uint8_t wav[44 + 1200] = "RIFF\0\0\0\0WAVEfmt \20\0\0\0\1\0\1\0\100\37\0\0\200\76\0\0\2\0\20\0data";
    int size = sizeof wav - 8, data = sizeof wav - 44;
    memcpy(wav + 4, &size, 4);
    memcpy(wav + 40, &data, 4);
    static const char *const names[] = { "clips/a/1-1-A.wav", "clips/a/2-2-A.wav", "clips/b/1-3-A.wav", "clips/b/1-4-A.wav" };
    for (int i = 0; i < 4; i++)
        put_file(names[i], wav, sizeof wav);
}

static void make_data(void)
{
    static const char boxes[] = "1.jpg 0 0 3 3\n2.jpg 1 1 2 2\n", annotations[] = "a.png a 0 0 1 1\nb.png b 0 0 1 1\n";
    uint8_t *p = test_picture(24, 18), record[3073] = { 1 };
    bytes tar = { 0 }, jpeg = make_jpeg(p, 24, 18, (jpeg_kind){ .channels = 3, .quality = 80 }),
          png = make_png(p, 72, 24, 18, (png_kind){ .type = 2, .depth = 8 }),
              text = { .p = (uint8_t *)(uintptr_t)boxes, .n = sizeof boxes - 1 },
          lines = { .p = (uint8_t *)(uintptr_t)annotations, .n = sizeof annotations - 1 },
              bin = { .p = record, .n = sizeof record };
    add(&tar, "train/a/images/1.jpg", &jpeg);
    add(&tar, "train/a/images/2.jpg", &jpeg);
    add(&tar, "train/a/a_boxes.txt", &text);
    add(&tar, "train/b/images/1.png", &png);
    add(&tar, "val/images/a.png", &png);
    add(&tar, "val/images/b.png", &png);
    add(&tar, "val/val_annotations.txt", &lines);
    add(&tar, "data_batch_1.bin", &bin);
    tar_end(&tar);
    bytes gz = gzipped(&tar);
    snprintf(tar_path, sizeof tar_path, "%s", put_file("t.tar", tar.p, tar.n));
    snprintf(gz_path, sizeof gz_path, "%s", put_file("t.tar.gz", gz.p, gz.n));
    snprintf(folder_path, sizeof folder_path, "%s/tree", scratch());
    bytes_end(&tar);
    bytes_end(&gz);
    bytes_end(&jpeg);
    bytes_end(&png);
    free(p);
}

int main(void)
{
    char cache[1024];
    make_data();
    snprintf(cache, sizeof cache, "%s/cache", scratch());
    setenv("XDG_CACHE_HOME", cache, 1);
    every_request("a folder of pictures", from_folder);
    every_request("a tar in Tiny ImageNet's layout", from_tar);
    every_request("a gzipped tar", from_gzip);
    every_request("packed and read", from_pack);
    every_request("scenes", from_scenes);
    every_request("cifar", from_cifar);
    make_clips();
    if (!from_sound() && strstr(e.msg, "without libsndfile"))
        check_skip("sound", e.msg);
    else
        every_request("sound", from_sound);
    scratch_end();
    return check_done();
}
