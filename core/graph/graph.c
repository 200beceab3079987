/* graph: making nodes and looking at tensors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/nearest.h"
#include "../base/params.h"
#include "bauta/fp8.h"
#include "device.h"
#include "node.h"
#include "ops.h"
#include "store.h"

int bai_graph_check(const ba_graph *g, ba_err *e)
{
    return g && g->tag == BAI_TAG_GRAPH ? BA_OK : ba_fail(e, BA_EARG, "graph expected, got %s", g ? "something else (freed?)" : "nothing");
}

int bai_tensor_check(const ba_tensor *t, const char *what, ba_err *e)
{
    return t && t->tag == BAI_TAG_TENSOR ? BA_OK : ba_fail(e, BA_EARG, "%s: tensor expected, got %s", what, t ? "something else" : "nothing");
}

int bai_tensor_in(const ba_graph *g, const ba_tensor *t, const char *what, ba_err *e)
{
    if (bai_tensor_check(t, what, e))
        return BA_EARG;
    return t->node->graph == g ? BA_OK : ba_fail(e, BA_EARG, "%s: the tensor belongs to another graph", what);
}

ba_tensor *bai_root(ba_tensor *t)
{
    while (t->node->kind == BAI_OP && (t->node->op->flags & BA_OP_ALIAS))
        t = t->node->in[0];
    return t;
}

ba_tensor *bai_resolve(ba_tensor *t)
{
    while (t && t->forward)
        t = t->forward;
    return t;
}

static int no_memory(ba_err *e)
{
    return ba_fail(e, BA_EMACHINE, "no memory for the graph");
}

int bai_graph_text(ba_graph *g, const char *s, ba_err *e)
{
    for (int i = 0; i < g->n_texts; i++)
        if (!strcmp(g->texts[i], s))
            return i;
    const char **more = realloc(g->texts, ((size_t)g->n_texts + 1) * sizeof *more);
    char *copy = bai_arena_text(&g->arena, s);
    if (more)
        g->texts = more;
    if (!more || !copy)
        return no_memory(e);
    g->texts[g->n_texts] = copy;
    return g->n_texts++;
}

ba_graph *ba_graph_new(ba_device *d, uint64_t seed, ba_err *e)
{
    if (bai_device_check(d, e))
        return NULL;
    ba_graph *g = calloc(1, sizeof *g);
    if (!g) {
        no_memory(e);
        return NULL;
    }
    g->tag = BAI_TAG_GRAPH;
    g->device = d;
    g->seed = seed;
    g->dtype = BA_F32;
    g->refs = 1;
    if (bai_graph_text(g, "", e) < 0 || ba_graph_role(g, "other", e)) {
        ba_graph_free(g);
        return NULL;
    }
    return g;
}

void ba_graph_free(ba_graph *g)
{
    if (!g || g->tag != BAI_TAG_GRAPH || g->given_up)
        return;
    g->given_up = 1;
    bai_graph_unref(g);
}

void bai_graph_unref(ba_graph *g)
{
    if (--g->refs)
        return;
    g->tag = 0;
    free(g->texts);
    free(g->fetch);
    free(g->nominal);
    bai_arena_free(&g->arena);
    free(g);
}

static int set_text(ba_graph *g, const char *s, int *slot, size_t most, const char *what, ba_err *e)
{
    if (bai_graph_check(g, e))
        return e ? e->code : BA_EARG;
    if (!s || strlen(s) > most)
        return ba_fail(e, BA_EARG, "graph: %s: a text of at most %zu bytes expected", what, most);
    int i = bai_graph_text(g, s, e);
    if (i < 0)
        return i;
    *slot = i;
    return BA_OK;
}

int ba_graph_role(ba_graph *g, const char *role, ba_err *e) { return set_text(g, role, g ? &g->role : NULL, 50, "role", e); }
int ba_graph_place(ba_graph *g, const char *place, ba_err *e) { return set_text(g, place, g ? &g->place : NULL, 60, "place", e); }

int ba_graph_precision(ba_graph *g, int32_t dtype, ba_err *e)
{
    if (bai_graph_check(g, e))
        return BA_EARG;
    if (dtype != BA_F32 && dtype != BA_BF16 && dtype != BA_TF32)
        return ba_fail(e, BA_EARG, "graph: precision %d: fp32, tf32 or bf16 expected", dtype);
    g->tf32 = dtype == BA_TF32;
    g->dtype = g->tf32 ? BA_F32 : dtype;
    return BA_OK;
}

int64_t ba_graph_block(ba_graph *g, int64_t block, ba_err *e)
{
    if (bai_graph_check(g, e))
        return BA_EARG;
    if (block < BA_BLOCK_NEW || block > g->n_blocks)
        return ba_fail(e, BA_EARG, "graph: block %lld; -1 (a new one), 0 (none) or one of the %lld that were begun expected", (long long)block, (long long)g->n_blocks);
    int64_t was = g->block;
    g->block = block == BA_BLOCK_NEW ? ++g->n_blocks : block;
    return was;
}

int64_t ba_tensor_block(const ba_tensor *t) { return bai_tensor_check(t, "", NULL) ? 0 : t->node->block; }

int ba_graph_recompute(ba_graph *g, int32_t on, ba_err *e)
{
    if (bai_graph_check(g, e))
        return BA_EARG;
    if (on != 0 && on != 1)
        return ba_fail(e, BA_EARG, "graph: recompute %d: 0 (no) or 1 (blocks) expected", on);
    g->recompute = on;
    return BA_OK;
}

int32_t ba_graph_dtype(const ba_graph *g) { return bai_graph_check(g, NULL) ? BA_EARG : g->dtype; }

bai_node *bai_node_new(ba_graph *g, bai_kind kind, int n_in, int n_out, ba_err *e)
{
    bai_node *n = bai_arena_take(&g->arena, sizeof *n);
    ba_tensor **in = bai_arena_take(&g->arena, (size_t)(n_in ? n_in : 1) * sizeof *in);
    if (!n || !in) {
        no_memory(e);
        return NULL;
    }
    n->graph = g;
    n->kind = kind;
    n->n_in = n_in;
    n->n_out = n_out;
    n->in = in;
    n->role = g->role;
    n->place = g->place;
    n->tf32 = g->tf32;
    n->block = g->block;
    n->gradient = g->gradient;
    for (int i = 0; i < n_out; i++)
        n->out[i] = (ba_tensor){ .tag = BAI_TAG_TENSOR, .index = i, .node = n, .buffer = -1 };
    n->next = g->at;
    n->prev = g->at ? g->at->prev : g->last;
    *(n->prev ? &n->prev->next : &g->first) = n;
    *(n->next ? &n->next->prev : &g->last) = n;
    return n;
}

void bai_in_types(const bai_node *n, const ba_type **types)
{
    for (int i = 0; i < n->n_in; i++)
        types[i] = n->in[i] ? &n->in[i]->type : NULL;
}

static int type_of(int32_t dtype, int32_t rank, const int64_t *dim, ba_type *out, const char *what, ba_err *e)
{
    if (dtype < BA_F32 || dtype > BA_U8)
        return ba_fail(e, BA_EARG, "%s: element type %d: 1 (f32), 2 (bf16), 3 (i32) or 4 (u8) expected", what, dtype);
    if (rank < 0 || rank > BA_MAX_RANK || (rank && !dim))
        return ba_fail(e, BA_EARG, "%s: rank %d: 0 to %d expected", what, rank, BA_MAX_RANK);
    ba_type t = { dtype, rank, { 1, 1, 1, 1, 1 } }; /* dim may lie in *out */
    int64_t bytes = ba_dtype_size(dtype);
    for (int i = 0; i < rank; i++) {
        t.dim[i] = dim[i];
        if (dim[i] < 1 || __builtin_mul_overflow(bytes, dim[i], &bytes) || bytes > (INT64_C(1) << 46))
            return ba_fail(e, BA_EARG, "%s: axis %d of %lld elements: at least 1 and less than 64 TiB in all expected", what, i, (long long)dim[i]);
    }
    *out = t;
    return BA_OK;
}

