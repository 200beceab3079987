/* Calls into plugins: what misbehaves is named with its sentence, what the caller gives wrong is refused before the plugin runs, and the graph
 * goes on being usable; signals and facts. */
#include "rig.h"

#include "../../core/plugin/build.h"

#include <limits.h>
#include <sys/stat.h>

static char room[] = "/tmp/bauta-calls-XXXXXX";

/* The rude plugins, each in the folder of its kind. */
static ba_plugins *rude_new(const char *bad)
{
    static const char *const kinds[] = { "mask", "loss", "arch", "reducer" };
    char from[PATH_MAX + 40], to[80], bytes[65536];
    CHECK(mkdtemp(room), "a folder");
    for (int i = 0; i < 4; i++) {
        snprintf(to, sizeof to, "%s/%s", room, kinds[i]);
        mkdir(to, 0755);
        snprintf(from, sizeof from, "%s/rude-%s.so", bad, kinds[i]);
        snprintf(to, sizeof to, "%s/%s/rude.so", room, kinds[i]);
        FILE *a = fopen(from, "rb"), *b = fopen(to, "wb");
        CHECK(a && b, "%s", from);
        for (size_t n; a && b && (n = fread(bytes, 1, sizeof bytes, a)) > 0;)
            CHECK(fwrite(bytes, 1, n, b) == n, "%s", to);
        fclose(a);
        fclose(b);
    }
    return ba_plugins_new(room, &err);
}

static ba_plugins *rude;

static ba_params *how(const char *kind, const char *way)
{
    char text[64];
    const struct ba_plugin_desc *d = ba_plugins_find(rude, kind, "rude", &err);
    snprintf(text, sizeof text, "how=%s", way);
    ba_params *p = d ? ba_params_parse(d, text, NULL, 0, &err) : NULL;
    CHECK(p, "%s", err.msg);
    return p;
}

/* A student is built, a teacher declared. */
static rig scene(ba_store *s)
{
    rig r = rig_new(2, 8, BA_U8);
    ba_params *fine = how("arch", "fine");
    rig_model(&r, "student", fine, s, NULL, 0);
    OK(ba_arch_declare(r.b, "teacher", fine, &err));
    ba_params_free(fine);
    return r;
}

typedef struct rudeness { const char *way; int code; const char *want; } rudeness;

static void said(const rudeness *c, int r, const ba_err *e)
{
    CHECK(r == c->code && e->code == c->code && !strcmp(e->msg, c->want), "%s: %d '%s'\n   want '%s'", c->way, r, e->msg, c->want);
}

