# SPDX-License-Identifier: Apache-2.0
"""msg=coverage: of many processes of one image a line and a number; more files than can be followed."""

import os
import signal
import subprocess
import sys

from harness import until
from test_getaddrinfo import _executes, _fresh_library


def test_processes_of_one_image_that_cannot_be_seen_are_a_line_and_a_number(sidecar, run, cgroup, workloads, tmp_path):
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, workloads.program("gai", "static")], check=True)
    programs = [run(str(stripped), "wait", cgroup=cgroup) for _ in range(3)]
    until(lambda: {one.pid for one in programs} <= set(cgroup.pids()), "the workloads to be in their cgroup")
    until(lambda: all(os.readlink(f"/proc/{one.pid}/exe") == str(stripped) for one in programs), "their exec")
    side = sidecar(probe="getaddrinfo")
    side.stop()
    first, rest = [one for one in side.messages("coverage") if one.get("image") == str(stripped)]
    assert int(first["pid"]) in [one.pid for one in programs] and "cannot be seen" in first["why"], first
    assert rest["processes"] == "2" and rest["why"] == first["why"], rest
    for program in programs:
        program.go().finish()


# As runc does for each exec into a container: a copy of itself in memory.
FROM_MEMORY = """
import os, sys
file = os.memfd_create("cloned", 0)
os.write(file, open(sys.argv[1], "rb").read())
os.execve(f"/proc/self/fd/{file}", sys.argv[1:], os.environ)
"""


def test_programs_in_memory_that_cannot_be_seen_are_a_line_and_a_number(sidecar, run, cgroup, workloads, tmp_path):
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, workloads.program("gai", "static")], check=True)
    side = sidecar(probe="getaddrinfo")
    command = [sys.executable, "-c", FROM_MEMORY, str(stripped), "wait"]
    programs = [run(*command, cgroup=cgroup) for _ in range(3)]
    until(lambda: all("memfd:" in os.readlink(f"/proc/{one.pid}/exe") for one in programs), "their exec")
    # They are there to be looked at; what is told of a later program comes after that.
    run(str(stripped), "call", "127.0.0.3", cgroup=cgroup).go().finish()
    side.wait(lambda: [one for one in side.messages("coverage") if one.get("image") == str(stripped)], "the last report")
    side.stop()
    first, rest = [one for one in side.messages("coverage") if one.get("image") == "/memfd:cloned"]
    assert "pid" in first and rest["processes"] == "2" and rest["why"] == first["why"], rest


def test_a_look_at_all_processes_finds_those_of_a_scope_that_was_made_again(sidecar, run, cgroup, new_cgroup, workloads, tmp_path):
    scope = new_cgroup("scope", parent=cgroup)
    side = sidecar("--proc", "/proc", probe="getaddrinfo", scope=[f"cgroup:{scope.path}"])
    scope.remove()
    again = new_cgroup("scope", parent=cgroup)
    env, call_of = _fresh_library(workloads, "glibc", "LD_PRELOAD", tmp_path)
    os.kill(side.pid, signal.SIGSTOP)
    try:
        run("/bin/sh", "-c", "for i in $(seq 1000); do /bin/true; done", cgroup=again).finish()
        program = run("gai", "twice", *call_of, cgroup=again, env=env)
        until(lambda: _executes(program.pid, "gai"), "the workload to start")
    finally:
        os.kill(side.pid, signal.SIGCONT)
    side.wait(lambda: [one for one in side.messages("coverage") if "notices" in one], "the loss of notices")
    # The first call is made by now. What is told of a later program comes after that look.
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, workloads.program("gai", "static")], check=True)
    run(str(stripped), "call", "127.0.0.3", cgroup=again).go().finish()
    side.wait(lambda: [one for one in side.messages("coverage") if one.get("image") == str(stripped)], "the look's end")
    program.go().finish()
    side.wait_for("getaddrinfo", pid=program.pid, node=call_of[0])
