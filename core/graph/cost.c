/* cost: what a node costs, by its operation's rule. */
#include "node.h"

static double bytes_of(const ba_type *t)
{
    return (double)(ba_type_count(t) * ba_dtype_size(t->dtype));
}

void bai_node_cost(const bai_node *n, ba_cost *c)
{
    *c = (ba_cost){ 0 };
    if (n->kind != BAI_OP || (n->op->flags & BA_OP_ALIAS))
        return;
    const ba_type *in[n->n_in ? n->n_in : 1];
    ba_type out[BA_MAX_OUT];
    bai_in_types(n, in);
    for (int i = 0; i < n->n_out; i++)
        out[i] = n->out[i].type;
    for (int i = 0; i < n->n_in; i++)
        c->bytes += in[i] ? bytes_of(in[i]) : 0;
    for (int i = 0; i < n->n_out; i++)
        c->bytes += n->out[i].users ? bytes_of(&out[i]) : 0;
    if (n->op->cost)
        n->op->cost(n->params, n->n_in, in, out, c);
    else
        c->flops = (double)ba_type_count(&out[0]);
    c->flops += 2 * c->macs;
    if (c->nominal == 0)
        c->nominal = c->macs;
}
