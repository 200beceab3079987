/* dataset: one split of a data plugin. What the plugin answers is checked before anyone else sees it; decoded pictures are
 * kept in memory when the whole set fits, so that small pictures are decoded once and not in every epoch.
 *
 * Whether it fits decides more than the time: a set that is kept is decoded whole, and damage outside of what is shown is then an error.
 * So the decision is a function of the set alone: of PROBE of its samples, spread evenly, whoever reads first and however many read at once. */
#include "../base/crash.h"
#include "dataset.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE = 32, UNDECIDED = -1 };

struct ba_dataset {
    const ba_plugin_desc *desc;
    const ba_data_ops *ops;
    ba_host host;
    void *self;
    ba_data_facts facts;
    int64_t keep;                         /* bytes */
    pthread_mutex_t deciding;
    _Atomic int keeps;                    /* whether the set fits; UNDECIDED until pictures are read for batches */
    _Atomic int64_t kept_bytes;
    _Atomic(ba_picture *) *pictures;      /* [count]; NULL: not kept */
    bai_scratch scratch;                  /* of ba_dataset_read */
    int64_t left, *stored;                /* where samples are left out: how many are left, and the plugin's number of each; otherwise NULL */
};

enum { SPECTROGRAMS = 3 }; /* the minor version that has them: an older core takes such a plugin for one of pictures */

/* What an older plugin's table does not have counts as NULL or 0. */
#define OFFERS(ops, field) ((ops)->size >= offsetof(ba_data_ops, field) + sizeof (ops)->field && (ops)->field)

int64_t ba_data_channels(const ba_plugin_desc *desc)
{
    const ba_data_ops *ops = desc && desc->kind == BA_KIND_DATA ? desc->ops : NULL;
    if (!ops)
        return -1;
    return !OFFERS(ops, channels) ? 3 : ops->channels == 1 && desc->abi_minor >= SPECTROGRAMS ? 1 : -1;
}

static int judge_desc(const ba_plugin_desc *desc, const void *params, const char *split, ba_err *e)
{
    if (!desc || desc->magic != BA_MAGIC || desc->size < sizeof *desc)
        return ba_fail(e, BA_EARG, "data set: the descriptor of a data plugin expected");
    const ba_data_ops *ops = desc->ops;
    if (desc->kind != BA_KIND_DATA || !ops || ops->size < offsetof(ba_data_ops, encoded) || !ops->open || !ops->read || !ops->close)
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: is not a complete data plugin", desc->name ? desc->name : "?");
    if (desc->params_size && !params)
        return ba_fail(e, BA_EARG, "data %.100s: parameters expected", desc->name);
    if (!split || (strcmp(split, "train") && strcmp(split, "test")))
        return ba_fail(e, BA_EARG, "data %.100s: split %.100s; train or test expected", desc->name, split ? split : "(none)");
    if (OFFERS(ops, channels) && ops->channels == 1 && desc->abi_minor < SPECTROGRAMS)
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: gives spectrograms and is content with ABI %d.%d; `#define BA_WANT_MINOR %d` expected: older cores know none",
            desc->name, desc->abi_major, desc->abi_minor, SPECTROGRAMS);
    if (ba_data_channels(desc) < 0)
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: channels of another number than 0 (pictures) or 1 (spectrograms)", desc->name);
    return BA_OK;
}

static int is_code(int code) { return code < BA_OK && code >= BA_EBUG; }

/* A failed call: the plugin's own sentence, or ours where it has none. Its code is the sentence's; the call's where there is none. Errors of
 * files name the file already; for all others it is the plugin that speaks. */
static int failed(const ba_dataset *d, int status, const ba_err *said, ba_err *e)
{
    int code = said->msg[0] && is_code(said->code) ? said->code : is_code(status) ? status : BA_EPLUGIN;
    if (!said->msg[0])
        return ba_fail(e, code, "plugin %.100s: failed without saying why", d->desc->name);
    if (code == BA_EDATA || code == BA_EMACHINE)
        return ba_fail(e, code, "%s", said->msg);
    return ba_fail(e, code, "plugin %.100s: %.380s", d->desc->name, said->msg);
}

