"""A plain vision transformer in PyTorch, with timm's parameter names: the peer of the benchmarks and the source of the
golden files. `kept` gathers patches before the blocks, as the masked teacher of MaskedKD does: before they are embedded, which costs
less, or (`late`) after all of them were, as the published code has it. `maps` takes the class token's attention."""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, maps=None, written=False):
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if written:  # the whole matrix, as the published code has it
            attention = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
            maps.append(attention[:, :, 0])
            out = attention @ v
        else:
            if maps is not None:  # the class token's row of every head, over all keys
                maps.append((q[:, :, :1] @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)[:, :, 0])
            out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(batch, tokens, dim))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)

    def forward(self, x, maps=None, written=False):
        x = x + self.attn(self.norm1(x), maps, written)
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, dim, patch):
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(3, dim, patch, stride=patch)

    def forward(self, x, kept=None):
        if kept is None:
            return self.proj(x).flatten(2).transpose(1, 2)
        batch, _, rows, columns = x.shape
        x = x.view(batch, 3, rows // self.patch, self.patch, columns // self.patch, self.patch).permute(0, 2, 4, 1, 3, 5)
        x = x.reshape(batch, -1, 3 * self.patch**2)
        x = x.gather(1, kept.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        return F.linear(x, self.proj.weight.flatten(1), self.proj.bias)


class VisionTransformer(nn.Module):
    def __init__(self, dim, depth, heads, image=224, patch=16, classes=1000):
        super().__init__()
        self.patches = (image // patch) ** 2
        self.patch_embed = PatchEmbed(dim, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.patches, dim))
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)

    def embedded(self, images, kept, late):
        positions = self.pos_embed[:, 1:]
        if kept is None:
            return self.patch_embed(images) + positions
        index = kept.unsqueeze(-1).expand(-1, -1, positions.shape[-1])
        if late:
            return (self.patch_embed(images) + positions).gather(1, index)
        return self.patch_embed(images, kept) + positions.expand(images.shape[0], -1, -1).gather(1, index)

    def forward(self, images, kept=None, maps=None, every=True, late=True):
        """every: whether all blocks write into `maps` or only the last; "written": all, from attention matrices that are written out."""
        x = self.embedded(images, kept, late)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(x.shape[0], -1, -1)
        x = torch.cat([first, x], 1)
        for i, block in enumerate(self.blocks):
            wanted = maps is not None and (every or i == len(self.blocks) - 1)
            x = block(x, maps if wanted else None, wanted and every == "written")
        return self.head(self.norm(x)[:, 0])


SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12)}


def geometry(size):
    """(dim, depth, heads) of a size by name, or written as 64/3/2."""
    if size in SIZES:
        return SIZES[size]
    dim, depth, heads = (int(word) for word in size.split("/"))
    return dim, depth, heads


def timm_groups(model, weight_decay):
    """Two groups for AdamW, as timm makes them: vectors, biases, class token and positions are not decayed."""
    decayed, free = [], []
    for name, p in model.named_parameters():
        plain = p.ndim <= 1 or name.endswith(".bias") or name in ("pos_embed", "cls_token", "dist_token")
        (free if plain else decayed).append(p)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
