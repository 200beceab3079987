/* A tiny DeiT, its masked teacher, the losses of MaskedKD and three steps of AdamW, built from the plugins as users build them, against
 * PyTorch's float64 values (golden_deit.h). Wrong in any of: order of qkv, eps, GELU, positions of kept patches, form of the
 * saliency, reduction of a loss, who is decayed, bias correction - and this test shows it. */
#include "bauta/graph.h"
#include "bauta/model.h"
#include "../check.h"
#include "golden_deit.h"
#include "synthetic.h"

#include <stdio.h>
#include <stdlib.h>

enum { B = GOLDEN_BATCH, SIDE = GOLDEN_IMAGE, N = (GOLDEN_IMAGE / GOLDEN_PATCH) * (GOLDEN_IMAGE / GOLDEN_PATCH), PIXELS = SIDE * SIDE * 3 };

static ba_device *dev;
static ba_plugins *plugins;
static ba_err err;

typedef struct world { /* student, teacher and the batch, in one graph */
    ba_store *student, *teacher;
    ba_graph *g;
    ba_build *b;
    ba_tensor *scores[2];       /* softmax over all tokens, over patches */
    ba_tensor *kept;
    ba_tensor *loss[6];         /* in the order of golden_losses */
} world;

static ba_params *params_of(const char *kind, const char *name, const char *text)
{
    const struct ba_plugin_desc *d = ba_plugins_find(plugins, kind, name, &err);
    CHECK(d, "%s", err.msg);
    ba_params *p = d ? ba_params_parse(d, text, NULL, 0, &err) : NULL;
    CHECK(p, "%s %s: %s", kind, text, err.msg);
    return p;
}

static void fill_store(ba_store *s, const char *prefix)
{
    for (int64_t i = 0; i < ba_store_count(s); i++) {
        ba_type t;
        char hashed[600];
        snprintf(hashed, sizeof hashed, "%s%s", prefix, ba_store_name(s, i));
        CHECK(ba_store_type(s, i, &t, &err) == BA_OK, "%s", err.msg);
        int64_t count = 1;
        for (int k = 0; k < t.rank; k++)
            count *= t.dim[k];
        float *v = malloc((size_t)count * sizeof *v);
        synthetic_weight(hashed, t.rank, t.dim, v);
        CHECK(ba_store_write(s, i, v, count, &err) == BA_OK, "%s", err.msg);
        free(v);
    }
}

/* The pictures: u("image") in the order batch, channel, row, column; the engine wants channels last. */
static void make_images(float *to)
{
    static float planar[B * PIXELS];
    synthetic_fill("image", 1, planar, B * PIXELS);
    for (int b = 0; b < B; b++)
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < SIDE * SIDE; i++)
                to[b * PIXELS + i * 3 + c] = planar[b * PIXELS + c * SIDE * SIDE + i];
}

static void build_model(world *w, const char *who, const ba_params *arch, ba_store *store, ba_tensor *kept)
{
    const float one[3] = { 1, 1, 1 }, zero[3] = { 0 };
    const int64_t three[1] = { 3 };
    ba_arch_given given = { .size = sizeof given, .images = ba_build_get(w->b, "batch", "images", -1, &err), .kept = kept, .store = store,
        .scale = ba_constant(w->g, BA_F32, 1, three, one, &err), .shift = ba_constant(w->g, BA_F32, 1, three, zero, &err) };
    CHECK(ba_arch_build(w->b, who, arch, &given, &err) == BA_OK, "%s: %s", who, err.msg);
}

static ba_tensor *loss_of(world *w, const char *name, const char *text)
{
    ba_tensor *t = NULL;
    ba_params *p = params_of("loss", name, text);
    CHECK(p && ba_loss_build(w->b, NULL, p, NULL, &t, &err) == BA_OK, "%s: %s", name, err.msg);
    ba_params_free(p);
    return t;
}

static ba_tensor *scores_of(world *w, const char *text)
{
    ba_tensor *t = NULL;
    ba_params *p = params_of("mask", "student", text);
    CHECK(p && ba_mask_score(w->b, "teacher", p, &t, &err) == BA_OK && t, "student mask: %s", err.msg);
    ba_params_free(p);
    return t;
}

static ba_tensor *keep_top(world *w, ba_tensor *scores)
{
    ba_tensor *t = ba_op_apply(w->g, "topk", 1, &scores, BA_ATTRS(BA_I("keep", GOLDEN_KEEP)), &err);
    CHECK(t, "%s", err.msg);
    return t;
}

