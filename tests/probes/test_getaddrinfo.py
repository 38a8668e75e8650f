# SPDX-License-Identifier: Apache-2.0
"""getaddrinfo: what the caller asked and what it got, for glibc, musl and static programs."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import types

import pytest

from harness import until
from harness.dns import CROWD, MANY

VARIANTS = ["glibc", "musl", "static"]
EAI_NONAME, EAI_AGAIN, EAI_SYSTEM, EAI_BADFLAGS = -2, -3, -11, -1
NUMERIC_STREAM = "4,0,1,0"
MOST_ANSWERS, MOST_COUNTED = 32, 256


@pytest.fixture
def attached(cgroup, run, sidecar):
    """A function that starts the sidecar while a program of this variant waits in the scope: its library is attached."""

    def start(variant="glibc", *args, probe="getaddrinfo"):
        keeper = run("gai", "wait", cgroup=cgroup, variant=variant)
        until(lambda: _executes(keeper.pid, "gai"), "the keeper to start")
        return sidecar(*args, probe=probe)

    return start


def _executes(pid, name):
    return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name and _maps_done(pid)


def _maps_done(pid):
    """It waits in read(2) on stdin: all its libraries are mapped."""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as text:
        return text.read().startswith("0 0x0 ")


def expect(record, call):
    """The record is what the caller saw."""
    assert record["result"] == call["result"], record
    assert 0 < record["latency_ns"] <= call["latency_ns"], (record, call)
    assert record["tid"] == call["tid"], record
    assert record["answers_seen"] == min(len(call["answers"]), MOST_COUNTED), record
    assert len(record["answers"]) == min(len(call["answers"]), MOST_ANSWERS), record
    assert record.get("truncated", False) == (len(call["answers"]) > MOST_ANSWERS), record
    for got, want in zip(record["answers"], call["answers"]):
        for key in ("flags", "family", "socktype", "protocol", "addrlen", "address", "port"):
            assert got.get(key) == want[key], (key, got, want)
        assert got.get("scope_id", 0) == want["scope_id"], (got, want)
        assert got.get("canonname") == want["canonname"], (got, want)


def look_up(sidecar_, run, cgroup, *args, **options):
    """Runs one gai and returns its one record and its one call."""
    program = run("gai", *args, cgroup=cgroup, **options).go()
    report = program.finish()
    records = sidecar_.wait_for("getaddrinfo", pid=program.pid, count=len(report["calls"]))
    assert len(records) == len(report["calls"]) == 1, (records, report)
    return records[0], report["calls"][0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_addresses_of_a_name_with_both_families_are_recorded(attached, run, cgroup, dns, variant):
    side = attached(variant)
    record, call = look_up(
        side, run, cgroup, "--hints", "2,0,1,0", "call", "both.test", "8080", variant=variant, etc=dns.etc
    )
    expect(record, call)
    assert {answer["address"] for answer in record["answers"]} == {"192.0.2.3", "2001:db8::3"}
    assert {answer["port"] for answer in record["answers"]} == {8080}
    assert record["answers"][0]["canonname"] == "both.test"
    assert record["node"] == "both.test" and record["service"] == "8080"
    assert record["hints"] == {"flags": 2, "family": 0, "socktype": 1, "protocol": 0}
    assert record["comm"] == "gai" and record["cgroup_id"] == cgroup.id and record["stream"] == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_canonical_name_of_an_alias_is_recorded(attached, run, cgroup, dns, variant):
    side = attached(variant)
    record, call = look_up(side, run, cgroup, "--hints", "2,0,1,0", "call", "alias.test", variant=variant, etc=dns.etc)
    expect(record, call)
    assert record["answers"][0]["canonname"] == "v4.test"
    assert {answer["address"] for answer in record["answers"]} == {"192.0.2.1", "192.0.2.2"}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "name,result,text", [("nothing.test", EAI_NONAME, "EAI_NONAME"), ("broken.test", EAI_AGAIN, "EAI_AGAIN")]
)
def test_failures_are_recorded_by_number_and_name(attached, run, cgroup, dns, variant, name, result, text):
    side = attached(variant)
    record, call = look_up(side, run, cgroup, "call", name, variant=variant, etc=dns.etc)
    expect(record, call)
    assert (record["result"], record["result_name"]) == (result, text)
    assert record["answers"] == [] and record["answers_seen"] == 0


def test_a_server_that_is_silent_shows_as_again_with_the_time_it_took(attached, run, cgroup, dns):
    side = attached()
    record, call = look_up(side, run, cgroup, "--hints", "0,2,1,0", "call", "silent.test", etc=dns.etc)
    expect(record, call)
    assert record["result_name"] == "EAI_AGAIN"
    assert record["latency_ns"] >= 900_000_000  # the resolver's own timeout, one second
    assert "silent.test" in dns.queries


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_ipv6_address_keeps_its_scope_and_port(attached, run, cgroup, variant):
    side = attached(variant)
    record, call = look_up(side, run, cgroup, "--hints", NUMERIC_STREAM, "call", "fe80::1%lo", "443", variant=variant)
    expect(record, call)
    (answer,) = record["answers"]
    assert answer["scope_id"] == socket.if_nametoindex("lo") and answer["port"] == 443
    assert answer["address"] == "fe80::1" and answer["family"] == socket.AF_INET6 and answer["addrlen"] == 28


@pytest.mark.parametrize("variant", VARIANTS)
def test_null_node_service_and_hints_are_left_out(attached, run, cgroup, variant):
    side = attached(variant)
    record, call = look_up(side, run, cgroup, "call", "-", "80", variant=variant)
    expect(record, call)
    assert "node" not in record and record["service"] == "80" and "hints" not in record
    record, call = look_up(side, run, cgroup, "call", "127.0.0.1", "-", variant=variant)
    expect(record, call)
    assert record["node"] == "127.0.0.1" and "service" not in record
    record, call = look_up(side, run, cgroup, "call", "-", "-", variant=variant)
    expect(record, call)
    assert "node" not in record and "service" not in record and record["result_name"] == "EAI_NONAME"


def test_an_empty_node_is_not_a_missing_one(attached, run, cgroup, dns):
    side = attached()
    record, call = look_up(side, run, cgroup, "call", "", "80", etc=dns.etc)
    expect(record, call)
    assert record["node"] == ""


@pytest.mark.parametrize("variant", VARIANTS)
def test_forty_answers_give_thirty_two_and_the_flag(attached, run, cgroup, dns, variant):
    side = attached(variant)
    record, call = look_up(side, run, cgroup, "--hints", "0,0,1,0", "call", "many.hosts", variant=variant, etc=dns.etc)
    assert len(call["answers"]) == len(MANY)
    expect(record, call)
    assert record["answers_seen"] == len(MANY) and record["truncated"] is True


def test_three_hundred_answers_are_counted_to_two_hundred_and_fifty_six(attached, run, cgroup, dns):
    side = attached()
    record, call = look_up(side, run, cgroup, "call", "crowd.hosts", etc=dns.etc)
    assert len(call["answers"]) == 3 * len(CROWD)
    expect(record, call)
    assert record["answers_seen"] == MOST_COUNTED


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_name_of_a_thousand_letters_is_whole(attached, run, cgroup, dns, variant):
    side = attached(variant)
    record, call = look_up(side, run, cgroup, "long", variant=variant, etc=dns.etc)
    expect(record, call)
    assert record["node"] == "n" * 1000 and "truncated" not in record


def test_a_name_that_is_no_utf8_is_kept_whole(attached, run, cgroup, dns):
    side = attached()
    record, call = look_up(side, run, cgroup, "call", b"caf\xe9.test", etc=dns.etc)
    expect(record, call)
    assert record["node"] == "caf\ufffd.test" and record["node_b64"] == "Y2Fm6S50ZXN0"


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_name_on_a_page_not_yet_in_memory_is_read(attached, run, cgroup, dns, variant):
    side = attached(variant)
    record, call = look_up(side, run, cgroup, "late", "localhost", variant=variant, etc=dns.etc)
    expect(record, call)
    assert record["node"] == "localhost"


def test_a_pointer_that_faults_is_recorded_without_a_name(attached, run, cgroup):
    side = attached("musl")
    record, call = look_up(side, run, cgroup, "bad_flags", variant="musl")
    expect(record, call)
    assert record["result_name"] == "EAI_BADFLAGS" and record["result"] == EAI_BADFLAGS
    assert not record.get("node") and record["service"] == "80"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode,node", [("crash", ()), ("jump", ("silent.test",)), ("cancel", ("silent.test",))])
def test_a_call_that_never_returns_does_not_spoil_the_next(attached, run, cgroup, dns, variant, mode, node):
    side = attached(variant)
    program = run("gai", mode, *node, cgroup=cgroup, variant=variant, etc=dns.etc).go()
    (call,) = program.finish()["calls"]
    (record,) = side.wait_for("getaddrinfo", pid=program.pid, where=lambda one: one.get("node") == "127.0.0.9")
    expect(record, call)
    others = [one for one in side.kind("getaddrinfo", pid=program.pid) if one is not record]
    assert all("result" not in one for one in others), f"a call that never returned has a result: {others}"


@pytest.mark.parametrize("variant", VARIANTS)
def test_calls_of_eight_threads_are_all_recorded_once(attached, run, cgroup, variant):
    side = attached(variant)
    program = run("gai", "threads", cgroup=cgroup, variant=variant).go()
    report = program.finish()
    want = sorted(f"127.{t}.{c}.1" for t in range(report["threads"]) for c in range(report["calls_each"]))
    records = side.wait_for("getaddrinfo", pid=program.pid, count=len(want))
    assert sorted(record["node"] for record in records) == want
    for record in records:
        assert [answer["address"] for answer in record["answers"]] == [record["node"]], record
        assert record["service"] == str(1000 + int(record["node"].split(".")[2])), record
        assert [answer["port"] for answer in record["answers"]] == [int(record["service"])], record
    threads = {record["node"].split(".")[1]: record["tid"] for record in records}
    assert len(set(threads.values())) == report["threads"]
    assert all(threads[record["node"].split(".")[1]] == record["tid"] for record in records)


def _reports(side, program):
    return [one for one in side.messages("coverage") if one.get("pid") == str(program.pid)]


def _covered(side, program, count=1):
    """Its calls are recorded, or the process was reported as not covered."""

    def settled():
        records = side.kind("getaddrinfo", pid=program.pid)
        reports = _reports(side, program)
        return (records, reports) if len(records) >= count or reports else None

    records, reports = side.wait(settled, f"a record or a coverage report of {program.pid}")
    assert len(reports) <= 1, f"reported twice: {reports}"
    return records


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_lookup_of_an_image_never_seen_is_recorded_or_reported(
    sidecar, run, cgroup, dns, workloads, tmp_path, variant
):
    side = sidecar(probe="getaddrinfo")
    copy = tmp_path / "never-seen"
    shutil.copy(workloads.program("gai", variant), copy)
    program = run(str(copy), "call", "v4.test", cgroup=cgroup, etc=dns.etc).go()
    (call,) = program.finish()["calls"]
    for record in _covered(side, program):
        expect(record, call)


@pytest.mark.parametrize("variant", ["glibc", "musl"])
def test_a_library_opened_after_the_start_is_recorded_or_reported(attached, run, cgroup, workloads, tmp_path, variant):
    side = attached(variant)
    late = tmp_path / "liblate.so"
    shutil.copy(workloads.library("gai_late", variant), late)
    program = run("gai", f"dlopen={late}", "refuse:-77", cgroup=cgroup, variant=variant).go()
    (call,) = program.finish()["calls"]
    assert call["result"] == -77
    for record in _covered(side, program):
        expect(record, call)
        assert record["node"] == "refuse:-77"


def _fresh_library(workloads, variant, way, directory):
    """A copy of a library with a getaddrinfo that only shows when it is mapped, and what makes a known program map it."""
    if way == "LD_LIBRARY_PATH":
        shutil.copy("/lib/x86_64-linux-gnu/libc.so.6", directory)
        return {way: str(directory)}, ("127.0.1.1",)
    late = directory / "liblate.so"
    shutil.copyfile(workloads.library("gai_late", variant), late)
    return {way: str(late)}, ("refuse:-77",)


FRESH = [("glibc", "LD_PRELOAD"), ("glibc", "LD_LIBRARY_PATH"), ("musl", "LD_PRELOAD")]


@pytest.mark.parametrize("variant,way", FRESH)
def test_a_new_library_of_a_known_program_is_reported_at_most_once(
    attached, run, cgroup, workloads, tmp_path, variant, way
):
    side = attached(variant)
    look_up(side, run, cgroup, "call", "127.0.0.3", variant=variant)
    for copy in range(3):
        env, call_of = _fresh_library(workloads, variant, way, tmp_path)
        setting, gai = [f"{key}={value}" for key, value in env.items()], workloads.program("gai", variant)
        for known in (False, True):
            program = run("/usr/bin/env", *setting, gai, "call", *call_of, cgroup=cgroup).go()
            (call,) = program.finish()["calls"]
            for record in _covered(side, program):
                expect(record, call)
            until(lambda: known or _reports(side, program), f"copy {copy} to be told apart")
        assert not _reports(side, program), f"copy {copy} was attached"


def test_a_static_program_without_symbols_is_reported(sidecar, run, cgroup, workloads, tmp_path):
    side = sidecar(probe="getaddrinfo")
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, workloads.program("gai", "static")], check=True)
    program = run(str(stripped), "call", "127.0.0.3", cgroup=cgroup).go()
    program.finish()
    (report,) = until(lambda: _reports(side, program), "the report")
    assert "without symbols" in report["why"] and report["image"] == str(stripped)
    assert not side.kind("getaddrinfo", pid=program.pid)


def test_a_process_that_comes_into_the_scope_brings_its_libraries(sidecar, run, cgroup, workloads, tmp_path):
    side = sidecar(probe="getaddrinfo")
    env, call_of = _fresh_library(workloads, "glibc", "LD_PRELOAD", tmp_path)
    for _ in range(2):
        program = run("gai", "call", *call_of, gate=True, env=env).open_gate(cgroup)
        (call,) = program.finish()["calls"]
        records = _covered(side, program)
    (record,) = records
    expect(record, call)


CLONE_INTO_CGROUP = """
import ctypes, os, struct, sys
library = ctypes.CDLL(sys.argv[2])
directory = os.open(sys.argv[1], os.O_RDONLY)
arguments = struct.pack("11Q", 1 << 33, 0, 0, 0, 17, 0, 0, 0, 0, 0, directory)
child = ctypes.CDLL(None).syscall(435, arguments, len(arguments))
if child == 0:
    library.getaddrinfo(b"refuse:-77", None, None, ctypes.byref(ctypes.c_void_p()))
    os._exit(0)
