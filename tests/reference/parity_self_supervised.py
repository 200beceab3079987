"""Losses without labels as their public code computes them, restated with PyTorch: values and gradients for tests/reference/parity.

    python3 tests/reference/parity_self_supervised.py           # then once more with `bf16`: what PyTorch's own rounding is
"""

import torch
import torch.nn.functional as F

from parity_case import Case

B, DS, DT, K = 4, 5, 7, 12
SOURCE = f"PyTorch {torch.__version__.split('+')[0]}"


def embeddings(name, loss, what, ds=DS, dt=DT, states=True, **settings):
    """A case on class tokens of models with one patch; returns it with both embeddings [B,D]."""
    case = Case("loss", name, f"{SOURCE}, {what}", loss=loss, settings=settings, batch=B, labels=[0] * B)
    out = []
    for who, width in (("student", ds), ("teacher", dt)):
        case.facts(who, grid_rows=1, grid_columns=1, patches=1, prefix=1, depth=1)
        out.append(case.signal(who, "features", (B, 2, width))[:, 0])
    return case, out[0], out[1]


def linear(case, name, out, width):
    return case.weight(name + ".weight", (out, width), 0.7), case.weight(name + ".bias", (out,), 0.3)


def divergence(s, t):
    return F.kl_div(s.log_softmax(1), t.log_softmax(1), reduction="batchmean", log_target=True)


# ---- embeddings ----
case, s, t = embeddings("SEED, head of two layers", "seed", "soft cross-entropy over the queue", queue=K, teacher_temperature=0.05)
w0, b0 = linear(case, "head.0", DS, DS)
w2, b2 = linear(case, "head.2", DT, DS)
queue = case.state("queue", (K, DT))
s, t = F.normalize(F.linear(F.linear(s, w0, b0).relu(), w2, b2), dim=1), F.normalize(t, dim=1)
have = torch.cat([torch.einsum("bd,bd->b", s, t)[:, None], s @ queue.T], 1) / 0.2
want = torch.cat([torch.einsum("bd,bd->b", t, t)[:, None], t @ queue.T], 1) / 0.05
case.write(F.cross_entropy(have, want.softmax(1)))

case, s, t = embeddings("CompRess, one queue", "compress-1q", "kl_div(batchmean)", queue=K, temperature=0.1)
w, b = linear(case, "head", DT, DS)
queue = case.state("queue", (K, DT))
s, t = F.normalize(F.linear(s, w, b), dim=1), F.normalize(t, dim=1)
case.write(divergence(s @ queue.T / 0.1, t @ queue.T / 0.1))

case, s, t = embeddings("CompRess, two queues", "compress-2q", "kl_div(batchmean)", queue=K, temperature=0.1)
theirs, mine = case.state("teacher_queue", (K, DT)), case.state("student_queue", (K, DS))
case.write(divergence(F.normalize(s, dim=1) @ mine.T / 0.1, F.normalize(t, dim=1) @ theirs.T / 0.1))

case, s, t = embeddings("Reg, regression", "reg", "mse_loss")
case.write(F.mse_loss(F.linear(s, *linear(case, "head", DT, DS)), t))

case, s, t = embeddings("Reg, absolute", "reg", "pairwise_distance", form="absolute")
case.write(F.pairwise_distance(F.linear(s, *linear(case, "head", DT, DS)), t).mean())

case, s, t = embeddings("Reg, relative", "reg", "pdist", form="relative")
case.write(((F.pdist(s) - F.pdist(t)).square().sum() * 2).sqrt())

case, s, t = embeddings("SimReg", "simreg", "BatchNorm1d in training, cosine_similarity")
x = s
for layer, (out, width) in (("head.0", (2 * DS, DS)), ("head.3", (DS, 2 * DS)), ("head.4", (2 * DS, DS)), ("head.7", (DT, 2 * DS))):
    x = F.linear(x, *linear(case, layer, out, width))
    if out == 2 * DS:
        norm = {"head.0": "head.1", "head.4": "head.5"}[layer]
        x = F.batch_norm(x, None, None, case.weight(norm + ".weight", (out,)), case.weight(norm + ".bias", (out,)), training=True).relu()
case.write((2 - 2 * F.cosine_similarity(x, t, dim=1)).mean())

case, s, t = embeddings("KDEP, power scaling", "kdep", "sign and pow", statistics="given")
mean, basis = case.state("mean", (DT,)), case.state("basis", (DT, DT))
g = (t - mean) @ basis[:, :DS]
case.write(3 * F.mse_loss(s, g.sign() * (g / 0.1).abs().pow(1 / 3)))

case, s, t = embeddings("CC", "cc", "cross_entropy with the pictures' clusters", statistics="given", clusters=5)
clusters, samples = [4, 0, 2, 1, 3, 0], [5, 2, 0, 4]
case.data.update(images=len(clusters), samples=samples, states={"labels": {"shape": [len(clusters)], "data": clusters}})
case.write(F.cross_entropy(F.linear(s, *linear(case, "head", 5, DS)), torch.tensor(clusters)[samples]))

# ---- AttnDistill ----
HS, HT = 2, 3


KEPT = [[0, 2, 3, 7], [1, 4, 5, 8], [0, 1, 2, 3], [2, 5, 6, 8]]


