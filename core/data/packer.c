/* packer: writes a packed data set (pack.h). Several pictures are read, resized and encoded at a time, each by one thread; they are written in
 * order, under another name, which becomes the file's own when all is there. */
#include "pack.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/crc.h"
#include "../base/file.h"
#include "../base/pool.h"
#include "dataset.h"
#include "resize.h"

enum { ROUND = 32, MOST_THREADS = 64 };

typedef struct hand {            /* what one thread works with */
    bai_scratch scratch;
    bai_resizer resizer;
} hand;

typedef struct job {             /* one picture */
    uint8_t *bytes;
    bai_pack_entry entry;        /* but its place */
    int status;
    ba_err error;
} job;

struct ba_packer {
    char *path;
    ba_pack_how how;
    int folder, writing;         /* writing: put is under way */
    bai_put put;
    uint64_t at;
    bai_pack_head head;
    bai_pack_names names;
    char *text;                  /* the classes' names */
    bai_pack_entry *entries;
    int64_t count, room;
    bai_pool *pool;
    hand *hands;
    job jobs[ROUND];
    ba_dataset *data;            /* of this split; lent */
    int split;                   /* 0 train, 1 test, -1 none yet */
    int64_t first;               /* of the round at hand */
};

static int failed(const ba_packer *p, ba_err *e)
{
    return ba_fail(e, BA_EMACHINE, "%.300s: %s", p->path, strerror(errno));
}

static int judge(const ba_pack_how *h, ba_err *e)
{
    if (!h || h->size != sizeof *h)
        return ba_fail(e, BA_EARG, "pack: options of %u bytes; %zu expected", h ? h->size : 0, sizeof *h);
    if (h->coding < BA_PACK_RAW || h->coding > BA_PACK_SAME)
        return ba_fail(e, BA_EARG, "pack: coding %d; 0 (raw), 1 (JPEG) or 2 (the source's files) expected", h->coding);
    if (h->coding == BA_PACK_JPEG && (h->quality < 1 || h->quality > 100))
        return ba_fail(e, BA_EARG, "pack: quality %d; 1 to 100 expected", h->quality);
    if (h->interpolation != BA_BICUBIC && h->interpolation != BA_BILINEAR)
        return ba_fail(e, BA_EARG, "pack: interpolation %d; 0 (bicubic) or 1 (bilinear) expected", h->interpolation);
    if (h->threads < 0 || h->threads > MOST_THREADS)
        return ba_fail(e, BA_EARG, "pack: threads %d; 0 (all processors) to %d expected", h->threads, MOST_THREADS);
    if (h->rows < 0 || h->rows > 4096 || h->columns < 0 || h->columns > 4096 || (h->columns && !h->rows))
        return ba_fail(e, BA_EARG, "pack: pictures of %lldx%lld; sides of 1 to 4096 expected", (long long)h->columns, (long long)h->rows);
    if (h->coding == BA_PACK_SAME && h->rows)
        return ba_fail(e, BA_EARG, "pack: the source's own files cannot have another size; raw or a JPEG quality expected");
    return BA_OK;
}

static int begin(ba_packer *p, ba_err *e)
{
    const char *base;
    int threads = p->how.threads ? p->how.threads : bai_loader_threads();
    p->folder = bai_folder_of(p->path, &base);
    if (p->folder < 0 || bai_put_begin(&p->put, p->folder, base))
        return failed(p, e);
    p->writing = 1;
    if (!(p->hands = calloc((size_t)threads, sizeof *p->hands)))
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory", p->path);
    if (!(p->pool = bai_pool_new(threads, NULL, e)))
        return BA_EMACHINE;
    for (int i = 0; i < threads; i++)
        bai_scratch_begin(&p->hands[i].scratch);
    p->at = sizeof p->head;
    return bai_put_write(&p->put, &p->head, sizeof p->head) ? failed(p, e) : BA_OK; /* zeros: what is cut off here is no packed data set */
}

