# SPDX-License-Identifier: Apache-2.0
"""Each kind of object, each option, each wrong input, and where the output can't go."""

import json
import os
import re
import subprocess

import pytest

from objects import INJECTED, ROOT, SIDECAR, VERSION, expected, inject, ordered, read, run, write
from overrides import RIGHT, SECRETS_RIGHT, SECRETS_WRONG, WRONG, pairs

POD = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}}
WHERE = {
    ("v1", "Pod"): [],
    ("apps/v1", "Deployment"): ["spec", "template"],
    ("apps/v1", "StatefulSet"): ["spec", "template"],
    ("apps/v1", "DaemonSet"): ["spec", "template"],
    ("apps/v1", "ReplicaSet"): ["spec", "template"],
    ("batch/v1", "Job"): ["spec", "template"],
    ("batch/v1", "CronJob"): ["spec", "jobTemplate", "spec", "template"],
    ("v1", "ReplicationController"): ["spec", "template"],
    ("v1", "PodTemplate"): ["template"],
}
KINDS = list(WHERE)
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def wrap(kind, pod):
    """An object of that kind with that pod, and things around it that must stay."""
    value = pod
    for key in reversed(WHERE[kind]):
        value = {"before": 1, key: value, "after": [{}]}
    head = {"apiVersion": kind[0], "kind": kind[1]}
    return {**head, **value} if not WHERE[kind] else {**head, "metadata": {"name": "web"}, **value, "status": {}}


def env_of(pod):
    return {entry["name"]: entry.get("value") for entry in pod["spec"]["initContainers"][0]["env"]}


def reference(variable, secret, key):
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, "optional": True}}}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[1])
def test_each_kind_gets_it_where_its_pod_is(binary, kind):
    before = read(write(wrap(kind, POD)))
    after = read(write(wrap(kind, expected(POD))))
    assert ordered(inject(binary, before)) == ordered(after)
    assert ordered(inject(binary, after, "--remove")) == ordered(before)


def test_in_a_list_other_kinds_pass(binary):
    others = [
        {"apiVersion": "v1", "kind": "Service", "spec": {"template": POD}},
        {"apiVersion": "serving.example/v1", "kind": "Job", "spec": {"template": POD}},
        {"apiVersion": "v1", "kind": "Deployment", "spec": {"template": POD}},
        {},
    ]
    items = [others[0], wrap(KINDS[1], POD), *others[1:], wrap(KINDS[6], POD)]
    value = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
    after = inject(binary, read(write(value)))
    want = [others[0], wrap(KINDS[1], expected(POD)), *others[1:], wrap(KINDS[6], expected(POD))]
    assert ordered(after) == ordered(read(write({**value, "items": want})))
    assert ordered(inject(binary, after, "--remove")) == ordered(read(write(value)))


