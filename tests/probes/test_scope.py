# SPDX-License-Identifier: Apache-2.0
"""Which cgroup each --scope value means, on the real kernel, by `ringside check`."""

import ctypes
import itertools
import json
import os
import pathlib
import struct
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


def alone(cgroup):
    """A container with namespaces of its own and no cgroup mounted."""
    return [*joined(cgroup), "unshare", "-Cmpf", "sh", "-c", PRIVATE, "sh"]


def v2_path(cgroup):
    """As /proc/PID/cgroup shows it."""
    path = cgroup.path
    while not (path / "cgroup.controllers").exists() or (path.parent / "cgroup.controllers").exists():
        path = path.parent
    return "/" + str(cgroup.path.relative_to(path))


def level_of(path):
    return len([part for part in path.split("/") if part])


def expect(answer, cgroup, hierarchy="v2"):
    line = answer.line("scope")
    assert answer.code == 0, f"{answer.lines}\n{answer.stderr}"
    assert (line["state"], line["cgroup_id"], line["hierarchy"]) == ("ok", cgroup.id, hierarchy)
    return line


def refused(answer, *parts):
    assert answer.code == 2, f"{answer.lines}\n{answer.stderr}"
    assert not answer.lines
    assert len(answer.stderr.splitlines()) == 1, answer.stderr
    for part in (*parts, "do="):
        assert part in answer.stderr, answer.stderr


# ---------------------------------------------------------------- paths


def test_a_path_as_proc_shows_it(check, new_cgroup):
    cgroup = new_cgroup("path")
    line = expect(check(scope=f"cgroup:{v2_path(cgroup)}"), cgroup)
    assert line["level"] == level_of(v2_path(cgroup))
    assert line["cgroup"] == v2_path(cgroup)


def test_a_directory_under_a_mount(check, new_cgroup):
    parent = new_cgroup("path")
    child = Cgroup("with space", parent)
    line = expect(check(scope=f"cgroup:{child.path}"), child)
    assert line["level"] == level_of(v2_path(parent)) + 1


def test_a_directory_of_a_v1_controller(check, v1_cgroup):
    for controller in ("memory", "pids"):
        cgroup = v1_cgroup(controller, "directory")
        expect(check(scope=f"cgroup:{cgroup.path}"), cgroup, controller)


def test_a_directory_of_another_controller_is_refused(check):
    if not os.path.isdir("/sys/fs/cgroup/cpu"):
        pytest.skip("no v1 hierarchy with the cpu controller")
    refused(check(scope="cgroup:/sys/fs/cgroup/cpu"), "another cgroup hierarchy")


def test_a_path_of_v1_alone(check, v1_cgroup):
    cgroup = v1_cgroup("memory", "alone")
    assert expect(check(scope=f"cgroup:/{cgroup.path.name}"), cgroup, "memory")["level"] == 1


def test_a_path_in_two_hierarchies_means_the_one_with_processes(check, v1_cgroup, sleeper):
    v1 = v1_cgroup("memory", "both")
    v2 = Cgroup(v1.path.name, Root("/sys/fs/cgroup/unified"))
    try:
        expect(check(scope=f"cgroup:/{v1.path.name}"), v2)
        sleeper(v1)
        expect(check(scope=f"cgroup:/{v1.path.name}"), v1, "memory")
        sleeper(v2)
        expect(check(scope=f"cgroup:/{v1.path.name}"), v2)
    finally:
        v2.remove()


def test_a_path_that_a_private_namespace_shows(check, app, named):
    own = named(f"docker-{ID_B}.scope")
    expect(check(scope=f"cgroup:/../{app.cgroup.path.name}", before=beside(app, own)), app.cgroup)
    expect(check(scope="cgroup:/", before=beside(app, own)), own)


# ---------------------------------------------------------------- ids and processes


def test_an_id_carries_its_hierarchy(check, new_cgroup, v1_cgroup):
    parent = new_cgroup("id")
    child = Cgroup("child", parent)
    line = expect(check(scope=f"id:{child.id}"), child)
    assert line["level"] == level_of(v2_path(child))
    for controller in ("memory", "pids"):
        cgroup = v1_cgroup(controller, "id")
        assert expect(check(scope=f"id:{controller}:{cgroup.id}"), cgroup, controller)["level"] == 1


