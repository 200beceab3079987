/* deit: golden logits and saliency of models.md section 16, parameter counts and costs of section 3.1, gradients by finite differences,
 * and that only the class row of the last block is computed without changing a number. */
#include "rig.h"

enum { N = 196, CLASSES = 1000 };

typedef struct golden { const char *name; double first[4]; int argmax; double mean, norm; } golden;

static void compare(const golden *want, const float *v, double tolerance)
{
    double sum = 0, square = 0;
    int top = 0;
    for (int i = 0; i < CLASSES; i++) {
        sum += (double)v[i];
        square += (double)v[i] * (double)v[i];
        top = v[i] > v[top] ? i : top;
    }
    for (int i = 0; i < 4; i++)
        CHECK(fabs((double)v[i] - want->first[i]) < tolerance, "%s: logit %d is %.7f, %.7f expected", want->name, i, (double)v[i], want->first[i]);
    CHECK(top == want->argmax, "%s: argmax %d, %d expected", want->name, top, want->argmax);
    CHECK(fabs(sum / CLASSES - want->mean) < tolerance, "%s: mean %.8g, %.8g expected", want->name, sum / CLASSES, want->mean);
    CHECK(fabs(sqrt(square) - want->norm) < 3 * tolerance, "%s: norm %.7g, %.7g expected", want->name, sqrt(square), want->norm);
}

/* The student, scores and topk, and the teacher twice: all as one graph. */
static void test_goldens(void)
{
    static const golden tiny = { "DeiT-Ti", { 0.3602053, 0.0028757, -0.6345576, -1.0554554 }, 68, 3.3347872e-02, 30.701148 };
    static const golden full = { "DeiT-S full", { 1.2413410, 0.5669912, 0.4104750, 0.2048910 }, 98, -4.8709467e-02, 30.106405 };
    static const golden half = { "DeiT-S kept 98", { 1.2690706, 0.1171119, 0.2160602, 0.3277333 }, 337, -5.1707929e-02, 30.143010 };
    static const int best[5] = { 20, 140, 90, 127, 69 };
    static const double score[5] = { 0.01197196, 0.0100314, 0.00970087, 0.00918087, 0.00912574 };
    ba_params *small = rig_params("arch", "deit", "size=small"), *small2 = rig_params("arch", "deit", "size=small"), *ti = rig_params("arch", "deit", "");
    ba_params *mask = rig_params("mask", "student", "");
    ba_store *s = ba_store_new(dev, 0, &err), *t = ba_store_new(dev, 0, &err);
    rig r = rig_new(1, 224, BA_F32);
    ba_tensor *scores = NULL, *logits[3];
    logits[0] = rig_model(&r, "student", ti, s, NULL, 0);
    OK(ba_arch_declare(r.b, "teacher", small, &err));
    OK(ba_mask_score(r.b, "teacher", mask, &scores, &err));
    ba_tensor *kept = rig_op1(r.g, "topk", scores, BA_ATTRS(BA_I("keep", 98)));
    logits[1] = rig_model(&r, "teacher", small, t, kept, 0);
    logits[2] = rig_model(&r, "whole", small2, t, NULL, 0);
    rig_synthesise(s);
    rig_synthesise(t);
    CHECK(rig_count(s) == 5717416 && rig_count(t) == 22050664, "%lld and %lld parameters", (long long)rig_count(s), (long long)rig_count(t));
    OK(ba_fetch(r.g, "tiny", logits[0], &err));
    OK(ba_fetch(r.g, "half", logits[1], &err));
    OK(ba_fetch(r.g, "full", logits[2], &err));
    OK(ba_fetch(r.g, "scores", scores, &err));
    OK(ba_fetch(r.g, "kept", kept, &err));
    ba_program *p = ba_compile(r.g, &err);
    CHECK(p, "%s", err.msg);
    float *image = rig_picture("image", 224), v[CLASSES], sal[N];
    int32_t index[98];
    double sum = 0;
    CHECK(fabs((double)image[0] + 0.33382121) < 1e-7 && fabs((double)image[3] + 0.52599204) < 1e-7, "the picture's first numbers");
    OK(ba_program_feed(p, "images", image, 224 * 224 * 3 * 4, &err));
    OK(ba_program_run(p, &err));
    OK(ba_program_read(p, "tiny", v, sizeof v, &err));
    compare(&tiny, v, 1e-5);
    OK(ba_program_read(p, "full", v, sizeof v, &err));
    compare(&full, v, 1e-5);
    OK(ba_program_read(p, "half", v, sizeof v, &err));
    compare(&half, v, 1e-5);
    check_group("golden logits of DeiT-Ti, DeiT-S full and with 98 patches");
    OK(ba_program_read(p, "scores", sal, sizeof sal, &err));
    OK(ba_program_read(p, "kept", index, sizeof index, &err));
    for (int i = 0; i < N; i++)
        sum += (double)sal[i];
    CHECK(fabs(sum - 0.9969481) < 1e-6, "sum of the saliency %.8f", sum);
    for (int i = 0; i < 5; i++) {
        int rank = 0;
        for (int k = 0; k < N; k++)
            rank += sal[k] > sal[best[i]];
        CHECK(rank == i && fabs((double)sal[best[i]] - score[i]) < 1e-7, "patch %d: rank %d, saliency %.8f", best[i], rank, (double)sal[best[i]]);
    }
    double least = 1, most = 0;
    char in[N] = { 0 };
    for (int i = 0; i < 98; i++)
        in[index[i]] = 1;
    for (int i = 0; i < N; i++) {
        least = in[i] && (double)sal[i] < least ? (double)sal[i] : least;
        most = !in[i] && (double)sal[i] > most ? (double)sal[i] : most;
    }
    CHECK(fabs(least - 0.00484676) < 1e-7 && fabs(most - 0.00482766) < 1e-7, "rank 98 and 99: %.8f, %.8f", least, most);
    check_group("golden saliency");
    free(image);
    ba_program_free(p);
    rig_free(&r);
    ba_store_free(s);
    ba_store_free(t);
    ba_params_free(small), ba_params_free(small2), ba_params_free(ti), ba_params_free(mask);
}

