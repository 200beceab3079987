/* g2sd: generic distillation, the first stage of G2SD. Student and teacher are masked autoencoders that see the same few patches; what the student's
 * decoder gives out has to predict, through a small network, what the teacher's decoder has after one of its blocks, at all places: class token,
 * seen and unseen patches. The target is normalised (LayerNorm without weights); smooth-L1 with threshold `beta`, the mean over everything.
 * The second stage is cross-entropy and hard with head = "distillation", each with weight 0.5. Code: pengzhiliang/G2SD. */
#include <math.h>
#include <bauta/compose.h>

enum { MLP, NONE };

typedef struct g2sd_params { double weight, beta; int64_t layer, head; } g2sd_params;

static const char *const heads[] = { "mlp", "none", NULL };

static ba_tensor *linear(ba_on o, const char *name, ba_tensor *x, int64_t out, int gelu)
{
    char full[2][64];
    if (!x)
        return NULL;
    const int64_t dim[] = { out, o.h->dim(x, 2) };
    snprintf(full[0], 64, "%.40s.weight", name);
    snprintf(full[1], 64, "%.40s.bias", name);
    ba_tensor *w = o.h->weight(o.b, full[0], 2, dim, BA_INIT_UNIFORM, sqrt(6 / (double)(dim[0] + dim[1])), 0, o.e); /* Xavier's */
    ba_tensor *shift = w ? o.h->weight(o.b, full[1], 1, dim, BA_INIT_ZERO, 0, 0, o.e) : NULL;
    return ba_op3(o, "linear", x, w, shift, BA_ATTRS(BA_I("gelu", gelu)));
}

static ba_tensor *normalised(ba_on o, ba_tensor *x)
{
    x = ba_sub(o, x, ba_mean(o, x, -1, 1));
    ba_tensor *variance = ba_mean(o, ba_op1(o, "square", x, 0, NULL), -1, 1);
    return ba_op2(o, "div", x, ba_op1(o, "sqrt", ba_scale(o, variance, 1, 1e-6), 0, NULL), 0, NULL);
}

/* e^2 / 2b up to b, |e| - b/2 above: with m = min(|e|, b) both are m^2 / 2b + |e| - m. */
static ba_tensor *smooth(ba_on o, ba_tensor *e, double beta)
{
    ba_tensor *size = ba_op1(o, "abs", e, 0, NULL), *small = size ? ba_op2(o, "minimum", size, o.h->scalar(o.b, beta, o.e), 0, NULL) : NULL;
    return ba_add(o, ba_scale(o, ba_op1(o, "square", small, 0, NULL), 0.5 / beta, 0), ba_sub(o, size, small));
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const g2sd_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *t = ba_signal_f32(o, "teacher", "decoder_hidden", p->layer), *s = t ? ba_signal_f32(o, "student", "decoder_tokens", -1) : NULL;
    if (!s)
        return e->code;
    if (p->head == MLP)
        s = linear(o, "head.2", linear(o, "head.0", s, h->dim(t, 2), 1), h->dim(t, 2), 0);
    if (s && (h->dim(s, 1) != h->dim(t, 1) || h->dim(s, 2) != h->dim(t, 2)))
        return BA_FAIL(h, e, BA_EARG, "the student's decoder gives %lld tokens of width %lld, the teacher's %lld of %lld; equal ones expected", (long long)h->dim(s, 1),
                       (long long)h->dim(s, 2), (long long)h->dim(t, 1), (long long)h->dim(t, 2));
    return ba_finish(o, ba_mean(o, smooth(o, ba_sub(o, s, normalised(o, t)), p->beta), BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.decoder_tokens", "teacher.decoder_hidden", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "g2sd", .version = "1.0", .needs = needs,
    .doc = "G2SD's first stage: a masked autoencoder's decoder predicts the hidden tokens of the teacher's decoder; no labels",
    .cite = "Huang et al., Generic-to-Specific Distillation of Masked Autoencoders, CVPR 2023",
    BA_PARAMS(g2sd_params,
        BA_FLOAT(g2sd_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(g2sd_params, beta, 2, 1e-6, 1e6, NULL, "where smooth-L1 turns from a square into a line"),
        BA_INT(g2sd_params, layer, 3, -1000, 999, NULL, "block of the teacher's decoder that is predicted, from 0; those behind it are not computed"),
        BA_CHOICE(g2sd_params, head, 0, heads, "between the student's decoder and the target: two layers with a GELU, or none where widths are equal")),
    .ops = &ops,
};
