# SPDX-License-Identifier: Apache-2.0
"""Policy, patch and `ringside inject` do the same to a pod."""

import json
import subprocess

import celpy
import pytest

import openapi
import policy as policies
from chart import PEM, POLICY_KIND, find, render, sidecar_json
from overrides import RIGHT, WRONG, pairs

VALUES = {"tls": {"mode": "secret", "secretName": "mine", "ca": PEM, "clientCA": PEM, "clientSecret": "theirs"},
          "token": {"rulesSecret": "rules", "secret": "own"}, "image": {"repository": "r.example/ringside", "tag": "9"}}
OPTIONS = ["--image", "r.example/ringside:9", "--tls-ca", PEM, "--tls-client-secret", "theirs", "--token-secret", "own"]
WANTED = {"ringside.io/inject": "true"}


def pod(spec=None, **metadata):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", **metadata},
            "spec": {"containers": [{"name": "app", "image": "app"}], **(spec or {})}}


PODS = {
    "plain": pod(),
    "two containers": pod({"containers": [{"name": one, "image": one} for one in "ab"]}),
    "init containers": pod({"initContainers": [{"name": one, "image": one} for one in "ab"]}),
    "annotations": pod(annotations={"a/b": "c", "d": ""}),
    "overrides": pod(annotations={"ringside.io/image": "other:1", "ringside.io/cpu": "1", "ringside.io/memory": "1Gi",
                                  "ringside.io/seccomp": "Unconfined", "ringside.io/probes": "write", "ringside.io/latency": "1",
                                  "ringside.io/standby": "0"}),
    "empty overrides": pod(annotations={"ringside.io/image": "", "ringside.io/memory": ""}),
    "shared already": pod({"shareProcessNamespace": True}),
    "not shared": pod({"shareProcessNamespace": False}),
    "volumes": pod({"volumes": [{"name": "data", "emptyDir": {}}, {"name": "host-proc", "hostPath": {"path": "/proc"}}]}),
    "not hostPID": pod({"hostPID": False, "hostUsers": True, "os": {"name": "linux"}}),
}
LEFT_ALONE = {
    "hostPID": pod({"hostPID": True}),
    "user namespace": pod({"hostUsers": False}),
    "windows": pod({"os": {"name": "windows"}}),
    "has it": pod({"initContainers": [{"name": "ringside", "image": "x"}]}, annotations={"ringside.io/injected": "{}"}),
}
VOLUME = pod({"volumes": [{"name": "ringside-host-proc", "emptyDir": {}}]})
# `inject` says that it can't; the policy has nobody to tell.
REFUSED = {
    "a container of that name": pod({"containers": [{"name": "ringside", "image": "x"}]}),
    "an init container of that name": pod({"initContainers": [{"name": "ringside", "image": "x"}]}),
    "the annotation alone": pod(annotations={"ringside.io/injected": "{}"}),
}


@pytest.fixture(name="policy", scope="module", params=list(sidecar_json()["processAccess"]))
def policy_(request):
    values = {**VALUES, "injection": {"mode": "policy", "processAccess": request.param}}
    found = find(render(values), POLICY_KIND)
    return request.param, found


def inject(binary, what, *options):
    done = subprocess.run([binary, "inject", *OPTIONS, *options], input=json.dumps(what), capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


@pytest.mark.parametrize("name", [*PODS, *LEFT_ALONE])
def test_the_policy_does_what_inject_does(binary, policy, name):
    access, found = policy
    before = {**PODS, **LEFT_ALONE}[name]
    after = policies.apply(found, before, WANTED)
    assert after == inject(binary, before, "--process-access", access)
    assert (after == before) == (name in LEFT_ALONE)


@pytest.mark.parametrize("name", REFUSED)
def test_what_inject_refuses_the_policy_leaves_alone(binary, policy, name):
    assert inject(binary, REFUSED[name]) is None
    assert policies.apply(policy[1], REFUSED[name], WANTED) == REFUSED[name]


def test_a_volume_of_that_name_is_refused_where_one_is_put_in(binary, policy):
    access, found = policy
    after = inject(binary, VOLUME, "--process-access", access)
    assert (after is None) == (access == "hostProc")
    assert policies.apply(found, VOLUME, WANTED) == (after or VOLUME)


@pytest.mark.parametrize("pod_label, namespace_label, injected", [
    (None, None, False), (None, "true", True), (None, "false", False), ("true", None, True), ("true", "false", True),
    ("false", "true", False), ("", "true", False), ("yes", None, False), (None, "True", False),
])
def test_the_pods_label_wins_over_its_namespaces(policy, pod_label, namespace_label, injected):
    def labels(value):
        return {} if value is None else {"ringside.io/inject": value}

    what = pod(labels={"app": "a", **labels(pod_label)})
    assert (policies.apply(policy[1], what, labels(namespace_label)) != what) == injected


@pytest.mark.parametrize("annotation, value", pairs(RIGHT))
def test_the_policy_takes_what_inject_takes(binary, policy, annotation, value):
    before = pod(annotations={annotation: value})
    assert policies.apply(policy[1], before, WANTED) == inject(binary, before, "--process-access", policy[0])


@pytest.mark.parametrize("annotation, value", pairs(WRONG))
def test_the_policy_fails_where_inject_refuses_an_annotation(binary, policy, annotation, value):
    """Then failurePolicy holds. Behind the policy the API server would refuse the pod, or the pod would not start."""
    before = pod(annotations={annotation: value})
    assert inject(binary, before) is None
    with pytest.raises(celpy.CELEvalError):
        policies.apply(policy[1], before, WANTED)
    before["spec"]["hostPID"] = True
    assert policies.apply(policy[1], before, WANTED) == before


def test_nothing_is_put_in_twice_and_mirror_pods_are_left_alone(policy):
    once = policies.apply(policy[1], pod(), WANTED)
    assert policies.apply(policy[1], once, WANTED) == once
    mirror = pod(annotations={"kubernetes.io/config.mirror": "x"})
    assert policies.apply(policy[1], mirror, WANTED) == mirror


def test_the_policy_is_not_asked_in_kube_system_nor_beside_the_collector(policy):
    constraints = policy[1]["spec"]["matchConstraints"]
    (rule,) = constraints["namespaceSelector"]["matchExpressions"]
    assert rule == {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "ringside"]}


@pytest.mark.parametrize("access", sidecar_json()["processAccess"])
@pytest.mark.parametrize("kind, place", [
    ("workload", ("spec", "template")), ("cronjob", ("spec", "jobTemplate", "spec", "template")), ("pod", ())])
def test_the_patch_holds_what_inject_puts_in(binary, kind, place, access):
    values = {**VALUES, "injection": {"mode": "patch", "processAccess": access}}
    patches = find(render(values), "ConfigMap")["data"]
    patch = json.loads(patches[f"{kind}.json"])
    for key in place:
        patch = patch[key]
    bare = pod()
    injected = inject(binary, bare, "--process-access", access)
    bare["metadata"].update(patch["metadata"])
    bare["spec"].update(patch["spec"])
    assert bare == injected
    assert openapi.errors("1.36.3", bare) == []


