/* log: reading a journal into tables, documents and series of pictures. The journal alone says what its columns are. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAG = 0x424c4f47 };

int bai_is_name(const char *s, const char *also, size_t most)
{
    size_t n = strnlen(s, most + 1);
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i] | 32;
        if (!(c >= 'a' && c <= 'z') && !(s[i] >= '0' && s[i] <= '9') && !strchr(also, s[i]))
            return 0;
    }
    return n >= 1 && n <= most;
}

/* ---- declarations: u32 stream, u32 columns, name, doc; per column u32 type, u32 size, name, unit, doc ---- */

static size_t pack_text(uint8_t *out, size_t at, size_t room, const char *s)
{
    size_t n = strlen(s) + 1;
    if (at + n <= room)
        memcpy(out + at, s, n);
    return at + n;
}

static size_t pack_pair(uint8_t *out, size_t at, size_t room, int32_t a, int32_t b)
{
    if (at + 8 <= room) {
        memcpy(out + at, &a, 4);
        memcpy(out + at + 4, &b, 4);
    }
    return at + 8;
}

size_t bai_table_pack(const bai_table *t, uint8_t *out, size_t room)
{
    size_t at = pack_pair(out, 0, room, (int32_t)t->stream, t->columns);
    at = pack_text(out, at, room, t->name);
    at = pack_text(out, at, room, t->doc);
    for (int i = 0; i < t->columns; i++) {
        const bai_column *c = t->column + i;
        at = pack_pair(out, at, room, c->type, c->size);
        at = pack_text(out, at, room, c->name);
        at = pack_text(out, at, room, c->unit);
        at = pack_text(out, at, room, c->doc);
    }
    return at <= room ? at : 0;
}

typedef struct cursor { const uint8_t *p; size_t left; int bad; } cursor;

static int32_t take_number(cursor *c)
{
    int32_t v = 0;
    if (c->left < 4) {
        c->bad = 1;
        return 0;
    }
    memcpy(&v, c->p, 4);
    c->p += 4;
    c->left -= 4;
    return v;
}

static void take_text(cursor *c, char *out, size_t size)
{
    size_t n = strnlen((const char *)c->p, c->left);
    if (n == c->left || n >= size) {
        c->bad = 1;
        return;
    }
    memcpy(out, c->p, n + 1);
    c->p += n + 1;
    c->left -= n + 1;
}

static void unpack_columns(cursor *c, bai_table *t)
{
    for (int i = 0; i < t->columns && !c->bad; i++) {
        bai_column *k = t->column + i;
        k->type = take_number(c);
        k->size = take_number(c);
        k->offset = t->row_size;
        take_text(c, k->name, sizeof k->name);
        take_text(c, k->unit, sizeof k->unit);
        take_text(c, k->doc, sizeof k->doc);
        if (k->type == BA_STR ? k->size < 1 || k->size > BAI_TEXT : (k->type != BA_I64 && k->type != BA_F64) || k->size != 8)
            c->bad = 1;
        t->row_size += k->size;
    }
}

/* 1 and a table, 0 when the payload is no declaration, negative without memory. */
static int unpack(const bai_record *rec, bai_table *t)
{
    cursor c = { rec->data, rec->bytes, 0 };
    *t = (bai_table){ .stream = (uint32_t)take_number(&c) };
    t->columns = take_number(&c);
    take_text(&c, t->name, sizeof t->name);
    take_text(&c, t->doc, sizeof t->doc);
    if (c.bad || t->stream < BAI_FIRST_STREAM || t->columns < 1 || t->columns > BAI_COLUMNS || !bai_is_name(t->name, "_-",
        BAI_NAME - 1))
        return 0;
    if (!(t->column = calloc((size_t)t->columns, sizeof *t->column)))
        return -1;
    unpack_columns(&c, t);
    if (!c.bad && !c.left)
        return 1;
    bai_table_clear(t);
    return 0;
}

void bai_table_clear(bai_table *t)
{
    free(t->column);
    free(t->row);
    t->column = NULL;
    t->row = NULL;
}

