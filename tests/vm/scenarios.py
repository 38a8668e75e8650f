# SPDX-License-Identifier: Apache-2.0
"""What the guests do: a scenario is one boot, and its job the steps of that (see guest/lib.sh)."""

import dataclasses
import functools
import subprocess

from kernels import ROOT

PROBES = ["process", "getaddrinfo", "syscalls", "write"]
TRANSPORTS = ["auto", "ringbuf", "ringbuf-output", "perf-heap", "perf-stack"]
DEFAULT = "default"  # of a binary that knows one transport only

CHILDREN, WRITES, CALLS, ERRORS = 3, 100, 200, 10
FLOOD = 8000
NMI_FLOOD = 100000

# How each probe's events are made: the resolver that is kept mapped, the way in, the program.
WORKLOADS = {
    "process": f"- inside short_processes {CHILDREN} 0",
    "getaddrinfo": "gai inside gai call 127.0.0.1 80",
    "getaddrinfo-musl": "gai-musl inside gai-musl call 127.0.0.1 80",
    "getaddrinfo-static": "gai-static inside gai-static call 127.0.0.1 80",
    "syscalls": f"- gated syscall_count --count {CALLS} --errors {ERRORS}",
    "write": f"- gated write_flood --count {WRITES} --threads 2",
}


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    job: str
    smp: str = "2"
    append: str = ""  # to the kernel's command line
    deadline: int = 600


@functools.cache
def transports(short=False):
    """Those of the binary; the short form tries the one that it takes by itself."""
    options = subprocess.run([ROOT / "build" / "ringside", "run", "--help"], capture_output=True, text=True, check=True).stdout
    if "--transport" not in options:
        return [DEFAULT]
    return TRANSPORTS[:1] if short else TRANSPORTS


def observe(name, probe, transport, workload, more=""):
    options = f"--probe {probe} {more}".strip()
    if transport != DEFAULT:
        options += f" --transport {transport}"
    return f'observe {name} "{options}" {workload}\n'


UNAME = "answer uname uname -r\n"
REFUSED = "--scope host --format json --probe process,write"


def plain(short):
    """Each probe on each transport, and what is refused, by whom the sidecar is run."""
    job = UNAME + f"answer check ringside check --scope host --format json --probe {','.join(PROBES)}\n"
    for transport in transports(short):
        for probe in PROBES:
            job += observe(f"{probe}.{transport}", probe, transport, WORKLOADS[probe])
    first = transports(short)[0]
    for variant in ("getaddrinfo-musl", "getaddrinfo-static"):
        job += observe(variant, "getaddrinfo", first, WORKLOADS[variant])
    job += observe("latency", "syscalls,write", first, WORKLOADS["write"], "--latency")
    user = "/bin/setpriv --reuid=65534 --regid=65534 --clear-groups"
    job += f"answer unprivileged {user} ringside run {REFUSED}\n"
    job += f"answer unprivileged-check {user} ringside check {REFUSED}\n"
    job += "under=limited\n" + observe("memlock", "process", first, WORKLOADS["process"])
    job += f"answer memlock-check ringside check {REFUSED}\n"
    return Scenario("plain", job, deadline=400 + 300 * len(transports(short)))


def without_btf():
    """On a kernel that has none, and without the file that all other jobs are given there."""
    job = UNAME + "unset RINGSIDE_BTF\n" + f"answer run ringside run {REFUSED}\n"
    job += f"answer check ringside check --scope host --format json --probe {','.join(PROBES)}\n"
    return Scenario("without_btf", job, deadline=300)


def hotplug():
    """Two of eight CPUs are online, and some come and go. (Not by `-smp 2,maxcpus=8`: from 6.9 on a kernel takes CPUs that
    are to be plugged in for none, but under a hypervisor that it knows, and the emulator is none of these.)"""
    job = UNAME + "".join(f"answer {one} cat /sys/devices/system/cpu/{one}\n" for one in ("possible", "online"))
    count = WORKLOADS["syscalls"].removeprefix("- gated")
    for transport in transports():
        replugged = f"- replugged {count.strip()}"
        job += observe(f"replugged.{transport}", "syscalls,write", transport, replugged, "--per-cpu")
        flood = f"- unplugged write_flood --count {FLOOD} --threads 2 --pause-every 5"
        job += observe(f"unplugged.{transport}", "syscalls,write", transport, flood)
    return Scenario("hotplug", job, smp="8", append="maxcpus=2", deadline=300 + 200 * len(transports()))


def lockdown():
    job = UNAME + f"answer run ringside run {REFUSED}\nanswer check ringside check {REFUSED}\n"
    return Scenario("lockdown", job, append="lockdown=confidentiality", deadline=300)


def preempt():
    """Threads that interrupt each other anywhere, on one CPU."""
    job = UNAME + "answer mode cat /sys/kernel/debug/sched/preempt\n"
    for transport in transports():
        job += observe(f"crowd.{transport}", "getaddrinfo", transport, "gai crowded gai threads", "--ring-lifecycle 8M")
    return Scenario("preempt", job, append="preempt=full", deadline=300 + 300 * len(transports()))


def nmi():
    """A program in NMIs shares the ring with a flood on the same CPUs."""
    flood = f"- under_nmis write_flood --count {NMI_FLOOD} --kinds write --threads 4"
    options = "--ring-samples 256k --queue 64M"
    return Scenario("nmi", UNAME + observe("shared", "write", DEFAULT, flood, options))
