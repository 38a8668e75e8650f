# SPDX-License-Identifier: Apache-2.0
"""How a sidecar in a container ends, and how its records reach a collector in another."""

import json

from conftest import DOCKER_LINE
from harness import logfmt, until


def test_docker_stop_flushes_what_was_not_due_yet(docker, image, watch):
    side = watch(docker, image, "--flush-interval", "60s", "--counters-interval", "60s", options=DOCKER_LINE)
    for number in range(5):
        side.container.exec("/ringside", "cat", f"/none-{number}", code=None)
    side.stop()
    assert side.status == 0
    assert side.done, side.state()
    for number in range(5):
        assert side.kind("exec", argv=["/ringside", "cat", f"/none-{number}"])
    assert side.kind("syscalls", syscall="execve")


def test_records_reach_a_collector_in_another_container(docker, image, applications):
    app = docker.start(applications["musl"], "/app/lookups", "app.test", options=["--add-host", "app.test:192.0.2.7"])
    collector = docker.start(image, "collect", "--format", "json", options=["--cap-drop", "ALL", "--read-only"])
    collector.wait_log("msg=ready")
    # One network namespace: nothing leaves loopback.
    options = [*DOCKER_LINE, "--pid", f"container:{app.id}", "--network", f"container:{collector.id}"]
    sidecar = docker.start(
        image, "run", "--collector", "127.0.0.1", "--attribute", "service.name=app", options=options
    )
    collector.wait_log("app.test")
    assert sidecar.stop() == 0
    done = logfmt.parse(next(line for line in sidecar.log().splitlines() if "msg=done" in line))
    assert done["stream0_taken"] == done["stream0_acknowledged"] != "0"
    collector.wait_log("msg=balance")
    assert collector.stop() == 0
    lines = collector.log().splitlines()
    balances = [logfmt.parse(line) for line in lines if "msg=balance" in line]
    assert balances and all(balance["holds"] == "yes" for balance in balances), balances
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert len([record for record in records if record.get("stream") == 0]) == int(done["stream0_taken"])
    for record in records:
        assert record["container"] == app.id and record["attributes"]["service.name"] == "app", record
    lookup = next(record for record in records if record["kind"] == "getaddrinfo")
    assert lookup["node"] == "app.test" and lookup["result"] == 0


def test_with_the_container_that_it_watches_the_sidecar_ends(docker, image, applications):
    """The kernel kills all processes of a PID namespace with its first one. That is the price of --pid=container."""
    app = docker.start(applications["musl"], "/app/lookups", "localhost")
    sidecar = docker.start(image, "run", "--format", "json", options=[*DOCKER_LINE, "--pid", f"container:{app.id}"])
    sidecar.wait_log("msg=ready")
    docker("kill", app.id)
    assert sidecar.wait() == 137
    until(lambda: not app.inspect()["State"]["Running"], "the application to end")


def test_a_container_that_restarts_is_followed_from_its_first_process_on(docker, image, applications, watch):
    """Its id stays, its cgroup does not: the new one of the same path takes the place of the old one."""
    app = docker.start(applications["musl"], "/app/lookups", "app.test", options=["--add-host", "app.test:192.0.2.7"])
    neighbour = docker.start(applications["musl"], "/app/lookups", "neighbour.test")
    side = watch(docker, image, "--scope", f"docker:{app.id[:12]}", options=[*DOCKER_LINE, "--pid", "host"])
    first = app.pid
    side.wait_for("getaddrinfo", node="app.test", pid=first)
    for _ in range(2):
        docker("restart", "--time", "0", app.id)
        docker("restart", "--time", "0", neighbour.id)
        again = app.pid
        assert again != first
        started = side.wait_for("exec", pid=again, filename="/app/lookups")
        lookup = side.wait_for("getaddrinfo", node="app.test", pid=again)
        assert started["cgroup_id"] == lookup["cgroup_id"] and started["container"] == app.id
        child = side.wait_for("exec", ppid=again)
        side.wait_for("exit", pid=child["pid"])
        first = again
    side.stop()
    assert {record["container"] for record in side.records} == {app.id}
    assert len({record["cgroup_id"] for record in side.kind("exec")}) == 3
    assert len(side.messages("scope is back")) == 2