/* Whether samples are spectrograms. */
static int numeric(const ba_dataset *d)
{
    return OFFERS(d->ops, channels);
}

static int judge_facts(const ba_dataset *d, ba_err *e)
{
    const ba_data_facts *f = &d->facts;
    if (f->count < 1 || f->count > INT32_MAX)
        return ba_fail(e, BA_EDATA, "plugin %.100s: %lld samples; 1 to 2147483647 expected", d->desc->name, (long long)f->count);
    if (f->classes < 1 || f->classes > 1 << 20)
        return ba_fail(e, BA_EDATA, "plugin %.100s: %lld classes; 1 to 1048576 expected", d->desc->name, (long long)f->classes);
    if (numeric(d) && (f->rows < 1 || f->columns < 1 || f->rows > BAI_MAX_SIDE || f->columns > BAI_MAX_SIDE))
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: spectrograms of %lldx%lld; 1 to %d rows and columns expected", d->desc->name, (long long)f->rows,
            (long long)f->columns, BAI_MAX_SIDE);
    return BA_OK;
}

static int open_split(ba_dataset *d, const void *params, const char *split, ba_err *e)
{
    ba_err said = { 0 };
    d->facts.size = sizeof d->facts;
    bai_note before = bai_crash_enter(d->desc->name, "open", -1, 1);
    int status = d->ops->open(&d->host, params, split, &d->self, &d->facts, &said);
    bai_crash_leave(before);
    if (status < 0) {
        d->self = NULL;
        d->ops = NULL; /* nothing to close */
        return failed(d, status, &said, e);
    }
    if ((status = judge_facts(d, e)) < 0)
        return status;
    d->pictures = calloc((size_t)d->facts.count, sizeof *d->pictures);
    return d->pictures ? BA_OK : ba_fail(e, BA_EMACHINE, "data %.100s: no memory for %lld samples", d->desc->name,
        (long long)d->facts.count);
}

ba_dataset *ba_dataset_open(const struct ba_plugin_desc *desc, const void *params, const char *split, ba_err *e)
{
    if (judge_desc(desc, params, split, e) < 0)
        return NULL;
    ba_dataset *d = calloc(1, sizeof *d);
    if (!d) {
        ba_fail(e, BA_EMACHINE, "data %.100s: no memory", desc->name);
        return NULL;
    }
    d->desc = desc;
    d->ops = desc->ops;
    d->host = (ba_host){ .size = sizeof d->host, .abi_minor = BA_ABI_MINOR, .fail = ba_fail, .data = &bai_data_host };
    d->keep = 512 << 20;
    d->keeps = UNDECIDED;
    pthread_mutex_init(&d->deciding, NULL);
    bai_scratch_begin(&d->scratch);
    if (open_split(d, params, split, e) >= 0)
        return d;
    ba_dataset_free(d);
    return NULL;
}

void ba_dataset_free(ba_dataset *d)
{
    if (!d)
        return;
    if (d->ops) {
        bai_note before = bai_crash_enter(d->desc->name, "close", -1, 0);
        d->ops->close(&d->host, d->self);
        bai_crash_leave(before);
    }
    for (int64_t i = 0; d->pictures && i < d->facts.count; i++)
        free(atomic_load(&d->pictures[i]));
    free(d->pictures);
    free(d->stored);
    bai_scratch_end(&d->scratch);
    pthread_mutex_destroy(&d->deciding);
    free(d);
}

int64_t ba_dataset_count(const ba_dataset *d)
{
    return !d ? -1 : d->stored ? d->left : d->facts.count;
}