int bai_table_same(const bai_table *a, const bai_table *b)
{
    if (strcmp(a->name, b->name) || strcmp(a->doc, b->doc) || a->columns != b->columns)
        return 0;
    for (int i = 0; i < a->columns; i++) {
        const bai_column *x = a->column + i, *y = b->column + i;
        if (strcmp(x->name, y->name) || strcmp(x->unit, y->unit) || strcmp(x->doc, y->doc) || x->type != y->type
            || x->size != y->size)
            return 0;
    }
    return 1;
}

const bai_table *bai_log_table(const ba_log *l, uint32_t stream)
{
    for (int64_t i = 0; i < l->tables; i++)
        if (l->table[i].stream == stream)
            return l->table + i;
    return NULL;
}

/* ---- taking records in; each answers 1 (taken), 0 (makes no sense) or -1 (no memory) ---- */

static void *one_more(void *array, int64_t count, size_t element)
{
    return realloc(array, (size_t)(count + 1) * element);
}

static int take_table(ba_log *l, const bai_record *rec)
{
    bai_table t;
    int got = unpack(rec, &t);
    if (got < 1)
        return got;
    const bai_table *old = bai_log_table(l, t.stream);
    bai_table *more = old ? NULL : one_more(l->table, l->tables, sizeof t);
    if (old || !more) {
        got = old ? bai_table_same(old, &t) : -1;
        bai_table_clear(&t);
        return got;
    }
    l->table = more;
    l->table[l->tables++] = t;
    return 1;
}

static int take_row(ba_log *l, const bai_record *rec)
{
    bai_table *t = NULL;
    for (int64_t i = 0; i < l->tables && !t; i++)
        if (l->table[i].stream == rec->stream)
            t = l->table + i;
    if (!t || rec->bytes != (uint32_t)t->row_size)
        return 0;
    if (t->rows == t->room) {
        int64_t room = t->room ? t->room + t->room / 2 : 256;
        uint8_t *p = realloc(t->row, (size_t)(room * t->row_size));
        if (!p)
            return -1;
        t->row = p;
        t->room = room;
    }
    memcpy(t->row + t->rows++ * t->row_size, rec->data, rec->bytes);
    return 1;
}

static int take_document(ba_log *l, const bai_record *rec)
{
    cursor c = { rec->data, rec->bytes, 0 };
    bai_document d = { .bytes = 0 }, *at = NULL;
    take_text(&c, d.name, sizeof d.name);
    if (c.bad || !bai_is_name(d.name, "_.-", BAI_NAME - 1))
        return 0;
    for (int64_t i = 0; i < l->documents && !at; i++)
        if (!strcmp(l->document[i].name, d.name))
            at = l->document + i;
    if (!at) {
        bai_document *more = one_more(l->document, l->documents, sizeof d);
        if (!more)
            return -1;
        l->document = more;
        at = more + l->documents++;
        *at = d;
    }
    char *text = malloc(c.left + 1);
    if (!text)
        return -1;
    memcpy(text, c.p, c.left);
    text[c.left] = 0;
    free(at->text);
    at->text = text;
    at->bytes = (int64_t)c.left;
    return 1;
}

static int take_picture(ba_log *l, const bai_record *rec)
{
    cursor c = { rec->data, rec->bytes, 0 };
    bai_pictures d = { .rows = take_number(&c) }, *at = NULL;
    d.columns = take_number(&c);
    take_text(&c, d.name, sizeof d.name);
    if (c.bad || d.rows < 1 || d.columns < 1 || (uint64_t)(d.rows * d.columns) != c.left || !bai_is_name(d.name, "_.-",
        BAI_NAME - 1))
        return 0;
    for (int64_t i = 0; i < l->pictures && !at; i++)
        if (!strcmp(l->picture[i].name, d.name))
            at = l->picture + i;
    if (!at) {
        bai_pictures *more = one_more(l->picture, l->pictures, sizeof d);
        if (!more)
            return -1;
        l->picture = more;
        at = more + l->pictures++;
        *at = d;
    }
    if (at->rows != d.rows || at->columns != d.columns)
        return 0;
    if (at->count == at->room) {
        int64_t room = at->room ? 2 * at->room : 4;
        uint8_t *p = realloc(at->pixels, (size_t)room * c.left);
        if (!p)
            return -1;
        at->pixels = p;
        at->room = room;
    }
    memcpy(at->pixels + at->count++ * (int64_t)c.left, c.p, c.left);
    return 1;
}

