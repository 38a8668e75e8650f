# SPDX-License-Identifier: Apache-2.0
"""The collector and a sidecar, each with the environment that the chart gives it, find and trust each other: in a network and
mount namespace where the collector's Service name is loopback."""

import base64
import json
import os
import re
import signal
import subprocess

import pytest

from chart import find, render
from harness import until

NAME = "ringside-collector.ringside.svc"
POD = {"metadata.name": "app-1", "metadata.namespace": "shop", "metadata.uid": "0f2a1c52-6d0b-4e0a-9a55-0a1b2c3d4e5f",
       "spec.nodeName": "node-1", "metadata.labels['app.kubernetes.io/name']": "app"}


@pytest.fixture(name="place")
def place_(tmp_path):
    """Runs programs in the namespaces; what still runs at the end is killed."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {NAME}\n")
    script = f"ip link set lo up && mount --bind {hosts} /etc/hosts && echo made && exec sleep 1000"
    holder = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", script], stdout=subprocess.PIPE)
    started = [holder]

    def start(name, *command, env):
        inside = ["nsenter", "-t", str(holder.pid), "--mount", "--net", *map(str, command)]
        with open(tmp_path / f"{name}.out", "wb") as out, open(tmp_path / f"{name}.err", "wb") as err:
            started.append(subprocess.Popen(inside, stdout=out, stderr=err, env={"PATH": os.environ["PATH"], **env}))
        return started[-1]

    assert holder.stdout.readline() == b"made\n"
    start.says = lambda name: (tmp_path / name).read_text()
    yield start
    for one in reversed(started):
        one.kill()
        one.wait()


def authority(directory, *names):
    """Files of an authority and of a client's certificate, as a person would make them."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-subj", "/CN=clients", "-keyout", "c.key", "-out", "c.pem")
    openssl("req", "-new", *key, "-subj", "/CN=sidecar", "-keyout", "tls.key", "-out", "tls.csr")
    (directory / "ext").write_text("extendedKeyUsage=clientAuth\nsubjectAltName=" + ",".join(f"DNS:{one}" for one in names))
    openssl("x509", "-req", "-in", "tls.csr", "-CA", "c.pem", "-CAkey", "c.key", "-CAcreateserial", "-extfile", "ext", "-out", "tls.crt")


def environment(container, fields, secrets):
    """What the kubelet would make of it."""
    made = {}
    for one in container["env"]:
        source = one.get("valueFrom", {})
        if "fieldRef" in source:
            value = fields.get(source["fieldRef"]["fieldPath"], "")
        elif "secretKeyRef" in source:
            ref = source["secretKeyRef"]
            if ref["optional"] and ref["name"] not in secrets:
                continue
            value = secrets[ref["name"]][ref["key"]]
        else:
            value = re.sub(r"\$\((\w+)\)", lambda name: made[name[1]], one.get("value", ""))
        made[one["name"]] = value
    return made


