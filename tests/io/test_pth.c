/* pth: PyTorch's files: what is read, and that every other thing is refused with a sentence, whatever was changed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../check.h"
#include "bauta/weights.h"
#include "make_pth.h"

static char path[] = "/tmp/bauta-pth-XXXXXX";
static ba_err e;
static const float numbers[6] = { 1, -2, 3.5f, 4, 5, 6 };

static void spill(const void *data, int64_t n)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(data, 1, (size_t)n, f) == (size_t)n && !fclose(f), "cannot write");
}

static void expect(const char *want)
{
    ba_weights *w = ba_weights_open(path, &e);
    CHECK(!w && e.code == BA_EDATA && strstr(e.msg, want), "'%s'\n   want '%s'", w ? "opened" : e.msg, want);
    ba_weights_free(w);
}

/* An archive around a pickle, with storage 0 of six floats. */
static void spill_pickle(const bytes *pickle)
{
    static archive z;
    z = (archive){ 0 };
    put_member(&z, "x/data.pkl", pickle->b, pickle->n, 0, pickle->n);
    put_member(&z, "x/data/0", numbers, sizeof numbers, 0, sizeof numbers);
    put_end(&z, z.members, -1);
    spill(z.file.b, z.file.n);
}

static bytes *begin(void)
{
    static bytes t;
    t.n = 0;
    put_text(&t, "\x80\x02}(");
    return &t;
}

static void finish(bytes *t)
{
    put_text(t, "u.");
    spill_pickle(t);
}

static const made whole = { "0", "FloatStorage", 6, 0, 2, { 2, 3 }, { 3, 1 } };

static void test_good(void)
{
    bytes *t = begin();
    put_string(t, "w");
    put_tensor(t, &whole);
    put_string(t, "part");
    put_tensor(t, &(made){ "0", "FloatStorage", 6, 2, 1, { 3 }, { 1 } });
    put_string(t, "epoch");
    put_int(t, 3);
    finish(t);
    ba_weights *w = ba_weights_open(path, &e);
    CHECK(w && ba_weights_count(w) == 2 && ba_weights_find(w, "part") == 0, "%s", e.msg);
    float v[6] = { 0 };
    CHECK(!ba_weights_read(w, 1, v, 6, &e) && !memcmp(v, numbers, sizeof v), "%s", e.msg);
    CHECK(!ba_weights_read(w, 0, v, 3, &e) && !memcmp(v, numbers + 2, 3 * sizeof *v), "%s", e.msg);
    ba_weights_free(w);
    t = begin(); /* two dicts: their names stay in front */
    put_string(t, "student");
    put_text(t, "}(");
    put_string(t, "w");
    put_tensor(t, &whole);
    put_byte(t, 'u');
    put_string(t, "teacher");
    put_text(t, "}(");
    put_string(t, "w");
    put_tensor(t, &whole);
    put_byte(t, 'u');
    finish(t);
    w = ba_weights_open(path, &e);
    CHECK(w && ba_weights_find(w, "student/w") == 0 && ba_weights_find(w, "teacher/w") == 1, "%s", e.msg);
    ba_weights_free(w);
    check_group("tensors, parts of a storage, dicts");
}

static void one(const made *m, const char *want)
{
    bytes *t = begin();
    put_string(t, "w");
    put_tensor(t, m);
    finish(t);
    expect(want);
}

static void test_tensors(void)
{
    one(&(made){ "0", "FloatStorage", 6, 0, 2, { 3, 2 }, { 1, 3 } }, "its numbers do not lie one after the other; save it with .contiguous()");
    one(&(made){ "0", "FloatStorage", 6, 1, 2, { 2, 3 }, { 3, 1 } }, "6 numbers from 1 of a storage of 6; the archive has 24 bytes of it");
    one(&(made){ "0", "FloatStorage", 7, 0, 2, { 2, 3 }, { 3, 1 } }, "of a storage of 7; the archive has 24 bytes");
    one(&(made){ "0", "DoubleStorage", 6, 0, 2, { 2, 3 }, { 3, 1 } }, "of a storage of 6; the archive has 24 bytes");
    one(&(made){ "0", "FloatStorage", 6, -1, 1, { 1 }, { 1 } }, "1 numbers from -1");
    one(&(made){ "0", "FloatStorage", 6, 0, 1, { -6 }, { 1 } }, "-6 elements along axis 0");
    one(&(made){ "0", "FloatStorage", 6, 0, 2, { INT64_MAX, 2 }, { 2, 1 } }, "elements along axis 1");
    one(&(made){ "0", "FloatStorage", 6, 0, 1, { INT64_MAX }, { 1 } }, "numbers from 0");
    one(&(made){ "0", "FloatStorage", INT64_MAX, INT64_MAX, 1, { 1 }, { 1 } }, "numbers from");
    one(&(made){ "0", "FloatStorage", 6, 0, 9, { 1, 1, 1, 1, 1, 1, 1, 1, 6 }, { 1, 1, 1, 1, 1, 1, 1, 1, 1 } }, "a tensor of an unknown form");
    one(&(made){ "1", "FloatStorage", 6, 0, 2, { 2, 3 }, { 3, 1 } }, "its numbers (x/data/1) are not in the archive");
    one(&(made){ "../0", "FloatStorage", 6, 0, 2, { 2, 3 }, { 3, 1 } }, "its numbers (x/data/../0) are not in the archive");
    one(&(made){ "0", "QuantStorage", 6, 0, 2, { 2, 3 }, { 3, 1 } }, "wants torch.QuantStorage, which is not among");
    check_group("tensors that do not fit their storage");
}

