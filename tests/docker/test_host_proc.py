# SPDX-License-Identifier: Apache-2.0
"""The README's line with `--volume /proc:/host/proc:ro`: a sidecar that shares no PID namespace sees another container whole,
with the same capabilities as beside it."""

import pytest

from conftest import DOCKER_LINE
from test_privileges import UNFILTERED, beside, capabilities, findings
from images import USER

MOUNTED = ["--volume", "/proc:/host/proc:ro"]
HOSTS = ["--add-host", "app.test:192.0.2.7"]


def by_proc(app):
    return ["--proc", "/host/proc", "--scope", f"docker:{app.id}"]


@pytest.mark.parametrize("libc", ["glibc", "musl"])
def test_another_container_is_seen_whole(docker, image, applications, watch, libc):
    app = docker.start(applications[libc], "/app/lookups", "app.test", options=HOSTS)
    side = watch(docker, image, "--probe", "process,getaddrinfo", *by_proc(app), options=[*DOCKER_LINE, *MOUNTED])
    assert not side.container.inspect()["HostConfig"]["PidMode"]
    before = side.wait_for("exec", snapshot=True, pid=app.pid)
    assert before["argv"] == ["/app/lookups", "app.test"] and "ns_pid" not in before
    record = side.wait_for("getaddrinfo", node="app.test", pid=app.pid)
    assert {answer["address"] for answer in record["answers"]} == {"192.0.2.7"}
    side.wait_for("exec", argv=["/app/lookups", "--child", "app.test"])
    assert not side.messages("coverage"), side.state()


@pytest.mark.parametrize("options", [["--cap-drop", "ALL"], [], ["--user", str(USER), "--cap-drop", "ALL"]])
def test_the_capabilities_are_those_that_are_needed_beside_it(podman, podman_image, podman_application, watch, options):
    """What check says of each set is the same by both ways."""
    app = podman.start(podman_application, "/app/lookups", "localhost", options=options)
    names = ["BPF", "PERFMON", "SYS_PTRACE"]
    for count in range(1, len(names) + 1):
        held = [*capabilities(*names[:count]), *UNFILTERED, "--read-only"]
        arguments = ["check", "--format", "json", "--probe", "process,getaddrinfo"]
        mounted = podman.run(podman_image, *arguments, *by_proc(app), options=[*held, *MOUNTED])
        shared = podman.run(podman_image, *arguments, options=[*held, *beside(app)])
        assert mounted.returncode == shared.returncode, (mounted.stdout, shared.stdout)
        states = [{key: line["state"] for key, line in findings(done).items() if key[1].startswith("CAP_")} for done in (mounted, shared)]
        assert states[0] == states[1]
    side = watch(podman, podman_image, "--probe", "getaddrinfo", *by_proc(app), options=[*held, *MOUNTED])
    side.wait_for("getaddrinfo", node="localhost")


def test_without_the_mount_it_is_refused(docker, image):
    done = docker.run(image, "run", "--proc", "/host/proc", options=DOCKER_LINE)
    assert done.returncode == 2
    for part in ("option=--proc", "value=/host/proc", "No such file or directory", "-v /proc:DIR:ro"):
        assert part in done.stderr, done.stderr
