"""Writes golden_deit.h and golden_ops.h beside itself: float64 values from PyTorch that the C tests compare with.

    python make_golden.py          # needs requirements.txt

The model is tiny (dim 48, depth 3, heads 3, patch 4, image 16, classes 7), weights and pictures come from synthetic.py, so
the headers hold results only. Each parameter is summarised by sum, L2 norm and its first four numbers."""

import pathlib

import torch
from torch.nn import functional as F

import synthetic
import vit

HERE = pathlib.Path(__file__).parent
BATCH, CLASSES, IMAGE, PATCH, DIM, DEPTH, HEADS = 3, 7, 16, 4, 48, 3, 3
TEACHER = (64, 2, 4)  # dim, depth, heads
KEEP = 6
LABELS = [3, 0, 6]
LR, DECAY, STEPS = 1e-3, 0.05, 3
SMOOTHING, TEMPERATURE = 0.1, 2.0


class Header:
    def __init__(self, path, guard, words):
        self.path = path
        version = torch.__version__.split("+")[0]
        self.text = f"/* {path.name}: {words}\n * Written by make_golden.py with PyTorch {version}; do not edit. */\n"
        self.text += f"#ifndef {guard}\n#define {guard}\n"

    def define(self, **values):
        self.text += "\n" + "".join(f"#define {name} {value}\n" for name, value in values.items())

    def array(self, name, values, words, kind="double"):
        flat = torch.as_tensor(values).detach().flatten().tolist()
        items = [str(v) if kind == "int" else f"{v:.12g}" for v in flat]
        lines, line = [], "   "
        for item in items:
            if len(line) + len(item) > 118:
                lines.append(line)
                line = "   "
            line += f" {item},"
        self.text += f"\n/* {words} */\nstatic const {kind} {name}[{len(items)}] = {{\n" + "\n".join(lines + [line]) + "\n};\n"

    def strings(self, name, values, words):
        self.text += f"\n/* {words} */\nstatic const char *const {name}[{len(values)}] = {{\n"
        self.text += "".join(f'    "{v}",\n' for v in values) + "};\n"

    def close(self):
        self.path.write_text(self.text + "\n#endif\n")
        print(self.path.name, len(self.text), "bytes")


def student():
    return synthetic.fill(vit.VisionTransformer(DIM, DEPTH, HEADS, IMAGE, PATCH, CLASSES).double())


def teacher():
    return synthetic.fill(vit.VisionTransformer(*TEACHER, IMAGE, PATCH, CLASSES).double(), "teacher.").eval()


def summary(tensors):
    rows = [torch.cat([torch.stack([t.sum(), t.norm()]), t.flatten()[:4]]) for t in tensors]
    return torch.stack(rows)


def kl(student_logits, teacher_logits, temperature):
    log_p = F.log_softmax(student_logits / temperature, -1)
    log_q = F.log_softmax(teacher_logits / temperature, -1)
    return F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) * temperature**2


def best(scores):
    """The kept patches, ascending; far enough from a tie for fp32 to agree."""
    order = scores.sort(-1, descending=True).values
    assert (order[:, KEEP - 1] - order[:, KEEP]).min() > 1e-5
    return scores.topk(KEEP).indices.sort(-1).values


def distil(model, master, images, labels):
    """MaskedKD's loss, and what the teacher was shown."""
    maps = []
    logits = model(images, maps=maps)
    with torch.no_grad():
        kept = best(maps[-1].mean(1)[:, 1:])
        target = master(images, kept)
    ce = F.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
    return ce + kl(logits, target, TEMPERATURE), kept


def patch_softmax(model, images):
    """The paper's form of the saliency: each head normalised over the patches alone."""
    maps = []
    model(images, maps=maps)
    row = maps[-1][:, :, 1:]
    return (row / row.sum(-1, keepdim=True)).mean(1)


def gradients(model, loss):
    return summary(torch.autograd.grad(loss, list(model.parameters())))


