# SPDX-License-Identifier: Apache-2.0
"""Short processes come out whole and in order; the snapshot at the start has neither holes nor duplicates."""

import collections
import json
import pathlib
import subprocess

import pytest

from harness import until
from harness.accounting import check


def triples(side, report, parent):
    """Each child: one fork, one exec, one exit, in that order, of one identity."""
    forks = {record["child"]: record for record in side.kind("fork", pid=parent)}
    execs = {record["pid"]: record for record in side.kind("exec")}
    exits = {record["pid"]: record for record in side.kind("exit")}
    for pid, code in report["children"]:
        fork, exec_, exit_ = forks.get(pid), execs.get(pid), exits.get(pid)
        assert fork and exec_ and exit_, f"{pid}: fork {fork}, exec {exec_}, exit {exit_}"
        assert fork["seq"] < exec_["seq"] < exit_["seq"], (fork, exec_, exit_)
        assert fork["time"] <= exec_["time"] <= exit_["time"], (fork, exec_, exit_)
        assert fork["child_start"] == exec_["start_time"] == exit_["start_time"], (fork, exec_, exit_)
        assert exec_["argv"][1:2] == ["child"] and exec_["ppid"] == parent, exec_
        assert exit_["code"] == code, exit_


def run_short_processes(sidecar, run, cgroup, count, per_second):
    side = sidecar(probe="process")
    program = run("short_processes", count, per_second, gate=True).open_gate(cgroup)
    report = program.finish(deadline=180)
    side.stop()
    done = check(side)
    assert done["process_lost"] == 0
    assert done["process_produced"] == 3 * count + 1
    assert collections.Counter(record["kind"] for record in side.records) == {
        "fork": count,
        "exec": count,
        "exit": count + 1,
    }
    triples(side, report, program.pid)


def test_short_processes_come_out_as_complete_triples_in_order(sidecar, run, cgroup):
    run_short_processes(sidecar, run, cgroup, 2000, 334)


@pytest.mark.slow
def test_twenty_thousand_short_processes_a_minute_come_out_as_complete_triples_in_order(sidecar, run, cgroup):
    run_short_processes(sidecar, run, cgroup, 20000, 334)


def test_times_are_in_order_where_sequence_numbers_are_of_one_process(sidecar, run, cgroup):
    side = sidecar(probe="process")
    program = run("proc_shapes", "fork", 200, gate=True).open_gate(cgroup)
    program.finish()
    side.stop()
    own = sorted(side.kind("fork", "exec", "exit", pid=program.pid), key=lambda record: record["seq"])
    assert len(own) == 201
    times = [record["time"] for record in own]
    assert times == sorted(times)


def identities(side):
    """(pid, start time) -> its records, in the order of their sequence numbers."""
    found = collections.defaultdict(list)
    for record in side.kind("fork", "exec", "exit"):
        if record["kind"] == "fork":
            found[record["child"], record["child_start"]].append(record)
        else:
            found[record["pid"], record["start_time"]].append(record)
    for records in found.values():
        records.sort(key=lambda record: record["seq"])
    return found


def born(records):
    """The ways in which a process came to be known: its fork, or its place in the snapshot."""
    return [record for record in records if record["kind"] == "fork" or record.get("snapshot")]


