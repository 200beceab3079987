/* archs: golden logits of models.md section 16 for every architecture, whole and masked, with the parameter counts and costs of its tables. */
#include "rig.h"

enum { KEPT = 98, SWAPS = 13 };

typedef struct golden {
    const char *name, *arch, *settings;
    const char *scope;              /* put in front of our names before they are hashed */
    const char *swap[SWAPS][2];     /* parts of our names and what they are in the names that were hashed */
    int64_t rows, columns, channels;
    int masked;                     /* the 98 patches that DeiT-Ti prefers */
    const char *what;               /* the signal; NULL: logits */
    double first[4];
    int argmax;
    double mean, norm, parameters, macs, flops; /* 0: not compared */
} golden;

static const golden all[] = {
    { "DeiT3-S", "deit3", "", "", { { "ls1.gamma", "gamma_1" }, { "ls2.gamma", "gamma_2" } }, 224, 224, 3, 0, NULL,
      { 0.0880780, 0.4426764, 0.5356647, -0.5209517 }, 232, -4.2865430e-02, 31.303419, 22059496, 4.5989, 4.6083 },
    { "DeiT3-S kept 98", "deit3", "", "", { { "ls1.gamma", "gamma_1" }, { "ls2.gamma", "gamma_2" } }, 224, 224, 3, 1, NULL,
      { 0.0025530, -0.0954500, 0.4723220, -0.3363158 }, 232, -5.0022013e-02, 31.359166, 0, 0, 2.2554 },
    { "MAE-B mean", "mae", "", "", { { 0 } }, 224, 224, 3, 0, NULL,
      { 0.5353688, 0.8988498, 0.0213462, -1.7762491 }, 55, 9.4193295e-03, 32.181223, 86567656, 0, 17.5819 },
    { "CLIP-B, GELU", "clip", "", "", { { 0 } }, 224, 224, 3, 0, NULL,
      { -0.2076689, -0.6740518, 0.3544357, -1.3390406 }, 870, 3.1394114e-02, 32.075166, 86568424, 17.5638, 17.5835 },
    { "CLIP-B, QuickGELU", "clip", "activation=quick-gelu", "", { { 0 } }, 224, 224, 3, 0, NULL,
      { -0.2029596, -0.6626895, 0.3738836, -1.3525791 }, 870, 3.1282533e-02, 32.084155, 0, 0, 0 },
    { "OpenAI's CLIP-B, 512 numbers", "clip", "activation=quick-gelu,classes=512", "visual.",
      { { "patch_embed.proj", "conv1" }, { "cls_token", "class_embedding" }, { "pos_embed", "positional_embedding" }, { "norm_pre", "ln_pre" },
        { "visual.norm.", "visual.ln_post." }, { "blocks.", "transformer.resblocks." }, { "norm1", "ln_1" }, { "norm2", "ln_2" },
        { "attn.qkv.", "attn.in_proj_" }, { "attn.proj", "attn.out_proj" }, { "mlp.fc1", "mlp.c_fc" }, { "mlp.fc2", "mlp.c_proj" }, { "head.weight", "proj" } },
      224, 224, 3, 0, NULL,
      { -0.9806961, -2.7495169, -1.9056239, 1.4998951 }, 156, -5.3845738e-02, 27.977415, 86192640 + 512, 0, 0 }, /* their projection has no bias, ours one of zeros */
    { "DINO-S feature", "dino", "", "backbone.", { { 0 } }, 224, 224, 3, 0, NULL,
      { 1.3727329, 0.1349997, -0.8740181, 0.0200952 }, 331, -1.6221945e-02, 19.788107, 21665664, 4.5985, 0 },
    { "DINO-S head", "dino", "head=1,outputs=1024", "", { { 0 } }, 224, 224, 3, 0, "projection",
      { -0.0375828, -0.0406561, -0.1017445, -0.1256072 }, 40, -1.4486662e-03, 2.051866, 0, 0, 0 },
    { "DINO-S feature of a 96 pixel crop", "dino", "image=96,table=224", "backbone.", { { 0 } }, 96, 96, 3, 0, NULL,
      { 1.0400702, -0.8367724, -0.1707825, -0.0339618 }, 242, -1.3285556e-02, 19.850821, 21665664, 0, 0 }, /* 0.8089 G, and resizing the table */
    { "CaiT-S24", "cait", "", "", { { 0 } }, 224, 224, 3, 0, NULL,
      { -0.5451600, 1.8284849, 0.3345983, 0.4864024 }, 463, -2.6764142e-02, 32.943635, 46916200, 9.3273, 9.3465 },
    { "CaiT-S24 kept 98", "cait", "", "", { { 0 } }, 224, 224, 3, 1, NULL,
      { -0.3529948, 1.6961512, -0.0169889, 0.1623992 }, 763, -3.6115689e-02, 32.483655, 0, 0, 4.4976 },
    { "ConViT-Ti", "convit", "", "", { { 0 } }, 224, 224, 3, 0, NULL,
      { 1.4752999, 2.0204320, 1.4089671, 0.2252447 }, 527, 2.1491658e-02, 32.572454, 5710512, 1.2524, 1.2571 },
    { "ConViT-Ti kept 98", "convit", "", "", { { 0 } }, 224, 224, 3, 1, NULL,
      { 0.8221464, 0.9957405, 1.4505361, -0.0536051 }, 810, -8.3038885e-03, 32.656618, 0, 0, 0 },
    { "ConViT-B", "convit", "size=base", "", { { 0 } }, 224, 224, 3, 0, NULL,
      { -0.4293518, 1.4369670, 0.7058072, -0.7876967 }, 235, -3.4599401e-02, 32.633090, 86540040, 17.5055, 17.5243 },
    { "ConvViT-B", "convvit", "", "", { { 0 } }, 224, 224, 3, 0, NULL,
      { -0.0803489, -1.0215606, 0.2588336, -0.0066571 }, 444, 6.1835307e-02, 31.416999, 85374824, 23.0811, 23.1260 },
    { "ConvViT-B kept 98", "convvit", "", "", { { 0 } }, 224, 224, 3, 1, NULL,
      { -0.1776785, -1.0467513, 0.4865854, -0.1799193 }, 605, 6.2946976e-02, 31.454133, 0, 0, 15.0010 },
    { "Swin-T", "swin", "", "", { { 0 } }, 224, 224, 3, 0, NULL,
      { 0.9121019, -0.1831155, -0.7562294, -1.2183920 }, 799, 3.9575347e-04, 30.384167, 28288354, 4.4906, 4.5092 },
    { "YOLOS, 128x192", "yolos", "rows=128,columns=192,table_rows=8,table_columns=12", "", { { 0 } }, 128, 192, 3, 0, NULL,
      { 0.0362899, -1.1549332, 0.5373747, -1.1332035 }, 8866, -2.9776151e-02, 53.070294, 0, 0, 0 },
    { "YOLOS, boxes", "yolos", "rows=128,columns=192,table_rows=8,table_columns=12", "", { { 0 } }, 128, 192, 3, 0, "boxes",
      { 0.6308321, 0.6340328, 0.5570395, 0.5749042 }, 11, 5.8356645e-01, 11.729581, 0, 0, 0 },
    { "YOLOS, 160x144, resized positions", "yolos", "rows=160,columns=144,table_rows=8,table_columns=12", "", { { 0 } }, 160, 144, 3, 0, NULL,
      { 0.0115683, -0.9905829, 0.5133613, -0.9888084 }, 8866, -1.2305807e-02, 51.906184, 0, 0, 0 },
    { "YOLOS, middle positions", "yolos", "rows=128,columns=192,table_rows=8,table_columns=12,middle=1", "", { { 0 } }, 128, 192, 3, 0, NULL,
      { -0.1301063, -1.2613431, 0.5140816, -1.1546359 }, 9142, -2.9767251e-02, 52.373755, 0, 0, 0 },
    { "YOLOS, middle positions, 160x144", "yolos", "rows=160,columns=144,table_rows=8,table_columns=12,middle=1", "", { { 0 } }, 160, 144, 3, 0, NULL,
      { -0.1280926, -1.0320351, 0.5178000, -0.9143554 }, 9142, -1.4511248e-02, 51.664583, 0, 0, 0 },
    { "Segmenter-Ti, pixels", "segmenter", "image=128,classes=150", "", { { 0 } }, 128, 128, 3, 0, "masks",
      { 0.2205955, 0.2205955, 0.2205955, 0.2205955 }, 439223, -1.2515316e-02, 1514.324447, 6529068, 0.6105, 0 }, /* the authors' 6906388 with 1025 positions, and with a classifier that nobody reads */
    { "Segmenter-Ti, pixels of 150x170", "segmenter", "rows=150,columns=170,table=128,classes=150", "", { { 0 } }, 150, 170, 3, 0, "masks",
      { -0.5255154, -0.5255154, -0.5255154, -0.5255154 }, 879125, -6.9218559e-03, 1905.683465, 6529068, 0, 0 },
    { "AST-S", "ast", "", "", { { 0 } }, 128, 512, 1, 0, NULL,
      { 0.7570696, 0.1004856, 0.2089854, 0.7567847 }, 41, -7.0923941e-02, 5.279889, 21644978, 16.182, 16.210 },
};