os.waitpid(child, 0)
print(child)
"""


def test_a_process_that_is_born_into_the_scope_brings_its_libraries(sidecar, cgroup, workloads, tmp_path):
    side = sidecar(probe="getaddrinfo")
    env, _ = _fresh_library(workloads, "glibc", "LD_PRELOAD", tmp_path)
    command = [sys.executable, "-c", CLONE_INTO_CGROUP, cgroup.path, env["LD_PRELOAD"]]
    for known in (False, True):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        records = _covered(side, types.SimpleNamespace(pid=int(done.stdout)))
        assert not known or records[0]["result"] == -77, side.state()


# Each time that it comes into the scope all that it has mapped is looked at.
HOSTILE = """
import mmap, os, struct, sys
directory, library, cgroup = sys.argv[1:]
image = open(library, "rb").read()

def move(into):
    with open(os.path.join(into, "cgroup.procs"), "w") as procs:
        procs.write("0")

def mapped(name, data, size):
    file = open(os.path.join(directory, name), "wb+")
    file.write(data)
    file.truncate(size)
    file.flush()
    return file, mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)

for i in range(200):
    file, kept = mapped(f"cut{i}", image, len(image))
    move(cgroup)
    file.truncate(4096)
    move(os.path.dirname(cgroup))
    os.unlink(file.name)
