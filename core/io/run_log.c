/* run_log: tables, rows, documents and pictures of a run, and when they are flushed and drawn into run.h5. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_inner.h"

#define SYNC_EVERY 5.0
#define DRAW_EVERY 10.0
#define DRAW_SHARE 50.0 /* and never more than 1/50 of the time */

int bai_run_check(const ba_run *r, ba_err *e)
{
    if (!r || r->tag != BAI_TAG_RUN)
        return ba_fail(e, BA_EARG, "run expected, got %s", r ? "something else (freed?)" : "nothing");
    return r->finished ? ba_fail(e, BA_EARG, "%.300s: the run is finished", r->path) : BA_OK;
}

int bai_run_make_room(ba_run *r)
{
    if (!r->reserve)
        return 0;
    r->reserve = 0;
    return !unlinkat(r->dirfd, ".reserve", 0);
}

void bai_run_full(ba_run *r, const ba_err *first)
{
    if (!*r->full)
        snprintf(r->full, sizeof r->full, "%.300s (step %lld): the reserved space is in use now; save and stop", first->msg,
            (long long)r->state.step);
}

int bai_run_append(ba_run *r, uint32_t stream, const void *p, size_t n, ba_err *e)
{
    ba_err first, again;
    if (!bai_journal_append(r->journal, stream, p, n, &first))
        return BA_OK;
    if (first.code == BA_EMACHINE && bai_run_make_room(r) && !bai_journal_append(r->journal, stream, p, n, &again)) {
        bai_run_full(r, &first);
        return BA_OK;
    }
    return ba_fail(e, first.code, "%.400s (step %lld)", first.msg, (long long)r->state.step);
}

