/* compress-2q: CompRess with two queues. The student's embedding lies to its own embeddings of the last pictures as the teacher's lies to the
 * teacher's: KL(softmax(t M_t / T) || softmax(s M_s / T)), the mean over the batch; widths may differ. What enters the student's queue comes from a
 * slowly moving average of the student (`keys` names it: a teacher with model = "ema"), or from the student itself. Both queues are read
 * before they are renewed. All of length 1. Code: UMBCvision/CompRess. */
#define BA_WANT_MINOR 1
#include <math.h>
#include <string.h>
#include <bauta/compose.h>

typedef struct compress_params { double weight, temperature; int64_t queue; const char *keys; } compress_params;

/* x against the queue NAME: [B,K] over T; the rows of `fresh` will enter the queue. */
static ba_tensor *nearness(ba_on o, const compress_params *p, const char *name, ba_tensor *x, ba_tensor *fresh)
{
    ba_tensor *queue = fresh ? ba_queue(o, name, p->queue, fresh, BA_INIT_UNIFORM, sqrt(3 / (double)o.h->dim(fresh, 1))) : NULL;
    return ba_nearness(o, x, queue, p->temperature);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const compress_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *t = ba_normalise(o, ba_embedding(o, "teacher")), *s = ba_normalise(o, ba_embedding(o, "student"));
    if (!t || !s)
        return e->code;
    ba_tensor *slow = strcmp(p->keys, "student") ? ba_normalise(o, ba_embedding(o, p->keys)) : s;
    if (slow && h->dim(slow, 1) != h->dim(s, 1))
        return BA_FAIL(h, e, BA_EARG, "keys = %s: embeddings of %lld numbers, the student's have %lld; an average of the student expected", p->keys,
                       (long long)h->dim(slow, 1), (long long)h->dim(s, 1));
    ba_tensor *want = nearness(o, p, "teacher_queue", t, t), *have = nearness(o, p, "student_queue", s, slow);
    return ba_finish(o, ba_mean(o, ba_op2(o, "kl_divergence", have, want, 0, NULL), BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.features", "teacher.features", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "compress-2q", .version = "1.0", .needs = needs,
    .doc = "likeness to the pictures of the last steps, as the teacher sees it: a queue of each model's own embeddings; no labels",
    .cite = "Abbasi Koohpayegani et al., CompRess: Self-Supervised Learning by Compressing Representations, NeurIPS 2020",
    BA_PARAMS(compress_params,
        BA_FLOAT(compress_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(compress_params, temperature, 0.04, 1e-4, 1000, NULL, "divides the inner products"),
        BA_INT(compress_params, queue, 128000, 1, 1 << 24, "embeddings", "how many of the last embeddings are kept; a multiple of the batch"),
        BA_STRING(compress_params, keys, "student", "whose embeddings enter the student's queue: the name of a teacher with model = \"ema\" (the paper, momentum 0.999), or student")),
    .ops = &ops,
};
