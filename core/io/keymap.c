/* keymap: renaming rules as lists of "this part of a name becomes that". A map is a set of rules; most files need one or two. */
#include "keymap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/nearest.h"

enum { MODULE = 1, BACKBONE = 2, CLIP = 4, MM_VIT = 8, MM_SWIN = 16, GAMMA = 32, SWIN = 64, AST = 128, TO_AST = 256 };

typedef struct pair { const char *from, *to; } pair;

static const struct { const char *name; unsigned rules; } maps[] = {
    { "plain", 0 }, { "deit3", GAMMA }, { "cait", MODULE }, { "dino", MODULE | BACKBONE }, { "clip", CLIP }, { "swin", SWIN }, { "openmmlab", MM_VIT },
    { "openmmlab-swin", MM_SWIN }, { "ast", MODULE | AST }, { "deit-to-ast", TO_AST }, { "module", MODULE },
};
enum { MAPS = sizeof maps / sizeof maps[0] };

static const struct { unsigned rule; const char *what; } words[] = {
    { MODULE, "module. taken away" }, { BACKBONE, "DINO's backbone" }, { CLIP, "OpenAI's CLIP" }, { MM_VIT, "OpenMMLab's ViT" }, { MM_SWIN, "OpenMMLab's Swin" },
    { GAMMA, "DeiT III's authors" }, { SWIN, "Swin's authors" }, { AST, "AST" }, { TO_AST, "a picture model, for AST" },
};

static const pair clip[] = {
    { "visual.conv1.", "patch_embed.proj." }, { "visual.class_embedding", "cls_token" }, { "visual.positional_embedding", "pos_embed" },
    { "visual.ln_pre.", "norm_pre." }, { "visual.ln_post.", "norm." }, { "visual.transformer.resblocks.", "blocks." }, { ".ln_1.", ".norm1." },
    { ".ln_2.", ".norm2." }, { ".attn.in_proj_", ".attn.qkv." }, { ".attn.out_proj.", ".attn.proj." }, { ".mlp.c_fc.", ".mlp.fc1." },
    { ".mlp.c_proj.", ".mlp.fc2." }, { "visual.proj", "head.weight" }, { NULL, NULL } };
static const pair mm_vit[] = {
    { "backbone.patch_embed.projection.", "patch_embed.proj." }, { "backbone.cls_token", "cls_token" }, { "backbone.pos_embed", "pos_embed" },
    { "backbone.ln1.", "norm." }, { "backbone.layers.", "blocks." }, { ".ln1.", ".norm1." }, { ".ln2.", ".norm2." }, { ".ffn.layers.0.0.", ".mlp.fc1." },
    { ".ffn.layers.1.", ".mlp.fc2." }, { ".attn.gamma1.weight", ".ls1.gamma" }, { ".ffn.gamma2.weight", ".ls2.gamma" }, { "head.layers.head.", "head." },
    { NULL, NULL } };
static const pair mm_swin[] = {
    { "backbone.patch_embed.projection.", "patch_embed.proj." }, { "backbone.patch_embed.norm.", "patch_embed.norm." }, { "backbone.stages.", "layers." },
    { ".attn.w_msa.", ".attn." }, { ".ffn.layers.0.0.", ".mlp.fc1." }, { ".ffn.layers.1.", ".mlp.fc2." }, { "backbone.norm3.", "norm." }, { NULL, NULL } };
static const pair gamma_names[] = { { ".gamma_1", ".ls1.gamma" }, { ".gamma_2", ".ls2.gamma" }, { NULL, NULL } };

static void swap(char name[BAI_NAME_ROOM], const pair *list)
{
    char rest[BAI_NAME_ROOM];
    for (; list->from; list++) {
        char *at = strstr(name, list->from);
        if (!at || (list->from[0] != '.' && at != name))
            continue;
        snprintf(rest, sizeof rest, "%s", at + strlen(list->from));
        snprintf(at, (size_t)(BAI_NAME_ROOM - (at - name)), "%s%s", list->to, rest);
    }
}

static int begins(const char *name, const char *with) { return !strncmp(name, with, strlen(with)); }
static int ends(const char *name, const char *with)
{
    size_t n = strlen(name), m = strlen(with);
    return n >= m && !strcmp(name + n - m, with);
}

static void cut(char name[BAI_NAME_ROOM], const char *front)
{
    if (begins(name, front))
        memmove(name, name + strlen(front), strlen(name + strlen(front)) + 1);
}

/* Merging stands at the end of a stage there, at the beginning of the next one here. */
static void next_stage(char name[BAI_NAME_ROOM])
{
    char rest[BAI_NAME_ROOM];
    int stage, used = 0;
    if (sscanf(name, "layers.%d.downsample.%n", &stage, &used) == 1 && used > 0) {
        snprintf(rest, sizeof rest, "%s", name + used);
        snprintf(name, BAI_NAME_ROOM, "layers.%d.downsample.%.560s", stage + 1, rest);
    }
}

static int swin_name(const bai_keymap *m, char name[BAI_NAME_ROOM])
{
    if (ends(name, "relative_position_index") || ends(name, "attn_mask"))
        return BAI_LEAVE;
    next_stage(name);
    if (m->rules & SWIN)
        swap(name, (const pair[]){ { "head.weight", "head.fc.weight" }, { "head.bias", "head.fc.bias" }, { NULL, NULL } });
    return (m->rules & MM_SWIN) && strstr(name, ".downsample.") ? BAI_UNFOLD : BAI_TAKE;
}

