/* through: operations through graphs and compiled programs: forward on the device, gradients against finite differences
 * of the float64 reference. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "selftest.h"

typedef struct setup { ba_graph *g; ba_store *s; ba_tensor *in[CASE_IN], *var[CASE_IN], *out[BA_MAX_OUT]; unsigned variables; } setup;

static int is_real(const ba_type *t) { return t->dtype == BA_F32 || t->dtype == BA_BF16; }

static void setup_free(setup *u)
{
    ba_graph_free(u->g);
    ba_store_free(u->s);
    *u = (setup){ 0 };
}

/* Input i as a variable (rounded to bf16 where the operation takes that) or as something fed. */
static ba_tensor *make_input(setup *u, const op_case *c, int i, ba_err *e)
{
    const ba_type *t = &c->in[i];
    char name[16];
    snprintf(name, sizeof name, "x%d", i);
    if (!(u->variables >> i & 1))
        return ba_input(u->g, name, t->dtype, t->rank, t->dim, e);
    int64_t n = ba_type_count(t), v = ba_store_add(u->s, name, t->rank, t->dim, BA_INIT_ZERO, 0, 0, e);
    float *x = malloc((size_t)n * 4);
    if (x)
        case_store(c->x[i], n, BA_F32, x);
    int bad = v < 0 || !x || ba_store_write(u->s, v, x, n, e);
    free(x);
    u->var[i] = bad ? NULL : ba_variable(u->g, u->s, name, e);
    return !u->var[i] || t->dtype == BA_F32 ? u->var[i] : ba_op_apply(u->g, "cast", 1, &u->var[i], BA_ATTRS(BA_S("dtype", "bf16")), e);
}

static int build(setup *u, const walk *w, const op_case *c, unsigned variables, ba_err *e)
{
    ba_attr attr[32];
    *u = (setup){ .variables = variables };
    u->g = ba_graph_new(w->device, c->seed, e);
    u->s = u->g ? ba_store_new(w->device, 0, e) : NULL;
    if (!u->s)
        return -1;
    for (int i = 0; i < c->n_in; i++)
        if (c->in_p[i] && !(u->in[i] = make_input(u, c, i, e)))
            return -1;
    int n = case_attrs(c, attr, 32);
    ba_tensor *y = ba_op_apply(u->g, c->op->name, c->n_in, u->in, n, attr, e);
    for (int i = 0; y && i < c->op->n_out; i++)
        u->out[i] = ba_output_of(y, i, e);
    return y ? 0 : -1;
}

static int feed(const setup *u, const op_case *c, ba_program *p, ba_err *e)
{
    int r = 0;
    for (int i = 0; i < c->n_in && !r; i++) {
        if (!c->in_p[i] || (u->variables >> i & 1))
            continue;
        void *raw = malloc((size_t)case_bytes(&c->in[i]));
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        if (raw)
            case_store(c->x[i], ba_type_count(&c->in[i]), c->in[i].dtype, raw);
        r = raw ? ba_program_feed(p, name, raw, case_bytes(&c->in[i]), e) : -1;
        free(raw);
    }
    return r;
}

static double *read_fetched(ba_program *p, const char *name, ba_type *t, ba_err *e)
{
    if (ba_program_type(p, name, t, e))
        return NULL;
    int64_t n = ba_type_count(t);
    void *raw = malloc((size_t)n * 4);
    double *v = malloc((size_t)n * sizeof *v);
    int bad = !raw || !v || ba_program_read(p, name, raw, case_bytes(t), e);
    if (!bad)
        case_load(raw, n, t->dtype, v);
    free(raw);
    if (bad) {
        free(v);
        return NULL;
    }
    return v;
}

