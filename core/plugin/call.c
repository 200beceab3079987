/* call: the calls into plugins that describe: a model, scores, a loss. What goes in is checked before, what came back after; the sentences
 * name the plugin, once. */
#include <stdio.h>
#include <string.h>

#include "bauta/op.h"
#include "../base/crash.h"
#include "../nn/features.h"
#include "../nn/blocks.h"
#include "build.h"
#include "manners.h"
#include "plugin.h"
#include "settings.h"

/* A failed call: the plugin's own sentence with its name in front (unless it is that of a plugin within it), or ours when it had none. */
static int failed(const ba_plugin_desc *d, int status, const ba_err *said, ba_err *e)
{
    int code = status < 0 && status >= BA_EBUG ? status : BA_EPLUGIN;
    if (said->code == BA_OK || !said->msg[0])
        return ba_fail(e, BA_EPLUGIN, "plugin %s: failed without saying why (%d)", d->name, status);
    code = said->code < 0 && said->code >= BA_EBUG ? said->code : code;
    if (!strncmp(said->msg, "plugin ", 7) || !strncmp(said->msg, "reducer ", 8))
        return ba_fail(e, code, "%s", said->msg);
    return ba_fail(e, code, "plugin %s: %s", d->name, said->msg);
}

/* Around each call: what is noted in case it never comes back, and what must be the same afterwards. */
typedef struct visit { bai_manners before; bai_note note; const char *function; } visit;

static visit visit_begin(const ba_plugin_desc *d, const char *function)
{
    visit v = { .function = function };
    bai_manners_note(&v.before);
    v.note = bai_crash_enter(d->name, function, -1, 0);
    return v;
}

static int visit_end(const visit *v, int status, ba_err *said)
{
    bai_crash_leave(v->note);
    int r = bai_manners_judge(&v->before, v->function, said);
    return r ? r : status;
}

/* Checks the settings, that they are of this kind, and that no call is going on. */
static const ba_plugin_desc *desc_of(const ba_build *b, const ba_params *p, uint32_t kind, ba_err *e)
{
    if ((b && bai_build_check(b, e)) || bai_params_check(p, e))
        return NULL;
    const ba_plugin_desc *d = ba_params_desc(p);
    if (d->kind != kind)
        ba_fail(e, BA_EARG, "settings of a %s plugin expected, got those of %s %s", bai_kind_name(kind), bai_kind_name(d->kind), d->name);
    else if (b && b->call.desc)
        ba_fail(e, BA_EPLUGIN, "plugin %s: called while plugin %s is being called", d->name, b->call.desc->name);
    else
        return d;
    return NULL;
}

static int begin(ba_build *b, bai_call call, ba_err *e)
{
    const ba_plugin_desc *d = call.desc;
    for (int i = 0; d->needs && d->needs[i]; i++) {
        char who[80];
        ba_err why = { 0 };
        snprintf(who, sizeof who, "%s", d->needs[i]);
        char *dot = strchr(who, '.');
        *dot = 0;
        if (!bai_build_has(b, who, dot + 1)) {
            ba_build_get(b, who, dot + 1, -1, &why);
            return ba_fail(e, BA_EARG, "%s %s needs %s: %s", bai_kind_name(d->kind), d->name, d->needs[i], why.msg);
        }
    }
    b->call = call;
    return BA_OK;
}

static void end(ba_build *b)
{
    b->call = (bai_call){ 0 };
    ba_graph_place(b->g, "", NULL);
}

/* ---- architectures ---- */
typedef struct row { const char *name; size_t offset; } row;
#define ROW(f) { #f, offsetof(ba_arch_facts, f) }
static const row rows[] = { ROW(image_rows), ROW(image_columns), ROW(channels), ROW(patches), ROW(prefix), ROW(grid_rows), ROW(grid_columns),
                            ROW(depth), ROW(heads), ROW(dim), ROW(classes), ROW(trunk), ROW(joins), ROW(asks) };
enum { ROWS = sizeof rows / sizeof rows[0] };

static int may_be_zero(const row *r)
{
    return r->offset == offsetof(ba_arch_facts, prefix) || r->offset == offsetof(ba_arch_facts, joins) || r->offset == offsetof(ba_arch_facts, asks);
}

static int64_t fact_at(const ba_arch_facts *f, int i) { return *(const int64_t *)((const char *)f + rows[i].offset); }

