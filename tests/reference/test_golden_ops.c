/* Single operations against PyTorch's float64 values (golden_ops.h): forward and gradient, through a compiled program,
 * on every tier of this processor. The operation test holds each kernel against our own reference; this one holds both against
 * somebody else's. */
#include "bauta/graph.h"
#include "../check.h"
#include "golden_ops.h"
#include "synthetic.h"

#include <stdlib.h>

enum { MOST = 128 };

static ba_device *dev;
static const char *tier;
static ba_err err;

typedef struct given { const char *name; int rank; int64_t dim[3]; float data[MOST]; } given; /* an input that is a variable */
typedef struct expected { const char *what; const double *value; int64_t count; } expected;

static int64_t count_of(int rank, const int64_t *dim)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dim[i];
    return n;
}

/* scale * u(seed) */
static given uniform(const char *name, const char *seed, double scale, int rank, int64_t d0, int64_t d1, int64_t d2)
{
    given x = { .name = name, .rank = rank, .dim = { d0, d1, d2 } };
    synthetic_fill(seed, scale, x.data, count_of(rank, x.dim));
    return x;
}

static given weight(const char *name, int rank, int64_t d0, int64_t d1)
{
    given x = { .name = name, .rank = rank, .dim = { d0, d1, 1 } };
    synthetic_weight(name, rank, x.dim, x.data);
    return x;
}

static ba_tensor *variable(ba_graph *g, ba_store *s, const given *x)
{
    int64_t at = ba_store_add(s, x->name, x->rank, x->dim, BA_INIT_ZERO, 0, 0, &err);
    CHECK(at >= 0 && ba_store_write(s, at, x->data, count_of(x->rank, x->dim), &err) == BA_OK, "%s", err.msg);
    return ba_variable(g, s, x->name, &err);
}

/* sum over all elements of t * u(seed); seed NULL: of t */
static ba_tensor *weighted_sum(ba_graph *g, ba_tensor *t, const char *seed)
{
    ba_type type;
    CHECK(ba_tensor_type(t, &type, &err) == BA_OK, "%s", err.msg);
    if (seed) {
        float w[MOST];
        synthetic_fill(seed, 1, w, count_of(type.rank, type.dim));
        ba_tensor *in[2] = { t, ba_constant(g, BA_F32, type.rank, type.dim, w, &err) };
        t = ba_op_apply(g, "mul", 2, in, 0, NULL, &err);
        CHECK(t, "%s", err.msg);
    }
    t = ba_op_apply(g, "sum", 1, &t, BA_ATTRS(BA_I("axis", -100)), &err);
    CHECK(t, "%s", err.msg);
    return t;
}

static void compare(ba_program *p, const char *fetched, const expected *want, double tolerance)
{
    float got[MOST];
    ba_type type;
    if (ba_program_type(p, fetched, &type, &err) != BA_OK || count_of(type.rank, type.dim) != want->count) {
        CHECK(0, "%s [%s]: wrong size: %s", want->what, tier, err.msg);
        return;
    }
    CHECK(ba_program_read(p, fetched, got, 4 * want->count, &err) == BA_OK, "%s", err.msg);
    double worst = 0;
    for (int64_t i = 0; i < want->count; i++) {
        double d = fabs((double)got[i] - want->value[i]) / (1 + fabs(want->value[i]));
        worst = d > worst || isnan(d) ? d : worst;
    }
    CHECK(worst <= tolerance, "%s [%s] is off by %g", want->what, tier, worst);
}

/* Runs op on variables (and fixed tensors after them), compares output `at` and the gradients of its sum weighted by u(seed). */
typedef struct run {
    const char *op;
    int n_attr;
    const ba_attr *attr;
    int at;                        /* output */
    const char *seed;
    expected out, grad[3];
    const int *labels;             /* an i32 [rows] input after the variables */
    const given *fixed;            /* or a constant */
    double tolerance;
} run;

