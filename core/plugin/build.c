/* build: signals (named tensors of a graph) and facts (geometry of models), and sentences for what is not there. */
#include "build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/nearest.h"

enum { TAG = 0x4255494c, LONGEST = 64 };

int bai_build_check(const ba_build *b, ba_err *e)
{
    return b && b->tag == TAG ? BA_OK : ba_fail(e, BA_EARG, "build expected, got %s", b ? "something else (freed?)" : "nothing");
}

ba_build *ba_build_new(ba_graph *g, ba_err *e)
{
    if (ba_graph_dtype(g) < 0) {
        ba_fail(e, BA_EARG, "build: graph expected, got %s", g ? "something else (freed?)" : "nothing");
        return NULL;
    }
    ba_build *b = calloc(1, sizeof *b);
    if (!b) {
        ba_fail(e, BA_EMACHINE, "no memory for a build");
        return NULL;
    }
    b->tag = TAG;
    b->g = g;
    return b;
}

void ba_build_free(ba_build *b)
{
    if (bai_build_check(b, NULL))
        return;
    b->tag = 0;
    bai_arena_free(&b->arena);
    free(b->signals);
    free(b->facts);
    free(b->sums);
    free(b);
}

static int good_name(const char *s)
{
    return s && *s && strlen(s) <= LONGEST && !strpbrk(s, " \t\n");
}

/* Room for one more of `size` bytes at the end of *list of n; NULL when there is no memory. */
static void *grow(void **list, int64_t n, size_t size, ba_err *e)
{
    if (n & (n - 1)) /* rooms are powers of two */
        return (char *)*list + (size_t)n * size;
    void *more = realloc(*list, (size_t)(n ? 2 * n : 1) * size);
    if (!more) {
        ba_fail(e, BA_EMACHINE, "no memory for a build");
        return NULL;
    }
    *list = more;
    return (char *)more + (size_t)n * size;
}

/* ---- other names ---- */
static const char *real(const ba_build *b, const char *who)
{
    for (int i = 0; who && i < b->n_aliases; i++)
        if (!strcmp(b->aliases[i].alias, who))
            return b->aliases[i].who;
    return who;
}

int ba_build_alias(ba_build *b, const char *alias, const char *who, ba_err *e)
{
    int i = 0;
    if (bai_build_check(b, e))
        return BA_EARG;
    if (!good_name(alias) || (who && !good_name(who)))
        return ba_fail(e, BA_EARG, "alias '%.64s' of '%.64s': names of 1 to %d bytes without spaces expected", alias ? alias : "", who ? who : "", LONGEST);
    while (i < b->n_aliases && strcmp(b->aliases[i].alias, alias))
        i++;
    if (!who) {
        if (i < b->n_aliases)
            b->aliases[i] = b->aliases[--b->n_aliases];
        return BA_OK;
    }
    if (i == BAI_ALIASES)
        return ba_fail(e, BA_EARG, "alias '%s': at most %d at a time", alias, BAI_ALIASES);
    const char *own[2] = { bai_arena_text(&b->arena, alias), bai_arena_text(&b->arena, who) };
    if (!own[0] || !own[1])
        return ba_fail(e, BA_EMACHINE, "no memory for a build");
    b->aliases[i] = (bai_alias){ own[0], own[1] };
    b->n_aliases += i == b->n_aliases;
    return BA_OK;
}

/* ---- sums ---- */
int bai_sum_put(ba_build *b, bai_sum sum, ba_err *e)
{
    bai_sum *s = grow((void **)&b->sums, b->n_sums, sizeof *s, e);
    if (!s)
        return BA_EMACHINE;
    *s = sum;
    b->n_sums++;
    return BA_OK;
}

bai_sum *bai_sum_of(ba_build *b, const ba_tensor *t)
{
    for (int64_t i = b->n_sums; t && i-- > 0;)
        if (b->sums[i].sum == t)
            return &b->sums[i];
    return NULL;
}

ba_tensor *bai_sum_joined(ba_build *b, ba_tensor *t)
{
    const bai_sum *s = bai_sum_of(b, t);
    return s && s->joined ? s->joined : t;
}

/* ---- signals ---- */
static bai_signal *find(const ba_build *b, const char *who, const char *what, int64_t layer)
{
    for (int64_t i = 0; i < b->n_signals; i++)
        if (b->signals[i].layer == layer && !strcmp(b->signals[i].what, what) && !strcmp(b->signals[i].who, who))
            return &b->signals[i];
    return NULL;
}

/* Layers of a signal: 0 when it is not known, -1 when it belongs to no layer. */
static int64_t layers_of(const ba_build *b, const char *who, const char *what)
{
    int64_t n = 0;
    for (int64_t i = 0; i < b->n_signals; i++)
        if (!strcmp(b->signals[i].what, what) && !strcmp(b->signals[i].who, who))
            n = b->signals[i].layer < 0 ? -1 : b->signals[i].layer + 1 > n ? b->signals[i].layer + 1 : n;
    return n;
}