static int facts_of(const ba_params *p, ba_arch_facts *f, ba_err *e)
{
    const ba_plugin_desc *d = ba_params_desc(p);
    const ba_arch_ops *ops = d->ops;
    ba_err said = { 0 };
    *f = (ba_arch_facts){ .size = sizeof *f };
    visit v = visit_begin(d, "facts");
    int r = visit_end(&v, ops->facts(&bai_host, ba_params_struct(p), f, &said), &said);
    if (r)
        return failed(d, r, &said, e);
    f->trunk = f->trunk ? f->trunk : f->depth;
    for (int i = 0; i < ROWS; i++)
        if (fact_at(f, i) < !may_be_zero(&rows[i]) || fact_at(f, i) > INT32_MAX)
            return ba_fail(e, BA_EPLUGIN, "plugin %s: says %s = %lld; %d to 2147483647 expected", d->name, rows[i].name, (long long)fact_at(f, i),
                           !may_be_zero(&rows[i]));
    if (f->trunk > f->depth || f->joins > f->depth)
        return ba_fail(e, BA_EPLUGIN, "plugin %s: says trunk = %lld and joins = %lld of %lld blocks", d->name, (long long)f->trunk, (long long)f->joins,
                       (long long)f->depth);
    if (f->asks > BA_ROWS_OTHERS)
        return ba_fail(e, BA_EPLUGIN, "plugin %s: says asks = %lld; BA_ROWS_CLASS, BA_ROWS_EXTRA or BA_ROWS_OTHERS expected", d->name, (long long)f->asks);
    if (f->patches != f->grid_rows * f->grid_columns)
        return ba_fail(e, BA_EPLUGIN, "plugin %s: says %lld patches in a grid of %lldx%lld", d->name, (long long)f->patches, (long long)f->grid_rows,
                       (long long)f->grid_columns);
    return BA_OK;
}

int64_t ba_arch_fact(const ba_params *arch, const char *what, ba_err *e)
{
    ba_arch_facts f;
    if (!desc_of(NULL, arch, BA_KIND_ARCH, e) || facts_of(arch, &f, e))
        return -1;
    char all[200] = "";
    for (int i = 0; i < ROWS; i++) {
        if (what && !strcmp(rows[i].name, what))
            return fact_at(&f, i);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", rows[i].name);
    }
    ba_fail(e, BA_EARG, "no fact '%.64s' of an architecture (there are: %s)", what ? what : "", all);
    return -1;
}

static int declare(ba_build *b, const char *who, const ba_arch_facts *f, ba_err *e)
{
    if (!who || !*who || strlen(who) > 60 || strpbrk(who, " ./\t\n"))
        return ba_fail(e, BA_EARG, "model name '%.64s'; 1 to 60 bytes without spaces, points and slashes expected", who ? who : "");
    for (int i = 0; i < ROWS; i++)
        if (bai_build_fact_put(b, who, rows[i].name, fact_at(f, i), e))
            return BA_EARG;
    return BA_OK;
}

int ba_arch_declare(ba_build *b, const char *who, const ba_params *arch, ba_err *e)
{
    ba_arch_facts f;
    if (!b)
        return bai_build_check(b, e);
    if (!desc_of(b, arch, BA_KIND_ARCH, e))
        return BA_EARG;
    int r = facts_of(arch, &f, e);
    return r ? r : declare(b, who, &f, e);
}

