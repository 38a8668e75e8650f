# SPDX-License-Identifier: Apache-2.0
"""The sidecar in pods of a real kubelet with containerd, runc, AppArmor and systemd's cgroups."""

import json
import subprocess

import node as nodes
import servers

# Ends at once when told, after a last program.
TALK = """trap 'busybox true last words; exit 0' TERM
while :; do busybox true {0}; gai call {1}; gai-static call {1} 80; sleep 1; done"""
WORDS = "127.1.0.1"


def application(script, **security):
    return {
        "name": "app",
        "image": nodes.APPLICATION,
        "command": ["sh", "-c", script],
        "securityContext": {"runAsUser": 1000, **security},
    }


def pod(name, script, labels=None, annotations=None, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"containers": [application(script)], "automountServiceAccountToken": False, **spec},
    }


def template(name, script, **spec):
    one = pod(name, script, {"app": name}, **spec)
    return {"metadata": one["metadata"], "spec": one["spec"]}


def container_of(pod, name="app"):
    status = pod["status"]
    ids = {one["name"]: one["containerID"] for one in status["containerStatuses"] + status.get("initContainerStatuses", [])}
    return ids[name].removeprefix("containerd://")


def programs(records):
    return {" ".join(one["argv"]) for one in records if one["kind"] == "exec"}


def lookups(records, comm):
    return [one for one in records if one["kind"] == "getaddrinfo" and one["comm"] == comm]


def records_of(collector, pod):
    """A function: what came of the pod so far."""
    return lambda: collector.records(k8s_pod_uid=pod["metadata"]["uid"])


def balanced(collector, agent):
    """Its two streams, once it has left."""
    found = collector.balances(agent)
    return found if len(found) == 2 else None


def assert_complete(balances):
    for line in balances:
        assert "holds=yes" in line and "end=bye" in line and "gaps=0" in line, line


def test_a_pod_is_watched_from_its_first_process_to_its_last(cluster, collector, inject, create, ready_pod, until):
    name = "watched"
    create(inject(pod(name, TALK.format("mark", WORDS), {"app.kubernetes.io/name": "shop"})))
    one = ready_pod(name)
    mine = records_of(collector, one)
    until(lambda: lookups(mine(), "gai") and lookups(mine(), "gai-static"), "lookups through both libraries")

    records = mine()
    attributes = records[0]["attributes"]
    assert attributes["k8s.pod.name"] == name
    assert attributes["k8s.namespace.name"] == "default"
    assert attributes["k8s.node.name"] == nodes.NAME
    assert attributes["service.name"] == "shop"
    here = [record for record in records if record.get("container") == container_of(one)]
    assert {"fork", "exec", "exit", "getaddrinfo", "syscalls"} <= {record["kind"] for record in here}
    assert container_of(one, "ringside") not in {record.get("container") for record in records}
    assert {"busybox true mark", f"gai call {WORDS}", f"gai-static call {WORDS} 80"} <= programs(here)
    # The sidecar was there first: what the container began with is an exec that it saw, not one of its snapshot.
    first = next(record for record in here if record["kind"] == "exec" and record["argv"][:2] == ["sh", "-c"])
    assert not first.get("snapshot")
    assert {record["node"] for record in lookups(here, "gai") + lookups(here, "gai-static")} == {WORDS}
    assert {answer["address"] for record in lookups(here, "gai") for answer in record["answers"]} == {WORDS}

    log = subprocess.Popen(
        ["kubectl", "logs", "-f", name, "-c", "ringside"], env=cluster.environment, stdout=subprocess.PIPE, text=True
    )
    cluster.kubectl("delete", "pod", name, "--timeout=300s")
    assert_complete(until(lambda: balanced(collector, records[0]["agent"]), "the agent has left"))
    assert "busybox true last words" in programs(mine())
    said = log.communicate(timeout=60)[0]
    done = [line for line in said.splitlines() if "msg=done" in line]
    assert len(done) == 1 and done[0].startswith("level=info"), said


