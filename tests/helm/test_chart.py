# SPDX-License-Identifier: Apache-2.0
"""What the chart renders in each mode, and what it refuses."""

import base64
import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from chart import CHART, PEM, POLICY_KIND, Refused, find, helm, kinds, render, sidecar_json
from openapi import ROOT
from overrides import SECRETS_RIGHT, SECRETS_WRONG

sys.path.insert(0, str(ROOT / "helm"))

import readme  # noqa: E402, pylint: disable=wrong-import-position

EXTERNAL = {"mode": "secret", "secretName": "mine", "ca": PEM}


def container_of(objects, kind, name):
    return find(objects, kind, name)["spec"]["template"]["spec"]["containers"][0]


def env(container):
    return {one["name"]: one.get("value") for one in container["env"]}


@pytest.mark.parametrize("mode", ["auto", "policy", "patch", "none"])
@pytest.mark.parametrize("tls", ["generate", "insecure"])
def test_lint_is_clean_in_each_mode(mode, tls):
    assert "1 chart(s) linted, 0 chart(s) failed" in helm(
        "lint", "--strict", CHART, "--set", f"injection.mode={mode},tls.mode={tls},node.enabled=true")


@pytest.mark.parametrize("mode, api, gives", [
    ("auto", "v1", "policy"), ("auto", "v1beta1", "policy"), ("auto", "v1alpha1", "policy"), ("auto", None, "patch"),
    ("policy", "v1", "policy"), ("patch", "v1", "patch"), ("none", "v1", "none"),
])
def test_a_mode_renders_its_objects_and_no_others(mode, api, gives):
    objects = render({"injection": {"mode": mode}}, policy_api=api)
    found = kinds(objects)
    policies = [one for one in objects if one["kind"].startswith(POLICY_KIND)]
    assert len(policies) == (2 if gives == "policy" else 0)
    assert {one["apiVersion"] for one in policies} <= {f"admissionregistration.k8s.io/{api}"}
    assert found.count("ConfigMap") == (gives == "patch")
    assert "DaemonSet" not in found


def test_the_newest_api_that_the_cluster_serves_is_taken():
    served = [arg for one in ("v1alpha1", "v1beta1") for arg in ("--api-versions", f"admissionregistration.k8s.io/{one}/{POLICY_KIND}")]
    text = helm("template", "x", CHART, *served)
    assert f"apiVersion: admissionregistration.k8s.io/v1beta1\nkind: {POLICY_KIND}\n" in text