static void test_distilled(void)
{
    static const golden want = { "DeiT-Ti distilled", { -0.9353113, -0.4242695, -0.1141109, -0.0310026 }, 352, -7.4727793e-03, 22.252973 };
    ba_params *a = rig_params("arch", "deit", "distilled=true");
    ba_store *s = ba_store_new(dev, 0, &err);
    rig r = rig_new(1, 224, BA_F32);
    OK(ba_fetch(r.g, "logits", rig_model(&r, "student", a, s, NULL, 0), &err));
    rig_synthesise(s);
    CHECK(rig_count(s) == 5910800, "%lld parameters", (long long)rig_count(s));
    ba_program *p = ba_compile(r.g, &err);
    float *image = rig_picture("image", 224), v[CLASSES];
    OK(ba_program_feed(p, "images", image, 224 * 224 * 3 * 4, &err));
    OK(ba_program_run(p, &err));
    OK(ba_program_read(p, "logits", v, sizeof v, &err));
    compare(&want, v, 1e-5);
    free(image);
    ba_program_free(p);
    rig_free(&r);
    ba_store_free(s);
    ba_params_free(a);
    check_group("golden logits of distilled DeiT-Ti");
}

/* ---- sizes and costs: nothing is run ---- */
typedef struct row { const char *name, *settings; int64_t side, keep; double parameters, macs, flops; } row;

