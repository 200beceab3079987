/* real: CIFAR-10 and Tiny ImageNet as they are distributed, from the folder that BAUTA_TEST_DATA names; skipped without it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "help.h"

extern const ba_plugin_desc plugin_images;

static ba_err e;

static ba_dataset *open_split(const char *name, const char *split)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", getenv("BAUTA_TEST_DATA"), name);
    ba_dataset *d = open_data(&plugin_images, path, split, "", &e);
    CHECK(d != NULL, "%s", e.msg);
    return d;
}

static int is_there(const char *name)
{
    char path[2048];
    const char *folder = getenv("BAUTA_TEST_DATA");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "", name);
    if (folder && !access(path, R_OK))
        return 1;
    check_skip(name, folder ? "not in the folder that BAUTA_TEST_DATA names" : "BAUTA_TEST_DATA names no folder");
    return 0;
}

static uint32_t epoch_crc(ba_dataset *d, int threads, int policy, int64_t image, int64_t *images)
{
    ba_loader_options o;
    const ba_batch *b;
    uint32_t crc = 0;
    ba_loader_defaults(&o);
    o.threads = threads;
    o.drop_last = 0;
    o.augment.policy = policy;
    o.augment.image = image;
    ba_loader *l = ba_loader_new(d, &o, &e);
    CHECK(l && ba_loader_start(l, 0, 0, &e) == BA_OK, "%s", e.msg);
    int got;
    *images = 0;
    while ((got = ba_loader_next(l, &b, &e)) == 1) {
        uint32_t parts[3] = { crc, crc_of(b->images, b->count * image * image * 3), crc_of(b->boxes, b->count * 16) };
        crc = crc_of(parts, sizeof parts);
        *images += b->count;
    }
    CHECK(got == 0, "%s", e.msg);
    ba_loader_free(l);
    return crc;
}

static void cifar10(void)
{
    static const char *const names[] = { "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
        "truck" };
    if (!is_there("cifar10.tar.gz"))
        return;
    ba_dataset *d = open_split("cifar10.tar.gz", "train"), *t = open_split("cifar10.tar.gz", "test");
    CHECK(ba_dataset_count(d) == 50000 && ba_dataset_count(t) == 10000 && ba_dataset_classes(d) == 10 && !ba_dataset_has_boxes(d),
        "facts");
    for (int i = 0; d && i < 10; i++)
        CHECK(!strcmp(ba_dataset_class(d, i), names[i]), "%s", ba_dataset_class(d, i));
    int64_t n = 0, m = 0;
    uint32_t one = epoch_crc(t, 1, BA_AUGMENT_PAD, 32, &n), two = epoch_crc(t, 2, BA_AUGMENT_PAD, 32, &m);
    CHECK(n == 10000 && m == n && one == two, "%lld and %lld images, %08x and %08x", (long long)n, (long long)m, one, two);
    ba_dataset_free(d);
    ba_dataset_free(t);
    check_group("CIFAR-10 as a tree in a gzipped tar");
}

static void tiny_imagenet(void)
{
    if (!is_there("tiny-imagenet-100.tar.gz"))
        return;
    ba_dataset *d = open_split("tiny-imagenet-100.tar.gz", "train"), *t = open_split("tiny-imagenet-100.tar.gz", "test");
    CHECK(ba_dataset_count(d) == 50000 && ba_dataset_count(t) == 5000 && ba_dataset_classes(d) == 100, "facts");
    CHECK(ba_dataset_has_boxes(d) && ba_dataset_has_boxes(t), "boxes");
    int inside = 1;
    for (int64_t i = 0; i < 50000; i += 97) {
        ba_sample s;
        CHECK(ba_dataset_read(d, i, &s, &e) == BA_OK && s.rows == 64 && s.columns == 64 && s.label == i / 500, "%s", e.msg);
        inside &= s.box[0] >= 0 && s.box[1] >= 0 && s.box[2] <= 64 && s.box[3] <= 64 && s.box[2] > s.box[0]
            && s.box[3] > s.box[1];
    }
    CHECK(inside, "boxes lie in their pictures");
    int64_t n = 0, m = 0;
    uint32_t one = epoch_crc(t, 1, BA_AUGMENT_CROP, 64, &n), two = epoch_crc(t, 2, BA_AUGMENT_CROP, 64, &m);
    CHECK(n == 5000 && m == n && one == two, "%lld and %lld images, %08x and %08x", (long long)n, (long long)m, one, two);
    ba_dataset_free(d);
    ba_dataset_free(t);
    check_group("Tiny ImageNet in its own layout in a gzipped tar");
}

int main(void)
{
    cifar10();
    tiny_imagenet();
    printf("%ld passed, %ld failed, %ld skipped\n", check_passed, check_failed, check_skipped);
    return check_failed ? 1 : check_passed ? 0 : 77; /* 77: nothing but skips */
}