def deit():
    out = Header(HERE / "golden_deit.h", "GOLDEN_DEIT_H", "a tiny DeiT and its masked teacher in float64.")
    out.define(GOLDEN_BATCH=BATCH, GOLDEN_CLASSES=CLASSES, GOLDEN_IMAGE=IMAGE, GOLDEN_PATCH=PATCH)
    out.define(GOLDEN_DIM=DIM, GOLDEN_DEPTH=DEPTH, GOLDEN_HEADS=HEADS)
    out.define(GOLDEN_TEACHER_DIM=TEACHER[0], GOLDEN_TEACHER_DEPTH=TEACHER[1], GOLDEN_TEACHER_HEADS=TEACHER[2], GOLDEN_KEEP=KEEP)
    out.define(GOLDEN_SMOOTHING=SMOOTHING, GOLDEN_TEMPERATURE=TEMPERATURE, GOLDEN_LR=LR, GOLDEN_DECAY=DECAY, GOLDEN_STEPS=STEPS)
    images = synthetic.tensor("image", BATCH, 3, IMAGE, IMAGE)
    labels = torch.tensor(LABELS)
    model, master = student(), teacher()
    names = [name for name, _ in model.named_parameters()]
    out.define(GOLDEN_PARAMS=len(names))
    out.array("golden_labels", LABELS, "labels of the batch", "int")
    out.strings("golden_param", names, "parameters of the student, in the order of the summaries")
    out.array("golden_decayed", [int(p.ndim > 1 and n not in ("cls_token", "pos_embed")) for n, p in model.named_parameters()],
              "1: weight-decayed", "int")
    maps = []
    logits = model(images, maps=maps)
    out.array("golden_logits", logits, "student logits [batch][classes]")
    out.array("golden_class_attention", torch.stack(maps), "class token's attention [depth][batch][heads][1 + patches]")
    scores = maps[-1].mean(1)[:, 1:]
    other = patch_softmax(model, images)
    kept = best(scores)
    out.array("golden_scores", scores, "saliency, softmax over all tokens [batch][patches]")
    out.array("golden_scores_patches", other, "saliency, softmax over the patches alone")
    out.array("golden_kept", kept, "kept patches, ascending [batch][keep]", "int")
    out.array("golden_kept_patches", best(other), "the same by the other saliency", "int")
    with torch.no_grad():
        out.array("golden_teacher_logits", master(images), "teacher, all patches [batch][classes]")
        out.array("golden_teacher_kept_logits", master(images, kept), "teacher, kept patches")
    ce = F.cross_entropy(logits, labels)
    losses = [ce, F.cross_entropy(logits, labels, label_smoothing=SMOOTHING)]
    losses += [kl(logits, master(images, which), t) for which in (None, kept) for t in (1.0, TEMPERATURE)]
    out.array("golden_losses", [loss.item() for loss in losses],
              "cross-entropy; smoothed; t^2 KL per image with the full teacher at t = 1, GOLDEN_TEMPERATURE; with the masked one")
    out.array("golden_ce_grad", gradients(model, ce), "d cross-entropy / d parameter: sum, norm, first four [params][6]")
    loss, _ = distil(model, master, images, labels)
    out.array("golden_distil_grad", gradients(model, loss), "the same of smoothed cross-entropy + KL with the masked teacher")
    optimiser = torch.optim.AdamW(vit.timm_groups(model, DECAY), lr=LR, betas=(0.9, 0.999), eps=1e-8)
    losses, norms, shown = [], [], []
    for _ in range(STEPS):
        loss, kept = distil(model, master, images, labels)
        optimiser.zero_grad()
        loss.backward()
        norms.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item())
        optimiser.step()
        losses.append(loss.item())
        shown.append(kept)
    out.array("golden_step_loss", losses, "that loss at each step")
    out.array("golden_step_kept", torch.stack(shown), "what the teacher is shown at each step [steps][batch][keep]", "int")
    out.array("golden_step_norm", norms, "global gradient norm at each step")
    after = summary([p.detach() for p in model.parameters()])
    out.array("golden_after", after, "parameters after the steps of AdamW [params][6]")
    with torch.no_grad():
        out.array("golden_after_logits", model(images), "student logits after the steps")
    out.close()


def attention_case(out):
    batch, tokens, heads, width = 1, 5, 2, 4
    dim = heads * width
    qkv = (2 * synthetic.tensor("qkv", batch, tokens, 3 * dim)).requires_grad_()
    q, k, v = qkv.view(batch, tokens, 3, heads, width).permute(2, 0, 3, 1, 4)
    prob = (q @ k.transpose(-1, -2) / width**0.5).softmax(-1)
    result = (prob @ v).transpose(1, 2).reshape(batch, tokens, dim)
    row = prob[:, :, :1]
    weight_out, weight_row = synthetic.tensor("dout", *result.shape), synthetic.tensor("drow", *row.shape)
    out.define(GOLDEN_ATT_TOKENS=tokens, GOLDEN_ATT_HEADS=heads, GOLDEN_ATT_DIM=dim)
    out.array("golden_att_out", result, "attention(2 u(qkv)) [1][tokens][dim]")
    out.array("golden_att_class", row, "its class token's probabilities [1][heads][1][tokens]")
    grad = torch.autograd.grad((result * weight_out).sum(), qkv, retain_graph=True)[0]
    out.array("golden_att_grad", grad, "d sum(out * u(dout)) / d qkv")
    grad = torch.autograd.grad((row * weight_row).sum(), qkv)[0]
    out.array("golden_att_class_grad", grad, "d sum(class * u(drow)) / d qkv")


