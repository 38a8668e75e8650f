# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the programs of tests/workload."""

import json
import os
import pathlib
import subprocess

from harness import until

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCE = ROOT / "tests" / "workload"
BUILD = ROOT / "build" / "tests"
FLAGS = ["-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", "-Wall", "-Wextra"]

# How a workload's process comes to be where it runs: mounts first, the cgroup last, then exec. The process id stays.
LAUNCH = """
set -e
if [ -n "$LAUNCH_ETC" ]; then
    for file in "$LAUNCH_ETC"/*; do mount --bind "$file" "/etc/${file##*/}"; done
fi
if [ -n "$LAUNCH_CGROUP" ]; then printf 0 >"$LAUNCH_CGROUP/cgroup.procs"; fi
unset LAUNCH_ETC LAUNCH_CGROUP
exec "$@"
"""


def _compile(command, source, output):
    newest = max(source.stat().st_mtime, (SOURCE / "workload.h").stat().st_mtime)
    if output.exists() and output.stat().st_mtime >= newest:
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*command, *FLAGS, "-o", str(output), str(source), "-pthread", "-ldl"], capture_output=True, text=True
    )
    assert done.returncode == 0, f"{source} does not compile:\n{done.stderr}"


def _musl_headers():
    """musl-gcc has no kernel headers of its own; the build keeps them beside its dependencies."""
    headers = ROOT / "build" / "deps" / "prefix" / "include"
    return ["-isystem", str(headers)] if headers.exists() else []


def build_all():
    for source in SOURCE.glob("*.c"):
        _compile(["gcc"], source, BUILD / source.stem)
    gai = SOURCE / "gai.c"
    _compile(["musl-gcc", *_musl_headers()], gai, program("gai", "musl"))
    _compile(["gcc", "-static"], gai, program("gai", "static"))
    for source in (SOURCE / "lib").glob("*.c"):
        _compile(["gcc", "-shared", "-fPIC"], source, library(source.stem))
        _compile(["musl-gcc", *_musl_headers(), "-shared", "-fPIC"], source, library(source.stem, "musl"))


def program(name, variant="glibc"):
    return BUILD / name if variant == "glibc" else BUILD / variant / name


def library(name, variant="glibc"):
    return BUILD / ("lib" if variant == "glibc" else variant) / f"lib{name}.so"


class Workload:
    """A running workload.

    cgroup: joined before the program is executed, so that its exec is the first thing of it in there.
    gate:   the program is executed outside and waits; gate(cgroup) moves it in and lets it go, so that whatever it
            does inside is its own.
    etc:    a directory of files that it sees in /etc instead of the machine's.
    """

    def __init__(self, name, *args, cgroup=None, gate=False, etc=None, variant="glibc", env=None, wrapper=()):
        path = pathlib.Path(name)
        command = [os.fspath(path if path.is_absolute() else program(name, variant))]
        command += [arg if isinstance(arg, bytes) else str(arg) for arg in args]
        if not gate:
            command = [*wrapper, "sh", "-c", LAUNCH, "sh", *command]
            if etc:
                command = ["unshare", "--mount", "--propagation", "private", *command]
        environment = {"PATH": os.environ["PATH"], **(env or {})}
        if gate:
            environment["WORKLOAD_GATE"] = "1"
        else:
            environment["LAUNCH_ETC"] = str(etc or "")
            environment["LAUNCH_CGROUP"] = str(cgroup.path if cgroup else "")
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        self.pid = self.process.pid

    def open_gate(self, cgroup):
        until(self.at_gate, f"{self.command} to reach its gate")
        cgroup.add(self.pid)
        return self.go()

    def at_gate(self):
        """Whether it waits for stdin."""
        assert self.process.poll() is None, self.process.stderr.read()
        return pathlib.Path(f"/proc/{self.pid}/syscall").read_text().startswith("0 0x0 ")

    def go(self):
        """Ends the workload's stdin."""
        self.process.stdin.close()
        self.process.stdin = None
        return self

    def finish(self, code=0, deadline=60):
        """Waits for the end and returns the report (None where it printed nothing); code None: any."""
        out, err = self.process.communicate(timeout=deadline)
        if code is not None:
            assert self.process.returncode == code, f"{self.command}: {self.process.returncode}, not {code}: {err}"
        return json.loads(out) if out.startswith(b"{") else None

    def terminate(self):
        self.process.terminate()
        return self

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
