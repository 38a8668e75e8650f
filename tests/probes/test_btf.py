# SPDX-License-Identifier: Apache-2.0
"""Without the kernel's own BTF, with that in a file: the same records come by raw tracepoints; a file that does not fit is refused.

The tests of other modules are run once more with TEST_BTF, which gives the file to each sidecar and hides the kernel's own BTF from
it. All of them: cp /sys/kernel/btf/vmlinux FILE; TEST_BTF=FILE make test-probes. (Where kprobes cannot be attached, what a
process maps after the start is then followed by nobody: those tests of getaddrinfo fail.)"""

import os
import shutil
import struct
import subprocess

import pytest

from harness import logfmt
from harness.sidecar import WITHOUT_BTF
from test_bad_input import REFUSED, WRONG_CALL, invoke, one_line
from test_getaddrinfo import (  # noqa: F401
    attached,
    test_an_ipv6_address_keeps_its_scope_and_port,
    test_calls_of_eight_threads_are_all_recorded_once,
    test_null_node_service_and_hints_are_left_out,
)
from test_process import (  # noqa: F401
    side,
    test_a_death_by_signal_has_its_number,
    test_a_fork_from_outside_into_the_scope_is_recorded,
    test_a_mebibyte_of_arguments_is_cut_and_its_length_kept,
    test_a_process_whose_main_thread_left_first_ends_once_and_late,
    test_an_exec_from_a_thread_is_the_processs,
    test_an_exec_says_who_what_and_where,
    test_an_exit_has_the_cpu_time_of_all_threads,
    test_forks_name_their_children_in_order,
    test_threads_are_not_in_the_snapshot,
    test_threads_that_all_end_the_process_end_it_once,
    test_what_ran_before_the_start_is_in_the_snapshot_once,
)
from test_syscalls import (  # noqa: F401
    count,
    test_a_32_bit_caller_has_rows_of_its_own,
    test_a_clone_is_one_call_although_parent_and_child_return_from_it,
    test_calls_spread_over_all_cpus_are_summed_exactly,
    test_exit_and_exit_group_are_counted,
    test_latency_gives_total_nanoseconds,
)
from test_write import (  # noqa: F401
    flood,
    test_a_32_bit_vector_is_measured,
    test_a_write_that_blocks_shows_how_long,
    test_a_write_that_fails_has_its_errno,
    test_all_iovecs_are_summed,
    test_each_kind_of_write_has_fd_requested_and_returned,
    test_latency_is_there_when_asked,
)

