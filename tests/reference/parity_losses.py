"""Supervised losses as their public code computes them, restated with PyTorch: values and gradients for tests/reference/parity.

    python3 tests/reference/parity_losses.py           # then once more with `bf16`: what PyTorch's own rounding is
"""

import torch
import torch.nn.functional as F

from parity_case import REAL, Case, uniform

B, C = 4, 6
LABELS = [1, 5, 0, 2]
SOURCE = f"PyTorch {torch.__version__.split('+')[0]}"


def pair(name, loss, what, **settings):
    """A case on logits; returns it with the student's and the teacher's."""
    case = Case("loss", name, f"{SOURCE}, {what}", loss=loss, settings=settings, labels=LABELS, batch=B)
    return case, case.signal("student", "logits", (B, C), scale=3.0), case.signal("teacher", "logits", (B, C), scale=3.0)


Y = torch.tensor(LABELS)

# ---- logits ----
case, zs, zt = pair("cross-entropy, smoothed", "cross-entropy", "cross_entropy(label_smoothing)", smoothing=0.1)
case.write(F.cross_entropy(zs, Y, label_smoothing=0.1))

case, zs, zt = pair("cross-entropy, soft targets of mixed pictures", "cross-entropy", "cross_entropy of probabilities", smoothing=0.1)
smooth = F.one_hot(Y, C).to(REAL) * 0.9 + 0.1 / C
targets = (0.7 * smooth + 0.3 * smooth.flip(0)).float().to(REAL)
case.data["targets"] = targets.tolist()
case.write(F.cross_entropy(zs, targets))

case, zs, zt = pair("binary cross-entropy", "binary-cross-entropy", "binary_cross_entropy_with_logits")
case.write(F.binary_cross_entropy_with_logits(zs, F.one_hot(Y, C).to(REAL)))

case, zs, zt = pair("logit, batchmean, temperature 4", "logit", "kl_div(batchmean) * 16", temperature=4)
case.write(16 * F.kl_div((zs / 4).log_softmax(1), (zt / 4).log_softmax(1), reduction="batchmean", log_target=True))

case, zs, zt = pair("logit, DeiT", "logit", "kl_div(sum) * 9 / numel", temperature=3, reduction="numel")
case.write(9 * F.kl_div((zs / 3).log_softmax(1), (zt / 3).log_softmax(1), reduction="sum", log_target=True) / zs.numel())

case, zs, zt = pair("hard labels", "hard", "cross_entropy of argmax")
case.write(F.cross_entropy(zs, zt.argmax(1)))

case = Case("loss", "hard labels, distillation token", f"{SOURCE}, cross_entropy of argmax", loss="hard", settings={"head": "distillation"}, batch=B)
z = case.signal("student", "distillation_logits", (B, C), scale=3.0)
zt = case.signal("teacher", "logits", (B, C), scale=3.0)
case.write(F.cross_entropy(z, zt.argmax(1)))


def nkd(zs, zt, gamma, t):
    """The label's column apart; the others as a matrix of C-1 columns of their own."""
    own = F.one_hot(Y, C).bool()
    first = -(zt.softmax(1)[own] * zs.log_softmax(1)[own]).mean()
    rest_s, rest_t = zs[~own].reshape(B, C - 1), zt[~own].reshape(B, C - 1)
    second = -((rest_t / t).softmax(1) * (rest_s / t).log_softmax(1)).sum(1).mean()
    return first + gamma * t * t * second


for gamma, t in ((1.0, 1.0), (1.5, 2.0)):
    case, zs, zt = pair(f"NKD, gamma {gamma:g}, temperature {t:g}", "nkd", "columns selected", gamma=gamma, temperature=t)
    case.write(nkd(zs, zt, gamma, t))


def dkd(zs, zt, alpha, beta, t):
    """Binary part by summing probabilities, the others by a label's logit far below."""
    own = F.one_hot(Y, C).to(REAL)
    ps, pt = (zs / t).softmax(1), (zt / t).softmax(1)
    two_s = torch.stack([(ps * own).sum(1), (ps * (1 - own)).sum(1)], 1)
    two_t = torch.stack([(pt * own).sum(1), (pt * (1 - own)).sum(1)], 1)
    target = F.kl_div(two_s.log(), two_t, reduction="sum") * t * t / B
    rest = F.kl_div((zs / t - 1000 * own).log_softmax(1), (zt / t - 1000 * own).softmax(1), reduction="sum") * t * t / B
    return alpha * target + beta * rest


