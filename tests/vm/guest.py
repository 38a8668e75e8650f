# SPDX-License-Identifier: Apache-2.0
"""Boots a kernel with a job and reads what comes out of it."""

import base64
import collections
import io
import json
import pathlib
import socket
import subprocess
import tarfile
import threading
import time
import types

from harness.transcript import Transcript

from kernels import ARCH, FOREIGN, ROOT

BUILD = (ROOT / "build" / "vm").joinpath(*FOREIGN)
# With a source of randomness: without it the kernel patches its code for that when the guest is busy, and the emulator's other CPU
# may run into the half-patched place (int3 in get_random_u32).
MACHINES = {
    "amd64": ["qemu-system-x86_64", "-cpu", "qemu64,+rdrand,+rdseed"],
    "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"],
}
CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
# The port for results: the machine's second, or one on PCI where it has but one.
RESULTS = {"amd64": ["-serial", "chardev:results"], "arm64": ["-device", "pci-serial,chardev=results"]}
QEMU = [*MACHINES[ARCH], "-accel", "tcg", "-m", "1G", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
APPEND = f"console={CONSOLES[ARCH]} quiet panic=-1"


class Step(Transcript):
    """One step of a job: the files that it left. Looks like a Sidecar that has ended, for the harness."""

    def __init__(self, name, files):
        self.name = name
        self.files = files
        self.process = types.SimpleNamespace(returncode=int(files["code"]))
        self.errors = self.text("stderr").splitlines()
        self.records, self.garbage = [], []
        for line in files["stdout"].splitlines():
            try:
                self.records.append(json.loads(line))
            except ValueError:
                self.garbage.append(line)
        done = self.messages("done")
        self.done = done[-1] if done else None
        self.cgroup = types.SimpleNamespace(id=int(files.get("cgroup", 0)))

    @property
    def code(self):
        return self.process.returncode

    def text(self, name):
        return self.files.get(name, b"").decode("utf-8", "replace")

    @property
    def reports(self):
        """What the workloads said, one after another."""
        assert self.files.get("workload_code") == b"0\n", f"the workload failed\n{self.state()}"
        return [json.loads(line) for line in self.text("report").splitlines()]

    def state(self):
        kinds = collections.Counter(record.get("kind") for record in self.records)
        return (
            f"step {self.name}, exit status {self.code}\n  records: {dict(kinds)}\n  stderr:\n    "
            + "\n    ".join(self.errors[-15:])
            + f"\n  workload: status {self.text('workload_code').strip()} {self.text('workload_stderr')}"
        )


def read_results(text):
    """The steps in a guest's results, by name, and whether it came to its end."""
    steps, name, data, finished = {}, None, [], False
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "begin":
            name, data = rest, []
        elif word == "end" and rest == name:
            steps[name] = Step(name, unpack("".join(data)))
            name = None
        elif word == "finished":
            finished = True
        elif name:
            data.append(line)
    return steps, finished


def unpack(text):
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(text))) as tar:
        return {pathlib.Path(one.name).name: tar.extractfile(one).read() for one in tar if one.isfile()}


class Boot:
    """What one boot gave: `steps`, and `error` where it did not come to its end."""

    def __init__(self, directory, steps, error):
        self.directory = directory
        self.steps = steps
        self.error = error

    def step(self, name):
        assert name in self.steps, f"no step {name!r}: {self.error or 'the job has none'}\n{self._tail()}"
        return self.steps[name]

    def _tail(self):
        console = (self.directory / "console").read_text("utf-8", "replace").splitlines()
        return f"{self.directory}/console ends:\n    " + "\n    ".join(console[-25:])


def make_root(binary):
    BUILD.mkdir(parents=True, exist_ok=True)
    root = BUILD / "root.cpio"
    subprocess.run([ROOT / "tests" / "vm" / "initramfs.sh", root, binary, "/".join(["build", *FOREIGN])], check=True, cwd=ROOT, timeout=120)
    return root


def _make_initrd(root, job, directory, btf):
    """Archives may follow one another: the job is a second one, behind the root, with the BTF of a kernel that has none."""
    names = ["job.sh"]
    if btf:
        names.append("btf")
        (directory / "btf").write_bytes(btf.read_bytes())
        (directory / "btf").chmod(0o644)
        job = "export RINGSIDE_BTF=/btf\n" + job
    (directory / "job.sh").write_text(job)
    packed = subprocess.run(
        ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
        input="".join(f"{name}\n" for name in names).encode(), cwd=directory, capture_output=True, check=True,
    )
    initrd = directory / "initrd"
    initrd.write_bytes(root.read_bytes() + packed.stdout)
    return initrd


def _inject_nmis(results, qmp):
    """On every CPU, as fast as the guest takes them, from `nmis begin` to `nmis end` in its results."""
    try:
        qmp.sendall(b'{"execute":"qmp_capabilities"}\n')
        while b"nmis begin" not in results.read_bytes():
            time.sleep(0.3)
            qmp.send(b" ")
        while b"nmis end" not in results.read_bytes():
            qmp.sendall(b'{"execute":"inject-nmi"}\n' * 10)
            qmp.recv(65536)
    except OSError:
        pass  # the guest is gone: what it left is judged


def boot(kernel, image, root, scenario):
    """Runs the scenario's job on the kernel; the files of that are left in build/vm/KERNEL/SCENARIO."""
    directory = BUILD / kernel.directory / scenario.name
    directory.mkdir(parents=True, exist_ok=True)
    results, console = directory / "results", directory / "console"
    for old in (results, console):
        old.write_bytes(b"")
    initrd = _make_initrd(root, scenario.job, directory, kernel.btf)
    command = [*QEMU, "-smp", scenario.smp, "-kernel", str(image), "-initrd", str(initrd)]
    command += ["-append", f"{APPEND} {scenario.append}".strip(), "-serial", f"file:{console}"]
    command += ["-chardev", f"file,id=results,path={results}", *RESULTS[ARCH]]
    qmp, monitor = socket.socketpair()
    command += ["-chardev", f"socket,id=qmp,fd={monitor.fileno()}", "-mon", "chardev=qmp,mode=control"]
    injector = threading.Thread(target=_inject_nmis, args=(results, qmp))
    error = None
    with qmp:
        with monitor:
            injector.start()
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=scenario.deadline,
                    pass_fds=[monitor.fileno()],
                )
                if done.returncode:
                    error = f"qemu: {done.stderr.strip()}"
            except subprocess.TimeoutExpired:
                error = f"it had not ended after {scenario.deadline} s"
        injector.join()
    initrd.unlink()
    steps, finished = read_results(results.read_text("ascii", "replace"))
    if not error and not finished:
        error = "it died"
    return Boot(directory, steps, error)