ba_packer *ba_packer_new(const char *path, const ba_pack_how *how, ba_err *e)
{
    if (judge(how, e) < 0)
        return NULL;
    if (!path || !*path) {
        ba_fail(e, BA_EARG, "pack: a path expected");
        return NULL;
    }
    ba_packer *p = calloc(1, sizeof *p);
    if (p)
        *p = (ba_packer){ .path = strdup(path), .how = *how, .folder = -1, .split = -1 };
    if (!p || !p->path)
        ba_fail(e, BA_EMACHINE, "%.300s: no memory", path);
    else if (!begin(p, e))
        return p;
    ba_packer_free(p);
    return NULL;
}

void ba_packer_free(ba_packer *p)
{
    if (!p)
        return;
    for (int i = 0; p->pool && i < bai_pool_workers(p->pool); i++) {
        bai_scratch_end(&p->hands[i].scratch);
        bai_resizer_end(&p->hands[i].resizer);
    }
    bai_pool_free(p->pool);
    for (int i = 0; i < ROUND; i++)
        free(p->jobs[i].bytes);
    if (p->writing)
        bai_put_drop(&p->put);
    if (p->folder >= 0)
        close(p->folder);
    free(p->hands);
    free(p->entries);
    free(p->text);
    free(p->path);
    free(p);
}

/* ---- splits ---- */

/* The names of the data set's classes, each closed by a zero, to be freed; *bytes: 0 when they are mere numbers. */
static char *names_of(ba_dataset *d, uint32_t *bytes)
{
    size_t n = 0, at = 0;
    int64_t classes = ba_dataset_class(d, 0) ? ba_dataset_classes(d) : 0;
    for (int64_t i = 0; i < classes; i++)
        n += strlen(ba_dataset_class(d, i)) + 1;
    char *text = n <= BAI_PACK_TEXT ? calloc(n + 8, 1) : NULL;
    for (int64_t i = 0; text && i < classes; i++)
        at += strlen(strcpy(text + at, ba_dataset_class(d, i))) + 1;
    *bytes = (uint32_t)n;
    return text;
}

int ba_packer_split(ba_packer *p, ba_dataset *d, const char *split, ba_err *e)
{
    int test = split && !strcmp(split, "test");
    uint32_t n;
    if (!p || !p->writing || !d || !split || (!test && strcmp(split, "train")))
        return ba_fail(e, BA_EARG, "pack: a packer, a data set and train or test expected");
    if (test <= p->split)
        return ba_fail(e, BA_EARG, "pack: %s after %s; each once, train first", split, p->split ? "test" : "train");
    if (ba_dataset_channels(d) != 3)
        return ba_fail(e, BA_EARG, "%.300s: the data set gives spectrograms; only pictures are packed", p->path);
    char *text = names_of(d, &n);
    if (!text)
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory for the names of %lld classes", p->path, (long long)ba_dataset_classes(d));
    if (p->text && (p->head.classes != ba_dataset_classes(d) || p->names.bytes != n || memcmp(p->text, text, n))) {
        free(text);
        return ba_fail(e, BA_EDATA, "%.300s: test has other classes than train", p->path);
    }
    free(p->text);
    p->text = text;
    p->head.classes = (uint32_t)ba_dataset_classes(d);
    p->names.bytes = n;
    p->names.flags |= (n ? BAI_PACK_NAMED : 0) | (ba_dataset_has_boxes(d) ? test ? BAI_PACK_TEST_BOXES : BAI_PACK_TRAIN_BOXES : 0);
    p->split = test;
    p->data = d;
    return BA_OK;
}

/* ---- one picture ---- */

static void wanted_size(const ba_pack_how *h, int64_t rows, int64_t columns, int64_t *to_rows, int64_t *to_columns)
{
    *to_rows = h->rows ? h->rows : rows;
    *to_columns = h->rows ? h->columns : columns;
    if (!h->rows || h->columns)
        return;
    if (rows <= columns) /* the shorter side has h->rows pixels, the other is rounded down */
        *to_columns = h->rows * columns / rows;
    else
        *to_rows = h->rows * rows / columns, *to_columns = h->rows;
}