for beta, t in ((0.5, 1.0), (8.0, 4.0)):
    case, zs, zt = pair(f"DKD, beta {beta:g}, temperature {t:g}", "dkd", "1000 subtracted", beta=beta, temperature=t)
    case.write(dkd(zs, zt, 1.0, beta, t))

# ---- features: a student of width 4 and depth 3, a teacher of width 6 and depth 4, grids of 3x3, a class token each ----
G, N, DS, DT, LS, LT = 3, 9, 4, 6, 3, 4
KEPT = [[0, 2, 3, 7], [1, 4, 5, 8], [0, 1, 2, 3], [2, 5, 6, 8]]


def features(name, loss, what, keep=False, **settings):
    case = Case("loss", name, f"{SOURCE}, {what}", loss=loss, settings=settings, labels=LABELS, batch=B)
    for who, depth in (("student", LS), ("teacher", LT)):
        case.facts(who, grid_rows=G, grid_columns=G, patches=N, prefix=1, depth=depth)
    if keep:
        case.data["kept"] = {"teacher": KEPT}
    return case


def tokens_shape(who, keep):
    return B, 1 + (4 if keep and who == "teacher" else N), DS if who == "student" else DT


def tokens(case, who, layer, keep=False):
    name = "features" if layer == (LS if who == "student" else LT) - 1 else f"tokens.{layer}"
    return case.signal(who, name, tokens_shape(who, keep))


def at_kept(x):
    """Patches [B,N,D] at the kept places."""
    return torch.stack([x[b, KEPT[b]] for b in range(B)])


def linear(case, name):
    return case.weight(name + ".weight", (DT, DS), 0.5), case.weight(name + ".bias", (DT,), 0.5)


def conv(case, name):
    return case.weight(name + ".weight", (DT, DT, 3, 3), 0.2), case.weight(name + ".bias", (DT,), 0.2)


def generated(case, name, x):
    """Two convolutions on a map [B,D,G,G], back to tokens."""
    w0, b0 = conv(case, name + ".0")
    w2, b2 = conv(case, name + ".2")
    return F.conv2d(F.conv2d(x, w0, b0, padding=1).relu(), w2, b2, padding=1).flatten(2).transpose(1, 2)


def to_map(x):
    return x.transpose(1, 2).reshape(B, -1, G, G)


