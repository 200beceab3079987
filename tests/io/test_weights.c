/* test_weights: safetensors: what is written comes back to the bit; every defect has its own line; no file crashes the reader. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "bauta/weights.h"
#include "help.h"

static char folder[400], path[500];

static void write_raw(uint64_t length, const char *header, int64_t data)
{
    size_t n = strlen(header);
    char *p = calloc(1, 8 + n + (size_t)data);
    memcpy(p, &length, 8);
    memcpy(p + 8, header, n);
    spill(path, p, (int64_t)(8 + n) + data);
    free(p);
}

static void write_header(const char *header, int64_t data) { write_raw(strlen(header), header, data); }

/* ---- round trip ---- */

static void test_round_trip(void)
{
    float a[6] = { 1, -0.0f, 1e-45f, INFINITY, 3.5f, -2 }, b[1] = { 7 }, back[6];
    ba_weight_item items[] = {
        { "blocks.0.attn.qkv.weight", { BA_F32, 2, { 2, 3, 1, 1, 1 } }, a },
        { "scalar", { BA_F32, 0, { 1, 1, 1, 1, 1 } }, b },
        { "odd \"name\" \\ \xc3\xa4\xf0\x9f\x8e\xad\n", { BA_F32, 1, { 1, 1, 1, 1, 1 } }, b },
        { "empty", { BA_F32, 2, { 0, 4, 1, 1, 1 } }, NULL },
    };
    ba_note notes[] = { { "arch", "deit" }, { "text", "line\none \"two\" \t\x01" } }, n;
    ba_weight_info t;
    ba_err e = { 0 };
    CHECK(!ba_weights_write(path, 4, items, 2, notes, &e), "%s", e.msg);
    CHECK(file_size(path) % 64 == 32, "%lld bytes: the tensors begin at a multiple of 64", (long long)file_size(path));
    ba_weights *w = ba_weights_open(path, &e);
    CHECK(w && ba_weights_count(w) == 4 && ba_weights_notes(w) == 2, "%s", e.msg);
    for (int i = 0; i < 4; i++) {
        int64_t k = ba_weights_find(w, items[i].name);
        CHECK(k >= 0 && !ba_weights_info(w, k, &t, &e) && t.rank == items[i].type.rank && t.dim[0] == items[i].type.dim[0]
            && !strcmp(t.dtype, "F32"), "%d: %s", i, e.msg);
        CHECK(!ba_weights_read(w, k, back, t.count, &e) && !memcmp(back, items[i].data ? items[i].data : back,
            (size_t)t.count * 4), "%d: %s", i, e.msg);
    }
    CHECK(!ba_weights_note(w, 1, &n, &e) && !strcmp(n.key, "text") && !strcmp(n.value, notes[1].value), "%s", n.value);
    CHECK(ba_weights_find(w, "nothing") == -1, "found");
    CHECK(ba_weights_read(w, 0, back, 5, &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_weights_info(w, 4, &t, &e) == BA_EARG && ba_weights_info(w, -1, &t, &e) == BA_EARG && ba_weights_note(w, 2, &n,
        &e) == BA_EARG, "%s", e.msg);
    ba_weights_free(w);
    CHECK(ba_weights_info(NULL, 0, &t, &e) == BA_EARG && !strcmp(e.msg, "weights expected, got nothing"), "%s", e.msg);
    check_group("round trip");
}

static void test_bad_writes(void)
{
    float v[2] = { 0 };
    ba_err e;
    ba_weight_item two[2] = { { "a", { BA_F32, 1, { 2, 1, 1, 1, 1 } }, v }, { "a", { BA_F32, 1, { 2, 1, 1, 1, 1 } }, v } };
    ba_note bad = { "k", "\xff" }, twice[2] = { { "k", "" }, { "k", "" } };
    char name[600];
    CHECK(ba_weights_write(path, 2, two, 0, NULL, &e) == BA_EARG && !strcmp(e.msg, "weights: two tensors 'a'"), "%s", e.msg);
    CHECK(ba_weights_write(path, 1, two, 1, &bad, &e) == BA_EARG && strstr(e.msg, "UTF-8 expected"), "%s", e.msg);
    CHECK(ba_weights_write(path, 1, two, 2, twice, &e) == BA_EARG && !strcmp(e.msg, "weights: two notes 'k'"), "%s", e.msg);
    two[0].name = "";
    CHECK(ba_weights_write(path, 1, two, 0, NULL, &e) == BA_EARG, "%s", e.msg);
    memset(name, 'x', 513);
    name[513] = 0;
    two[0].name = name;
    CHECK(ba_weights_write(path, 1, two, 0, NULL, &e) == BA_EARG, "%s", e.msg);
    name[512] = 0;
    CHECK(ba_weights_write(path, 1, two, 0, NULL, &e) == BA_OK, "%s", e.msg);
    two[0].type.dim[0] = -1;
    CHECK(ba_weights_write(path, 1, two, 0, NULL, &e) == BA_EARG, "%s", e.msg);
    two[0].type.dim[0] = INT64_MAX;
    CHECK(ba_weights_write(path, 1, two, 0, NULL, &e) == BA_EARG, "%s", e.msg);
    two[0].type.rank = 6;
    CHECK(ba_weights_write(path, 1, two, 0, NULL, &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_weights_write(path, -1, two, 0, NULL, &e) == BA_EARG && ba_weights_write(path, 1, NULL, 0, NULL, &e) == BA_EARG,
        "%s", e.msg);
    CHECK(ba_weights_write(NULL, 0, NULL, 0, NULL, &e) == BA_EARG, "%s", e.msg);
    check_group("bad writes");
}

/* ---- defects ---- */

#define T(name, dtype, shape, at) "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" at "]}"

static const struct { const char *header; int64_t data; const char *line; } defects[] = {
    { "{" T("a", "F32", "2", "0,8") "}x", 8, "header byte 54: something follows the closing '}'" },
    { "[]", 0, "header byte 0: a header begins with '{'" },
    { " {}", 0, "header byte 0: a header begins with '{'" },
    { "", 0, "header byte 0: a header begins with '{'" },
    { "{", 0, "header byte 1: a string expected" },
    { "{\"a", 0, "header byte 3: string without an end" },
    { "{\"a\"", 0, "header byte 4: ':' expected" },
    { "{\"a\":1}", 0, "header byte 5: '{' expected" },
    { "{\"a\":{}}", 0, "header byte 6: a string expected" },
    { "{" T("a", "F32", "2", "0,8") ",}", 8, "header byte 54: a string expected" },
    { "{" T("a", "F32", "2", "0,8") "," T("b", "F32", "2", "4,12") "}", 12, "b: begins at byte 4, inside a, which ends at 8" },
    { "{" T("a", "F32", "2", "0,8") "," T("b", "F32", "2", "0,8") "}", 8, "b: begins at byte 0, inside a, which ends at 8" },
    { "{" T("a", "F32", "2", "0,8") "," T("b", "F32", "2", "12,20") "}", 20,
        "b: a hole before it: bytes 8..12 belong to no tensor" },
    { "{" T("a", "F32", "2", "4,12") "}", 12, "a: a hole before it: bytes 0..4 belong to no tensor" },
    { "{" T("a", "F32", "2", "0,8") "}", 9, "9 bytes of data, the last tensor ends at 8" },
    { "{}", 3, "3 bytes of data, the last tensor ends at 0" },
    { "{" T("a", "F32", "2", "0,8") "}", 7, "a: offsets 0..8 lie beyond the 7 bytes of data" },
    { "{" T("a", "F32", "2", "8,0") "}", 8, "a: offsets 8..0 decrease" },
    { "{" T("a", "F32", "3", "0,8") "}", 8, "a: F32 of its shape takes 12 bytes, its offsets span 8" },
    { "{" T("a", "F16", "2", "0,8") "}", 8, "a: F16 of its shape takes 4 bytes, its offsets span 8" },
    { "{" T("a", "F32", "4294967296,4294967296", "0,8") "}", 8, "a: more than 2^63 bytes by its shape" },
    { "{" T("a", "F32", "9223372036854775807", "0,8") "}", 8, "a: more than 2^63 bytes by its shape" },
    { "{" T("a", "F32", "9223372036854775808", "0,8") "}", 8, "header byte 47: number beyond 2^63" },
    { "{" T("a", "F32", "0,9223372036854775807", "0,0") "}", 0, NULL }, /* zero elements, whatever the rest */
    { "{" T("a", "F32", "-2", "0,8") "}", 8, "header byte 29: a whole number expected" },
    { "{" T("a", "F32", "2.0", "0,8") "}", 8, "header byte 30: a whole number expected" },
    { "{" T("a", "F32", "2e0", "0,8") "}", 8, "header byte 30: a whole number expected" },
    { "{" T("a", "F32", "02", "0,8") "}", 8, "header byte 29: a whole number expected" },
    { "{" T("a", "F32", "1,1,1,1,1,1,1,1,2", "0,8") "}", 8, "header byte 45: more than 8 dimensions" },
    { "{" T("a", "F32", "[2]", "0,8") "}", 8, "header byte 29: a whole number expected" },
    { "{" T("a", "F32", "2", "0") "}", 8, "header byte 50: two data_offsets expected" },
    { "{" T("a", "F32", "2", "0,8,8") "}", 8, "header byte 52: more than two data_offsets" },
    { "{" T("a", "F31", "2", "0,8") "}", 8, "a: unknown dtype 'F31'; F32, F16, BF16 or F64 expected" },
    { "{" T("a", "F32", "2", "0,8") "," T("a", "F32", "2", "8,16") "}", 16, "a: two tensors of this name" },
    { "{" T("a", "F32", "2", "0,8") "," T("\\u0061", "F32", "2", "8,16") "}", 16, "a: two tensors of this name" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "a: lacks data_offsets" },
    { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "a: lacks shape" },
    { "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "a: lacks dtype" },
    { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 8, "a: two entries 'dtype'" },
    { "{\"a\":{\"strides\":[1]}}", 8, "a: unknown entry 'strides'" },
    { "{\"a\":{\"dtype\":null}}", 8, "header byte 14: a string expected" },
    { "{\"__metadata__\":{\"a\":1}}", 0, "header byte 21: a string expected" },
    { "{\"__metadata__\":{\"a\":{}}}", 0, "header byte 21: a string expected" },
    { "{\"__metadata__\":[]}", 0, "header byte 16: __metadata__ must hold strings by name: '{' expected" },
    { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", 0, "__metadata__: two entries 'a'" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "header byte 34: two __metadata__" },
    { "{" T("", "F32", "2", "0,8") "}", 8, "a tensor's name has 0 bytes; 1 to 512 expected" },
    { "{" T("\xff", "F32", "2", "0,8") "}", 8, "header byte 2: not UTF-8" },
    { "{" T("\xc0\x80", "F32", "2", "0,8") "}", 8, "header byte 2: not UTF-8" },
    { "{" T("\xed\xa0\x80", "F32", "2", "0,8") "}", 8, "header byte 2: not UTF-8" },
    { "{" T("\xf4\x90\x80\x80", "F32", "2", "0,8") "}", 8, "header byte 2: not UTF-8" },
    { "{\"\xe2\x82", 0, "header byte 2: not UTF-8" },
    { "{" T("a\nb", "F32", "2", "0,8") "}", 8, "header byte 3: control character in a string" },
    { "{" T("a\\x", "F32", "2", "0,8") "}", 8, "header byte 4: bad escape in a string" },
    { "{" T("a\\u0000", "F32", "2", "0,8") "}", 8, "header byte 4: bad escape in a string" },
    { "{" T("a\\ud800", "F32", "2", "0,8") "}", 8, "header byte 9: bad escape in a string" },
    { "{" T("a\\udc00", "F32", "2", "0,8") "}", 8, "header byte 4: bad escape in a string" },
    { "{" T("a\\u12", "F32", "2", "0,8") "}", 8, "header byte 4: bad escape in a string" },
    { "{\"a\\", 0, "header byte 4: bad escape in a string" },
    { "{" T("a", "F32", "2", "0,8") "}   ", 8, NULL },
    { "{ \"a\" : { \"shape\" : [ 2 ] ,\n\t\"data_offsets\" : [ 0 , 8 ] , \"dtype\" : \"F32\" } }", 8, NULL },
    { "{" T("\\u00e4\\ud83c\\udfad\\\"\\/\\b\\f\\n\\r\\t", "F32", "2", "0,8") "}", 8, NULL },
    { "{" T("a", "I64", "1", "0,8") "}", 8, NULL },
};

static void test_defects(void)
{
    char want[600];
    for (size_t i = 0; i < sizeof defects / sizeof *defects; i++) {
        ba_err e = { 0 };
        write_header(defects[i].header, defects[i].data);
        ba_weights *w = ba_weights_open(path, &e);
        snprintf(want, sizeof want, "%s: %s", path, defects[i].line ? defects[i].line : "");
        if (defects[i].line)
            CHECK(!w && e.code == BA_EDATA && !strcmp(e.msg, want), "%zu: '%s', not '%s'", i, e.msg, defects[i].line);
        else
            CHECK(w, "%zu: %s", i, e.msg);
        ba_weights_free(w);
    }
    check_group("defects of the header");
}

static void expect(const char *line)
{
    char want[600];
    ba_err e = { 0 };
    ba_weights *w = ba_weights_open(path, &e);
    snprintf(want, sizeof want, "%s: %s", path, line);
    CHECK(!w && e.code == BA_EDATA && !strcmp(e.msg, want), "'%s', not '%s'", e.msg, line);
    ba_weights_free(w);
}

static void test_lengths(void)
{
    ba_err e;
    spill(path, "", 0);
    expect("0 bytes; a safetensors file has at least 8");
    spill(path, "\1\0\0\0\0\0\0", 7);
    expect("7 bytes; a safetensors file has at least 8");
    write_raw(3, "{}", 0);
    expect("header of 3 bytes, the file has 2 behind the length");
    write_raw(16777217, "{}", 0);
    expect("header of 16777217 bytes; at most 16777216 expected (is it safetensors?)");
    write_raw(UINT64_MAX, "{}", 0);
    expect("header of 18446744073709551615 bytes; at most 16777216 expected (is it safetensors?)");
    spill(path, "PK\3\4 and more of it", 19);
    expect("a zip archive without its end (cut off?)");
    spill(path, "\x80\x02}q\0.....", 10);
    expect("is a Python pickle of before PyTorch 1.6, which is not read; in Python: torch.save(torch.load(FILE), NEW)");
    spill(path, "\x89HDF\r\n\x1a\n.....", 13);
    expect("is an HDF5 file; safetensors expected");
    CHECK(!ba_weights_open(folder, &e) && strstr(e.msg, "is a folder; a regular file expected"), "%s", e.msg);
    CHECK(!ba_weights_open("/no/such/file", &e) && e.code == BA_EDATA && !strcmp(e.msg,
        "/no/such/file: No such file or directory"), "%s", e.msg);
    CHECK(!ba_weights_open(NULL, &e) && e.code == BA_EARG && !ba_weights_open("", &e), "%s", e.msg);
    check_group("lengths and other formats");
}

/* Headers as large as the limit allows, made to cost time or memory. */
static void test_bombs(void)
{
    size_t most = 16 << 20;
    char *p = malloc(most + 9);
    uint64_t length = most;
    ba_err e;
    static const char *const fill[] = { "[", "{\"a\":", "{", "\"", "1", " ", "\\u0041", "{\"__metadata__\":{\"\":\"\"," };
    for (size_t i = 0; i < sizeof fill / sizeof *fill; i++) {
        clock_t begin = clock();
        size_t n = strlen(fill[i]);
        memcpy(p, &length, 8);
        p[8] = '{';
        for (size_t k = 1; k < most; k++)
            p[8 + k] = fill[i][(k - 1) % n];
        spill(path, p, (int64_t)most + 8);
        CHECK(!ba_weights_open(path, &e) && e.code == BA_EDATA, "%s", e.msg);
        CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 2, "bomb %zu takes long", i);
    }
    size_t n = 9;
    for (int i = 0; i < 65537; i++) /* many tensors on no bytes */
        n += (size_t)sprintf(p + n, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i);
    p[n++] = '}';
    length = n - 8;
    memcpy(p, &length, 8);
    p[8] = '{';
    spill(path, p, (int64_t)n);
    CHECK(!ba_weights_open(path, &e) && strstr(e.msg, "more than 65536 tensors"), "%s", e.msg);
    free(p);
    check_group("bombs");
}

/* ---- element types ---- */

static void test_dtypes(void)
{
    static const uint16_t half[] = { 0x3c00, 0xc000, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0x8000 };
    static const float half_as[] = { 1, -2, 0x1p-24f, 1023 * 0x1p-24f, 0x1p-14f, 65504, INFINITY, -0.0f };
    static const uint16_t brain[] = { 0x3f80, 0xc0a0, 0x0001, 0x7f80 };
    static const float brain_as[] = { 1, -5, 0x1p-133f, INFINITY };
    static const double wide[] = { 0.1, -1e300, 16777217 };
    static const char head[] = "{" T("h", "F16", "8", "0,16") "," T("b", "BF16", "4", "16,24") "," T("d", "F64", "3",
        "24,48") "," T("i", "I32", "1", "48,52") "}";
    char data[8 + sizeof head - 1 + 52];
    uint64_t length = sizeof head - 1;
    float v[8];
    ba_err e = { 0 };
    int32_t one = 1;
    memcpy(data, &length, 8);
    memcpy(data + 8, head, length);
    memcpy(data + 8 + length, half, 16);
    memcpy(data + 24 + length, brain, 8);
    memcpy(data + 32 + length, wide, 24);
    memcpy(data + 56 + length, &one, 4);
    spill(path, data, sizeof data);
    ba_weights *w = ba_weights_open(path, &e);
    CHECK(w, "%s", e.msg);
    CHECK(!ba_weights_read(w, ba_weights_find(w, "h"), v, 8, &e) && !memcmp(v, half_as, sizeof half_as), "%s: %g %g", e.msg,
        v[2], v[3]);
    CHECK(!ba_weights_read(w, ba_weights_find(w, "b"), v, 4, &e) && !memcmp(v, brain_as, sizeof brain_as), "%s: %g", e.msg, v[1]);
    CHECK(!ba_weights_read(w, ba_weights_find(w, "d"), v, 3, &e) && v[0] == 0.1f && v[1] == -INFINITY && v[2] == 16777216,
        "%s: %g", e.msg, v[0]);
    CHECK(ba_weights_read(w, ba_weights_find(w, "i"), v, 1, &e) == BA_EDATA && strstr(e.msg,
        "i: dtype I32; F32, F16, BF16 or F64 expected"), "%s", e.msg);
    CHECK(!truncate(path, (off_t)(sizeof data - 30)), "truncate");
    CHECK(ba_weights_read(w, ba_weights_find(w, "d"), v, 3, &e) == BA_EDATA && strstr(e.msg,
        "d: the file became shorter while it was read"), "%s", e.msg);
    ba_weights_free(w);
    check_group("element types");
}

/* ---- stores ---- */

static ba_store *vit(int64_t width, int64_t depth, int64_t classes)
{
    ba_store *s = fake_store();
    char name[64];
    int64_t cls[] = { 1, 1, width }, patch[] = { width, 3, 4, 4 }, one[] = { width }, head[] = { classes, width },
        n[] = { classes };
    ba_store_add(s, "cls_token", 3, cls, 0, 0.5, 0, NULL);
    ba_store_add(s, "patch_embed.proj.weight", 4, patch, 0, 0.25, 0, NULL);
    for (int64_t i = 0; i < depth; i++) {
        snprintf(name, sizeof name, "blocks.%lld.norm1.weight", (long long)i);
        ba_store_add(s, name, 1, one, 0, 1, 0, NULL);
        snprintf(name, sizeof name, "blocks.%lld.norm1.bias", (long long)i);
        ba_store_add(s, name, 1, one, 0, 2, 0, NULL);
    }
    ba_store_add(s, "head.weight", 2, head, 0, 3, 0, NULL);
    ba_store_add(s, "head.bias", 1, n, 0, 4, 0, NULL);
    return s;
}

static int same(const ba_store *a, const ba_store *b)
{
    float x[4096], y[4096];
    for (int64_t i = 0; i < ba_store_count(a); i++) {
        ba_type t;
        int64_t n = 1, k = ba_store_find(b, ba_store_name(a, i));
        ba_store_type(a, i, &t, NULL);
        for (int j = 0; j < t.rank; j++)
            n *= t.dim[j];
        if (k < 0 || ba_store_read(a, i, x, n, NULL) || ba_store_read(b, k, y, n, NULL) || memcmp(x, y, (size_t)n * 4))
            return 0;
    }
    return 1;
}

static void zero(ba_store *s)
{
    float v[4096] = { 0 };
    for (int64_t i = 0; i < ba_store_count(s); i++) {
        ba_type t;
        int64_t n = 1;
        ba_store_type(s, i, &t, NULL);
        for (int j = 0; j < t.rank; j++)
            n *= t.dim[j];
        ba_store_write(s, i, v, n, NULL);
    }
}

static void test_stores(void)
{
    ba_note note = { "arch", "deit" };
    ba_err e = { 0 };
    char report[4000], told[4000];
    ba_store *a = vit(8, 3, 10), *b = vit(8, 3, 10), *small = vit(4, 2, 10), *zeros = vit(8, 3, 10);
    zero(b);
    zero(zeros);
    CHECK(!ba_weights_save(a, path, 1, &note, &e), "%s", e.msg);
    CHECK(!same(a, b) && !ba_weights_load(b, path, NULL, NULL, NULL, 0, &e) && same(a, b), "%s", e.msg);
    zero(b);
    int64_t dim[] = { 8 };
    ba_store_add(b, "head_dist.bias", 1, dim, 0, 0, 0, NULL);
    CHECK(ba_weights_load(b, path, "", NULL, report, sizeof report, &e) == BA_EDATA && same(zeros, b), "nothing is loaded");
    CHECK(!strcmp(e.msg, "w.safetensors fits width 8, patch 4x4, depth 3, 10 classes; 1 of its tensors do not match: missing head_dist.bias"), "%s", e.msg);
    CHECK(!strcmp(report, "missing head_dist.bias\n"), "%s", report);
    CHECK(!ba_weights_load(b, path, "", "head_dist", NULL, 0, &e), "%s", e.msg);
    CHECK(ba_weights_load(b, path, "", "head_x,hea_", NULL, 0, &e) == BA_EDATA, "%s", e.msg);
    CHECK(ba_weights_load(small, path, "", NULL, report, sizeof report, &e) == BA_EDATA, "loaded");
    CHECK(!strcmp(e.msg, "w.safetensors fits width 8, patch 4x4, depth 3, 10 classes; 9 of its tensors do not match: cls_token is [1,1,8] in the file, [1,1,4] in the model; patch_embed.proj.weight is "
        "[8,3,4,4] in the file, [4,3,4,4] in the model; blocks.0.norm1.weight is [8] in the file, [4] in the model; blocks.0.norm1.bias is [8] in the file, "
        "[4] in the model; blocks.1.norm1.weight is [8] in the file, [4] in the model; and 4 more"), "%s", e.msg);
    CHECK(strstr(report, "surplus blocks.2.norm1.weight (nearest: blocks.0.norm1.weight)\n"), "%s", report);
    ba_weights_how how = { .size = sizeof how };
    CHECK(ba_weights_check(small, path, NULL, &how, told, sizeof told, &e) == BA_EDATA && strstr(e.msg, "w.safetensors fits width 8, patch 4x4, depth 3, 10 classes; 9 of"), "%s", e.msg);
    CHECK(!strcmp(told, report), "a check reports other tensors than a load:\n%s%s", report, told);
    CHECK(!ba_weights_check(a, path, NULL, &how, told, sizeof told, &e) && !*told && ba_weights_check(a, "/no/such/x", NULL, &how, NULL, 0, &e) == BA_EDATA, "%s", e.msg);
    CHECK(!ba_weights_check(a, "run big", zeros, &how, NULL, 0, &e), "%s", e.msg);
    CHECK(ba_weights_check(small, "run big", a, &how, told, sizeof told, &e) == BA_EDATA && strstr(e.msg, "run big fits width 8, patch 4x4, depth 3, 10 classes; 9 of"), "%s", e.msg);
    CHECK(!strcmp(told, report), "of a store other tensors than of its file:\n%s%s", report, told);
    CHECK(ba_weights_check(small, NULL, a, &how, NULL, 0, &e) == BA_EARG && ba_weights_check(NULL, path, NULL, &how, NULL, 0, &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_weights_load(b, path, "student.", NULL, report, sizeof report, &e) == BA_EDATA && strstr(e.msg,
        "missing cls_token"), "%s", e.msg);
    CHECK(ba_weights_load(NULL, path, "", NULL, NULL, 0, &e) == BA_EARG && ba_weights_load(a, NULL, "", NULL, NULL, 0,
        &e) == BA_EARG, "%s", e.msg);
    CHECK(ba_weights_save(NULL, path, 0, NULL, &e) == BA_EARG && ba_weights_save(a, "/no/such/x", 0, NULL, &e) == BA_EMACHINE,
        "%s", e.msg);
    ba_store_free(a);
    ba_store_free(b);
    ba_store_free(small);
    ba_store_free(zeros);
    check_group("stores");
}

static void test_renamed(void)
{
    float v[3] = { 1, 2, 3 }, nan[3] = { 1, NAN, NAN };
    ba_err e = { 0 };
    char report[4000];
    int64_t dim[] = { 3 };
    ba_store *s = fake_store();
    ba_store_add(s, "norm.weight", 1, dim, 0, 1, 0, NULL);
    ba_weight_item it[40] = { { "norm.wieght", { BA_F32, 1, { 3, 1, 1, 1, 1 } }, v } };
    char names[40][24];
    CHECK(!ba_weights_write(path, 1, it, 0, NULL, &e), "%s", e.msg);
    CHECK(ba_weights_load(s, path, "", NULL, NULL, 0, &e) == BA_EDATA && !strcmp(e.msg,
        "w.safetensors: 2 of its tensors do not match: "
        "missing norm.weight (nearest: norm.wieght); surplus norm.wieght (nearest: norm.weight)"), "%s", e.msg);
    it[0].name = "module.norm.weight";
    CHECK(!ba_weights_write(path, 1, it, 0, NULL, &e) && !ba_weights_load(s, path, "module.", NULL, NULL, 0, &e), "%s", e.msg);
    it[0].name = "norm.weight";
    it[0].data = nan;
    CHECK(!ba_weights_write(path, 1, it, 0, NULL, &e), "%s", e.msg);
    CHECK(ba_weights_load(s, path, "", NULL, NULL, 0, &e) == BA_EDATA && strstr(e.msg, "norm.weight has 2 NaN"), "%s", e.msg);
    for (int i = 1; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "surplus%d", i);
        it[i] = (ba_weight_item){ names[i], { BA_F32, 1, { 3, 1, 1, 1, 1 } }, v };
    }
    CHECK(!ba_weights_write(path, 40, it, 0, NULL, &e), "%s", e.msg);
    CHECK(ba_weights_load(s, path, "", NULL, report, sizeof report, &e) == BA_EDATA && strstr(report, "\nand 19 more\n"), "%s",
        report);
    for (int64_t size = 1; size < 60; size++) { /* a report is never longer than its room */
        memset(report, '#', sizeof report);
        ba_weights_load(s, path, "", NULL, report, size, &e);
        CHECK(memchr(report, 0, (size_t)size) && report[size] == '#', "%lld", (long long)size);
    }
    ba_store_free(s);
    check_group("names that do not match");
}

/* ---- mutations ---- */

static long silent; /* files that were refused without a word */

static void read_all(const char *p)
{
    ba_err e = { 0 };
    ba_weights *w = ba_weights_open(p, &e);
    if (!w) {
        silent += e.code == BA_OK || !*e.msg;
        return;
    }
    for (int64_t i = 0; i < ba_weights_count(w); i++) {
        ba_weight_info t;
        float *v;
        if (ba_weights_info(w, i, &t, &e) || !(v = malloc((size_t)t.count * 4 + 4)))
            continue;
        (void)ba_weights_read(w, i, v, t.count, &e);
        free(v);
    }
    ba_weights_free(w);
}

static void test_mutations(void)
{
    static const char *const words[] = { "9223372036854775807", "0", "[", "]", "{", "}", "\"", ",", "\\u", "F16", "BF16", "-",
        "1e9", "__metadata__", "\xff", "" };
    int64_t size;
    uint64_t seed = 20260101;
    long opened = 0;
    ba_store *s = vit(8, 3, 10);
    ba_note note = { "k", "v" };
    CHECK(!ba_weights_save(s, path, 1, &note, NULL), "save");
    ba_store_free(s);
    char *good = slurp(path, &size), *p = malloc((size_t)size + 200), memory[40];
    int fd = memfd_create("mutation", 0);
    snprintf(memory, sizeof memory, "/proc/self/fd/%d", fd);
    time_t end = time(NULL) + 3;
    for (long round = 0; time(NULL) <= end && round < 30000; round++, opened++) {
        int64_t n = size;
        memcpy(p, good, (size_t)size);
        for (int k = (int)(noise(&seed) % 4); k >= 0; k--) {
            uint64_t where = noise(&seed) % (uint64_t)(noise(&seed) % 4 ? 900 : n);
            const char *word = words[noise(&seed) % (sizeof words / sizeof *words)];
            size_t length = strlen(word);
            switch (noise(&seed) % 4) {
            case 0: p[where] ^= (char)(1 << noise(&seed) % 8); break;
            case 1: memcpy(p + where, word, length < (size_t)n - where ? length : (size_t)n - where); break;
            case 2: n = (int64_t)(where + 1); break;
            default: memmove(p + where, p + where + 1, (size_t)n - where - 1);
            }
            if (n < 900)
                break;
        }
        if (ftruncate(fd, 0) || pwrite(fd, p, (size_t)n, 0) != (ssize_t)n)
            break;
        read_all(memory);
    }
    close(fd);
    CHECK(opened > 200 && !silent, "%ld mutations, %ld refused without a word", opened, silent);
    printf("# %ld mutations\n", opened);
    free(good);
    free(p);
    check_group("mutations");
}

int main(void)
{
    snprintf(folder, sizeof folder, "%s", temp_folder("weights"));
    snprintf(path, sizeof path, "%s/w.safetensors", folder);
    test_round_trip();
    test_bad_writes();
    test_defects();
    test_lengths();
    test_bombs();
    test_dtypes();
    test_stores();
    test_renamed();
    test_mutations();
    return check_done();
}