static void check_program(walk *w, const op_case *c, setup *u, ba_program *p)
{
    ba_err e = { 0 };
    if (!walk_check(w, &w->program, !feed(u, c, p, &e) && !ba_program_run(p, &e), "program: %s", e.msg))
        return;
    for (int i = 0; i < c->op->n_out; i++) {
        char name[16], what[32];
        ba_type t;
        if (c->sample->loose >> i & 1)
            continue;
        snprintf(name, sizeof name, "y%d", i);
        snprintf(what, sizeof what, "program: output %d", i);
        double *got = read_fetched(p, name, &t, &e);
        if (walk_check(w, &w->program, got != NULL, "program: %s", e.msg))
            walk_close(w, &w->program, what, got, c->y[i], &c->out[i], case_tolerance(c, w->coarse));
        free(got);
    }
    for (int i = 0; i < c->n_in; i++) {
        int64_t n = ba_type_count(&c->in[i]), v;
        char name[16], what[40];
        if (!(c->op->inout >> i & 1) || !c->in_p[i])
            continue;
        snprintf(name, sizeof name, "x%d", i);
        snprintf(what, sizeof what, "program: updated input %d", i);
        float *raw = malloc((size_t)n * 4);
        double *got = malloc((size_t)n * sizeof *got);
        int ok = raw && got && (v = ba_store_find(u->s, name)) >= 0 && !ba_store_read(u->s, v, raw, n, &e);
        if (walk_check(w, &w->program, ok, "program: %s", e.msg)) {
            case_load(raw, n, BA_F32, got);
            walk_close(w, &w->program, what, got, c->after[i], &c->in[i], case_tolerance(c, w->coarse));
        }
        free(raw);
        free(got);
    }
}

/* The same program again, fed the same: a device may launch at first, then record, then replay. All outputs have the first run's bits. */
static void check_again(walk *w, const op_case *c, setup *u, ba_program *p)
{
    ba_err e = { 0 };
    double *first[BA_MAX_OUT] = { 0 };
    for (int run = 0; run < 3; run++) {
        int r = run ? feed(u, c, p, &e) || ba_program_run(p, &e) : 0;
        if (!walk_check(w, &w->program, !r, "program, run %d: %s", run + 1, e.msg))
            break;
        for (int i = 0; i < c->op->n_out; i++) {
            char name[16];
            ba_type t;
            snprintf(name, sizeof name, "y%d", i);
            double *got = read_fetched(p, name, &t, &e);
            if (walk_check(w, &w->program, got != NULL, "program, run %d: %s", run + 1, e.msg) && first[i])
                walk_check(w, &w->program, !memcmp(got, first[i], (size_t)ba_type_count(&t) * sizeof *got), "program: output %d of run %d is another", i, run + 1);
            if (run)
                free(got);
            else
                first[i] = got;
        }
    }
    for (int i = 0; i < c->op->n_out; i++)
        free(first[i]);
}

void walk_program(walk *w, const op_case *c)
{
    setup u;
    ba_err e = { 0 };
    int r = build(&u, w, c, c->op->inout, &e);
    for (int i = 0; !r && i < c->op->n_out; i++) {
        char name[16];
        snprintf(name, sizeof name, "y%d", i);
        r = ba_fetch(u.g, name, u.out[i], &e);
    }
    if (walk_check(w, &w->program, !r, "program: %s", e.msg)) {
        ba_program *p = ba_compile(u.g, &e);
        if (walk_check(w, &w->program, p != NULL, "program: %s", e.msg)) {
            check_program(w, c, &u, p);
            if (!c->op->inout)
                check_again(w, c, &u, p);
        }
        ba_program_free(p);
    }
    setup_free(&u);
}

int walk_run(walk *w, const op_case *c, ba_err *e)
{
    setup u;
    ba_program *p = NULL;
    int r = build(&u, w, c, c->op->inout, e);
    for (int i = 0; !r && i < c->op->n_out; i++) {
        char name[16];
        snprintf(name, sizeof name, "y%d", i);
        r = ba_fetch(u.g, name, u.out[i], e);
    }
    if (!r)
        r = !(p = ba_compile(u.g, e)) || feed(&u, c, p, e) || ba_program_run(p, e);
    for (int i = 0; !r && i < c->op->n_out; i++) { /* a device that works on by itself says what was wrong when its results are asked for */
        char name[16];
        ba_type t;
        snprintf(name, sizeof name, "y%d", i);
        double *y = read_fetched(p, name, &t, e);
        r = !y;
        free(y);
    }
    ba_program_free(p);
    setup_free(&u);
    return r ? e->code : 0;
}

/* ---- gradients ---- */

