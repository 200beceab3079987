/* archs: golden logits of models.md section 16 for every architecture, whole and masked, with the parameter counts and costs of its tables. */
#include "rig.h"

enum { KEPT = 98 };

typedef struct golden {
    const char *name, *arch, *settings;
    const char *scope;              /* put in front of our names before they are hashed */
    const char *swap[4][2];         /* parts of our names and what they are in the names that were hashed */
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
    { "AST-S", "ast", "", "", { { 0 } }, 128, 512, 1, 0, NULL,
      { 0.7570696, 0.1004856, 0.2089854, 0.7567847 }, 41, -7.0923941e-02, 5.279889, 21644978, 16.182, 16.210 },
};

/* ---- weights under the names that were hashed ---- */
static void hashed_name(const golden *z, const char *name, char out[300])
{
    snprintf(out, 300, "%s%s", z->scope, name);
    for (int i = 0; i < 4 && z->swap[i][0]; i++) {
        char *at = strstr(out, z->swap[i][0]), rest[300];
        if (!at)
            continue;
        snprintf(rest, sizeof rest, "%s", at + strlen(z->swap[i][0]));
        snprintf(at, 300 - (size_t)(at - out), "%s%s", z->swap[i][1], rest);
    }
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

int main(int argc, char **argv)
{
    const char *only = getenv("BAUTA_TEST_ARCH"); /* the beginning of a name: only those */
    if (!rig_open(argc, argv))
        return 1;
    find_kept();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!only || !strncmp(all[i].name, only, strlen(only)))
            one(&all[i]);
    return rig_close();
}