static void raw(const char *pickle, int64_t n, const char *want)
{
    bytes t = { .n = 0 };
    put_bytes(&t, pickle, n);
    spill_pickle(&t);
    expect(want);
}
#define RAW(text, want) raw(text, sizeof text - 1, want)

static void test_pickles(void)
{
    RAW("\x80\x02" "cposix\nsystem\nX\x04\0\0\0true\x85R.", "wants posix.system, which is not among what weight files need; nothing was run");
    RAW("\x80\x02" "cbuiltins\neval\n.", "wants builtins.eval");
    RAW("\x80\x04\x8c\x02os\x8c\x06system\x93.", "wants os.system");
    RAW("\x80\x02" "ios\nsystem\n.", "opcode 0x69 at byte 2");
    RAW("\x80\x02(S'true'\nios\nsystem\n.", "opcode 0x53");
    RAW("\x80\x02\x82\x01.", "opcode 0x82");
    RAW("\x80\x02}", "no end");
    RAW("\x80\x02.", "a value is missing");
    RAW("\x80\x02}X\xff\xff\xff\x7fw", "something longer than the rest");
    RAW("\x80\x02}h\x05.", "something that was not remembered");
    RAW("\x80\x02}r\xff\xff\xff\xff.", "a wrong number of something remembered");
    RAW("\x80\x02u.", "a mark is missing");
    RAW("\x80\x02](K\x01K\x02u.", "a list for something that is none");
    RAW("\x80\x02}(K\x01u.", "a list without a place");
    RAW("\x80\x02" "ctorch\nFloatStorage\nQ.", "a storage of an unknown form");
    RAW("\x80\x02}K\x01\x85R.", "a call of something that is no name");
    RAW("\x80\x02" "ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor of an unknown form");
    RAW("\x80\x02}.", "holds no dict of tensors");
    RAW("\x80\x02K\x01.", "holds no dict of tensors");
    RAW("", "no end");
    bytes *t = begin(); /* a dict that holds itself */
    t->n = 0;
    put_text(t, "\x80\x02}q");
    put_byte(t, 0);
    put_byte(t, '(');
    for (int i = 0; i < 40; i++) {
        char name[8];
        snprintf(name, sizeof name, "a%d", i);
        put_string(t, name);
        put_text(t, "h");
        put_byte(t, 0);
    }
    finish(t);
    expect("nested without end");
    t = begin();
    put_string(t, "w");
    put_tensor(t, &whole);
    put_string(t, "w");
    put_tensor(t, &whole);
    finish(t);
    expect("two tensors are called w");
    t = begin();
    put_string(t, "a\nb");
    put_tensor(t, &whole);
    finish(t);
    expect("a name with control characters");
    check_group("pickles that want something else");
}

/* A file whose byteorder member says `order`; NULL: without. */
static void spill_order(const char *order)
{
    static archive z;
    bytes *t = begin();
    put_string(t, "w");
    put_tensor(t, &whole);
    put_text(t, "u.");
    z = (archive){ 0 };
    put_member(&z, "x/data.pkl", t->b, t->n, 0, t->n);
    if (order)
        put_member(&z, "x/byteorder", order, (int64_t)strlen(order), 0, (int64_t)strlen(order));
    put_member(&z, "x/data/0", numbers, sizeof numbers, 0, sizeof numbers);
    put_end(&z, z.members, -1);
    spill(z.file.b, z.file.n);
}

static void test_order(void)
{
    float v[6];
    spill_order("little");
    ba_weights *w = ba_weights_open(path, &e);
    CHECK(w && !ba_weights_read(w, 0, v, 6, &e) && !memcmp(v, numbers, sizeof v), "%s", e.msg);
    ba_weights_free(w);
    spill_order("big");
    expect("its numbers have their big end in front; load and save it with PyTorch on a little-endian machine");
    spill_order("middle");
    expect("member byteorder says neither little nor big");
    spill_order("little and long winded");
    expect("member x/byteorder holds no order of bytes");
    check_group("the order of bytes");
}

