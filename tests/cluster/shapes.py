# SPDX-License-Identifier: Apache-2.0
"""Pods of many shapes, by name: those that get the sidecar, and those that are left alone."""


def container(name, **more):
    return {"name": name, "image": f"registry.test/{name}:1", **more}


def pod(spec=None, **metadata):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "it", **metadata},
        "spec": {"containers": [container("app")], **(spec or {})},
    }


def annotated(**annotations):
    return pod(annotations={f"ringside.io/{name}": value for name, value in annotations.items()})


INJECTED = {
    "plain": pod(),
    "several containers": pod(
        {"containers": [container("app", ports=[{"containerPort": 80}]), container("log"), container("proxy")]}
    ),
    "own init containers": pod({"initContainers": [container("migrate"), container("mesh", restartPolicy="Always")]}),
    "shared namespace": pod({"shareProcessNamespace": True}),
    "split namespaces": pod({"shareProcessNamespace": False}),
    "host network": pod({"hostNetwork": True}),
    "not on the host's PIDs": pod({"hostPID": False}),
    "users of the host": pod({"hostUsers": True}),
    "linux": pod({"os": {"name": "linux"}}),
    "non-root": pod(
        {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "fsGroup": 2000,
                "seccompProfile": {"type": "Localhost", "localhostProfile": "app.json"},
            }
        }
    ),
    "volumes": pod(
        {
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}],
            "containers": [
                container("app", volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}], env=[{"name": "EMPTY", "value": ""}])
            ],
        }
    ),
    "no token": pod({"automountServiceAccountToken": False}),
    "a job's": pod({"restartPolicy": "Never", "activeDeadlineSeconds": 60}),
    "quantities": pod(
        {"containers": [container("app", resources={"limits": {"cpu": 1.5, "memory": 1e9}, "requests": {"cpu": "0.1"}})]}
    ),
    "generated name": {**pod(), "metadata": {"generateName": "it-"}},
    "annotations of others": pod(annotations={"example.com/a.b": "x", "note": 'a "quoted" word,\n\tand é'}),
    "labels of others": pod(labels={"app.kubernetes.io/name": "shop", "app.kubernetes.io/version": "1"}),
    "label of its own": pod(labels={"ringside.io/inject": "true"}),
    "image": annotated(image="registry.test/other@sha256:" + 64 * "0"),
    "empty image": annotated(image=""),
    "resources": annotated(cpu="1500m", memory="0.5Gi"),
    "number as memory": annotated(memory="134217728"),
    "empty resources": annotated(cpu="", memory=""),
    "unconfined": annotated(seccomp="Unconfined"),
    "probes": annotated(probes="process,write", latency="1"),
    "unknown annotation": annotated(colour="green"),
    "annotation of another's name": pod(annotations={"example.com/injected": "{}"}),
}

# What is empty is gone before a policy sees the pod, so that only `ringside inject` can remember it.
EMPTIES = {
    "no init containers": pod({"initContainers": []}),
    "null init containers": pod({"initContainers": None}),
    "no annotations": pod(annotations={}),
}

LEFT_ALONE = {
    "host's PIDs": pod({"hostPID": True}),
    "user namespace": pod({"hostUsers": False}),
    "windows": pod({"os": {"name": "windows"}}),
}

# The policy leaves these as they are; `ringside inject`, which somebody asked for that very pod, says what is wrong.
CONTRADICTIONS = {
    "annotation without a sidecar": pod(annotations={"ringside.io/injected": "{}"}),
    "empty annotation without a sidecar": pod(annotations={"ringside.io/injected": ""}),
    "a container of that name": pod({"containers": [container("app"), container("ringside")]}),
    "an init container of that name": pod({"initContainers": [container("ringside")]}),
}