int ba_log_update(ba_log *l, ba_err *e)
{
    bai_record rec;
    int got;
    if (!l || l->tag != TAG)
        return ba_fail(e, BA_EARG, "log expected, got %s", l ? "something else (freed?)" : "nothing");
    while ((got = bai_reader_next(l->reader, &rec, e)) > 0) {
        int taken = rec.stream >= BAI_FIRST_STREAM ? take_row(l, &rec)
                  : rec.stream == BAI_DECLARATION ? take_table(l, &rec)
                  : rec.stream == BAI_DOCUMENT ? take_document(l, &rec)
                  : rec.stream == BAI_PICTURE ? take_picture(l, &rec) : 0;
        if (taken < 0)
            return ba_fail(e, BA_EMACHINE, "%.300s: no memory for its records", bai_reader_label(l->reader));
        l->odd += !taken;
    }
    return got;
}

ba_log *bai_log_open(int dirfd, const char *name, const char *label, ba_err *e)
{
    ba_log *l = calloc(1, sizeof *l);
    if (!l) {
        ba_fail(e, BA_EMACHINE, "%.300s: no memory", label);
        return NULL;
    }
    l->tag = TAG;
    if ((l->reader = bai_reader_open(dirfd, name, label, e)) && !ba_log_update(l, e))
        return l;
    ba_log_free(l);
    return NULL;
}

ba_log *ba_log_open(const char *path, ba_err *e)
{
    struct stat st;
    char file[4096];
    if (!path || !*path || strlen(path) > sizeof file - 20) {
        ba_fail(e, BA_EARG, "log: a path expected");
        return NULL;
    }
    int folder = !stat(path, &st) && S_ISDIR(st.st_mode);
    snprintf(file, sizeof file, "%s%s", path, folder ? "/journal.bin" : "");
    return bai_log_open(AT_FDCWD, file, file, e);
}

void ba_log_free(ba_log *l)
{
    if (!l || l->tag != TAG)
        return;
    l->tag = 0;
    for (int64_t i = 0; i < l->tables; i++)
        bai_table_clear(l->table + i);
    for (int64_t i = 0; i < l->documents; i++)
        free(l->document[i].text);
    for (int64_t i = 0; i < l->pictures; i++)
        free(l->picture[i].pixels);
    free(l->table);
    free(l->document);
    free(l->picture);
    bai_reader_free(l->reader);
    free(l);
}

/* ---- questions ---- */

static const bai_table *table_at(const ba_log *l, int64_t stream, ba_err *e)
{
    if (l && l->tag == TAG && stream >= 0 && stream < l->tables)
        return l->table + stream;
    ba_fail(e, BA_EARG, "log: stream %lld of %lld", (long long)stream, (long long)(l && l->tag == TAG ? l->tables : 0));
    return NULL;
}

static const bai_column *column_at(const ba_log *l, int64_t stream, int64_t column, ba_err *e)
{
    const bai_table *t = table_at(l, stream, e);
    if (t && column >= 0 && column < t->columns)
        return t->column + column;
    if (t)
        ba_fail(e, BA_EARG, "log: column %lld of %s, which has %d", (long long)column, t->name, t->columns);
    return NULL;
}

int64_t ba_log_damaged(const ba_log *l) { return l && l->tag == TAG ? bai_reader_damaged(l->reader) + l->odd : 0; }
int64_t ba_log_torn(const ba_log *l) { return l && l->tag == TAG ? bai_reader_torn(l->reader) : 0; }
int64_t ba_log_streams(const ba_log *l) { return l && l->tag == TAG ? l->tables : 0; }
int64_t ba_log_documents(const ba_log *l) { return l && l->tag == TAG ? l->documents : 0; }

