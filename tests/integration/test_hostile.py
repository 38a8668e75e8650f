# SPDX-License-Identifier: Apache-2.0
"""What a collector does with peers that are wrong, slow or hostile: a line, an end, and no harm to others."""

import os
import random
import subprocess
import time

import pytest

from stream import accounting, frame_bytes, pb, wait_for, writes

BATCH = frame_bytes(writes(1, 0, 3))


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


GARBAGE = {
    "an http request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
    "zeroes": bytes(100),
    "ones": b"\xff" * 100,
    "an overlong varint": b"\x85\x80\x80\x80\x80\x00",
    "a hello too long": varint(4097) + b"\x0a",
    "a frame of two gigabytes": varint(1 << 31) + b"\x0a",
    "a batch first": BATCH,
    "no agent id": frame_bytes(pb.AgentFrame(hello=pb.Hello(protocol_min=1, protocol_max=1, epoch=1))),
    "no epoch": frame_bytes(pb.AgentFrame(hello=pb.Hello(protocol_min=1, protocol_max=1, agent_id=b"x"))),
    "an agent id with a newline": frame_bytes(
        pb.AgentFrame(hello=pb.Hello(protocol_min=1, protocol_max=1, agent_id=b"x\nlevel=error", epoch=1))
    ),
    "an agent id of 256 bytes": frame_bytes(
        pb.AgentFrame(hello=pb.Hello(protocol_min=1, protocol_max=1, agent_id=b"x" * 256, epoch=1))
    ),
    "a version to come": frame_bytes(
        pb.AgentFrame(hello=pb.Hello(protocol_min=2, protocol_max=3, agent_id=b"x", epoch=1))
    ),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_wrong_greeting_is_cut_off_with_one_line_while_another_agent_works(collector, agent, data):
    c = collector()
    good = agent(c)
    good.send(writes(1, 0, 1))
    bad = agent(c, hello=False)
    bad.send_bytes(data)
    bad.wait_closed()
    c.wait_log('msg="peer cut off"', "why=")
    good.send(writes(1, 1, 1))
    good.wait_ack(1, 2)
    assert len(c.records(2)) == 2
    assert sum("peer cut off" in line for line in c.log) == 1


def batch(**fields):
    frame = writes(1, 0, 3)
    for name, value in fields.items():
        if name == "write":
            frame.batch.write.CopyFrom(value)
        elif isinstance(value, list):
            del getattr(frame.batch, name)[:]
            getattr(frame.batch, name).extend(value)
        else:
            setattr(frame.batch, name, value)
    return frame_bytes(frame)


WRONG = {
    "a frame past the cap": varint((1 << 20) + 1) + b"\x12",
    "a frame of no length": b"\x00",
    "a second hello": frame_bytes(pb.AgentFrame(hello=pb.Hello(protocol_min=1, protocol_max=1, agent_id=b"b", epoch=1))),
    "an empty batch": batch(count=0),
    "a batch that says more than it holds": batch(count=1000000),
    "a count that wraps": batch(first_seq=(1 << 64) - 2),
    "a stream that is not there": batch(stream=2),
    "a text index past the table": batch(comm=[1, 2, 999]),
    "a column too short": batch(tgid=[1]),
    "a kind with too few bodies": batch(write=pb.WriteColumns(requested=[1])),
    "a cgroup index past the table": batch(cgroup=[5, 5, 5]),
    "a gap that ends before it begins": frame_bytes(pb.AgentFrame(gap=pb.Gap(stream=1, first=5, last=4))),
    "a gap of everything": frame_bytes(pb.AgentFrame(gap=pb.Gap(stream=1, first=0, last=(1 << 64) - 1))),
    "a thousand probes": frame_bytes(
        pb.AgentFrame(heartbeat=pb.Heartbeat(probes=[pb.ProbeAccount(probe=b"x")] * 1000))
    ),
    "a frame that lost a byte": BATCH[:1] + BATCH[2:] + BATCH,
    "unknown fields without end": varint(600000) + b"\xf8\x01\x00" * 200000,
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_frame_ends_its_agent_with_an_error_and_nobody_else(collector, agent, data):
    c = collector()
    good = agent(c)
    bad = agent(c, b"bad", epoch=2)
    bad.send_bytes(data)
    if "without end" not in os.environ.get("PYTEST_CURRENT_TEST", ""):
        assert bad.expect("error").code in (1, 4, 5)
        bad.wait_closed()
        c.wait_log('msg="agent lost"', "agent=bad")
    good.send(writes(1, 0, 1))
    good.wait_ack(1, 1)
    assert c.process.poll() is None


def test_random_damage_to_frames_never_ends_the_collector(collector, agent):
    c = collector("--capture", "/dev/null")
    dice = random.Random(7)
    frames = [BATCH, frame_bytes(pb.AgentFrame(heartbeat=accounting([0, 0]))),
              frame_bytes(pb.AgentFrame(bye=pb.Bye(last=accounting([0, 3]))))]
    good = agent(c)
    for i in range(300):
        bad = agent(c, b"bad-%d" % i, epoch=i + 1)
        data = bytearray(b"".join(dice.choices(frames, k=3)))
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            bad.send_bytes(bytes(data))
        except OSError:
            pass
        bad.close()
    good.send(writes(1, 0, 1))
    good.wait_ack(1, 1)
    assert c.end() == 0


def test_whoever_says_no_hello_is_cut_off_after_five_seconds(collector, agent):
    c = collector()
    slow = agent(c, hello=False)
    hello = frame_bytes(slow.hello())
    begun = time.monotonic()
    slow.send_bytes(hello[:-1])
    assert slow.expect("error").code == 1
    assert time.monotonic() - begun >= 4.5
    c.wait_log('msg="peer cut off"', "5 s")


def test_a_hello_in_pieces_is_a_hello(collector, agent):
    c = collector()
    a = agent(c, hello=False)
    for byte in frame_bytes(a.hello()) + BATCH:
        a.send_bytes(bytes([byte]))
    a.expect("welcome")
    a.wait_ack(1, 3)


def test_a_look_at_the_port_is_not_worth_a_line(collector, agent):
    c = collector()
    agent(c, hello=False).close()
    good = agent(c)
    good.send(writes(1, 0, 1))
    good.wait_ack(1, 1)
    assert not any("cut off" in line for line in c.log)


def test_memory_grows_by_what_came_not_by_what_was_promised(collector, agent):
    c = collector(format="none")

    def resident():
        with open(f"/proc/{c.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    before = resident()
    for i in range(200):
        a = agent(c, b"agent-%d" % i, epoch=i + 1)
        a.send_bytes(varint(1 << 20) + b"\x12")
    good = agent(c, b"good")
    good.send(writes(1, 0, 1))
    good.wait_ack(1, 1)
    assert resident() - before < 8 * 1024  # KiB; 200 MiB were promised


def test_a_port_in_use_is_one_line_and_exit_1(collector, binary):
    c = collector()
    again = subprocess.run([binary, "collect", "--listen", "127.0.0.1:%d" % c.address[1]], capture_output=True, text=True)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert "in use" in again.stderr and "do=" in again.stderr


@pytest.mark.parametrize(
    "options", [["--listen", "0.0.0.0:0"], ["--listen", "[::]:0"], ["--listen", "example.org:1"], ["--listen", "x:y"],
                ["--format", "xml"], ["--no-such-option"], ["operand"]]
)
def test_a_wrong_call_is_one_line_and_exit_2(binary, options):
    call = subprocess.run([binary, "collect", *options], capture_output=True, text=True)
    assert call.returncode == 2
    assert call.stderr.count("\n") == 1 and call.stderr.startswith("level=error")


def test_insecure_allows_every_address(binary):
    c = subprocess.Popen([binary, "collect", "--listen", "0.0.0.0:0", "--insecure", "--format", "none"],
                         stderr=subprocess.PIPE, text=True)
    assert "msg=ready" in c.stderr.readline()
    c.terminate()
    assert c.wait(20) == 0


def test_health_tells_a_collector_that_listens_from_none(collector, binary):
    c = collector()
    assert subprocess.run([binary, "health", "collect"]).returncode == 0
    assert subprocess.run([binary, "health"]).returncode == 0
    second = collector()  # the name is taken: it works all the same
    second.wait_log("level=warn", "health")
    c.end()
    second.end()
    wait_for(lambda: subprocess.run([binary, "health", "collect"], capture_output=True).returncode == 1, "health to be bad")
    none = subprocess.run([binary, "health", "collect"], capture_output=True, text=True)
    assert none.returncode == 1 and none.stderr.count("\n") == 1
    assert subprocess.run([binary, "health", "nobody"], capture_output=True).returncode == 2