def layernorm_case(out):
    rows, dim = 3, 6
    x = (3 * synthetic.tensor("x", rows, dim)).requires_grad_()
    w, b = synthetic.weight("norm.weight", (dim,)).requires_grad_(), synthetic.weight("norm.bias", (dim,)).requires_grad_()
    y = F.layer_norm(x, (dim,), w, b, 1e-6)
    dx, dw, db = torch.autograd.grad((y * synthetic.tensor("dy", rows, dim)).sum(), (x, w, b))
    out.define(GOLDEN_LN_ROWS=rows, GOLDEN_LN_DIM=dim)
    out.array("golden_ln_y", y, "layernorm(3 u(x)) with weight 1 + 0.2 u(norm.weight), bias 0.1 u(norm.bias), eps 1e-6")
    out.array("golden_ln_dx", dx, "gradients of sum(y * u(dy))")
    out.array("golden_ln_dw", dw, "of the weight")
    out.array("golden_ln_db", db, "of the bias")


def linear_case(out):
    rows, inner, outer = 4, 5, 6
    x = (2 * synthetic.tensor("x", rows, inner)).requires_grad_()
    w, b = synthetic.weight("fc.weight", (outer, inner)).requires_grad_(), synthetic.weight("fc.bias", (outer,)).requires_grad_()
    y = F.gelu(F.linear(x, w, b))
    dx, dw, db = torch.autograd.grad((y * synthetic.tensor("dy", rows, outer)).sum(), (x, w, b))
    out.define(GOLDEN_FC_ROWS=rows, GOLDEN_FC_IN=inner, GOLDEN_FC_OUT=outer)
    out.array("golden_fc_y", y, "gelu(linear(2 u(x))) with synthetic fc.weight, fc.bias")
    out.array("golden_fc_dx", dx, "gradients of sum(y * u(dy))")
    out.array("golden_fc_dw", dw, "of the weight")
    out.array("golden_fc_db", db, "of the bias")


def gelu_case(out):
    x = torch.tensor([-8.0, -4, -2, -1, -0.5, -1e-3, 0, 1e-3, 0.5, 1, 2, 4, 8], dtype=torch.float64, requires_grad=True)
    y = F.gelu(x)
    out.array("golden_gelu_x", x, "points")
    out.array("golden_gelu_y", y, "exact (erf) GELU")
    out.array("golden_gelu_dy", torch.autograd.grad(y.sum(), x)[0], "its derivative")


def loss_case(out):
    batch, classes = 4, 9
    z = (4 * synthetic.tensor("z", batch, classes)).requires_grad_()
    t = 4 * synthetic.tensor("t", batch, classes)
    labels = torch.tensor([8, 0, 4, 4])
    out.define(GOLDEN_LOSS_BATCH=batch, GOLDEN_LOSS_CLASSES=classes)
    out.array("golden_loss_labels", labels, "labels", "int")
    for smoothing, name in ((0.0, "ce"), (0.1, "ce_smooth")):
        loss = F.cross_entropy(z, labels, label_smoothing=smoothing, reduction="none")
        out.array(f"golden_loss_{name}", loss, f"cross-entropy of 4 u(z), smoothing {smoothing}, per row")
        out.array(f"golden_loss_{name}_grad", torch.autograd.grad(loss.sum(), z)[0], "gradient of its sum")
    soft = (2 * synthetic.tensor("soft", batch, classes)).softmax(-1)
    loss = F.cross_entropy(z, soft, reduction="none")
    out.array("golden_loss_soft", loss, "cross-entropy with targets softmax(2 u(soft)), per row")
    out.array("golden_loss_soft_grad", torch.autograd.grad(loss.sum(), z)[0], "gradient of its sum")
    for temperature in (1, 4):
        log_p, log_q = F.log_softmax(z / temperature, -1), F.log_softmax(t / temperature, -1)
        loss = (log_q.exp() * (log_q - log_p)).sum(-1) * temperature**2
        out.array(f"golden_loss_kl_{temperature}", loss, f"temperature^2 * KL(4 u(t) || 4 u(z)) at {temperature}, per row")
        out.array(f"golden_loss_kl_{temperature}_grad", torch.autograd.grad(loss.sum(), z)[0], "gradient of its sum")


def adamw_case(out):
    p = synthetic.weight("p.weight", (2, 3)).requires_grad_()
    optimiser = torch.optim.AdamW([p], lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)
    trail = []
    for step in range(4):
        p.grad = synthetic.tensor(f"g{step}", 2, 3) * 10.0 ** -(2 * step)
        optimiser.step()
        trail.append(p.detach().clone())
    out.array("golden_adamw", torch.stack(trail),
              "p.weight [2][3] after each step of AdamW: lr .01, decay .1, gradients 10^(-2 step) u(g0..g3)")


def ops():
    out = Header(HERE / "golden_ops.h", "GOLDEN_OPS_H", "single operations in float64; u(NAME) is the synthetic rule.")
    for case in (attention_case, layernorm_case, linear_case, gelu_case, loss_case, adamw_case):
        case(out)
    out.close()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    deit()
    ops()
