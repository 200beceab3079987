/* device_cpu: the built-in device. Memory is the host's; a program is its kernels called one after the other, each
 * spread over the pool by itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bauta/system.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../base/pace.h"
#include "../base/pool.h"
#include "device.h"
#include "ops.h"

enum { PACES = 16 }; /* programs whose number of threads is watched; more take turns */

typedef struct pace { const bai_step *program; bai_pace pace; } pace;
typedef struct cpu { bai_pool *pool; int tier, next; pace paces[PACES]; char text[160]; } cpu;

static int tier_of(const char *name, ba_err *e)
{
    int best = bai_tier_best();
    if (!strcmp(name, "auto"))
        return best;
    for (int t = 0; t <= BAI_TIERS - 1; t++)
        if (!strcmp(name, bai_tier_name(t))) {
            if (bai_tier_has(t))
                return t;
            return ba_fail(e, BA_EMACHINE, "tier '%s': this processor (or build) does not have it; the best here is '%s'", name, bai_tier_name(best));
        }
    return ba_fail(e, BA_EARG, "tier '%.40s': auto, plain, avx2, avx512, avx512bf16, amx or tiles (AMX emulated, for tests) expected", name);
}

static const char *halves(int tier)
{
    switch (tier) {
    case BAI_TIER_AMX: return "fast bf16 (AMX)";
    case BAI_TIER_AVX512BF16: return bai_tier_best() == tier ? "fast bf16 (AVX-512)" : "bf16 by AVX-512 (not the fastest on this processor)"; /* asked for by name */
    case BAI_TIER_TILES: return "bf16 on emulated tiles (for tests, slow)";
    default: return "no fast bf16";
    }
}

static void *cpu_open(int64_t threads, const char *tier, ba_err *e)
{
    cpu *c = calloc(1, sizeof *c);
    if (!c) {
        ba_fail(e, BA_EMACHINE, "no memory for the cpu device");
        return NULL;
    }
    c->tier = tier_of(tier, e);
    if (c->tier >= 0)
        c->pool = bai_pool_new(threads ? (int)threads : ba_processors(), bai_gemm_thread, e);
    if (!c->pool) {
        free(c);
        return NULL;
    }
    snprintf(c->text, sizeof c->text, "cpu: %s kernels, %d thread%s, %s, %s", bai_tier_name(c->tier), bai_pool_workers(c->pool),
             bai_pool_workers(c->pool) == 1 ? "" : "s", bai_gemm_library(c->tier), halves(c->tier));
    return c;
}

static void cpu_close(void *self)
{
    cpu *c = self;
    bai_pool_free(c->pool);
    free(c);
}

static const char *cpu_describe(void *self) { return ((cpu *)self)->text; }

/* "bf16": the tiers with products for it. The others take it too (converted to fp32 block by block), but no faster than fp32. */
static int cpu_has(void *self, const char *what)
{
    return !strcmp(what, "host") || (((cpu *)self)->tier >= BAI_TIER_AVX512BF16 && !strcmp(what, "bf16"));
}

static int cpu_workers(void *self) { return bai_pool_workers(((cpu *)self)->pool); }
bai_pool *bai_device_cpu_pool(void *self) { return ((cpu *)self)->pool; }

static int cpu_supports(void *self, const ba_op *op, ba_err *e)
{
    (void)self;
    return op->cpu || (op->flags & BA_OP_ALIAS) ? BA_OK : ba_fail(e, BA_EBUG, "%s: no CPU kernel", op->name);
}

static void *cpu_alloc(void *self, size_t bytes, ba_err *e)
{
    (void)self;
    void *p = bai_aligned_new(bytes);
    if (!p)
        ba_fail(e, BA_EMACHINE, "no memory: %.1f MiB asked", (double)bytes / 1048576);
    return p;
}

static void cpu_release(void *self, void *p)
{
    (void)self;
    bai_aligned_free(p);
}

static int cpu_move(void *self, void *to, const void *from, size_t bytes, ba_err *e)
{
    (void)self, (void)e;
    memcpy(to, from, bytes);
    return BA_OK;
}

static void parallel(const ba_kernel *k, int64_t tasks, void (*fn)(void *, int64_t, int), void *ctx)
{
    bai_pool_run(k->pool, tasks, fn, ctx);
}

static double now(void) { return bai_now(CLOCK_MONOTONIC); }

static const ba_op *own(const cpu *c, const ba_op *op)
{
    const ba_op *mine = bai_op_tier(op, c->tier);
    return mine ? mine : op;
}

/* Kernels of different tiers need different room. */
static size_t cpu_scratch(void *self, const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    const ba_op *mine = own(self, op);
    return mine->scratch ? mine->scratch(params, n_in, in, out, cpu_workers(self)) : 0;
}

static int run_step(cpu *c, bai_step *s, uint64_t seed, ba_err *e)
{
    ba_kernel k = { .params = s->params, .n_in = s->n_in, .n_out = s->n_out, .in = s->in, .out = s->out, .scratch = s->scratch,
                    .seed = seed, .workers = bai_pool_workers(c->pool), .pool = c->pool, .parallel = parallel };
    ba_err inner = { 0 };
    int r = own(c, s->op)->cpu(&k, &inner);
    return r ? ba_fail(e, r, "%s: %s", s->where, inner.msg) : BA_OK;
}

static bai_pace *pace_of(cpu *c, const bai_step *program)
{
    for (int i = 0; i < PACES; i++)
        if (c->paces[i].program == program)
            return &c->paces[i].pace;
    pace *p = &c->paces[c->next++ % PACES];
    *p = (pace){ .program = program };
    return &p->pace;
}

static void cpu_forget(void *self, const bai_step *steps)
{
    cpu *c = self;
    for (int i = 0; i < PACES; i++)
        if (c->paces[i].program == steps)
            c->paces[i] = (pace){ 0 };
}

static int run_all(cpu *c, bai_step *steps, int64_t n, uint64_t seed, int profile, ba_err *e)
{
    unsigned state = bai_denormals_off();
    bai_gemm_thread();
    int r = BA_OK;
    for (int64_t i = 0; i < n && !r; i++) {
        double t = profile ? now() : 0;
        r = run_step(c, &steps[i], seed, e);
        if (profile)
            steps[i].seconds += now() - t;
    }
    bai_denormals_restore(state);
    return r;
}

static int cpu_run(void *self, bai_step *steps, int64_t n, uint64_t seed, int profile, ba_err *e)
{
    cpu *c = self;
    const int workers = bai_pool_workers(c->pool);
    bai_pace *p = pace_of(c, steps);
    const double start = now();
    bai_pool_limit(c->pool, bai_pace_threads(p, workers));
    const int r = run_all(c, steps, n, seed, profile, e);
    bai_pool_limit(c->pool, workers);
    const double end = now();
    bai_pace_took(p, workers, end - start, end, bai_pool_waited, c->pool);
    return r;
}

const bai_device_ops bai_device_cpu = {
    .magic = BAI_DEVICE_MAGIC, .abi = BAI_DEVICE_ABI, .size = sizeof(bai_device_ops), .name = "cpu",
    .open = cpu_open, .close = cpu_close, .describe = cpu_describe, .has = cpu_has, .workers = cpu_workers,
    .supports = cpu_supports, .alloc = cpu_alloc, .release = cpu_release, .put = cpu_move, .get = cpu_move, .run = cpu_run,
    .scratch = cpu_scratch, .forget = cpu_forget,
};
