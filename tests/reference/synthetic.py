"""Numbers that need no file: every tensor is a function of its name. The C side of this is
tests/reference/synthetic.h; the rule is written out in docs/testing.md."""

import math

import numpy as np
import torch

TABLES = ("pos_embed", "mid_pos_embed", "decoder_pos_embed", "cls_token", "dist_token", "det_token", "mask_token", "cls_emb",
          "relative_position_bias_table")


def uniform(name, count):
    """`count` numbers in [-1, 1), hashed from FNV-1a of the name and the index."""
    h = 0x811C9DC5
    for byte in name.encode("ascii"):
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    mask = np.uint64(0xFFFFFFFF)
    z = (np.uint64(h) + np.uint64(0x9E3779B9) * np.arange(1, count + 1, dtype=np.uint64)) & mask
    z ^= z >> np.uint64(16)
    z = z * np.uint64(0x85EBCA6B) & mask
    z ^= z >> np.uint64(13)
    z = z * np.uint64(0xC2B2AE35) & mask
    z ^= z >> np.uint64(16)
    return z.astype(np.float64) / 2.0**31 - 1.0


def tensor(name, *shape):
    return torch.from_numpy(uniform(name, math.prod(shape)).reshape(shape).copy())


def weight(name, shape, repeat=None):
    """A learned tensor, scaled by the last part of its name; its numbers begin again after `repeat` of them."""
    u = np.resize(uniform(name, min(math.prod(shape), repeat or math.prod(shape))), shape)
    last = name.rsplit(".", 1)[-1]
    if last in TABLES:
        u = 0.5 * u
    elif last.startswith("gamma"):
        u = 0.5 + 0.25 * u
    elif len(shape) == 1:
        u = 1.0 + 0.2 * u if last == "weight" else 0.1 * u
    else:
        u = u * math.sqrt(3.0 / math.prod(shape[1:]))
    return torch.from_numpy(np.ascontiguousarray(u))


def fill(model, prefix=""):
    """Gives every parameter its synthetic value; prefix distinguishes two models of one shape."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(weight(prefix + name, tuple(p.shape)))
    return model
