# SPDX-License-Identifier: Apache-2.0
"""The compose file, by docker-compose as Debian has it. These engines have no bridge, and what they start is in one cgroup."""

import json
import os
import shutil
import subprocess

import pytest

from harness import logfmt, until
from images import ROOT

OVERRIDE = """
version: "2.4"
services:
  app: {{network_mode: none, cgroup_parent: {parent}/observed.slice}}
  sidecar: {{command: "run --scope cgroup:/../..{parent}/observed.slice --collector 127.0.0.1 --agent-id observed"}}
"""


@pytest.fixture
def compose(docker, image, debian, tmp_path):
    assert image == "ringside:latest" and debian == "debian:bookworm-slim", "the names in the file"
    if not shutil.which("docker-compose"):
        pytest.skip("no docker-compose is installed: make setup-test")
    override = tmp_path / "override.yaml"
    override.write_text(OVERRIDE.format(parent=docker.space.cgroup), encoding="utf-8")
    files = ["-f", ROOT / "container" / "compose.yaml", "-f", override]

    def run(*args):
        done = subprocess.run(
            ["docker-compose", "--no-ansi", "-p", "observed", *files, *args],
            env={**os.environ, "DOCKER_HOST": docker.host}, capture_output=True, text=True, timeout=120, check=False,
        )
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout

    yield run
    run("down", "--timeout", "5")


def test_its_application_is_seen_at_the_collector_also_after_a_restart(compose):
    compose("up", "--detach")

    def log(service):
        return compose("logs", "--no-color", "--no-log-prefix", service)

    def lookups():
        records = [json.loads(line) for line in log("collector").splitlines() if line.startswith("{")]
        return {record["cgroup_id"] for record in records if record["kind"] == "getaddrinfo" and record["node"] == "localhost"}

    until(lambda: len(lookups()) == 1, lambda: f"a lookup\n{log('sidecar')}\n{log('collector')}", 60, 0.5)
    compose("restart", "--timeout", "0", "app")
    until(lambda: len(lookups()) == 2, lambda: f"a lookup after the restart\n{log('sidecar')}", 60, 0.5)
    compose("stop", "--timeout", "10", "sidecar")
    until(lambda: "msg=balance" in log("collector"), "the balance", 30, 0.5)
    done = logfmt.parse(next(line for line in log("sidecar").splitlines() if "msg=done" in line))
    assert done["stream0_taken"] == done["stream0_acknowledged"] != "0"
    balance = logfmt.parse(next(line for line in log("collector").splitlines() if "msg=balance" in line))
    assert balance["holds"] == "yes", balance
