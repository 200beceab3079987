/* weights_write: safetensors files. The header is padded with spaces, so that the tensors begin at a multiple of 64. */
#include "bauta/weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bauta/op.h"
#include "safetensors.h"

typedef struct text { char *p; size_t n, room; int failed; } text;

static void put(text *t, const char *s, size_t n)
{
    if (t->failed)
        return;
    if (t->room - t->n < n) {
        size_t room = 2 * (t->n + n) + 256;
        char *p = realloc(t->p, room);
        if (!p) {
            t->failed = 1;
            return;
        }
        t->p = p;
        t->room = room;
    }
    memcpy(t->p + t->n, s, n);
    t->n += n;
}

static void puts_(text *t, const char *s) { put(t, s, strlen(s)); }

static void put_string(text *t, const char *s)
{
    char u[8];
    puts_(t, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            puts_(t, "\\");
        if ((unsigned char)*s >= 0x20)
            put(t, s, 1);
        else
            put(t, u, (size_t)snprintf(u, sizeof u, "\\u%04x", (unsigned)*s));
    }
    puts_(t, "\"");
}

static void put_number(text *t, int64_t v)
{
    char u[24];
    put(t, u, (size_t)snprintf(u, sizeof u, "%lld", (long long)v));
}

static void put_notes(text *t, int64_t n, const ba_note *notes)
{
    puts_(t, "\"__metadata__\":{");
    for (int64_t i = 0; i < n; i++) {
        puts_(t, i ? "," : "");
        put_string(t, notes[i].key);
        puts_(t, ":");
        put_string(t, notes[i].value);
    }
    puts_(t, "}");
}

static void put_item(text *t, const ba_weight_item *w, int64_t *at)
{
    put_string(t, w->name);
    puts_(t, ":{\"dtype\":\"F32\",\"shape\":[");
    for (int k = 0; k < w->type.rank; k++) {
        puts_(t, k ? "," : "");
        put_number(t, w->type.dim[k]);
    }
    puts_(t, "],\"data_offsets\":[");
    put_number(t, *at);
    *at += 4 * ba_type_count(&w->type);
    puts_(t, ",");
    put_number(t, *at);
    puts_(t, "]}");
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The reader must accept what is written, so duplicates are refused here. */
static int judge_names(int64_t n, const char **names, const char *what, ba_err *e)
{
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int64_t i = 1; i < n; i++)
        if (!strcmp(names[i - 1], names[i]))
            return ba_fail(e, BA_EARG, "weights: two %s '%.200s'", what, names[i]);
    return BA_OK;
}

/* Whether s is UTF-8 that JSON can carry, as the header's own parser sees it. */
static int is_text(const char *s)
{
    text t = { 0 };
    bai_st_header h = { 0 };
    puts_(&t, "{\"__metadata__\":{\"\":");
    put_string(&t, s);
    put(&t, "}}", 3);
    int good = !t.failed && !bai_st_parse(&h, t.p, (int64_t)t.n - 1, 0, "", NULL);
    if (t.failed)
        free(t.p);
    bai_st_clear(&h);
    return good;
}

static int judge_item(const ba_weight_item *w, ba_err *e)
{
    if (!w->name || !*w->name || strlen(w->name) > BAI_ST_NAME || !strcmp(w->name, "__metadata__") || !is_text(w->name))
        return ba_fail(e, BA_EARG, "weights: name '%.100s': 1 to %d bytes of UTF-8 expected", w->name ? w->name : "",
            BAI_ST_NAME);
    if (w->type.dtype != BA_F32 || w->type.rank < 0 || w->type.rank > BA_MAX_RANK)
        return ba_fail(e, BA_EARG, "weights: %.200s: fp32 of rank 0 to %d expected", w->name, BA_MAX_RANK);
    for (int64_t k = 0, bytes = 4; k < w->type.rank; k++)
        if (w->type.dim[k] < 0 || __builtin_mul_overflow(bytes, w->type.dim[k], &bytes) || bytes > INT64_C(1) << 46)
            return ba_fail(e, BA_EARG, "weights: %.200s: axis %lld has %lld elements", w->name, (long long)k,
                (long long)w->type.dim[k]);
    return BA_OK;
}

