#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the container image behind `make image` with docker (where a daemon answers), podman or buildah, and tags it
# ringside:VERSION and ringside:latest. Where there is none of them, build/rootfs becomes an OCI archive.
#
#   VERSION=0.1.0 SOURCE_DATE_EPOCH=0 [REVISION=...] [PREBUILT=1] container/image.sh [BUILD OPTION...]
#
# PREBUILT=1 takes build/ringside as it is; without it the image's build stage compiles everything. What follows is
# handed to the engine (--network=host where its containers have no network of their own), and so is BUILD_OPTIONS.
set -euo pipefail

cd "$(dirname "$0")/.."
version=${VERSION:?is not set; call this through make image}
epoch=${SOURCE_DATE_EPOCH:?is not set; call this through make image}

die() {
	printf 'image: %s\n' "$*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null
}

rootfs() {
	[ -x build/ringside ] || die "$1, but there is no build/ringside; run make first"
	container/rootfs.sh build "$architecture"
}

architecture=$(dpkg --print-architecture)
revision=${REVISION:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
options=(--file container/Dockerfile --tag "ringside:$version" --tag ringside:latest
	--build-arg "VERSION=$version" --build-arg "REVISION=$revision")
if [ -n "${PREBUILT:-}" ]; then
	rootfs "PREBUILT=1"
	options+=(--target prebuilt)
else
	options+=(--build-arg "SOURCE_DATE_EPOCH=$epoch")
fi
read -ra more <<<"${BUILD_OPTIONS:-}"
options+=("${more[@]}" "$@")

# HEALTHCHECK is in docker's image format only: podman and buildah must be told.
if have docker && docker version >/dev/null 2>&1; then
	engine=(docker build)
elif have podman; then
	engine=(podman build --format docker --timestamp "$epoch")
elif have buildah; then
	engine=(buildah build --format docker --timestamp "$epoch")
else
	rootfs "no docker, podman or buildah was found: the image is made of the binary as built"
	archive=build/ringside-$version.oci.tar
	REVISION=$revision container/oci.sh "$archive" "$architecture=build/rootfs"
	printf 'image: %s, without an engine: podman load -i, or skopeo copy oci-archive:, takes it on\n' "$archive"
	exit
fi
"${engine[@]}" "${options[@]}" .
printf 'image: ringside:%s and ringside:latest, by %s\n' "$version" "${engine[0]}"