static void open_world(world *w)
{
    const int64_t images[] = { B, SIDE, SIDE, 3 }, labels[] = { B };
    char text[160];
    float *pixels = malloc(sizeof(float) * B * PIXELS);
    *w = (world){ .student = ba_store_new(dev, 1, &err), .teacher = ba_store_new(dev, 2, &err), .g = ba_graph_new(dev, 1, &err) };
    w->b = ba_build_new(w->g, &err);
    make_images(pixels);
    ba_build_put(w->b, "batch", "images", -1, ba_constant(w->g, BA_F32, 4, images, pixels, &err), &err);
    ba_build_put(w->b, "batch", "labels", -1, ba_constant(w->g, BA_I32, 1, labels, golden_labels, &err), &err);
    free(pixels);
    snprintf(text, sizeof text, "dim=%d,depth=%d,heads=%d,image=%d,patch=%d,classes=%d,drop_path=0", GOLDEN_DIM, GOLDEN_DEPTH, GOLDEN_HEADS, SIDE,
             GOLDEN_PATCH, GOLDEN_CLASSES);
    ba_params *arch = params_of("arch", "deit", text);
    snprintf(text, sizeof text, "dim=%d,depth=%d,heads=%d,image=%d,patch=%d,classes=%d", GOLDEN_TEACHER_DIM, GOLDEN_TEACHER_DEPTH,
             GOLDEN_TEACHER_HEADS, SIDE, GOLDEN_PATCH, GOLDEN_CLASSES);
    ba_params *large = params_of("arch", "deit", text);
    ba_graph_role(w->g, "student", &err);
    build_model(w, "student", arch, w->student, NULL);
    CHECK(ba_arch_declare(w->b, "teacher", large, &err) == BA_OK, "%s", err.msg);
    w->scores[0] = scores_of(w, "softmax=all");
    w->scores[1] = scores_of(w, "softmax=patches");
    w->kept = keep_top(w, w->scores[0]);
    ba_graph_role(w->g, "teacher", &err);
    build_model(w, "teacher", large, w->teacher, w->kept);
    build_model(w, "whole", large, w->teacher, NULL);
    ba_graph_role(w->g, "loss", &err);
    w->loss[0] = loss_of(w, "cross-entropy", "smoothing=0");
    w->loss[1] = loss_of(w, "cross-entropy", "smoothing=0.1");
    w->loss[2] = loss_of(w, "logit", "temperature=1,teacher=whole");
    w->loss[3] = loss_of(w, "logit", "temperature=2,teacher=whole");
    w->loss[4] = loss_of(w, "logit", "temperature=1");
    w->loss[5] = loss_of(w, "logit", "temperature=2");
    ba_params_free(arch);
    ba_params_free(large);
    fill_store(w->student, "");
    fill_store(w->teacher, "teacher.");
}

static void close_world(world *w)
{
    ba_build_free(w->b);
    ba_graph_free(w->g);
    ba_store_free(w->student);
    ba_store_free(w->teacher);
}

static void fetch(world *w, const char *name, ba_tensor *t)
{
    CHECK(t && ba_fetch(w->g, name, t, &err) == BA_OK, "%s: %s", name, err.msg);
}

static void compare(ba_program *p, const char *name, const double *want, int64_t count, double tolerance)
{
    float *got = malloc((size_t)count * sizeof *got);
    int r = ba_program_read(p, name, got, 4 * count, &err);
    CHECK(r == BA_OK, "%s", err.msg);
    double worst = 0;
    for (int64_t i = 0; r == BA_OK && i < count; i++) {
        double d = fabs((double)got[i] - want[i]);
        worst = d > worst || isnan(d) ? d : worst;
    }
    CHECK(worst <= tolerance, "%s is off by %g, allowed %g", name, worst, tolerance);
    free(got);
}

static void compare_kept(ba_program *p, const char *name, const int *want)
{
    int32_t got[B * GOLDEN_KEEP];
    CHECK(ba_program_read(p, name, got, sizeof got, &err) == BA_OK, "%s", err.msg);
    for (int i = 0; i < B * GOLDEN_KEEP; i++)
        CHECK(got[i] == want[i], "%s[%d] = %d, expected %d", name, i, got[i], want[i]);
}

/* Sum, norm and first four numbers of v against a row of a summary. */
static void compare_summary(const char *what, const char *name, const float *v, int64_t count, const double *row, double tolerance)
{
    double sum = 0, square = 0, size = fmax(1e-3, row[1]);
    int whole = strcmp(what, "three steps") || !strstr(name, "qkv.bias"); /* the keys' bias has no gradient: AdamW enlarges its rounding */
    for (int64_t i = 0; i < count; i++) {
        sum += (double)v[i];
        square += (double)v[i] * (double)v[i];
    }
    CHECK(!whole || fabs(sqrt(square) - row[1]) <= tolerance * size, "%s of %s: norm %.9g, expected %.9g", what, name, sqrt(square), row[1]);
    CHECK(!whole || fabs(sum - row[0]) <= tolerance * size * sqrt((double)count), "%s of %s: sum %.9g, expected %.9g", what, name, sum, row[0]);
    for (int i = 0; i < 4; i++)
        CHECK(fabs((double)v[i] - row[2 + i]) <= tolerance * size, "%s of %s: number %d is %.9g, expected %.9g", what, name, i, (double)v[i], row[2 + i]);
}

