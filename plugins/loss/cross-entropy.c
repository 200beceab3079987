/* cross-entropy: the student's logits against the labels, the mean over the batch. When the batch brings soft targets (the data mixes
 * pictures), these are taken as they are: the smoothing is in them already. */
#include <bauta/plugin.h>

typedef struct ce_params { double weight, smoothing; const char *model; } ce_params;

/* Labels or soft targets; *soft tells which. */
static ba_tensor *target(const ba_host *h, ba_build *b, int *soft, ba_err *e)
{
    ba_err none = { 0 };
    ba_tensor *t = h->signal(b, "batch", "targets", -1, &none);
    *soft = t != NULL;
    return t ? t : h->signal(b, "batch", "labels", -1, e);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const ce_params *p = params;
    int soft;
    ba_tensor *in[2] = { h->signal(b, p->model, "logits", -1, e), NULL };
    if (!in[0] || !(in[1] = target(h, b, &soft, e)))
        return e->code;
    ba_tensor *t = h->op(b, "cross_entropy", 2, in, BA_ATTRS(BA_F("smoothing", soft ? 0 : p->smoothing)), e);
    t = t ? h->op(b, "mean", 1, &t, BA_ATTRS(BA_I("axis", -100)), e) : NULL;
    *out = t ? h->op(b, "scale", 1, &t, BA_ATTRS(BA_F("by", p->weight)), e) : NULL;
    return *out ? BA_OK : e->code;
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "cross-entropy", .version = "1.0",
    .doc = "cross-entropy with the labels, smoothed, or with the soft targets of mixed pictures",
    BA_PARAMS(ce_params,
        BA_FLOAT(ce_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(ce_params, smoothing, 0.1, 0, 1, NULL, "label smoothing: (1-s) on the label, s spread over all classes; not used with soft targets"),
        BA_STRING(ce_params, model, "student", "whose logits")),
    .ops = &ops,
};