static int judge(int64_t n, const ba_weight_item *items, int64_t n_notes, const ba_note *notes, ba_err *e)
{
    if (n < 0 || n > BAI_ST_TENSORS || (n && !items) || n_notes < 0 || n_notes > BAI_ST_NOTES || (n_notes && !notes))
        return ba_fail(e, BA_EARG, "weights: %lld tensors and %lld notes; at most %d of each expected", (long long)n,
            (long long)n_notes, BAI_ST_TENSORS);
    const char **names = malloc((size_t)(n + n_notes + 1) * sizeof *names);
    int r = names ? BA_OK : ba_fail(e, BA_EMACHINE, "weights: no memory");
    for (int64_t i = 0; i < n && !r; i++)
        if (!(r = judge_item(items + i, e)))
            names[i] = items[i].name;
    for (int64_t i = 0; i < n_notes && !r; i++) {
        if (!notes[i].key || !notes[i].value || !is_text(notes[i].key) || !is_text(notes[i].value))
            r = ba_fail(e, BA_EARG, "weights: note %lld ('%.60s'): key and value of UTF-8 expected", (long long)i,
                notes[i].key ? notes[i].key : "");
        else
            names[n + i] = notes[i].key;
    }
    if (!r && !(r = judge_names(n, names, "tensors", e)))
        r = judge_names(n_notes, names + n, "notes", e);
    free(names);
    return r;
}

char *bai_st_make(int64_t n, const ba_weight_item *items, int64_t n_notes, const ba_note *notes, int64_t *bytes, ba_err *e)
{
    if ((*bytes = judge(n, items, n_notes, notes, e)))
        return NULL;
    text t = { 0 };
    int64_t at = 0;
    put(&t, "\0\0\0\0\0\0\0\0{", 9);
    if (n_notes)
        put_notes(&t, n_notes, notes);
    for (int64_t i = 0; i < n; i++) {
        puts_(&t, i || n_notes ? "," : "");
        put_item(&t, items + i, &at);
    }
    puts_(&t, "}");
    while (t.n % 64 && !t.failed)
        puts_(&t, " ");
    if (t.failed || t.n - 8 > BAI_ST_HEADER) {
        if (t.failed)
            *bytes = ba_fail(e, BA_EMACHINE, "weights: no memory for the header");
        else
            *bytes = ba_fail(e, BA_EARG, "weights: header of %lld bytes; at most %d expected", (long long)t.n - 8, BAI_ST_HEADER);
        free(t.p);
        return NULL;
    }
    uint64_t length = t.n - 8;
    memcpy(t.p, &length, 8);
    *bytes = (int64_t)t.n;
    return t.p;
}

int ba_weights_write(const char *path, int64_t n, const ba_weight_item *items, int64_t n_notes, const ba_note *notes, ba_err *e)
{
    if (!path || !*path)
        return ba_fail(e, BA_EARG, "weights: a path expected");
    for (int64_t i = 0; i < n && items; i++)
        if (!items[i].data && ba_type_count(&items[i].type))
            return ba_fail(e, BA_EARG, "weights: tensor %lld has no data", (long long)i);
    int64_t bytes;
    const char *base;
    bai_put p;
    char *head = bai_st_make(n, items, n_notes, notes, &bytes, e);
    if (!head)
        return (int)bytes;
    int dirfd = bai_folder_of(path, &base), failed = dirfd < 0 || bai_put_begin(&p, dirfd, base);
    if (!failed) {
        failed = bai_put_write(&p, head, (size_t)bytes);
        for (int64_t i = 0; i < n && !failed; i++)
            failed = bai_put_write(&p, items[i].data, (size_t)ba_type_count(&items[i].type) * 4);
        if (failed)
            bai_put_drop(&p);
        else
            failed = bai_put_end(&p);
    }
    int why = errno;
    free(head);
    if (dirfd >= 0)
        close(dirfd);
    return failed ? ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(why)) : BA_OK;
}
