/* reduce: sums and maxima over any set of axes.
 *
 * After axes of size 1 are dropped and like neighbours joined, kept and reduced axes alternate. When the last is
 * reduced, a unit of work is a piece of it of at most BAI_BLOCK numbers; when it is kept, a unit is a row of it, and
 * rows are added to one another. Units are gathered in groups whose number depends on the shape alone; with more than
 * one group the partial results pass through scratch and are added in order. */
#include "reduce.h"

#include "vmath.h"

enum { GROUPS = 64, UNITS = 32, MANY = 64, COLUMNS = 256 }; /* most groups; fewest units of one; outputs, columns of a task */

typedef struct plan {
    int rank, inner_kept;
    int64_t dim[BA_MAX_RANK];
    unsigned reduced;          /* bit a: axis a is reduced */
    int64_t L, outer, units, pieces, per, groups, count;
} plan;

static plan make_plan(const ba_type *t, unsigned axes)
{
    plan p = { .L = 1, .outer = 1, .units = 1, .pieces = 1, .count = 1 };
    for (int a = 0; a < t->rank; a++) {
        unsigned bit = axes >> a & 1;
        p.count *= bit ? 1 : t->dim[a];
        if (t->dim[a] == 1)
            continue;
        if (p.rank && (p.reduced >> (p.rank - 1) & 1) == bit) {
            p.dim[p.rank - 1] *= t->dim[a];
            continue;
        }
        p.reduced |= bit << p.rank;
        p.dim[p.rank++] = t->dim[a];
    }
    for (int a = 0; a + 1 < p.rank; a++)
        *(p.reduced >> a & 1 ? &p.units : &p.outer) *= p.dim[a];
    if (p.rank)
        p.L = p.dim[p.rank - 1];
    p.inner_kept = !p.rank || !(p.reduced >> (p.rank - 1) & 1);
    if (!p.inner_kept)
        p.pieces = bai_ceil(p.L, BAI_BLOCK);
    p.units *= p.pieces;
    p.per = bai_max(UNITS, bai_ceil(p.units, GROUPS));
    p.groups = bai_ceil(p.units, p.per);
    return p;
}

/* first element of (kept index o, reduced index q), the last axis left out */
static int64_t place(const plan *p, int64_t o, int64_t q)
{
    int64_t at = 0, size = p->L;
    for (int a = p->rank - 2; a >= 0; a--) {
        int64_t *i = p->reduced >> a & 1 ? &q : &o;
        at += *i % p->dim[a] * size;
        *i /= p->dim[a];
        size *= p->dim[a];
    }
    return at;
}

typedef struct job { const ba_kernel *k; plan p; int what; float factor, *partial; } job;

static float piece(const float *x, int64_t n, int what)
{
    vf a[4];
    for (int i = 0; i < 4; i++)
        a[i] = v_set(what == BAI_MAX ? x[0] : 0);
    for (int64_t i = 0, r = 0; i < n; i += VL, r++) {
        int64_t m = bai_min(VL, n - i);
        vf v = v_load_part(x + i, m);
        for (int64_t l = m; what == BAI_MAX && l < VL; l++)
            v[l] = x[0];
        a[r & 3] = what == BAI_MAX ? v_maximum(a[r & 3], v) : a[r & 3] + v;
    }
    if (what == BAI_SUM)
        return v_sum((a[0] + a[1]) + (a[2] + a[3]));
    vf top = v_maximum(v_maximum(a[0], a[1]), v_maximum(a[2], a[3]));
    for (int i = 1; i < VL; i++)
        top[0] = top[i] > top[0] || top[i] != top[i] ? top[i] : top[0];
    return top[0];
}

static void put(const job *j, int64_t group, int64_t at, int64_t n, float *v)
{
    if (j->p.groups > 1) {
        memcpy(j->partial + group * j->p.count + at, v, (size_t)n * 4);
        return;
    }
    const ba_view *y = &j->k->out[0];
    float *to = bai_row_out(y, at, v);
    for (int64_t i = 0; i < n; i++)
        to[i] = j->factor * v[i];
    bai_row_done(y, at, n, to);
}

static void along_rows(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const plan *p = &j->p;
    (void)worker;
    int64_t g = t % p->groups, o0 = t / p->groups * MANY, o1 = bai_min(p->outer, o0 + MANY);
    float tmp[BAI_BLOCK], result[MANY];
    for (int64_t o = o0; o < o1; o++) {
        double all = 0;
        for (int64_t u = g * p->per; u < bai_min(p->units, (g + 1) * p->per); u++) {
            int64_t from = u % p->pieces * BAI_BLOCK, n = bai_min(BAI_BLOCK, p->L - from);
            float v = piece(bai_row(&j->k->in[0], place(p, o, u / p->pieces) + from, n, tmp), n, j->what);
            if (j->what == BAI_SUM)
                all += v;
            else if (u == g * p->per || v > all || v != v)
                all = v;
        }
        result[o - o0] = (float)all;
    }
    put(j, g, o0, o1 - o0, result);
}

