# SPDX-License-Identifier: Apache-2.0
"""TLS between `ringside run` and `ringside collect`, and a stock reader that speaks it."""

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from certificates import Authority
from stream import Agent, frame_bytes, hears, wait_for, writes


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


def test_a_frame_of_a_megabyte_is_taken_in(collector, agent, authority, server):
    c = collector(*server.options(), format="none")
    a = agent(c, tls=authority.context())
    big = writes(1, 0, 1)
    big.batch.strings.append(bytes((1 << 20) - 200))
    for seq in range(5):
        big.batch.first_seq = seq
        a.send(big)
    a.wait_ack(1, 5)


def test_half_a_record_waits_for_its_other_half(collector, authority, server):
    c = collector(*server.options())
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(c.address, timeout=20) as plain:
        def say():
            """In pieces of seven bytes."""
            data = outgoing.read()
            for i in range(0, len(data), 7):
                plain.sendall(data[i:i + 7])
                time.sleep(0.001)

        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                say()
                incoming.write(plain.recv(65536))
        say()
        hello = Agent.hello(type("Named", (), {"agent_id": b"torn", "epoch": 7}))
        tls.write(frame_bytes(hello) + frame_bytes(writes(1, 0, 3)))
        say()
        assert len(c.records(3)) == 3


WRONG_SERVERS = {
    "another name": (["DNS:other.example", "IP:127.0.0.2"], {}, "it is not for 127.0.0.1"),
    "no name": ([], {}, "it is not for 127.0.0.1"),
    "expired": (["IP:127.0.0.1"], {"days": -1}, "certificate has expired"),
    "for clients only": (["IP:127.0.0.1"], {"usage": "clientAuth"}, "not accepted"),
}


@pytest.mark.parametrize("names, how, why", WRONG_SERVERS.values(), ids=WRONG_SERVERS.keys())
def test_a_collector_whose_certificate_is_wrong_gets_nothing(collector, run_to, authority, names, how, why):
    c = collector(*authority.sign("wrong", *names, **how).options())
    side = run_to(c, "--tls-ca", authority.cert)
    hears(side, 'msg="no TLS with the collector"', why)
    c.wait_log('msg="peer cut off"', "the peer refuses")
    assert not c.lines and not any("agent connected" in line for line in c.log)


def test_a_collector_of_another_authority_gets_nothing_and_it_is_said_once(collector, run_to, authority, server, tmp_path):
    c = collector(*server.options())
    side = run_to(c, "--tls-ca", Authority(tmp_path / "other").cert)
    hears(side, 'msg="no TLS with the collector"', "local issuer")
    wait_for(lambda: sum("unknown" in line for line in c.log) >= 3, "three tries")
    assert sum("no TLS" in line for line in side.errors) == 1


def test_certificates_are_asked_for_and_bound_to_the_agent_id(collector, run_to, authority, server, tmp_path):
    c = collector(*server.options(), "--tls-client-ca", str(authority.cert))
    own = authority.sign("own", "DNS:shop-*", "URI:spiffe://x/y")
    common = ["--tls-ca", authority.cert]
    mine = [*common, "--tls-cert", own.cert, "--tls-key", own.key]
    hears(run_to(c, *mine, "--agent-id", "shop-1"), "collector connected")
    hears(run_to(c, *mine, "--agent-id", "bank-1"), "refused the session", "not for this agent id")
    hears(run_to(c, *common, "--agent-id", "shop-2"), "no TLS", "certificate required")
    c.wait_log("peer cut off", "it has no certificate")
    stranger = Authority(tmp_path / "other").sign("shop", "DNS:shop-*")
    hears(run_to(c, *common, "--tls-cert", stranger.cert, "--tls-key", stranger.key, "--agent-id", "shop-3"), "no TLS",
          "unknown ca")
    only_server = authority.sign("for-servers", "DNS:shop-*", usage="serverAuth")
    hears(run_to(c, *common, "--tls-cert", only_server.cert, "--tls-key", only_server.key, "--agent-id", "shop-4"), "no TLS",
          "the peer refuses")
    assert sum("agent connected" in line for line in c.log) == 1


def test_tls_1_2_is_refused(collector, authority, server):
    c = collector(*server.options())
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        Agent(c.address, tls=context)
    c.wait_log("peer cut off", "TLS 1.3 is needed")


def test_plain_and_tls_meet_with_a_clear_line_on_both_sides(collector, run_to, authority, server):
    c = collector(*server.options())
    hears(run_to(c), "refused the session", "--tls-ca")
    c.wait_log("peer cut off", "it speaks no TLS")
    plain = collector()
    hears(run_to(plain, "--tls-ca", authority.cert), "no TLS with the collector", "it answers without TLS")
    plain.wait_log("peer cut off", "it speaks TLS", "--tls-cert")