def test_the_sidecars_address_is_the_service_and_the_certificate_is_for_it(tmp_path):
    objects = render({"injection": {"mode": "patch"}, "node": {"enabled": True}})
    assert find(objects, "Service", "ringside-collector")["spec"]["ports"][0]["port"] == 9717
    node = env(container_of(objects, "DaemonSet", "ringside-node"))
    # The default of `ringside inject` too.
    assert node["RINGSIDE_COLLECTOR"] == [one["value"] for one in sidecar_json()["container"]["env"]
                                          if one["name"] == "RINGSIDE_COLLECTOR"][0]
    secret = find(objects, "Secret")["data"]
    files = {}
    for name in ("ca.crt", "tls.crt", "tls.key"):
        files[name] = tmp_path / name
        files[name].write_bytes(base64.b64decode(secret[name]))
    assert node["RINGSIDE_TLS_CA"] == files["ca.crt"].read_text()
    done = subprocess.run(["openssl", "verify", "-CAfile", files["ca.crt"], "-purpose", "sslserver", "-verify_hostname",
                           "ringside-collector.ringside.svc", files["tls.crt"]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_policy_and_the_nodes_trust_the_authority_that_signed_the_certificate():
    """It is made once in a rendering."""
    objects = render({"injection": {"mode": "policy"}, "node": {"enabled": True}})
    ca = env(container_of(objects, "DaemonSet", "ringside-node"))["RINGSIDE_TLS_CA"]
    policy = find(objects, POLICY_KIND)
    assert ca.replace("\n", "\\n") in str(policy["spec"]["variables"]).replace("\\\\n", "\\n")


def test_the_collector_has_the_least_rights():
    pod = find(render(), "StatefulSet")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"] == {"runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534, "runAsNonRoot": True,
                                      "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}
    assert pod["automountServiceAccountToken"] is False


def test_a_collector_writes_only_where_it_is_told_to():
    with_none, with_one = (find(render({"collector": {"capture": {"enabled": on}}}), "StatefulSet")["spec"] for on in (False, True))
    assert "volumeClaimTemplates" not in with_none
    (claim,) = with_one["volumeClaimTemplates"]
    (container,) = with_one["template"]["spec"]["containers"]
    assert env(container)["RINGSIDE_CAPTURE"].startswith({one["name"]: one["mountPath"] for one in container["volumeMounts"]}
                                                         [claim["metadata"]["name"]] + "/")


def test_nodes_are_observed_by_the_sidecars_container_but_for_what_makes_it_one():
    objects = render({"node": {"enabled": True, "probes": ["process", "write"]}})
    spec = find(objects, "DaemonSet")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    wanted = sidecar_json()["container"]
    assert spec["hostPID"] is True
    assert "restartPolicy" not in container
    for key in ("securityContext", "startupProbe", "args"):
        assert container[key] == wanted[key]
    assert env(container)["RINGSIDE_SCOPE"] == "host"
    assert env(container)["RINGSIDE_PROBE"] == "process,write"
    assert env(container)["RINGSIDE_ATTRIBUTE"] == "k8s.node.name=$(NODE_NAME)"
    assert "POD_NAME" not in env(container)


def test_privileged_is_asked_for_by_value_alone():
    for on in (False, True):
        objects = render({"injection": {"privileged": on}, "node": {"enabled": True}})
        context = container_of(objects, "DaemonSet", "ringside-node")["securityContext"]
        assert (context["privileged"], context["allowPrivilegeEscalation"]) == (on, on)


def test_tls_of_ones_own():
    values = {"tls": {**EXTERNAL, "clientCA": PEM, "clientSecret": "theirs"}, "node": {"enabled": True}}
    objects = render(values)
    assert "Secret" not in kinds(objects)
    collector = container_of(objects, "StatefulSet", "ringside-collector")
    assert env(collector)["RINGSIDE_TLS_CLIENT_CA"] == PEM
    volumes = find(objects, "StatefulSet")["spec"]["template"]["spec"]["volumes"]
    assert volumes[0]["secret"]["secretName"] == "mine"
    node = {one["name"]: one for one in container_of(objects, "DaemonSet", "ringside-node")["env"]}
    assert node["RINGSIDE_TLS_CA"]["value"] == PEM
    assert node["RINGSIDE_TLS_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "theirs", "key": "tls.key", "optional": True}
    assert "RINGSIDE_TOKEN" not in node


def test_tokens_reach_the_collector_as_a_file_and_the_sidecars_from_their_own_secret():
    objects = render({"token": {"rulesSecret": "rules", "secret": "own"}, "injection": {"mode": "patch"}, "node": {"enabled": True}})
    spec = find(objects, "StatefulSet")["spec"]["template"]["spec"]
    (collector,) = spec["containers"]
    (mount,) = [one for one in collector["volumeMounts"] if one["name"] == "tokens"]
    assert mount["readOnly"] and env(collector)["RINGSIDE_TOKEN_FILE"] == mount["mountPath"] + "/tokens"
    assert {"name": "tokens", "secret": {"secretName": "rules", "defaultMode": 0o440}} in spec["volumes"]
    patch = json.loads(find(objects, "ConfigMap")["data"]["pod.json"])
    for container in (container_of(objects, "DaemonSet", "ringside-node"), patch["spec"]["initContainers"][0]):
        assert container["env"][-1] == {"name": "RINGSIDE_TOKEN", "valueFrom": {
            "secretKeyRef": {"name": "own", "key": "token", "optional": True}}}


def notes(values, directory):
    """What `helm install` says at its end: it asks a cluster first, so that the notes are rendered as an object here."""
    chart = directory / "ringside"
    shutil.copytree(CHART, chart)
    text = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "_notes.tpl").write_text('{{- define "notes" -}}' + text + "{{- end -}}")
    (chart / "templates" / "notes.yaml").write_text('notes: {{ include "notes" . | toJson }}')
    return yaml.safe_load(helm("template", "ringside", chart, "--show-only", "templates/notes.yaml", values=values))["notes"]


def test_the_notes_say_what_the_nodes_proc_lets_a_sidecar_do(tmp_path):
    word = "the memory of every process of its node"
    assert word in notes({"injection": {"processAccess": "hostProc"}}, tmp_path / "given")
    assert word not in notes({"injection": {"processAccess": "hostProc", "mode": "none"}}, tmp_path / "none")
    assert word not in notes({}, tmp_path / "shared")


def test_the_notes_name_what_each_namespace_needs(tmp_path):
    open_to_all = "does not ask who a sidecar is"
    assert open_to_all in notes({}, tmp_path / "none")
    values = {"tls": {"clientCA": PEM, "clientSecret": "theirs"}, "token": {"rulesSecret": "rules", "secret": "own"},
              "injection": {"mode": "none"}}
    said = notes(values, tmp_path / "both")
    assert open_to_all not in said
    assert "--tls-ca ca.pem --tls-client-secret theirs --token-secret own | kubectl apply -f -\n" in said
    for create in ("tls theirs --cert=FILE", "generic own --from-file=token=FILE", "generic rules --from-file=tokens=FILE"):
        assert f" create secret {create}" in said
    assert open_to_all not in notes({"token": values["token"]}, tmp_path / "tokens")


def test_plain_tcp_is_said_on_both_sides():
    objects = render({"tls": {"mode": "insecure"}, "node": {"enabled": True}})
    for kind, name in (("StatefulSet", "ringside-collector"), ("DaemonSet", "ringside-node")):
        found = env(container_of(objects, kind, name))
        assert found["RINGSIDE_INSECURE"] == "1"
        assert not [one for one in found if one.startswith("RINGSIDE_TLS")]


@pytest.mark.parametrize("values, why", [
    ({"tls": {"mode": "secret"}}, "tls.secretName is empty"),
    ({"tls": {"secretName": "mine"}}, "tls.mode is generate"),
    ({"tls": {"mode": "insecure", "ca": PEM}}, "tls.mode is insecure"),
    ({"tls": {"mode": "secret", "secretName": "mine"}}, "no authority to verify the collector by"),
    ({"tls": {"mode": "insecure", "clientCA": PEM, "clientSecret": "x"}}, "certificates need TLS"),
    ({"tls": {"clientSecret": "x"}}, "without tls.clientCA"),
    ({"tls": {"clientCA": PEM}}, "without tls.clientSecret"),
    ({"tls": {"mode": "insecure"}, "token": {"rulesSecret": "x", "secret": "y"}}, "a token in the clear is no secret"),
    ({"token": {"secret": "x"}}, "without token.rulesSecret"),
    ({"token": {"rulesSecret": "x"}}, "without token.secret"),
    ({"token": {"rulesSecret": "x"}, "injection": {"mode": "none"}, "node": {"enabled": True}}, "without token.secret"),
])
def test_contradictions_are_refused_with_what_to_do(values, why):
    with pytest.raises(Refused, match=why):
        render(values)


@pytest.mark.parametrize("values", [{"tls": {"clientCA": PEM}}, {"token": {"rulesSecret": "x"}}])
def test_sidecars_that_the_chart_does_not_make_may_be_asked_who_they_are(values):
    assert render({**values, "injection": {"mode": "none"}})


def test_a_policy_where_none_is_served_is_refused():
    with pytest.raises(Refused, match="serves no MutatingAdmissionPolicy: take auto or patch"):
        render({"injection": {"mode": "policy"}}, policy_api=None)


def test_a_kubernetes_without_native_sidecars_is_refused():
    with pytest.raises(Refused, match="1.28"):
        render(version="1.28.0", policy_api=None)


@pytest.mark.parametrize("values, where", [
    ({"injection": {"mode": "webhook"}}, "/injection/mode"),
    ({"injection": {"processAccess": "hostPID"}}, "/injection/processAccess"),
    ({"injection": {"privileged": "yes"}}, "/injection/privileged"),
    ({"injecton": {"mode": "none"}}, "injecton"),
    ({"image": {"repository": "a b"}}, "/image/repository"),
    ({"image": {"repository": "ringside:1"}}, "/image/repository"),
    ({"image": {"tag": "-1"}}, "/image/tag"),
    ({"tls": None}, "missing property 'tls'"),
    ({"collector": {"replicas": 0}}, "/collector/replicas"),
    ({"collector": {"resources": {"limit": {}}}}, "limit"),
    ({"collector": {"resources": {"limits": {"memory": "64m"}}}}, "/collector/resources/limits/memory"),
    ({"node": {"resources": {"requests": {"memory": 64}}}}, "/node/resources/requests/memory"),
    ({"node": {"resources": {"requests": {"cpu": "-1"}}}}, "/node/resources/requests/cpu"),
    ({"collector": {"capture": {"size": -1}}}, "/collector/capture/size"),
    ({"node": {"probes": ["proces"]}}, "/node/probes/0"),
    ({"tls": {"mode": "none"}}, "/tls/mode"),
    ({"tls": {"ca": "/etc/ca.pem"}}, "/tls/ca"),
    ({"token": {"secret": "A"}}, "/token/secret"),
    ({"token": {"tokens": "x"}}, "tokens"),
    ({"fullnameOverride": "Ringside"}, "/fullnameOverride"),
])
def test_values_beside_the_schema_are_refused(values, where):
    with pytest.raises(Refused, match="values don't meet the specifications"):
        try:
            render(values)
        except Refused as refused:
            assert where in str(refused)
            raise


def test_the_schemas_quantities_and_images_are_those_of_the_annotations():
    schema = json.loads((CHART / "values.schema.json").read_text())
    overrides = sidecar_json()["overrides"]
    for annotation, name in (("cpu", "quantity"), ("memory", "memory")):
        assert schema["definitions"][name]["pattern"] == overrides[f"ringside.io/{annotation}"]["pattern"]
    image = schema["properties"]["image"]["properties"]
    repository, tag = (re.fullmatch(r"\^\((.*)\)\?\$", image[key]["pattern"])[1] for key in ("repository", "tag"))
    assert overrides["ringside.io/image"]["pattern"].startswith(f"^{repository}(:{tag})?(@")


def named(name):
    """Each value that names a secret, or a storage class."""
    return {"imagePullSecrets": [name], "collector": {"capture": {"enabled": True, "storageClass": name}},
            "tls": {"mode": "secret", "secretName": name, "ca": PEM, "clientCA": PEM, "clientSecret": name},
            "token": {"rulesSecret": name, "secret": name}}


@pytest.mark.parametrize("name", SECRETS_RIGHT)
def test_each_name_that_a_secret_may_have_is_taken(name):
    assert render(named(name))


@pytest.mark.parametrize("name", SECRETS_WRONG)
def test_a_name_that_no_secret_can_have_is_refused_as_inject_refuses_it(name):
    with pytest.raises(Refused) as refused:
        render(named(name))
    for place in ("imagePullSecrets/0", "collector/capture/storageClass", "tls/secretName", "tls/clientSecret",
                  "token/rulesSecret", "token/secret"):
        assert f"- at '/{place}': " in str(refused.value)


def test_the_schema_knows_each_way_of_the_sidecars_description():
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["properties"]["injection"]["properties"]["processAccess"]["enum"]
    assert known == list(sidecar_json()["processAccess"])


def test_the_readme_is_what_the_values_say():
    assert (CHART / "README.md").read_text() == readme.render(), "run make chart-readme"


def test_each_value_is_explained_and_in_the_schema():
    paths = {path for path, _ in readme.explained()}
    schema = json.loads((CHART / "values.schema.json").read_text())

    def walk(value, schema, path):
        assert schema.get("type") != "object" or "additionalProperties" in schema, f"{path}: any key is let through"
        if path in paths:
            return
        assert isinstance(value, dict) and value, f"{'.'.join(path)} is not explained"
        for key, one in value.items():
            walk(one, schema["properties"][key], (*path, key))

    walk(yaml.safe_load((CHART / "values.yaml").read_text()), schema, ())


def test_the_charts_version_is_the_binarys():
    version = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)[1]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
