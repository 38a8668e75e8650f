# SPDX-License-Identifier: Apache-2.0
"""Our ring buffer and perf buffer against the kernel's own benchmark of them, at the same hook, in turns.

Each round measures all four; ratios are taken round by round. Prints medians, minima and maxima in million records/s, and the
ratios that matter:

  ringbuf threshold / kernel's rb-libbpf      to be at least 0.95
  ringbuf threshold / perf-heap sampled       to be at least 2

tests/bench/kernel_bench.sh builds the kernel's. Run it with nothing else running, in a mount namespace of its own:

  unshare --mount python3 tests/bench/kernel_bench.py [ROUNDS]
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
SECONDS = "2"


def output(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def theirs(name):
    """Their own warm-up is a second. CPUs as ours: the producer on the first, the consumer on the last."""
    cpus = sorted(os.sched_getaffinity(0))
    text = output(BUILD / "bench/kernel/bench", name, "--rb-sampled", "-w", 1, "-d", SECONDS,
                  "--prod-affinity", cpus[0], "--cons-affinity", cpus[-1])
    return float(re.search(r"Summary: hits +([0-9.]+)", text).group(1))


def ours(variant, wakeup):
    text = output(BUILD / "ringside", "bench", "transport", "--variant", variant, "--wakeup", wakeup, "--seconds", SECONDS,
                  "--format", "json")
    return json.loads(text)["records_per_s"] / 1e6


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    if not os.path.exists("/sys/kernel/tracing/events"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", "/sys/kernel/tracing"], check=True)
    measured = {
        "kernel's rb-libbpf": lambda: theirs("rb-libbpf"),
        "ringbuf threshold": lambda: ours("ringbuf", "threshold"),
        "kernel's pb-libbpf": lambda: theirs("pb-libbpf"),
        "perf-heap sampled": lambda: ours("perf-heap", "sampled"),
    }
    figures = {name: [] for name in measured}
    for _ in range(rounds):
        for name, measure in measured.items():
            figures[name].append(measure())
    for one, other in (("ringbuf threshold", "kernel's rb-libbpf"), ("ringbuf threshold", "perf-heap sampled"),
                       ("perf-heap sampled", "kernel's pb-libbpf")):
        figures[f"{one} / {other}"] = [a / b for a, b in zip(figures[one], figures[other])]
    for name, values in figures.items():
        print(f"{name:40} median {statistics.median(values):7.2f}   {min(values):7.2f} .. {max(values):7.2f}")


if __name__ == "__main__":
    main()
