# SPDX-License-Identifier: Apache-2.0
"""What is linked in is named, with its version and its licence: by the binary, in the image's list, as an SPDX document."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest
from spdx_tools.spdx.model import RelationshipType
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/ringside"
LICENSES = ROOT / "build/rootfs/licenses"
TOOLCHAIN = {"musl", "libgcc"}


def words_of(path):
    return [line.split() for line in path.read_text().splitlines() if line and line[0] != "#"]


@pytest.fixture(scope="module")
def taken():
    """Version by name, of the libraries that were really built."""
    locked = {words[0] for words in words_of(ROOT / "container/deps.lock")}
    manifest = {words[0]: words[1] for words in words_of(ROOT / "build/deps/manifest")}
    assert locked <= set(manifest)
    return {name: manifest[name] for name in locked}


@pytest.fixture(scope="module")
def rootfs():
    made = subprocess.run(["make", "--no-print-directory", "rootfs"], cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def listed(text, separator):
    return {words[0]: words[1:] for words in (re.split(separator, line) for line in text.splitlines())}


def test_the_binary_names_what_is_linked_in(taken):
    shown = subprocess.run([BINARY, "version", "--licenses"], capture_output=True, text=True, check=True)
    found = listed(shown.stdout, " {2,}")
    assert set(found) == {"ringside"} | TOOLCHAIN | set(taken)
    assert {name: found[name][0] for name in taken} == taken
    assert all(len(words) == 2 and words[1] for words in found.values()), found


def test_the_image_has_the_list_and_a_text_for_each(rootfs, taken):
    found = listed((LICENSES / "THIRD-PARTY").read_text(), "\t")
    assert set(found) == {"ca-certificates"} | TOOLCHAIN | set(taken)
    for name in found:
        texts = list((LICENSES / name).iterdir())
        assert texts and all(text.stat().st_size > 400 for text in texts), name


def test_the_spdx_document_is_valid_and_complete(rootfs, taken):
    path = LICENSES / "ringside.spdx.json"
    document = parse_file(str(path))
    wrong = validate_full_spdx_document(document)
    assert not wrong, [message.validation_message for message in wrong]
    assert json.loads(path.read_text())["spdxVersion"] == "SPDX-2.3"
    packages = {package.name: package for package in document.packages}
    assert set(packages) == {"ringside", "ca-certificates"} | TOOLCHAIN | set(taken)
    sums = {words[0]: words[3] for words in words_of(ROOT / "build/deps/manifest")}
    for name, version in taken.items():
        assert packages[name].version == version
        assert [sum_.value for sum_ in packages[name].checksums] == [sums[name]]
    static = {
        relation.related_spdx_element_id
        for relation in document.relationships
        if relation.relationship_type == RelationshipType.STATIC_LINK
    }
    assert static == {f"SPDXRef-{name}" for name in TOOLCHAIN | set(taken)}


def test_the_certificates_are_debians_and_no_others(rootfs):
    bundle = (ROOT / "build/rootfs/etc/ssl/certs/ca-certificates.crt").read_text()
    mozilla = list(pathlib.Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))
    assert bundle.count("BEGIN CERTIFICATE") == len(mozilla) > 50


def test_a_library_without_a_licence_stops_the_build_and_is_named(tmp_path):
    shutil.copy(ROOT / "container/third_party.sh", tmp_path)
    lock = (ROOT / "container/deps.lock").read_text().splitlines()
    words = lock[-1].split()
    (tmp_path / "deps.lock").write_text("\n".join([*lock[:-1], " ".join(words[:4])]) + "\n")
    done = subprocess.run([tmp_path / "third_party.sh", ROOT / "build/deps", "amd64"], capture_output=True, text=True)
    assert done.returncode != 0
    assert words[0] in done.stderr and "licence" in done.stderr
