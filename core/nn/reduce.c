/* reduce: a model that has a reducer loses tokens between attention and MLP of its blocks. Tokens that were merged stand for several and,
 * where the reducer wishes so, attract as much attention as these would: such blocks spell their attention out. */
#include "bauta/op.h"
#include "blocks.h"
#include "short.h"

ba_tensor *bai_nn_weighted(ba_build *b, const ba_block *spec, ba_tensor *qkv, ba_err *e)
{
    ba_type t;
    if (ba_tensor_type(qkv, &t, e))
        return NULL;
    const char *dtype = t.dtype == BA_BF16 ? "bf16" : "f32";
    ba_tensor *in[2] = { bai_build_own(b, b->call.who, "attention", spec->layer, e), NULL };
    in[1] = in[0] ? bai_nn_op1(b, "cast", bai_build_own(b, b->call.who, "values", spec->layer, e), BA_ATTRS(BA_S("dtype", "f32")), e) : NULL;
    ba_tensor *classes = spec->prefix < 1 ? NULL : bai_nn_slice(b, in[0], 2, 0, spec->prefix, e);
    if (!in[1] || (spec->prefix > 0 && (!classes || bai_host.publish(b, "class_attention", spec->layer, classes, e))))
        return NULL;
    ba_tensor *y = ba_op_apply(b->g, "matmul", 2, in, 0, NULL, e);
    y = y ? bai_nn_join_heads(b, y, e) : NULL;
    return bai_nn_op1(b, "cast", y, BA_ATTRS(BA_S("dtype", dtype)), e);
}

int bai_nn_judge_reducer(const ba_build *b, const char *prefix, const ba_block *spec, ba_err *e)
{
    const bai_reduction *r = &b->reduction;
    return !r->reducer || (!spec->quiet && !spec->attend) ? BA_OK
        : ba_fail(e, BA_EARG, "reducer %s: block %.100s has tokens or an attention of its own kind, in which nothing can be reduced",
                  ba_params_desc(r->reducer)->name, prefix);
}

ba_tensor *bai_nn_reduce(ba_build *b, const ba_block *spec, ba_tensor *x, ba_err *e)
{
    bai_reduction *r = &b->reduction;
    if (!r->reducer || !x)
        return x;
    ba_reduce_in in = { sizeof in, spec->layer, bai_build_fact_get(b, b->call.who, "depth"), spec->prefix, x, r->sizes };
    ba_reduce_out out = { .size = sizeof out };
    r->blocks++;
    if (bai_reduce(b, &in, &out, e))
        return NULL;
    if (!out.x)
        return x;
    r->sizes = out.sizes;
    r->weigh = out.weigh;
    return out.x;
}
