# SPDX-License-Identifier: Apache-2.0
"""What `make` promises: one small static binary, nothing done twice, pinned sums, every option documented."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/ringside"


def make(*arguments):
    return subprocess.run(["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_a_second_make_does_nothing():
    assert make().returncode == 0
    again = make()
    assert again.returncode == 0
    assert re.fullmatch(r"(make(\[\d\])?: Nothing to be done for .*\n)?", again.stdout), again.stdout


def test_touching_a_header_rebuilds_what_includes_it_and_nothing_else():
    header = ROOT / "sidecar/net/health.h"
    before = header.stat()
    os.utime(header)
    try:
        plan = make("-n", "V=1").stdout
    finally:
        os.utime(header, ns=(before.st_atime_ns, before.st_mtime_ns))
    rebuilt = set(re.findall(r"-c (\S+\.c)", plan))
    users = subprocess.run(["grep", "-rlE", '"(net/)?health.h"', "sidecar", "--include=*.c"], cwd=ROOT, capture_output=True, text=True)
    assert rebuilt == set(users.stdout.split())


def test_the_binary_is_static_stripped_and_small():
    described = subprocess.run(["file", BINARY], capture_output=True, text=True).stdout
    assert "statically linked" in described or "static-pie linked" in described
    assert "not stripped" not in described and "stripped" in described
    assert BINARY.stat().st_size <= 8 << 20


def test_a_wrong_sum_stops_the_fetch_and_names_file_expected_and_found(tmp_path):
    for script in ("deps.sh", "apt.sh"):
        shutil.copy(ROOT / "container" / script, tmp_path)
    lock = (ROOT / "container/deps.lock").read_text()
    name, version, tarball, good = next(
        line for line in lock.splitlines() if line and line[0] != "#"
    ).split()[:4]
    bad = "0" * 64
    (tmp_path / "deps.lock").write_text(f"{name} {version} {tarball} {bad}\n")
    (tmp_path / "out/src").mkdir(parents=True)
    shutil.copy(ROOT / "build/deps/src" / tarball, tmp_path / "out/src")
    result = subprocess.run([tmp_path / "deps.sh", "fetch", tmp_path / "out"], capture_output=True, text=True)
    assert result.returncode != 0
    assert tarball in result.stderr and bad in result.stderr and good in result.stderr


def test_a_missing_tool_is_named_with_make_setup():
    result = make("CLANG=clang-19", "BPFTOOL=/nonexistent/bpftool")
    assert result.returncode != 0
    last = result.stderr.strip().splitlines()[-1]
    assert "bpftool" in last and "make setup" in last


@pytest.mark.parametrize("command", ["run", "collect", "cat", "check", "bench pipeline", "inject"])
def test_every_option_is_in_the_readme(command):
    shown = subprocess.run([BINARY, *command.split(), "--help"], capture_output=True, text=True)
    assert shown.returncode == 0
    options = set(re.findall(r"^\s+(--[a-z-]+)", shown.stdout, re.M)) - {"--help"}
    assert options
    readme = (ROOT / "README.md").read_text()
    missing = sorted(option for option in options if f"`{option}" not in readme)
    assert not missing
