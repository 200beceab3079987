/* loader: threads that fill a ring of whole batches ahead of the training loop.
 *
 * Work is handed out in pieces of PIECE samples, in the order of the epoch. Slot b % ahead belongs to batch b from the
 * moment its first piece is handed out until the caller asks for batch b+1. What a sample becomes depends on (seed,
 * epoch, sample) only, also which other one takes its place where it cannot be read, so neither the number of threads
 * nor who does what shows in the result. */
#include "../base/clock.h"
#include "augment.h"
#include "dataset.h"
#include "colour.h"
#include "randaugment.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bauta/rng.h"
#include "bauta/system.h"

enum { PIECE = 16, MAX_THREADS = 64, OTHERS = 16 };

typedef struct slot {
    int64_t left;            /* samples that are not done yet */
    int64_t failed_at;       /* place in the batch of its first failed sample; -1: none */
    ba_err error;
    uint8_t *images;         /* or the numbers of spectrograms */
    int32_t *labels;
    ba_box *boxes;
    int64_t *samples, *wanted;
} slot;

typedef struct worker {
    ba_loader *loader;
    pthread_t thread;
    bai_scratch scratch;
    bai_resizer resizer;
    uint8_t *image;          /* room for one, when there are random operations */
} worker;

typedef struct piece {       /* samples first..first+n-1 of a batch */
    slot *s;
    int64_t batch, first, n;
} piece;

struct ba_loader {
    ba_dataset *data;
    ba_loader_options o;
    int64_t batches, rows, columns, image_bytes;
    int32_t *order;          /* [count], of this epoch */
    slot *slots;             /* [o.ahead + 1]: those ahead and the one that is lent */
    int64_t n_slots;
    worker *workers;
    int n_workers;

    pthread_mutex_t lock;    /* all below, and `left` and the error of the slots */
    pthread_cond_t work, done;
    int running, stop;
    int64_t epoch;
    int64_t next_batch, next_sample; /* the piece to hand out next */
    int64_t asked;           /* the batch the caller wants next; asked-1 is lent */
    int64_t busy;            /* pieces being worked on */
    ba_batch lent;
};

void ba_loader_defaults(ba_loader_options *o)
{
    if (!o)
        return;
    *o = (ba_loader_options){ .size = sizeof *o, .shuffle = 1, .drop_last = 1, .batch = 128, .ahead = 4, .repeats = 1 };
    o->augment = (ba_augment){ .size = sizeof o->augment, .policy = BA_AUGMENT_CROP, .pad = 4, .image = 224,
        .scale_low = 0.08, .scale_high = 1, .ratio_low = 3.0 / 4, .ratio_high = 4.0 / 3, .flip = 0.5, .crop = 0.875,
        .magnitude = 9, .spread = 0.5 };
}

/* Samples of an epoch, short last batch included. */
static int64_t samples(const ba_dataset *d, const ba_loader_options *o)
{
    int64_t n = ba_dataset_count(d);
    return o->subset && o->subset < n ? o->subset : n;
}

static int64_t batch_samples(const ba_loader *l, int64_t b)
{
    int64_t left = samples(l->data, &l->o) - b * l->o.batch;
    return left < l->o.batch ? left : l->o.batch;
}

/* The order of an epoch: Fisher-Yates, two 64-bit numbers out of each Philox block. */
static void make_order(ba_loader *l)
{
    int64_t n = samples(l->data, &l->o), all = ba_dataset_count(l->data);
    uint32_t stream = ba_stream("order");
    ba_philox u = { { 0 } };
    for (int64_t i = 0; i < n; i++)
        l->order[i] = (int32_t)(i * all / n);
    for (int64_t i = 0; l->o.shuffle && i < n - 1; i++) {
        if (i % 2 == 0)
            u = ba_philox4x32(l->o.seed, stream, (uint32_t)l->epoch, (uint64_t)i / 2);
        uint64_t r = (uint64_t)u.x[i % 2 * 2 + 1] << 32 | u.x[i % 2 * 2];
        int64_t j = i + (int64_t)(((unsigned __int128)r * (uint64_t)(n - i)) >> 64);
        int32_t t = l->order[i];
        l->order[i] = l->order[j];
        l->order[j] = t;
    }
}