/* The store of the row before is used again where the model is the same: making 86 million weights takes seconds. */
static void one_size(const row *z, ba_store *s)
{
    ba_params *a = rig_params("arch", "deit", z->settings);
    rig r = rig_new(1, z->side, BA_U8);
    const int64_t dim[] = { 1, z->keep };
    ba_tensor *kept = z->keep ? ba_input(r.g, "kept", BA_I32, 2, dim, &err) : NULL;
    OK(ba_fetch(r.g, "logits", rig_model(&r, "teacher", a, s, kept, 0), &err));
    ba_program *p = ba_compile(r.g, &err);
    CHECK(p, "%s", err.msg);
    double macs = 0, norm = 0, done = 0;
    for (int64_t i = 0; i < ba_plan_rows(p); i++) {
        ba_plan_row line;
        OK(ba_plan_row_get(p, i, &line, &err));
        macs += line.nominal;
        norm += line.norm;
        done += line.macs;
    }
    CHECK((double)rig_count(s) == z->parameters, "%s: %lld parameters, %.0f expected", z->name, (long long)rig_count(s), z->parameters);
    CHECK(!z->macs || fabs(macs * 1e-9 - z->macs) < 6e-5, "%s: %.4f G MACs, %.4f expected", z->name, macs * 1e-9, z->macs);
    CHECK(fabs((macs + 5 * norm) * 1e-9 - z->flops) < 1e-4, "%s: %.4f G in the papers' count, %.4f expected", z->name, (macs + 5 * norm) * 1e-9, z->flops);
    CHECK(done < macs, "%s: %.4f G executed of %.4f", z->name, done * 1e-9, macs * 1e-9);
    ba_program_free(p);
    rig_free(&r);
    ba_params_free(a);
}

static void test_sizes(void)
{
    static const row all[] = {
        { "Ti/16", "", 224, 0, 5717416, 1.2537, 1.2584 }, { "Ti/8", "patch=8", 224, 0, 5719720, 7.0358, 7.0546 }, { "Ti/32", "patch=32", 224, 0, 6131560, 0.3060, 0.3072 },
        { "S/16", "size=small", 224, 0, 22050664, 4.5989, 4.6083 }, { "S/16, 98", "size=small", 224, 98, 22050664, 0, 2.2554 },
        { "S/16, 80", "size=small", 224, 80, 22050664, 0, 1.8425 }, { "S/16, 144", "size=small", 224, 144, 22050664, 0, 3.3378 },
        { "S/16, 49", "size=small", 224, 49, 22050664, 0, 1.1453 }, { "S/14", "size=small,patch=14", 224, 0, 22004584, 6.1239, 6.1363 },
        { "S/16 384", "size=small,image=384", 384, 0, 22196584, 15.4904, 15.5180 }, { "S/16 384, 288", "size=small,image=384", 384, 288, 22196584, 0, 7.0904 },
        { "B/16", "size=base", 224, 0, 86567656, 17.5638, 17.5827 }, { "B/16, 98", "size=base", 224, 98, 86567656, 0, 8.7151 },
        { "B/16, 144", "size=base", 224, 144, 86567656, 0, 12.8334 },
        { "Ti/16 distilled", "distilled=1", 224, 0, 5910800, 1.2610, 1.2658 }, { "S/16 distilled", "size=small,distilled=1", 224, 0, 22436432, 4.6241, 4.6336 },
    };
    ba_store *s = NULL;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!i || strcmp(all[i].settings, all[i - 1].settings)) {
            ba_store_free(s);
            s = ba_store_new(dev, 0, &err);
        }
        one_size(&all[i], s);
    }
    ba_store_free(s);
    check_group("parameter counts and costs of models.md 3.1, masked teachers included");
}

/* Large and huge would need gigabytes of weights here: their facts are enough, the formula is the one held against the table above. */
static void test_large(void)
{
    static const struct { const char *settings; double parameters; } all[] = {
        { "size=large", 304326632 }, { "size=large,patch=14", 304203752 }, { "size=large,image=384", 304715752 }, { "size=huge,patch=14", 632045800 }, { "size=huge", 632199400 } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ba_params *a = rig_params("arch", "deit", all[i].settings);
        double D = (double)ba_arch_fact(a, "dim", &err), L = (double)ba_arch_fact(a, "depth", &err), n = (double)ba_arch_fact(a, "patches", &err);
        double K = (double)ba_arch_fact(a, "classes", &err), patch = (double)ba_arch_fact(a, "image_rows", &err) / (double)ba_arch_fact(a, "grid_rows", &err);
        double count = 3 * patch * patch * D + D + D + (n + 1) * D + L * (12 * D * D + 13 * D) + 2 * D + (D + 1) * K;
        CHECK(count == all[i].parameters, "%s: %.0f parameters, %.0f expected", all[i].settings, count, all[i].parameters);
        CHECK(ba_arch_fact(a, "heads", &err) == 16, "heads");
        ba_params_free(a);
    }
    check_group("facts of the large sizes");
}

