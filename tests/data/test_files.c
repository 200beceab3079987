/* files: folders, tars and gzipped tars as lists of files; good archives of each dialect, hostile and damaged ones. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "bauta/system.h"
#include "data/files.h"
#include "help.h"

static ba_err e;

static ba_files *open_tar(const bytes *b)
{
    e = (ba_err){ 0 };
    return bai_files_open(put_file("t.tar", b->p, b->n), &e);
}

/* The file must be there with these bytes. */
static void holds(const ba_files *f, const char *name, const char *text)
{
    char got[4096] = { 0 };
    int64_t i = bai_file_find(f, name), n = (int64_t)strlen(text);
    CHECK(i >= 0 && bai_file_size(f, i) == n, "%s: number %lld, %lld bytes", name, (long long)i, (long long)bai_file_size(f, i));
    CHECK(i >= 0 && bai_file_get(f, i, 0, n, got, &e) == BA_OK && !strcmp(got, text), "%s: %s", name, e.msg);
}

static void folder(void)
{
    put_file("d/b/2.txt", "two", 3);
    put_file("d/b/1.txt", "one", 3);
    put_file("d/a.txt", "", 0);
    put_file("d/.hidden/x", "x", 1);
    put_file("d/odd \n\xff-name", "odd", 3);
    char path[1024];
    snprintf(path, sizeof path, "%s/d", scratch());
    ba_files *f = bai_files_open(path, &e);
    CHECK(f != NULL, "%s", e.msg);
    static const char *const names[] = { "a.txt", "b/", "b/1.txt", "b/2.txt", "odd \n\xff-name" };
    CHECK(bai_files_count(f) == 5, "%lld", (long long)bai_files_count(f));
    for (int i = 0; i < 5; i++)
        CHECK(!strcmp(bai_file_name(f, i), names[i]), "%s", bai_file_name(f, i));
    holds(f, "b/2.txt", "two");
    holds(f, "odd \n\xff-name", "odd");
    CHECK(bai_file_find(f, "c") == -1 && bai_file_find(f, "") == -1 && !bai_file_name(f, 5) && !bai_file_name(f, -1)
        && bai_file_size(f, 9) == -1, "edges");
    char got[8];
    CHECK(bai_file_get(f, 2, 1, 3, got, &e) == BA_EDATA && strstr(e.msg, "/d/b/1.txt: 3 bytes from 1 wanted; it has 3"), "%s",
        e.msg);
    CHECK(bai_file_get(f, 2, INT64_MAX, INT64_MAX, got, &e) == BA_EDATA && bai_file_get(f, 2, -1, 1, got, &e) == BA_EDATA, "%s",
        e.msg);
    put_file("d/b/1.txt", "longer", 6);
    CHECK(bai_file_get(f, 2, 0, 3, got, &e) == BA_EDATA && strstr(e.msg, "/d/b/1.txt: changed since the files were listed"), "%s",
        e.msg);
    unlink(put_file("d/b/2.txt", "two", 3));
    CHECK(bai_file_get(f, 3, 0, 3, got, &e) == BA_EDATA && strstr(e.msg, "b/2.txt: No such file"), "%s", e.msg);
    bai_files_close(f);
    check_group("a folder");
}

/* A made entry of a folder and the words that opening it must be refused with; NULL: accepted. */
static void odd_entry(const char *words)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/odd", scratch());
    e = (ba_err){ 0 };
    ba_files *f = bai_files_open(path, &e);
    CHECK(words ? !f && e.code == BA_EDATA && strstr(e.msg, words) : f != NULL, "%s", e.msg);
    bai_files_close(f);
}

static void odd_folders(void)
{
    char path[1024], target[1024];
    put_file("odd/file", "file", 4);
    snprintf(path, sizeof path, "%s/odd/entry.jpg", scratch());
    CHECK(!symlink("file", path), "symlink");
    odd_entry(NULL);
    unlink(path);
    CHECK(!symlink("nowhere", path), "symlink");
    odd_entry("odd/entry.jpg: a link that leads nowhere");
    unlink(path);
    CHECK(!mkfifo(path, 0644), "mkfifo");
    odd_entry("odd/entry.jpg: is a pipe");
    unlink(path);
    CHECK(!symlink("entry.jpg", path), "symlink");
    odd_entry("odd/entry.jpg: Too many levels of symbolic links");
    unlink(path);
    snprintf(target, sizeof target, "%s/odd", scratch());
    CHECK(!symlink(target, path), "symlink");
    odd_entry("more than 16 folders deep");
    unlink(path);
    CHECK(!bai_files_open("", &e) && e.code == BA_EARG && !bai_files_open(NULL, &e), "%s", e.msg);
    snprintf(path, sizeof path, "%s/none", scratch());
    CHECK(!bai_files_open(path, &e) && e.code == BA_EDATA && strstr(e.msg, "No such file"), "%s", e.msg);
    CHECK(!bai_files_open("/dev/null", &e) && strstr(e.msg, "is a device"), "%s", e.msg);
    CHECK(!mkfifo(path, 0644) && !bai_files_open(path, &e) && strstr(e.msg, "is a pipe"), "%s", e.msg);
    check_group("odd folders and paths");
}

