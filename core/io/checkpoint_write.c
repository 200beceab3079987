/* checkpoint_write: block and payload under a temporary name, tensor by tensor, summed while they pass; the block comes last,
 * then flush, rename, flush of the folder. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/crc.h"
#include "bauta/op.h"
#include "checkpoint.h"

typedef struct writer {
    bai_put put;
    bai_sha256 sha;
    bai_block *b;
    const char *label;
    ba_err *e;
} writer;

typedef struct listing {         /* what goes into the safetensors header */
    int64_t tensors, notes;
    ba_weight_item *item;
    ba_note *note;
    char *text;                  /* the names and values, one behind the other */
} listing;

static int no_memory(const char *label, ba_err *e) { return ba_fail(e, BA_EMACHINE, "%.300s: no memory", label); }

static int add(writer *w, const void *p, size_t n)
{
    w->b->crc = bai_crc32c(w->b->crc, p, n);
    w->b->payload += n;
    bai_sha256_add(&w->sha, p, n);
    if (!bai_put_write(&w->put, p, n))
        return BA_OK;
    return ba_fail(w->e, BA_EMACHINE, "%.300s: writing %lld bytes: %s", w->label, (long long)n, strerror(errno));
}

static void fill_block(uint8_t out[BAI_BLOCK], const bai_block *b)
{
    uint32_t version = BAI_CHECKPOINT_VERSION, size = BAI_BLOCK, crc;
    memset(out, 0, BAI_BLOCK);
    memcpy(out, "BAUTACKP", 8);
    memcpy(out + 8, &version, 4);
    memcpy(out + 12, &size, 4);
    memcpy(out + 16, &b->payload, 8);
    memcpy(out + 24, &b->run, 8);
    memcpy(out + 32, &b->records, 8);
    memcpy(out + 40, &b->epoch, 8);
    memcpy(out + 48, &b->step, 8);
    memcpy(out + 56, &b->best, 4);
    memcpy(out + 60, &b->crc, 4);
    memcpy(out + 64, b->sha, 32);
    crc = bai_crc32c(0, out, BAI_BLOCK - 4);
    memcpy(out + BAI_BLOCK - 4, &crc, 4);
}

static int judge(const bai_content *c, ba_err *e)
{
    if (c->n_parts < 0 || c->n_parts > 64 || (c->n_parts && !c->parts) || c->n_values < 0 || c->n_values > 10000
        || (c->n_values && !c->values))
        return ba_fail(e, BA_EARG, "checkpoint: %d parts and %d values; at most 64 and 10000 expected", c->n_parts, c->n_values);
    for (int i = 0; i < c->n_parts; i++)
        if (!c->parts[i].name || !*c->parts[i].name || strchr(c->parts[i].name, '/') || strlen(c->parts[i].name) > 63
            || !c->parts[i].store)
            return ba_fail(e, BA_EARG, "checkpoint: part %d: a name of 1 to 63 bytes without '/' and a store expected", i);
    for (int i = 0; i < c->n_values; i++) {
        const ba_attr *a = c->values + i;
        if (!a->name || !*a->name || (a->type != BA_I64 && a->type != BA_F64 && a->type != BA_STR)
            || (a->type == BA_STR && !a->value.s))
            return ba_fail(e, BA_EARG, "checkpoint: value %d ('%.60s'): a name and an integer, a number or a text expected", i,
                a->name ? a->name : "");
    }
    return BA_OK;
}

static size_t value_text(const ba_attr *a, char *out, size_t size)
{
    if (a->type == BA_I64)
        return (size_t)snprintf(out, size, "i:%lld", (long long)a->value.i);
    if (a->type == BA_F64) { /* its bits: exact, NaN included, in every locale */
        uint64_t bits;
        memcpy(&bits, &a->value.f, 8);
        return (size_t)snprintf(out, size, "f:%016llx", (unsigned long long)bits);
    }
    return (size_t)snprintf(out, size, "s:%s", a->value.s);
}

