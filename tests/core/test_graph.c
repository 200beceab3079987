/* The graph engine: gradients, dead rows, order of updates, fixed nodes, memory reuse, equal bits for every thread count, errors. */
#include "bauta/recompute.h"
#include "../../core/graph/program.h"
#include "../check.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static ba_device *dev;
static ba_err err;

static ba_tensor *op(ba_graph *g, const char *name, int n_attr, const ba_attr *attr, int n, ...)
{
    ba_tensor *in[8];
    va_list ap;
    va_start(ap, n);
    for (int i = 0; i < n; i++)
        in[i] = va_arg(ap, ba_tensor *);
    va_end(ap);
    ba_tensor *t = ba_op_apply(g, name, n, in, n_attr, attr, &err);
    CHECK(t, "%s: %s", name, err.msg);
    return t;
}

static ba_tensor *mean_of(ba_graph *g, ba_tensor *x)
{
    return op(g, "mean", BA_ATTRS(BA_I("axis", -100)), 1, x);
}

/* A block of a transformer by hand: LN, qkv, attention, projection, residual + LN, MLP, residual + LN; class token read. */
static ba_tensor *tiny(ba_graph *g, ba_store *s, ba_tensor *x, int64_t T, int64_t D, int whole)
{
    const struct { const char *name; int rank; int64_t dim[2]; int init; } w[] = {
        { "n1.w", 1, { D }, BA_INIT_ONE }, { "n1.b", 1, { D }, BA_INIT_ZERO }, { "qkv.w", 2, { 3 * D, D }, BA_INIT_NORMAL }, { "qkv.b", 1, { 3 * D }, BA_INIT_NORMAL },
        { "proj.w", 2, { D, D }, BA_INIT_NORMAL }, { "n2.w", 1, { D }, BA_INIT_ONE }, { "n2.b", 1, { D }, BA_INIT_ZERO }, { "fc1.w", 2, { 2 * D, D }, BA_INIT_NORMAL },
        { "fc2.w", 2, { D, 2 * D }, BA_INIT_NORMAL }, { "n3.w", 1, { D }, BA_INIT_ONE }, { "n3.b", 1, { D }, BA_INIT_ZERO } };
    ba_tensor *v[11];
    for (int i = 0; i < 11; i++) {
        CHECK(ba_store_add(s, w[i].name, w[i].rank, w[i].dim, w[i].init, 0.3, 0, &err) >= 0, "%s", err.msg);
        v[i] = ba_variable(g, s, w[i].name, &err);
    }
    ba_tensor *h = op(g, "layernorm", 0, NULL, 3, x, v[0], v[1]);
    ba_tensor *qkv = op(g, "linear", 0, NULL, 3, h, v[2], v[3]);
    ba_tensor *a = op(g, "attention", BA_ATTRS(BA_I("heads", 2)), 1, qkv);
    ba_tensor *p = op(g, "linear", 0, NULL, 2, a, v[4]);
    ba_tensor *r = op(g, "add_layernorm", 0, NULL, 4, x, p, v[5], v[6]);
    ba_tensor *m = op(g, "linear", BA_ATTRS(BA_I("gelu", 1)), 2, ba_output_of(r, 1, &err), v[7]);
    m = op(g, "linear", 0, NULL, 2, m, v[8]);
    ba_tensor *y = ba_output_of(op(g, "add_layernorm", 0, NULL, 4, r, m, v[9], v[10]), 1, &err);
    (void)T;
    ba_fetch(g, "class_attention", ba_output_of(a, 2, &err), &err);
    return whole ? y : op(g, "slice", BA_ATTRS(BA_I("axis", 1), BA_I("from", 0), BA_I("to", 1)), 1, y);
}

typedef struct outcome { float loss, grad[7 * 24 * 8], attention[2 * 2 * 9]; double macs; int64_t arena; } outcome;