static ba_tensor *leaf(ba_graph *g, bai_kind kind, const char *name, const ba_type *t, ba_err *e)
{
    bai_node *n = bai_node_new(g, kind, 0, 1, e);
    if (!n)
        return NULL;
    if (name && !(n->name = bai_arena_text(&g->arena, name))) {
        no_memory(e);
        return NULL;
    }
    n->out[0].type = *t;
    return &n->out[0];
}

static bai_node *find_leaf(const ba_graph *g, bai_kind kind, const char *name)
{
    for (bai_node *n = g->first; n; n = n->next)
        if (n->kind == kind && n->name && !strcmp(n->name, name))
            return n;
    return NULL;
}

ba_tensor *ba_input(ba_graph *g, const char *name, int32_t dtype, int32_t rank, const int64_t *dim, ba_err *e)
{
    ba_type t;
    if (bai_graph_check(g, e))
        return NULL;
    if (!name || !*name) {
        ba_fail(e, BA_EARG, "input: a name is expected");
        return NULL;
    }
    if (type_of(dtype, rank, dim, &t, name, e))
        return NULL;
    if (find_leaf(g, BAI_INPUT, name)) {
        ba_fail(e, BA_EARG, "input '%s' exists already", name);
        return NULL;
    }
    return leaf(g, BAI_INPUT, name, &t, e);
}

