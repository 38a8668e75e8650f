# SPDX-License-Identifier: Apache-2.0
"""Kubernetes objects as JSON with numbers kept as written, and what `ringside inject` must make of a pod: the same rules once
more, from helm/ringside/files/README.md."""

import copy
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = re.search(r"^VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1)
INJECTED = "ringside.io/injected"


class Number(str):
    """A number as it is written."""


def read(text):
    return json.loads(text, parse_int=Number, parse_float=Number)


SIDECAR = read((ROOT / "helm/ringside/files/sidecar.json").read_text())


def write(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{write(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return json.dumps(value)


def ordered(value):
    """Equal only where the order of keys and the digits of numbers are."""
    if isinstance(value, dict):
        return {"object": [(key, ordered(item)) for key, item in value.items()]}
    if isinstance(value, list):
        return [ordered(item) for item in value]
    return ("number", str(value)) if isinstance(value, Number) else value


def run(binary, text, *options, **more):
    data = text if isinstance(text, bytes) else text.encode()
    return subprocess.run([binary, "inject", *options], input=data, capture_output=True, timeout=60, check=False, **more)


def inject(binary, value, *options):
    done = run(binary, write(value), *options)
    assert done.returncode == 0, done.stderr
    return read(done.stdout)


def left_alone(pod):
    spec = pod["spec"]
    return (
        spec.get("hostPID") is True or spec.get("hostUsers") is False or (spec.get("os") or {}).get("name") == "windows"
    )


def container(annotations):
    one = copy.deepcopy(SIDECAR["container"])
    one["image"] += f":{VERSION}"
    for annotation, override in SIDECAR["overrides"].items():
        for place in override["places"] if annotations.get(annotation) else ():
            *path, last = place.split("/")[1:]
            at = one
            for key in path:
                at = at[int(key) if isinstance(at, list) else key]
            at[last] = annotations[annotation]
    return one


def expected(before, access="share"):
    """The pod with the sidecar."""
    variant = SIDECAR["processAccess"][access]
    pod = copy.deepcopy(before)
    if left_alone(pod):
        return pod
    memory = {}
    if "metadata" in pod and not pod["metadata"]:
        memory["metadata"] = pod["metadata"]
    metadata = pod["metadata"] = pod.get("metadata") or {}
    if "annotations" in metadata and not metadata["annotations"]:
        memory["annotations"] = metadata["annotations"]
    annotations = metadata["annotations"] = metadata.get("annotations") or {}
    spec = pod["spec"]
    if "initContainers" in spec and not spec["initContainers"]:
        memory["initContainers"] = spec["initContainers"]
    if "volumes" in spec and not spec["volumes"]:
        memory["volumes"] = spec["volumes"]
    if "shareProcessNamespace" in spec:
        memory["shareProcessNamespace"] = spec["shareProcessNamespace"]
    one = {**container(annotations), **copy.deepcopy(variant.get("container", {}))}
    annotations[INJECTED] = json.dumps(memory, separators=(",", ":"))
    spec["initContainers"] = [one, *(spec.get("initContainers") or [])]
    spec.update(copy.deepcopy(variant.get("spec", {})))
    if "volume" in variant:
        spec["volumes"] = [*(spec.get("volumes") or []), copy.deepcopy(variant["volume"])]
    return pod
