/* test_base: CRC-32C and SHA-256 against published values, names put in one step, files that are none. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../core/base/crc.h"
#include "../../core/base/file.h"
#include "../check.h"
#include "bauta/system.h"
#include "help.h"

static uint32_t crc_by_bits(uint32_t c, const uint8_t *p, size_t n)
{
    c = ~c;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = c >> 1 ^ (c & 1 ? 0x82F63B78u : 0);
    }
    return ~c;
}

static void test_crc(void)
{
    uint8_t p[300];
    uint64_t seed = 1;
    CHECK(bai_crc32c(0, "123456789", 9) == 0xe3069283u, "check value of CRC-32C");
    memset(p, 0, 32);
    CHECK(bai_crc32c(0, p, 32) == 0x8a9136aau, "32 zeros (RFC 3720 B.4)");
    memset(p, 0xff, 32);
    CHECK(bai_crc32c(0, p, 32) == 0x62a8ab43u, "32 ones (RFC 3720 B.4)");
    for (size_t i = 0; i < sizeof p; i++)
        p[i] = (uint8_t)noise(&seed);
    for (size_t n = 0; n <= sizeof p; n += 7) {
        CHECK(bai_crc32c(0, p, n) == crc_by_bits(0, p, n), "%zu bytes", n);
        CHECK(bai_crc32c(bai_crc32c(0, p, n / 3), p + n / 3, n - n / 3) == bai_crc32c(0, p, n), "%zu bytes in two pieces", n);
    }
    check_group("crc");
}

static void hex_of(const void *p, size_t n, size_t pieces, char out[65])
{
    uint8_t h[32];
    bai_sha256 s;
    bai_sha256_begin(&s);
    for (size_t i = 0; i < pieces; i++)
        bai_sha256_add(&s, (const char *)p + n * i / pieces, n * (i + 1) / pieces - n * i / pieces);
    bai_sha256_end(&s, h);
    for (int i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", h[i]);
}

static void test_sha(void)
{
    char hex[65], again[65], *a = malloc(1000000);
    hex_of("", 0, 1, hex);
    CHECK(!strcmp(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "%s", hex);
    hex_of("abc", 3, 1, hex);
    CHECK(!strcmp(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "%s", hex);
    hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 1, hex);
    CHECK(!strcmp(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"), "%s", hex);
    memset(a, 'a', 1000000);
    hex_of(a, 1000000, 1, hex);
    CHECK(!strcmp(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"), "%s", hex);
    for (size_t n = 0; n < 200; n++) {
        hex_of(a, n, 1, hex);
        hex_of(a, n, 7, again);
        CHECK(!strcmp(hex, again), "%zu bytes in 7 pieces", n);
    }
    free(a);
    check_group("sha-256");
}

static int names_in(const char *path)
{
    char command[500];
    int n = -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", path);
    FILE *p = popen(command, "r");
    if (!p || fscanf(p, "%d", &n) != 1)
        n = -1;
    if (p)
        pclose(p);
    return n;
}

static void test_put(void)
{
    char path[500], folder[450];
    int64_t size;
    ba_err e = { 0 };
    snprintf(folder, sizeof folder, "%s", temp_folder("put"));
    snprintf(path, sizeof path, "%s/a", folder);
    CHECK(!ba_file_put(path, "one", 3, &e), "%s", e.msg);
    CHECK(!ba_file_put(path, "three", 5, &e), "%s", e.msg);
    char *p = slurp(path, &size);
    CHECK(size == 5 && !memcmp(p, "three", 5), "%lld bytes", (long long)size);
    free(p);
    int dirfd = open(folder, O_RDONLY | O_DIRECTORY);
    long all = 0;
    for (long k = 1; k < 100; k++) { /* every operation fails once: the old file stays, nothing is left behind */
        fault_arm(FAULT_ONCE, k, ENOSPC);
        int r = bai_file_put(dirfd, "a", "a longer text", 13), why = errno;
        all = fault_disarm();
        if (!fault_hit())
            break;
        p = slurp(path, &size);
        CHECK(r == -1 && why == ENOSPC, "operation %ld: %d, errno %d", k, r, why);
        CHECK((size == 5 && !memcmp(p, "three", 5)) || k == all, "operation %ld of %ld: %lld bytes", k, all, (long long)size);
        CHECK(names_in(folder) == 1, "operation %ld: %d names", k, names_in(folder));
        free(p);
        CHECK(!ba_file_put(path, "three", 5, &e), "%s", e.msg);
    }
    CHECK(all >= 6, "%ld operations", all);
    close(dirfd);
    CHECK(ba_file_put("/", "x", 1, &e) == BA_EMACHINE, "%d", e.code);
    CHECK(ba_file_put("/no/such/folder/x", "x", 1, &e) == BA_EMACHINE && strstr(e.msg, "/no/such/folder/x: No such file"),
        "%s", e.msg);
    CHECK(ba_file_put(NULL, "x", 1, &e) == BA_EARG && ba_file_put("x", NULL, 1, &e) == BA_EARG && ba_file_put("x", "", -1,
        &e) == BA_EARG, "%s", e.msg);
    CHECK(bai_is_temporary(".a.0123456789abcdef.tmp") && !bai_is_temporary("a.tmp") && !bai_is_temporary(".hidden")
        && !bai_is_temporary(".x.0123456789abcdeX.tmp"), "names");
    check_group("names put in one step");
}

static void test_not_files(void)
{
    char path[500];
    const char *folder = temp_folder("odd");
    int64_t size;
    ba_err e;
    snprintf(path, sizeof path, "%s/pipe", folder);
    CHECK(!mkfifo(path, 0600), "mkfifo");
    CHECK(bai_file_open(AT_FDCWD, path, "p", &size, &e) == BA_EDATA && !strcmp(e.msg, "p: is a pipe; a regular file expected"),
        "%s", e.msg);
    CHECK(bai_file_open(AT_FDCWD, folder, "f", &size, &e) == BA_EDATA && !strcmp(e.msg,
        "f: is a folder; a regular file expected"), "%s", e.msg);
    CHECK(bai_file_open(AT_FDCWD, "/dev/null", "d", &size, &e) == BA_EDATA && !strcmp(e.msg,
        "d: is a device; a regular file expected"), "%s", e.msg);
    CHECK(bai_file_open(AT_FDCWD, "/no/such", "n", &size, &e) == BA_EDATA && strstr(e.msg, "No such file"), "%s", e.msg);
    snprintf(path, sizeof path, "%s/loop", folder);
    CHECK(!symlink("loop", path) && bai_file_open(AT_FDCWD, path, "l", &size, &e) == BA_EDATA, "%s", e.msg);
    snprintf(path, sizeof path, "%s/ten", folder);
    spill(path, "0123456789", 10);
    CHECK(!bai_file_read(AT_FDCWD, path, "t", 9, &size, &e) && !strcmp(e.msg, "t: 10 bytes; at most 9 expected"), "%s", e.msg);
    char *p = bai_file_read(AT_FDCWD, path, "t", 10, &size, &e);
    CHECK(p && size == 10 && !strcmp(p, "0123456789"), "%s", e.msg);
    free(p);
    check_group("files that are none");
}

int main(void)
{
    test_crc();
    test_sha();
    bai_crc32c_plain = bai_sha256_plain = 1; /* the same on a processor without the instructions */
    test_crc();
    test_sha();
    bai_crc32c_plain = bai_sha256_plain = 0;
    test_put();
    test_not_files();
    return check_done();
}
