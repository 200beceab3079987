/* judge: whether a descriptor can be trusted, from its constant data alone. The sentences are the loader's, so they say what to do. */
#include "plugin.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The ABI: what these pin cannot change without a new BA_ABI_MAJOR. ba_host and the tables of functions may grow at their ends. */
_Static_assert(sizeof(ba_err) == 512 && sizeof(ba_value) == 8 && sizeof(ba_param) == 64 && sizeof(ba_attr) == 24, "ABI");
_Static_assert(sizeof(ba_plugin_desc) == 80 && offsetof(ba_plugin_desc, name) == 24 && offsetof(ba_plugin_desc, ops) == 72, "ABI");
_Static_assert(BA_WANT_MINOR == BA_ABI_MINOR, "the core sees all of what plugins may ask for");
_Static_assert(offsetof(ba_block, layer_scale) == 56 && sizeof(ba_arch_facts) == 120 && sizeof(ba_arch_in) == 48, "ABI");
_Static_assert(sizeof(ba_reduce_in) == 48 && sizeof(ba_reduce_out) == 32 && sizeof(ba_saliency) == 40, "ABI 1.1");
_Static_assert(offsetof(ba_host, op) == 16 && offsetof(ba_host, data) == 16 + 16 * sizeof(void *), "ABI");

enum { MOST_ROWS = 200, MOST_CHOICES = 64, MOST_BYTES = 1 << 16, LONGEST_NAME = 64, LONGEST_TEXT = 4096 };

static const char *const kinds[] = { "", "mask", "loss", "arch", "data", "reducer" };
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *bai_kind_name(uint32_t kind) { return kind < KINDS ? kinds[kind] : ""; }

uint32_t bai_kind_of(const char *name)
{
    for (uint32_t i = 1; name && i < KINDS; i++)
        if (!strcmp(kinds[i], name))
            return i;
    return 0;
}

/* A setting's name is also a C field and a key in Lua: letters of both cases are fine there. */
static int name_of(const char *s, const char *allowed, size_t most)
{
    size_t n = s ? strnlen(s, most + 1) : 0;
    return n >= 1 && n <= most && strspn(s, allowed) == n;
}

#define SMALL "abcdefghijklmnopqrstuvwxyz0123456789_-"

int bai_name_good(const char *name) { return name_of(name, SMALL, LONGEST_NAME); }

static int broken(ba_err *e, const char *file, const char *why)
{
    return ba_fail(e, BA_EPLUGIN, "plugin %.200s: broken descriptor: %s", file, why);
}

static int judge_head(const ba_plugin_desc *d, const char *file, ba_err *e)
{
    char why[200];
    if (d->magic != BA_MAGIC) {
        snprintf(why, sizeof why, "magic 0x%08x, 0x%08x expected", d->magic, BA_MAGIC);
        return broken(e, file, why);
    }
    if (d->abi_major != BA_ABI_MAJOR)
        return ba_fail(e, BA_EPLUGIN, "plugin %.200s: built for ABI %d, this bauta has %d; rebuild it", file, d->abi_major, BA_ABI_MAJOR);
    if (d->abi_minor > BA_ABI_MINOR)
        return ba_fail(e, BA_EPLUGIN, "plugin %.200s: wants ABI %d.%d, this bauta has %d.%d", file, d->abi_major, d->abi_minor, BA_ABI_MAJOR, BA_ABI_MINOR);
    if (d->size < sizeof *d || d->size > MOST_BYTES) {
        snprintf(why, sizeof why, "size %u, %zu expected", d->size, sizeof *d);
        return broken(e, file, why);
    }
    if (!*bai_kind_name(d->kind)) {
        snprintf(why, sizeof why, "kind %u; 1 (mask), 2 (loss), 3 (arch), 4 (data) or 5 (reducer) expected", d->kind);
        return broken(e, file, why);
    }
    return BA_OK;
}

static int judge_texts(const ba_plugin_desc *d, const char *file, ba_err *e)
{
    char why[200];
    if (!bai_name_good(d->name)) {
        snprintf(why, sizeof why, "name '%.40s'; 1 to 64 of [a-z0-9_-] expected", d->name ? d->name : "");
        return broken(e, file, why);
    }
    if (!d->doc || !*d->doc || strnlen(d->doc, LONGEST_TEXT) == LONGEST_TEXT)
        return broken(e, file, "doc is missing");
    if (!d->version || !*d->version || strnlen(d->version, LONGEST_NAME) == LONGEST_NAME)
        return broken(e, file, "version is missing");
    for (int i = 0; d->needs && d->needs[i]; i++)
        if (i == MOST_CHOICES || !strchr(d->needs[i], '.') || strlen(d->needs[i]) > LONGEST_NAME) {
            snprintf(why, sizeof why, "need '%.40s'; at most 64 of the form who.what expected", d->needs[i]);
            return broken(e, file, why);
        }
    return BA_OK;
}

static int judge_choices(const ba_param *r, char *why, size_t size)
{
    int n = 0;
    for (; r->choices && n <= MOST_CHOICES && r->choices[n]; n++) {
        if (!*r->choices[n] || strnlen(r->choices[n], LONGEST_NAME) == LONGEST_NAME)
            return snprintf(why, size, "param '%.40s': choice %d is empty or too long", r->name, n);
        for (int i = 0; i < n; i++)
            if (!strcmp(r->choices[i], r->choices[n]))
                return snprintf(why, size, "param '%.40s': choice '%.40s' is there twice", r->name, r->choices[n]);
    }
    if (n < 1 || n > MOST_CHOICES)
        return snprintf(why, size, "param '%.40s': 1 to %d choices expected", r->name, MOST_CHOICES);
    if (r->def.i < 0 || r->def.i >= n)
        return snprintf(why, size, "param '%.40s': default %lld is not one of its %d choices", r->name, (long long)r->def.i, n);
    return 0;
}

