# SPDX-License-Identifier: Apache-2.0
"""Disks that fill up, limits, names that are taken: said as what they are."""

import json
import re
import subprocess
import sys

import pytest


def cat(binary, path):
    return subprocess.run([binary, "cat", path, "--format", "json"], capture_output=True, text=True, timeout=60)


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_capture_on_a_full_disk_says_how_much_is_missing_and_ends_with_a_whole_frame(
    sidecar, run, cgroup, binary, small_disk
):
    path = small_disk / "frames"
    side = sidecar("--capture", path, "--ring-samples", "16M", probe="write")
    run("write_flood", "--count", 60000, gate=True).open_gate(cgroup).finish()
    side.wait(lambda: side.messages("the capture falls behind"), "a word while it runs")
    side.stop()
    (line,) = side.messages("the capture is not whole")
    assert int(line["frames_left_out"]) > 0
    done = cat(binary, path)
    assert done.returncode == 0 and "whole" not in done.stderr, done.stderr
    assert 0 < len(done.stdout.splitlines()) < len(side.kind("write"))


def test_a_file_size_limit_is_told_like_a_full_disk(binary, run, cgroup, tmp_path):
    command = [binary, "run", "--scope", f"cgroup:{cgroup.path}", "--probe", "write", "--format", "none"]
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *command, "--capture", tmp_path / "frames"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while "msg=ready" not in (line := process.stderr.readline()):
        assert line, "it ended before it was ready"
    run("write_flood", "--count", 20000, gate=True).open_gate(cgroup).finish()
    process.terminate()
    assert process.wait(20) == 0
    assert "File too large" in process.stderr.read()


def test_each_attribute_is_there_once(sidecar, binary, tmp_path):
    refused = subprocess.run(
        [binary, "run", "--scope", "host", "--attribute", "a=1", "--attribute", "a=2"], capture_output=True, text=True
    )
    assert refused.returncode == 2 and "given before" in refused.stderr
    path = tmp_path / "frames"
    side = sidecar("--attribute", "host.name=mine", "--capture", path, probe="process")
    side.stop()
    frames = subprocess.run([binary, "cat", "--frames", path], capture_output=True, text=True, check=True).stdout
    assert "mine" in frames and frames.count("host.name") == 1, frames


def test_an_attribute_without_a_value_is_left_out(sidecar, binary, tmp_path):
    path = tmp_path / "frames"
    side = sidecar("--attribute", "service.name=", "--attribute", "host.name=", "--capture", path, probe="process")
    side.stop()
    frames = subprocess.run([binary, "cat", "--frames", path], capture_output=True, text=True, check=True).stdout
    attributes = json.loads(frames.splitlines()[0])["attributes"]
    assert set(attributes) == {"host.name"} and attributes["host.name"], attributes


def test_a_second_sidecar_says_that_it_cannot_be_asked_and_takes_over(sidecar, binary):
    first = sidecar(probe="process")
    second = sidecar(probe="process")
    assert "another sidecar" in second.messages("health can't be asked for")[0]["why"]
    first.stop()
    second.wait(lambda: subprocess.run([binary, "health", "run"]).returncode == 0, "the second one to answer")


SQUATTER = """
import os, socket, subprocess, sys
squatter = socket.socket(socket.AF_UNIX)
os.seteuid(65534)
squatter.bind(f"\\0ringside/run/{os.stat('/proc/self/ns/mnt').st_ino}")
squatter.listen()
os.seteuid(0)
sys.exit(subprocess.run([sys.argv[1], "health", "run"]).returncode)
"""


def test_another_users_answer_is_no_health(binary):
    command = ["unshare", "--mount", sys.executable, "-c", SQUATTER, binary]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "another user" in done.stderr, done


@pytest.mark.parametrize(
    "command, words",
    [
        (["collect", "--listen", "foo"], "not an address"),
        (["collect", "--listen", "9717"], "not an address"),
        (["run", "--ring", "4k"], "no such option"),
        (["run", "--scope", "host", "--agent-id", ""], "give one"),
        (["run", "--scope", "host", "--capture", ""], "give a path"),
        (["version", "extra"], "leave it out"),
    ],
)
def test_a_wrong_call_is_told_as_what_it_is(binary, command, words):
    done = subprocess.run([binary, *command], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1, done


def test_without_sys_it_says_so(binary, cgroup):
    script = f'mount --make-rprivate /; umount -l /sys; exec "{binary}" run --scope host --format none'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and re.search("do=.*mount sysfs", done.stderr), done
