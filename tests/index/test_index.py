# SPDX-License-Identifier: Apache-2.0
"""The image index holds both platforms, each with its own binary; `make test-arm64` runs this."""

import io
import json
import pathlib
import subprocess
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MACHINES = {"amd64": 0x3E, "arm64": 0xB7}  # e_machine of ELF


@pytest.fixture(scope="module")
def archive():
    made = subprocess.run(["make", "--no-print-directory", "image-index"], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    with tarfile.open(ROOT / made.stdout.split()[-1]) as tar:
        yield {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


@pytest.fixture(scope="module")
def manifests(archive):
    """By architecture."""
    (top,) = json.loads(archive["index.json"])["manifests"]
    index = json.loads(blob(archive, top))
    return {one["platform"]["architecture"]: json.loads(blob(archive, one)) for one in index["manifests"]}


def blob(archive, descriptor):
    data = archive["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
    assert len(data) == descriptor["size"]
    return data


def test_it_holds_both_platforms_and_their_configurations(archive, manifests):
    assert set(manifests) == set(MACHINES)
    for architecture, manifest in manifests.items():
        config = json.loads(blob(archive, manifest["config"]))
        assert (config["os"], config["architecture"]) == ("linux", architecture)
        assert config["config"]["Entrypoint"] == ["/ringside"]
        assert config["config"]["Labels"]["org.opencontainers.image.title"] == "ringside"


@pytest.mark.parametrize("architecture", MACHINES)
def test_each_layer_is_small_and_has_the_binary_for_its_platform(archive, manifests, architecture):
    (layer,) = manifests[architecture]["layers"]
    with tarfile.open(fileobj=io.BytesIO(blob(archive, layer))) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    assert sum(map(len, files.values())) <= 8 << 20
    binary = files["./ringside"]
    assert binary[:4] == b"\x7fELF" and int.from_bytes(binary[18:20], "little") == MACHINES[architecture]
    named = json.loads(files["./licenses/ringside.spdx.json"])["name"]
    assert named.endswith(f"-{architecture}")