static void across_rows(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const plan *p = &j->p;
    (void)worker;
    int64_t chunks = bai_ceil(p->L, COLUMNS), g = t % p->groups, o = t / p->groups / chunks;
    int64_t c = t / p->groups % chunks * COLUMNS, n = bai_min(COLUMNS, p->L - c);
    float tmp[COLUMNS], acc[COLUMNS];
    for (int64_t u = g * p->per; u < bai_min(p->units, (g + 1) * p->per); u++) {
        const float *x = bai_row(&j->k->in[0], place(p, o, u) + c, n, tmp);
        if (u == g * p->per) {
            memcpy(acc, x, (size_t)n * 4);
            continue;
        }
        for (int64_t i = 0; i < n; i += VL) {
            int64_t m = bai_min(VL, n - i);
            vf a = v_load_part(acc + i, m), v = v_load_part(x + i, m);
            v_store_part(acc + i, j->what == BAI_MAX ? v_maximum(a, v) : a + v, m);
        }
    }
    put(j, g, o * p->L + c, n, acc);
}

static void join_groups(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_view *y = &j->k->out[0];
    (void)worker;
    float tmp[COLUMNS];
    int64_t at = t * COLUMNS, n = bai_min(COLUMNS, j->p.count - at);
    float *to = bai_row_out(y, at, tmp);
    for (int64_t i = 0; i < n; i++) {
        float all = j->partial[at + i];
        for (int64_t g = 1; g < j->p.groups; g++) {
            float v = j->partial[g * j->p.count + at + i];
            all = j->what == BAI_SUM ? all + v : v > all || v != v ? v : all;
        }
        to[i] = j->factor * all;
    }
    bai_row_done(y, at, n, to);
}

int bai_reduce(const ba_kernel *k, unsigned axes, int what, float factor)
{
    job j = { k, make_plan(&k->in[0].type, axes), what, factor, k->scratch };
    const plan *p = &j.p;
    if (p->inner_kept)
        k->parallel(k, p->outer * bai_ceil(p->L, COLUMNS) * p->groups, across_rows, &j);
    else
        k->parallel(k, bai_ceil(p->outer, MANY) * p->groups, along_rows, &j);
    if (p->groups > 1)
        k->parallel(k, bai_ceil(p->count, COLUMNS), join_groups, &j);
    return BA_OK;
}

size_t bai_reduce_scratch(const ba_type *in, unsigned axes)
{
    plan p = make_plan(in, axes);
    return p.groups > 1 ? (size_t)(p.groups * p.count) * 4 : 0;
}

int bai_reduce_shape(const char *op, const axis_params *p, const ba_type *in, ba_type *out, ba_err *e)
{
    char t[96];
    int axis = -1;
    if (!bai_is_real(in))
        return ba_fail(e, BA_EARG, "%s: x is %s; f32 or bf16 expected", op, bai_text(in, t));
    if (p->axis != BAI_ALL && bai_axis(op, p->axis, in, &axis, e))
        return BA_EARG;
    *out = (ba_type){ in->dtype, 0, { 1, 1, 1, 1, 1 } };
    for (int a = 0; a < in->rank; a++)
        if (p->keep || (axis >= 0 && a != axis))
            out->dim[out->rank++] = axis < 0 || a == axis ? 1 : in->dim[a];
    return BA_OK;
}

void bai_reduce_cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out;
    c->flops = (double)ba_type_count(in[0]);
}

size_t bai_reduce_room(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)n_in, (void)out, (void)workers;
    return bai_reduce_scratch(in[0], bai_reduce_mask(params, in[0]));
}

unsigned bai_reduce_mask(const axis_params *p, const ba_type *in)
{
    return p->axis == BAI_ALL ? 31u : 1u << (p->axis < 0 ? p->axis + in->rank : p->axis);
}

void bai_reduce_reference(const ba_ref *r, unsigned axes, int what, int divide)
{
    const ba_type *x = &r->in_type[0];
    int64_t all = ba_type_count(x), left = ba_type_count(&r->out_type[0]);
    unsigned char *seen = calloc((size_t)left, 1);
    for (int64_t at = 0; seen && at < all; at++) {
        int64_t rest = at, to = 0, size = 1;
        for (int a = x->rank - 1; a >= 0; a--) {
            if (!(axes >> a & 1)) {
                to += rest % x->dim[a] * size;
                size *= x->dim[a];
            }
            rest /= x->dim[a];
        }
        double v = r->in[0][at], *y = &r->out[0][to];
        *y = !seen[to] ? v : what == BAI_SUM ? *y + v : v > *y ? v : *y;
        seen[to] = 1;
    }
    for (int64_t i = 0; divide && i < left; i++)
        r->out[0][i] /= (double)(all / left);
    free(seen);
}

ba_tensor *bai_spread(const ba_grad_call *c, ba_tensor *d, ba_err *e)
{
    const axis_params *p = c->params;
    ba_type x;
    char text[120];
    if (ba_tensor_type(c->in[0], &x, e))
        return NULL;
    int64_t dim[BA_MAX_RANK];
    unsigned mask = bai_reduce_mask(p, &x);
    for (int a = 0; a < x.rank; a++)
        dim[a] = mask >> a & 1 ? 1 : x.dim[a];
    if (!p->keep)
        d = bai_op1(c->g, "reshape", d, BA_ATTRS(BA_S("shape", bai_list_text(dim, x.rank, text))), e);
    return bai_op1(c->g, "broadcast_to", d, BA_ATTRS(BA_S("shape", bai_dims_text(&x, text))), e);
}
