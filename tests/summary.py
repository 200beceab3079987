#!/usr/bin/env python3
"""tests/summary.py LOG...: adds up what the tests of one or more `meson test` runs said.

LOG is meson's testlog.json. A program's own closing line "N passed, N failed, N skipped" counts as it stands; a program
without one counts as one, but for those that count: they have failed. A program that crashed, timed out or failed without admitting it counts as one more failure.
Prints one such line, alone, at the end. Exit status 1 when something failed or nothing at all was run."""

import json
import re
import sys

CLOSING = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.MULTILINE)


def count(test):
    """(passed, failed, skipped) of one program."""
    lines = CLOSING.findall(test.get("stdout") or "")
    good = test["result"] in ("OK", "EXPECTEDFAIL", "SKIP")
    if not lines:
        if "checks so far" in (test.get("stdout") or ""):
            print(f"{test['name']}: it counts its checks, and has no closing line")
            return 0, 1, 0
        if test["result"] == "SKIP":
            return 0, 0, 1
        return (1, 0, 0) if good else (0, 1, 0)
    passed, failed, skipped = (int(n or 0) for n in lines[-1])
    if good == (failed > 0):  # the exit status and the line disagree
        failed += 1
        print(f"{test['name']}: status {test['result']}, but its closing line says {lines[-1][1]} failed")
    return passed, failed, skipped


def main(paths):
    total = [0, 0, 0]
    programs = 0
    for path in paths:
        try:
            with open(path, encoding="utf-8") as log:
                tests = [json.loads(line) for line in log if line.strip()]
        except OSError as error:
            print(f"no test was run: {error.strerror}: {path}")
            tests = []
        programs += len(tests)
        for test in tests:
            counts = count(test)
            total = [a + b for a, b in zip(total, counts)]
            if counts[1]:
                print(f"failed: {test['name']} ({test['result']}, {counts[1]} of {sum(counts)} checks)")
    print(f"{programs} test programs")
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
