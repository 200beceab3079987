/* The criteria and losses against the golden values of methods.md (G-M1, M2, M3, M5, L0, L1, L2), and the structural tests of its section 4. */
#include "rig.h"

/* Rows of a batch may be rounded differently at the end of a block. */
static int alike(const float *a, const float *b, int n)
{
    double off = 0;
    for (int i = 0; i < n; i++)
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    return off < 1e-5;
}

static int near(double a, double b, double tolerance) { return fabs(a - b) <= tolerance; }

/* A graph with a fetched tensor `out`, run once without inputs but the step. */
static void run_out(rig *r, ba_tensor *t, void *out, int64_t bytes)
{
    OK(ba_fetch(r->g, "out", t, &err));
    ba_program *p = ba_compile(r->g, &err);
    CHECK(p, "%s", err.msg);
    if (!p)
        return;
    OK(ba_program_run(p, &err));
    OK(ba_program_read(p, "out", out, bytes, &err));
    ba_program_free(p);
}

static ba_tensor *numbers(rig *r, int rank, const int64_t *dim, const float *v)
{
    ba_tensor *t = ba_constant(r->g, BA_F32, rank, dim, v, &err);
    CHECK(t, "%s", err.msg);
    return t;
}

/* A student of one head or two that publishes nothing but the given class attention, and a model with that many patches. */
static rig attention_rig(int64_t heads, int64_t keys, const float *a)
{
    rig r = { ba_graph_new(dev, 1, &err), NULL, NULL, NULL, NULL, 1, 0 };
    const int64_t dim[] = { 1, heads, 1, keys };
    char settings[80];
    r.b = ba_build_new(r.g, &err);
    OK(ba_build_put(r.b, "student", "class_attention", 11, numbers(&r, 4, dim, a), &err));
    snprintf(settings, sizeof settings, "image=%d,patch=1,dim=%lld,heads=%lld", (int)lround(sqrt((double)keys - 1)), (long long)heads, (long long)heads);
    ba_params *p = rig_params("arch", "deit", settings);
    OK(ba_arch_declare(r.b, "teacher", p, &err));
    ba_params_free(p);
    return r;
}

static void test_saliency(void)
{
    static const double logits[2][5] = { { 0, -2, 4, -2, 3 }, { 4, 1, -2, -2, -2 } };
    static const double want[2][4] = { { 0.024437, 0.360586, 0.002063, 0.133393 }, { 0.435927, 0.385868, 0.022561, 0.155644 } };
    static const int top[2][2] = { { 1, 3 }, { 0, 1 } };
    float a[10];
    for (int h = 0; h < 2; h++) {
        double sum = 0;
        for (int i = 0; i < 5; i++)
            sum += exp(logits[h][i]);
        for (int i = 0; i < 5; i++)
            a[5 * h + i] = (float)(exp(logits[h][i]) / sum);
    }
    for (int form = 0; form < 2; form++) {
        rig r = attention_rig(2, 5, a);
        ba_params *m = rig_params("mask", "student", form ? "softmax=patches" : "softmax=all");
        ba_tensor *s = NULL;
        float v[4];
        int32_t kept[2];
        OK(ba_mask_score(r.b, "teacher", m, &s, &err));
        OK(ba_fetch(r.g, "kept", rig_op1(r.g, "topk", s, BA_ATTRS(BA_I("keep", 2))), &err));
        OK(ba_fetch(r.g, "scores", s, &err));
        ba_program *p = ba_compile(r.g, &err);
        OK(ba_program_run(p, &err));
        OK(ba_program_read(p, "scores", v, sizeof v, &err));
        OK(ba_program_read(p, "kept", kept, sizeof kept, &err));
        for (int i = 0; i < 4; i++)
            CHECK(near((double)v[i], want[form][i], 1e-6), "form %d, patch %d: %.6f, %.6f expected", form, i, (double)v[i], want[form][i]);
        CHECK(kept[0] == top[form][0] && kept[1] == top[form][1], "form %d keeps %d, %d", form, kept[0], kept[1]);
        ba_program_free(p);
        rig_free(&r);
        ba_params_free(m);
    }
    /* a head that gives the patches nothing at all is no division by zero */
    const float all[5] = { 1, 0, 0, 0, 0 };
    rig r = attention_rig(1, 5, all);
    ba_params *m = rig_params("mask", "student", "softmax=patches");
    ba_tensor *s = NULL;
    float v[4] = { 1, 1, 1, 1 };
    OK(ba_mask_score(r.b, "teacher", m, &s, &err));
    run_out(&r, s, v, sizeof v);
    CHECK(!v[0] && !v[1] && !v[2] && !v[3], "%g %g %g %g", (double)v[0], (double)v[1], (double)v[2], (double)v[3]);
    rig_free(&r);
    ba_params_free(m);
    check_group("G-M1: saliency, both forms");
}

