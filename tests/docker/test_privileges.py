# SPDX-License-Identifier: Apache-2.0
"""Each privilege of the README's lines: with it the probes work; without it they do not, and it is said why. Podman gives
exactly the capabilities that are asked for; docker 20.10 knows no CAP_BPF, so there CAP_SYS_ADMIN stands for two."""

import json

import pytest

from images import USER

UNFILTERED = ["--security-opt", "seccomp=unconfined"]
NO_PROBES = ["process", "syscalls", "write"]


def capabilities(*names):
    return ["--cap-drop", "ALL", *(word for name in names for word in ("--cap-add", name))]


def findings(done):
    """`check --format json` by (check, name)."""
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {(line["check"], line["name"]): line for line in lines}


def beside(app):
    return ["--pid", f"container:{app.id}"]


@pytest.fixture
def app(podman, podman_application):
    return podman.start(podman_application, "/app/lookups", "localhost")


def test_bpf_and_perfmon_are_enough_for_process_syscalls_and_write(podman, podman_image, app, watch):
    options = [*capabilities("BPF", "PERFMON"), *UNFILTERED, "--read-only", *beside(app)]
    side = watch(podman, podman_image, "--probe", ",".join(NO_PROBES), options=options)
    app.exec("/app/gai", "call", "127.0.0.5")
    record = side.wait_for("exec", argv=["/app/gai", "call", "127.0.0.5"])
    assert record["container"] == app.id
    side.wait_for("write", pid=record["pid"], syscall="write")
    side.wait_for("syscalls", syscall="execve", container=app.id)
    with open(f"/proc/{side.container.pid}/status", encoding="ascii") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    assert effective == 1 << 38 | 1 << 39, f"the engine gave other capabilities: {effective:x}"


@pytest.mark.parametrize("left, missing", [("BPF", "CAP_PERFMON"), ("PERFMON", "CAP_BPF")])
@pytest.mark.parametrize("probe", NO_PROBES)
def test_neither_bpf_nor_perfmon_is_enough_alone(podman, podman_image, left, missing, probe):
    options = [*capabilities(left), *UNFILTERED]
    done = podman.run(podman_image, "run", "--probe", probe, options=options)
    assert done.returncode == 1 and missing in done.stderr, done.stderr
    done = podman.run(podman_image, "check", "--probe", probe, "--format", "json", options=options)
    assert done.returncode == 1
    found = findings(done)
    assert found["requirement", missing]["state"] == "no"
    assert found["requirement", f"CAP_{left}"]["state"] == "ok"
    assert found["probe", probe]["state"] == "no"


def test_getaddrinfo_needs_sys_ptrace_for_the_files_of_a_process_with_more_capabilities(podman, podman_image, app, watch):
    options = [*capabilities("BPF", "PERFMON", "SYS_PTRACE"), *UNFILTERED, *beside(app)]
    side = watch(podman, podman_image, options=options)
    record = side.wait_for("getaddrinfo", node="localhost")
    assert record["result"] == 0 and record["container"] == app.id

    options = [*capabilities("BPF", "PERFMON"), *UNFILTERED, *beside(app)]
    blind = watch(podman, podman_image, "--probe", "getaddrinfo", options=options)
    app.exec("/app/gai", "call", "127.0.0.6")
    side.wait_for("getaddrinfo", node="127.0.0.6")
    blind.stop()
    assert not blind.kind("getaddrinfo")
    assert blind.messages("coverage"), "what it could not see, it says"
    found = findings(podman.run(podman_image, "check", "--probe", "getaddrinfo", "--format", "json", options=options))
    assert found["requirement", "CAP_SYS_PTRACE"]["state"] == "degraded"
    assert found["probe", "getaddrinfo"]["state"] == "degraded"


def test_getaddrinfo_needs_dac_read_search_for_files_that_only_their_owner_may_read(podman, podman_image, podman_application, watch):
    app = podman.start(podman_application, "/app/lookups", "localhost", options=["--user", str(USER)])
    ways = {}
    for name, more in (("with", ["DAC_READ_SEARCH"]), ("without", [])):
        options = [*capabilities("BPF", "PERFMON", "SYS_PTRACE", *more), *UNFILTERED, *beside(app)]
        ways[name] = watch(podman, podman_image, "--probe", "getaddrinfo", options=options)
    for number in range(1, 6):
        app.exec("/owned/gai", "call", f"127.0.1.{number}")
    last = "127.0.1.5"
    ways["with"].wait_for("getaddrinfo", node=last)
    ways["without"].stop()
    assert not [record for record in ways["without"].kind("getaddrinfo") if record["node"].startswith("127.0.1.")]
    assert ways["without"].messages("coverage")


def test_the_default_filter_of_podman_is_told_from_a_missing_capability(podman, podman_image):
    """It refuses bpf() whatever the capability, unless that is CAP_SYS_ADMIN."""
    filtered, bare = capabilities("BPF", "PERFMON"), [*capabilities(), *UNFILTERED]
    by_filter = findings(podman.run(podman_image, "check", "--format", "json", options=filtered))
    by_capability = findings(podman.run(podman_image, "check", "--format", "json", options=bare))
    # Without a capability the call may get through, and be of no use; with a filter it never does.
    assert by_filter["requirement", "bpf"]["state"] == "no"
    assert by_filter["requirement", "CAP_BPF"]["state"] == "ok"
    assert by_capability["requirement", "CAP_BPF"]["state"] == "no"
    assert "seccomp" in by_filter["requirement", "bpf"]["why"]
    assert "seccomp" not in by_capability["requirement", "bpf"]["why"]
    assert "seccomp=unconfined" in by_filter["requirement", "bpf"]["do"]
    for options, says in ((filtered, True), (bare, False)):
        done = podman.run(podman_image, "run", "--probe", "process", options=options)
        line = next(line for line in done.stderr.splitlines() if "level=error" in line)
        assert done.returncode == 1 and ("seccomp" in line) == says, line


def test_dockers_default_filter_lets_bpf_through_with_sys_admin_and_nothing_works_without(docker, image, watch):
    done = docker.run(image, "run", "--probe", "process", options=capabilities())
    assert done.returncode == 1 and "seccomp" not in done.stderr, done.stderr
    side = watch(docker, image, "--probe", "process,syscalls", options=[*capabilities("SYS_ADMIN"), "--read-only"])
    side.container.exec("/ringside", "version")
    side.wait_for("exec", argv=["/ringside", "version"])
    assert side.container.inspect()["HostConfig"]["SecurityOpt"] is None


def test_a_filter_of_docker_is_told_from_a_missing_capability(docker, image, space):
    profile = space.directory / "no-bpf.json"
    rule = {"names": ["bpf", "perf_event_open"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    options = [*capabilities("SYS_ADMIN"), "--security-opt", f"seccomp={profile}"]
    done = docker.run(image, "check", "--format", "json", options=options)
    assert done.returncode == 1
    assert "seccomp" in findings(done)["requirement", "bpf"]["why"]
