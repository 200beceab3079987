/* test_journal: what the reader makes of torn, damaged and growing journals. No record is ever given whose bytes are not
 * those that were written. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../core/io/journal.h"
#include "../check.h"
#include "help.h"

enum { RECORDS = 300 };

static char path[500];
static int dirfd;

/* Record i: its length, its stream and every byte follow from i. */
static size_t content(uint64_t i, uint8_t *out)
{
    uint64_t seed = i;
    size_t n = i % 7 == 3 ? 0 : (size_t)(noise(&seed) % 90);
    for (size_t k = 0; k < n; k++)
        out[k] = (uint8_t)noise(&seed);
    return n;
}

static uint32_t stream_of(uint64_t i) { return (uint32_t)(16 + i % 3); }

static bai_journal *write_some(uint64_t from, uint64_t to)
{
    uint8_t p[100];
    ba_err e = { 0 };
    if (!from)
        CHECK(!bai_journal_create(dirfd, "j", "j", 42, &e), "%s", e.msg);
    bai_journal *j = bai_journal_open(dirfd, "j", "j", &e);
    CHECK(j && bai_journal_records(j) == from && bai_journal_id(j) == 42, "%s", e.msg);
    for (uint64_t i = from; j && i < to; i++) {
        size_t n = content(i, p);
        CHECK(!bai_journal_append(j, stream_of(i), p, n, &e), "%s", e.msg);
    }
    return j;
}

typedef struct seen { int64_t records, wrong, damaged, torn; uint64_t last; int result; } seen;

/* Reads everything; a record that does not hold what record number seq holds is wrong. */
static seen read_file(const char *name)
{
    uint8_t want[100];
    bai_record r;
    ba_err e = { 0 };
    seen s = { .last = UINT64_MAX };
    bai_reader *reader = bai_reader_open(dirfd, name, "j", &e);
    if (!reader) {
        s.result = e.code;
        return s;
    }
    while ((s.result = bai_reader_next(reader, &r, &e)) > 0) {
        size_t n = content(r.seq, want);
        s.records++;
        s.wrong += (s.last != UINT64_MAX && r.seq <= s.last) || r.stream != stream_of(r.seq) || n != r.bytes || memcmp(want,
            r.data, n);
        s.last = r.seq;
    }
    s.damaged = bai_reader_damaged(reader);
    s.torn = bai_reader_torn(reader);
    bai_reader_free(reader);
    return s;
}

static void test_plain(void)
{
    bai_journal_free(write_some(0, RECORDS));
    seen s = read_file("j");
    CHECK(s.records == RECORDS && !s.wrong && !s.damaged && !s.torn && !s.result, "%lld records", (long long)s.records);
    bai_journal_free(write_some(RECORDS, RECORDS + 5));
    s = read_file("j");
    CHECK(s.records == RECORDS + 5 && !s.wrong && !s.damaged && !s.torn, "%lld records", (long long)s.records);
    check_group("write, open again, read");
}

static void test_torn(void)
{
    int64_t size, end[RECORDS + 1] = { 64 };
    uint8_t p[100];
    bai_journal_free(write_some(0, RECORDS));
    char *all = slurp(path, &size);
    for (uint64_t i = 0; i < RECORDS; i++)
        end[i + 1] = end[i] + 20 + (int64_t)content(i, p);
    long bad = 0;
    int whole = 0;
    for (int64_t n = 64; n <= size; n++) { /* cut after every byte */
        spill(path, all, n);
        seen s = read_file("j");
        while (whole < RECORDS && end[whole + 1] <= n)
            whole++;
        bad += s.records != whole || s.wrong || s.damaged || s.torn != n - end[whole] || s.result;
    }
    CHECK(!bad && whole == RECORDS, "%ld of %lld cuts", bad, (long long)size - 64);
    for (int64_t n = 0; n < 64; n++) {
        spill(path, all, n);
        seen s = read_file("j");
        bad += s.result != BA_EDATA;
    }
    CHECK(!bad, "cut in the header");
    memset(p, 0, sizeof p);
    spill(path, all, size);
    int fd = open(path, O_WRONLY | O_APPEND);
    for (int i = 0; i < 50; i++)
        CHECK(write(fd, p, sizeof p) == sizeof p, "write"); /* zeros behind the end, as after a power cut */
    close(fd);
    seen s = read_file("j");
    CHECK(s.records == RECORDS && s.torn == 5000 && !s.wrong, "%lld records, torn %lld", (long long)s.records, (long long)s.torn);
    free(all);
    check_group("torn tails");
}