static void keep(const float *scores, int64_t batch, int64_t n, int64_t k, int32_t *out)
{
    rig r = { ba_graph_new(dev, 1, &err), NULL, NULL, NULL, NULL, batch, 0 };
    const int64_t dim[] = { batch, n };
    run_out(&r, rig_op1(r.g, "topk", numbers(&r, 2, dim, scores), BA_ATTRS(BA_I("keep", k))), out, batch * k * 4);
    ba_graph_free(r.g);
}

static void test_selection(void)
{
    const float ties[] = { .2f, .5f, .5f, .1f, .5f }, two[] = { .1f, .4f, .2f, .3f, .5f, .1f, .3f, .1f };
    const float u[] = { .71f, .12f, .55f, .93f, .34f, .08f, .66f, .41f, .27f, .80f };
    float minus[10];
    int32_t got[5];
    keep(ties, 1, 5, 2, got);
    CHECK(got[0] == 1 && got[1] == 2, "G-M2: %d, %d", got[0], got[1]);
    keep(two, 2, 4, 2, got);
    CHECK(got[0] == 1 && got[1] == 3 && got[2] == 0 && got[3] == 2, "G-M3: %d %d %d %d", got[0], got[1], got[2], got[3]);
    for (int i = 0; i < 10; i++)
        minus[i] = -u[i];
    keep(minus, 1, 10, 5, got);
    CHECK(got[0] == 1 && got[1] == 4 && got[2] == 5 && got[3] == 7 && got[4] == 8, "G-M5: %d %d %d %d %d", got[0], got[1], got[2], got[3], got[4]);
    check_group("G-M2, G-M3, G-M5: selection");
}

/* The teacher's tokens are the class token and the rows of the kept patches: G-M3 through a whole model whose patches say who they are. */
static void test_gather(void)
{
    ba_params *a = rig_params("arch", "deit", "image=2,patch=1,dim=4,depth=1,heads=1,classes=2,channels=1");
    ba_store *s = ba_store_new(dev, 3, &err);
    rig r = { ba_graph_new(dev, 1, &err), NULL, NULL, NULL, NULL, 2, 2 };
    const int64_t dim[] = { 2, 2, 2, 1 }, pair[] = { 2, 2 }, one = 1;
    const float pixels[] = { 10, 11, 12, 13, 20, 21, 22, 23 }, scale = 1, shift = 0;
    const int32_t index[] = { 1, 3, 0, 2 };
    r.b = ba_build_new(r.g, &err);
    r.images = numbers(&r, 4, dim, pixels);
    r.scale = numbers(&r, 1, &one, &scale);
    r.shift = numbers(&r, 1, &one, &shift);
    rig_model(&r, "teacher", a, s, ba_constant(r.g, BA_I32, 2, pair, index, &err), 0);
    for (int64_t i = 0; i < ba_store_count(s); i++) { /* embedding 1, positions 0, class token 99, blocks add nothing */
        const char *name = ba_store_name(s, i);
        ba_type t;
        ba_store_type(s, i, &t, &err);
        float v[64];
        int64_t n = 1;
        for (int k = 0; k < t.rank; k++)
            n *= t.dim[k];
        for (int64_t k = 0; n <= 64 && k < n; k++)
            v[k] = !strcmp(name, "cls_token") ? 99 : !strcmp(name, "patch_embed.proj.weight") ? 1 : 0;
        if (n <= 64)
            OK(ba_store_write(s, i, v, n, &err));
    }
    float tokens[2 * 3 * 4];
    run_out(&r, ba_build_get(r.b, "teacher", "tokens", 0, &err), tokens, sizeof tokens);
    const float want[] = { 99, 11, 13, 99, 20, 22 };
    for (int i = 0; i < 6; i++)
        CHECK(tokens[4 * i] == want[i] && tokens[4 * i + 3] == want[i], "token %d is %g, %g expected", i, (double)tokens[4 * i], (double)want[i]);
    CHECK(ba_build_get(r.b, "teacher", "kept", -1, &err), "%s", err.msg);
    rig_free(&r);
    ba_store_free(s);
    ba_params_free(a);
    check_group("G-M3: the masked model's tokens");
}

