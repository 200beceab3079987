/* case: see case.h. */
#include "case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/base/params.h"
#include "bauta/rng.h"

uint64_t case_random(uint64_t seed, const char *stream, uint64_t i) { return ba_random_u32(seed, ba_stream(stream), 0, i); }
double case_uniform(uint64_t seed, const char *stream, uint64_t i) { return ((double)case_random(seed, stream, i) + 0.5) * 0x1p-32; }

static uint16_t to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

void case_store(const double *from, int64_t n, int dtype, void *to)
{
    for (int64_t i = 0; i < n; i++)
        switch (dtype) {
        case BA_F32: ((float *)to)[i] = (float)from[i]; break;
        case BA_BF16: ((uint16_t *)to)[i] = to_bf16((float)from[i]); break;
        case BA_I32: ((int32_t *)to)[i] = (int32_t)from[i]; break;
        default: ((uint8_t *)to)[i] = (uint8_t)from[i];
        }
}

void case_load(const void *from, int64_t n, int dtype, double *to)
{
    for (int64_t i = 0; i < n; i++)
        switch (dtype) {
        case BA_F32: to[i] = ((const float *)from)[i]; break;
        case BA_BF16: {
            uint32_t u = (uint32_t)((const uint16_t *)from)[i] << 16;
            float f;
            memcpy(&f, &u, 4);
            to[i] = f;
            break;
        }
        case BA_I32: to[i] = ((const int32_t *)from)[i]; break;
        default: to[i] = ((const uint8_t *)from)[i];
        }
}

/* Ascending distinct whole numbers in [lo, hi): each is taken with the chance that leaves enough for the rest. */
static void fill_choice(double *x, int64_t n, double lo, double hi, uint64_t seed, const char *stream, uint64_t at)
{
    int64_t k = 0;
    for (int64_t v = (int64_t)lo; v < (int64_t)hi && k < n; v++)
        if (case_uniform(seed, stream, at + (uint64_t)(v - (int64_t)lo)) * (hi - (double)v) < (double)(n - k))
            x[k++] = (double)v;
}

static void fill_distinct(double *x, int64_t n, double lo, double hi, uint64_t seed, const char *stream, uint64_t at)
{
    double step = fmax((hi - lo) / (double)n, 1.1e-2);
    for (int64_t i = 0; i < n; i++)
        x[i] = lo + step * ((double)i + 0.5);
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(case_uniform(seed, stream, at + (uint64_t)i) * (double)(i + 1));
        double t = x[i];
        x[i] = x[j];
        x[j] = t;
    }
}

static void fill(double *x, const ba_type *t, const ba_op_sample_in *s, uint64_t seed, const char *stream)
{
    int64_t n = ba_type_count(t), row = ba_type_last(t);
    for (int64_t i = 0; i < n; i++) {
        double u = case_uniform(seed, stream, (uint64_t)i), v = s->lo + u * (s->hi - s->lo);
        x[i] = s->fill == BA_FILL_INDEX || t->dtype == BA_I32 || t->dtype == BA_U8 ? floor(v) : s->fill == BA_FILL_PROB ? u + 0.05 : v;
    }
    for (int64_t at = 0; at < n; at += row) {
        if (s->fill == BA_FILL_CHOICE)
            fill_choice(x + at, row, s->lo, s->hi, seed, stream, (uint64_t)(at * 1024 + 1000000));
        if (s->fill == BA_FILL_DISTINCT)
            fill_distinct(x + at, row, s->lo, s->hi, seed, stream, (uint64_t)(at + 1000000));
        double sum = 0;
        for (int64_t i = 0; i < row; i++)
            sum += x[at + i];
        for (int64_t i = 0; s->fill == BA_FILL_PROB && i < row; i++)
            x[at + i] /= sum;
    }
}

static int make_inputs(op_case *c, ba_err *e)
{
    for (int i = 0; i < c->n_in; i++) {
        const ba_op_sample_in *s = &c->sample->in[i];
        char stream[32];
        if (!s->dtype)
            continue;
        c->in[i] = (ba_type){ s->dtype, s->rank, { 1, 1, 1, 1, 1 } };
        for (int a = 0; a < s->rank; a++)
            c->in[i].dim[a] = s->dim[a];
        c->in_p[i] = &c->in[i];
        int64_t n = ba_type_count(&c->in[i]);
        void *raw = malloc((size_t)n * 4);
        c->x[i] = malloc((size_t)n * sizeof(double));
        c->after[i] = malloc((size_t)n * sizeof(double));
        if (!raw || !c->x[i] || !c->after[i]) {
            free(raw);
            return ba_fail(e, BA_EMACHINE, "no memory for a sample");
        }
        snprintf(stream, sizeof stream, "input %d", i);
        fill(c->x[i], &c->in[i], s, c->seed, stream);
        case_store(c->x[i], n, s->dtype, raw);
        case_load(raw, n, s->dtype, c->x[i]);
        free(raw);
    }
    return 0;
}

