"""The peer of `bauta bench step`: one training step of a DeiT, or of MaskedKD, in PyTorch.

    python bench_torch.py --precision fp32 --threads 2 --mode eager --steps 10        # one line of JSON
    python bench_torch.py --device cuda --precision bf16 --mode max-autotune --sdpa cudnn --teacher-size base --keep 98
    python bench_torch.py --part teacher --teacher-size small --keep 98               # the teacher's forward pass alone
    python bench_torch.py --all --steps 5                                             # every combination, a process each

A step: a batch of bytes is normalised, the student answers, with --keep the teacher sees the patches that the student's class token
attends to most (mean over the heads of its last block), cross-entropy plus KL, backward, fused AdamW, the loss is read. Eight batches
take turns. --attention says how MaskedKD's step is written:
    fused     attention is fused everywhere; the class token's row of the last block, the only one asked for, is computed beside it
    official  as in the published code: the student writes out the attention of every block, the teacher embeds every patch first
Peak memory is that of the whole process (on a GPU: of the allocator), so each configuration needs a process of its own.
--gate FOLDER takes weights, batches and results that `bauta bench step --dump FOLDER` has written: nothing is timed unless the same steps
give the same losses, gradient and kept patches; --steps 0 times nothing at all."""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

MODES = ("eager", "default", "reduce-overhead", "max-autotune")
# What rounding may do: losses and gradient (shares), kept patches that are the same (percent).
ALLOWED = {"fp32": (1e-3, 98), "tf32": (1e-2, 90), "bf16": (5e-2, 80)}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", default="tiny", help="tiny, small, base, or DIM/DEPTH/HEADS")
    p.add_argument("--teacher-size", help="with --keep; small when left out")
    p.add_argument("--keep", type=int, help="patches the teacher sees; all of them: their number")
    p.add_argument("--part", default="step", choices=("step", "teacher"))
    p.add_argument("--image", type=int, default=224)
    p.add_argument("--patch", type=int, default=16)
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--precision", default="fp32", choices=("fp32", "tf32", "bf16"))
    p.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    p.add_argument("--threads", type=int, default=0, help="0: one per processor this process may use")
    p.add_argument("--mode", default="eager", choices=MODES, help="eager, or a mode of torch.compile")
    p.add_argument("--sdpa", default="any", choices=("any", "flash", "cudnn"), help="which fused attention, on a GPU")
    p.add_argument("--attention", default="fused", choices=("fused", "official"))
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--gate", type=pathlib.Path, metavar="FOLDER")
    p.add_argument("--all", action="store_true", help="every precision, thread count and mode")
    return p.parse_args()


