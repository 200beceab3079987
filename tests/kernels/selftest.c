/* selftest: the walk over the operation table. */
#include "selftest.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "../../core/base/pool.h"
#include "../../core/graph/device.h"
#include "../../core/graph/ops.h"
#include "case.h"

enum { SHOWN = 40 }; /* failures printed in full */

int walk_check(walk *w, walk_tally *t, int ok, const char *fmt, ...)
{
    t->done++;
    if (ok)
        return 1;
    long failed = w->forward.failed + w->workers.failed + w->alone.failed + w->program.failed + w->gradient.failed;
    t->failed++;
    if (failed < SHOWN) {
        va_list ap;
        va_start(ap, fmt);
        fprintf(w->out, "  %s, sample %d: ", w->op, w->sample);
        vfprintf(w->out, fmt, ap);
        fprintf(w->out, "\n");
        va_end(ap);
    }
    return 0;
}

int walk_close(walk *w, walk_tally *t, const char *what, const double *got, const double *want, const ba_type *type, double tolerance)
{
    int64_t n = ba_type_count(type), worst = 0, bad = 0;
    double most = -1;
    if (type->dtype == BA_I32 || type->dtype == BA_U8)
        tolerance = 0;
    for (int64_t i = 0; i < n; i++) {
        double off = got[i] == want[i] ? 0 : fabs(got[i] - want[i]) / (1 + fabs(want[i]));
        if (off <= tolerance)
            continue;
        bad++;
        if (off > most || off != off) {
            most = off;
            worst = i;
        }
    }
    return walk_check(w, t, !bad, "%s: %lld of %lld values off, element %lld: %.9g, reference %.9g, difference %.3g, allowed %.3g", what, (long long)bad,
                      (long long)n, (long long)worst, got[worst], want[worst], most, tolerance);
}

static void one_sample(walk *w, const ba_op *op, const ba_op_sample *s, int cpu)
{
    op_case c;
    ba_err e = { 0 };
    if (walk_check(w, &w->forward, !case_new(&c, op, s, w->seed + 1000003u * (uint64_t)w->sample, &e), "%s", e.msg)) {
        if (cpu && op->cpu)
            walk_direct(w, &c);
        walk_program(w, &c);
        if (op->cpu)
            walk_strange(w, &c);
        if (op->grad)
            walk_gradient(w, &c);
    }
    case_free(&c);
}

static void one_op(walk *w, const ba_op *op, int cpu)
{
    ba_err e = { 0 };
    walk before = *w;
    w->op = op->name;
    w->sample = 0;
    int can = walk_check(w, &w->forward, op->samples && op->samples->attrs && op->reference && (op->cpu || (op->flags & BA_OP_ALIAS)),
                         "an operation needs samples, a reference and a kernel");
    if (can && w->device->ops->supports(w->device->self, op, &e)) {
        fprintf(w->out, "skip - %s: %s\n", op->name, e.msg);
        w->skipped++;
        return;
    }
    for (const ba_op_sample *s = op->samples; can && s->attrs; s++, w->sample++)
        one_sample(w, op, s, cpu);
    w->no_gradient += !op->grad;
    if (can && op->grad)
        walk_check(w, &w->gradient, w->gradient.done > before.gradient.done, "it has a gradient and no sample that checks it");
    long failed = w->forward.failed + w->workers.failed + w->alone.failed + w->program.failed + w->gradient.failed;
    failed -= before.forward.failed + before.workers.failed + before.alone.failed + before.program.failed + before.gradient.failed;
    fprintf(w->out, "%s - %s: %d samples, forward %ld, workers %ld, alone %ld, program %ld, %s", failed ? "not ok" : "ok", op->name, w->sample,
            w->forward.done - before.forward.done, w->workers.done - before.workers.done, w->alone.done - before.alone.done,
            w->program.done - before.program.done, op->grad ? "" : "no gradient\n");
    if (op->grad)
        fprintf(w->out, "gradient %ld\n", w->gradient.done - before.gradient.done);
    fflush(w->out);
}

static void total(const walk *w, const char *what, const walk_tally *t)
{
    fprintf(w->out, "%s: %ld checks, %ld failed\n", what, t->done, t->failed);
}

int bai_selftest(ba_device *d, int coarse, uint64_t seed, FILE *out, bai_selftest_count *sum)
{
    ba_err e = { 0 };
    walk w = { .out = out, .device = d, .coarse = coarse, .seed = seed, .op = "table" };
    if (bai_device_check(d, &e)) {
        fprintf(out, "not ok - %s\n", e.msg);
        sum->failed++;
        return 1;
    }
    int cpu = !strcmp(d->ops->name, "cpu"), ready = 1;
    for (int i = 0; cpu && i < 3; i++)
        ready &= (w.pools[i] = bai_pool_new(i + 1, bai_gemm_thread, &e)) != NULL;
    fprintf(out, "%s; seed %llu (BAUTA_SEED repeats it)\n", ba_device_describe(d), (unsigned long long)seed);
    if (walk_check(&w, &w.forward, ready && bai_op_count() > 0, "%s", ready ? "no operations" : e.msg))
        for (int i = 0; i < bai_op_count(); i++)
            one_op(&w, bai_op_at(i), cpu);
    for (int i = 0; i < 3; i++)
        bai_pool_free(w.pools[i]);
    total(&w, "forward", &w.forward);
    total(&w, "workers", &w.workers);
    total(&w, "alone and in place", &w.alone);
    total(&w, "program", &w.program);
    total(&w, "gradient", &w.gradient);
    fprintf(out, "no gradient: %ld operations\n", w.no_gradient);
    long failed = w.forward.failed + w.workers.failed + w.alone.failed + w.program.failed + w.gradient.failed;
    sum->passed += w.forward.done + w.workers.done + w.alone.done + w.program.done + w.gradient.done - failed;
    sum->failed += failed;
    sum->skipped += w.skipped;
    return (int)failed;
}
