/* weights_match: which tensor of a file is which of a store. Names are brought to ours (keymap), shapes compared, and everything that is
 * missing, left over or of another shape is named with its nearest neighbour. */
#include "weights_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/nearest.h"
#include "../base/type.h"
#include "safetensors.h"

enum { NAMED = 20 }; /* mismatches given by name; the rest is counted */

/* One mismatch: into the report while it is among the first, into the error's line while it fits. */
static void wrong(bai_match *m, const char *what)
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
static int excused(const bai_match *m, const char *name)
{
    for (const char *p = m->partial; p && *p; p += strcspn(p, ","), p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (n && !strncmp(p, name, n))
            return 1;
    }
    return 0;
}

/* ---- the file's names as ours ---- */
static int by_name(const void *x, const void *y, void *names)
{
    const char *a = ((char **)names)[*(const int64_t *)x], *b = ((char **)names)[*(const int64_t *)y];
    return !a || !b ? !a - !b : strcmp(a, b);
}

static int name_all(bai_match *m, ba_err *e)
{
    int64_t n = ba_weights_count(m->w);
    size_t front = strlen(m->prefix);
    char name[BAI_NAME_ROOM];
    ba_weight_info t;
    for (int64_t j = 0; j < n; j++) {
        m->order[j] = j;
        if (ba_weights_info(m->w, j, &t, e))
            return BA_EDATA;
        if (strncmp(t.name, m->prefix, front))
            continue;
        m->action[j] = (unsigned char)bai_keymap_name(&m->map, t.name + front, name);
        if (m->action[j] != BAI_LEAVE && !(m->ours[j] = strdup(name)))
            return ba_fail(e, BA_EMACHINE, "weights: no memory");
    }
    qsort_r(m->order, (size_t)n, sizeof *m->order, by_name, m->ours);
    for (int64_t k = 1; k < n; k++)
        if (m->ours[m->order[k]] && !strcmp(m->ours[m->order[k - 1]], m->ours[m->order[k]]))
            return ba_fail(e, BA_EDATA, "%.200s: two of its tensors are our %.200s", bai_weights_label(m->w), m->ours[m->order[k]]);
    return BA_OK;
}