/* ---- gradients of a small model ---- */
static const char *const toy = "dim=12,depth=2,heads=3,image=16,patch=4,classes=5,drop_path=0,mlp=2";

/* Weights drawn larger than training starts with, so that every part matters. */
static void stir(ba_store *s)
{
    for (int64_t i = 0; i < ba_store_count(s); i++) {
        ba_type t;
        ba_store_type(s, i, &t, &err);
        int64_t n = 1;
        for (int k = 0; k < t.rank; k++)
            n *= t.dim[k];
        float *v = malloc((size_t)n * sizeof *v);
        for (int64_t k = 0; k < n; k++)
            v[k] = (float)((t.rank == 1 && strstr(ba_store_name(s, i), "weight") ? 1 : 0) + 0.4 * rig_u(rig_hash(ba_store_name(s, i)), k));
        OK(ba_store_write(s, i, v, n, &err));
        free(v);
    }
}

enum { TOY_BATCH = 3, TOY_KEEP = 7, MOST = 64 };
typedef struct toy_run { ba_store *s; ba_program *p; ba_tensor *grad[MOST]; int n; } toy_run;

/* loss = mean of squared logits of a masked model; all gradients fetched as g0, g1, ... whole: every row of the last block is computed too. */
static toy_run toy_new(int whole, int masked)
{
    toy_run t = { ba_store_new(dev, 5, &err), NULL, { 0 }, 0 };
    ba_params *a = rig_params("arch", "deit", toy);
    rig r = rig_new(TOY_BATCH, 16, BA_F32);
    const int64_t dim[] = { TOY_BATCH, TOY_KEEP };
    ba_tensor *kept = masked ? ba_input(r.g, "kept", BA_I32, 2, dim, &err) : NULL, *z = rig_model(&r, "student", a, t.s, kept, 1), *wrt[MOST];
    stir(t.s);
    ba_tensor *two[] = { z, z }, *loss = ba_op_apply(r.g, "mul", 2, two, 0, NULL, &err);
    loss = rig_op1(r.g, "mean", loss, BA_ATTRS(BA_I("axis", -100)));
    if (whole)
        OK(ba_fetch(r.g, "features", ba_build_get(r.b, "student", "features", -1, &err), &err));
    t.n = (int)ba_store_count(t.s);
    for (int i = 0; i < t.n; i++)
        wrt[i] = ba_variable(r.g, t.s, ba_store_name(t.s, i), &err);
    OK(ba_grad(r.g, loss, t.n, wrt, t.grad, &err));
    OK(ba_fetch(r.g, "loss", loss, &err));
    OK(ba_fetch(r.g, "logits", z, &err));
    for (int i = 0; i < t.n; i++) {
        char name[16];
        snprintf(name, sizeof name, "g%d", i);
        CHECK(t.grad[i], "no gradient for %s", ba_store_name(t.s, i));
        OK(ba_fetch(r.g, name, t.grad[i], &err));
    }
    t.p = ba_compile(r.g, &err);
    CHECK(t.p, "%s", err.msg);
    static const int32_t keep[TOY_BATCH * TOY_KEEP] = { 0, 2, 3, 7, 8, 11, 15, 1, 2, 4, 5, 9, 10, 14, 0, 1, 6, 7, 12, 13, 15 };
    float image[TOY_BATCH * 16 * 16 * 3];
    for (int i = 0; i < TOY_BATCH * 16 * 16 * 3; i++)
        image[i] = (float)rig_u(77, i);
    OK(ba_program_feed(t.p, "images", image, sizeof image, &err));
    if (masked)
        OK(ba_program_feed(t.p, "kept", keep, sizeof keep, &err));
    rig_free(&r);
    ba_params_free(a);
    return t;
}

