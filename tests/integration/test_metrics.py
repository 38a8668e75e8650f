# SPDX-License-Identifier: Apache-2.0
"""`collect --metrics`: true figures over HTTP, and no harm to the stream from whoever asks."""

import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

from stream import PATIENCE, accounting, frame_bytes, pb, wait_for, writes

LINE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="([^"]*)"\})? ([0-9.]+)')


def at(collector):
    return "127.0.0.1", int(re.search(r"metrics=127\.0\.0\.1:(\d+)", collector.wait_log("msg=ready"))[1])


def ask(collector, method="GET", path="/metrics"):
    connection = http.client.HTTPConnection(*at(collector), timeout=PATIENCE)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def scrape(collector):
    """The samples: {"name" or "name{label value}": number}."""
    answer, body = ask(collector)
    assert answer.status == 200
    samples, family = {}, None
    for line in body.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            family = line.split()[2]
            assert line.split()[3] == ("counter" if family.endswith("_total") else "gauge")
            continue
        name, _, value, number = LINE.fullmatch(line).groups()
        assert name == family, line
        key = f"{name}{{{value}}}" if value else name
        assert key not in samples
        samples[key] = float(number)
    return samples


def labelled(samples, name):
    """What is not 0 of a family, by label."""
    name = f"ringside_collector_{name}{{"
    return {key[len(name):-1]: value for key, value in samples.items() if key.startswith(name) and value}


@pytest.fixture
def served(collector):
    return lambda *options: collector("--metrics", "127.0.0.1:0", *options)


@pytest.fixture
def raw():
    """A function that connects to the metrics and sends these bytes; all are closed with the test."""
    made = []

    def connect(collector, data=b""):
        made.append(socket.create_connection(at(collector), timeout=PATIENCE))
        made[-1].sendall(data)
        return made[-1]

    yield connect
    for one in made:
        one.close()


def works(collector, agent, name):
    """An agent's records are taken, and the figures come."""
    before = scrape(collector)["ringside_collector_frames_total"]
    one = agent(collector, name)
    one.send(writes(1, 0, 1))
    one.wait_ack(1, 1)
    assert scrape(collector)["ringside_collector_frames_total"] == before + 1


def test_the_figures_are_what_was_sent(served, agent):
    c = served()
    a = agent(c)
    frames = [writes(1, 0, 7), pb.AgentFrame(gap=pb.Gap(stream=1, first=7, last=11, cause=1)), writes(1, 12, 3),
              pb.AgentFrame(heartbeat=accounting([0, 15], lost=4)), pb.AgentFrame(heartbeat=accounting([0, 15], lost=6)),
              pb.AgentFrame(bye=pb.Bye(last=accounting([0, 15], lost=9)))]
    for frame in frames[:-1]:
        a.send(frame)
    a.wait_ack(1, 15)
    wait_for(lambda: scrape(c)["ringside_collector_frames_total"] == 5, "five frames")
    now = scrape(c)
    assert now["ringside_collector_agents"] == now["ringside_collector_connections"] == 1
    assert labelled(now, "lost_records_total") == {"queue_full": 5, "ring_full": 6}
    a.send(frames[-1])
    a.expect("bye")
    a.close()
    wait_for(lambda: not scrape(c)["ringside_collector_agents"], "the agent to be gone")
    now = scrape(c)
    assert now["ringside_collector_sessions_total"] == 1
    assert now["ringside_collector_frames_total"] == len(frames)
    assert now["ringside_collector_received_bytes_total"] == sum(len(frame_bytes(frame)) for frame in frames)
    assert labelled(now, "records_total") == {"write": 10}
    assert labelled(now, "lost_records_total") == {"queue_full": 5, "ring_full": 9}
    assert labelled(now, "rejected_connections_total") == {}
    assert now["ringside_collector_unwritten_bytes"] == 0
    assert len(c.records(12)) == 10 + 1 + 3  # three rows of losses


