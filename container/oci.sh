#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes an OCI archive of root file systems that rootfs.sh made, one a platform, with tar, gzip and sha256sum alone: no engine, no
# privilege. The same files give the same archive. What the image says of itself is what the Dockerfile says, but for
# HEALTHCHECK, for which this format has no room.
#
#   VERSION=0.1.0 SOURCE_DATE_EPOCH=0 [REVISION=...] container/oci.sh OUT.tar amd64=build/rootfs [arm64=build/arm64/rootfs]
set -euo pipefail
# A $(...) that fails ends the script, in an assignment; among a command's arguments nobody would see it.
shopt -s inherit_errexit
export LC_ALL=C

out=$1
shift
layout=$(mktemp -d)
trap 'rm -rf "$layout" "$out.new"' EXIT
umask 022
mkdir -p "$layout/blobs/sha256"
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
type=application/vnd.oci.image
tar=(tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu)

sum_of() {
	sha256sum "$1" | cut -d' ' -f1
}

# Takes the file in as a blob and prints its digest and size, as in a descriptor.
blob() {
	local sum size
	sum=$(sum_of "$1")
	size=$(stat -c %s "$1")
	printf '"digest":"sha256:%s","size":%d' "$sum" "$size"
	mv "$1" "$layout/blobs/sha256/$sum"
}

# What the Dockerfile's LABEL lines say, as JSON.
labels() {
	sed -n 's/^\(LABEL\)\? *\(org\.opencontainers[a-z.]*\)="\(.*\)".*/"\2":"\3"/p' "$(dirname "$0")/Dockerfile" |
		sed "s/\${VERSION}/$VERSION/; s/\${REVISION}/${REVISION:-unknown}/" | paste -sd,
}

# ARCHITECTURE ROOTFS: the descriptor of one platform's manifest.
platform() {
	local layer=$layout/layer difference labels config manifest
	"${tar[@]}" -cf "$layer" -C "$2" .
	difference=$(sum_of "$layer")
	gzip -9n "$layer"
	labels=$(labels)
	printf '{"created":"%s","architecture":"%s","os":"linux","config":{"Entrypoint":["/ringside"],"Labels":{%s}},' \
		"$created" "$1" "$labels" >"$layout/config"
	printf '"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"rootfs"}]}' \
		"$difference" "$created" >>"$layout/config"
	config=$(blob "$layout/config")
	layer=$(blob "$layer.gz")
	printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json",%s},' \
		"$type" "$type" "$config" >"$layout/manifest"
	printf '"layers":[{"mediaType":"%s.layer.v1.tar+gzip",%s}]}' "$type" "$layer" >>"$layout/manifest"
	manifest=$(blob "$layout/manifest")
	printf '{"mediaType":"%s.manifest.v1+json",%s,"platform":{"architecture":"%s","os":"linux"}}' \
		"$type" "$manifest" "$1"
}

manifests=
for one in "$@"; do
	manifest=$(platform "${one%%=*}" "${one#*=}")
	manifests+=${manifests:+,}$manifest
done
printf '{"schemaVersion":2,"mediaType":"%s.index.v1+json","manifests":[%s]}' "$type" "$manifests" >"$layout/all"
all=$(blob "$layout/all")
printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.index.v1+json",%s,"annotations":{"org.opencontainers.image.ref.name":"ringside:%s"}}]}' \
	"$type" "$all" "$VERSION" >"$layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
"${tar[@]}" -cf "$out.new" -C "$layout" oci-layout index.json blobs
mv "$out.new" "$out"