/* ---- losses ---- */
static const float student[] = { 2, 1, .1f, .5f, -1, 1.5f }, teacher[] = { 3, .5f, -.5f, .2f, .1f, 2 };
static const int32_t labels[] = { 0, 2 };

/* Loss and its gradient for the student's logits: weights[i] of losses[i], summed. */
static double loss_of(int n, const char *const *name, const char *const *settings, const float *targets, float grad[6])
{
    rig r = { ba_graph_new(dev, 1, &err), NULL, NULL, NULL, NULL, 2, 0 };
    const int64_t dim[] = { 2, 3 }, two = 2;
    ba_store *s = ba_store_new(dev, 0, &err);
    r.b = ba_build_new(r.g, &err);
    OK(ba_store_add(s, "z", 2, dim, BA_INIT_ZERO, 0, 0, &err) < 0);
    OK(ba_store_write(s, 0, student, 6, &err));
    ba_tensor *z = ba_variable(r.g, s, "z", &err), *sum = NULL, *out, *g = NULL;
    OK(ba_build_put(r.b, "student", "logits", -1, z, &err));
    OK(ba_build_put(r.b, "teacher", "logits", -1, numbers(&r, 2, dim, teacher), &err));
    OK(ba_build_put(r.b, "batch", "labels", -1, ba_constant(r.g, BA_I32, 1, &two, labels, &err), &err));
    if (targets)
        OK(ba_build_put(r.b, "batch", "targets", -1, numbers(&r, 2, dim, targets), &err));
    for (int i = 0; i < n; i++) {
        ba_params *p = rig_params("loss", name[i], settings[i]);
        OK(ba_loss_build(r.b, NULL, p, NULL, &out, &err));
        ba_params_free(p);
        ba_tensor *both[] = { sum, out };
        sum = i ? ba_op_apply(r.g, "add", 2, both, 0, NULL, &err) : out;
    }
    OK(ba_grad(r.g, sum, 1, &z, &g, &err));
    OK(ba_fetch(r.g, "grad", g, &err));
    OK(ba_fetch(r.g, "loss", sum, &err));
    ba_program *p = ba_compile(r.g, &err);
    float v = 0;
    CHECK(p, "%s", err.msg);
    OK(ba_program_run(p, &err));
    OK(ba_program_read(p, "loss", &v, sizeof v, &err));
    OK(ba_program_read(p, "grad", grad, 6 * sizeof *grad, &err));
    ba_program_free(p);
    rig_free(&r);
    ba_store_free(s);
    return (double)v;
}

typedef struct golden { const char *name, *loss[2], *settings[2]; double value; const double *grad; } golden;

static void check_golden(const golden *g, const float *targets)
{
    float grad[6];
    double v = loss_of(g->loss[1] ? 2 : 1, g->loss, g->settings, targets, grad);
    CHECK(near(v, g->value, 2e-6), "%s: %.6f, %.6f expected", g->name, v, g->value);
    for (int i = 0; g->grad && i < 6; i++)
        CHECK(near((double)grad[i], g->grad[i], 1e-6), "%s: gradient %d is %.6f, %.6f expected", g->name, i, (double)grad[i], g->grad[i]);
}