@pytest.mark.parametrize("turn", range(3))
def test_the_snapshot_and_the_live_events_have_neither_holes_nor_duplicates(sidecar, run, cgroup, turn):
    churn = [run("short_processes", 20000, 400, cgroup=cgroup) for _ in range(2)]
    sleepers = [run("proc_shapes", "wait", cgroup=cgroup) for _ in range(20)]
    side = sidecar(probe="process")
    side.wait_for("fork", count=400)
    for one in churn:
        one.terminate().finish()
    for one in sleepers:
        one.go().finish()
    side.wait_for("exit", count=len(sleepers), where=lambda record: record["pid"] in {one.pid for one in sleepers})
    side.stop()
    assert any(record.get("snapshot") for record in side.kind("exec")), "nothing ran before the start"
    assert side.kind("fork"), "nothing began after the start"
    for (pid, _), records in identities(side).items():
        births = born(records)
        assert len(births) <= 1, f"{pid} is born {len(births)} times: {records}"
        # Between the attachment and its turn in the snapshot a process may exec, and is known by that; or it is gone.
        first = records[0]
        known = first["kind"] != "exit" or len(records) == 1
        assert known and births in ([], [first]), f"{pid} was not known before: {records}"
        assert len([one for one in records if one["kind"] == "exit"]) <= 1, f"{pid} ends twice: {records}"
        # What is in the snapshot may have ended meanwhile; but nothing comes after the end.
        kinds = [one["kind"] for one in records]
        assert "exit" not in kinds[:-1], f"{pid} goes on after its end: {records}"
    for one in sleepers:
        assert [record.get("snapshot") for record in side.kind("exec", pid=one.pid)] == [True]
    births = [born(records) for records in identities(side).values()]
    assert births.count([]) <= 5, "more than a few slipped in between the attachment and the snapshot"


def test_a_process_whose_main_thread_has_left_is_in_the_snapshot(sidecar, run, cgroup):
    headless = run("proc_shapes", "leader", 42, cgroup=cgroup)
    stat = pathlib.Path(f"/proc/{headless.pid}/stat")
    until(lambda: stat.read_text().startswith(f"{headless.pid} (proc_shapes) Z"), "its main thread to leave")
    side = sidecar(probe="process")
    (record,) = side.wait_for("exec", pid=headless.pid)
    assert record["snapshot"] and record["comm"] == "proc_shapes" and record["fault"]
    headless.finish(42)
    assert side.wait_for("exit", pid=headless.pid)[0]["code"] == 42


def test_a_ring_smaller_than_the_snapshot_loses_none_of_it(sidecar, run, cgroup):
    sleepers = [run("proc_shapes", "wait", cgroup=cgroup) for _ in range(40)]
    side = sidecar("--ring-lifecycle", "4096", probe="process")
    side.stop()
    assert {record["pid"] for record in side.kind("exec")} == {one.pid for one in sleepers}
    assert side.done["process_lost"] == "0"


# In a PID namespace of its own, in which a decoy has the number that the observed process has outside.
BESIDE_A_DECOY = """
echo $(($1 - 1)) > /proc/sys/kernel/ns_last_pid
sleep $(seq 1000 1040) & [ $! = $1 ] || exit 99
shift; exec "$@"
"""


def test_a_process_outside_our_pid_namespace_is_not_taken_for_one_inside(binary, run, cgroup):
    outside = run("proc_shapes", "wait", cgroup=cgroup)
    command = [binary, "run", "--scope", f"cgroup:{cgroup.path}", "--probe", "process", "--format", "json"]
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", BESIDE_A_DECOY, "sh",
         str(outside.pid), *command],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        record = json.loads(process.stdout.readline())
        process.kill()
    assert record["pid"] == outside.pid and "ns_pid" not in record
    assert record["filename"] == "proc_shapes" and record["argv"] == [] and record["fault"], record


def test_a_process_of_the_snapshot_that_ends_at_once_ends_once(sidecar, run, cgroup):
    sleepers = [run("proc_shapes", "wait", cgroup=cgroup) for _ in range(30)]
    side = sidecar(probe="process", ready=False)
    # They leave while the sidecar starts.
    for one in sleepers:
        one.go().finish()
    side.wait_ready()
    side.stop()
    check(side)
    for (pid, _), records in identities(side).items():
        kinds = [one["kind"] for one in records]
        assert kinds in (["exec"], ["exec", "exit"], ["exec", "exec", "exit"], ["exit"]), f"{pid}: {records}"
        assert len(born(records)) <= 1, f"{pid} is twice in the snapshot: {records}"
