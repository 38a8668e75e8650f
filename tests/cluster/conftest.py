# SPDX-License-Identifier: Apache-2.0
"""A real API server with etcd, the controller manager and the scheduler, and the chart in it, installed by helm. There are
no nodes: pods are made, admitted and kept, and never start. What the servers leave behind is in build/cluster."""

import base64
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import servers  # noqa: E402

IMAGE = "registry.test/ringside"
LABEL = "ringside.io/inject"


class Cluster(servers.Servers):
    def install(self, name, values=None, verb="install", **options):
        return self.helm(
            verb,
            name,
            servers.CHART,
            "--namespace",
            name,
            "--create-namespace",
            values={"image": {"repository": IMAGE}, **(values or {})},
            **options,
        )

    def admit(self, pod, namespace):
        """The pod as the API server would keep it."""
        return self.create(pod, "--namespace", namespace, "--dry-run=server")


@pytest.fixture(scope="session")
def cluster():
    if not shutil.which("openssl"):
        pytest.skip("no openssl: make setup-test installs it")
    directory = servers.ROOT / "build" / "cluster"
    shutil.rmtree(directory, ignore_errors=True)
    one = Cluster(directory, controllers=True)
    yield one
    one.close()


@pytest.fixture(scope="module")
def chart(cluster):
    """The chart with its defaults, as release `ringside`, once its policy acts. `watched` has the label, `bare` has not."""
    cluster.install("ringside")
    cluster.make_namespace("watched", {LABEL: "true"})
    cluster.make_namespace("bare")
    cluster.make_namespace("ringside")
    cluster.make_namespace("kube-system")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "first"},
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    }
    cluster.wait(lambda: sidecars(cluster.admit(pod, "watched")), 60, "the policy acts")
    yield "ringside"
    cluster.helm("uninstall", "ringside", "--namespace", "ringside")


def sidecars(pod):
    return [one for one in pod["spec"].get("initContainers", []) if one["name"] == "ringside"]


def same(pod):
    """What two pods made of the same object agree in, wherever and whenever they were made."""
    text = re.sub(
        r"kube-api-access-\w+",
        "kube-api-access",
        json.dumps([pod["spec"], pod["metadata"].get("annotations", {}), pod["metadata"].get("labels", {})]),
    )
    return json.loads(text)


@pytest.fixture(scope="session")
def inject(cluster, binary):
    """A function: the object as `ringside inject` gives it, told what a release's chart knows; with `fails`, why not."""
    version = re.search(r'^appVersion: "?([^"\n]+)', cluster.helm("show", "chart", servers.CHART), re.MULTILINE).group(1)

    def run(thing, release="ringside", fails=False, options=()):
        collector = "ringside-collector" if release == "ringside" else f"{release}-ringside-collector"
        authority = cluster.directory / f"{release}.pem"
        if not authority.exists():
            secret = cluster.read("secret", f"{collector}-tls", "--namespace", release)
            authority.write_bytes(base64.b64decode(secret["data"]["ca.crt"]))
        done = subprocess.run(
            [
                binary,
                "inject",
                "--image",
                f"{IMAGE}:{version}",
                "--tls-ca",
                authority,
                "--collector",
                f"{collector}.{release}.svc:9717",
                *options,
            ],
            input=json.dumps(thing),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (2 if fails else 0), done.stderr
        return done.stderr if fails else json.loads(done.stdout)

    return run