/* The first layer of a signal that has layers. */
static int64_t first_of(const ba_build *b, const char *who, const char *what)
{
    int64_t first = layers_of(b, who, what);
    for (int64_t i = 0; i < b->n_signals; i++)
        if (!strcmp(b->signals[i].what, what) && !strcmp(b->signals[i].who, who) && b->signals[i].layer < first)
            first = b->signals[i].layer;
    return first;
}

int bai_build_has(const ba_build *b, const char *who, const char *what) { return layers_of(b, real(b, who), what) != 0; }

int bai_build_span(const ba_build *b, const char *who, const char *what, int64_t *first, int64_t *last)
{
    *last = layers_of(b, real(b, who), what) - 1;
    *first = *last < 0 ? 0 : first_of(b, real(b, who), what);
    return *last >= 0;
}

int ba_build_put(ba_build *b, const char *who, const char *what, int64_t layer, ba_tensor *t, ba_err *e)
{
    return bai_build_offer(b, (bai_signal){ .who = who, .what = what, .layer = layer, .t = t }, e);
}

int bai_build_offer(ba_build *b, bai_signal given, ba_err *e)
{
    const char *who = given.who, *what = given.what;
    ba_type type;
    if (bai_build_check(b, e))
        return BA_EARG;
    if (!good_name(who) || !good_name(what))
        return ba_fail(e, BA_EARG, "signal '%.64s.%.64s': two names of 1 to %d bytes without spaces expected", who ? who : "", what ? what : "", LONGEST);
    if (ba_tensor_type(given.t, &type, NULL))
        return ba_fail(e, BA_EARG, "%s.%s: tensor expected, got %s", who, what, given.t ? "something else" : "nothing");
    if (given.layer < -1 || given.layer > 9999)
        return ba_fail(e, BA_EARG, "%s.%s: layer %lld; 0 to 9999, or -1 for none expected", who, what, (long long)given.layer);
    if (find(b, who, what, given.layer))
        return ba_fail(e, BA_EARG, "%s.%s is known already", who, what);
    bai_signal *s = grow((void **)&b->signals, b->n_signals, sizeof *s, e);
    char *own[2] = { bai_arena_text(&b->arena, who), bai_arena_text(&b->arena, what) };
    if (!s || !own[0] || !own[1])
        return ba_fail(e, BA_EMACHINE, "no memory for a build");
    *s = given;
    s->who = own[0];
    s->what = own[1];
    b->n_signals++;
    return BA_OK;
}