static void test_masks(ba_store *s)
{
    static const rudeness all[] = {
        { "silent", BA_EPLUGIN, "plugin rude: failed without saying why (-1)" },
        { "code", BA_EPLUGIN, "plugin rude: failed without saying why (-12345)" },
        { "rank", BA_EPLUGIN, "plugin rude: its scores are f32[2,3,4]; f32[2,4] expected" },
        { "dtype", BA_EPLUGIN, "plugin rude: its scores are i32[]; f32[2,4] expected" },
        { "length", BA_EPLUGIN, "plugin rude: its scores are f32[2,3]; f32[2,4] expected" },
        { "unknown-op", BA_EARG, "plugin rude: no operation 'mean_of'; did you mean 'mean'? (bauta ops lists them)" },
        { "wrong-op", BA_EARG, "plugin rude: mean: no such setting 'axes'; did you mean 'axis'? (known: axis, keep)" },
        { "no-signal", BA_EARG, "plugin rude: student has no 'logit'; did you mean 'logits'? (it has: logits)" },
        { "no-layer", BA_EARG, "plugin rude: student has no 'class_attention' (it has: logits)" },
        { "no-fact", BA_EARG, "plugin rude: student has no fact 'patch'; did you mean 'patches'? (it has: image_rows, image_columns, channels, patches, prefix, grid_rows, grid_columns, "
                              "depth, heads, dim, classes, trunk, joins, asks)" },
        { "weight", BA_EARG, "plugin rude: learned tensor 'w': there is no store for learned tensors in this call" },
        { "publish", BA_EPLUGIN, "plugin rude: only an architecture publishes signals" },
        { "many-inputs", BA_EARG, "plugin rude: concat: 65 inputs given, 0 to 64 expected" },
        { "note-name", BA_EARG, "plugin rude: note 'a b': 1 to 32 of a-z, 0-9 and _ expected" },
        { "note-type", BA_EARG, "plugin rude: note n: f32 or bf16 expected" },
        { "note-twice", BA_EARG, "plugin rude: note.rude_n is known already" },
        { "not-a-tensor", BA_EPLUGIN, "plugin rude: its scores are no tensor" } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rig r = scene(s);
        ba_params *p = how("mask", all[i].way);
        ba_tensor *out = r.images;
        ba_err e = { 0 };
        int code = ba_mask_score(r.b, "teacher", p, &out, &e);
        said(&all[i], code, &e);
        CHECK(!out, "%s: scores in spite of the error", all[i].way);
        ba_params *fine = how("mask", "masked"); /* the build goes on */
        CHECK(!ba_mask_score(r.b, "teacher", fine, &out, &err) && out, "after %s: %s", all[i].way, err.msg);
        ba_params_free(fine);
        ba_params_free(p);
        rig_free(&r);
    }
    rig r = scene(s);
    ba_params *p = how("mask", "null");
    ba_tensor *out = r.images;
    CHECK(!ba_mask_score(r.b, "teacher", p, &out, &err) && !out, "no scores and no error is fine: the criterion masks nothing");
    ba_params_free(p);
    rig_free(&r);
    check_group("criteria that misbehave");
}

static void test_losses(ba_store *s)
{
    static const rudeness all[] = {
        { "silent", BA_EPLUGIN, "plugin rude: failed without saying why (-1)" },
        { "null", BA_EPLUGIN, "plugin rude: its loss is no tensor" },
        { "not-a-tensor", BA_EPLUGIN, "plugin rude: its loss is no tensor" },
        { "rank", BA_EPLUGIN, "plugin rude: its loss is f32[2,3,4]; f32[] expected" },
        { "dtype", BA_EPLUGIN, "plugin rude: its loss is i32[]; f32[] expected" },
        { "bad-random", BA_EARG, "plugin rude: random: a name and a shape of at most 5 axes expected" },
        { "weight", BA_EARG, "plugin rude: learned tensor 'w': there is no store for learned tensors in this call" } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rig r = scene(s);
        ba_params *p = how("loss", all[i].way);
        ba_tensor *out = r.images;
        ba_err e = { 0 };
        said(&all[i], ba_loss_build(r.b, NULL, p, NULL, &out, &e), &e);
        CHECK(!out, "%s: a loss in spite of the error", all[i].way);
        ba_params_free(p);
        rig_free(&r);
    }
    rig r = scene(s);
    ba_params *p = how("loss", "fine");
    ba_tensor *out;
    CHECK(!ba_loss_build(r.b, "a-label", p, NULL, &out, &err) && out, "%s", err.msg);
    ba_params_free(p);
    p = how("loss", "weight"); /* learned tensors carry the label; the shape of the result is then what is wrong */
    ba_store *own = ba_store_new(dev, 0, &err);
    CHECK(ba_loss_build(r.b, "first", p, own, &out, &err) == BA_EPLUGIN && ba_store_find(own, "first.w") == 0, "%s", err.msg);
    ba_store_free(own);
    ba_params_free(p);
    rig_free(&r);
    check_group("losses that misbehave");
}

static int reduced(ba_params *arch, ba_params *reducer, ba_err *e)
{
    rig r = rig_new(2, 8, BA_U8);
    ba_store *s = ba_store_new(dev, 0, &err);
    const ba_arch_given in = { sizeof in, 0, r.images, r.scale, r.shift, NULL, s, reducer };
    int code = ba_arch_build(r.b, "teacher", arch, &in, e);
    rig_free(&r);
    ba_store_free(s);
    return code;
}

