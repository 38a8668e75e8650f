# SPDX-License-Identifier: Apache-2.0
"""`ringside run` with JSON lines on stdout: started, watched, stopped."""

import collections
import fcntl
import json
import os
import signal
import subprocess
import threading

from harness import until
from harness.transcript import Transcript

F_SETPIPE_SZ = 1031
# As on a kernel without BTF: the sidecar sees none in a mount namespace of its own.
WITHOUT_BTF = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"]
PIPE_BYTES = 1 << 20


class Sidecar(Transcript):
    def __init__(self, binary, args=(), probe=None, scope=(), before=(), env=None):
        command = [*before, str(binary), "run"]
        for one in scope:
            command += ["--scope", one]
        if probe:
            command += ["--probe", probe]
        if "--collector" not in args:  # then it prints nothing
            command += ["--format", "json"]
        command += map(str, args)
        if "TEST_TRANSPORT" in os.environ and "--transport" not in args:  # make test-transports
            command += ["--transport", os.environ["TEST_TRANSPORT"]]
        if "TEST_BTF" in os.environ and "--btf" not in args:  # see test_btf.py
            command = [*WITHOUT_BTF, *command, "--btf", os.environ["TEST_BTF"]]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RINGSIDE_")} | (env or {})
        self.command = command
        self._records = []
        self._unread = collections.deque()  # what the thread took from the pipe; parsed when somebody asks
        self._partial = b""  # the beginning of a line
        self.errors = []  # stderr, line by line
        self.garbage = []  # stdout that is no JSON object
        self.done = None
        self.accounted = True  # False: the test ends it in a way in which its accounts cannot balance
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        fcntl.fcntl(self.process.stdout, F_SETPIPE_SZ, PIPE_BYTES)
        self.pid = self.process.pid
        self._threads = [
            threading.Thread(target=self._drain, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _drain(self):
        """As fast as it goes: a slow reader of stdout would cost the sidecar records."""
        while True:
            chunk = os.read(self.process.stdout.fileno(), PIPE_BYTES)
            if not chunk:
                return
            self._unread.append(chunk)

    @property
    def records(self):
        """All records so far."""
        for _ in range(len(self._unread)):  # not what comes meanwhile: that may never end
            *lines, self._partial = (self._partial + self._unread.popleft()).split(b"\n")
            for line in lines:
                self._parse(line)
        return self._records

    def _parse(self, line):
        try:
            record = json.loads(line.decode("utf-8"))
            assert isinstance(record, dict)
        except (ValueError, AssertionError):
            self.garbage.append(line)
        else:
            self._records.append(record)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.decode("utf-8", "replace").rstrip("\n"))

    def state(self):
        kinds = collections.Counter(record.get("kind") for record in self.records)
        return (
            f"{' '.join(self.command)}\n  records: {dict(kinds)}\n  last: {self.records[-3:]}\n"
            f"  exit status: {self.process.poll()}\n  stderr:\n    " + "\n    ".join(self.errors[-15:])
        )

    def wait(self, condition, what, deadline=15.0):
        """Waits for condition() to be true; fails at once when the sidecar ends."""

        def alive():
            value = condition()
            if not value and self.process.poll() is not None:
                self._join()
                value = condition()
                assert value, f"the sidecar ended while waiting for {what}\n{self.state()}"
            return value

        return until(alive, lambda: f"{what}\n{self.state()}", deadline)

    def wait_ready(self):
        return self.wait(lambda: self.messages("ready"), "msg=ready", 30.0)[0]

    def wait_for(self, *kinds, count=1, deadline=15.0, where=None, **fields):
        """Waits until there are that many records of these kinds and fields, and returns them."""

        def enough():
            found = self.kind(*kinds, **fields)
            if where:
                found = [record for record in found if where(record)]
            return found if len(found) >= count else None

        return self.wait(enough, f"{count} records of {kinds} {fields}", deadline)

    def _join(self):
        for thread in self._threads:
            thread.join(20)

    def stop(self, number=signal.SIGTERM):
        """Ends it as a user would, reads all it still prints, and keeps its `done` line. Twice does no harm."""
        if self.process.returncode is None and self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end within 20 s of signal {number}\n{self.state()}") from None
        self._join()
        _ = self.records  # parses the rest
        if self._partial:
            self.garbage.append(self._partial)  # a line without its end
            self._partial = b""
        done = self.messages("done")
        self.done = done[-1] if done else None
        return self

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._join()
        self.process.stdout.close()
        self.process.stderr.close()