ba_tensor *ba_constant(ba_graph *g, int32_t dtype, int32_t rank, const int64_t *dim, const void *data, ba_err *e)
{
    ba_type t;
    if (bai_graph_check(g, e) || type_of(dtype, rank, dim, &t, "constant", e))
        return NULL;
    if (!data) {
        ba_fail(e, BA_EARG, "constant: data expected");
        return NULL;
    }
    ba_tensor *c = leaf(g, BAI_CONSTANT, NULL, &t, e);
    size_t bytes = (size_t)(ba_type_count(&t) * ba_dtype_size(dtype));
    if (c && !(c->node->data = bai_arena_take(&g->arena, bytes))) {
        no_memory(e);
        return NULL;
    }
    if (c)
        memcpy(c->node->data, data, bytes);
    return c;
}

ba_tensor *ba_scalar(ba_graph *g, double value, ba_err *e)
{
    float f = (float)value;
    return ba_constant(g, BA_F32, 0, NULL, &f, e);
}

ba_tensor *ba_variable(ba_graph *g, ba_store *s, const char *name, ba_err *e)
{
    ba_type t;
    if (bai_graph_check(g, e))
        return NULL;
    int64_t i = bai_store_index(s, name, e);
    if (i < 0 || ba_store_type(s, i, &t, e))
        return NULL;
    for (bai_node *n = g->first; n; n = n->next) /* one node a variable: updates and reads must meet */
        if (n->kind == BAI_VARIABLE && n->store == s && n->variable == i)
            return &n->out[0];
    bai_node *at = g->at;
    g->at = NULL;
    ba_tensor *v = leaf(g, BAI_VARIABLE, name, &t, e);
    g->at = at;
    if (v) {
        v->node->store = s;
        v->node->variable = i;
    }
    return v;
}

/* What an operation has already made of v alone, as this type; NULL when there is none. */
static ba_tensor *made_of(ba_tensor *v, const char *op, int dtype)
{
    for (bai_node *n = v->node->next; n; n = n->next)
        if (n->kind == BAI_OP && n->n_in == 1 && n->in[0] == v && n->out[0].type.dtype == dtype && !strcmp(n->op->name, op))
            return &n->out[0];
    return NULL;
}

ba_tensor *ba_weight(ba_graph *g, ba_store *s, const char *name, ba_err *e)
{
    ba_tensor *v = ba_variable(g, s, name, e);
    if (!v || g->dtype == BA_F32)
        return v;
    ba_tensor *there = made_of(v, "cast", g->dtype);
    return there ? there : ba_op_apply(g, "cast", 1, &v, BA_ATTRS(BA_S("dtype", "bf16")), e);
}

ba_tensor *ba_weight_fp8(ba_graph *g, ba_store *s, const char *name, ba_err *e)
{
    ba_tensor *v = ba_variable(g, s, name, e), *there = v ? made_of(v, "quantise_fp8", BA_U8) : NULL;
    return !v || there ? there : ba_op_apply(g, "quantise_fp8", 1, &v, 0, NULL, e);
}

static int judge_inputs(ba_graph *g, const ba_op *op, int n_in, ba_tensor *const *in, ba_err *e)
{
    if (n_in < op->min_in || n_in > op->max_in) {
        if (op->min_in == op->max_in)
            return ba_fail(e, BA_EARG, "%s: %d inputs given, %d expected", op->name, n_in, op->min_in);
        return ba_fail(e, BA_EARG, "%s: %d inputs given, %d to %d expected", op->name, n_in, op->min_in, op->max_in);
    }
    for (int i = 0; i < n_in; i++) {
        if (!in[i] && i >= op->min_in)
            continue;
        if (!in[i] || in[i]->tag != BAI_TAG_TENSOR)
            return ba_fail(e, BA_EARG, "%s: input %d is not a tensor", op->name, i);
        if (in[i]->node->graph != g)
            return ba_fail(e, BA_EARG, "%s: input %d belongs to another graph", op->name, i);
        if (i < 32 && (op->inout >> i & 1) && bai_resolve(in[i])->node->kind != BAI_VARIABLE)
            return ba_fail(e, BA_EARG, "%s: input %d is updated in place; a variable expected", op->name, i);
    }
    return BA_OK;
}

