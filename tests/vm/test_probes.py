# SPDX-License-Identifier: Apache-2.0
"""Each probe records exactly what a known workload did, on each kernel and transport, and says what it took."""

import pytest

from judge import judge, refusal, taken
from scenarios import DEFAULT, PROBES, transports

STACK_LIMIT = "512"  # bytes of a program's stack, where perf-stack builds its records


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_records_exactly_what_happened(plain, row, probe, transport):
    step = plain.step(f"{probe}.{transport}")
    row(plain, probe, transport, taken(step, probe))
    if transport == "perf-stack" and probe == "getaddrinfo":
        refusal(step, 2, "getaddrinfo", "perf-stack", STACK_LIMIT)
    else:
        judge(step, probe)


@pytest.mark.parametrize("library", ["musl", "static"])
def test_a_resolver_of_another_kind_is_seen_too(plain, row, library):
    step = plain.step(f"getaddrinfo-{library}")
    row(plain, f"getaddrinfo, {library}", transports()[0], taken(step, "getaddrinfo"))
    judge(step, "getaddrinfo")


def test_latency_is_measured_whatever_keeps_the_start_of_a_call(plain, row):
    step = plain.step("latency")
    row(plain, "--latency", DEFAULT, taken(step, "write"))
    judge(step, "write")
    assert all(one["latency_ns"] > 0 for one in step.kind("write"))
    assert all(row["total_ns"] > 0 for row in step.counters() if row["syscall"] in ("write", "pwritev"))
