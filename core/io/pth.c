/* pth: the tensors of a PyTorch file: a zip archive with FOLDER/data.pkl, a pickle that names tensors, and FOLDER/data/KEY, their numbers. The result is the
 * list that a safetensors header gives, so that nobody behind it sees a difference; only that the sum of a storage is held against the archive's when a tensor
 * of it is first read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pickle.h"
#include "safetensors.h"
#include "zip.h"

enum { DEEPEST = 6, VISITS = 1 << 20, DICTS = 64 };

typedef struct walk {
    const bai_pickle *p;
    const bai_zip *zip;
    const char *label, *folder; /* FOLDER/ */
    bai_st_header *h;
    int64_t room, text_at, text_room, visits;
    int32_t dict[DICTS];        /* that hold tensors */
    char *front[DICTS];         /* where they are: "model/" */
    int n_dicts;
    ba_err *e;
} walk;

static const bai_pk_node *node(const walk *w, int32_t i) { return &w->p->node[i]; }

static int no_memory(const walk *w) { return ba_fail(w->e, BA_EMACHINE, "%.300s: no memory for its list", w->label); }

/* ---- which dicts hold tensors ---- */
static int search(walk *w, int32_t n, const char *front, int deep)
{
    int held = 0;
    if (node(w, n)->kind != BAI_PK_DICT || deep > DEEPEST)
        return BA_OK;
    for (int32_t c = node(w, n)->first; c >= 0; c = w->p->cell[c].next) {
        const bai_pk_node *key = node(w, w->p->cell[c].key);
        char below[BAI_ST_NAME + 2];
        if (++w->visits > VISITS)
            return ba_fail(w->e, BA_EDATA, "%.300s: its dicts are nested without end", w->label);
        if (key->kind != BAI_PK_TEXT)
            continue; /* numbers: the state of an optimiser */
        held |= node(w, w->p->cell[c].value)->kind == BAI_PK_TENSOR;
        if ((size_t)key->i + strlen(front) + 2 > sizeof below)
            continue;
        snprintf(below, sizeof below, "%s%.*s/", front, (int)key->i, key->text);
        int r = search(w, w->p->cell[c].value, below, deep + 1);
        if (r)
            return r;
    }
    if (held && w->n_dicts < DICTS) {
        w->dict[w->n_dicts] = n;
        if (!(w->front[w->n_dicts++] = strdup(front)))
            return no_memory(w);
    }
    return held && w->n_dicts == DICTS ? ba_fail(w->e, BA_EDATA, "%.300s: more than %d dicts of tensors", w->label, DICTS - 1) : BA_OK;
}

/* ---- tensors ---- */
/* Its sizes, and whether its numbers lie one after the other. */
static int shape(const walk *w, const bai_pk_node *n, bai_st_entry *t)
{
    int64_t step = 1;
    t->rank = (int32_t)n->dim[0];
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        t->dim[i] = n->dim[1 + i];
        if (t->dim[i] < 0 || __builtin_mul_overflow(t->count, t->dim[i], &t->count))
            return ba_fail(w->e, BA_EDATA, "%.200s: %.150s: %lld elements along axis %d", w->label, t->name, (long long)t->dim[i], i);
    }
    for (int i = t->rank; t->count && i-- > 0; step *= t->dim[i])
        if (t->dim[i] != 1 && n->dim[1 + t->rank + i] != step)
            return ba_fail(w->e, BA_EDATA, "%.200s: %.150s: its numbers do not lie one after the other; save it with .contiguous()", w->label, t->name);
    return BA_OK;
}

