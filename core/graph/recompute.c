/* recompute: what blocks compute is not kept for the gradient, but computed again just before the gradient of its block begins.
 *
 * Copies of the block's nodes stand in front of the first node of its gradient and begin with what is there anyhow: what enters the block from
 * outside, what the gradients of other nodes read (a loss that looks into the block, the next block), what is fetched, what depends on weights only.
 * Equal operations on equal inputs give equal bits; random ones go by stream and step, and draw the same numbers again. */
#include <stdio.h>

#include "node.h"

/* Whether a node can be computed again at all. */
static int can_repeat(const bai_node *n)
{
    return n->live && n->kind == BAI_OP && n->block && !n->still && !(n->op->flags & BA_OP_EFFECT) && !n->gradient;
}

static int is_missing(const ba_tensor *t) { return t->wanted && !t->kept; }

static int is_repeated(const bai_node *n)
{
    int missing = 0;
    for (int i = 0; can_repeat(n) && i < n->n_out; i++)
        missing |= is_missing(&n->out[i]);
    return missing;
}

static void begin(ba_graph *g)
{
    for (bai_node *n = g->first; n; n = n->next) {
        n->again = NULL;
        n->still = n->kind == BAI_CONSTANT || n->kind == BAI_VARIABLE || (n->kind == BAI_OP && !(n->op->flags & BA_OP_EFFECT));
        for (int i = 0; i < n->n_in; i++)
            n->still &= !n->in[i] || n->in[i]->node->still;
        for (int i = 0; i < n->n_out; i++)
            n->out[i].wanted = n->out[i].kept = 0;
    }
    for (int i = 0; i < g->n_fetch; i++)
        bai_resolve(g->fetch[i].t)->kept = 1;
}

/* What is asked for, last node first: everybody who reads a tensor has been seen when the node that makes it comes. */
static void ask(ba_graph *g)
{
    for (bai_node *n = g->last; n; n = n->prev) {
        if (!n->live || n->kind != BAI_OP)
            continue;
        if (!n->gradient && !is_repeated(n)) {
            if ((n->op->flags & BA_OP_ALIAS) && n->out[0].kept) /* the memory of its input is there */
                n->in[0]->kept = 1;
            continue;
        }
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i])
                *(n->block && n->in[i]->node->block == n->block ? &n->in[i]->wanted : &n->in[i]->kept) = 1;
    }
}

/* The tensor that stands for t in the gradient of a block, and in what is computed again for it. */
static ba_tensor *stand_in(ba_tensor *t, int64_t block)
{
    return t && t->node->block == block && t->node->again && is_missing(t) ? &t->node->again->out[t->index] : t;
}

static int repeat(bai_node *n, bai_node *before, ba_err *e)
{
    ba_graph *g = n->graph;
    char role[80];
    snprintf(role, sizeof role, "%.50s.recompute", g->texts[n->role]);
    int r = bai_graph_text(g, role, e);
    if (r < 0)
        return r;
    g->at = before;
    bai_node *copy = bai_node_new(g, BAI_OP, n->n_in, n->n_out, e);
    g->at = NULL;
    if (!copy)
        return BA_EMACHINE;
    copy->op = n->op;
    copy->params = n->params;
    copy->role = r;
    copy->place = n->place;
    copy->tf32 = n->tf32;
    copy->block = n->block;
    copy->counted = 1; /* the papers' cost counts a model once */
    copy->copy_of = n;
    for (int i = 0; i < n->n_in; i++)
        copy->in[i] = stand_in(n->in[i], n->block);
    for (int i = 0; i < n->n_out; i++)
        copy->out[i].type = n->out[i].type;
    n->again = copy;
    return BA_OK;
}

/* Computes in front of `before`, which lies in the same block, all that its gradient misses. */
static int repeat_block(ba_graph *g, bai_node *before, int64_t *made, ba_err *e)
{
    for (bai_node *n = g->first; n != before; n = n->next) {
        if (n->block != before->block || n->again || !is_repeated(n))
            continue;
        int r = repeat(n, before, e);
        if (r)
            return r;
        ++*made;
    }
    return BA_OK;
}

/* Lets a node of a gradient read what is computed again. */
static int reroute(bai_node *n, int64_t *made, ba_err *e)
{
    for (int i = 0; i < n->n_in; i++) {
        ba_tensor *t = n->in[i];
        if (!t || t->node->block != n->block || !is_missing(t) || !can_repeat(t->node))
            continue;
        int r = t->node->again ? BA_OK : repeat_block(n->graph, n, made, e);
        if (r)
            return r;
        n->in[i] = stand_in(t, n->block);
    }
    return BA_OK;
}

static void unlink_node(bai_node *n)
{
    ba_graph *g = n->graph;
    *(n->prev ? &n->prev->next : &g->first) = n->next;
    *(n->next ? &n->next->prev : &g->last) = n->prev;
}

void bai_recompute_undo(ba_graph *g)
{
    for (bai_node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i] && n->in[i]->node->copy_of)
                n->in[i] = &n->in[i]->node->copy_of->out[n->in[i]->index];
    for (bai_node *n = g->first; n; n = n->next)
        if (n->copy_of)
            unlink_node(n);
}

int bai_recompute(ba_graph *g, int64_t *made, ba_err *e)
{
    *made = 0;
    begin(g);
    ask(g);
    for (bai_node *n = g->first; n; n = n->next) {
        int r = n->live && n->kind == BAI_OP && n->block && n->gradient ? reroute(n, made, e) : BA_OK;
        if (r)
            return r;
    }
    bai_mark_live(g, NULL, 0);
    return BA_OK;
}
