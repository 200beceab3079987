/* compile: from a graph to a program: drop what is not needed, lay it out (layout.c), take the memory, resolve pointers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "store.h"

static int oom(ba_err *e) { return ba_fail(e, BA_EMACHINE, "no memory to compile the graph"); }

static void *own(ba_program *p, int64_t bytes, ba_err *e)
{
    void *m = bai_device_take(p->device, bytes ? bytes : 1, e);
    if (m) {
        p->owned[p->n_owned] = m;
        p->owned_bytes[p->n_owned++] = bytes ? bytes : 1;
    }
    return m;
}

/* Where the values of a tensor lie. Leaves and fixed tensors keep their memory in node->data. */
static void *address(ba_program *p, ba_tensor *t)
{
    t = bai_root(t);
    bai_node *n = t->node;
    if (n->kind == BAI_VARIABLE)
        return bai_store_data(n->store, n->variable);
    if (bai_in_arena(t))
        return t->buffer >= 0 ? (char *)p->arena + p->buffer[t->buffer].offset : NULL;
    return t->buffer >= 0 ? p->owned[t->buffer] : NULL;
}

static int own_leaf(ba_program *p, ba_tensor *t, ba_err *e)
{
    int64_t at = p->n_owned;
    if (!own(p, bai_type_bytes(&t->type), e))
        return BA_EMACHINE;
    t->buffer = at;
    if (t->node->kind == BAI_CONSTANT)
        return p->device->ops->put(p->device->self, p->owned[at], t->node->data, (size_t)bai_type_bytes(&t->type), e);
    return BA_OK;
}

static int own_leaves(ba_program *p, ba_err *e)
{
    for (bai_node *n = p->graph->first; n; n = n->next) {
        int keep = n->kind == BAI_INPUT || (n->live && n->kind == BAI_CONSTANT);
        if (keep && own_leaf(p, &n->out[0], e))
            return BA_EMACHINE;
        if (n->kind == BAI_VARIABLE && n->live)
            p->variable_bytes += bai_type_bytes(&n->out[0].type);
    }
    for (int64_t i = 0; i < p->n_fixed; i++)
        for (int k = 0; k < p->fixed_node[i]->n_out; k++) {
            ba_tensor *t = &p->fixed_node[i]->out[k];
            t->buffer = -1;
            if (t->users && own_leaf(p, t, e))
                return BA_EMACHINE;
            p->variable_bytes += t->users ? bai_type_bytes(&t->type) : 0;
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

/* Of the arena at its peak, the roles that hold a hundredth or more of it: "student 9.00, teacher 3.00". */
static void roles_text(const ba_program *p, char *out, size_t size)
{
    size_t at = 0;
    *out = 0;
    for (int role = 0; role < p->graph->n_texts; role++) {
        int64_t bytes = 0;
        for (int64_t i = 0; i < p->n_buffers; i++)
            if (p->buffer[i].role == role && p->buffer[i].from <= p->peak_step && p->peak_step <= p->buffer[i].to)
                bytes += p->buffer[i].bytes;
        if (bytes * 100 >= p->arena_bytes && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%.40s %.2f", at ? ", " : "", p->graph->texts[role], gib(bytes));
    }
}

/* Whether the device has room for the arena; if not, one line that says what was planned, for whom, and what would fit. The program is given up
 * then, so it may be laid out anew to learn what it would need if blocks were computed again. */
static int judge_room(ba_program *p, int64_t arena, ba_err *e)
{
    int64_t room = p->device->ops->room ? p->device->ops->room(p->device->self) : -1, again = 0;
    char by_role[200], parts[60] = "", less[100] = "";
    if (room < 0 || arena <= room)
        return BA_OK;
    roles_text(p, by_role, sizeof by_role);
    if (room > 0)
        snprintf(parts, sizeof parts, ", or all of it in about %.0f parts", ceil((double)arena / (double)room));
    if (!p->graph->recompute && !bai_recompute(p->graph, &again, NULL) && again && !bai_lay_out(p, NULL) && p->arena_bytes < arena)
        snprintf(less, sizeof less, ", and with recompute = \"blocks\" a step needs %.2f GiB", gib(p->arena_bytes));
    return ba_fail(e, BA_EMACHINE, "no memory: at its peak a step needs %.2f GiB (%s), %.2f GiB are free; about %.0f %% of this batch would fit%s%s", gib(arena),
                   by_role, gib(room), 100 * (double)room / (double)arena, parts, less);
}

static int make_memory(ba_program *p, ba_err *e)
{
    int64_t outs = 0, fixed_scratch = 0;
    for (bai_node *n = p->graph->first; n; n = n->next)
        outs += n->n_out;
    p->owned = bai_arena_take(&p->mem, (size_t)(outs + 4) * sizeof *p->owned);
    p->owned_bytes = bai_arena_take(&p->mem, (size_t)(outs + 4) * sizeof *p->owned_bytes);
    if (!p->owned || !p->owned_bytes)
        return oom(e);
    if (own_leaves(p, e))
        return BA_EMACHINE;
    for (int64_t i = 0; i < p->n_fixed; i++) {
        int64_t bytes = bai_scratch_of(p, p->fixed_node[i]);
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
        if (fill_step(p, &p->step[i], p->node[i], p->scratch[i] >= 0 ? (char *)p->arena + p->buffer[p->scratch[i]].offset : NULL, e))
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

/* Computes the activations of blocks again, where the graph is told to and that takes no more memory, and notes what it saves. What enters a block is kept for it:
 * where that is more than what the gradient misses, nothing is computed again. */
static int compute_again(ba_program *p, ba_err *e)
{
    p->kept_bytes = p->arena_bytes;
    if (!p->graph->recompute)
        return BA_OK;
    int r = bai_recompute(p->graph, &p->n_again, e);
    if (!r && p->n_again)
        r = bai_lay_out(p, e);
    if (r || !p->n_again || p->arena_bytes <= p->kept_bytes)
        return r;
    p->n_again = 0;
    bai_recompute_undo(p->graph);
    bai_mark_live(p->graph, NULL, 0);
    return bai_lay_out(p, e);
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
        r = bai_lay_out(p, e);
    if (!r)
        r = compute_again(p, e);
    if (!r && !(r = note_stores(p, e)) && !(r = make_memory(p, e)) && !(r = make_ports(p, e)))
        r = bai_plan_make(p, e);
    bai_recompute_undo(g); /* what is computed again belongs to this program, not to the graph: the next compile may be told otherwise */
    if (r) {
        ba_program_free(p);
        return NULL;
    }
    return p;
}