static void test_forward(void)
{
    world w;
    open_world(&w);
    char name[16];
    fetch(&w, "logits", ba_build_get(w.b, "student", "logits", -1, &err));
    fetch(&w, "teacher", ba_build_get(w.b, "teacher", "logits", -1, &err));
    fetch(&w, "whole", ba_build_get(w.b, "whole", "logits", -1, &err));
    fetch(&w, "scores", w.scores[0]);
    fetch(&w, "scores patches", w.scores[1]);
    fetch(&w, "kept", w.kept);
    fetch(&w, "kept patches", keep_top(&w, w.scores[1]));
    for (int i = 0; i < GOLDEN_DEPTH; i++) {
        snprintf(name, sizeof name, "attention %d", i);
        fetch(&w, name, ba_build_get(w.b, "student", "class_attention", i, &err));
    }
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "loss %d", i);
        fetch(&w, name, w.loss[i]);
    }
    ba_program *p = ba_compile(w.g, &err);
    CHECK(p && ba_program_run(p, &err) == BA_OK, "%s", err.msg);
    if (p) {
        enum { A = B * GOLDEN_HEADS * (1 + N) };
        compare(p, "logits", golden_logits, B * GOLDEN_CLASSES, 5e-6);
        compare(p, "whole", golden_teacher_logits, B * GOLDEN_CLASSES, 5e-6);
        compare(p, "teacher", golden_teacher_kept_logits, B * GOLDEN_CLASSES, 5e-6);
        compare(p, "scores", golden_scores, B * N, 1e-6);
        compare(p, "scores patches", golden_scores_patches, B * N, 1e-6);
        compare_kept(p, "kept", golden_kept);
        compare_kept(p, "kept patches", golden_kept_patches);
        for (int i = 0; i < GOLDEN_DEPTH; i++) {
            snprintf(name, sizeof name, "attention %d", i);
            compare(p, name, golden_class_attention + i * A, A, 1e-6);
        }
        for (int i = 0; i < 6; i++) {
            snprintf(name, sizeof name, "loss %d", i);
            compare(p, name, &golden_losses[i], 1, 5e-6);
        }
    }
    ba_program_free(p);
    close_world(&w);
    check_group("logits, class attention, saliency, kept patches, losses");
}

static int variables(world *w, ba_tensor *v[GOLDEN_PARAMS])
{
    int all = ba_store_count(w->student) == GOLDEN_PARAMS;
    CHECK(all, "the student has %lld parameters, expected %d", (long long)ba_store_count(w->student), GOLDEN_PARAMS);
    for (int i = 0; i < GOLDEN_PARAMS; i++) {
        v[i] = ba_variable(w->g, w->student, golden_param[i], &err);
        CHECK(v[i], "%s", err.msg);
        all &= v[i] != NULL;
    }
    return all;
}

/* Gradients of `loss` for all parameters against rows of a summary. */
static void test_gradient(const char *what, int masked, const double *rows)
{
    world w;
    ba_tensor *v[GOLDEN_PARAMS], *grad[GOLDEN_PARAMS];
    open_world(&w);
    ba_tensor *parts[] = { w.loss[1], w.loss[5] }, *loss = masked ? ba_op_apply(w.g, "add", 2, parts, 0, NULL, &err) : w.loss[0];
    ba_program *p = NULL;
    if (variables(&w, v) && ba_grad(w.g, loss, GOLDEN_PARAMS, v, grad, &err) == BA_OK) {
        for (int i = 0; i < GOLDEN_PARAMS; i++)
            fetch(&w, golden_param[i], grad[i]);
        p = ba_compile(w.g, &err);
    }
    CHECK(p && ba_program_run(p, &err) == BA_OK, "%s: %s", what, err.msg);
    for (int i = 0; p && i < GOLDEN_PARAMS; i++) {
        ba_type t;
        CHECK(ba_program_type(p, golden_param[i], &t, &err) == BA_OK, "%s", err.msg);
        int64_t count = t.dim[0] * t.dim[1] * t.dim[2] * t.dim[3] * t.dim[4];
        float *d = malloc((size_t)count * sizeof *d);
        CHECK(ba_program_read(p, golden_param[i], d, 4 * count, &err) == BA_OK, "%s", err.msg);
        compare_summary(what, golden_param[i], d, count, rows + 6 * i, 1e-5);
        free(d);
    }
    ba_program_free(p);
    close_world(&w);
    check_group(what);
}

