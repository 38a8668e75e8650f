# SPDX-License-Identifier: Apache-2.0
"""Eight CPUs are possible, two are online, and they come and go: counters stay exact, no record is lost unsaid."""

import pytest

import scenarios
from harness.accounting import check
from judge import missed, skip_missed, taken
from scenarios import CALLS, FLOOD


@pytest.fixture
def hotplug(boot, kernel):
    return boot(kernel, scenarios.hotplug())


def test_the_guest_has_more_possible_cpus_than_online_ones(hotplug):
    assert hotplug.step("possible").text("stdout") == "0-7\n"
    assert hotplug.step("online").text("stdout") == "0-1\n"


def test_counters_are_exact_while_a_cpu_comes_and_goes(hotplug, row, transport):
    step = hotplug.step(f"replugged.{transport}")
    row(hotplug, "CPU comes and goes", transport, taken(step, "syscalls"))
    done = check(step)
    reports = step.reports
    assert [report["cpu_numbers"] for report in reports] == [[0, 1], [0, 5], [0]]
    counted = step.counted("getppid", step.cgroup)
    if missed(done, "syscalls"):
        assert 0 <= 5 * CALLS - counted["count"] <= missed(done, "syscalls")
        skip_missed(done, "syscalls")
    assert counted["count"] == sum(report["getppid"] for report in reports) == 5 * CALLS
    assert counted["per_cpu"] == [3 * CALLS, CALLS, 0, 0, 0, CALLS, 0, 0]
    # A process's only write is its report.
    assert sorted(one["pid"] for one in step.kind("write")) == sorted(report["pid"] for report in reports)


def test_nothing_is_lost_when_a_cpu_goes_in_the_middle_of_a_flood(hotplug, row, transport):
    step = hotplug.step(f"unplugged.{transport}")
    row(hotplug, "CPU goes in a flood", transport, taken(step, "write"))
    done = check(step)
    (report,) = step.reports
    before = int(step.text("records_before"))
    assert 0 < before < FLOOD, "the CPU was not taken away in the middle"
    calls = FLOOD + report["report_writes"]
    assert calls - missed(done, "write") <= done["write_produced"] <= calls
    for kind, one in report["kinds"].items():
        own = report["report_writes"] if kind == "write" else 0
        counted = step.counted(kind, step.cgroup)["count"]
        assert one["calls"] + own - missed(done, "syscalls") <= counted <= one["calls"] + own, kind
    assert done["write_lost"] == 0, step.state()
