# SPDX-License-Identifier: Apache-2.0
"""The images of these tests: the product's, by `make image`, and two applications."""

import os
import pathlib
import shutil
import subprocess

from harness.workload import FLAGS, program

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MUSL_LOADER = pathlib.Path("/lib/ld-musl-x86_64.so.1")
USER = 1000

# One shares Debian's libc with whatever else comes from this image; the other has musl's alone.
DOCKERFILES = {
    "glibc": "FROM debian:bookworm-slim\nCOPY tree /\n",
    "musl": "FROM scratch\nCOPY tree /\nCOPY --chown=1000:1000 owned /owned\n",
}


def make_image(environment, *variables, path=None, only=False):
    """Runs `make image` against one engine only. The programs in `path` are found first, or (only) no others are."""
    given = {**os.environ, "DOCKER_BUILDKIT": "0", **environment}
    if path:
        given["PATH"] = str(path) if only else f"{path}:{given['PATH']}"
    return subprocess.run(
        ["make", "--no-print-directory", "image", *variables],
        cwd=ROOT, env=given, capture_output=True, text=True, check=False,
    )


def tools_without(directory, *names):
    """A directory for PATH with all of this machine's programs but those, and with what is in it already."""
    directory.mkdir(exist_ok=True)
    for place in ("/usr/sbin", "/usr/bin"):
        for tool in pathlib.Path(place).iterdir():
            link = directory / tool.name
            if tool.name not in names and not link.is_symlink() and not link.exists():
                link.symlink_to(tool)
    return directory


def application_context(directory, variant):
    """A build context: /app/gai and /app/lookups for that libc, and for musl the loader, and in /owned the latter with a
    getaddrinfo of its own, which only its owner may read."""
    tree = directory / variant / "tree"
    (tree / "app").mkdir(parents=True)
    compiler = ["musl-gcc"] if variant == "musl" else ["gcc"]
    subprocess.run(
        [*compiler, *FLAGS, "-o", tree / "app" / "lookups", HERE / "lookups.c"], check=True, capture_output=True
    )
    shutil.copy(program("gai", variant), tree / "app" / "gai")
    if variant == "musl":
        (tree / "lib").mkdir()
        shutil.copy(MUSL_LOADER, tree / "lib" / MUSL_LOADER.name)
        owned = directory / variant / "owned"
        owned.mkdir()
        # Static: its getaddrinfo is in that file.
        subprocess.run(
            [*compiler, *FLAGS, "-static", "-o", owned / "lookups", HERE / "lookups.c"], check=True, capture_output=True
        )
        (owned / "lookups").chmod(0o500)
    (directory / variant / "Dockerfile").write_text(DOCKERFILES[variant])
    return directory / variant
