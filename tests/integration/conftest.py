# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the layer `integration`: the stream, against a peer built on the stock protobuf runtime."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from certificates import Authority  # noqa: E402
from stream import Agent, Collector  # noqa: E402


@pytest.fixture
def collector(binary):
    """A function that starts `ringside collect` with more options; all are ended with the test."""
    started = []

    def start(*options, **how):
        started.append(Collector(binary, *options, **how))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def agent():
    """A function that connects an agent to a collector; all are closed with the test."""
    made = []

    def make(collector, *args, **kwargs):
        made.append(Agent(collector.address, *args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(authority):
    return authority.sign("server", "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture
def run_to(binary, cgroup, sidecar):
    """A function that starts `ringside run` towards a collector on loopback."""

    def start(collector, *options, host="127.0.0.1", env=None):
        side = sidecar("--collector", f"{host}:{collector.address[1]}", *options, probe="process", env=env)
        side.accounted = False  # the records are elsewhere
        return side

    return start
