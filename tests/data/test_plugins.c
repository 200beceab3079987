/* The data plugins: image folders (as folder, tar and gzipped tar), Tiny ImageNet's layout, CIFAR's binary files, drawn
 * scenes. The plugins are linked in under names of their own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"
#include "help.h"

extern const ba_plugin_desc plugin_images, plugin_cifar, plugin_scenes;

static ba_err e;
static char where[2048];

static ba_dataset *open_limited(const ba_plugin_desc *d, const char *path, const char *split, int64_t limit)
{
    char settings[40];
    snprintf(settings, sizeof settings, "limit=%lld", (long long)limit);
    return open_data(d, path, split, settings, &e);
}

static const char *in_scratch(const char *name)
{
    snprintf(where, sizeof where, "%s/%s", scratch(), name);
    return where;
}

/* ---- images ---- */

/* A picture of one colour, so that one can see which it is. */
static bytes flat(int grey, int png)
{
    uint8_t p[8 * 6 * 3];
    memset(p, grey, sizeof p);
    return png ? make_png(p, 24, 8, 6, (png_kind){ .type = 2, .depth = 8 }) : make_jpeg(p, 8, 6, (jpeg_kind){ .channels = 3 });
}

static void tree(bytes *tar, const char *folder, const char *name, int grey, int png)
{
    char path[512];
    bytes b = flat(grey, png);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (tar)
        tar_add(tar, name, '0', b.p, b.n);
    else
        put_file(path, b.p, b.n);
    bytes_end(&b);
}

static void small_tree(bytes *tar, const char *folder)
{
    tree(tar, folder, "set/train/cat/b.jpg", 20, 0);
    tree(tar, folder, "set/train/cat/a.JPEG", 10, 0);
    tree(tar, folder, "set/train/cat-big/1.png", 30, 1);
    tree(tar, folder, "set/train/ant/deep/er/x.jpg", 40, 0);
    tree(tar, folder, "set/test/ant/t.jpg", 50, 0);
    tree(tar, folder, "set/test/cat/t.jpg", 60, 0);
    tree(tar, folder, "set/test/cat-big/t.jpg", 70, 0);
    if (tar) {
        tar_add(tar, "set/train/cat/notes.txt", '0', "notes", 5);
        tar_end(tar);
    } else
        put_file("tree/set/train/cat/notes.txt", "notes", 5);
}

static void small_is_right(const char *path)
{
    static const struct { int label, grey; } train[] = { { 0, 40 }, { 1, 10 }, { 1, 20 }, { 2, 30 } };
    ba_dataset *d = open_limited(&plugin_images, path, "train", 0), *t = open_limited(&plugin_images, path, "test", 0);
    CHECK(d && t, "%s", e.msg);
    CHECK(ba_dataset_count(d) == 4 && ba_dataset_classes(d) == 3 && ba_dataset_count(t) == 3, "%lld",
        (long long)ba_dataset_count(d));
    CHECK(d && !strcmp(ba_dataset_class(d, 0), "ant") && !strcmp(ba_dataset_class(d, 1), "cat")
        && !strcmp(ba_dataset_class(d, 2), "cat-big"), "classes");
    for (int i = 0; d && i < 4; i++) {
        ba_sample s;
        CHECK(ba_dataset_read(d, i, &s, &e) == BA_OK, "%s", e.msg);
        CHECK(s.label == train[i].label && s.pixels[0] == train[i].grey && s.rows == 6 && s.columns == 8, "%d: %lld, %d", i,
            (long long)s.label, s.pixels[0]);
    }
    CHECK(d && !ba_dataset_has_boxes(d), "no boxes");
    ba_dataset_free(d);
    ba_dataset_free(t);
    d = open_limited(&plugin_images, path, "train", 1);
    CHECK(ba_dataset_count(d) == 3, "limit 1: %lld", (long long)ba_dataset_count(d));
    ba_dataset_free(d);
}

static void images(void)
{
    bytes tar = { 0 };
    small_tree(NULL, "tree");
    small_tree(&tar, "");
    bytes gz = gzipped(&tar);
    setenv("XDG_CACHE_HOME", in_scratch("cache"), 1);
    small_is_right(in_scratch("tree"));
    small_is_right(in_scratch("tree/set"));
    small_is_right(put_file("set.tar", tar.p, tar.n));
    small_is_right(put_file("set.tar.gz", gz.p, gz.n));
    bytes_end(&tar);
    bytes_end(&gz);
    check_group("images: folder, tar, gzipped tar");
}

static void refused(const char *split, const char *words)
{
    ba_dataset *d = open_limited(&plugin_images, in_scratch("bad"), split, 0);
    CHECK(!d && e.code == BA_EDATA && strstr(e.msg, words), "wanted '%s', got '%s'", words, d ? "(opened)" : e.msg);
    ba_dataset_free(d);
}

