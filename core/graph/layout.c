/* layout: in which order the nodes of a program run and where in the arena their results lie: all that can be said of a graph before the
 * device gives a byte. */
#include "program.h"

static int oom(ba_err *e) { return ba_fail(e, BA_EMACHINE, "no memory to lay out the program"); }

static int writes(const bai_node *n, int i)
{
    return n->kind == BAI_OP && i < 32 && (n->op->inout >> i & 1);
}

/* An update may run as soon as its gradient is there and everybody else has read the old value; moving it there frees
 * gradients early. Returns the position (in list order) after which node i, an effect, may stand. */
static int64_t earliest(bai_node **list, const int64_t *place, int64_t i)
{
    int64_t p = -1;
    const bai_node *n = list[i];
    for (int k = 0; k < n->n_in; k++) {
        if (!n->in[k])
            continue;
        const ba_tensor *t = bai_root(n->in[k]); /* a reshaped weight is the weight */
        if (t->node->kind == BAI_OP && place[t->node->order] > p)
            p = place[t->node->order];
        for (int64_t j = 0; t->node->kind == BAI_VARIABLE && j < i; j++)
            for (int m = 0; m < list[j]->n_in; m++)
                if (list[j]->in[m] && bai_root(list[j]->in[m])->node == t->node && !(list[j]->op->flags & BA_OP_ALIAS) && (writes(n, k) || writes(list[j], m)) && place[j] > p)
                    p = place[j];
    }
    return p;
}

/* Where updates that follow each other run as one they are put together: behind the last reading of their gradient, which costs no memory. */
static int64_t with_others(bai_node **list, int64_t i, int64_t p)
{
    for (int64_t j = p + 1; j < i; j++)
        for (int m = 0; m < list[j]->n_in; m++)
            for (int k = 0; k < list[i]->n_in && list[j]->in[m]; k++)
                if (list[i]->in[k] && !(list[j]->op->flags & (BA_OP_ALIAS | BA_OP_EFFECT)) && bai_root(list[j]->in[m]) == bai_root(list[i]->in[k]) &&
                    bai_root(list[i]->in[k])->node->kind == BAI_OP)
                    p = j;
    return p;
}

static int order_nodes(ba_program *p, ba_err *e)
{
    int64_t n = 0, at = 0;
    for (bai_node *m = p->graph->first; m; m = m->next)
        n += m->live && m->kind == BAI_OP;
    bai_node **list = bai_arena_take(&p->mem, (size_t)(n + 1) * sizeof *list);
    int64_t *place = bai_arena_take(&p->mem, (size_t)(n + 1) * sizeof *place);
    p->live = bai_arena_take(&p->mem, (size_t)(n + 1) * sizeof *p->live);
    if (!list || !place || !p->live)
        return oom(e);
    for (bai_node *m = p->graph->first; m; m = m->next)
        if (m->live && m->kind == BAI_OP) {
            m->order = at;
            list[at++] = m;
        }
    for (int64_t i = 0; i < n; i++) {
        place[i] = list[i]->op->flags & BA_OP_EFFECT ? earliest(list, place, i) : i;
        if ((list[i]->op->flags & BA_OP_EFFECT) && p->device->ops->joins)
            place[i] = with_others(list, i, place[i]);
    }
    at = 0;
    for (int64_t i = -1; i < n; i++) {
        if (i >= 0 && !(list[i]->op->flags & BA_OP_EFFECT))
            p->live[at++] = list[i];
        for (int64_t j = i + 1; j < n; j++)
            if ((list[j]->op->flags & BA_OP_EFFECT) && place[j] == i)
                p->live[at++] = list[j];
    }
    p->n_nodes = at;
    return at == n ? BA_OK : ba_fail(e, BA_EBUG, "compile: %lld of %lld nodes placed", (long long)at, (long long)n);
}

/* A node is fixed when it depends on constants and frozen variables only: it is run again only after those were written. */
static void find_fixed(ba_program *p)
{
    for (bai_node *n = p->graph->first; n; n = n->next)
        n->fixed = n->kind == BAI_CONSTANT || n->kind == BAI_VARIABLE;
    for (int64_t i = 0; i < p->n_nodes; i++)
        for (int k = 0; k < p->live[i]->n_in; k++)
            if (writes(p->live[i], k) && p->live[i]->in[k])
                p->live[i]->in[k]->node->fixed = 0;
    for (int64_t i = 0; i < p->n_nodes; i++) {
        bai_node *n = p->live[i];
        n->fixed = !(n->op->flags & BA_OP_EFFECT);
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] && !n->in[k]->node->fixed)
                n->fixed = 0;
    }
}