static int data(const walk *w, const bai_pk_node *n, bai_st_entry *t)
{
    const bai_pk_node *s = node(w, n->first);
    char member[400];
    int64_t bytes, all, from;
    snprintf(member, sizeof member, "%.300sdata/%s", w->folder, s->text);
    const bai_zip_member *m = bai_zip_find(w->zip, member);
    if (m && m->locked)
        return ba_fail(w->e, BA_EDATA, "%.200s: member %.150s is packed or encrypted; PyTorch stores members as they are", w->label, member);
    if (!m)
        return ba_fail(w->e, BA_EDATA, "%.200s: %.150s: its numbers (%.100s) are not in the archive", w->label, t->name, member);
    t->dtype = bai_st_dtype_named(s->dtype);
    if (!t->dtype)
        return ba_fail(w->e, BA_EDATA, "%.200s: %.150s: unknown type %s", w->label, t->name, s->dtype);
    int r = shape(w, n, t);
    if (r)
        return r;
    if (__builtin_mul_overflow(t->count, (int64_t)t->dtype->bytes, &bytes) || __builtin_mul_overflow(s->i, (int64_t)t->dtype->bytes, &all) ||
        __builtin_mul_overflow(n->i, (int64_t)t->dtype->bytes, &from) || n->i < 0 || all != m->size || from > m->size - bytes || bytes > m->size)
        return ba_fail(w->e, BA_EDATA, "%.150s: %.120s: %lld numbers from %lld of a storage of %lld; the archive has %lld bytes of it", w->label, t->name, (long long)t->count,
                       (long long)n->i, (long long)s->i, (long long)m->size);
    t->begin = m->at + from;
    t->end = t->begin + bytes;
    t->member = m - w->zip->member;
    return BA_OK;
}

/* A name of the list: front and key. Control characters are not let through. */
static const char *name_of(walk *w, const char *front, const bai_pk_node *key)
{
    int64_t n = (int64_t)strlen(front) + key->i;
    if (n < 1 || n > BAI_ST_NAME) {
        ba_fail(w->e, BA_EDATA, "%.300s: a name of %lld bytes; 1 to %d expected", w->label, (long long)n, BAI_ST_NAME);
        return NULL;
    }
    char *to = w->h->text + w->text_at;
    w->text_at += n + 1;
    memcpy(to, front, strlen(front));
    memcpy(to + strlen(front), key->text, (size_t)key->i);
    to[n] = 0;
    for (int64_t i = 0; i < n; i++)
        if ((unsigned char)to[i] < 32 || to[i] == 127) {
            ba_fail(w->e, BA_EDATA, "%.300s: a name with control characters", w->label);
            return NULL;
        }
    return to;
}

/* Room for everything, measured before anything is pointed to. */
static int measure(walk *w)
{
    for (int d = 0; d < w->n_dicts; d++)
        for (int32_t c = node(w, w->dict[d])->first; c >= 0; c = w->p->cell[c].next)
            if (node(w, w->p->cell[c].value)->kind == BAI_PK_TENSOR && node(w, w->p->cell[c].key)->kind == BAI_PK_TEXT) {
                w->room++;
                w->text_room += (int64_t)strlen(w->front[d]) + node(w, w->p->cell[c].key)->i + 1;
            }
    if (w->room > BAI_ST_TENSORS || w->text_room > BAI_ST_HEADER)
        return ba_fail(w->e, BA_EDATA, "%.300s: %lld tensors; at most %d expected", w->label, (long long)w->room, BAI_ST_TENSORS);
    w->h->text = malloc((size_t)w->text_room + 1);
    w->h->entry = calloc((size_t)w->room + 1, sizeof *w->h->entry);
    return w->h->text && w->h->entry ? BA_OK : no_memory(w);
}

static int by_name(const void *a, const void *b) { return strcmp(((const bai_st_entry *)a)->name, ((const bai_st_entry *)b)->name); }

static int list(walk *w)
{
    for (int d = 0; d < w->n_dicts; d++)
        for (int32_t c = node(w, w->dict[d])->first; c >= 0; c = w->p->cell[c].next) {
            const bai_pk_node *key = node(w, w->p->cell[c].key), *value = node(w, w->p->cell[c].value);
            if (key->kind != BAI_PK_TEXT || value->kind != BAI_PK_TENSOR)
                continue;
            bai_st_entry *t = &w->h->entry[w->h->count];
            if (!(t->name = name_of(w, w->n_dicts > 1 ? w->front[d] : "", key)) || data(w, value, t))
                return BA_EDATA;
            w->h->count++;
        }
    qsort(w->h->entry, (size_t)w->h->count, sizeof *w->h->entry, by_name);
    for (int64_t i = 1; i < w->h->count; i++)
        if (!strcmp(w->h->entry[i - 1].name, w->h->entry[i].name))
            return ba_fail(w->e, BA_EDATA, "%.200s: two tensors are called %.150s", w->label, w->h->entry[i].name);
    return BA_OK;
}

