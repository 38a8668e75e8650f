# SPDX-License-Identifier: Apache-2.0
"""Any pod: it gets the sidecar and nothing else, once; and --remove gives back what went in."""

import json
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from objects import INJECTED, ROOT, SIDECAR, Number, expected, inject, left_alone, ordered, read, run, write
from overrides import RIGHT

set_hypothesis_home_dir(ROOT / "build/hypothesis")
EXAMPLES = 2000 if os.environ.get("RINGSIDE_SLOW") == "1" else 100
settings.register_profile(
    "pods", max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
settings.load_profile("pods")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?", fullmatch=True).map(Number)
ANY = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
UNKNOWN = st.dictionaries(TEXT.map("x-{}".format), ANY, max_size=3)
OVERRIDES = st.fixed_dictionaries({}, optional={one: st.sampled_from(["", *values]) for one, values in RIGHT.items()})


ACCESS = st.sampled_from(list(SIDECAR["processAccess"]))


@st.composite
def containers(draw, least=0):
    names = draw(st.lists(TEXT.map("app-{}".format), min_size=least, max_size=3))
    return [{**draw(UNKNOWN), "name": name, "image": draw(TEXT)} for name in names]


@st.composite
def mixed(draw, *parts):
    """The parts' keys in any order."""
    items = [pair for part in parts for pair in part.items()]
    return dict(draw(st.permutations(items)))


@st.composite
def pods(draw):
    spec = {**draw(UNKNOWN), "containers": draw(containers(1))}
    spec |= draw(st.fixed_dictionaries({}, optional={
        "initContainers": st.none() | containers(),
        "ephemeralContainers": st.none() | containers(),
        "volumes": st.none() | st.lists(TEXT.map(lambda name: {"name": f"app-{name}", "emptyDir": {}}), max_size=2),
        "shareProcessNamespace": st.booleans() | st.none(),
        "hostPID": st.booleans() | st.none(),
        "hostUsers": st.booleans() | st.none(),
        "hostNetwork": st.booleans(),
        "os": st.sampled_from([None, {}, {"name": "linux"}, {"name": "windows"}]),
    }))  # fmt: skip
    metadata = {**draw(UNKNOWN), **draw(st.fixed_dictionaries({}, optional={
        "name": TEXT, "labels": st.dictionaries(TEXT, TEXT, max_size=2),
        "annotations": st.none() | st.builds(lambda a, b: {**a, **b}, st.dictionaries(TEXT, TEXT, max_size=2), OVERRIDES),
    }))}  # fmt: skip
    pod = {"spec": draw(mixed(spec))}
    if draw(st.booleans()):
        pod["metadata"] = draw(st.sampled_from([None, {}]) | st.just(metadata))
    return draw(mixed({"apiVersion": "v1", "kind": "Pod"}, pod, draw(UNKNOWN)))


@given(pods(), ACCESS)
def test_a_pod_gets_the_sidecar_and_keeps_the_rest(binary, pod, access):
    assert ordered(inject(binary, pod, "--process-access", access)) == ordered(expected(pod, access))


@given(pods(), ACCESS)
def test_twice_is_once_and_remove_gives_back_what_went_in(binary, pod, access):
    once = run(binary, write(pod), "--process-access", access)
    assert once.returncode == 0, once.stderr
    assert once.stderr == b"" or left_alone(pod)
    twice = run(binary, once.stdout)
    assert twice.stdout == once.stdout and b"left alone" in twice.stderr
    assert ordered(inject(binary, read(once.stdout), "--remove")) == ordered(pod)


@given(pods())
def test_without_process_access_the_pod_keeps_its_namespaces(binary, pod):
    injected = inject(binary, pod, "--process-access", "none")
    assert injected["spec"].get("shareProcessNamespace", "missing") == pod["spec"].get("shareProcessNamespace", "missing")
    assert ordered(inject(binary, injected, "--remove")) == ordered(pod)


@given(pods(), TEXT.filter(lambda text: text != "ringside"))
def test_what_is_added_to_an_injected_pod_stays_when_the_sidecar_goes(binary, pod, name):
    injected = inject(binary, pod)
    if left_alone(pod):
        return
    injected["spec"]["initContainers"].append({"name": name})
    injected["metadata"]["annotations"]["mine"] = name
    removed = inject(binary, injected, "--remove")
    assert removed["spec"]["initContainers"] == [*(pod["spec"].get("initContainers") or []), {"name": name}]
    assert removed["metadata"]["annotations"] == {
        **((pod.get("metadata") or {}).get("annotations") or {}), "mine": name,
    }  # fmt: skip


def test_a_volume_that_the_sidecar_does_not_mount_stays(binary):
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {
        "containers": [{"name": "app"}], "volumes": [{"name": "ringside-host-proc", "emptyDir": {}}]}}  # fmt: skip
    assert inject(binary, inject(binary, pod), "--remove") == pod
    done = run(binary, write(pod), "--process-access", "hostProc")
    assert done.returncode == 2 and b"path=spec.volumes[0]" in done.stderr and b"a volume of the sidecar's name" in done.stderr


def test_the_memory_is_short_where_nothing_was_there(binary):
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "app"}]}}
    assert inject(binary, pod)["metadata"]["annotations"] == {INJECTED: "{}"}
    pod["spec"]["shareProcessNamespace"] = False
    memory = inject(binary, pod)["metadata"]["annotations"][INJECTED]
    assert json.loads(memory) == {"shareProcessNamespace": False}
