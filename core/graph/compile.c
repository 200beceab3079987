/* compile: from a graph to a program: drop what is not needed, order, place in memory, resolve pointers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "store.h"

static int oom(ba_err *e) { return ba_fail(e, BA_EMACHINE, "no memory to compile the graph"); }

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

static int64_t bytes_of(const ba_type *t) { return ba_type_count(t) * ba_dtype_size(t->dtype); }

static int in_arena(const ba_tensor *root) { return root->node->kind == BAI_OP && !root->node->fixed; }

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
            t->buffer = t->users ? new_buffer(p, bytes_of(&t->type), i, i, p->node[i]->role) : -1;
        }
    for (int64_t i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->node[i]->n_in; k++) {
            ba_tensor *t = p->node[i]->in[k] ? bai_root(p->node[i]->in[k]) : NULL;
            if (t && in_arena(t))
                p->buffer[t->buffer].to = i;
        }
    for (int i = 0; i < p->graph->n_fetch; i++) {
        ba_tensor *t = bai_root(bai_resolve(p->graph->fetch[i].t));
        if (in_arena(t))
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
            if (!in_arena(t) || once != 1 || p->buffer[t->buffer].to != i || p->buffer[t->buffer].bytes != p->buffer[out->buffer].bytes)
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

static void *own(ba_program *p, int64_t bytes, ba_err *e)
{
    void *m = bai_device_take(p->device, bytes ? bytes : 1, e);
    if (m) {
        p->owned[p->n_owned] = m;
        p->owned_bytes[p->n_owned++] = bytes ? bytes : 1;
    }
    return m;
}

static int64_t scratch_of(ba_program *p, const bai_node *n)
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

/* Where the values of a tensor lie. Leaves and fixed tensors keep their memory in node->data. */
static void *address(ba_program *p, ba_tensor *t)
{
    t = bai_root(t);
    bai_node *n = t->node;
    if (n->kind == BAI_VARIABLE)
        return bai_store_data(n->store, n->variable);
    if (in_arena(t))
        return t->buffer >= 0 ? (char *)p->arena + p->buffer[t->buffer].offset : NULL;
    return t->buffer >= 0 ? p->owned[t->buffer] : NULL;
}

static int own_leaf(ba_program *p, ba_tensor *t, ba_err *e)
{
    int64_t at = p->n_owned;
    if (!own(p, bytes_of(&t->type), e))
        return BA_EMACHINE;
    t->buffer = at;
    if (t->node->kind == BAI_CONSTANT)
        return p->device->ops->put(p->device->self, p->owned[at], t->node->data, (size_t)bytes_of(&t->type), e);
    return BA_OK;
}

static int own_leaves(ba_program *p, ba_err *e)
{
    for (bai_node *n = p->graph->first; n; n = n->next) {
        int keep = n->kind == BAI_INPUT || (n->live && n->kind == BAI_CONSTANT);
        if (keep && own_leaf(p, &n->out[0], e))
            return BA_EMACHINE;
        if (n->kind == BAI_VARIABLE && n->live)
            p->variable_bytes += bytes_of(&n->out[0].type);
    }
    for (int64_t i = 0; i < p->n_fixed; i++)
        for (int k = 0; k < p->fixed_node[i]->n_out; k++) {
            ba_tensor *t = &p->fixed_node[i]->out[k];
            t->buffer = -1;
            if (t->users && own_leaf(p, t, e))
                return BA_EMACHINE;
            p->variable_bytes += t->users ? bytes_of(&t->type) : 0;
        }
    return BA_OK;
}

static const char *where(ba_program *p, const bai_node *n)
{
    char s[256];
    const char *place = p->graph->texts[n->place];
    snprintf(s, sizeof s, "%s: %s%s%s%s", p->graph->texts[n->role], n->op->name, *place ? " (" : "", place, *place ? ")" : "");
    return bai_arena_text(&p->mem, s);
}

