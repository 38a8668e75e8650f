# SPDX-License-Identifier: Apache-2.0
"""A kernel that is booted with lockdown=confidentiality lets no program read its memory."""

import pytest

import scenarios
from judge import refusal


@pytest.fixture
def locked(boot, kernel):
    return boot(kernel, scenarios.lockdown())


def test_run_is_refused_with_a_line_that_names_lockdown(locked, row):
    step = locked.step("run")
    row(locked, "lockdown=confidentiality", "", step.errors[-1] if step.errors else "silent")
    refusal(step, 1, "lockdown")


def test_check_names_lockdown_and_what_to_do(locked):
    step = locked.step("check")
    assert step.code == 1, step.state()
    (line,) = [line for line in step.records if line["name"] == "lockdown"]
    assert line["state"] == "no" and "confidentiality" in line["why"] and line["do"], line
    assert all(line["why"] == "needs lockdown, see above" for line in step.records if line["check"] == "probe")