# No sections in the header, ten million in the first section's size: see elf(5), e_shnum.
header = bytearray(image[:64])
header[40:48] = struct.pack("Q", 64)
header[60:62] = struct.pack("H", 0)
section = struct.pack("IIQQQQIIQQ", 0, 0, 0, 0, 0, 10000000, 0, 0, 0, 0)
file, kept = mapped("sparse", bytes(header) + section, 64 + 64 * 10000000)
move(cgroup)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_files_that_lie_or_are_cut_short_do_the_sidecar_no_harm(sidecar, cgroup, workloads, tmp_path):
    side = sidecar(probe="getaddrinfo")
    command = [sys.executable, "-c", HOSTILE, tmp_path, workloads.library("gai_late"), cgroup.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hostile:
        pid = hostile.stdout.readline().strip()
        side.wait(lambda: [one for one in side.messages("coverage") if one.get("pid") == pid], "a report of its files")
        hostile.stdin.close()
    peak = int(pathlib.Path(f"/proc/{side.process.pid}/status").read_text().split("VmHWM:")[1].split()[0])
    assert peak < 64 * 1024, f"peak memory {peak} KiB"


@pytest.fixture
def late_library(sidecar, run, cgroup, workloads):
    """A running sidecar that is attached to libgai_late.so (and glibc), and a way to call through it."""
    library = workloads.library("gai_late")
    keeper = run("gai", f"dlopen={library}", "refuse:-1", cgroup=cgroup, env={"LD_PRELOAD": str(library)})
    until(lambda: _executes(keeper.pid, "gai"), "the keeper to start")
    side = sidecar(probe="getaddrinfo")

    def call(*args):
        program = run("gai", "call", *args, cgroup=cgroup, env={"LD_PRELOAD": str(library)}).go()
        (seen,) = program.finish()["calls"]
        return side, program, seen

    return call


def test_nested_calls_are_each_recorded_with_their_own_answer(late_library):
    side, program, call = late_library("nest:2:127.0.0.5", "80")
    want = ["nest:2:127.0.0.5", "nest:1:127.0.0.5", "127.0.0.5", "127.0.0.5"]
    records = side.wait_for("getaddrinfo", pid=program.pid, count=len(want))
    # Records come at return: the innermost first. The last two are the wrapper and the C library itself.
    assert [record["node"] for record in records] == want[::-1]
    for record in records:
        assert record["result"] == 0 and len(record["answers"]) == len(call["answers"]), record
    latencies = [record["latency_ns"] for record in records]
    assert latencies == sorted(latencies), "a call that contains another took less time"


def test_calls_nested_too_deep_are_counted_as_lost_and_the_outer_ones_recorded(late_library):
    side, program, call = late_library("nest:7:127.0.0.5", "80")
    side.wait_for("getaddrinfo", pid=program.pid, node="nest:7:127.0.0.5")
    side.stop()
    records = side.kind("getaddrinfo", pid=program.pid)
    assert len(records) + int(side.done["getaddrinfo_lost"]) == 9
    assert int(side.done["getaddrinfo_produced"]) == 9
    for record in records:
        assert record["result"] == 0 and len(record["answers"]) == len(call["answers"]), record


def test_an_error_that_only_one_library_knows_keeps_its_number(late_library):
    side, program, call = late_library("refuse:-77")
    (record,) = side.wait_for("getaddrinfo", pid=program.pid)
    expect(record, call)
    assert record["result"] == -77


def test_a_thousand_answers_of_a_library_are_cut_and_counted(late_library):
    side, program, call = late_library("many:1000")
    (record,) = side.wait_for("getaddrinfo", pid=program.pid)
    expect(record, call)
    assert [answer["port"] for answer in record["answers"]] == list(range(1000, 1000 + MOST_ANSWERS))


def _own_root(directory, workloads):
    """A root directory with a copy of gai and the libraries that it needs: other inodes, as in a container."""
    files = [
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib/x86_64-linux-gnu/libnss_files.so.2",
        "/lib/x86_64-linux-gnu/libresolv.so.2",
    ]
    for name in files:
        target = directory / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(name), target)
    shutil.copy(workloads.program("gai"), directory / "gai")
    return directory