const char *ba_log_stream(const ba_log *l, int64_t stream)
{
    const bai_table *t = table_at(l, stream, NULL);
    return t ? t->name : NULL;
}

int64_t ba_log_find(const ba_log *l, const char *name)
{
    for (int64_t i = 0; name && i < ba_log_streams(l); i++)
        if (!strcmp(l->table[i].name, name))
            return i;
    return -1;
}

int64_t ba_log_rows(const ba_log *l, int64_t stream)
{
    const bai_table *t = table_at(l, stream, NULL);
    return t ? t->rows : 0;
}

int64_t ba_log_fields(const ba_log *l, int64_t stream)
{
    const bai_table *t = table_at(l, stream, NULL);
    return t ? t->columns : 0;
}

int ba_log_field(const ba_log *l, int64_t stream, int64_t column, ba_field *out, ba_err *e)
{
    const bai_column *c = column_at(l, stream, column, e);
    if (!c || !out)
        return c ? ba_fail(e, BA_EARG, "log: nowhere to put the answer") : BA_EARG;
    *out = (ba_field){ .name = c->name, .type = c->type, .size = c->type == BA_STR ? c->size : 0,
        .unit = c->unit, .doc = c->doc };
    return BA_OK;
}

static int check_rows(const bai_table *t, int64_t from, int64_t count, ba_err *e)
{
    if (from >= 0 && count >= 0 && from <= t->rows && count <= t->rows - from)
        return BA_OK;
    return ba_fail(e, BA_EARG, "log: %s: rows %lld.. (%lld of them) of %lld", t->name, (long long)from, (long long)count,
        (long long)t->rows);
}

int ba_log_read(const ba_log *l, int64_t stream, int64_t column, int64_t from, int64_t count, double *out, ba_err *e)
{
    const bai_column *c = column_at(l, stream, column, e);
    if (!c)
        return BA_EARG;
    const bai_table *t = l->table + stream;
    if (check_rows(t, from, count, e) || (!out && count))
        return BA_EARG;
    if (c->type == BA_STR)
        return ba_fail(e, BA_EARG, "log: %s.%s is a text column", t->name, c->name);
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *p = t->row + (from + i) * t->row_size + c->offset;
        int64_t whole;
        memcpy(&whole, p, 8);
        memcpy(out + i, p, 8);
        if (c->type == BA_I64)
            out[i] = (double)whole;
    }
    return BA_OK;
}

int ba_log_text(const ba_log *l, int64_t stream, int64_t column, int64_t row, char *out, int64_t size, ba_err *e)
{
    const bai_column *c = column_at(l, stream, column, e);
    if (!c)
        return BA_EARG;
    const bai_table *t = l->table + stream;
    if (check_rows(t, row, 1, e))
        return BA_EARG;
    if (c->type != BA_STR || !out || size < 1)
        return ba_fail(e, BA_EARG, "log: %s.%s: %s", t->name, c->name,
            c->type != BA_STR ? "is no text column" : "nowhere to put the text");
    const char *p = (const char *)t->row + row * t->row_size + c->offset;
    size_t n = strnlen(p, (size_t)c->size), most = (size_t)size - 1;
    memcpy(out, p, n < most ? n : most);
    out[n < most ? n : most] = 0;
    return BA_OK;
}

const char *ba_log_document(const ba_log *l, int64_t i, const char **text, int64_t *bytes)
{
    if (i < 0 || i >= ba_log_documents(l))
        return NULL;
    if (text)
        *text = l->document[i].text;
    if (bytes)
        *bytes = l->document[i].bytes;
    return l->document[i].name;
}

int ba_log_hdf5(const ba_log *l, const char *path, ba_err *e)
{
    const char *base;
    if (!l || l->tag != TAG || !path)
        return ba_fail(e, BA_EARG, "log: a log and a path expected");
    int dirfd = bai_folder_of(path, &base);
    if (dirfd < 0)
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(errno));
    int r = bai_snapshot(l, dirfd, base, path, e);
    close(dirfd);
    return r;
}
