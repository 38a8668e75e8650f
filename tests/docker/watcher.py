# SPDX-License-Identifier: Apache-2.0
"""`ringside run` in a container: its records and messages, as the engine's log gives them. Has what harness.accounting
asks of a sidecar."""

import collections
import json
import subprocess
import threading

from harness import logfmt, until


class Watcher:
    def __init__(self, container):
        self.container = container
        self.records = []
        self.errors = []  # stderr, line by line
        self.garbage = []  # stdout that is no JSON
        self.done = None
        self.status = None  # the container's exit status, once stopped
        self.accounted = True  # False: the test ends it in a way in which its accounts cannot balance
        self.process = subprocess.Popen(
            [*container.engine.cli, "logs", "--follow", container.id],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        )
        self._threads = [
            threading.Thread(target=self._read_records, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_records(self):
        for line in self.process.stdout:
            try:
                self.records.append(json.loads(line))
            except ValueError:
                self.garbage.append(line)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip("\n"))

    def messages(self, msg):
        return [pairs for pairs in map(logfmt.parse, list(self.errors)) if pairs.get("msg") == msg]

    def kind(self, *kinds, **fields):
        """Records of these kinds so far whose fields have these values."""
        return [
            record
            for record in list(self.records)
            if record.get("kind") in kinds and all(record.get(key) == value for key, value in fields.items())
        ]

    def state(self):
        kinds = collections.Counter(record.get("kind") for record in list(self.records))
        return f"records: {dict(kinds)}\n  last: {self.records[-3:]}\n  stderr:\n    " + "\n    ".join(self.errors[-15:])

    def _wait(self, condition, what, deadline=30.0):
        def alive():
            value = condition()
            if not value and self.process.poll() is not None:
                for thread in self._threads:
                    thread.join(5)
                value = condition()
                assert value, f"the sidecar ended while waiting for {what}\n{self.state()}"
            return value

        return until(alive, lambda: f"{what}\n{self.state()}", deadline)

    def wait_ready(self):
        return self._wait(lambda: self.messages("ready"), "msg=ready")[0]

    def wait_for(self, *kinds, **fields):
        """Waits for a record of these kinds and fields, and returns it."""
        return self._wait(lambda: self.kind(*kinds, **fields), f"a record of {kinds} {fields}")[0]

    def stop(self):
        """As a user would; keeps the exit status and the `done` line. Twice does no harm."""
        if self.status is None:
            self.status = self.container.stop()
            self.process.wait(30)
            for thread in self._threads:
                thread.join(20)
            done = self.messages("done")
            self.done = done[-1] if done else None
        return self

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