/* ---- weights under the names that were hashed ---- */
static void hashed_name(const golden *z, const char *name, char out[300])
{
    snprintf(out, 300, "%s%s", z->scope, name);
    for (int i = 0; i < SWAPS && z->swap[i][0]; i++) {
        char *at = strstr(out, z->swap[i][0]), rest[300];
        if (!at)
            continue;
        snprintf(rest, sizeof rest, "%s", at + strlen(z->swap[i][0]));
        snprintf(at, 300 - (size_t)(at - out), "%s%s", z->swap[i][1], rest);
    }
}

/* OpenAI's projection is stored [in,out] and has no bias: what becomes of our head. */
static void as_projection(const char *ours, const ba_type *t, float *v)
{
    const int64_t out = t->dim[0], in = t->rank > 1 ? t->dim[1] : 1;
    const uint32_t h = rig_hash("visual.proj");
    for (int64_t i = 0; i < out * in; i++)
        v[i] = strcmp(ours, "head.weight") ? 0 : (float)(rig_u(h, i % in * out + i / in) * sqrt(3 / (double)out));
}

static void synthesise(const golden *z, ba_store *s)
{
    for (int64_t i = 0; i < ba_store_count(s); i++) {
        ba_type t;
        char name[300];
        OK(ba_store_type(s, i, &t, &err));
        hashed_name(z, ba_store_name(s, i), name);
        int64_t n = ba_type_count(&t);
        float *v = malloc((size_t)n * sizeof *v);
        uint32_t h = rig_hash(name);
        for (int64_t k = 0; k < n; k++)
            v[k] = (float)rig_value(name, &t, rig_u(h, k));
        if (!strcmp(z->scope, "visual.") && !strncmp(ba_store_name(s, i), "head.", 5))
            as_projection(ba_store_name(s, i), &t, v);
        OK(ba_store_write(s, i, v, n, &err));
        free(v);
    }
}