GARBAGE = {
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "a record that is none": b"\x16\x03\x01\x00\x20" + bytes(32),
    "a hello of sixteen megabytes": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16000),
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "zeroes": bytes(100),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_cut_off_with_one_line_while_another_agent_works(collector, agent, authority, server, data):
    c = collector(*server.options())
    good = agent(c, tls=authority.context())
    bad = agent(c, hello=False)
    bad.send_bytes(data)
    c.wait_log("peer cut off")
    bad.wait_closed() if data[:1] == b"\x16" else None
    good.send(writes(1, 0, 1))
    good.wait_ack(1, 1)
    assert sum("peer cut off" in line for line in c.log) == 1


def hello_of(authority):
    """A ClientHello, as bytes."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        authority.context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def test_a_connection_cut_within_the_handshake_is_one_line_and_harms_nobody(collector, agent, authority, server):
    c = collector(*server.options())
    hello = hello_of(authority)
    for cut in (1, 5, 20, len(hello) - 1, len(hello)):
        with socket.create_connection(c.address) as plain:
            plain.sendall(hello[:cut])
            if cut == len(hello):
                assert plain.recv(1)
    wait_for(lambda: sum("peer cut off" in line for line in c.log) == 5, "five lines")
    a = agent(c, tls=authority.context())
    a.send(writes(1, 0, 1))
    a.wait_ack(1, 1)


def test_a_slow_handshake_is_dropped_after_ten_seconds(collector, authority, server):
    c = collector(*server.options())
    begun = time.monotonic()
    with socket.create_connection(c.address, timeout=20) as plain:
        plain.sendall(hello_of(authority)[:50])
        assert plain.recv(1) == b""
        assert time.monotonic() - begun >= 9.5
    c.wait_log("peer cut off", "the handshake takes too long")


def test_a_silent_listener_is_given_up_after_ten_seconds(binary, sidecar, authority):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        side = sidecar("--collector", "127.0.0.1:%d" % listener.getsockname()[1], "--tls-ca", authority.cert, probe="process")
        side.accounted = False
        hears(side, "collector unreachable", "the handshake takes too long")


def test_a_collector_that_is_killed_and_comes_back_gets_everything(collector, sidecar, run, cgroup, authority, server):
    first = collector(*server.options())
    side = sidecar("--collector", "127.0.0.1:%d" % first.address[1], "--tls-ca", authority.cert, probe="process")
    side.accounted = False
    hears(side, "collector connected")
    first.process.kill()
    first.process.wait()
    hears(side, "collector unreachable")
    run("short_processes", 200, 0, gate=True).open_gate(cgroup).finish()
    second = collector(*server.options(), "--listen", "127.0.0.1:%d" % first.address[1])
    wait_for(lambda: sum("collector connected" in line for line in side.errors) == 2, "the second connection", 60)
    side.stop()
    assert side.done["stream0_acknowledged"] == side.done["stream0_taken"]
    assert second.balance(0, agent=side.messages("ready")[0]["agent"])["holds"] == "yes"


def replace(source, target):
    """As Kubernetes does: the new file is there at once."""
    shutil.copy(source, str(target) + ".new")
    os.replace(str(target) + ".new", target)


def test_renewed_certificates_are_taken_under_traffic_and_broken_ones_are_not(collector, agent, authority, server, tmp_path):
    live = tmp_path / "live.pem", tmp_path / "live.key"
    for source, target in zip((server.cert, server.key), live):
        shutil.copy(source, target)
    c = collector("--tls-cert", str(live[0]), "--tls-key", str(live[1]))
    context = authority.context()
    a = agent(c, b"stays", tls=context)

    def serial():
        with socket.create_connection(c.address, timeout=20) as plain, context.wrap_socket(
                plain, server_hostname="localhost") as tls:
            return tls.getpeercert()["serialNumber"]

    old = serial()
    a.send(writes(1, 0, 10))
    broken = tmp_path / "broken"
    broken.write_text("-----BEGIN CERTIFICATE-----\nthis is none\n-----END CERTIFICATE-----\n")
    replace(broken, live[0])
    wait_for(lambda: serial() == old and any("cannot take the new certificates" in line for line in c.log), "the line", 30)
    for _ in range(20):
        assert serial() == old
    assert sum("cannot take" in line for line in c.log) == 1
    c.wait_log("cannot take", "option=--tls-cert", "live.pem", "do=")
    renewed = authority.sign("renewed", "DNS:localhost", "IP:127.0.0.1")
    replace(renewed.key, live[1])
    replace(renewed.cert, live[0])
    wait_for(lambda: serial() != old, "the new certificate", 30)
    c.wait_log("certificates read again")
    a.send(writes(1, 10, 10))
    a.wait_ack(1, 20)
    assert [r["seq"] for r in c.records(20)] == list(range(20))


def test_a_renewed_authority_is_taken_by_the_sidecar(collector, run_to, authority, server, tmp_path):
    ca = tmp_path / "ca.pem"
    shutil.copy(Authority(tmp_path / "other").cert, ca)
    c = collector(*server.options())
    side = run_to(c, "--tls-ca", ca)
    hears(side, "no TLS with the collector")
    replace(authority.cert, ca)
    side.wait(lambda: any("collector connected" in line for line in side.errors), "the connection", 60)


def test_a_key_that_only_a_capability_could_read_is_not_renewed(collector, run_to, authority, server, tmp_path):
    first = collector(*server.options())
    key = tmp_path / "own.key"
    own = authority.sign("renewing", "DNS:a")
    shutil.copy(own.key, key)
    side = run_to(first, "--tls-ca", authority.cert, "--tls-cert", own.cert, "--tls-key", key)
    hears(side, "collector connected")
    os.chown(key, 65534, 65534)
    key.chmod(0o400)
    first.kill()
    second = collector(*server.options(), "--listen", "127.0.0.1:%d" % first.address[1])
    second.wait_log("agent connected")
    hears(side, "cannot take the new certificates", "option=--tls-key", "Permission denied")


@pytest.fixture
def beyond():
    """A function: the beginning of a command for a network where 192.0.2.1 is this machine, and these are its authorities (None: it
    has none)."""
    started = []

    def make(bundle):
        mount = f"mount --bind {bundle} /etc/ssl/certs/ca-certificates.crt" if bundle else "mount -t tmpfs none /etc/ssl/certs"
        started.append(subprocess.Popen(
            ["unshare", "-n", "-m", "sh", "-c", f"ip link set lo up && ip addr add 192.0.2.1/32 dev lo && {mount} && echo ready && "
             "exec sleep 1000"], stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "ready\n"
        return ["nsenter", "-t", str(started[-1].pid), "-n", "-m"]

    yield make
    for one in started:
        one.kill()
        one.wait()


def test_beyond_loopback_the_stream_is_tls_with_the_machines_authorities(binary, cgroup, authority, beyond):
    enter = beyond(authority.cert)
    own = authority.sign("beyond", "IP:192.0.2.1")
    c = subprocess.Popen([*enter, binary, "collect", "--listen", "0.0.0.0:9717", *own.options()], stderr=subprocess.PIPE, text=True,
                         stdout=subprocess.DEVNULL)
    side = None
    try:
        assert "msg=ready" in (line := c.stderr.readline()) and "tls=1.3" in line
        side = subprocess.Popen([*enter, binary, "run", "--scope", f"cgroup:{cgroup.path}", "--collector", "192.0.2.1"],
                                stderr=subprocess.PIPE, text=True)
        assert "agent connected" in c.stderr.readline()
        side.terminate()
        lines = side.stderr.read()
        assert side.wait(20) == 0 and "tls=1.3" in lines and "collector connected" in lines
    finally:
        for one in filter(None, (c, side)):
            one.kill()
            one.wait()


def test_beyond_loopback_without_authorities_the_call_is_refused(binary, beyond):
    done = subprocess.run([*beyond(None), binary, "run", "--scope", "host", "--collector", "192.0.2.1"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "--tls-ca" in done.stderr and "--insecure" in done.stderr


@pytest.mark.parametrize("front", ["", "\n", "Bag Attributes\n    friendlyName: server\nKey Attributes: <No Attributes>\n"])
def test_pems_come_by_value_in_the_environment(collector, binary, cgroup, authority, server, front):
    c = collector(env={"RINGSIDE_TLS_CERT": front + server.cert.read_text(), "RINGSIDE_TLS_KEY": front + server.key.read_text()})
    side = subprocess.Popen([binary, "run", "--scope", f"cgroup:{cgroup.path}", "--collector", "127.0.0.1:%d" % c.address[1]],
                            stderr=subprocess.PIPE, text=True, env={**os.environ, "RINGSIDE_TLS_CA": authority.cert.read_text()})
    try:
        c.wait_log("agent connected")
    finally:
        side.terminate()
        assert side.wait(20) == 0


WRONG_CALLS = {
    "run: a file that is not there": (["run", "--collector", "127.0.0.1", "--tls-ca", "/nonexistent"], "--tls-ca", "/nonexistent"),
    "run: no PEM": (["run", "--collector", "127.0.0.1", "--tls-ca", "{text}"], "--tls-ca", "no certificate"),
    "run: certificate without key": (["run", "--collector", "127.0.0.1", "--tls-ca", "{ca}", "--tls-cert", "{cert}"], "--tls-cert",
                                     "--tls-key"),
    "run: another's key": (["run", "--collector", "127.0.0.1", "--tls-ca", "{ca}", "--tls-cert", "{cert}", "--tls-key", "{cakey}"],
                           "--tls-key", "not the certificate's"),
    "run: a certificate for a plain stream": (["run", "--collector", "127.0.0.1", "--tls-cert", "{cert}", "--tls-key", "{key}"],
                                              "--tls-cert", "--tls-ca"),
    "run: insecure and an authority": (["run", "--collector", "10.0.0.1", "--tls-ca", "{ca}", "--insecure"], "--insecure", "--tls-ca"),
    "collect: key without certificate": (["collect", "--tls-key", "{key}"], "--tls-key", "--tls-cert"),
    "collect: client certificates in the clear": (["collect", "--tls-client-ca", "{ca}"], "--tls-client-ca", "--tls-cert"),
    "collect: beyond loopback in the clear": (["collect", "--listen", "0.0.0.0:0"], "--listen", "--tls-cert"),
    "collect: insecure and a certificate": (["collect", "--tls-cert", "{cert}", "--tls-key", "{key}", "--insecure"], "--insecure",
                                            "--tls-cert"),
}


@pytest.mark.parametrize("call, option, part", WRONG_CALLS.values(), ids=WRONG_CALLS.keys())
def test_a_wrong_call_is_one_line_with_the_option_and_exit_2(binary, authority, server, tmp_path, call, option, part):
    text = tmp_path / "text"
    text.write_text("no PEM\n")
    files = {"ca": authority.cert, "cakey": authority.key, "cert": server.cert, "key": server.key, "text": text}
    done = subprocess.run([binary, *(word.format(**files) for word in call)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"option={option} " in done.stderr and part in done.stderr and " do=" in done.stderr


def test_check_takes_the_same_options_and_counts_the_memory(binary, authority, server):
    def budget(*options):
        done = subprocess.run([binary, "check", "--format", "json", "--scope", "host", *options], capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr
        return next(line["bytes"] for line in map(json.loads, done.stdout.splitlines()) if line["name"] == "budget")

    tls = ["--tls-ca", authority.cert, "--tls-cert", server.cert, "--tls-key", server.key]
    assert budget("--collector", "127.0.0.1", *tls) == budget("--collector", "127.0.0.1") + (2 << 20)
    wrong = subprocess.run([binary, "check", "--collector", "127.0.0.1", "--tls-ca", server.key], capture_output=True, text=True)
    assert wrong.returncode == 2 and "option=--tls-ca" in wrong.stderr and wrong.stderr.count("\n") == 1


def test_an_encrypted_key_is_refused_with_the_reason(binary, server, tmp_path):
    subprocess.run(["openssl", "ec", "-in", server.key, "-aes256", "-passout", "pass:secret", "-out", tmp_path / "key"], check=True,
                   capture_output=True)
    done = subprocess.run([binary, "collect", "--tls-cert", server.cert, "--tls-key", tmp_path / "key"], capture_output=True,
                          text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "passphrase" in done.stderr


def test_a_collector_on_tls_listens_beyond_loopback(binary, server):
    c = subprocess.Popen([binary, "collect", "--listen", "0.0.0.0:0", *server.options(), "--format", "none"],
                         stderr=subprocess.PIPE, text=True)
    try:
        while "msg=ready" not in (line := c.stderr.readline()):
            assert line, "it ended before it was ready"
        assert "tls=1.3" in line
    finally:
        c.terminate()
        assert c.wait(20) == 0


@pytest.mark.parametrize("spoil", [
    lambda text: text.replace("PRIVATE KEY", "KEY"),
    lambda text: text.split("\n", 1)[1],
    lambda text: base64.b64encode(text.encode()).decode(),
])  # fmt: skip
def test_a_broken_key_is_told_nowhere(binary, server, spoil):
    key = spoil(server.key.read_text())
    call = [binary, "run", "--collector", "127.0.0.1", "--tls-ca", server.cert, "--tls-cert", server.cert]
    done = subprocess.run(call, capture_output=True, text=True, timeout=20, env={**os.environ, "RINGSIDE_TLS_KEY": key})
    assert done.returncode == 2 and "option=--tls-key" in done.stderr
    assert not any(line in done.stderr for line in key.split()), done.stderr