static void bad_trees(void)
{
    put_file("bad/readme", "x", 1);
    refused("train", "/bad: no folder train, test or val in it");
    tree(NULL, "bad", "train/a/1.jpg", 1, 0);
    put_file("bad/train/b/readme.txt", "x", 1);
    refused("train", "/bad: train/: no images of class b");
    tree(NULL, "bad", "train/b/1.jpg", 1, 0);
    refused("test", "/bad: no folder val/ in it");
    tree(NULL, "bad", "val/a/1.jpg", 1, 0);
    refused("test", "val/: no images of class b");
    tree(NULL, "bad", "val/b/1.jpg", 1, 0);
    tree(NULL, "bad", "val/c/1.jpg", 1, 0);
    refused("test", "val/c/: a class that train does not have");
    tree(NULL, "bad", "train/loose.jpg", 1, 0);
    refused("train", "/bad: train/loose.jpg is in no class folder");
    unlink(put_file("bad/train/loose.jpg", "", 0));
    put_file("bad/train/a/0.jpg", "<html>404</html>", 16);
    put_file("bad/train/a/00.jpg", "", 0);
    mkdir(in_scratch("bad/train/b/folder.jpg"), 0755);
    ba_dataset *d = open_limited(&plugin_images, in_scratch("bad"), "train", 0);
    ba_sample s;
    CHECK(ba_dataset_count(d) == 4, "%s", e.msg);
    CHECK(ba_dataset_read(d, 0, &s, &e) == BA_EDATA && strstr(e.msg, "/bad/train/a/0.jpg: is HTML (a failed download?)"), "%s",
        e.msg);
    CHECK(ba_dataset_read(d, 1, &s, &e) == BA_EDATA && strstr(e.msg, "/bad/train/a/00.jpg: is empty"), "%s", e.msg);
    CHECK(ba_dataset_read(d, 3, &s, &e) == BA_OK, "%s", e.msg);
    ba_dataset_free(d);
    CHECK(!open_limited(&plugin_images, "", "train", 0) && strstr(e.msg, "path is empty"), "%s", e.msg);
    static char name[5000];
    const struct { const char *path, *test; int64_t limit, upright; } given = { in_scratch("bad"), name, 0, 0 }; /* the plugin's own settings */
    memset(name, 'x', sizeof name - 1);
    CHECK(plugin_images.params_size == sizeof given && !ba_dataset_open(&plugin_images, &given, "test", &e) && e.code == BA_EARG
        && strstr(e.msg, "plugin images: test: xxx") && strstr(e.msg, "... is too long"), "%d %s", e.code, e.msg);
    check_group("images: trees with mistakes");
}

static void put_text(const char *name, const char *text)
{
    put_file(name, text, (int64_t)strlen(text));
}