static void test_reducers(void)
{
    static const rudeness all[] = {
        { "silent", BA_EPLUGIN, "plugin rude: failed without saying why (-1)" },
        { "code", BA_EPLUGIN, "plugin rude: failed without saying why (-12345)" },
        { "rank", BA_EPLUGIN, "plugin rude: made f32[2,3,4] of f32[2,5,8] in block 0; between 1 and 5 tokens expected" },
        { "dtype", BA_EPLUGIN, "plugin rude: made i32[] of f32[2,5,8] in block 0; between 1 and 5 tokens expected" },
        { "again", BA_EPLUGIN, "plugin rude: made f32[2,10,8] of f32[2,5,8] in block 0; between 1 and 5 tokens expected" },
        { "shape", BA_EPLUGIN, "plugin rude: sizes of tokens in block 0; f32[2,5] expected" },
        { "not-a-tensor", BA_EPLUGIN, "plugin rude: what it left in block 0 is no tensor" },
        { "publish", BA_EPLUGIN, "plugin rude: only an architecture publishes signals" },
        { "weight", BA_EARG, "plugin rude: learned tensor 'w': there is no store for learned tensors in this call" } };
    ba_params *arch = rig_params("arch", "deit", "dim=8,depth=2,heads=2,image=8,patch=4");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ba_err e = { 0 };
        ba_params *p = how("reducer", all[i].way);
        said(&all[i], reduced(arch, p, &e), &e);
        ba_params_free(p);
    }
    for (int i = 0; i < 2; i++) {
        ba_params *p = how("reducer", i ? "nothing" : "fine");
        CHECK(!reduced(arch, p, &err), "%s", err.msg);
        ba_params_free(p);
    }
    ba_err e = { 0 };
    ba_params *mask = how("mask", "fine"), *bare = how("arch", "fine"), *fine = how("reducer", "fine");
    CHECK(reduced(arch, mask, &e) == BA_EARG && !strcmp(e.msg, "settings of a reducer plugin expected, got those of mask rude"), "%s", e.msg);
    CHECK(reduced(bare, fine, &e) == BA_EARG && !strcmp(e.msg, "reducer rude: rude has no blocks in which tokens could be reduced"), "%s", e.msg);
    ba_params_free(mask), ba_params_free(bare), ba_params_free(fine), ba_params_free(arch);
    check_group("reducers that misbehave");
}

static void test_archs(ba_store *s)
{
    static const rudeness all[] = {
        { "silent", BA_EPLUGIN, "plugin rude: failed without saying why (-1)" },
        { "nothing", BA_EPLUGIN, "plugin rude: published no logits" },
        { "again", BA_EARG, "plugin rude: other.logits is known already" },
        { "shape", BA_EPLUGIN, "plugin rude: published logits are f32[2,4]; [2,3] expected" },
        { "publish", BA_EPLUGIN, "plugin rude: published logits of layer 5; logits belong to no layer" },
        { "note", BA_EPLUGIN, "plugin rude: only criteria and losses note numbers" },
        { "facts", BA_EPLUGIN, "plugin rude: says classes = -1; 1 to 2147483647 expected" },
        { "grid", BA_EPLUGIN, "plugin rude: says 5 patches in a grid of 2x2" },
        { "trunk", BA_EPLUGIN, "plugin rude: says trunk = 2 and joins = 0 of 1 blocks" },
        { "asks", BA_EPLUGIN, "plugin rude: says asks = 3; BA_ROWS_CLASS, BA_ROWS_EXTRA or BA_ROWS_OTHERS expected" } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rig r = rig_new(2, 8, BA_U8);
        ba_params *p = how("arch", all[i].way);
        ba_arch_given in = { sizeof in, 0, r.images, r.scale, r.shift, NULL, s };
        ba_err e = { 0 };
        said(&all[i], ba_arch_build(r.b, "other", p, &in, &e), &e);
        ba_params_free(p);
        rig_free(&r);
    }
    check_group("architectures that misbehave");
}

