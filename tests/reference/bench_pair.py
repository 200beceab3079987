"""Bauta and PyTorch on the same training step, interleaved: A B A B ..., so that a slow moment of the machine hits both.

    python bench_pair.py --bauta build/core/bauta --precision fp32 --threads 2 --rounds 3 --steps 4

Every turn is a process of its own (so peak memory is each one's own), warmed up before its timed steps. PyTorch is run eager
and compiled. Prints a line of JSON for each turn, then medians over all timed steps and the ratios: above 1, Bauta is faster
or smaller. The timing counts forward, backward and AdamW of one batch already in memory, and the reading of the loss."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).with_name("bench_torch.py")


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bauta", default="build/core/bauta", help="the program")
    p.add_argument("--size", default="tiny")
    p.add_argument("--image", type=int, default=224)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--steps", type=int, default=4, help="timed steps of a turn")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--modes", default="eager,compile", help="of PyTorch, separated by commas")
    return p.parse_args()


def commands(a):
    shared = ["--size", a.size, "--image", a.image, "--batch", a.batch, "--precision", a.precision, "--threads", a.threads,
              "--steps", a.steps]
    table = {"bauta": [a.bauta, "bench", "step", "--arch", "deit", *shared, "--json"]}
    for mode in a.modes.split(","):
        table[f"torch {mode}"] = [sys.executable, PEER, *shared, "--mode", mode]
    return {name: [str(word) for word in words] for name, words in table.items()}


def turn(name, command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"skipped: {name}: status {done.returncode}: {why}", flush=True)
        return None
    result = json.loads(done.stdout.strip().splitlines()[-1])
    print(json.dumps({"turn": name, **result}), flush=True)
    return result


def main():
    a = arguments()
    table = commands(a)
    seen = {name: [] for name in table}
    for _ in range(a.rounds):
        for name, command in table.items():
            result = turn(name, command)
            if result:
                seen[name].append(result)
    print(f"\nDeiT-{a.size}, {a.image} px, batch {a.batch}, {a.precision}, {a.threads} threads: forward, backward, AdamW")
    rows = {}
    for name, results in seen.items():
        if results:
            ms = statistics.median(t for r in results for t in r.get("steps_ms") or [r["median_ms"]])
            rows[name] = (ms, statistics.median(r["peak_mib"] for r in results))
            print(f"{name:14} {ms:9.1f} ms  {1e3 * a.batch / ms:8.2f} img/s  {rows[name][1]:6.0f} MiB")
    if "bauta" not in rows or len(rows) < 2:
        sys.exit("no comparison: " + ("bauta did not run" if "bauta" not in rows else "PyTorch did not run"))
    mine = rows.pop("bauta")
    fastest = min(rows, key=lambda name: rows[name][0])
    smallest = min(rows, key=lambda name: rows[name][1])
    print(f"time:   {rows[fastest][0] / mine[0]:.2f} times as fast as {fastest}")
    print(f"memory: {rows[smallest][1] / mine[1]:.2f} times less than {smallest}")


if __name__ == "__main__":
    main()
