/* Plugins that must be refused, each with its sentence, without a line of their code running in this process; then a good one cut off at many
 * lengths and with single bits turned. */
#include "../check.h"
#include "../../core/plugin/plugin.h"
#include "bauta/model.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char here[PATH_MAX]; /* the folder of the bad plugins */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void refused(ba_plugins *p, const char *name, const char *why)
{
    char want[PATH_MAX + 300];
    ba_err e = { 0 };
    snprintf(want, sizeof want, "plugin %s/bad-%s.so: %s", here, name, why);
    char full[80];
    snprintf(full, sizeof full, "bad-%s", name);
    for (int again = 0; again < 2; again++) { /* asked again, the reason is given again */
        e = (ba_err){ 0 };
        CHECK(!ba_plugins_find(p, "mask", full, &e), "%s was accepted", name);
        CHECK(e.code == BA_EPLUGIN && !strcmp(e.msg, want), "%d '%s'\n   want '%s'", e.code, e.msg, want);
    }
}

static void test_descriptors(ba_plugins *p)
{
    refused(p, "magic", "broken descriptor: magic 0x12345678, 0x42415554 expected");
    refused(p, "major", "built for ABI 2, this bauta has 1; rebuild it");
    char later[48];
    snprintf(later, sizeof later, "wants ABI %d.%d, this bauta has %d.%d", BA_ABI_MAJOR, BA_ABI_MINOR + 3, BA_ABI_MAJOR, BA_ABI_MINOR);
    refused(p, "minor", later);
    refused(p, "size", "broken descriptor: size 16, 80 expected");
    refused(p, "kind", "broken descriptor: kind 77; 1 (mask), 2 (loss), 3 (arch), 4 (data) or 5 (reducer) expected");
    refused(p, "name", "broken descriptor: name '../evil'; 1 to 64 of [a-z0-9_-] expected");
    refused(p, "no-name", "broken descriptor: name ''; 1 to 64 of [a-z0-9_-] expected");
    refused(p, "long-name", "broken descriptor: name 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; 1 to 64 of [a-z0-9_-] expected");
    refused(p, "no-doc", "broken descriptor: doc is missing");
    refused(p, "no-version", "broken descriptor: version is missing");
    refused(p, "need", "broken descriptor: need 'student'; at most 64 of the form who.what expected");
    refused(p, "no-ops", "broken descriptor: ops is missing");
    refused(p, "ops-size", "broken descriptor: ops has size 4, a mask has 16");
    refused(p, "no-score", "broken descriptor: ops.score is missing");
    check_group("descriptors");
}

static void test_rows(ba_plugins *p)
{
    refused(p, "offset", "broken descriptor: param 'a': offset 20, params_size 24");
    refused(p, "far-offset", "broken descriptor: param 'a': offset 4294967288, params_size 24");
    refused(p, "odd-offset", "broken descriptor: param 'a': offset 4, params_size 24");
    refused(p, "type", "broken descriptor: param 'a': type 9; 1 to 5 expected");
    refused(p, "range", "broken descriptor: param 'a': default 11 outside 0 to 10");
    refused(p, "nan-range", "broken descriptor: param 'f': default nan outside 0 to 1");
    refused(p, "inf-range", "broken descriptor: param 'f': default 0 outside 0 to inf");
    refused(p, "twice", "broken descriptor: param 'a' is there twice");
    refused(p, "shared", "broken descriptor: params 'a' and 'b' share offset 0");
    refused(p, "choices", "broken descriptor: param 'a': default 11 is not one of its 2 choices");
    refused(p, "no-choices", "broken descriptor: param 'a': 1 to 64 choices expected");
    refused(p, "choice-twice", "broken descriptor: param 'a': choice 'one' is there twice");
    refused(p, "flag-default", "broken descriptor: param 'a': default 11 is neither 0 nor 1");
    refused(p, "no-params", "broken descriptor: 3 params in 24 bytes; at most 200 in 65536 expected");
    refused(p, "many-params", "broken descriptor: 1000000 params in 24 bytes; at most 200 in 65536 expected");
    refused(p, "param-name", "broken descriptor: param 0: name 'a b'; 1 to 64 of [A-Za-z0-9_-] expected");
    refused(p, "param-doc", "broken descriptor: param 'a': doc is missing");
    check_group("rows of the schema");
}

static void test_loading(ba_plugins *p)
{
    refused(p, "crash", "killed by SIGSEGV while loading");
    refused(p, "wild-pointer", "killed by SIGSEGV while loading");
    refused(p, "abort", "killed by SIGABRT while loading");
    refused(p, "leave", "ended the process with status 0 while loading");
    refused(p, "unresolved", "not loadable (undefined symbol: not_there_anywhere)");
    refused(p, "no-symbol", "exports no ba_plugin");
    char path[PATH_MAX + 20], want[PATH_MAX + 100];
    ba_err e = { 0 };
    snprintf(path, sizeof path, "%s/bad-hang.so", here);
    snprintf(want, sizeof want, "plugin %s: still loading after 0.2 s", path);
    double start = seconds();
    CHECK(bai_plugin_probe(path, 200, &e) == BA_EPLUGIN && !strcmp(e.msg, want), "%s", e.msg);
    CHECK(seconds() - start < 2, "%.1f s", seconds() - start);
    check_group("constructors and the linker");
}

