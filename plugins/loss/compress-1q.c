/* compress-1q: CompRess with one queue. The student's embedding, brought to the teacher's width by a linear map, lies to the teacher's embeddings
 * of the last pictures as the teacher's own does: KL(softmax(t M / T) || softmax(s M / T)), the mean over the batch. M is a queue of the
 * teacher's, read before it is renewed; this step's pictures are not in it. All of length 1. Code: UMBCvision/CompRess. */
#define BA_WANT_MINOR 1
#include <math.h>
#include <bauta/compose.h>

typedef struct compress_params { double weight, temperature; int64_t queue; } compress_params;

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const compress_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *t = ba_normalise(o, ba_embedding(o, "teacher")), *s = t ? ba_embedding(o, "student") : NULL;
    if (!s)
        return e->code;
    ba_tensor *queue = ba_queue(o, "queue", p->queue, t, BA_INIT_UNIFORM, sqrt(3 / (double)h->dim(t, 1)));
    s = queue ? ba_normalise(o, h->project(b, "head", s, h->dim(t, 1), e)) : NULL;
    ba_tensor *kl = ba_op2(o, "kl_divergence", ba_nearness(o, s, queue, p->temperature), ba_nearness(o, t, queue, p->temperature), 0, NULL);
    return ba_finish(o, ba_mean(o, kl, BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.features", "teacher.features", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "compress-1q", .version = "1.0", .needs = needs,
    .doc = "likeness to the pictures of the last steps, as the teacher sees it: one queue of the teacher's embeddings; no labels",
    .cite = "Abbasi Koohpayegani et al., CompRess: Self-Supervised Learning by Compressing Representations, NeurIPS 2020",
    BA_PARAMS(compress_params,
        BA_FLOAT(compress_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(compress_params, temperature, 0.04, 1e-4, 1000, NULL, "divides the inner products"),
        BA_INT(compress_params, queue, 128000, 1, 1 << 24, "embeddings", "how many of the last embeddings are kept; a multiple of the batch")),
    .ops = &ops,
};