for keep in (False, True):
    seen = ", masked teacher" if keep else ""
    by = N / 4 if keep else 1.0
    at = at_kept if keep else (lambda x: x)

    case = features("FitNet, all blocks" + seen, "fitnet", "linear, mse sum", keep, layers="all", weight=0.01)
    total = 0.0
    for mine, theirs in ((0, 0), (1, 2), (2, 3)):  # the first half from the front, the rest from the back
        s, t = tokens(case, "student", mine)[:, 1:], tokens(case, "teacher", theirs, keep)[:, 1:]
        total = total + F.mse_loss(at(F.linear(s, *linear(case, f"fc.{mine}"))), t, reduction="sum") / B
    case.data["student"]["signals"]["tokens.2"] = case.data["student"]["signals"]["features"]
    case.write(0.01 * by * total)

    case = features("MGD, tokens" + seen, "mgd", "conv2d, mse sum", keep, weight=0.01)
    for who in ("student", "teacher"):
        tokens(case, who, 0, keep)
    s, t = tokens(case, "student", 2)[:, 1:], tokens(case, "teacher", 3, keep)[:, 1:]
    s = F.linear(s, *linear(case, "align")) * (uniform("mgd/hidden", (B, N, 1)) >= 0.5)
    case.write(0.01 * by * F.mse_loss(at(generated(case, "generator", to_map(s))), t, reduction="sum") / B)

    case = features("MGD, channels" + seen, "mgd", "conv2d, mse sum", keep, weight=0.01, hide="channels", share=0.3)
    for who in ("student", "teacher"):
        tokens(case, who, 0, keep)
    s, t = tokens(case, "student", 2)[:, 1:], tokens(case, "teacher", 3, keep)[:, 1:]
    left = uniform("mgd/hidden", (B, 1, DT)) >= 0.3
    assert 0 < left.sum() < left.numel()
    s = F.linear(s, *linear(case, "align")) * left
    case.write(0.01 * by * F.mse_loss(at(generated(case, "generator", to_map(s))), t, reduction="sum") / B)

    for form in ("code", "paper"):
        case = features("ViTKD" + (", the paper's form" if form == "paper" else "") + seen, "vitkd",
                        "conv2d, noise sorted" if form == "code" else "conv2d, noise below the share", keep, alpha=0.01, beta=0.02,
                        **({"form": form} if form == "paper" else {}))
        total = 0.0
        for mine, theirs in ((0, 0), (1, 2)):
            s, t = tokens(case, "student", mine)[:, 1:], tokens(case, "teacher", theirs, keep)[:, 1:]
            total = total + 0.01 * F.mse_loss(at(F.linear(s, *linear(case, f"mimic.{mine}"))), t, reduction="sum")
        s, t = tokens(case, "student", 2)[:, 1:], tokens(case, "teacher", 3, keep)[:, 1:]
        x = F.linear(s, *linear(case, "generate.2.align"))
        token = case.weight("generate.2.mask_token", (1, 1, DT))
        noise = uniform("vitkd/generate.2.noise", (B, N))
        if form == "code":  # exactly so many are hidden; sums are those of a picture
            order, share = noise.argsort(1), 0.5 * B
            mask = torch.ones(B, N, dtype=REAL).scatter(1, order[:, :int(N * 0.5)], 0.0).unsqueeze(-1)
        else:
            mask, share = (noise < 0.5).to(REAL).unsqueeze(-1), 1.0
        x = x * (1 - mask) + token * mask
        y = generated(case, "generate.2.generator", to_map(x))
        total = total / (B if form == "code" else 1) + 0.02 / share * F.mse_loss(at(y * mask), t * at(mask), reduction="sum")
        case.write(by * total)

    case = features("ViTKD, behind the attention" + seen, "vitkd", "linear, mse sum", keep, alpha=0.01, module="mha", generate="none")
    total = 0.0
    for mine, theirs in ((0, 0), (1, 2)):
        both = []
        for who, layer in (("student", mine), ("teacher", theirs)):
            before = case.signal(who, f"tokens.{layer - 1}" if layer else "embedded", tokens_shape(who, keep))
            both.append((before + case.signal(who, f"attention_output.{layer}", tokens_shape(who, keep)))[:, 1:])
        total = total + 0.01 / B * F.mse_loss(at(F.linear(both[0], *linear(case, f"mimic.{mine}"))), both[1], reduction="sum")
    case.write(by * total)

    case = features("ViTKD, correlations" + seen, "vitkd", "bmm", keep, alpha=0.01, align="correlation", generate="none", mimic="0")
    s, t = at(tokens(case, "student", 0)[:, 1:]), tokens(case, "teacher", 0, keep)[:, 1:]
    miss = torch.bmm(s, s.transpose(1, 2)) / DS**0.5 - torch.bmm(t, t.transpose(1, 2)) / DT**0.5
    case.write(0.01 * by * by * miss.square().sum() / B)

    case = features("Manifold" + seen, "manifold", "normalize, matmul", keep, layers="0,2", rows=7)
    total = 0.0
    for mine, theirs in ((0, 0), (2, 3)):
        T = 5 if keep else 1 + N
        s = case.signal("student", f"tokens.{mine}", (B, 1 + N, DS))
        t = F.normalize(case.signal("teacher", f"tokens.{theirs}", (B, T, DT)), dim=-1)
        s = F.normalize(torch.cat([s[:, :1], at(s[:, 1:])], 1), dim=-1)

        def gram(a, b):
            return F.mse_loss(a @ a.transpose(-1, -2), b @ b.transpose(-1, -2))

        rows = uniform(f"manifold/rows.{mine}", (B * T,)).argsort(descending=True)[:7]
        total = total + 4 * gram(s, t) + 0.1 * gram(s.transpose(0, 1), t.transpose(0, 1)) + 0.2 * gram(s.reshape(-1, DS)[rows], t.reshape(-1, DT)[rows])
    case.write(total / 2)

    for form in ("renormalise", "mass") if keep else ("renormalise",):
        case = features("Attention, all blocks" + seen + (", " + form if keep else ""), "attention", "log, softmax, kl_div", keep, weight=1, under_mask=form)
        total = 0.0
        for mine, theirs in ((0, 0), (1, 2), (2, 3)):
            s = case.signal("student", f"class_attention.{mine}", (B, 2, 1, 1 + N), softmax=True, scale=2.0)
            t = case.signal("teacher", f"class_attention.{theirs}", (B, 3, 1, 5 if keep else 1 + N), softmax=True, scale=2.0)
            u, v = s[:, :, 0].log().sum(1) / 10, (t[:, :, 0].log().sum(1) / 10).softmax(-1)
            u = u.log_softmax(-1) if form == "mass" else u
            u = torch.cat([u[:, :1], at(u[:, 1:])], 1)
            u = u if form == "mass" else u.log_softmax(-1)
            total = total + F.kl_div(u, v, reduction="batchmean")
        case.write(total)

