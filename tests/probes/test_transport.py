# SPDX-License-Identifier: Apache-2.0
"""Each transport brings the same records, in order, and loses none without a word; the reader sleeps and is woken in time."""

import collections
import json
import os
import random
import subprocess
import time

import pytest

from harness.accounting import check, check_record
from harness import until

TRANSPORTS = ["auto", "ringbuf", "ringbuf-output", "perf-heap", "perf-stack"]
PERF = ["perf-heap", "perf-stack"]
LONG = ["a b", "", "x" * 200, "y" * 900, "z" * 3000]


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


def flood(run, cgroup, *args):
    return run("write_flood", *args, gate=True).open_gate(cgroup).finish()


def calls(report):
    return sum(kind["calls"] for kind in report["kinds"].values()) + report["report_writes"]


def test_ready_names_the_transport_of_each_probe(sidecar, transport):
    side = sidecar("--transport", transport, probe="process,write,syscalls")
    ready = side.messages("ready")[0]["transport"]
    assert ready == {
        "auto": "process:ringbuf+ringbuf-output write:ringbuf",
    }.get(transport, f"process:{transport} write:{transport}")


def test_each_write_arrives_once_from_all_cpus(sidecar, run, cgroup, transport):
    side = sidecar("--transport", transport, "--ring-samples", "16M", probe="write,syscalls")
    report = flood(run, cgroup, "--count", 20000, "--sizes", "1,4096", "--threads", 2 * os.cpu_count())
    side.stop()
    done = check(side)
    assert done["write_produced"] == calls(report)
    assert done["write_lost"] == 0
    assert collections.Counter(record["syscall"] for record in side.kind("write")) == {
        kind: counted["calls"] + (kind == "write") * report["report_writes"]
        for kind, counted in report["kinds"].items()
        if counted["calls"]
    }
    assert {record["cpu"] for record in side.kind("write")} >= {thread["cpu"] for thread in report["threads"]}


def test_fork_comes_before_exec_before_exit_on_all_cpus_under_load(sidecar, run, cgroup, transport):
    side = sidecar("--transport", transport, "--ring-lifecycle", "4M", "--ring-samples", "16M", probe="process,write")
    load = run("write_flood", "--count", 40000, "--threads", os.cpu_count(), gate=True).open_gate(cgroup)
    shells = [run("short_processes", 300, 200, gate=True).open_gate(cgroup) for _ in range(2)]
    reports = [one.finish(deadline=120) for one in shells]
    load.finish()
    side.stop()
    assert check(side)["process_lost"] == 0
    seen = collections.defaultdict(list)
    for record in sorted(side.kind("fork", "exec", "exit"), key=lambda record: record["seq"]):
        seen[record["child"] if record["kind"] == "fork" else record["pid"]].append(record["kind"])
    for report in reports:
        assert len(report["children"]) == 300
        for pid, _ in report["children"]:
            assert seen[pid] == ["fork", "exec", "exit"], (pid, seen[pid])