/* Ranges and defaults. 0, or the length of the complaint. */
static int judge_values(const ba_param *r, char *why, size_t size)
{
    switch (r->type) {
    case BA_BOOL:
        return r->def.i != 0 && r->def.i != 1 ? snprintf(why, size, "param '%.40s': default %lld is neither 0 nor 1", r->name, (long long)r->def.i) : 0;
    case BA_I64:
        return r->def.i < r->min.i || r->def.i > r->max.i ? snprintf(why, size, "param '%.40s': default %lld outside %lld to %lld", r->name,
            (long long)r->def.i, (long long)r->min.i, (long long)r->max.i) : 0;
    case BA_F64:
        return !(r->def.f >= r->min.f && r->def.f <= r->max.f) || isinf(r->min.f) || isinf(r->max.f)
            ? snprintf(why, size, "param '%.40s': default %g outside %g to %g", r->name, r->def.f, r->min.f, r->max.f) : 0;
    case BA_ENUM:
        return judge_choices(r, why, size);
    default:
        return 0;
    }
}

static int judge_row(const ba_plugin_desc *d, uint32_t i, char *why, size_t size)
{
    const ba_param *r = &d->params[i];
    if (!name_of(r->name, SMALL "ABCDEFGHIJKLMNOPQRSTUVWXYZ", LONGEST_NAME))
        return snprintf(why, size, "param %u: name '%.40s'; 1 to 64 of [A-Za-z0-9_-] expected", i, r->name ? r->name : "");
    if (r->type < BA_BOOL || r->type > BA_ENUM)
        return snprintf(why, size, "param '%.40s': type %u; 1 to 5 expected", r->name, r->type);
    if (r->offset % 8 || r->offset > d->params_size || d->params_size - r->offset < 8)
        return snprintf(why, size, "param '%.40s': offset %u, params_size %u", r->name, r->offset, d->params_size);
    if (!r->doc || !*r->doc)
        return snprintf(why, size, "param '%.40s': doc is missing", r->name);
    for (uint32_t k = 0; k < i; k++) {
        if (!strcmp(d->params[k].name, r->name))
            return snprintf(why, size, "param '%.40s' is there twice", r->name);
        if (d->params[k].offset == r->offset)
            return snprintf(why, size, "params '%.40s' and '%.40s' share offset %u", d->params[k].name, r->name, r->offset);
    }
    return judge_values(r, why, size);
}

static int judge_rows(const ba_plugin_desc *d, const char *file, ba_err *e)
{
    char why[300];
    if (d->nparams > MOST_ROWS || d->params_size > MOST_BYTES || (d->nparams && !d->params)) {
        snprintf(why, sizeof why, "%u params in %u bytes; at most %d in %d expected", d->nparams, d->params_size, MOST_ROWS, MOST_BYTES);
        return broken(e, file, why);
    }
    for (uint32_t i = 0; i < d->nparams; i++)
        if (judge_row(d, i, why, sizeof why))
            return broken(e, file, why);
    return BA_OK;
}

/* The name of the first function that is missing; NULL: none is. */
static const char *missing(const ba_plugin_desc *d)
{
    const ba_mask_ops *mask = d->ops;
    const ba_loss_ops *loss = d->ops;
    const ba_arch_ops *arch = d->ops;
    const ba_data_ops *data = d->ops;
    const ba_reducer_ops *reducer = d->ops;
    switch (d->kind) {
    case BA_KIND_MASK: return mask->score ? NULL : "score";
    case BA_KIND_LOSS: return loss->build ? NULL : "build";
    case BA_KIND_ARCH: return !arch->facts ? "facts" : !arch->build ? "build" : NULL;
    case BA_KIND_REDUCER: return reducer->reduce ? NULL : "reduce";
    default: return !data->open ? "open" : !data->read ? "read" : !data->close ? "close" : NULL;
    }
}

static int judge_ops(const ba_plugin_desc *d, const char *file, ba_err *e)
{
    static const size_t sizes[KINDS] = { 0, sizeof(ba_mask_ops), sizeof(ba_loss_ops), sizeof(ba_arch_ops), offsetof(ba_data_ops, encoded),
        sizeof(ba_reducer_ops) };
    char why[200];
    if (!d->ops)
        return broken(e, file, "ops is missing");
    uint32_t size = *(const uint32_t *)d->ops;
    if (size < sizes[d->kind] || size > MOST_BYTES) {
        snprintf(why, sizeof why, "ops has size %u, a %s has %zu", size, bai_kind_name(d->kind), sizes[d->kind]);
        return broken(e, file, why);
    }
    const char *name = missing(d);
    if (!name)
        return BA_OK;
    snprintf(why, sizeof why, "ops.%s is missing", name);
    return broken(e, file, why);
}

int bai_plugin_judge(const ba_plugin_desc *d, const char *file, ba_err *e)
{
    int r = judge_head(d, file, e);
    if (!r)
        r = judge_texts(d, file, e);
    if (!r)
        r = judge_rows(d, file, e);
    return r ? r : judge_ops(d, file, e);
}