/* ---- the threads ---- */

/* What of a sample's picture is looked at, for those who can leave the rest undecoded. */
typedef struct look { const ba_loader *l; int64_t sample, drawn; } look;

static int draw(const look *k, int64_t rows, int64_t columns, bai_draw *d, ba_err *e)
{
    char why[sizeof e->msg];
    int status = bai_augment_draw(&k->l->o.augment, rows, columns, k->l->o.seed, (uint32_t)k->l->epoch, k->drawn, d, e);
    if (status >= 0 || !e)
        return status;
    memcpy(why, e->msg, sizeof why);
    return ba_fail(e, status, "sample %lld: %.450s", (long long)k->sample, why);
}

static int choose(void *ctx, int64_t rows, int64_t columns, bai_region *out, ba_err *e)
{
    const look *k = ctx;
    bai_draw d;
    int status = draw(k, rows, columns, &d, e);
    if (status >= 0)
        bai_augment_needs(&k->l->o.augment, &d, rows, columns, out);
    return status;
}

static int numeric(const ba_loader *l)
{
    return ba_dataset_channels(l->data) == 1;
}

/* The sample that takes the place of one that cannot be read, in the `try`-th attempt. */
static int64_t another(const ba_loader *l, int64_t i, int64_t try)
{
    ba_philox u = ba_philox4x32(l->o.seed, ba_stream("replace"), (uint32_t)l->epoch, (uint64_t)(i * OTHERS + try));
    uint64_t r = (uint64_t)u.x[1] << 32 | u.x[0], n = (uint64_t)samples(l->data, &l->o);
    int64_t place = (int64_t)(((unsigned __int128)r * n) >> 64);
    return place * ba_dataset_count(l->data) / (int64_t)n;
}

/* Reads the sample of a place, or the one that replaces it, and notes which it is. */
static int read_sample(worker *w, slot *s, int64_t at, const bai_wish *wish, const ba_picture **out, ba_err *e)
{
    ba_loader *l = w->loader;
    int64_t i = s->wanted[at];
    if (l->o.bad == BA_BAD_STOP)
        return bai_dataset_picture(l->data, i, &w->scratch, wish, out, e);
    int status = bai_dataset_picture(l->data, i, &w->scratch, NULL, out, e);
    for (int64_t try = 0; status == BA_EDATA && try < OTHERS; try++) {
        s->samples[at] = another(l, i, try);
        status = bai_dataset_picture(l->data, s->samples[at], &w->scratch, NULL, out, e);
    }
    if (status != BA_EDATA || !e)
        return status;
    char why[sizeof e->msg];
    memcpy(why, e->msg, sizeof why);
    return ba_fail(e, BA_EDATA, "sample %lld: neither it nor any of %d others in its place can be read; the last: %.380s", (long long)i, OTHERS, why);
}

static int fill_spectrum(worker *w, slot *s, int64_t at, int64_t drawn, ba_err *e)
{
    ba_loader *l = w->loader;
    const ba_picture *p;
    int status = read_sample(w, s, at, NULL, &p, e);
    if (status < 0)
        return status;
    float *values = (float *)(void *)(s->images + at * l->image_bytes);
    s->labels[at] = p->label;
    s->boxes[at] = (ba_box){ 0 };
    memcpy(values, p->values, (size_t)l->image_bytes);
    bai_augment_spectrum(&l->o.augment, l->rows, l->columns, l->o.seed, (uint32_t)l->epoch, drawn, values);
    return BA_OK;
}