int ba_dataset_leave_out(ba_dataset *d, int64_t n, const int64_t *samples, ba_err *e)
{
    if (!d || d->stored || n < 0 || (n && !samples) || n >= d->facts.count)
        return ba_fail(e, BA_EARG, "data set: %lld samples to leave out, once; 0 to %lld expected", (long long)n, d ? (long long)d->facts.count - 1 : 0);
    for (int64_t k = 0; k < n; k++)
        if (samples[k] < (k ? samples[k - 1] + 1 : 0) || samples[k] >= d->facts.count)
            return ba_fail(e, BA_EARG, "data set: sample %lld to leave out; ascending numbers below %lld expected", (long long)samples[k],
                (long long)d->facts.count);
    int64_t *stored = n ? malloc((size_t)(d->facts.count - n) * sizeof *stored) : NULL, left = 0;
    if (n && !stored)
        return ba_fail(e, BA_EMACHINE, "data set: no memory for the numbers of %lld samples", (long long)(d->facts.count - n));
    for (int64_t i = 0, k = 0; n && i < d->facts.count; i++)
        if (k < n && samples[k] == i)
            k++;
        else
            stored[left++] = i;
    d->stored = stored;
    d->left = left;
    return BA_OK;
}

/* The plugin's number of sample i. */
static int64_t stored(const ba_dataset *d, int64_t i)
{
    return d->stored ? d->stored[i] : i;
}

int64_t ba_dataset_classes(const ba_dataset *d)
{
    return d ? d->facts.classes : -1;
}

const char *ba_dataset_class(const ba_dataset *d, int64_t i)
{
    return d && i >= 0 && i < d->facts.classes && d->facts.class_names ? d->facts.class_names[i] : NULL;
}

int32_t ba_dataset_has_boxes(const ba_dataset *d)
{
    return d && d->facts.has_boxes;
}

int64_t ba_dataset_channels(const ba_dataset *d)
{
    return d ? ba_data_channels(d->desc) : -1;
}

int64_t ba_dataset_rows(const ba_dataset *d)
{
    return d && numeric(d) ? d->facts.rows : 0;
}

int64_t ba_dataset_columns(const ba_dataset *d)
{
    return d && numeric(d) ? d->facts.columns : 0;
}

int64_t bai_dataset_bytes(const ba_dataset *d, int64_t rows, int64_t columns)
{
    return rows * columns * (numeric(d) ? (int64_t)sizeof(float) : 3);
}

int ba_dataset_keep(ba_dataset *d, int64_t bytes, ba_err *e)
{
    if (!d || bytes < 0)
        return ba_fail(e, BA_EARG, "data set: %lld bytes to keep; 0 or more expected", (long long)bytes);
    d->keep = bytes;
    atomic_store(&d->keeps, UNDECIDED);
    return BA_OK;
}

void bai_scratch_begin(bai_scratch *s)
{
    *s = (bai_scratch){ .picture.size = sizeof s->picture, .encoded.size = sizeof s->encoded };
}

void bai_scratch_end(bai_scratch *s)
{
    free(s->picture.pixels);
    free(s->picture.values);
    free(s->encoded.bytes);
    bai_scratch_begin(s);
}

static int judge_values(const ba_dataset *d, int64_t i, const ba_picture *p, ba_err *e)
{
    int64_t n = d->facts.rows * d->facts.columns;
    if (!p->values || p->rows != d->facts.rows || p->columns != d->facts.columns || n > p->values_capacity)
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: sample %lld: a spectrogram of %lldx%lld; %lldx%lld expected", d->desc->name, (long long)i,
            (long long)p->rows, (long long)p->columns, (long long)d->facts.rows, (long long)d->facts.columns);
    for (int64_t k = 0; k < n; k++)
        if (!isfinite(p->values[k]))
            return ba_fail(e, BA_EPLUGIN, "plugin %.100s: sample %lld: number %lld of its spectrogram is %g", d->desc->name, (long long)i, (long long)k,
                p->values[k]);
    return BA_OK;
}

static int judge_pixels(const ba_dataset *d, int64_t i, const ba_picture *p, ba_err *e)
{
    if (!p->pixels || p->rows < 1 || p->columns < 1 || p->rows > BAI_MAX_SIDE || p->columns > BAI_MAX_SIDE
        || p->rows * p->columns * 3 > p->capacity)
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: sample %lld: a picture of %lldx%lld in %lld bytes", d->desc->name, (long long)i,
            (long long)p->columns, (long long)p->rows, (long long)p->capacity);
    return BA_OK;
}