static int store(const ba_pack_how *h, job *j, const uint8_t *rgb, ba_err *e)
{
    int64_t n = (int64_t)j->entry.rows * j->entry.columns * 3;
    if (h->coding == BA_PACK_JPEG) {
        int r = bai_encode_jpeg(rgb, j->entry.rows, j->entry.columns, h->quality, &j->bytes, &n, e);
        j->entry.coding = BAI_PACK_FILE;
        j->entry.bytes = (uint32_t)n;
        return r;
    }
    if (!(j->bytes = malloc((size_t)n)))
        return ba_fail(e, BA_EMACHINE, "no memory for a picture of %ux%u", j->entry.columns, j->entry.rows);
    memcpy(j->bytes, rgb, (size_t)n);
    j->entry.coding = BAI_PACK_PIXELS;
    j->entry.bytes = (uint32_t)n;
    return BA_OK;
}

static void set_facts(job *j, int64_t rows, int64_t columns, double down, double across, int32_t label, ba_box b)
{
    int known = b.x1 > b.x0 && b.y1 > b.y0;
    j->entry.rows = (uint32_t)rows;
    j->entry.columns = (uint32_t)columns;
    j->entry.label = label;
    memset(j->entry.box, 0, sizeof j->entry.box);
    if (known) {
        const float box[4] = { (float)(b.x0 * across), (float)(b.y0 * down), (float)(b.x1 * across), (float)(b.y1 * down) };
        memcpy(j->entry.box, box, sizeof box);
    }
}

/* As its pixels, or as a JPEG of them. */
static int pack_pixels(const ba_packer *p, hand *w, job *j, int64_t i, ba_err *e)
{
    const ba_picture *in;
    int64_t rows, columns;
    int r = bai_dataset_picture(p->data, i, &w->scratch, NULL, &in, e);
    if (r < 0)
        return r;
    wanted_size(&p->how, in->rows, in->columns, &rows, &columns);
    if (columns > BAI_MAX_SIDE || rows > BAI_MAX_SIDE || columns * rows > BAI_MAX_PIXELS)
        return ba_fail(e, BA_EDATA, "sample %lld: %lldx%lld would be packed as %lldx%lld; sides of at most %d and %d pixels in all expected", (long long)i,
            (long long)in->columns, (long long)in->rows, (long long)columns, (long long)rows, BAI_MAX_SIDE, BAI_MAX_PIXELS);
    set_facts(j, rows, columns, (double)rows / (double)in->rows, (double)columns / (double)in->columns, in->label, in->box);
    if (rows == in->rows && columns == in->columns)
        return store(&p->how, j, in->pixels, e);
    uint8_t *rgb = malloc((size_t)(rows * columns * 3));
    bai_part part = { .pixels = in->pixels, .stride = in->columns * 3, .rows = in->rows, .columns = in->columns };
    bai_window all = { .full_rows = rows, .full_columns = columns, .rows = rows, .columns = columns };
    r = rgb ? bai_resize(&w->resizer, &part, &all, p->how.interpolation, rgb, e) : ba_fail(e, BA_EMACHINE, "no memory for a picture of %lldx%lld",
        (long long)columns, (long long)rows);
    if (r >= 0)
        r = store(&p->how, j, rgb, e);
    free(rgb);
    return r;
}

/* As the source's own file. It is decoded all the same: what is packed can be read. */
static int pack_same(const ba_packer *p, hand *w, job *j, int64_t i, ba_err *e)
{
    ba_encoded *f = &w->scratch.encoded;
    ba_picture *out = &w->scratch.picture;
    int r = bai_dataset_encoded(p->data, i, f, e);
    if (r <= 0)
        return r ? r : ba_fail(e, BA_EARG, "pack: sample %lld has no JPEG or PNG file of its own; raw or a JPEG quality expected", (long long)i);
    if ((r = bai_decode(f->bytes, f->n, f->name, out, e)) < 0)
        return r;
    set_facts(j, out->rows, out->columns, 1, 1, f->label, f->box);
    if (!(j->bytes = malloc((size_t)f->n)))
        return ba_fail(e, BA_EMACHINE, "%.400s: no memory for %lld bytes", f->name, (long long)f->n);
    memcpy(j->bytes, f->bytes, (size_t)f->n);
    j->entry.coding = BAI_PACK_FILE;
    j->entry.bytes = (uint32_t)f->n;
    return BA_OK;
}