/* Index in the file of a tensor by our name, or -1. */
static int64_t find(const bai_match *m, const char *name)
{
    for (int64_t low = 0, high = ba_weights_count(m->w); low < high;) {
        int64_t mid = low + (high - low) / 2;
        const char *have = m->ours[m->order[mid]];
        int c = have ? strcmp(name, have) : -1;
        if (!c)
            return m->order[mid];
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return -1;
}

static const char *nearest_in_file(const bai_match *m, const char *name)
{
    bai_nearest b = bai_nearest_begin(name);
    for (int64_t j = 0; j < ba_weights_count(m->w); j++)
        if (!m->used[j] && m->ours[j])
            bai_nearest_try(&b, m->ours[j]);
    return b.best;
}

static const char *nearest_in_store(const bai_match *m, const char *name)
{
    bai_nearest b = bai_nearest_begin(name);
    for (int64_t i = 0; i < ba_store_count(m->s); i++)
        bai_nearest_try(&b, ba_store_name(m->s, i));
    return b.best;
}

static void missing(bai_match *m, const char *name)
{
    char what[480] = "";
    const char *near = m->wrong < NAMED ? nearest_in_file(m, name) : NULL;
    snprintf(what, sizeof what, "missing %.200s%s%.200s%s", name, near ? " (nearest: " : "", near ? near : "", near ? ")" : "");
    wrong(m, what);
}

static void surplus(bai_match *m, const char *name)
{
    char what[480] = "";
    const char *near = m->wrong < NAMED ? nearest_in_store(m, name) : NULL;
    snprintf(what, sizeof what, "surplus %.200s%s%.200s%s", name, near ? " (nearest: " : "", near ? near : "", near ? ")" : "");
    wrong(m, what);
}

static int same_dims(int rank, const int64_t *dim, const ba_type *want)
{
    int same = rank == want->rank;
    for (int k = 0; same && k < want->rank; k++)
        same = dim[k] == want->dim[k];
    return same;
}

/* The axes that are longer than one element. */
static int long_axes(int rank, const int64_t *dim, int64_t out[8])
{
    int n = 0;
    for (int k = 0; k < rank && k < 8; k++)
        if (dim[k] != 1)
            out[n++] = dim[k];
    return n;
}

/* A position table of another grid: fills g, with width 0 when that is not what t is. Its places are a square; those of spectrograms, and where the model's
 * grid is no square either, as many rows as the model has (576 places of AST are 12x48 and not 24x24). */
static void other_grid(const bai_match *m, const char *name, const ba_weight_info *t, const ba_type *want, bai_grids *g)
{
    size_t n = strlen(name);
    int64_t lead, count, rows = 1, columns;
    *g = (bai_grids){ 0 };
    if (n < 9 || strcmp(name + n - 9, "pos_embed") || t->rank != 3 || want->rank != 3 || t->dim[0] != 1 || t->dim[2] != want->dim[2] || m->rows < 1)
        return;
    lead = want->dim[1] - m->rows * m->columns;
    count = t->dim[1] - lead;
    if (lead < 0 || lead >= 8 || count < 1)
        return;
    while (rows * rows < count)
        rows++;
    columns = rows;
    if (bai_keymap_spectrograms(&m->map) || (rows * rows != count && m->rows != m->columns)) {
        rows = m->rows;
        columns = count / rows;
    }
    if (rows * columns == count)
        *g = (bai_grids){ lead, rows, columns, m->rows, m->columns, want->dim[2] };
}

/* Whether a tensor of the file can become this one of ours; g: how, where it is a position table of another grid. */
static int fits(const bai_match *m, int64_t j, const char *name, const ba_weight_info *t, const ba_type *want, bai_grids *g)
{
    int64_t a[8], b[8], turned[2] = { t->dim[1], t->dim[0] };
    int n;
    *g = (bai_grids){ 0 };
    if (m->action[j] == BAI_TURN)
        return t->rank == 2 && same_dims(2, turned, want);
    if (same_dims(t->rank, t->dim, want))
        return 1;
    if (bai_keymap_sums(&m->map) && t->rank == 4 && want->rank == 4 && t->dim[0] == want->dim[0] && want->dim[1] == 1 && t->dim[2] == want->dim[2] && t->dim[3] == want->dim[3])
        return 1;
    if (bai_keymap_loose(&m->map) && (n = long_axes(t->rank, t->dim, a)) == long_axes(want->rank, want->dim, b) && !memcmp(a, b, (size_t)n * sizeof *a))
        return 1;
    other_grid(m, name, t, want, g);
    return m->resize && g->width;
}

/* Finds for one tensor of the store its place in the file. */
static int match_one(bai_match *m, int64_t i, ba_err *e)
{
    char have[128], want[96], what[560];
    const char *name = ba_store_name(m->s, i);
    ba_type type;
    ba_weight_info t;
    if (!name || ba_store_type(m->s, i, &type, e))
        return BA_EARG;
    int64_t j = find(m, name);
    m->of[i] = -1;
    if (j < 0) {
        if (!excused(m, name) && !bai_keymap_needless(&m->map, name))
            m->of[i] = -2; /* named below, when it is known which names of the file are free */
        return BA_OK;
    }
    if (ba_weights_info(m->w, j, &t, e))
        return BA_EDATA;
    m->used[j] = 1;
    if (fits(m, j, name, &t, &type, &m->grids[i]))
        m->of[i] = j;
    else if (!excused(m, name)) {
        bai_dims_text(t.rank, t.dim, have, sizeof have);
        bai_dims_text(type.rank, type.dim, want, sizeof want);
        snprintf(what, sizeof what, "%.200s is %s in the file, %s in the model%s", name, have, want,
                 !m->grids[i].width ? "" : bai_keymap_spectrograms(&m->map) ? " (resize = \"crop\" brings one to the other, as AST's authors do)"
                 : " (resize = \"bicubic\" or another way brings one to the other)");
        wrong(m, what);
    }
    return BA_OK;
}

/* " fits width 384, depth 12, patch 16x16, 1000 classes;": what ViT names and shapes say, "" when they say nothing. */
static void describe(const bai_match *m, char *out, size_t size)
{
    char name[64];
    ba_weight_info t;
    int64_t depth = 0, j;
    size_t at;
    *out = 0;
    do
        snprintf(name, sizeof name, "blocks.%lld.norm1.weight", (long long)depth);
    while (find(m, name) >= 0 && ++depth < 1000);
    if (!depth || (j = find(m, "patch_embed.proj.weight")) < 0 || ba_weights_info(m->w, j, &t, NULL) || t.rank != 4)
        return;
    at = (size_t)snprintf(out, size, " fits width %lld, patch %lldx%lld, depth %lld", (long long)t.dim[0], (long long)t.dim[2], (long long)t.dim[3], (long long)depth);
    if ((j = find(m, "head.weight")) >= 0 && !ba_weights_info(m->w, j, &t, NULL) && t.rank == 2)
        at += (size_t)snprintf(out + at, size - at, ", %lld classes", (long long)t.dim[0]);
    snprintf(out + at, size - at, ";");
}

/* `; prefix = "student/" or "teacher/" takes one of the models that it holds`: of a checkpoint with several dictionaries, none of which was named. */
static void name_parts(const bai_match *m, char *out, size_t size)
{
    char part[4][64];
    int parts = 0;
    size_t at = 0;
    ba_weight_info t;
    *out = 0;
    for (int64_t i = 0; i < ba_store_count(m->s); i++)
        if (m->of[i] >= 0)
            return; /* some of it is this model */
    for (int64_t j = 0; !*m->prefix && j < ba_weights_count(m->w) && !ba_weights_info(m->w, j, &t, NULL); j++) {
        const char *slash = strchr(t.name, '/');
        size_t n = slash ? (size_t)(slash - t.name) + 1 : 0;
        int known = !n || n >= sizeof part[0];
        for (int k = 0; k < parts && !known; k++)
            known = !strncmp(part[k], t.name, n);
        if (!known && parts < 4)
            snprintf(part[parts++], sizeof part[0], "%.*s", (int)n, t.name);
    }
    for (int k = 0; k < parts && at < size; k++)
        at += (size_t)snprintf(out + at, size - at, "%s\"%s\"", k ? " or " : "; prefix = ", part[k]);
    if (parts && at < size)
        snprintf(out + at, size - at, " takes one of the models that it holds");
}

int bai_match_all(bai_match *m, ba_err *e)
{
    for (int64_t i = 0; i < ba_store_count(m->s); i++)
        if (match_one(m, i, e))
            return BA_EARG;
    for (int64_t i = 0; i < ba_store_count(m->s); i++)
        if (m->of[i] == -2)
            missing(m, ba_store_name(m->s, i));
    for (int64_t j = 0; j < ba_weights_count(m->w); j++) {
        if (!m->used[j] && m->ours[j] && !excused(m, m->ours[j]))
            surplus(m, m->ours[j]);
    }
    if (!m->wrong)
        return BA_OK;
    char fits[160], more[64] = "", parts[400];
    describe(m, fits, sizeof fits);
    name_parts(m, parts, sizeof parts);
    if (m->wrong > NAMED && m->report && m->report_at < m->report_size)
        snprintf(m->report + m->report_at, (size_t)(m->report_size - m->report_at), "and %lld more\n",
            (long long)m->wrong - NAMED);
    if (m->wrong > m->in_line)
        snprintf(more, sizeof more, "; and %lld more", (long long)(m->wrong - m->in_line));
    const char *base = strrchr(bai_weights_label(m->w), '/');
    return ba_fail(e, BA_EDATA, "%.80s%s %lld of its tensors do not match: %s%s%s", base ? base + 1 : bai_weights_label(m->w),
        *fits ? fits : ":", (long long)m->wrong, *parts ? "no name is a tensor of the model" : m->line, *parts ? "" : more, parts);
}

int bai_match_open(bai_match *m, const char *path, const ba_weights_how *how, ba_err *e)
{
    if (how->resize && *how->resize && bai_resize_named(how->resize, &m->resize, e))
        return BA_EARG;
    if (!m->w && !(m->w = ba_weights_open(path, e)))
        return e ? e->code : BA_EDATA;
    int r = bai_keymap_find(&m->map, how->keys ? how->keys : "plain", m->w, m->prefix, m->s, e);
    if (r)
        return r;
    size_t ours = (size_t)ba_store_count(m->s), files = (size_t)ba_weights_count(m->w) + 1;
    m->of = malloc(ours * sizeof *m->of);
    m->grids = calloc(ours, sizeof *m->grids);
    m->used = calloc(files, 1);
    m->action = calloc(files, 1);
    m->ours = calloc(files, sizeof *m->ours);
    m->order = calloc(files, sizeof *m->order);
    if (!m->of || !m->grids || !m->used || !m->action || !m->ours || !m->order)
        return ba_fail(e, BA_EMACHINE, "weights: no memory");
    return name_all(m, e);
}

void bai_match_close(bai_match *m)
{
    for (int64_t j = 0; m->ours && j < ba_weights_count(m->w); j++)
        free(m->ours[j]);
    free(m->ours);
    free(m->order);
    free(m->action);
    free(m->used);
    free(m->grids);
    free(m->of);
    ba_weights_free(m->w);
}
