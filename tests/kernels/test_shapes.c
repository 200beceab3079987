/* test_shapes: operations given what they were not made for.
 *
 * The samples' types, ranks, sizes and settings are changed at random, thousands of times. A shape rule has to say no in a
 * sentence, or to stand by its yes: then the kernel has to run or to fail with a sentence, inside its buffers (run this under
 * AddressSanitizer: every buffer is a block of its own of exactly its size), and the gradient has to be built. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../core/base/pool.h"
#include "../../core/graph/ops.h"
#include "../check.h"
#include "case.h"

enum { PER_SAMPLE = 40, MOST = 100000 };

static uint64_t seed, drawn;

static int64_t draw(int64_t n) { return (int64_t)(case_uniform(seed, "mutation", drawn++) * (double)n); } /* 0..n-1 */

/* ---- changes ---- */

static int64_t other_size(int64_t d)
{
    const int64_t v[] = { 1, 2, 3, d - 1, d + 1, 2 * d, 7, 64, INT64_C(1) << 33, INT64_C(1) << 44, 100 };
    int64_t n = v[draw(11)];
    return n < 1 ? 1 : n;
}

static void change_type(ba_type *t)
{
    int a = t->rank ? (int)draw(t->rank) : 0;
    switch (draw(5)) {
    case 0:
        t->dtype = (int)draw(4) + 1;
        break;
    case 1:
        if (t->rank) {
            memmove(&t->dim[a], &t->dim[a + 1], (size_t)(BA_MAX_RANK - 1 - a) * sizeof *t->dim);
            t->dim[--t->rank] = 1;
        }
        break;
    case 2:
        if (t->rank < BA_MAX_RANK) {
            memmove(&t->dim[a + 1], &t->dim[a], (size_t)(BA_MAX_RANK - 1 - a) * sizeof *t->dim);
            t->dim[a] = draw(3) + 1;
            t->rank++;
        }
        break;
    default:
        if (t->rank)
            t->dim[a] = other_size(t->dim[a]);
    }
}

static void change_setting(op_case *c)
{
    static const char *const texts[] = { "", "1", "-1", "0", "2,3", "3,5", "1,1,1,1,1,1", "99999999999999999999", "x", "2,,3", "2,", "1 0", "0,2,1", "-1,-1",
                                         "4611686018427387904,4", "1,0,0", "5,-1", "1099511627776", "a", "0.5" };
    if (!c->op->nparams)
        return;
    const ba_param *p = &c->op->params[draw(c->op->nparams)];
    char *at = (char *)c->params + p->offset;
    int64_t v[] = { 0, 1, -1, 2, 3, 5, 7, p->min.i, p->max.i, p->min.i + 1, p->max.i - 1, draw(40) }, x = v[draw(12)], choices = 0;
    double f[] = { 0, 1, -1, 0.5, 1e-3, p->min.f, p->max.f }, y = f[draw(7)];
    switch (p->type) {
    case BA_STR: *(const char **)at = texts[draw((int64_t)(sizeof texts / sizeof *texts))]; break;
    case BA_F64: *(double *)at = y < p->min.f ? p->min.f : y > p->max.f ? p->max.f : y; break;
    case BA_I64: *(int64_t *)at = x < p->min.i ? p->min.i : x > p->max.i ? p->max.i : x; break;
    case BA_BOOL: *(int64_t *)at = draw(2); break;
    default:
        while (p->choices[choices])
            choices++;
        *(int64_t *)at = draw(choices);
    }
}

static void change_inputs(op_case *c) /* their number, or one left out */
{
    int most = c->op->max_in < CASE_IN ? c->op->max_in : CASE_IN, n = c->op->min_in + (int)draw(most - c->op->min_in + 1);
    for (int i = c->n_in; i < n; i++) {
        c->in[i] = c->n_in ? c->in[draw(c->n_in)] : (ba_type){ BA_F32, 1, { 2, 1, 1, 1, 1 } };
        c->in_p[i] = &c->in[i];
    }
    for (int i = n; i < c->n_in; i++)
        c->in_p[i] = NULL;
    c->n_in = n;
    if (n > c->op->min_in && draw(2)) {
        int i = c->op->min_in + (int)draw(n - c->op->min_in);
        c->in_p[i] = NULL;
    }
}

static void change(op_case *c)
{
    for (int64_t n = draw(3) + 1; n; n--) {
        int64_t what = draw(8);
        if (what == 0)
            change_inputs(c);
        else if (what <= 2)
            change_setting(c);
        else if (c->n_in) {
            int i = (int)draw(c->n_in);
            if (c->in_p[i])
                change_type(&c->in[i]);
            if (c->in_p[i] && draw(2) && i + 1 < c->n_in && c->in_p[i + 1])
                c->in[i + 1] = c->in[i]; /* so that pairs which must agree do now and then */
        }
    }
}

