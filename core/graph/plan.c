/* plan: what a program costs, role by role and node by node, before it runs. */
#include <stdio.h>
#include <stdlib.h>

#include "program.h"

static ba_plan_row *row_of(ba_program *p, int role)
{
    for (int i = 0; i < p->n_rows; i++)
        if (p->row_role[i] == role)
            return &p->row[i];
    p->row_role[p->n_rows] = role;
    ba_plan_row *r = &p->row[p->n_rows++];
    snprintf(r->role, sizeof r->role, "%s", p->graph->texts[role]);
    return r;
}

int bai_plan_make(ba_program *p, ba_err *e)
{
    p->row = calloc((size_t)p->graph->n_texts + 1, sizeof *p->row);
    p->row_role = bai_arena_take(&p->mem, ((size_t)p->graph->n_texts + 1) * sizeof *p->row_role);
    if (!p->row || !p->row_role)
        return ba_fail(e, BA_EMACHINE, "no memory for the plan");
    for (int64_t i = 0; i < p->n_nodes; i++) {
        ba_plan_row *r = row_of(p, p->live[i]->role);
        ba_cost c;
        bai_node_cost(p->live[i], &c);
        r->nodes++;
        if (p->live[i]->fixed)
            continue;
        r->macs += c.macs;
        r->flops += c.flops;
        r->bytes += c.bytes;
    }
    for (int i = 0; i < p->graph->n_nominal; i++)
        if (p->graph->nominal[i].macs > 0 || p->graph->nominal[i].norm > 0) {
            ba_plan_row *r = row_of(p, i);
            r->nominal = p->graph->nominal[i].macs;
            r->norm = p->graph->nominal[i].norm;
        }
    for (int64_t i = 0; i < p->n_buffers; i++)
        if (p->buffer[i].bytes && p->buffer[i].from <= p->peak_step && p->peak_step <= p->buffer[i].to)
            row_of(p, p->buffer[i].role)->peak += p->buffer[i].bytes;
    return BA_OK;
}

static int check(const ba_program *p) { return p && p->tag == BAI_TAG_PROGRAM; }

int64_t ba_plan_rows(const ba_program *p) { return check(p) ? p->n_rows : 0; }
int64_t ba_plan_arena(const ba_program *p) { return check(p) ? p->arena_bytes : 0; }
int64_t ba_plan_kept(const ba_program *p) { return check(p) ? p->kept_bytes : 0; }
int64_t ba_plan_again(const ba_program *p) { return check(p) ? p->n_again : 0; }
int64_t ba_plan_variables(const ba_program *p) { return check(p) ? p->variable_bytes : 0; }
int64_t ba_plan_nodes(const ba_program *p) { return check(p) ? p->n_fixed + p->n_steps : 0; }

int ba_plan_row_get(const ba_program *p, int64_t i, ba_plan_row *out, ba_err *e)
{
    if (!check(p) || i < 0 || i >= p->n_rows || !out)
        return ba_fail(e, BA_EARG, "plan: row %lld of %lld", (long long)i, (long long)ba_plan_rows(p));
    *out = p->row[i];
    out->seconds = 0;
    for (int64_t k = 0; k < p->n_steps; k++)
        if (p->node[k]->role == p->row_role[i])
            out->seconds += p->step[k].seconds;
    return BA_OK;
}

int64_t ba_plan_node(const ba_program *p, int64_t i, char *out, int64_t size)
{
    if (!check(p) || i < 0 || i >= ba_plan_nodes(p) || !out || size < 1)
        return 0;
    int fixed = i < p->n_fixed;
    const bai_node *n = fixed ? p->fixed_node[i] : p->node[i - p->n_fixed];
    const bai_step *s = fixed ? &p->fixed[i] : &p->step[i - p->n_fixed];
    ba_cost c;
    char type[96];
    bai_node_cost(n, &c);
    bai_type_text(&n->out[0].type, type, sizeof type);
    snprintf(out, (size_t)size, "%s\t%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%.9f\t%s", p->graph->texts[n->role], n->op->name, p->graph->texts[n->place], type,
             c.macs, c.flops, c.bytes, s->seconds, fixed ? "once" : "step");
    return 1;
}
