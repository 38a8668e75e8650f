# SPDX-License-Identifier: Apache-2.0
"""The collector's figures on Kubernetes: who may ask for them, and who is told to."""

import pytest

import openapi
from chart import Refused, find, kinds, render
from test_chart import container_of, env


def metrics(**values):
    return render({"metrics": {"enabled": True, **values}})


def services(objects):
    """The Services that have the port."""
    return [one for one in objects if one["kind"] == "Service" and "metrics" in [port["name"] for port in one["spec"]["ports"]]]


def test_nothing_of_it_is_there_unless_asked_for():
    text = str(render())
    assert "9718" not in text and "METRICS" not in text and "monitoring.coreos.com" not in text


def test_the_collectors_port_is_open_where_it_listens():
    objects = metrics()
    container = container_of(objects, "StatefulSet", "ringside-collector")
    port = {one["name"]: one["containerPort"] for one in container["ports"]}["metrics"]
    assert env(container)["RINGSIDE_METRICS"] == f"0.0.0.0:{port}"
    assert [one["metadata"]["name"] for one in services(objects)] == ["ringside-collector"]
    stream, scrape = find(objects, "NetworkPolicy")["spec"]["ingress"]
    assert [one["port"] for one in stream["ports"]] == [9717] and stream["from"]
    assert scrape == {"ports": [{"port": port, "protocol": "TCP"}]}
    assert kinds(objects) == kinds(render())


@pytest.mark.parametrize("kind, name, endpoints", [("ServiceMonitor", "serviceMonitor", "endpoints"),
                                                   ("PodMonitor", "podMonitor", "podMetricsEndpoints")])
def test_a_monitor_finds_each_collector_once(kind, name, endpoints):
    objects = metrics(**{name: {"enabled": True, "labels": {"release": "prometheus"}, "interval": "1m30s"}})
    assert sorted(kinds(render()) + [kind]) == kinds(objects)
    monitor = find(objects, kind, "ringside-collector")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"][endpoints] == [{"port": "metrics", "interval": "1m30s"}]
    pods = find(objects, "StatefulSet")["spec"]["template"]
    found = {"ServiceMonitor": services(objects), "PodMonitor": [pods]}[kind]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert [wanted <= one["metadata"]["labels"].items() for one in found] == [True]
    assert "interval" not in find(metrics(**{name: {"enabled": True}}), kind)["spec"][endpoints][0]
    assert openapi.monitor_errors(monitor) == []
    monitor["spec"]["port"] = "metrics"
    assert len(openapi.monitor_errors(monitor)) == 1


@pytest.mark.parametrize("values, why", [
    ({"serviceMonitor": {"enabled": True}}, "metrics.serviceMonitor.enabled is true, but metrics.enabled is not"),
    ({"podMonitor": {"enabled": True}}, "metrics.podMonitor.enabled is true, but metrics.enabled is not"),
    ({"enabled": True, "serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "scraped twice"),
    ({"podMonitor": {"interval": "soon"}}, "/metrics/podMonitor/interval"),
    ({"serviceMonitor": {"labels": {"a": 1}}}, "/metrics/serviceMonitor/labels/a"),
])
def test_what_makes_no_sense_is_refused(values, why):
    with pytest.raises(Refused, match=why):
        render({"metrics": values})