static int judge_picture(const ba_dataset *d, int64_t i, const ba_picture *p, ba_err *e)
{
    const char *name = d->desc->name;
    int status = (numeric(d) ? judge_values : judge_pixels)(d, i, p, e);
    if (status < 0)
        return status;
    if (p->label < 0 || p->label >= d->facts.classes)
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: sample %lld: label %d; 0 to %lld expected", name, (long long)i, p->label,
            (long long)d->facts.classes - 1);
    if (!isfinite(p->box.x0) || !isfinite(p->box.y0) || !isfinite(p->box.x1) || !isfinite(p->box.y1))
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: sample %lld: a box that is not finite", name, (long long)i);
    return BA_OK;
}

/* Of a picture in memory; it and its pixels or numbers are one block. */
static int64_t kept_bytes(const ba_dataset *d, int64_t rows, int64_t columns)
{
    return bai_dataset_bytes(d, rows, columns) + (int64_t)sizeof(ba_picture);
}

/* A copy of p goes into place i if there is room. */
static void keep_picture(ba_dataset *d, int64_t i, const ba_picture *p)
{
    int64_t bytes = kept_bytes(d, p->rows, p->columns), content = bytes - (int64_t)sizeof *p;
    ba_picture *copy = atomic_load(&d->kept_bytes) + bytes > d->keep ? NULL : malloc((size_t)bytes), *none = NULL;
    if (!copy)
        return;
    *copy = *p;
    copy->pixels = numeric(d) ? NULL : (uint8_t *)(copy + 1);
    copy->values = numeric(d) ? (float *)(copy + 1) : NULL;
    memcpy(copy + 1, numeric(d) ? (const void *)p->values : p->pixels, (size_t)content);
    if (atomic_compare_exchange_strong(&d->pictures[i], &none, copy))
        atomic_fetch_add(&d->kept_bytes, bytes);
    else
        free(copy); /* another thread was faster */
}

static int read_encoded(ba_dataset *d, int64_t i, ba_encoded *out, ba_err *e)
{
    ba_err said = { 0 };
    if (!OFFERS(d->ops, encoded))
        return 0;
    out->label = 0;
    out->box = (ba_box){ 0 };
    out->name[0] = 0;
    bai_note before = bai_crash_enter(d->desc->name, "read of sample", i, 0);
    int status = d->ops->encoded(&d->host, d->self, i, out, &said);
    bai_crash_leave(before);
    if (status < 0)
        return failed(d, status, &said, e);
    if (status && (!out->bytes || out->n < 0 || out->n > out->capacity || !memchr(out->name, 0, sizeof out->name)))
        return ba_fail(e, BA_EPLUGIN, "plugin %.100s: sample %lld: %lld bytes in a room of %lld", d->desc->name, (long long)i, (long long)out->n,
            (long long)out->capacity);
    return status != 0;
}

int bai_dataset_encoded(ba_dataset *d, int64_t i, ba_encoded *out, ba_err *e)
{
    return read_encoded(d, stored(d, i), out, e);
}

static int read_whole(ba_dataset *d, int64_t i, ba_picture *p, ba_err *e)
{
    ba_err said = { 0 };
    p->label = 0;
    p->box = (ba_box){ 0 };
    bai_note before = bai_crash_enter(d->desc->name, "read of sample", i, 0);
    int status = d->ops->read(&d->host, d->self, i, p, &said);
    bai_crash_leave(before);
    return status < 0 ? failed(d, status, &said, e) : status;
}

/* 1: the part that is wanted is there; 0: the plugin does not give this sample encoded. */
static int read_part(ba_dataset *d, int64_t i, bai_scratch *s, const bai_wish *wish, ba_err *e)
{
    int status = read_encoded(d, i, &s->encoded, e);
    if (status <= 0)
        return status;
    s->picture.label = s->encoded.label;
    s->picture.box = s->encoded.box;
    status = bai_decode_part(s->encoded.bytes, s->encoded.n, s->encoded.name, wish, &s->picture, e);
    return status < 0 ? status : 1;
}

/* The part that is wished for, where the plugin gives it, or all of it; judged. */
static int read_some(ba_dataset *d, int64_t i, bai_scratch *s, const bai_wish *wish, ba_err *e)
{
    int status = wish ? read_part(d, i, s, wish, e) : 0;
    if (!status)
        status = read_whole(d, i, &s->picture, e);
    return status < 0 ? status : judge_picture(d, i, &s->picture, e);
}