def test_another_pod_is_not_seen_on_the_hosts_network_either(collector, inject, create, ready_pod, until):
    create(pod("stranger", TALK.format("strange", "127.1.0.3")))
    # Both have the node's host name and its network.
    create(inject(pod("left", TALK.format("left", "127.1.0.4"), hostNetwork=True)))
    create(inject(pod("right", TALK.format("right", "127.1.0.5"), hostNetwork=True)))
    ready_pod("stranger")
    for name, node in (("left", "127.1.0.4"), ("right", "127.1.0.5")):
        one = ready_pod(name)
        mine = records_of(collector, one)
        until(lambda mine=mine: len(lookups(mine(), "gai")) >= 3, f"lookups of {name}")
        records = mine()
        assert {record["node"] for record in records if record["kind"] == "getaddrinfo"} == {node}
        marks = {program.split()[-1] for program in programs(records) if program.startswith("busybox true")}
        assert marks == {name}
        others = {record.get("container") for record in records} - {container_of(one)}
        # One more: the pod's sandbox, with its pause. Not the sidecar's, with its startup probe.
        assert len(others) <= 1 and container_of(one, "ringside") not in others, others
    everything = collector.output.read_text()
    assert "127.1.0.3" not in everything and "strange" not in everything


def test_a_job_completes(cluster, collector, inject, create, until):
    # The first process that maps a library may call it before it is attached: so the same call comes again.
    work = "sleep 10 | gai twice 127.1.0.6; busybox true all of the work"
    spec = {"backoffLimit": 0, "template": template("job", work, restartPolicy="Never")}
    create(inject({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": spec}))

    def finished():
        status = json.loads(cluster.get("/apis/batch/v1/namespaces/default/jobs/job"))["status"]
        types = {one["type"] for one in status.get("conditions", []) if one["status"] == "True"}
        assert "Failed" not in types, status
        return "Complete" in types

    until(finished, "the job is complete")
    records = [one for one in collector.records() if one["attributes"]["k8s.pod.name"].startswith("job-")]
    assert "busybox true all of the work" in programs(records)
    assert {one["node"] for one in lookups(records, "gai")} == {"127.1.0.6"}
    assert_complete(until(lambda: balanced(collector, records[0]["agent"]), "the agent has left"))


def test_a_stateful_set_gets_it_and_a_pod_made_anew_is_an_agent_of_its_own(
    cluster, collector, inject, create, ready_pod, until
):
    spec = {
        "serviceName": "set",
        "selector": {"matchLabels": {"app": "set"}},
        "template": template("set", TALK.format("first", "127.1.0.7")),
    }
    create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "set"}, "spec": spec})
    bare = ready_pod("set-0")["metadata"]["uid"]
    cluster.kubectl("apply", "-f", "-", text=json.dumps(inject(cluster.read("statefulset", "set"))))
    first = ready_pod("set-0", but_not=bare)["metadata"]["uid"]
    until(lambda: collector.records(k8s_pod_uid=first), "records of the pod that replaced it")
    cluster.kubectl("delete", "pod", "set-0", "--timeout=300s")
    second = ready_pod("set-0", but_not=first)["metadata"]["uid"]
    until(lambda: collector.records(k8s_pod_uid=second), "records of the pod made anew")
    agents = [collector.records(k8s_pod_uid=uid)[0]["agent"] for uid in (first, second)]
    assert agents[0] != agents[1]
    assert_complete(until(lambda: balanced(collector, agents[0]), "the first agent has left"))
    assert not collector.records(k8s_pod_uid=bare)


def test_an_application_starts_where_the_sidecar_cannot_observe(cluster, collector, inject, create, ready_pod, until):
    def without_capabilities(name, **annotations):
        one = inject(pod(name, TALK.format("alone", "127.1.0.8"), annotations=annotations))
        one["spec"]["initContainers"][0]["securityContext"]["capabilities"] = {"drop": ["ALL"]}
        create(one)

    without_capabilities("unobserved")
    ready_pod("unobserved")
    why = "neither CAP_BPF nor CAP_SYS_ADMIN is held"
    assert why in cluster.kubectl("logs", "unobserved", "-c", "ringside")
    until(
        lambda: [line for line in collector.errors.read_text().splitlines() if "agent observes nothing" in line and why in line],
        "the collector's word",
    )
    without_capabilities("strict", **{"ringside.io/standby": "0"})

    def ended():
        (sidecar,) = cluster.read("pod", "strict")["status"].get("initContainerStatuses", [{}])
        state = {**sidecar.get("state", {}), **sidecar.get("lastState", {})}
        return why in state.get("terminated", {}).get("message", "")

    until(ended, "the strict one's termination message")
    assert "app" not in {one["name"] for one in cluster.read("pod", "strict")["status"].get("containerStatuses", []) if one.get("started")}


