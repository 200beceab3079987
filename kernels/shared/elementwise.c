/* elementwise: shapes that repeat, and the walk over them. */
#include "elementwise.h"

/* size of t's axis that stands at axis a of a tensor of this rank; 1 where t has none there */
static int64_t along(const ba_type *t, int rank, int a)
{
    int own = a - (rank - t->rank);
    return own < 0 ? 1 : t->dim[own];
}

static int no_match(const char *op, int n, const ba_type *const *in, ba_err *e)
{
    char t[BAI_EACH][96];
    for (int i = 0; i < n; i++)
        bai_text(in[i], t[i]);
    return ba_fail(e, BA_EARG, "%s: shapes %s%s%s%s%s do not match; counted from the last, axes must be equal or 1", op, t[0],
                   n > 2 ? ", " : n > 1 ? " and " : "", n > 1 ? t[1] : "", n > 2 ? " and " : "", n > 2 ? t[2] : "");
}

int bai_broadcast(const char *op, int n, const ba_type *const *in, ba_type *out, ba_err *e)
{
    *out = (ba_type){ 0, 0, { 1, 1, 1, 1, 1 } };
    for (int i = 0; i < n; i++)
        out->rank = in[i]->rank > out->rank ? in[i]->rank : out->rank;
    for (int a = 0; a < out->rank; a++)
        for (int i = 0; i < n; i++) {
            int64_t d = along(in[i], out->rank, a);
            if (d != 1 && out->dim[a] != 1 && d != out->dim[a])
                return no_match(op, n, in, e);
            out->dim[a] = d != 1 ? d : out->dim[a];
        }
    return BA_OK;
}

int bai_each_shape(const char *op, int n, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[96];
    int dtype = in[0]->dtype;
    for (int i = 0; i < n; i++) {
        if (!bai_is_real(in[i]))
            return ba_fail(e, BA_EARG, "%s: input %d is %s; f32 or bf16 expected", op, i, bai_text(in[i], t));
        dtype = in[i]->dtype == dtype ? dtype : BA_F32;
    }
    int r = bai_broadcast(op, n, in, out, e);
    out->dtype = dtype;
    return r;
}

static int joins(const bai_walk *w, int64_t dim, const int64_t *step) /* axis `step` continues the last one so far */
{
    for (int i = 0; i < w->n; i++)
        if (w->step[i][w->rank - 1] != step[i] * dim)
            return 0;
    return 1;
}

void bai_walk_plan(bai_walk *w, const ba_type *out, int n, const ba_type *const *in)
{
    *w = (bai_walk){ .n = n };
    for (int a = 0; a < out->rank; a++) {
        int64_t step[BAI_EACH];
        if (out->dim[a] == 1)
            continue;
        for (int i = 0; i < n; i++) {
            step[i] = along(in[i], out->rank, a) != 1;
            for (int b = a + 1; b < out->rank; b++)
                step[i] *= along(in[i], out->rank, b);
        }
        int join = w->rank && joins(w, out->dim[a], step);
        w->rank += !join;
        w->dim[w->rank - 1] = join ? w->dim[w->rank - 1] * out->dim[a] : out->dim[a];
        for (int i = 0; i < n; i++)
            w->step[i][w->rank - 1] = step[i];
    }
    if (!w->rank) {
        w->rank = 1;
        w->dim[0] = 1;
        for (int i = 0; i < n; i++)
            w->step[i][0] = 1;
    }
}

int64_t bai_walk_seek(const bai_walk *w, int64_t at, int64_t off[BAI_EACH])
{
    int64_t left = 0;
    for (int i = 0; i < w->n; i++)
        off[i] = 0;
    for (int a = w->rank - 1; a >= 0; a--) {
        int64_t c = a ? at % w->dim[a] : at;
        at = a ? at / w->dim[a] : 0;
        if (a == w->rank - 1)
            left = w->dim[a] - c;
        for (int i = 0; i < w->n; i++)
            off[i] += c * w->step[i][a];
    }
    return left;
}

int bai_each_run(const ba_kernel *k, int n, void (*task)(void *ctx, int64_t t, int worker))
{
    const ba_type *in[BAI_EACH];
    bai_each j = { .k = k, .count = ba_type_count(&k->out[0].type), .narrow = k->out[0].type.dtype != BA_F32, .halves = k->out[0].type.dtype == BA_BF16 };
    for (int i = 0; i < n; i++) {
        in[i] = &k->in[i].type;
        j.narrow |= in[i]->dtype != BA_F32;
        j.halves &= in[i]->dtype == BA_BF16 && ba_type_count(in[i]) == j.count;
    }
    bai_walk_plan(&j.w, &k->out[0].type, n, in);
    k->parallel(k, bai_ceil(j.count, BAI_BLOCK), task, &j);
    return BA_OK;
}

/* Naive on purpose: every element's coordinates are worked out afresh. */
void bai_each_reference(const ba_ref *r, int n, bai_each_ref f)
{
    const ba_type *y = &r->out_type[0];
    for (int64_t at = 0; at < ba_type_count(y); at++) {
        double x[BAI_EACH];
        for (int i = 0; i < n; i++) {
            const ba_type *t = &r->in_type[i];
            int64_t rest = at, size = 1, where = 0;
            for (int a = y->rank - 1, b = t->rank - 1; b >= 0; a--, b--) {
                where += (t->dim[b] == 1 ? 0 : rest % y->dim[a]) * size;
                size *= t->dim[b];
                rest /= y->dim[a];
            }
            x[i] = r->in[i][where];
        }
        r->out[0][at] = f(x, r->params);
    }
}

int bai_each_slice(const ba_slice_call *c, const char *op, int n_attr, const ba_attr *attr, ba_err *e)
{
    ba_tensor *in[BAI_EACH];
    ba_type y;
    if (ba_tensor_type(c->out[0], &y, e))
        return BA_EBUG;
    for (int i = 0; i < c->n_in; i++) {
        ba_type t;
        if (ba_tensor_type(c->in[i], &t, e))
            return BA_EBUG;
        int own = c->axis - (y.rank - t.rank);
        in[i] = c->in[i];
        if (own < 0 || t.dim[own] == 1)
            continue;
        if (!(in[i] = bai_op1(c->g, "slice", in[i], BA_ATTRS(BA_I("axis", own), BA_I("from", c->from), BA_I("to", c->to)), e)))
            return BA_EBUG;
    }
    c->sliced[0] = ba_op_apply(c->g, op, c->n_in, in, n_attr, attr, e);
    return c->sliced[0] ? BA_OK : BA_EBUG;
}

int bai_each_pick(const ba_grad_call *c, int more, int less, ba_err *e)
{
    ba_tensor *lost = bai_op2(c->g, "less", c->in[more], c->in[less], 0, NULL, e), *won = bai_op2(c->g, "less", c->in[less], c->in[more], 0, NULL, e);
    ba_tensor *lead = bai_op2(c->g, "sub", won, lost, 0, NULL, e); /* 1, 0 or -1 */
    for (int i = 0; i < 2; i++) {
        ba_tensor *share = bai_op1(c->g, "scale", lead, BA_ATTRS(BA_F("by", i ? -0.5 : 0.5), BA_F("plus", 0.5)), e);
        ba_tensor *d = bai_op2(c->g, "mul", c->dout[0], share, 0, NULL, e);
        if (c->want[i] && !(c->din[i] = bai_back_to(c->g, d, c->in[i], e)))
            return BA_EBUG;
    }
    return BA_OK;
}