static int take(walk *w)
{
    int r = search(w, w->p->root, "", 0);
    if (!r && !w->n_dicts)
        r = ba_fail(w->e, BA_EDATA, "%.300s: holds no dict of tensors (a whole model was saved? save its state_dict())", w->label);
    if (!r)
        r = measure(w);
    if (!r)
        r = list(w);
    for (int d = 0; d < w->n_dicts; d++)
        free(w->front[d]);
    return r;
}

/* ---- the file ---- */
/* A member's bytes, which fit its sum. */
static unsigned char *read_member(bai_zip_member *m, int fd, const char *label, int64_t *bytes, ba_err *e)
{
    unsigned char *data = malloc((size_t)m->size + 1);
    *bytes = m->size;
    if (!data || bai_pread_all(fd, data, (size_t)m->size, m->at))
        ba_fail(e, BA_EMACHINE, "%.300s: %s", label, !data ? "no memory for its pickle" : errno ? strerror(errno) : "became shorter while it was read");
    else if (!bai_zip_verify(m, fd, label, e))
        return data;
    free(data);
    return NULL;
}

/* The member FOLDER/byteorder says in which order the numbers have their bytes; files of before PyTorch 2.1 have none. */
static int judge_order(bai_zip *z, int fd, const char *label, const char *folder, ba_err *e)
{
    char name[320];
    int64_t n;
    snprintf(name, sizeof name, "%sbyteorder", folder);
    bai_zip_member *m = bai_zip_find(z, name);
    if (!m)
        return BA_OK;
    if (m->locked || m->size > 16)
        return ba_fail(e, BA_EDATA, "%.250s: member %.150s holds no order of bytes", label, name);
    unsigned char *order = read_member(m, fd, label, &n, e);
    if (!order)
        return BA_EDATA;
    int little = n == 6 && !memcmp(order, "little", 6), big = n == 3 && !memcmp(order, "big", 3);
    free(order);
    if (little)
        return BA_OK;
    return ba_fail(e, BA_EDATA, big ? "%.300s: its numbers have their big end in front; load and save it with PyTorch on a little-endian machine"
                   : "%.300s: member byteorder says neither little nor big", label);
}

/* The member FOLDER/data.pkl, with its bytes. */
static unsigned char *read_pickle(bai_zip *z, int fd, const char *label, char folder[300], int64_t *bytes, ba_err *e)
{
    for (int64_t i = 0; i < z->count; i++) {
        bai_zip_member *m = &z->member[i];
        size_t n = strlen(m->name);
        if (n < 9 || n > 290 || strcmp(m->name + n - 9, "/data.pkl") || memchr(m->name, '/', n - 9))
            continue;
        snprintf(folder, 300, "%.*sconstants.pkl", (int)n - 8, m->name);
        if (bai_zip_find(z, folder) || m->locked) {
            ba_fail(e, BA_EDATA, m->locked ? "%.300s: member data.pkl is packed or encrypted; PyTorch stores members as they are"
                    : "%.300s: is a TorchScript program, which is not read; in Python: torch.save(torch.jit.load(FILE).state_dict(), NEW)", label);
            return NULL;
        }
        if (m->size > BAI_PK_LONGEST) {
            ba_fail(e, BA_EDATA, "%.300s: a pickle of %lld bytes; at most %d expected", label, (long long)m->size, BAI_PK_LONGEST);
            return NULL;
        }
        snprintf(folder, 300, "%.*s", (int)n - 8, m->name);
        return read_member(m, fd, label, bytes, e);
    }
    ba_fail(e, BA_EDATA, "%.300s: a zip archive, but none of PyTorch's (it has no FOLDER/data.pkl)", label);
    return NULL;
}

int bai_pth_parse(bai_st_header *h, int fd, int64_t size, const char *label, ba_err *e)
{
    bai_zip *zip = &h->zip; /* goes with the list: reading a tensor verifies its member */
    bai_pickle p = { 0 };
    char folder[300] = "";
    int64_t bytes = 0;
    unsigned char *pickled = NULL;
    int r = bai_zip_open(zip, fd, size, label, e);
    if (!r && !(pickled = read_pickle(zip, fd, label, folder, &bytes, e)))
        r = BA_EDATA;
    if (!r)
        r = judge_order(zip, fd, label, folder, e);
    if (!r)
        r = bai_pickle_read(&p, pickled, bytes, label, e);
    if (!r)
        r = take(&(walk){ .p = &p, .zip = zip, .label = label, .folder = folder, .h = h, .e = e });
    bai_pickle_free(&p);
    free(pickled);
    return r;
}