static void pax_add(bytes *b, const char *records)
{
    tar_add(b, "PaxHeaders/x", 'x', records, (int64_t)strlen(records));
}

static void dialects(void)
{
    bytes b = { 0 };
    uint8_t h[512];
    char long_name[201];
    memset(long_name, 'n', 200);
    memcpy(long_name, "long/", 5);
    long_name[200] = 0;
    tar_add(&b, "./top/", '5', NULL, 0);
    tar_add(&b, "./top/old", 0, "old", 3);
    tar_add(&b, "top/seven", '7', "seven", 5);
    tar_add(&b, "top/sub/", '0', NULL, 0); /* a folder of the seventies */
    tar_add(&b, "././@LongLink", 'L', long_name, 201);
    tar_add(&b, "long/nnn", '0', "long", 4);
    pax_add(&b, "20 path=pax/\xc3\xa4/name\n10 size=3\n30 mtime=1350244992.023960108\n");
    tar_add(&b, "short", '0', "pax", 3);
    tar_header(h, "name", '0', 6);
    memcpy(h + 345, "some/prefix", 11);
    tar_sum(h);
    bytes_add(&b, h, 512);
    uint8_t block[512] = "prefix";
    bytes_add(&b, block, 512);
    tar_add(&b, "link", '2', NULL, 0);
    tar_add(&b, "pipe", '6', NULL, 0);
    tar_add(&b, "global", 'g', "22 comment=0123456789\n", 22);
    tar_header(h, "big", '0', 0);
    memcpy(h + 124, "\x80\0\0\0\0\0\0\0\0\0\0\3", 12);
    tar_sum(h);
    bytes_add(&b, h, 512);
    memcpy(block, "big\0\0\0", 6);
    bytes_add(&b, block, 512);
    tar_add(&b, "._mac", '0', "x", 1);
    tar_end(&b);
    ba_files *f = open_tar(&b);
    CHECK(f != NULL, "%s", e.msg);
    CHECK(bai_files_count(f) == 8, "%lld", (long long)bai_files_count(f));
    holds(f, "top/old", "old");
    holds(f, "top/seven", "seven");
    holds(f, long_name, "long");
    holds(f, "pax/\xc3\xa4/name", "pax");
    holds(f, "some/prefix/name", "prefix");
    holds(f, "big", "big");
    CHECK(bai_file_find(f, "top/") >= 0 && bai_file_find(f, "top/sub/") >= 0 && bai_file_find(f, "link") < 0,
        "folders and links");
    put_file("t.tar", b.p, b.n - 512);
    CHECK(bai_file_get(f, 0, 0, 1, h, &e) == BA_EDATA && strstr(e.msg, "changed since"), "%s", e.msg);
    bai_files_close(f);
    bytes_end(&b);
    check_group("tar: ustar, GNU, pax, old");
}

static void refused(bytes *b, const char *words)
{
    ba_files *f = open_tar(b);
    CHECK(!f && e.code == BA_EDATA && strstr(e.msg, words), "wanted '%s', got '%s'", words, f ? "(opened)" : e.msg);
    bai_files_close(f);
    bytes_end(b);
}

static bytes one(const char *name, char type, const void *data, int64_t n)
{
    bytes b = { 0 };
    tar_add(&b, "first", '0', "x", 1);
    tar_add(&b, name, type, data, n);
    tar_end(&b);
    return b;
}

static bytes with_size(const char *field)
{
    bytes b = one("x", '0', "x", 1);
    memcpy(b.p + 1024 + 124, field, 12);
    tar_sum(b.p + 1024);
    return b;
}

