/* keys: files with the names of other people (models.md 1.13) load into our architectures, found out by themselves or named; position tables
 * of another grid on request only; whatever does not match is named. */
#include "bauta/weights.h"
#include "rig.h"

#include <unistd.h>

enum { MOST = 400 };
static char path[] = "/tmp/bauta-keys-XXXXXX";

typedef struct file { ba_weight_item item[MOST]; char name[MOST][300]; int64_t n; } file;
static file f;

static void add(const char *name, int rank, const int64_t *dim, const float *data)
{
    ba_weight_item *it = &f.item[f.n];
    int64_t n = 1;
    snprintf(f.name[f.n], sizeof f.name[0], "%s", name);
    *it = (ba_weight_item){ .name = f.name[f.n], .type = { .dtype = BA_F32, .rank = rank } };
    for (int i = 0; i < rank; i++)
        n *= it->type.dim[i] = dim[i];
    float *v = malloc((size_t)n * sizeof *v);
    memcpy(v, data, (size_t)n * sizeof *v);
    it->data = v;
    f.n++;
}

static void empty(void)
{
    while (f.n)
        free((void *)(uintptr_t)f.item[--f.n].data);
}

/* A model with its weights, not yet the file's. */
static ba_store *model(const char *arch, const char *settings, uint64_t seed)
{
    ba_params *a = rig_params("arch", arch, settings);
    ba_store *s = ba_store_new(dev, seed, &err);
    ba_graph *g = ba_graph_new(dev, 1, &err);
    ba_build *b = ba_build_new(g, &err);
    const int64_t dim[] = { 1, ba_arch_fact(a, "image_rows", &err), ba_arch_fact(a, "image_columns", &err), ba_arch_fact(a, "channels", &err) };
    const float three[] = { 1, 1, 1 };
    ba_arch_given in = { .size = sizeof in, .images = ba_input(g, "images", BA_F32, 4, dim, &err), .store = s,
        .scale = ba_constant(g, BA_F32, 1, &dim[3], three, &err), .shift = ba_constant(g, BA_F32, 1, &dim[3], three, &err) };
    OK(ba_arch_build(b, "model", a, &in, &err));
    ba_build_free(b);
    ba_graph_free(g);
    ba_params_free(a);
    return s;
}

static float *numbers(const ba_store *s, int64_t i, ba_type *t)
{
    OK(ba_store_type(s, i, t, &err));
    float *v = malloc((size_t)ba_type_count(t) * sizeof *v);
    OK(ba_store_read(s, i, v, ba_type_count(t), &err));
    return v;
}

static int same(const ba_store *a, const ba_store *b)
{
    for (int64_t i = 0; i < ba_store_count(a); i++) {
        ba_type t, u;
        int64_t j = ba_store_find(b, ba_store_name(a, i));
        float *x = numbers(a, i, &t), *y = j < 0 ? NULL : numbers(b, j, &u);
        int equal = y && !memcmp(x, y, (size_t)ba_type_count(&t) * sizeof *x);
        free(x), free(y);
        if (!equal)
            return 0;
    }
    return 1;
}

/* ---- our names in theirs: "from" anywhere, "^from" at the beginning ---- */
typedef struct source { const char *name, *arch, *settings, *keys, *told, *front; const char *swap[16][2]; } source;

static const source sources[] = {
    { "timm", "deit", "size=tiny,depth=2", "plain", "", "", { { 0 } } },
    { "DeiT III's authors", "deit3", "dim=24,heads=2,depth=2,image=32", "deit3", "DeiT III's authors", "", { { ".ls1.gamma", ".gamma_1" }, { ".ls2.gamma", ".gamma_2" } } },
    { "CaiT's authors", "cait", "dim=24,heads=2,depth=2,image=32", "cait", "module. taken away", "module.", { { 0 } } },
    { "DINO's teacher", "dino", "dim=24,heads=2,depth=2,image=32", "dino", "DINO's backbone", "backbone.", { { 0 } } },
    { "DINO's student", "dino", "dim=24,heads=2,depth=2,image=32", "dino", "module. taken away, DINO's backbone", "module.backbone.", { { 0 } } },
    { "OpenAI's CLIP", "clip", "dim=24,heads=2,depth=2,image=32,classes=7", "clip", "OpenAI's CLIP", "",
      { { "^patch_embed.proj", "visual.conv1" }, { "^cls_token", "visual.class_embedding" }, { "^pos_embed", "visual.positional_embedding" }, { "^norm_pre", "visual.ln_pre" },
        { "^norm.", "visual.ln_post." }, { ".norm1", ".ln_1" }, { ".norm2", ".ln_2" }, { ".attn.qkv.", ".attn.in_proj_" }, { ".attn.proj", ".attn.out_proj" },
        { ".mlp.fc1", ".mlp.c_fc" }, { ".mlp.fc2", ".mlp.c_proj" }, { "^blocks", "visual.transformer.resblocks" }, { "^head.weight", "visual.proj" } } },
    { "Swin's authors", "swin", "dim=8,depths=\"2,1\",heads=\"1,2\",image=32,window=4,patch=4", "swin", "Swin's authors", "",
      { { "layers.1.downsample", "layers.0.downsample" }, { "^head.fc", "head" } } },
    { "OpenMMLab's ViT", "deit3", "dim=24,heads=2,depth=2,image=32", "openmmlab", "OpenMMLab's ViT", "",
      { { "^patch_embed.proj", "backbone.patch_embed.projection" }, { "^cls_token", "backbone.cls_token" }, { "^pos_embed", "backbone.pos_embed" },
        { "^norm.", "backbone.ln1." }, { ".norm1", ".ln1" }, { ".norm2", ".ln2" }, { ".mlp.fc1", ".ffn.layers.0.0" }, { ".mlp.fc2", ".ffn.layers.1" },
        { ".ls1.gamma", ".attn.gamma1.weight" }, { ".ls2.gamma", ".ffn.gamma2.weight" }, { "^blocks", "backbone.layers" }, { "^head", "head.layers.head" } } },
    { "AST", "ast", "size=tiny,depth=2,frames=64", "ast", "module. taken away, AST", "module.", { { 0 } } },
};

