"""Writes parity/arch-*.json of the architectures that timm lacks: AST, ConvViT, YOLOS, Segmenter, DINO's head and MAE's decoder, restated here from
their papers with PyTorch under the names of their files, in float64; and ConViT of timm, masked.

    python parity_restated.py          # needs requirements.txt"""

import math

import timm
import torch
import torch.nn.functional as F
from timm.models import convit

import parity_archs
import parity_case
import synthetic

BATCH, CLASSES = 2, 5
EVERY, LONG = 13, 1000  # of a signal of more than LONG numbers one in EVERY is written
SOURCE = f"our restatement, PyTorch {torch.__version__.split('+')[0]}, float64"


class Model:
    """Learned tensors that begin to exist where they are first named, and the parts that vision transformers share."""

    def __init__(self, repeat=None, real=torch.float64):
        self.leaves, self.repeat, self.real = {}, repeat, real

    def __call__(self, name, *shape):
        if name not in self.leaves:
            self.leaves[name] = synthetic.weight(name, shape, self.repeat).to(self.real).requires_grad_(True)
        return self.leaves[name]

    def linear(self, name, x, out, bias=True):
        return F.linear(x, self(name + ".weight", out, x.shape[-1]), self(name + ".bias", out) if bias else None)

    def norm(self, name, x, eps):
        return F.layer_norm(x, x.shape[-1:], self(name + ".weight", x.shape[-1]), self(name + ".bias", x.shape[-1]), eps)

    def convolution(self, name, x, out, kernel, **how):
        groups = how.get("groups", 1)
        return F.conv2d(x.to(self.real), self(name + ".weight", out, x.shape[1] // groups, kernel, kernel), self(name + ".bias", out), **how)

    def patches(self, name, x, patch, dim, stride=None):
        """[B,C,H,W] -> tokens [B,N,dim], row by row."""
        return self.convolution(name, x, dim, patch, stride=stride or patch).flatten(2).transpose(1, 2)

    def block(self, name, x, heads, eps):
        batch, n, dim = x.shape
        y = self.linear(name + ".attn.qkv", self.norm(name + ".norm1", x, eps), 3 * dim)
        q, k, v = y.view(batch, n, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(dim // heads)).softmax(-1)
        x = x + self.linear(name + ".attn.proj", (weights @ v).transpose(1, 2).reshape(batch, n, dim), dim)
        y = F.gelu(self.linear(name + ".mlp.fc1", self.norm(name + ".norm2", x, eps), 4 * dim))
        return x + self.linear(name + ".mlp.fc2", y, dim)


def picture(rows, columns, channels=3):
    """What the models see: the pixels of `image`, 0 to 255, around zero; one channel is a spectrogram, as it is."""
    u = synthetic.tensor("image", BATCH, channels, rows, columns)
    return u if channels == 1 else (torch.clamp(torch.floor((u + 1) * 128), max=255) / 255 - 0.5) / 0.5


def keep(x, kept, before=0, behind=0):
    """The kept of the patches that stand between `before` and `behind` other tokens."""
    if kept is None:
        return x
    end = x.shape[1] - behind
    middle = torch.stack([x[b, before:end][kept[b]] for b in range(BATCH)])
    return torch.cat([x[:, :before], middle, x[:, end:]], 1)


def resized(table, old, new, mode):
    """Positions [1,R*C,D] of one grid on another."""
    grid = table.transpose(1, 2).reshape(1, -1, *old)
    return F.interpolate(grid, size=new, mode=mode, align_corners=False).flatten(2).transpose(1, 2)


def extra(m, name, count, dim):
    return m(name, 1, count, dim).expand(BATCH, -1, -1)


# ---- the models: each returns its signals by name ----
def ast(m, kept, *, bins, frames, stride, dim, depth, heads, classes):
    x = m.patches("v.patch_embed.proj", picture(bins, frames, 1), 16, dim, stride)
    x = torch.cat([extra(m, "v.cls_token", 1, dim), extra(m, "v.dist_token", 1, dim), x], 1)
    x = keep(x + m("v.pos_embed", 1, x.shape[1], dim), kept, before=2)
    for i in range(depth):
        x = m.block(f"v.blocks.{i}", x, heads, 1e-6)
    x = m.norm("v.norm", x, 1e-6)
    return {"logits": m.linear("mlp_head.1", m.norm("mlp_head.0", (x[:, 0] + x[:, 1]) / 2, 1e-5), classes)}


def convvit(m, kept, *, image, dim, depth, heads, stem_depth, classes):
    def channels_last(x):
        return x.permute(0, 2, 3, 1)

    def channels_first(x):
        return x.permute(0, 3, 1, 2)

    def embedded(stage, x, width, patch):
        x = m.convolution(f"patch_embed{stage}.proj", x, width, patch, stride=patch)
        return F.gelu(channels_first(m.norm(f"patch_embed{stage}.norm", channels_last(x), 1e-5)))

    def convolved(name, x):
        width = x.shape[1]
        y = m.convolution(name + ".conv1", channels_first(m.norm(name + ".norm1", channels_last(x), 1e-5)), width, 1)
        y = m.convolution(name + ".attn", y, width, 5, padding=2, groups=width)
        x = x + m.convolution(name + ".conv2", y, width, 1)
        y = m.convolution(name + ".mlp.fc1", channels_first(m.norm(name + ".norm2", channels_last(x), 1e-5)), 4 * width, 1)
        return x + m.convolution(name + ".mlp.fc2", F.gelu(y), width, 1)

    x = embedded(1, picture(image, image), dim // 3, 4)
    for i in range(stem_depth):
        x = convolved(f"blocks1.{i}", x)
    x = embedded(2, x, dim // 2, 2)
    for i in range(stem_depth):
        x = convolved(f"blocks2.{i}", x)
    x = m.linear("patch_embed4", embedded(3, x, dim, 2).flatten(2).transpose(1, 2), dim)
    x = keep(x + m("pos_embed", 1, x.shape[1], dim), kept)
    for i in range(depth):
        x = m.block(f"blocks3.{i}", x, heads, 1e-6)
    return {"logits": m.linear("head", m.norm("fc_norm", x.mean(1), 1e-6), classes)}


def yolos(m, kept, *, rows, columns, table_rows, table_columns, dim, depth, heads, detections, classes, middle):
    """Tokens in the authors' order: class, patches, detections."""
    grid, table = (rows // 16, columns // 16), (table_rows, table_columns)

    def positions(t):
        ends = t[:, :1], t[:, 1 + table_rows * table_columns:]
        return torch.cat([ends[0], resized(t[:, 1:-detections], table, grid, "bicubic"), ends[1]], 1)

    count = 1 + table_rows * table_columns + detections
    x = m.patches("backbone.patch_embed.proj", picture(rows, columns), 16, dim)
    x = torch.cat([extra(m, "backbone.cls_token", 1, dim), x, extra(m, "backbone.det_token", detections, dim)], 1)
    x = keep(x + positions(m("backbone.pos_embed", 1, count, dim)), kept, 1, detections)
    tables = m("backbone.mid_pos_embed", depth - 1, 1, count, dim)
    for i in range(depth):
        x = m.block(f"backbone.blocks.{i}", x, heads, 1e-6)
        if i < depth - 1:
            x = x + keep(positions(tables[i]).expand(BATCH, -1, -1), kept, 1, detections)
    found = m.norm("backbone.norm", x, 1e-6)[:, -detections:]

    def head(name, y, out):
        for i in range(3):
            y = m.linear(f"{name}.layers.{i}", y, dim if i < 2 else out)
            y = y.relu() if i < 2 else y
        return y

    return {"logits": head("class_embed", found, classes), "boxes": head("bbox_embed", found, 4).sigmoid()}


def segmenter(m, kept, *, rows, columns, patch, table, dim, depth, heads, decoder_depth, decoder_heads, classes):
    padded = [-(-side // patch) * patch for side in (rows, columns)]
    grid, old = [side // patch for side in padded], [table // patch] * 2
    x = F.pad(picture(rows, columns), (0, padded[1] - columns, 0, padded[0] - rows))
    x = m.patches("encoder.patch_embed.proj", x, patch, dim)
    positions = m("encoder.pos_embed", 1, 1 + old[0] * old[1], dim)
    positions = torch.cat([positions[:, :1], resized(positions[:, 1:], old, grid, "bilinear")], 1)
    x = keep(torch.cat([extra(m, "encoder.cls_token", 1, dim), x], 1) + positions, kept, 1)
    for i in range(depth):
        x = m.block(f"encoder.blocks.{i}", x, heads, 1e-5)
    x = m.linear("decoder.proj_dec", m.norm("encoder.norm", x, 1e-5)[:, 1:], dim)
    x = torch.cat([x, extra(m, "decoder.cls_emb", classes, dim)], 1)
    for i in range(decoder_depth):
        x = m.block(f"decoder.blocks.{i}", x, decoder_heads, 1e-5)
    x = m.norm("decoder.decoder_norm", x, 1e-5)
    what, classes_of = x[:, :-classes] @ m("decoder.proj_patch", dim, dim), x[:, -classes:] @ m("decoder.proj_classes", dim, dim)
    scores = F.normalize(what, dim=-1) @ F.normalize(classes_of, dim=-1).transpose(1, 2)
    scores = m.norm("decoder.mask_norm", scores, 1e-5)
    out = {"scores": scores, "logits": scores.mean(1)}
    if kept is None:
        maps = scores.transpose(1, 2).reshape(BATCH, classes, *grid)
        out["masks"] = F.interpolate(maps, size=padded, mode="bilinear", align_corners=False)[:, :, :rows, :columns]
    return out


def trunk(m, kept, scope, patch, image, dim, depth, heads, behind=()):
    """A plain ViT: tokens after the last LayerNorm. behind: names of tokens without positions at the end."""
    x = m.patches(scope + "patch_embed.proj", picture(image, image), patch, dim)
    x = torch.cat([extra(m, scope + "cls_token", 1, dim), x], 1)
    x = keep(x + m(scope + "pos_embed", 1, x.shape[1], dim), kept, 1)
    x = torch.cat([x, *(extra(m, name, 1, dim) for name in behind)], 1)
    for i in range(depth):
        x = m.block(f"{scope}blocks.{i}", x, heads, 1e-6)
    return m.norm(scope + "norm", x, 1e-6)


def dino(m, kept, *, image, patch, dim, depth, heads, outputs, **_):
    x = trunk(m, kept, "backbone.", patch, image, dim, depth, heads)[:, 0]
    y = F.gelu(m.linear("head.mlp.0", x, 2048))
    y = F.gelu(m.linear("head.mlp.2", y, 2048))
    y = F.normalize(m.linear("head.mlp.4", y, 256), dim=1)
    v = m("head.last_layer.weight_v", outputs, 256)
    return {"logits": x, "projection": y @ (m("head.last_layer.weight_g", outputs, 1) * v / v.norm(dim=1, keepdim=True)).T}


def g2sd(m, kept, *, image, patch, dim, depth, heads, classes):
    """G2SD's second student: the distillation token is the last one and has no position."""
    x = trunk(m, kept, "", patch, image, dim, depth, heads, ["dist_token"])
    z = m.linear("head_dist", x[:, -1], classes)
    return {"logits": (m.linear("head", x[:, 0], classes) + z) / 2, "distillation_logits": z}


def mae(m, kept, *, image, patch, dim, depth, heads, decoder_dim, decoder_depth, decoder_heads, **_):
    x = trunk(m, kept, "", patch, image, dim, depth, heads)
    y = m.linear("decoder_embed", x, decoder_dim)
    if kept is not None:
        whole = [[m("mask_token", 1, 1, decoder_dim)[0, 0]] * (image // patch) ** 2 for _ in range(BATCH)]
        for b, places in enumerate(kept):
            for i, n in enumerate(places):
                whole[b][n] = y[b, 1 + i]
        y = torch.cat([y[:, :1], torch.stack([torch.stack(row) for row in whole])], 1)
    y = y + m("decoder_pos_embed", 1, y.shape[1], decoder_dim)
    for i in range(decoder_depth):
        y = m.block(f"decoder_blocks.{i}", y, decoder_heads, 1e-6)
    y = m.norm("decoder_norm", y, 1e-6)
    return {"logits": x[:, 0], "decoder_tokens": y, "predictions": m.linear("decoder_pred", y, 3 * patch * patch)[:, 1:]}


# ---- cases ----
def size_of(settings):
    """Rows, columns and channels of what the model sees."""
    if "bins" in settings:
        return settings["bins"], settings["frames"], 1
    return settings.get("rows") or settings["image"], settings.get("columns") or settings["image"], 3


def outcome(signals, leaves):
    """Signals, thinned where they are long, and gradients by name."""
    sum(v.square().mean() for v in signals.values()).backward()
    want = {what: v.reshape(-1)[::EVERY if v.numel() > LONG else 1].tolist() for what, v in signals.items()}
    for key, p in leaves.items():
        if p.grad is not None and p.numel() <= parity_archs.MOST and p.grad.abs().max() > 1e-12:
            want["grad " + key] = p.grad.reshape(-1).tolist()
    return want


def save(name, arch, settings, signals, leaves, kept, source=SOURCE, half=None, **more):
    """half: signals and leaves of the same model in bf16."""
    rows, columns, channels = size_of(settings)
    want = outcome(signals, leaves)
    data = {"kind": "arch", "name": name + (", masked" if kept else ""), "source": source, "arch": arch, "settings": settings,
            "rows": rows, "columns": columns, "channels": channels, "batch": BATCH, "want": want, **more}
    if any(v.numel() > LONG for v in signals.values()):
        data["every"], data["long"] = EVERY, LONG
    if kept:
        data["kept"] = sum(kept, [])
    if half:
        data["bf16"] = parity_case.apart(outcome(*half), want)
    parity_case.save(data)


def case(name, arch, model, settings, kept=None, ours=None, **more):
    """ours: settings that only Bauta has."""
    for places in [None] + [kept] * (kept is not None):
        m, rough = Model(more.get("repeat")), Model(more.get("repeat"), torch.bfloat16)
        save(name, arch, {**settings, **(ours or {})}, model(m, places, **settings), m.leaves, places, half=(model(rough, places, **settings), rough.leaves), **more)


def convit_masked():
    """timm's ConViT; gated positional attention looks up the distances between the patches that are there."""
    model = synthetic.fill(parity_archs.convit_model().double().eval())
    kept = torch.tensor(parity_archs.KEPT)
    x = parity_archs.gather(model.patch_embed(parity_archs.pictures()) + model.pos_embed, 0)
    token = model.cls_token.expand(BATCH, -1, -1)
    for i, block in enumerate(model.blocks):
        if i == model.local_up_to_layer:
            x = torch.cat([token, x], 1)
        if isinstance(block.attn, convit.GPSA):
            whole = block.attn.get_rel_indices(16)[0].double()
            block.attn.rel_indices = torch.stack([whole[row][:, row] for row in kept])
        x = block(x)
    logits = model.head(model.norm(x)[:, 0])
    save("ConViT", "convit", {**parity_archs.OURS, "heads": 4, "local": 2}, {"logits": logits}, dict(model.named_parameters()), parity_archs.KEPT,
         source=f"timm {timm.__version__} with its distances looked up for the kept patches, float64")


SMALL = dict(dim=24, depth=2, heads=2)


def main():
    case("AST", "ast", ast, dict(bins=32, frames=48, stride=10, classes=CLASSES, **SMALL), [[0, 2, 3, 5, 7], [1, 3, 4, 6, 7]])
    case("ConvViT", "convvit", convvit, dict(image=64, stem_depth=1, classes=CLASSES, **SMALL), parity_archs.KEPT)
    case("YOLOS, middle positions", "yolos", yolos, dict(rows=48, columns=64, table_rows=2, table_columns=5, detections=3, classes=4, middle=True,
                                                         dim=24, depth=3, heads=2), [[0, 1, 3, 6, 8, 11], [2, 4, 5, 7, 9, 10]])
    masks = dict(patch=8, table=24, decoder_depth=1, decoder_heads=3, classes=CLASSES, **SMALL)
    case("Segmenter", "segmenter", segmenter, dict(rows=32, columns=32, **masks), parity_archs.KEPT)
    case("Segmenter, picture filled up with zeros", "segmenter", segmenter, dict(rows=27, columns=30, **masks), parity_archs.KEPT)
    case("DINO with its head", "dino", dino, dict(image=32, patch=8, outputs=7, **SMALL), parity_archs.KEPT, ours=dict(head=True, norm_last_layer=False), repeat=4093)
    case("MAE with its decoder", "mae", mae, dict(image=32, patch=8, decoder_dim=16, decoder_depth=1, decoder_heads=2, **SMALL), parity_archs.KEPT,
         ours=dict(pool="none", decoder=True))
    case("G2SD student", "mae", g2sd, dict(image=32, patch=8, classes=CLASSES, **SMALL), parity_archs.KEPT, ours=dict(pool="class", distilled=True))
    convit_masked()


if __name__ == "__main__":
    main()
