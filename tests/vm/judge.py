# SPDX-License-Identifier: Apache-2.0
"""What must be true of a step, whatever the kernel."""

import collections
import re

import pytest

from harness import logfmt
from harness.accounting import check

from scenarios import CALLS, CHILDREN, ERRORS, WRITES


def taken(step, probe):
    """The rung, as the `ready` line has it, but for what is about the processes there; else the last that was said."""
    for ready in step.messages("ready"):
        for one in ready["probes"].split():
            if one.startswith(f"{probe}:"):
                return re.sub(r",files=\d+", "", one.removeprefix(f"{probe}:"))
    return step.errors[-1] if step.errors else "silent"


def missed(done, probe):
    """Runs that the kernel skipped, in the whole guest: from 7.0 on one that interrupts another of the same program."""
    return done.get(f"{probe}_missed", 0)


def skip_missed(done, probe):
    pytest.skip(f"the accounts hold, but this kernel skipped {missed(done, probe)} runs of the programs")


def refusal(step, code, *words):
    """It ended with this code and one line of stderr, which says what, why and what to do; returns that line."""
    assert step.code == code, step.state()
    assert len(step.errors) == 1, step.state()
    line = logfmt.parse(step.errors[0])
    assert line.get("level") == "error", step.state()
    for key in ("msg", "why", "do"):
        assert line.get(key), f"no {key}= in: {step.errors[0]}"
    for word in words:
        assert word in step.errors[0], f"no {word!r} in: {step.errors[0]}"
    return step.errors[0].removeprefix("level=error ")


def judge_process(step):
    (report,) = step.reports
    codes = dict(report["children"])
    execs, forks, exits = step.kind("exec"), step.kind("fork"), step.kind("exit")
    assert [one["argv"] for one in execs if one["pid"] == report["pid"]] == [["short_processes", str(CHILDREN), "0"]]
    assert {one["child"] for one in forks} == set(codes) and len(forks) == CHILDREN
    assert {one["pid"]: one["argv"][1:] for one in execs if one["pid"] in codes} == {
        pid: ["child", str(i)] for i, (pid, _) in enumerate(report["children"])
    }
    assert {one["pid"]: one["code"] for one in exits} == {**codes, report["pid"]: 0}
    assert len(execs) == len(exits) == CHILDREN + 1
    for pid in codes:
        order = [one["kind"] for one in step.records if pid in (one.get("child"), one.get("pid"))]
        assert order == ["fork", "exec", "exit"], order
    for one in execs:
        assert (one["filename"], one["comm"]) == ("/bin/short_processes", "short_processes"), one
        assert (one["uid"], one["gid"]) == (0, 0) and "truncated" not in one, one
        assert one["cgroup_id"] == step.cgroup.id, one


def judge_getaddrinfo(step):
    (report,) = step.reports
    (call,) = report["calls"]
    (record,) = step.kind("getaddrinfo")
    assert (record["pid"], record["tid"], record["node"], record["service"]) == (
        report["pid"], call["tid"], "127.0.0.1", "80",
    ), record
    assert record["result"] == call["result"] == 0 and 0 < record["latency_ns"] <= call["latency_ns"], (record, call)
    assert record["answers_seen"] == len(record["answers"]) == len(call["answers"]) > 0, (record, call)
    for got, want in zip(record["answers"], call["answers"]):
        for key in ("flags", "family", "socktype", "protocol", "addrlen", "address", "port", "canonname"):
            assert got.get(key) == want[key], (key, got, want)
    assert record["cgroup_id"] == step.cgroup.id, record


def judge_syscalls(step):
    (report,) = step.reports
    row = step.counted("getppid", step.cgroup)
    assert (row["count"], row["errors"]) == (report["getppid"], 0) == (CALLS * report["cpus"], 0), row
    row = step.counted("getpgid", step.cgroup)
    assert (row["count"], row["errors"]) == (ERRORS, ERRORS), row
    assert step.counted("exit", step.cgroup)["count"] == report["thread_exits"]
    assert step.counted("exit_group", step.cgroup)["count"] == 1


def judge_write(step):
    (report,) = step.reports
    records = [one for one in step.kind("write") if one["fd"] == report["fd"]]
    assert len(records) == WRITES and len(step.kind("write")) == WRITES + report["report_writes"]
    calls = collections.Counter(one["syscall"] for one in records)
    assert calls == {kind: one["calls"] for kind, one in report["kinds"].items()}
    threads = collections.Counter((one["tid"], one["cpu"]) for one in records)
    assert threads == {(one["tid"], one["cpu"]): one["calls"] for one in report["threads"]}
    assert all(one["requested"] == one["returned"] == 64 for one in records)


_JUDGES = {
    "process": judge_process,
    "getaddrinfo": judge_getaddrinfo,
    "syscalls": judge_syscalls,
    "write": judge_write,
}


def judge(step, probe):
    """The workload of this probe is recorded exactly, and the accounts balance. Where the kernel skipped runs and said so,
    only the accounts count."""
    done = check(step)
    try:
        _JUDGES[probe](step)
    except AssertionError:
        if not missed(done, probe):
            raise
        skip_missed(done, probe)