static int judge_given(const char *who, const ba_arch_facts *f, const ba_arch_given *in, ba_err *e)
{
    ba_type x, t;
    if (!in || in->size < sizeof *in || !in->store)
        return ba_fail(e, BA_EARG, "%.60s: images, scale, shift and a store expected", who);
    int r = ba_tensor_type(in->images, &x, e);
    if (!r && (x.rank != 4 || (x.dtype != BA_U8 && x.dtype != BA_F32)))
        r = ba_fail(e, BA_EARG, "%.60s: images with %d axes; u8 or f32 [B,H,W,C] expected", who, x.rank);
    if (!r && (x.dim[1] != f->image_rows || x.dim[2] != f->image_columns || x.dim[3] != f->channels))
        r = ba_fail(e, BA_EARG, "%.60s: images of %lldx%lldx%lld, the model is made for %lldx%lldx%lld", who, (long long)x.dim[1], (long long)x.dim[2],
                    (long long)x.dim[3], (long long)f->image_rows, (long long)f->image_columns, (long long)f->channels);
    for (int i = 0; !r && i < 2; i++)
        if ((r = ba_tensor_type(i ? in->shift : in->scale, &t, e)) == 0 && (t.rank != 1 || t.dtype != BA_F32 || t.dim[0] != f->channels))
            r = ba_fail(e, BA_EARG, "%.60s: %s with %d axes; f32[%lld] expected", who, i ? "shift" : "scale", t.rank, (long long)f->channels);
    if (r || !in->kept)
        return r;
    r = ba_tensor_type(in->kept, &t, e);
    if (!r && (t.rank != 2 || t.dtype != BA_I32 || t.dim[0] != x.dim[0] || t.dim[1] > f->patches))
        r = ba_fail(e, BA_EARG, "%.60s: kept is [%lld,%lld]; i32 [%lld, 1 to %lld] expected", who, (long long)t.dim[0], (long long)t.dim[1],
                    (long long)x.dim[0], (long long)f->patches);
    return r;
}

static int call_arch(ba_build *b, const char *who, const ba_params *arch, const ba_arch_given *in, ba_err *e)
{
    const ba_plugin_desc *d = ba_params_desc(arch);
    const ba_arch_ops *ops = d->ops;
    ba_err said = { 0 };
    ba_arch_in given = { sizeof given, in->images, in->scale, in->shift, in->kept, in->training != 0 };
    int r = begin(b, (bai_call){ d, who, who, "", in->store, in->training != 0 }, e);
    if (r)
        return r;
    b->reduction = (bai_reduction){ .reducer = in->reducer };
    b->fp8.layers = 0;
    visit v = visit_begin(d, "build");
    r = visit_end(&v, ops->build(&bai_host, b, ba_params_struct(arch), &given, &said), &said);
    end(b);
    int64_t blocks = b->reduction.blocks;
    b->reduction = (bai_reduction){ 0 };
    if (r)
        return failed(d, r, &said, e);
    if (in->reducer && !blocks)
        return ba_fail(e, BA_EARG, "reducer %s: %s has no blocks in which tokens could be reduced", ba_params_desc(in->reducer)->name, d->name);
    if (in->reducer && bai_build_fact_put(b, who, "reduced", 1, e))
        return e->code;
    return bai_build_has(b, who, "logits") ? bai_nn_fp8_judge(b, d->name, e) : ba_fail(e, BA_EPLUGIN, "plugin %s: published no logits", d->name);
}

int ba_arch_build(ba_build *b, const char *who, const ba_params *arch, const ba_arch_given *in, ba_err *e)
{
    ba_arch_facts f;
    ba_type kept;
    if (!b)
        return bai_build_check(b, e);
    if (!desc_of(b, arch, BA_KIND_ARCH, e))
        return BA_EARG;
    int r = facts_of(arch, &f, e);
    if (!r)
        r = declare(b, who, &f, e);
    if (!r && bai_build_has(b, who, "logits"))
        r = ba_fail(e, BA_EARG, "%s is built already", who);
    if (!r)
        r = judge_given(who, &f, in, e);
    if (!r && in->reducer && !desc_of(b, in->reducer, BA_KIND_REDUCER, e))
        r = BA_EARG;
    if (!r && in->kept) {
        r = ba_tensor_type(in->kept, &kept, e);
        if (!r)
            r = bai_build_fact_put(b, who, "kept", kept.dim[1], e);
        if (!r)
            r = ba_build_put(b, who, "kept", -1, in->kept, e);
    }
    return r ? r : call_arch(b, who, arch, in, e);
}

