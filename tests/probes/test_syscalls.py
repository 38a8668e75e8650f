# SPDX-License-Identifier: Apache-2.0
"""syscalls: rows of counts by cgroup and system call, exact, cumulative."""

import pathlib

import pytest

GETPPID, GETPGID, EXIT, EXIT_GROUP = 110, 121, 60, 231
IA32_GETPID, IA32_WRITE = 20, 4


@pytest.fixture
def count(run, cgroup):
    """Runs syscall_count to its end, moved into the scope when it is ready; returns its report."""

    def start(*args, into=cgroup):
        return run("syscall_count", *args, gate=True).open_gate(into).finish()

    return start


def until_counted(side, cgroup, syscall, count):
    side.wait(lambda: side.counted(syscall, cgroup)["count"] >= count, f"{count} {syscall} in {cgroup.path.name}")
    return side.counted(syscall, cgroup)


def test_calls_spread_over_all_cpus_are_summed_exactly(sidecar, count, cgroup):
    side = sidecar(probe="syscalls")
    report = count("--count", 20000)
    row = until_counted(side, cgroup, "getppid", report["getppid"])
    side.stop()
    row = side.counted("getppid", cgroup)
    assert (row["count"], row["errors"], row["nr"]) == (report["getppid"], 0, GETPPID)
    assert row["stream"] == 2 and "pid" not in row and "seq" not in row and "total_ns" not in row
    assert "per_cpu" not in row


def test_errors_are_counted_apart(sidecar, count, cgroup):
    side = sidecar(probe="syscalls")
    report = count("--errors", 500)
    until_counted(side, cgroup, "getpgid", report["getpgid_errors"])
    side.stop()
    row = side.counted("getpgid", cgroup)
    assert (row["count"], row["errors"], row["nr"]) == (500, 500, GETPGID)


def test_a_clone_is_one_call_although_parent_and_child_return_from_it(sidecar, run, cgroup):
    side = sidecar(probe="syscalls")
    run("proc_shapes", "fork", 50, gate=True).open_gate(cgroup).finish()
    until_counted(side, cgroup, "exit_group", 51)
    side.stop()
    assert side.counted("clone", cgroup)["count"] == 50


def test_per_cpu_breaks_the_sum_down(sidecar, count, cgroup):
    side = sidecar("--per-cpu", probe="syscalls")
    report = count("--count", 3000)
    until_counted(side, cgroup, "getppid", report["getppid"])
    side.stop()
    row = side.counted("getppid", cgroup)
    assert sum(row["per_cpu"]) == row["count"] == report["getppid"]
    assert len(row["per_cpu"]) == possible_cpus()
    for cpu in report["cpu_numbers"]:
        assert row["per_cpu"][cpu] == report["getppid_per_cpu"]


def possible_cpus():
    last = pathlib.Path("/sys/devices/system/cpu/possible").read_text().strip().split(",")[-1]
    return int(last.split("-")[-1]) + 1


def test_exit_and_exit_group_are_counted(sidecar, count, cgroup):
    side = sidecar(probe="syscalls")
    report = count("--count", 1, "--children", 25)
    until_counted(side, cgroup, "exit_group", report["exit_groups"])
    side.stop()
    assert side.counted("exit_group", cgroup)["count"] == report["exit_groups"]
    assert side.counted("exit", cgroup)["count"] == report["thread_exits"]
    rows = {row["syscall"]: row["nr"] for row in side.counters()}
    assert rows["exit_group"] == EXIT_GROUP and rows["exit"] == EXIT


def test_an_exec_is_counted_once(sidecar, run, cgroup):
    side = sidecar(probe="syscalls")
    for _ in range(5):
        run("/bin/true", cgroup=cgroup).finish()
    until_counted(side, cgroup, "exit_group", 5)
    side.stop()
    assert side.counted("execve", cgroup)["count"] == 5
    assert side.counted("execve", cgroup)["errors"] == 0


def test_counts_only_grow_and_since_stays(sidecar, count, cgroup):
    side = sidecar("--counters-interval", "100ms", probe="syscalls")
    for _ in range(3):
        before = side.counted("getppid", cgroup)["count"]
        report = count("--count", 100)
        until_counted(side, cgroup, "getppid", before + report["getppid"])
    side.stop()
    rows = [row for row in side.kind("syscalls", syscall="getppid") if row["cgroup_id"] == cgroup.id]
    counts = [row["count"] for row in rows]
    assert counts == sorted(counts) and counts[-1] == 3 * report["getppid"]
    assert len({row["since"] for row in rows}) == 1
    assert all(row["since"] <= row["time"] for row in rows)


