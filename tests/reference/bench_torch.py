"""The peer of `bauta bench step`: forward, backward and AdamW of a DeiT in PyTorch on the CPU.

    python bench_torch.py --precision fp32 --threads 2 --mode eager --steps 10    # one line of JSON
    python bench_torch.py --all --steps 5                                         # every combination, a process each

Peak memory is that of the whole process, so each configuration needs a process of its own. Nothing is loaded from disk:
pictures and labels are random, eight batches are rotated, and every step reads its loss as a training loop would."""

import argparse
import contextlib
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time

MODES = ("eager", "compile")


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--size", default="tiny", choices=("tiny", "small", "base"))
    p.add_argument("--model", default="own", choices=("own", "timm"))
    p.add_argument("--image", type=int, default=224)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--mode", default="eager", choices=MODES)
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--warmup", type=int, default=2)
    p.add_argument("--all", action="store_true", help="every precision, thread count and mode")
    return p.parse_args()


def make_model(a):
    import vit

    if a.model == "timm":
        import timm

        return timm.create_model(f"deit_{a.size}_patch16_224", pretrained=False, img_size=a.image)
    return vit.VisionTransformer(*vit.SIZES[a.size], image=a.image)


def make_step(a):
    """A function that runs one training step and returns its loss."""
    import torch
    import vit

    torch.set_num_threads(a.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    model = make_model(a).train()
    optimiser = torch.optim.AdamW(vit.timm_groups(model, 0.05), lr=1e-4, fused=True)
    batches = [(torch.randn(a.batch, 3, a.image, a.image), torch.randint(0, 1000, (a.batch,))) for _ in range(8)]
    rotation = itertools.cycle(batches)

    def forward(images, labels):
        return torch.nn.functional.cross_entropy(model(images).float(), labels)

    if a.mode == "compile":
        forward = torch.compile(forward)

    def step():
        images, labels = next(rotation)
        optimiser.zero_grad(set_to_none=True)
        cast = torch.autocast("cpu", dtype=torch.bfloat16) if a.precision == "bf16" else contextlib.nullcontext()
        with cast:
            loss = forward(images, labels)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def timed(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def peak_mib():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def report(a, seconds):
    middle = statistics.median(seconds)
    return {"who": "torch", "model": a.model, "size": a.size, "image": a.image, "batch": a.batch, "precision": a.precision,
            "threads": a.threads, "mode": a.mode, "steps": len(seconds), "median_ms": round(1e3 * middle, 1),
            "best_ms": round(1e3 * min(seconds), 1), "images_per_s": round(a.batch / middle, 2), "peak_mib": peak_mib(),
            "steps_ms": [round(1e3 * s, 1) for s in seconds]}


def one(a):
    step = make_step(a)
    for _ in range(a.warmup):
        step()
    print(json.dumps(report(a, [timed(step) for _ in range(a.steps)])), flush=True)


def everything(a):
    for precision, threads, mode in itertools.product(("fp32", "bf16"), (1, 2), MODES):
        options = ["--size", a.size, "--model", a.model, "--image", a.image, "--batch", a.batch, "--precision", precision,
                   "--threads", threads, "--mode", mode, "--steps", a.steps, "--warmup", a.warmup]
        done = subprocess.run([sys.executable, __file__, *map(str, options)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            print(done.stdout, end="", flush=True)
        else:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"skipped: {precision} {threads} threads {mode}: {why}", flush=True)


if __name__ == "__main__":
    given = arguments()
    (everything if given.all else one)(given)
