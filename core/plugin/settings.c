/* settings: the parameters of one instance of a plugin: a filled copy of its struct that owns every text in it. */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/mem.h"
#include "../base/params.h"
#include "plugin.h"

enum { TAG = 0x50415241 };

struct ba_params {
    uint32_t tag;
    const ba_plugin_desc *desc;
    bai_arena arena;
    void *values;
};

static int good_desc(const ba_plugin_desc *d) { return d && d->magic == BA_MAGIC && d->size >= sizeof *d; }

int bai_params_check(const ba_params *p, ba_err *e)
{
    return p && p->tag == TAG ? BA_OK : ba_fail(e, BA_EARG, "settings expected, got %s", p ? "something else (freed?)" : "nothing");
}

int64_t ba_plugin_rows(const ba_plugin_desc *d) { return good_desc(d) ? d->nparams : 0; }

const ba_param *ba_plugin_row(const ba_plugin_desc *d, int64_t i) { return i >= 0 && i < ba_plugin_rows(d) ? &d->params[i] : NULL; }

const char *ba_plugin_need(const ba_plugin_desc *d, int64_t i)
{
    if (i < 0 || !good_desc(d) || !d->needs)
        return NULL;
    for (int64_t k = 0; d->needs[k]; k++)
        if (k == i)
            return d->needs[k];
    return NULL;
}

static const char **text_at(const ba_params *p, uint32_t row)
{
    const ba_param *r = &p->desc->params[row];
    return r->type == BA_STR ? (const char **)((char *)p->values + r->offset) : NULL;
}

static int own_texts(ba_params *p, ba_err *e)
{
    for (uint32_t i = 0; i < p->desc->nparams; i++) {
        const char **s = text_at(p, i);
        if (s && *s && !(*s = bai_arena_text(&p->arena, *s)))
            return ba_fail(e, BA_EMACHINE, "no memory for settings");
    }
    return BA_OK;
}

static ba_params *params_new(const ba_plugin_desc *d, ba_err *e)
{
    if (!good_desc(d)) {
        ba_fail(e, BA_EARG, "settings: the descriptor of a plugin expected");
        return NULL;
    }
    ba_params *p = calloc(1, sizeof *p);
    if (p) {
        p->tag = TAG;
        p->desc = d;
        p->values = bai_arena_take(&p->arena, d->params_size ? d->params_size : 1);
    }
    if (p && p->values)
        return p;
    free(p);
    ba_fail(e, BA_EMACHINE, "no memory for settings");
    return NULL;
}

ba_params *ba_params_new(const ba_plugin_desc *d, int32_t n, const ba_attr *given, char *report, int64_t report_size, ba_err *e)
{
    char what[80];
    bai_report lines = { report_size > 0 ? report : NULL, report_size > 0 ? (size_t)report_size : 0, 0, 0 };
    ba_params *p = params_new(d, e);
    if (lines.text)
        lines.text[0] = 0;
    if (!p)
        return NULL;
    snprintf(what, sizeof what, "%s %s", bai_kind_name(d->kind), d->name);
    if (!bai_params_collect(d->params, (int)d->nparams, p->values, n, given, what, &lines, e) && !own_texts(p, e))
        return p;
    ba_params_free(p);
    return NULL;
}

ba_params *ba_params_parse(const ba_plugin_desc *d, const char *text, char *report, int64_t report_size, ba_err *e)
{
    char what[80];
    ba_attr given[BAI_MOST_GIVEN];
    if (!good_desc(d) || !text) {
        ba_fail(e, BA_EARG, "settings: a plugin's descriptor and a text expected");
        return NULL;
    }
    char *keep = malloc(strlen(text) + 1);
    snprintf(what, sizeof what, "%s %s", bai_kind_name(d->kind), d->name);
    int n = keep ? bai_params_cut(text, keep, given, what, e) : ba_fail(e, BA_EMACHINE, "no memory for settings");
    if (n < 0 && report && report_size > 0)
        snprintf(report, (size_t)report_size, "%s", e ? e->msg : "");
    ba_params *p = n < 0 ? NULL : ba_params_new(d, n, given, report, report_size, e);
    free(keep);
    return p;
}

void ba_params_free(ba_params *p)
{
    if (bai_params_check(p, NULL))
        return;
    p->tag = 0;
    bai_arena_free(&p->arena);
    free(p);
}

const ba_plugin_desc *ba_params_desc(const ba_params *p) { return bai_params_check(p, NULL) ? NULL : p->desc; }
const void *ba_params_struct(const ba_params *p) { return bai_params_check(p, NULL) ? NULL : p->values; }

int ba_params_value(const ba_params *p, int64_t i, ba_attr *out, ba_err *e)
{
    if (bai_params_check(p, e))
        return BA_EARG;
    const ba_param *r = ba_plugin_row(p->desc, i);
    if (!r || !out)
        return ba_fail(e, BA_EARG, "settings: value %lld of %u", (long long)i, p->desc->nparams);
    const void *at = (const char *)p->values + r->offset;
    *out = (ba_attr){ .name = r->name, .type = r->type == BA_BOOL ? BA_I64 : r->type == BA_ENUM ? BA_STR : r->type };
    if (r->type == BA_F64)
        out->value.f = *(const double *)at;
    else if (r->type == BA_STR)
        out->value.s = *(const char *const *)at ? *(const char *const *)at : "";
    else if (r->type == BA_ENUM)
        out->value.s = r->choices[*(const int64_t *)at];
    else
        out->value.i = *(const int64_t *)at;
    return BA_OK;
}
