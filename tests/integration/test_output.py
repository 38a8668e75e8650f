# SPDX-License-Identifier: Apache-2.0
"""What stdout does to the path: closed, full, drained."""

import os
import pty
import re
import subprocess
import time

from stream import pb, accounting, readable, wait_for, writes


def test_a_closed_stdout_is_one_clear_line_and_exit_1(collector, agent):
    c = collector(read=False)
    a = agent(c)
    a.send(writes(1, 0, 1))
    c.process.stdout.close()
    assert c.process.wait(20) == 1
    assert sum("level=error" in line for line in c.log) == 1
    c.wait_log("level=error", "stdout")


def test_a_stdout_that_was_never_open_is_one_line_and_exit_1(binary):
    call = subprocess.run(["sh", "-c", f"{binary} collect --listen 127.0.0.1:0 --format json >&-"], capture_output=True,
                          text=True)
    assert call.returncode == 1
    assert call.stderr.count("\n") == 1 and "stdout" in call.stderr


def test_a_stdout_that_nobody_reads_holds_the_agents_back_and_loses_nothing(collector, agent):
    """Also: no spinning meanwhile, other agents may still come, and health answers."""
    c = collector(read=False)
    a = agent(c)
    a.socket.setblocking(False)
    total, sent, frame, rest = 400, 0, 0, b""
    from stream import frame_bytes

    def push():
        nonlocal frame, rest, sent
        while frame < total or rest:
            if not rest:
                rest = frame_bytes(writes(1, frame * 500, 500))
                frame += 1
            try:
                n = a.socket.send(rest)
            except BlockingIOError:
                return
            rest, sent = rest[n:], sent + n

    quiet = time.monotonic()
    last = -1
    while time.monotonic() - quiet < 1.5:
        push()
        if sent != last:
            last, quiet = sent, time.monotonic()
        time.sleep(0.02)
    assert frame < total or a.acked[1] < total * 500, "nothing held the agent back"
    spent = c.cpu_seconds()
    time.sleep(1.5)
    assert c.cpu_seconds() - spent < 0.3
    late = agent(c, b"late", epoch=9)
    assert late.welcome
    c.read_stdout()
    deadline = time.monotonic() + 60
    while a.acked[1] < total * 500:
        assert time.monotonic() < deadline
        push()
        a.socket.setblocking(True)
        while readable(a.socket, 0.02) and a.acked[1] < total * 500:
            a.expect("ack")
        a.socket.setblocking(False)
    wait_for(lambda: len(c.lines) >= total * 500, "all records", 60)
    records = c.records(total * 500)
    assert [r["seq"] for r in records] == list(range(total * 500))


def test_records_are_not_acknowledged_before_they_were_written(collector, agent):
    c = collector(read=False)
    a = agent(c)
    sent = 0
    while sent < 100000:  # more text than a pipe takes, less than the collector's own buffer does
        a.send(writes(1, sent, 500))
        sent += 500
        if sent == 3000:
            break
    time.sleep(1)
    while readable(a.socket, 0.3):
        a.expect("ack")
    assert a.acked[1] < sent
    c.read_stdout()
    a.wait_ack(1, sent)
    assert len(c.records(sent)) == sent


def test_sigterm_ends_though_nobody_reads_stdout(collector, agent):
    c = collector(read=False)
    a = agent(c)
    for i in range(20):
        a.send(writes(1, i * 500, 500))
    time.sleep(0.5)
    begun = time.monotonic()
    assert c.end() == 0
    assert time.monotonic() - begun < 10


def test_under_json_stdout_holds_records_only(collector, agent):
    c = collector()
    a = agent(c)
    a.send(writes(1, 0, 2))
    a.send(pb.AgentFrame(bye=pb.Bye(last=accounting([0, 2]))))
    a.expect("bye")
    assert c.end() == 0
    wait_for(lambda: len(c.lines) == 2, "two lines")
    assert all(r["kind"] == "write" for r in c.records(2))


def test_the_format_is_json_in_a_pipe_and_a_table_on_a_terminal(collector, agent):
    c = collector(format=None)
    a = agent(c)
    a.send(writes(1, 0, 1))
    a.wait_ack(1, 1)
    assert c.records(1)[0]["kind"] == "write"
    main, side = pty.openpty()
    t = collector(format=None, stdout=side)
    os.close(side)
    b = agent(t)
    b.send(writes(1, 0, 1, comm=b"esc\x1b[2J"))
    b.wait_ack(1, 1)
    text = b""
    while b"write" not in text:
        assert readable(main, 20)
        text += os.read(main, 4096)
    assert not text.lstrip().startswith(b"{")
    assert b"\x1b[2J" not in text
    os.close(main)


def test_none_prints_nothing_and_acknowledges(collector, agent):
    c = collector(format="none")
    a = agent(c)
    a.send(writes(1, 0, 1000))
    a.wait_ack(1, 1000)
    assert c.end() == 0
    assert c.lines == []


def test_a_frame_of_much_text_comes_out_whole(collector, agent):
    """4,096 execs, each with the same 4 KiB of arguments that need six bytes apiece: small on the wire, 100 MB in JSON."""
    c = collector(read=False)
    a = agent(c)
    count = 4096
    frame = pb.AgentFrame()
    batch = frame.batch
    batch.stream, batch.first_seq, batch.count = 0, 0, count
    batch.strings.extend([b"", b"x", b"\x01" * 4000])
    batch.kind.extend([2] * count)
    batch.exec.filename.extend([1] * count)
    batch.exec.argv_count.extend([1] * count)
    batch.exec.argv.extend([2] * count)
    a.send(frame)
    seen = 0
    while seen < count:
        line = c.process.stdout.readline()
        assert re.match(rb'\{"kind":"exec"', line) and line.endswith(b"}\n")
        seen += 1
    a.wait_ack(0, count)
