# SPDX-License-Identifier: Apache-2.0
"""The chart, rendered by helm as if for a cluster."""

import json
import subprocess

import yaml

from openapi import ROOT

CHART = ROOT / "helm" / "ringside"
HELM = ROOT / "build" / "tools" / "helm"
POLICY_KIND = "MutatingAdmissionPolicy"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


class Refused(Exception):
    """helm's last words."""


def helm(*arguments, values=None):
    command = [HELM, *arguments] + (["--values", "-"] if values else [])
    done = subprocess.run(command, input=json.dumps(values or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render(values=None, version="1.36.0", policy_api="v1"):
    """The objects that would be installed; `policy_api` is the version of MutatingAdmissionPolicy that is served, or None."""
    served = ["--api-versions", f"admissionregistration.k8s.io/{policy_api}/{POLICY_KIND}"] if policy_api else []
    text = helm("template", "ringside", CHART, "--namespace", "ringside", "--kube-version", version, *served, values=values)
    return [one for one in yaml.safe_load_all(text) if one]


def find(objects, kind, name=None):
    found = [one for one in objects if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    assert len(found) == 1, f"{kind} {name}: {len(found)} of them"
    return found[0]


def kinds(objects):
    return sorted(one["kind"] for one in objects)


def sidecar_json():
    return json.loads((CHART / "files" / "sidecar.json").read_text())
