# SPDX-License-Identifier: Apache-2.0
"""What `ringside check` says where something is missing, and of the memory budget."""

import ctypes
import os
import pathlib
import struct
import subprocess

import pytest

from harness.scopes import *  # the fixtures and helpers


def refuse_bpf():
    """In a child: a seccomp filter like an engine's, under which bpf() gives EPERM."""
    instructions = [
        (0x20, 0, 0, 0),  # load the number
        (0x15, 0, 1, 321),  # bpf
        (0x06, 0, 0, 0x00050001),  # EPERM
        (0x06, 0, 0, 0x7FFF0000),  # allow
    ]
    code = b"".join(struct.pack("HBBI", *one) for one in instructions)
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP


def test_a_seccomp_filter_is_told_from_a_missing_capability(check):
    filtered = check(scope="self", preexec_fn=refuse_bpf)
    assert filtered.code == 1
    assert "seccomp" in filtered.line("requirement", "bpf")["why"]
    assert filtered.line("requirement", "CAP_BPF")["state"] == "ok"
    assert filtered.line("probe", "process")["why"].startswith("needs bpf")

    bare = check(scope="self", before=["capsh", "--drop=cap_bpf,cap_sys_admin", "--", "-c", 'exec "$@"', "sh"])
    assert bare.code == 1
    assert bare.line("requirement", "CAP_BPF")["state"] == "no"
    assert "--cap-add BPF" in bare.line("requirement", "CAP_BPF")["do"]
    assert "seccomp" not in bare.line("requirement", "bpf")["why"]


def test_capabilities_of_a_user_namespace_do_not_count(check):
    answer = check(scope="self", before=["unshare", "-Ur"])
    assert answer.code == 1
    assert "user namespace" in answer.line("requirement", "CAP_BPF")["why"]


def test_bpf_and_perfmon_alone_are_enough_but_for_others_files(check, new_cgroup):
    keep = "cap_bpf,cap_perfmon"
    answer = check(
        probe="process,syscalls,write", scope=f"id:{new_cgroup('least').id}",
        before=["setpriv", f"--bounding-set=-all,+{keep.replace('cap_', '').replace(',', ',+')}",
                f"--inh-caps=-all,+{keep.replace('cap_', '').replace(',', ',+')}",
                f"--ambient-caps=-all,+{keep.replace('cap_', '').replace(',', ',+')}"],
    )
    assert answer.code == 0, f"{answer.lines}\n{answer.stderr}"
    assert {probe["state"] for probe in answer.lines_of("probe")} == {"ok"}


def test_the_memory_budget_follows_the_rings(check):
    small = check("--ring-samples", "64k", scope="host").line("memory")["bytes"]
    large = check("--ring-samples", "1M", scope="host").line("memory")["bytes"]
    assert large - small == 2 * (1024 - 64) * 1024


@pytest.fixture
def limited(binary):
    """A function: a command of ours in a cgroup that may have so many bytes."""
    for directory, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = pathlib.Path(directory, f"ringside-memory-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / name).exists():
            break
        group.rmdir()
    else:
        pytest.skip("no memory controller under /sys/fs/cgroup")

    def run(limit, *args):
        (group / name).write_text(str(limit))
        enter = f'echo $$ >"{group}/cgroup.procs"; exec "$@"'
        return subprocess.run(["sh", "-c", enter, "sh", binary, *args], capture_output=True, text=True, timeout=30)

    yield run
    group.rmdir()


@pytest.mark.parametrize("command", ["run", "check"])
def test_rings_over_the_memory_that_a_container_may_have_are_refused_with_the_size_that_fits(limited, command):
    done = limited(64 << 20, command, "--scope", "host", "--format", "json", "--ring-samples", "64M")
    assert done.returncode == 2 and "option=--ring-samples" in done.stderr, done.stderr
    assert "64.0 MiB" in done.stderr and 'do="take 16777216"' in done.stderr, done.stderr
    assert limited(64 << 20, "check", "--scope", "host", "--ring-samples", "16M").returncode == 0


def test_a_queue_over_the_memory_that_a_container_may_have_is_refused(limited):
    done = limited(64 << 20, "check", "--scope", "host", "--queue", "100M")
    assert done.returncode == 2 and "option=--queue" in done.stderr, done.stderr


def test_the_table_is_aligned_and_plain_in_a_pipe(binary):
    done = subprocess.run(
        [str(binary), "check", "--scope", "host", "--format", "table"], capture_output=True, check=True, timeout=60
    )
    assert b"\033" not in done.stdout
    lines = [line for line in done.stdout.decode().splitlines() if not line.startswith(" ")]
    assert len({line.index(f"  {line.split()[2]} ") for line in lines}) == 1


def test_every_probe_runs_here_and_says_how(check, new_cgroup):
    answer = check("--latency", scope=f"id:{new_cgroup('all').id}", probe="process,getaddrinfo,syscalls,write")
    assert answer.code == 0, f"{answer.lines}\n{answer.stderr}"
    assert [probe["name"] for probe in answer.lines_of("probe")] == ["process", "getaddrinfo", "write", "syscalls"]
    assert {probe["state"] for probe in answer.lines_of("probe")} <= {"ok", "degraded"}
    assert all(probe["why"] for probe in answer.lines_of("probe"))