# ---- the attention generators of ViTKD: a teacher of width 8, so that positions have their quarters ----
DT = 8


def sines():
    """Positions of the grid: sin and cos of the column, then of the row, two frequencies each."""
    out = torch.zeros(N, DT, dtype=REAL)
    for n in range(N):
        for half, at in enumerate((n % G, n // G)):
            for i in range(2):
                turn = at / 10000 ** (i / 2)
                out[n, 4 * half + i] = torch.tensor(turn).sin()
                out[n, 4 * half + 2 + i] = torch.tensor(turn).cos()
    return out.float().to(REAL)


def affine(case, name, out, inner, scale=0.5):
    return case.weight(name + ".weight", (out, inner), scale), case.weight(name + ".bias", (out,), scale)


def norm(case, name, x):
    return F.layer_norm(x, (DT,), case.weight(name + ".weight", (DT,)), case.weight(name + ".bias", (DT,), 0.5), eps=1e-6)


def start(name, generator):
    case = features(name, "vitkd", "scaled_dot_product_attention", mimic="none", generator=generator, beta=0.02)
    for who in ("student", "teacher"):
        tokens(case, who, 0)
    s, t = tokens(case, "student", 2)[:, 1:], tokens(case, "teacher", 3)[:, 1:]
    x = F.linear(s, *linear(case, "generate.2.align"))
    token = case.weight("generate.2.mask_token", (1, 1, DT))
    order = uniform("vitkd/generate.2.noise", (B, N)).argsort(1)
    return case, x, t, token, order


def finish(case, y, t, mask):
    case.write(0.02 / B / 0.5 * ((y - t).square() * mask).sum())


case, x, t, token, order = start("ViTKD, self-attention generator", "self-attention")
mask = torch.ones(B, N, dtype=REAL).scatter(1, order[:, :4], 0.0).unsqueeze(-1)
x = x * (1 - mask) + token * mask + sines()
p = "generate.2.block"
q, k, v = F.linear(norm(case, p + ".norm1", x), *affine(case, p + ".attn.qkv", 3 * DT, DT)).chunk(3, -1)
x = x + F.linear(F.scaled_dot_product_attention(q, k, v), *affine(case, p + ".attn.proj", DT, DT))
h = F.gelu(F.linear(norm(case, p + ".norm2", x), *affine(case, p + ".mlp.fc1", 4 * DT, DT)))
x = x + F.linear(h, *affine(case, p + ".mlp.fc2", DT, 4 * DT))
finish(case, F.linear(norm(case, "generate.2.norm", x), *affine(case, "generate.2.head", DT, DT)), t, mask)

case, x, t, token, order = start("ViTKD, cross-attention generator", "cross-attention")
seen, hidden = order[:, :4].sort(1).values, order[:, 4:].sort(1).values
mask = torch.ones(B, N, dtype=REAL).scatter(1, order[:, :4], 0.0).unsqueeze(-1)
ask = (token + sines()).expand(B, N, DT).gather(1, hidden.unsqueeze(-1).expand(-1, -1, DT))
know = (x + sines()).gather(1, seen.unsqueeze(-1).expand(-1, -1, DT))
p = "generate.2"
nq, nkv = norm(case, p + ".norm_q", ask), norm(case, p + ".norm_kv", know)
q, k, v = (F.linear(y, *affine(case, f"{p}.{n}", DT, DT)) for y, n in ((nq, "q"), (nkv, "k"), (nkv, "v")))
y = ask + F.linear(F.scaled_dot_product_attention(q, k, v), *affine(case, p + ".proj", DT, DT))
y = y + F.linear(F.gelu(F.linear(norm(case, p + ".norm_mlp", y), *affine(case, p + ".fc1", 4 * DT, DT))), *affine(case, p + ".fc2", DT, 4 * DT))
y = F.linear(norm(case, p + ".norm", y), *affine(case, p + ".head", DT, DT))
finish(case, torch.zeros(B, N, DT, dtype=y.dtype).scatter(1, hidden.unsqueeze(-1).expand(-1, -1, DT), y), t, mask)
