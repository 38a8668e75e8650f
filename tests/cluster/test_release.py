# SPDX-License-Identifier: Apache-2.0
"""The chart's life in a cluster: installed, upgraded, removed, and with other values."""

import json

import pytest

from conftest import LABEL, same, sidecars
from shapes import INJECTED, annotated, pod

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def owned(cluster, name):
    """Everything in the cluster that carries the release's label, by kind and name."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    kinds = [kind for kind in kinds if not kind.startswith("events")]
    listed = cluster.kubectl(
        "get",
        ",".join(kinds),
        "--all-namespaces",
        "-l",
        f"app.kubernetes.io/instance={name}",
        "-o",
        "name",
        "--ignore-not-found",
    ).split()
    return {one for one in listed if not one.startswith(("pod/", "controllerrevision", "endpointslice"))}


@pytest.fixture
def release(cluster):
    """A function that installs the chart under a name; what is there at the end is uninstalled."""
    made = []

    def install(name, values=None):
        cluster.install(name, values)
        made.append(name)
        return owned(cluster, name)

    yield install
    for name in made:
        if json.loads(cluster.helm("list", "--namespace", name, "-o", "json")):
            cluster.helm("uninstall", name, "--namespace", name)


def secret(cluster, name):
    return cluster.read("secret", f"{name}-ringside-collector-tls", "--namespace", name)["data"]


def test_it_can_be_removed_whole(cluster, release):
    objects = release("one")
    assert {one.split("/")[0].split(".")[0] for one in objects} >= {
        "mutatingadmissionpolicy",
        "mutatingadmissionpolicybinding",
        "statefulset",
        "service",
        "secret",
        "networkpolicy",
        "poddisruptionbudget",
    }
    cluster.helm("uninstall", "one", "--namespace", "one", "--wait")
    assert not owned(cluster, "one")


def test_an_upgrade_keeps_the_authority(cluster, release):
    release("two")
    before = secret(cluster, "two")
    cluster.install("two", {"collector": {"replicas": 2}}, verb="upgrade")
    assert cluster.read("statefulset", "two-ringside-collector", "--namespace", "two")["spec"]["replicas"] == 2
    assert secret(cluster, "two") == before
    policy = cluster.read("mutatingadmissionpolicy", "two-ringside-inject")
    container = next(one["expression"] for one in policy["spec"]["variables"] if one["name"] == "container")
    assert "BEGIN CERTIFICATE" in container


@pytest.mark.parametrize("mode", ["patch", "none"])
def test_without_a_policy(cluster, release, mode):
    objects = release("three", {"injection": {"mode": mode}})
    assert not [one for one in objects if one.split(".")[0] in ("mutatingadmissionpolicy", "mutatingadmissionpolicybinding")]
    assert any(one.startswith("configmap/") for one in objects) == (mode == "patch")


def test_auto_takes_the_policy_where_it_is_served_and_an_upgrade_can_leave_it(cluster, release):
    assert any(one.startswith("mutatingadmissionpolicy.") for one in release("four"))
    cluster.install("four", {"injection": {"mode": "none"}}, verb="upgrade")
    assert not any(one.startswith("mutatingadmissionpolicy") for one in owned(cluster, "four"))


def test_the_patch_makes_of_a_workload_what_inject_makes(cluster, inject, release):
    """By the line that NOTES gives."""
    release("five", {"injection": {"mode": "patch"}})
    cluster.make_namespace("bare")
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": pod({"initContainers": [{"name": "own", "image": "own:1"}]})["spec"],
            },
        },
    }
    cluster.create(workload, "--namespace", "bare")
    patch = cluster.read("configmap", "five-ringside-patch", "--namespace", "five")["data"]["workload.json"]
    cluster.kubectl("--namespace", "bare", "patch", "deployment", "web", "--patch-file", "/dev/stdin", text=patch)
    patched = cluster.read("deployment", "web", "--namespace", "bare")["spec"]["template"]
    cluster.kubectl("--namespace", "bare", "delete", "deployment", "web")
    assert len(sidecars(patched)) == 1 and patched["spec"]["initContainers"][0]["name"] == "ringside"
    injected = cluster.create(inject(workload, "five"), "--namespace", "bare", "--dry-run=server")["spec"]["template"]
    assert same(patched) == same(injected)


@pytest.mark.parametrize(
    "values, why",
    [
        ({"tls": {"mode": "secret"}}, "tls.secretName is empty"),
        ({"tls": {"mode": "secret", "secretName": "absent"}}, "no authority to verify the collector by"),
        ({"tls": {"mode": "insecure", "clientCA": PEM, "clientSecret": "y"}}, "certificates need TLS"),
        ({"injection": {"mode": "sometimes"}}, "injection"),
    ],
)
def test_values_that_contradict_are_refused_and_nothing_is_left(cluster, values, why):
    assert why in cluster.install("six", values, fails=True)
    assert not owned(cluster, "six")


def test_everything_switched_on_is_taken_by_the_api(cluster, release):
    objects = release(
        "seven",
        {
            "node": {"enabled": True, "probes": ["process", "write"]},
            "collector": {
                "replicas": 2,
                "capture": {"enabled": True, "storageClass": "fast"},
                "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]},
            },
            "injection": {"processAccess": "none", "failurePolicy": "Fail", "privileged": True},
            "imagePullSecrets": ["pull"],
            "metrics": {"enabled": True},
            "token": {"rulesSecret": "rules", "secret": "mine"},
        },
    )
    assert any(one.startswith("daemonset") for one in objects)
    cluster.make_namespace("sevens", {LABEL: "true"})

    def acts():
        return sidecars(cluster.admit(pod(), "sevens"))

    sidecar = cluster.wait(acts, 60, "the policy acts")[0]
    assert sidecar["securityContext"]["privileged"]
    wrong = annotated(memory="-1")
    assert not sidecars(cluster.admit(wrong, "default"))
    said = cluster.create(wrong, "--namespace", "sevens", "--dry-run=server", fails=True)
    assert "ringside.io/memory: it is not 10M of memory or more, such as 64Mi" in said


def by_name(pod):
    """What the API server adds itself may stand before or behind what the policy adds."""
    pod["spec"].get("volumes", []).sort(key=lambda one: one["name"])
    return same(pod)


def test_by_host_proc_pods_get_the_volume_and_its_mount_as_inject_gives_them(cluster, release, inject):
    release("eight", {"injection": {"processAccess": "hostProc", "failurePolicy": "Fail"}})
    cluster.make_namespace("eights", {LABEL: "true"})
    cluster.wait(lambda: sidecars(cluster.admit(pod(), "eights")), 60, "the policy acts")
    for shape in ("plain", "volumes", "split namespaces", "no token", "own init containers"):
        given = INJECTED[shape]
        by_policy = cluster.admit(given, "eights")
        (sidecar,) = sidecars(by_policy)
        assert "ringside-host-proc" in {one["name"] for one in sidecar["volumeMounts"]}
        by_inject = inject(given, "eight", options=("--process-access", "hostProc"))
        assert by_name(by_policy) == by_name(cluster.admit(by_inject, "default")), shape
    taken = pod({"volumes": [{"name": "ringside-host-proc", "emptyDir": {}}]})
    assert same(cluster.admit(taken, "eights")) == same(cluster.admit(taken, "default"))


def test_certificates_and_tokens_of_sidecars_are_given_as_inject_gives_them(cluster, release, inject):
    """None of the secrets is there."""
    trust = {"tls": {"clientCA": PEM, "clientSecret": "theirs"}, "token": {"rulesSecret": "rules", "secret": "own"}}
    release("nine", {**trust, "injection": {"failurePolicy": "Fail"}, "node": {"enabled": True}})
    cluster.make_namespace("nines", {LABEL: "true"})
    cluster.wait(lambda: sidecars(cluster.admit(pod(), "nines")), 60, "the policy acts")
    for shape in ("plain", "own init containers", "probes"):
        by_policy = cluster.admit(INJECTED[shape], "nines")
        (sidecar,) = sidecars(by_policy)
        assert [one["name"] for one in sidecar["env"][-3:]] == ["RINGSIDE_TLS_CERT", "RINGSIDE_TLS_KEY", "RINGSIDE_TOKEN"]
        assert all(one["valueFrom"]["secretKeyRef"]["optional"] for one in sidecar["env"][-3:])
        by_inject = inject(INJECTED[shape], "nine", options=("--tls-client-secret", "theirs", "--token-secret", "own"))
        assert same(by_policy) == same(cluster.admit(by_inject, "default")), shape
