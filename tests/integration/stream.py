# SPDX-License-Identifier: Apache-2.0
"""The two ends of the stream for tests: an agent and a reader on the stock protobuf runtime, made from proto/ alone, and
the real collector as a child process."""

import io
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto" / "ringside.proto"
GENERATED = ROOT / "build" / "py"
PATIENCE = 20  # seconds that anything may take before a test gives up


def load_protocol():
    made = GENERATED / "ringside_pb2.py"
    if not made.exists() or made.stat().st_mtime < PROTO.stat().st_mtime:
        GENERATED.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO.parent}", f"--python_out={GENERATED}",
             str(PROTO)],
            check=True,
        )
    sys.path.insert(0, str(GENERATED))
    import ringside_pb2

    return ringside_pb2


pb = load_protocol()
from google.protobuf import proto as delimited  # noqa: E402


def wait_for(condition, what, patience=PATIENCE):
    """Polls until the condition gives something true, and returns that."""
    deadline = time.monotonic() + patience
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < deadline, f"gave up waiting for {what}"
        time.sleep(0.01)


def hears(side, *parts):
    """Waits for a line of the sidecar's that holds these."""
    side.wait(lambda: any(all(part in line for part in parts) for line in side.errors), f"{parts} on stderr")


def frame_bytes(frame):
    out = io.BytesIO()
    delimited.serialize_length_prefixed(frame, out)
    return out.getvalue()


def read_capture(path):
    """All frames of a capture file, by the stock delimited reader."""
    frames = []
    with open(path, "rb") as file:
        while True:
            frame = delimited.parse_length_prefixed(pb.AgentFrame, file)
            if frame is None:
                return frames
            frames.append(frame)


def writes(stream, first, count, comm=b"agent", requested=100):
    """A batch of write records, with every column that such a batch needs."""
    batch = pb.Batch(stream=stream, first_seq=first, count=count, base_time=10**9, realtime_offset=10**18)
    batch.strings.extend([b"", comm, b"write"])
    batch.kind.extend([5] * count)
    batch.tgid.extend([4242] * count)
    batch.comm.extend([1] * count)
    batch.write.syscall.extend([2] * count)
    batch.write.requested.extend([requested] * count)
    batch.write.returned.extend([requested] * count)
    return pb.AgentFrame(batch=batch)


def accounting(next_seq, produced=None, lost=0):
    """A heartbeat body: stream 0 carried by `process`, stream 1 by `write`."""
    produced = produced or [n + (lost if i == 1 else 0) for i, n in enumerate(next_seq)]
    beat = pb.Heartbeat(boottime_ns=10**9, realtime_ns=time.time_ns())
    for stream, name in enumerate([b"process", b"write"]):
        probe = beat.probes.add(probe=name, stream=stream, produced=produced[stream], taken=next_seq[stream])
        probe.lost.extend([lost if stream == 1 else 0, 0, 0, 0, 0, 0])
        beat.streams.add(stream=stream, taken=next_seq[stream], next_seq=next_seq[stream])
    return beat


class Closed(Exception):
    """The collector ended the connection."""


class Agent:
    """One connection to a collector."""

    def __init__(self, address, agent_id=b"agent-1", epoch=0x1122334455667788, next_seq=(0, 0), hello=True,
                 attributes=None, token=b"", tls=None, name="localhost"):
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        if tls:  # an ssl.SSLContext
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        self.pending = b""
        self.acked = [0, 0]
        self.welcome = None
        self.agent_id, self.epoch = agent_id, epoch
        if hello:
            self.send(self.hello(next_seq, attributes or {}, token))
            self.welcome = self.expect("welcome")

    def hello(self, next_seq=(0, 0), attributes=None, token=b""):
        frame = pb.AgentFrame()
        hello = frame.hello
        hello.protocol_min = hello.protocol_max = 1
        hello.agent_id = self.agent_id
        hello.boot_id = bytes(range(16))
        hello.epoch = self.epoch
        for stream, position in enumerate(next_seq):
            hello.streams.add(stream=stream, next_seq=position)
        for key, value in (attributes or {}).items():
            hello.attributes.add(key=key, value=value)
        hello.boottime_ns, hello.realtime_ns = 10**9, time.time_ns()
        hello.token = token
        return frame

    def send(self, frame):
        self.send_bytes(frame if isinstance(frame, bytes) else frame_bytes(frame))

    def send_bytes(self, data):
        self.socket.sendall(data)

    def next(self):
        """The next CollectorFrame; raises Closed at the end."""
        while True:
            stream = io.BytesIO(self.pending)
            frame = None
            try:
                frame = delimited.parse_length_prefixed(pb.CollectorFrame, stream)
            except Exception:  # the runtime's way to say that the frame is not whole yet
                pass
            if frame is not None:
                self.pending = self.pending[stream.tell():]
                return frame
            try:
                data = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                data = b""
            if not data:
                raise Closed()
            self.pending += data

    def expect(self, kind):
        """The next frame of this kind; heartbeats and acks may come before it."""
        while True:
            frame = self.next()
            body = frame.WhichOneof("body")
            if body == "ack":
                for position in frame.ack.streams:
                    assert position.next_seq >= self.acked[position.stream], "acks go backwards"
                    self.acked[position.stream] = position.next_seq
            if body == kind:
                return getattr(frame, kind)
            assert body in ("heartbeat", "ack"), f"{kind} awaited, {frame} came"

    def wait_ack(self, stream, next_seq):
        while self.acked[stream] < next_seq:
            self.expect("ack")
        assert self.acked[stream] == next_seq

    def wait_closed(self):
        try:
            while True:
                self.next()
        except Closed:
            return

    def close(self):
        self.socket.close()


class Collector:
    """`ringside collect` on a port of its own."""

    def __init__(self, binary, *options, format="json", stdout=subprocess.PIPE, read=True, env=None):
        self.lines, self.log = [], []
        command = [str(binary), "collect", "--listen", "127.0.0.1:0", *options]
        if format:
            command += ["--format", format]
        self.process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
        self.logging = threading.Thread(target=self._gather, args=(self.process.stderr, self.log), daemon=True)
        self.logging.start()
        if stdout == subprocess.PIPE and read:
            self.read_stdout()
        ready = self.wait_log("msg=ready")
        port = re.search(r"listen=127\.0\.0\.1:(\d+)", ready)[1]
        self.address = ("127.0.0.1", int(port))

    def read_stdout(self):
        threading.Thread(target=self._gather, args=(self.process.stdout, self.lines), daemon=True).start()

    @staticmethod
    def _gather(pipe, lines):
        for line in pipe:
            lines.append(line.decode().rstrip("\n"))

    def wait_log(self, *parts):
        def find():
            whole = not self.logging.is_alive()
            for line in list(self.log):
                if all(part in line for part in parts):
                    return line
            assert not whole, self.log
            return None

        return wait_for(find, f"{parts} in the log; it holds {self.log}")

    def records(self, count):
        """The first `count` records, as objects, once they are there."""
        wait_for(lambda: len(self.lines) >= count, f"{count} records, {len(self.lines)} came")
        return [json.loads(line) for line in self.lines]

    def balance(self, stream, agent="agent-1"):
        line = self.wait_log("msg=balance", f"agent={agent} ", f"stream={stream} ")
        return dict(re.findall(r"(\w+)=(\S+)", line))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, number=signal.SIGTERM):
        """Ends it as an engine would; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def readable(socket_or_fd, seconds):
    return bool(select.select([socket_or_fd], [], [], seconds)[0])
