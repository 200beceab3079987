/* autodiff: appends the nodes of a gradient, by asking each operation, last first, for the gradient of its inputs. */
#include <stdio.h>
#include <stdlib.h>

#include "bauta/reaches.h"
#include "node.h"

typedef struct tape {
    ba_graph *g;
    ba_tensor **grad;     /* [nodes * BA_MAX_OUT] gradient so far */
    unsigned char *need;  /* [nodes] whether any wanted tensor is upstream */
} tape;

static int64_t slot(const ba_tensor *t) { return t->node->order * BA_MAX_OUT + t->index; }

static int add_to(tape *p, ba_tensor *t, ba_tensor *d, ba_err *e)
{
    ba_tensor **at = &p->grad[slot(t)];
    const ba_type *a = &t->type, *b = &d->type;
    int same = a->rank == b->rank && (b->dtype == BA_F32 || b->dtype == BA_BF16);
    for (int i = 0; same && i < a->rank; i++)
        same = a->dim[i] == b->dim[i];
    if (!same) {
        char want[96], got[96];
        bai_type_text(a, want, sizeof want);
        bai_type_text(b, got, sizeof got);
        return ba_fail(e, BA_EBUG, "gradient of %s's output has type %s, it should be %s", ba_tensor_op(t), got, want);
    }
    if (*at && (*at)->type.dtype != d->type.dtype) { /* the wider one decides */
        ba_tensor **narrow = d->type.dtype == BA_BF16 ? &d : at;
        if (!(*narrow = ba_op_apply(p->g, "cast", 1, narrow, BA_ATTRS(BA_S("dtype", "f32")), e)))
            return BA_EBUG;
    }
    *at = *at ? ba_op_apply(p->g, "add", 2, (ba_tensor *[]){ *at, d }, 0, NULL, e) : d;
    return *at ? BA_OK : BA_EBUG;
}

static int step_back(tape *p, bai_node *n, ba_err *e)
{
    ba_tensor *out[BA_MAX_OUT], **din = calloc((size_t)n->n_in, sizeof *din);
    unsigned char *want = calloc((size_t)n->n_in, 1);
    int r = din && want ? BA_OK : ba_fail(e, BA_EMACHINE, "no memory for the gradient");
    for (int i = 0; i < n->n_out; i++)
        out[i] = &n->out[i];
    for (int i = 0; !r && i < n->n_in; i++)
        want[i] = n->in[i] && p->need[n->in[i]->node->order] && (n->in[i]->type.dtype == BA_F32 || n->in[i]->type.dtype == BA_BF16);
    if (!r) {
        char role[80];
        snprintf(role, sizeof role, "%.60s%s", p->g->texts[n->role], n->gradient ? "" : ".backward");
        if ((p->g->role = bai_graph_text(p->g, role, e)) < 0)
            r = p->g->role;
        p->g->place = n->place;
        p->g->block = n->block;
        p->g->gradient = 1;
    }
    if (!r) {
        ba_grad_call c = { p->g, n->params, n->n_in, n->n_out, n->in, out, &p->grad[n->order * BA_MAX_OUT], want, din };
        r = n->op->grad(&c, e);
    }
    for (int i = 0; !r && i < n->n_in; i++)
        if (din[i] && want[i])
            r = add_to(p, n->in[i], din[i], e);
    free(din);
    free(want);
    return r;
}

static int any_grad(const tape *p, const bai_node *n)
{
    for (int i = 0; i < n->n_out; i++)
        if (p->grad[n->order * BA_MAX_OUT + i])
            return 1;
    return 0;
}

static int passes(const bai_node *n) { return n->kind == BAI_OP && (n->op->grad || (n->op->flags & BA_OP_FROZEN)); }

static int frozen(const bai_node *n, ba_err *e)
{
    const char *place = n->graph->texts[n->place];
    return ba_fail(e, BA_EARG, "gradient: none goes through %s%s%s%s, whose numbers do not learn", n->op->name, *place ? " (" : "", place, *place ? ")" : "");
}

