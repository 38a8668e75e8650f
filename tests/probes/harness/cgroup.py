# SPDX-License-Identifier: Apache-2.0
"""A cgroup v2 of the test's own."""

import itertools
import os
import pathlib
import signal

from harness import until

_number = itertools.count(1)


def mount_point():
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == "cgroup2":
                return pathlib.Path(fields[1])
    raise AssertionError("no cgroup v2 is mounted")


class Cgroup:
    def __init__(self, name="scope", parent=None):
        base = parent.path if parent else mount_point()
        prefix = "" if parent else f"ringside-test-{os.getpid()}-{next(_number)}-"
        self.path = base / f"{prefix}{name}"
        self.path.mkdir()
        self.id = self.path.stat().st_ino

    def add(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def pids(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def _kill(self):
        pids = self.pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not pids

    def remove(self):
        """Also what is below it, deepest first."""
        if not self.path.exists():
            return
        for child in self.path.iterdir():
            if child.is_dir():
                below = Cgroup.__new__(Cgroup)
                below.path = child
                below.remove()
        until(self._kill, f"{self.path} to be empty")
        until(self._rmdir, f"{self.path} to go")

    def _rmdir(self):
        try:
            self.path.rmdir()
        except OSError:
            return False
        return True
