# SPDX-License-Identifier: Apache-2.0
"""Which cgroup a sidecar in a container finds by itself, and that it sees what is in there and nothing else."""

import json
import os

import pytest

from conftest import DOCKER_LINE
from harness import until
from harness.cgroup import mount_point

HOSTS = ["--add-host", "app.test:192.0.2.7", "--add-host", "neighbour.test:192.0.2.9", "--add-host", "once.test:192.0.2.11"]
NUMERIC = "4,0,0,0"  # AI_NUMERICHOST: no name server is asked
SEEN = ("fork", "exec", "exit", "getaddrinfo")
UID = "d1f5a2c4-0b7e-4c7a-9a53-0f6b1c2d3e4f"


def cgroup_path(container):
    """Its path in the host's v2 tree."""
    with open(f"/proc/{container.pid}/cgroup", encoding="ascii") as lines:
        return next(line.strip()[3:] for line in lines if line.startswith("0::"))


def assert_private(container):
    """No host mount, its own cgroup namespace: what the sidecar knows, it found out by itself."""
    about = container.inspect()
    assert about["Mounts"] == [] and not about["HostConfig"]["Privileged"]
    assert about["HostConfig"]["CgroupnsMode"] == "private"
    assert os.readlink(f"/proc/{container.pid}/ns/cgroup") != os.readlink("/proc/self/ns/cgroup")


def assert_all_from(side, container, cgroup_id):
    """Every record is of this container; system calls have no process, but a cgroup."""
    for record in side.records:
        assert record.get("container") == container.id, record
        assert record["cgroup_id"] == cgroup_id, record


def cgroup_id(container):
    return (mount_point() / cgroup_path(container).strip("/")).stat().st_ino


def test_alone_in_a_container_it_observes_that_container(docker, image, watch):
    side = watch(docker, image, options=DOCKER_LINE)
    assert_private(side.container)
    ready = side.messages("ready")[0]
    assert ready["scope_chosen"] == "by default"
    assert ready["scope"] == f"self({cgroup_path(side.container)})"
    own = cgroup_id(side.container)
    side.container.exec("/ringside", "version")
    record = side.wait_for("exec", argv=["/ringside", "version"])
    ended = side.wait_for("exit", pid=record["pid"])
    assert ended["code"] == 0 and ended["start_time"] == record["start_time"]
    # It is the second process, or a later one, in a PID namespace where the sidecar is the first.
    assert 1 < record["ns_pid"] < record["pid"]
    side.stop()
    assert_all_from(side, side.container, own)
    assert not side.kind(*SEEN, ns_pid=1), "the sidecar does not see itself"


def test_beside_a_program_in_its_container_it_sees_what_is_executed_and_looked_up(docker, applications, binary, watch):
    """The binary in another image: put there by hand, started as the container's first process."""
    options = [*DOCKER_LINE, *HOSTS, "--volume", f"{binary}:/ringside:ro", "--entrypoint", "/ringside"]
    side = watch(docker, applications["glibc"], options=options)
    assert side.messages("ready")[0]["scope"].startswith("self(")
    side.container.exec("/app/gai", "call", "once.test", "80")
    record = side.wait_for("getaddrinfo", node="once.test")
    assert record["service"] == "80" and record["result"] == 0
    assert {answer["address"] for answer in record["answers"]} == {"192.0.2.11"}
    side.wait_for("exec", argv=["/app/gai", "call", "once.test", "80"])


def shown(answers):
    """What both the caller's report and the record tell, in one form."""
    keys = ("flags", "family", "socktype", "protocol", "addrlen", "address", "port")
    return [{key: answer.get(key) for key in keys} for answer in answers]