/* ---- what is accepted ---- */

/* What the graph lets in at all; nothing else ever reaches a shape rule. */
static int possible(const op_case *c)
{
    int ok = 1;
    for (int i = 0; i < c->n_in; i++) {
        int64_t bytes = 4;
        for (int a = 0; c->in_p[i] && a < c->in[i].rank; a++)
            ok &= !__builtin_mul_overflow(bytes, c->in[i].dim[a], &bytes) && bytes <= INT64_C(1) << 46;
    }
    return ok;
}

static int small(const ba_type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 1 || t->dim[i] > MOST || (n *= t->dim[i]) > MOST)
            return 0;
    return t->rank >= 0 && t->rank <= BA_MAX_RANK;
}

static int all_small(const op_case *c)
{
    int ok = 1;
    for (int i = 0; i < c->n_in; i++)
        ok &= !c->in_p[i] || small(&c->in[i]);
    for (int i = 0; i < c->op->n_out; i++)
        ok &= small(&c->out[i]);
    if (!ok || !c->op->cost)
        return ok;
    ba_cost cost = { 0 };
    c->op->cost(c->params, c->n_in, c->in_p, c->out, &cost);
    return cost.macs < 1e7;
}

static void *block(int64_t bytes) /* exactly so many: what lies behind belongs to nobody */
{
    void *p = NULL;
    return posix_memalign(&p, 64, (size_t)(bytes ? bytes : 1)) ? NULL : p;
}

static void fill(void *p, const ba_type *t)
{
    int64_t n = ba_type_count(t), top = 1 + draw(12);
    int strange = draw(6) == 0;
    double *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; x && i < n; i++) {
        double u = case_uniform(seed, "values", drawn + (uint64_t)i);
        x[i] = t->dtype == BA_I32 ? (double)(int64_t)(u * (double)top) - strange : t->dtype == BA_U8 ? (double)(int)(u * 255) : 4 * u - 2;
        if (strange && t->dtype == BA_F32 && u < 0.02)
            x[i] = u < 0.01 ? NAN : INFINITY;
    }
    drawn += (uint64_t)n;
    if (x)
        case_store(x, n, t->dtype, p);
    free(x);
}

static void parallel(const ba_kernel *k, int64_t tasks, void (*fn)(void *, int64_t, int), void *ctx) { bai_pool_run(k->pool, tasks, fn, ctx); }

static int any_tier(void)
{
    int tier;
    do
        tier = (int)draw(BAI_TIERS);
    while (!bai_tier_has(tier));
    return tier;
}

static void run(const op_case *c, bai_pool *pool, const char *what)
{
    ba_view in[CASE_IN], out[BA_MAX_OUT];
    ba_err e = { 0 };
    int workers = bai_pool_workers(pool), ok = 1;
    const ba_op *op = bai_op_tier(c->op, any_tier());
    for (int i = 0; i < c->n_in; i++) {
        in[i] = (ba_view){ c->in[i], c->in_p[i] ? block(case_bytes(&c->in[i])) : NULL };
        if (in[i].data)
            fill(in[i].data, &c->in[i]);
        ok &= !c->in_p[i] || in[i].data;
    }
    for (int i = 0; i < op->n_out; i++) {
        out[i] = (ba_view){ c->out[i], i && draw(3) == 0 ? NULL : block(case_bytes(&c->out[i])) };
        if (out[i].data)
            memset(out[i].data, 0xff, (size_t)case_bytes(&c->out[i]));
    }
    void *scratch = op->scratch ? block((int64_t)op->scratch(c->params, c->n_in, c->in_p, c->out, workers)) : NULL;
    ba_kernel k = { c->params, c->n_in, op->n_out, in, out, scratch, seed, workers, pool, parallel };
    int r = ok ? op->cpu(&k, &e) : 0;
    CHECK(ok && (!r || (r < 0 && e.code == r && *e.msg)), "%s: the kernel returns %d, code %d, '%s'", what, r, e.code, e.msg);
    for (int i = 0; i < c->n_in; i++)
        free(in[i].data);
    for (int i = 0; i < op->n_out; i++)
        free(out[i].data);
    free(scratch);
}