/* Runs the block with loss = mean of the class token's cube. whole: computes all tokens, and cuts the class token out of a fetched tensor. */
static void run_tiny(int whole, outcome *o)
{
    enum { B = 2, T = 9, D = 8 };
    int64_t dim[] = { B, T, D };
    float x[B * T * D];
    for (int i = 0; i < B * T * D; i++)
        x[i] = (float)sin(i * 0.7);
    ba_store *s = ba_store_new(dev, 3, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_tensor *in = ba_input(g, "x", BA_F32, 3, dim, &err), *y = tiny(g, s, in, T, D, whole);
    if (whole) {
        ba_fetch(g, "all", y, &err);
        y = op(g, "slice", BA_ATTRS(BA_I("axis", 1), BA_I("from", 0), BA_I("to", 1)), 1, y);
    }
    ba_tensor *cube = op(g, "mul", 0, NULL, 2, y, op(g, "mul", 0, NULL, 2, y, y)); /* the mean and the square of a normalised row say nothing */
    ba_tensor *loss = mean_of(g, cube), *wrt[2] = { ba_variable(g, s, "qkv.w", &err), ba_variable(g, s, "fc1.w", &err) }, *grad[2];
    CHECK(ba_grad(g, loss, 2, wrt, grad, &err) == BA_OK, "%s", err.msg);
    ba_fetch(g, "loss", loss, &err);
    ba_fetch(g, "g0", grad[0], &err);
    ba_fetch(g, "g1", grad[1], &err);
    ba_program *p = ba_compile(g, &err);
    CHECK(p, "%s", err.msg);
    ba_graph_free(g);
    memset(o, 0, sizeof *o);
    if (p) {
        CHECK(ba_program_feed(p, "x", x, sizeof x, &err) == BA_OK && ba_program_run(p, &err) == BA_OK, "%s", err.msg);
        CHECK(ba_program_read(p, "loss", &o->loss, 4, &err) == BA_OK, "%s", err.msg);
        CHECK(ba_program_read(p, "g0", o->grad, 4 * 3 * D * D, &err) == BA_OK, "%s", err.msg);
        CHECK(ba_program_read(p, "g1", o->grad + 3 * D * D, 4 * 2 * D * D, &err) == BA_OK, "%s", err.msg);
        CHECK(ba_program_read(p, "class_attention", o->attention, sizeof o->attention, &err) == BA_OK, "%s", err.msg);
        for (int64_t i = 0; i < ba_plan_rows(p); i++) {
            ba_plan_row row;
            ba_plan_row_get(p, i, &row, &err);
            o->macs += row.macs;
        }
        o->arena = ba_plan_arena(p);
    }
    ba_program_free(p);
    ba_store_free(s);
}

static double furthest(const float *a, const float *b, int n)
{
    double d = 0;
    for (int i = 0; i < n; i++)
        d = fmax(d, fabs((double)a[i] - (double)b[i]));
    return d;
}

static void test_dead_rows(void)
{
    static outcome whole, cut;
    run_tiny(1, &whole);
    run_tiny(0, &cut);
    CHECK(fabs((double)(whole.loss - cut.loss)) < 1e-6, "loss %g, with dead rows cut %g", (double)whole.loss, (double)cut.loss);
    CHECK(furthest(whole.grad, cut.grad, 5 * 64) < 1e-6, "gradients differ by %g", furthest(whole.grad, cut.grad, 5 * 64));
    CHECK(furthest(whole.attention, cut.attention, 36) < 1e-6, "class attention differs by %g", furthest(whole.attention, cut.attention, 36));
    CHECK(cut.macs < 0.5 * whole.macs, "%.0f MACs, with dead rows cut %.0f", whole.macs, cut.macs);
    double norm = 0;
    for (int i = 0; i < 5 * 64; i++)
        norm += fabs((double)cut.grad[i]);
    CHECK(norm > 1e-3, "gradients are all but zero: %g", norm);
    check_group("dead rows: same values and gradients, fewer MACs");
}

/* w is read by the loss and updated by one plain step in the same program: the update comes after every read of the old value. */
static void test_updates(void)
{
    int64_t dim[] = { 4 };
    float w[4] = { 1, 2, 3, 4 }, lr = 0.1f, got[4], loss;
    int32_t step = 1;
    ba_store *s = ba_store_new(dev, 0, &err), *state = ba_store_new(dev, 0, &err);
    CHECK(ba_store_add(s, "w", 1, dim, BA_INIT_ZERO, 0, 0, &err) == 0 && ba_store_write(s, 0, w, 4, &err) == BA_OK, "%s", err.msg);
    ba_store_add(state, "m", 1, dim, BA_INIT_ZERO, 0, 0, &err);
    ba_store_add(state, "v", 1, dim, BA_INIT_ZERO, 0, 0, &err);
    ba_store_add(state, "avg", 1, dim, BA_INIT_ZERO, 0, 0, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_tensor *v = ba_variable(g, s, "w", &err), *l = mean_of(g, op(g, "mul", 0, NULL, 2, v, v)), *d;
    CHECK(ba_grad(g, l, 1, &v, &d, &err) == BA_OK, "%s", err.msg);
    op(g, "adamw", BA_ATTRS(BA_F("eps", 0)), 6, v, d, ba_variable(g, state, "m", &err), ba_variable(g, state, "v", &err), ba_input(g, "lr", BA_F32, 0, NULL, &err),
       ba_input(g, "step", BA_I32, 0, NULL, &err));
    op(g, "ema", BA_ATTRS(BA_F("decay", 0)), 2, ba_variable(g, state, "avg", &err), v);
    ba_fetch(g, "loss", l, &err);
    ba_program *p = ba_compile(g, &err);
    CHECK(p, "%s", err.msg);
    for (int i = 0; i < 2 && p; i++) {
        step = i + 1;
        ba_program_feed(p, "lr", &lr, 4, &err);
        ba_program_feed(p, "step", &step, 4, &err);
        CHECK(ba_program_run(p, &err) == BA_OK, "%s", err.msg);
        ba_program_read(p, "loss", &loss, 4, &err);
        CHECK(fabs((double)loss - (i ? (0.81 + 3.61 + 8.41 + 15.21) / 4 : 7.5)) < 1e-4, "loss %g at step %d", (double)loss, i);
        ba_store_read(state, 2, got, 4, &err);
        CHECK(i || (fabs((double)got[0] - 0.9) < 1e-5 && fabs((double)got[3] - 3.9) < 1e-5), "the average is taken after the update: %g %g", (double)got[0], (double)got[3]);
    }
    ba_program_free(p);
    ba_graph_free(g);
    ba_store_free(s);
    ba_store_free(state);
    check_group("updates come after reads, averages after updates");
}

/* What depends on frozen variables only is computed once, and again after they are written. */
static void test_fixed(void)
{
    int64_t dim[] = { 3 };
    float w[3] = { 1, 2, 3 }, x = 1, got[3];
    ba_store *s = ba_store_new(dev, 0, &err);
    ba_store_add(s, "w", 1, dim, BA_INIT_ZERO, 0, 0, &err);
    ba_store_write(s, 0, w, 3, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_tensor *v = ba_variable(g, s, "w", &err), *twice = op(g, "add", 0, NULL, 2, v, v);
    ba_fetch(g, "y", op(g, "mul", 0, NULL, 2, twice, ba_input(g, "x", BA_F32, 0, NULL, &err)), &err);
    ba_program *p = ba_compile(g, &err);
    CHECK(p && p->n_fixed == 1 && p->n_steps == 1, "%s: %lld fixed, %lld steps", err.msg, p ? (long long)p->n_fixed : -1, p ? (long long)p->n_steps : -1);
    for (int i = 0; i < 3 && p; i++) {
        if (i == 2) {
            w[0] = 10;
            ba_store_write(s, 0, w, 3, &err);
        }
        ba_program_feed(p, "x", &x, 4, &err);
        CHECK(ba_program_run(p, &err) == BA_OK && ba_program_read(p, "y", got, 12, &err) == BA_OK, "%s", err.msg);
        CHECK(got[0] == 2 * w[0] && got[2] == 6, "run %d: %g %g", i, (double)got[0], (double)got[2]);
    }
    ba_program_free(p);
    ba_graph_free(g);
    ba_store_free(s);
    check_group("fixed nodes follow their variables");
}

static void test_threads(void)
{
    static outcome o[3];
    for (int i = 0; i < 3; i++) {
        ba_device_free(dev);
        dev = ba_device_open("cpu", i + 1, "auto", &err);
        CHECK(dev, "%s", err.msg);
        run_tiny(0, &o[i]);
        CHECK(!memcmp(o[i].grad, o[0].grad, sizeof o->grad) && o[i].loss == o[0].loss, "%d threads differ from one", i + 1);
    }
    check_group("the same bits for 1, 2 and 3 threads");
}

static void said(const char *want, int code)
{
    CHECK(code < 0 && strstr(err.msg, want), "said '%s', wanted '%s' (code %d)", err.msg, want, code);
    err = (ba_err){ 0 };
}

static void test_errors(void)
{
    int64_t dim[] = { 2, 3 }, bad[] = { 2, 0 }, huge[] = { INT64_C(1) << 40, INT64_C(1) << 40 };
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_tensor *x = ba_input(g, "x", BA_F32, 2, dim, &err), *in[2] = { x, NULL };
    said("no operation 'lineer'; did you mean 'linear'?", ba_op_apply(g, "lineer", 1, in, 0, NULL, &err) ? 0 : err.code);
    said("add: 1 inputs given, 2 expected", ba_op_apply(g, "add", 1, in, 0, NULL, &err) ? 0 : err.code);
    said("add: input 1 is not a tensor", ba_op_apply(g, "add", 2, in, 0, NULL, &err) ? 0 : err.code);
    said("topk: no such setting 'kep'; did you mean 'keep'?", ba_op_apply(g, "topk", 1, in, BA_ATTRS(BA_I("kep", 1)), &err) ? 0 : err.code);
    said("keep = 4; the model has 3 patches", ba_op_apply(g, "topk", 1, in, BA_ATTRS(BA_I("keep", 4)), &err) ? 0 : err.code);
    said("keep = 0; a whole number from 1", ba_op_apply(g, "topk", 1, in, BA_ATTRS(BA_I("keep", 0)), &err) ? 0 : err.code);
    said("top or bottom expected", ba_op_apply(g, "topk", 1, in, BA_ATTRS(BA_I("keep", 1), BA_S("order", "middle")), &err) ? 0 : err.code);
    said("axis 1 of 0 elements", ba_input(g, "y", BA_F32, 2, bad, &err) ? 0 : err.code);
    said("less than 64 TiB", ba_input(g, "y", BA_F32, 2, huge, &err) ? 0 : err.code);
    said("input 'x' exists already", ba_input(g, "x", BA_F32, 2, dim, &err) ? 0 : err.code);
    said("the loss is f32[2,3]; a scalar", ba_grad(g, x, 0, NULL, NULL, &err));
    said("graph expected, got nothing", ba_fetch(NULL, "x", x, &err));
    said("graph expected, got something else", ba_fetch((ba_graph *)dev, "x", x, &err));
    ba_fetch(g, "x", x, &err);
    said("'x' is fetched already", ba_fetch(g, "x", x, &err));
    ba_program *p = ba_compile(g, &err);
    CHECK(p, "%s", err.msg);
    float data[6] = { 0 };
    said("x: 8 bytes given, f32[2,3] has 24", ba_program_feed(p, "x", data, 8, &err));
    said("no input 'xx'", ba_program_feed(p, "xx", data, 24, &err));
    ba_program_free(p);
    ba_graph_free(g);
    CHECK(ba_device_has(dev, "host") == 1 && !ba_device_has(dev, "hos") && !ba_device_has(dev, NULL) && !ba_device_has(NULL, "host"), "has");
    said("device 'cuba' cannot be had", ba_device_open("cuba", 0, NULL, &err) ? 0 : err.code);
    said("tier 'avx9'", ba_device_open("cpu", 0, "avx9", &err) ? 0 : err.code);
    said("threads = -1", ba_device_open("cpu", -1, NULL, &err) ? 0 : err.code);
    check_group("errors are one sentence");
}

/* Everything that takes a tensor refuses one of another graph; updates want variables; results want a place. */
static void test_strangers(void)
{
    int64_t dim[] = { 3 };
    float z[3] = { 0 };
    int32_t one = 1;
    ba_graph *a = ba_graph_new(dev, 1, &err), *b = ba_graph_new(dev, 1, &err);
    ba_tensor *x = ba_constant(a, BA_F32, 1, dim, z, &err), *l = mean_of(b, ba_constant(b, BA_F32, 1, dim, z, &err)), *g;
    ba_tensor *in[6] = { x, x, x, x, ba_scalar(a, 1, &err), ba_constant(a, BA_I32, 0, NULL, &one, &err) };
    said("neg: input 0 belongs to another graph", ba_op_apply(b, "neg", 1, in, 0, NULL, &err) ? 0 : err.code);
    said("fetch: the tensor belongs to another graph", ba_fetch(b, "x", x, &err));
    said("gradient: the tensor belongs to another graph", ba_grad(b, l, 1, &x, &g, &err));
    said("loss: the tensor belongs to another graph", ba_grad(a, l, 1, &x, &g, &err));
    said("gradient: 1 tensors, but no list", ba_grad(b, l, 1, NULL, &g, &err));
    said("adamw: input 0 is updated in place; a variable expected", ba_op_apply(a, "adamw", 6, in, 0, NULL, &err) ? 0 : err.code);
    said("type: nowhere to put it", ba_tensor_type(x, NULL, &err));
    said("role: a text of at most 50 bytes", ba_graph_role(a, "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr", &err));
    ba_graph_free(a);
    ba_graph_free(b);
    check_group("tensors of another graph are refused");
}

/* An update must wait for whoever reads the old value through a reshape. */
static void test_update_through_alias(void)
{
    int64_t dim[] = { 8 };
    float ones[8], got[8], x[8] = { 0 };
    int32_t step = 1;
    for (int i = 0; i < 8; i++)
        ones[i] = 1;
    ba_store *s = ba_store_new(dev, 0, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    const char *names[] = { "p", "m", "v" };
    ba_tensor *v[3];
    for (int i = 0; i < 3; i++) {
        ba_store_add(s, names[i], 1, dim, i ? BA_INIT_ZERO : BA_INIT_ONE, 0, 0, &err);
        v[i] = ba_variable(g, s, names[i], &err);
    }
    ba_tensor *d = ba_input(g, "g", BA_F32, 1, dim, &err), *late = ba_input(g, "x", BA_F32, 1, dim, &err);
    ba_tensor *seen = op(g, "reshape", BA_ATTRS(BA_S("shape", "2,4")), 1, v[0]);
    for (int i = 0; i < 3; i++)
        late = op(g, "neg", 0, NULL, 1, late);
    ba_fetch(g, "sum", op(g, "add", 0, NULL, 2, seen, op(g, "reshape", BA_ATTRS(BA_S("shape", "2,4")), 1, late)), &err);
    op(g, "adamw", 0, NULL, 6, v[0], d, v[1], v[2], ba_scalar(g, 0.5, &err), ba_constant(g, BA_I32, 0, NULL, &step, &err));
    ba_program *p = ba_compile(g, &err);
    CHECK(p && !ba_program_feed(p, "g", ones, 32, &err) && !ba_program_feed(p, "x", x, 32, &err) && !ba_program_run(p, &err) &&
          !ba_program_read(p, "sum", got, 32, &err), "%s", err.msg);
    CHECK(got[0] == 1 && got[7] == 1, "the old value is 1, read was %g", (double)got[0]);
    ba_program_free(p);
    ba_graph_free(g);
    ba_store_free(s);
    check_group("updates wait for readers through a reshape");
}

/* More inputs than bits in a mask, a role of the longest length with its backward part, and NaN that must not vanish. */
static void test_edges(void)
{
    int64_t dim[] = { 8 }, q[] = { 1, 4, 12 }, z[] = { 1, 3 };
    float x[48], logits[3] = { 1, 2, 3 }, bad[3] = { NAN, NAN, NAN }, out[16], kl;
    ba_store *s = ba_store_new(dev, 0, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    CHECK(ba_graph_role(g, "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr", &err) == BA_OK, "%s", err.msg);
    ba_store_add(s, "w", 1, dim, BA_INIT_ONE, 0, 0, &err);
    ba_tensor *w = ba_variable(g, s, "w", &err), *t = w, *grad, *many[40];
    for (int i = 0; i < 40; i++)
        many[i] = t = op(g, "mul", 0, NULL, 2, t, w);
    CHECK(ba_grad(g, mean_of(g, t), 1, &w, &grad, &err) == BA_OK, "%s", err.msg);
    ba_fetch(g, "norm", ba_op_apply(g, "grad_norm", 40, many, 0, NULL, &err), &err);
    ba_fetch(g, "grad", grad, &err);
    for (int i = 0; i < 48; i++)
        x[i] = i % 12 < 4 ? NAN : (float)sin(i);
    ba_fetch(g, "attention", op(g, "attention", 0, NULL, 1, ba_constant(g, BA_F32, 3, q, x, &err)), &err);
    ba_fetch(g, "kl", op(g, "kl_divergence", 0, NULL, 2, ba_constant(g, BA_F32, 2, z, logits, &err), ba_constant(g, BA_F32, 2, z, bad, &err)), &err);
    ba_program *p = ba_compile(g, &err);
    CHECK(p && ba_program_run(p, &err) == BA_OK, "%s", err.msg);
    CHECK(ba_plan_rows(p) == 2, "%lld roles", (long long)ba_plan_rows(p));
    CHECK(!ba_program_read(p, "grad", out, 32, &err) && fabs((double)out[0] - 41.0 / 8) < 1e-5, "d(w^41)/dw = %g", (double)out[0]);
    CHECK(!ba_program_read(p, "attention", out, 64, &err) && isnan(out[0]), "attention of NaN is %g", (double)out[0]);
    CHECK(!ba_program_read(p, "kl", &kl, 4, &err) && isnan(kl), "KL to a NaN teacher is %g", (double)kl);
    ba_program_free(p);
    ba_graph_free(g);
    ba_graph_free(NULL);
    ba_store_free(s);
    check_group("many inputs, long roles, NaN stays visible");
}

static void test_nan_scores(void)
{
    int64_t dim[] = { 2, 3 };
    float s[6] = { 1, 2, 3, 4, NAN, 6 };
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_graph_role(g, "mask", &err);
    ba_tensor *x = ba_input(g, "s", BA_F32, 2, dim, &err);
    ba_fetch(g, "k", op(g, "topk", BA_ATTRS(BA_I("keep", 2)), 1, x), &err);
    ba_program *p = ba_compile(g, &err);
    ba_program_feed(p, "s", s, sizeof s, &err);
    int r = ba_program_run(p, &err);
    CHECK(r == BA_ENUMERIC, "code %d", r);
    said("mask: topk: score of patch 1 of image 1 is NaN", r);
    ba_program_free(p);
    ba_graph_free(g);
    check_group("NaN is named");
}

/* In a block b = tanh(x * 2w), c = b^2; the loss is the mean of c, and of b^2 made outside of the block where `outside` says so. The gradient of the
 * block reads b twice. Returns how many nodes are computed again, and d(loss)/d(w) in *slope. */
static int64_t repeated(int on, int fetched, int outside, float *slope)
{
    int64_t dim[] = { 64 }, again = -1;
    float x[64];
    for (int i = 0; i < 64; i++)
        x[i] = (float)cos(i);
    ba_store *s = ba_store_new(dev, 7, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    CHECK(ba_store_add(s, "w", 1, dim, BA_INIT_NORMAL, 0.5, 0, &err) == 0 && ba_graph_recompute(g, on, &err) == BA_OK, "%s", err.msg);
    ba_tensor *w = ba_variable(g, s, "w", &err), *in = ba_input(g, "x", BA_F32, 1, dim, &err), *dw;
    CHECK(ba_graph_block(g, BA_BLOCK_NEW, &err) == 0, "%s", err.msg);
    ba_tensor *twice = op(g, "scale", BA_ATTRS(BA_F("by", 2)), 1, w);
    ba_tensor *b = op(g, "tanh", 0, NULL, 1, op(g, "reshape", BA_ATTRS(BA_S("shape", "8,8")), 1, op(g, "mul", 0, NULL, 2, in, twice)));
    ba_tensor *c = op(g, "square", 0, NULL, 1, b);
    CHECK(ba_tensor_block(c) == 1 && ba_tensor_block(in) == 0 && ba_graph_block(g, 0, &err) == 1, "in the first block: %s", err.msg);
    ba_tensor *loss = mean_of(g, c);
    if (outside)
        loss = op(g, "add", 0, NULL, 2, loss, mean_of(g, op(g, "square", 0, NULL, 1, b)));
    CHECK(ba_grad(g, loss, 1, &w, &dw, &err) == BA_OK && ba_tensor_block(dw) == 1, "%s", err.msg);
    ba_fetch(g, "dw", dw, &err);
    if (fetched)
        ba_fetch(g, "b", b, &err);
    ba_program *p = ba_compile(g, &err);
    CHECK(p && ba_program_feed(p, "x", x, sizeof x, &err) == BA_OK && ba_program_run(p, &err) == BA_OK, "%s", err.msg);
    CHECK(ba_program_read(p, "dw", slope, sizeof x, &err) == BA_OK, "%s", err.msg);
    CHECK(ba_plan_kept(p) > 0 && (on || ba_plan_kept(p) == ba_plan_arena(p)), "kept %lld of %lld", (long long)ba_plan_kept(p), (long long)ba_plan_arena(p));
    again = ba_plan_again(p);
    ba_program_free(p);
    ba_graph_free(g);
    ba_store_free(s);
    return again;
}

static void test_recompute(void)
{
    float plain[64], other[64];
    CHECK(repeated(0, 0, 0, plain) == 0, "nothing, unless it is asked for");
    const struct { int fetched, outside; int64_t want; const char *why; } all[] = {
        { 0, 0, 3, "the product, its shape and the tangent; what depends on weights only is there" }, { 1, 0, 0, "what is fetched is there" },
        { 0, 1, 0, "what another gradient reads is there" } };
    for (int i = 0; i < 3; i++) {
        int64_t n = repeated(1, all[i].fetched, all[i].outside, other);
        CHECK(n == all[i].want, "%s: %lld nodes are computed again", all[i].why, (long long)n);
        if (all[i].outside)
            repeated(0, 0, 1, plain);
        CHECK(!memcmp(plain, other, sizeof plain), "%s: other bits", all[i].why);
    }
    ba_graph *g = ba_graph_new(dev, 1, &err);
    said("graph: block 2; -1 (a new one), 0 (none) or one of the 0 that were begun expected", (int)ba_graph_block(g, 2, &err));
    said("graph: recompute 7: 0 (no) or 1 (blocks) expected", ba_graph_recompute(g, 7, &err));
    said("graph expected, got nothing", (int)ba_graph_block(NULL, 0, &err));
    said("graph expected, got nothing", ba_graph_recompute(NULL, 1, &err));
    CHECK(ba_tensor_block(NULL) == 0 && ba_plan_again(NULL) == 0 && ba_plan_kept(NULL) == 0, "nothing of nothing");
    ba_graph_free(g);
    check_group("blocks computed again: no more than is missing, the same bits");
}

/* Compiles g, and says what came of it: nodes that are computed again, the arena, what it would be without that; the gradient. */
typedef struct compiled { int64_t again, arena, kept, nodes; float slope[64]; } compiled;

static compiled compiled_once(ba_graph *g, int on)
{
    const float one = 1;
    compiled c;
    memset(&c, 0, sizeof c);
    CHECK(ba_graph_recompute(g, on, &err) == BA_OK, "%s", err.msg);
    ba_program *p = ba_compile(g, &err);
    CHECK(p && ba_program_feed(p, "x", &one, sizeof one, &err) == BA_OK && ba_program_run(p, &err) == BA_OK, "%s", err.msg);
    CHECK(ba_program_read(p, "dw", c.slope, sizeof c.slope, &err) == BA_OK, "%s", err.msg);
    c.again = ba_plan_again(p);
    c.arena = ba_plan_arena(p);
    c.kept = ba_plan_kept(p);
    c.nodes = ba_plan_nodes(p);
    for (int64_t i = 0; i < ba_plan_rows(p); i++) {
        ba_plan_row row;
        CHECK(ba_plan_row_get(p, i, &row, &err) == BA_OK && !strstr(row.role, "recompute.recompute"), "row %s", row.role);
    }
    ba_program_free(p);
    return c;
}

static int64_t no_room(void *self)
{
    (void)self;
    return 1;
}

/* Compiles g while the device has no memory. */
static void refused(ba_graph *g)
{
    const bai_device_ops *roomy = dev->ops;
    bai_device_ops full = *roomy;
    full.room = no_room;
    dev->ops = &full;
    ba_program *p = ba_compile(g, &err);
    dev->ops = roomy;
    CHECK(!p && strstr(err.msg, "and with recompute = \"blocks\" a step needs"), "%s", p ? "compiled" : err.msg);
}

/* w through eight times tanh(x)^2, in two blocks: "dw" is the gradient of the mean. */
static void chain(ba_graph *g, ba_store *s, const char *role)
{
    int64_t dim[] = { 64 };
    CHECK(ba_store_add(s, "w", 1, dim, BA_INIT_NORMAL, 0.5, 0, &err) == 0 && ba_graph_role(g, role, &err) == BA_OK, "%s", err.msg);
    ba_tensor *w = ba_variable(g, s, "w", &err), *x = op(g, "mul", 0, NULL, 2, w, ba_input(g, "x", BA_F32, 0, NULL, &err)), *dw;
    for (int i = 0; i < 8; i++) {
        if (i % 4 == 0)
            ba_graph_block(g, BA_BLOCK_NEW, &err);
        x = op(g, "square", 0, NULL, 1, op(g, "tanh", 0, NULL, 1, x));
    }
    ba_graph_block(g, 0, &err);
    CHECK(ba_grad(g, mean_of(g, x), 1, &w, &dw, &err) == BA_OK && ba_fetch(g, "dw", dw, &err) == BA_OK, "%s", err.msg);
}

/* What is computed again belongs to the program: however a graph was compiled before, its next program is what it would have been at first. */
static void test_compiled_again(void)
{
    ba_store *s = ba_store_new(dev, 7, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    chain(g, s, "student");
    refused(g);
    const compiled kept = compiled_once(g, 0);
    CHECK(kept.again == 0 && kept.kept == kept.arena, "computed again behind the caller's back: %lld nodes", (long long)kept.again);
    const compiled first = compiled_once(g, 1), second = compiled_once(g, 1), without = compiled_once(g, 0);
    CHECK(first.again > 0 && first.arena < kept.arena && first.kept == kept.arena, "%lld nodes, %lld of %lld bytes", (long long)first.again, (long long)first.arena, (long long)first.kept);
    CHECK(!memcmp(&first, &second, sizeof first), "the second program: %lld nodes of %lld again, %lld of %lld bytes; the first: %lld of %lld, %lld of %lld", (long long)second.again,
          (long long)second.nodes, (long long)second.arena, (long long)second.kept, (long long)first.again, (long long)first.nodes, (long long)first.arena, (long long)first.kept);
    CHECK(!memcmp(&kept, &without, sizeof kept), "told not to: %lld nodes are computed again, %lld of %lld bytes", (long long)without.again, (long long)without.arena, (long long)without.kept);
    CHECK(!memcmp(kept.slope, first.slope, sizeof kept.slope), "other bits");
    ba_store *s2 = ba_store_new(dev, 7, &err);
    ba_graph *g2 = ba_graph_new(dev, 1, &err);
    chain(g2, s2, "x.backward"); /* a script may call it so */
    const compiled named = compiled_once(g2, 1);
    CHECK(!memcmp(&first, &named, sizeof first), "under the role x.backward %lld nodes are computed again, %lld under another", (long long)named.again, (long long)first.again);
    ba_graph_free(g2);
    ba_store_free(s2);
    ba_graph_free(g);
    ba_store_free(s);
    check_group("a graph is compiled twice, with and without blocks computed again, and after a refusal");
}

/* Blocks that begin with the mean of many numbers: what they compute is little, what enters them much. The sum of their squares' gradient for w. */
static void test_no_gain(void)
{
    int64_t dim[] = { 64, 256 };
    ba_store *s = ba_store_new(dev, 7, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    CHECK(ba_store_add(s, "w", 2, dim, BA_INIT_NORMAL, 0.5, 0, &err) == 0, "%s", err.msg);
    ba_tensor *w = ba_variable(g, s, "w", &err), *x = ba_input(g, "x", BA_F32, 0, NULL, &err), *sum = NULL, *dw;
    for (int i = 0; i < 4; i++) {
        ba_tensor *many = op(g, "mul", 0, NULL, 2, w, op(g, "scale", BA_ATTRS(BA_F("by", i + 1)), 1, x));
        ba_graph_block(g, BA_BLOCK_NEW, &err);
        ba_tensor *few = op(g, "square", 0, NULL, 1, op(g, "tanh", 0, NULL, 1, op(g, "mean", BA_ATTRS(BA_I("axis", 1)), 1, many)));
        ba_graph_block(g, 0, &err);
        sum = sum ? op(g, "add", 0, NULL, 2, sum, few) : few;
    }
    CHECK(ba_grad(g, mean_of(g, sum), 1, &w, &dw, &err) == BA_OK, "%s", err.msg);
    ba_fetch(g, "dw", op(g, "mean", BA_ATTRS(BA_I("axis", 1)), 1, dw), &err);
    const compiled kept = compiled_once(g, 0), asked = compiled_once(g, 1);
    CHECK(!memcmp(&kept, &asked, sizeof kept), "%lld nodes are computed again for %lld bytes instead of %lld", (long long)asked.again, (long long)asked.arena, (long long)kept.arena);
    ba_graph_free(g);
    ba_store_free(s);
    check_group("nothing is computed again where that takes more memory");
}

int main(void)
{
    dev = ba_device_open("cpu", 2, "auto", &err);
    CHECK(dev, "%s", err.msg);
    if (!dev)
        return check_done();
    printf("%s\n", ba_device_describe(dev));
    test_dead_rows();
    test_updates();
    test_fixed();
    test_errors();
    test_strangers();
    test_update_through_alias();
    test_edges();
    test_nan_scores();
    test_threads();
    test_recompute();
    test_compiled_again();
    test_no_gain();
    ba_device_free(dev);
    return check_done();
}