def models(name, what, heads=(HS, HT), grid=(3, 3), values=False, keep=False, **settings):
    """Two models of one block; returns the case, tokens [B,T,D] and class attention [B,H,T] of each. keep: the teacher sees the patches KEPT."""
    case = Case("loss", "AttnDistill, " + name, f"{SOURCE}, {what}", loss="attndistill",
                settings={**settings, "values": True} if values else settings, batch=B)
    out = []
    for who, h, side, width in (("student", heads[0], grid[0], DS), ("teacher", heads[1], grid[1], DT)):
        case.facts(who, grid_rows=side, grid_columns=side, patches=side * side, prefix=1, depth=1)
        T = 1 + (len(KEPT[0]) if keep and who == "teacher" else side * side)
        x = case.signal(who, "tokens.0" if who == "student" else "features", (B, T, width))
        a = case.signal(who, "class_attention.0", (B, h, 1, T), softmax=True)[:, :, 0]
        if values:
            a = a * case.signal(who, "values.0", (B, h, T, 3)).norm(dim=3)
            a = a / a.sum(2, keepdim=True)
        out += [x, a]
    if keep:
        case.data["kept"] = {"teacher": KEPT}
    return (case, *out)


def projected(case, x, n):
    width = x.shape[-1]

    def norm(name, x):
        return F.layer_norm(x, x.shape[-1:], case.weight(name + ".weight", x.shape[-1:]), case.weight(name + ".bias", x.shape[-1:]), 1e-6)

    x = norm("projector.norm", x)
    for i in range(n):
        out = DT if i == n - 1 else (width if i % 2 else 2 * width)
        x = F.linear(x, *linear(case, f"projector.{i}", out, x.shape[-1]))
        x = F.gelu(x) if i < n - 1 else x
    return norm("projector.last", x)


def clamped(a):
    a = a.clamp(1e-5, 0.996)
    return a / a.sum(-1, keepdim=True)


def merged(a, t=10):
    return (a.log().sum(1) / t).softmax(-1)


def guided(s, t):
    s, t = clamped(s), clamped(t)
    return F.kl_div(s.log(), t, reduction="sum") / B


case, x, a, y, c = models("released form", "mse_loss + 0.1 kl_div, heads merged by logarithms")
case.write(F.mse_loss(projected(case, x[:, 0], 4), y[:, 0]) + 0.1 * guided(merged(a), merged(c)))

case, x, a, y, c = models("released form, masked teacher", "class and kept columns renormalised", keep=True)
seen = torch.stack([a[b][:, [0] + [1 + n for n in KEPT[b]]] for b in range(B)])
case.write(F.mse_loss(projected(case, x[:, 0], 4), y[:, 0]) + 0.1 * guided(merged(seen / seen.sum(-1, keepdim=True)), merged(c)))

case, x, a, y, c = models("CompRess on the projected class token", "kl_div(batchmean)", align="none", guidance=0, projector=2, compress=0.5,
                          compress_temperature=0.1, queue=K)
mine, theirs = case.state("student_queue", (K, DT)), case.state("teacher_queue", (K, DT))
case.write(0.5 * divergence(F.normalize(projected(case, x[:, 0], 2), dim=1) @ mine.T / 0.1, F.normalize(y[:, 0], dim=1) @ theirs.T / 0.1))

case, x, a, y, c = models("equal heads, two layers, distance", "norm of the difference, kl_div of each head", heads=(3, 3), projector=2, form="norm")
case.write((projected(case, x[:, 0], 2) - y[:, 0]).norm(dim=1).mean() + 0.1 * guided(a, c))

case, x, a, y, c = models("all tokens", "mse_loss of all tokens", align="tokens", guidance=0, projector=1)
case.write(F.mse_loss(projected(case, x, 1), y))

case, x, a, y, c = models("teacher's grid of 4x4", "interpolate(bicubic)", grid=(3, 4), align="none", guidance=1)
patches = F.interpolate(c[:, :, 1:].reshape(B, HT, 4, 4), size=(3, 3), mode="bicubic", align_corners=False).flatten(2)
patches = patches * (1 - c[:, :, :1]) / patches.sum(2, keepdim=True)
case.write(guided(merged(a), merged(torch.cat([c[:, :, :1], patches], 2).clamp(min=1e-8))))

case, x, a, y, c = models("values", "weighted by norms of values", values=True, align="none", guidance=1)
case.write(guided(merged(a), merged(c)))

for how in ("max", "mean", "min"):
    case, x, a, y, c = models("merged by " + how, how + " over heads, renormalised", align="none", guidance=1, merge=how)
    over = {"max": lambda v: v.amax(1), "mean": lambda v: v.mean(1), "min": lambda v: v.amin(1)}[how]
    case.write(guided(*(over(v) / over(v).sum(-1, keepdim=True) for v in (a, c))))

# ---- G2SD ----
case = Case("loss", "G2SD, first stage", f"{SOURCE}, smooth_l1_loss of layer_norm", loss="g2sd", settings={"layer": 0}, batch=B)
x, t = case.signal("student", "decoder_tokens", (B, 5, DS)), case.signal("teacher", "decoder_hidden.0", (B, 5, DT), scale=3.0)
x = F.linear(F.gelu(F.linear(x, *linear(case, "head.0", DT, DS))), *linear(case, "head.2", DT, DT))
case.write(F.smooth_l1_loss(x, F.layer_norm(t, (DT,), eps=1e-6), beta=2.0))

# ---- DINO: two global views, three local ones ----
case = Case("loss", "DINO, two global and three local views", f"{SOURCE}, loop over pairs", loss="dino", settings={}, batch=B, labels=[0] * B)
s = torch.cat([case.signal("student", "projection", (2 * B, K)), case.signal("student_local", "projection", (3 * B, K))]).chunk(5)
t, centre = case.signal("teacher", "projection", (2 * B, K)).chunk(2), case.state("centre", (1, K), 0.2)
pairs = [F.cross_entropy(s[v] / 0.1, ((t[i] - centre) / 0.04).softmax(1)) for i in range(2) for v in range(5) if v != i]
case.write(torch.stack(pairs).mean())