int bai_keymap_name(const bai_keymap *m, const char *name, char out[BAI_NAME_ROOM])
{
    snprintf(out, BAI_NAME_ROOM, "%s", name);
    if (m->rules & CLIP) {
        if (!begins(name, "visual."))
            return BAI_LEAVE; /* the text tower */
        swap(out, clip);
        return !strcmp(name, "visual.proj") ? BAI_TURN : BAI_TAKE;
    }
    if (m->rules & MODULE)
        cut(out, "module.");
    if (m->rules & BACKBONE) {
        if (begins(out, "head."))
            return BAI_LEAVE;
        cut(out, "backbone.");
    }
    if (m->rules & AST && begins(out, "v.head"))
        return BAI_LEAVE; /* in AST's files, read by nobody */
    if (m->rules & TO_AST) {
        if (begins(out, "head"))
            return BAI_LEAVE;
        snprintf(out, BAI_NAME_ROOM, "v.%s", name);
    }
    if (m->rules & MM_VIT)
        swap(out, mm_vit);
    if (m->rules & MM_SWIN)
        swap(out, mm_swin);
    if (m->rules & GAMMA)
        swap(out, gamma_names);
    return m->rules & (SWIN | MM_SWIN) ? swin_name(m, out) : BAI_TAKE;
}

int bai_keymap_loose(const bai_keymap *m) { return (m->rules & CLIP) != 0; }
int bai_keymap_needless(const bai_keymap *m, const char *ours) { return (m->rules & CLIP) && !strcmp(ours, "head.bias"); } /* a projection has none */
int bai_keymap_sums(const bai_keymap *m) { return (m->rules & TO_AST) != 0; }
int bai_keymap_spectrograms(const bai_keymap *m) { return (m->rules & AST) != 0; }

/* ---- which map ---- */
static int in_file(const ba_weights *w, const char *prefix, const char *name)
{
    char full[BAI_NAME_ROOM + 520];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return ba_weights_find(w, full) >= 0;
}

static int in_store(const ba_store *s, const char *part)
{
    for (int64_t i = 0; i < ba_store_count(s); i++)
        if (strstr(ba_store_name(s, i), part))
            return 1;
    return 0;
}

/* How many names of the file there are below the prefix, and how many of them begin so. */
static int64_t beginning(const ba_weights *w, const char *prefix, const char *with, int64_t *all)
{
    int64_t n = 0;
    ba_weight_info t;
    *all = 0;
    for (int64_t j = 0; j < ba_weights_count(w); j++)
        if (!ba_weights_info(w, j, &t, NULL) && begins(t.name, prefix)) {
            ++*all;
            n += begins(t.name + strlen(prefix), with);
        }
    return n;
}

static unsigned guess(const ba_weights *w, const char *prefix, const ba_store *s)
{
    char below[600];
    int64_t all;
    unsigned rules = 0;
    if (in_file(w, prefix, "visual.conv1.weight"))
        return CLIP;
    if (in_file(w, prefix, "backbone.patch_embed.projection.weight"))
        return in_file(w, prefix, "backbone.norm3.weight") ? MM_SWIN : MM_VIT;
    snprintf(below, sizeof below, "%.512s", prefix);
    if (beginning(w, prefix, "module.", &all) == all && all && !in_store(s, "module.")) {
        rules |= MODULE;
        snprintf(below, sizeof below, "%.512smodule.", prefix);
    }
    if (beginning(w, below, "backbone.", &all) && !in_store(s, "backbone."))
        rules |= BACKBONE;
    if (in_file(w, below, "blocks.0.gamma_1") && in_store(s, ".ls1.gamma"))
        rules |= GAMMA;
    if (in_file(w, below, "layers.0.blocks.0.attn.relative_position_index") || (in_file(w, below, "layers.0.downsample.norm.weight") && in_store(s, "layers.1.downsample.")))
        rules |= in_file(w, below, "layers.0.downsample.norm.weight") ? SWIN : 0;
    if (in_store(s, "v.cls_token"))
        rules |= in_file(w, below, "v.cls_token") ? AST : in_file(w, below, "cls_token") ? TO_AST : 0;
    return rules;
}

int bai_keymap_find(bai_keymap *m, const char *keys, const ba_weights *w, const char *prefix, const ba_store *s, ba_err *e)
{
    char all[200] = "auto";
    size_t at = 4;
    int known = !strcmp(keys, "auto");
    *m = (bai_keymap){ known ? guess(w, prefix, s) : 0, "" };
    bai_nearest near = bai_nearest_begin(keys);
    for (int i = 0; i < MAPS && !known; i++) {
        if ((known = !strcmp(maps[i].name, keys)))
            m->rules = maps[i].rules;
        bai_nearest_try(&near, maps[i].name);
        at += (size_t)snprintf(all + at, sizeof all - at, ", %s", maps[i].name);
    }
    if (!known)
        return ba_fail(e, BA_EARG, "weights: no names of '%.40s'%s%s%s (there are: %s)", keys, near.best ? "; did you mean '" : "", near.best ? near.best : "",
                       near.best ? "'?" : "", all);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (m->rules & words[i].rule)
            snprintf(m->told + strlen(m->told), sizeof m->told - strlen(m->told), "%s%s", *m->told ? ", " : "", words[i].what);
    return BA_OK;
}