def test_options_and_annotations_reach_the_container(binary, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text(PEM)
    pod = inject(binary, {**wrap(KINDS[0], POD)}, "--collector", "c.example:1", "--image", "r/ringside:2", "--tls-ca", ca)
    assert pod["spec"]["initContainers"][0]["image"] == "r/ringside:2"
    assert env_of(pod)["RINGSIDE_COLLECTOR"] == "c.example:1"
    assert list(env_of(pod).items())[-1] == ("RINGSIDE_TLS_CA", PEM)
    assert "RINGSIDE_INSECURE" not in env_of(pod)
    assert env_of(inject(binary, wrap(KINDS[0], POD), "--tls-ca", PEM))["RINGSIDE_TLS_CA"] == PEM
    insecure = env_of(inject(binary, wrap(KINDS[0], POD), "--insecure"))
    assert list(insecure.items())[-1] == ("RINGSIDE_INSECURE", "1") and "RINGSIDE_TLS_CA" not in insecure
    given = inject(binary, wrap(KINDS[0], POD), "--token-secret", "a.b-c", "--tls-client-secret", "theirs", "--tls-ca", PEM)
    *_, ca, cert, key, token = given["spec"]["initContainers"][0]["env"]
    assert ca["name"] == "RINGSIDE_TLS_CA"
    assert cert == reference("RINGSIDE_TLS_CERT", "theirs", "tls.crt") and key == reference("RINGSIDE_TLS_KEY", "theirs", "tls.key")
    assert token == reference("RINGSIDE_TOKEN", "a.b-c", "token")
    annotations = {
        "ringside.io/image": "mine:3", "ringside.io/cpu": "1", "ringside.io/memory": "1Gi", "ringside.io/seccomp": "Unconfined",
    }  # fmt: skip
    own = inject(binary, {**wrap(KINDS[0], POD), "metadata": {"annotations": annotations}}, "--image", "r/ringside:2")
    sidecar = own["spec"]["initContainers"][0]
    assert sidecar["image"] == "mine:3"
    assert sidecar["resources"] == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    assert sidecar["securityContext"]["seccompProfile"] == {"type": "Unconfined"}


@pytest.mark.parametrize("annotation, value", pairs(RIGHT))
def test_annotations_may_say_what_a_pod_may_have(binary, annotation, value):
    pod = {**pod_with(), "metadata": {"annotations": {annotation: value}}}
    assert ordered(inject(binary, pod)) == ordered(read(write(expected(pod))))


@pytest.mark.parametrize("annotation, value", [*pairs(WRONG), ("ringside.io/cpu", "1\0")])
def test_what_no_pod_may_have_is_refused_with_its_place(binary, annotation, value):
    pod = {**pod_with(), "metadata": {"annotations": {annotation: value}}}
    done = run(binary, write(pod))
    assert done.returncode == 2 and done.stdout == b""
    assert f"path=metadata.annotations.{annotation} " in done.stderr.decode()
    assert SIDECAR["overrides"][annotation]["why"] in done.stderr.decode()
    # Where it would not go in, it does not matter.
    pod["spec"]["hostPID"] = True
    assert run(binary, write(pod)).returncode == 0


def test_the_names_in_the_pattern_are_the_probes(binary):
    """Or a pod asks for a probe that its sidecar has and is refused, or for one that it has not, and waits for ever."""
    names = re.search(r"\((process[a-z|]*)\)", SIDECAR["overrides"]["ringside.io/probes"]["pattern"]).group(1).split("|")
    said = subprocess.run([binary, "run", "--probe", "none"], capture_output=True, text=True, timeout=30, check=False).stderr
    assert names == re.split(", | or ", re.search("take ([a-z, ]*)", said).group(1))


def test_the_environment_counts_where_no_option_does(binary):
    done = run(binary, write(wrap(KINDS[0], POD)), env={**os.environ, "RINGSIDE_COLLECTOR": "e.example"})
    assert env_of(read(done.stdout))["RINGSIDE_COLLECTOR"] == "e.example"


@pytest.mark.parametrize(
    "spec, why",
    [
        ({"hostPID": True}, "PID namespace"),
        ({"os": {"name": "windows"}}, "Windows"),
        ({"hostUsers": False}, "user namespace"),
    ],
)
def test_pods_that_it_cannot_run_in_are_left_alone_and_named(binary, spec, why):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {**POD["spec"], **spec}}
    done = run(binary, write(pod))
    assert done.returncode == 0 and ordered(read(done.stdout)) == ordered(read(write(pod)))
    line = done.stderr.decode()
    assert line.count("\n") == 1 and "left alone" in line and "object=Pod/web" in line and why in line


def test_removing_from_a_pod_without_it_leaves_it_alone(binary):
    done = run(binary, write(wrap(KINDS[0], POD)), "--remove")
    assert done.returncode == 0 and b"left alone" in done.stderr
    assert ordered(read(done.stdout)) == ordered(read(write(wrap(KINDS[0], POD))))


@pytest.mark.parametrize("indent, kept", [(4, 4), (2, 2), (None, None), (1, 4)])
def test_the_indentation_is_kept(binary, indent, kept):
    def text(pod, width):
        value = json.loads(write(wrap(KINDS[1], pod)))
        return json.dumps(value, indent=width, separators=(",", ":") if width is None else None) + "\n"

    assert run(binary, text(POD, indent)).stdout.decode() == text(expected(POD), kept)
    assert run(binary, text(expected(POD), indent), "--remove").stdout.decode() == text(POD, kept)


def pod_with(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {**POD["spec"], **spec}}


def text_of(**change):
    return write({**wrap(KINDS[1], POD), **change})