OWN = "/sys/kernel/btf/vmlinux"
WAYS = ("uname -r", "pahole --btf_encode_detached", "BTFHub")
STRUCT, BITS = 4, 64
# What follows a type of each kind: so many bytes, and so many for each of its parts.
BEHIND = {
    1: (4, 0), 2: (0, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 7: (0, 0), 8: (0, 0), 9: (0, 0), 10: (0, 0), 11: (0, 0),
    12: (0, 0), 13: (0, 8), 14: (4, 0), 15: (0, 12), 16: (0, 0), 17: (4, 0), 18: (0, 0), 19: (0, 12),
}


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    if not os.path.exists(OWN):
        pytest.skip("this kernel has no BTF that could be copied")
    return shutil.copy(OWN, tmp_path_factory.mktemp("btf") / "vmlinux.btf")


@pytest.fixture(autouse=True)
def by_file(monkeypatch, file):
    monkeypatch.setenv("TEST_BTF", str(file))


def of_another_kernel(data):
    """The same types, but that the fields of task_struct are a word further on."""
    data = bytearray(data)
    header, types, length, strings = struct.unpack_from("4I", data, 4)
    name = data.index(b"\0task_struct\0", header + strings) + 1 - header - strings
    at = header + types
    while at < header + types + length:
        name_at, info = struct.unpack_from("2I", data, at)
        kind, parts = info >> 24 & 0x1F, info & 0xFFFF
        once, each = BEHIND[kind]
        at += 12
        for part in range(parts if (kind, name_at) == (STRUCT, name) else 0):
            offset = at + 12 * part + 8
            struct.pack_into("I", data, offset, struct.unpack_from("I", data, offset)[0] + BITS)
        at += once + each * parts
    return bytes(data)


@pytest.fixture(params=["missing", "text", "empty", "directory", "ELF without it", "another program's", "another kernel's"])
def wrong(request, tmp_path, file, binary):
    """A file that is not the BTF of this kernel, and what is said of it."""
    path = tmp_path / "wrong.btf"
    if request.param == "directory":
        return tmp_path, "Is a directory"
    if request.param == "missing":
        return path, "No such file"
    if request.param == "ELF without it":
        return "/bin/true", "holds no BTF"
    if request.param == "another program's":
        return binary.parent / "bpf" / "scope_watch.bpf.o", "not those of a kernel"
    path.write_bytes({
        "text": b"this is no BTF\n" * 100, "empty": b"", "another kernel's": of_another_kernel(file.read_bytes()),
    }[request.param])
    return path, "another kernel" if request.param == "another kernel's" else "holds no BTF"


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_file_that_does_not_describe_this_kernel_is_refused_and_named(binary, wrong, command):
    path, why = wrong
    done = invoke(binary, command, "--scope", "host", "--btf", path)
    assert done.returncode == WRONG_CALL, done
    one_line(done, "option=--btf", str(path), why, *WAYS)


def test_an_empty_name_is_refused(binary):
    done = invoke(binary, "run", "--scope", "host", "--btf", "")
    assert done.returncode == WRONG_CALL, done
    one_line(done, "option=--btf", "no file")


def test_without_btf_and_without_a_file_run_says_how_to_make_one(binary):
    done = invoke(binary, "run", "--scope", "host", wrapper=WITHOUT_BTF)
    assert done.returncode == REFUSED, done
    one_line(done, "no BTF", "--btf FILE", *WAYS)
    line = logfmt.parse(done.stderr.strip())
    assert line["level"] == "error" and line["why"] and line["do"], line


def test_an_elf_file_with_the_section_and_the_environment_serve_as_well(binary, file, tmp_path):
    vmlinux = tmp_path / "vmlinux"
    subprocess.run(["objcopy", "--add-section", f".BTF={file}", "/bin/true", vmlinux], check=True)
    done = invoke(
        binary, "check", "--scope", "host", "--probe", "process,syscalls", wrapper=WITHOUT_BTF, env={"RINGSIDE_BTF": str(vmlinux)}
    )
    assert done.returncode == 0 and "raw_tp" in done.stdout and "tp_btf" not in done.stdout, done


def test_ready_says_that_raw_tracepoints_were_taken(sidecar):
    ready = sidecar("--latency", probe="process,write").messages("ready")[0]["probes"]
    assert ready == "process:raw_tp write:raw_tp,latency=hash"


def test_all_that_run_already_are_in_the_snapshot_once_however_many(sidecar, cgroup):
    """More than one round of the walk takes."""
    sleepers = [subprocess.Popen(["sleep", "1000"]) for _ in range(70)]
    try:
        for one in sleepers:
            cgroup.add(one.pid)
        side = sidecar(probe="process")
        side.wait_for("exec", count=len(sleepers), snapshot=True)
        assert sorted(record["pid"] for record in side.kind("exec")) == sorted(one.pid for one in sleepers)
    finally:
        for one in sleepers:
            one.kill()
            one.wait()


def test_a_scope_is_found_by_a_process_in_it(sidecar, cgroup):
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        try:
            cgroup.add(sleeper.pid)
            side = sidecar(probe="process", scope=[f"pid:{sleeper.pid}"])
            (record,) = side.wait_for("exec", snapshot=True)
            assert record["pid"] == sleeper.pid and record["cgroup_id"] == cgroup.id
        finally:
            sleeper.kill()