/* One wrong bit in the numbers or in the pickle: named with the member; what is not read does not matter. */
static void test_sums(void)
{
    float v[6];
    static unsigned char file[1 << 16];
    spill_order(NULL);
    FILE *f = fopen(path, "rb");
    int64_t n = (int64_t)fread(file, 1, sizeof file, f);
    fclose(f);
    unsigned char *at = memmem(file, (size_t)n, numbers, sizeof numbers), *pickle = memmem(file, (size_t)n, "storage", 7);
    CHECK(at && pickle, "not where they should be");
    at[5] ^= 4;
    spill(file, n);
    ba_weights *w = ba_weights_open(path, &e);
    CHECK(w && ba_weights_count(w) == 1, "listed without its numbers: %s", e.msg);
    for (int i = 0; i < 2; i++)
        CHECK(ba_weights_read(w, 0, v, 6, &e) == BA_EDATA && strstr(e.msg, "member x/data/0 is damaged: its bytes have the CRC-32 ")
            && strstr(e.msg, path), "%s", e.msg);
    ba_weights_free(w);
    at[5] ^= 4;
    pickle[2] ^= 1;
    spill(file, n);
    expect("member x/data.pkl is damaged: its bytes have the CRC-32 ");
    check_group("sums of members");
}

static void test_archives(void)
{
    static archive z;
    const char *hello = "\x80\x02}.";
    z = (archive){ 0 };
    put_member(&z, "x/data.pkl", hello, 4, 8, 4);
    put_end(&z, 1, -1);
    spill(z.file.b, z.file.n);
    expect("packed or encrypted; PyTorch stores members as they are");
    z = (archive){ 0 };
    put_member(&z, "x/data.pkl", hello, 4, 0, 4);
    put_member(&z, "x/data.pkl", hello, 4, 0, 4);
    put_end(&z, 2, -1);
    spill(z.file.b, z.file.n);
    expect("two members are called x/data.pkl");
    z = (archive){ 0 };
    put_member(&z, "x/constants.pkl", hello, 4, 0, 4);
    put_member(&z, "x/data.pkl", hello, 4, 0, 4);
    put_end(&z, 2, -1);
    spill(z.file.b, z.file.n);
    expect("is a TorchScript program");
    z = (archive){ 0 };
    put_member(&z, "hello.txt", hello, 4, 0, 4);
    put_end(&z, 1, -1);
    spill(z.file.b, z.file.n);
    expect("a zip archive, but none of PyTorch's");
    z = (archive){ 0 };
    put_member(&z, "x/data.pkl", hello, 4, 0, 1 << 30);
    put_end(&z, 1, -1);
    spill(z.file.b, z.file.n);
    expect("a member of 1073741824 bytes at 0, the file has");
    z = (archive){ 0 };
    put_member(&z, "x/data.pkl", hello, 4, 0, 4);
    put_end(&z, 5, -1);
    spill(z.file.b, z.file.n);
    expect("its list of members is damaged");
    z = (archive){ 0 };
    put_member(&z, "x/data.pkl", hello, 4, 0, 4);
    put_end(&z, 1, 0x7fffffff);
    spill(z.file.b, z.file.n);
    expect("a list of 1 members");
    z = (archive){ 0 };
    put_member(&z, "x/data.pkl", hello, 4, 0, 4);
    put_end(&z, 0xffff, -1);
    spill(z.file.b, z.file.n);
    expect("the record of its large sizes is missing");
    check_group("archives that are none of PyTorch's");
}

/* Every length of a good file, and every byte of it changed: an answer, and never more than the file has. */
static void test_damage(void)
{
    static unsigned char good[1 << 16];
    static const unsigned char flips[] = { 0xff, 0x01, 0x80, 0x20 };
    bytes *t = begin();
    put_string(t, "w");
    put_tensor(t, &whole);
    finish(t);
    FILE *f = fopen(path, "rb");
    int64_t n = (int64_t)fread(good, 1, sizeof good, f), opened = 0;
    fclose(f);
    for (int64_t i = 0; i < n * 5; i++) {
        static unsigned char now[1 << 16];
        memcpy(now, good, (size_t)n);
        if (i < 4 * n)
            now[i / 4] ^= flips[i % 4];
        spill(now, i < 4 * n ? n : i - 4 * n);
        ba_weights *w = ba_weights_open(path, &e);
        CHECK(w || (e.code == BA_EDATA && *e.msg), "byte %lld: refused without a word", (long long)i);
        for (int64_t k = 0; w && k < ba_weights_count(w); k++) {
            ba_weight_info info;
            CHECK(!ba_weights_info(w, k, &info, &e) && info.bytes <= n, "byte %lld: %lld bytes", (long long)i, (long long)info.bytes);
            float *v = malloc((size_t)info.count * sizeof *v + 1);
            if (!ba_weights_read(w, k, v, info.count, &e))
                CHECK(info.count == 6 && !memcmp(v, numbers, sizeof numbers), "byte %lld: other numbers", (long long)i);
            free(v);
        }
        opened += w != NULL;
        ba_weights_free(w);
    }
    printf("# %lld changed files, %lld of them still readable\n", (long long)n * 5, (long long)opened);
    check_group("cut and changed files");
}

int main(void)
{
    int fd = mkstemp(path);
    close(fd);
    test_good();
    test_tensors();
    test_pickles();
    test_order();
    test_sums();
    test_archives();
    test_damage();
    unlink(path);
    return check_done();
}
