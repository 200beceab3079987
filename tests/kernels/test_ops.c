/* test_ops [device ...]: the one test of all operations, on the devices named; without any, on the CPU, once with a fixed seed and
 * once with a fresh one (or BAUTA_SEED), and on the device that BAUTA_TEST_DEVICE names. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "selftest.h"

static void on(const char *name, uint64_t seed, bai_selftest_count *sum)
{
    ba_err e = { 0 };
    ba_device *d = ba_device_open(name, 2, "auto", &e);
    if (!d) {
        printf("not ok - %s\n", e.msg);
        sum->failed++;
        return;
    }
    bai_selftest(d, !strcmp(name, "cuda"), seed, stdout, sum); /* what emulates or pretends to be one is held to the CPU's tolerance */
    ba_device_free(d);
}

int main(int argc, char **argv)
{
    const char *given = getenv("BAUTA_SEED"), *other = getenv("BAUTA_TEST_DEVICE");
    uint64_t fresh = given && *given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
    bai_selftest_count sum = { 0 };
    for (int i = 1; i < argc; i++) {
        bai_selftest_count one = { 0 };
        on(argv[i], fresh, &one);
        if (one.skipped) /* a device named here is one that is expected to have everything */
            printf("not ok - %ld operations cannot run on device %s\n", one.skipped, argv[i]);
        sum.passed += one.passed;
        sum.failed += one.failed + one.skipped;
    }
    if (argc == 1) {
        on("cpu", 1, &sum);
        on("cpu", fresh, &sum);
    }
    if (argc == 1 && other && *other && strcmp(other, "cpu"))
        on(other, fresh, &sum);
    else if (argc == 1) {
        printf("skip - other devices: BAUTA_TEST_DEVICE names none\n");
        sum.skipped++;
    }
    printf("%ld passed, %ld failed, %ld skipped\n", sum.passed, sum.failed, sum.skipped);
    return sum.failed || !sum.passed;
}
