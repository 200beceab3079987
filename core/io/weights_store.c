/* weights_store: stores from and to weight files. Loading is all or nothing: names and shapes are matched first, then
 * every number is read and looked at, and only then the store changes. */
#include "bauta/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bauta/op.h"
#include "safetensors.h"
#include "weights_match.h"

static int judge_numbers(const bai_match *m, const char *name, const float *v, int64_t n, ba_err *e)
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

/* The numbers of tensor i in the shape that the store has. *v is replaced where something is to be done. */
static int adapt(const bai_match *m, int64_t i, const ba_weight_info *t, float **v, ba_err *e)
{
    int64_t j = m->of[i], rows = t->rank ? t->count / t->dim[t->rank - 1] : 1;
    ba_type type;
    float *now = *v;
    if (ba_store_type(m->s, i, &type, e))
        return BA_EBUG;
    if (m->grids[i].width)
        now = bai_resized(*v, &m->grids[i], m->resize);
    else if (m->action[j] == BAI_TURN)
        now = bai_turned(*v, t->dim[0], t->dim[1]);
    else if (m->action[j] == BAI_UNFOLD)
        now = bai_folded(*v, rows, t->count / rows);
    else if (bai_keymap_sums(&m->map) && t->rank == 4 && t->dim[1] != type.dim[1])
        now = bai_summed(*v, t->dim[0], t->dim[1], t->dim[2] * t->dim[3]);
    if (!now)
        return ba_fail(e, BA_EMACHINE, "%.200s: no memory", t->name);
    if (now != *v)
        free(*v);
    *v = now;
    return BA_OK;
}

/* Reads everything that is wanted, then writes it into the store. */
static int transfer(bai_match *m, ba_store *to, ba_err *e)
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
        if (!r)
            r = adapt(m, i, &t, &v[i], e);
    }
    for (int64_t i = 0; i < n && !r; i++) {
        ba_type type;
        if (v[i] && !(r = ba_store_type(m->s, i, &type, e)))
            r = ba_store_write(to, i, v[i], ba_type_count(&type), e);
    }
    for (int64_t i = 0; v && i < n; i++)
        free(v[i]);
    free(v);
    return r;
}

/* Names and shapes compared, then `then`, which may be NULL, with what was found. m: its store, report and, where no file is opened, w. */
static int matched(bai_match *m, const char *path, ba_weights_how *how, int (*then)(bai_match *, ba_store *, ba_err *), ba_store *to, ba_err *e)
{
    m->prefix = how->prefix ? how->prefix : "";
    m->partial = how->partial;
    m->rows = how->rows;
    m->columns = how->columns;
    int r = bai_match_open(m, path, how, e);
    if (!r)
        snprintf(how->told, sizeof how->told, "%s", m->map.told);
    if (!r)
        r = bai_match_all(m, e);
    if (!r && then)
        r = then(m, to, e);
    bai_match_close(m);
    return r;
}

static int judge_how(const ba_store *s, ba_weights_how *how, ba_err *e)
{
    if (!how || how->size < sizeof *how)
        return ba_fail(e, BA_EARG, "weights: a ba_weights_how of %zu bytes expected", sizeof *how);
    how->told[0] = 0;
    if (!s || ba_store_count(s) < 1)
        return ba_fail(e, BA_EARG, "weights: a store with at least one tensor expected");
    if (how->prefix && strlen(how->prefix) > BAI_ST_NAME)
        return ba_fail(e, BA_EARG, "weights: prefix of %lld bytes; at most %d expected", (long long)strlen(how->prefix), BAI_ST_NAME);
    return BA_OK;
}

static bai_match match_of(const ba_store *s, char *report, int64_t report_size)
{
    if (report && report_size > 0)
        *report = 0;
    return (bai_match){ .s = s, .report = report_size > 0 ? report : NULL, .report_size = report_size };
}

int ba_weights_load_as(ba_store *s, const char *path, ba_weights_how *how, char *report, int64_t report_size, ba_err *e)
{
    int r = judge_how(s, how, e);
    if (r)
        return r;
    bai_match m = match_of(s, report, report_size);
    return matched(&m, path, how, transfer, s, e);
}

/* The tensors of a store as the list of a file. */
static ba_weights *list_of(const ba_store *from, const char *label, ba_err *e)
{
    int64_t n = ba_store_count(from);
    ba_weight_item *items = calloc((size_t)n + 1, sizeof *items);
    ba_weights *w = NULL;
    int r = items ? BA_OK : ba_fail(e, BA_EMACHINE, "weights: no memory");
    for (int64_t i = 0; i < n && !r; i++) {
        items[i].name = ba_store_name(from, i);
        r = ba_store_type(from, i, &items[i].type, e);
    }
    if (!r)
        w = bai_weights_listed(n, items, label, e);
    free(items);
    return w;
}

int ba_weights_check(const ba_store *s, const char *path, const ba_store *from, ba_weights_how *how, char *report, int64_t report_size, ba_err *e)
{
    int r = judge_how(s, how, e);
    if (r)
        return r;
    bai_match m = match_of(s, report, report_size);
    if (from && (!path || !(m.w = list_of(from, path, e))))
        return path ? BA_EMACHINE : ba_fail(e, BA_EARG, "weights: a name expected");
    return matched(&m, path, how, NULL, NULL, e);
}

int ba_weights_load(ba_store *s, const char *path, const char *prefix, const char *partial, char *report, int64_t report_size,
    ba_err *e)
{
    ba_weights_how how = { .size = sizeof how, .prefix = prefix, .partial = partial };
    return ba_weights_load_as(s, path, &how, report, report_size, e);
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
