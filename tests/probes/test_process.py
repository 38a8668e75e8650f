# SPDX-License-Identifier: Apache-2.0
"""process: fork, exec and exit, as they happened and in their order."""

import base64
import os
import shutil
import signal
import subprocess

import pytest

from harness import until
from harness.cgroup import Cgroup

MEBI = 1 << 20
ARGV_KEPT = 4096


@pytest.fixture
def side(sidecar):
    return sidecar(probe="process")


def shape(run, cgroup, *args, code=0):
    """Runs one shape to its end; returns its pid and its report."""
    program = run("proc_shapes", *args, cgroup=cgroup).go()
    return program.pid, program.finish(code=code)


def lives(side, pid, *kinds):
    """The process's own records, in order. The launcher executes it inside: that is the first exec."""
    return [record for record in side.kind(*(kinds or ("fork", "exec", "exit"))) if record["pid"] == pid]


def ended(side, pid):
    (record,) = side.wait_for("exit", pid=pid)
    return record


def test_an_exec_says_who_what_and_where(side, run, cgroup, workloads):
    pid, _ = shape(run, cgroup, "exit", "0")
    (record,) = side.wait_for("exec", pid=pid)
    program = str(workloads.program("proc_shapes"))
    assert record["filename"] == program and record["argv"] == [program, "exit", "0"]
    assert record["argv_bytes"] == len(program) + 1 + 5 + 2
    assert (record["uid"], record["gid"], record["ppid"]) == (0, 0, os.getpid())
    assert record["comm"] == "proc_shapes" and record["tid"] == pid
    assert record["cgroup_id"] == cgroup.id and record["stream"] == 0
    assert "truncated" not in record and "snapshot" not in record


def test_an_exec_under_another_user_shows_that_user(side, run, cgroup):
    program = run("/usr/bin/setpriv", "--reuid=65534", "--regid=65533", "--clear-groups", "/bin/true", cgroup=cgroup).go()
    program.finish()
    (record,) = side.wait_for("exec", pid=program.pid, where=lambda one: one["filename"] == "/bin/true")
    assert (record["uid"], record["gid"]) == (65534, 65533)


def test_arguments_keep_spaces_empty_ones_and_newlines(side, run, cgroup):
    arguments = ["two words", "", "tab\there", "line\nbreak", "", "\x1b[31mred", 'quote"back\\slash', ""]
    pid, _ = shape(run, cgroup, *arguments)
    (record,) = side.wait_for("exec", pid=pid)
    assert record["argv"][1:] == arguments


def test_arguments_that_are_no_utf8_are_kept_whole(side, run, cgroup):
    arguments = [b"caf\xe9", b"fine", b"\xff\xfe\x80"]
    pid, _ = shape(run, cgroup, *arguments)
    (record,) = side.wait_for("exec", pid=pid)
    assert record["argv"][1:3] == ["caf\ufffd", "fine"] and "\ufffd" in record["argv"][3]
    assert [base64.b64decode(text) for text in record["argv_b64"]][1:] == arguments


def test_arguments_that_are_utf8_have_no_second_form(side, run, cgroup):
    pid, _ = shape(run, cgroup, "grüße", "日本")
    (record,) = side.wait_for("exec", pid=pid)
    assert record["argv"][1:] == ["grüße", "日本"] and "argv_b64" not in record


def test_a_mebibyte_of_arguments_is_cut_and_its_length_kept(side, run, cgroup, workloads):
    target = str(workloads.program("proc_shapes"))
    program = run("proc_shapes", "big", MEBI, target, cgroup=cgroup).go()
    program.finish()
    record = side.wait_for("exec", pid=program.pid, count=2)[-1]
    assert record["argv_bytes"] == MEBI and record["truncated"] is True
    assert record["argv"][0] == target and set(record["argv"][1]) == {"b"}
    assert ARGV_KEPT // 2 < sum(len(text) + 1 for text in record["argv"]) <= ARGV_KEPT + 1


@pytest.mark.parametrize("length", [ARGV_KEPT - 1, ARGV_KEPT, ARGV_KEPT + 1])
def test_arguments_at_the_limit_are_cut_only_past_it(side, run, cgroup, workloads, length):
    target = str(workloads.program("proc_shapes"))
    program = run("proc_shapes", "big", length, target, cgroup=cgroup).go()
    program.finish()
    record = side.wait_for("exec", pid=program.pid, count=2)[-1]
    assert record["argv_bytes"] == length
    assert record.get("truncated", False) == (length > ARGV_KEPT)
    if length <= ARGV_KEPT:
        assert sum(len(text) + 1 for text in record["argv"]) == length


