# SPDX-License-Identifier: Apache-2.0
"""profile: samples of what runs, with the stacks of the kernel and of the program."""

import collections
import functools
import os
import pathlib
import re
import subprocess

import pytest

from harness import workload
from harness.cgroup import Cgroup

CPU_CLOCK = "cpu-clock"
CHAIN = ["hot_leaf", "hot_middle", "hot_outer", "main"]
ID = "c0ffee" + "0" * 58


@pytest.fixture
def hot(run, cgroup):
    """Runs hot_chain to its end, moved into the scope when it is ready; returns its report."""

    def start(*args):
        return run("hot_chain", *args, gate=True).open_gate(cgroup).finish()

    return start


def tool(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@functools.cache
def build_id(path):
    return re.search(r"Build ID: ([0-9a-f]+)", tool("readelf", "-n", path)).group(1)


@functools.cache
def code(path):
    """(file offset, address) of its code, and its functions as (start, end, name)."""
    segment = re.search(r"LOAD\s+(0x\w+) (0x\w+) 0x\w+ 0x\w+ 0x\w+ R E", tool("readelf", "-lW", path))
    functions = re.findall(r"^(\w+) (\w+) [tT] (\S+)$", tool("nm", "--print-size", path), re.MULTILINE)
    return (
        int(segment[1], 16),
        int(segment[2], 16),
        [(int(start, 16), int(start, 16) + int(size, 16), name) for start, size, name in functions],
    )


def function(frame, path, innermost):
    """The function of a user frame in this file; None: it is not of this file, or of none of its functions."""
    if frame.get("build_id") != build_id(path):
        return None
    offset, address, functions = code(path)
    place = frame["offset"] - offset + address - (0 if innermost else 1)  # a place of return is behind the call
    return next((name for start, end, name in functions if start <= place < end), None)


def chain(record):
    path = workload.program("hot_chain")
    return [function(frame, path, not i) for i, frame in enumerate(record.get("user_stack", []))]


def assert_rate(records, report, hz):
    want = hz * report["cpu_ns"] / 1e9
    assert want / 2 <= len(records) <= want * 2, f"{len(records)} samples of {report}, {want:.0f} expected"


@pytest.mark.parametrize("hz", [99, 1000])
def test_samples_lead_to_the_hot_function_at_the_asked_rate(sidecar, hot, cgroup, hz):
    side = sidecar("--profile-hz", hz, probe="profile")
    report = hot(2)
    side.stop()
    records = side.kind("profile", pid=report["pid"])
    assert_rate(records, report, hz)
    for record in records:
        assert record["hz"] == hz and record["event"] in (CPU_CLOCK, "cycles")
        assert record["cgroup_id"] == cgroup.id and record["comm"] == "hot_chain" and record["stream"] == 1
    right = [record for record in records if chain(record)[: len(CHAIN)] == CHAIN]
    assert len(right) >= 0.9 * len(records), collections.Counter(str(chain(record)) for record in records)
    # It computes; what interrupts it is the kernel's.
    assert sum("kernel_stack" in record for record in right) <= 0.2 * len(right)


def test_time_in_the_kernel_shows_its_functions_and_who_called(sidecar, hot):
    side = sidecar(probe="profile")
    report = hot(2, "--kernel")
    side.stop()
    records = side.kind("profile", pid=report["pid"])
    assert_rate(records, report, 99)
    inside = [record for record in records if "kernel_stack" in record]
    assert len(inside) >= 0.8 * len(records)
    symbols = [[frame.get("symbol") for frame in record["kernel_stack"]] for record in inside]
    reads = [names for names in symbols if "vfs_read" in names]
    assert len(reads) >= 0.8 * len(inside), collections.Counter(map(str, symbols)).most_common(3)
    for names in reads:
        assert names.index("vfs_read") < names.index("do_syscall_64"), "innermost first"
    # The leaf is behind libc's read(), which keeps no frame pointer.
    callers = [record for record in inside if {"hot_middle", "hot_outer", "main"} <= set(chain(record))]
    assert len(callers) >= 0.8 * len(inside), collections.Counter(str(chain(record)) for record in inside)


def test_kernel_names_are_those_of_kallsyms(sidecar, hot):
    """Each symbol is in the kernel's list, and the next one there is farther than the offset."""
    side = sidecar(probe="profile")
    report = hot(1, "--kernel")
    side.stop()
    starts = {}
    for line in pathlib.Path("/proc/kallsyms").read_text(encoding="ascii").splitlines():
        address, kind, name, *module = line.split()
        if kind in "tTwW" and not module:
            starts.setdefault(name, []).append(int(address, 16))
    all_starts = sorted({start for each in starts.values() for start in each})
    following = dict(zip(all_starts, all_starts[1:]))
    frames = [
        frame
        for record in side.kind("profile", pid=report["pid"])
        for frame in record.get("kernel_stack", [])
        if frame.get("symbol") not in (None, "[bpf]")
    ]
    assert frames
    for frame in frames:
        assert any(start + frame["offset"] < following.get(start, 1 << 64) for start in starts[frame["symbol"]]), frame


def test_nothing_from_outside_the_scope_is_sampled(sidecar, run, cgroup, new_cgroup):
    side = sidecar(probe="profile")
    outside = run("hot_chain", 1, gate=True).open_gate(new_cgroup("other"))
    inside = run("hot_chain", 1, gate=True).open_gate(cgroup)
    report = inside.finish()
    outside.finish()
    side.stop()
    assert {record["pid"] for record in side.kind("profile")} == {report["pid"]}


def test_the_sidecar_does_not_sample_itself_unless_asked(sidecar, run, cgroup):
    sides = [sidecar("--profile-hz", 5000, *more, probe="profile") for more in ([], ["--include-self"])]
    for side in sides:
        cgroup.add(side.pid)
    sides[1].wait_for("profile", pid=sides[1].pid)
    sides[0].stop()
    sides[1].stop()
    assert not sides[0].kind("profile", pid=sides[0].pid)


def test_a_sample_says_which_cpu(sidecar, hot):
    cpu = max(os.sched_getaffinity(0))
    side = sidecar(probe="profile")
    report = hot(0.5, "--cpu", cpu)
    side.stop()
    records = side.kind("profile", pid=report["pid"])
    assert records and {record["cpu"] for record in records} == {cpu}


def test_a_stack_that_is_too_deep_is_cut_and_says_so(sidecar, hot):
    side = sidecar(probe="profile")
    report = hot(1, "--depth", 200)
    side.stop()
    deep = [record for record in side.kind("profile", pid=report["pid"]) if record.get("truncated")]
    assert deep
    for record in deep:
        assert len(record["user_stack"]) == 64
    assert any(chain(record)[:2] == ["hot_leaf", "hot_deeper"] for record in deep)
    report = hot(1, "--depth", 40)
    assert not any(record.get("truncated") for record in side.kind("profile", pid=report["pid"]))


def test_a_container_has_its_id_though_no_other_probe_names_it(sidecar, run, cgroup):
    side = sidecar(probe="profile")
    inner = Cgroup(f"docker-{ID}.scope", parent=cgroup)
    report = run("hot_chain", 0.5, gate=True).open_gate(inner).finish()
    side.stop()
    records = side.kind("profile", pid=report["pid"])
    assert records and {record.get("container") for record in records} == {ID}
    assert {record["cgroup_id"] for record in records} == {inner.id}


@pytest.mark.parametrize("transport", ["auto", "ringbuf", "ringbuf-output", "perf-heap"])
def test_each_transport_carries_the_same_samples(sidecar, hot, transport):
    side = sidecar("--transport", transport, probe="profile")
    (ready,) = side.messages("ready")
    assert ready["transport"] == "profile:" + transport.replace("auto", "ringbuf-output")
    report = hot(2)
    side.stop()
    records = side.kind("profile", pid=report["pid"])
    assert_rate(records, report, 99)
    right = [record for record in records if chain(record)[: len(CHAIN)] == CHAIN]
    assert len(right) >= 0.9 * len(records)


def test_perf_stack_is_refused_by_name(binary):
    done = subprocess.run(
        [str(binary), "run", "--scope", "host", "--probe", "profile", "--transport", "perf-stack"],
        capture_output=True, text=True, timeout=30, check=False,
    )
    assert done.returncode == 2
    assert "profile" in done.stderr and "512" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("value", ["0", "10001", "many", "-1"])
def test_a_wrong_rate_is_refused(binary, value):
    done = subprocess.run(
        [str(binary), "run", "--scope", "host", "--probe", "profile", "--profile-hz", value],
        capture_output=True, text=True, timeout=30, check=False,
    )
    assert done.returncode == 2
    assert "--profile-hz" in done.stderr and value in done.stderr


@pytest.mark.parametrize("transport", ["ringbuf", "ringbuf-output", "perf-heap"])
def test_a_tiny_ring_loses_and_says_how_many(sidecar, hot, transport):
    side = sidecar("--ring-samples", "4096", "--perf-pages", 4, "--profile-hz", 10000, "--flush-interval", "1s",
                   "--transport", transport, probe="profile")
    hot(2, "--depth", 200)
    side.stop()
    assert int(side.done["profile_produced"]) > 0
    if transport != "ringbuf-output":  # there the kernel wakes the reader at each record
        assert int(side.done["profile_lost"]) > 0, "nothing was lost: this test tests nothing"
    assert {loss["reason"] for loss in side.kind("loss", probe="profile")} <= {"ring_full", "contended"}


def test_samples_and_a_flood_of_writes_share_the_ring(sidecar, run, cgroup):
    """A sample comes in the midst of a write's record as often as not; both accounts hold (see the fixture)."""
    side = sidecar("--profile-hz", 10000, "--ring-samples", "16M", probe="profile,write")
    report = run("write_flood", "--count", 100000, "--kinds", "write", gate=True).open_gate(cgroup).finish()
    side.stop()
    assert side.kind("profile", pid=report["pid"]) and int(side.done["write_produced"]) > 100000


def capabilities(keep):
    return ["setpriv", f"--bounding-set=-all,{keep}", f"--inh-caps=-all,{keep}", f"--ambient-caps=-all,{keep}"]


def test_where_addresses_are_hidden_there_are_no_kernel_stacks(binary, run, cgroup):
    """Without CAP_SYSLOG /proc/kallsyms shows none (kernel.perf_event_paranoid being above 1)."""
    command = [*capabilities("+bpf,+perfmon"), str(binary)]
    scope = ["--scope", f"id:{cgroup.id}", "--probe", "profile"]
    check = subprocess.run([*command, "check", *scope, "--format", "table"], capture_output=True, text=True, check=True)
    if "hides its addresses" not in check.stdout:
        pytest.skip("this kernel shows its addresses to everybody: kernel.perf_event_paranoid is below 2")
    assert "--cap-add SYSLOG" in check.stdout and "no_kernel_stack" in check.stdout
    with subprocess.Popen(
        [*command, "run", *scope, "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as side:
        try:
            assert any("msg=ready" in line for line in iter(side.stderr.readline, ""))
            run("hot_chain", 1, "--kernel", gate=True).open_gate(cgroup).finish()
            side.terminate()
            out, _ = side.communicate(timeout=30)
        finally:
            side.kill()
    assert '"user_stack"' in out and "kernel_stack" not in out


def test_check_says_which_clock_and_what_names_there_are(binary, cgroup):
    done = subprocess.run(
        [str(binary), "check", "--scope", f"id:{cgroup.id}", "--probe", "profile", "--format", "table"],
        capture_output=True, text=True, check=True, timeout=60,
    )
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert "99 times a second" in lines["perf_event"]
    assert ("cycles" in lines["profile"]) == (lines["cycles"].split()[2] == "ok")
    assert re.search(r"[0-9]{4,} functions", lines["kallsyms"])