static void theirs(const source *z, const char *ours, char out[300])
{
    char rest[300];
    snprintf(out, 300, "%s", ours);
    for (int i = 0; i < 16 && z->swap[i][0]; i++) {
        const char *from = z->swap[i][0] + (*z->swap[i][0] == '^');
        char *at = strstr(out, from);
        if (!at || (from != z->swap[i][0] && at != out))
            continue;
        snprintf(rest, sizeof rest, "%s", at + strlen(from));
        snprintf(at, 300 - (size_t)(at - out), "%s%s", z->swap[i][1], rest);
    }
    snprintf(rest, sizeof rest, "%s", out);
    snprintf(out, 300, "%.60s%.230s", z->front, rest);
}

/* Writes the store as that source would: CLIP's projection turned over and its tokens with fewer axes; what they have besides. */
static void write_as(const source *z, const ba_store *s)
{
    empty();
    int clip = !strcmp(z->arch, "clip") && z->swap[0][0];
    for (int64_t i = 0; i < ba_store_count(s); i++) {
        const char *ours = ba_store_name(s, i);
        char name[300];
        ba_type t;
        float *v = numbers(s, i, &t), *turned = malloc((size_t)ba_type_count(&t) * sizeof *v);
        int64_t r = t.dim[0], c = t.dim[1];
        theirs(z, ours, name);
        if (clip && !strcmp(ours, "head.weight")) {
            for (int64_t k = 0; k < r * c; k++)
                turned[k % c * r + k / c] = v[k];
            add(name, 2, (const int64_t[]){ c, r }, turned);
        } else if (clip && strstr(ours, "cls_token"))
            add(name, 1, &t.dim[2], v);
        else if (clip && strstr(ours, "pos_embed"))
            add(name, 2, &t.dim[1], v);
        else if (!(clip && !strcmp(ours, "head.bias")))
            add(name, t.rank, t.dim, v);
        free(v), free(turned);
    }
    const float few[4] = { 1, 2, 3, 4 };
    if (clip)
        add("transformer.resblocks.0.ln_1.weight", 1, (const int64_t[]){ 4 }, few);
    if (!strcmp(z->arch, "swin"))
        add("layers.0.blocks.0.attn.relative_position_index", 2, (const int64_t[]){ 2, 2 }, few);
    if (!strcmp(z->arch, "ast"))
        add("module.v.head.weight", 2, (const int64_t[]){ 2, 2 }, few);
    if (!strcmp(z->arch, "dino"))
        add(strstr(z->front, "module.") ? "module.head.mlp.0.weight" : "head.mlp.0.weight", 2, (const int64_t[]){ 2, 2 }, few);
    OK(ba_weights_write(path, f.n, f.item, 0, NULL, &err));
}

static void test_sources(void)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const source *z = &sources[i];
        ba_store *from = model(z->arch, z->settings, 3);
        write_as(z, from);
        for (int named = 0; named < 2; named++) {
            ba_store *to = model(z->arch, z->settings, 4);
            ba_weights_how how = { .size = sizeof how, .keys = named ? z->keys : "auto" };
            CHECK(!same(from, to), "%s: equal before", z->name);
            CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_OK, "%s: %s", z->name, err.msg);
            CHECK(same(from, to), "%s: other numbers", z->name);
            CHECK(named || !strcmp(how.told, z->told), "%s: told '%s'", z->name, how.told);
            ba_store_free(to);
        }
        ba_store_free(from);
    }
    check_group("names of every source");
}

