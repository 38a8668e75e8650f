# SPDX-License-Identifier: Apache-2.0
"""Nothing from outside the scope ever appears, however busy it is out there; and a task is judged where it is."""

import pytest

from harness import until

PROBES = "process,getaddrinfo,write,syscalls"


@pytest.fixture
def neighbour(run, new_cgroup):
    """Two busy neighbours: one in a cgroup beside the scope, one in the root."""
    outside = new_cgroup("neighbour")
    busy = [run("neighbour", cgroup=outside), run("neighbour")]
    for one in busy:
        until(lambda one=one: _started(one.pid), "the neighbour to start")
    return outside, busy


def _started(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
        return comm.read().strip() == "neighbour"


def test_a_busy_neighbour_never_appears(sidecar, run, cgroup, neighbour):
    _, busy = neighbour
    side = sidecar(probe=PROBES)
    pids = set()
    for i in range(10):
        program = run("gai", "--hints", "4,0,1,0", "call", f"127.0.3.{i}", cgroup=cgroup).go()
        program.finish()
        pids.add(program.pid)
    side.wait_for("exit", count=len(pids))
    reports = [one.terminate().finish() for one in busy]
    assert all(report["writes"] > 1000 and report["processes"] > 1 for report in reports), "it was not busy"
    side.stop()
    for record in side.records:
        if record["kind"] == "loss":
            continue
        assert record["cgroup_id"] == cgroup.id, record
        assert record.get("pid", record.get("child")) in pids | {None}, record
        assert record.get("comm") != "neighbour" and record.get("requested") != 77, record


def test_an_empty_scope_beside_a_busy_neighbour_gives_nothing_at_all(sidecar, neighbour):
    _, busy = neighbour
    side = sidecar("--counters-interval", "100ms", probe=PROBES)
    for one in busy:
        assert one.terminate().finish()["writes"] > 1000
    side.stop()
    assert side.records == []
    for probe in ("process", "getaddrinfo", "write"):
        assert side.done[f"{probe}_produced"] == "0"


def test_a_scope_whose_name_begins_alike_is_another(sidecar, run, new_cgroup):
    scope, alike = new_cgroup("app"), new_cgroup("app-2")
    inner = new_cgroup("app", parent=alike)
    side = sidecar(probe="process", scope=[f"cgroup:{scope.path}"])
    for place in (alike, inner):
        run("/bin/true", cgroup=place).finish()
    inside = run("/bin/true", cgroup=scope)
    inside.finish()
    side.wait_for("exit", pid=inside.pid)
    side.stop()
    assert {record["pid"] for record in side.kind("fork", "exec", "exit")} == {inside.pid}


def test_a_task_that_moves_is_judged_where_it_is(sidecar, run, cgroup, new_cgroup):
    outside = new_cgroup("outside")
    side = sidecar("--ring-samples", "4M", probe="process,write,syscalls")
    program = run("cgroup_mover", cgroup.path, outside.path, 20, 50, gate=True).open_gate(outside)
    report = program.finish()
    side.wait_for("fork", pid=report["pid"], count=report["rounds"])
    side.wait_for("write", pid=report["pid"], fd=100, count=report["calls"])
    side.stop()
    writes = side.kind("write")
    assert {record["requested"] for record in writes if record["fd"] == 100} == {11}
    assert len([record for record in writes if record["fd"] == 100]) == report["calls"]
    # The move inwards returns inside, the move outwards outside. The report is written outside.
    assert len([record for record in writes if record["fd"] == 101]) == report["rounds"]
    assert {record["fd"] for record in writes} == {100, 101}
    assert {record["pid"] for record in writes} == {report["pid"]}
    assert [record["child"] for record in side.kind("fork")] == report["inside"]
    assert [(record["pid"], record["code"]) for record in side.kind("exit")] == [(pid, 1) for pid in report["inside"]]
    assert side.counted("getppid", cgroup)["count"] == report["calls"]
    assert side.counted("getpgid", cgroup)["count"] == 0
    assert {row["cgroup_id"] for row in side.counters()} == {cgroup.id}


def test_a_call_that_began_outside_has_no_latency(sidecar, run, cgroup, new_cgroup):
    outside = new_cgroup("outside")
    side = sidecar("--latency", probe="write")
    program = run("cgroup_mover", cgroup.path, outside.path, 5, 2, gate=True).open_gate(outside)
    report = program.finish()
    moves = side.wait_for("write", pid=report["pid"], fd=101, count=report["rounds"])
    assert all("latency_ns" not in record for record in moves), moves
    inside = side.wait_for("write", pid=report["pid"], fd=100, count=report["calls"])
    assert all(record["latency_ns"] > 0 for record in inside)


def test_the_sidecar_does_not_see_itself(sidecar, run, cgroup):
    side = sidecar("--counters-interval", "100ms", probe="process,write,syscalls")
    cgroup.add(side.pid)
    program = run("write_flood", "--count", 10, gate=True).open_gate(cgroup)
    report = program.finish()
    side.wait_for("exit", pid=report["pid"])
    side.stop()
    assert {record["pid"] for record in side.kind("fork", "exec", "exit", "write")} == {report["pid"]}
    assert side.counted("bpf", cgroup)["count"] == 0 and side.counted("epoll_wait", cgroup)["count"] == 0


def test_the_sidecar_sees_itself_when_asked(sidecar, cgroup):
    side = sidecar("--include-self", "--counters-interval", "100ms", probe="write,syscalls")
    cgroup.add(side.pid)
    side.wait(lambda: side.counters(), "a row of its own")
    side.wait_for("write", pid=side.pid)


def test_what_is_excluded_below_the_scope_does_not_appear(sidecar, run, cgroup, new_cgroup):
    noisy = new_cgroup("noisy", parent=cgroup)
    side = sidecar("--exclude", f"cgroup:{noisy.path}", probe="process,syscalls")
    hidden = run("syscall_count", "--count", 500, gate=True).open_gate(noisy)
    hidden.finish()
    shown = run("syscall_count", "--count", 5, gate=True).open_gate(cgroup)
    shown.finish()
    side.wait_for("exit", pid=shown.pid)
    side.stop()
    assert {record["pid"] for record in side.kind("fork", "exec", "exit")} == {shown.pid}
    assert side.counted("getppid", noisy)["count"] == 0


def test_a_scope_that_is_removed_and_made_again_is_observed_from_its_first_process(sidecar, run, cgroup, new_cgroup):
    scope, stays, outside = (new_cgroup(name, parent=cgroup) for name in ("scope", "stays", "outside"))
    side = sidecar(probe="process,syscalls", scope=[f"cgroup:{one.path}" for one in (scope, stays)])
    outside.remove()
    scope.remove()
    side.wait(lambda: side.messages("scope is gone"), "the warning")
    # Neither what has the name in another place nor what has a longer, a shorter or a like one in the same is the same path.
    others = [new_cgroup(name, parent=cgroup) for name in ("scope2", "scop", "scopf", "xcope")]
    others.append(new_cgroup("scope", parent=new_cgroup("outside", parent=cgroup)))
    again = new_cgroup("scope", parent=cgroup)
    assert again.path == scope.path and again.id != scope.id
    for place in (*others, again):
        program = run("/bin/true", cgroup=place)
        program.finish()
    ended = side.wait_for("exit", pid=program.pid)[0]
    side.stop()
    assert ended["cgroup_id"] == again.id
    assert {record["pid"] for record in side.kind("fork", "exec", "exit")} == {program.pid}
    assert {record["cgroup_id"] for record in side.counters()} == {again.id}
    (line,) = side.messages("scope is gone")
    assert line["scope"] == f"cgroup:{scope.path}" and line["level"] == "warn"
    (line,) = side.messages("scope is back")
    assert line["scope"] == f"cgroup:{scope.path}"


def test_an_exclusion_that_is_made_again_stays_one(sidecar, run, cgroup, new_cgroup):
    noisy = new_cgroup("noisy", parent=cgroup)
    side = sidecar("--exclude", f"cgroup:{noisy.path}", probe="process")
    noisy.remove()
    again = new_cgroup("noisy", parent=cgroup)
    hidden, shown = run("/bin/true", cgroup=again), run("/bin/true", cgroup=cgroup)
    hidden.finish()
    shown.finish()
    side.wait_for("exit", pid=shown.pid)
    side.stop()
    assert {record["pid"] for record in side.kind("fork", "exec", "exit")} == {shown.pid}
    assert not side.messages("scope is gone") and not side.messages("scope is back")
