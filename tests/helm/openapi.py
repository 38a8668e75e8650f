# SPDX-License-Identifier: Apache-2.0
"""The schemas of Kubernetes' own API, which its Go module holds; once fetched they are kept in build/cache/openapi. A field
that they do not know is an error here, as it is for `kubectl --validate=strict`."""

import functools
import json
import os
import pathlib
import shutil
import subprocess

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "cache" / "openapi"


def fetch(version, module="k8s.io/kubernetes", place="api/openapi-spec/v3"):
    """The directory with the schemas of that version of Kubernetes, such as 1.36.3, or of another module."""
    kept = KEPT / version
    if not kept.exists():
        go = subprocess.run([ROOT / "container" / "go.sh", ROOT / "build" / "tools"], stdout=subprocess.PIPE, text=True, check=True)
        done = subprocess.run([go.stdout.strip(), "mod", "download", "-json", f"{module}@v{version}"], cwd="/",
                              stdout=subprocess.PIPE, text=True, check=True)
        source = pathlib.Path(json.loads(done.stdout)["Dir"]) / place
        taken = KEPT / f"{version}.{os.getpid()}"
        shutil.copytree(source, taken, copy_function=shutil.copyfile)
        taken.chmod(0o755)
        taken.rename(kept)
    return kept


def close(schema):
    """Objects with named fields have no others."""
    if isinstance(schema, list):
        return [close(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


@functools.lru_cache(maxsize=None)
def validator(version, api_version, kind):
    name = f"apis__{api_version.replace('/', '__')}" if "/" in api_version else f"api__{api_version}"
    path = fetch(version) / f"{name}_openapi.json"
    assert path.exists(), f"Kubernetes {version} has no {api_version}"
    schemas = json.loads(path.read_text())["components"]["schemas"]
    group, _, version = api_version.rpartition("/")
    wanted = {"group": group, "version": version, "kind": kind}
    named = [key for key, schema in schemas.items() if wanted in schema.get("x-kubernetes-group-version-kind", [])]
    assert len(named) == 1, f"no {kind} in {path.name}"
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{named[0]}", "components": {"schemas": close(schemas)}})


def monitor_errors(what):
    """The same of a ServiceMonitor or PodMonitor, by the definitions that Prometheus' operator installs."""
    kept = fetch("0.85.0", "github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd")
    definition = yaml.safe_load((kept / f"monitoring.coreos.com_{what['kind'].lower()}s.yaml").read_text())
    (version,) = definition["spec"]["versions"]
    assert what["apiVersion"] == f"{definition['spec']['group']}/{version['name']}"
    schema = close(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return [f"{one.json_path}: {one.message[:200]}" for one in jsonschema.Draft202012Validator(schema).iter_errors(what)]


def errors(version, what):
    """What the API of that version would refuse in an object: lines of PLACE: WHY."""
    found = validator(version, what["apiVersion"], what["kind"]).iter_errors(what)
    return [f"{what['kind']} {one.json_path}: {one.message[:200]}" for one in found]
