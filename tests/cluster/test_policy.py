# SPDX-License-Identifier: Apache-2.0
"""The chart's MutatingAdmissionPolicy on pods of many shapes, against what `ringside inject` makes of the same."""

import json

import pytest

from conftest import LABEL, same, sidecars
from overrides import RIGHT, WRONG
from shapes import CONTRADICTIONS, EMPTIES, INJECTED, LEFT_ALONE, pod


def of(shapes):
    return pytest.mark.parametrize("shape", shapes, ids=lambda name: name.replace(" ", "-").removeprefix("ringside.io/"))


@of(INJECTED)
def test_a_pod_gets_the_sidecar_once_as_inject_gives_it(cluster, chart, inject, shape):
    given = INJECTED[shape]
    by_policy = cluster.admit(given, "watched")
    assert len(sidecars(by_policy)) == 1
    assert by_policy["spec"]["initContainers"][0]["name"] == "ringside"
    assert same(by_policy) == same(cluster.admit(inject(given), "bare"))
    # What it gave is left alone when it comes again.
    assert same(cluster.admit(inject(given), "watched")) == same(by_policy)


@of(EMPTIES)
def test_empty_lists_make_no_difference_but_to_what_is_remembered(cluster, chart, inject, shape):
    given = EMPTIES[shape]
    by_policy, by_inject = cluster.admit(given, "watched"), cluster.admit(inject(given), "bare")
    assert len(sidecars(by_policy)) == 1
    assert by_policy["metadata"]["annotations"].pop("ringside.io/injected") == "{}"
    by_inject["metadata"]["annotations"].pop("ringside.io/injected")
    assert same(by_policy) == same(by_inject)


@of(LEFT_ALONE)
def test_a_pod_is_left_alone(cluster, chart, inject, shape):
    given = LEFT_ALONE[shape]
    assert same(cluster.admit(given, "watched")) == same(cluster.admit(given, "bare"))
    assert inject(given) == given


@of(CONTRADICTIONS)
def test_a_pod_that_contradicts_itself_is_left_alone(cluster, chart, inject, shape):
    given = CONTRADICTIONS[shape]
    assert same(cluster.admit(given, "watched")) == same(cluster.admit(given, "bare"))
    assert 'msg="cannot inject"' in inject(given, fails=True)


def pods(annotation, values):
    """A List of pods, one a value."""
    items = [pod(annotations={annotation: value}, name=f"it-{i}") for i, value in enumerate(values)]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def admit_all(cluster, pods_, namespace):
    """kubectl prints one object behind the other."""
    text = cluster.kubectl("create", "-o", "json", "-f", "-", "--namespace", namespace, "--dry-run=server", text=json.dumps(pods_))
    return json.loads("[" + text.replace("\n}\n{", "\n},\n{") + "]")


@of(RIGHT)
def test_what_an_annotation_may_say_no_pod_is_refused_for(cluster, chart, inject, shape):
    given = pods(shape, RIGHT[shape])
    by_policy = admit_all(cluster, given, "watched")
    assert [len(sidecars(one)) for one in by_policy] == [1] * len(given["items"])
    assert list(map(same, by_policy)) == list(map(same, admit_all(cluster, inject(given), "bare")))


@of(WRONG)
def test_a_pod_with_a_wrong_annotation_starts_without_a_sidecar(cluster, chart, inject, shape):
    given = pods(shape, WRONG[shape])
    by_policy = admit_all(cluster, given, "watched")
    assert list(map(same, by_policy)) == list(map(same, admit_all(cluster, given, "bare")))
    for one in given["items"]:
        assert f"path=metadata.annotations.{shape} " in inject(one, fails=True)


@pytest.mark.parametrize("namespace", ["kube-system", "ringside"])
def test_some_namespaces_are_left_alone(cluster, chart, namespace):
    cluster.kubectl("label", "--overwrite", "namespace", namespace, f"{LABEL}=true")
    assert not sidecars(cluster.admit(pod(labels={LABEL: "true"}), namespace))


@pytest.mark.parametrize(
    "namespace, label, injected",
    [
        ("watched", None, True),
        ("watched", "true", True),
        ("watched", "false", False),
        ("watched", "", False),
        ("bare", None, False),
        ("bare", "true", True),
        ("bare", "false", False),
        ("against", None, False),
        ("against", "true", True),
    ],
)
def test_the_pods_label_wins_over_its_namespaces(cluster, chart, namespace, label, injected):
    if namespace == "against":
        cluster.make_namespace("against", {LABEL: "false"})
    given = pod(labels={} if label is None else {LABEL: label})
    assert len(sidecars(cluster.admit(given, namespace))) == injected


def test_a_pod_is_kept_so_and_stays_so_when_it_is_updated(cluster, chart):
    kept = cluster.create(pod(), "--namespace", "watched")
    cluster.kubectl("annotate", "pod", "it", "--namespace", "watched", "ringside.io/image=other:2")
    again = cluster.read("pod", "it", "--namespace", "watched")
    assert again["spec"] == kept["spec"]
    cluster.kubectl("delete", "pod", "it", "--namespace", "watched", "--wait=false")


def test_pods_that_controllers_make_get_it(cluster, chart):
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod()["spec"]}
    for api, kind, spec in (
        ("apps/v1", "Deployment", {"selector": {"matchLabels": {"app": "web"}}}),
        ("batch/v1", "Job", {}),
    ):
        one = json.loads(json.dumps(template))
        if kind == "Job":
            one["metadata"]["labels"] = {"app": "job"}
            one["spec"]["restartPolicy"] = "Never"
        cluster.create(
            {"apiVersion": api, "kind": kind, "metadata": {"name": "made"}, "spec": {**spec, "template": one}},
            "--namespace",
            "watched",
        )
        query = ("pods", "--namespace", "watched", "-l", "app=" + one["metadata"]["labels"]["app"])
        pods = cluster.wait(lambda query=query: cluster.read(*query)["items"], 60, f"the {kind} has a pod")
        assert len(sidecars(pods[0])) == 1
        cluster.kubectl("delete", kind, "made", "--namespace", "watched", "--wait=false")
