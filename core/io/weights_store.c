/* weights_store: stores from and to safetensors files. Loading is all or nothing: names and shapes are matched first, then
 * every number is read and looked at, and only then the store changes. */
#include "bauta/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bauta/op.h"
#include "../base/nearest.h"
#include "safetensors.h"

enum { NAMED = 20 }; /* mismatches given by name; the rest is counted */

typedef struct match {
    ba_store *s;
    ba_weights *w;
    const char *prefix, *partial;
    int64_t *of;             /* [store] index in the file, -1: none */
    unsigned char *used;     /* [file] */
    int64_t wrong;
    char *report;
    int64_t report_size, report_at;
    char line[508];          /* what goes into the error */
    size_t line_at;
    int64_t in_line;
} match;

static void shape_text(int rank, const int64_t *dim, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "[");
    for (int k = 0; k < rank && at < size; k++)
        at += (size_t)snprintf(out + at, size - at, "%s%lld", k ? "," : "", (long long)dim[k]);
    if (at < size)
        snprintf(out + at, size - at, "]");
}

/* One mismatch: into the report while it is among the first, into the error's line while it fits. */
static void wrong(match *m, const char *what)
{
    if (m->wrong++ < NAMED && m->report && m->report_at < m->report_size)
        m->report_at += snprintf(m->report + m->report_at, (size_t)(m->report_size - m->report_at), "%s\n", what);
    size_t n = strlen(what);
    if (m->in_line == m->wrong - 1 && m->line_at + n + 2 < 330) {
        m->line_at += (size_t)snprintf(m->line + m->line_at, sizeof m->line - m->line_at, "%s%s", m->in_line ? "; " : "", what);
        m->in_line++;
    }
}

/* Whether name begins with one of the partial beginnings. */
static int excused(const match *m, const char *name)
{
    for (const char *p = m->partial; p && *p; p += strcspn(p, ","), p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (n && !strncmp(p, name, n))
            return 1;
    }
    return 0;
}

/* The name a tensor of the file has in the store; NULL when it lies outside the prefix. */
static const char *stripped(const match *m, const char *name)
{
    size_t n = strlen(m->prefix);
    return strncmp(name, m->prefix, n) ? NULL : name + n;
}

static const char *nearest_in_file(const match *m, const char *name)
{
    bai_nearest b = bai_nearest_begin(name);
    for (int64_t j = 0; j < ba_weights_count(m->w); j++) {
        ba_weight_info t;
        if (!m->used[j] && !ba_weights_info(m->w, j, &t, NULL))
            bai_nearest_try(&b, stripped(m, t.name));
    }
    return b.best;
}

static const char *nearest_in_store(const match *m, const char *name)
{
    bai_nearest b = bai_nearest_begin(name);
    for (int64_t i = 0; i < ba_store_count(m->s); i++)
        bai_nearest_try(&b, ba_store_name(m->s, i));
    return b.best;
}

static void missing(match *m, const char *name)
{
    char what[480] = "";
    const char *near = m->wrong < NAMED ? nearest_in_file(m, name) : NULL;
    snprintf(what, sizeof what, "missing %.200s%s%.200s%s", name, near ? " (nearest: " : "", near ? near : "", near ? ")" : "");
    wrong(m, what);
}

static void surplus(match *m, const char *name)
{
    char what[480] = "";
    const char *near = m->wrong < NAMED ? nearest_in_store(m, name) : NULL;
    snprintf(what, sizeof what, "surplus %.200s%s%.200s%s", name, near ? " (nearest: " : "", near ? near : "", near ? ")" : "");
    wrong(m, what);
}

static int same_shape(const ba_weight_info *t, const ba_type *want)
{
    int same = t->rank == want->rank;
    for (int k = 0; same && k < want->rank; k++)
        same = t->dim[k] == want->dim[k];
    return same;
}