def test_every_cgroup_below_the_scope_has_rows_of_its_own(sidecar, count, cgroup, new_cgroup):
    below = [new_cgroup(name, parent=cgroup) for name in ("one", "two")]
    side = sidecar(probe="syscalls")
    one = count("--count", 100, into=below[0])
    two = count("--count", 300, into=below[1])
    until_counted(side, below[0], "getppid", one["getppid"])
    until_counted(side, below[1], "getppid", two["getppid"])
    side.stop()
    assert side.counted("getppid", below[0])["count"] == one["getppid"]
    assert side.counted("getppid", below[1])["count"] == two["getppid"]
    assert side.counted("getppid", cgroup)["count"] == 0


def test_a_cgroup_named_as_a_container_has_it_as_label(sidecar, count, cgroup, new_cgroup):
    container = "0123456789abcdef" * 4
    below = new_cgroup(f"docker-{container}.scope", parent=cgroup)
    side = sidecar(probe="syscalls")
    report = count("--count", 10, into=below)
    row = until_counted(side, below, "getppid", report["getppid"])
    assert row["container"] == container


def test_a_32_bit_caller_has_rows_of_its_own(sidecar, count, cgroup):
    side = sidecar(probe="syscalls")
    report = count("--ia32", 70, "--ia32-write", 30, "--count", 10)
    if not report["has_ia32"]:
        pytest.skip("this kernel has no 32-bit system calls")
    until_counted(side, cgroup, "getppid", report["getppid"])
    side.stop()
    getpid, write = side.counted("ia32:getpid", cgroup), side.counted("ia32:write", cgroup)
    assert (getpid["count"], getpid["errors"], getpid["nr"]) == (70, 0, IA32_GETPID)
    assert (write["count"], write["errors"], write["nr"]) == (30, 30, IA32_WRITE)
    # 20 is writev here and 4 is stat; the workload makes none of either.
    assert side.counted("writev", cgroup)["count"] == 0
    assert side.counted("stat", cgroup)["count"] == 0


def test_an_x32_number_is_never_counted_under_a_64_bit_name(sidecar, count, cgroup):
    side = sidecar(probe="syscalls")
    report = count("--x32", 40, "--count", 10)
    until_counted(side, cgroup, "getppid", report["getppid"])
    side.stop()
    assert side.counted("getppid", cgroup)["count"] == report["getppid"]


def test_latency_gives_total_nanoseconds(sidecar, run, count, cgroup):
    side = sidecar("--latency", probe="syscalls")
    report = count("--count", 1000)
    row = until_counted(side, cgroup, "getppid", report["getppid"])
    assert 0 < row["total_ns"] < 60e9
    run("/bin/sleep", "0.2", cgroup=cgroup).finish()
    row = until_counted(side, cgroup, "clock_nanosleep", 1)
    assert 200e6 <= row["total_ns"]


def test_rows_past_the_budget_are_counted_under_other(sidecar, run, cgroup, new_cgroup):
    side = sidecar("--counters-memory", "16K", probe="syscalls")
    total = 0
    for i in range(60):
        below = new_cgroup(f"many{i}", parent=cgroup)
        total += run("syscall_count", "--count", 50, gate=True).open_gate(below).finish()["getppid"]
    side.wait(lambda: side.kind("syscalls", syscall="other"), "the row `other`")
    side.stop()
    named = sum(row["count"] for row in side.counters(syscall="getppid"))
    (other,) = side.counters(syscall="other")
    assert named < total, "the budget was never exceeded: this test tests nothing"
    assert other["count"] >= total - named


def test_nothing_is_counted_in_an_idle_scope(sidecar, count, cgroup, new_cgroup):
    side = sidecar("--counters-interval", "100ms", probe="syscalls")
    outside = new_cgroup("outside")
    count("--count", 1000, into=outside)
    report = count("--count", 1)
    until_counted(side, cgroup, "getppid", report["getppid"])
    side.stop()
    assert {row["cgroup_id"] for row in side.counters()} == {cgroup.id}
    assert side.counted("getppid", cgroup)["count"] == report["getppid"]


def test_writes_are_counted_as_exactly_as_recorded(sidecar, run, cgroup):
    side = sidecar("--ring-samples", "4M", probe="write,syscalls")
    report = run("write_flood", "--count", 4000, gate=True).open_gate(cgroup).finish()
    side.wait_for("write", pid=report["pid"], count=4001)
    side.stop()
    for kind, made in report["kinds"].items():
        extra = report["report_writes"] if kind == "write" else 0
        assert side.counted(kind, cgroup)["count"] == made["calls"] + extra
        assert len(side.kind("write", syscall=kind)) == made["calls"] + extra
