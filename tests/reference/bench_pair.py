"""Bauta and PyTorch on the same training step, in turns: A B C A B C ..., so that a slow moment of the machine hits all of them.

    python bench_pair.py --threads 2 --rounds 3 --steps 4                                  # DeiT-Ti alone, 224 px, batch 32, fp32
    python bench_pair.py --teacher-size small --keep 196,147,98,49                         # MaskedKD's step, by kept patches
    python bench_pair.py --device cuda --precision bf16 --batch 256 --size small --teacher-size base --keep 196,98 --sdpa flash,cudnn
    python bench_pair.py --suite cpu --report figures.md                                   # everything docs/benchmarks.md asks for

Every turn is a process of its own, so that peak memory is each one's own. Before it is timed, each passes a gate: Bauta its own (operations
against float64, a small step against the plain kernels), PyTorch the losses, the gradient and the kept patches of the very step that
is timed, from the same weights and batches. A peer that fails is not timed and the script ends with 1.
What other processes took of the machine is measured around each turn; with --accept 3 a turn with more than 3 % is taken again.
Prints a line of JSON for each turn, then medians over all timed steps and ratios to the fastest and to the smallest peer: above 1,
Bauta is faster or smaller. A step counts the way of a batch to where it is computed, forward, backward, AdamW, and the reading of the loss."""

import argparse
import itertools
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile

PEER = pathlib.Path(__file__).with_name("bench_torch.py")
# What a suite runs: settings that differ from the command line's.
SUITES = {
    "cpu": [
        {"title": "DeiT-Ti alone, 224 px"},
        {"title": "DeiT-Ti <- DeiT-S, 224 px", "teacher_size": "small", "keep": "196,147,98,49"},
        {"title": "DeiT-Ti alone, 32 px", "image": 32, "patch": 4, "classes": 10, "batch": 128},
        {"title": "DeiT-Ti <- DeiT-S, 32 px", "image": 32, "patch": 4, "classes": 10, "batch": 64, "teacher_size": "small", "keep": "64,32"},
        {"title": "64 wide <- 96 wide, 32 px", "size": "64/3/2", "teacher_size": "96/4/3", "image": 32, "patch": 4, "classes": 10, "keep": "64,32", "steps": 60},
        {"title": "DeiT-Ti <- DeiT-S, 64 px", "image": 64, "patch": 8, "classes": 200, "batch": 64, "teacher_size": "small", "keep": "64,32"},
    ],
    "cuda": [
        {"title": "DeiT-S alone", "size": "small"},
        {"title": "DeiT-S <- DeiT-B", "size": "small", "teacher_size": "base", "keep": "196,147,98,49"},
        {"title": "DeiT-Ti <- DeiT-S", "size": "tiny", "teacher_size": "small", "keep": "196,147,98,49"},
    ],
}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bauta", default="build/core/bauta", help="the program")
    p.add_argument("--size", default="tiny")
    p.add_argument("--teacher-size", help="with --keep; small when left out")
    p.add_argument("--keep", help="patches the teacher sees, several with commas between; the largest number: all of them")
    p.add_argument("--image", type=int, default=224)
    p.add_argument("--patch", type=int, default=16)
    p.add_argument("--classes", type=int, default=1000)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--precision", default="fp32", choices=("fp32", "tf32", "bf16"))
    p.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    p.add_argument("--threads", type=int, default=0, help="of Bauta, and of PyTorch; 0: one per processor, and PyTorch's by trial")
    p.add_argument("--steps", type=int, default=4, help="timed steps of a turn")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--modes", default="eager,default", help="of PyTorch: eager, default, reduce-overhead, max-autotune (of torch.compile)")
    p.add_argument("--attention", default="fused", help="how the peer writes MaskedKD's step: fused, official")
    p.add_argument("--sdpa", default="any", help="the peer's fused attention on a GPU: any, flash, cudnn")
    p.add_argument("--accept", type=float, default=100, metavar="PERCENT", help="most that others may take of the machine in a turn")
    p.add_argument("--retries", type=int, default=5, help="how often a turn is taken again because of --accept")
    p.add_argument("--suite", choices=sorted(SUITES), help="several comparisons, one after the other")
    p.add_argument("--report", type=pathlib.Path, metavar="FILE", help="write the tables as Markdown too")
    return p.parse_args()


