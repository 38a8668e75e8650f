# SPDX-License-Identifier: Apache-2.0
"""Markers and search path for all layers; fixtures of the layer `probes`."""

import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS / "probes"))


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes a minute or more; only with RINGSIDE_SLOW=1 or -m slow")


def pytest_collection_modifyitems(config, items):
    if os.environ.get("RINGSIDE_SLOW") == "1" or "slow" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="slow: set RINGSIDE_SLOW=1")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


def need_root():
    if os.geteuid():
        pytest.skip("needs root")


@pytest.fixture(scope="session")
def binary():
    """The program under test."""
    path = pathlib.Path(os.environ.get("RINGSIDE", TESTS.parent / "build" / "ringside"))
    if not path.exists():
        pytest.fail(f"{path} is not there: run make first")
    return path


@pytest.fixture(scope="session")
def workloads():
    """Builds what is missing or older than its source, so that one test can be run by hand."""
    from harness import workload

    need_root()
    workload.build_all()
    return workload


@pytest.fixture
def new_cgroup():
    """A function that makes a fresh cgroup; all are emptied and removed at the end."""
    from harness.cgroup import Cgroup

    need_root()
    made = []

    def make(name="scope", parent=None):
        made.append(Cgroup(name, parent))
        return made[-1]

    yield make
    for cgroup in reversed(made):
        cgroup.remove()


@pytest.fixture
def cgroup(new_cgroup):
    return new_cgroup()


@pytest.fixture
def run(workloads):
    """A function that starts a workload (harness.workload.Workload); what still runs at the end is killed."""
    started = []

    def start(program, *args, **options):
        started.append(workloads.Workload(program, *args, **options))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def sidecar(binary, cgroup):
    """A function that starts `ringside run` on the test's cgroup and waits until it is ready. At the end of the test
    each is stopped, and its accounting must hold."""
    from harness.accounting import check
    from harness.sidecar import Sidecar

    started = []

    def start(*args, probe=None, scope=None, ready=True, env=None):
        started.append(Sidecar(binary, args, probe, scope or [f"cgroup:{cgroup.path}"], env=env))
        if ready:
            started[-1].wait_ready()
        return started[-1]

    yield start
    try:
        for one in started:
            one.stop()
            if one.accounted:
                check(one)
    finally:
        for one in started:
            one.kill()


@pytest.fixture
def dns(tmp_path):
    """A name server of the test's own on loopback, and the files that make a workload use it."""
    from harness.dns import Dns

    server = Dns(tmp_path)
    yield server
    server.close()