def test_an_id_is_found_by_its_processes_without_a_mount(check, app, named):
    own = named(f"docker-{ID_B}.scope")
    line = expect(check(scope=f"id:{app.cgroup.id}", before=beside(app, own)), app.cgroup)
    assert line["level"] == level_of(v2_path(app.cgroup))


def test_an_unknown_id_is_refused_with_what_was_searched(check, named):
    refused(check(scope="id:4000000000"), "id:4000000000", "searched v2 at ")
    refused(check(scope="id:4000000000", before=alone(named("box"))), "searched the processes seen from here")


def test_a_pid_means_its_cgroup(check, new_cgroup, sleeper):
    cgroup = new_cgroup("pid")
    expect(check(scope=f"pid:{sleeper(cgroup)}"), cgroup)


def test_a_pid_in_the_v2_root_means_its_v1_cgroup(check, v1_cgroup, sleeper):
    memory, pids = v1_cgroup("memory", "pid"), v1_cgroup("pids", "pid")
    v2_root = Root("/sys/fs/cgroup/unified")
    expect(check(scope=f"pid:{sleeper(v2_root, memory)}"), memory, "memory")
    expect(check(scope=f"pid:{sleeper(v2_root, Root(memory.path.parent), pids)}"), pids, "pids")


def test_a_zombie_is_in_no_cgroup(check, named):
    cgroup = named(f"docker-{ID_A}.scope")
    process = subprocess.Popen([*joined(cgroup), "sleep", "1000"], stdin=subprocess.DEVNULL)
    until(lambda: process.pid in cgroup.pids(), "the sleeper to be in its cgroup")
    cgroup.remove()
    try:
        assert "zombie" in pathlib.Path(f"/proc/{process.pid}/status").read_text()
        refused(check(scope=f"pid:{process.pid}"), "no process")
        refused(check(scope=f"docker:{ID_A}"), "no cgroup holds")
    finally:
        process.wait()


def test_a_pid_is_a_number_of_this_namespace(check, app, named):
    own = named(f"docker-{ID_B}.scope")
    expect(check(scope="pid:1", before=beside(app, own)), app.cgroup)
    refused(check(scope=f"pid:{app.init}", before=alone(own)), f"no process {app.init}")


# ---------------------------------------------------------------- containers


def test_a_container_id_by_prefix(check, named):
    cgroup = named(f"docker-{ID_A}.scope")
    Cgroup("inside", cgroup)
    expect(check(scope=f"docker:{ID_A[:60]}"), cgroup)
    expect(check(scope=f"docker:{ID_A}"), cgroup)


def test_a_container_id_in_v1(check, v1_cgroup):
    cgroup = Cgroup(ID_B, v1_cgroup("memory", "docker"))
    expect(check(scope=f"docker:{ID_B}"), cgroup, "memory")


def test_an_ambiguous_prefix_is_refused_with_the_ids(check, named):
    named(f"docker-{ID_A}.scope")
    second = named(f"cri-containerd-{ID_B}.scope")
    refused(check(scope=f"docker:{ID_A[:12]}"), "2 containers", ID_A, ID_B)
    expect(check(scope=f"docker:{ID_B}"), second)


def test_one_id_in_two_places_is_refused(check, named):
    named(f"docker-{ID_A}.scope")
    Cgroup(f"docker-{ID_A}.scope", named("elsewhere"))
    refused(check(scope=f"docker:{ID_A}"), "more than one cgroup")


def test_a_container_s_monitor_is_not_the_container(check, named):
    named(f"libpod-conmon-{ID_A}.scope")
    refused(check(scope=f"docker:{ID_A}"), "no cgroup holds such a container id")


def test_a_container_id_is_found_by_its_processes_without_a_mount(check, app, named):
    own = named(f"docker-{ID_B}.scope")
    expect(check(scope=f"docker:{ID_A}", before=beside(app, own)), app.cgroup)


# ---------------------------------------------------------------- our own


def test_self_in_a_private_namespace(check, named):
    own = named("some-box")
    line = expect(check(scope="self", before=alone(own)), own)
    assert line["level"] == level_of(v2_path(own))
    assert line["cgroup"] == v2_path(own)


def test_self_in_a_v1_cgroup(check, v1_cgroup):
    own = v1_cgroup("memory", "self")
    if b"0::/\n" not in pathlib.Path("/proc/self/cgroup").read_bytes():
        pytest.skip("these tests run in a v2 cgroup")
    expect(check(scope="self", before=joined(own)), own, "memory")