OURS = {"name": "ringside"}
WRONG = [
    ("", ["line=1", "column=1"]),
    ("   \n ", ["empty"]),
    ("{", ["line=1", "column=2"]),
    ('{\n    "a": 1,\n    "b": tru\n}', ["line=3", "column=10"]),
    ('{"kind":"List","items":[]} x', ["line=1", "column=28"]),
    ('{"kind":"List","items":[]}{}', ["line=1", "column=27"]),
    ('\ufeff{"kind":"List","items":[]}', ["BOM", "line=1", "column=1"]),
    (b'{"kind":"List",\n "items":["\xff"]}', ["UTF-8", "line=2"]),
    (b'{"kind":"Li\x00st"}', ["line=1", "column=12"]),
    ('{"kind":"\\ud800"}', ["surrogate", "line=1"]),
    ('{"kind":"List","items":[01]}', ["line=1", "column=25"]),
    ('{"kind":"List","items":[NaN]}', ["line=1", "column=25"]),
    ("[" * 100000, ["line=1", "column=100001"]),
    ("apiVersion: v1\nkind: Pod\n", ["line=1", "column=1"]),
    ("[]", ["not an object"]),
    ("1.0", ["not an object"]),
    ("{}", ["it has no kind"]),
    ('{"kind":3}', ["it has no kind"]),
    ('{"kind":"Service","apiVersion":"v1"}', ["object=Service", "no pods", "Deployment"]),
    ('{"kind":"Deployment","apiVersion":"v1"}', ["object=Deployment", "apiVersion"]),
    ('{"kind":"List","kind":"List","items":[]}', ["path=kind", "twice"]),
    ('{"kind":"List"}', ["path=items", "missing"]),
    ('{"kind":"List","items":{}}', ["path=items", "not a list"]),
    ('{"kind":"List","items":[{},4]}', ["path=items[1]", "not an object"]),
    ('{"kind":"Pod","apiVersion":"v1"}', ["path=spec", "missing"]),
    ('{"kind":"Pod","apiVersion":"v1","spec":[]}', ["path=spec", "not an object"]),
    ('{"kind":"Pod","apiVersion":"v1","spec":{},"spec":{}}', ["path=spec", "twice"]),
    ('{"kind":"Pod","apiVersion":"v1","spec":{}}', ["path=spec.containers", "missing"]),
    (text_of(spec=None), ["object=Deployment/web", "path=spec.template", "missing"]),
    (text_of(spec={"template": {}}), ["path=spec.template.spec", "missing"]),
    (text_of(spec={"template": "x"}), ["path=spec.template", "not an object"]),
    (text_of(spec={"template": {"spec": {"containers": {}}}}), ["path=spec.template.spec.containers", "not a list"]),
    (text_of(metadata=[]), ["path=metadata", "not an object"]),
    (write(pod_with(containers=[{}, None])), ["path=spec.containers[1]", "not an object"]),
    (write(pod_with(containers=[OURS])), ["object=Pod/web", "path=spec.containers[0]", "name is there"]),
    (write(pod_with(initContainers=[{"name": "a"}, OURS])), ["path=spec.initContainers[1]", "name is there"]),
    (write(pod_with(ephemeralContainers=[OURS])), ["path=spec.ephemeralContainers[0]", "name is there"]),
    (write(pod_with(initContainers=True)), ["path=spec.initContainers", "not a list"]),
    (write(pod_with(shareProcessNamespace="yes")), ["path=spec.shareProcessNamespace", "true or false"]),
    (write(pod_with(os="windows")), ["path=spec.os", "not an object"]),
    (write({**pod_with(), "metadata": {"annotations": []}}), ["path=metadata.annotations", "not an object"]),
    (write({**pod_with(), "metadata": {"annotations": {INJECTED: "{}"}}}), ["path=metadata.annotations", "it is not"]),
    (write({**pod_with(), "metadata": {"annotations": {"ringside.io/cpu": 1}}}), ["ringside.io/cpu", "not a text"]),
    (write({"kind": "List", "items": [pod_with(), pod_with(containers=[OURS])]}), ["path=items[1].spec.containers[0]"]),
    ('{\n "kind": "Service",\n "apiVersion": "v1"}', ["path=kind", "line=2", "column=10"]),
    ('{"apiVersion":"v1","kind":"List","items":[{"kind":"}\\"]"},{}, [{}],\n 4]}', ["path=items[2]", "line=1", "column=63"]),
    ('{"kind":"List","items":[{"a":{"b":[1,{}],"c":"\\\\"}},\n\n  -4.5e1 ]}', ["path=items[1]", "line=3", "column=3"]),
    ('{"kind":"Pod","apiVersion":"v1",\n"spec":{"a":true}}', ["path=spec.containers", "missing", "line=2", "column=8"]),
    ('{"kind":"Pod","apiVersion":"v1",\n"sp\\u0065c":3}', ["path=spec", "line=1", "column=1"]),
]  # fmt: skip


@pytest.mark.parametrize("text, words", WRONG, ids=range(len(WRONG)))
def test_wrong_input_is_refused_with_its_place_and_nothing_comes_out(binary, text, words):
    done = run(binary, text)
    assert done.returncode == 2 and done.stdout == b"", done
    line = done.stderr.decode()
    assert line.count("\n") == 1 and "file=stdin" in line
    for word in words:
        assert word in line, line


