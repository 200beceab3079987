/* journal: appending. A record is acknowledged when its one write has returned; what a failed write left behind is cut
 * off at once, so that the file always ends with a whole record. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/crc.h"
#include "journal_format.h"

enum { BATCH = 1 << 20, MOST_LOST = 1 << 20 };

struct bai_journal {
    int fd, broken;          /* broken: nothing is promised any more */
    int64_t end;             /* of the last good record */
    uint64_t records, id;
    uint8_t *buffer;
    size_t room;
    char *label;
};

int bai_journal_create(int dirfd, const char *name, const char *label, uint64_t id, ba_err *e)
{
    uint8_t h[BAI_JOURNAL_HEADER];
    bai_journal_header(h, id);
    if (!bai_file_put(dirfd, name, h, sizeof h))
        return BA_OK;
    return ba_fail(e, BA_EMACHINE, "%.300s: cannot be created: %s", label, strerror(errno));
}

/* Walks the records once: where the next one goes and what its number is. */
static int find_end(bai_journal *j, int dirfd, const char *name, ba_err *e)
{
    bai_record rec;
    int got;
    bai_reader *r = bai_reader_open(dirfd, name, j->label, e);
    if (!r)
        return BA_EDATA;
    j->id = bai_reader_id(r);
    j->end = BAI_JOURNAL_HEADER;
    while ((got = bai_reader_next(r, &rec, e)) > 0) {
        j->end += BAI_RECORD_HEAD + (int64_t)rec.bytes;
        j->records = rec.seq + 1;
    }
    if (!got && (bai_reader_damaged(r) || bai_reader_torn(r)))
        got = ba_fail(e, BA_EDATA, "%.300s: damaged; it is copied, not repaired in place", j->label);
    bai_reader_free(r);
    return got;
}

bai_journal *bai_journal_open(int dirfd, const char *name, const char *label, ba_err *e)
{
    bai_journal *j = calloc(1, sizeof *j);
    if (!j || !(j->label = strdup(label))) {
        ba_fail(e, BA_EMACHINE, "%.300s: no memory", label);
        free(j);
        return NULL;
    }
    j->fd = -1;
    if (!find_end(j, dirfd, name, e)) {
        j->fd = openat(dirfd, name, O_RDWR | O_CLOEXEC);
        if (j->fd < 0)
            ba_fail(e, BA_EMACHINE, "%.300s: %s", label, strerror(errno));
    }
    if (j->fd >= 0)
        return j;
    bai_journal_free(j);
    return NULL;
}

void bai_journal_free(bai_journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    free(j->buffer);
    free(j->label);
    free(j);
}

static int reserve(bai_journal *j, size_t bytes, ba_err *e)
{
    if (bytes <= j->room)
        return BA_OK;
    size_t room = bytes + bytes / 2 + 256;
    uint8_t *p = realloc(j->buffer, room);
    if (!p)
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory for a record", j->label);
    j->buffer = p;
    j->room = room;
    return BA_OK;
}

int bai_journal_append(bai_journal *j, uint32_t stream, const void *payload, size_t bytes, ba_err *e)
{
    size_t all = BAI_RECORD_HEAD + bytes;
    if (j->broken)
        return ba_fail(e, BA_EMACHINE, "%.300s: closed by an earlier error", j->label);
    if (bytes > BAI_RECORD_MOST)
        return ba_fail(e, BA_EARG, "%.300s: a record of %lld bytes; at most %d expected", j->label, (long long)bytes,
            BAI_RECORD_MOST);
    if (reserve(j, all, e))
        return BA_EMACHINE;
    if (bytes)
        memcpy(j->buffer + BAI_RECORD_HEAD, payload, bytes);
    bai_record_seal(j->buffer, (uint32_t)bytes, j->records, stream);
    if (bai_pwrite_all(j->fd, j->buffer, all, j->end)) {
        int why = errno;
        if (ftruncate(j->fd, (off_t)j->end))
            j->broken = 1; /* a torn tail stays; readers skip it, but nothing may follow it */
        return ba_fail(e, BA_EMACHINE, "%.250s: writing %lld bytes at %lld: %s", j->label, (long long)all, (long long)j->end,
            strerror(why));
    }
    j->end += (int64_t)all;
    j->records++;
    return BA_OK;
}

