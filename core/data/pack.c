/* pack: reads a packed data set. Everything the index says is held against the file before it is used, everything read from it against its
 * checksum; pread and not mmap, so that a file that somebody cuts off meanwhile is an error and not a signal. */
#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/crc.h"
#include "../base/file.h"
#include "dataset.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the numbers of a packed data set are little endian");
_Static_assert(sizeof(bai_pack_head) == 64 && sizeof(bai_pack_entry) == 48 && sizeof(bai_pack_names) == 8, "the form of packed data sets");

struct ba_pack {
    int fd;
    char *path;
    int64_t size, stamp;             /* of the file when it was opened */
    bai_pack_head head;
    uint8_t *index;
    const bai_pack_entry *entry;     /* of the split */
    int64_t count;
    const char **names;              /* NULL: numbers */
};

static int refuse(const ba_pack *p, const char *what, uint64_t value, ba_err *e)
{
    return ba_fail(e, BA_EDATA, "%.300s: damaged packed data set: %s (%llu)", p->path, what, (unsigned long long)value);
}

static int get(const ba_pack *p, void *to, uint64_t n, uint64_t at, ba_err *e)
{
    if (!bai_pread_all(p->fd, to, (size_t)n, (int64_t)at))
        return BA_OK;
    return ba_fail(e, errno ? BA_EMACHINE : BA_EDATA, "%.300s: %s", p->path, errno ? strerror(errno) : "became shorter while it was read");
}

static int judge_head(const ba_pack *p, ba_err *e)
{
    const bai_pack_head *h = &p->head;
    uint64_t size = (uint64_t)p->size;
    if (memcmp(h->magic, BAI_PACK_MAGIC, sizeof h->magic))
        return ba_fail(e, BA_EDATA, "%.300s: is no packed data set", p->path);
    if (h->version != BAI_PACK_VERSION)
        return ba_fail(e, BA_EDATA, "%.300s: packed in format %u; this bauta reads format %d", p->path, h->version, BAI_PACK_VERSION);
    if (h->crc != bai_crc32c(0, &h->bytes, sizeof *h - offsetof(bai_pack_head, bytes)))
        return refuse(p, "its head does not fit its checksum", h->crc, e);
    if (h->bytes != size)
        return ba_fail(e, BA_EDATA, "%.300s: %lld bytes, packed as %llu (cut off?)", p->path, (long long)p->size, (unsigned long long)h->bytes);
    if (h->index_at < sizeof *h || h->index_at % 8 || h->index_at > size || h->index_bytes != size - h->index_at)
        return refuse(p, "its index is not where it should be", h->index_at, e);
    if (h->classes < 1 || h->classes > BAI_PACK_CLASSES)
        return refuse(p, "classes", h->classes, e);
    for (int i = 0; i < 2; i++)
        if (h->count[i] > INT32_MAX)
            return refuse(p, "number of pictures", h->count[i], e);
    return BA_OK;
}

/* The names of the classes; the index has `n` bytes of them. */
static int take_names(ba_pack *p, const char *text, uint32_t n, ba_err *e)
{
    uint32_t at = 0;
    if (!(p->names = calloc(p->head.classes, sizeof *p->names)))
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory for %u classes", p->path, p->head.classes);
    for (uint32_t i = 0; i < p->head.classes; i++) {
        const char *end = at < n ? memchr(text + at, 0, n - at) : NULL;
        if (!end)
            return refuse(p, "a class without a name", i, e);
        for (const char *c = p->names[i] = text + at; c < end; c++)
            if ((unsigned char)*c < 32 || *c == 127)
                return refuse(p, "a class's name with control characters", i, e);
        at = (uint32_t)(end + 1 - text);
    }
    return at == n ? BA_OK : refuse(p, "bytes behind the classes' names", n - at, e);
}