def test_a_library_in_a_root_of_its_own_is_recorded_once_attached(sidecar, run, cgroup, workloads, tmp_path):
    root = _own_root(tmp_path / "root", workloads)
    side = sidecar(probe="getaddrinfo")
    first = run("/usr/sbin/chroot", root, "/gai", "--hints", NUMERIC_STREAM, "twice", "127.0.0.4", cgroup=cgroup)
    # The first call is recorded, or the process reported.
    _covered(side, first)
    known = len(side.kind("getaddrinfo", pid=first.pid))
    report = first.go().finish()
    records = side.wait_for("getaddrinfo", pid=first.pid, count=known + 1)
    assert records[-1]["node"] == "127.0.0.4"
    expect(records[-1], report["calls"][-1])


def test_a_library_attached_before_misses_no_call_of_any_later_process(attached, run, cgroup):
    side = attached()
    for i in range(30):
        record, call = look_up(side, run, cgroup, "--hints", NUMERIC_STREAM, "call", f"127.0.9.{i}")
        expect(record, call)
        assert record["node"] == f"127.0.9.{i}"
    assert not side.messages("coverage")


def test_the_caller_is_unharmed_when_the_sidecar_leaves_in_the_middle_of_a_call(attached, run, cgroup, dns):
    side = attached()
    program = run("gai", "--hints", "0,2,1,0", "call", "silent.test", cgroup=cgroup, etc=dns.etc).go()
    until(lambda: "silent.test" in dns.queries, "the query")
    side.stop(signal.SIGINT)
    assert program.finish()["calls"][0]["result"] == EAI_AGAIN
