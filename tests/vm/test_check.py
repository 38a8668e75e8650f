# SPDX-License-Identifier: Apache-2.0
"""What `ringside check` says of each kernel is what it said before. GOLDEN=write takes what it says now as right."""

import json
import os
import pathlib
import re

import pytest

from kernels import FOREIGN

GOLDEN = (pathlib.Path(__file__).parent / "golden").joinpath(*FOREIGN)


def normalised(text):
    """Without what is about this build, or the processes there, and not about the kernel."""
    lines = []
    for line in map(json.loads, text.splitlines()):
        line["why"] = re.sub(r"files=\d+", "files=N", line["why"])
        line["why"] = re.sub(r"^\d+ processes", "N processes", line["why"])
        line["why"] = re.sub(r"^[\d.]+ MiB", "N MiB", line["why"])
        line.pop("bytes", None)
        lines.append(json.dumps(line))
    return "".join(f"{line}\n" for line in lines)


def compare(step, name):
    got = normalised(step.text("stdout"))
    golden = GOLDEN / f"check-{name}.json"
    if os.environ.get("GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(got)
    assert golden.exists(), f"no {golden}: GOLDEN=write makes it"
    assert got.splitlines() == golden.read_text().splitlines(), f"GOLDEN=write takes this as right\n{step.state()}"


def test_check_says_of_a_kernel_what_it_said_before(plain, kernel, row):
    step = plain.step("check")
    row(plain, "check", "", f"exit status {step.code}")
    if not kernel.golden:
        pytest.skip("no golden file is kept of a kernel that is given by its path")
    compare(step, kernel.golden)
    assert step.code == 0, step.state()