@pytest.mark.parametrize("room", [10, 300, 1500, 5000])
def test_an_exec_is_the_same_by_each_transport(sidecar, run, cgroup, transport, room):
    """Whatever size class its arguments and its path make it."""
    side = sidecar("--transport", transport, probe="process")
    path = "/" + "./" * (room // 4) + "bin/true"
    argv = ["", "b c", "\xff", "d" * (room // 2)]
    run("proc_shapes", "vfork", path, *argv, gate=True).open_gate(cgroup).finish()
    (record,) = side.wait_for("exec", where=lambda record: record["comm"] == "true")
    whole = [path, *argv]
    size = sum(len(one.encode()) + 1 for one in whole)
    assert record["argv_bytes"] == size
    if transport == "perf-stack" and room > 60:
        assert record["truncated"] and path.startswith(record["filename"]) and len(record["filename"]) >= 63
        assert "\0".join(whole).startswith("\0".join(record["argv"]))
        return
    assert record["filename"] == path
    kept = "\0".join(record["argv"])
    assert "\0".join(whole).startswith(kept) and record.get("truncated", False) == (size > 4096)
    assert size > 4096 or record["argv"] == whole


def test_an_exec_of_any_size_is_whole_or_truncated(sidecar, run, cgroup, transport):
    side = sidecar("--transport", transport, probe="process")
    run("proc_shapes", "vfork", "/bin/true", *LONG, gate=True).open_gate(cgroup).finish()
    (record,) = side.wait_for("exec", where=lambda record: record["comm"] == "true")
    assert record["argv_bytes"] == sum(len(one) + 1 for one in ["/bin/true", *LONG])
    assert record["argv"][:3] == ["/bin/true", "a b", ""]
    assert record["truncated"] is True


@pytest.mark.parametrize("transport", TRANSPORTS[:-1])
def test_a_lookup_is_the_same_by_each_transport(sidecar, run, cgroup, transport):
    side = sidecar("--transport", transport, probe="getaddrinfo")
    run("gai", "lookup", "::1", "80", cgroup=cgroup).go().finish()
    (record,) = side.wait_for("getaddrinfo")
    assert record["node"] == "::1" and record["service"] == "80" and record["result"] == 0
    assert {(one["address"], one["port"]) for one in record["answers"]} == {("::1", 80)}


@pytest.mark.parametrize("transport", PERF)
def test_a_small_perf_buffer_loses_and_says_so(sidecar, run, cgroup, transport):
    side = sidecar("--transport", transport, "--perf-pages", "4", probe="write")
    report = flood(run, cgroup, "--count", 100000, "--threads", os.cpu_count())
    side.stop()
    done = check(side)
    assert done["write_produced"] == calls(report)
    assert done["write_lost"] > 0
    # The kernel tells of its losses with the next record that fits: what was lost last is never told.
    told = [int(line["kernel_lost"]) for line in side.messages("perf buffers were full")]
    assert len(told) <= 1 and sum(told) <= done["write_lost"]


@pytest.mark.parametrize("transport", PERF)
def test_the_snapshot_is_whole_in_a_small_perf_buffer(sidecar, run, cgroup, transport):
    sleepers = [run("proc_shapes", "wait", cgroup=cgroup) for _ in range(60)]
    side = sidecar("--transport", transport, "--perf-pages", "4", probe="process")
    side.wait_for("exec", count=60)
    side.stop()
    assert {record["pid"] for record in side.kind("exec")} == {one.pid for one in sleepers}
    assert side.done["process_lost"] == "0"


def test_perf_records_come_in_the_order_of_their_times(sidecar, run, cgroup):
    side = sidecar("--transport", "perf-heap", "--ring-samples", "16M", probe="write")
    flood(run, cgroup, "--count", 30000, "--threads", 2 * os.cpu_count())
    side.stop()
    check(side)
    records = sorted(side.kind("write"), key=lambda record: record["seq"])
    assert len({record["cpu"] for record in records}) == os.cpu_count()
    newest = ""
    for record in records:
        assert record["time"] >= newest or record["late"], record
        newest = max(newest, record["time"])
    assert sum(record.get("late", False) for record in records) < len(records) / 100


@pytest.mark.parametrize(
    "options, parts",
    [
        (["--transport", "pigeon"], ["pigeon", "perf-heap"]),
        (["--transport", "perf-stack"], ["getaddrinfo", "512"]),
        (["--ring-samples", "1000"], ["--ring-samples", "take 4096"]),
        (["--ring-samples", "700k"], ["716800", "take 524288"]),
        (["--ring-lifecycle", "900k"], ["921600", "take 1048576"]),
        (["--perf-pages", "12"], ["--perf-pages", "take 8"]),
        (["--perf-pages", "3"], ["--perf-pages", "3"]),
        (["--ring-samples", "2G"], ["--ring-samples", "2G"]),
    ],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_value_is_refused_with_the_right_one(binary, cgroup, command, options, parts):
    done = subprocess.run(
        [binary, command, "--scope", f"cgroup:{cgroup.path}", *options], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done
    assert all(part in done.stderr for part in parts), done.stderr


def test_check_says_what_would_be_taken(binary, cgroup, transport):
    done = subprocess.run(
        [binary, "check", "--scope", f"cgroup:{cgroup.path}", "--probe", "process", "--transport", transport],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done
    (line,) = [line for line in done.stdout.splitlines() if line.split()[1:2] == ["transport"]]
    assert ("ringbuf-output" if transport == "auto" else transport) in line


# ---------------------------------------------------------------- wake-ups


class Stream:
    """Takes the records as they are printed, and keeps none: a million rounds make three and a half million."""

    def __init__(self, side):
        self.side, self.partial, self.count = side, b"", 0
        side.accounted = False  # done here

    def take(self):
        """How many have come; each is the next one."""
        unread = self.side._unread
        while unread:
            *lines, self.partial = (self.partial + unread.popleft()).split(b"\n")
            for line in lines:
                record = json.loads(line)
                check_record(record)
                assert (record["kind"], record["seq"]) == ("write", self.count), record
                self.count += 1
        return self.count

    def end(self):
        side = self.side.stop()
        assert side.process.returncode == 0 and not side.records and not side.garbage and not self.partial, side.state()
        assert side.done["write_lost"] == "0", side.done
        for account in ("write_produced", "stream1_taken", "stream1_acknowledged"):
            assert side.done[account] == str(self.count), side.done


def rounds_of_silence(stream, program, count, limit):
    """Bursts after random pauses; the last record of each must be printed within `limit` seconds."""
    pick = random.Random(count)
    printed = 0
    for _ in range(count):
        burst = pick.randint(1, 6)
        time.sleep(pick.choice((0, 0, pick.random() / 2000, pick.random() / 300)))
        start = time.monotonic()
        program.process.stdin.write(bytes([burst]))
        program.process.stdin.flush()
        printed += burst
        while stream.take() < printed:
            took = time.monotonic() - start
            assert took < limit, f"{printed - stream.count} records of a burst were not printed in {took} s"
            time.sleep(0)  # the thread that reads them would wait 5 ms for its turn
    assert stream.count == printed


# A wake-up that is lost is made good by the next heartbeat, within a second: half of that is far more than a flush interval.
@pytest.mark.parametrize("options", [["auto"], ["ringbuf-output"], ["perf-heap"], ["auto", "--wakeup-bytes", "1"]])
@pytest.mark.parametrize("count", [400, pytest.param(1000000, marks=pytest.mark.slow)])
def test_no_wake_up_is_lost(sidecar, run, cgroup, options, count):
    side = sidecar("--transport", *options, "--flush-interval", "1ms", probe="write")
    program = run("bursts")
    until(program.at_gate, "the workload to wait for a burst")
    cgroup.add(program.pid)  # the bursts are all that it writes in there
    stream = Stream(side)
    rounds_of_silence(stream, program, count, 0.5)
    program.go().finish()
    stream.end()
