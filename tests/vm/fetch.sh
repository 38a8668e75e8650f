#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the cloud kernel of one Debian suite through apt, once, and prints where it is.
#
#   tests/vm/fetch.sh OUT SUITE ARCHITECTURE     -> OUT/SUITE/vmlinuz, and its package and version in OUT/SUITE/package
#
# The mirror is the one that this machine's apt is set up with; lists and packages are kept in a private directory
# under OUT, and the machine's own apt is only read.
set -euo pipefail

die() {
	printf 'fetch: %s\n' "$*" >&2
	exit 1
}

. "$(dirname "$0")/../../container/apt.sh"

# The first package that PACKAGE depends on whose name begins so; nothing where there is none.
dependency() {
	apt-cache "${apt_options[@]}" depends --important "$1" | awk -v name="Depends: $2" 'index($0, name) { print $2; exit }'
}

# From 7.x on the image package is empty: what was in it is in linux-binary-*.
kernel_package() {
	local image binary
	image=$(dependency linux-image-cloud-$architecture linux-image-)
	[ -n "$image" ] || die "$suite has no linux-image-cloud-$architecture"
	binary=$(dependency "$image" linux-binary-)
	printf '%s\n' "${binary:-$image}"
}

[ $# -eq 3 ] || die "usage: fetch.sh OUT SUITE ARCHITECTURE"
suite=$2 architecture=$3
mkdir -p "$1/$suite"
out=$(cd "$1/$suite" && pwd)
apt=$out/apt
if [ ! -f "$out/vmlinuz" ]; then
	foreign_apt "$apt" "$architecture" "$suite"
	package=$(kernel_package)
	download "$apt" "$package"
	# boot/vmlinuz-VERSION, or usr/lib/modules/VERSION/vmlinuz
	dpkg-deb --fsys-tarfile "$apt"/debs/*.deb |
		tar -xO --wildcards './boot/vmlinuz-*' './usr/lib/modules/*/vmlinuz' >"$out/vmlinuz.new" 2>/dev/null || true
	[ -s "$out/vmlinuz.new" ] || die "$package holds no vmlinuz"
	(cd "$apt/debs" && ls) | sed "s/_$architecture\.deb\$//; s/%3a/:/" >"$out/package"
	rm -rf "$apt"
	mv "$out/vmlinuz.new" "$out/vmlinuz"
fi
printf '%s\n' "$out/vmlinuz"
