/* store: named, persistent fp32 tensors on a device: weights, optimiser state, averages. */
#include "store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/nearest.h"
#include "../base/pool.h"
#include "bauta/rng.h"
#include "device.h"
#include "node.h"

/* What a tensor begins with is made when somebody first looks at it: weights that are loaded never need it. */
typedef struct entry { char *name; ba_type type; int32_t flags, init; double scale; void *data; } entry; /* init: DONE when it is there */

struct ba_store {
    uint32_t tag;
    ba_device *device;
    uint64_t seed;
    entry *e;
    int64_t count, room, version;
};

static int check(const ba_store *s, ba_err *e)
{
    return s && s->tag == BAI_TAG_STORE ? BA_OK : ba_fail(e, BA_EARG, "store expected, got %s", s ? "something else (freed?)" : "nothing");
}

static int check_at(const ba_store *s, int64_t i, ba_err *e)
{
    if (check(s, e))
        return BA_EARG;
    return i >= 0 && i < s->count ? BA_OK : ba_fail(e, BA_EARG, "store: tensor %lld of %lld", (long long)i, (long long)s->count);
}

ba_store *ba_store_new(ba_device *d, uint64_t seed, ba_err *e)
{
    if (bai_device_check(d, e))
        return NULL;
    ba_store *s = calloc(1, sizeof *s);
    if (!s) {
        ba_fail(e, BA_EMACHINE, "no memory for a store");
        return NULL;
    }
    s->tag = BAI_TAG_STORE;
    s->device = d;
    s->seed = seed;
    return s;
}

void ba_store_free(ba_store *s)
{
    if (!s || s->tag != BAI_TAG_STORE)
        return;
    s->tag = 0;
    for (int64_t i = 0; i < s->count; i++) {
        bai_device_give(s->device, s->e[i].data, 4 * ba_type_count(&s->e[i].type));
        free(s->e[i].name);
    }
    free(s->e);
    free(s);
}

