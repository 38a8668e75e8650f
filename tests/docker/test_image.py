# SPDX-License-Identifier: Apache-2.0
"""The image: what is in it, what it says of itself, and that it can be built by each engine."""

import io
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest

import images as image_files

ROOTFS = image_files.ROOT / "build" / "rootfs"
# What the engines put into every container's root.
ENGINE_FILES = re.compile(r"\.dockerenv|(dev|proc|sys|run)(/.*)?|etc/(hostname|hosts|mtab|resolv\.conf)")


def files_of(engine, image):
    """The files in it, by name."""
    container = engine("create", image, "version").stdout.strip()
    exported = subprocess.run([*engine.cli, "export", container], capture_output=True, check=True).stdout
    engine("rm", container)
    return {
        member.name: member
        for member in tarfile.open(fileobj=io.BytesIO(exported))
        if not member.isdir() and not ENGINE_FILES.fullmatch(member.name)
    }


def rootfs_files():
    return {str(path.relative_to(ROOTFS)) for path in ROOTFS.rglob("*") if path.is_file()}


def test_the_image_holds_the_binary_certificates_and_licences_and_nothing_else(docker, image, binary):
    found = files_of(docker, image)
    assert set(found) == rootfs_files() > {"ringside", "LICENSE", "etc/ssl/certs/ca-certificates.crt", "licenses/ringside.spdx.json"}
    assert found["ringside"].size == binary.stat().st_size
    assert found["ringside"].mode & 0o111 == 0o111
    assert all(member.uid == member.gid == 0 for member in found.values())
    assert sum(member.size for member in found.values()) <= 8 << 20


def test_the_image_says_what_it_is(docker, image):
    config = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
    version = docker.run(image, "version").stdout.split()[1]
    assert config["Entrypoint"] == ["/ringside"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/ringside", "health"]
    assert config["Labels"]["org.opencontainers.image.title"] == "ringside"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["Labels"]["org.opencontainers.image.version"] == version
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=image_files.ROOT, capture_output=True, text=True, check=False)
    assert config["Labels"]["org.opencontainers.image.revision"] == (head.stdout.strip() or "unknown")
    tags = json.loads(docker("image", "inspect", image).stdout)[0]["RepoTags"]
    assert {f"ringside:{version}", "ringside:latest"} <= set(tags)


def test_podman_builds_the_same_image_where_no_docker_daemon_answers(podman, podman_image, binary):
    found = files_of(podman, podman_image)
    assert set(found) == rootfs_files()
    config = json.loads(podman("image", "inspect", podman_image).stdout)[0]
    assert config["Healthcheck"]["Test"] == ["CMD", "/ringside", "health"]
    assert config["Config"]["Entrypoint"] == ["/ringside"]


def test_buildah_builds_the_image_where_there_is_nothing_else(space, binary, tmp_path):
    if not shutil.which("buildah"):
        pytest.skip("no buildah is installed")
    directory = space.directory / "buildah"
    words = ["buildah", "--root", directory / "root", "--runroot", directory / "run"]
    path = image_files.tools_without(space.wrapper("buildah", *words), "docker", "podman")
    done = image_files.make_image({}, "VERSION=1.2.3", "PREBUILT=1", path=path, only=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ringside:1.2.3 and ringside:latest, by buildah" in done.stdout
    listed = subprocess.run(space.command(*words, "images"), capture_output=True, text=True, check=True).stdout
    assert "localhost/ringside" in listed and "1.2.3" in listed


def test_without_an_engine_it_is_an_oci_archive_which_engines_take(podman, binary, tmp_path):
    path = image_files.tools_without(tmp_path / "bin", "docker", "podman", "buildah")
    done = image_files.make_image({}, "VERSION=1.2.4", path=path, only=True)
    assert done.returncode == 0, done.stdout + done.stderr
    archive = image_files.ROOT / "build" / "ringside-1.2.4.oci.tar"
    assert f"image: {archive.relative_to(image_files.ROOT)}" in done.stdout
    try:
        loaded = podman("load", "--input", archive).stdout.split()[-1]
    finally:
        archive.unlink()
    assert loaded == "localhost/ringside:1.2.4"
    assert set(files_of(podman, loaded)) == rootfs_files()
    assert podman.run(loaded, "version").stdout.startswith("ringside ")
    config = json.loads(podman("image", "inspect", loaded).stdout)[0]
    assert config["Labels"]["org.opencontainers.image.version"] == "1.2.4"
    assert config["Config"]["Entrypoint"] == ["/ringside"]


@pytest.mark.slow
def test_the_image_is_built_from_the_sources_in_debian(docker, debian, image):
    """The build stage: apt, the pinned dependencies, make. Its containers have no network here but the host's."""
    others = by_version(docker)
    done = image_files.make_image(
        {"DOCKER_HOST": docker.host}, "VERSION=0.0.1-built", "BUILD_OPTIONS=--network=host --no-cache"
    )
    try:
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        assert set(files_of(docker, "ringside:0.0.1-built")) == rootfs_files()
        assert docker.run("ringside:0.0.1-built", "version").stdout.startswith("ringside ")
        assert os.path.getsize(image_files.ROOT / "build" / "ringside") < 8 << 20
    finally:
        docker("tag", others, "ringside:latest", code=None)


def by_version(docker):
    """The name by version of the image that the other tests use: the build takes `latest` away from it."""
    version = docker.run("ringside:latest", "version").stdout.split()[1]
    return f"ringside:{version}"