/* The picture, channels last. AST's was drawn frame by frame: row and column change places. */
static float *picture(const golden *z)
{
    int64_t n = z->rows * z->columns;
    float *v = malloc((size_t)(n * z->channels) * sizeof *v);
    uint32_t h = rig_hash("image");
    for (int64_t c = 0; c < z->channels; c++)
        for (int64_t i = 0; i < n; i++)
            v[i * z->channels + c] = (float)rig_u(h, z->channels == 1 ? i % z->columns * z->rows + i / z->columns : c * n + i);
    return v;
}

/* ---- the patches kept ---- */
static int32_t kept[KEPT];

static void find_kept(void)
{
    ba_params *a = rig_params("arch", "deit", ""), *mask = rig_params("mask", "student", "");
    ba_store *s = ba_store_new(dev, 0, &err);
    rig r = rig_new(1, 224, BA_F32);
    ba_tensor *scores = NULL;
    rig_model(&r, "student", a, s, NULL, 0);
    OK(ba_mask_score(r.b, "student", mask, &scores, &err));
    OK(ba_fetch(r.g, "kept", rig_op1(r.g, "topk", scores, BA_ATTRS(BA_I("keep", KEPT))), &err));
    rig_synthesise(s);
    ba_program *p = ba_compile(r.g, &err);
    float *image = rig_picture("image", 224);
    OK(ba_program_feed(p, "images", image, 224 * 224 * 3 * 4, &err));
    OK(ba_program_run(p, &err));
    OK(ba_program_read(p, "kept", kept, sizeof kept, &err));
    free(image);
    ba_program_free(p);
    rig_free(&r);
    ba_store_free(s);
    ba_params_free(a);
    ba_params_free(mask);
}