static int fill_sample(worker *w, const piece *p, int64_t at, ba_err *e)
{
    ba_loader *l = w->loader;
    const ba_picture *picture;
    bai_draw d;
    int64_t place = p->batch * l->o.batch + at, i = l->order[place / l->o.repeats];
    int64_t drawn = i + (l->o.view * l->o.repeats + place % l->o.repeats) * ba_dataset_count(l->data); /* each copy of a sample is augmented anew */
    p->s->samples[at] = p->s->wanted[at] = i;
    uint8_t *image = p->s->images + at * l->image_bytes;
    if (numeric(l))
        return fill_spectrum(w, p->s, at, drawn, e);
    look k = { l, i, drawn };
    int status = read_sample(w, p->s, at, &(bai_wish){ choose, &k }, &picture, e);
    if (status < 0 || (status = draw(&k, picture->rows, picture->columns, &d, e)) < 0)
        return status;
    p->s->labels[at] = picture->label;
    status = bai_augment_apply(&w->resizer, &l->o.augment, &d, picture, image, &p->s->boxes[at], e);
    if (status < 0 || !w->image)
        return status;
    bai_randaugment(&l->o.augment, l->o.seed, (uint32_t)l->epoch, drawn, image, w->image, &p->s->boxes[at]);
    bai_colour(&l->o.augment, l->o.seed, (uint32_t)l->epoch, drawn, image, w->image);
    return status;
}

/* With the lock held: the next piece, if there is one and a free slot for it. */
static int take_piece(ba_loader *l, piece *p)
{
    if (!l->running || l->next_batch >= l->batches || l->next_batch >= l->asked + l->o.ahead)
        return 0;
    slot *s = &l->slots[l->next_batch % l->n_slots];
    int64_t total = batch_samples(l, l->next_batch), left = total - l->next_sample;
    if (!l->next_sample) {
        s->left = total;
        s->failed_at = -1;
    }
    *p = (piece){ .s = s, .batch = l->next_batch, .first = l->next_sample, .n = left < PIECE ? left : PIECE };
    l->next_sample += p->n;
    if (l->next_sample == total) {
        l->next_batch++;
        l->next_sample = 0;
    }
    l->busy++;
    return 1;
}

/* With the lock held. Of several failures in a batch the first sample's counts, whoever was first. */
static void return_piece(ba_loader *l, const piece *p, int64_t failed_at, const ba_err *e)
{
    slot *s = p->s;
    if (failed_at >= 0 && (s->failed_at < 0 || failed_at < s->failed_at)) {
        s->failed_at = failed_at;
        s->error = *e;
    }
    s->left -= p->n;
    l->busy--;
    if (!s->left || !l->busy)
        pthread_cond_broadcast(&l->done);
}