# ---- the machine ----


def ticks():
    """Busy and idle ticks of all processors; None where the system does not say."""
    try:
        values = [int(v) for v in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    idle = values[3] + values[4]
    return sum(values) - idle, idle


def children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * os.sysconf("SC_CLK_TCK")


def gpu_state():
    query = "name,driver_version,clocks.sm,power.draw,temperature.gpu,utilization.gpu"
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


# ---- one turn ----


def run(command):
    """The last line of JSON a program writes, with what others took of the machine meanwhile; or why there is none."""
    before, own = ticks(), children()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    after, own = ticks(), children() - own
    if done.returncode:
        return None, f"status {done.returncode}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if before:
        busy, idle = after[0] - before[0], after[1] - before[1]
        result["foreign_percent"] = round(100 * max(busy - own, 0) / max(busy + idle, 1), 1)
    return result, None


def turn(a, name, command):
    for _ in range(a.retries + 1):
        result, why = run(command)
        if why:
            sys.exit(f"{name}: {why}")
        print(json.dumps({"turn": name, **{k: v for k, v in result.items() if k not in ("gate", "ceilings")}}), flush=True)
        if result.get("foreign_percent", 0) <= a.accept:
            return result
    sys.exit(f"{name}: others took more than {a.accept} % of the machine {a.retries + 1} times; --accept says how much may be")


# ---- one comparison ----


def shared(a, keep):
    words = ["--size", a.size, "--image", a.image, "--patch", a.patch, "--classes", a.classes, "--batch", a.batch, "--precision",
             a.precision, "--device", a.device]
    if keep:
        words += ["--teacher-size", a.teacher_size or "small", "--keep", keep]
    return words


def ours(a, keep):
    whole = (a.image // a.patch) ** 2
    return [a.bauta, "bench", "step", *shared(a, "all" if keep and keep >= whole else keep), "--threads", a.threads]


def peers(a, keep, threads, folder):
    table = {}
    written = a.attention.split(",") if keep else ["fused"]
    for mode, attention, sdpa in itertools.product(a.modes.split(","), written, a.sdpa.split(",")):
        extra = ([attention] if attention != "fused" else []) + ([sdpa] if sdpa != "any" else [])
        table[" ".join(["torch", "compiled " + mode if mode != "eager" else mode, *extra])] = [
            sys.executable, PEER, *shared(a, keep), "--threads", threads, "--mode", mode, "--attention", attention, "--sdpa", sdpa,
            "--gate", folder]
    return table


def best_threads(a, keep):
    """PyTorch's best number of threads by two eager steps of each."""
    if a.threads or a.device != "cpu":
        return a.threads
    most, seen, n = len(os.sched_getaffinity(0)), {}, 1
    while n <= most:
        result, why = run([sys.executable, PEER, *shared(a, keep), "--threads", n, "--mode", "eager", "--steps", 2, "--warmup", 1])
        if why:
            sys.exit(f"torch, {n} threads: {why}")
        seen[n] = result["median_ms"]
        n = n * 2 if n * 2 <= most or n == most else most
    best = min(seen, key=seen.get)
    print(json.dumps({"torch_threads": best, "median_ms": seen}), flush=True)
    return best


def summary(name, results):
    steps = sorted(t for r in results for t in r["steps_ms"])
    quarters = statistics.quantiles(steps, n=4) if len(steps) > 1 else steps * 3
    return {"name": name, "ms": statistics.median(steps), "quartiles": (quarters[0], quarters[2]),
            "mib": statistics.median(r["peak_mib"] for r in results), "foreign": max(r.get("foreign_percent", 0) for r in results),
            "precision": results[0]["precision"], "threads": results[0]["threads"]}


def compare(a, keep):
    """Rows of one configuration, Bauta's first."""
    with tempfile.TemporaryDirectory() as folder:
        dumped = subprocess.run([str(w) for w in [*ours(a, keep), "--dump", folder]], capture_output=True, text=True, check=False)
        if dumped.returncode:
            sys.exit(f"bauta: {(dumped.stderr.strip().splitlines() or ['no message'])[-1]}")
        table = {"bauta": [*ours(a, keep), "--steps", a.steps, "--json", "--alone"]}
        for name, words in peers(a, keep, best_threads(a, keep), folder).items():
            table[name] = [*words, "--steps", a.steps]
        seen = {name: [] for name in table}
        for _ in range(a.rounds):
            for name, command in table.items():
                seen[name].append(turn(a, name, command))
    return [summary(name, results) for name, results in seen.items()]


def titled(a):
    return f"DeiT-{a.size}" + (f" <- DeiT-{a.teacher_size or 'small'}" if a.keep else "") + f", {a.image} px"


def table_of(a, keep, rows, title):
    mine, others = rows[0], rows[1:]
    seen = f", teacher sees {keep} patches" if keep else ""
    lines = [f"### {title}{seen}: batch {a.batch}, {a.precision}, {a.device}", "",
             "| | median of a step | quartiles | images/s | peak memory | threads | most that others took |", "| --- | --: | --: | --: | --: | --: | --: |"]
    for r in rows:
        name = r["name"] if r["precision"] == a.precision else f"{r['name']} ({r['precision']})"
        lines.append(f"| {name} | {r['ms']:,.1f} ms | {r['quartiles'][0]:,.1f}, {r['quartiles'][1]:,.1f} | {1e3 * a.batch / r['ms']:,.1f} "
                     f"| {r['mib']:,.0f} MiB | {r['threads']} | {r['foreign']:.1f} % |")
    fastest, smallest = min(others, key=lambda r: r["ms"]), min(others, key=lambda r: r["mib"])
    lines += ["", f"Bauta is {fastest['ms'] / mine['ms']:.2f} times as fast as {fastest['name']} and needs "
              f"{mine['mib'] / smallest['mib']:.2f} of the memory of {smallest['name']}.", ""]
    return lines


def speedups(by_keep):
    """What masking saves for each of them, against the row with the most patches."""
    whole = max(by_keep)
    lines = ["| steps against " + str(whole) + " patches | " + " | ".join(str(k) for k in by_keep if k != whole) + " |",
             "| --- |" + " --: |" * (len(by_keep) - 1)]
    for i, row in enumerate(by_keep[whole]):
        lines.append(f"| {row['name']} | " + " | ".join(f"{row['ms'] / rows[i]['ms']:.3f}" for k, rows in by_keep.items() if k != whole) + " |")
    return [*lines, ""]


def comparison(a, title):
    keeps = [int(k) for k in a.keep.split(",")] if a.keep else [None]
    by_keep, lines = {}, []
    for keep in keeps:
        by_keep[keep] = compare(a, keep)
        lines += table_of(a, keep, by_keep[keep], title)
        print("\n" + "\n".join(table_of(a, keep, by_keep[keep], title)), flush=True)
    if len(keeps) > 1:
        lines += speedups(by_keep)
        print("\n".join(speedups(by_keep)), flush=True)
    return lines


def main():
    a = arguments()
    lines = [f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors; {a.rounds} rounds of {a.steps} steps, in turns.", ""]
    before = gpu_state() if a.device == "cuda" else None
    for settings in SUITES[a.suite] if a.suite else [{}]:
        one = argparse.Namespace(**{**vars(a), **settings})
        lines += comparison(one, settings.get("title") or titled(one))
        if a.report:
            a.report.write_text("\n".join(lines))
    if before:
        print(f"GPU before: {before}\nGPU after:  {gpu_state()}")


if __name__ == "__main__":
    main()