static void compare(const golden *z, const float *v, int64_t n)
{
    const double tolerance = 2e-5;
    double sum = 0, square = 0;
    int64_t top = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)v[i];
        square += (double)v[i] * (double)v[i];
        top = v[i] > v[top] ? i : top;
    }
    for (int i = 0; i < 4; i++)
        CHECK(fabs((double)v[i] - z->first[i]) < tolerance, "%s: %d is %.7f, %.7f expected", z->name, i, (double)v[i], z->first[i]);
    CHECK(top == z->argmax, "%s: argmax %lld, %d expected", z->name, (long long)top, z->argmax);
    CHECK(fabs(sum / (double)n - z->mean) < tolerance, "%s: mean %.8g, %.8g expected", z->name, sum / (double)n, z->mean);
    CHECK(fabs(sqrt(square) - z->norm) < 3 * tolerance * fmax(1, z->norm / 30), "%s: norm %.7g, %.7g expected", z->name, sqrt(square), z->norm);
}

static void compare_cost(const golden *z, const ba_program *p, int64_t parameters)
{
    double macs = 0, norm = 0;
    for (int64_t i = 0; i < ba_plan_rows(p); i++) {
        ba_plan_row line;
        OK(ba_plan_row_get(p, i, &line, &err));
        macs += line.nominal;
        norm += line.norm;
    }
    CHECK(!z->parameters || (double)parameters == z->parameters, "%s: %lld parameters, %.0f expected", z->name, (long long)parameters, z->parameters);
    CHECK(!z->macs || fabs(macs * 1e-9 - z->macs) < 6e-4 * fmax(z->macs, 1), "%s: %.4f G MACs, %.4f expected", z->name, macs * 1e-9, z->macs);
    CHECK(!z->flops || fabs((macs + 5 * norm) * 1e-9 - z->flops) < 1e-4 * fmax(z->flops, 1), "%s: %.4f G in the papers' count, %.4f expected", z->name,
          (macs + 5 * norm) * 1e-9, z->flops);
}

