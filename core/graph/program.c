/* program: feeding, running and reading a compiled graph. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

#include "../base/nearest.h"
#include "store.h"

static int check(const ba_program *p, ba_err *e)
{
    return p && p->tag == BAI_TAG_PROGRAM ? BA_OK : ba_fail(e, BA_EARG, "program expected, got %s", p ? "something else (freed?)" : "nothing");
}

void ba_program_free(ba_program *p)
{
    if (check(p, NULL))
        return;
    p->tag = 0;
    if (p->device->ops->forget) {
        p->device->ops->forget(p->device->self, p->step);
        p->device->ops->forget(p->device->self, p->fixed);
    }
    for (int64_t i = 0; i < p->n_owned; i++)
        bai_device_give(p->device, p->owned[i], p->owned_bytes[i]);
    free(p->row);
    bai_arena_free(&p->mem);
    bai_graph_unref(p->graph);
    free(p);
}

static bai_port *find(bai_port *ports, int n, const char *name, const char *what, ba_err *e)
{
    bai_nearest near = bai_nearest_begin(name ? name : "");
    for (int i = 0; name && i < n; i++) {
        if (!strcmp(name, ports[i].name))
            return &ports[i];
        bai_nearest_try(&near, ports[i].name);
    }
    const char *best = near.best;
    ba_fail(e, BA_EARG, "program: no %s '%.60s'%s%.60s%s", what, name ? name : "", best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
    return NULL;
}

static int judge_bytes(const bai_port *t, const void *data, int64_t bytes, ba_err *e)
{
    int64_t want = ba_type_count(&t->type) * ba_dtype_size(t->type.dtype);
    char text[96];
    bai_type_text(&t->type, text, sizeof text);
    if (!data || bytes != want)
        return ba_fail(e, BA_EARG, "%s: %lld bytes given, %s has %lld", t->name, (long long)(data ? bytes : 0), text, (long long)want);
    return BA_OK;
}

int ba_program_feed(ba_program *p, const char *input, const void *data, int64_t bytes, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    const bai_port *t = find(p->input, p->n_input, input, "input", e);
    if (!t || judge_bytes(t, data, bytes, e))
        return BA_EARG;
    return p->device->ops->put(p->device->self, t->data, data, (size_t)bytes, e);
}

int ba_program_send(ba_program *p, const char *input, const void *data, int64_t bytes, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    bai_port *t = find(p->input, p->n_input, input, "input", e);
    if (!t || judge_bytes(t, data, bytes, e))
        return BA_EARG;
    int r = p->device->ops->send ? p->device->ops->send(p->device->self, t->data, data, (size_t)bytes, e) : BA_OK;
    t->sent = r ? NULL : data;
    return r;
}

int ba_program_take(ba_program *p, const char *input, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    bai_port *t = find(p->input, p->n_input, input, "input", e);
    const void *data = t ? t->sent : NULL;
    if (!data)
        return t ? ba_fail(e, BA_EARG, "%s: nothing was sent", t->name) : BA_EARG;
    t->sent = NULL;
    if (p->device->ops->take)
        return p->device->ops->take(p->device->self, t->data, e);
    return p->device->ops->put(p->device->self, t->data, data, (size_t)(ba_type_count(&t->type) * ba_dtype_size(t->type.dtype)), e);
}

int ba_program_read(ba_program *p, const char *fetched, void *data, int64_t bytes, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    const bai_port *t = find(p->fetch, p->n_fetch, fetched, "fetched tensor", e);
    if (!t || judge_bytes(t, data, bytes, e))
        return BA_EARG;
    return p->device->ops->get(p->device->self, data, t->data, (size_t)bytes, e);
}

int ba_program_type(const ba_program *p, const char *name, ba_type *t, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    if (!t)
        return ba_fail(e, BA_EARG, "type: nowhere to put it");
    bai_port *f = find(p->input, p->n_input, name, "input", NULL);
    if (!f && !(f = find(p->fetch, p->n_fetch, name, "input or fetched tensor", e)))
        return BA_EARG;
    *t = f->type;
    return BA_OK;
}

static int run_fixed(ba_program *p, ba_err *e)
{
    int stale = !p->ready;
    for (int i = 0; i < p->n_stores; i++) {
        stale |= p->versions[i] != bai_store_version(p->stores[i]);
        p->versions[i] = bai_store_version(p->stores[i]);
    }
    p->ready = 1;
    return stale && p->n_fixed ? p->device->ops->run(p->device->self, p->fixed, p->n_fixed, p->graph->seed, p->profile, e) : BA_OK;
}

int ba_program_run(ba_program *p, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    int r = BA_OK;
    for (int i = 0; !r && i < p->n_stores; i++)
        r = bai_store_fill(p->stores[i], e);
    if (!r)
        r = run_fixed(p, e);
    if (r) {
        p->ready = 0;
        return r;
    }
    r = p->device->ops->run(p->device->self, p->step, p->n_steps, p->graph->seed, p->profile, e);
    for (int i = 0; i < p->n_stores; i++)
        if (p->written[i]) {
            bai_store_touch(p->stores[i]);
            p->versions[i] = bai_store_version(p->stores[i]); /* what this program updates is not what its fixed nodes read */
        }
    return r;
}

int ba_program_profile(ba_program *p, int32_t on, ba_err *e)
{
    if (check(p, e))
        return BA_EARG;
    p->profile = on != 0;
    for (int64_t i = 0; i < p->n_steps; i++)
        p->step[i].seconds = 0;
    for (int64_t i = 0; i < p->n_fixed; i++)
        p->fixed[i].seconds = 0;
    return BA_OK;
}