static double loss_of(toy_run *t)
{
    float v = 0;
    OK(ba_program_run(t->p, &err));
    OK(ba_program_read(t->p, "loss", &v, sizeof v, &err));
    return (double)v;
}

static void toy_free(toy_run *t)
{
    ba_program_free(t->p);
    ba_store_free(t->s);
}

/* Along a random direction in each tensor: (f(w+hd) - f(w-hd)) / 2h against g.d */
static void test_gradient(int masked)
{
    toy_run t = toy_new(0, masked);
    double worst = 0;
    loss_of(&t);
    for (int i = 0; i < t.n; i++) {
        ba_type type;
        char name[16];
        ba_store_type(t.s, i, &type, &err);
        int64_t n = 1;
        for (int k = 0; k < type.rank; k++)
            n *= type.dim[k];
        float *w = malloc((size_t)n * 4), *g = malloc((size_t)n * 4), *moved = malloc((size_t)n * 4);
        double along = 0, size = 0, f[2];
        snprintf(name, sizeof name, "g%d", i);
        loss_of(&t);
        OK(ba_program_read(t.p, name, g, n * 4, &err));
        OK(ba_store_read(t.s, i, w, n, &err));
        for (int64_t k = 0; k < n; k++)
            size += (double)g[k] * (double)g[k];
        size = sqrt(size);
        double h = 4e-3; /* in the direction of the gradient and a random one together */
        for (int64_t k = 0; k < n; k++)
            along += (double)g[k] * ((double)g[k] / (size + 1e-30) + 0.3 * rig_u(9, k) / sqrt((double)n));
        for (int side = 0; side < 2; side++) {
            for (int64_t k = 0; k < n; k++)
                moved[k] = (float)((double)w[k] + (side ? -h : h) * ((double)g[k] / (size + 1e-30) + 0.3 * rig_u(9, k) / sqrt((double)n)));
            OK(ba_store_write(t.s, i, moved, n, &err));
            f[side] = loss_of(&t);
        }
        OK(ba_store_write(t.s, i, w, n, &err));
        double got = (f[0] - f[1]) / (2 * h), off = fabs(got - along) / (fabs(along) + 0.02);
        worst = off > worst ? off : worst;
        CHECK(off < 0.02, "%s: slope %.6f, gradient says %.6f", ba_store_name(t.s, i), got, along);
        free(w), free(g), free(moved);
    }
    printf("# %d tensors, worst relative difference %.2g\n", t.n, worst);
    toy_free(&t);
    check_group(masked ? "gradients of a masked model by finite differences" : "gradients of a model by finite differences");
}

static double executed(const ba_program *p)
{
    double sum = 0;
    for (int64_t i = 0; i < ba_plan_rows(p); i++) {
        ba_plan_row line;
        OK(ba_plan_row_get(p, i, &line, &err));
        sum += line.macs;
    }
    return sum;
}

