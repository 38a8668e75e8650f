# SPDX-License-Identifier: Apache-2.0
"""Boots when a test asks, each kernel and scenario once, one guest at a time; and the table at the end.

KERNEL=5.10,newest or KERNEL=path/to/vmlinuz: only these. VM=short: one kernel, one boot, one transport."""

import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import guest  # noqa: E402
import kernels  # noqa: E402
import scenarios  # noqa: E402

SHORT = os.environ.get("VM") == "short"
KERNELS = kernels.chosen(SHORT)
WITH_BTF = [kernel for kernel in KERNELS if not kernel.btf]
WITHOUT_BTF = [kernel for kernel in KERNELS if kernel.btf]
# Kernels without BTF are small ones: they know neither lockdown nor preempt=full, and the NMIs' own program needs BTF.
ONLY = {
    "test_lockdown.py": WITH_BTF, "test_preempt.py": WITH_BTF, "test_nmi.py": WITH_BTF, "test_nobtf.py": WITHOUT_BTF,
}
collect_ignore = ["test_hotplug.py", "test_lockdown.py", "test_nmi.py", "test_preempt.py"] if SHORT else []
collect_ignore += [name for name, those in ONLY.items() if not those]


def pytest_generate_tests(metafunc):
    if "kernel" in metafunc.fixturenames:
        chosen = ONLY.get(os.path.basename(metafunc.module.__file__), KERNELS)
        metafunc.parametrize("kernel", chosen, ids=lambda kernel: kernel.directory, scope="session")
    if "transport" in metafunc.fixturenames:
        metafunc.parametrize("transport", scenarios.transports(SHORT))


@pytest.fixture(scope="session")
def root(binary):
    emulator = guest.QEMU[0]
    if not shutil.which(emulator):
        pytest.skip(f"no {emulator}: make setup-test, or setup-arm64, installs it")
    return guest.make_root(binary)


@pytest.fixture(scope="session")
def boot(root):
    """A function: the boot of this kernel with this scenario."""
    images, boots = {}, {}

    def image_of(kernel):
        if kernel not in images:
            try:
                images[kernel] = kernel.fetch()
            except LookupError as error:
                images[kernel] = error
        if isinstance(images[kernel], LookupError):
            pytest.skip(f"{kernel.name} cannot be fetched: {images[kernel]}")
        return images[kernel]

    def run(kernel, scenario):
        image = image_of(kernel)
        if (kernel, scenario.name) not in boots:
            boots[kernel, scenario.name] = guest.boot(kernel, image, root, scenario)
        return boots[kernel, scenario.name]

    return run


@pytest.fixture
def plain(boot, kernel):
    return boot(kernel, scenarios.plain(SHORT))


@pytest.fixture
def row(request, kernel):
    """A function that puts the test into the table: what was tried, on which transport, and what was seen."""

    def add(booted, what, transport, seen):
        release = booted.step("uname").text("stdout").strip()
        request.node.user_properties.append(("row", (f"{kernel.directory} ({release})", what, transport, seen)))

    return add


def pytest_terminal_summary(terminalreporter):
    rows = []
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            rows += [(*row, outcome) for name, row in getattr(report, "user_properties", []) if name == "row"]
    if not rows:
        return
    order = [kernel.directory for kernel in KERNELS]
    rows.sort(key=lambda row: (order.index(row[0].split(" ")[0]), row[1]))  # stable: transports stay in their order
    table = [("kernel", "probe or case", "transport", "taken, or why not", "result"), *rows]
    widths = [max(len(row[i]) for row in table) for i in range(3)]
    terminalreporter.section("kernel x probe x transport")
    for row in table:
        cells = [text.ljust(width) for text, width in zip(row, widths)]
        terminalreporter.write_line("  ".join([row[4].ljust(7), *cells, row[3]]))
