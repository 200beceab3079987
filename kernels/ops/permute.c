/* permute: axes in another order: axis a of y is axis order[a] of x. Axes that stay neighbours are moved as one. */
#include "../shared/move.h"

typedef struct permute_params { const char *order; } permute_params;

static int order_of(const void *params, int rank, int64_t order[BA_MAX_RANK])
{
    int seen = 0, n = bai_list(((const permute_params *)params)->order, order, BA_MAX_RANK);
    for (int i = 0; i < n; i++) {
        if (order[i] < 0 || order[i] >= rank)
            return -1;
        seen |= 1 << order[i];
    }
    return n == rank && seen == (1 << rank) - 1 ? 0 : -1;
}

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    int64_t order[BA_MAX_RANK];
    char t[96];
    (void)n_in;
    const char *text = ((const permute_params *)params)->order;
    if (order_of(params, in[0]->rank, order))
        return ba_fail(e, BA_EARG, "permute: order '%.60s' of %s; each of its %d axes once expected, as in '0,2,1'", text ? text : "",
                       bai_text(in[0], t), in[0]->rank);
    *out = *in[0];
    for (int a = 0; a < in[0]->rank; a++)
        out->dim[a] = in[0]->dim[order[a]];
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in, (void)out;
    c->flops = 0;
}

typedef struct job {
    const ba_kernel *k;
    int rank;
    int64_t dim[BA_MAX_RANK], step[BA_MAX_RANK], row, count, size; /* of y; steps and `row` (what is moved as one) in elements of x */
} job;

static void plan(job *j, const ba_kernel *k)
{
    const ba_type *x = &k->in[0].type, *y = &k->out[0].type;
    int64_t order[BA_MAX_RANK], step[BA_MAX_RANK], s = 1;
    *j = (job){ .k = k, .row = 1, .count = ba_type_count(y), .size = ba_dtype_size(x->dtype) };
    for (int a = x->rank - 1; a >= 0; s *= x->dim[a--])
        step[a] = s;
    if (order_of(k->params, x->rank, order))
        return; /* shape() has been there */
    for (int a = 0; a < y->rank; a++) {
        if (y->dim[a] == 1)
            continue;
        if (j->rank && j->step[j->rank - 1] == step[order[a]] * y->dim[a]) {
            j->dim[j->rank - 1] *= y->dim[a];
            j->step[j->rank - 1] = step[order[a]];
        } else {
            j->dim[j->rank] = y->dim[a];
            j->step[j->rank++] = step[order[a]];
        }
    }
    if (j->rank && j->step[j->rank - 1] == 1)
        j->row = j->dim[--j->rank];
}

/* n elements of `size` bytes, `step` bytes apart, next to each other */
static void gather(char *to, const char *from, int64_t n, int64_t step, int64_t size)
{
    if (size == 4)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 4 * i, from + i * step, 4);
    else if (size == 2)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + 2 * i, from + i * step, 2);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(to + i * size, from + i * step, (size_t)size);
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    (void)worker;
    int64_t per = bai_max(1, BAI_BLOCK / j->row), all = j->count / j->row, end = bai_min(all, (t + 1) * per), bytes = j->row * j->size;
    for (int64_t r = t * per, n; r < end; r += n) { /* along the last axis that is not moved as one */
        int64_t rest = r, at = 0, last = j->rank - 1;
        n = j->rank ? bai_min(end - r, j->dim[last] - r % j->dim[last]) : 1;
        for (int a = j->rank - 1; a >= 0; a--) {
            at += rest % j->dim[a] * j->step[a];
            rest /= j->dim[a];
        }
        gather((char *)j->k->out[0].data + r * bytes, (const char *)j->k->in[0].data + at * j->size, n, j->rank ? j->step[last] * j->size : 0, bytes);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    job j;
    (void)e;
    plan(&j, k);
    k->parallel(k, bai_ceil(j.count / j.row, bai_max(1, BAI_BLOCK / j.row)), task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const ba_type *x = &r->in_type[0], *y = &r->out_type[0];
    int64_t order[BA_MAX_RANK], c[BA_MAX_RANK] = { 0 };
    if (order_of(r->params, x->rank, order))
        return;
    for (int64_t i = 0; i < ba_type_count(y); i++) {
        int64_t rest = i, at = 0;
        for (int a = y->rank - 1; a >= 0; rest /= y->dim[a--])
            c[order[a]] = rest % y->dim[a];
        for (int a = 0; a < x->rank; a++)
            at = at * x->dim[a] + c[a];
        r->out[0][i] = r->in[0][at];
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_type x;
    int64_t order[BA_MAX_RANK], back[BA_MAX_RANK];
    char text[120];
    if (ba_tensor_type(c->in[0], &x, e) || order_of(c->params, x.rank, order))
        return BA_EBUG;
    for (int a = 0; a < x.rank; a++)
        back[order[a]] = a;
    c->din[0] = bai_op1(c->g, "permute", c->dout[0], BA_ATTRS(BA_S("order", bai_list_text(back, x.rank, text))), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(permute) = {
    .name = "permute", .doc = "axes in another order",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(permute_params, BA_STRING(permute_params, order, "", "which axis of x comes first, second, ..., e.g. 0,2,1")),
    .shape = shape, .cost = cost, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "order=1 0", 1, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 } } },
        { "order=1 0", 1, { { BA_F32, 2, { 90, 133 }, 0, -1, 1 } } },
        { "order=0 2 1 3", 1, { { BA_F32, 4, { 2, 30, 3, 32 }, 0, -1, 1 } } },
        { "order=4 2 0 3 1", 1, { { BA_F32, 5, { 2, 3, 4, 1, 5 }, 0, -1, 1 } } },
        { "order=", 1, { { BA_F32, 0, { 0 }, 0, -1, 1 } } },
        { "order=0 1 2", 1, { { BA_I32, 3, { 20, 30, 40 }, BA_FILL_INDEX, -9, 9 } } },
        { "order=2 0 1", 1, { { BA_U8, 3, { 2, 3, 4 }, BA_FILL_INDEX, 0, 256 } } },
        { "order=0 3 1 2", 1, { { BA_BF16, 4, { 2, 3, 5, 4 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
