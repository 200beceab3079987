"""What the parity scripts share: synthetic inputs, Bauta's random numbers restated, and the files that parity.lua reads."""

import json
import pathlib
import sys

import numpy as np
import torch

import synthetic

FOLDER = pathlib.Path(__file__).parent / "parity"

# With `bf16` on the command line nothing is computed anew: the losses run once more in fp32 with matrix products in bf16, as torch.autocast does it, and
# those named here learn how far that takes PyTorch from what is committed.
HALF = len(sys.argv) > 1 and sys.argv[1] == "bf16"
# Losses without a product of matrices are not among them: autocast rounds nothing of theirs.
HALF_CASES = ("FitNet, all blocks", "MGD, tokens", "ViTKD", "SEED, head of two layers", "SimReg", "CompRess, one queue", "CompRess, two queues", "Reg, regression",
              "Reg, absolute", "KDEP, power scaling", "CC", "AttnDistill, released form", "AttnDistill, released form, masked teacher", "G2SD, first stage")
REAL = torch.float32 if HALF else torch.float64
torch.set_autocast_dtype("cpu", torch.bfloat16)
torch.set_autocast_enabled("cpu", HALF)


def fnv(name):
    h = 0x811C9DC5
    for byte in name.encode("ascii"):
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


def uniform(stream, shape, step=1, seed=0):
    """Philox4x32-10 with key `seed` and counter (index, step, stream): the top 24 bits of each word."""
    out = []
    for index in range((int(np.prod(shape)) + 3) // 4):
        k0, k1, c = seed & 0xFFFFFFFF, seed >> 32, [index, 0, step, fnv(stream)]
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [p1 >> 32 ^ c[1] ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
            k0, k1 = k0 + 0x9E3779B9 & 0xFFFFFFFF, k1 + 0xBB67AE85 & 0xFFFFFFFF
        out += [(x >> 8) / 2.0**24 for x in c]
    return torch.tensor(out[: int(np.prod(shape))], dtype=REAL).reshape(shape)


class Case:
    """A case that grows: give() makes an input known under a name and returns it as a leaf; write() runs backward and saves."""

    def __init__(self, kind, name, source, **more):
        self.data = {"kind": kind, "name": name, "source": source, **more}
        self.leaves = {}

    def tensor(self, name, shape, scale=1.0, softmax=False):
        """A synthetic tensor as the case describes it, and its values rounded to fp32."""
        v = synthetic.tensor(self.data["name"] + "/" + name, *shape) * scale
        if softmax:
            v = v.softmax(-1)
        text = {"synthetic": self.data["name"] + "/" + name, "shape": list(shape), "scale": scale, "softmax": softmax}
        return v.float().to(REAL), text

    def signal(self, who, name, shape, **how):
        v, text = self.tensor(f"{who}.{name}", shape, **how)
        self.data.setdefault(who, {}).setdefault("signals", {})[name] = text
        if who.startswith("student"):
            v.requires_grad_(True)
            self.leaves[f"grad {who}.{name}"] = v
        return v

    def weight(self, name, shape, scale=1.0):
        v, text = self.tensor("weight." + name, shape, scale=scale)
        self.data.setdefault("weights", {})[name] = text
        self.leaves["grad weight." + name] = v.requires_grad_(True)
        return v

    def state(self, name, shape, scale=1.0):
        v, text = self.tensor("state." + name, shape, scale=scale)
        self.data.setdefault("states", {})[name] = text
        return v

    def facts(self, who, **facts):
        self.data.setdefault(who, {})["facts"] = facts

    def write(self, loss):
        loss.backward()
        want = {"loss": loss.item()}
        for name, v in self.leaves.items():
            if v.grad is not None and v.grad.abs().max() > 1e-12:  # a bias under batch normalisation has none but rounding
                want[name] = v.grad.reshape(-1).tolist()
        if HALF:
            return self.note_half(want)
        self.data["want"] = want
        save(self.data)

    def note_half(self, got):
        if self.data["name"] in HALF_CASES:
            data = json.loads(path(self.data).read_text())
            save({**data, "bf16": apart(got, data["want"])})


def apart(got, want):
    """The largest length of the differences of two numbers or lists of one name, relative to the length of the wanted one."""
    def of(g, w):
        g, w = (torch.as_tensor(x, dtype=torch.float64).reshape(-1) for x in (g, w))
        return ((g - w).norm() / w.norm()).item()

    return max(of(got[what], w) for what, w in want.items())


def path(data):
    name = "".join(c if c.isalnum() else "-" for c in f"{data['kind']}-{data['name']}".lower())
    return FOLDER / (name + ".json")


def save(data):
    """One file a case. Numbers keep nine digits, which is more than fp32 has."""
    def short(v):
        if isinstance(v, float):
            return float(f"{v:.9g}")
        if isinstance(v, dict):
            return {k: short(x) for k, x in v.items()}
        return [short(x) for x in v] if isinstance(v, list) else v

    FOLDER.mkdir(exist_ok=True)
    path(data).write_text(json.dumps(short(data), separators=(",", ":")) + "\n")