static void hostile(void)
{
    bytes b = one("../evil", '0', "x", 1);
    refused(&b, "t.tar: offset 1024: name with '..': ../evil");
    b = one("a/../../evil", '0', "x", 1);
    refused(&b, "name with '..'");
    b = one("/etc/passwd", '0', "x", 1);
    refused(&b, "offset 1024: absolute name /etc/passwd");
    b = one(".//etc/passwd", '0', "x", 1);
    ba_files *f = open_tar(&b);
    CHECK(f && bai_file_find(f, "etc/passwd") == 0, "%s", e.msg); /* a name like any other */
    bai_files_close(f);
    bytes_end(&b);
    b = one("first", '0', "y", 1);
    refused(&b, "first is there twice, again at offset 1536");
    b = one("hard", '1', NULL, 0);
    refused(&b, "a hard link");
    b = one("sparse", 'S', NULL, 0);
    refused(&b, "sparse file");
    b = one("odd", 'Q', NULL, 0);
    refused(&b, "an entry of unknown type 0x51");
    b = one("x", '0', "x", 1);
    b.p[1024 + 7] ^= 1;
    refused(&b, "offset 1024: wrong header checksum");
    b = one("x", '0', "x", 1);
    b.n = 1024 + 512 + 100;
    refused(&b, "offset 2048: ends without an end mark (truncated?)");
    b = one("x", '0', "x", 1);
    b.n = 1024 + 300;
    refused(&b, "offset 1024: ends without an end mark");
    b = with_size("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe");
    refused(&b, "offset 1024: negative size");
    b = with_size("77777777777\0");
    refused(&b, "offset 1024: 8589934591 bytes announced, 1536 left in the file");
    b = with_size("\x80\0\0\0\0\0\0\x7f\xff\xff\xff\xff");
    refused(&b, "549755813887 bytes announced");
    b = with_size("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    refused(&b, "size is not a number");
    b = with_size("\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    refused(&b, "size is not a number");
    b = with_size("12x45678901\0");
    refused(&b, "size is not a number");
    b = one("", '0', "x", 1);
    refused(&b, "a file without a name");
    bytes none = { .p = calloc(1, 600), .n = 600 };
    memset(none.p, 'a', 600);
    refused(&none, "not a tar");
    bytes tiny = { .p = calloc(1, 8), .n = 8 };
    refused(&tiny, "8 bytes; a tar, a gzipped tar or a folder expected");
    check_group("tar: hostile and damaged archives");
}

static void hostile_records(void)
{
    static const struct { const char *record, *words; } pax[] = {
        { "13 path=../x\n", "name with '..'" }, { "12 path=/abs\n", "pax record without a valid length" },
            { "99 path=a\n", "pax record without a valid length" },
        { "0 path=a\n", "valid length" }, { "-9 path=a\n", "valid length" }, { "99999999999999999999 path=a\n", "valid length" },
            { "9 pathxa\n", "'='" },
        { "25 GNU.sparse.major=1.0.\n", "sparse file" }, { "28 size=9223372036854775807\n", "pax size is not a number" },
            { "11 size=-1\n", "pax size is not a number" },
        { "17 size=99999999\n", "99999999 bytes announced" },
    };
    for (size_t i = 0; i < sizeof pax / sizeof *pax; i++) {
        bytes b = { 0 };
        pax_add(&b, pax[i].record);
        tar_add(&b, "x", '0', "x", 1);
        tar_end(&b);
        refused(&b, pax[i].words);
    }
    bytes b = { 0 };
    tar_add(&b, "x", 'x', "10 path=a\0\n", 11);
    tar_add(&b, "x", '0', "x", 1);
    tar_end(&b);
    CHECK(!open_tar(&b), "a zero byte in a path");
    bytes_end(&b);
    tar_add(&b, "x", 'L', "name", 5);
    tar_end(&b);
    refused(&b, "a name record without its file");
    char *big = malloc(2 << 20);
    memset(big, 'a', 2 << 20);
    tar_add(&b, "x", 'L', big, 5000);
    tar_add(&b, "x", '0', "x", 1);
    tar_end(&b);
    refused(&b, "a name of 5000 bytes; at most 4095 expected");
    tar_add(&b, "x", 'L', big, 2 << 20);
    tar_end(&b);
    refused(&b, "a name record of 2097152 bytes");
    free(big);
    check_group("tar: hostile name records");
}

static int64_t files_in(const char *path)
{
    ba_files *f = bai_files_open(path, &e);
    int64_t n = f ? bai_files_count(f) : -1;
    bai_files_close(f);
    return n;
}

static int heard;
static char last_heard[1100];

static void hear(const char *line)
{
    heard++;
    snprintf(last_heard, sizeof last_heard, "%s", line);
}

static void gzip(void)
{
    char cache[1024];
    snprintf(cache, sizeof cache, "%s/cache", scratch());
    setenv("XDG_CACHE_HOME", cache, 1);
    bytes b = { 0 };
    char *data = malloc(300000);
    for (int i = 0; i < 300000; i++)
        data[i] = (char)(i * 7 + i / 256);
    tar_add(&b, "a/file", '0', data, 300000);
    tar_add(&b, "a/other", '0', "other", 5);
    tar_end(&b);
    bytes z = gzipped(&b);
    char path[2048];
    snprintf(path, sizeof path, "%s", put_file("t.tar.gz", z.p, z.n));
    ba_notice_to(hear);
    ba_files *f = bai_files_open(path, &e), *again = bai_files_open(path, &e);
    ba_notice_to(NULL);
    CHECK(f && again, "%s", e.msg);
    CHECK(heard == 1 && !strncmp(last_heard, "unpacking ", 10) && strstr(last_heard, "t.tar.gz once into ") && strstr(last_heard, cache), "%d: %s", heard, last_heard);
    holds(f, "a/other", "other");
    char *got = malloc(300000), label[2048];
    CHECK(f && !bai_file_get(f, bai_file_find(f, "a/file"), 0, 300000, got, &e) && !memcmp(got, data, 300000), "%s", e.msg);
    bai_file_label(f, 0, label, sizeof label);
    CHECK(strstr(label, "t.tar.gz: a/file"), "%s", label);
    bai_files_close(f);
    bai_files_close(again);
    snprintf(label, sizeof label, "%s/bauta", cache);
    CHECK(files_in(label) == 1, "one unpacked file, not %lld", (long long)files_in(label));
    put_file("t.tar.gz", z.p, z.n / 2);
    CHECK(!bai_files_open(path, &e) && e.code == BA_EDATA && strstr(e.msg, "truncated gzip file"), "%s", e.msg);
    z.p[z.n / 2] ^= 0x55;
    put_file("t.tar.gz", z.p, z.n);
    CHECK(!bai_files_open(path, &e) && e.code == BA_EDATA && strstr(e.msg, "damaged gzip file"), "%s", e.msg);
    CHECK(files_in(label) == 1, "nothing else is left there: %lld", (long long)files_in(label));
    z.p[z.n / 2] ^= 0x55;
    CHECK((f = bai_files_open(put_file("u.tar.gz", z.p, z.n), &e)), "%s", e.msg);
    bai_files_close(f);
    CHECK(files_in(label) == 2, "another archive's copy lies beside: %lld", (long long)files_in(label));
    bytes_add(&z, "\0\0", 2);
    put_file("t.tar.gz", z.p, z.n);
    CHECK((f = bai_files_open(path, &e)), "%s", e.msg);
    holds(f, "a/other", "other");
    bai_files_close(f);
    CHECK(files_in(label) == 2, "the copy of what the archive was is gone, the other one is not: %lld", (long long)files_in(label));
    unsetenv("XDG_CACHE_HOME");
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    unsetenv("HOME");
    CHECK(!bai_files_open(path, &e) && e.code == BA_EMACHINE && strstr(e.msg, "XDG_CACHE_HOME"), "%s", e.msg);
    if (home)
        setenv("HOME", home, 1);
    free(home);
    free(data);
    free(got);
    bytes_end(&b);
    bytes_end(&z);
    check_group("gzipped tar");
}

/* Four processes unpack the same archive at once; then the disk is full (as the limit on a file's size says it). */
static void gzip_together(void)
{
    char cache[1024], path[1024], where[2048];
    bytes b = { 0 };
    uint8_t *noise = malloc(2000000);
    uint64_t seed = 5;
    for (int i = 0; i < 2000000; i++)
        noise[i] = (uint8_t)next_random(&seed);
    tar_add(&b, "noise", '0', noise, 2000000);
    tar_end(&b);
    bytes z = gzipped(&b);
    snprintf(path, sizeof path, "%s", put_file("noise.tar.gz", z.p, z.n));
    snprintf(cache, sizeof cache, "%s/together", scratch());
    snprintf(where, sizeof where, "%s/bauta", cache);
    setenv("XDG_CACHE_HOME", cache, 1);
    fflush(stdout);
    for (int full = 1; full >= 0; full--) {
        int children = full ? 1 : 4, right = 0;
        for (int i = 0; i < children; i++)
            if (!fork()) {
                struct rlimit limit = { 1 << 20, 1 << 20 };
                signal(SIGXFSZ, SIG_IGN);
                if (full)
                    setrlimit(RLIMIT_FSIZE, &limit);
                ba_files *f = bai_files_open(path, &e);
                _exit(full ? f || e.code != BA_EMACHINE || !strstr(e.msg, "unpacking into the cache folder: File too large")
                    : !f || bai_file_size(f, 0) != 2000000);
            }
        for (int i = 0, status; i < children; i++)
            right += wait(&status) > 0 && status == 0;
        CHECK(right == children, "%d of %d", right, children);
        CHECK(files_in(where) == !full, "%lld files", (long long)files_in(where));
        DIR *dir = opendir(where);
        int names = 0;
        for (struct dirent *d; dir && (d = readdir(dir));)
            names++;
        CHECK(names == 2 + !full, "nothing hidden is left: %d names", names);
        closedir(dir);
    }
    free(noise);
    bytes_end(&b);
    bytes_end(&z);
    check_group("gzipped tar: a full disk, four at once");
}

int main(void)
{
    folder();
    odd_folders();
    dialects();
    hostile();
    hostile_records();
    gzip();
    gzip_together();
    scratch_end();
    return check_done();
}