/* ---- positions ---- */
static void test_resize(void)
{
    ba_store *from = model("deit", "dim=8,heads=2,depth=1,image=48,patch=16", 3), *to = model("deit", "dim=8,heads=2,depth=1,image=64,patch=16", 4);
    write_as(&sources[0], from);
    ba_weights_how how = { .size = sizeof how, .keys = "auto", .rows = 4, .columns = 4 };
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_EDATA &&
          strstr(err.msg, "pos_embed is [1,10,8] in the file, [1,17,8] in the model (resize = \"bicubic\" or another way brings one to the other)"), "%s", err.msg);
    how.resize = "bicubik";
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_EARG && strstr(err.msg, "resize = 'bicubik'; bicubic, bicubic-antialias,"), "%s", err.msg);
    how.resize = "bilinear";
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_OK, "%s", err.msg);
    ba_type t, u;
    float *a = numbers(from, ba_store_find(from, "pos_embed"), &t), *b = numbers(to, ba_store_find(to, "pos_embed"), &u);
    CHECK(!memcmp(a, b, 8 * sizeof *a), "the class token's position is another");
    for (int64_t i = 0; i < 16 * 8; i++) { /* 3 -> 4 by the half-pixel rule, written out */
        double want = 0, y = fmax(((double)(i / 32) + 0.5) * 0.75 - 0.5, 0), x = fmax(((double)(i / 8 % 4) + 0.5) * 0.75 - 0.5, 0);
        for (int64_t k = 0; k < 9; k++)
            want += (double)a[8 + k * 8 + i % 8] * fmax(0, 1 - fabs(fmin(y, 2) - (double)(k / 3))) * fmax(0, 1 - fabs(fmin(x, 2) - (double)(k % 3)));
        CHECK(fabs(want - (double)b[8 + i]) < 1e-6, "position %lld: %.7f, %.7f expected", (long long)i, (double)b[8 + i], want);
    }
    free(a), free(b);
    ba_store_free(from), ba_store_free(to);
    check_group("positions on another grid");
}

/* AST from a picture model: three channels summed, the middle rows, more columns. */
static void test_to_ast(void)
{
    ba_store *from = model("deit", "size=tiny,depth=1,distilled=1", 3), *to = model("ast", "size=tiny,depth=1", 4);
    write_as(&sources[0], from);
    ba_weights_how how = { .size = sizeof how, .keys = "auto", .resize = "crop", .partial = "mlp_head", .rows = 12, .columns = 50 };
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_OK, "%s", err.msg);
    ba_type t, u;
    float *a = numbers(from, ba_store_find(from, "patch_embed.proj.weight"), &t), *b = numbers(to, ba_store_find(to, "v.patch_embed.proj.weight"), &u);
    CHECK(fabsf(a[0] + a[256] + a[512] - b[0]) < 1e-6f, "kernels are not summed over the colours");
    free(a), free(b);
    a = numbers(from, ba_store_find(from, "pos_embed"), &t), b = numbers(to, ba_store_find(to, "v.pos_embed"), &u);
    CHECK(u.dim[1] == 602 && !memcmp(a, b, 2 * 192 * sizeof *a), "the extra tokens' positions are others");
    CHECK(fabsf(a[(2 + 14) * 192] - b[2 * 192]) < 1e-6f, "the first row is not row 1 of 14");
    free(a), free(b);
    ba_store_free(from), ba_store_free(to);
    check_group("AST from a picture model");
}