static void one(const golden *z)
{
    ba_params *a = rig_params("arch", z->arch, z->settings);
    ba_store *s = ba_store_new(dev, 0, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_build *b = ba_build_new(g, &err);
    const int64_t dim[] = { 1, z->rows, z->columns, z->channels }, keep[] = { 1, KEPT };
    const float ones[] = { 1, 1, 1 }, none[] = { 0, 0, 0 };
    ba_arch_given in = { .size = sizeof in, .images = ba_input(g, "images", BA_F32, 4, dim, &err), .store = s,
        .scale = ba_constant(g, BA_F32, 1, &z->channels, ones, &err), .shift = ba_constant(g, BA_F32, 1, &z->channels, none, &err),
        .kept = z->masked ? ba_input(g, "kept", BA_I32, 2, keep, &err) : NULL };
    OK(ba_arch_build(b, "teacher", a, &in, &err));
    synthesise(z, s);
    ba_tensor *t = ba_build_get(b, "teacher", z->what ? z->what : "logits", -1, &err);
    ba_type type = { 0 };
    CHECK(t && ba_tensor_type(t, &type, &err) == BA_OK && ba_fetch(g, "out", t, &err) == BA_OK, "%s: %s", z->name, err.msg);
    ba_program *p = ba_compile(g, &err);
    CHECK(p, "%s: %s", z->name, err.msg);
    int64_t n = ba_type_count(&type);
    float *image = picture(z), *v = malloc((size_t)n * sizeof *v);
    OK(ba_program_feed(p, "images", image, z->rows * z->columns * z->channels * 4, &err));
    if (z->masked)
        OK(ba_program_feed(p, "kept", kept, sizeof kept, &err));
    OK(ba_program_run(p, &err));
    OK(ba_program_read(p, "out", v, n * 4, &err));
    compare(z, v, n);
    compare_cost(z, p, rig_count(s));
    check_group(z->name);
    free(image), free(v);
    ba_program_free(p);
    ba_build_free(b);
    ba_graph_free(g);
    ba_store_free(s);
    ba_params_free(a);
}

/* ---- keeping every patch is the same as not masking; Swin says why it cannot be masked ---- */
static ba_tensor *small_model(ba_graph *g, ba_build *b, const char *who, const ba_params *a, ba_store *s, ba_tensor *images, ba_tensor *patches)
{
    const float ones[] = { 1, 1, 1 }, none[] = { 0, 0, 0 };
    const int64_t C = ba_arch_fact(a, "channels", &err);
    ba_arch_given in = { .size = sizeof in, .images = images, .store = s, .scale = ba_constant(g, BA_F32, 1, &C, ones, &err),
        .shift = ba_constant(g, BA_F32, 1, &C, none, &err), .kept = patches };
    return ba_arch_build(b, who, a, &in, &err) ? NULL : ba_build_get(b, who, "logits", -1, &err);
}

static void keep_all_in(const char *arch, const char *settings, int dtype)
{
    const float tolerance = dtype == BA_BF16 ? 0.05f : 1e-5f;
    ba_params *a = rig_params("arch", arch, settings);
    ba_store *s = ba_store_new(dev, 0, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    OK(ba_graph_precision(g, dtype, &err));
    ba_build *b = ba_build_new(g, &err);
    const int64_t dim[] = { 2, ba_arch_fact(a, "image_rows", &err), ba_arch_fact(a, "image_columns", &err), ba_arch_fact(a, "channels", &err) };
    const int64_t N = ba_arch_fact(a, "patches", &err), each[] = { 2, N };
    int32_t number[2000];
    for (int64_t i = 0; i < 2 * N; i++)
        number[i] = (int32_t)(i % N);
    ba_tensor *images = ba_input(g, "images", BA_F32, 4, dim, &err), *patches = ba_constant(g, BA_I32, 2, each, number, &err);
    ba_tensor *whole = small_model(g, b, "whole", a, s, images, NULL), *same = small_model(g, b, "masked", a, s, images, patches);
    synthesise(&all[0], s);
    CHECK(whole && same && !ba_fetch(g, "whole", whole, &err) && !ba_fetch(g, "same", same, &err), "%s: %s", arch, err.msg);
    ba_type t = { 0 };
    ba_program *p = ba_compile(g, &err);
    CHECK(p && !ba_tensor_type(whole, &t, &err), "%s: %s", arch, err.msg);
    int64_t n = ba_type_count(&t), pixels = dim[0] * dim[1] * dim[2] * dim[3];
    float *image = malloc((size_t)pixels * 4), *v = malloc((size_t)n * 4), *u = malloc((size_t)n * 4), most = 0, off = 0;
    for (int64_t i = 0; i < pixels; i++)
        image[i] = (float)rig_u(5, i);
    OK(ba_program_feed(p, "images", image, pixels * 4, &err));
    OK(ba_program_run(p, &err));
    OK(ba_program_read(p, "whole", v, n * 4, &err));
    OK(ba_program_read(p, "same", u, n * 4, &err));
    for (int64_t i = 0; i < n; i++) {
        most = fmaxf(most, fabsf(v[i]));
        off = fmaxf(off, fabsf(v[i] - u[i]));
    }
    CHECK(most > 0.01f && off < tolerance * fmaxf(most, 1), "%s {%s}: logits differ by %g of %g", arch, settings, (double)off, (double)most);
    free(image), free(v), free(u);
    ba_program_free(p);
    ba_build_free(b);
    ba_graph_free(g);
    ba_store_free(s);
    ba_params_free(a);
}

static void keep_all(const char *arch, const char *settings)
{
    keep_all_in(arch, settings, BA_F32);
    keep_all_in(arch, settings, BA_BF16);
}

static void test_keep_all(void)
{
    keep_all("deit", "dim=24,heads=2,depth=2,image=32,patch=8,classes=5,distilled=1,positions=sincos");
    keep_all("deit3", "dim=24,heads=2,depth=2,image=32,patch=8,classes=5");
    keep_all("cait", "dim=24,heads=2,depth=2,image=32,patch=8,classes=5");
    keep_all("clip", "dim=24,heads=2,depth=2,image=32,patch=8,classes=5,activation=quick-gelu");
    keep_all("mae", "dim=24,heads=2,depth=2,image=32,patch=8,classes=5");
    keep_all("mae", "dim=24,heads=2,depth=2,image=32,patch=8,classes=5,pool=class,distilled=1,positions=fixed");
    keep_all("mae", "dim=24,heads=2,depth=2,image=32,patch=8,pool=none,decoder=1,decoder_dim=16,decoder_depth=1,decoder_heads=2");
    keep_all("dino", "dim=24,heads=2,depth=2,image=24,patch=8,table=32");
    keep_all("convit", "dim=24,heads=4,depth=3,local=2,image=32,patch=8,classes=5");
    keep_all("convvit", "dim=24,heads=2,depth=2,stem_depth=1,image=32,classes=5");
    keep_all("ast", "dim=24,heads=2,depth=2,bins=32,frames=48,classes=5");
    keep_all("segmenter", "dim=24,heads=2,depth=2,decoder_depth=1,image=32,patch=8,table=24,classes=5");
    keep_all("segmenter", "dim=24,heads=2,depth=2,decoder_depth=1,rows=30,columns=43,patch=8,table=24,classes=5");
    keep_all("yolos", "dim=24,heads=2,depth=3,rows=32,columns=48,table_rows=3,table_columns=2,middle=1,detections=3,classes=4");
    check_group("keeping every patch changes nothing");
    ba_params *a = rig_params("arch", "swin", "dim=8,depths=\"1,1\",heads=\"1,2\",image=32,window=4,classes=5");
    ba_store *s = ba_store_new(dev, 0, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_build *b = ba_build_new(g, &err);
    const int64_t dim[] = { 1, 32, 32, 3 }, few[] = { 1, 2 };
    ba_tensor *t = small_model(g, b, "teacher", a, s, ba_input(g, "images", BA_F32, 4, dim, &err), ba_input(g, "kept", BA_I32, 2, few, &err));
    CHECK(!t && strstr(err.msg, "plugin swin: cannot be masked: without some patches its windows and the merging of neighbours are not defined"), "%s", err.msg);
    ba_build_free(b);
    ba_graph_free(g);
    ba_store_free(s);
    ba_params_free(a);
    check_group("what cannot be masked says so");
}

static void test_refusals(void)
{
    static const struct { const char *arch, *settings, *want; } bad[] = {
        { "swin", "image=100", "stage 0 has a map of 25x25, which windows of 7 do not fill" }, { "swin", "depths=\"2,x\"", "one number from 1 to 1024 for each of 1 to 4 stages" },
        { "swin", "depths=\"2,2\"", "one number from 1 to 1024" }, { "swin", "heads=\"5,6,12,24\"", "heads = 5 do not divide its width 96" },
        { "convit", "local=12", "local = 12 of 12 blocks" }, { "convvit", "dim=100", "a multiple of 6 expected" }, { "convvit", "image=100", "image = 100 is no multiple of patch = 16" },
        { "mae", "decoder=1", "decoder = true with pool = mean" }, { "mae", "distilled=1", "distilled = true with pool = mean" },
        { "mae", "distilled=1,pool=none", "distilled = true with pool = none" }, { "mae", "distilled=1,pool=class,decoder=1", "distilled = true with decoder = true" },
        { "mae", "dim=6,heads=1", "need a multiple of 4" }, { "dino", "table=100", "table = 100 is no multiple of patch = 16" },
        { "cait", "heads=7", "heads = 7 do not divide dim = 384" }, { "yolos", "rows=100", "image = 100 is no multiple of patch = 16" },
        { "segmenter", "decoder_heads=5", "decoder_heads = 5 do not divide dim = 192" },
        { "segmenter", "table=8", "table = 8 is no multiple of patch = 16" }, { "segmenter", "table=500", "table = 500 is no multiple of patch = 16" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ba_params *a = rig_params("arch", bad[i].arch, bad[i].settings);
        CHECK(ba_arch_fact(a, "patches", &err) == -1 && strstr(err.msg, bad[i].want), "%s {%s}: %s", bad[i].arch, bad[i].settings, err.msg);
        ba_params_free(a);
    }
    check_group("settings that do not go together");
}

/* Instrumented code is slow: the large models run the code of the small ones, and of each architecture one row of the table does. */
static int too_large(const char *name)
{
#ifdef __SANITIZE_ADDRESS__
    static const char *const once[] = { "DeiT3-S kept 98", "DINO-S feature of a 96 pixel crop", "ConViT-Ti kept 98", "Swin-T", "YOLOS, middle positions, 160x144", "AST-S" };
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (!strcmp(name, once[i]))
            return 0;
    return 1;
#else
    (void)name;
    return 0;
#endif
}

int main(int argc, char **argv)
{
    const char *only = getenv("BAUTA_TEST_ARCH"); /* the beginning of a name: only those */
    if (!rig_open(argc, argv))
        return 1;
    test_keep_all();
    test_refusals();
    find_kept();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (too_large(all[i].name))
            check_skip(all[i].name, "too slow under AddressSanitizer");
        else if (!only || !strncmp(all[i].name, only, strlen(only)))
            one(&all[i]);
    return rig_close();
}
