/* zip: end record, central directory, local headers, each number held against the size of the file before it is used. Archives beyond 4 GiB have
 * their numbers in records of 64 bits. Members that are packed or encrypted are marked, doubly named ones refused. The sum of a member's bytes is looked at by
 * whoever reads them: a list of names needs no whole file. */
#include "zip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "../base/file.h"

enum { END = 22, LOCATOR = 20, END64 = 56, ENTRY = 46, LOCAL = 30, LONGEST_COMMENT = 65535, PIECE = 1 << 18 };

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

typedef struct source { int fd; int64_t size; const char *label; ba_err *e; } source;

static int get(const source *s, void *to, int64_t n, int64_t at)
{
    if (at < 0 || n < 0 || at > s->size - n)
        return ba_fail(s->e, BA_EDATA, "%.300s: its list points behind its end (cut off?)", s->label);
    if (bai_pread_all(s->fd, to, (size_t)n, at))
        return ba_fail(s->e, BA_EMACHINE, "%.300s: %s", s->label, errno ? strerror(errno) : "became shorter while it was read");
    return BA_OK;
}

typedef struct place { uint64_t count, bytes, at; } place; /* of the central directory */

static int end64(const source *s, int64_t end, place *p)
{
    unsigned char b[END64];
    if (end < LOCATOR || get(s, b, LOCATOR, end - LOCATOR) || memcmp(b, "PK\6\7", 4))
        return ba_fail(s->e, BA_EDATA, "%.300s: the record of its large sizes is missing", s->label);
    uint64_t at = number(b + 8, 8);
    if (at > (uint64_t)s->size || get(s, b, END64, (int64_t)at) || memcmp(b, "PK\6\6", 4))
        return ba_fail(s->e, BA_EDATA, "%.300s: the record of its large sizes is damaged", s->label);
    *p = (place){ number(b + 32, 8), number(b + 40, 8), number(b + 48, 8) };
    return BA_OK;
}

/* The end record stands at the end of the file, behind it at most a comment. */
static int find_end(const source *s, place *p)
{
    int64_t n = s->size < END + LONGEST_COMMENT ? s->size : END + LONGEST_COMMENT;
    unsigned char *b = malloc((size_t)n + 1);
    int64_t at = n - END;
    int r = b ? get(s, b, n, s->size - n) : ba_fail(s->e, BA_EMACHINE, "%.300s: no memory", s->label);
    while (!r && at >= 0 && memcmp(b + at, "PK\5\6", 4))
        at--;
    if (!r && at < 0)
        r = ba_fail(s->e, BA_EDATA, "%.300s: a zip archive without its end (cut off?)", s->label);
    if (!r) {
        *p = (place){ number(b + at + 10, 2), number(b + at + 12, 4), number(b + at + 16, 4) };
        if (p->count == 0xffff || p->bytes == 0xffffffff || p->at == 0xffffffff)
            r = end64(s, s->size - n + at, p);
    }
    free(b);
    if (!r && (p->count > BAI_ZIP_MEMBERS || p->bytes > BAI_ZIP_LIST || p->at > (uint64_t)s->size || p->bytes > (uint64_t)s->size - p->at))
        r = ba_fail(s->e, BA_EDATA, "%.300s: a list of %llu members in %llu bytes at %llu; the file has %lld bytes, and at most %d members are read", s->label,
                    (unsigned long long)p->count, (unsigned long long)p->bytes, (unsigned long long)p->at, (long long)s->size, BAI_ZIP_MEMBERS);
    return r;
}

/* Numbers that did not fit into 32 bits stand in an extra field, in this order. */
static void large(const unsigned char *extra, int64_t n, uint64_t *size, uint64_t *packed, uint64_t *head)
{
    uint64_t *const all[] = { size, packed, head };
    while (n >= 4 && number(extra + 2, 2) <= (uint64_t)n - 4) {
        int64_t bytes = (int64_t)number(extra + 2, 2), at = 4;
        for (int i = 0; number(extra, 2) == 1 && i < 3; i++)
            if (*all[i] == 0xffffffff && at + 8 <= 4 + bytes) {
                *all[i] = number(extra + at, 8);
                at += 8;
            }
        extra += 4 + bytes;
        n -= 4 + bytes;
    }
}

