/* direct: kernels called directly, with guard bytes around whatever they may write.
 *
 * Outputs and scratch are filled with NaN before a call, so that what is never written shows. Results of 1, 2 and 3 workers,
 * of each output asked for alone, and in the buffer of an input where the operation allows it, have to be the same bits. */
#include <stdlib.h>
#include <string.h>

#include "../../core/base/pool.h"
#include "../../core/graph/ops.h"
#include "case.h"
#include "selftest.h"

enum { GUARD = 128, MARK = 0xA5, MAX_IN = CASE_IN };

typedef struct guarded { char *block, *data; int64_t bytes; } guarded;

static int guard_new(guarded *g, int64_t bytes, int body)
{
    size_t whole = (size_t)((bytes + 63) / 64 * 64 + 2 * GUARD);
    *g = (guarded){ .block = aligned_alloc(64, whole), .bytes = bytes };
    if (!g->block)
        return -1;
    memset(g->block, MARK, whole);
    g->data = g->block + GUARD;
    memset(g->data, body, (size_t)bytes);
    return 0;
}

static int guard_whole(const guarded *g)
{
    int ok = 1;
    for (int i = 0; g->block && i < GUARD; i++)
        ok &= (unsigned char)g->block[i] == MARK && (unsigned char)g->data[g->bytes + i] == MARK;
    return ok;
}

typedef struct call { guarded in[MAX_IN], out[BA_MAX_OUT], scratch; int into; } call; /* into: input whose buffer output 0 takes, or -1 */

static void call_free(call *b)
{
    for (int i = 0; i < MAX_IN; i++)
        free(b->in[i].block);
    for (int i = 0; i < BA_MAX_OUT; i++)
        free(b->out[i].block);
    free(b->scratch.block);
    *b = (call){ .into = -1 };
}

static int call_new(call *b, const op_case *c, const ba_op *op, unsigned wanted, int workers, int into)
{
    *b = (call){ .into = into };
    int r = 0;
    for (int i = 0; i < c->n_in && !r; i++)
        if (c->in_p[i] && !(r = guard_new(&b->in[i], case_bytes(&c->in[i]), 0)))
            case_store(c->x[i], ba_type_count(&c->in[i]), c->in[i].dtype, b->in[i].data);
    for (int i = 0; i < c->op->n_out && !r; i++)
        if ((wanted >> i & 1) && !(into >= 0 && i == 0))
            r = guard_new(&b->out[i], case_bytes(&c->out[i]), 0xff);
    if (!r && op->scratch)
        r = guard_new(&b->scratch, (int64_t)op->scratch(c->params, c->n_in, c->in_p, c->out, workers), 0xff);
    return r;
}

static void parallel(const ba_kernel *k, int64_t tasks, void (*fn)(void *, int64_t, int), void *ctx) { bai_pool_run(k->pool, tasks, fn, ctx); }

static char *result(const call *b, int i) { return i == 0 && b->into >= 0 ? b->in[b->into].data : b->out[i].data; }

static int run(walk *w, const op_case *c, call *b, const ba_op *op, int workers, ba_err *e)
{
    ba_view in[MAX_IN], out[BA_MAX_OUT];
    for (int i = 0; i < c->n_in; i++)
        in[i] = (ba_view){ c->in[i], b->in[i].data };
    for (int i = 0; i < op->n_out; i++)
        out[i] = (ba_view){ c->out[i], result(b, i) };
    ba_kernel k = { c->params, c->n_in, op->n_out, in, out, b->scratch.data, c->seed, workers, w->pools[workers - 1], parallel };
    return op->cpu(&k, e);
}

/* Guards, and inputs as they were. */
static void intact(walk *w, const op_case *c, const call *b, const char *how)
{
    for (int i = 0; i < c->n_in; i++) {
        if (!c->in_p[i])
            continue;
        walk_check(w, &w->forward, guard_whole(&b->in[i]), "%s: bytes around input %d were written", how, i);
        if ((c->op->inout >> i & 1) || i == b->into)
            continue;
        char *was = malloc((size_t)b->in[i].bytes);
        if (was)
            case_store(c->x[i], ba_type_count(&c->in[i]), c->in[i].dtype, was);
        walk_check(w, &w->forward, was && !memcmp(was, b->in[i].data, (size_t)b->in[i].bytes), "%s: input %d was written", how, i);
        free(was);
    }
    for (int i = 0; i < c->op->n_out; i++)
        walk_check(w, &w->forward, guard_whole(&b->out[i]), "%s: bytes around output %d were written", how, i);
    walk_check(w, &w->forward, guard_whole(&b->scratch), "%s: bytes around the scratch were written", how);
}

