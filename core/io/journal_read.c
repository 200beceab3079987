/* journal_read: walking a journal that may be torn, damaged or still growing. A record is given only when its CRC fits;
 * after damage the next good one is looked for byte by byte. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal_format.h"

enum { WINDOW = 1 << 20, SEARCH_BUDGET = 64 << 20, MOST_LOST = 1 << 20 };

struct bai_reader {
    int fd;
    char *label;
    uint64_t id, next;       /* next: the number expected */
    int64_t at, size;        /* in the file */
    uint8_t *window;         /* a piece of the file */
    int64_t from, have, room;
    int64_t damaged, torn;
    uint64_t first_damaged;
    int stale;               /* the end was reached: look again at what the file holds */
};

static int judge_header(bai_reader *r, ba_err *e)
{
    uint8_t h[BAI_JOURNAL_HEADER];
    if (r->size < (int64_t)sizeof h)
        return ba_fail(e, BA_EDATA, "%.300s: %lld bytes; a journal has at least %d", r->label, (long long)r->size,
            BAI_JOURNAL_HEADER);
    if (bai_pread_all(r->fd, h, sizeof h, 0))
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", r->label, errno ? strerror(errno) : "became shorter while it was read");
    if (memcmp(h, "BAUTAJNL", 8))
        return ba_fail(e, BA_EDATA, "%.300s: is not a journal", r->label);
    if (bai_get32(h + 60) != bai_crc32c(0, h, 60))
        return ba_fail(e, BA_EDATA, "%.300s: its header is damaged", r->label);
    if (bai_get32(h + 8) != BAI_JOURNAL_VERSION)
        return ba_fail(e, BA_ERESUME, "%.300s: format %u; this bauta reads 1..%d", r->label, bai_get32(h + 8),
            BAI_JOURNAL_VERSION);
    r->id = bai_get64(h + 16);
    return BA_OK;
}

bai_reader *bai_reader_open(int dirfd, const char *name, const char *label, ba_err *e)
{
    bai_reader *r = calloc(1, sizeof *r);
    if (!r || !(r->label = strdup(label))) {
        ba_fail(e, BA_EMACHINE, "%.300s: no memory", label);
        free(r);
        return NULL;
    }
    r->at = BAI_JOURNAL_HEADER;
    r->fd = bai_file_open(dirfd, name, label, &r->size, e);
    if (r->fd >= 0 && !judge_header(r, e))
        return r;
    bai_reader_free(r);
    return NULL;
}

void bai_reader_free(bai_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r->window);
    free(r->label);
    free(r);
}

/* n bytes of the file at `at`; NULL: not there (errno 0) or not readable. n is never more than the file holds. */
static const uint8_t *look(bai_reader *r, int64_t at, int64_t n)
{
    errno = 0;
    if (at < r->from || at + n > r->from + r->have) {
        int64_t want = r->size - at < WINDOW ? r->size - at : WINDOW;
        if (want < n)
            want = n;
        if (want > r->room) {
            uint8_t *p = realloc(r->window, (size_t)want);
            if (!p) {
                errno = ENOMEM; /* not to be taken for the end of the file */
                return NULL;
            }
            r->window = p;
            r->room = want;
        }
        r->from = at;
        r->have = 0;
        if (bai_pread_all(r->fd, r->window, (size_t)want, at))
            return NULL;
        r->have = want;
    }
    return r->window + (at - r->from);
}

/* Whether a good record lies at `at`: 1, 0, or -1 when the file cannot be read. Without a budget it must be the next one; with
 * one (bytes that may still be summed) records before it may be lost. */
static int good_at(bai_reader *r, int64_t at, bai_record *out, int64_t *budget)
{
    if (r->size - at < BAI_RECORD_HEAD)
        return 0;
    const uint8_t *p = look(r, at, BAI_RECORD_HEAD);
    if (!p)
        return errno ? -1 : 0;
    uint32_t bytes = bai_get32(p);
    uint64_t seq = bai_get64(p + 8);
    if (bytes > BAI_RECORD_MOST || (int64_t)bytes > r->size - at - BAI_RECORD_HEAD)
        return 0;
    if (seq < r->next || seq - r->next > (budget ? MOST_LOST : 0))
        return 0;
    if (budget && (*budget -= BAI_RECORD_HEAD + (int64_t)bytes) < 0)
        return 0;
    if (!(p = look(r, at, BAI_RECORD_HEAD + (int64_t)bytes)))
        return errno ? -1 : 0;
    if (bai_get32(p + 4) != bai_record_crc(p, bytes))
        return 0;
    *out = (bai_record){ .seq = seq, .stream = bai_get32(p + 16), .bytes = bytes, .data = p + BAI_RECORD_HEAD };
    return 1;
}

/* Where the nearest good record behind the damage at r->at begins; 0 when there is none, -1 when the file cannot be read.
 * The damaged length is not believed: it could lead past good records. */
static int64_t search(bai_reader *r, bai_record *out)
{
    int64_t budget = SEARCH_BUDGET;
    for (int64_t at = r->at; at + BAI_RECORD_HEAD <= r->size && budget > 0; at++) {
        int got = good_at(r, at, out, &budget);
        if (got)
            return got < 0 ? -1 : at;
    }
    return 0;
}

static int cannot_read(bai_reader *r, ba_err *e)
{
    return ba_fail(e, BA_EMACHINE, "%.300s: %s", r->label, strerror(errno));
}

static int give(bai_reader *r, int64_t at, const bai_record *out)
{
    r->at = at + BAI_RECORD_HEAD + (int64_t)out->bytes;
    r->next = out->seq + 1;
    r->torn = 0;
    return 1;
}

/* The file may have grown, or lost a tail that its writer took back. */
static int refresh(bai_reader *r, ba_err *e)
{
    off_t size = lseek(r->fd, 0, SEEK_END);
    if (size < 0)
        return cannot_read(r, e);
    r->size = size;
    r->have = 0;
    r->stale = 0;
    return BA_OK;
}

/* 1, 0 or negative as bai_reader_next, for the file as large as it was when last looked at. */
static int next_known(bai_reader *r, bai_record *out, ba_err *e)
{
    int64_t at = r->at;
    int got = good_at(r, at, out, NULL);
    if (!got && r->size - at >= BAI_RECORD_HEAD) {
        at = search(r, out);
        got = at < 0 ? -1 : at > 0;
        if (got > 0 && !r->damaged++)
            r->first_damaged = r->next;
    }
    return got < 0 ? cannot_read(r, e) : got ? give(r, at, out) : 0;
}

int bai_reader_next(bai_reader *r, bai_record *out, ba_err *e)
{
    int got = r->stale ? 0 : next_known(r, out, e);
    if (got)
        return got;
    int64_t before = r->stale ? -1 : r->size;
    if (refresh(r, e))
        return BA_EMACHINE;
    if (r->size != before && (got = next_known(r, out, e)))
        return got;
    r->torn = r->size > r->at ? r->size - r->at : 0;
    r->stale = 1;
    return 0;
}

int64_t bai_reader_damaged(const bai_reader *r) { return r->damaged; }
uint64_t bai_reader_first_damaged(const bai_reader *r) { return r->first_damaged; }
int64_t bai_reader_torn(const bai_reader *r) { return r->torn; }
uint64_t bai_reader_id(const bai_reader *r) { return r->id; }
const char *bai_reader_label(const bai_reader *r) { return r->label; }
