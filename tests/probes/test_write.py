# SPDX-License-Identifier: Apache-2.0
"""write: write, pwrite64, writev, pwritev, with what was asked and what came of it."""

import collections
import errno

import pytest

from harness import until

KINDS = ["write", "pwrite64", "writev", "pwritev"]


@pytest.fixture
def flood(run, cgroup):
    """Runs write_flood to its end, moved into the scope when it is ready to write; returns its report."""

    def start(*args):
        return run("write_flood", *args, gate=True).open_gate(cgroup).finish()

    return start


def records_of(side, report, count):
    """All records of the flood's process, its own report's write apart."""
    found = side.wait_for("write", pid=report["pid"], count=count + report["report_writes"])
    return [record for record in found if record["fd"] != 1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_write_has_fd_requested_and_returned(sidecar, flood, cgroup, kind):
    side = sidecar(probe="write")
    report = flood("--count", 3, "--kinds", kind, "--sizes", "1,1000,65536", "--threads", 1)
    records = records_of(side, report, 3)
    assert [record["requested"] for record in records] == [1, 1000, 65536]
    for record in records:
        assert record["syscall"] == kind and record["fd"] == report["fd"]
        assert record["returned"] == record["requested"]
        assert record["tid"] == report["threads"][0]["tid"] and record["cpu"] == report["threads"][0]["cpu"]
        assert record["cgroup_id"] == cgroup.id and record["comm"] == "write_flood" and record["stream"] == 1
        assert "latency_ns" not in record and record.get("sample", 1) == 1


def test_a_write_of_nothing_is_recorded(sidecar, flood):
    side = sidecar(probe="write")
    report = flood("--count", 4, "--sizes", 0)
    for record in records_of(side, report, 4):
        assert record["requested"] == 0 and record["returned"] == 0


def test_a_write_that_fails_has_its_errno(sidecar, flood):
    side = sidecar(probe="write")
    report = flood("--bad-fd", 8)
    records = records_of(side, report, 8)
    assert collections.Counter(record["syscall"] for record in records) == {kind: 2 for kind in KINDS}
    for record in records:
        assert record["fd"] == -1 and record["returned"] == -errno.EBADF and record["requested"] == 33


def test_iovecs_that_cannot_be_read_are_recorded_with_the_error(sidecar, flood):
    side = sidecar(probe="write")
    report = flood("--fault", 4)
    records = records_of(side, report, 4)
    assert all(record["returned"] == -errno.EFAULT and record["syscall"] == "writev" for record in records)
    # In turns: no iovec can be read; the first of two can, 44 bytes, if they are read one by one.
    assert {record["requested"] for record in records[0::2]} == {0}
    assert {record["requested"] for record in records[1::2]} <= {0, 44}


@pytest.mark.parametrize("kind", ["writev", "pwritev"])
def test_all_iovecs_are_summed(sidecar, flood, kind):
    side = sidecar(probe="write")
    for iovecs in (1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1023, 1024):
        report = flood("--count", 2, "--kinds", kind, "--sizes", 8 * iovecs + 3, "--iovecs", iovecs)
        for record in records_of(side, report, 2):
            assert record["requested"] == record["returned"] == 8 * iovecs + 3, record


def test_more_iovecs_than_the_kernel_takes_are_an_error(sidecar, flood):
    side = sidecar(probe="write")
    report = flood("--count", 2, "--kinds", "writev", "--sizes", 3000, "--iovecs", 1025, "--expect", errno.EINVAL)
    for record in records_of(side, report, 2):
        assert record["returned"] == -errno.EINVAL, record


def test_small_writes_are_left_out_when_asked(sidecar, flood):
    side = sidecar("--write-min-bytes", 100, probe="write")
    report = flood("--count", 400, "--sizes", "1,99,100,5000")
    # The report of the workload itself is longer than 100 bytes.
    records = records_of(side, report, 200)
    side.stop()
    records = [record for record in side.kind("write", pid=report["pid"]) if record["fd"] == report["fd"]]
    assert collections.Counter(record["requested"] for record in records) == {100: 100, 5000: 100}
    assert int(side.done["write_produced"]) == 200 + report["report_writes"]


@pytest.mark.parametrize("every", [2, 10])
def test_one_in_n_is_recorded_and_says_so(sidecar, flood, every):
    side = sidecar("--write-sample", every, probe="write")
    count = 20000
    report = flood("--count", count)
    side.wait(lambda: len(side.kind("write", pid=report["pid"])) >= count // every // 2, "half of the samples")
    side.stop()
    records = side.kind("write")
    assert records and all(record["sample"] == every for record in records)
    stands_for = len(records) * every
    assert abs(stands_for - count) <= count * 0.1, f"{len(records)} records of {count} calls, one in {every}"


def test_without_sampling_every_call_is_recorded(sidecar, flood):
    side = sidecar(probe="write")
    report = flood("--count", 2000)
    assert len(records_of(side, report, 2000)) == 2000


def test_latency_is_there_when_asked(sidecar, flood):
    side = sidecar("--latency", probe="write")
    report = flood("--count", 40, "--bad-fd", 4)
    for record in records_of(side, report, 44):
        assert 0 < record["latency_ns"] < 60e9, record


def test_a_write_that_blocks_shows_how_long(sidecar, run, cgroup):
    side = sidecar("--latency", probe="write")
    # Writes 128 KiB into a pipe of 64 KiB: it blocks until the pipe is read.
    program = run("/bin/dd", "if=/dev/zero", "bs=131072", "count=1", "status=none", cgroup=cgroup)

    def blocks():
        with open(f"/proc/{program.pid}/syscall", encoding="ascii") as text:
            return text.read().startswith("1 0x1 ")

    until(blocks, "the write to block")
    program.process.stdout.read(1 << 17)
    (record,) = side.wait_for("write", pid=program.pid, requested=1 << 17)
    assert record["returned"] == 1 << 17 and record["fd"] == 1 and record["latency_ns"] > 0


def test_writes_without_the_probe_are_not_recorded(sidecar, flood):
    side = sidecar(probe="process")
    flood("--count", 100)
    side.stop()
    assert not side.kind("write") and "write_produced" not in side.done


def test_a_32_bit_call_never_has_a_wrong_name(sidecar, run, cgroup):
    side = sidecar(probe="write")
    program = run("syscall_count", "--ia32", 50, "--ia32-write", 20, gate=True).open_gate(cgroup)
    report = program.finish()
    if not report["has_ia32"]:
        pytest.skip("this kernel has no 32-bit system calls")
    side.wait_for("write", pid=report["pid"], fd=1)
    side.stop()
    # 20 is getpid there and writev here; 4 is write there and stat here.
    others = [record for record in side.kind("write") if record["fd"] != 1]
    assert all(record["syscall"] == "ia32:write" for record in others), others[:3]
    assert all(record["returned"] == -errno.EBADF for record in others), others[:3]
    assert all(record["fd"] == -1 for record in others), others[:3]


@pytest.mark.parametrize("least", [0, 2001])
def test_a_32_bit_vector_is_measured(sidecar, run, cgroup, least):
    side = sidecar("--write-min-bytes", least, probe="write")
    program = run("syscall_count", "--ia32-vectors", gate=True).open_gate(cgroup)
    if not program.finish()["has_ia32"]:
        pytest.skip("this kernel has no 32-bit system calls")
    side.stop()
    records = side.kind("write", syscall="ia32:writev")
    assert [record["requested"] for record in records] == [size for size in (2100, 2000) if size >= least]
    assert all(record["returned"] == record["requested"] and "partial" not in record for record in records)
    assert len({record["fd"] for record in records}) == 1 and 2 < records[0]["fd"] < 10


def test_a_pwritev2_is_a_write(sidecar, run, cgroup, tmp_path):
    side = sidecar(probe="write")
    code = f"import os; f = os.open('{tmp_path}/f', os.O_RDWR | os.O_CREAT); os.pwritev(f, [b'abc', b'de'], 7, os.RWF_DSYNC)"
    run("/usr/bin/python3", "-c", code, cgroup=cgroup).finish()
    (record,) = side.wait_for("write", syscall="pwritev2")
    assert (record["requested"], record["returned"]) == (5, 5)