static int judge_entry(const ba_pack *p, const bai_pack_entry *t, uint64_t i, ba_err *e)
{
    uint64_t pixels = (uint64_t)t->rows * t->columns;
    if (t->rows < 1 || t->columns < 1 || t->rows > BAI_MAX_SIDE || t->columns > BAI_MAX_SIDE || pixels > BAI_MAX_PIXELS)
        return refuse(p, "a picture of an impossible size", i, e);
    if (t->coding > BAI_PACK_FILE || t->bytes < 1 || t->bytes > BAI_MAX_FILE || (t->coding == BAI_PACK_PIXELS && t->bytes != pixels * 3))
        return refuse(p, "a picture whose bytes do not fit its size", i, e);
    if (t->at < sizeof p->head || t->at > p->head.index_at || t->bytes > p->head.index_at - t->at)
        return refuse(p, "a picture that lies outside of the file", i, e);
    if (t->label < 0 || (uint32_t)t->label >= p->head.classes)
        return refuse(p, "a picture of a class that is not there", i, e);
    for (int k = 0; k < 4; k++)
        if (!isfinite(t->box[k]) || fabsf(t->box[k]) > 65536)
            return refuse(p, "a picture's box is no box", i, e);
    return BA_OK;
}

/* Reads the index and judges all of it, also the other split's part. */
static int read_index(ba_pack *p, int test, ba_data_facts *facts, ba_err *e)
{
    const bai_pack_head *h = &p->head;
    bai_pack_names n;
    uint64_t all = h->count[0] + h->count[1], entries = all * sizeof(bai_pack_entry), text;
    if (h->index_bytes < sizeof n + entries || h->index_bytes > sizeof n + entries + BAI_PACK_TEXT)
        return refuse(p, "its index has not the size of its pictures", h->index_bytes, e);
    if (!(p->index = malloc((size_t)h->index_bytes)))
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory for its index of %llu bytes", p->path, (unsigned long long)h->index_bytes);
    if (get(p, p->index, h->index_bytes, h->index_at, e))
        return e ? e->code : BA_EDATA;
    if (bai_crc32c(0, p->index, (size_t)h->index_bytes) != h->index_crc)
        return refuse(p, "its index does not fit its checksum", h->index_crc, e);
    memcpy(&n, p->index, sizeof n);
    text = ((uint64_t)n.bytes + 7) / 8 * 8;
    if (h->index_bytes != sizeof n + text + entries)
        return refuse(p, "its index has not the size of its pictures", h->index_bytes, e);
    const bai_pack_entry *t = (const bai_pack_entry *)(p->index + sizeof n + text);
    for (uint64_t i = 0; i < all; i++)
        if (judge_entry(p, &t[i], i, e))
            return BA_EDATA;
    p->entry = t + (test ? h->count[0] : 0);
    p->count = (int64_t)h->count[test];
    *facts = (ba_data_facts){ .size = facts->size, .count = p->count, .classes = h->classes,
                              .has_boxes = (n.flags & (test ? BAI_PACK_TEST_BOXES : BAI_PACK_TRAIN_BOXES)) != 0 };
    return n.flags & BAI_PACK_NAMED ? take_names(p, (char *)p->index + sizeof n, n.bytes, e) : BA_OK;
}

static int stamp_of(const ba_pack *p, int64_t *size, int64_t *stamp)
{
    struct stat st;
    if (fstat(p->fd, &st))
        return -1;
    *size = st.st_size;
    *stamp = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return 0;
}

static int open_split(ba_pack *p, const char *split, ba_data_facts *facts, ba_err *e)
{
    int test = !strcmp(split, "test"), r;
    if (stamp_of(p, &p->size, &p->stamp))
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", p->path, strerror(errno));
    if (p->size < (int64_t)sizeof p->head)
        return ba_fail(e, BA_EDATA, "%.300s: %lld bytes; a packed data set has more", p->path, (long long)p->size);
    if ((r = get(p, &p->head, sizeof p->head, 0, e)) || (r = judge_head(p, e)) || (r = read_index(p, test, facts, e)))
        return r;
    facts->class_names = p->names;
    return p->count ? BA_OK : ba_fail(e, BA_EDATA, "%.300s: packed without %s pictures", p->path, split);
}

ba_pack *bai_pack_open_fd(int fd, const char *path, const char *split, ba_data_facts *facts, ba_err *e)
{
    ba_pack *p = calloc(1, sizeof *p);
    if (p)
        *p = (ba_pack){ .fd = fd, .path = strdup(path) };
    if (!p || !p->path) {
        ba_fail(e, BA_EMACHINE, "%.300s: no memory", path);
        free(p);
        close(fd);
        return NULL;
    }
    if (!open_split(p, split, facts, e))
        return p;
    bai_pack_close(p);
    return NULL;
}