def test_container_is_the_nearest_one_with_an_id(check, named):
    outer = named(f"docker-{ID_A}.scope")
    inner = Cgroup(f"crio-{ID_B}.scope", outer)
    leaf = Cgroup("container", inner)
    expect(check(scope="container", before=alone(leaf)), inner)
    expect(check(scope="self", before=alone(leaf)), leaf)
    refused(check(scope="container", before=alone(named("box"))), "no container id", "/box")


def test_pod_is_found_by_its_uid_and_never_by_levels(check, named):
    pod = named(f"kubepods-burstable-pod{UID.replace('-', '_')}.slice")
    leaf = Cgroup("container", Cgroup(f"crio-{ID_A}.scope", pod))
    expect(check("--attribute", f"k8s.pod.uid={UID}", scope="pod", before=alone(leaf)), pod)
    expect(check(scope="pod", before=alone(leaf)), pod)
    answer = check("--attribute", f"k8s.pod.uid={UID[:-1]}0", scope="pod", before=alone(leaf))
    refused(answer, "is not among", pod.path.name)
    refused(check(scope="pod", before=alone(named("box"))), "no pod")


def test_host_is_v2_while_a_process_is_below_its_root(check, new_cgroup, sleeper):
    sleeper(new_cgroup("host"))
    line = check(scope="host").line("scope")
    assert (line["cgroup_id"], line["hierarchy"], line["level"]) == (1, "v2", 0)


def test_host_is_memory_while_all_sit_in_the_v2_root(check):
    unified = pathlib.Path("/sys/fs/cgroup/unified")
    if any("populated 1" in path.read_text() for path in unified.glob("*/cgroup.events")):
        pytest.skip("processes sit below the v2 root now")
    line = check(scope="host").line("scope")
    assert (line["cgroup_id"], line["hierarchy"], line["level"]) == (1, "memory", 0)


# ---------------------------------------------------------------- the default


def default_given(answer):
    line = answer.line("scope")
    assert "by default" in line["why"]
    return line["name"]


def test_by_default_the_container_whose_pid_namespace_is_shared(check, app, named):
    answer = check(before=beside(app, named(f"docker-{ID_B}.scope")))
    expect(answer, app.cgroup)
    assert default_given(answer) == "pid:1"


def test_by_default_the_whole_container_of_pid_1(check, named, contain):
    container = named(f"docker-{ID_A}.scope")
    leaf = Cgroup("init.scope", container)
    shared = contain(leaf)
    expect(check(before=beside(shared, named(f"docker-{ID_B}.scope"))), container)


def test_by_default_our_own_in_a_container_of_its_own(check, named):
    own = named(f"docker-{ID_A}.scope")
    answer = check(before=alone(own))
    expect(answer, own)
    assert default_given(answer) == "self"


def test_by_default_the_pod_even_where_pid_1_is_another_container(check, named, contain):
    pod = named(f"kubepods-pod{UID.replace('-', '_')}.slice")
    pause = Cgroup(f"cri-containerd-{ID_A}.scope", pod)
    shared = contain(pause)
    answer = check(
        "--attribute", f"k8s.pod.uid={UID}", before=beside(shared, Cgroup(f"cri-containerd-{ID_B}.scope", pod))
    )
    expect(answer, pod)
    assert default_given(answer) == "pod"


def test_without_a_container_it_must_be_given(check):
    answer = check()
    line = answer.line("scope")
    assert answer.code == 1
    assert line["state"] == "no"
    assert "must be given" in line["why"]
    assert "docker:ID-PREFIX" in line["do"]
    assert {probe["state"] for probe in answer.lines_of("probe")} == {"no"}


# ---------------------------------------------------------------- several, and wrong ones


def test_scopes_and_exclusions_are_listed_once_each(check, new_cgroup):
    first, second = new_cgroup("first"), new_cgroup("second")
    answer = check(
        "--exclude", f"id:{second.id}", scope=[f"id:{first.id}", f"cgroup:{v2_path(first)}", f"id:{second.id}"]
    )
    lines = answer.lines_of("scope")
    assert [(line["cgroup_id"], line["exclude"]) for line in lines] == [
        (first.id, False), (second.id, False), (second.id, True)
    ]