/* Through the public interface: the node, a loss over all real outputs, its gradient for all real inputs. */
static void differentiate(const op_case *c, ba_device *d, const char *what)
{
    ba_err e = { 0 };
    ba_attr attr[32];
    ba_tensor *in[CASE_IN] = { 0 }, *wrt[CASE_IN], *grad[CASE_IN], *loss = NULL;
    ba_graph *g = ba_graph_new(d, 1, &e);
    int n = 0;
    for (int i = 0; i < c->n_in; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        if (!c->in_p[i])
            continue;
        in[i] = ba_input(g, name, c->in[i].dtype, c->in[i].rank, c->in[i].dim, &e);
        if (c->in[i].dtype <= BA_BF16 && !(c->sample->fixed >> i & 1))
            wrt[n++] = in[i];
    }
    ba_tensor *y = ba_op_apply(g, c->op->name, c->n_in, in, case_attrs(c, attr, 32), attr, &e);
    for (int i = 0; y && i < c->op->n_out; i++) {
        ba_tensor *t = c->out[i].dtype <= BA_BF16 ? ba_output_of(y, i, &e) : NULL;
        t = t ? ba_op_apply(g, "sum", 1, &t, 0, NULL, &e) : NULL;
        t = t ? ba_op_apply(g, "cast", 1, &t, 0, NULL, &e) : NULL;
        loss = loss && t ? ba_op_apply(g, "add", 2, (ba_tensor *[]){ loss, t }, 0, NULL, &e) : t ? t : loss;
    }
    int r = y && loss ? ba_grad(g, loss, n, wrt, grad, &e) : 0;
    CHECK(y && !r, "%s: accepted, then: %s", what, e.msg);
    ba_graph_free(g);
}

static void describe(const op_case *c, char *out, size_t size)
{
    static const char *const names[] = { "?", "f32", "bf16", "i32", "u8" };
    size_t n = (size_t)snprintf(out, size, "%s {%s}", c->op->name, c->sample->attrs);
    ba_attr attr[32];
    for (int i = 0, m = case_attrs(c, attr, 32); i < m && n < size; i++) {
        const ba_attr *a = &attr[i];
        n += (size_t)(a->type == BA_STR   ? snprintf(out + n, size - n, " %s='%s'", a->name, a->value.s)
                      : a->type == BA_F64 ? snprintf(out + n, size - n, " %s=%g", a->name, a->value.f)
                                          : snprintf(out + n, size - n, " %s=%lld", a->name, (long long)a->value.i));
    }
    for (int i = 0; i < c->n_in && n < size; i++) {
        n += (size_t)snprintf(out + n, size - n, " %s[", c->in_p[i] ? names[c->in[i].dtype] : "none");
        for (int a = 0; c->in_p[i] && a < c->in[i].rank && n < size; a++)
            n += (size_t)snprintf(out + n, size - n, "%s%lld", a ? "," : "", (long long)c->in[i].dim[a]);
        if (n < size)
            n += (size_t)snprintf(out + n, size - n, "]");
    }
}

static long accepted, ran;

static void one_change(const op_case *from, ba_device *d, bai_pool *pool)
{
    op_case c = *from;
    char params[c.op->params_size + 1], what[700];
    ba_err e = { 0 };
    memcpy(params, from->params, c.op->params_size + 1);
    c.params = params;
    for (int i = 0; i < c.n_in; i++)
        c.in_p[i] = from->in_p[i] ? &c.in[i] : NULL;
    change(&c);
    if (!possible(&c))
        return;
    memset(c.out, 0, sizeof c.out);
    describe(&c, what, sizeof what);
    int r = c.op->shape(c.params, c.n_in, c.in_p, c.out, &e);
    CHECK(!r || (r < 0 && e.code == r && *e.msg && !strchr(e.msg, '\n')), "%s: shape returns %d, code %d, '%s'", what, r, e.code, e.msg);
    accepted += !r;
    if (r || !all_small(&c))
        return;
    ran++;
    if (c.op->cpu)
        run(&c, pool, what);
    if (c.op->grad)
        differentiate(&c, d, what);
}

int main(void)
{
    const char *given = getenv("BAUTA_SEED");
    ba_err e = { 0 };
    ba_device *d = ba_device_open("cpu", 1, "auto", &e);
    bai_pool *pool = bai_pool_new(2, bai_gemm_thread, &e);
    seed = given && *given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("seed %llu (BAUTA_SEED repeats it)\n", (unsigned long long)seed);
    CHECK(d && pool, "%s", e.msg);
    for (int i = 0; d && pool && i < bai_op_count(); i++) {
        const ba_op *op = bai_op_at(i);
        long before = accepted, ran_before = ran;
        int n = 0;
        for (const ba_op_sample *s = op->samples; s && s->attrs; s++) {
            op_case c;
            int ok = !case_new(&c, op, s, seed, &e);
            CHECK(ok, "%s: %s", op->name, e.msg);
            for (int k = 0; ok && k < PER_SAMPLE; k++, n++)
                one_change(&c, d, pool);
            case_free(&c);
        }
        printf("%s - %s: %d changes, %ld accepted, %ld run\n", check_failed ? "not ok" : "ok", op->name, n, accepted - before, ran - ran_before);
    }
    bai_pool_free(pool);
    ba_device_free(d);
    return check_done();
}
