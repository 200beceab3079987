/* value-norm: attention says how much of a patch's value the class token takes, but not how large that value is: the student's class attention
 * (of the tokens that its architecture names) times the length of the patch's value vector, head by head, the mean over the heads. The significance
 * score by which Fayyaz et al. sample tokens inside a model, used here to choose what the teacher sees. */
#define BA_WANT_MINOR 4
#include <bauta/compose.h>

typedef struct value_norm_params { int64_t layer; } value_norm_params;

static const char *const needs[] = { "student.class_attention", "student.values", NULL };

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const ba_on o = { h, b, e };
    int64_t layer = ((const value_norm_params *)params)->layer, E = h->fact(b, "student", "prefix", e), depth = h->fact(b, "student", "depth", e);
    layer = layer == BA_LAYER_MIDDLE ? (depth - 1) / 2 : layer;
    ba_tensor *attention = E < 0 || depth < 0 ? NULL : ba_signal_f32(o, "student", "class_attention", layer); /* [B,heads,E,E+N] */
    ba_tensor *values = attention ? ba_signal_f32(o, "student", "values", layer) : NULL;         /* [B,heads,E+N,dim/heads] */
    if (!values)
        return e->code;
    attention = ba_slice(o, ba_asked(o, "student", attention), 2, E, h->dim(attention, 3)); /* [B,heads,N] */
    values = ba_op1(o, "square", ba_slice(o, values, 2, E, h->dim(values, 2)), 0, NULL);
    values = ba_op1(o, "sqrt", ba_sum(o, values, 3, 0), 0, NULL);
    *out = ba_mean(o, ba_mul(o, attention, values), 1, 0);
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "value-norm", .version = "1.0", .needs = needs,
    .doc = "keep the patches whose values reach the student's class token: attention times the length of the value",
    .cite = "Fayyaz et al., Adaptive Token Sampling for Efficient Vision Transformers, ECCV 2022",
    BA_PARAMS(value_norm_params,
        BA_INT(value_norm_params, layer, -1, -1000, BA_LAYER_MIDDLE, NULL,
               "block whose attention and values are taken, from 0 (first); -1 is the last, 1000 the middle; scripts may say \"first\", \"middle\", \"last\"")),
    .ops = &ops,
};
