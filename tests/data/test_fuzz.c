/* fuzz: thousands of damaged pictures and archives with fixed seeds: an answer or a line, never a crash, never more than the
 * limits allow. BAUTA_FUZZ_ROUNDS in the environment asks for more rounds than the 3000 of a quick run. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <png.h>

#include "../check.h"
#include "data/decode.h"
#include "data/files.h"
#include "help.h"

static uint64_t seed = 20240607;
static ba_picture out = { .size = sizeof out };
static ba_err e;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Flipped bits, other bytes, big numbers, parts moved, cut or doubled. */
static void damage(bytes *b)
{
    for (uint32_t n = 1 + next_random(&seed) % 6; n > 0 && b->n > 1; n--) {
        int64_t at = next_random(&seed) % (uint32_t)b->n, length = 1 + next_random(&seed) % 64;
        length = length > b->n - at ? b->n - at : length;
        switch (next_random(&seed) % 7) {
        case 0: b->p[at] ^= (uint8_t)(1 << next_random(&seed) % 8); break;
        case 1: b->p[at] = (uint8_t)next_random(&seed); break;
        case 2: memset(b->p + at, next_random(&seed) % 2 ? 0xff : 0, (size_t)length); break;
        case 3: b->n = at + 1; break;
        case 4: memmove(b->p + at, b->p + next_random(&seed) % (uint32_t)(b->n - length + 1), (size_t)length); break;
        case 5: at %= 600; b->p[at < b->n ? at : 0] = (uint8_t)(next_random(&seed) % 2 ? 0xff : 0x7f); break;
        default: b->p[at] = (uint8_t)(b->p[at] + 1); break;
        }
    }
}

static long rounds(void)
{
    const char *text = getenv("BAUTA_FUZZ_ROUNDS");
    long n = text ? atol(text) : 3000;
    return n > 0 ? n : 3000;
}

static int in_order(int status, const char *prefix)
{
    if (status == BA_OK)
        return out.pixels && out.rows >= 1 && out.columns >= 1 && out.rows <= BAI_MAX_SIDE && out.columns <= BAI_MAX_SIDE
            && out.rows * out.columns * 3 <= out.capacity;
    return (status == BA_EDATA || status == BA_EMACHINE) && !strncmp(e.msg, prefix, strlen(prefix)) && !strchr(e.msg, '\n');
}

static void pictures(void)
{
    uint8_t *rgb = test_picture(40, 32), *smooth = smooth_picture(33, 33, 4);
    bytes corpus[] = {
        make_jpeg(rgb, 40, 32, (jpeg_kind){ .channels = 3, .quality = 75, .subsample = 1 }),
        make_jpeg(rgb, 40, 32, (jpeg_kind){ .channels = 3, .quality = 60, .progressive = 1 }),
        make_jpeg(smooth, 33, 33, (jpeg_kind){ .channels = 4, .quality = 80, .ycck = 1 }),
        make_jpeg(smooth, 33, 33, (jpeg_kind){ .channels = 1, .many_scans = 1, .progressive = 1 }),
        make_png(rgb, 120, 40, 32, (png_kind){ .type = PNG_COLOR_TYPE_RGB, .depth = 8, .text = 1 }),
        make_png(smooth, 132, 33, 33, (png_kind){ .type = PNG_COLOR_TYPE_RGB_ALPHA, .depth = 8, .interlaced = 1 }),
        make_png(smooth, 33, 33, 33, (png_kind){ .type = PNG_COLOR_TYPE_PALETTE, .depth = 2, .transparent = 1 }),
        make_png(smooth, 66, 33, 33, (png_kind){ .type = PNG_COLOR_TYPE_GRAY, .depth = 16, .transparent = 1 }),
    };
    int64_t decoded = 0, odd = 0, many = sizeof corpus / sizeof *corpus;
    double slowest = 0;
    for (long k = 0; k < rounds(); k++) {
        bytes b = { 0 }, *from = &corpus[k % many];
        bytes_add(&b, from->p, from->n);
        damage(&b);
        double begin = now();
        e = (ba_err){ 0 };
        int status = bai_decode(b.p, b.n, "x", &out, &e);
        slowest = now() - begin > slowest ? now() - begin : slowest;
        decoded += status == BA_OK;
        odd += !in_order(status, "x: ");
        bytes_end(&b);
    }
    printf("# %ld damaged pictures, %lld decoded, slowest %.0f ms\n", rounds(), (long long)decoded, slowest * 1e3);
    CHECK(!odd, "%lld odd answers, the last one '%s'", (long long)odd, e.msg);
    CHECK(slowest < 2, "%.2f s for one picture", slowest);
    for (int64_t i = 0; i < many; i++)
        bytes_end(&corpus[i]);
    free(rgb);
    free(smooth);
    check_group("damaged pictures");
}