def test_the_nodes_proc_serves_in_place_of_a_shared_namespace(collector, inject, create, ready_pod, until):
    create(inject(pod("apart", TALK.format("apart", "127.1.0.2")), "--process-access", "hostProc"))
    one = ready_pod("apart")
    assert not one["spec"].get("shareProcessNamespace")
    mine = records_of(collector, one)
    until(lambda: lookups(mine(), "gai") and lookups(mine(), "gai-static"), "lookups through both libraries")
    records = mine()
    assert "busybox true apart" in programs(records)
    assert {record["node"] for record in records if record["kind"] == "getaddrinfo"} == {"127.1.0.2"}
    assert container_of(one, "ringside") not in {record.get("container") for record in records}


TOKEN = "a-token-of-some-length"


def make_secrets(cluster):
    """The collector's rules; what sidecars show, in `default`; in `poor` the token is missing."""
    cluster.make_namespace("ringside")
    cluster.make_namespace("poor")
    certificate, key = cluster.authority.issue("sidecar", "/CN=sidecar", ["DNS:charted-*"])
    for namespace in ("default", "poor"):
        pair = (f"--cert={certificate}", f"--key={key}")
        cluster.kubectl("create", "secret", "tls", "certificate", *pair, "--namespace", namespace)
    cluster.kubectl("create", "secret", "generic", "token", f"--from-literal=token={TOKEN}")
    rule = f"{TOKEN} * k8s.namespace.name=default k8s.pod.*=* k8s.node.name=* host.name=* service.*=*"
    cluster.kubectl("create", "secret", "generic", "rules", f"--from-literal=tokens={rule}", "--namespace", "ringside")


def test_the_chart_puts_it_in_and_takes_records_where_the_token_is(cluster, create, ready_pod, until):
    """All of it in the cluster, but for its name service: the pods are told where the collector is."""
    make_secrets(cluster)
    repository, tag = nodes.SIDECAR.split(":")
    values = {
        "image": {"repository": repository, "tag": tag},
        "tls": {"clientCA": cluster.authority.certificate.read_text(), "clientSecret": "certificate"},
        "token": {"rulesSecret": "rules", "secret": "token"},
    }
    cluster.helm("install", "ringside", servers.CHART, "--namespace", "ringside", values=values)
    try:
        collector = ready_pod("ringside-collector-0", namespace="ringside")
        address = {"ip": collector["status"]["podIP"], "hostnames": ["ringside-collector.ringside.svc"]}
        for namespace, script in (("default", TALK.format("charted", "127.1.0.9")), ("poor", "exec sleep 1000")):
            one = pod("charted", script, {"ringside.io/inject": "true"}, hostAliases=[address])
            one["metadata"]["namespace"] = namespace
            create(one)
        uid = ready_pod("charted")["metadata"]["uid"]

        def log():
            return cluster.kubectl("logs", "--namespace", "ringside", "ringside-collector-0")

        def records():
            return [json.loads(line) for line in log().splitlines() if line.startswith("{")]

        until(lambda: lookups(records(), "gai"), "lookups in the collector's log")
        ready_pod("charted", namespace="poor")
        why = "no token came, and this collector asks for one"
        until(lambda: why in cluster.kubectl("logs", "--namespace", "poor", "charted", "-c", "ringside"), "its sidecar says why")
        until(lambda: why in log(), "the collector says why")
        assert "busybox true charted" in programs(records())
        assert {one["attributes"]["k8s.pod.uid"] for one in records()} == {uid}
        cluster.helm("test", "ringside", "--namespace", "ringside", "--timeout", "5m")
    finally:
        cluster.helm("uninstall", "ringside", "--namespace", "ringside")