static void test_losses(void)
{
    static const double ce[] = { -0.170499, 0.121216, 0.049283, 0.126858, 0.028306, -0.155164 }, smooth[] = { -0.137166, 0.104550, 0.032616, 0.110191, 0.011639, -0.121831 };
    static const double kd[] = { -0.120026, 0.084317, 0.035708, 0.064000, -0.028570, -0.035430 }, kd2[] = { -0.183113, 0.108090, 0.075023, 0.093687, -0.064311, -0.029376 };
    static const golden all[] = {
        { "G-L1 plain", { "cross-entropy" }, { "smoothing=0" }, 0.394285, ce }, { "G-L1 smoothed", { "cross-entropy" }, { "" }, 0.500951, smooth },
        { "G-L2 batchmean", { "logit" }, { "" }, 0.110981, kd }, { "G-L2 sum", { "logit" }, { "reduction=sum" }, 0.221961, NULL },
        { "G-L2 numel", { "logit" }, { "reduction=numel" }, 0.036994, NULL }, { "G-L2 t=2", { "logit" }, { "temperature=2" }, 0.193860, kd2 },
        { "G-L2 t=2 sum", { "logit" }, { "temperature=2,reduction=sum" }, 0.387721, NULL }, { "G-L2 t=2 numel", { "logit" }, { "temperature=2,reduction=numel" }, 0.064620, NULL },
        { "G-L0 paper, lambda 1", { "cross-entropy", "logit" }, { "smoothing=0", "weight=1" }, 0.505265, NULL },
        { "G-L0 code, a 0.5", { "cross-entropy", "logit" }, { "smoothing=0,weight=0.5", "weight=0.5" }, 0.252633, NULL },
        { "G-L0 code, smoothed", { "cross-entropy", "logit" }, { "smoothing=0.1,weight=0.5", "weight=0.5" }, 0.305966, NULL },
        { "G-L0 paper, lambda 9, t 2", { "cross-entropy", "logit" }, { "smoothing=0", "weight=9,temperature=2" }, 2.139027, NULL },
        { "G-L0 code, a 0.9, t 2", { "cross-entropy", "logit" }, { "smoothing=0,weight=0.1", "weight=0.9,temperature=2" }, 0.213903, NULL } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_golden(&all[i], NULL);
    static const golden mixed = { "G-L1 mixed", { "cross-entropy" }, { "" }, 0.892451, NULL };
    const float q[] = { 0.663333f, 0.033333f, 0.303333f, 0.303333f, 0.033333f, 0.663333f };
    check_golden(&mixed, q);
    /* the student's own prediction as teacher: nothing to learn */
    rig r = { ba_graph_new(dev, 1, &err), ba_build_new(NULL, NULL), NULL, NULL, NULL, 2, 0 };
    const int64_t dim[] = { 2, 3 };
    float v = 1;
    ba_tensor *out;
    r.b = ba_build_new(r.g, &err);
    OK(ba_build_put(r.b, "student", "logits", -1, numbers(&r, 2, dim, student), &err));
    OK(ba_build_put(r.b, "teacher", "logits", -1, numbers(&r, 2, dim, student), &err));
    ba_params *p = rig_params("loss", "logit", "temperature=3");
    OK(ba_loss_build(r.b, NULL, p, NULL, &out, &err));
    run_out(&r, out, &v, sizeof v);
    CHECK(fabs((double)v) < 1e-7, "divergence from itself %g", (double)v);
    ba_params_free(p);
    rig_free(&r);
    check_group("G-L0, G-L1, G-L2: losses and gradients");
}

/* ---- random masks and models ---- */
static const char *const toy = "dim=24,depth=3,heads=2,image=16,patch=4,classes=5,mlp=2";

static void test_random(void)
{
    enum { B = 64, STEPS = 50, KEEP = 6 };
    ba_params *a = rig_params("arch", "deit", toy), *m = rig_params("mask", "random", "");
    rig r = rig_new(B, 16, BA_U8);
    ba_tensor *s = NULL;
    OK(ba_arch_declare(r.b, "teacher", a, &err));
    OK(ba_mask_score(r.b, "teacher", m, &s, &err));
    OK(ba_fetch(r.g, "kept", rig_op1(r.g, "topk", s, BA_ATTRS(BA_I("keep", KEEP))), &err));
    ba_program *p = ba_compile(r.g, &err);
    CHECK(p, "%s", err.msg);
    int count[16] = { 0 }, equal = 0;
    int32_t kept[B * KEEP], first[B * KEEP];
    for (int32_t step = 0; step <= STEPS; step++) {
        int32_t at = step % STEPS; /* the last run repeats step 0 */
        OK(ba_program_feed(p, "step", &at, sizeof at, &err));
        OK(ba_program_run(p, &err));
        OK(ba_program_read(p, "kept", kept, sizeof kept, &err));
        if (!step)
            memcpy(first, kept, sizeof kept);
        for (int i = 0; step < STEPS && i < B * KEEP; i++)
            count[kept[i]]++;
        equal += step && !memcmp(kept, first, sizeof kept);
    }
    CHECK(equal == 1 && !memcmp(kept, first, sizeof kept), "%d steps chose as the first did", equal);
    for (int b = 1; b < B; b++)
        equal += !memcmp(first, first + b * KEEP, KEEP * 4);
    CHECK(equal < 4, "%d pictures chose as the first did", equal);
    double share = (double)B * STEPS * KEEP / 16;
    for (int i = 0; i < 16; i++)
        CHECK(fabs(count[i] - share) < 5 * sqrt(share), "patch %d was kept %d times of %.0f expected", i, count[i], share);
    ba_program_free(p);
    rig_free(&r);
    ba_params_free(a), ba_params_free(m);
    check_group("random: uniform over patches, new at each step, the same for the same step");
}

/* k = N is the unmasked model; the order of the kept patches does not matter. */
static void test_masked_model(void)
{
    enum { B = 2, N = 16, K = 5 };
    ba_params *a = rig_params("arch", "deit", toy);
    ba_store *s = ba_store_new(dev, 0, &err);
    rig r = rig_new(B, 16, BA_F32);
    const int64_t all[] = { B, N }, few[] = { B, K };
    int32_t every[B * N], there[B * K] = { 1, 4, 7, 9, 15, 0, 2, 3, 8, 11 }, back[B * K] = { 15, 9, 7, 4, 1, 11, 0, 8, 2, 3 };
    for (int i = 0; i < B * N; i++)
        every[i] = i % N;
    OK(ba_fetch(r.g, "0", rig_model(&r, "plain", a, s, NULL, 0), &err));
    OK(ba_fetch(r.g, "1", rig_model(&r, "every", a, s, ba_constant(r.g, BA_I32, 2, all, every, &err), 0), &err));
    OK(ba_fetch(r.g, "2", rig_model(&r, "there", a, s, ba_constant(r.g, BA_I32, 2, few, there, &err), 0), &err));
    OK(ba_fetch(r.g, "3", rig_model(&r, "back", a, s, ba_constant(r.g, BA_I32, 2, few, back, &err), 0), &err));
    rig_synthesise(s);
    ba_program *p = ba_compile(r.g, &err);
    float image[B * 16 * 16 * 3], z[4][B * 5];
    for (int i = 0; i < B * 16 * 16 * 3; i++)
        image[i] = (float)rig_u(3, i);
    OK(ba_program_feed(p, "images", image, sizeof image, &err));
    OK(ba_program_run(p, &err));
    for (int i = 0; i < 4; i++) {
        char name[2] = { (char)('0' + i), 0 };
        OK(ba_program_read(p, name, z[i], sizeof z[i], &err));
    }
    double moved = 0;
    for (int i = 0; i < B * 5; i++) {
        CHECK(z[0][i] == z[1][i], "logit %d: %.8f plain, %.8f with every patch kept", i, (double)z[0][i], (double)z[1][i]);
        CHECK(near((double)z[2][i], (double)z[3][i], 1e-5), "logit %d: %.8f and %.8f in another order", i, (double)z[2][i], (double)z[3][i]);
        moved = fmax(moved, fabs((double)(z[0][i] - z[2][i])));
    }
    CHECK(moved > 1e-3, "masking changes nothing (%g)", moved);
    ba_program_free(p);
    rig_free(&r);
    ba_store_free(s);
    ba_params_free(a);
    check_group("k = N is the plain model; order of the kept patches");
}

/* Stochastic depth: the same step the same numbers, other steps others, the first block never; off in evaluation; the mean is right. */
static void test_drop_path(void)
{
    enum { B = 32, STEPS = 60 };
    ba_params *a = rig_params("arch", "deit", "dim=8,depth=2,heads=1,image=4,patch=4,classes=3,drop_path=0.5");
    ba_store *s = ba_store_new(dev, 0, &err);
    rig r = rig_new(B, 4, BA_F32);
    OK(ba_fetch(r.g, "0", rig_model(&r, "student", a, s, NULL, 1), &err));
    OK(ba_fetch(r.g, "1", rig_model(&r, "still", a, s, NULL, 0), &err));
    OK(ba_fetch(r.g, "first", ba_build_get(r.b, "student", "tokens", 0, &err), &err));
    OK(ba_fetch(r.g, "last", ba_build_get(r.b, "student", "tokens", 1, &err), &err));
    rig_synthesise(s);
    ba_program *p = ba_compile(r.g, &err);
    CHECK(p, "%s", err.msg);
    float image[B * 48], z[B * 3], still[B * 3], before[B * 3] = { 0 }, first[B * 16], last[B * 16];
    for (int i = 0; i < B * 48; i++)
        image[i] = (float)rig_u(3, i % 48);
    OK(ba_program_feed(p, "images", image, sizeof image, &err));
    int kinds = 0, changed = 0;
    for (int32_t step = 0; step < STEPS; step++) {
        OK(ba_program_feed(p, "step", &step, sizeof step, &err));
        OK(ba_program_run(p, &err));
        OK(ba_program_read(p, "0", z, sizeof z, &err));
        OK(ba_program_read(p, "1", still, sizeof still, &err));
        OK(ba_program_read(p, "first", first, sizeof first, &err));
        OK(ba_program_read(p, "last", last, sizeof last, &err));
        for (int b = 1; b < B; b++) {
            CHECK(alike(first, first + 16 * b, 16) && alike(still, still + 3 * b, 3), "the first block or the evaluation drops something (sample %d)", b);
            kinds += !alike(last, last + 16 * b, 16);
        }
        changed += memcmp(z, before, sizeof z) != 0;
        memcpy(before, z, sizeof z);
    }
    CHECK(changed == STEPS, "%d of %d steps differ from the one before", changed, STEPS);
    double other = kinds / (double)((B - 1) * STEPS); /* two branches, each kept with 1/2: 3 of 4 samples are treated otherwise than sample 0 */
    CHECK(near(other, 0.75, 0.04), "%.3f of the samples differ from the first, 0.75 expected", other);
    ba_program_free(p);
    rig_free(&r);
    ba_store_free(s);
    ba_params_free(a);
    check_group("stochastic depth");
}

/* Learned tensors begin as DeiT's code draws them. */
static void test_initial(void)
{
    ba_params *a = rig_params("arch", "deit", "dim=64,depth=2,heads=2,image=32,patch=4,classes=10");
    ba_store *s = ba_store_new(dev, 11, &err);
    rig r = rig_new(1, 32, BA_U8);
    rig_model(&r, "student", a, s, NULL, 1);
    for (int64_t i = 0; i < ba_store_count(s); i++) {
        const char *name = ba_store_name(s, i);
        ba_type t;
        int64_t n = 1;
        ba_store_type(s, i, &t, &err);
        for (int k = 0; k < t.rank; k++)
            n *= t.dim[k];
        float *v = malloc((size_t)n * 4);
        double sum = 0, square = 0, top = 0;
        OK(ba_store_read(s, i, v, n, &err));
        for (int64_t k = 0; k < n; k++) {
            sum += (double)v[k];
            square += (double)v[k] * (double)v[k];
            top = fmax(top, fabs((double)v[k]));
        }
        double sd = sqrt(square / (double)n), bound = 1 / sqrt(48.);
        int conv = !strncmp(name, "patch_embed", 11), token = !strcmp(name, "cls_token") || !strcmp(name, "pos_embed"), norm = strstr(name, "norm") != NULL;
        if (conv)
            CHECK(top <= bound && near(sd, bound / sqrt(3), 0.3 * bound), "%s: at most %g, standard deviation %g", name, top, sd);
        else if (t.rank > 1)
            CHECK(near(sd, 0.02, 0.006) && near(sum / (double)n, 0, 0.008), "%s: mean %g, standard deviation %g", name, sum / (double)n, sd);
        else
            CHECK(sum == (norm && strstr(name, "weight") ? (double)n : 0) && near(square, sum, 0), "%s: sum %g of %lld", name, sum, (long long)n);
        CHECK(ba_store_flags(s, i) == (token ? BA_NO_DECAY : 0), "%s: flags %d", name, ba_store_flags(s, i));
        free(v);
    }
    CHECK(ba_store_find(s, "blocks.1.attn.qkv.weight") >= 0 && ba_store_find(s, "norm.bias") >= 0 && ba_store_find(s, "head.bias") >= 0, "timm's names");
    CHECK(ba_store_count(s) == 2 + 2 + 2 * 12 + 2 + 2, "%lld tensors", (long long)ba_store_count(s));
    rig_free(&r);
    ba_store_free(s);
    ba_params_free(a);
    check_group("initial values, names, flags");
}

int main(int argc, char **argv)
{
    if (!rig_open(argc, argv))
        return check_done();
    test_saliency();
    test_selection();
    test_gather();
    test_losses();
    test_random();
    test_masked_model();
    test_drop_path();
    test_initial();
    return rig_close();
}