static void factors(const op_case *c, int out, float *f) /* the random constants that an output's elements are multiplied with */
{
    char stream[24];
    snprintf(stream, sizeof stream, "factor %d", out);
    for (int64_t i = 0; i < ba_type_count(&c->out[out]); i++)
        f[i] = (float)(2 * case_uniform(c->seed, stream, (uint64_t)i) - 1);
}

static ba_tensor *one_loss(setup *u, const op_case *c, int out, ba_err *e)
{
    const ba_type *t = &c->out[out];
    int64_t n = ba_type_count(t);
    float *f = malloc((size_t)n * 4);
    if (f)
        factors(c, out, f);
    ba_tensor *k = f ? ba_constant(u->g, BA_F32, t->rank, t->dim, f, e) : NULL;
    free(f);
    ba_tensor *y = k ? ba_op_apply(u->g, "mul", 2, (ba_tensor *[]){ u->out[out], k }, 0, NULL, e) : NULL;
    return y ? ba_op_apply(u->g, "sum", 1, &y, 0, NULL, e) : NULL;
}

static ba_tensor *loss_of(setup *u, const op_case *c, unsigned outs, ba_err *e)
{
    ba_tensor *loss = NULL;
    for (int i = 0; i < c->op->n_out; i++) {
        if (!(outs >> i & 1))
            continue;
        ba_tensor *one = one_loss(u, c, i, e);
        loss = one && loss ? ba_op_apply(u->g, "add", 2, (ba_tensor *[]){ loss, one }, 0, NULL, e) : one;
        if (!loss)
            return NULL;
    }
    return loss;
}

/* Builds the gradient of the loss over outs for the inputs in `variables`. */
static int differentiate(setup *u, const walk *w, const op_case *c, unsigned outs, unsigned variables, ba_tensor **grad, ba_err *e)
{
    ba_tensor *wrt[CASE_IN], *got[CASE_IN] = { 0 }, *loss;
    int n = 0;
    if (build(u, w, c, variables, e) || !(loss = loss_of(u, c, outs, e)))
        return -1;
    for (int i = 0; i < c->n_in; i++)
        if (variables >> i & 1)
            wrt[n++] = u->var[i];
    int r = ba_grad(u->g, loss, n, wrt, got, e);
    n = 0;
    for (int i = 0; i < c->n_in; i++)
        grad[i] = variables >> i & 1 ? got[n++] : NULL;
    return r;
}

/* The real outputs through which the gradient rule passes anything. */
static unsigned passing(walk *w, const op_case *c, unsigned variables)
{
    unsigned outs = 0;
    for (int i = 0; i < c->op->n_out; i++) {
        setup u;
        ba_err e = { 0 };
        ba_tensor *grad[CASE_IN] = { 0 };
        if (!is_real(&c->out[i]) || (c->sample->loose >> i & 1))
            continue;
        int r = differentiate(&u, w, c, 1u << i, variables, grad, &e);
        walk_check(w, &w->gradient, !r, "gradient through output %d: %s", i, e.msg);
        for (int k = 0; k < c->n_in; k++)
            outs |= (unsigned)(!r && grad[k]) << i;
        setup_free(&u);
    }
    return outs;
}

typedef struct lens { double *y[BA_MAX_OUT]; float *f[BA_MAX_OUT]; } lens; /* room for outputs; factors, NULL where not in the loss */

static double loss_value(const op_case *c, double *const *x, const lens *l)
{
    double s = 0;
    if (case_reference(c, x, l->y, NULL))
        return NAN;
    for (int k = 0; k < c->op->n_out; k++)
        for (int64_t i = 0; l->f[k] && i < ba_type_count(&c->out[k]); i++)
            s += l->f[k][i] * l->y[k][i];
    return s;
}

static int lens_new(lens *l, const op_case *c, unsigned outs)
{
    *l = (lens){ { 0 } };
    for (int k = 0; k < c->op->n_out; k++) {
        size_t n = (size_t)ba_type_count(&c->out[k]);
        if (!(l->y[k] = malloc(n * sizeof(double))) || ((outs >> k & 1) && !(l->f[k] = malloc(n * sizeof(float)))))
            return -1;
        if (l->f[k])
            factors(c, k, l->f[k]);
    }
    return 0;
}

static void lens_free(lens *l)
{
    for (int k = 0; k < BA_MAX_OUT; k++) {
        free(l->y[k]);
        free(l->f[k]);
    }
}

