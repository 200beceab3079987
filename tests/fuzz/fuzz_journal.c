/* fuzz_journal: libFuzzer on the journal reader and on the tables made from it. An input is a journal as it stands, or, behind
 * a first byte 1, pieces (length, stream, bytes) from which a journal with right CRCs is made, so that what records hold is
 * tried too. No record may come without a CRC that fits. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../core/io/journal_format.h"
#include "bauta/run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_records(const char *path, const uint8_t *data, size_t size)
{
    bai_record r;
    uint64_t last = 0;
    bai_reader *reader = bai_reader_open(AT_FDCWD, path, "j", NULL);
    for (int first = 1; reader && bai_reader_next(reader, &r, NULL) > 0; first = 0) {
        uint8_t *copy = malloc(BAI_RECORD_HEAD + (size_t)r.bytes);
        if (!copy)
            break;
        memcpy(copy + BAI_RECORD_HEAD, r.data, r.bytes);
        bai_record_seal(copy, r.bytes, r.seq, r.stream);
        if (!memmem(data, size, copy, BAI_RECORD_HEAD + (size_t)r.bytes) || (!first && r.seq <= last))
            abort();
        last = r.seq;
        free(copy);
    }
    bai_reader_free(reader);
}

/* Turns pieces into a journal; returns its bytes (caller frees). */
static uint8_t *sealed(const uint8_t *data, size_t size, size_t *bytes)
{
    uint8_t *out = malloc(BAI_JOURNAL_HEADER + (BAI_RECORD_HEAD + 1) * (size + 1));
    uint64_t seq = 0;
    if (!out)
        return NULL;
    bai_journal_header(out, 1);
    *bytes = BAI_JOURNAL_HEADER;
    for (size_t at = 0; at + 2 <= size; seq++) {
        size_t n = data[at] < size - at - 2 ? data[at] : size - at - 2;
        memcpy(out + *bytes + BAI_RECORD_HEAD, data + at + 2, n);
        bai_record_seal(out + *bytes, (uint32_t)n, seq, data[at + 1] % 20);
        *bytes += BAI_RECORD_HEAD + n;
        at += 2 + n;
    }
    return out;
}

static void read_tables(const char *path)
{
    ba_err e = { 0 };
    ba_log *l = ba_log_open(path, &e);
    for (int64_t s = 0; s < ba_log_streams(l); s++)
        for (int64_t c = 0; c < ba_log_fields(l, s); c++)
            for (int64_t i = 0; i < ba_log_rows(l, s); i++) {
                double v;
                char text[64];
                (void)ba_log_read(l, s, c, i, 1, &v, &e);
                (void)ba_log_text(l, s, c, i, text, sizeof text, &e);
            }
    ba_log_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[40];
    if (fd < 0) {
        fd = memfd_create("input", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    uint8_t *made = size && data[0] == 1 ? sealed(data + 1, size - 1, &size) : NULL;
    if (made)
        data = made;
    if (!ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size) {
        read_records(path, data, size);
        read_tables(path);
    }
    free(made);
    return 0;
}