/* Finds for one tensor of the store its place in the file. */
static int match_one(match *m, int64_t i, ba_err *e)
{
    char full[1200], have[128], want[96], what[480];
    const char *name = ba_store_name(m->s, i);
    ba_type type;
    ba_weight_info t;
    if (!name || ba_store_type(m->s, i, &type, e))
        return BA_EARG;
    snprintf(full, sizeof full, "%s%s", m->prefix, name);
    int64_t j = ba_weights_find(m->w, full);
    m->of[i] = -1;
    if (j < 0) {
        if (!excused(m, name))
            m->of[i] = -2; /* named below, when it is known which names of the file are free */
        return BA_OK;
    }
    if (ba_weights_info(m->w, j, &t, e))
        return BA_EDATA;
    m->used[j] = 1;
    if (same_shape(&t, &type))
        m->of[i] = j;
    else if (!excused(m, name)) {
        shape_text(t.rank, t.dim, have, sizeof have);
        shape_text(type.rank, type.dim, want, sizeof want);
        snprintf(what, sizeof what, "%.200s is %s in the file, %s in the model", name, have, want);
        wrong(m, what);
    }
    return BA_OK;
}

/* "; the file fits width 384, depth 12, patch 16x16, 1000 classes": what ViT names and shapes say, "" when they say nothing. */
static void describe(const match *m, char *out, size_t size)
{
    char name[700];
    ba_weight_info t;
    int64_t depth = 0, j;
    size_t at;
    *out = 0;
    snprintf(name, sizeof name, "%.512spatch_embed.proj.weight", m->prefix);
    if ((j = ba_weights_find(m->w, name)) < 0 || ba_weights_info(m->w, j, &t, NULL) || t.rank != 4)
        return;
    at = (size_t)snprintf(out, size, "; the file fits width %lld, patch %lldx%lld", (long long)t.dim[0], (long long)t.dim[2],
        (long long)t.dim[3]);
    do
        snprintf(name, sizeof name, "%.512sblocks.%lld.norm1.weight", m->prefix, (long long)depth);
    while (ba_weights_find(m->w, name) >= 0 && ++depth < 1000);
    at += (size_t)snprintf(out + at, size - at, ", depth %lld", (long long)depth);
    snprintf(name, sizeof name, "%.512shead.weight", m->prefix);
    if ((j = ba_weights_find(m->w, name)) >= 0 && !ba_weights_info(m->w, j, &t, NULL) && t.rank == 2)
        snprintf(out + at, size - at, ", %lld classes", (long long)t.dim[0]);
}

static int match_all(match *m, ba_err *e)
{
    ba_weight_info t;
    for (int64_t i = 0; i < ba_store_count(m->s); i++)
        if (match_one(m, i, e))
            return BA_EARG;
    for (int64_t i = 0; i < ba_store_count(m->s); i++)
        if (m->of[i] == -2)
            missing(m, ba_store_name(m->s, i));
    for (int64_t j = 0; j < ba_weights_count(m->w); j++) {
        if (m->used[j] || ba_weights_info(m->w, j, &t, NULL))
            continue;
        const char *name = stripped(m, t.name);
        if (name && !excused(m, name))
            surplus(m, name);
    }
    if (!m->wrong)
        return BA_OK;
    char fits[160], more[64] = "";
    describe(m, fits, sizeof fits);
    if (m->wrong > NAMED && m->report && m->report_at < m->report_size)
        snprintf(m->report + m->report_at, (size_t)(m->report_size - m->report_at), "and %lld more\n",
            (long long)m->wrong - NAMED);
    if (m->wrong > m->in_line)
        snprintf(more, sizeof more, "; and %lld more", (long long)(m->wrong - m->in_line));
    const char *base = strrchr(bai_weights_label(m->w), '/');
    return ba_fail(e, BA_EDATA, "%.80s: %lld of its tensors do not match: %s%s%s", base ? base + 1 : bai_weights_label(m->w),
        (long long)m->wrong, m->line, more, fits);
}