/* What the caller gives to ba_arch_build. */
static void test_given(ba_store *s)
{
    const int64_t side[] = { 2, 16, 16, 3 }, flat[] = { 2, 8 }, two = 2, kept[] = { 2, 5 }, batch[] = { 3, 2 };
    const float v[2] = { 0 };
    rig r = rig_new(2, 8, BA_U8);
    ba_params *fine = how("arch", "fine");
    ba_arch_given good = { sizeof good, 0, r.images, r.scale, r.shift, NULL, s }, in;
    ba_err e;
#define WRONG(change, sentence) do { \
        in = good; \
        change; \
        e = (ba_err){ 0 }; \
        CHECK(ba_arch_build(r.b, "student", fine, &in, &e) == BA_EARG && !strcmp(e.msg, sentence), "'%s'\n   want '%s'", e.msg, sentence); \
    } while (0)
    WRONG(in.size = 4, "student: images, scale, shift and a store expected");
    WRONG(in.store = NULL, "student: images, scale, shift and a store expected");
    WRONG(in.images = NULL, "type: tensor expected, got nothing");
    WRONG(in.images = ba_input(r.g, "wide", BA_U8, 4, side, &err), "student: images of 16x16x3, the model is made for 8x8x3");
    WRONG(in.images = ba_input(r.g, "flat", BA_U8, 2, flat, &err), "student: images with 2 axes; u8 or f32 [B,H,W,C] expected");
    WRONG(in.scale = ba_constant(r.g, BA_F32, 1, &two, v, &err), "student: scale with 1 axes; f32[3] expected");
    WRONG(in.shift = r.images, "student: shift with 4 axes; f32[3] expected");
    WRONG(in.kept = ba_input(r.g, "kept", BA_I32, 2, kept, &err), "student: kept is [2,5]; i32 [2, 1 to 4] expected");
    WRONG(in.kept = ba_input(r.g, "others", BA_I32, 2, batch, &err), "student: kept is [3,2]; i32 [2, 1 to 4] expected");
#undef WRONG
    static const char *const names[] = { "", "a b", "a.b", "a/b" };
    for (int i = 0; i < 4; i++) {
        char want[120];
        snprintf(want, sizeof want, "model name '%s'; 1 to 60 bytes without spaces, points and slashes expected", names[i]);
        CHECK(ba_arch_build(r.b, names[i], fine, &good, &e) == BA_EARG && !strcmp(e.msg, want), "%s", e.msg);
    }
    CHECK(ba_arch_build(r.b, NULL, fine, &good, &e) == BA_EARG && ba_arch_build(NULL, "student", fine, &good, &e) == BA_EARG, "NULL");
    CHECK(ba_arch_build(r.b, "student", NULL, &good, &e) == BA_EARG && !strcmp(e.msg, "settings expected, got nothing"), "%s", e.msg);
    CHECK(ba_arch_build(r.b, "student", fine, NULL, &e) == BA_EARG, "NULL");
    OK(ba_arch_build(r.b, "student", fine, &good, &err));
    CHECK(ba_arch_build(r.b, "student", fine, &good, &e) == BA_EARG && !strcmp(e.msg, "student is built already"), "%s", e.msg);
    CHECK(ba_arch_fact(fine, "patches", &e) == 4 && ba_arch_fact(fine, "prefix", &e) == 1, "facts");
    CHECK(ba_arch_fact(fine, "patch", &e) == -1 && !strcmp(e.msg, "no fact 'patch' of an architecture (there are: image_rows, image_columns, channels, patches, prefix, "
                                                                  "grid_rows, grid_columns, depth, heads, dim, classes, trunk, joins, asks)"), "%s", e.msg);
    ba_params_free(fine);
    rig_free(&r);
    check_group("what is given to an architecture");
}

