# SPDX-License-Identifier: Apache-2.0
"""Where the kernel may take the CPU from a probe's program half-way, no record is mixed from two calls."""

import pytest

import scenarios
from harness.accounting import check
from judge import refusal, taken


@pytest.fixture
def preempt(boot, kernel):
    return boot(kernel, scenarios.preempt())


def test_lookups_of_threads_on_one_cpu_are_not_mixed(preempt, row, transport):
    step = preempt.step(f"crowd.{transport}")
    row(preempt, "preempt=full", transport, taken(step, "getaddrinfo"))
    mode = preempt.step("mode").text("stdout")
    if "(full)" not in mode:
        pytest.skip(f"this kernel knows no preempt=full: {mode.strip() or 'not built with CONFIG_PREEMPT_DYNAMIC'}")
    if transport == "perf-stack":
        refusal(step, 2, "getaddrinfo")
        return
    check(step)
    (report,) = step.reports
    records = step.kind("getaddrinfo")
    assert len({one["cpu"] for one in records}) == 1
    want = sorted(f"127.{t}.{c}.1" for t in range(report["threads"]) for c in range(report["calls_each"]))
    assert sorted(one["node"] for one in records) == want
    threads = {}
    for one in records:
        _, thread, call, _ = one["node"].split(".")
        assert threads.setdefault(thread, one["tid"]) == one["tid"], one
        assert one["service"] == str(1000 + int(call)), one
        assert [(a["address"], a["port"]) for a in one["answers"]] == [(one["node"], int(one["service"]))], one
    assert len(set(threads.values())) == report["threads"]