@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_an_exit_has_its_code(side, run, cgroup, code):
    pid, _ = shape(run, cgroup, "exit", code, code=code)
    record = ended(side, pid)
    assert record["code"] == code and "signal" not in record


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, 64])
def test_a_death_by_signal_has_its_number(side, run, cgroup, number):
    pid, _ = shape(run, cgroup, "signal", int(number), code=-int(number))
    record = ended(side, pid)
    assert record["signal"] == number and "code" not in record


def test_a_process_whose_main_thread_left_first_ends_once_and_late(side, run, cgroup):
    pid, report = shape(run, cgroup, "leader", 42, code=42)
    record = ended(side, pid)
    assert record["code"] == 42 and record["pid"] == pid
    side.stop()
    assert len(side.kind("exit")) == 1
    assert report["last_tid"] != pid


def test_threads_are_no_processes(side, run, cgroup):
    pid, _ = shape(run, cgroup, "threads", 20)
    ended(side, pid)
    side.stop()
    assert [record["kind"] for record in side.kind("fork", "exec", "exit")] == ["exec", "exit"]


def test_threads_that_all_end_the_process_end_it_once(side, run, cgroup):
    pids = [shape(run, cgroup, "race", 16, code=3)[0] for _ in range(10)]
    for pid in pids:
        assert ended(side, pid)["code"] == 3
    side.stop()
    assert sorted(record["pid"] for record in side.kind("exit")) == sorted(pids)


def test_an_exec_from_a_thread_is_the_processs(side, run, cgroup):
    pid, _ = shape(run, cgroup, "thread_exec", "/bin/true", "from a thread")
    record = side.wait_for("exec", pid=pid, count=2)[-1]
    assert record["filename"] == "/bin/true" and record["argv"] == ["/bin/true", "from a thread"]
    assert record["tid"] == pid
    assert ended(side, pid)["code"] == 0
    side.stop()
    assert [record["kind"] for record in lives(side, pid)] == ["exec", "exec", "exit"]


def test_an_exec_that_fails_is_none(side, run, cgroup):
    pid, _ = shape(run, cgroup, "exec_fails", "/does/not/exist", code=5)
    ended(side, pid)
    side.stop()
    assert [record["kind"] for record in lives(side, pid)] == ["exec", "exit"]


def test_a_script_shows_its_own_path_and_the_interpreters_arguments(side, run, cgroup, tmp_path):
    script = tmp_path / "a script"
    script.write_text("#!/bin/sh -e\nexit 6\n")
    script.chmod(0o755)
    program = run(str(script), "argument", cgroup=cgroup).go()
    program.finish(code=6)
    (record,) = side.wait_for("exec", pid=program.pid)
    assert record["filename"] == str(script)
    assert record["argv"] == ["/bin/sh", "-e", str(script), "argument"]


def test_forks_name_their_children_in_order(side, run, cgroup):
    pid, report = shape(run, cgroup, "fork", 5)
    ended(side, pid)
    forks = lives(side, pid, "fork")
    assert [record["child"] for record in forks] == report["children"]
    for code, fork in enumerate(forks, start=1):
        end = ended(side, fork["child"])
        assert end["code"] == code and end["start_time"] == fork["child_start"]
        assert fork["seq"] < end["seq"]


def test_a_vfork_is_a_fork(side, run, cgroup):
    pid, report = shape(run, cgroup, "vfork", "/bin/sh", "-c", "exit 9", code=9)
    (fork,) = side.wait_for("fork", pid=pid)
    assert fork["child"] == report["child"]
    end = ended(side, report["child"])
    (exec_,) = side.kind("exec", pid=report["child"])
    assert exec_["ppid"] == pid and exec_["start_time"] == fork["child_start"] == end["start_time"]
    assert fork["seq"] < exec_["seq"] < end["seq"]


def test_a_fork_out_of_the_scope_into_another_cgroup_is_recorded(side, run, cgroup, new_cgroup):
    other = new_cgroup("other")
    pid, report = shape(run, cgroup, "into", other.path, "/bin/true")
    (fork,) = side.wait_for("fork", pid=pid)
    assert fork["child"] == report["child"]
    ended(side, pid)
    side.stop()
    assert not lives(side, report["child"]), "what the child does out there is no concern of ours"


def test_a_fork_from_outside_into_the_scope_is_recorded(side, run, cgroup, new_cgroup):
    other = new_cgroup("other")
    program = run("proc_shapes", "into", cgroup.path, "/bin/true", cgroup=other).go()
    child = program.finish()["child"]
    end = ended(side, child)
    (fork,) = side.kind("fork", child=child)
    (exec_,) = side.kind("exec", pid=child)
    assert fork["pid"] == program.pid and fork["seq"] < exec_["seq"] < end["seq"]
    side.stop()
    assert not [record for record in side.kind("exec", "exit") if record["pid"] == program.pid]