static int fill_step(ba_program *p, bai_step *s, bai_node *n, void *scratch, ba_err *e)
{
    *s = (bai_step){ .op = n->op, .params = n->params, .n_in = n->n_in, .n_out = n->n_out, .scratch = scratch, .where = where(p, n),
        .tf32 = n->tf32 };
    s->in = bai_arena_take(&p->mem, (size_t)(n->n_in + 1) * sizeof *s->in);
    s->out = bai_arena_take(&p->mem, (size_t)n->n_out * sizeof *s->out);
    if (!s->in || !s->out || !s->where)
        return oom(e);
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i])
            s->in[i] = (ba_view){ n->in[i]->type, address(p, n->in[i]) };
    for (int i = 0; i < n->n_out; i++)
        s->out[i] = (ba_view){ n->out[i].type, n->out[i].users ? address(p, &n->out[i]) : NULL };
    return BA_OK;
}

static double gib(int64_t bytes) { return (double)bytes / 1073741824; }

/* Whether the device has room for the arena; if not, one line that says what was planned, for whom, and what would fit. */
static int judge_room(ba_program *p, int64_t arena, ba_err *e)
{
    int64_t room = p->device->ops->room ? p->device->ops->room(p->device->self) : -1;
    char by_role[200] = "";
    size_t at = 0;
    if (room < 0 || arena <= room)
        return BA_OK;
    for (int role = 0; role < p->graph->n_texts; role++) {
        int64_t bytes = 0;
        for (int64_t i = 0; i < p->n_buffers; i++)
            if (p->buffer[i].role == role && p->buffer[i].from <= p->peak_step && p->peak_step <= p->buffer[i].to)
                bytes += p->buffer[i].bytes;
        if (bytes * 100 >= arena && at < sizeof by_role)
            at += (size_t)snprintf(by_role + at, sizeof by_role - at, "%s%.40s %.2f", at ? ", " : "", p->graph->texts[role], gib(bytes));
    }
    return ba_fail(e, BA_EMACHINE, "no memory: at its peak a step needs %.2f GiB (%s), %.2f GiB are free; about %.0f %% of this batch would fit", gib(arena),
                   by_role, gib(room), 100 * (double)room / (double)arena);
}

static int make_memory(ba_program *p, ba_err *e)
{
    int64_t outs = 0, fixed_scratch = 0, nodes = 0;
    for (bai_node *n = p->graph->first; n; n = n->next, nodes++)
        outs += n->n_out;
    p->buffer = bai_arena_take(&p->mem, (size_t)(outs + p->n_steps + 1) * sizeof *p->buffer);
    p->owned = bai_arena_take(&p->mem, (size_t)(outs + 4) * sizeof *p->owned);
    p->owned_bytes = bai_arena_take(&p->mem, (size_t)(outs + 4) * sizeof *p->owned_bytes);
    int64_t *scratch = bai_arena_take(&p->mem, (size_t)(p->n_steps + 1) * sizeof *scratch);
    if (!p->buffer || !p->owned || !p->owned_bytes || !scratch)
        return oom(e);
    make_buffers(p);
    reuse_buffers(p);
    for (int64_t i = 0; i < p->n_steps; i++) {
        int64_t bytes = scratch_of(p, p->node[i]);
        scratch[i] = bytes ? new_buffer(p, bytes, i, i, p->node[i]->role) : -1;
    }
    p->arena_bytes = bai_memory_plan(p->buffer, p->n_buffers, &p->peak_step);
    if (p->arena_bytes < 0)
        return oom(e);
    if (own_leaves(p, e))
        return BA_EMACHINE;
    for (int64_t i = 0; i < p->n_fixed; i++) {
        int64_t bytes = scratch_of(p, p->fixed_node[i]);
        fixed_scratch = bytes > fixed_scratch ? bytes : fixed_scratch;
    }
    int64_t arena = p->arena_bytes > fixed_scratch ? p->arena_bytes : fixed_scratch;
    if (judge_room(p, arena, e) || !(p->arena = own(p, arena, e)))
        return BA_EMACHINE;
    p->step = bai_arena_take(&p->mem, (size_t)(p->n_steps + 1) * sizeof *p->step);
    p->fixed = bai_arena_take(&p->mem, (size_t)(p->n_fixed + 1) * sizeof *p->fixed);
    if (!p->step || !p->fixed)
        return oom(e);
    for (int64_t i = 0; i < p->n_fixed; i++)
        if (fill_step(p, &p->fixed[i], p->fixed_node[i], p->arena, e))
            return BA_EMACHINE;
    for (int64_t i = 0; i < p->n_steps; i++)
        if (fill_step(p, &p->step[i], p->node[i], scratch[i] >= 0 ? (char *)p->arena + p->buffer[scratch[i]].offset : NULL, e))
            return BA_EMACHINE;
    return BA_OK;
}