class Step:
    """One configuration: models, optimiser, batches; called, it takes a step and returns its loss."""

    def __init__(self, a, torch, vit):
        self.a, self.torch = a, torch
        self.device = torch.device(a.device)
        torch.manual_seed(0)
        self.student = self.model(vit, a.size).train()
        self.teacher = self.model(vit, a.teacher_size or "small").eval() if a.keep or a.part == "teacher" else None
        if self.teacher:
            self.teacher.requires_grad_(False)
        self.optimiser = torch.optim.AdamW(vit.timm_groups(self.student, 0.05), lr=1e-4, fused=True)
        self.mean = torch.tensor([0.485, 0.456, 0.406], device=self.device).view(1, 3, 1, 1) * 255
        self.deviation = torch.tensor([0.229, 0.224, 0.225], device=self.device).view(1, 3, 1, 1) * 255
        self.forward = self.teach if a.part == "teacher" else self.losses
        if a.mode != "eager":
            self.forward = torch.compile(self.forward, mode=None if a.mode == "default" else a.mode)
        self.norm, self.kept = None, None

    def model(self, vit, size):
        a = self.a
        return vit.VisionTransformer(*vit.geometry(size), image=a.image, patch=a.patch, classes=a.classes).to(self.device)

    def normalised(self, images):
        return (images.permute(0, 3, 1, 2).float() - self.mean) / self.deviation

    def saliency(self, images):
        """The student's logits and the class token's attention to the patches, mean over heads."""
        maps = []
        logits = self.student(images, maps=maps, every="written" if self.a.attention == "official" else False)
        return logits, maps[-1].detach().float().mean(1)[:, 1:]

    def answer(self, logits, labels):
        return self.torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)

    def losses(self, images, labels):
        torch = self.torch
        images = self.normalised(images)
        if not self.teacher:
            return self.answer(self.student(images).float(), labels), labels
        all_of_them = self.a.keep >= self.student.patches
        logits, scores = (self.student(images), None) if all_of_them else self.saliency(images)
        kept = None if all_of_them else scores.topk(self.a.keep).indices.sort(1).values
        with torch.no_grad():
            told = self.teacher(images, kept=kept, late=self.a.attention == "official").float()
        logits = logits.float()
        # what the published code minimises, with lambda 1 and temperature 1
        kd = torch.nn.functional.kl_div(logits.log_softmax(1), told.log_softmax(1), log_target=True, reduction="batchmean")
        return self.answer(logits, labels) + kd, labels if kept is None else kept

    def teach(self, images, kept):
        with self.torch.no_grad():
            return self.teacher(self.normalised(images), kept=kept)

    def scope(self):
        stack, torch = contextlib.ExitStack(), self.torch
        if self.a.precision == "bf16":
            stack.enter_context(torch.autocast(self.a.device, dtype=torch.bfloat16))
        if self.a.sdpa != "any":
            from torch.nn.attention import SDPBackend, sdpa_kernel

            one = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}[self.a.sdpa]
            stack.enter_context(sdpa_kernel(one))
        return stack

    def __call__(self, images, labels):
        if self.a.part == "teacher":
            with self.scope():
                return self.forward(images, labels).float().mean().item()
        self.optimiser.zero_grad(set_to_none=True)
        with self.scope():
            loss, self.kept = self.forward(images, labels)
        loss.backward()
        if self.norm is None and self.a.gate:
            self.norm = self.torch.nn.utils.get_total_norm([p.grad for p in self.student.parameters()]).item()
        self.optimiser.step()
        return loss.item()


def prepare(a):
    import torch
    import vit

    torch.set_num_threads(a.threads or len(os.sched_getaffinity(0)))
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high" if a.precision == "tf32" else "highest")
    if a.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU that this PyTorch can use")
    return Step(a, torch, vit)


