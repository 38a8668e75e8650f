#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The image's root file system, in BUILD/rootfs: the binary that was built there, Debian's CA certificates, and in /licenses
# what is linked in, with versions (a list, and an SPDX document), and the licences' texts.
#
#   VERSION=0.1.0 SOURCE_DATE_EPOCH=0 container/rootfs.sh BUILD ARCHITECTURE
set -eu
export LC_ALL=C

here=$(dirname "$0")
build=$1 architecture=$2
list=$build/third_party
root=$build/rootfs.new
certificates=/usr/share/ca-certificates/mozilla
tab=$(printf '\t')

die() {
	printf 'rootfs: %s\n' "$*" >&2
	exit 1
}

[ -x "$build/ringside" ] || die "there is no $build/ringside; run make first"
[ -d "$certificates" ] || die "$certificates is not there; run 'make setup'"
umask 022
rm -rf "$root"
mkdir -p "$root/licenses" "$root/etc/ssl/certs"
cp "$build/ringside" "$root/"
cp "$here/../LICENSE" "$root/"
# Not the machine's own bundle: it may trust more than Debian does.
cat "$certificates"/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
"$here/third_party.sh" "$build/deps" "$architecture" >"$list"
cut -f 2-4 "$list" >"$root/licenses/THIRD-PARTY"
"$here/spdx.sh" "$architecture" <"$list" >"$root/licenses/ringside.spdx.json"
while IFS=$tab read -r _ name _ _ _ _ texts; do
	mkdir "$root/licenses/$name"
	IFS=,
	for text in $texts; do
		cp "$text" "$root/licenses/$name/" || die "the licence of $name is not in its source: $text"
	done
done <"$list"
# Whoever built it, and whatever the sources' modes were.
find "$root" -type d -exec chmod 755 {} +
find "$root" -type f -exec chmod 644 {} +
chmod 755 "$root/ringside"
rm -rf "$build/rootfs"
mv "$root" "$build/rootfs"
