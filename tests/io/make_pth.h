/* make_pth: a PyTorch file made by hand, byte by byte, so that tests can make each part of it wrong. */
#ifndef MAKE_PTH_H
#define MAKE_PTH_H

#include <stdint.h>
#include <string.h>

#include <zlib.h>

typedef struct bytes { unsigned char b[1 << 16]; int64_t n; } bytes;

static inline void put_bytes(bytes *t, const void *p, int64_t n)
{
    memcpy(t->b + t->n, p, (size_t)n);
    t->n += n;
}
static inline void put_text(bytes *t, const char *s) { put_bytes(t, s, (int64_t)strlen(s)); }
static inline void put_number(bytes *t, uint64_t v, int size)
{
    for (int i = 0; i < size; i++)
        t->b[t->n++] = (unsigned char)(i < 8 ? v >> (8 * i) : 0);
}
static inline void put_byte(bytes *t, int v) { put_number(t, (uint64_t)v, 1); }
static inline void put_string(bytes *t, const char *s) /* BINUNICODE */
{
    put_byte(t, 'X');
    put_number(t, strlen(s), 4);
    put_text(t, s);
}
static inline void put_int(bytes *t, int64_t v)
{
    put_byte(t, 0x8a);
    put_byte(t, 8);
    put_number(t, (uint64_t)v, 8);
}

/* One tensor over storage KEY of `all` numbers of TYPE: offset, rank, sizes, strides. */
typedef struct made { const char *key, *type; int64_t all, offset, rank, size[9], stride[9]; } made;

static inline void put_tensor(bytes *t, const made *m)
{
    put_text(t, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_string(t, "storage");
    put_text(t, "ctorch\n");
    put_text(t, m->type);
    put_text(t, "\n");
    put_string(t, m->key);
    put_string(t, "cpu");
    put_int(t, m->all);
    put_text(t, "tQ");
    put_int(t, m->offset);
    for (int which = 0; which < 2; which++) {
        put_byte(t, '(');
        for (int i = 0; i < m->rank; i++)
            put_int(t, which ? m->stride[i] : m->size[i]);
        put_byte(t, 't');
    }
    put_text(t, "\x89" "ccollections\nOrderedDict\n)RtR");
}

/* ---- the archive ---- */
typedef struct archive { bytes file, list; int64_t members; } archive;

static inline void put_member(archive *z, const char *name, const void *data, int64_t n, int method, int64_t said)
{
    bytes *f = &z->file, *l = &z->list;
    int64_t at = f->n;
    uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), data, (unsigned)n);
    put_text(f, "PK\3\4");
    put_number(f, 0, 4); /* version, flags */
    put_number(f, (uint64_t)method, 2);
    put_number(f, 0, 4); /* time */
    put_number(f, crc, 4);
    put_number(f, (uint64_t)said, 4);
    put_number(f, (uint64_t)said, 4);
    put_number(f, strlen(name), 2);
    put_number(f, 0, 2);
    put_text(f, name);
    put_bytes(f, data, n);
    put_text(l, "PK\1\2");
    put_number(l, 0, 6);
    put_number(l, (uint64_t)method, 2);
    put_number(l, 0, 4);
    put_number(l, crc, 4);
    put_number(l, (uint64_t)said, 4);
    put_number(l, (uint64_t)said, 4);
    put_number(l, strlen(name), 2);
    put_number(l, 0, 12);
    put_number(l, (uint64_t)at, 4);
    put_text(l, name);
    z->members++;
}

static inline void put_end(archive *z, int64_t members, int64_t list_at)
{
    int64_t at = z->file.n;
    put_bytes(&z->file, z->list.b, z->list.n);
    put_text(&z->file, "PK\5\6");
    put_number(&z->file, 0, 4);
    put_number(&z->file, (uint64_t)members, 2);
    put_number(&z->file, (uint64_t)members, 2);
    put_number(&z->file, (uint64_t)z->list.n, 4);
    put_number(&z->file, (uint64_t)(list_at < 0 ? at : list_at), 4);
    put_number(&z->file, 0, 2);
}

#endif