/* AST from another length: AudioSet's 12x101 places become ESC-50's 12x50 from the middle, columns 25 to 74, and 12x48 are no 24x24. */
static void test_lengths(void)
{
    const int64_t D = 24;
    ba_store *from = model("ast", "dim=24,heads=2,depth=1,frames=1024,classes=527", 3), *to = model("ast", "dim=24,heads=2,depth=1", 4);
    ba_store *high = model("ast", "dim=24,heads=2,depth=1,bins=144", 4), *shorter = model("ast", "dim=24,heads=2,depth=1,frames=490", 3);
    ba_store *square = model("ast", "dim=24,heads=2,depth=1,frames=128", 4);
    write_as(&sources[8], from);
    ba_weights_how how = { .size = sizeof how, .keys = "auto", .partial = "mlp_head", .rows = 12, .columns = 50 };
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_EDATA &&
          strstr(err.msg, "v.pos_embed is [1,1214,24] in the file, [1,602,24] in the model (resize = \"crop\" brings one to the other, as AST's authors do)"), "%s", err.msg);
    how.resize = "crop";
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_OK, "%s", err.msg);
    ba_type t, u;
    float *a = numbers(from, ba_store_find(from, "v.pos_embed"), &t), *b = numbers(to, ba_store_find(to, "v.pos_embed"), &u);
    CHECK(t.dim[1] == 1214 && u.dim[1] == 602 && !memcmp(a, b, (size_t)(2 * D) * sizeof *a), "the extra tokens' positions are others");
    for (int64_t row = 0; row < 12; row++)
        CHECK(!memcmp(a + (2 + row * 101 + 25) * D, b + (2 + row * 50) * D, (size_t)(50 * D) * sizeof *a), "row %lld is not columns 25 to 74", (long long)row);
    free(a), free(b);
    how.keys = "module"; /* names of no known source, where neither grid is a square */
    how.partial = "mlp_head,v.head";
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_OK, "%s", err.msg);
    how.columns = 12;
    CHECK(ba_weights_load_as(square, path, &how, NULL, 0, &err) == BA_EDATA && strstr(err.msg, "v.pos_embed is [1,1214,24] in the file, [1,146,24] in the model"), "%s", err.msg);
    CHECK(!strstr(err.msg, "resize = "), "a square has no table of another form: %s", err.msg);
    how.keys = "auto";
    CHECK(ba_weights_load_as(square, path, &how, NULL, 0, &err) == BA_OK, "%s", err.msg);
    how.columns = 50;
    how.rows = 13;
    CHECK(ba_weights_load_as(high, path, &how, NULL, 0, &err) == BA_EDATA && strstr(err.msg, "v.pos_embed is [1,1214,24] in the file, [1,652,24] in the model"), "%s", err.msg);
    how.rows = 12;
    write_as(&sources[8], shorter);
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_OK, "%s", err.msg);
    a = numbers(shorter, ba_store_find(shorter, "v.pos_embed"), &t), b = numbers(to, ba_store_find(to, "v.pos_embed"), &u);
    CHECK(t.dim[1] == 2 + 12 * 48, "%lld places", (long long)t.dim[1]);
    for (int64_t i = 0; i < 12 * 50 * D; i++) { /* each row by itself, 48 -> 50 by the half-pixel rule */
        int64_t row = i / D / 50, first;
        double x = fmax(((double)(i / D % 50) + 0.5) * 0.96 - 0.5, 0);
        first = (int64_t)x;
        const float *p = a + (2 + row * 48) * D + i % D;
        double want = (double)p[first * D] * (1 - x + (double)first) + (double)p[(first < 47 ? first + 1 : 47) * D] * (x - (double)first);
        CHECK(fabs(want - (double)b[2 * D + i]) < 1e-6, "place %lld: %.7f, %.7f expected", (long long)i, (double)b[2 * D + i], want);
    }
    free(a), free(b);
    ba_store_free(from), ba_store_free(to), ba_store_free(high), ba_store_free(shorter), ba_store_free(square);
    check_group("AST from another length");
}

/* ---- what does not match ---- */
static void test_strict(void)
{
    ba_store *from = model("deit3", "dim=24,heads=2,depth=2,image=32", 3), *to = model("deit3", "dim=24,heads=2,depth=2,image=32", 4), *before = ba_store_new(dev, 0, &err);
    OK(ba_store_copy(before, to, &err));
    write_as(&sources[1], from);
    ba_weights_how how = { .size = sizeof how, .keys = "plain" };
    char report[4000];
    CHECK(ba_weights_load_as(to, path, &how, report, sizeof report, &err) == BA_EDATA && same(before, to), "loaded");
    CHECK(strstr(report, "missing blocks.0.ls1.gamma (nearest: blocks.0.gamma_1)") && strstr(report, "surplus blocks.1.gamma_2"), "%s", report);
    how.keys = "klip";
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_EARG && strstr(err.msg, "no names of 'klip'; did you mean 'clip'?"), "%s", err.msg);
    how.keys = "auto";
    const float few[24] = { 0 };
    add("blocks.0.gamma_3", 1, (const int64_t[]){ 24 }, few);
    OK(ba_weights_write(path, f.n, f.item, 0, NULL, &err));
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_EDATA && strstr(err.msg, "surplus blocks.0.gamma_3"), "%s", err.msg);
    add("blocks.0.ls1.gamma", 1, (const int64_t[]){ 24 }, few);
    OK(ba_weights_write(path, f.n, f.item, 0, NULL, &err));
    CHECK(ba_weights_load_as(to, path, &how, NULL, 0, &err) == BA_EDATA && strstr(err.msg, "two of its tensors are our blocks.0.ls1.gamma"), "%s", err.msg);
    CHECK(same(before, to), "something was loaded");
    ba_store_free(from), ba_store_free(to), ba_store_free(before);
    check_group("nothing is taken that does not match");
}

int main(int argc, char **argv)
{
    int fd = mkstemp(path);
    if (!rig_open(argc, argv))
        return 1;
    close(fd);
    test_sources();
    test_resize();
    test_to_ast();
    test_lengths();
    test_strict();
    empty();
    unlink(path);
    return rig_close();
}
