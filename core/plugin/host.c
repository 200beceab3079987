/* host: the table of functions that plugins are given. Each works on the graph of the call that is being made. */
#include <stdio.h>
#include <string.h>

#include "../data/dataset.h"
#include "../nn/blocks.h"
#include "../nn/features.h"
#include "build.h"
#include "state.h"

enum { MOST_INPUTS = 64 };

static int in_call(const ba_build *b, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    return b->call.desc ? BA_OK : ba_fail(e, BA_EPLUGIN, "a host function was called outside of a call");
}

static ba_tensor *op(ba_build *b, const char *name, int n_in, ba_tensor *const *in, int n_attr, const ba_attr *attr, ba_err *e)
{
    ba_tensor *now[MOST_INPUTS];
    if (in_call(b, e))
        return NULL;
    if (n_in < 0 || n_in > MOST_INPUTS || (n_in && !in)) {
        ba_fail(e, BA_EARG, "%.64s: %d inputs given, 0 to %d expected", name ? name : "op", n_in, MOST_INPUTS);
        return NULL;
    }
    for (int i = 0; i < n_in; i++)
        now[i] = bai_sum_joined(b, in[i]);
    return ba_op_apply(b->g, name, n_in, now, n_attr, attr, e);
}

static ba_tensor *output(ba_build *b, ba_tensor *t, int i, ba_err *e)
{
    return in_call(b, e) ? NULL : ba_output_of(t, i, e);
}

static ba_tensor *scalar(ba_build *b, double value, ba_err *e)
{
    return in_call(b, e) ? NULL : ba_scalar(b->g, value, e);
}

static ba_tensor *constant(ba_build *b, int rank, const int64_t *dim, const float *data, ba_err *e)
{
    return in_call(b, e) ? NULL : ba_constant(b->g, BA_F32, rank, dim, data, e);
}

static ba_tensor *indices(ba_build *b, int rank, const int64_t *dim, const int32_t *data, ba_err *e)
{
    return in_call(b, e) ? NULL : ba_constant(b->g, BA_I32, rank, dim, data, e);
}

static int rank_of(const ba_tensor *t)
{
    ba_type type;
    return ba_tensor_type(t, &type, NULL) ? -1 : type.rank;
}

static int64_t dim_of(const ba_tensor *t, int axis)
{
    ba_type type;
    if (ba_tensor_type(t, &type, NULL))
        return -1;
    if (axis < 0)
        axis += type.rank;
    return axis >= 0 && axis < type.rank ? type.dim[axis] : -1;
}

static int dtype_of(const ba_tensor *t)
{
    ba_type type;
    return ba_tensor_type(t, &type, NULL) ? -1 : type.dtype;
}

/* In a criterion "masked" is whoever will be masked, in a reducer "reduced" the model it works in. */
static const char *name_of(const ba_build *b, const char *who)
{
    if (who && b->call.reduced && !strcmp(who, "reduced"))
        return b->call.reduced;
    return who && b->call.whom && !strcmp(who, "masked") ? b->call.whom : who;
}

static ba_tensor *signal_of(ba_build *b, const char *who, const char *what, int64_t layer, ba_err *e)
{
    if (in_call(b, e))
        return NULL;
    return b->call.reduced && who && what && !strcmp(who, "reduced") ? bai_build_own(b, b->call.reduced, what, layer, e)
        : ba_build_get(b, name_of(b, who), what, layer, e);
}

/* ---- what an architecture publishes has the shape that the name promises ---- */
typedef struct promise { const char *what; int layered; ba_type type; } promise;

static int keeps(const promise *p, const char *what, int64_t layer, int64_t depth, const ba_type *t, ba_err *e)
{
    char have[100], want[100];
    if (!p->layered && layer >= 0)
        return ba_fail(e, BA_EPLUGIN, "published %s of layer %lld; %s belong to no layer", what, (long long)layer, what);
    if (p->layered && (layer < 0 || layer >= depth))
        return ba_fail(e, BA_EPLUGIN, "published %s of layer %lld; the model has %lld blocks", what, (long long)layer, (long long)depth);
    int same = t->rank == p->type.rank;
    for (int k = 0; same && k < t->rank; k++)
        same = t->dim[k] == p->type.dim[k] || p->type.dim[k] < 0; /* -1: as many tokens as a reducer has left */
    if (same)
        return BA_OK;
    bai_type_text(t, have, sizeof have);
    bai_type_text(&p->type, want, sizeof want);
    return ba_fail(e, BA_EPLUGIN, "published %s are %s; %s expected", what, have, want);
}