int case_new(op_case *c, const ba_op *op, const ba_op_sample *s, uint64_t seed, ba_err *e)
{
    *c = (op_case){ .op = op, .sample = s, .seed = seed, .n_in = s->n_in };
    if (s->n_in > CASE_IN || s->n_in < op->min_in || s->n_in > op->max_in)
        return ba_fail(e, BA_EBUG, "the sample has %d inputs", s->n_in);
    c->keep = malloc(strlen(s->attrs) + 2);
    c->params = calloc(1, op->params_size + 1);
    if (!c->keep || !c->params)
        return ba_fail(e, BA_EMACHINE, "no memory for a sample");
    if (bai_params_parse(op->params, (int)op->nparams, c->params, s->attrs, c->keep, op->name, e) || make_inputs(c, e))
        return -1;
    if (op->shape(c->params, c->n_in, c->in_p, c->out, e))
        return -1;
    for (int i = 0; i < op->n_out; i++)
        if (!(c->y[i] = malloc((size_t)ba_type_count(&c->out[i]) * sizeof(double))))
            return ba_fail(e, BA_EMACHINE, "no memory for a sample");
    return case_reference(c, c->x, c->y, c->after) ? ba_fail(e, BA_EMACHINE, "no memory for a sample") : 0;
}

void case_free(op_case *c)
{
    for (int i = 0; i < CASE_IN; i++) {
        free(c->x[i]);
        free(c->after[i]);
    }
    for (int i = 0; i < BA_MAX_OUT; i++)
        free(c->y[i]);
    free(c->keep);
    free(c->params);
}

int case_reference(const op_case *c, double *const *x, double *const *y, double *const *after)
{
    double *in[CASE_IN] = { 0 };
    int r = 0;
    for (int i = 0; i < c->n_in; i++) {
        if (!x[i])
            continue;
        size_t bytes = (size_t)ba_type_count(&c->in[i]) * sizeof(double);
        if (!(in[i] = malloc(bytes)))
            r = -1;
        else
            memcpy(in[i], x[i], bytes);
    }
    ba_ref ref = { c->params, c->n_in, c->op->n_out, c->in, c->out, in, y, c->seed };
    if (!r)
        c->op->reference(&ref);
    for (int i = 0; i < c->n_in; i++) {
        if (!r && after && in[i])
            memcpy(after[i], in[i], (size_t)ba_type_count(&c->in[i]) * sizeof(double));
        free(in[i]);
    }
    return r;
}

int case_is_narrow(const op_case *c)
{
    int narrow = 0;
    for (int i = 0; i < c->n_in; i++)
        narrow |= c->in_p[i] && c->in[i].dtype == BA_BF16;
    for (int i = 0; i < c->op->n_out; i++)
        narrow |= c->out[i].dtype == BA_BF16;
    return narrow;
}

double case_tolerance(const op_case *c, int coarse)
{
    return case_is_narrow(c) ? 1e-2 : coarse && c->op->coarse > 0 ? c->op->coarse : c->op->tolerance;
}

int case_attrs(const op_case *c, ba_attr *attr, int room)
{
    int n = 0;
    for (uint32_t i = 0; i < c->op->nparams && n < room; i++) {
        const ba_param *p = &c->op->params[i];
        const char *at = (const char *)c->params + p->offset;
        ba_attr *a = &attr[n++];
        *a = (ba_attr){ .name = p->name, .type = BA_I64 };
        if (p->type == BA_F64) {
            a->type = BA_F64;
            a->value.f = *(const double *)at;
        } else if (p->type == BA_STR) {
            a->type = BA_STR;
            a->value.s = *(const char *const *)at;
        } else if (p->type == BA_ENUM) {
            a->type = BA_STR;
            a->value.s = p->choices[*(const int64_t *)at];
        } else
            a->value.i = *(const int64_t *)at;
    }
    return n;
}
