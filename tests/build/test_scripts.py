# SPDX-License-Identifier: Apache-2.0
"""The scripts that describe the image stop where a tool fails, and leave no half of an archive."""

import os
import pathlib
import random
import subprocess
import tarfile

import pytest

CONTAINER = pathlib.Path(__file__).resolve().parents[2] / "container"
FIXED = {"VERSION": "1", "SOURCE_DATE_EPOCH": "0"}
LIST = "linked\tmusl\t1.2\tMIT\tabc\t-\n"


def run(tmp_path, command, broken=None):
    """The script, with one tool before the machine's own that does nothing and fails."""
    tools = tmp_path / "tools"
    tools.mkdir()
    if broken:
        (tools / broken).write_text("#!/bin/sh\nexit 1\n")
        (tools / broken).chmod(0o755)
    environment = {**os.environ, **FIXED, "PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    return subprocess.run(command, env=environment, input=LIST, capture_output=True, text=True, timeout=60, check=False)


def archive(tmp_path, broken=None, root="root", under=()):
    (tmp_path / "out").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "ringside").write_bytes(random.Random(0).randbytes(16384))
    return run(tmp_path, [*under, CONTAINER / "oci.sh", tmp_path / "out" / "it.tar", f"amd64={tmp_path / root}"], broken)


def spdx(tmp_path, broken=None):
    return run(tmp_path, [CONTAINER / "spdx.sh", "amd64"], broken)


def left(tmp_path):
    return {path.name for path in [*tmp_path.iterdir(), *(tmp_path / "out").iterdir()]} - {"out", "root", "tools"}


def test_an_archive_is_made(tmp_path):
    done = archive(tmp_path)
    assert done.returncode == 0, done.stderr
    assert left(tmp_path) == {"it.tar"}
    with tarfile.open(tmp_path / "out" / "it.tar") as tar:
        assert {"oci-layout", "index.json"} <= set(tar.getnames())


@pytest.mark.parametrize("tool", ["sha256sum", "cut", "stat", "mv", "sed", "paste", "gzip", "tar", "date"])
def test_an_archive_is_whole_or_not_there(tmp_path, tool):
    assert archive(tmp_path, tool).returncode != 0
    assert left(tmp_path) == set()


def test_half_an_archive_is_not_left(tmp_path):
    """The layer, 20480 bytes before it is packed, may be written; the archive around it, 30720, may not."""
    assert archive(tmp_path, under=["prlimit", "--fsize=20480"]).returncode != 0
    assert left(tmp_path) == set()


def test_an_archive_of_nothing_is_refused(tmp_path):
    assert archive(tmp_path, root="none").returncode != 0
    assert left(tmp_path) == set()


def test_an_spdx_document_is_made(tmp_path):
    done = spdx(tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("tool", ["sha256sum", "date", "cut", "cat"])
def test_an_spdx_document_is_whole_or_the_script_fails(tmp_path, tool):
    assert spdx(tmp_path, tool).returncode != 0
