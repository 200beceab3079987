/* rig: what the tests of this folder share: a device, the plugins, the synthetic weights of models.md section 16, models in one call. */
#ifndef RIG_H
#define RIG_H

#include "../check.h"
#include "bauta/model.h"
#include "bauta/op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ba_device *dev;
static ba_plugins *plugins;
static ba_err err;

#define OK(call) CHECK((call) == BA_OK, "%s", err.msg)

static inline int rig_open(int argc, char **argv)
{
    const char *tier = getenv("BAUTA_TEST_TIER"); /* plain, avx2, avx512, avx512bf16, amx, tiles; left out: the best there is */
    dev = ba_device_open("cpu", 2, tier ? tier : "auto", &err);
    plugins = dev && argc > 1 ? ba_plugins_new(argv[1], &err) : NULL;
    CHECK(plugins, "usage: %s FOLDER-OF-PLUGINS; %s", argv[0], err.msg);
    return plugins != NULL;
}

static inline int rig_close(void)
{
    ba_plugins_free(plugins);
    ba_device_free(dev);
    return check_done();
}

/* ---- synthetic numbers ---- */
static inline uint32_t rig_hash(const char *s)
{
    uint32_t h = 0x811C9DC5u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 0x01000193u;
    return h;
}

static inline double rig_u(uint32_t h, int64_t i) /* in [-1, 1) */
{
    uint32_t z = h + 0x9E3779B9u * (uint32_t)(i + 1);
    z ^= z >> 16;
    z *= 0x85EBCA6Bu;
    z ^= z >> 13;
    z *= 0xC2B2AE35u;
    z ^= z >> 16;
    return (double)z / 2147483648.0 - 1;
}

static inline double rig_value(const char *name, const ba_type *t, double u)
{
    const char *last = strrchr(name, '.');
    last = last ? last + 1 : name;
    static const char *const tables[] = { "pos_embed", "mid_pos_embed", "cls_token", "dist_token", "det_token", "cls_emb", "class_embedding",
        "positional_embedding", "relative_position_bias_table" };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (!strcmp(last, tables[i]))
            return 0.5 * u;
    if (!strncmp(last, "gamma", 5))
        return 0.5 + 0.25 * u;
    if (!strcmp(last, "gating_param"))
        return u;
    if (!strcmp(last, "weight_g"))
        return 1 + 0.2 * u;
    if (t->rank == 1)
        return !strcmp(last, "weight") ? 1 + 0.2 * u : 0.1 * u;
    double fan = 1;
    for (int i = 1; i < t->rank; i++)
        fan *= (double)t->dim[i];
    return u * sqrt(3 / fan);
}

static inline void rig_synthesise(ba_store *s)
{
    for (int64_t i = 0; i < ba_store_count(s); i++) {
        ba_type t;
        int64_t n = 1;
        ba_store_type(s, i, &t, &err);
        for (int k = 0; k < t.rank; k++)
            n *= t.dim[k];
        float *v = malloc((size_t)n * sizeof *v);
        uint32_t h = rig_hash(ba_store_name(s, i));
        for (int64_t k = 0; k < n; k++)
            v[k] = (float)rig_value(ba_store_name(s, i), &t, rig_u(h, k));
        OK(ba_store_write(s, i, v, n, &err));
        free(v);
    }
}

/* The picture named `name`, u in the order channel, row, column, as [1,H,W,3]. */
static inline float *rig_picture(const char *name, int64_t side)
{
    float *v = malloc((size_t)(side * side * 3) * sizeof *v);
    for (int64_t c = 0; c < 3; c++)
        for (int64_t i = 0; i < side * side; i++)
            v[i * 3 + c] = (float)rig_u(rig_hash(name), c * side * side + i);
    return v;
}

/* ---- plugins ---- */
static inline ba_params *rig_params(const char *kind, const char *name, const char *settings)
{
    const struct ba_plugin_desc *d = ba_plugins_find(plugins, kind, name, &err);
    ba_params *p = d ? ba_params_parse(d, settings, NULL, 0, &err) : NULL;
    CHECK(p, "%s %s {%s}: %s", kind, name, settings, err.msg);
    return p;
}

static inline int64_t rig_count(const ba_store *s)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < ba_store_count(s); i++) {
        ba_type t;
        int64_t n = 1;
        ba_store_type(s, i, &t, &err);
        for (int k = 0; k < t.rank; k++)
            n *= t.dim[k];
        sum += n;
    }
    return sum;
}

/* ---- a graph with a batch of pictures, and models over them ---- */
typedef struct rig { ba_graph *g; ba_build *b; ba_tensor *images, *scale, *shift; int64_t batch, side; } rig;

static inline rig rig_new(int64_t batch, int64_t side, int dtype)
{
    rig r = { ba_graph_new(dev, 1, &err), NULL, NULL, NULL, NULL, batch, side };
    const float one[] = { 1, 1, 1 }, none[] = { 0, 0, 0 };
    const int64_t dim[] = { batch, side, side, 3 }, three = 3;
    r.b = ba_build_new(r.g, &err);
    r.images = ba_input(r.g, "images", dtype, 4, dim, &err);
    r.scale = ba_constant(r.g, BA_F32, 1, &three, one, &err);
    r.shift = ba_constant(r.g, BA_F32, 1, &three, none, &err);
    OK(ba_build_put(r.b, "batch", "images", -1, r.images, &err));
    OK(ba_build_put(r.b, "batch", "step", -1, ba_input(r.g, "step", BA_I32, 0, NULL, &err), &err));
    return r;
}

static inline ba_tensor *rig_model(rig *r, const char *who, const ba_params *p, ba_store *s, ba_tensor *kept, int training)
{
    ba_arch_given in = { sizeof in, training, r->images, r->scale, r->shift, kept, s };
    OK(ba_graph_role(r->g, who, &err));
    OK(ba_arch_build(r->b, who, p, &in, &err));
    return ba_build_get(r->b, who, "logits", -1, &err);
}

static inline void rig_free(rig *r)
{
    ba_build_free(r->b);
    ba_graph_free(r->g);
}

static inline ba_tensor *rig_op1(ba_graph *g, const char *name, ba_tensor *x, int n_attr, const ba_attr *attr)
{
    ba_tensor *t = ba_op_apply(g, name, 1, &x, n_attr, attr, &err);
    CHECK(t, "%s: %s", name, err.msg);
    return t;
}

#endif