def of_collector(objects, secrets, directory):
    """Its environment; the secrets' files are below the directory."""
    spec = find(objects, "StatefulSet")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["args"] == ["collect"]
    found = environment(container, {}, {})
    made = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "Secret"}
    names = {one["name"]: one["secret"]["secretName"] for one in spec.get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        files = directory / mount["name"]
        files.mkdir(parents=True)
        for name, text in made.get(names[mount["name"]], {}).items():
            (files / name).write_bytes(base64.b64decode(text))
        for name, text in secrets.get(names[mount["name"]], {}).items():
            (files / name).write_text(text)
        found = {key: value.replace(mount["mountPath"], str(files)) for key, value in found.items()}
    return found


def of_sidecar(objects, secrets, cgroup, fields=None):
    template = json.loads(find(objects, "ConfigMap")["data"]["pod.json"])
    (container,) = template["spec"]["initContainers"]
    assert container["args"] == ["run"]
    return {**environment(container, fields or POD, secrets), "RINGSIDE_SCOPE": f"cgroup:{cgroup.path}", "RINGSIDE_PROBE": "process"}


def start_collector(place, binary, objects, directory, secrets=None):
    place("collector", binary, "collect", env=of_collector(objects, secrets or {}, directory / "collector"))
    until(lambda: "msg=ready" in place.says("collector.err"), "the collector is ready")


TOKEN = "a-token-of-some-length"
# The chart's README has this one; the secret's text ends as a file does.
TOKENS = {"rules": {"tokens": f"{TOKEN} * k8s.namespace.name=shop k8s.pod.*=* k8s.node.name=* host.name=* service.*=*\n"},
          "own": {"token": TOKEN + "\n"}}


@pytest.mark.parametrize("trust", ["generate", "client certificate", "token", "insecure"])
def test_a_sidecars_records_come_out_at_the_collector(binary, place, cgroup, run, tmp_path, trust):
    values, secrets = {"injection": {"mode": "patch"}}, {}
    if trust == "client certificate":
        authority(tmp_path, "*")
        values["tls"] = {"clientCA": (tmp_path / "c.pem").read_text(), "clientSecret": "theirs"}
        secrets["theirs"] = {name: (tmp_path / name).read_text() for name in ("tls.crt", "tls.key")}
    elif trust == "token":
        values["token"], secrets = {"rulesSecret": "rules", "secret": "own"}, TOKENS
    elif trust == "insecure":
        values["tls"] = {"mode": "insecure"}
    objects = render(values)
    start_collector(place, binary, objects, tmp_path, secrets)
    sidecar = place("sidecar", binary, "run", env=of_sidecar(objects, secrets, cgroup))
    until(lambda: "msg=ready" in place.says("sidecar.err"), "the sidecar is ready")
    run("proc_shapes", "vfork", "/bin/true", cgroup=cgroup)
    until(lambda: '"kind":"exec"' in place.says("collector.out"), "a record at the collector")
    record = next(json.loads(line) for line in place.says("collector.out").splitlines() if '"kind":"exec"' in line)
    wanted = {"k8s.pod.name": "app-1", "k8s.namespace.name": "shop", "k8s.node.name": "node-1",
              "k8s.pod.uid": POD["metadata.uid"], "service.name": "app"}
    assert record["attributes"].items() >= wanted.items()
    assert ("tls=1.3" in place.says("sidecar.err")) == (trust != "insecure")
    sidecar.send_signal(signal.SIGTERM)
    assert sidecar.wait(20) == 0


def test_a_sidecar_with_another_authority_sends_nothing(binary, place, cgroup, tmp_path):
    """As after the secret was made anew: pods that have a sidecar must be restarted."""
    values = {"injection": {"mode": "patch"}}
    start_collector(place, binary, render(values), tmp_path)
    place("sidecar", binary, "run", env=of_sidecar(render(values), {}, cgroup))
    until(lambda: "certificate" in place.says("sidecar.err"), "the sidecar says why")
    assert "agent connected" not in place.says("collector.err")


@pytest.mark.parametrize("lacks, said, why", [
    ("certificate", "no TLS with the collector", ["certificate required", "it has no certificate"]),
    ("token", "collector refused the session", 2 * ["no token came"]),
    ("its own token", "collector refused the session", 2 * ["does not allow all attributes"]),
])
def test_a_sidecar_without_its_secret_runs_and_is_refused_and_both_say_why(binary, place, cgroup, run, tmp_path, lacks, said, why):
    values, secrets = {"injection": {"mode": "patch"}}, {}
    if lacks == "certificate":
        authority(tmp_path, "*")
        values["tls"] = {"clientCA": (tmp_path / "c.pem").read_text(), "clientSecret": "theirs"}
    else:
        values["token"], secrets = {"rulesSecret": "rules", "secret": "own"}, dict(TOKENS)
    objects = render(values)
    start_collector(place, binary, objects, tmp_path, secrets)
    fields = {**POD, "metadata.namespace": "bank"} if lacks == "its own token" else POD
    if lacks == "token":
        del secrets["own"]
    sidecar = place("sidecar", binary, "run", env=of_sidecar(objects, secrets, cgroup, fields))
    until(lambda: "msg=ready" in place.says("sidecar.err"), "the sidecar is ready")
    run("proc_shapes", "vfork", "/bin/true", cgroup=cgroup).finish()
    until(lambda: place.says("collector.err").count(why[1]) >= 3, "three tries")
    (line,) = [line for line in place.says("sidecar.err").splitlines() if "level=error" in line]
    assert f'msg="{said}"' in line and why[0] in line
    assert "agent connected" not in place.says("collector.err") and not place.says("collector.out")
    sidecar.send_signal(signal.SIGTERM)
    assert sidecar.wait(20) == 0


def test_a_nodes_records_carry_the_node_and_no_pod(binary, place, run, tmp_path):
    objects = render({"injection": {"mode": "none"}, "node": {"enabled": True, "probes": ["process"]}})
    start_collector(place, binary, objects, tmp_path)
    (container,) = find(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"]
    place("node", binary, *container["args"], env=environment(container, POD, {}))
    until(lambda: "msg=ready" in place.says("node.err"), "the node's sidecar is ready")
    pid = run("proc_shapes", "vfork", "/bin/true").process.pid
    mine = f'"pid":{pid},'
    until(lambda: mine in place.says("collector.out"), "a record of a process anywhere at the collector")
    record = next(json.loads(line) for line in place.says("collector.out").splitlines() if mine in line)
    assert record["attributes"]["k8s.node.name"] == "node-1"
    assert not [key for key in record["attributes"] if key.startswith(("k8s.pod", "k8s.namespace", "service"))]