ba_pack *bai_pack_open(const char *path, const char *split, ba_data_facts *facts, ba_err *e)
{
    int64_t size;
    int fd = bai_file_open(AT_FDCWD, path, path, &size, e);
    return fd < 0 ? NULL : bai_pack_open_fd(fd, path, split, facts, e);
}

int bai_is_pack(const char *path)
{
    char magic[8];
    int64_t size;
    int fd = path ? bai_file_open(AT_FDCWD, path, path, &size, NULL) : -1;
    int is = fd >= 0 && !bai_pread_all(fd, magic, sizeof magic, 0) && !memcmp(magic, BAI_PACK_MAGIC, sizeof magic);
    if (fd >= 0)
        close(fd);
    return is;
}

void bai_pack_close(ba_pack *p)
{
    if (!p)
        return;
    close(p->fd);
    free(p->names);
    free(p->index);
    free(p->path);
    free(p);
}

/* ---- pictures ---- */

static const bai_pack_entry *entry_of(const ba_pack *p, int64_t i, ba_err *e)
{
    if (p && i >= 0 && i < p->count)
        return &p->entry[i];
    ba_fail(e, BA_EARG, "packed picture %lld; 0 to %lld expected", (long long)i, (long long)(p ? p->count : 0) - 1);
    return NULL;
}

int32_t bai_pack_label(const ba_pack *p, int64_t i)
{
    return p && i >= 0 && i < p->count ? p->entry[i].label : -1;
}

/* A picture's bytes as they are stored, which fit their checksum. */
static int payload(const ba_pack *p, int64_t i, const bai_pack_entry *t, void *to, ba_err *e)
{
    int64_t size, stamp;
    if (stamp_of(p, &size, &stamp))
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", p->path, strerror(errno));
    if (size != p->size || stamp != p->stamp)
        return ba_fail(e, BA_EDATA, "%.300s: changed since it was opened", p->path);
    int r = get(p, to, t->bytes, t->at, e);
    if (r || bai_crc32c(0, to, t->bytes) == t->crc)
        return r;
    return ba_fail(e, BA_EDATA, "%.300s: picture %lld is damaged: its bytes do not fit their checksum", p->path, (long long)i);
}

int bai_pack_encoded(const ba_pack *p, int64_t i, ba_encoded *out, ba_err *e)
{
    const bai_pack_entry *t = entry_of(p, i, e);
    if (!t)
        return BA_EARG;
    if (t->coding == BAI_PACK_PIXELS)
        return 0;
    int r = bai_data_host.reserve_bytes(out, t->bytes, e);
    if (r || (r = payload(p, i, t, out->bytes, e)))
        return r;
    out->label = t->label;
    out->box = (ba_box){ t->box[0], t->box[1], t->box[2], t->box[3] };
    snprintf(out->name, sizeof out->name, "%.400s: picture %lld", p->path, (long long)i);
    return 1;
}

static int decode(const ba_pack *p, int64_t i, const bai_pack_entry *t, ba_picture *out, ba_err *e)
{
    ba_encoded file = { .size = sizeof file };
    int r = bai_pack_encoded(p, i, &file, e);
    if (r > 0)
        r = bai_decode(file.bytes, file.n, file.name, out, e);
    free(file.bytes);
    if (!r && (out->rows != t->rows || out->columns != t->columns))
        r = ba_fail(e, BA_EDATA, "%.300s: picture %lld has %lldx%lld pixels, the index says %ux%u", p->path, (long long)i, (long long)out->columns,
            (long long)out->rows, t->columns, t->rows);
    return r;
}

int bai_pack_read(const ba_pack *p, int64_t i, ba_picture *out, ba_err *e)
{
    const bai_pack_entry *t = entry_of(p, i, e);
    int r;
    if (!t)
        return BA_EARG;
    if (t->coding == BAI_PACK_FILE)
        r = decode(p, i, t, out, e);
    else if (!(r = bai_picture_reserve(out, t->rows, t->columns, e)))
        r = payload(p, i, t, out->pixels, e);
    out->label = t->label;
    out->box = (ba_box){ t->box[0], t->box[1], t->box[2], t->box[3] };
    return r;
}
