"""Writes parity/arch-*.json: small models of timm with synthetic weights, their logits on synthetic pictures, whole and masked, and gradients
of the mean of the squared logits; all in float64.

    python parity_archs.py          # needs requirements.txt"""

import copy
import functools

import timm
import torch
from timm.models import cait, convit, deit, swin_transformer, vision_transformer
from torch import nn

import parity_case
import synthetic

BATCH, IMAGE, CLASSES = 2, 32, 5
KEPT = [[0, 2, 3, 7, 8, 13, 15], [1, 4, 5, 6, 10, 11, 14]]
MOST = 450  # a gradient of more numbers is not written
SMALL = dict(img_size=IMAGE, patch_size=8, embed_dim=24, depth=3, num_heads=2, num_classes=CLASSES)
OURS = dict(image=IMAGE, patch=8, dim=24, depth=3, heads=2, classes=CLASSES)


def pictures():
    u = synthetic.tensor("image", BATCH, 3, IMAGE, IMAGE)
    pixels = torch.clamp(torch.floor((u + 1) * 128), max=255)
    return (pixels / 255 - 0.5) / 0.5


def gather(x, prefix):
    """The kept patches behind the prefix tokens."""
    index = torch.tensor(KEPT)[:, :, None].expand(-1, -1, x.shape[-1])
    return torch.cat([x[:, :prefix], torch.gather(x[:, prefix:], 1, index)], 1)


def vit_masked(model, x):
    x = gather(model._pos_embed(model.patch_embed(x)), model.num_prefix_tokens)
    x = model.norm(model.blocks(model.norm_pre(x)))
    return model.forward_head(x)


def cait_masked(model, x):
    x = model.blocks(gather(model.patch_embed(x) + model.pos_embed, 0))
    token = model.cls_token.expand(x.shape[0], -1, -1)
    for block in model.blocks_token_only:
        token = block(x, token)
    return model.forward_head(model.norm(torch.cat([token, x], 1)))


def outcome(model, x, forward):
    """Logits and gradients by name."""
    model.zero_grad()
    logits = forward(model, x)
    logits.square().mean().backward()
    want = {"logits": logits.reshape(-1).tolist()}
    for key, p in model.named_parameters():
        if p.grad is not None and p.numel() <= MOST and p.grad.abs().max() > 1e-12:  # a bias under a softmax has none
            want["grad " + key] = p.grad.reshape(-1).tolist()
    return want


def case(name, arch, settings, model, masked=None, half=False):
    """half: how far the model is off in bf16 is written too."""
    model = synthetic.fill(model.double().eval())
    for kept in [False] + [True] * (masked is not None):
        forward = masked if kept else type(model).__call__
        want = outcome(model, pictures(), forward)
        data = {"kind": "arch", "name": name + (", masked" if kept else ""), "source": f"timm {timm.__version__}, float64", "arch": arch,
                "settings": settings, "image": IMAGE, "batch": BATCH, "want": want}
        if kept:
            data["kept"] = sum(KEPT, [])
        if half:
            data["bf16"] = parity_case.apart(outcome(copy.deepcopy(model).bfloat16(), pictures().bfloat16(), forward), want)
        parity_case.save(data)


def convit_model():
    return convit.ConVit(**{**SMALL, "num_heads": 4, "embed_dim": 6}, local_up_to_layer=2, use_pos_embed=True, norm_layer=functools.partial(nn.LayerNorm, eps=1e-6))


def main():
    norm = functools.partial(nn.LayerNorm, eps=1e-6)
    vit = functools.partial(vision_transformer.VisionTransformer, **SMALL, norm_layer=norm)
    case("DeiT", "deit", OURS, vit(), vit_masked, half=True)
    case("distilled DeiT", "deit", {**OURS, "distilled": True}, deit.VisionTransformerDistilled(**SMALL, norm_layer=norm), vit_masked, half=True)
    case("DeiT III", "deit3", OURS, vit(no_embed_class=True, init_values=1e-4), vit_masked, half=True)
    case("MAE, mean of the patches", "mae", OURS, vit(global_pool="avg"), vit_masked, half=True)
    case("MAE, class token", "mae", {**OURS, "pool": "class"}, vit(), vit_masked, half=True)
    case("DINO backbone", "dino", {k: v for k, v in OURS.items() if k != "classes"},
         vision_transformer.VisionTransformer(**{**SMALL, "num_classes": 0}, norm_layer=norm), vit_masked, half=True)
    clip = functools.partial(vision_transformer.VisionTransformer, **SMALL, pre_norm=True, norm_layer=functools.partial(nn.LayerNorm, eps=1e-5))
    case("CLIP, GELU", "clip", OURS, clip(), vit_masked, half=True)
    case("CLIP, QuickGELU", "clip", {**OURS, "activation": "quick-gelu"}, clip(act_layer=timm.layers.QuickGELU), vit_masked, half=True)
    case("CaiT", "cait", OURS, cait.Cait(**SMALL, norm_layer=norm, init_values=1e-5), cait_masked, half=True)
    case("ConViT", "convit", {**OURS, "heads": 4, "local": 2}, convit_model(), half=True)
    case("Swin", "swin", dict(image=IMAGE, patch=2, dim=8, depths="2,2,1", heads="1,2,4", window=4, classes=CLASSES),
         swin_transformer.SwinTransformer(img_size=IMAGE, patch_size=2, embed_dim=8, depths=(2, 2, 1), num_heads=(1, 2, 4), window_size=4,
                                          num_classes=CLASSES, norm_layer=functools.partial(nn.LayerNorm, eps=1e-5)), half=True)


if __name__ == "__main__":
    main()