/* ---- whether the set is kept ---- */

static int corner(void *ctx, int64_t rows, int64_t columns, bai_region *out, ba_err *e)
{
    (void)ctx, (void)rows, (void)columns, (void)e;
    *out = (bai_region){ 0, 0, 1, 1 };
    return BA_OK;
}

/* Bytes of all samples in memory, from the mean of those of the probe that can be read; BA_EMACHINE when one fails for another reason than itself. */
static int estimate(ba_dataset *d, double *bytes, ba_err *e)
{
    int64_t count = d->facts.count, n = count < PROBE ? count : PROBE, read = 0;
    bai_scratch s;
    ba_err why;
    int status = BA_OK;
    double sum = 0;
    bai_scratch_begin(&s);
    for (int64_t k = 0; k < n && status != BA_EMACHINE; k++) /* the size is all that is wanted: of a JPEG a corner will do */
        if ((status = read_some(d, k * count / n, &s, &(bai_wish){ corner, NULL }, &why)) >= 0) {
            sum += (double)kept_bytes(d, s.picture.rows, s.picture.columns);
            read++;
        }
    bai_scratch_end(&s);
    *bytes = read ? sum / (double)read * (double)count : 0;
    return status == BA_EMACHINE ? ba_fail(e, status, "%s", why.msg) : BA_OK;
}

static int decide(ba_dataset *d, ba_err *e)
{
    double bytes = numeric(d) ? (double)kept_bytes(d, d->facts.rows, d->facts.columns) * (double)d->facts.count : 0;
    int status = numeric(d) || !d->keep ? BA_OK : estimate(d, &bytes, e);
    if (status < 0)
        return status;
    atomic_store(&d->keeps, d->keep && bytes <= (double)d->keep);
    return BA_OK;
}

/* 1 or 0, or negative. */
static int keeps(ba_dataset *d, ba_err *e)
{
    int status = BA_OK;
    if (atomic_load(&d->keeps) == UNDECIDED) {
        pthread_mutex_lock(&d->deciding);
        if (atomic_load(&d->keeps) == UNDECIDED)
            status = decide(d, e);
        pthread_mutex_unlock(&d->deciding);
    }
    return status < 0 ? status : atomic_load(&d->keeps);
}

int bai_dataset_picture(ba_dataset *d, int64_t i, bai_scratch *scratch, const bai_wish *wish, const ba_picture **out, ba_err *e)
{
    i = stored(d, i);
    if ((*out = atomic_load_explicit(&d->pictures[i], memory_order_acquire)))
        return BA_OK;
    int keep = keeps(d, e), status = keep < 0 ? keep : read_some(d, i, scratch, keep ? NULL : wish, e);
    if (status < 0)
        return status;
    if (keep)
        keep_picture(d, i, &scratch->picture);
    *out = &scratch->picture;
    return BA_OK;
}

int ba_dataset_read(ba_dataset *d, int64_t i, ba_sample *out, ba_err *e)
{
    if (!d || !out)
        return ba_fail(e, BA_EARG, "data set: a data set and a sample to fill expected");
    if (i < 0 || i >= ba_dataset_count(d))
        return ba_fail(e, BA_EARG, "data %.100s: sample %lld; 0 to %lld expected", d->desc->name, (long long)i,
            (long long)ba_dataset_count(d) - 1);
    i = stored(d, i);
    const ba_picture *p = atomic_load_explicit(&d->pictures[i], memory_order_acquire);
    int status = p ? BA_OK : read_some(d, i, &d->scratch, NULL, e);
    if (status < 0)
        return status;
    p = p ? p : &d->scratch.picture;
    *out = (ba_sample){ .rows = p->rows, .columns = p->columns, .pixels = numeric(d) ? NULL : p->pixels,
                        .values = numeric(d) ? p->values : NULL, .label = p->label,
                        .box = { p->box.x0, p->box.y0, p->box.x1, p->box.y1 } };
    return BA_OK;
}
