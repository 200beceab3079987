/* tar: the list of regular files in a tar and where their bytes begin: ustar, GNU long names, pax path and size.
 * Nothing is ever extracted. Links, devices and pipes are passed over; whatever could be a damaged or hostile archive is
 * refused with the offset of the header. */
#include "files.h"

#include "base/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 512, MAX_EXTRA = 1 << 20 };

typedef struct tar {
    ba_files *files;
    int64_t at;                     /* offset of the header at hand */
    unsigned char h[BLOCK];
    int64_t size;                   /* of its data */
    char name[BAI_MAX_NAME + 1];
    int named;                      /* name came from a record before the header */
    int64_t pax_size;               /* the same for the size; -1: none */
    ba_err *e;
} tar;

__attribute__((format(printf, 2, 3))) static int refuse(const tar *t, const char *fmt, ...)
{
    char why[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return ba_fail(t->e, BA_EDATA, "%.150s: offset %lld: %s", t->files->path, (long long)t->at, why);
}

static int get(const tar *t, void *out, int64_t n, int64_t offset)
{
    if (!bai_pread_all(t->files->fd, out, (size_t)n, offset))
        return BA_OK;
    return errno ? ba_fail(t->e, BA_EMACHINE, "%.300s: %s", t->files->path, strerror(errno)) : refuse(t, "truncated");
}

/* An octal field, or a big-endian one when its first bit is set. Negative: not a number (-1), below zero (-2). */
static int64_t number(const unsigned char *p, int n)
{
    int64_t v = 0;
    if (p[0] & 0x80) {
        if (p[0] & 0x40)
            return -2;
        for (int i = 0; i < n; i++) {
            if (v >> 54)
                return -1;
            v = v << 8 | (i ? p[i] : p[i] & 0x3f);
        }
        return v;
    }
    int i = 0, digits = 0;
    while (i < n && p[i] == ' ')
        i++;
    for (; i < n && p[i] >= '0' && p[i] <= '7'; i++, digits++)
        v = v << 3 | (p[i] - '0');
    for (; i < n; i++)
        if (p[i] != ' ' && p[i] != 0)
            return -1;
    return digits ? v : -1;
}

/* Some old programs summed signed characters. */
static int sum_is_right(const unsigned char *h)
{
    int64_t told = number(h + 148, 8), plain = 0, with_sign = 0;
    for (int i = 0; i < BLOCK; i++) {
        unsigned char c = i >= 148 && i < 156 ? ' ' : h[i];
        plain += c;
        with_sign += (signed char)c;
    }
    return told == plain || told == with_sign;
}

static int is_zero(const unsigned char *h)
{
    for (int i = 0; i < BLOCK; i++)
        if (h[i])
            return 0;
    return 1;
}

/* Strips "./", refuses what leads out of the folder it would be unpacked in. */
static int judge_name(tar *t)
{
    char *p = t->name;
    while (p[0] == '.' && p[1] == '/')
        for (p += 2; *p == '/'; p++)
            ;
    memmove(t->name, p, strlen(p) + 1);
    if (t->name[0] == '/')
        return refuse(t, "absolute name %.200s", t->name);
    for (const char *q = t->name; *q; q += *q == '/') {
        size_t n = strcspn(q, "/");
        if (n == 2 && !memcmp(q, "..", 2))
            return refuse(t, "name with '..': %.200s", t->name);
        q += n;
    }
    return BA_OK;
}

static void name_from_header(tar *t)
{
    int prefix = !memcmp(t->h + 257, "ustar\0", 6) ? (int)strnlen((char *)t->h + 345, 155) : 0;
    snprintf(t->name, sizeof t->name, "%.*s%s%.*s", prefix, (char *)t->h + 345, prefix ? "/" : "",
        (int)strnlen((char *)t->h, 100), (char *)t->h);
}

/* The whole data of a record that describes the next header; the caller frees. */
static char *extra(tar *t)
{
    if (t->size > MAX_EXTRA) {
        refuse(t, "a name record of %lld bytes; at most %d expected", (long long)t->size, MAX_EXTRA);
        return NULL;
    }
    char *p = malloc((size_t)t->size + 1);
    if (!p)
        ba_fail(t->e, BA_EMACHINE, "%.300s: no memory for %lld bytes", t->files->path, (long long)t->size);
    else if (get(t, p, t->size, t->at + BLOCK) < 0) {
        free(p);
        p = NULL;
    } else
        p[t->size] = 0;
    return p;
}

static int set_name(tar *t, const char *p, size_t n)
{
    if (n > BAI_MAX_NAME)
        return refuse(t, "a name of %zu bytes; at most %d expected", n, BAI_MAX_NAME);
    if (memchr(p, 0, n))
        return refuse(t, "a name with a zero byte");
    memcpy(t->name, p, n);
    t->name[n] = 0;
    t->named = 1;
    return BA_OK;
}

static int long_name(tar *t)
{
    char *p = extra(t);
    int status = p ? set_name(t, p, strlen(p)) : t->e ? t->e->code : BA_EDATA;
    free(p);
    return status;
}

/* One "LENGTH KEY=VALUE\n" of a pax record; returns its length or a negative code. */
static int64_t pax_line(tar *t, const char *p, int64_t left)
{
    char *end;
    errno = 0;
    long long n = *p >= '0' && *p <= '9' ? strtoll(p, &end, 10) : -1;
    if (n <= 0 || errno || n > left || *end != ' ' || end - p + 2 > n || p[n - 1] != '\n')
        return refuse(t, "pax record without a valid length");
    const char *key = end + 1, *eq = memchr(key, '=', (size_t)(p + n - key));
    if (!eq)
        return refuse(t, "pax record without '='");
    size_t value = (size_t)(p + n - 1 - (eq + 1));
    if (eq - key == 4 && !memcmp(key, "path", 4))
        return set_name(t, eq + 1, value) < 0 ? BA_EDATA : n;
    if (eq - key >= 10 && !memcmp(key, "GNU.sparse", 10))
        return refuse(t, "sparse file; pack it without --sparse");
    if (eq - key == 4 && !memcmp(key, "size", 4)) {
        t->pax_size = 0;
        for (size_t i = 0; i < value; i++) {
            if (eq[1 + i] < '0' || eq[1 + i] > '9' || t->pax_size > INT64_MAX / 16)
                return refuse(t, "pax size is not a number of bytes");
            t->pax_size = t->pax_size * 10 + (eq[1 + i] - '0');
        }
    }
    return n;
}

static int pax(tar *t)
{
    char *p = extra(t);
    if (!p)
        return t->e ? t->e->code : BA_EDATA;
    int64_t at = 0, n = 1;
    while (at < t->size && n > 0) {
        n = pax_line(t, p + at, t->size - at);
        at += n;
    }
    free(p);
    return n < 0 ? (int)n : BA_OK;
}

/* Puts a file or folder on the list. Very old archives mark folders by a slash at the end of the name only. */
static int add(tar *t)
{
    if (!t->named)
        name_from_header(t);
    int status = judge_name(t);
    if (status < 0)
        return status;
    size_t n = strlen(t->name);
    int folder = t->h[156] == '5' || (n && t->name[n - 1] == '/');
    while (n && t->name[n - 1] == '/')
        t->name[--n] = 0;
    if (!n)
        return folder ? BA_OK : refuse(t, "a file without a name");
    if (t->name[0] == '.' || strstr(t->name, "/."))
        return BA_OK; /* hidden, as in a folder */
    if (folder) {
        if (n == BAI_MAX_NAME)
            return refuse(t, "a name of %zu bytes; at most %d expected", n + 1, BAI_MAX_NAME);
        memcpy(t->name + n, "/", 2);
    }
    bai_entry entry = { .size = folder ? 0 : t->size, .offset = t->at + BLOCK };
    return bai_files_add(t->files, t->name, &entry, t->e);
}

/* What the header at hand is; afterwards t->size bytes of data follow it. */
static int member(tar *t)
{
    unsigned char type = t->h[156];
    int status = BA_OK;
    switch (type) {
    case 'L': return long_name(t);
    case 'x': return pax(t);
    case 'K': case 'g': return BA_OK;
    case 'S': return refuse(t, "sparse file; pack it without --sparse");
    case '1': return refuse(t, "a hard link; pack it with --hard-dereference");
    case 0: case '0': case '5': case '7': status = add(t); break;
    case '2': case '3': case '4': case '6': break;
    default: return refuse(t, "an entry of unknown type 0x%02x", type);
    }
    t->named = 0;
    t->pax_size = -1;
    return status;
}

/* The data of the header at hand must lie within the file. */
static int judge_size(tar *t)
{
    unsigned char type = t->h[156];
    t->size = number(t->h + 124, 12);
    if (t->size == -2)
        return refuse(t, "negative size");
    if (t->size < 0)
        return refuse(t, "size is not a number");
    if (t->pax_size >= 0 && !strchr("LKxg", type ? type : '0'))
        t->size = t->pax_size;
    if (type >= '1' && type <= '6')
        t->size = 0; /* some programs write the size of a link's target */
    if (t->size > t->files->size - t->at - BLOCK)
        return refuse(t, "%lld bytes announced, %lld left in the file (truncated?)", (long long)t->size,
            (long long)(t->files->size - t->at - BLOCK));
    return BA_OK;
}

int bai_tar_list(ba_files *f, ba_err *e)
{
    ba_err own = { 0 };
    tar t = { .files = f, .pax_size = -1, .e = e ? e : &own };
    for (;; t.at += BLOCK + (t.size + BLOCK - 1) / BLOCK * BLOCK) {
        int status = t.at + BLOCK <= f->size ? get(&t, t.h, BLOCK, t.at) :
            refuse(&t, t.at ? "ends without an end mark (truncated?)" : "too short for a tar");
        if (status < 0)
            return status;
        if (is_zero(t.h))
            return t.named || t.pax_size >= 0 ? refuse(&t, "a name record without its file") : BA_OK;
        if (!sum_is_right(t.h))
            return refuse(&t, t.at ? "wrong header checksum" : "not a tar (wrong header checksum)");
        if ((status = judge_size(&t)) < 0 || (status = member(&t)) < 0)
            return status;
    }
}