@pytest.mark.parametrize("libc", ["glibc", "musl"])
def test_in_the_pid_namespace_of_another_container_it_observes_that_one(docker, image, applications, watch, libc):
    app = docker.start(applications[libc], "/app/lookups", "app.test", options=HOSTS)
    neighbour = docker.start(applications[libc], "/app/lookups", "neighbour.test", options=HOSTS)
    side = watch(docker, image, options=[*DOCKER_LINE, "--pid", f"container:{app.id}"])
    assert_private(side.container)
    assert side.messages("ready")[0]["scope"] == f"pid:1({cgroup_path(app)})"
    assert side.messages("ready")[0]["scope_chosen"] == "by default"
    own, app_pid = cgroup_id(app), app.pid

    # What the application's first process does, again and again.
    lookup = side.wait_for("getaddrinfo", node="app.test", pid=app_pid)
    assert lookup["result"] == 0 and {answer["address"] for answer in lookup["answers"]} == {"192.0.2.7"}
    assert lookup["ns_pid"] == lookup["ns_tid"] == 1
    child = side.wait_for("exec", argv=["/app/lookups", "--child", "app.test"])
    side.wait_for("exit", pid=child["pid"], start_time=child["start_time"])
    assert side.kind("fork", child=child["pid"], pid=app_pid)

    # A new process with an answer to compare, and a failure; the neighbour does the same.
    told = json.loads(app.exec("/app/gai", "call", "once.test", "80").stdout)
    neighbour.exec("/app/gai", "call", "once.test", "81")
    app.exec("/app/gai", "--hints", NUMERIC, "call", "no-such-name.invalid")
    neighbour.exec("/app/gai", "--hints", NUMERIC, "call", "nothing-here.invalid")
    record = side.wait_for("getaddrinfo", node="once.test")
    assert record["service"] == "80"
    call = told["calls"][0]
    assert record["result"] == call["result"] == 0
    assert shown(record["answers"]) == shown(call["answers"])
    assert record["ns_tid"] == call["tid"] != record["tid"]
    assert side.wait_for("getaddrinfo", node="no-such-name.invalid")["result"] < 0

    until(lambda: len(side.kind("getaddrinfo", node="app.test")) >= 20, side.state)
    side.stop()
    assert_all_from(side, app, own)
    text = json.dumps(side.records)
    for word in ("neighbour.test", "nothing-here.invalid", neighbour.id):
        assert word not in text, f"{word} is the neighbour's"
    assert not side.kind("getaddrinfo", service="81")
    assert side.kind("syscalls", syscall="execve")


def test_in_a_pod_it_observes_the_pod_without_its_own_container(docker, image, applications, watch, space):
    options = ["--cgroup-parent", f"{space.cgroup}/kubepods/pod{UID}"]
    app = docker.start(applications["musl"], "/app/lookups", "app.test", options=[*HOSTS, *options])
    side, whole = (
        watch(docker, image, *more, "--attribute", f"k8s.pod.uid={UID}", "--probe", "process,syscalls",
              options=[*DOCKER_LINE, *options])
        for more in ([], ["--include-self"])
    )
    assert_private(side.container)
    pod, own = os.path.split(cgroup_path(side.container))
    assert side.messages("ready")[0]["scope"] == f"pod({pod}) -container({pod}/{own})"
    assert whole.messages("ready")[0]["scope"] == f"pod({pod})"
    health = ["/ringside", "health"]
    for one in (side, whole):
        one.container.exec(*health)
    last = app.exec("/app/gai", "--hints", NUMERIC, "call", "127.0.0.1")
    assert last.returncode == 0
    for one in (side, whole):
        one.wait_for("exec", container=app.id, filename="/app/lookups")
        record = one.wait_for("exec", container=app.id, filename="/app/gai")
        one.wait_for("exit", pid=record["pid"])
        one.stop()
    assert whole.kind("exec", container=whole.container.id, argv=health)
    # Each sees the other's container.
    assert side.kind("exec", container=whole.container.id, argv=health)
    assert side.kind("syscalls", container=whole.container.id)
    assert not [record for record in side.records if record.get("container") == side.container.id]


def test_by_its_id_it_observes_a_container_from_the_hosts_pid_namespace(docker, image, applications, watch):
    app = docker.start(applications["musl"], "/app/lookups", "app.test", options=HOSTS)
    docker.start(applications["musl"], "/app/lookups", "neighbour.test", options=HOSTS)
    options = [*DOCKER_LINE, "--pid", "host"]
    side = watch(docker, image, "--scope", f"docker:{app.id[:12]}", options=options)
    own = cgroup_id(app)
    assert side.wait_for("getaddrinfo", node="app.test")["pid"] == app.pid
    child = side.wait_for("exec", argv=["/app/lookups", "--child", "app.test"])
    # The host's numbers are the sidecar's own here.
    assert "ns_pid" not in child and "ns_tid" not in child
    side.stop()
    assert_all_from(side, app, own)


def test_of_the_whole_host_it_sees_each_container_under_its_id(docker, image, applications, watch):
    apps = [docker.start(applications["musl"], "/app/lookups", f"{name}.test", options=HOSTS) for name in ("app", "neighbour")]
    side = watch(docker, image, "--scope", "host", "--probe", "process,getaddrinfo", options=[*DOCKER_LINE, "--pid", "host"])
    for app in apps:
        side.wait_for("getaddrinfo", container=app.id)
        side.wait_for("exec", container=app.id, filename="/app/lookups")


def test_an_unknown_container_is_refused_in_one_line(docker, image):
    done = docker.run(image, "run", "--scope", "docker:0123456789ab", options=DOCKER_LINE)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "docker:0123456789ab" in done.stderr
