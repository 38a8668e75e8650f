# SPDX-License-Identifier: Apache-2.0
"""What the chart renders, against the API's own schemas of several versions of Kubernetes."""

import copy

import pytest

import openapi
from chart import PEM, find, render

# Version: which MutatingAdmissionPolicy it has.
VERSIONS = {"1.36.3": "v1", "1.35.4": "v1beta1", "1.34.4": "v1beta1", "1.33.13": "v1alpha1", "1.32.13": "v1alpha1",
            "1.31.14": None, "1.30.14": None}
IN_CI = ("1.36.3", "1.32.13")

TOLERATIONS = [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}]
VALUES = {
    "default": {},
    "patch": {"injection": {"mode": "patch"}},
    "none": {"injection": {"mode": "none"}},
    "plain": {"tls": {"mode": "insecure"}},
    "everything": {
        "image": {"repository": "registry.example/ringside", "tag": "1", "pullPolicy": "Always"},
        "imagePullSecrets": ["pull"],
        "fullnameOverride": "watch",
        "injection": {"privileged": True, "processAccess": "none", "failurePolicy": "Fail"},
        "node": {"enabled": True, "probes": ["process"], "tolerations": TOLERATIONS},
        "collector": {
            "replicas": 3, "capture": {"enabled": True, "size": "1Gi", "storageClass": "fast"}, "tolerations": TOLERATIONS,
            "networkPolicy": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}},
        "metrics": {"enabled": True},
        "tls": {"mode": "secret", "secretName": "mine", "ca": PEM, "clientCA": PEM, "clientSecret": "theirs"},
        "token": {"rulesSecret": "rules", "secret": "own"},
    },
}


def versions():
    return [pytest.param(one, marks=[] if one in IN_CI else pytest.mark.slow) for one in VERSIONS]


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("version", versions())
def test_each_object_is_one_that_this_kubernetes_knows(version, values):
    objects = render(VALUES[values], version, VERSIONS[version])
    assert len(objects) > 5
    assert [line for one in objects for line in openapi.errors(version, one)] == []


@pytest.mark.parametrize("place, value", [
    (("spec", "replica"), 1),
    (("spec", "template", "spec", "containers", 0, "startupProbe", "command"), ["x"]),
    (("spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"), "9717"),
])
def test_the_schemas_refuse_what_is_wrong(place, value):
    wrong = copy.deepcopy(find(render(VALUES["plain"]), "StatefulSet"))
    at = wrong
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    assert openapi.errors(IN_CI[0], wrong)
