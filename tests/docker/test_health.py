# SPDX-License-Identifier: Apache-2.0
"""HEALTHCHECK, as the engine sees it."""

from conftest import DOCKER_LINE

SOON = ["--health-interval", "1s", "--health-start-period", "1ms", "--health-retries", "1"]


def test_a_running_sidecar_becomes_healthy(docker, image, watch):
    side = watch(docker, image, options=[*DOCKER_LINE, *SOON])
    side.container.wait_health("healthy")


def test_a_collector_becomes_healthy_without_any_privilege(docker, image):
    options = [*SOON, "--cap-drop", "ALL", "--user", "65534:65534", "--read-only", "--security-opt", "no-new-privileges"]
    collector = docker.start(image, "collect", options=options)
    collector.wait_health("healthy")
    assert collector.stop() == 0


def test_a_container_without_sidecar_or_collector_becomes_unhealthy(docker, image):
    other = docker.start(image, "cat", "-", options=[*SOON, "--interactive"])
    other.wait_health("unhealthy")


def test_a_sidecar_is_not_taken_for_its_neighbour(docker, image, watch):
    """The name of the health socket is looked up in a network namespace, which containers may share."""
    side = watch(docker, image, options=[*DOCKER_LINE, *SOON])
    network = ["--network", f"container:{side.container.id}"]
    other = docker.start(image, "cat", "-", options=[*SOON, "--interactive", *network])
    other.wait_health("unhealthy")