static void *work(void *arg)
{
    worker *w = arg;
    ba_loader *l = w->loader;
    piece p;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        if (!take_piece(l, &p)) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        ba_err e = { 0 };
        int64_t failed_at = -1;
        for (int64_t i = 0; i < p.n && failed_at < 0; i++)
            if (fill_sample(w, &p, p.first + i, &e) < 0)
                failed_at = p.first + i;
        pthread_mutex_lock(&l->lock);
        return_piece(l, &p, failed_at, &e);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static int has_operations(const ba_loader *l)
{
    return (l->o.augment.operations || bai_colour_wanted(&l->o.augment)) && (l->o.augment.policy == BA_AUGMENT_CROP || l->o.augment.policy == BA_AUGMENT_PAD);
}

/* Signals are for the program's own threads. */
static int start_threads(ba_loader *l, ba_err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (l->n_workers < l->o.threads && !failed) {
        worker *w = &l->workers[l->n_workers];
        w->loader = l;
        if (has_operations(l) && !(w->image = malloc((size_t)l->image_bytes))) {
            failed = ENOMEM;
            break;
        }
        bai_scratch_begin(&w->scratch);
        failed = pthread_create(&w->thread, NULL, work, w);
        l->n_workers += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? ba_fail(e, BA_EMACHINE, "loader: thread %d of %d: %s", l->n_workers + 1, l->o.threads, strerror(failed))
        : BA_OK;
}

/* ---- the caller ---- */

int bai_loader_threads(void)
{
    int n = ba_processors();
    return n > 16 ? 16 : n;
}

static int judge_options(const ba_dataset *d, const ba_loader_options *o, ba_err *e)
{
    if (!d || !o)
        return ba_fail(e, BA_EARG, "loader: a data set and options expected");
    if (o->size != sizeof *o)
        return ba_fail(e, BA_EARG, "loader: options of size %u; %zu expected", o->size, sizeof *o);
    if (o->batch < 1 || o->batch > 65536)
        return ba_fail(e, BA_EARG, "loader: batch %lld; 1 to 65536 expected", (long long)o->batch);
    if (o->ahead < 1 || o->ahead > 64)
        return ba_fail(e, BA_EARG, "loader: ahead %lld; 1 to 64 batches expected", (long long)o->ahead);
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return ba_fail(e, BA_EARG, "loader: threads %d; 0 (all processors) to %d expected", o->threads, MAX_THREADS);
    if (o->repeats < 1 || o->repeats > 64)
        return ba_fail(e, BA_EARG, "loader: repeats %lld; 1 to 64 expected", (long long)o->repeats);
    if (o->view < 0 || o->view > 255)
        return ba_fail(e, BA_EARG, "loader: view %lld; 0 to 255 expected", (long long)o->view);
    if (o->subset < 0)
        return ba_fail(e, BA_EARG, "loader: subset %lld; 0 (all samples) or more expected", (long long)o->subset);
    if (o->bad != BA_BAD_STOP && o->bad != BA_BAD_REPLACE)
        return ba_fail(e, BA_EARG, "loader: bad %lld; 0 (stop) or 1 (replace) expected", (long long)o->bad);
    if (o->drop_last && samples(d, o) < o->batch)
        return ba_fail(e, BA_EARG, "loader: batch %lld; the data set has %lld samples and a short batch is left out",
            (long long)o->batch, (long long)samples(d, o));
    int status = bai_augment_judge(&o->augment, e);
    return status < 0 ? status : bai_augment_fits(&o->augment, ba_dataset_channels(d), e);
}

static int make_slots(ba_loader *l)
{
    int64_t B = l->o.batch;
    l->n_slots = l->o.ahead + 1;
    l->slots = calloc((size_t)l->n_slots, sizeof *l->slots);
    for (int64_t i = 0; l->slots && i < l->n_slots; i++) {
        slot *s = &l->slots[i];
        s->images = aligned_alloc(64, (size_t)(B * l->image_bytes + 63) / 64 * 64);
        s->labels = calloc((size_t)B, sizeof *s->labels);
        s->boxes = calloc((size_t)B, sizeof *s->boxes);
        s->samples = calloc((size_t)B, sizeof *s->samples);
        s->wanted = calloc((size_t)B, sizeof *s->wanted);
        if (!s->images || !s->labels || !s->boxes || !s->samples || !s->wanted)
            return -1;
    }
    return l->slots ? 0 : -1;
}

static int init(ba_loader *l, ba_err *e)
{
    int64_t n = samples(l->data, &l->o);
    l->o.threads = l->o.threads ? l->o.threads : bai_loader_threads();
    l->batches = l->o.drop_last ? n / l->o.batch : (n + l->o.batch - 1) / l->o.batch;
    l->rows = numeric(l) ? ba_dataset_rows(l->data) : l->o.augment.image;
    l->columns = numeric(l) ? ba_dataset_columns(l->data) : l->o.augment.image;
    l->image_bytes = bai_dataset_bytes(l->data, l->rows, l->columns);
    l->order = malloc((size_t)n * sizeof *l->order);
    l->workers = calloc((size_t)l->o.threads, sizeof *l->workers);
    if (!l->order || !l->workers || make_slots(l))
        return ba_fail(e, BA_EMACHINE, "loader: no memory for %lld batches of %lld images of %lldx%lld",
            (long long)l->o.ahead + 1, (long long)l->o.batch, (long long)l->columns, (long long)l->rows);
    return start_threads(l, e);
}

ba_loader *ba_loader_new(ba_dataset *d, const ba_loader_options *o, ba_err *e)
{
    if (judge_options(d, o, e) < 0)
        return NULL;
    ba_loader *l = calloc(1, sizeof *l);
    if (!l) {
        ba_fail(e, BA_EMACHINE, "loader: no memory");
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    l->data = d;
    l->o = *o;
    if (init(l, e) >= 0)
        return l;
    ba_loader_free(l);
    return NULL;
}

void ba_loader_free(ba_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = 1;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; l->workers && i < l->o.threads; i++) {
        if (i < l->n_workers)
            pthread_join(l->workers[i].thread, NULL);
        free(l->workers[i].image);
        bai_scratch_end(&l->workers[i].scratch);
        bai_resizer_end(&l->workers[i].resizer);
    }
    for (int64_t i = 0; l->slots && i < l->n_slots; i++) {
        free(l->slots[i].images);
        free(l->slots[i].labels);
        free(l->slots[i].boxes);
        free(l->slots[i].samples);
        free(l->slots[i].wanted);
    }
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->lock);
    free(l->slots);
    free(l->workers);
    free(l->order);
    free(l);
}

int64_t ba_loader_batches(const ba_loader *l)
{
    return l ? l->batches : -1;
}

int ba_loader_start(ba_loader *l, int64_t epoch, int64_t first_batch, ba_err *e)
{
    if (!l || epoch < 0 || epoch > INT32_MAX)
        return ba_fail(e, BA_EARG, "loader: epoch %lld; 0 to 2147483647 of a loader expected", (long long)epoch);
    if (first_batch < 0 || first_batch > l->batches)
        return ba_fail(e, BA_EARG, "loader: first batch %lld; 0 to %lld expected", (long long)first_batch, (long long)l->batches);
    pthread_mutex_lock(&l->lock);
    int same = l->running && l->epoch == epoch;
    l->running = 0;
    while (l->busy)
        pthread_cond_wait(&l->done, &l->lock);
    l->epoch = epoch;
    if (!same)
        make_order(l);
    l->next_batch = l->asked = first_batch;
    l->next_sample = 0;
    l->running = 1;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    return BA_OK;
}

static int64_t replaced(const slot *s, int64_t n)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += s->samples[i] != s->wanted[i];
    return sum;
}

