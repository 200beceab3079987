/* live: what the roots need, and the pass that computes no more than that.
 *
 * Dead rows: when only some rows (or columns) of a tensor are read, the operation that makes it is asked to make only
 * those (its slice rule), and the demand moves one operation further up. This is how the last block of a transformer
 * computes queries, projection and MLP for the class token only, exactly, for values and gradients alike. */
#include <stdlib.h>

#include "node.h"

static int is_effect(const bai_node *n) { return n->kind == BAI_OP && (n->op->flags & BA_OP_EFFECT); }
static int is_slice(const bai_node *n) { return n->kind == BAI_OP && (n->op->flags & BA_OP_SLICE); }

int bai_mark_live(ba_graph *g, ba_tensor *const *roots, int n_roots)
{
    for (bai_node *n = g->first; n; n = n->next) {
        n->live = is_effect(n);
        for (int i = 0; i < n->n_out; i++)
            n->out[i].users = 0;
    }
    for (int i = 0; i < n_roots; i++) {
        ba_tensor *t = bai_resolve(roots[i]);
        t->node->live = 1;
        t->users++;
    }
    for (int i = 0; i < g->n_fetch; i++) {
        ba_tensor *t = bai_resolve(g->fetch[i].t);
        t->node->live = 1;
        t->users++;
    }
    int live = 0;
    for (bai_node *n = g->last; n; n = n->prev) { /* users stand behind what they use */
        if (!n->live)
            continue;
        live++;
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i]) {
                n->in[i] = bai_resolve(n->in[i]);
                n->in[i]->node->live = 1;
                n->in[i]->users++;
            }
    }
    return live;
}

void bai_count_nominal(ba_graph *g)
{
    for (bai_node *n = g->first; n; n = n->next) {
        if (!n->live || n->kind != BAI_OP || n->counted)
            continue;
        ba_cost c;
        bai_node_cost(n, &c);
        g->nominal[n->role].macs += c.nominal;
        g->nominal[n->role].norm += c.norm;
        n->counted = 1;
    }
}

typedef struct cut { int axis; int64_t from, to; } cut;

/* The distinct cuts that read t; 0 when anything else reads it, or when together they are no gain. */
static int cuts_of(ba_graph *g, const ba_tensor *t, cut *c, int room)
{
    int64_t seen = 0, total = 0;
    int n_cuts = 0;
    for (bai_node *n = t->node->next; n; n = n->next) {
        if (!n->live)
            continue;
        for (int i = 0; i < n->n_in; i++) {
            if (n->in[i] != t)
                continue;
            if (!is_slice(n))
                return 0;
            const ba_slice_params *p = n->params;
            cut k = { (int)p->axis, p->from, p->to };
            int same = 0;
            for (int j = 0; j < n_cuts; j++)
                same |= c[j].axis == k.axis && c[j].from == k.from && c[j].to == k.to;
            seen++;
            if (same)
                continue;
            if (n_cuts == room || (n_cuts && k.axis != c[0].axis))
                return 0;
            c[n_cuts++] = k;
            total += k.to - k.from;
        }
    }
    (void)g;
    if (!n_cuts || seen != t->users || total > t->type.dim[c[0].axis] || (n_cuts == 1 && total == t->type.dim[c[0].axis]))
        return 0;
    return n_cuts;
}

static void replace_slices(const ba_tensor *t, cut k, ba_tensor *by)
{
    for (bai_node *n = t->node->next; n; n = n->next) {
        const ba_slice_params *p = n->params;
        if (n->live && is_slice(n) && n->in[0] == t && p->axis == k.axis && p->from == k.from && p->to == k.to)
            n->out[0].forward = by;
    }
}

/* Asks the operation of n for one cut. 1: done, 0: not possible. */
static int cut_once(ba_graph *g, bai_node *n, cut k, int replace_others, ba_err *e)
{
    ba_tensor *sliced[BA_MAX_OUT] = { 0 }, *out[BA_MAX_OUT];
    for (int i = 0; i < n->n_out; i++)
        out[i] = &n->out[i];
    ba_slice_call call = { g, n->params, n->n_in, n->n_out, n->in, out, k.axis, k.from, k.to, sliced };
    int role = g->role, place = g->place, gradient = g->gradient;
    int64_t block = g->block;
    const bai_node *before = n->prev;
    g->at = n;
    g->role = n->role;
    g->place = n->place;
    g->block = n->block;
    g->gradient = n->gradient;
    int r = n->op->slice(&call, e);
    g->at = NULL;
    g->role = role;
    g->place = place;
    g->block = block;
    g->gradient = gradient;
    if (r)
        return r < 0 ? r : 0;
    for (bai_node *m = n->prev; m != before; m = m->prev)
        m->counted = 1; /* with n */
    for (int i = 0; i < n->n_out; i++) {
        if (!sliced[i])
            continue;
        if (n->op->slice_outs >> i & 1)
            replace_slices(&n->out[i], k, sliced[i]);
        else if (replace_others)
            n->out[i].forward = sliced[i];
    }
    return 1;
}

/* Cuts node n if everybody who reads it reads cuts. 1 when it did. */
static int cut_node(ba_graph *g, bai_node *n, ba_err *e)
{
    enum { ROOM = 4 };
    cut c[ROOM];
    int n_cuts = 0;
    for (int i = 0; i < n->n_out; i++) {
        if (!(n->op->slice_outs >> i & 1) || !n->out[i].users)
            continue;
        cut k[ROOM];
        int m = cuts_of(g, &n->out[i], k, ROOM);
        if (!m || (n_cuts && (m != 1 || n_cuts != 1 || k[0].axis != c[0].axis || k[0].from != c[0].from || k[0].to != c[0].to)))
            return 0;
        n_cuts = m;
        for (int j = 0; j < m; j++)
            c[j] = k[j];
    }
    int done = 0;
    for (int j = 0; j < n_cuts; j++) {
        int r = cut_once(g, n, c[j], n_cuts == 1, e);
        if (r < 0)
            return r;
        done |= r;
    }
    return done;
}

int bai_cut(ba_graph *g, ba_tensor *const *roots, int n_roots, ba_err *e)
{
    bai_mark_live(g, roots, n_roots);
    struct bai_nominal *more = realloc(g->nominal, (size_t)g->n_texts * sizeof *more);
    if (!more)
        return ba_fail(e, BA_EMACHINE, "no memory for the cost ledger");
    for (int i = g->n_nominal; i < g->n_texts; i++)
        more[i] = (struct bai_nominal){ 0 };
    g->nominal = more;
    g->n_nominal = g->n_texts;
    bai_count_nominal(g);
    for (bai_node *n = g->last; n; n = n->prev) {
        if (!n->live || n->kind != BAI_OP || !n->op->slice || is_slice(n))
            continue;
        int r = cut_node(g, n, e);
        if (r < 0)
            return r;
        if (r)
            bai_mark_live(g, roots, n_roots);
    }
    return BA_OK;
}