def test_too_many_scopes_are_refused(check):
    refused(check(scope=["id:1"] * 17), "more than 16")


@pytest.mark.parametrize(
    "value",
    ["nonsense", "", "cgroup:", "cgroup:relative", "cgroup:/no/such/cgroup", "id:", "id:0", "id:x", "id:cpu:1", "pid:0",
     "pid:-1", "pid:x", "docker:", "docker:app", "docker:" + "a" * 65],
)
def test_a_wrong_value_is_named(check, value):
    refused(check(scope=value), f"--scope {value}")
    refused(check("--exclude", value, scope="host"), f"--exclude {value}")


# ---------------------------------------------------------------- what is missing


def refuse_bpf():
    """In a child: a seccomp filter like an engine's, under which bpf() gives EPERM."""
    instructions = [
        (0x20, 0, 0, 0),  # load the number
        (0x15, 0, 1, 321),  # bpf
        (0x06, 0, 0, 0x00050001),  # EPERM
        (0x06, 0, 0, 0x7FFF0000),  # allow
    ]
    code = b"".join(struct.pack("HBBI", *one) for one in instructions)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP


def test_a_seccomp_filter_is_told_from_a_missing_capability(check):
    filtered = check(scope="self", preexec_fn=refuse_bpf)
    assert filtered.code == 1
    assert "seccomp" in filtered.line("requirement", "bpf")["why"]
    assert filtered.line("requirement", "CAP_BPF")["state"] == "ok"
    assert filtered.line("probe", "process")["why"].startswith("needs bpf")

    bare = check(scope="self", before=["capsh", "--drop=cap_bpf,cap_sys_admin", "--", "-c", 'exec "$@"', "sh"])
    assert bare.code == 1
    assert bare.line("requirement", "CAP_BPF")["state"] == "no"
    assert "--cap-add BPF" in bare.line("requirement", "CAP_BPF")["do"]
    assert "seccomp" not in bare.line("requirement", "bpf")["why"]


def test_capabilities_of_a_user_namespace_do_not_count(check):
    answer = check(scope="self", before=["unshare", "-Ur"])
    assert answer.code == 1
    assert "user namespace" in answer.line("requirement", "CAP_BPF")["why"]


def test_bpf_and_perfmon_alone_are_enough_but_for_others_files(check, new_cgroup):
    keep = "cap_bpf,cap_perfmon"
    answer = check(
        probe="process,syscalls,write", scope=f"id:{new_cgroup('least').id}",
        before=["setpriv", f"--bounding-set=-all,+{keep.replace('cap_', '').replace(',', ',+')}",
                f"--inh-caps=-all,+{keep.replace('cap_', '').replace(',', ',+')}",
                f"--ambient-caps=-all,+{keep.replace('cap_', '').replace(',', ',+')}"],
    )
    assert answer.code == 0, f"{answer.lines}\n{answer.stderr}"
    assert {probe["state"] for probe in answer.lines_of("probe")} == {"ok"}


def test_the_memory_budget_follows_the_rings(check):
    small = check("--ring-samples", "64k", scope="host").line("memory")["bytes"]
    large = check("--ring-samples", "1M", scope="host").line("memory")["bytes"]
    assert large - small == 2 * (1024 - 64) * 1024


def test_the_table_is_aligned_and_plain_in_a_pipe(binary):
    done = subprocess.run(
        [str(binary), "check", "--scope", "host", "--format", "table"], capture_output=True, check=True, timeout=60
    )
    assert b"\033" not in done.stdout
    lines = [line for line in done.stdout.decode().splitlines() if not line.startswith(" ")]
    assert len({line.index(f"  {line.split()[2]} ") for line in lines}) == 1


def test_every_probe_runs_here_and_says_how(check, new_cgroup):
    answer = check("--latency", scope=f"id:{new_cgroup('all').id}", probe="process,getaddrinfo,syscalls,write")
    assert answer.code == 0, f"{answer.lines}\n{answer.stderr}"
    assert [probe["name"] for probe in answer.lines_of("probe")] == ["process", "getaddrinfo", "write", "syscalls"]
    assert {probe["state"] for probe in answer.lines_of("probe")} <= {"ok", "degraded"}
    assert all(probe["why"] for probe in answer.lines_of("probe"))