/* The judgement of deit on its own settings. */
static void test_deit_settings(void)
{
    static const struct { const char *settings, *want; } all[] = {
        { "image=225", "plugin deit: image = 225 is no multiple of patch = 16; 224 or 240 would be" },
        { "image=8", "plugin deit: patch = 16 is larger than image = 8" },
        { "dim=100,heads=3", "plugin deit: heads = 3 do not divide dim = 100" },
        { "dim=3,heads=3,mlp=0.01", "plugin deit: mlp leaves no hidden unit of dim = 3" } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ba_err e = { 0 };
        ba_params *p = rig_params("arch", "deit", all[i].settings);
        CHECK(ba_arch_fact(p, "patches", &e) == -1 && e.code == BA_EARG && !strcmp(e.msg, all[i].want), "%s", e.msg);
        ba_params_free(p);
    }
    ba_err e = { 0 };
    ba_params *a = rig_params("arch", "deit", "dim=8,depth=2,heads=2,image=16,patch=4"), *b = rig_params("arch", "deit", "dim=8,depth=2,heads=2,image=16,patch=8");
    ba_params *m = rig_params("mask", "student", ""), *far = rig_params("mask", "student", "layer=2"), *loss = rig_params("loss", "logit", "");
    ba_store *s = ba_store_new(dev, 0, &err);
    rig r = rig_new(2, 16, BA_U8);
    ba_tensor *out;
    CHECK(ba_mask_score(r.b, "teacher", m, &out, &e) == BA_EARG && !strcmp(e.msg, "mask student: no model 'teacher' to be masked is known here"), "%s", e.msg);
    OK(ba_arch_declare(r.b, "teacher", b, &err));
    CHECK(ba_mask_score(r.b, "teacher", m, &out, &e) == BA_EARG && !strcmp(e.msg,
          "mask student needs student.class_attention: no signals of 'student' here, so no 'class_attention' (there are signals of: batch)"), "%s", e.msg);
    rig_model(&r, "student", a, s, NULL, 0);
    ba_type t;
    CHECK(!ba_mask_score(r.b, "teacher", m, &out, &e) && !ba_tensor_type(out, &t, &e) && t.rank == 2 && t.dim[1] == 4, "resampled: %s", e.msg);
    CHECK(ba_mask_score(r.b, "student", far, &out, &e) == BA_EARG && !strcmp(e.msg,
          "plugin student: student.class_attention of layer 2; 0 to 1 (or -1 for the last) expected"), "%s", e.msg);
    CHECK(!ba_mask_score(r.b, "student", m, &out, &e) && out, "%s", e.msg);
    CHECK(ba_mask_score(r.b, "student", loss, &out, &e) == BA_EARG && !strcmp(e.msg, "settings of a mask plugin expected, got those of loss logit"), "%s", e.msg);
    CHECK(ba_loss_build(r.b, NULL, loss, NULL, &out, &e) == BA_EARG && !strcmp(e.msg, "plugin logit: no signals of 'teacher' here, so no 'logits' (there are signals of: batch, student)"),
          "%s", e.msg);
    CHECK(ba_loss_build(r.b, "a b", loss, NULL, &out, &e) == BA_EARG && !strcmp(e.msg, "loss logit: label 'a b'; 1 to 64 bytes without spaces and slashes expected"), "%s", e.msg);
    OK(ba_build_put(r.b, "teacher", "logits", -1, ba_input(r.g, "t", BA_F32, 2, (int64_t[]){ 2, 10 }, &err), &err));
    CHECK(ba_loss_build(r.b, NULL, loss, NULL, &out, &e) == BA_EARG &&
          !strcmp(e.msg, "plugin logit: student has 1000 classes, teacher has 10; logit distillation needs equal ones"), "%s", e.msg);
    rig_free(&r);
    ba_store_free(s);
    ba_params_free(a), ba_params_free(b), ba_params_free(m), ba_params_free(far), ba_params_free(loss);
    check_group("settings that do not go together");
}

