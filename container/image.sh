#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the container image behind `make image` with docker (where a daemon answers), podman or buildah, and tags it
# ringside:VERSION and ringside:latest.
#
#   VERSION=0.1.0 [PREBUILT=1] container/image.sh [BUILD OPTION...]
#
# PREBUILT=1 takes build/ringside as it is; without it the image's build stage compiles everything. What follows is
# handed to the engine (--network=host where its containers have no network of their own), and so is BUILD_OPTIONS.
set -euo pipefail

cd "$(dirname "$0")/.."
version=${VERSION:?is not set; call this through make image}

die() {
	printf 'image: %s\n' "$*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null
}

# The image is the last stage. HEALTHCHECK is in docker's image format only: podman and buildah must be told.
options=(--file container/Dockerfile --build-arg "VERSION=$version" --tag "ringside:$version" --tag ringside:latest)
if [ -n "${PREBUILT:-}" ]; then
	[ -x build/ringside ] || die "PREBUILT=1, but there is no build/ringside; run make first"
	options+=(--target prebuilt)
fi
read -ra more <<<"${BUILD_OPTIONS:-}"
options+=("${more[@]}" "$@")

if have docker && docker version >/dev/null 2>&1; then
	engine=(docker build)
elif have podman; then
	engine=(podman build --format docker)
elif have buildah; then
	engine=(buildah build --format docker)
else
	die "no container engine: needs docker with a daemon that answers, podman or buildah"
fi
"${engine[@]}" "${options[@]}" .
printf 'image: ringside:%s and ringside:latest, by %s\n' "$version" "${engine[0]}"
