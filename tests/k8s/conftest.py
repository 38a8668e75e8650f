# SPDX-License-Identifier: Apache-2.0
"""One cluster and one node for all tests of this layer; a collector on the host; pods that get the sidecar from
`ringside inject`. What the cluster leaves behind is in build/k8s/run."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cluster")]

import node as nodes  # noqa: E402
import servers  # noqa: E402

PATIENCE = 300  # seconds; a container takes half a minute to start on a busy machine


@pytest.fixture(scope="session")
def cluster():
    """The servers, and a node that is ready."""
    if os.geteuid():
        pytest.skip("needs root")
    for program in ("qemu-system-x86_64", "mmdebstrap", "buildah", "busybox", "openssl"):
        if not shutil.which(program):
            pytest.skip(f"no {program}: make setup-test installs it")
    directory = nodes.BUILD / "run"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    images = [make(directory) for make in (nodes.make_pause, nodes.make_application, nodes.make_sidecar)]
    running = servers.Servers(directory, controllers=True)
    try:
        nodes.Node(running, images).wait_ready()
        yield running
    finally:
        running.close()


class Collector:
    """`ringside collect` on the host's loopback, where pods find it at 10.0.2.2."""

    def __init__(self, binary, directory):
        self.port = servers.free_port()
        self.address = f"{servers.HOST_SEEN_BY_GUESTS}:{self.port}"
        self.output, self.errors = directory / "collector.json", directory / "collector.err"
        with open(self.output, "wb") as output, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [binary, "collect", "--listen", f"127.0.0.1:{self.port}", "--format", "json"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )

    def records(self, **attributes):
        """What came so far from the agents with these attributes, written with _ for the dot."""
        wanted = {name.replace("_", "."): value for name, value in attributes.items()}
        whole = self.output.read_text().rpartition("\n")[0]
        records = map(json.loads, whole.splitlines())
        return [one for one in records if wanted.items() <= one["attributes"].items()]

    def balances(self, agent):
        """What the collector says of an agent's streams once it has left."""
        lines = self.errors.read_text().splitlines()
        return [line for line in lines if "msg=balance" in line and f" agent={agent} " in line]


@pytest.fixture(scope="session")
def collector(binary, tmp_path_factory):
    one = Collector(binary, tmp_path_factory.mktemp("collector"))
    yield one
    one.process.terminate()
    one.process.wait(20)


@pytest.fixture
def inject(binary, collector):
    """A function: the object with the sidecar in its pods."""

    def run(thing, *options):
        done = subprocess.run(
            [binary, "inject", "--image", nodes.SIDECAR, "--collector", collector.address, "--insecure", *options],
            input=json.dumps(thing),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def create(cluster):
    """A function that creates an object; all are deleted at the end, and nobody waits for that."""
    made = []

    def run(thing):
        kept = cluster.create(thing)
        made.append((kept["kind"], kept["metadata"]["name"], "--namespace", kept["metadata"]["namespace"]))
        return kept

    yield run
    for one in made:
        cluster.kubectl("delete", *one, "--ignore-not-found", "--wait=false")


@pytest.fixture
def until(cluster):
    """A function that waits for a condition; where it does not come true, what the cluster says is shown."""

    def wait(condition, what):
        try:
            return cluster.wait(condition, PATIENCE, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{cluster.kubectl('describe', 'pods', '--all-namespaces')}") from None

    return wait


def is_ready(pod):
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


@pytest.fixture
def ready_pod(cluster, until):
    """A function that waits until the pod of that name is ready, and gives it. With `but_not` it has another uid."""

    def wait(name, but_not=None, namespace="default"):
        def look():
            answer = cluster.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
            pod = json.loads(answer) if answer else None
            return pod if pod and pod["metadata"]["uid"] != but_not and is_ready(pod) else None

        return until(look, f"pod {name} is ready")

    return wait