static double slope(const op_case *c, const lens *l, int in, int64_t i, double h)
{
    double *x[CASE_IN];
    memcpy(x, c->x, sizeof x);
    double was = x[in][i], up, down;
    h *= 1 + fabs(was);
    x[in][i] = was + h;
    up = loss_value(c, x, l);
    x[in][i] = was - h;
    down = loss_value(c, x, l);
    x[in][i] = was;
    return (up - down) / (2 * h);
}

enum { SOME = 64 };

/* got: the gradient for input `in`, NULL for zero. A kink closer than h is told apart by smaller ones. */
static void check_slopes(walk *w, const op_case *c, const lens *l, int in, const double *got)
{
    int64_t n = ba_type_count(&c->in[in]), m = n < SOME ? n : SOME, at[SOME];
    double want[SOME], top = 1e-3, terms = 0, bound = case_is_narrow(c) ? 3e-2 : 2e-5 + 30 * c->op->tolerance;
    for (int k = 0; k < c->op->n_out; k++)
        terms += l->f[k] ? (double)ba_type_count(&c->out[k]) : 0;
    for (int64_t k = 0; k < m; k++) {
        at[k] = n == m ? k : (int64_t)(case_uniform(c->seed, "elements", (uint64_t)k) * (double)n);
        want[k] = slope(c, l, in, at[k], 1e-5);
        top = fmax(top, fabs(want[k]));
    }
    for (int64_t k = 0; k < m; k++) {
        double g = got ? got[at[k]] : 0;
        double allowed = bound * top + 2e-7 * sqrt(terms); /* fp32 sums of terms that cancel */
        int ok = fabs(g - want[k]) <= allowed;
        for (int i = 0; i < 2 && !ok; i++) /* the smaller h, the more rounding */
            ok = fabs(g - slope(c, l, in, at[k], i ? 1e-9 : 1e-7)) <= allowed + (i ? 3e-4 : 1e-5) * top;
        walk_check(w, &w->gradient, ok, "gradient of input %d, element %lld: %.9g, finite difference %.9g (largest %.3g)", in, (long long)at[k], g, want[k], top);
    }
}

static void check_gradient(walk *w, const op_case *c, unsigned outs, unsigned variables)
{
    setup u;
    ba_err e = { 0 };
    ba_tensor *grad[CASE_IN] = { 0 };
    lens l;
    ba_program *p = NULL;
    int r = differentiate(&u, w, c, outs, variables, grad, &e);
    for (int i = 0; !r && i < c->n_in; i++) {
        char name[16];
        snprintf(name, sizeof name, "g%d", i);
        if (grad[i])
            r = ba_fetch(u.g, name, grad[i], &e);
    }
    if (lens_new(&l, c, outs))
        r = ba_fail(&e, BA_EMACHINE, "no memory");
    if (!r)
        r = !(p = ba_compile(u.g, &e)) || feed(&u, c, p, &e) || ba_program_run(p, &e);
    walk_check(w, &w->gradient, !r, "gradient: %s", e.msg);
    for (int i = 0; !r && i < c->n_in; i++) {
        char name[16];
        ba_type t = c->in[i];
        snprintf(name, sizeof name, "g%d", i);
        double *got = grad[i] ? read_fetched(p, name, &t, &e) : NULL;
        if ((variables >> i & 1) &&
            walk_check(w, &w->gradient, (got || !grad[i]) && ba_type_count(&t) == ba_type_count(&c->in[i]), "gradient of input %d: %s", i, e.msg))
            check_slopes(w, c, &l, i, got);
        free(got);
    }
    lens_free(&l);
    ba_program_free(p);
    setup_free(&u);
}

void walk_gradient(walk *w, const op_case *c)
{
    unsigned variables = 0;
    for (int i = 0; i < c->n_in; i++)
        if (c->in_p[i] && is_real(&c->in[i]) && !(c->sample->fixed >> i & 1))
            variables |= 1u << i;
    if (!variables)
        return;
    unsigned outs = passing(w, c, variables);
    if (walk_check(w, &w->gradient, outs != 0, "gradient: the rule passes nothing"))
        check_gradient(w, c, outs, variables);
}