static bytes archive(void)
{
    bytes b = { 0 };
    char long_name[300];
    memset(long_name, 'l', 299);
    long_name[299] = 0;
    tar_add(&b, "a/", '5', NULL, 0);
    tar_add(&b, "a/one", '0', "one", 3);
    tar_add(&b, "././@LongLink", 'L', long_name, 300);
    tar_add(&b, "short", '0', "two", 3);
    tar_add(&b, "pax", 'x', "16 path=pax/one\n10 size=5\n", 26);
    tar_add(&b, "x", '0', "three", 5);
    tar_end(&b);
    return b;
}

/* Whatever opens has names that stay inside, offsets within the file, and bytes that can be read. */
static int sound(const ba_files *f, int64_t n)
{
    char got[8];
    for (int64_t i = 0; i < bai_files_count(f); i++) {
        const char *name = bai_file_name(f, i);
        const bai_entry *t = &f->entries[i];
        if (!*name || *name == '/' || !strncmp(name, "../", 3) || strstr(name, "/../") || t->size < 0 || t->offset < 512
            || t->size > n - t->offset)
            return 0;
        if (bai_file_get(f, i, 0, t->size < 8 ? t->size : 8, got, &e) < 0)
            return 0;
    }
    return 1;
}

static void archives(void)
{
    bytes whole = archive();
    int64_t opened = 0, odd = 0;
    for (long k = 0; k < rounds(); k++) {
        bytes b = { 0 };
        bytes_add(&b, whole.p, whole.n);
        damage(&b);
        for (int64_t at = 0; at + 512 <= b.n && k % 4; at += 512) /* mostly with right checksums, so that more is looked at */
            if (b.p[at + 257] == 'u')
                tar_sum(b.p + at);
        const char *path = put_file("f.tar", b.p, b.n);
        e = (ba_err){ 0 };
        ba_files *f = bai_files_open(path, &e);
        opened += f != NULL;
        odd += f ? !sound(f, b.n) : e.code != BA_EDATA || !strstr(e.msg, "f.tar: ") || strchr(e.msg, '\n');
        bai_files_close(f);
        bytes_end(&b);
    }
    printf("# %ld damaged archives, %lld opened\n", rounds(), (long long)opened);
    CHECK(!odd, "%lld odd answers, the last one '%s'", (long long)odd, e.msg);
    bytes_end(&whole);
    check_group("damaged archives");
}

/* Pure noise behind each kind's first bytes. */
static void noise(void)
{
    static const char *const heads[] = { "\xff\xd8\xff\xe0", "\xff\xd8\xff\xc2", "\x89PNG\r\n\x1a\n", "" };
    int64_t odd = 0;
    for (long k = 0; k < rounds(); k++) {
        bytes b = { 0 };
        bytes_add(&b, heads[k % 4], (int64_t)strlen(heads[k % 4]));
        for (uint32_t n = next_random(&seed) % 300; n > 0; n--) {
            uint8_t c = (uint8_t)next_random(&seed);
            bytes_add(&b, &c, 1);
        }
        e = (ba_err){ 0 };
        odd += !in_order(bai_decode(b.p, b.n, "x", &out, &e), "x: ");
        bytes_end(&b);
    }
    CHECK(!odd, "%lld odd answers, the last one '%s'", (long long)odd, e.msg);
    check_group("noise");
}

int main(void)
{
    pictures();
    archives();
    noise();
    free(out.pixels);
    scratch_end();
    return check_done();
}