def test_a_fork_from_a_container_into_the_scope_does_not_name_the_scope_after_it(side, run, cgroup, new_cgroup):
    other = new_cgroup("b" * 64)
    program = run("proc_shapes", "into", cgroup.path, "/bin/true", cgroup=other).go()
    ended(side, program.finish()["child"])
    assert {record.get("container") for record in side.records} == {None}


def test_an_exit_has_the_cpu_time_of_all_threads(side, run, cgroup):
    pid, report = shape(run, cgroup, "burn", 200)
    record = ended(side, pid)
    assert report["cpu_ns"] * 0.9 <= record["cpu_ns"] <= record["duration_ns"] * 2
    # Half of it was a thread's that has gone before.
    assert record["cpu_ns"] >= 190_000_000


def test_an_exit_has_the_peak_of_memory(side, run, cgroup):
    size = 64 * MEBI
    pid, report = shape(run, cgroup, "rss", size)
    record = ended(side, pid)
    if "rss_peak_bytes" in record:
        assert size <= record["rss_peak_bytes"] <= report["peak_bytes"] * 1.25


def test_start_time_is_one_identity_over_exec_and_exit(side, run, cgroup):
    pid, _ = shape(run, cgroup, "thread_exec", "/bin/true")
    ended(side, pid)
    assert len({record["start_time"] for record in lives(side, pid)}) == 1
    with open("/proc/uptime", encoding="ascii") as uptime:
        now = float(uptime.read().split()[0]) * 1e9
    assert now - 120e9 < lives(side, pid)[0]["start_time"] < now


def test_what_ran_before_the_start_is_in_the_snapshot_once(sidecar, run, cgroup, workloads):
    sleepers = [run("proc_shapes", "wait", f"number {i}", "", cgroup=cgroup) for i in range(5)]
    for one in sleepers:
        until(lambda one=one: os.readlink(f"/proc/{one.pid}/exe").endswith("proc_shapes"), "the workload to start")
    side = sidecar(probe="process")
    program = str(workloads.program("proc_shapes"))
    for i, one in enumerate(sleepers):
        (record,) = side.wait_for("exec", pid=one.pid)
        assert record["snapshot"] is True
        assert record["argv"] == [program, "wait", f"number {i}", ""] and record["ppid"] == os.getpid()
        assert record["comm"] == "proc_shapes" and record["cgroup_id"] == cgroup.id
    for one in sleepers:
        one.go().finish()
    for one in sleepers:
        end = ended(side, one.pid)
        assert end["start_time"] == side.kind("exec", pid=one.pid)[0]["start_time"]
    side.stop()
    assert len(side.kind("exec")) == len(sleepers)


def test_threads_are_not_in_the_snapshot(sidecar, run, cgroup):
    program = run("/usr/bin/python3", "-c", "import threading,sys\n"
                  "for i in range(5): threading.Thread(target=sys.stdin.read).start()\n"
                  "print('{}', flush=True)", cgroup=cgroup)
    until(lambda: len(os.listdir(f"/proc/{program.pid}/task")) >= 6, "the threads")
    side = sidecar(probe="process")
    side.wait_for("exec", pid=program.pid)
    program.go()
    ended(side, program.pid)
    side.stop()
    assert len(side.kind("exec")) == 1


def test_a_cgroup_made_later_below_the_scope_is_inside(side, run, cgroup, new_cgroup):
    below = new_cgroup("below", parent=cgroup)
    pid, _ = shape(run, below, "exit", "0")
    (record,) = side.wait_for("exec", pid=pid)
    assert record["cgroup_id"] == below.id != cgroup.id


def test_a_program_that_is_gone_from_its_path_still_has_its_name(side, run, cgroup, workloads, tmp_path):
    copy = tmp_path / "gone"
    shutil.copy(workloads.program("proc_shapes"), copy)
    program = run(str(copy), "wait", cgroup=cgroup)
    (record,) = side.wait_for("exec", pid=program.pid)
    copy.unlink()
    program.go().finish()
    ended(side, program.pid)
    assert record["filename"] == str(copy) and record["comm"] == "gone"


def test_a_container_keeps_its_name_however_many_cgroups_come_and_go(sidecar, run, cgroup):
    container = Cgroup(f"docker-{'c' * 64}.scope", cgroup)
    side = sidecar(probe="process")
    for number in range(1300):
        one = Cgroup(f"short-{number}", cgroup)
        subprocess.run(["sh", "-c", f"echo 0 > {one.path}/cgroup.procs"], check=True)
        one.path.rmdir()
        if number % 100 == 0:
            program = run("proc_shapes", "exit", 0, cgroup=container)
            program.finish()
    program = run("proc_shapes", "exit", 0, cgroup=container)
    program.finish()
    (record,) = side.wait_for("exit", pid=program.pid)
    assert record["container"] == "c" * 64
    container.remove()
