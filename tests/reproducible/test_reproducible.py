# SPDX-License-Identifier: Apache-2.0
"""Two builds of the same sources, in different directories and circumstances, give the same bytes."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "docker"))

# pylint: disable=wrong-import-position
from images import tools_without  # noqa: E402
from space import Space  # noqa: E402

# What a second builder may have otherwise; the two that an archive takes its dates and labels from are given.
FIXED = {"SOURCE_DATE_EPOCH": "1700000000", "REVISION": "0123456789abcdef"}
OTHER = {"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "USER": "somebody", "MAKEFLAGS": "-j1"}


def copy_sources(directory):
    """The tree as it is, with dates of its own."""
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
    return directory


def make(tree, *goals, umask=0o022, **environment):
    given = {**os.environ, **FIXED, **environment}
    given.pop("MAKELEVEL", None)
    done = subprocess.run(
        ["make", "--no-print-directory", *goals], cwd=tree, env=given, umask=umask, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module", params=["own", pytest.param("all", marks=pytest.mark.slow)])
def trees(request, tmp_path_factory):
    """Two trees that are built: with the libraries shared, the tests' own one and a second; or two from nothing."""
    other = copy_sources(tmp_path_factory.mktemp("a-directory-with-a-longer-name") / "ringside" / "again")
    if request.param == "own":
        shutil.copytree(ROOT / "build" / "deps", other / "build" / "deps", symlinks=True)
        os.utime(other / "build" / "deps" / "built" / "all")
        one = ROOT
    else:
        one = copy_sources(tmp_path_factory.mktemp("a"))
    make(one, "rootfs")
    make(other, "rootfs", umask=0o077, **OTHER)
    yield one, other
    shutil.rmtree(other, ignore_errors=True)


def contents(directory):
    return {
        str(path.relative_to(directory)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in directory.rglob("*")
    }


def test_the_binary_is_the_same_bit_for_bit(trees):
    one, other = ((tree / "build" / "ringside").read_bytes() for tree in trees)
    assert one == other


def test_the_debugging_symbols_are_the_same(trees):
    one, other = ((tree / "build" / "ringside.debug").read_bytes() for tree in trees)
    assert one == other


def test_no_path_of_the_builder_is_in_the_binary(trees):
    for tree in trees:
        assert str(tree).encode() not in (tree / "build" / "ringside.debug").read_bytes()


def test_the_root_file_system_is_the_same(trees):
    one, other = (contents(tree / "build" / "rootfs") for tree in trees)
    assert one == other


@pytest.fixture
def built_images(trees):
    """A function: what buildah makes of each tree in this format, as its id, its digest and its configuration."""
    if not shutil.which("buildah"):
        pytest.skip("no buildah is installed: make setup-test")
    space = Space()

    def build(form):
        for number, tree in enumerate(trees):
            directory = space.directory / f"{form}-{number}"
            words = ["buildah", "--root", directory / "root", "--runroot", directory / "run"]
            path = tools_without(space.wrapper("buildah", *words), "docker", "podman")
            make(tree, "image", "PREBUILT=1", f"BUILD_OPTIONS=--format {form}", PATH=str(path))
            shown = subprocess.run(
                space.command(*words, "inspect", "--type", "image", "localhost/ringside:latest"), capture_output=True, check=True
            )
            about = json.loads(shown.stdout)
            yield about["FromImageID"], about["FromImageDigest"], json.loads(about["Config"])

    yield build
    space.close()


def test_the_image_has_the_same_digest(built_images):
    (*one, _), (*other, config) = built_images("oci")
    assert one == other
    assert config["created"] == "2023-11-14T22:13:20Z"


def test_in_dockers_format_the_layers_and_the_settings_are_the_same(built_images):
    """Not the digest: buildah, in its version 1.28 at least, writes its container's id and a random host name into that."""
    (*_, one), (*_, other) = built_images("docker")
    for config in (one, other):
        del config["config"]["Hostname"]
    for key in ("rootfs", "config", "created", "architecture", "os"):
        assert one[key] == other[key]
    assert one["config"]["Healthcheck"]["Test"] == ["CMD", "/ringside", "health"]


def test_the_oci_archive_is_the_same(trees, tmp_path):
    archives = []
    for number, tree in enumerate(trees):
        archive = tmp_path / str(number)
        subprocess.run(
            [tree / "container" / "oci.sh", archive, f"amd64={tree}/build/rootfs"], env={**os.environ, **FIXED, "VERSION": "1"}, check=True
        )
        archives.append(archive.read_bytes())
    assert archives[0] == archives[1]
