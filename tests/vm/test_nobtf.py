# SPDX-License-Identifier: Apache-2.0
"""A kernel without BTF: where no file of it is given, one line says so, and how to make one. (With the file all that the other tests
ask of a kernel holds there too.)"""

import pytest

import scenarios
from judge import refusal
from test_check import compare

WAYS = ("--btf FILE", "uname -r", "pahole --btf_encode_detached", "BTFHub")


@pytest.fixture
def without(boot, kernel):
    return boot(kernel, scenarios.without_btf())


def test_run_is_refused_with_a_line_that_says_how_to_make_the_file(without, row):
    step = without.step("run")
    row(without, "no --btf", "", step.errors[-1] if step.errors else "silent")
    refusal(step, 1, "no BTF", *WAYS)


def test_check_says_no_once_and_how_to_make_the_file(without, kernel):
    step = without.step("check")
    assert step.code == 1 and not step.errors, step.state()
    (line,) = [line for line in step.records if line["name"] == "btf"]
    assert line["state"] == "no" and all(way in line["do"] for way in WAYS), line
    assert all(line["why"] == "needs btf, see above" for line in step.records if line["check"] == "probe")
    compare(step, f"{kernel.golden}-without")


def test_every_probe_takes_raw_tracepoints_and_shows_what_runs_already(plain):
    for probe in ("process", "syscalls", "write"):
        (ready,) = plain.step(f"{probe}.auto").messages("ready")
        assert ready["probes"] == f"{probe}:raw_tp", ready
