# SPDX-License-Identifier: Apache-2.0
"""Where the engines of these tests run: a mount namespace of their own with one cgroup v2 tree, a directory that holds all
they write, and a cgroup that holds all they start. Leaving it ends whatever is still in any of the three."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from harness import until
from harness.cgroup import Cgroup, mount_point

PREPARE = "mount -t cgroup2 none /sys/fs/cgroup && echo ready && exec sleep infinity"


class Space:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ringside-docker-"))
        self.cgroup = f"/ringside-docker-{os.getpid()}"
        # The engines end when this process is killed: each command that lasts asks for a signal at its parent's death.
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "sh", "-c", PREPARE],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if self._holder.stdout.readline() != "ready\n":
            why = self._holder.communicate()[1].strip()
            self.close()
            pytest.skip(f"no engine can run: a mount namespace with a cgroup v2 tree was refused: {why}")
        self.namespace = f"/proc/{self._holder.pid}/ns/mnt"

    def command(self, *args):
        """The command, inside. It starts in the root directory."""
        return ["nsenter", f"--mount={self.namespace}", "--", *map(str, args)]

    def wrapper(self, name, *args):
        """An executable NAME in a directory of its own that runs `args` inside, in the caller's directory."""
        bin_directory = self.directory / f"bin-{name}"
        bin_directory.mkdir(exist_ok=True)
        path = bin_directory / name
        words = " ".join(f"'{arg}'" for arg in (shutil.which(args[0]), *args[1:]))
        path.write_text(
            "#!/bin/sh\n"
            f"exec nsenter --mount={self.namespace} -- sh -c 'cd \"$1\" && shift && exec \"$@\"' sh \"$PWD\" {words} \"$@\"\n"
        )
        path.chmod(0o755)
        return bin_directory

    def _inside(self):
        """Processes whose mount namespace is this one."""
        try:
            wanted = os.readlink(self.namespace)
        except OSError:
            return []
        found = []
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            try:
                if os.readlink(f"/proc/{pid}/ns/mnt") == wanted and pid != self._holder.pid:
                    found.append(pid)
            except OSError:
                pass
        return found

    def _end_processes(self):
        left = self._inside()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left

    def close(self):
        try:
            if self._holder.poll() is None:
                until(self._end_processes, "the engines' processes to end")
            below = Cgroup.__new__(Cgroup)
            below.path = mount_point() / self.cgroup.strip("/")
            below.remove()
        finally:
            self._holder.kill()
            self._holder.communicate()
            shutil.rmtree(self.directory, ignore_errors=True)