static void tiny(void)
{
    tree(NULL, "tiny", "t/train/n2/images/n2_0.JPEG", 10, 0);
    tree(NULL, "tiny", "t/train/n2/images/n2_1.JPEG", 20, 0);
    tree(NULL, "tiny", "t/train/n1/images/n1_0.JPEG", 30, 0);
    put_text("tiny/t/train/n2/n2_boxes.txt", "n2_1.JPEG\t1\t2\t3\t4\r\nn2_0.JPEG\t0\t0\t7\t5\r\n");
    put_text("tiny/t/train/n1/n1_boxes.txt", "n1_0.JPEG\t4\t4\t4\t4");
    tree(NULL, "tiny", "t/val/images/val_0.JPEG", 40, 0);
    tree(NULL, "tiny", "t/val/images/val_1.JPEG", 50, 0);
    put_text("tiny/t/val/val_annotations.txt", "val_1.JPEG\tn1\t0\t0\t62\t62\n\nval_0.JPEG\tn2\t1\t1\t2\t3\n");
    tree(NULL, "tiny", "t/test/images/test_0.JPEG", 40, 0); /* without labels; not used */
    const char *path = in_scratch("tiny");
    ba_dataset *d = open_limited(&plugin_images, path, "train", 0), *t = open_limited(&plugin_images, path, "test", 0);
    ba_sample s;
    CHECK(d && t, "%s", e.msg);
    CHECK(ba_dataset_has_boxes(d) && ba_dataset_has_boxes(t) && ba_dataset_count(d) == 3 && ba_dataset_count(t) == 2, "facts");
    CHECK(!ba_dataset_read(d, 2, &s, &e) && s.label == 1 && s.pixels[0] == 20 && s.box[0] == 1 && s.box[3] == 5, "%s", e.msg);
    CHECK(!ba_dataset_read(d, 0, &s, &e) && s.label == 0 && s.box[2] - s.box[0] == 1, "%s", e.msg);
    CHECK(!ba_dataset_read(t, 0, &s, &e) && s.label == 0 && s.pixels[0] == 50 && s.box[2] == 63, "%s", e.msg);
    CHECK(!ba_dataset_read(t, 1, &s, &e) && s.label == 1 && s.pixels[0] == 40 && s.box[1] == 1, "%s", e.msg);
    ba_dataset_free(d);
    ba_dataset_free(t);
    static const struct { const char *text, *words; } bad[] = {
        { "val_0.JPEG\tn1\t0\t0\t1\t1\n", "val/images/val_1.JPEG is not in val_annotations.txt" },
        { "val_0.JPEG\tn9\t0\t0\t1\t1\n", "val_annotations.txt:1: a class that train does not have: n9" },
        { "\nval_0.JPEG\tn1\t0\t0\t1\n", "val_annotations.txt:2: file, class and four box corners expected" },
        { "val_0.JPEG\tn1\t0\t0\t1\t1\t1\n", ":1: too many columns" }, { "val_0.JPEG\tn1\t0\tx\t1\t1\n",
            ":1: not a pixel position: x" },
        { "val_0.JPEG\tn1\t0\t-1\t1\t1\n", ":1: not a pixel position: -1" },
            { "val_0.JPEG\tn1\t5\t5\t1\t1\n", ":1: a box that ends before it begins" },
        { "val_7.JPEG\tn1\t0\t0\t1\t1\n", ":1: no such file: val_7.JPEG" },
        { "val_0.JPEG\tn1\t0\t0\t1\t1\nval_0.JPEG\tn1\t0\t0\t1\t1\n", ":2: named twice: val_0.JPEG" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_text("tiny/t/val/val_annotations.txt", bad[i].text);
        t = open_limited(&plugin_images, in_scratch("tiny"), "test", 0);
        CHECK(!t && e.code == BA_EDATA && strstr(e.msg, bad[i].words), "wanted '%s', got '%s'", bad[i].words,
            t ? "(opened)" : e.msg);
        ba_dataset_free(t);
    }
    put_text("tiny/t/train/n1/n1_boxes.txt", "n1_0.JPEG\t4\t4\t4\nn1_0.JPEG");
    CHECK(!open_limited(&plugin_images, in_scratch("tiny"), "train", 0)
        && strstr(e.msg, "n1_boxes.txt:1: file and four box corners expected"), "%s", e.msg);
    check_group("images: Tiny ImageNet's layout and its mistakes");
}

/* ---- cifar ---- */

static bytes records(int n, int labels, int first_label, int count)
{
    bytes b = { 0 };
    for (int i = 0; i < count; i++) {
        uint8_t r[2 + 3072];
        r[0] = (uint8_t)((first_label + i) % (labels == 2 ? 20 : n));
        r[1] = (uint8_t)((first_label + i) % n);
        for (int k = 0; k < 3072; k++)
            r[labels + k] = (uint8_t)(k / 1024 * 100 + k % 32 + i);
        bytes_add(&b, r, labels + 3072);
    }
    return b;
}

static void cifar(void)
{
    bytes b = records(10, 1, 3, 4);
    put_file("c10/cifar-10-batches-bin/data_batch_1.bin", b.p, b.n);
    put_file("c10/cifar-10-batches-bin/data_batch_2.bin", b.p, b.n - 3073);
    put_file("c10/cifar-10-batches-bin/test_batch.bin", b.p, 3073);
    put_text("c10/cifar-10-batches-bin/batches.meta.txt",
        "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
    ba_dataset *d = open_limited(&plugin_cifar, in_scratch("c10"), "train", 0);
    ba_sample s;
    CHECK(ba_dataset_count(d) == 7 && ba_dataset_classes(d) == 10, "%s", e.msg);
    CHECK(d && ba_dataset_class(d, 3) && !strcmp(ba_dataset_class(d, 3), "cat"), "class names");
    CHECK(!ba_dataset_read(d, 5, &s, &e) && s.label == 4 && s.rows == 32 && s.pixels[0] == 1 && s.pixels[1] == 101
        && s.pixels[2] == 201 && s.pixels[3] == 2,
        "%s", e.msg);
    ba_dataset_free(d);
    d = open_limited(&plugin_cifar, in_scratch("c10/cifar-10-batches-bin/data_batch_2.bin"), "train", 2);
    CHECK(ba_dataset_count(d) == 2, "%s", e.msg);
    ba_dataset_free(d);
    d = open_limited(&plugin_cifar, in_scratch("c10/cifar-10-batches-bin/data_batch_2.bin"), "test", 0);
    CHECK(ba_dataset_count(d) == 1, "%s", e.msg);
    ba_dataset_free(d);
    put_file("c10/cifar-10-batches-bin/data_batch_1.bin", b.p, b.n - 1);
    CHECK(!open_limited(&plugin_cifar, in_scratch("c10"), "train", 0) && strstr(e.msg,
        "data_batch_1.bin: 12291 bytes are no whole number of records"), "%s", e.msg);
    b.p[3073] = 10;
    put_file("c10/cifar-10-batches-bin/data_batch_1.bin", b.p, b.n);
    CHECK(!open_limited(&plugin_cifar, in_scratch("c10"), "train", 0) && strstr(e.msg,
        "data_batch_1.bin: record 1: label 10; 0 to 9 expected"), "%s", e.msg);
    bytes_end(&b);
    b = records(100, 2, 55, 3);
    put_file("c100/train.bin", b.p, b.n);
    d = open_limited(&plugin_cifar, in_scratch("c100"), "train", 0);
    CHECK(ba_dataset_classes(d) == 100 && !ba_dataset_read(d, 1, &s, &e) && s.label == 56 && s.pixels[1] == 101, "%s", e.msg);
    ba_dataset_free(d);
    CHECK(!open_limited(&plugin_cifar, in_scratch("c100"), "test", 0) && strstr(e.msg, "no file test.bin in it"), "%s", e.msg);
    CHECK(!open_limited(&plugin_cifar, in_scratch("bad"), "train", 0) && strstr(e.msg, "neither data_batch_1.bin nor train.bin"),
        "%s", e.msg);
    bytes_end(&b);
    check_group("cifar");
}

/* ---- scenes ---- */

static ba_dataset *open_scenes(int64_t size, int64_t seed, const char *split)
{
    char settings[80];
    snprintf(settings, sizeof settings, "size=%lld seed=%lld", (long long)size, (long long)seed);
    return open_data(&plugin_scenes, NULL, split, settings, &e);
}

static uint32_t scene_crc(int64_t size, int64_t seed, const char *split, int64_t i)
{
    ba_sample s;
    ba_dataset *d = open_scenes(size, seed, split);
    uint32_t crc = ba_dataset_read(d, i, &s, &e) ? 0 : crc_of(s.pixels, s.rows * s.columns * 3);
    ba_dataset_free(d);
    return crc;
}

/* Balanced labels; boxes within the picture and of the object's size; the object is what differs from its surroundings. */
static void scenes(void)
{
    for (int64_t size = 16; size <= 64; size *= 2) {
        ba_dataset *d = open_scenes(size, 0, "train");
        int counts[64] = { 0 }, inside = 1;
        double area = 0, inner = 0, outer = 0;
        CHECK(ba_dataset_count(d) == 20000 && ba_dataset_classes(d) >= 10 && ba_dataset_has_boxes(d), "%s", e.msg);
        for (int i = 0; i < 500; i++) {
            ba_sample s;
            CHECK(ba_dataset_read(d, i, &s, &e) == BA_OK && s.rows == size && s.columns == size, "%s", e.msg);
            counts[s.label]++;
            inside &= s.box[0] >= 0 && s.box[1] >= 0 && s.box[2] <= (float)size && s.box[3] <= (float)size
                && s.box[2] > s.box[0] + 3 && s.box[3] > s.box[1] + 3;
            area += (s.box[2] - s.box[0]) * (s.box[3] - s.box[1]) / (double)(size * size);
            int cx = (int)(s.box[0] + s.box[2]) / 2, cy = (int)(s.box[1] + s.box[3]) / 2;
            inner += s.label == 0 ? s.pixels[(cy * size + cx) * 3] + s.pixels[(cy * size + cx) * 3 + 1]
                + s.pixels[(cy * size + cx) * 3 + 2] : 0;
            outer += s.label == 0 ? s.pixels[0] + s.pixels[1] + s.pixels[2] : 0;
        }
        for (int c = 0; c < ba_dataset_classes(d); c++)
            CHECK(counts[c] == 500 / ba_dataset_classes(d) && ba_dataset_class(d, c), "class %d: %d", c, counts[c]);
        CHECK(inside && area / 500 > 0.15 && area / 500 < 0.5, "inside %d, mean area of a box %g", inside, area / 500);
        CHECK(fabs(inner - outer) > 5000, "disks stand out: %g and %g", inner, outer);
        ba_dataset_free(d);
    }
    uint32_t crc = scene_crc(32, 0, "train", 123);
    CHECK(crc && crc == scene_crc(32, 0, "train", 123), "the same twice");
    CHECK(crc != scene_crc(32, 1, "train", 123) && crc != scene_crc(32, 0, "test", 123) && crc != scene_crc(32, 0, "train", 133),
        "seed, split and number matter");
    check_group("scenes");
}

int main(void)
{
    images();
    bad_trees();
    tiny();
    cifar();
    scenes();
    scratch_end();
    return check_done();
}
