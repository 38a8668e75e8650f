# SPDX-License-Identifier: Apache-2.0
"""Whom a kernel refuses is told what is missing and what to do."""

from judge import judge, refusal, taken


def lacking(step):
    """The lines of `check` that say no, by name."""
    return {line["name"]: line for line in step.records if line["state"] == "no"}


def test_a_user_without_privileges_is_refused_with_the_capability_that_is_missing(plain, row):
    step = plain.step("unprivileged")
    row(plain, "unprivileged user", "", step.errors[-1])
    refusal(step, 1, "CAP_BPF")


def test_check_names_the_capabilities_that_an_unprivileged_user_lacks(plain):
    step = plain.step("unprivileged-check")
    assert step.code == 1, step.state()
    no = lacking(step)
    assert {"CAP_BPF", "CAP_PERFMON", "process", "write"} <= set(no), no
    assert no["CAP_BPF"]["do"] == "--cap-add BPF", no


def test_64_KiB_of_locked_memory_are_refused_with_the_remedy_or_do_no_harm(plain, kernel, row):
    step = plain.step("memlock")
    row(plain, "memlock 64 KiB", "", taken(step, "process"))
    if kernel.name == "5.10":  # charges maps to RLIMIT_MEMLOCK
        refusal(step, 1, "memlock", "ulimit")
    else:
        judge(step, "process")


def test_check_says_that_locked_memory_is_too_little_where_maps_are_charged_to_it(plain, kernel):
    step = plain.step("memlock-check")
    no = lacking(step)
    if kernel.name == "5.10":
        assert step.code == 1, step.state()
        assert "RLIMIT_MEMLOCK" in no["budget"]["why"] and "memlock" in no["budget"]["do"], no
    else:
        assert step.code == 0 and not no, step.state()
