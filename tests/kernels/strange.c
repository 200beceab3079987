/* strange: one NaN, or one infinite number, among the inputs of an operation; among whole numbers, one that is no index of anything. What the kernel of the CPU makes of it, called
 * directly, every device has to make of it: the same success, or the same refusal. An operation whose outputs are places (topk) refuses; one whose outputs are numbers hands the NaN on. */
#include <math.h>
#include <stdlib.h>

#include "../../core/graph/ops.h"
#include "case.h"
#include "selftest.h"

static void serial(const ba_kernel *k, int64_t tasks, void (*fn)(void *, int64_t, int), void *ctx)
{
    (void)k;
    for (int64_t i = 0; i < tasks; i++)
        fn(ctx, i, 0);
}

static void *room(int64_t bytes) { return aligned_alloc(64, (size_t)(bytes + 64) / 64 * 64); }

/* The code that the kernel returns; *ran: whether there was memory to call it. */
static int called(const walk *w, const op_case *c, int *ran)
{
    ba_view in[CASE_IN] = { 0 }, out[BA_MAX_OUT] = { 0 };
    ba_err e = { 0 };
    int ok = 1, r = 0;
    for (int i = 0; i < c->n_in; i++)
        if (c->in_p[i]) {
            in[i] = (ba_view){ c->in[i], room(case_bytes(&c->in[i])) };
            if (in[i].data)
                case_store(c->x[i], ba_type_count(&c->in[i]), c->in[i].dtype, in[i].data);
            ok &= in[i].data != NULL;
        }
    for (int i = 0; i < c->op->n_out; i++) {
        out[i] = (ba_view){ c->out[i], room(case_bytes(&c->out[i])) };
        ok &= out[i].data != NULL;
    }
    void *scratch = c->op->scratch ? room((int64_t)c->op->scratch(c->params, c->n_in, c->in_p, c->out, 1)) : NULL;
    ba_kernel k = { c->params, c->n_in, c->op->n_out, in, out, scratch, w->seed, 1, NULL, serial };
    if ((*ran = ok && (!c->op->scratch || scratch)))
        r = c->op->cpu(&k, &e);
    for (int i = 0; i < c->n_in; i++)
        free(in[i].data);
    for (int i = 0; i < c->op->n_out; i++)
        free(out[i].data);
    free(scratch);
    return r;
}

void walk_strange(walk *w, op_case *c)
{
    static const double numbers[] = { NAN, INFINITY }, places[] = { -1, 1 << 24 };
    for (int i = 0; i < c->n_in; i++) {
        if (!c->in_p[i] || c->in[i].dtype == BA_U8)
            continue;
        int64_t at = (int64_t)(case_uniform(c->seed, "strange", (uint64_t)i) * (double)ba_type_count(&c->in[i]));
        double was = c->x[i][at];
        for (int k = 0; k < 2; k++) {
            ba_err e = { 0 };
            int ran;
            c->x[i][at] = (c->in[i].dtype == BA_I32 ? places : numbers)[k];
            int want = called(w, c, &ran), got = walk_run(w, c, &e);
            walk_check(w, &w->program, ran && want == got, "element %lld of input %d is %g: the CPU's kernel ends with code %d, the device with %d: %s",
                       (long long)at, i, c->x[i][at], want, got, e.msg);
        }
        c->x[i][at] = was;
    }
}
