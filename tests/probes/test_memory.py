# SPDX-License-Identifier: Apache-2.0
"""What the start takes for a moment stays within what check promises, the kernel's own memory included."""

import os
import pathlib
import subprocess

import pytest

LIMIT = 32 << 20
MEMORY = pathlib.Path("/sys/fs/cgroup/memory")


@pytest.fixture
def limited():
    """A memory cgroup that kills what takes more than LIMIT; the beginning of a command that runs in it."""
    if not (MEMORY / "memory.limit_in_bytes").exists():
        pytest.skip("no memory controller of cgroup v1")
    place = MEMORY / f"ringside-test-{os.getpid()}"
    place.mkdir()
    (place / "memory.limit_in_bytes").write_text(str(LIMIT))
    yield ["sh", "-c", f'echo $$ >{place}/cgroup.procs; exec "$@"', "sh"]
    place.rmdir()


@pytest.mark.parametrize("command", [["check"], ["run", "--format", "none", "--capture", "/dev/null"]])
def test_a_limit_of_32_MiB_is_enough(limited, binary, cgroup, command):
    options = ["--scope", f"cgroup:{cgroup.path}", "--probe", "process,getaddrinfo,syscalls,write"]
    done = subprocess.run(
        [*limited, "timeout", "--preserve-status", "5", binary, *command, *options],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert command == ["check"] or "msg=done" in done.stderr, done
