/* mirror: a device for tests, opened like any other from bauta_mirror.so. It runs the plain kernels, one after the other on one
 * thread, but its memory cannot be touched from outside: a pointer it hands out has its high bits changed, so that whoever
 * reads device memory without asking the device stops at once. What passes here is ready for a device with memory of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/graph/device.h"

enum { MOST = 64 };

typedef struct mirror { int64_t blocks; } mirror;

static void *turn(const void *p) /* both ways */
{
    return p ? (void *)((uintptr_t)p ^ (uintptr_t)0x5500000000000000) : NULL;
}

static void *open_(int64_t threads, const char *tier, ba_err *e)
{
    (void)threads, (void)tier;
    mirror *m = calloc(1, sizeof *m);
    if (!m)
        ba_fail(e, BA_EMACHINE, "no memory for the mirror");
    return m;
}

static void close_(void *self)
{
    mirror *m = self;
    if (m->blocks)
        fprintf(stderr, "mirror: %lld blocks were never released\n", (long long)m->blocks);
    free(m);
}

static const char *describe(void *self)
{
    (void)self;
    return "mirror: plain kernels behind memory of their own";
}

static int has(void *self, const char *what)
{
    (void)self, (void)what;
    return 0;
}

static int workers(void *self)
{
    (void)self;
    return 1;
}

static int supports(void *self, const ba_op *op, ba_err *e)
{
    (void)self;
    return op->cpu || (op->flags & BA_OP_ALIAS) ? BA_OK : ba_fail(e, BA_EBUG, "%s: no kernel", op->name);
}

static void *alloc(void *self, size_t bytes, ba_err *e)
{
    mirror *m = self;
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) {
        ba_fail(e, BA_EMACHINE, "no memory: %zu bytes asked", bytes);
        return NULL;
    }
    memset(p, 0, bytes);
    m->blocks++;
    return turn(p);
}

static void release(void *self, void *p)
{
    if (p)
        ((mirror *)self)->blocks--;
    free(turn(p));
}

static int put(void *self, void *to, const void *from, size_t bytes, ba_err *e)
{
    (void)self, (void)e;
    memcpy(turn(to), from, bytes);
    return BA_OK;
}

static int get(void *self, void *to, const void *from, size_t bytes, ba_err *e)
{
    (void)self, (void)e;
    memcpy(to, turn(from), bytes);
    return BA_OK;
}

static void one_by_one(const ba_kernel *k, int64_t tasks, void (*fn)(void *, int64_t, int), void *ctx)
{
    (void)k;
    for (int64_t t = tasks - 1; t >= 0; t--) /* in another order than elsewhere: it must not matter */
        fn(ctx, t, 0);
}

static int step(const bai_step *s, uint64_t seed, ba_err *e)
{
    ba_view in[MOST], out[BA_MAX_OUT];
    ba_err inner = { 0 };
    if (s->n_in > MOST)
        return ba_fail(e, BA_EMACHINE, "%s: %d inputs, the mirror takes %d", s->where, s->n_in, MOST);
    for (int i = 0; i < s->n_in; i++)
        in[i] = (ba_view){ s->in[i].type, turn(s->in[i].data) };
    for (int i = 0; i < s->n_out; i++)
        out[i] = (ba_view){ s->out[i].type, turn(s->out[i].data) };
    ba_kernel k = { s->params, s->n_in, s->n_out, in, out, turn(s->scratch), seed, 1, NULL, one_by_one };
    int r = s->op->cpu(&k, &inner);
    return r ? ba_fail(e, r, "%s: %s", s->where, inner.msg) : BA_OK;
}

static int run(void *self, bai_step *steps, int64_t n, uint64_t seed, int profile, ba_err *e)
{
    (void)self, (void)profile;
    for (int64_t i = 0; i < n; i++) {
        int r = step(&steps[i], seed, e);
        if (r)
            return r;
    }
    return BA_OK;
}

BA_API extern const bai_device_ops bauta_device;
const bai_device_ops bauta_device = {
    .magic = BAI_DEVICE_MAGIC, .abi = BAI_DEVICE_ABI, .size = sizeof(bai_device_ops), .name = "mirror",
    .open = open_, .close = close_, .describe = describe, .has = has, .workers = workers,
    .supports = supports, .alloc = alloc, .release = release, .put = put, .get = get, .run = run,
};