/* ---- reducers ---- */
static int judge_reduced(const ba_plugin_desc *d, const ba_reduce_in *in, const ba_reduce_out *out, ba_err *e)
{
    ba_type x, y, s;
    char have[100], want[100];
    if (ba_tensor_type(in->x, &x, e) || ba_tensor_type(out->x, &y, NULL))
        return ba_fail(e, BA_EPLUGIN, "plugin %s: what it left in block %lld is no tensor", d->name, (long long)in->layer);
    bai_type_text(&x, want, sizeof want);
    bai_type_text(&y, have, sizeof have);
    if (y.rank != 3 || y.dtype != x.dtype || y.dim[0] != x.dim[0] || y.dim[2] != x.dim[2] || y.dim[1] > x.dim[1] || y.dim[1] < in->prefix)
        return ba_fail(e, BA_EPLUGIN, "plugin %s: made %s of %s in block %lld; between %lld and %lld tokens expected", d->name, have, want,
                       (long long)in->layer, (long long)in->prefix, (long long)x.dim[1]);
    if (!out->sizes)
        return BA_OK;
    if (ba_tensor_type(out->sizes, &s, NULL) || s.rank != 2 || s.dtype != BA_F32 || s.dim[0] != y.dim[0] || s.dim[1] != y.dim[1])
        return ba_fail(e, BA_EPLUGIN, "plugin %s: sizes of tokens in block %lld; f32[%lld,%lld] expected", d->name, (long long)in->layer,
                       (long long)y.dim[0], (long long)y.dim[1]);
    return BA_OK;
}

/* Within a call of the architecture, which goes on afterwards. */
int bai_reduce(ba_build *b, const ba_reduce_in *in, ba_reduce_out *out, ba_err *e)
{
    const ba_plugin_desc *d = ba_params_desc(b->reduction.reducer);
    const ba_reducer_ops *ops = d->ops;
    const bai_call outer = b->call;
    ba_err said = { 0 };
    b->call = (bai_call){ .desc = d, .label = d->name, .weights = "", .reduced = outer.who };
    visit v = visit_begin(d, "reduce");
    int r = visit_end(&v, ops->reduce(&bai_host, b, ba_params_struct(b->reduction.reducer), in, out, &said), &said);
    b->call = outer;
    bai_crash_enter(outer.desc->name, "build", -1, 0);
    if (r)
        return failed(d, r, &said, e);
    if (!out->x)
        return BA_OK;
    out->x = bai_sum_joined(b, out->x);
    out->sizes = out->sizes ? bai_sum_joined(b, out->sizes) : NULL;
    return judge_reduced(d, in, out, e);
}

/* ---- criteria ---- */
/* The model with so many patches, the student before the others; NULL: there is none. */
static const char *of_patches(const ba_build *b, int64_t patches)
{
    const char *who = bai_build_fact_get(b, "student", "patches") == patches ? "student" : NULL;
    for (int64_t i = 0; !who && i < b->n_facts; i++)
        if (!strcmp(b->facts[i].what, "patches") && b->facts[i].value == patches)
            who = b->facts[i].who;
    return who;
}

/* Scores that fit the masked model; those of another model's grid are resampled. */
static int judge_scores(ba_build *b, const ba_plugin_desc *d, const char *whom, ba_tensor **out, ba_err *e)
{
    ba_tensor *t = *out;
    char have[100], want[100];
    ba_type s, images;
    if (ba_tensor_type(t, &s, NULL))
        return ba_fail(e, BA_EPLUGIN, "plugin %s: its scores are no tensor", d->name);
    ba_tensor *batch = ba_build_get(b, "batch", "images", -1, NULL);
    ba_type right = { BA_F32, 2, { batch && !ba_tensor_type(batch, &images, NULL) ? images.dim[0] : s.dim[0], bai_build_fact_get(b, whom, "patches") } };
    if (s.dtype == right.dtype && s.rank == 2 && s.dim[0] == right.dim[0] && s.dim[1] == right.dim[1])
        return BA_OK;
    const char *who = s.rank == 2 && s.dtype == right.dtype && s.dim[0] == right.dim[0] ? of_patches(b, s.dim[1]) : NULL;
    if (who)
        return (*out = bai_nn_regrid(b, who, t, e)) ? BA_OK : BA_EARG;
    bai_type_text(&s, have, sizeof have);
    bai_type_text(&right, want, sizeof want);
    return ba_fail(e, BA_EPLUGIN, "plugin %s: its scores are %s; %s expected", d->name, have, want);
}

int ba_mask_corners(ba_build *b, int32_t on, ba_err *e)
{
    if (bai_build_check(b, e))
        return BA_EARG;
    b->corners = on != 0;
    return BA_OK;
}

ba_tensor *ba_mask_regrid(ba_build *b, const char *who, const char *whom, ba_tensor *x, ba_err *e)
{
    if (bai_build_check(b, e))
        return NULL;
    b->call.whom = whom; /* between calls, so that "masked" and the target are known */
    x = bai_nn_regrid(b, who, x, e);
    b->call.whom = NULL;
    return x;
}