static int judge_published(const ba_build *b, const char *what, int64_t layer, const ba_type *t, ba_err *e)
{
    const char *who = b->call.who;
    int64_t B = t->rank ? t->dim[0] : 1, E = bai_build_fact_get(b, who, "prefix"), kept = bai_build_fact_get(b, who, "kept");
    int64_t T = b->reduction.reducer ? -1 : E + (kept >= 0 ? kept : bai_build_fact_get(b, who, "patches")), dim = bai_build_fact_get(b, who, "dim");
    int64_t heads = bai_build_fact_get(b, who, "heads");
    const promise all[] = {
        { "logits", 0, { 0, 2, { B, bai_build_fact_get(b, who, "classes") } } }, { "features", 0, { 0, 3, { B, T, dim } } },
        { "pooled", 0, { 0, 2, { B, dim } } }, { "embedded", 0, { 0, 3, { B, T, dim } } }, { "tokens", 1, { 0, 3, { B, T, dim } } },
        { "attention_output", 1, { 0, 3, { B, T, dim } } }, { "mlp_output", 1, { 0, 3, { B, T, dim } } },
        { "class_attention", 1, { 0, 4, { B, heads, E ? E : 1, T } } }, { "attention", 1, { 0, 4, { B, heads, T, T } } },
        { "attention_logits", 1, { 0, 4, { B, heads, T, T } } },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!strcmp(all[i].what, what))
            return keeps(&all[i], what, layer, bai_build_fact_get(b, who, "depth"), t, e);
    return BA_OK;
}

static int publish(ba_build *b, const char *what, int64_t layer, ba_tensor *t, ba_err *e)
{
    ba_type type;
    if (in_call(b, e))
        return BA_EPLUGIN;
    if (!b->call.who)
        return ba_fail(e, BA_EPLUGIN, "only an architecture publishes signals");
    int r = ba_tensor_type(t, &type, e);
    if (!r && what)
        r = judge_published(b, what, layer, &type, e);
    r = r ? r : ba_build_put(b, b->call.who, what, layer, t, e);
    return r || strcmp(what, "features") ? r : bai_nn_offer_normed(b, t, e);
}

static int64_t fact(ba_build *b, const char *who, const char *what, ba_err *e)
{
    return in_call(b, e) ? -1 : ba_build_fact(b, name_of(b, who), what, e);
}

static ba_tensor *random_of(ba_build *b, const char *name, int rank, const int64_t *dim, ba_err *e)
{
    char shape[128] = "", stream[200];
    if (in_call(b, e))
        return NULL;
    if (!name || !*name || rank < 0 || rank > BA_MAX_RANK || (rank && !dim)) {
        ba_fail(e, BA_EARG, "random: a name and a shape of at most %d axes expected", BA_MAX_RANK);
        return NULL;
    }
    for (int i = 0; i < rank; i++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%lld", i ? "," : "", (long long)dim[i]);
    snprintf(stream, sizeof stream, "%.64s/%.64s", b->call.label, name);
    ba_tensor *step = ba_build_get(b, "batch", "step", -1, e);
    return step ? ba_op_apply(b->g, "uniform", 1, &step, BA_ATTRS(BA_S("shape", shape), BA_S("stream", stream)), e) : NULL;
}

/* Notes stand beside the signals, as LABEL_NAME of "note", from where the training step takes them. */
static int note(ba_build *b, const char *name, ba_tensor *t, ba_err *e)
{
    char what[200];
    ba_type type;
    if (in_call(b, e))
        return BA_EPLUGIN;
    if (b->call.who || b->call.reduced)
        return ba_fail(e, BA_EPLUGIN, "only criteria and losses note numbers");
    if (!name || !*name || strlen(name) > 32 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name))
        return ba_fail(e, BA_EARG, "note '%.64s': 1 to 32 of a-z, 0-9 and _ expected", name ? name : "");
    if (ba_tensor_type(t, &type, e))
        return e->code;
    if (type.dtype != BA_F32 && type.dtype != BA_BF16)
        return ba_fail(e, BA_EARG, "note %s: f32 or bf16 expected", name);
    snprintf(what, sizeof what, "%.120s_%s", b->call.label, name);
    for (char *c = what; *c; c++)
        *c = strchr("@-.", *c) ? '_' : *c;
    return ba_build_put(b, "note", what, -1, t, e);
}

const ba_host bai_host = {
    .size = sizeof(ba_host), .abi_minor = BA_ABI_MINOR, .fail = ba_fail,
    .op = op, .output = output, .scalar = scalar, .constant = constant, .rank = rank_of, .dim = dim_of, .dtype = dtype_of,
    .signal = signal_of, .publish = publish, .fact = fact, .weight = bai_nn_weight, .random = random_of,
    .embed = bai_nn_embed, .linear = bai_nn_linear, .layernorm = bai_nn_layernorm, .block = bai_nn_block,
    .data = &bai_data_host,
    .match = bai_nn_match, .layers = bai_nn_layers, .project = bai_nn_project, .conv3x3 = bai_nn_conv3x3,
    .weight_from = bai_nn_weight_from, .indices = indices, .split_heads = bai_nn_split_heads, .join_heads = bai_nn_join_heads, .merge = bai_nn_merge,
    .vit_facts = bai_nn_vit_facts, .vit_embed = bai_nn_vit_embed, .vit_blocks = bai_nn_vit_blocks, .vit_head = bai_nn_vit_head,
    .vit_table = bai_nn_vit_table, .vit_positions = bai_nn_vit_positions,
    .saliency = bai_nn_saliency, .regrid = bai_nn_regrid,
    .state = bai_state, .after = bai_after, .attention_layers = bai_nn_attention_layers, .note = note,
};
