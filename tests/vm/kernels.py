# SPDX-License-Identifier: Apache-2.0
"""Which kernels are booted, and where they come from."""

import dataclasses
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# ARCH=arm64: its kernels and guests; what they leave is kept apart.
ARCH = os.environ.get("ARCH", "amd64")
FOREIGN = () if ARCH == "amd64" else (ARCH,)
CACHE = (ROOT / "build" / "cache" / "vm").joinpath(*FOREIGN)
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "newest": "trixie-backports"}
OLDEST = "5.10"
NOBTF = "nobtf"  # ours, see nobtf.sh: only where it is asked for, and `make test-vm-nobtf` has built it


@dataclasses.dataclass(frozen=True)
class Kernel:
    name: str  # as KERNEL= gives it
    suite: str | None  # None: a file of the user's

    def fetch(self):
        """The path of its image; LookupError where it cannot be had."""
        if self.name == NOBTF:
            if not self.btf.exists():
                raise LookupError("it is not built: make test-vm-nobtf does that")
            return CACHE / NOBTF / "vmlinuz"
        if not self.suite:
            return pathlib.Path(self.name)
        done = subprocess.run(
            [ROOT / "tests" / "vm" / "fetch.sh", CACHE, self.suite, ARCH], capture_output=True, text=True, timeout=900
        )
        if done.returncode:
            raise LookupError(done.stderr.strip())
        return pathlib.Path(done.stdout.strip())

    @property
    def btf(self):
        """The file for --btf, of a kernel that has no BTF of its own."""
        return CACHE / NOBTF / "btf" if self.name == NOBTF else None

    @property
    def golden(self):
        """What its golden files are called after; None: there are none of a user's file."""
        return NOBTF if self.name == NOBTF else self.suite

    @property
    def directory(self):
        """The name of its directory of results."""
        return pathlib.Path(self.name).name


def chosen(short):
    """KERNEL=5.10,newest,nobtf or KERNEL=path/to/vmlinuz; else all of Debian, or the oldest."""
    given = os.environ.get("KERNEL")
    names = given.split(",") if given else [OLDEST] if short else list(SUITES)
    for name in names:
        if name not in SUITES and name != NOBTF and not pathlib.Path(name).is_file():
            raise ValueError(f"KERNEL={name}: neither a file nor one of {', '.join(SUITES)}, {NOBTF}")
    return [Kernel(name, SUITES.get(name)) for name in names]