static void test_signals(void)
{
    rig r = rig_new(2, 8, BA_U8);
    ba_tensor *t = ba_scalar(r.g, 1, &err), *u = ba_scalar(r.g, 2, &err);
    ba_err e;
    CHECK(!ba_build_put(r.b, "x", "deep", 0, t, &err) && !ba_build_put(r.b, "x", "deep", 3, u, &err) && !ba_build_put(r.b, "x", "flat", -1, t, &err), "%s", err.msg);
    CHECK(ba_build_get(r.b, "x", "deep", 0, &e) == t && ba_build_get(r.b, "x", "deep", -1, &e) == u && ba_build_get(r.b, "x", "deep", -4, &e) == t, "layers");
    CHECK(ba_build_get(r.b, "x", "flat", -1, &e) == t && ba_build_get(r.b, "x", "flat", 0, &e) == t, "no layer");
    CHECK(!ba_build_get(r.b, "x", "deep", 1, &e) && !strcmp(e.msg, "x.deep of layer 1; 0 to 3 (or -1 for the last) expected"), "%s", e.msg);
    CHECK(!ba_build_get(r.b, "x", "deep", -5, &e) && !strcmp(e.msg, "x.deep of layer -5; 0 to 3 (or -1 for the last) expected"), "%s", e.msg);
    CHECK(!ba_build_get(r.b, "x", "flat", 2, &e) && !strcmp(e.msg, "x.flat belongs to no layer; layer 2 asked"), "%s", e.msg);
    CHECK(!ba_build_get(r.b, "x", "deeps", -1, &e) && !strcmp(e.msg, "x has no 'deeps'; did you mean 'deep'? (it has: deep of 0..3, flat)"), "%s", e.msg);
    CHECK(!ba_build_get(r.b, NULL, "deep", 0, &e) && !ba_build_get(r.b, "x", NULL, 0, &e) && !ba_build_get(NULL, "x", "deep", 0, &e), "NULL");
    CHECK(ba_build_put(r.b, "x", "flat", -1, u, &e) == BA_EARG && !strcmp(e.msg, "x.flat is known already"), "%s", e.msg);
    CHECK(ba_build_put(r.b, "x", "new", -1, NULL, &e) == BA_EARG && !strcmp(e.msg, "x.new: tensor expected, got nothing"), "%s", e.msg);
    CHECK(ba_build_put(r.b, "x", "new", -2, t, &e) == BA_EARG && !strcmp(e.msg, "x.new: layer -2; 0 to 9999, or -1 for none expected"), "%s", e.msg);
    CHECK(ba_build_put(r.b, "x", "", -1, t, &e) == BA_EARG && ba_build_put(r.b, NULL, "new", -1, t, &e) == BA_EARG && ba_build_put(r.b, "a b", "new", -1, t, &e) == BA_EARG, "names");
    CHECK(ba_build_fact(r.b, "nobody", "patches", &e) == -1 && !strcmp(e.msg, "there is no model 'nobody' here, so no 'patches' of it"), "%s", e.msg);
    CHECK(ba_build_fact(NULL, "x", "patches", &e) == -1 && ba_build_fact(r.b, NULL, "patches", &e) == -1 && ba_build_fact(r.b, "x", NULL, &e) == -1, "NULL");
    const char *who, *what;
    int64_t layer;
    ba_tensor *got;
    CHECK(ba_build_count(r.b) == 5 && !ba_build_entry(r.b, 3, &who, &what, &layer, &got, &e) && !strcmp(what, "deep") && layer == 3 && got == u, "%s", e.msg);
    CHECK(ba_build_entry(r.b, 5, &who, &what, &layer, &got, &e) == BA_EARG && ba_build_count(NULL) == 0, "out of range");
    CHECK(!ba_build_new(NULL, &e) && !strcmp(e.msg, "build: graph expected, got nothing"), "%s", e.msg);
    ba_build_free(NULL);
    rig_free(&r);
    check_group("signals and facts");
}

/* A recipe that makes a hundred further signals known, so that the table of signals moves while it works. */
static ba_tensor *prolific(ba_build *b, const bai_signal *s, ba_err *e)
{
    for (int64_t i = 0; i < 100; i++)
        if (bai_build_offer(b, (bai_signal){ .who = "x", .what = "more", .layer = i, .t = s->t }, e))
            return NULL;
    return ba_op_apply(b->g, "scale", 1, (ba_tensor *[]){ s->t }, BA_ATTRS(BA_F("by", 2)), e);
}