/* Counts, then fills; text lengths are the same both times. */
static size_t list_names(const bai_content *c, listing *l, size_t room)
{
    size_t at = 0;
    l->tensors = 0;
    for (int i = 0; i < c->n_parts; i++)
        for (int64_t k = 0; k < ba_store_count(c->parts[i].store); k++, l->tensors++) {
            const char *name = ba_store_name(c->parts[i].store, k);
            if (room)
                l->item[l->tensors].name = l->text + at;
            at += 1 + (size_t)snprintf(room ? l->text + at : NULL, room ? room - at : 0, "%s/%s", c->parts[i].name,
                name ? name : "");
        }
    for (l->notes = 0; l->notes < c->n_values; l->notes++) {
        if (room)
            l->note[l->notes] = (ba_note){ c->values[l->notes].name, l->text + at };
        at += 1 + value_text(c->values + l->notes, room ? l->text + at : NULL, room ? room - at : 0);
    }
    return at;
}

static int list_all(const bai_content *c, listing *l, const char *label, ba_err *e)
{
    size_t room = list_names(c, l, 0);
    int64_t i = 0;
    l->item = calloc((size_t)l->tensors + 1, sizeof *l->item);
    l->note = calloc((size_t)l->notes + 1, sizeof *l->note);
    l->text = malloc(room + 1);
    if (!l->item || !l->note || !l->text)
        return no_memory(label, e);
    list_names(c, l, room + 1);
    for (int p = 0; p < c->n_parts; p++)
        for (int64_t k = 0; k < ba_store_count(c->parts[p].store); k++)
            if (ba_store_type(c->parts[p].store, k, &l->item[i++].type, e))
                return BA_EARG;
    return BA_OK;
}

static int write_tensors(writer *w, const bai_content *c)
{
    int r = BA_OK;
    int64_t most = 0;
    ba_type t;
    for (int i = 0; i < c->n_parts; i++)
        for (int64_t k = 0; k < ba_store_count(c->parts[i].store); k++)
            if (!ba_store_type(c->parts[i].store, k, &t, w->e) && ba_type_count(&t) > most)
                most = ba_type_count(&t);
    float *v = malloc((size_t)most * sizeof *v + 1);
    if (!v)
        return no_memory(w->label, w->e);
    for (int i = 0; i < c->n_parts && !r; i++)
        for (int64_t k = 0; k < ba_store_count(c->parts[i].store) && !r; k++) {
            if ((r = ba_store_type(c->parts[i].store, k, &t, w->e)))
                break;
            int64_t n = ba_type_count(&t);
            if (!(r = ba_store_read(c->parts[i].store, k, v, n, w->e)))
                r = add(w, v, (size_t)n * sizeof *v);
        }
    free(v);
    return r;
}

static int write_content(writer *w, const bai_content *c, const char *head, int64_t bytes)
{
    uint8_t block[BAI_BLOCK] = { 0 };
    if (bai_put_write(&w->put, block, sizeof block))
        return ba_fail(w->e, BA_EMACHINE, "%.300s: writing %d bytes: %s", w->label, BAI_BLOCK, strerror(errno));
    int r = add(w, head, (size_t)bytes);
    if (!r)
        r = write_tensors(w, c);
    if (r)
        return r;
    bai_sha256_end(&w->sha, w->b->sha);
    fill_block(block, w->b);
    return bai_put_at(&w->put, 0, block, sizeof block)
        ? ba_fail(w->e, BA_EMACHINE, "%.300s: writing %d bytes: %s", w->label, BAI_BLOCK, strerror(errno)) : BA_OK;
}

int bai_checkpoint_write(int dirfd, const char *name, const char *label, bai_block *b, const bai_content *c, ba_err *e)
{
    listing l = { 0 };
    writer w = { .b = b, .label = label, .e = e };
    char *head = NULL;
    int64_t bytes;
    b->crc = 0;
    b->payload = 0;
    bai_sha256_begin(&w.sha);
    int r = judge(c, e);
    if (!r)
        r = list_all(c, &l, label, e);
    if (!r && !(head = bai_st_make(l.tensors, l.item, l.notes, l.note, &bytes, e)))
        r = (int)bytes;
    if (!r && bai_put_begin(&w.put, dirfd, name))
        r = ba_fail(e, BA_EMACHINE, "%.300s: cannot be created: %s", label, strerror(errno));
    else if (!r && (r = write_content(&w, c, head, bytes)))
        bai_put_drop(&w.put);
    else if (!r && bai_put_end(&w.put))
        r = ba_fail(e, BA_EMACHINE, "%.300s: %lld bytes, to the disk: %s", label, (long long)b->payload + BAI_BLOCK,
            strerror(errno));
    free(head);
    free(l.item);
    free(l.note);
    free(l.text);
    return r;
}
