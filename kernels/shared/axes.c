/* axes: see axes.h. */
#include "axes.h"

int bai_axis(const char *op, int64_t axis, const ba_type *t, int *out, ba_err *e)
{
    char b[96];
    int64_t a = axis < 0 ? axis + t->rank : axis;
    if (a < 0 || a >= t->rank)
        return ba_fail(e, BA_EARG, "%s: axis %lld of %s; %d to %d expected", op, (long long)axis, bai_text(t, b), -t->rank, t->rank - 1);
    *out = (int)a;
    return BA_OK;
}

int bai_list(const char *text, int64_t *v, int room)
{
    int n = 0;
    for (const char *p = text ? text : ""; *p; ) {
        char *end;
        if (n == room || !((*p >= '0' && *p <= '9') || *p == '-'))
            return -1;
        v[n++] = strtoll(p, &end, 10);
        if (end == p || (*end && *end != ',' && *end != ' '))
            return -1;
        p = end;
        if (*p && !*++p) /* a separator at the end */
            return -1;
    }
    return n;
}

const char *bai_list_text(const int64_t *v, int n, char buf[120])
{
    int at = 0;
    buf[0] = 0;
    for (int i = 0; i < n && at < 119; i++)
        at += snprintf(buf + at, (size_t)(120 - at), "%s%lld", i ? "," : "", (long long)v[i]);
    return buf;
}

int bai_shape_list(const char *op, const char *text, int dtype, ba_type *out, ba_err *e)
{
    int64_t v[BA_MAX_RANK], total = 1;
    int n = bai_list(text, v, BA_MAX_RANK);
    if (n < 0)
        return ba_fail(e, BA_EARG, "%s: shape '%.60s'; up to %d whole numbers expected, as in '2,3'", op, text ? text : "", BA_MAX_RANK);
    *out = (ba_type){ dtype, n, { 1, 1, 1, 1, 1 } };
    for (int i = 0; i < n; i++) {
        out->dim[i] = v[i];
        if (v[i] < 1 || __builtin_mul_overflow(total, v[i], &total) || total > INT64_C(1) << 40)
            return ba_fail(e, BA_EARG, "%s: shape '%.60s'; axes of at least 1 and at most 2^40 elements in all expected", op, text);
    }
    return BA_OK;
}

ba_tensor *bai_back_to(ba_graph *g, ba_tensor *d, const ba_tensor *in, ba_err *e)
{
    ba_type a, b;
    char text[120];
    if (!d || ba_tensor_type(d, &a, e) || ba_tensor_type(in, &b, e))
        return NULL;
    if (!bai_same_dims(&a, &b))
        d = bai_op1(g, "reduce_to", d, BA_ATTRS(BA_S("shape", bai_dims_text(&b, text))), e);
    if (a.dtype != b.dtype)
        d = bai_op1(g, "cast", d, BA_ATTRS(BA_S("dtype", b.dtype == BA_BF16 ? "bf16" : "f32")), e);
    return d;
}