/* Writes "logits, tokens, class_attention of 0..11" of one participant; the number of signals it has. */
static int list_of(const ba_build *b, const char *who, char *out, size_t size)
{
    int n = 0;
    size_t used = 0;
    out[0] = 0;
    for (int64_t i = 0; i < b->n_signals; i++) {
        const bai_signal *s = &b->signals[i];
        int64_t layers = layers_of(b, who, s->what), first = 1;
        for (int64_t k = 0; k < i; k++)
            first &= strcmp(b->signals[k].who, who) || strcmp(b->signals[k].what, s->what);
        if (strcmp(s->who, who) || !first)
            continue;
        n++;
        if (used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", s->what);
        if (used < size && layers > 0)
            used += (size_t)snprintf(out + used, size - used, " of %lld..%lld", (long long)first_of(b, who, s->what), (long long)layers - 1);
    }
    return n;
}

static int not_there(const ba_build *b, const char *who, const char *what, ba_err *e)
{
    char all[400] = "";
    size_t used = 0;
    if (list_of(b, who, all, sizeof all)) {
        bai_nearest near = bai_nearest_begin(what);
        for (int64_t i = 0; i < b->n_signals; i++)
            if (!strcmp(b->signals[i].who, who))
                bai_nearest_try(&near, b->signals[i].what);
        return ba_fail(e, BA_EARG, "%.64s has no '%.64s'%s%s%s (it has: %s)", who, what, near.best ? "; did you mean '" : "", near.best ? near.best : "",
                       near.best ? "'?" : "", all);
    }
    for (int64_t i = 0; i < b->n_signals; i++) {
        int first = 1;
        for (int64_t k = 0; k < i; k++)
            first &= strcmp(b->signals[k].who, b->signals[i].who) != 0;
        if (first && used < sizeof all)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", b->signals[i].who);
    }
    return ba_fail(e, BA_EARG, "no signals of '%.64s' here, so no '%.64s' (there are signals of: %s)", who, what, *all ? all : "nobody");
}

/* The tensor of a signal, made now when it was only offered. A recipe may make further signals known, which moves the table: it gets a
 * copy, and the signal is looked up by its place afterwards. */
static ba_tensor *made(ba_build *b, const bai_signal *s, ba_err *e)
{
    int64_t place = s - b->signals;
    if (s->make) {
        bai_signal own = *s;
        ba_tensor *t = own.make(b, &own, e);
        if (!t)
            return NULL;
        b->signals[place].t = t;
        b->signals[place].make = NULL;
    }
    return bai_sum_joined(b, b->signals[place].t);
}

ba_tensor *ba_build_get(ba_build *b, const char *who, const char *what, int64_t layer, ba_err *e)
{
    if (bai_build_check(b, e))
        return NULL;
    if (!who || !what) {
        ba_fail(e, BA_EARG, "signal: the names of a participant and of its signal expected");
        return NULL;
    }
    return bai_build_own(b, real(b, who), what, layer, e);
}

ba_tensor *bai_build_own(ba_build *b, const char *who, const char *what, int64_t layer, ba_err *e)
{
    int64_t layers = layers_of(b, who, what), wanted = layers < 0 ? -1 : layer < 0 ? layers + layer : layer;
    if (!layers) {
        not_there(b, who, what, e);
        return NULL;
    }
    bai_signal *s = layers > 0 || layer == -1 || layer == 0 ? find(b, who, what, wanted) : NULL;
    if (s)
        return made(b, s, e);
    if (layers < 0)
        ba_fail(e, BA_EARG, "%s.%s belongs to no layer; layer %lld asked", who, what, (long long)layer);
    else
        ba_fail(e, BA_EARG, "%s.%s of layer %lld; %lld to %lld (or -1 for the last) expected", who, what, (long long)layer, (long long)first_of(b, who, what),
                (long long)layers - 1);
    return NULL;
}

int64_t ba_build_count(const ba_build *b) { return bai_build_check(b, NULL) ? 0 : b->n_signals; }

int ba_build_entry(const ba_build *b, int64_t i, const char **who, const char **what, int64_t *layer, ba_tensor **t, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    if (i < 0 || i >= b->n_signals || !who || !what || !layer || !t)
        return ba_fail(e, BA_EARG, "build: signal %lld of %lld", (long long)i, (long long)b->n_signals);
    *who = b->signals[i].who;
    *what = b->signals[i].what;
    *layer = b->signals[i].layer;
    *t = b->signals[i].make ? NULL : bai_sum_joined((ba_build *)b, b->signals[i].t);
    return BA_OK;
}

/* ---- facts ---- */
static int64_t fact_of(const ba_build *b, const char *who, const char *what)
{
    for (int64_t i = 0; i < b->n_facts; i++)
        if (!strcmp(b->facts[i].who, who) && !strcmp(b->facts[i].what, what))
            return b->facts[i].value;
    return -1;
}

int64_t bai_build_fact_get(const ba_build *b, const char *who, const char *what) { return fact_of(b, real(b, who), what); }

int bai_build_fact_put(ba_build *b, const char *who, const char *what, int64_t value, ba_err *e)
{
    int64_t have = fact_of(b, who, what);
    if (have >= 0)
        return have == value ? BA_OK : ba_fail(e, BA_EARG, "%s: %s = %lld was said before, now %lld", who, what, (long long)have, (long long)value);
    bai_fact *f = grow((void **)&b->facts, b->n_facts, sizeof *f, e);
    char *own[2] = { bai_arena_text(&b->arena, who), bai_arena_text(&b->arena, what) };
    if (!f || !own[0] || !own[1])
        return ba_fail(e, BA_EMACHINE, "no memory for a build");
    *f = (bai_fact){ own[0], own[1], value };
    b->n_facts++;
    return BA_OK;
}

int ba_build_say(ba_build *b, const char *who, const char *what, int64_t value, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    if (!good_name(who) || !good_name(what))
        return ba_fail(e, BA_EARG, "fact '%.64s.%.64s': two names of 1 to %d bytes without spaces expected", who ? who : "", what ? what : "", LONGEST);
    return value >= 0 ? bai_build_fact_put(b, who, what, value, e) : ba_fail(e, BA_EARG, "%s: %s = %lld; at least 0 expected", who, what, (long long)value);
}

int64_t ba_build_fact(ba_build *b, const char *who, const char *what, ba_err *e)
{
    if (bai_build_check(b, e))
        return -1;
    if (!who || !what) {
        ba_fail(e, BA_EARG, "fact: the names of a model and of a fact expected");
        return -1;
    }
    who = real(b, who);
    int64_t v = fact_of(b, who, what), known = 0;
    if (v >= 0)
        return v;
    char all[300] = "";
    size_t used = 0;
    bai_nearest near = bai_nearest_begin(what);
    for (int64_t i = 0; i < b->n_facts; i++) {
        if (strcmp(b->facts[i].who, who))
            continue;
        known++;
        bai_nearest_try(&near, b->facts[i].what);
        if (used < sizeof all)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", b->facts[i].what);
    }
    if (known && !strcmp(what, "asks"))
        return BA_ROWS_CLASS; /* a model described by hand that does not say it */
    if (!known)
        ba_fail(e, BA_EARG, "there is no model '%.64s' here, so no '%.64s' of it", who, what);
    else
        ba_fail(e, BA_EARG, "%.64s has no fact '%.64s'%s%s%s (it has: %s)", who, what, near.best ? "; did you mean '" : "", near.best ? near.best : "",
                near.best ? "'?" : "", all);
    return -1;
}
