/* seed: the student's embedding lies to the teacher's embeddings of the last pictures, kept in a queue, as the teacher's own does: the cross-entropy
 * between the two softmaxes over [own teacher embedding, queue]. The student's goes through a learned head. Embeddings
 * have length 1; the queue holds the teacher's, is read before this step's take the place of the oldest, and begins with random directions.
 * Code: jacobswan1/SEED. */
#define BA_WANT_MINOR 1
#include <bauta/compose.h>

enum { MLP, LINEAR, NONE };

typedef struct seed_params { double weight, student_temperature, teacher_temperature; int64_t queue, head; } seed_params;

static const char *const heads[] = { "mlp", "linear", "none", NULL };

static ba_tensor *headed(ba_on o, ba_tensor *x, int64_t head, int64_t dim)
{
    if (!x || head == NONE)
        return x;
    if (head == LINEAR)
        return o.h->project(o.b, "head", x, dim, o.e);
    x = ba_op1(o, "relu", o.h->project(o.b, "head.0", x, o.h->dim(x, 1), o.e), 0, NULL);
    return x ? o.h->project(o.b, "head.2", x, dim, o.e) : NULL;
}

/* How near x is to the teacher's embedding of the same picture, and to those of the queue: [B,1+K], divided by t. */
static ba_tensor *nearness(ba_on o, ba_tensor *x, ba_tensor *own, ba_tensor *queue, double t)
{
    ba_tensor *both[] = { ba_sum(o, ba_mul(o, x, own), 1, 1), ba_matmul(o, x, queue, 0, 1) };
    return ba_scale(o, ba_op2(o, "concat", both[0], both[1], BA_ATTRS(BA_I("axis", 1))), 1 / t, 0);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const seed_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *t = ba_normalise(o, ba_embedding(o, "teacher"));
    if (!t)
        return e->code;
    const int64_t dim = h->dim(t, 1);
    ba_tensor *queue = ba_queue(o, "queue", p->queue, t, BA_INIT_UNIT, 1);
    ba_tensor *s = queue ? ba_normalise(o, headed(o, ba_embedding(o, "student"), p->head, dim)) : NULL;
    if (!s)
        return e->code;
    if (h->dim(s, 1) != dim)
        return BA_FAIL(h, e, BA_EARG, "head = none: the student's embedding has %lld numbers, the teacher's %lld; equal ones or a head expected",
                       (long long)h->dim(s, 1), (long long)dim);
    ba_tensor *want = ba_op1(o, "softmax", nearness(o, t, t, queue, p->teacher_temperature), 0, NULL);
    ba_tensor *have = ba_op1(o, "log_softmax", nearness(o, s, t, queue, p->student_temperature), 0, NULL);
    return ba_finish(o, ba_sum(o, ba_mul(o, want, have), BA_EVERY, 0), -p->weight / (double)h->dim(t, 0), out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.features", "teacher.features", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "seed", .version = "1.0", .needs = needs,
    .doc = "the student ranks the pictures of the last steps by likeness as the teacher does; no labels",
    .cite = "Fang et al., SEED: Self-supervised Distillation for Visual Representation, ICLR 2021",
    BA_PARAMS(seed_params,
        BA_FLOAT(seed_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(seed_params, student_temperature, 0.2, 1e-4, 1000, NULL, "divides the student's inner products"),
        BA_FLOAT(seed_params, teacher_temperature, 1e-4, 1e-6, 1000, NULL, "divides the teacher's; 1e-4 as released, the paper is remembered with 0.01"),
        BA_INT(seed_params, queue, 65536, 1, 1 << 24, "embeddings", "how many of the last embeddings are kept; a multiple of the batch"),
        BA_CHOICE(seed_params, head, 0, heads, "between student and loss: two layers with a ReLU, one, or none")),
    .ops = &ops,
};