static void test_accepted(ba_plugins *p)
{
    ba_err e = { 0 };
    double start = seconds();
    const ba_plugin_desc *d = ba_plugins_find(p, "mask", "bad-good", &e);
    printf("# one plugin found in %.1f ms\n", 1e3 * (seconds() - start));
    CHECK(d && !strcmp(d->name, "bad-good"), "%s", e.msg);
    CHECK(ba_plugins_find(p, "mask", "bad-talk", &e), "%s", e.msg);
    CHECK(ba_plugins_find(p, "mask", "bad-good", &e) == d, "another descriptor");
    char hash[65] = "";
    ba_plugin_info info;
    CHECK(!ba_plugins_hash(p, d, hash, &e) && strlen(hash) == 64 && strspn(hash, "0123456789abcdef") == 64, "hash '%s' %s", hash, e.msg);
    CHECK(!ba_plugins_info(p, d, &info, &e) && !strcmp(info.kind, "mask") && !strcmp(info.version, "1.0") && !info.refused, "info");
    check_group("good ones among them");
}

/* ---- damaged files ---- */
static unsigned char *whole(const char *path, long *size)
{
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    unsigned char *v = malloc((size_t)*size);
    CHECK(fread(v, 1, (size_t)*size, f) == (size_t)*size, "reading %s", path);
    fclose(f);
    return v;
}

static void put(const char *path, const void *bytes, long size)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(bytes, 1, (size_t)size, f) == (size_t)size, "writing %s", path);
    if (f)
        fclose(f);
}

/* Every answer is fine but an accepted file whose descriptor this process cannot use; none may end the process. */
static void test_damaged(void)
{
    char path[PATH_MAX + 20], folder[] = "/tmp/bauta-bad-XXXXXX", file[80];
    long size, refusals = 0, tried = 0;
    snprintf(path, sizeof path, "%s/bad-good.so", here);
    unsigned char *v = whole(path, &size);
    CHECK(mkdtemp(folder), "a folder for damaged files");
    snprintf(file, sizeof file, "%s/x.so", folder);
    for (long n = 0; n < size; n += n < 64 ? 16 : size / 60) {
        ba_err e = { 0 };
        put(file, v, n);
        int r = bai_plugin_probe(file, 2000, &e);
        refusals += r != BA_OK;
        tried++;
        CHECK(r == BA_OK || (r == BA_EPLUGIN && strstr(e.msg, file)), "%ld bytes: %d '%s'", n, r, e.msg);
        CHECK(n > 4096 || r, "%ld bytes were accepted", n);
    }
    uint32_t seed = 1;
    for (int i = 0; i < 120; i++) {
        ba_err e = { 0 };
        seed = seed * 1664525u + 1013904223u;
        long at = (long)(seed >> 3) % (i < 60 ? 4096 : size);
        v[at] ^= (unsigned char)(1 << (seed >> 29));
        put(file, v, size);
        int r = bai_plugin_probe(file, 2000, &e);
        refusals += r != BA_OK;
        tried++;
        CHECK(r == BA_OK || (r == BA_EPLUGIN && strstr(e.msg, file)), "bit at %ld: %d '%s'", at, r, e.msg);
        v[at] ^= (unsigned char)(1 << (seed >> 29));
    }
    printf("# %ld of %ld damaged files refused\n", refusals, tried);
    static const char *const junk[] = { "", "#!/bin/sh\nexit 0\n", "\x7f" "ELF", "\x7f" "ELF\x01\x01\x01", "not a plugin at all, only a text that is long enough to be read as a header by the linker" };
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++) {
        ba_err e = { 0 };
        put(file, junk[i], (long)strlen(junk[i]));
        CHECK(bai_plugin_probe(file, 2000, &e) == BA_EPLUGIN && strstr(e.msg, "not loadable ("), "%zu: %s", i, e.msg);
    }
    unlink(file);
    rmdir(folder);
    free(v);
    check_group("damaged files");
}

int main(int argc, char **argv)
{
    char pid[16];
    ba_err e = { 0 };
    CHECK(argc > 2 && realpath(argv[2], here), "usage: %s PLUGINS BAD-PLUGINS", argv[0]);
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("BAUTA_TEST_PID", pid, 1);
    unsetenv("BAUTA_PLUGIN_PATH");
    ba_plugins *p = ba_plugins_new(here, &e);
    CHECK(p, "%s", e.msg);
    if (!p)
        return check_done();
    test_descriptors(p);
    test_rows(p);
    test_loading(p);
    test_accepted(p);
    test_damaged();
    ba_plugins_free(p);
    return check_done();
}