int bai_journal_sync(bai_journal *j, ba_err *e)
{
    if (j->broken)
        return ba_fail(e, BA_EMACHINE, "%.300s: closed by an earlier error", j->label);
    if (!fdatasync(j->fd))
        return BA_OK;
    j->broken = 1; /* a second fdatasync would answer 0 for pages that are gone */
    return ba_fail(e, BA_EMACHINE, "%.300s: flushing to disk: %s", j->label, strerror(errno));
}

uint64_t bai_journal_records(const bai_journal *j) { return j->records; }
uint64_t bai_journal_id(const bai_journal *j) { return j->id; }

/* Adds a record to a batch in memory, which has room for it, and writes the batch when it is large. */
static int batch(bai_put *p, uint8_t *buffer, size_t *at, const bai_record *rec)
{
    if (rec->bytes)
        memcpy(buffer + *at + BAI_RECORD_HEAD, rec->data, rec->bytes);
    bai_record_seal(buffer + *at, rec->bytes, rec->seq, rec->stream);
    *at += BAI_RECORD_HEAD + rec->bytes;
    if (*at < BATCH)
        return 0;
    size_t n = *at;
    *at = 0;
    return bai_put_write(p, buffer, n);
}

/* Copies the good records below `records`. An empty record takes the place of each that was lost, so that the numbers stay. */
static int copy_records(bai_reader *r, bai_put *p, uint64_t records, ba_err *e)
{
    uint8_t h[BAI_JOURNAL_HEADER], *buffer = malloc(BATCH + BAI_RECORD_HEAD + BAI_RECORD_MOST);
    bai_record rec, lost = { .stream = BAI_LOST };
    size_t at = 0;
    int got = 1, failed;
    if (!buffer)
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory", bai_reader_label(r));
    bai_journal_header(h, bai_reader_id(r));
    failed = bai_put_write(p, h, sizeof h);
    while (!failed && lost.seq < records && (got = bai_reader_next(r, &rec, e)) >= 0) {
        uint64_t upto = got && rec.seq < records ? rec.seq : records;
        if (upto - lost.seq > MOST_LOST) {
            got = ba_fail(e, BA_ERESUME, "%.300s: more than %d records are lost", bai_reader_label(r), MOST_LOST);
            break;
        }
        for (; lost.seq < upto && !failed; lost.seq++)
            failed = batch(p, buffer, &at, &lost);
        if (lost.seq++ < records && !failed)
            failed = batch(p, buffer, &at, &rec);
    }
    if (!failed && at)
        failed = bai_put_write(p, buffer, at);
    if (failed)
        got = ba_fail(e, BA_EMACHINE, "%.300s: copying its records: %s", bai_reader_label(r), strerror(errno));
    free(buffer);
    return got < 0 ? got : BA_OK;
}

int bai_journal_cut(int dirfd, const char *name, const char *label, uint64_t records, ba_err *e)
{
    bai_put p;
    bai_reader *r = bai_reader_open(dirfd, name, label, e);
    if (!r)
        return e && e->code ? e->code : BA_EDATA;
    int bad;
    if (bai_put_begin(&p, dirfd, name))
        bad = ba_fail(e, BA_EMACHINE, "%.300s: copying its records: %s", label, strerror(errno));
    else if ((bad = copy_records(r, &p, records, e)))
        bai_put_drop(&p);
    else if (bai_put_end(&p))
        bad = ba_fail(e, BA_EMACHINE, "%.300s: copying its records: %s", label, strerror(errno));
    bai_reader_free(r);
    return bad;
}