static int split_steps(ba_program *p, ba_err *e)
{
    p->node = bai_arena_take(&p->mem, (size_t)(p->n_nodes + 1) * sizeof *p->node);
    p->fixed_node = bai_arena_take(&p->mem, (size_t)(p->n_nodes + 1) * sizeof *p->node);
    if (!p->node || !p->fixed_node)
        return oom(e);
    for (int64_t i = 0; i < p->n_nodes; i++) {
        bai_node *n = p->live[i];
        int r = p->device->ops->supports(p->device->self, n->op, e);
        if (r)
            return r;
        if (n->op->flags & BA_OP_ALIAS)
            n->order = -1;
        else if (n->fixed)
            p->fixed_node[n->order = p->n_fixed++] = n;
        else
            p->node[n->order = p->n_steps++] = n;
    }
    return BA_OK;
}

int bai_in_arena(const ba_tensor *root) { return root->node->kind == BAI_OP && !root->node->fixed; }

static int64_t new_buffer(ba_program *p, int64_t bytes, int64_t from, int64_t to, int role)
{
    p->buffer[p->n_buffers] = (bai_buffer){ bytes, from, to, 0, role };
    return p->n_buffers++;
}

static void make_buffers(ba_program *p)
{
    for (int64_t i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->node[i]->n_out; k++) {
            ba_tensor *t = &p->node[i]->out[k];
            t->buffer = t->users ? new_buffer(p, bai_type_bytes(&t->type), i, i, p->node[i]->role) : -1;
        }
    for (int64_t i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->node[i]->n_in; k++) {
            ba_tensor *t = p->node[i]->in[k] ? bai_root(p->node[i]->in[k]) : NULL;
            if (t && bai_in_arena(t))
                p->buffer[t->buffer].to = i;
        }
    for (int i = 0; i < p->graph->n_fetch; i++) {
        ba_tensor *t = bai_root(bai_resolve(p->graph->fetch[i].t));
        if (bai_in_arena(t))
            p->buffer[t->buffer].to = p->n_steps;
    }
}

/* Lets output 0 take the buffer of an input that dies here, where the operation allows it. */
static void reuse_buffers(ba_program *p)
{
    for (int64_t i = 0; i < p->n_steps; i++) {
        bai_node *n = p->node[i];
        ba_tensor *out = &n->out[0];
        for (int k = 0; out->buffer >= 0 && k < n->n_in && k < 32; k++) {
            if (!(n->op->reuse >> k & 1) || !n->in[k])
                continue;
            ba_tensor *t = bai_root(n->in[k]);
            int once = 0;
            for (int m = 0; m < n->n_in; m++)
                once += n->in[m] && bai_root(n->in[m]) == t;
            if (!bai_in_arena(t) || once != 1 || p->buffer[t->buffer].to != i || p->buffer[t->buffer].bytes != p->buffer[out->buffer].bytes)
                continue;
            bai_buffer *gone = &p->buffer[out->buffer];
            p->buffer[t->buffer].to = gone->to;
            gone->bytes = 0;
            gone->to = gone->from;
            out->buffer = t->buffer;
            break;
        }
    }
}

int64_t bai_scratch_of(ba_program *p, const bai_node *n)
{
    const bai_device_ops *d = p->device->ops;
    if (!d->scratch && !n->op->scratch)
        return 0;
    const ba_type *in[n->n_in ? n->n_in : 1];
    ba_type out[BA_MAX_OUT];
    bai_in_types(n, in);
    for (int i = 0; i < n->n_out; i++)
        out[i] = n->out[i].type;
    if (d->scratch)
        return (int64_t)d->scratch(p->device->self, n->op, n->params, n->n_in, in, out);
    return (int64_t)n->op->scratch(n->params, n->n_in, in, out, p->device->ops->workers(p->device->self));
}

static int plan_memory(ba_program *p, ba_err *e)
{
    int64_t outs = 0;
    for (bai_node *n = p->graph->first; n; n = n->next)
        outs += n->n_out;
    p->buffer = bai_arena_take(&p->mem, (size_t)(outs + p->n_steps + 1) * sizeof *p->buffer);
    p->scratch = bai_arena_take(&p->mem, (size_t)(p->n_steps + 1) * sizeof *p->scratch);
    if (!p->buffer || !p->scratch)
        return oom(e);
    make_buffers(p);
    reuse_buffers(p);
    for (int64_t i = 0; i < p->n_steps; i++) {
        int64_t bytes = bai_scratch_of(p, p->node[i]);
        p->scratch[i] = bytes ? new_buffer(p, bytes, i, i, p->node[i]->role) : -1;
    }
    p->arena_bytes = bai_memory_plan(p->buffer, p->n_buffers, &p->peak_step);
    return p->arena_bytes < 0 ? oom(e) : BA_OK;
}

int bai_lay_out(ba_program *p, ba_err *e)
{
    p->n_nodes = p->n_steps = p->n_fixed = p->n_buffers = 0;
    int r = order_nodes(p, e);
    if (r)
        return r;
    find_fixed(p);
    r = split_steps(p, e);
    return r ? r : plan_memory(p, e);
}
