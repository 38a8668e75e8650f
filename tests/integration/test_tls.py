# SPDX-License-Identifier: Apache-2.0
"""TLS between `ringside run` and `ringside collect`, and a stock reader that speaks it."""

import json

import pytest

from certificates import Authority
from stream import wait_for, writes


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(authority):
    return authority.sign("server", "DNS:localhost", "IP:127.0.0.1")


def test_a_stock_reader_speaks_tls_1_3_with_the_collector(collector, agent, authority, server):
    c = collector(*server.options())
    a = agent(c, tls=authority.context())
    assert a.socket.version() == "TLSv1.3"
    a.send(writes(1, 0, 3))
    a.wait_ack(1, 3)
    assert [r["seq"] for r in c.records(3)] == [0, 1, 2]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_real_records_come_through_tls_and_the_equation_holds(collector, sidecar, run, cgroup, authority, server, host):
    c = collector(*server.options())
    side = sidecar("--collector", f"{host}:{c.address[1]}", "--tls-ca", authority.cert, "--ring-samples", "32M", probe="write")
    side.accounted = False  # the records are elsewhere
    assert side.messages("ready")[0]["tls"] == "1.3"
    report = run("write_flood", "--count", 50_000, "--kinds", "write", gate=True).open_gate(cgroup).finish()
    side.stop()
    line = c.wait_log("msg=balance", "stream=1")
    assert "holds=yes" in line and "end=bye" in line and "lost=0" in line
    wait_for(lambda: sum('"kind":"write"' in text for text in c.lines) >= 50_000, "all writes")
    assert {r["pid"] for r in map(json.loads, c.lines) if r["kind"] == "write"} == {report["pid"]}