@pytest.mark.parametrize("value", ["", "x", "[]", "3", '{"a":'])
def test_remove_refuses_a_memory_that_is_none(binary, value):
    pod = inject(binary, pod_with())
    pod["metadata"]["annotations"][INJECTED] = value
    done = run(binary, write(pod), "--remove")
    assert done.returncode == 2 and b"path=metadata.annotations.ringside.io/injected" in done.stderr, done


@pytest.mark.parametrize(
    "options, word",
    [
        (["--collector", "a b"], "--collector"), (["--collector", ":9717"], "--collector"), (["--image", ""], "--image"),
        (["--image", "a b"], "--image"), (["--process-access", "all"], "--process-access"), (["--remove=1"], "--remove"),
        (["--insecure", "--tls-ca", PEM], "--insecure"), (["--tls-ca", "/dev/null"], "--tls-ca"), (["a", "b"], "value=b"),
        (["--tls-ca", PEM + PEM.replace("CERTIFICATE", "PRIVATE KEY")], "private key"),
        (["--insecure", "--token-secret", "a"], "--token-secret is given too"),
        (["--insecure", "--tls-client-secret", "a"], "--tls-client-secret is given too"),
        *[([option, name], f"{option} ") for option in ("--token-secret", "--tls-client-secret")
          for name in ("", *SECRETS_WRONG)],
    ],
)  # fmt: skip
def test_wrong_options_are_refused_by_name(binary, options, word):
    done = run(binary, write(pod_with()), *options)
    assert done.returncode == 2 and done.stdout == b"" and word in done.stderr.decode(), done


@pytest.mark.parametrize("name", SECRETS_RIGHT)
def test_each_name_that_a_secret_may_have_is_taken(binary, name):
    given = inject(binary, pod_with(), "--token-secret", name, "--tls-client-secret", name)
    assert [one["valueFrom"]["secretKeyRef"]["name"] for one in given["spec"]["initContainers"][0]["env"][-3:]] == [name] * 3


def test_a_file_is_read_and_one_that_is_not_there_is_named(binary, tmp_path):
    path = tmp_path / "pod.json"
    path.write_text(write(pod_with()))
    assert run(binary, "", path).stdout == run(binary, write(pod_with()), "-").stdout
    for option in ([tmp_path / "none"], [tmp_path], ["--tls-ca", tmp_path / "none"]):
        done = run(binary, write(pod_with()), *option)
        assert done.returncode == 1 and str(option[-1]) in done.stderr.decode() and done.stdout == b""


def test_depth_has_no_end(binary):
    deep = 100000
    text = '{"kind":"List","items":[{"a":' + "[" * deep + "]" * deep + "}]}\n"
    assert run(binary, text).stdout.decode() == text


def test_64_MiB_are_taken_and_not_a_byte_more(binary):
    head, tail = b'{"kind":"List","items":[],"x":"', b'"}'
    most = 64 << 20
    whole = head + b"a" * (most - len(head) - len(tail)) + tail
    done = run(binary, whole)
    assert done.returncode == 0 and done.stdout == whole + b"\n"
    done = run(binary, whole + b" ")
    assert done.returncode == 1 and b"too long" in done.stderr and done.stdout == b""


def test_an_output_that_cannot_be_written_is_said(binary):
    text = write(pod_with()).encode()
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary, "inject"], input=text, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr
    source, sink = os.pipe()
    os.close(source)
    done = subprocess.run([binary, "inject"], input=text, stdout=sink, stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(sink)
    assert done.returncode == 1 and b"Broken pipe" in done.stderr


def test_each_variable_is_set_before_it_is_used():
    known = set()
    for entry in SIDECAR["container"]["env"]:
        assert set(re.findall(r"\$\((\w+)\)", entry.get("value", ""))) <= known
        known.add(entry["name"])


def test_an_annotation_sets_what_it_is_named_after(binary):
    pod = pod_with()
    assert env_of(inject(binary, pod))["RINGSIDE_STANDBY"] == "1"
    pod["metadata"]["annotations"] = {"ringside.io/standby": "0"}
    assert env_of(inject(binary, pod))["RINGSIDE_STANDBY"] == "0"


def test_each_annotation_and_each_privilege_is_explained():
    text = json.dumps(SIDECAR)
    annotations = set(re.findall(r"ringside\.io/\w+", text))
    assert len(annotations) == 8
    assert not [one for one in annotations if f"`{one}`" not in (ROOT / "README.md").read_text()]
    for capability in SIDECAR["container"]["securityContext"]["capabilities"]["add"]:
        assert f"`{capability}`" in (ROOT / "helm/ringside/files/README.md").read_text()


def test_the_default_image_is_this_version(binary):
    assert inject(binary, pod_with())["spec"]["initContainers"][0]["image"] == f"ringside:{VERSION}"
