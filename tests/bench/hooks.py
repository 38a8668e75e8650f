# SPDX-License-Identifier: Apache-2.0
"""What a write(2) pays: bare, under an empty program at our hook, outside our scope, inside it, and under the yardstick.

Each round measures all five, one after the other; ratios are taken round by round. Prints medians, minima and maxima, and the
two ratios that matter:

  record    = (inside - bare) / (yardstick - bare)      to be at most 0.6
  outside   = (outside - bare) / (empty - bare)         to be at most 1.4

  python3 tests/bench/hooks.py [ROUNDS]
"""
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
MILLISECONDS = "300"
# Until the kernel has freed the code of the program before: one that is loaded earlier finds its place elsewhere, and may pay
# 20 ns a call for that alone, as long as it is there.
SETTLE = 1


def cgroup_mount():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return pathlib.Path(fields[1])
    sys.exit("no cgroup v2 mount")


def writes(cgroup):
    command = ["taskset", "-c", "0", BUILD / "bench/writes", cgroup, MILLISECONDS]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextlib.contextmanager
def held(*variant):
    command = ["taskset", "-c", "1", BUILD / "bench/hold", *map(str, variant)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline() != "ready\n":
            sys.exit(f"cannot attach {variant}")
        yield
    finally:
        process.stdin.close()
        process.wait()
        time.sleep(SETTLE)


@contextlib.contextmanager
def observed(cgroup):
    command = ["taskset", "-c", "1", BUILD / "ringside", "run", "--scope", f"cgroup:{cgroup}", "--probe", "write", "--format", "none"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        if not any("msg=ready" in line for line in iter(process.stderr.readline, "")):
            sys.exit("ringside did not get ready")
        yield
    finally:
        process.terminate()
        process.communicate()
        time.sleep(SETTLE)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    if not os.path.exists("/sys/kernel/tracing/events"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], check=True)
    inside = cgroup_mount() / f"ringside-hooks-{os.getpid()}"
    outside = cgroup_mount() / f"ringside-hooks-{os.getpid()}-outside"
    inside.mkdir()
    outside.mkdir()
    figures = {name: [] for name in ("bare", "empty", "outside", "inside", "yardstick")}
    try:
        for _ in range(rounds):
            figures["bare"].append(writes(inside))
            with held("empty"):
                figures["empty"].append(writes(inside))
            with observed(inside):
                figures["outside"].append(writes(outside))
                figures["inside"].append(writes(inside))
            with held("yardstick", inside.stat().st_ino):
                figures["yardstick"].append(writes(inside))
    finally:
        inside.rmdir()
        outside.rmdir()
    rows = list(zip(*figures.values()))
    figures["record ratio"] = [(i - b) / (y - b) for b, e, o, i, y in rows]
    figures["outside ratio"] = [(o - b) / (e - b) for b, e, o, i, y in rows]
    for name, values in figures.items():
        print(f"{name:14} median {statistics.median(values):8.2f}   {min(values):8.2f} .. {max(values):8.2f}")


if __name__ == "__main__":
    main()
