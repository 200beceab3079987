/* params: from what was written (name = value) to a checked struct, by a schema. */
#include "params.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"

enum { MOST_ROWS = 256, MOST_ERRORS = 20 };

static void *field(const ba_param *r, void *params) { return (char *)params + r->offset; }

static void set_default(const ba_param *r, void *params)
{
    if (r->type == BA_F64)
        *(double *)field(r, params) = r->def.f;
    else if (r->type == BA_STR)
        *(const char **)field(r, params) = r->def.s;
    else
        *(int64_t *)field(r, params) = r->def.i;
}

static const char *given_text(const ba_attr *a, char buf[64])
{
    if (a->type == BA_STR)
        snprintf(buf, 64, "'%.50s'", a->value.s ? a->value.s : "");
    else if (a->type == BA_F64)
        snprintf(buf, 64, "%.10g", a->value.f);
    else
        snprintf(buf, 64, "%lld", (long long)a->value.i);
    return buf;
}

/* The number written in s, or NaN when it is none: no spaces, no hexadecimal, no names of infinities. */
static double text_number(const char *s)
{
    char *end;
    if (!s || !*s || strspn(s, "+-.0123456789eE") != strlen(s))
        return NAN;
    double v = strtod(s, &end);
    return *end ? NAN : v;
}

/* NaN when it is no number. Minus zero is none: it is a mistake in a script and would be written down as "-0". */
static double as_number(const ba_attr *a)
{
    double v = a->type == BA_STR ? text_number(a->value.s) : a->type == BA_F64 ? a->value.f : (double)a->value.i;
    return v == 0 && signbit(v) ? NAN : v;
}

/* The whole number written, exactly; 0 when it is none or does not fit. */
static int as_whole(const ba_attr *a, int64_t *out)
{
    if (a->type == BA_I64) {
        *out = a->value.i;
        return 1;
    }
    if (a->type == BA_STR && a->value.s && *a->value.s && strcmp(a->value.s, "-0") && strspn(a->value.s, "+-0123456789") == strlen(a->value.s)) {
        char *end;
        errno = 0;
        *out = strtoll(a->value.s, &end, 10);
        return !*end && !errno;
    }
    double v = as_number(a);
    if (!(fabs(v) <= 0x1p53) || v != floor(v))
        return 0;
    *out = (int64_t)v;
    return 1;
}

static int set_int(const ba_param *r, void *params, const ba_attr *a, const char *what, ba_err *e)
{
    char t[64];
    int64_t i;
    if (!as_whole(a, &i) || i < r->min.i || i > r->max.i)
        return ba_fail(e, BA_EARG, "%s: %s = %s; a whole number from %lld to %lld expected", what, r->name, given_text(a, t), (long long)r->min.i,
                       (long long)r->max.i);
    *(int64_t *)field(r, params) = i;
    return BA_OK;
}

static int set_float(const ba_param *r, void *params, const ba_attr *a, const char *what, ba_err *e)
{
    char t[64];
    double v = as_number(a);
    if (!(v >= r->min.f && v <= r->max.f) || isinf(v))
        return ba_fail(e, BA_EARG, "%s: %s = %s; a number from %g to %g expected", what, r->name, given_text(a, t), r->min.f, r->max.f);
    *(double *)field(r, params) = v;
    return BA_OK;
}

static int set_flag(const ba_param *r, void *params, const ba_attr *a, const char *what, ba_err *e)
{
    char t[64];
    const char *s = a->type == BA_STR && a->value.s ? a->value.s : "";
    double v = as_number(a);
    int yes = !strcmp(s, "true") || v == 1, no = !strcmp(s, "false") || v == 0;
    if (!yes && !no)
        return ba_fail(e, BA_EARG, "%s: %s = %s; true or false expected", what, r->name, given_text(a, t));
    *(int64_t *)field(r, params) = yes;
    return BA_OK;
}

static int set_choice(const ba_param *r, void *params, const ba_attr *a, const char *what, ba_err *e)
{
    char t[64], all[256] = "";
    for (int i = 0; a->type == BA_STR && a->value.s && r->choices[i]; i++)
        if (!strcmp(r->choices[i], a->value.s)) {
            *(int64_t *)field(r, params) = i;
            return BA_OK;
        }
    for (int i = 0; r->choices[i]; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? (r->choices[i + 1] ? ", " : " or ") : "", r->choices[i]);
    return ba_fail(e, BA_EARG, "%s: %s = %s; %s expected", what, r->name, given_text(a, t), all);
}

static int set_one(const ba_param *r, void *params, const ba_attr *a, const char *what, ba_err *e)
{
    char t[64];
    switch (r->type) {
    case BA_I64: return set_int(r, params, a, what, e);
    case BA_F64: return set_float(r, params, a, what, e);
    case BA_BOOL: return set_flag(r, params, a, what, e);
    case BA_ENUM: return set_choice(r, params, a, what, e);
    default:
        if (a->type != BA_STR || !a->value.s)
            return ba_fail(e, BA_EARG, "%s: %s = %s; a text expected", what, r->name, given_text(a, t));
        *(const char **)field(r, params) = a->value.s;
        return BA_OK;
    }
}

