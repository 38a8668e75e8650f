# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the layer `docker`: engines of the tests' own, for the whole run; containers, for one test."""

import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

# pylint: disable=wrong-import-position
import engine as engines  # noqa: E402
import images as image_files  # noqa: E402
from harness.accounting import check  # noqa: E402
from space import Space  # noqa: E402
from watcher import Watcher  # noqa: E402

# What the README's line for docker names; an engine that knows them takes BPF and PERFMON for SYS_ADMIN.
DOCKER_LINE = ["--cap-drop", "ALL", "--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--read-only"]


@pytest.fixture(scope="session")
def space(workloads):
    one = Space()
    yield one
    one.close()


@pytest.fixture(scope="session")
def docker_engine(space):
    yield from engines.dockerd(space)


@pytest.fixture(scope="session")
def podman_engine(space):
    yield from engines.podman(space)


@pytest.fixture
def docker(docker_engine):
    yield docker_engine
    docker_engine.remove_all()


@pytest.fixture
def podman(podman_engine):
    yield podman_engine
    podman_engine.remove_all()


@pytest.fixture(scope="session")
def debian(docker_engine):
    """Debian's base image under its public name."""
    docker_engine("import", engines.base_image(image_files.ROOT / "build" / "cache"), "debian:bookworm-slim")
    return "debian:bookworm-slim"


@pytest.fixture(scope="session")
def image(docker_engine, binary):
    """The product's image, in docker."""
    done = image_files.make_image({"DOCKER_HOST": docker_engine.host}, "PREBUILT=1")
    assert done.returncode == 0, f"make image PREBUILT=1 failed:\n{done.stdout}{done.stderr}"
    return "ringside:latest"


@pytest.fixture(scope="session")
def podman_image(podman_engine, binary, space):
    """The product's image, in podman: `make image` takes it where no docker daemon answers."""
    path = space.wrapper("podman", *engines.podman_words(space))
    done = image_files.make_image({"DOCKER_HOST": "unix:///nonexistent"}, "PREBUILT=1", path=path)
    assert done.returncode == 0, f"make image PREBUILT=1 failed:\n{done.stdout}{done.stderr}"
    assert "by podman" in done.stdout
    return "localhost/ringside:latest"


@pytest.fixture(scope="session")
def applications(docker_engine, debian, tmp_path_factory):
    """Names of the application images in docker, by libc."""
    directory = tmp_path_factory.mktemp("applications")
    names = {}
    for variant in ("glibc", "musl"):
        names[variant] = f"ringside-test-{variant}"
        docker_engine("build", "--quiet", "--tag", names[variant], image_files.application_context(directory, variant))
    return names


@pytest.fixture(scope="session")
def podman_application(podman_engine, tmp_path_factory):
    """The musl application's image in podman."""
    context = image_files.application_context(tmp_path_factory.mktemp("applications"), "musl")
    podman_engine("build", "--tag", "ringside-test-musl", context)
    return "localhost/ringside-test-musl"


@pytest.fixture
def watch():
    """A function that starts `ringside run` in a container and waits until it is ready. At the end of the test each is
    stopped; its exit status must be 0 and its accounting must hold."""
    started = []

    def start(engine, image_name, *args, options=(), ready=True):
        started.append(Watcher(engine.start(image_name, "run", "--format", "json", *args, options=options)))
        if ready:
            started[-1].wait_ready()
        return started[-1]

    yield start
    try:
        for one in started:
            one.stop()
            if one.accounted:
                assert one.status == 0, f"exit status {one.status}\n{one.state()}"
                check(one)
    finally:
        for one in started:
            one.close()