static ba_tensor *place_op(ba_graph *g, const ba_op *op, int n_in, ba_tensor *const *in, void *params, ba_err *e)
{
    const ba_type **types = bai_arena_take(&g->arena, (size_t)(n_in ? n_in : 1) * sizeof *types);
    ba_type out[BA_MAX_OUT] = { { 0 } };
    if (!types) {
        no_memory(e);
        return NULL;
    }
    for (int i = 0; i < n_in; i++)
        types[i] = in[i] ? &bai_resolve(in[i])->type : NULL;
    if (op->shape(params, n_in, types, out, e))
        return NULL;
    for (int i = 0; i < op->n_out; i++)
        if (type_of(out[i].dtype, out[i].rank, out[i].dim, &out[i], op->name, e))
            return NULL;
    bai_node *n = bai_node_new(g, BAI_OP, n_in, op->n_out, e);
    if (!n)
        return NULL;
    n->op = op;
    n->params = params;
    for (int i = 0; i < n_in; i++)
        n->in[i] = bai_resolve(in[i]);
    for (int i = 0; i < op->n_out; i++)
        n->out[i].type = out[i];
    return &n->out[0];
}

static const char *nearest_op(const char *name)
{
    bai_nearest best = bai_nearest_begin(name);
    for (int i = 0; i < bai_op_count(); i++)
        bai_nearest_try(&best, bai_op_at(i)->name);
    return best.best;
}

ba_tensor *ba_op_apply(ba_graph *g, const char *name, int32_t n_in, ba_tensor *const *in, int32_t n_attr, const ba_attr *attr, ba_err *e)
{
    if (bai_graph_check(g, e))
        return NULL;
    const ba_op *op = name ? bai_op_find(name) : NULL;
    if (!op) {
        const char *best = nearest_op(name ? name : "");
        ba_fail(e, BA_EARG, "no operation '%.64s'%s%s%s (bauta ops lists them)", name ? name : "", best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
        return NULL;
    }
    if (n_in < 0 || (n_in && !in) || judge_inputs(g, op, n_in, in, e))
        return NULL;
    void *params = bai_arena_take(&g->arena, op->params_size ? op->params_size : 1);
    if (!params) {
        no_memory(e);
        return NULL;
    }
    if (bai_params_fill(op->params, (int)op->nparams, params, n_attr, attr, op->name, e))
        return NULL;
    for (uint32_t i = 0; i < op->nparams; i++) { /* texts live as long as the graph */
        const char **s = (const char **)((char *)params + op->params[i].offset);
        if (op->params[i].type == BA_STR && *s && !(*s = bai_arena_text(&g->arena, *s))) {
            no_memory(e);
            return NULL;
        }
    }
    return place_op(g, op, n_in, in, params, e);
}

ba_tensor *ba_output_of(ba_tensor *t, int32_t i, ba_err *e)
{
    if (bai_tensor_check(t, "output", e))
        return NULL;
    if (i < 0 || i >= t->node->n_out) {
        ba_fail(e, BA_EARG, "%s: output %d asked, it has 0 to %d", ba_tensor_op(t), i, t->node->n_out - 1);
        return NULL;
    }
    return &t->node->out[i];
}

int ba_tensor_type(const ba_tensor *t, ba_type *out, ba_err *e)
{
    if (bai_tensor_check(t, "type", e))
        return BA_EARG;
    if (!out)
        return ba_fail(e, BA_EARG, "type: nowhere to put it");
    *out = t->type;
    return BA_OK;
}

const char *ba_tensor_op(const ba_tensor *t)
{
    static const char *const leaves[] = { "", "input", "constant", "variable" };
    if (bai_tensor_check(t, "", NULL))
        return "";
    return t->node->kind == BAI_OP ? t->node->op->name : leaves[t->node->kind];
}

int ba_fetch(ba_graph *g, const char *name, ba_tensor *t, ba_err *e)
{
    if (bai_graph_check(g, e) || bai_tensor_in(g, t, "fetch", e))
        return BA_EARG;
    if (!name || !*name)
        return ba_fail(e, BA_EARG, "fetch: a name is expected");
    for (int i = 0; i < g->n_fetch; i++)
        if (!strcmp(g->fetch[i].name, name))
            return ba_fail(e, BA_EARG, "fetch: '%s' is fetched already", name);
    bai_fetch *more = realloc(g->fetch, ((size_t)g->n_fetch + 1) * sizeof *more);
    char *copy = bai_arena_text(&g->arena, name);
    if (more)
        g->fetch = more;
    if (!more || !copy)
        return no_memory(e);
    g->fetch[g->n_fetch++] = (bai_fetch){ copy, t };
    return BA_OK;
}