static void test_flips(void)
{
    int64_t size, least = RECORDS;
    uint64_t seed = 7;
    long wrong = 0, unnoticed = 0;
    bai_journal_free(write_some(0, RECORDS));
    char *all = slurp(path, &size), name[40];
    int fd = memfd_create("flips", 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    for (int i = 0; i < 2000; i++) {
        int64_t at = (int64_t)(noise(&seed) % (uint64_t)size);
        char bit = (char)(1 << noise(&seed) % 8);
        all[at] ^= bit;
        if (ftruncate(fd, 0) || pwrite(fd, all, (size_t)size, 0) != size)
            break;
        seen s = read_file(name);
        all[at] ^= bit;
        wrong += s.wrong;
        if (at < 64) {
            unnoticed += s.result == 0;
            continue;
        }
        unnoticed += !s.damaged && !s.torn;
        if (s.records < least)
            least = s.records;
    }
    CHECK(!wrong && !unnoticed && least == RECORDS - 1, "%ld wrong records, %ld unnoticed, at least %lld read", wrong,
        unnoticed, (long long)least);
    for (int i = 0; i < 500; i++) { /* pieces taken out, put in, overwritten */
        char *copy = malloc((size_t)size + 600);
        int64_t at = 64 + (int64_t)(noise(&seed) % (uint64_t)(size - 700)), n = 1 + (int64_t)(noise(&seed) % 600), now = size;
        memcpy(copy, all, (size_t)size);
        if (i % 3 == 0) {
            memmove(copy + at, copy + at + n, (size_t)(size - at - n));
            now -= n;
        } else if (i % 3 == 1) {
            memmove(copy + at + n, copy + at, (size_t)(size - at));
            now += n;
        } else
            for (int64_t k = 0; k < n; k++)
                copy[at + k] = (char)noise(&seed);
        if (ftruncate(fd, 0) || pwrite(fd, copy, (size_t)now, 0) != now)
            break;
        seen s = read_file(name);
        free(copy);
        wrong += s.wrong;
        unnoticed += !s.damaged && !s.torn;
        if (s.records < least)
            least = s.records;
    }
    CHECK(!wrong && !unnoticed && least > RECORDS - 40, "%ld wrong records, %ld unnoticed, at least %lld read", wrong,
        unnoticed, (long long)least);
    close(fd);
    free(all);
    check_group("2,000 bit flips, 500 larger damages");
}

static void test_cut(void)
{
    int64_t size;
    ba_err e = { 0 };
    bai_journal_free(write_some(0, RECORDS));
    char *all = slurp(path, &size);
    all[64 + 2000] ^= 1; /* one record is lost, and stays lost under its number */
    spill(path, all, size);
    seen s = read_file("j");
    CHECK(s.records == RECORDS - 1 && s.damaged == 1, "%lld", (long long)s.records);
    CHECK(bai_journal_open(dirfd, "j", "j", &e) == NULL && !strcmp(e.msg, "j: damaged; it is copied, not repaired in place"),
        "%s", e.msg);
    CHECK(!bai_journal_cut(dirfd, "j", "j", 100, &e), "%s", e.msg);
    bai_journal *j = bai_journal_open(dirfd, "j", "j", &e);
    CHECK(j && bai_journal_records(j) == 100 && bai_journal_id(j) == 42, "%s", e.msg);
    bai_journal_free(j);
    s = read_file("j");
    CHECK(s.records == 100 && s.wrong == 1 && !s.damaged, "%lld records, %lld empty", (long long)s.records, (long long)s.wrong);
    CHECK(!bai_journal_cut(dirfd, "j", "j", 105, &e), "%s", e.msg);
    s = read_file("j");
    CHECK(s.records == 105 && s.wrong >= 5, "lost ones count: %lld", (long long)s.records);
    CHECK(bai_journal_cut(dirfd, "j", "j", UINT64_MAX, &e) == BA_ERESUME, "%s", e.msg);
    CHECK(!bai_journal_cut(dirfd, "j", "j", 0, &e) && file_size(path) == 64, "%s", e.msg);
    spill(path, "BAUTAJNL", 8);
    CHECK(bai_journal_cut(dirfd, "j", "j", 1, &e) == BA_EDATA && !strcmp(e.msg, "j: 8 bytes; a journal has at least 64"), "%s",
        e.msg);
    free(all);
    check_group("copies up to a record");
}

/* A reader that follows a writer sees every record once, in order. */
static void test_follow(void)
{
    bai_record r;
    ba_err e = { 0 };
    uint8_t p[100];
    uint64_t next = 0;
    long wrong = 0;
    bai_journal *j = write_some(0, 0);
    bai_reader *reader = bai_reader_open(dirfd, "j", "j", &e);
    for (uint64_t i = 0; i < 2000; i++) {
        size_t n = content(i, p);
        wrong += !!bai_journal_append(j, stream_of(i), p, n, &e);
        if (i % 13)
            continue;
        while (bai_reader_next(reader, &r, &e) > 0)
            wrong += r.seq != next++;
        wrong += next != i + 1;
    }
    CHECK(!wrong, "%ld", wrong);
    bai_reader_free(reader);
    bai_journal_free(j);
    check_group("following a writer");
}

/* Every append fails once (no room, I/O error, half a write): what was acknowledged is there, and nothing else. */
static void test_failing_writes(void)
{
    uint8_t p[100];
    static const struct { enum fault kind; int error; } kinds[] = { { FAULT_ONCE, ENOSPC }, { FAULT_ONCE, EIO }, { FAULT_TORN,
        ENOSPC }, { FAULT_ONCE, EDQUOT } };
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (long k = 1; k <= 60; k += 7) {
            ba_err e = { 0 };
            bai_journal *j = write_some(0, 0);
            uint64_t good = 0;
            long failed = 0;
            fault_arm(kinds[kind].kind, k, kinds[kind].error);
            for (int i = 0; i < 60; i++) {
                size_t n = content(good, p);
                if (!bai_journal_append(j, stream_of(good), p, n, &e))
                    good++;
                else
                    failed++;
            }
            fault_disarm();
            seen s = read_file("j");
            CHECK(failed == 1 && s.records == (int64_t)good && !s.wrong && !s.torn && !s.damaged,
                "kind %zu, operation %ld: %ld failures, %lld records", kind, k, failed, (long long)s.records);
            CHECK(strstr(e.msg, "j: writing ") && strstr(e.msg, strerror(kinds[kind].error)), "%s", e.msg);
            bai_journal_free(j);
        }
    ba_err e = { 0 };
    bai_journal *j = write_some(0, 3);
    fault_arm(FAULT_ONCE, 1, EIO);
    CHECK(bai_journal_sync(j, &e) == BA_EMACHINE && !strcmp(e.msg, "j: flushing to disk: Input/output error"), "%s", e.msg);
    fault_disarm();
    CHECK(bai_journal_sync(j, &e) == BA_EMACHINE && bai_journal_append(j, 16, p, 1, &e) == BA_EMACHINE && !strcmp(e.msg,
        "j: closed by an earlier error"),
        "a flush is not tried again: %s", e.msg);
    bai_journal_free(j);
    check_group("failing writes");
}

static void test_file_size_limit(void)
{
    struct rlimit old, small = { 5000, RLIM_INFINITY };
    uint8_t p[100];
    ba_err e = { 0 };
    uint64_t good = 0;
    signal(SIGXFSZ, SIG_IGN);
    bai_journal *j = write_some(0, 0);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    while (good < 1000 && !bai_journal_append(j, stream_of(good), p, content(good, p), &e))
        good++;
    setrlimit(RLIMIT_FSIZE, &old);
    seen s = read_file("j");
    CHECK(good > 50 && good < 1000 && s.records == (int64_t)good && !s.wrong && !s.torn, "%lld of %lld", (long long)s.records,
        (long long)good);
    CHECK(strstr(e.msg, "File too large"), "%s", e.msg);
    bai_journal_free(j);
    check_group("a limit on the file's size");
}

int main(void)
{
    const char *folder = temp_folder("journal");
    dirfd = open(folder, O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "%s/j", folder);
    test_plain();
    test_torn();
    test_flips();
    test_cut();
    test_follow();
    test_failing_writes();
    test_file_size_limit();
    close(dirfd);
    return check_done();
}