/* One entry at p; returns its length, or a negative code. The name stays where it is and is closed with a zero afterwards. */
static int64_t entry(const source *s, unsigned char *p, int64_t left, bai_zip_member *m)
{
    if (left < ENTRY || memcmp(p, "PK\1\2", 4))
        return ba_fail(s->e, BA_EDATA, "%.300s: its list of members is damaged", s->label);
    int64_t name = (int64_t)number(p + 28, 2), extra = (int64_t)number(p + 30, 2), all = ENTRY + name + extra + (int64_t)number(p + 32, 2);
    uint64_t packed = number(p + 20, 4), size = number(p + 24, 4), head = number(p + 42, 4);
    if (all > left || name < 1)
        return ba_fail(s->e, BA_EDATA, "%.300s: its list of members is damaged", s->label);
    large(p + ENTRY + name, extra, &size, &packed, &head);
    int locked = (number(p + 8, 2) & 1) || number(p + 10, 2);
    if ((packed != size && !locked) || (size > (uint64_t)s->size && !locked) || packed > (uint64_t)s->size || head > (uint64_t)s->size || memchr(p + ENTRY, 0, (size_t)name))
        return ba_fail(s->e, BA_EDATA, "%.250s: a member of %llu bytes at %llu, the file has %lld", s->label, (unsigned long long)size, (unsigned long long)head,
                       (long long)s->size);
    *m = (bai_zip_member){ .name = (char *)p + ENTRY, .head = (int64_t)head, .size = (int64_t)packed, .crc = (uint32_t)number(p + 16, 4), .locked = locked };
    return all;
}

/* Where a member's bytes begin: its own header has a name and an extra field of its own length. */
static int begin(const source *s, bai_zip_member *m)
{
    unsigned char b[LOCAL];
    if (get(s, b, LOCAL, m->head))
        return BA_EDATA;
    m->at = m->head + LOCAL + (int64_t)number(b + 26, 2) + (int64_t)number(b + 28, 2);
    if (memcmp(b, "PK\3\4", 4) || m->at > s->size - m->size)
        return ba_fail(s->e, BA_EDATA, "%.250s: member %.150s: its header is damaged", s->label, m->name);
    return BA_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(((const bai_zip_member *)a)->name, ((const bai_zip_member *)b)->name); }

static int list_all(bai_zip *z, const source *s, const place *p)
{
    unsigned char *at = (unsigned char *)z->list, *end = at + p->bytes;
    for (uint64_t i = 0; i < p->count; i++) {
        bai_zip_member *m = &z->member[i];
        int64_t n = entry(s, at, end - at, m);
        if (n < 0)
            return (int)n;
        int64_t name = (int64_t)number(at + 28, 2);
        memmove(at, at + ENTRY, (size_t)name); /* over the entry's own numbers, which are read: room for a zero */
        at[name] = 0;
        m->name = (char *)at;
        if (begin(s, m))
            return BA_EDATA;
        at += n;
    }
    z->count = (int64_t)p->count;
    qsort(z->member, (size_t)z->count, sizeof *z->member, by_name);
    for (int64_t i = 1; i < z->count; i++)
        if (!strcmp(z->member[i - 1].name, z->member[i].name))
            return ba_fail(s->e, BA_EDATA, "%.250s: two members are called %.150s", s->label, z->member[i].name);
    return BA_OK;
}

int bai_zip_open(bai_zip *z, int fd, int64_t size, const char *label, ba_err *e)
{
    const source s = { fd, size, label, e };
    place p;
    *z = (bai_zip){ 0 };
    int r = find_end(&s, &p);
    if (r)
        return r;
    z->list = malloc((size_t)p.bytes + 1);
    z->member = calloc((size_t)p.count + 1, sizeof *z->member);
    r = z->list && z->member ? get(&s, z->list, (int64_t)p.bytes, (int64_t)p.at) : ba_fail(e, BA_EMACHINE, "%.300s: no memory for its list", label);
    return r ? r : list_all(z, &s, &p);
}

void bai_zip_close(bai_zip *z)
{
    free(z->list);
    free(z->member);
    *z = (bai_zip){ 0 };
}

bai_zip_member *bai_zip_find(const bai_zip *z, const char *name)
{
    const bai_zip_member key = { .name = name };
    return z->count ? bsearch(&key, z->member, (size_t)z->count, sizeof key, by_name) : NULL;
}

int bai_zip_verify(bai_zip_member *m, int fd, const char *label, ba_err *e)
{
    unsigned char *piece = m->verified ? NULL : malloc(m->size < PIECE ? (size_t)m->size + 1 : PIECE);
    uLong sum = crc32(0, NULL, 0);
    int r = piece || m->verified ? BA_OK : ba_fail(e, BA_EMACHINE, "%.300s: no memory", label);
    for (int64_t done = 0; piece && done < m->size && !r; done += PIECE) {
        size_t n = m->size - done < PIECE ? (size_t)(m->size - done) : PIECE;
        if (bai_pread_all(fd, piece, n, m->at + done))
            r = ba_fail(e, errno ? BA_EMACHINE : BA_EDATA, "%.250s: member %.150s: %s", label, m->name, errno ? strerror(errno) : "the file became shorter while it was read");
        else
            sum = crc32(sum, piece, (uInt)n);
    }
    if (!r && !m->verified && (uint32_t)sum != m->crc)
        r = ba_fail(e, BA_EDATA, "%.250s: member %.150s is damaged: its bytes have the CRC-32 %08x, the archive says %08x", label, m->name, (unsigned)sum, (unsigned)m->crc);
    free(piece);
    m->verified |= !r;
    return r;
}