static void against_reference(walk *w, const op_case *c, const call *b, const char *how)
{
    for (int i = 0; i < c->op->n_out + c->n_in; i++) {
        int k = i - c->op->n_out;
        if (k >= 0 ? !(c->op->inout >> k & 1) || !c->in_p[k] : c->sample->loose >> i & 1)
            continue;
        const ba_type *t = k >= 0 ? &c->in[k] : &c->out[i];
        double *got = malloc((size_t)ba_type_count(t) * sizeof *got);
        char what[140];
        snprintf(what, sizeof what, "%s: %s %d", how, k >= 0 ? "updated input" : "output", k >= 0 ? k : i);
        if (got)
            case_load(k >= 0 ? b->in[k].data : result(b, i), ba_type_count(t), t->dtype, got);
        if (walk_check(w, &w->forward, got != NULL, "no memory"))
            walk_close(w, &w->forward, what, got, k >= 0 ? c->after[k] : c->y[i], t, case_tolerance(c, w->coarse));
        free(got);
    }
}

static int same_bits(const op_case *c, const call *a, const call *b, unsigned outs)
{
    int same = 1;
    for (int i = 0; i < c->op->n_out; i++)
        if (outs >> i & 1)
            same &= !memcmp(result(a, i), result(b, i), (size_t)case_bytes(&c->out[i]));
    for (int i = 0; i < c->n_in; i++)
        if ((c->op->inout >> i & 1) && a->in[i].data)
            same &= !memcmp(a->in[i].data, b->in[i].data, (size_t)a->in[i].bytes);
    return same;
}

/* One more call, held bit for bit against the first. */
static void repeat(walk *w, walk_tally *t, const op_case *c, const call *first, const ba_op *op, unsigned outs, int workers, int into, const char *how)
{
    call b;
    ba_err e = { 0 };
    if (walk_check(w, t, !call_new(&b, c, op, outs, workers, into), "no memory") &&
        walk_check(w, t, !run(w, c, &b, op, workers, &e), "%s: the kernel fails: %s", how, e.msg)) {
        walk_check(w, t, same_bits(c, first, &b, outs), "%s: other bits than with one worker", how);
        intact(w, c, &b, how);
    }
    call_free(&b);
}

static void on_tier(walk *w, const op_case *c, int tier)
{
    const ba_op *op = bai_op_tier(c->op, tier);
    unsigned all = (1u << c->op->n_out) - 1;
    call first = { .into = -1 };
    char how[80];
    ba_err e = { 0 };
    const char *name = bai_tier_name(tier);
    snprintf(how, sizeof how, "%s", name);
    if (!walk_check(w, &w->forward, !call_new(&first, c, op, all, 1, -1), "no memory") ||
        !walk_check(w, &w->forward, !run(w, c, &first, op, 1, &e), "%s: the kernel fails: %s", how, e.msg)) {
        call_free(&first);
        return;
    }
    intact(w, c, &first, how);
    against_reference(w, c, &first, how);
    for (int workers = 2; workers <= 3; workers++) {
        snprintf(how, sizeof how, "%s, %d workers", name, workers);
        repeat(w, &w->workers, c, &first, op, all, workers, -1, how);
    }
    for (int i = 0; op->n_out > 1 && i < op->n_out; i++) {
        snprintf(how, sizeof how, "%s, output %d alone", name, i);
        repeat(w, &w->alone, c, &first, op, 1u << i, 2, -1, how);
    }
    for (int i = 0; i < c->n_in; i++) {
        if (!(op->reuse >> i & 1) || !c->in_p[i] || case_bytes(&c->in[i]) != case_bytes(&c->out[0]))
            continue;
        snprintf(how, sizeof how, "%s, output 0 in place of input %d", name, i);
        repeat(w, &w->alone, c, &first, op, all, 2, i, how);
    }
    call_free(&first);
}

/* A tier may run the kernel of a lower one. */
static int seen_before(const ba_op *op, int tier)
{
    const ba_op *mine = bai_op_tier(op, tier);
    for (int t = 0; t < tier; t++)
        if (mine == bai_op_tier(op, t))
            return 1;
    return !mine;
}

void walk_direct(walk *w, const op_case *c)
{
    unsigned state = bai_denormals_off();
    for (int tier = 0; tier < BAI_TIERS; tier++)
        if (bai_tier_has(tier) && !seen_before(c->op, tier))
            on_tier(w, c, tier);
    bai_denormals_restore(state);
}
