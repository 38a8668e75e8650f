# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the scope and check tests: cgroups with names of our own, processes in them, private namespaces."""

import itertools
import json
import os
import pathlib
import subprocess
import types

import pytest

from harness import until
from harness.cgroup import Cgroup

ID_A = "a" * 64
ID_B = "a" * 63 + "b"
UID = "d1f5a2c4-0b7e-4c7a-9a53-0f6b1c2d3e4f"
PRIVATE = """mount -t proc proc /proc
for point in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts); do umount -l "$point"; done
exec "$@"
"""

_number = itertools.count(1)


class Answer:
    def __init__(self, done):
        self.code = done.returncode
        self.stderr = done.stderr.decode()
        self.lines = [json.loads(line) for line in done.stdout.splitlines()]

    def lines_of(self, check):
        return [line for line in self.lines if line["check"] == check]

    def line(self, check, name=None):
        found = [line for line in self.lines_of(check) if name in (None, line["name"])]
        assert len(found) == 1, f"{check} {name}: {self.lines}\n{self.stderr}"
        return found[0]


def joined(*cgroups):
    """The beginning of a command line that runs in these cgroups."""
    files = " ".join(f"{cgroup.path}/cgroup.procs" for cgroup in cgroups)
    return ["sh", "-c", f'for file in {files}; do echo $$ >$file; done; exec "$@"', "sh"] if cgroups else []


class Root:
    """The root of a hierarchy: to put a process there."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def pids(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]


@pytest.fixture
def check(binary):
    def run(*args, scope=(), before=(), probe="process", **options):
        scopes = [part for one in ([scope] if isinstance(scope, str) else scope) for part in ("--scope", one)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RINGSIDE_")}
        done = subprocess.run(
            [*before, str(binary), "check", "--format", "json", "--probe", probe, *scopes, *args],
            stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=60, **options
        )
        return Answer(done)

    return run


@pytest.fixture
def v1_cgroup():
    """A function that makes a cgroup of a v1 controller; skips where there is none."""
    made = []

    def make(controller, name):
        mount = pathlib.Path("/sys/fs/cgroup") / controller
        if not (mount / "tasks").exists():
            pytest.skip(f"no v1 hierarchy with the {controller} controller at {mount}")
        made.append(Cgroup(f"ringside-test-{os.getpid()}-{next(_number)}-{name}", Root(mount)))
        return made[-1]

    yield make
    for cgroup in reversed(made):
        cgroup.remove()


@pytest.fixture
def named(new_cgroup):
    """A function that makes a v2 cgroup of exactly this name, below one of the test's own."""
    parent = new_cgroup("named")

    def make(name, below=None):
        return Cgroup(name, below or parent)

    return make


@pytest.fixture
def sleeper():
    """A function that starts a process which sleeps in these cgroups, and returns its pid."""
    started = []

    def start(*cgroups, before=()):
        process = subprocess.Popen([*joined(*cgroups), *before, "sleep", "1000"], stdin=subprocess.DEVNULL)
        started.append(process)
        for cgroup in cgroups:
            until(lambda cgroup=cgroup: process.pid in cgroup.pids(), "the sleeper to be in its cgroup")
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def contain(sleeper):
    """A function that starts PID 1 of a new container in this cgroup: `init` is its number on the host."""

    def start(cgroup):
        unshare = sleeper(cgroup, before=["unshare", "-Cpf", "--kill-child", "--mount-proc"])
        children = pathlib.Path(f"/proc/{unshare}/task/{unshare}/children")
        init = int(until(lambda: children.read_text().split(), "PID 1 of the new namespace")[0])
        until(lambda: pathlib.Path(f"/proc/{init}/comm").read_text() == "sleep\n", "its program")
        return types.SimpleNamespace(cgroup=cgroup, init=init)

    return start


@pytest.fixture
def app(named, contain):
    return contain(named(f"docker-{ID_A}.scope"))


def beside(app, cgroup):
    """A container that shares the app's PID namespace (--pid=container:app), with no cgroup mounted."""
    return [*joined(cgroup), "nsenter", "-t", str(app.init), "-p", "unshare", "-Cm", "sh", "-c", PRIVATE, "sh"]


def alone(*cgroups):
    """A container with namespaces of its own and no cgroup mounted."""
    return [*joined(*cgroups), "unshare", "-Cmpf", "sh", "-c", PRIVATE, "sh"]


def v2_path(cgroup):
    """As /proc/PID/cgroup shows it."""
    path = cgroup.path
    while not (path / "cgroup.controllers").exists() or (path.parent / "cgroup.controllers").exists():
        path = path.parent
    return "/" + str(cgroup.path.relative_to(path))


def level_of(path):
    return len([part for part in path.split("/") if part])


def chosen(answer):
    """The one line of what is observed."""
    (line,) = [line for line in answer.lines_of("scope") if not line["exclude"]]
    return line


def expect(answer, cgroup, hierarchy="v2"):
    line = chosen(answer)
    assert answer.code == 0, f"{answer.lines}\n{answer.stderr}"
    assert (line["state"], line["cgroup_id"], line["hierarchy"]) == ("ok", cgroup.id, hierarchy)
    return line


def refused(answer, *parts):
    assert answer.code == 2, f"{answer.lines}\n{answer.stderr}"
    assert not answer.lines
    assert len(answer.stderr.splitlines()) == 1, answer.stderr
    for part in (*parts, "do="):
        assert part in answer.stderr, answer.stderr