/* Numbers the nodes of a graph; how many there are. */
static int64_t count(ba_graph *g)
{
    int64_t nodes = 0;
    for (bai_node *m = g->first; m; m = m->next)
        m->order = nodes++;
    return nodes;
}

/* Marks every node through which a gradient comes to one of the tensors. */
static void mark(const ba_graph *g, ba_tensor *const *wrt, int n_wrt, unsigned char *need)
{
    for (int i = 0; i < n_wrt; i++)
        need[bai_resolve(wrt[i])->node->order] = 1;
    for (bai_node *n = g->first; n; n = n->next)
        for (int i = 0; passes(n) && i < n->n_in; i++)
            if (n->in[i] && need[n->in[i]->node->order])
                need[n->order] = 1;
}

static int walk(tape *p, ba_tensor *loss, ba_tensor *const *wrt, int n_wrt, ba_err *e)
{
    bai_node *last = p->g->last;
    mark(p->g, wrt, n_wrt, p->need);
    float one = 1;
    ba_tensor *seed = ba_constant(p->g, BA_F32, 0, NULL, &one, e);
    if (!seed)
        return BA_EMACHINE;
    p->grad[slot(loss)] = seed;
    for (bai_node *n = last; n; n = n->prev)
        if (n->live && passes(n) && p->need[n->order] && any_grad(p, n)) {
            int r = n->op->grad ? step_back(p, n, e) : frozen(n, e);
            if (r)
                return r;
        }
    return BA_OK;
}

int ba_grad(ba_graph *g, ba_tensor *loss, int32_t n, ba_tensor *const *wrt, ba_tensor **grad, ba_err *e)
{
    if (bai_graph_check(g, e) || bai_tensor_in(g, loss, "loss", e))
        return BA_EARG;
    if (n < 0 || (n && (!wrt || !grad)))
        return ba_fail(e, BA_EARG, "gradient: %d tensors, but no list of them", n);
    loss = bai_resolve(loss);
    if (ba_type_count(&loss->type) != 1 || loss->type.rank || loss->type.dtype != BA_F32) {
        char t[96];
        bai_type_text(&loss->type, t, sizeof t);
        return ba_fail(e, BA_EARG, "gradient: the loss is %s; a scalar f32[] is expected (take the mean)", t);
    }
    for (int i = 0; i < n; i++)
        if (bai_tensor_in(g, wrt[i], "gradient", e))
            return BA_EARG;
    int r = bai_cut(g, &loss, 1, e);
    if (r)
        return r;
    loss = bai_resolve(loss);
    int64_t nodes = count(g);
    /* nodes appended meanwhile are never looked up: gradients of gradients are not taken in one call */
    tape p = { g, calloc((size_t)nodes * BA_MAX_OUT, sizeof *p.grad), calloc((size_t)nodes, 1) };
    int role = g->role, place = g->place;
    int64_t block = g->block;
    r = p.grad && p.need ? walk(&p, loss, wrt, n, e) : ba_fail(e, BA_EMACHINE, "no memory for the gradient");
    g->role = role;
    g->place = place;
    g->block = block;
    g->gradient = 0;
    for (int i = 0; !r && i < n; i++)
        grad[i] = p.grad[slot(bai_resolve(wrt[i]))];
    free(p.grad);
    free(p.need);
    return r;
}

int ba_grad_reaches(ba_graph *g, ba_tensor *t, int32_t n, ba_tensor *const *wrt, ba_err *e)
{
    if (bai_graph_check(g, e) || bai_tensor_in(g, t, "gradient", e))
        return BA_EARG;
    if (n < 0 || (n && !wrt))
        return ba_fail(e, BA_EARG, "gradient: %d tensors, but no list of them", n);
    for (int i = 0; i < n; i++)
        if (bai_tensor_in(g, wrt[i], "gradient", e))
            return BA_EARG;
    unsigned char *need = calloc((size_t)count(g) + 1, 1);
    if (!need)
        return ba_fail(e, BA_EMACHINE, "no memory for the gradient");
    mark(g, wrt, n, need);
    int reaches = need[bai_resolve(t)->node->order];
    free(need);
    return reaches;
}
