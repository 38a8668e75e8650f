#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks Debian packages of another architecture into a directory, without their dependencies and without installing anything;
# of each, OUT/PACKAGE.version holds the version.
#
#   container/foreign.sh OUT ARCHITECTURE PACKAGE...
set -euo pipefail
export LC_ALL=C

die() {
	printf 'foreign: %s\n' "$*" >&2
	exit 1
}

# shellcheck source=container/apt.sh
. "$(dirname "$0")/apt.sh"

[ $# -ge 3 ] || die "usage: foreign.sh OUT ARCHITECTURE PACKAGE..."
mkdir -p "$1"
out=$(cd "$1" && pwd)
architecture=$2
shift 2
suite=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
foreign_apt "$apt" "$architecture" "$suite"
download "$apt" "$@"
for package in "$@"; do
	dpkg -x "$apt/debs/$package"_*.deb "$out"
	dpkg-deb -f "$apt/debs/$package"_*.deb Version >"$out/$package.version"
done