def batches(a, step):
    """Eight batches of bytes where the step computes, with labels (or, for the teacher alone, kept patches spread evenly)."""
    torch = step.torch
    labels = torch.arange(a.batch) * 7 % -(-a.classes // 2)
    if a.part == "teacher":
        n = step.teacher.patches
        k = min(a.keep or n, n)
        labels = None if k == n else (torch.arange(k) * n // k).expand(a.batch, k).contiguous()
    made = [torch.randint(0, 256, (a.batch, a.image, a.image, 3), dtype=torch.uint8) for _ in range(8)]
    host = [m.pin_memory() if a.device == "cuda" else m for m in made]
    labels = labels if labels is None else labels.to(step.device)

    def rotation():
        for images in itertools.cycle(host):
            yield images.to(step.device, non_blocking=True), labels

    return rotation()


def peak_mib(a, torch):
    if a.device == "cuda":
        return round(torch.cuda.max_memory_reserved() / 2**20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def timed(step, source):
    start = time.perf_counter()
    loss = step(*next(source))
    return time.perf_counter() - start, loss


def one(a):
    step = prepare(a)
    if a.gate:
        gate(a, step)
    if not a.steps:
        return
    source = batches(a, step)
    first = [timed(step, source)[1] for _ in range(a.warmup)]
    seconds, losses = zip(*(timed(step, source) for _ in range(a.steps)))
    middle = statistics.median(seconds)
    print(json.dumps({
        "who": "torch", "torch": step.torch.__version__, "part": a.part, "size": a.size, "teacher_size": a.teacher_size, "keep": a.keep,
        "image": a.image, "patch": a.patch, "batch": a.batch, "precision": a.precision, "device": a.device,
        "threads": step.torch.get_num_threads(), "mode": a.mode, "sdpa": a.sdpa, "attention": a.attention, "steps": len(seconds),
        "median_ms": round(1e3 * middle, 3), "best_ms": round(1e3 * min(seconds), 3), "images_per_s": round(a.batch / middle, 2),
        "peak_mib": peak_mib(a, step.torch), "loss_first": (first or losses)[0], "loss": losses[-1],
        "steps_ms": [round(1e3 * s, 3) for s in seconds]}), flush=True)


def apart(got, want):
    return abs(got - want) / max(abs(want), 1e-30)


def gate(a, step):
    """Loads what bauta began with and takes its steps: the same losses, gradient and kept patches, or an error."""
    import numpy
    from safetensors.torch import load_file

    facts = json.loads((a.gate / "facts.json").read_text())
    torch = step.torch
    step.student.load_state_dict(load_file(a.gate / "student.safetensors"))
    if step.teacher:
        step.teacher.load_state_dict(load_file(a.gate / "teacher.safetensors"))
    labels = torch.tensor(facts["labels"]).to(step.device)
    losses, same = [], 100.0
    for i in range(len(facts["losses"])):
        raw = numpy.fromfile(a.gate / f"images.{i + 1}.u8", numpy.uint8).reshape(a.batch, a.image, a.image, 3)
        losses.append(step(torch.from_numpy(raw).to(step.device), labels))
        if i == 0 and facts.get("first_kept"):
            mine = step.kept.reshape(a.batch, -1).tolist()
            theirs = numpy.array(facts["first_kept"]).reshape(a.batch, -1).tolist()
            same = 100 * sum(len(set(x) & set(y)) for x, y in zip(mine, theirs)) / sum(map(len, theirs))
    loose = {a.precision, facts["precision"]}
    limit, least = max(ALLOWED[p][0] for p in loose), min(ALLOWED[p][1] for p in loose)
    seen = {"losses": max(map(apart, losses, facts["losses"])), "gradient": apart(step.norm, facts["grad_norm"]), "kept": same}
    print(json.dumps({"gate": seen, "torch_losses": losses, "bauta_losses": facts["losses"]}), flush=True)
    if not (seen["losses"] <= limit and seen["gradient"] <= limit and same >= least):
        sys.exit(f"the two steps differ: losses by {seen['losses']:.2g}, gradient by {seen['gradient']:.2g}, {same:.1f} % of the kept patches")


def everything(a):
    shared = ["--size", a.size, "--image", a.image, "--patch", a.patch, "--classes", a.classes, "--batch", a.batch, "--steps", a.steps,
              "--warmup", a.warmup, "--device", a.device, "--part", a.part, "--attention", a.attention]
    for name, value in (("--keep", a.keep), ("--teacher-size", a.teacher_size)):
        shared += [name, value] if value else []
    sdpa = ("flash", "cudnn") if a.device == "cuda" else ("any",)
    threads = (1, a.threads or 2) if a.device == "cpu" else (a.threads,)
    for precision, n, mode, which in itertools.product(("fp32", "bf16"), threads, MODES, sdpa):
        options = [*shared, "--precision", precision, "--threads", n, "--mode", mode, "--sdpa", which]
        done = subprocess.run([sys.executable, __file__, *map(str, options)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            print(done.stdout, end="", flush=True)
        else:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"skipped: {precision} {n} threads {mode} {which}: {why}", flush=True)


if __name__ == "__main__":
    given = arguments()
    (everything if given.all else one)(given)
