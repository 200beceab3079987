/* state: tensors of losses that no gradient reaches and that live from step to step (a centre, a queue, an average), and the in-place
 * operations that renew them. A loss notes those while it is described; they are added behind the optimiser, so that the
 * step itself, its backward pass included, reads the old values. */
#include "state.h"

#include <stdio.h>
#include <string.h>

#include "bauta/op.h"

enum { LONGEST = 256, MOST = 8 };

struct bai_renewal { bai_renewal *next; const char *op, *loss; int n_in, n_attr; ba_tensor *in[MOST]; ba_attr attr[MOST]; };

int ba_build_states(ba_build *b, ba_store *s, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    b->states = s;
    return BA_OK;
}

ba_tensor *bai_state(ba_build *b, const char *name, int rank, const int64_t *dim, int init, double scale, ba_err *e)
{
    char full[2 * LONGEST];
    if (bai_build_check(b, e))
        return NULL;
    if (!b->call.desc || b->call.desc->kind != BA_KIND_LOSS)
        ba_fail(e, BA_EPLUGIN, "state '%.64s': only a loss has state, while it is being built", name ? name : "");
    else if (!name || !*name || strlen(name) > LONGEST)
        ba_fail(e, BA_EARG, "state: a name of 1 to %d bytes expected", LONGEST);
    else if (!b->states)
        ba_fail(e, BA_EARG, "state '%s': there is no store for state in this call", name);
    else {
        snprintf(full, sizeof full, "%s%s", b->call.weights, name);
        return ba_store_add(b->states, full, rank, dim, init, scale, BA_NO_DECAY, e) < 0 ? NULL : ba_variable(b->g, b->states, full, e);
    }
    return NULL;
}

/* Copies with their texts. */
static int copy_attrs(ba_build *b, bai_renewal *r, int n, const ba_attr *attr)
{
    r->n_attr = n;
    for (int i = 0; i < n; i++) {
        r->attr[i] = attr[i];
        if (!(r->attr[i].name = bai_arena_text(&b->arena, attr[i].name)))
            return BA_EMACHINE;
        if (attr[i].type == BA_STR && !(r->attr[i].value.s = bai_arena_text(&b->arena, attr[i].value.s)))
            return BA_EMACHINE;
    }
    return BA_OK;
}

int bai_after(ba_build *b, const char *op, int n_in, ba_tensor *const *in, int n_attr, const ba_attr *attr, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    if (!b->call.desc || b->call.desc->kind != BA_KIND_LOSS)
        return ba_fail(e, BA_EPLUGIN, "after: only a loss has state, while it is being built");
    if (!op || n_in < 1 || n_in > MOST || !in || n_attr < 0 || n_attr > MOST)
        return ba_fail(e, BA_EARG, "after: an operation with 1 to %d inputs and at most %d settings expected", MOST, MOST);
    bai_renewal *r = bai_arena_take(&b->arena, sizeof *r);
    if (!r)
        return ba_fail(e, BA_EMACHINE, "no memory for a build");
    *r = (bai_renewal){ .op = bai_arena_text(&b->arena, op), .loss = b->call.desc->name, .n_in = n_in };
    for (int i = 0; i < n_in; i++)
        if (!(r->in[i] = bai_sum_joined(b, in[i])))
            return e && e->code ? e->code : ba_fail(e, BA_EARG, "after: input %d of %.64s is no tensor", i, op);
    if (!r->op || copy_attrs(b, r, n_attr, attr))
        return ba_fail(e, BA_EMACHINE, "no memory for a build");
    if (b->last_renewal)
        b->last_renewal->next = r;
    else
        b->renewals = r;
    b->last_renewal = r;
    return BA_OK;
}

int ba_build_update(ba_build *b, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    for (bai_renewal *r = b->renewals; r; r = r->next) {
        ba_err why = { 0 };
        if (!ba_op_apply(b->g, r->op, r->n_in, r->in, r->n_attr, r->attr, &why))
            return ba_fail(e, why.code ? why.code : BA_EARG, "loss %s: %s", r->loss, why.msg);
    }
    b->renewals = b->last_renewal = NULL;
    return BA_OK;
}
