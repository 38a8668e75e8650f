# SPDX-License-Identifier: Apache-2.0
"""N calls by a program of known count come out as N, or as N less exactly the losses reported; and what the kernel says
through a tool of somebody else's is the same number."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import until
from harness.accounting import check

WRITE_NR = 1


def flood(run, cgroup, *args):
    return run("write_flood", *args, gate=True).open_gate(cgroup).finish()


def made(report):
    return sum(kind["calls"] for kind in report["kinds"].values()) + report["report_writes"]


def settled(side):
    """Stops the sidecar, checks its accounts and returns them."""
    side.stop()
    return check(side)


def test_writes_from_all_cpus_arrive_as_many_as_were_made(sidecar, run, cgroup):
    side = sidecar("--ring-samples", "16M", probe="write")
    report = flood(run, cgroup, "--count", 30000, "--sizes", "1,64,4096", "--threads", 2 * os.cpu_count())
    done = settled(side)
    assert done["write_produced"] == made(report)
    assert len(side.kind("write")) == made(report) - done["write_lost"] - gaps(side)
    assert {record["cpu"] for record in side.kind("write")} >= {thread["cpu"] for thread in report["threads"]}


def gaps(side):
    return sum(record["count"] for record in side.kind("loss") if "first" in record)


def test_without_losses_every_thread_and_byte_is_there(sidecar, run, cgroup):
    side = sidecar("--ring-samples", "16M", probe="write")
    report = flood(run, cgroup, "--count", 20000, "--sizes", "3,1000", "--pause-every", 200)
    done = settled(side)
    if done["write_lost"] or gaps(side):
        pytest.fail(f"losses at a rate that leaves time to read: {done}")
    records = [record for record in side.kind("write") if record["fd"] == report["fd"]]
    for thread in report["threads"]:
        assert len([record for record in records if record["tid"] == thread["tid"]]) == thread["calls"]
    for kind, want in report["kinds"].items():
        of_kind = [record for record in records if record["syscall"] == kind]
        assert len(of_kind) == want["calls"] and sum(record["returned"] for record in of_kind) == want["bytes"]


@pytest.mark.parametrize("size", ["4096", "8K"])
def test_a_tiny_ring_loses_and_says_exactly_how_many(sidecar, run, cgroup, size):
    side = sidecar("--ring-samples", size, probe="write")
    report = flood(run, cgroup, "--count", 200000, "--kinds", "write", "--threads", 2 * os.cpu_count())
    done = settled(side)
    assert done["write_produced"] == made(report)
    assert done["write_lost"] > 0, "nothing was lost: this test tests nothing"
    assert len(side.kind("write")) + gaps(side) == made(report) - done["write_lost"]
    assert {loss["reason"] for loss in side.kind("loss", probe="write")} <= {"ring_full", "contended"}


def test_a_tiny_lifecycle_ring_loses_processes_and_says_how_many(sidecar, run, cgroup):
    side = sidecar("--ring-lifecycle", "4096", probe="process")
    report = run("short_processes", 600, 0, gate=True).open_gate(cgroup).finish()
    done = settled(side)
    # fork, exec and exit of each child; the parent's exit.
    assert done["process_produced"] == 3 * report["count"] + 1
    assert len(side.kind("fork", "exec", "exit")) == done["process_produced"] - done["process_lost"] - gaps(side)


def test_losses_of_samples_cost_no_lifecycle_record(sidecar, run, cgroup):
    side = sidecar("--ring-samples", "4096", probe="process,write")
    writer = run("write_flood", "--count", 300000, "--kinds", "write", gate=True).open_gate(cgroup)
    report = run("short_processes", 100, 0, gate=True).open_gate(cgroup).finish()
    writer.finish()
    done = settled(side)
    assert done["write_lost"] > 0, "nothing was lost: this test tests nothing"
    assert done["process_lost"] == 0
    for pid, _ in report["children"]:
        assert [record["kind"] for record in side.kind("exec", "exit", pid=pid)] == ["exec", "exit"]


def test_the_counts_of_calls_are_exact_while_records_are_lost(sidecar, run, cgroup):
    side = sidecar("--ring-samples", "4096", probe="write,syscalls")
    report = flood(run, cgroup, "--count", 150000, "--kinds", "write")
    done = settled(side)
    assert done["write_lost"] > 0, "nothing was lost: this test tests nothing"
    assert side.counted("write", cgroup)["count"] == made(report) == done["write_produced"]


@pytest.mark.parametrize("options", [[], ["--latency"], ["--flush-interval", "1ms"]])
def test_calls_and_records_agree_under_every_option(sidecar, run, cgroup, options):
    side = sidecar("--ring-samples", "16M", *options, probe="write,syscalls")
    report = flood(run, cgroup, "--count", 20000, "--bad-fd", 40, "--fault", 10)
    done = settled(side)
    total = made(report) + report["bad_fd"] + report["fault"]
    assert done["write_produced"] == total
    counted = [side.counted(kind, cgroup) for kind in report["kinds"]]
    assert sum(row["count"] for row in counted) == total
    assert sum(row["errors"] for row in counted) == report["bad_fd"] + report["fault"]


def test_two_sidecars_on_one_scope_see_the_same(sidecar, run, cgroup):
    sides = [sidecar("--ring-samples", "16M", probe="write,process") for _ in range(2)]
    report = flood(run, cgroup, "--count", 5000)
    accounts = [settled(side) for side in sides]
    assert [done["write_produced"] for done in accounts] == [made(report)] * 2
    assert accounts[0]["process_produced"] == accounts[1]["process_produced"]


@pytest.mark.slow
def test_a_million_writes_are_accounted_for(sidecar, run, cgroup):
    side = sidecar(probe="write")
    report = flood(run, cgroup, "--count", 1000000, "--threads", 4 * os.cpu_count())
    done = settled(side)
    assert done["write_produced"] == made(report)


# ---------------------------------------------------------------- counts taken by somebody else's tool


def need(tool):
    path = shutil.which(tool)
    if not path:
        pytest.skip(f"{tool} is not installed")
    return path


@pytest.fixture
def tracefs():
    """Those tools find their tracepoints there."""
    place = "/sys/kernel/tracing"
    if os.path.exists(f"{place}/events"):
        yield
        return
    subprocess.run(["mount", "-t", "tracefs", "tracefs", place], check=True)
    yield
    subprocess.run(["umount", place], check=True)


def test_bpftrace_counts_the_same(sidecar, run, cgroup, tmp_path, tracefs):
    """bpftrace counts the returns of write(2) in this cgroup; ours must be the same, call by call."""
    tool = need("bpftrace")
    side = sidecar("--ring-samples", "4096", probe="write,syscalls")
    program = (
        f"tracepoint:raw_syscalls:sys_exit /cgroup == {cgroup.id} && args->id == {WRITE_NR}/ {{ @calls = count(); }}"
        ' BEGIN { printf("counting\\n"); }'
    )
    out = open(tmp_path / "out", "w+", encoding="utf-8")
    process = subprocess.Popen([tool, "-e", program], stdout=out, stderr=subprocess.STDOUT)
    try:

        def text():
            with open(tmp_path / "out", encoding="utf-8") as file:
                return file.read()

        until(lambda: "counting" in text() or process.poll() is not None, "bpftrace to start", 30)
        if process.poll() is not None:
            pytest.skip(f"bpftrace does not run on this kernel: {text().strip().splitlines()[-1]}")
        report = flood(run, cgroup, "--count", 50000, "--kinds", "write")
        process.send_signal(signal.SIGINT)
        process.wait(20)
    finally:
        process.kill()
        process.wait()
        out.close()
    theirs = int(re.search(r"@calls: (\d+)", text()).group(1))
    done = settled(side)
    assert theirs == made(report), "bpftrace and the workload disagree"
    assert done["write_produced"] == theirs
    assert side.counted("write", cgroup)["count"] == theirs
    assert len(side.kind("write")) + gaps(side) == theirs - done["write_lost"]


def test_perf_counts_the_same(sidecar, run, cgroup, tmp_path, tracefs):
    """perf counts all returns of system calls of one process; the rows of ours, summed, must be the same number."""
    tool = need("perf")
    side = sidecar(probe="syscalls")
    program = run("syscall_count", "--count", 4000, "--errors", 100, gate=True)
    until(program.at_gate, "the workload to reach its gate")
    perf = subprocess.Popen(
        [tool, "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "--filter", "id == 110 || id == 121", "-p",
         str(program.pid), "-o", str(tmp_path / "perf")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    try:
        # perf opens one event for each thread and CPU, then waits: its descriptors are there once it counts.
        until(lambda: perf.poll() is not None or _perf_counts(perf.pid), "perf to count", 30)
        if perf.poll() is not None:
            pytest.skip(f"perf does not run on this kernel: {perf.stdout.read().decode()[-200:]}")
        report = program.open_gate(cgroup).finish()
        perf.wait(20)
    finally:
        perf.kill()
        perf.wait()
        perf.stdout.close()
    (theirs,) = [int(line.split(",")[0]) for line in (tmp_path / "perf").read_text().splitlines() if "sys_enter" in line]
    settled(side)
    ours = side.counted("getppid", cgroup)["count"] + side.counted("getpgid", cgroup)["count"]
    assert theirs == ours == report["getppid"] + report["getpgid_errors"]


def _perf_counts(pid):
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    if "anon_inode:[perf_event]" not in links:
        return False
    with open(f"/proc/{pid}/syscall", encoding="ascii") as text:
        return text.read().split()[0] in ("7", "230", "35", "271", "61")  # it polls, sleeps or waits