static int unknown(const ba_param *rows, int n, const char *name, const char *what, ba_err *e)
{
    bai_nearest best = bai_nearest_begin(name);
    char all[300] = "";
    for (int i = 0; i < n; i++) {
        bai_nearest_try(&best, rows[i].name);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", rows[i].name);
    }
    if (!n)
        return ba_fail(e, BA_EARG, "%s: no such setting '%.60s'; it has none", what, name);
    return ba_fail(e, BA_EARG, "%s: no such setting '%.60s'%s%s%s (known: %s)", what, name, best.best ? "; did you mean '" : "", best.best ? best.best : "",
                   best.best ? "'?" : "", all);
}

/* One given setting; BA_OK or the error. */
static int give(const ba_param *rows, int n, void *params, const ba_attr *a, unsigned char *seen, const char *what, ba_err *e)
{
    const char *name = a->name ? a->name : "";
    int i = 0;
    while (i < n && strcmp(rows[i].name, name))
        i++;
    if (i == n)
        return unknown(rows, n, name, what, e);
    if (seen[i]++)
        return ba_fail(e, BA_EARG, "%s: %s is given twice", what, name);
    return set_one(&rows[i], params, a, what, e);
}

/* Adds one line to the report; past MOST_ERRORS they are only counted. */
static void add_line(bai_report *r, const char *line)
{
    if (++r->count > MOST_ERRORS || !r->text || r->used >= r->size)
        return;
    int k = snprintf(r->text + r->used, r->size - r->used, "%s%s", r->used ? "\n" : "", line);
    r->used = k < 0 || (size_t)k >= r->size - r->used ? r->size : r->used + (size_t)k;
}

int bai_params_collect(const ba_param *rows, int n, void *params, int n_attr, const ba_attr *attr, const char *what, bai_report *report, ba_err *e)
{
    unsigned char seen[MOST_ROWS] = { 0 };
    int first = BA_OK;
    if (n > MOST_ROWS || n_attr < 0 || (n_attr && !attr))
        return ba_fail(e, BA_EARG, "%s: %d settings given", what, n_attr);
    for (int i = 0; i < n; i++)
        set_default(&rows[i], params);
    for (int k = 0; k < n_attr; k++) {
        ba_err one;
        int r = give(rows, n, params, &attr[k], seen, what, &one);
        if (r && report)
            add_line(report, one.msg);
        if (r && !first)
            first = ba_fail(e, r, "%s", one.msg);
        if (first && !report)
            return first;
    }
    if (report && report->count > MOST_ERRORS && report->text && report->used < report->size)
        snprintf(report->text + report->used, report->size - report->used, "\nand %d more", report->count - MOST_ERRORS);
    return first;
}

int bai_params_fill(const ba_param *rows, int n, void *params, int n_attr, const ba_attr *attr, const char *what, ba_err *e)
{
    return bai_params_collect(rows, n, params, n_attr, attr, what, NULL, e);
}

/* Cuts one "name=value" off *text into keep; the value may be quoted. */
static int cut_one(const char **text, char **keep, ba_attr *a, const char *what, ba_err *e)
{
    const char *s = *text, *eq = strchr(s, '=');
    if (!eq || eq == s)
        return ba_fail(e, BA_EARG, "%s: '%.60s'; name=value expected", what, s);
    a->name = *keep;
    memcpy(*keep, s, (size_t)(eq - s));
    *keep += eq - s;
    *(*keep)++ = 0;
    a->type = BA_STR;
    a->value.s = *keep;
    s = eq + 1;
    char end = ',';
    if (*s == '"')
        end = *s++;
    while (*s && *s != end)
        *(*keep)++ = *s++;
    if (end == '"' && *s++ != '"')
        return ba_fail(e, BA_EARG, "%s: %s: closing quote missing", what, a->name);
    *(*keep)++ = 0;
    if (*s && *s != ',')
        return ba_fail(e, BA_EARG, "%s: %s: '%.20s' after the value; a comma expected", what, a->name, s);
    *text = *s ? s + 1 : s;
    return BA_OK;
}

int bai_params_cut(const char *text, char *keep, ba_attr attr[BAI_MOST_GIVEN], const char *what, ba_err *e)
{
    int count = 0;
    while (*text) {
        if (count == BAI_MOST_GIVEN)
            return ba_fail(e, BA_EARG, "%s: more than %d settings", what, BAI_MOST_GIVEN);
        int r = cut_one(&text, &keep, &attr[count++], what, e);
        if (r)
            return r;
    }
    return count;
}

int bai_params_parse(const ba_param *rows, int n, void *params, const char *text, char *keep, const char *what, ba_err *e)
{
    ba_attr attr[BAI_MOST_GIVEN];
    int count = bai_params_cut(text, keep, attr, what, e);
    return count < 0 ? count : bai_params_fill(rows, n, params, count, attr, what, e);
}