static ba_tensor *barren(ba_build *b, const bai_signal *s, ba_err *e)
{
    (void)b;
    ba_fail(e, BA_EARG, "%s.%s cannot be made", s->who, s->what);
    return NULL;
}

static void test_offers(void)
{
    rig r = rig_new(2, 8, BA_U8);
    ba_err e = { 0 };
    ba_tensor *t = ba_scalar(r.g, 1, &err);
    OK(bai_build_offer(r.b, (bai_signal){ .who = "x", .what = "rich", .layer = -1, .t = t, .make = prolific }, &err));
    OK(bai_build_offer(r.b, (bai_signal){ .who = "x", .what = "poor", .layer = -1, .t = t, .make = barren }, &err));
    ba_tensor *made = ba_build_get(r.b, "x", "rich", -1, &e);
    CHECK(made && made != t, "%s", e.msg);
    CHECK(ba_build_get(r.b, "x", "rich", -1, &e) == made, "it is made once: %s", e.msg);
    CHECK(ba_build_get(r.b, "x", "more", 99, &e) == t, "%s", e.msg);
    for (int i = 0; i < 2; i++)
        CHECK(!ba_build_get(r.b, "x", "poor", -1, &e) && !strcmp(e.msg, "x.poor cannot be made"), "%s", e.msg);
    rig_free(&r);
    check_group("signals made when they are asked for");
}

static void test_aliases(ba_store *s)
{
    rig r = scene(s);
    ba_err e = { 0 };
    ba_tensor *logits = ba_build_get(r.b, "student", "logits", -1, &e);
    OK(ba_build_alias(r.b, "pupil", "student", &e));
    CHECK(logits && ba_build_get(r.b, "pupil", "logits", -1, &e) == logits, "%s", e.msg);
    CHECK(ba_build_fact(r.b, "pupil", "patches", &e) == ba_build_fact(r.b, "student", "patches", &e), "a fact by another name");
    CHECK(!ba_build_get(r.b, "pupil", "logit", -1, &e) && !strcmp(e.msg, "student has no 'logit'; did you mean 'logits'? (it has: logits)"), "%s", e.msg);
    OK(ba_build_alias(r.b, "student", "teacher", &e)); /* hides the student */
    CHECK(!ba_build_get(r.b, "student", "logits", -1, &e) && ba_build_get(r.b, "pupil", "logits", -1, &e) == logits, "one step only");
    OK(ba_build_alias(r.b, "student", NULL, &e));
    CHECK(ba_build_get(r.b, "student", "logits", -1, &e) == logits, "%s", e.msg);
    OK(ba_build_alias(r.b, "nobody", NULL, &e));
    CHECK(ba_build_alias(r.b, "a b", "student", &e) == BA_EARG && ba_build_alias(r.b, NULL, "student", &e) == BA_EARG && ba_build_alias(r.b, "x", "", &e) == BA_EARG, "names");
    CHECK(ba_build_alias(NULL, "x", "student", &e) == BA_EARG, "no build");
    for (char name[] = "a"; *name < 'h'; ++*name)
        OK(ba_build_alias(r.b, name, "student", &e));
    CHECK(ba_build_alias(r.b, "h", "student", &e) == BA_EARG && !strcmp(e.msg, "alias 'h': at most 8 at a time"), "%s", e.msg);
    rig_free(&r);
    check_group("other names");
}

int main(int argc, char **argv)
{
    char command[100];
    if (argc < 3 || !rig_open(argc, argv) || !(rude = rude_new(argv[2]))) {
        CHECK(0, "usage: %s PLUGINS BAD-PLUGINS; %s", argv[0], err.msg);
        return check_done();
    }
    ba_store *s = ba_store_new(dev, 0, &err);
    test_masks(s);
    test_losses(s);
    test_archs(s);
    test_reducers();
    test_given(s);
    test_deit_settings();
    test_signals();
    test_offers();
    test_aliases(s);
    ba_store_free(s);
    ba_plugins_free(rude);
    snprintf(command, sizeof command, "rm -rf '%s'", room);
    CHECK(!system(command), "%s", command);
    return rig_close();
}