def test_losses_are_counted_once_whoever_comes_back(served, agent):
    """A new epoch begins at 0. What another collector took meanwhile, that one has counted too."""
    c = served()
    lost = lambda: labelled(scrape(c), "lost_records_total").get("ring_full", 0)
    total = 0
    for epoch, next_seq, says, more in [(1, 0, 5, 5), (1, 0, 8, 3), (2, 0, 4, 4), (2, 30, 20, 0), (2, 30, 21, 1), (2, 30, 20, 0)]:
        a = agent(c, epoch=epoch, next_seq=(0, next_seq))
        a.send(pb.AgentFrame(bye=pb.Bye(last=accounting([0, next_seq], lost=says))))
        a.expect("bye")
        total += more
        assert lost() == total, (epoch, next_seq, says)


def test_a_record_of_a_kind_to_come_is_counted_as_unknown(served, agent):
    c = served()
    frame = writes(1, 0, 3)
    frame.batch.kind[:] = [5, 61, 1000]
    frame.batch.write.Clear()
    agent(c).send(frame)
    wait_for(lambda: scrape(c)["ringside_collector_frames_total"], "the frame")
    assert labelled(scrape(c), "records_total") == {"write": 1, "unknown": 2}


def test_rejected_connections_are_counted_by_cause(served, agent):
    c = served()
    agent(c)
    for _ in range(30):  # more than the log tells
        bad = agent(c, hello=False)
        bad.send_bytes(b"\0")
        bad.wait_closed()
    twin = agent(c, hello=False)
    twin.send(twin.hello())
    twin.wait_closed()
    half = agent(c, hello=False)
    half.send_bytes(b"\x50")
    half.close()
    silent = agent(c, hello=False)  # as a port scan is
    silent.close()
    mute = agent(c, hello=False)
    mute.wait_closed()
    assert labelled(scrape(c), "rejected_connections_total") == {"protocol": 30, "in_use": 1, "broken": 1, "timeout": 1}


def test_a_real_sidecars_records_are_counted_by_probe(served, sidecar, run, cgroup):
    c = served()
    side = sidecar("--collector", "127.0.0.1:%d" % c.address[1], "--ring-samples", "32M", probe="process,write")
    side.accounted = False  # the records are elsewhere
    run("write_flood", "--count", 2000, "--kinds", "write", gate=True).open_gate(cgroup).finish()
    side.stop()
    agent_id = re.search(r" agent=(\S+)", c.wait_log('msg="agent left"'))[1]
    balance = [c.balance(stream, agent_id) for stream in (0, 1)]
    now = scrape(c)
    by_probe = labelled(now, "records_total")
    assert by_probe == {"process": int(balance[0]["received"]), "write": int(balance[1]["received"])}
    assert by_probe["write"] >= 2000 and labelled(now, "lost_records_total") == {}
    c.end()
    assert f"records={int(sum(by_probe.values()))}" in c.wait_log("msg=done")


def test_the_process_figures_are_the_kernels(served):
    c = served()
    now = scrape(c)
    proc = pathlib.Path(f"/proc/{c.process.pid}")
    assert abs(now["process_start_time_seconds"] - time.time()) < 60
    assert 0 < now["process_cpu_seconds_total"] <= c.cpu_seconds() + 0.02
    resident = int(re.search(r"VmRSS:\s*(\d+)", (proc / "status").read_text())[1]) * 1024
    assert abs(now["process_resident_memory_bytes"] - resident) < 1 << 20
    # The scrape's own connection is among them.
    wait_for(lambda: len(os.listdir(proc / "fd")) == now["process_open_fds"] - 1, "the scrape's connection to end")


def test_promtool_finds_nothing_to_say(served):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool: it is in Debian's package prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=ask(served())[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_without_the_option_nothing_listens(collector):
    c = collector()
    assert "metrics=" not in c.wait_log("msg=ready")
    own = {os.readlink(one) for one in pathlib.Path(f"/proc/{c.process.pid}/fd").iterdir()}
    listening = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert sum(f"socket:[{one[9]}]" in own and one[3] == "0A" for one in listening) == 1