static int make_ports(ba_program *p, ba_err *e)
{
    int n = 0;
    for (bai_node *m = p->graph->first; m; m = m->next)
        n += m->kind == BAI_INPUT;
    p->input = bai_arena_take(&p->mem, (size_t)(n + 1) * sizeof *p->input);
    p->fetch = bai_arena_take(&p->mem, (size_t)(p->graph->n_fetch + 1) * sizeof *p->fetch);
    if (!p->input || !p->fetch)
        return oom(e);
    for (bai_node *m = p->graph->first; m; m = m->next)
        if (m->kind == BAI_INPUT)
            p->input[p->n_input++] = (bai_port){ m->name, m->out[0].type, address(p, &m->out[0]), 0 };
    for (int i = 0; i < p->graph->n_fetch; i++) {
        ba_tensor *t = bai_resolve(p->graph->fetch[i].t);
        p->fetch[p->n_fetch++] = (bai_port){ p->graph->fetch[i].name, t->type, address(p, t), 0 };
    }
    return BA_OK;
}

static int note_stores(ba_program *p, ba_err *e)
{
    int64_t n = 0;
    for (bai_node *m = p->graph->first; m; m = m->next)
        n += m->kind == BAI_VARIABLE;
    p->stores = bai_arena_take(&p->mem, (size_t)(n + 1) * sizeof *p->stores);
    p->versions = bai_arena_take(&p->mem, (size_t)(n + 1) * sizeof *p->versions);
    p->written = bai_arena_take(&p->mem, (size_t)n + 1);
    if (!p->stores || !p->versions || !p->written)
        return oom(e);
    for (bai_node *m = p->graph->first; m; m = m->next) {
        if (m->kind != BAI_VARIABLE || !m->live)
            continue;
        int i = 0;
        while (i < p->n_stores && p->stores[i] != m->store)
            i++;
        if (i == p->n_stores)
            p->stores[p->n_stores++] = m->store;
        p->written[i] |= !m->fixed;
        if (bai_store_device(m->store) != p->device)
            return ba_fail(e, BA_EARG, "compile: variable '%s' lives on another device than the graph", m->name);
    }
    return BA_OK;
}

ba_program *ba_compile(ba_graph *g, ba_err *e)
{
    if (bai_graph_check(g, e))
        return NULL;
    ba_program *p = calloc(1, sizeof *p);
    if (!p) {
        oom(e);
        return NULL;
    }
    p->tag = BAI_TAG_PROGRAM;
    p->graph = g;
    p->device = g->device;
    g->refs++;
    int r = bai_cut(g, NULL, 0, e);
    if (!r)
        r = order_nodes(p, e);
    if (!r) {
        find_fixed(p);
        r = split_steps(p, e);
    }
    if (!r && !(r = note_stores(p, e)) && !(r = make_memory(p, e)) && !(r = make_ports(p, e)))
        r = bai_plan_make(p, e);
    if (r) {
        ba_program_free(p);
        return NULL;
    }
    return p;
}