static void run_case(const run *r, int n, const given *in)
{
    ba_store *s = ba_store_new(dev, 1, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_tensor *t[4], *grad[3];
    for (int i = 0; i < n; i++)
        t[i] = variable(g, s, &in[i]);
    if (r->labels)
        t[n] = ba_constant(g, BA_I32, 1, in[0].dim, r->labels, &err);
    if (r->fixed)
        t[n] = ba_constant(g, BA_F32, r->fixed->rank, r->fixed->dim, r->fixed->data, &err);
    ba_tensor *y = ba_op_apply(g, r->op, n + (r->labels || r->fixed), t, r->n_attr, r->attr, &err);
    CHECK(y, "%s: %s", r->op, err.msg);
    y = y ? ba_output_of(y, r->at, &err) : NULL;
    ba_program *p = NULL;
    if (y && ba_fetch(g, "out", y, &err) == BA_OK && ba_grad(g, weighted_sum(g, y, r->seed), n, t, grad, &err) == BA_OK) {
        for (int i = 0; i < n; i++)
            CHECK(grad[i] && ba_fetch(g, in[i].name, grad[i], &err) == BA_OK, "gradient of %s: %s", in[i].name, err.msg);
        p = ba_compile(g, &err);
    }
    CHECK(p && ba_program_run(p, &err) == BA_OK, "%s [%s]: %s", r->op, tier, err.msg);
    if (p) {
        compare(p, "out", &r->out, r->tolerance);
        for (int i = 0; i < n; i++)
            compare(p, in[i].name, &r->grad[i], r->tolerance);
    }
    ba_program_free(p);
    ba_graph_free(g);
    ba_store_free(s);
}

#define WANT(array) { #array, array, sizeof array / sizeof *array }

static void test_layernorm(void)
{
    given in[] = { uniform("x", "x", 3, 2, GOLDEN_LN_ROWS, GOLDEN_LN_DIM, 1), weight("norm.weight", 1, GOLDEN_LN_DIM, 1),
        weight("norm.bias", 1, GOLDEN_LN_DIM, 1) };
    run r = { .op = "layernorm", BA_ATTRS(BA_F("eps", 1e-6)), .seed = "dy", .out = WANT(golden_ln_y),
        .grad = { WANT(golden_ln_dx), WANT(golden_ln_dw), WANT(golden_ln_db) }, .tolerance = 5e-6 };
    run_case(&r, 3, in);
}

static void test_linear(void)
{
    given in[] = { uniform("x", "x", 2, 2, GOLDEN_FC_ROWS, GOLDEN_FC_IN, 1), weight("fc.weight", 2, GOLDEN_FC_OUT, GOLDEN_FC_IN),
        weight("fc.bias", 1, GOLDEN_FC_OUT, 1) };
    run r = { .op = "linear", BA_ATTRS(BA_I("gelu", 1)), .seed = "dy", .out = WANT(golden_fc_y),
        .grad = { WANT(golden_fc_dx), WANT(golden_fc_dw), WANT(golden_fc_db) }, .tolerance = 5e-6 };
    run_case(&r, 3, in);
}

static void test_attention(void)
{
    given in[] = { uniform("qkv", "qkv", 2, 3, 1, GOLDEN_ATT_TOKENS, 3 * GOLDEN_ATT_DIM) };
    run r = { .op = "attention", BA_ATTRS(BA_I("heads", GOLDEN_ATT_HEADS), BA_I("prefix", 1)), .seed = "dout",
        .out = WANT(golden_att_out), .grad = { WANT(golden_att_grad) }, .tolerance = 5e-6 };
    run_case(&r, 1, in);
    run row = { .op = "attention", BA_ATTRS(BA_I("heads", GOLDEN_ATT_HEADS), BA_I("prefix", 1)), .at = 2, .seed = "drow",
        .out = WANT(golden_att_class), .grad = { WANT(golden_att_class_grad) }, .tolerance = 5e-6 };
    run_case(&row, 1, in);
}

static void test_gelu(void)
{
    given x = { .name = "x", .rank = 1, .dim = { sizeof golden_gelu_x / sizeof *golden_gelu_x, 1, 1 } };
    for (int64_t i = 0; i < x.dim[0]; i++)
        x.data[i] = (float)golden_gelu_x[i];
    run r = { .op = "gelu", .out = WANT(golden_gelu_y), .grad = { WANT(golden_gelu_dy) }, .tolerance = 2e-6 };
    run_case(&r, 1, &x);
}

static void test_losses(void)
{
    enum { B = GOLDEN_LOSS_BATCH, C = GOLDEN_LOSS_CLASSES };
    given z = uniform("z", "z", 4, 2, B, C, 1), t = uniform("t", "t", 4, 2, B, C, 1), soft = uniform("soft", "soft", 2, 2, B, C, 1);
    for (int b = 0; b < B; b++) {
        double sum = 0;
        for (int c = 0; c < C; c++)
            sum += exp((double)soft.data[b * C + c]);
        for (int c = 0; c < C; c++)
            soft.data[b * C + c] = (float)(exp((double)soft.data[b * C + c]) / sum);
    }
    const run cases[] = {
        { .op = "cross_entropy", .labels = golden_loss_labels, .out = WANT(golden_loss_ce), .grad = { WANT(golden_loss_ce_grad) } },
        { .op = "cross_entropy", BA_ATTRS(BA_F("smoothing", 0.1)), .labels = golden_loss_labels, .out = WANT(golden_loss_ce_smooth),
            .grad = { WANT(golden_loss_ce_smooth_grad) } },
        { .op = "cross_entropy", .fixed = &soft, .out = WANT(golden_loss_soft), .grad = { WANT(golden_loss_soft_grad) } },
        { .op = "kl_divergence", .fixed = &t, .out = WANT(golden_loss_kl_1), .grad = { WANT(golden_loss_kl_1_grad) } },
        { .op = "kl_divergence", BA_ATTRS(BA_F("temperature", 4)), .fixed = &t, .out = WANT(golden_loss_kl_4),
            .grad = { WANT(golden_loss_kl_4_grad) } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run r = cases[i];
        r.tolerance = 5e-6;
        run_case(&r, 1, &z);
    }
}

/* Four steps on one tensor, with gradients that shrink by a hundred each time: the order of eps, root and correction shows. */
static void test_adamw(void)
{
    const int64_t dim[2] = { 2, 3 };
    given p = weight("p.weight", 2, 2, 3);
    ba_store *s = ba_store_new(dev, 1, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    given m = { .name = "m", .rank = 2, .dim = { 2, 3, 1 } }, v = { .name = "v", .rank = 2, .dim = { 2, 3, 1 } };
    ba_tensor *in[] = { variable(g, s, &p), ba_input(g, "g", BA_F32, 2, dim, &err), variable(g, s, &m), variable(g, s, &v),
        ba_scalar(g, 0.01, &err), ba_input(g, "step", BA_I32, 0, NULL, &err) };
    CHECK(ba_op_apply(g, "adamw", 6, in, BA_ATTRS(BA_F("weight_decay", 0.1)), &err), "%s", err.msg);
    ba_program *program = ba_compile(g, &err);
    CHECK(program, "%s", err.msg);
    for (int32_t step = 1; program && step <= 4; step++) {
        char seed[3] = { 'g', (char)('0' + step - 1), 0 };
        float grad[6], now[6];
        synthetic_fill(seed, pow(10, -2 * (step - 1)), grad, 6);
        CHECK(ba_program_feed(program, "g", grad, sizeof grad, &err) == BA_OK && ba_program_feed(program, "step", &step, 4, &err) == BA_OK &&
            ba_program_run(program, &err) == BA_OK && ba_store_read(s, 0, now, 6, &err) == BA_OK, "%s", err.msg);
        for (int i = 0; i < 6; i++)
            CHECK(fabs((double)now[i] - golden_adamw[6 * (step - 1) + i]) < 1e-6, "step %d, number %d: %.8g, expected %.8g", step, i,
                (double)now[i], golden_adamw[6 * (step - 1) + i]);
    }
    ba_program_free(program);
    ba_graph_free(g);
    ba_store_free(s);
}

int main(void)
{
    static const char *const tiers[] = { "plain", "avx2", "avx512", "avx512bf16", "amx", "tiles" };
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        tier = tiers[i];
        dev = ba_device_open("cpu", 2, tier, &err);
        if (!dev) {
            check_skip(tier, err.msg);
            continue;
        }
        test_layernorm();
        test_linear();
        test_attention();
        test_gelu();
        test_losses();
        test_adamw();
        check_group(tier);
        ba_device_free(dev);
    }
    return check_done();
}