/* An AdamW node for parameter i; timm's grouping comes from the rank and the flags of the store. */
static void add_update(world *w, ba_store *state, ba_tensor *p, ba_tensor *g, ba_tensor *step, int i)
{
    char m[600], v[600];
    ba_type t;
    int64_t at = ba_store_find(w->student, golden_param[i]);
    CHECK(ba_tensor_type(p, &t, &err) == BA_OK, "%s", err.msg);
    int decayed = t.rank > 1 && !(ba_store_flags(w->student, at) & BA_NO_DECAY);
    CHECK(decayed == golden_decayed[i], "%s: decayed %d, expected %d", golden_param[i], decayed, golden_decayed[i]);
    snprintf(m, sizeof m, "m.%s", golden_param[i]);
    snprintf(v, sizeof v, "v.%s", golden_param[i]);
    CHECK(ba_store_add(state, m, t.rank, t.dim, BA_INIT_ZERO, 0, 0, &err) >= 0 && ba_store_add(state, v, t.rank, t.dim, BA_INIT_ZERO, 0, 0, &err) >= 0,
        "%s", err.msg);
    ba_tensor *in[] = { p, g, ba_variable(w->g, state, m, &err), ba_variable(w->g, state, v, &err), ba_scalar(w->g, GOLDEN_LR, &err), step };
    CHECK(ba_op_apply(w->g, "adamw", 6, in, BA_ATTRS(BA_F("weight_decay", decayed ? GOLDEN_DECAY : 0)), &err), "%s", err.msg);
}

static void test_steps(void)
{
    world w;
    ba_tensor *v[GOLDEN_PARAMS], *grad[GOLDEN_PARAMS];
    open_world(&w);
    ba_store *state = ba_store_new(dev, 3, &err);
    ba_tensor *parts[] = { w.loss[1], w.loss[5] }, *loss = ba_op_apply(w.g, "add", 2, parts, 0, NULL, &err);
    ba_tensor *step = ba_input(w.g, "step", BA_I32, 0, NULL, &err);
    fetch(&w, "loss", loss);
    fetch(&w, "kept", w.kept);
    ba_program *p = NULL;
    if (variables(&w, v) && ba_grad(w.g, loss, GOLDEN_PARAMS, v, grad, &err) == BA_OK) {
        fetch(&w, "norm", ba_op_apply(w.g, "grad_norm", GOLDEN_PARAMS, grad, 0, NULL, &err));
        for (int i = 0; i < GOLDEN_PARAMS; i++)
            add_update(&w, state, v[i], grad[i], step, i);
        p = ba_compile(w.g, &err);
    }
    CHECK(p, "%s", err.msg);
    for (int32_t i = 1; p && i <= GOLDEN_STEPS; i++) {
        CHECK(ba_program_feed(p, "step", &i, 4, &err) == BA_OK && ba_program_run(p, &err) == BA_OK, "%s", err.msg);
        compare_kept(p, "kept", golden_step_kept + (i - 1) * B * GOLDEN_KEEP);
        compare(p, "loss", &golden_step_loss[i - 1], 1, 2e-5);
        compare(p, "norm", &golden_step_norm[i - 1], 1, 1e-4 * golden_step_norm[i - 1]);
    }
    for (int i = 0; p && i < GOLDEN_PARAMS; i++) {
        ba_type t;
        int64_t at = ba_store_find(w.student, golden_param[i]);
        CHECK(ba_store_type(w.student, at, &t, &err) == BA_OK, "%s", err.msg);
        int64_t count = t.dim[0] * t.dim[1] * t.dim[2] * t.dim[3] * t.dim[4];
        float *now = malloc((size_t)count * sizeof *now);
        CHECK(ba_store_read(w.student, at, now, count, &err) == BA_OK, "%s", err.msg);
        compare_summary("three steps", golden_param[i], now, count, golden_after + 6 * i, 2e-5);
        free(now);
    }
    ba_program_free(p);
    close_world(&w);
    ba_store_free(state);
    check_group("three steps of AdamW");
}

int main(int argc, char **argv)
{
    dev = ba_device_open("cpu", 2, "auto", &err);
    CHECK(dev, "%s", err.msg);
    plugins = ba_plugins_new(argc > 1 ? argv[1] : NULL, &err);
    CHECK(plugins, "%s", err.msg);
    if (dev && plugins) {
        test_forward();
        test_gradient("gradient of cross-entropy", 0, golden_ce_grad);
        test_gradient("gradient of the distillation", 1, golden_distil_grad);
        test_steps();
    }
    ba_plugins_free(plugins);
    ba_device_free(dev);
    return check_done();
}
