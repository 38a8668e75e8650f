# SPDX-License-Identifier: Apache-2.0
"""Which cgroup each --scope value means, on the real kernel, by `ringside check`."""

import os
import pathlib
import subprocess

import pytest

from harness import until
from harness.scopes import *  # the fixtures and helpers
from harness.sidecar import Sidecar


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


def test_in_a_pod_our_own_container_is_left_out_and_nothing_else(check, named):
    def left_out(leaf, *scope, more=(), below=()):
        answer = check(*more, scope=scope, before=[*alone(leaf), *below])
        return [(line["name"], line["cgroup_id"]) for line in answer.lines_of("scope") if line["exclude"]]

    pod = named(f"kubepods-burstable-pod{UID.replace('-', '_')}.slice")
    container = Cgroup(f"cri-containerd-{ID_A}.scope", pod)
    leaf = Cgroup("init", container)
    for scope in ([], ["pod"]):
        assert left_out(leaf, *scope) == [("container", container.id)]
    assert left_out(leaf, "pod", more=["--exclude", "self"]) == [("self", leaf.id), ("container", container.id)]
    assert left_out(leaf, "pod", more=["--exclude", "container"]) == [("container", container.id)]
    # Another program was there first: the container is not the sidecar's.
    assert not left_out(leaf, "pod", below=["sh", "-c", '"$@"; exit $?', "sh"])
    # A part of it is asked for.
    assert not left_out(leaf, "pod", "self")
    # No pod is asked for, the pod is in the container, or nothing tells where the container begins.
    assert not left_out(leaf, f"id:{pod.id}")
    assert not left_out(Cgroup(f"kubepods-pod{UID.replace('-', '_')}.slice", container), "pod")
    assert not left_out(Cgroup("init", pod), "pod")


def test_our_own_container_is_left_out_beside_as_many_values_as_are_allowed(binary, named, run):
    pod = named(f"kubepods-burstable-pod{UID.replace('-', '_')}.slice")
    own, other = Cgroup(f"cri-containerd-{ID_A}.scope", pod), Cgroup(f"cri-containerd-{ID_B}.scope", pod)
    others = [Cgroup(f"without-{number}", pod) for number in range(15)]
    exclude = [part for cgroup in others for part in ("--exclude", f"id:{cgroup.id}")]
    side = Sidecar(binary, exclude, probe="process", scope=["pod"], before=joined(own))
    try:
        assert side.wait_ready()["scope"].endswith(f" -container({v2_path(own)})")
        for cgroup in (own, others[-1], other):
            run("/bin/true", cgroup=cgroup).go().finish()
        side.wait_for("exit", cgroup_id=other.id)
        assert {record["cgroup_id"] for record in side.records} == {other.id}
    finally:
        own.remove()
        side.kill()


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


def test_the_agent_id_tells_cgroups_apart_that_are_named_alike_and_stays(sidecar, new_cgroup, sleeper):
    first, second = new_cgroup("first"), new_cgroup("second")
    pid = sleeper(first)

    def agent():
        one = sidecar(scope=[f"pid:{pid}"], probe="process")
        return one.messages("ready")[0]["agent"]

    before = agent()
    assert agent() == before
    second.add(pid)
    assert agent() != before


def test_the_agent_id_of_a_pod_stays_when_the_sidecars_container_starts_again(binary, named):
    pod = named(f"kubepods-pod{UID.replace('-', '_')}.slice")
    ready = []
    for identity in (ID_A, ID_B):
        container = Cgroup(f"cri-containerd-{identity}.scope", pod)
        side = Sidecar(binary, scope=["pod"], probe="process", before=alone(container))
        try:
            ready.append(side.wait_ready())
        finally:
            container.remove()
            side.kill()
        assert f"-container({v2_path(container)})" in ready[-1]["scope"]
    assert ready[0]["agent"] == ready[1]["agent"]


# ---------------------------------------------------------------- the default


def default_given(answer):
    line = chosen(answer)
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
