/* fuzz_params: libFuzzer on settings and on the judgement of descriptors. An input is the text of settings for a schema with every type; or,
 * behind a first byte 1, a descriptor and its rows made from the bytes, with texts that end where their memory ends. What is accepted must
 * fill its struct within its bounds and its ranges, and read back as it was written. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/plugin/plugin.h"
#include "bauta/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct lab { int64_t count, order, on, big; double rate; const char *path; } lab;
static const char *const orders[] = { "top", "bottom", "random", NULL };

static int score(const ba_host *h, ba_build *b, const void *p, ba_tensor **out, ba_err *e)
{
    (void)h, (void)b, (void)p, (void)out, (void)e;
    return BA_OK;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };
static const ba_plugin_desc desc = {
    BA_HEAD(MASK), .name = "lab", .version = "1", .doc = "for this test", .ops = &ops,
    BA_PARAMS(lab,
        BA_INT(lab, count, 2, -3, 7, NULL, "a whole number"), BA_CHOICE(lab, order, 1, orders, "a choice"), BA_FLAG(lab, on, 1, "a flag"),
        BA_FLOAT(lab, rate, 0.1, 0, 2.5, NULL, "a number"), BA_INT(lab, big, 0, INT64_MIN, INT64_MAX, NULL, "any whole number"),
        BA_STRING(lab, path, "here", "a text")),
};

static void judge_values(const lab *v)
{
    if (v->count < -3 || v->count > 7 || v->order < 0 || v->order > 2 || v->on < 0 || v->on > 1 || !(v->rate >= 0 && v->rate <= 2.5) || signbit(v->rate) || !v->path)
        abort();
}

/* Settings made from the values of others are those settings. */
static void read_back(const ba_params *p)
{
    ba_err e = { 0 };
    ba_attr all[6];
    const lab *a = ba_params_struct(p);
    for (int i = 0; i < 6; i++)
        if (ba_params_value(p, i, &all[i], &e))
            abort();
    ba_params *again = ba_params_new(&desc, 6, all, NULL, 0, &e);
    const lab *b = again ? ba_params_struct(again) : NULL;
    if (!b || a->count != b->count || a->order != b->order || a->on != b->on || a->big != b->big || a->rate != b->rate || strcmp(a->path, b->path))
        abort();
    ba_params_free(again);
}

static void try_text(const char *text)
{
    ba_err e = { 0 };
    char report[300] = "";
    ba_params *p = ba_params_parse(&desc, text, report, sizeof report, &e);
    if (!p) {
        if (e.code == BA_OK || !*e.msg || !*report)
            abort(); /* refused without a word */
        return;
    }
    judge_values(ba_params_struct(p));
    read_back(p);
    ba_params_free(p);
}

/* ---- descriptors ---- */
typedef struct source { const uint8_t *at, *end; } source;

static uint64_t take(source *s, int bytes)
{
    uint64_t v = 0;
    for (; bytes > 0 && s->at < s->end; bytes--)
        v = v << 8 | *s->at++;
    return v;
}

/* Mostly a small number, sometimes any. */
static uint64_t number(source *s)
{
    uint64_t kind = take(s, 1);
    return kind < 200 ? kind : take(s, 8);
}

/* A text of its own, so that reading past its end is seen; NULL now and then. */
static char *text(source *s)
{
    size_t n = (size_t)take(s, 1) % 80, left = (size_t)(s->end - s->at);
    n = n < left ? n : left;
    char *t = malloc(n + 1);
    if (n == 79 || !t) {
        free(t);
        return NULL;
    }
    memcpy(t, s->at, n);
    t[n] = 0;
    s->at += n;
    return t;
}

enum { ROWS = 6, CHOICES = 4 };

static void try_desc(source s)
{
    char *names[3] = { text(&s), text(&s), text(&s) }, *row[ROWS][2], *choice[ROWS][CHOICES];
    const char *lists[ROWS][CHOICES + 1] = { { 0 } };
    ba_param *rows = calloc(ROWS, sizeof *rows);
    for (int i = 0; i < ROWS; i++) {
        row[i][0] = text(&s), row[i][1] = text(&s);
        for (int k = 0; k < CHOICES; k++)
            lists[i][k] = choice[i][k] = i % 2 ? text(&s) : NULL;
        rows[i] = (ba_param){ .name = row[i][0], .doc = row[i][1], .type = (uint32_t)number(&s), .offset = (uint32_t)number(&s) & (take(&s, 1) < 240 ? ~7u : ~0u),
                              .def = { .i = (int64_t)number(&s) }, .min = { .i = (int64_t)number(&s) }, .max = { .i = (int64_t)number(&s) }, .choices = i % 2 ? lists[i] : NULL };
    }
    ba_plugin_desc d = { .magic = BA_MAGIC, .abi_major = BA_ABI_MAJOR, .size = sizeof d, .kind = BA_KIND_MASK, .name = names[0], .doc = names[1], .version = names[2], .ops = &ops,
                         .params = rows, .nparams = (uint32_t)take(&s, 1) % (ROWS + 1), .params_size = (uint32_t)number(&s) };
    ba_err e = { 0 };
    if (!bai_plugin_judge(&d, "x", &e)) {
        ba_attr value;
        ba_params *p = ba_params_new(&d, 0, NULL, NULL, 0, &e);
        for (uint32_t i = 0; i < d.nparams; i++)
            if (!p || ba_params_value(p, i, &value, &e))
                abort();
        ba_params_free(p);
    } else if (e.code != BA_EPLUGIN || !*e.msg) {
        abort();
    }
    for (int i = 0; i < 3; i++)
        free(names[i]);
    for (int i = 0; i < ROWS; i++) {
        free(row[i][0]), free(row[i][1]);
        for (int k = 0; k < CHOICES; k++)
            free(choice[i][k]);
    }
    free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && data[0] == 1) {
        try_desc((source){ data + 1, data + size });
        return 0;
    }
    char *copy = malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    copy[size] = 0;
    try_text(copy);
    free(copy);
    return 0;
}
