# SPDX-License-Identifier: Apache-2.0
"""Which kernels are booted, and where they come from."""

import dataclasses
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "cache" / "vm"
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "newest": "trixie-backports"}
OLDEST = "5.10"


@dataclasses.dataclass(frozen=True)
class Kernel:
    name: str  # as KERNEL= gives it
    suite: str | None  # None: a file of the user's

    def fetch(self):
        """The path of its image; LookupError where it cannot be had."""
        if not self.suite:
            return pathlib.Path(self.name)
        done = subprocess.run(
            [ROOT / "tests" / "vm" / "fetch.sh", CACHE, self.suite], capture_output=True, text=True, timeout=900
        )
        if done.returncode:
            raise LookupError(done.stderr.strip())
        return pathlib.Path(done.stdout.strip())

    @property
    def directory(self):
        """The name of its directory of results."""
        return self.name if self.suite else pathlib.Path(self.name).name


def chosen(short):
    """KERNEL=5.10,newest or KERNEL=path/to/vmlinuz; else all, or the oldest."""
    given = os.environ.get("KERNEL")
    names = given.split(",") if given else [OLDEST] if short else list(SUITES)
    for name in names:
        if name not in SUITES and not pathlib.Path(name).is_file():
            raise ValueError(f"KERNEL={name}: neither a file nor one of {', '.join(SUITES)}")
    return [Kernel(name, SUITES.get(name)) for name in names]