/* With the lock held: waits for batch l->asked. */
static int wait_for(ba_loader *l, ba_err *e)
{
    slot *s = &l->slots[l->asked % l->n_slots];
    pthread_cond_broadcast(&l->work); /* the slot that was lent is free again */
    while (l->next_batch <= l->asked || s->left)
        pthread_cond_wait(&l->done, &l->lock);
    if (s->failed_at >= 0)
        return ba_fail(e, s->error.code, "%s", s->error.msg);
    l->lent = (ba_batch){ .count = batch_samples(l, l->asked), .rows = l->rows, .columns = l->columns, .epoch = l->epoch,
        .number = l->asked, .images = numeric(l) ? NULL : s->images, .values = numeric(l) ? (const float *)(const void *)s->images : NULL,
        .labels = s->labels, .boxes = &s->boxes->x0, .samples = s->samples, .wanted = s->wanted,
        .replaced = l->o.bad ? replaced(s, batch_samples(l, l->asked)) : 0 };
    l->asked++;
    return 1;
}

int ba_loader_next(ba_loader *l, const ba_batch **out, ba_err *e)
{
    if (!l || !out)
        return ba_fail(e, BA_EARG, "loader: a loader and a place for the batch expected");
    *out = NULL;
    if (!l->running)
        return ba_fail(e, BA_EARG, "loader: next before start");
    pthread_mutex_lock(&l->lock);
    int status = l->asked < l->batches ? wait_for(l, e) : 0;
    pthread_mutex_unlock(&l->lock);
    if (status == 1)
        *out = &l->lent;
    return status;
}

static double now(void) { return bai_now(CLOCK_MONOTONIC); }

double ba_loader_speed(ba_loader *l, double seconds, ba_err *e)
{
    const ba_batch *b;
    int64_t images = 0, epoch = 0;
    if (!(seconds > 0 && seconds <= 3600) || !l || !l->batches) {
        ba_fail(e, BA_EARG, "loader: a loader with batches and 0 to 3600 seconds expected");
        return 0;
    }
    int status = ba_loader_start(l, epoch, 0, e);
    double begin = now(), end = begin;
    while (status >= 0 && end - begin < seconds) {
        status = ba_loader_next(l, &b, e);
        images += status == 1 ? b->count : 0;
        if (status == 0)
            status = ba_loader_start(l, ++epoch, 0, e);
        end = now();
    }
    return status < 0 ? 0 : (double)images / (end - begin);
}