def test_it_is_an_environment_variable_too_and_needs_no_insecure(collector):
    c = collector(env={"RINGSIDE_METRICS": "0.0.0.0:0"})
    port = int(re.search(r"metrics=0\.0\.0\.0:(\d+)", c.wait_log("msg=ready"))[1])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as one:
        one.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert one.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("value, code", [("example.org:1", 2), ("x:y", 2), ("192.0.2.1:0", 1)])
def test_an_address_that_is_none_of_ours_is_one_line(binary, value, code):
    call = subprocess.run([binary, "collect", "--listen", "127.0.0.1:0", "--metrics", value], capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    assert call.returncode == code
    assert call.stderr.count("\n") == 1 and call.stderr.startswith("level=error") and "metrics" in call.stderr


ANSWERS = {
    "another path": (b"GET / HTTP/1.1\r\n\r\n", 404),
    "a longer path": (b"GET /metricsx HTTP/1.1\r\n\r\n", 404),
    "a query": (b"GET /metrics?x=1 HTTP/1.1\r\n\r\n", 200),
    "HTTP/1.0": (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
    "HEAD": (b"HEAD /metrics HTTP/1.1\r\n\r\n", 405),
    "a body": (b"POST /metrics HTTP/1.1\r\nContent-Length: 16777216\r\n\r\n" + bytes(1 << 24), 405),
    "no version": (b"GET /metrics\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "words": (b"xx\r\n\r\n", 400),
    "nothing": (b"\r\n\r\n", 400),
    "a hello of TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    "a frame of the stream": (frame_bytes(writes(1, 0, 3)), 400),
    "a header that is too long": (b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 8192 + b"\r\n\r\n", 431),
    "2048 bytes": (b"GET /metrics HTTP/1.1\r\nx: " + b"y" * (2048 - 30) + b"\r\n\r\n", 200),
}


@pytest.mark.parametrize("data, status", ANSWERS.values(), ids=ANSWERS.keys())
def test_each_request_has_its_answer(served, agent, raw, data, status):
    c = served()
    one = raw(c, data)
    answer = http.client.HTTPResponse(one)
    answer.begin()
    assert answer.status == status
    assert answer.getheader("Connection") == "close"
    assert (answer.getheader("Allow") == "GET") == (status == 405)
    if status == 200:
        assert answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert (len(answer.read()) > 0) == (status == 200)
    assert one.recv(1) == b""
    works(c, agent, b"after")


def test_a_request_in_pieces_is_answered(served, raw):
    c = served()
    one = raw(c)
    for byte in b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n":
        one.sendall(bytes([byte]))
    assert one.recv(15) == b"HTTP/1.1 200 OK"


def test_a_client_that_is_too_slow_is_closed(served, agent, raw):
    c = served()
    slow = [raw(c), raw(c, b"GET /metrics HTTP/1.1\r\n")]
    works(c, agent, b"meanwhile")
    cpu = c.cpu_seconds()
    assert [one.recv(1) for one in slow] == [b"", b""]
    assert c.cpu_seconds() - cpu < 1
    works(c, agent, b"after")


def test_a_client_that_goes_on_after_its_answer_is_closed(served, raw):
    c = served()
    one = raw(c, b"GET /metrics HTTP/1.1\r\n\r\n")

    def closed():
        try:
            return not one.sendall(b"x" * 4096) and None
        except OSError:
            return True

    wait_for(closed, "the connection to end")


def test_of_many_connections_the_oldest_end_and_the_stream_goes_on(served, agent, raw):
    c = served()
    good = agent(c)
    many = [raw(c, b"GET /metr") for _ in range(20)]
    good.send(writes(1, 0, 5))
    good.wait_ack(1, 5)
    assert [one.recv(1) for one in many[:12]] == [b""] * 12
    works(c, agent, b"meanwhile")  # its scrapes take two places more
    for one in many[15:]:
        one.sendall(b"ics HTTP/1.1\r\n\r\n")
        assert one.recv(15) == b"HTTP/1.1 200 OK"
    works(c, agent, b"after")