static int judge_numbers(const match *m, const char *name, const float *v, int64_t n, ba_err *e)
{
    int64_t nan = 0, infinite = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            isnan(v[i]) ? nan++ : infinite++;
    if (!nan && !infinite)
        return BA_OK;
    return ba_fail(e, BA_EDATA, "%.200s: %.200s has %lld %s", bai_weights_label(m->w), name, (long long)(nan ? nan : infinite),
        nan ? "NaN" : "infinite numbers");
}

/* Reads everything that is wanted, then writes it into the store. */
static int transfer(match *m, ba_err *e)
{
    int64_t n = ba_store_count(m->s);
    ba_weight_info t;
    float **v = calloc((size_t)n + 1, sizeof *v);
    int r = v ? BA_OK : ba_fail(e, BA_EMACHINE, "weights: no memory");
    for (int64_t i = 0; i < n && !r; i++) {
        if (m->of[i] < 0)
            continue;
        if ((r = ba_weights_info(m->w, m->of[i], &t, e)))
            break;
        if (!(v[i] = malloc((size_t)(t.count ? t.count : 1) * sizeof(float))))
            r = ba_fail(e, BA_EMACHINE, "%.200s: no memory for %lld numbers", t.name, (long long)t.count);
        else if (!(r = ba_weights_read(m->w, m->of[i], v[i], t.count, e)))
            r = judge_numbers(m, t.name, v[i], t.count, e);
    }
    for (int64_t i = 0; i < n && !r; i++)
        if (v[i] && !(r = ba_weights_info(m->w, m->of[i], &t, e)))
            r = ba_store_write(m->s, i, v[i], t.count, e);
    for (int64_t i = 0; v && i < n; i++)
        free(v[i]);
    free(v);
    return r;
}

int ba_weights_load(ba_store *s, const char *path, const char *prefix, const char *partial, char *report, int64_t report_size,
    ba_err *e)
{
    if (!s || ba_store_count(s) < 1)
        return ba_fail(e, BA_EARG, "weights: a store with at least one tensor expected");
    if (report && report_size > 0)
        *report = 0;
    if (prefix && strlen(prefix) > BAI_ST_NAME)
        return ba_fail(e, BA_EARG, "weights: prefix of %lld bytes; at most %d expected", (long long)strlen(prefix), BAI_ST_NAME);
    match m = { .s = s, .w = ba_weights_open(path, e), .prefix = prefix ? prefix : "", .partial = partial,
                .report = report_size > 0 ? report : NULL, .report_size = report_size };
    if (!m.w)
        return e ? e->code : BA_EDATA;
    m.of = malloc((size_t)ba_store_count(s) * sizeof *m.of);
    m.used = calloc((size_t)ba_weights_count(m.w) + 1, 1);
    int r = m.of && m.used ? match_all(&m, e) : ba_fail(e, BA_EMACHINE, "weights: no memory");
    if (!r)
        r = transfer(&m, e);
    free(m.of);
    free(m.used);
    ba_weights_free(m.w);
    return r;
}

int ba_weights_save(const ba_store *s, const char *path, int64_t n_notes, const ba_note *notes, ba_err *e)
{
    int64_t n = s ? ba_store_count(s) : 0;
    if (n < 1)
        return ba_fail(e, BA_EARG, "weights: a store with at least one tensor expected");
    ba_weight_item *items = calloc((size_t)n, sizeof *items);
    int r = items ? BA_OK : ba_fail(e, BA_EMACHINE, "weights: no memory");
    for (int64_t i = 0; i < n && !r; i++) {
        items[i].name = ba_store_name(s, i);
        if ((r = ba_store_type(s, i, &items[i].type, e)))
            break;
        int64_t count = ba_type_count(&items[i].type);
        float *v = malloc((size_t)(count ? count : 1) * sizeof *v);
        items[i].data = v;
        r = v ? ba_store_read(s, i, v, count, e) : ba_fail(e, BA_EMACHINE, "%.200s: no memory", items[i].name);
    }
    if (!r)
        r = ba_weights_write(path, n, items, n_notes, notes, e);
    for (int64_t i = 0; items && i < n; i++)
        free((void *)(uintptr_t)items[i].data);
    free(items);
    return r;
}
