# SPDX-License-Identifier: Apache-2.0
"""stdout that is slower than the events: nothing stalls, nothing is torn, what it did not take is said."""

import json
import os
import signal
import subprocess
import time

from harness import logfmt

WRITES = 200_000


def test_a_slow_reader_gets_whole_lines_and_the_rest_is_not_acknowledged(binary, cgroup, run):
    side = subprocess.Popen(
        [str(binary), "run", "--scope", f"cgroup:{cgroup.path}", "--probe", "write", "--format", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    try:
        while b"msg=ready" not in (line := side.stderr.readline()):
            assert line, "it ended before it was ready"
        run("write_flood", "--count", WRITES, "--kinds", "write", gate=True).open_gate(cgroup).finish()
        side.send_signal(signal.SIGTERM)
        text = b""
        while piece := os.read(side.stdout.fileno(), 4096):
            text += piece
            time.sleep(0.005)
        assert side.wait(timeout=30) == 0
        done = logfmt.parse(side.stderr.read().decode().strip().splitlines()[-1])
    finally:
        side.kill()
    assert text.endswith(b"\n")
    assert all(json.loads(line)["kind"] in ("write", "loss") for line in text.splitlines())
    assert int(done["stream1_acknowledged"]) < int(done["stream1_taken"])
