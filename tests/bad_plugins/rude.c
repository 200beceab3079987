/* rude: a criterion, a loss, an architecture and a reducer that are accepted and then misbehave when called, each in the way its parameter asks for. */
#define BA_WANT_MINOR 5
#include <bauta/plugin.h>

typedef struct rude_params { int64_t how; } rude_params;
static const char *const ways[] = { "silent", "code", "null", "rank", "dtype", "length", "unknown-op", "wrong-op", "no-signal", "no-layer", "no-fact", "weight", "publish", "again",
                                    "shape", "nothing", "many-inputs", "not-a-tensor", "facts", "grid", "bad-random", "fine", "masked", "trunk", "asks", "note", "note-name", "note-type", "note-twice", NULL };
enum { SILENT, CODE, NOTHING_OUT, RANK, DTYPE, LENGTH, UNKNOWN_OP, WRONG_OP, NO_SIGNAL, NO_LAYER, NO_FACT, WEIGHT, PUBLISH, AGAIN, SHAPE, NOTHING, MANY, NOT_A_TENSOR, FACTS,
       GRID, BAD_RANDOM, FINE, MASKED, TRUNK, ASKS, NOTE, NOTE_NAME, NOTE_TYPE, NOTE_TWICE };

/* Whatever does not depend on the kind. */
static int common(const ba_host *h, ba_build *b, int64_t how, ba_tensor **out, ba_err *e)
{
    ba_tensor *many[65] = { 0 };
    const int64_t dim[] = { 2, 3, 4 }, wild = 100;
    const float data[24] = { 0 };
    switch (how) {
    case SILENT: return -1;
    case CODE: return -12345;
    case NOTHING_OUT: *out = NULL; return BA_OK;
    case RANK: *out = h->constant(b, 3, dim, data, e); break;
    case DTYPE: *out = h->signal(b, "batch", "step", -1, e); break;
    case LENGTH: *out = h->constant(b, 2, dim, data, e); break;
    case UNKNOWN_OP: *out = h->op(b, "mean_of", 0, NULL, 0, NULL, e); break;
    case WRONG_OP: many[0] = h->scalar(b, 1, e); *out = h->op(b, "mean", 1, many, BA_ATTRS(BA_I("axes", 1)), e); break;
    case NO_SIGNAL: *out = h->signal(b, "student", "logit", -1, e); break;
    case NO_LAYER: *out = h->signal(b, "student", "class_attention", 7, e); break;
    case NO_FACT: return h->fact(b, "student", "patch", e) < 0 ? e->code : BA_OK;
    case WEIGHT: *out = h->weight(b, "w", 1, &wild, BA_INIT_ZERO, 0, 0, e); break;
    case PUBLISH: return h->publish(b, "mine", -1, h->scalar(b, 1, e), e);
    case MANY: *out = h->op(b, "concat", 65, many, 0, NULL, e); break;
    case NOT_A_TENSOR: *out = (ba_tensor *)data; break;
    case BAD_RANDOM: *out = h->random(b, "", 1, dim, e); break;
    case NOTE: return h->note(b, "n", h->scalar(b, 1, e), e);
    case NOTE_NAME: return h->note(b, "a b", h->scalar(b, 1, e), e);
    case NOTE_TYPE: return h->note(b, "n", h->signal(b, "batch", "step", -1, e), e);
    case NOTE_TWICE: return h->note(b, "n", h->scalar(b, 1, e), e) || h->note(b, "n", h->scalar(b, 1, e), e) ? e->code : -1;
    default: *out = h->scalar(b, 1, e); break;
    }
    return *out ? BA_OK : e->code;
}

#if RUDE == 1
static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    int64_t how = ((const rude_params *)params)->how, dim[2] = { 2, 0 };
    if (how != MASKED && how != FINE)
        return common(h, b, how, out, e);
    dim[1] = h->fact(b, how == MASKED ? "masked" : "student", "patches", e);
    return dim[1] > 0 && (*out = h->random(b, "u", 2, dim, e)) ? BA_OK : e->code;
}
static const ba_mask_ops ops = { .size = sizeof ops, .score = score };
#define RUDE_HEAD BA_HEAD(MASK)
#elif RUDE == 2
static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    return common(h, b, ((const rude_params *)params)->how, out, e);
}
static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
#define RUDE_HEAD BA_HEAD(LOSS)
#elif RUDE == 4
static int reduce(const ba_host *h, ba_build *b, const void *params, const ba_reduce_in *in, ba_reduce_out *out, ba_err *e)
{
    int64_t how = ((const rude_params *)params)->how;
    ba_tensor *two[] = { in->x, in->x };
    const int64_t dim[] = { 2, 2 };
    const float data[4] = { 0 };
    if (how == NOTHING)
        return BA_OK;
    out->x = how == AGAIN ? h->op(b, "concat", 2, two, BA_ATTRS(BA_I("axis", 1)), e) : in->x;
    out->sizes = how == SHAPE ? h->constant(b, 2, dim, data, e) : NULL;
    return how == AGAIN || how == SHAPE || how == FINE ? BA_OK : common(h, b, how, &out->x, e);
}
static const ba_reducer_ops ops = { .size = sizeof ops, .reduce = reduce };
#define RUDE_HEAD BA_HEAD(REDUCER)
#else
static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    int64_t how = ((const rude_params *)params)->how;
    (void)h, (void)e;
    *out = (ba_arch_facts){ sizeof *out, 8, 8, 3, how == GRID ? 5 : 4, 1, 2, 2, 1, 1, 4, how == FACTS ? -1 : 3, how == TRUNK ? 2 : 0, 0, how == ASKS ? 3 : 0 };
    return BA_OK;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    int64_t how = ((const rude_params *)params)->how;
    const int64_t dim[] = { h->dim(in->images, 0), 3 }, wrong[] = { h->dim(in->images, 0), 4 };
    const float data[64] = { 0 };
    ba_tensor *t = h->constant(b, 2, how == SHAPE ? wrong : dim, data, e);
    if (how == NOTHING)
        return BA_OK;
    if (how == AGAIN || how == SHAPE || how == FINE || how == PUBLISH)
        return h->publish(b, "logits", how == PUBLISH ? 5 : -1, t, e) || how != AGAIN ? e->code : h->publish(b, "logits", -1, t, e);
    return common(h, b, how, &t, e);
}
static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };
#define RUDE_HEAD BA_HEAD(ARCH)
#endif

const ba_plugin_desc ba_plugin = {
    RUDE_HEAD, .name = "rude", .version = "1.0", .doc = "misbehaves as it is told to",
    BA_PARAMS(rude_params, BA_CHOICE(rude_params, how, 0, ways, "how it misbehaves")),
    .ops = &ops,
};