int ba_mask_score(ba_build *b, const char *whom, const ba_params *mask, ba_tensor **out, ba_err *e)
{
    if (!b || !out)
        return ba_fail(e, BA_EARG, "mask: a build and a place for the scores expected");
    const ba_plugin_desc *d = desc_of(b, mask, BA_KIND_MASK, e);
    *out = NULL;
    if (!d)
        return BA_EARG;
    if (!whom || bai_build_fact_get(b, whom, "patches") < 0)
        return ba_fail(e, BA_EARG, "mask %s: no model '%.60s' to be masked is known here", d->name, whom ? whom : "");
    const ba_mask_ops *ops = d->ops;
    ba_err said = { 0 };
    ba_tensor *t = NULL;
    char label[140]; /* two teachers with one criterion draw apart */
    snprintf(label, sizeof label, "%s%s%s", d->name, strcmp(whom, "teacher") ? "@" : "", strcmp(whom, "teacher") ? whom : "");
    int r = begin(b, (bai_call){ .desc = d, .label = label, .weights = "", .whom = whom }, e);
    if (r)
        return r;
    visit v = visit_begin(d, "score");
    r = visit_end(&v, ops->score(&bai_host, b, ba_params_struct(mask), &t, &said), &said);
    t = r || !t ? NULL : bai_sum_joined(b, t);
    r = r ? failed(d, r, &said, e) : t ? judge_scores(b, d, whom, &t, e) : BA_OK;
    end(b);
    *out = r ? NULL : t;
    return r;
}

/* ---- losses ---- */
static int judge_loss(const ba_plugin_desc *d, const ba_tensor *t, ba_err *e)
{
    char have[100];
    ba_type s;
    if (ba_tensor_type(t, &s, NULL))
        return ba_fail(e, BA_EPLUGIN, "plugin %s: its loss is no tensor", d->name);
    if (s.rank == 0 && s.dtype == BA_F32)
        return BA_OK;
    bai_type_text(&s, have, sizeof have);
    return ba_fail(e, BA_EPLUGIN, "plugin %s: its loss is %s; f32[] expected", d->name, have);
}

int ba_loss_build(ba_build *b, const char *label, const ba_params *loss, ba_store *store, ba_tensor **out, ba_err *e)
{
    char weights[80];
    if (!b || !out)
        return ba_fail(e, BA_EARG, "loss: a build and a place for the loss expected");
    const ba_plugin_desc *d = desc_of(b, loss, BA_KIND_LOSS, e);
    *out = NULL;
    if (!d)
        return BA_EARG;
    if (label && (!*label || strlen(label) > 64 || strpbrk(label, " /\t\n")))
        return ba_fail(e, BA_EARG, "loss %s: label '%.64s'; 1 to 64 bytes without spaces and slashes expected", d->name, label);
    const ba_loss_ops *ops = d->ops;
    ba_err said = { 0 };
    ba_tensor *t = NULL;
    snprintf(weights, sizeof weights, "%s.", label ? label : d->name);
    int r = begin(b, (bai_call){ .desc = d, .label = label ? label : d->name, .weights = weights, .store = store }, e);
    if (r)
        return r;
    visit v = visit_begin(d, "build");
    r = visit_end(&v, ops->build(&bai_host, b, ba_params_struct(loss), &t, &said), &said);
    end(b);
    r = r ? failed(d, r, &said, e) : judge_loss(d, t = bai_sum_joined(b, t), e);
    *out = r ? NULL : t;
    return r;
}

int ba_loss_match(ba_build *b, ba_tensor *student, ba_tensor *teacher, int32_t extras, ba_tensor **out, ba_err *e)
{
    return out ? bai_nn_match(b, student, teacher, extras, out, e) : ba_fail(e, BA_EARG, "match: a place for two tensors expected");
}

int64_t ba_loss_layers(ba_build *b, const char *chosen, const char *theirs, int64_t most, int64_t *student, int64_t *teacher, ba_err *e)
{
    if (!chosen || !theirs || most < 1 || !student || !teacher)
        return ba_fail(e, BA_EARG, "layers: blocks by name or number, and places for at least one pair expected");
    return bai_nn_layers(b, chosen, theirs, most, student, teacher, e);
}