static void one(void *ctx, int64_t task, int worker)
{
    ba_packer *p = ctx;
    job *j = &p->jobs[task];
    j->error = (ba_err){ 0 };
    j->status = (p->how.coding == BA_PACK_SAME ? pack_same : pack_pixels)(p, &p->hands[worker], j, p->first + task, &j->error);
    if (j->status >= 0)
        j->entry.crc = bai_crc32c(0, j->bytes, j->entry.bytes);
}

/* ---- the file ---- */

/* Zeros up to a multiple of `to`. */
static int align(ba_packer *p, uint64_t to)
{
    static const char zeros[BAI_PACK_ALIGN];
    size_t n = (size_t)((to - p->at % to) % to);
    p->at += n;
    return bai_put_write(&p->put, zeros, n);
}

static int add_entry(ba_packer *p, const bai_pack_entry *t)
{
    if (p->count == p->room) {
        bai_pack_entry *more = realloc(p->entries, (size_t)(p->room * 2 + 1024) * sizeof *more);
        if (!more)
            return -1;
        p->entries = more;
        p->room = p->room * 2 + 1024;
    }
    p->entries[p->count++] = *t;
    return 0;
}

static int put_job(ba_packer *p, job *j, ba_err *e)
{
    if (j->status < 0)
        return ba_fail(e, j->status, "%s", j->error.msg);
    if (align(p, BAI_PACK_ALIGN) || bai_put_write(&p->put, j->bytes, j->entry.bytes))
        return failed(p, e);
    j->entry.at = p->at;
    p->at += j->entry.bytes;
    return add_entry(p, &j->entry) ? ba_fail(e, BA_EMACHINE, "%.300s: no memory for its index", p->path) : BA_OK;
}

int ba_packer_add(ba_packer *p, int64_t first, int64_t n, ba_err *e)
{
    int r = BA_OK;
    if (!p || !p->writing || !p->data || first < 0 || n < 0 || first > ba_dataset_count(p->data) - n || p->head.count[p->split] + (uint64_t)n > INT32_MAX)
        return ba_fail(e, BA_EARG, "pack: %lld pictures from %lld on of a split of %lld", (long long)n, (long long)first,
            (long long)(p ? ba_dataset_count(p->data) : 0));
    for (p->first = first; p->first < first + n && !r; p->first += ROUND) {
        int64_t left = first + n - p->first, m = left < ROUND ? left : ROUND;
        bai_pool_run(p->pool, m, one, p);
        for (int64_t i = 0; i < m; i++) {
            r = r ? r : put_job(p, &p->jobs[i], e);
            free(p->jobs[i].bytes);
            p->jobs[i].bytes = NULL;
        }
    }
    p->head.count[p->split] += (uint64_t)n;
    if (r) { /* what is half there cannot become a file */
        bai_put_drop(&p->put);
        p->writing = 0;
    }
    return r;
}

static int put_index(ba_packer *p)
{
    uint64_t text = ((uint64_t)p->names.bytes + 7) / 8 * 8; /* names_of left zeros behind them */
    size_t entries = (size_t)p->count * sizeof *p->entries;
    bai_pack_head *h = &p->head;
    if (align(p, 8))
        return -1;
    h->index_at = p->at;
    h->index_bytes = sizeof p->names + text + entries;
    h->index_crc = bai_crc32c(bai_crc32c(bai_crc32c(0, &p->names, sizeof p->names), p->text, (size_t)text), p->entries, entries);
    p->at = h->bytes = h->index_at + h->index_bytes;
    memcpy(h->magic, BAI_PACK_MAGIC, sizeof h->magic);
    h->version = BAI_PACK_VERSION;
    h->crc = bai_crc32c(0, &h->bytes, sizeof *h - offsetof(bai_pack_head, bytes));
    return bai_put_write(&p->put, &p->names, sizeof p->names) || bai_put_write(&p->put, p->text, (size_t)text) || bai_put_write(&p->put, p->entries, entries)
        || bai_put_at(&p->put, 0, h, sizeof *h) ? -1 : 0;
}

int64_t ba_packer_end(ba_packer *p, ba_err *e)
{
    if (!p || !p->writing || !p->count)
        return ba_fail(e, BA_EARG, "pack: a packer with pictures expected");
    if (put_index(p))
        return failed(p, e);
    p->writing = 0; /* spent, whatever it answers */
    return bai_put_end(&p->put) ? failed(p, e) : (int64_t)p->at;
}