/* Computing only the class row of the last block changes no logit and no gradient, and is cheaper. */
static void test_dead_rows(void)
{
    toy_run few = toy_new(0, 0), all = toy_new(1, 0);
    double loss[2] = { loss_of(&few), loss_of(&all) };
    CHECK(fabs(loss[0] - loss[1]) < 1e-6 * fabs(loss[1]), "losses %.8f and %.8f", loss[0], loss[1]);
    for (int i = 0; i < few.n; i++) {
        ba_type type;
        char name[16];
        ba_store_type(few.s, i, &type, &err);
        int64_t n = 1;
        for (int k = 0; k < type.rank; k++)
            n *= type.dim[k];
        float *g[2] = { malloc((size_t)n * 4), malloc((size_t)n * 4) };
        snprintf(name, sizeof name, "g%d", i);
        OK(ba_program_read(few.p, name, g[0], n * 4, &err));
        OK(ba_program_read(all.p, name, g[1], n * 4, &err));
        double off = 0;
        for (int64_t k = 0; k < n; k++)
            off = fmax(off, fabs((double)g[0][k] - (double)g[1][k]));
        CHECK(off < 2e-6, "%s: gradients differ by %.2g", ba_store_name(few.s, i), off);
        free(g[0]), free(g[1]);
    }
    CHECK(executed(few.p) < 0.9 * executed(all.p), "%.0f MACs of %.0f", executed(few.p), executed(all.p));
    for (int64_t i = 0; i < ba_plan_nodes(few.p); i++) {
        char line[400];
        CHECK(ba_plan_node(few.p, i, line, sizeof line) > 0 && !strstr(line, "\tadd_scaled\t"), "a residual sum of its own, not with its LayerNorm: %s", line);
    }
    printf("# %.0f MACs instead of %.0f\n", executed(few.p), executed(all.p));
    toy_free(&few);
    toy_free(&all);
    check_group("only the class row of the last block");
}

/* bf16: weights and activations rounded to 8 bits. The logits are near those of fp32, and the choice of patches almost the same. */
static void test_bf16(void)
{
    enum { KEEP = 98 };
    ba_params *a = rig_params("arch", "deit", ""), *m = rig_params("mask", "student", "");
    ba_store *s = ba_store_new(dev, 0, &err);
    float *image = rig_picture("image", 224), z[2][CLASSES];
    int32_t kept[2][KEEP];
    double square = 0, off = 0;
    int same = 0;
    for (int i = 0; i < 2; i++) {
        rig r = rig_new(1, 224, BA_F32);
        ba_tensor *scores = NULL;
        OK(ba_graph_precision(r.g, i ? BA_BF16 : BA_F32, &err));
        OK(ba_fetch(r.g, "logits", rig_model(&r, "student", a, s, NULL, 0), &err));
        OK(ba_mask_score(r.b, "student", m, &scores, &err));
        OK(ba_fetch(r.g, "kept", rig_op1(r.g, "topk", scores, BA_ATTRS(BA_I("keep", KEEP))), &err));
        if (!i)
            rig_synthesise(s);
        ba_program *p = ba_compile(r.g, &err);
        ba_type t;
        CHECK(p, "%s", err.msg);
        CHECK(!ba_program_type(p, "logits", &t, &err) && t.dtype == BA_F32, "logits are fp32 in either precision");
        OK(ba_program_feed(p, "images", image, 224 * 224 * 3 * 4, &err));
        OK(ba_program_run(p, &err));
        OK(ba_program_read(p, "logits", z[i], sizeof z[i], &err));
        OK(ba_program_read(p, "kept", kept[i], sizeof kept[i], &err));
        ba_program_free(p);
        rig_free(&r);
    }
    for (int i = 0; i < CLASSES; i++) {
        square += (double)z[0][i] * (double)z[0][i];
        off += ((double)z[0][i] - (double)z[1][i]) * ((double)z[0][i] - (double)z[1][i]);
    }
    for (int i = 0; i < KEEP; i++)
        for (int k = 0; k < KEEP; k++)
            same += kept[0][i] == kept[1][k];
    printf("# bf16: logits off by %.2g of their norm, %d of %d patches chosen alike\n", sqrt(off / square), same, KEEP);
    CHECK(off > 0 && sqrt(off / square) < 0.03, "off by %g", sqrt(off / square));
    CHECK(same >= 88, "%d of %d patches", same, KEEP);
    free(image);
    ba_store_free(s);
    ba_params_free(a), ba_params_free(m);
    check_group("bf16");
}

int main(int argc, char **argv)
{
    if (!rig_open(argc, argv))
        return check_done();
    test_goldens();
    test_distilled();
    test_sizes();
    test_large();
    test_gradient(0);
    test_gradient(1);
    test_dead_rows();
    test_bf16();
    return rig_close();
}