/* Normal numbers by Box and Muller from two uniforms of one Philox block: element j uses block j. */
static double normal(uint64_t seed, uint32_t stream, int64_t j)
{
    ba_philox p = ba_philox4x32(seed, stream, 0, (uint64_t)j);
    double u = ((double)p.x[0] + 0.5) * 0x1p-32, v = (double)p.x[1] * 0x1p-32;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Each row of n numbers gets the length `scale`. */
static void lengthen(float *v, int64_t count, int64_t n, double scale)
{
    for (int64_t at = 0; at + n <= count; at += n) {
        double sum = 1e-30;
        for (int64_t i = 0; i < n; i++)
            sum += (double)v[at + i] * (double)v[at + i];
        for (int64_t i = 0; i < n; i++)
            v[at + i] = (float)((double)v[at + i] * scale / sqrt(sum));
    }
}

typedef struct job { const ba_store *s; const entry *n; uint32_t stream; int64_t count; float *v; } job;

enum { CHUNK = 65536, DONE = -1 };

/* Every number is a function of its index: the chunks may be made by any thread in any order. */
static void chunk(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    (void)worker;
    double scale = j->n->scale;
    for (int64_t i = t * CHUNK; i < (t + 1) * CHUNK && i < j->count; i++)
        j->v[i] = j->n->init == BA_INIT_ONE ? 1.0f
                : j->n->init == BA_INIT_NORMAL ? (float)(scale * normal(j->s->seed, j->stream, i))
                : j->n->init == BA_INIT_UNIT ? (float)normal(j->s->seed, j->stream, i)
                : (float)(scale * (2.0 * (double)ba_random_uniform(j->s->seed, j->stream, 0, (uint64_t)i) - 1.0));
}

static int initialise(const ba_store *s, entry *n, bai_pool *pool, ba_err *e)
{
    char stream[600];
    snprintf(stream, sizeof stream, "init/%s", n->name);
    job j = { s, n, ba_stream(stream), ba_type_count(&n->type), NULL };
    if (!(j.v = malloc((size_t)j.count * sizeof *j.v)))
        return ba_fail(e, BA_EMACHINE, "store: no memory to initialise %.200s", n->name);
    int64_t tasks = (j.count + CHUNK - 1) / CHUNK;
    if (pool)
        bai_pool_run(pool, tasks, chunk, &j);
    else
        for (int64_t t = 0; t < tasks; t++)
            chunk(&j, t, 0);
    if (n->init == BA_INIT_UNIT)
        lengthen(j.v, j.count, ba_type_last(&n->type), n->scale);
    int r = s->device->ops->put(s->device->self, n->data, j.v, (size_t)j.count * sizeof *j.v, e);
    free(j.v);
    if (!r)
        n->init = DONE;
    return r;
}

int bai_store_fill(const ba_store *s, ba_err *e)
{
    int64_t numbers = 0;
    int r = BA_OK, workers = s->device->ops->workers(s->device->self);
    for (int64_t i = 0; i < s->count; i++)
        numbers += s->e[i].init == DONE ? 0 : ba_type_count(&s->e[i].type);
    if (!numbers)
        return BA_OK;
    bai_pool *pool = workers > 1 && numbers > 4 * CHUNK ? bai_pool_new(workers, NULL, NULL) : NULL; /* without one it takes longer */
    for (int64_t i = 0; !r && i < s->count; i++)
        if (s->e[i].init != DONE)
            r = initialise(s, &s->e[i], pool, e);
    if (pool)
        bai_pool_free(pool);
    return r;
}

static int64_t same_shape(const ba_store *s, int64_t i, int32_t rank, const int64_t *dim, ba_err *e)
{
    const ba_type *t = &s->e[i].type;
    int same = t->rank == rank;
    for (int k = 0; same && k < rank; k++)
        same = t->dim[k] == dim[k];
    if (same)
        return i;
    char have[96], want[96];
    ba_type w = { BA_F32, rank, { 1, 1, 1, 1, 1 } };
    for (int k = 0; k < rank; k++)
        w.dim[k] = dim[k];
    bai_type_text(t, have, sizeof have);
    bai_type_text(&w, want, sizeof want);
    return ba_fail(e, BA_EARG, "%.200s: the store holds %s, the model wants %s", s->e[i].name, have, want);
}

int64_t ba_store_add(ba_store *s, const char *name, int32_t rank, const int64_t *dim, int32_t init, double scale, int32_t flags, ba_err *e)
{
    if (check(s, e))
        return BA_EARG;
    if (!name || !*name || strlen(name) > 512)
        return ba_fail(e, BA_EARG, "store: a name of 1 to 512 bytes expected");
    if (rank < 0 || rank > BA_MAX_RANK || (rank && !dim))
        return ba_fail(e, BA_EARG, "%s: rank %d: 0 to %d expected", name, rank, BA_MAX_RANK);
    if (init < BA_INIT_ZERO || init > BA_INIT_UNIT || !(scale >= 0) || scale > 1e6)
        return ba_fail(e, BA_EARG, "%s: initialiser %d with scale %g", name, init, scale);
    int64_t i = ba_store_find(s, name);
    if (i >= 0)
        return same_shape(s, i, rank, dim, e);
    ba_type t = { BA_F32, rank, { 1, 1, 1, 1, 1 } };
    int64_t bytes = 4;
    for (int k = 0; k < rank; k++) {
        t.dim[k] = dim[k];
        if (dim[k] < 1 || __builtin_mul_overflow(bytes, dim[k], &bytes) || bytes > (INT64_C(1) << 42))
            return ba_fail(e, BA_EARG, "%s: axis %d of %lld elements: at least 1 and less than 4 TiB in all expected", name, k, (long long)dim[k]);
    }
    if (s->count == s->room) {
        int64_t room = s->room ? 2 * s->room : 64;
        entry *more = realloc(s->e, (size_t)room * sizeof *more);
        if (!more)
            return ba_fail(e, BA_EMACHINE, "%s: no memory", name);
        s->e = more;
        s->room = room;
    }
    entry n = { strdup(name), t, flags, init == BA_INIT_ZERO ? DONE : init, scale, bai_device_take(s->device, bytes, e) }; /* that comes zeroed */
    if (!n.name || !n.data) {
        if (!n.name)
            ba_fail(e, BA_EMACHINE, "%s: no memory", name);
        bai_device_give(s->device, n.data, bytes);
        free(n.name);
        return e ? e->code : BA_EMACHINE;
    }
    s->e[s->count] = n;
    s->version++;
    return s->count++;
}

int64_t ba_store_count(const ba_store *s) { return check(s, NULL) ? 0 : s->count; }

int64_t ba_store_find(const ba_store *s, const char *name)
{
    if (check(s, NULL) || !name)
        return -1;
    for (int64_t i = 0; i < s->count; i++)
        if (!strcmp(s->e[i].name, name))
            return i;
    return -1;
}

int64_t bai_store_index(const ba_store *s, const char *name, ba_err *e)
{
    if (check(s, e))
        return BA_EARG;
    int64_t i = ba_store_find(s, name);
    if (i >= 0)
        return i;
    bai_nearest near = bai_nearest_begin(name ? name : "");
    for (int64_t k = 0; k < s->count; k++)
        bai_nearest_try(&near, s->e[k].name);
    const char *best = near.best;
    return ba_fail(e, BA_EARG, "store: no tensor '%.100s'%s%.100s%s", name ? name : "", best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
}

const char *ba_store_name(const ba_store *s, int64_t i) { return check_at(s, i, NULL) ? NULL : s->e[i].name; }
int32_t ba_store_flags(const ba_store *s, int64_t i) { return check_at(s, i, NULL) ? 0 : s->e[i].flags; }
void *bai_store_data(const ba_store *s, int64_t i) { return s->e[i].data; }
int64_t bai_store_version(const ba_store *s) { return s->version; }
void bai_store_touch(ba_store *s) { s->version++; }
ba_device *bai_store_device(const ba_store *s) { return s->device; }

int ba_store_type(const ba_store *s, int64_t i, ba_type *t, ba_err *e)
{
    if (check_at(s, i, e))
        return BA_EARG;
    if (!t)
        return ba_fail(e, BA_EARG, "type: nowhere to put it");
    *t = s->e[i].type;
    return BA_OK;
}

static int check_count(const ba_store *s, int64_t i, const void *p, int64_t count, ba_err *e)
{
    if (check_at(s, i, e))
        return BA_EARG;
    if (!p || count != ba_type_count(&s->e[i].type))
        return ba_fail(e, BA_EARG, "%s: %lld numbers given, it has %lld", s->e[i].name, (long long)count, (long long)ba_type_count(&s->e[i].type));
    return BA_OK;
}

int ba_store_read(const ba_store *s, int64_t i, float *out, int64_t count, ba_err *e)
{
    if (check_count(s, i, out, count, e))
        return BA_EARG;
    int r = s->e[i].init == DONE ? BA_OK : initialise(s, &s->e[i], NULL, e);
    return r ? r : s->device->ops->get(s->device->self, out, s->e[i].data, (size_t)count * 4, e);
}

int ba_store_write(ba_store *s, int64_t i, const float *in, int64_t count, ba_err *e)
{
    if (check_count(s, i, in, count, e))
        return BA_EARG;
    s->version++;
    s->e[i].init = DONE;
    return s->device->ops->put(s->device->self, s->e[i].data, in, (size_t)count * 4, e);
}

int ba_store_copy(ba_store *to, const ba_store *from, ba_err *e)
{
    if (check(to, e) || check(from, e))
        return BA_EARG;
    int status = bai_store_fill(from, e);
    if (status)
        return status;
    for (int64_t i = 0; i < from->count; i++) {
        const entry *f = &from->e[i];
        int64_t k = ba_store_add(to, f->name, f->type.rank, f->type.dim, BA_INIT_ZERO, 0, f->flags, e), n = ba_type_count(&f->type);
        if (k < 0)
            return (int)k;
        float *v = malloc((size_t)n * sizeof *v);
        int r = !v ? ba_fail(e, BA_EMACHINE, "%s: no memory to copy", f->name)
              : ba_store_read(from, i, v, n, e) ? BA_EMACHINE : ba_store_write(to, k, v, n, e);
        free(v);
        if (r)
            return r;
    }
    return BA_OK;
}