int bai_run_here(const ba_run *r, ba_err *e)
{
    struct stat a, b;
    if (!fstat(r->dirfd, &a) && !stat(r->path, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev)
        return BA_OK;
    return ba_fail(e, BA_EMACHINE, "%.300s: the run folder is gone (moved or removed)", r->path);
}

/* ---- streams ---- */

static int judge_field(const char *stream, int i, const ba_field *f, ba_err *e)
{
    if (!f->name || !bai_is_name(f->name, "_./-", BAI_NAME - 1))
        return ba_fail(e, BA_EARG, "stream %s: column %d: name '%.80s': 1 to %d letters, digits, _ . / - expected", stream, i,
            f->name ? f->name : "", BAI_NAME - 1);
    if (f->type != BA_I64 && f->type != BA_F64 && f->type != BA_STR)
        return ba_fail(e, BA_EARG, "stream %s: column %s: type %d; BA_I64, BA_F64 or BA_STR expected", stream, f->name, f->type);
    if (f->type == BA_STR ? f->size < 1 || f->size > BAI_TEXT : f->size != 0 && f->size != 8)
        return ba_fail(e, BA_EARG, "stream %s: column %s: size %d; %s expected", stream, f->name, f->size,
            f->type == BA_STR ? "1 to 4096" : "0");
    return BA_OK;
}

/* Texts longer than their field are cut, not refused: they only explain. */
static void copy_text(char *out, size_t size, const char *s)
{
    size_t n = strnlen(s ? s : "", size - 1);
    while (n && s[n] && (s[n] & 0xc0) == 0x80) /* not in the middle of a character */
        n--;
    memcpy(out, s ? s : "", n);
    out[n] = 0;
}

static int describe(bai_table *t, const char *name, const char *doc, int32_t n, const ba_field *fields, ba_err *e)
{
    for (int i = 0; i < n; i++) {
        bai_column *c = t->column + i;
        if (judge_field(name, i, fields + i, e))
            return BA_EARG;
        copy_text(c->name, sizeof c->name, fields[i].name);
        copy_text(c->unit, sizeof c->unit, fields[i].unit);
        copy_text(c->doc, sizeof c->doc, fields[i].doc);
        c->type = fields[i].type;
        c->size = c->type == BA_STR ? fields[i].size : 8;
        c->offset = t->row_size;
        t->row_size += c->size;
        for (int k = 0; k < i; k++)
            if (!strcmp(t->column[k].name, c->name))
                return ba_fail(e, BA_EARG, "stream %s: two columns '%s'", name, c->name);
    }
    copy_text(t->name, sizeof t->name, name);
    copy_text(t->doc, sizeof t->doc, doc);
    return BA_OK;
}

static int keep_table(ba_run *r, const bai_table *t, ba_err *e)
{
    bai_table *more = realloc(r->table, (size_t)(r->tables + 1) * sizeof *more);
    if (more)
        r->table = more;
    uint8_t *row = more && (size_t)t->row_size > r->row_room ? realloc(r->row, (size_t)t->row_size) : r->row;
    if (!more || (!row && t->row_size))
        return ba_fail(e, BA_EMACHINE, "stream %s: no memory", t->name);
    if ((size_t)t->row_size > r->row_room)
        r->row_room = (size_t)t->row_size;
    r->row = row;
    r->table[r->tables++] = *t;
    return BA_OK;
}

int bai_run_adopt(ba_run *r, ba_err *e)
{
    for (int64_t i = 0; i < r->log->tables; i++) {
        bai_table t = r->log->table[i];
        if (t.stream != (uint32_t)(BAI_FIRST_STREAM + i))
            return ba_fail(e, BA_ERESUME, "%.300s: the declaration of a stream before '%s' is lost; begin again", r->path,
                t.name);
        t.row = NULL;
        if (!(t.column = malloc((size_t)t.columns * sizeof *t.column)))
            return ba_fail(e, BA_EMACHINE, "%.300s: no memory", r->path);
        memcpy(t.column, r->log->table[i].column, (size_t)t.columns * sizeof *t.column);
        if (keep_table(r, &t, e)) {
            free(t.column);
            return BA_EMACHINE;
        }
    }
    return BA_OK;
}

static int declare(ba_run *r, bai_table *t, ba_err *e)
{
    size_t room = 512 + 256 * (size_t)t->columns, n;
    uint8_t *p = malloc(room);
    int bad = p ? BA_OK : ba_fail(e, BA_EMACHINE, "stream %s: no memory", t->name);
    t->stream = (uint32_t)(BAI_FIRST_STREAM + r->tables);
    if (!bad && (n = bai_table_pack(t, p, room)))
        bad = bai_run_append(r, BAI_DECLARATION, p, n, e);
    free(p);
    return bad ? bad : keep_table(r, t, e);
}

int64_t ba_run_stream(ba_run *r, const char *name, const char *doc, int32_t n, const ba_field *fields, ba_err *e)
{
    if (bai_run_check(r, e))
        return BA_EARG;
    if (!name || !bai_is_name(name, "_-", BAI_NAME - 1) || !strcmp(name, "about") || !strcmp(name, "images"))
        return ba_fail(e, BA_EARG, "stream '%.80s': 1 to %d letters, digits, _ - expected, and not about or images",
            name ? name : "", BAI_NAME - 1);
    if (n < 1 || n > BAI_COLUMNS || !fields)
        return ba_fail(e, BA_EARG, "stream %s: %d columns; 1 to %d expected", name, n, BAI_COLUMNS);
    bai_table t = { .columns = n, .column = calloc((size_t)n, sizeof *t.column) };
    if (!t.column)
        return ba_fail(e, BA_EMACHINE, "stream %s: no memory", name);
    int64_t got = describe(&t, name, doc, n, fields, e);
    for (int64_t i = 0; i < r->tables && !got; i++)
        if (!strcmp(r->table[i].name, name)) {
            got = bai_table_same(r->table + i, &t) ? i
                : ba_fail(e, BA_ERESUME, "stream %s: the journal has it with other columns; begin again, "
                    "or log to a stream of another name", name);
            bai_table_clear(&t);
            return got;
        }
    if (!got)
        got = declare(r, &t, e);
    if (!got)
        return r->tables - 1;
    bai_table_clear(&t);
    return got;
}

/* ---- rows ---- */

static const bai_table *table_of(const ba_run *r, int64_t stream, const void *values, int32_t n, ba_err *e)
{
    if (bai_run_check(r, e))
        return NULL;
    if (stream < 0 || stream >= r->tables || !values) {
        ba_fail(e, BA_EARG, "row: stream %lld of %lld, and values expected", (long long)stream, (long long)r->tables);
        return NULL;
    }
    if (n == r->table[stream].columns)
        return r->table + stream;
    ba_fail(e, BA_EARG, "row of %s: %d values given, it has %d columns", r->table[stream].name, n, r->table[stream].columns);
    return NULL;
}

int ba_run_row(ba_run *r, int64_t stream, const double *values, int32_t n, ba_err *e)
{
    const bai_table *t = table_of(r, stream, values, n, e);
    if (!t)
        return BA_EARG;
    for (int i = 0; i < n; i++) {
        const bai_column *c = t->column + i;
        int64_t whole;
        if (c->type == BA_F64) {
            memcpy(r->row + c->offset, values + i, 8);
            continue;
        }
        if (c->type == BA_STR || !(fabs(values[i]) <= 0x1p53) || (double)(whole = (int64_t)values[i]) != values[i])
            return ba_fail(e, BA_EARG, "row of %s: column %s: %g; %s expected", t->name, c->name, values[i],
                c->type == BA_STR ? "a text" : "a whole number");
        memcpy(r->row + c->offset, &whole, 8);
    }
    return bai_run_append(r, t->stream, r->row, (size_t)t->row_size, e);
}

int ba_run_row_any(ba_run *r, int64_t stream, const ba_value *values, int32_t n, ba_err *e)
{
    const bai_table *t = table_of(r, stream, values, n, e);
    if (!t)
        return BA_EARG;
    for (int i = 0; i < n; i++) {
        const bai_column *c = t->column + i;
        uint8_t *at = r->row + c->offset;
        if (c->type != BA_STR) {
            memcpy(at, values + i, 8);
            continue;
        }
        const char *s = values[i].s ? values[i].s : "";
        size_t length = strnlen(s, (size_t)c->size);
        while (length && s[length] && (s[length] & 0xc0) == 0x80)
            length--;
        memset(at, 0, (size_t)c->size);
        memcpy(at, s, length);
    }
    return bai_run_append(r, t->stream, r->row, (size_t)t->row_size, e);
}

int ba_run_event(ba_run *r, const char *kind, const char *text, ba_err *e)
{
    if (bai_run_check(r, e))
        return BA_EARG;
    ba_value v[5] = { { .f = bai_now(CLOCK_REALTIME) }, { .i = r->state.epoch }, { .i = r->state.step }, { .s = kind },
        { .s = text } };
    return ba_run_row_any(r, r->events, v, 5, e);
}

/* ---- documents and pictures ---- */

int ba_run_document(ba_run *r, const char *name, const char *text, int64_t bytes, ba_err *e)
{
    if (bai_run_check(r, e))
        return BA_EARG;
    if (!name || !bai_is_name(name, "_.-", BAI_NAME - 1) || name[0] == '.')
        return ba_fail(e, BA_EARG, "document '%.80s': 1 to %d letters, digits, _ . - expected", name ? name : "", BAI_NAME - 1);
    if (bytes < 0 || bytes > BAI_RECORD_MOST - BAI_NAME || (!text && bytes))
        return ba_fail(e, BA_EARG, "document %s: %lld bytes; a text of at most %d expected", name, (long long)bytes,
            BAI_RECORD_MOST - BAI_NAME);
    size_t head = strlen(name) + 1;
    char *p = malloc(head + (size_t)bytes);
    if (!p)
        return ba_fail(e, BA_EMACHINE, "document %s: no memory", name);
    memcpy(p, name, head);
    if (bytes)
        memcpy(p + head, text, (size_t)bytes);
    int bad = bai_run_append(r, BAI_DOCUMENT, p, head + (size_t)bytes, e);
    free(p);
    return bad;
}

/* Whether a picture has the size of its series; the log is read on for that, which the next run.h5 needs anyhow. */
static int judge_series(ba_run *r, const char *name, int64_t rows, int64_t columns, ba_err *e)
{
    if (ba_log_update(r->log, e))
        return BA_EMACHINE;
    for (int64_t i = 0; i < r->log->pictures; i++) {
        const bai_pictures *p = &r->log->picture[i];
        if (!strcmp(p->name, name) && (p->rows != rows || p->columns != columns))
            return ba_fail(e, BA_EARG, "image %s: %lld x %lld; those before it are %lld x %lld", name, (long long)rows, (long long)columns,
                (long long)p->rows, (long long)p->columns);
    }
    return BA_OK;
}

int ba_run_image(ba_run *r, const char *name, int64_t rows, int64_t columns, const uint8_t *pixels, ba_err *e)
{
    if (bai_run_check(r, e))
        return BA_EARG;
    if (!name || !bai_is_name(name, "_.-", BAI_NAME - 1) || name[0] == '.')
        return ba_fail(e, BA_EARG, "image '%.80s': 1 to %d letters, digits, _ . - expected", name ? name : "", BAI_NAME - 1);
    if (rows < 1 || columns < 1 || rows > 4096 || columns > 2048 || !pixels)
        return ba_fail(e, BA_EARG, "image %s: %lld x %lld; at most 4096 x 2048 expected", name, (long long)rows,
            (long long)columns);
    int bad = judge_series(r, name, rows, columns, e);
    if (bad)
        return bad;
    int32_t size[2] = { (int32_t)rows, (int32_t)columns };
    size_t head = sizeof size + strlen(name) + 1, n = (size_t)(rows * columns);
    uint8_t *p = malloc(head + n);
    if (!p)
        return ba_fail(e, BA_EMACHINE, "image %s: no memory", name);
    memcpy(p, size, sizeof size);
    memcpy(p + sizeof size, name, strlen(name) + 1);
    memcpy(p + head, pixels, n);
    bad = bai_run_append(r, BAI_PICTURE, p, head + n, e);
    free(p);
    return bad;
}

/* ---- to the disk ---- */

int ba_run_sync(ba_run *r, ba_err *e)
{
    if (bai_run_check(r, e) || bai_run_here(r, e) || bai_journal_sync(r->journal, e))
        return e && e->code ? e->code : BA_EMACHINE;
    r->synced = bai_now(CLOCK_MONOTONIC);
    return BA_OK;
}

static int draw(ba_run *r, ba_err *e)
{
    char label[1100];
    snprintf(label, sizeof label, "%s/run.h5", r->path);
    if (ba_log_update(r->log, e) || bai_snapshot(r->log, r->dirfd, "run.h5", label, e))
        return BA_EMACHINE;
    r->state.updated = bai_now(CLOCK_REALTIME);
    return bai_state_write(r->dirfd, r->path, &r->state, e);
}

int ba_run_snapshot(ba_run *r, ba_err *e)
{
    ba_err first = { 0 }, again = { 0 };
    if (bai_run_check(r, e) || bai_run_here(r, e))
        return e && e->code ? e->code : BA_EMACHINE;
    double begin = bai_now(CLOCK_MONOTONIC);
    int bad = draw(r, &first);
    if (bad && bai_run_make_room(r) && !(bad = draw(r, &again)))
        bai_run_full(r, &first);
    r->drawn = bai_now(CLOCK_MONOTONIC);
    r->cost = r->drawn - begin;
    return bad ? ba_fail(e, BA_EMACHINE, "%.400s (step %lld)", first.msg, (long long)r->state.step) : BA_OK;
}

int ba_run_tick(ba_run *r, int64_t epoch, int64_t step, ba_err *e)
{
    if (bai_run_check(r, e))
        return BA_EARG;
    if (epoch < 0 || step < 0)
        return ba_fail(e, BA_EARG, "run: epoch %lld, step %lld; 0 or more expected", (long long)epoch, (long long)step);
    r->state.epoch = epoch;
    r->state.step = step;
    if (*r->full)
        return ba_fail(e, BA_EMACHINE, "%s", r->full);
    double now = bai_now(CLOCK_MONOTONIC);
    int bad = now - r->synced >= SYNC_EVERY ? ba_run_sync(r, e) : BA_OK;
    if (bad || now - r->drawn < DRAW_EVERY || now - r->drawn < DRAW_SHARE * r->cost)
        return bad;
    if ((bad = ba_run_snapshot(r, e)))
        return bad;
    return *r->full ? ba_fail(e, BA_EMACHINE, "%s", r->full) : 1;
}
