# SPDX-License-Identifier: Apache-2.0
"""--proc DIR: a sidecar in a PID namespace of its own that reads processes in the host's /proc, mounted at DIR."""

import os
import pathlib
import signal
import subprocess

import pytest

from harness import until, workload
from harness.accounting import check as check_accounts
from harness.scopes import *  # the fixtures and helpers
from harness.sidecar import Sidecar

WITHOUT_PTRACE = ["capsh", "--drop=cap_sys_ptrace", "--", "-c", 'exec "$@"', "sh"]
HOST = "mount -o bind,ro /proc {}"
HIDDEN = "mount -t proc -o hidepid=4 proc {}"
# Once its first process has ended, nobody is in it any more.
DEAD = "unshare -pf mount -t proc proc {}"


@pytest.fixture
def directory(tmp_path):
    """DIR."""
    one = tmp_path / "host-proc"
    one.mkdir()
    return one


def mounted(how, directory):
    """The beginning of a command line before which this is mounted."""
    return ["unshare", "--mount", "sh", "-c", f'{how.format(directory)} && exec "$@"', "sh"]


@pytest.fixture
def contained(binary, named, directory):
    """A function that starts a sidecar with --proc in a container of its own, and waits until it is ready."""
    started = []

    def start(*args, before=(), **options):
        before = [*mounted(HOST, directory), *alone(named("sidecar")), *before]
        started.append(Sidecar(binary, ["--proc", directory, *args], before=before, **options))
        started[-1].wait_ready()
        return started[-1]

    yield start
    try:
        for one in started:
            children = pathlib.Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGTERM)
            one.process.wait(20)
            check_accounts(one.stop())
    finally:
        for one in started:
            one.kill()


def test_what_runs_and_is_looked_up_in_another_pid_namespace_is_told_whole(contained, app, run):
    side = contained(scope=[f"docker:{ID_A}"], probe="process,getaddrinfo")
    (before,) = side.wait_for("exec", snapshot=True, pid=app.init)
    assert before["argv"] == ["sleep", "1000"]
    assert before["filename"] == os.readlink(f"/proc/{app.init}/exe") and "ns_pid" not in before
    for variant in ("glibc", "musl"):
        program = run("gai", "call", "localhost", cgroup=app.cgroup, variant=variant).go()
        (record,) = side.wait_for("getaddrinfo", pid=program.pid)
        assert record["node"] == "localhost" and record["result"] == 0
        (executed,) = side.wait_for("exec", pid=program.pid)
        assert executed["argv"][1:] == ["call", "localhost"]
    assert not side.messages("coverage")


@pytest.fixture
def hidden(run, tmp_path):
    """A program that waits at its gate, outside the scope, in a file that only its own mount namespace has."""
    place = tmp_path / "tmpfs"
    place.mkdir()
    script = f'mount -t tmpfs none {place} && cp "$1" {place}/gai && exec {place}/gai call localhost'
    program = run("/usr/bin/unshare", "--mount", "sh", "-c", script, "sh", workload.program("gai", "static"), gate=True)
    until(lambda: os.readlink(f"/proc/{program.pid}/exe") == f"{place}/gai", "it to run")
    return program


def test_a_file_that_is_mapped_at_the_start_is_attached(contained, app, hidden):
    app.cgroup.add(hidden.pid)
    side = contained(scope=[f"pid:{app.init}"], probe="getaddrinfo")
    hidden.go()
    assert side.wait_for("getaddrinfo", pid=hidden.pid, node="localhost")
    assert not side.messages("coverage")


def test_a_file_of_who_comes_into_the_scope_is_attached(contained, app, hidden):
    side = contained(scope=[f"docker:{ID_A}"], probe="getaddrinfo")
    app.cgroup.add(hidden.pid)
    (report,) = side.wait(lambda: side.messages("coverage"), "the report of its arrival")
    assert report["pid"] == str(hidden.pid) and "its first calls may be missing" in report["why"]
    hidden.go()
    assert side.wait_for("getaddrinfo", pid=hidden.pid, node="localhost")


def test_files_that_may_not_be_opened_are_reported_by_their_path(contained, app, run):
    run("gai", "wait", cgroup=app.cgroup)
    side = contained(scope=[f"docker:{ID_A}"], probe="getaddrinfo", before=WITHOUT_PTRACE)
    (report, *_) = side.wait(lambda: side.messages("coverage"), "a report")
    assert "CAP_SYS_PTRACE" in report["why"]


def test_check_says_how_many_processes_it_reaches(check, directory, app, named):
    before = [*mounted(HOST, directory), *alone(named("box"))]
    arguments = {"scope": f"pid:{app.init}", "probe": "process,getaddrinfo"}
    line = check("--proc", directory, before=before, **arguments).line("requirement", "proc")
    assert (line["state"], line["why"]) == ("ok", f"{len(app.cgroup.pids())} processes of the scope are seen in the host's /proc")
    answer = check("--proc", directory, before=[*before, *WITHOUT_PTRACE], **arguments)
    assert answer.code == 1 and answer.line("requirement", "CAP_SYS_PTRACE")["state"] == "no"
    expect(check("--proc", directory, scope=f"pid:{app.init}", before=before), app.cgroup)
    refused(check("--proc", directory, scope="pid:4194304", before=before), f"no process 4194304 in {directory}")


@pytest.mark.parametrize("how, inside, why", [
    ("rmdir {}", [], "No such file or directory"),
    ("true {}", [], "it is no /proc"),
    (DEAD, [], "a PID namespace that the sidecar is not in"),
    (HIDDEN, WITHOUT_PTRACE, "hidepid"),
])
def test_another_directory_is_refused(check, directory, named, how, inside, why):
    before = [*mounted(how, directory), *alone(named("box")), *inside]
    refused(check("--proc", directory, scope="self", before=before), f"value={directory}", why)


def test_hidden_processes_are_read_by_who_may_trace_them(check, directory, named):
    before = [*mounted(HIDDEN, directory), *alone(named("box"))]
    assert check("--proc", directory, scope="self", before=before).code == 0


def test_the_proc_of_a_pid_namespace_that_is_not_the_hosts_is_refused(check, directory, named, binary):
    own = alone(named("box"))
    why = "the sidecar's own PID namespace"
    refused(check("--proc", "/proc", scope="self", before=own), why)
    done = subprocess.run([*own, binary, "run", "--proc", "/proc"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and why in done.stderr, done
    inner = [*alone(named("outer")), *mounted(HOST, directory), *alone()]
    refused(check("--proc", directory, scope="self", before=inner), "this machine is a container")


def test_on_the_host_itself_it_changes_nothing(check):
    assert check("--proc", "/proc", scope="host").code == 0
