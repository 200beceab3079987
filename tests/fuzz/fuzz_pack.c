/* fuzz_pack: libFuzzer on the reader of packed data sets: both splits opened, a few pictures read whole and as they are stored. An input is a file as it
 * stands, or, behind a first byte 1, one whose head and index are given right checksums first, so that what they say is tried too. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../core/base/crc.h"
#include "../../core/data/dataset.h"
#include "../../core/data/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The index ends where the file does; where it begins, and how many pictures there are, stays as it is. */
static void seal(uint8_t *p, size_t size)
{
    bai_pack_head h;
    if (size < sizeof h)
        return;
    memcpy(&h, p, sizeof h);
    memcpy(h.magic, BAI_PACK_MAGIC, sizeof h.magic);
    h.version = BAI_PACK_VERSION;
    h.bytes = size;
    h.index_at &= ~7ull;
    if (h.index_at <= size) {
        h.index_bytes = size - h.index_at;
        h.index_crc = bai_crc32c(0, p + h.index_at, (size_t)h.index_bytes);
    }
    h.crc = bai_crc32c(0, &h.bytes, sizeof h - offsetof(bai_pack_head, bytes));
    memcpy(p, &h, sizeof h);
}

static void read_split(int fd, const char *split, size_t size)
{
    ba_err e = { 0 };
    bai_scratch s;
    ba_data_facts facts = { .size = sizeof facts };
    ba_pack *p = bai_pack_open_fd(dup(fd), "input", split, &facts, &e);
    if (!p && (e.code == BA_OK || !*e.msg))
        abort(); /* refused without a word */
    if (p && ((uint64_t)facts.count > size / sizeof(bai_pack_entry) || facts.classes < 1))
        abort(); /* more than the file has */
    bai_scratch_begin(&s);
    for (int64_t c = 0; p && facts.class_names && c < facts.classes; c++)
        if (strlen(facts.class_names[c]) >= size)
            abort();
    for (int64_t i = 0; p && i < facts.count && i < 4; i++) {
        int r = bai_pack_read(p, i, &s.picture, &e), label = bai_pack_label(p, i);
        if (label < 0 || label >= facts.classes || (!r && (s.picture.rows < 1 || s.picture.columns < 1 || !s.picture.pixels)))
            abort();
        r = bai_pack_encoded(p, i, &s.encoded, &e);
        if (r > 0 && (s.encoded.n < 1 || (size_t)s.encoded.n > size))
            abort();
    }
    bai_scratch_end(&s);
    bai_pack_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("input", 0);
    int whole = size && data[0] != 1;
    size_t n = size ? size - !whole : 0;
    uint8_t *copy = malloc(n + 1);
    if (!copy)
        return 0;
    memcpy(copy, data + (size ? !whole : 0), n);
    if (!whole)
        seal(copy, n);
    if (!ftruncate(fd, 0) && pwrite(fd, copy, n, 0) == (ssize_t)n) {
        read_split(fd, "train", n);
        read_split(fd, "test", n);
    }
    free(copy);
    return 0;
}
