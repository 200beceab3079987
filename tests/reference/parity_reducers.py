"""Writes parity/arch-*.json of models with token reduction: timm's vision transformer, its blocks taken apart here and tokens merged (ToMe) or
dropped between attention and MLP as the papers say; float64.

    python parity_reducers.py          # needs requirements.txt"""

import functools
import math

import timm
import torch
from timm.models import deit, vision_transformer
from torch import nn

import parity_archs
import parity_case
import synthetic

LOST = {"constant": [4, 4, 4], "falling": [6, 3, 0], "list": [2, 0, 5]}


def attend(attn, x, sizes):
    """Attention of a block whose tokens stand for `sizes` others; its result, keys [B,n,d] (mean over heads) and map."""
    batch, n, dim = x.shape
    q, k, v = attn.qkv(x).view(batch, n, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if sizes is not None:
        scores = scores + sizes.log()[:, None, None, :]
    weights = scores.softmax(-1)
    return attn.proj((weights @ v).transpose(1, 2).reshape(batch, n, dim)), k.mean(1), weights


def merge_one(x, sizes, keys, lost, prefix):
    """One picture: x [n,D], sizes [n], keys [n,d] -> the same with `lost` tokens fewer. Written with lists, token by token."""
    n = x.shape[0]
    keys = keys / keys.norm(dim=-1, keepdim=True)
    sources, targets = list(range(0, n, 2)), list(range(1, n, 2))
    found = []
    for a in sources:
        if a < prefix:
            continue
        similarity, b = max((((keys[a] * keys[b]).sum().item(), -b) for b in targets if b >= prefix))
        found.append((-similarity, a, -b))
    merged = {a: b for _, a, b in sorted(found)[:lost]}
    order = [i for i in range(prefix)] + [a for a in sources if a >= prefix and a not in merged] + [b for b in targets if b >= prefix]
    tokens, weights = [], []
    for i in order:
        group = [i] + [a for a, b in merged.items() if b == i]
        weight = sum(sizes[j] for j in group)
        tokens.append(sum(x[j] * sizes[j] for j in group) / weight)
        weights.append(weight)
    return torch.stack(tokens), torch.stack(weights)


def tome(model, x, losses, proportional):
    prefix, sizes, merged = model.num_prefix_tokens, torch.ones(x.shape[:2], dtype=x.dtype), False
    for block, lost in zip(model.blocks, losses):
        y, keys, _ = attend(block.attn, block.norm1(x), sizes if proportional and merged else None)
        x = x + y
        lost = min(lost, (x.shape[1] - prefix) // 2)
        if lost:
            pairs = [merge_one(x[b], sizes[b], keys[b], lost, prefix) for b in range(x.shape[0])]
            x, sizes, merged = torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs]), True
        x = x + block.mlp(block.norm2(x))
    return x


def drop(model, x, keep, at):
    prefix = model.num_prefix_tokens
    for i, block in enumerate(model.blocks):
        y, _, weights = attend(block.attn, block.norm1(x), None)
        x = x + y
        if i == at:
            kept = weights.mean(1)[:, 0, prefix:].topk(keep).indices.sort(-1).values + prefix
            x = torch.cat([x[:, :prefix], x.gather(1, kept[:, :, None].expand(-1, -1, x.shape[-1]))], 1)
        x = x + block.mlp(block.norm2(x))
    return x


def case(name, settings, reducer, model, through, masked=False):
    model = synthetic.fill(model.double().eval())
    x = model._pos_embed(model.patch_embed(parity_archs.pictures()))
    x = parity_archs.gather(x, model.num_prefix_tokens) if masked else x
    logits = model.forward_head(model.norm(through(model, x)))
    logits.square().mean().backward()
    want = {"logits": logits.reshape(-1).tolist()}
    for key in ("norm.weight", "blocks.0.norm1.weight", "blocks.1.norm2.bias", "cls_token"):
        want["grad " + key] = dict(model.named_parameters())[key].grad.reshape(-1).tolist()
    data = {"kind": "arch", "name": name, "source": f"timm {timm.__version__} with the reduction restated, float64", "arch": "deit",
            "settings": settings, "reducer": reducer, "image": parity_archs.IMAGE, "batch": parity_archs.BATCH, "want": want}
    if masked:
        data["kept"] = sum(parity_archs.KEPT, [])
    parity_case.save(data)


def main():
    norm = functools.partial(nn.LayerNorm, eps=1e-6)
    vit = functools.partial(vision_transformer.VisionTransformer, **parity_archs.SMALL, norm_layer=norm)
    two = functools.partial(deit.VisionTransformerDistilled, **parity_archs.SMALL, norm_layer=norm)
    ours, both = parity_archs.OURS, {**parity_archs.OURS, "distilled": True}

    def merging(how, proportional=True):
        return functools.partial(tome, losses=LOST[how], proportional=proportional)

    case("DeiT, ToMe", ours, {"plugin": "tome", "settings": {"r": 4}}, vit(), merging("constant"))
    case("DeiT, ToMe, masked", ours, {"plugin": "tome", "settings": {"r": 4}}, vit(), merging("constant"), masked=True)
    case("DeiT, ToMe, falling", ours, {"plugin": "tome", "settings": {"r": 3, "inflect": -1}}, vit(), merging("falling"))
    case("DeiT, ToMe, listed, not weighed", ours, {"plugin": "tome", "settings": {"list": "2,0,5", "proportional": False}}, vit(),
         merging("list", proportional=False))
    case("distilled DeiT, ToMe", both, {"plugin": "tome", "settings": {"r": 4}}, two(), merging("constant"))
    case("DeiT, drop", ours, {"plugin": "drop", "settings": {"keep": 5, "layer": "middle"}}, vit(), functools.partial(drop, keep=5, at=1))


if __name__ == "__main__":
    main()
