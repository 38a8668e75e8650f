#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is not ours in the binary and in the image, a line each, between tabs: `linked` (into the binary) or `beside` (it, in the
# image), name, version, licence, sha256 of the source tarball ("-": what Debian compiled), package URL, licence texts (files,
# between commas).
#
#   container/third_party.sh DEPS ARCHITECTURE
#
# The libraries are those of deps.lock, in the versions that DEPS/manifest says were taken.
set -eu
export LC_ALL=C

lock=$(dirname "$0")/deps.lock
deps=$1 arch=$2

die() {
	printf 'third_party: %s\n' "$*" >&2
	exit 1
}

# PACKAGE VERSION ARCHITECTURE
purl() {
	printf 'pkg:deb/debian/%s@%s?arch=%s' "$1" "$(printf '%s' "$2" | sed 's/:/%3A/g; s/+/%2B/g; s/~/%7E/g')" "$3"
}

# ROLE NAME PACKAGE VERSION ARCHITECTURE LICENCE ROOT
debian() {
	printf '%s\t%s\t%s\t%s\t-\t%s\t%s/usr/share/doc/%s/copyright\n' "$1" "$2" "$4" "$6" "$(purl "$3" "$4" "$5")" "$7" "$3"
}

# ROLE NAME PACKAGE LICENCE
installed() {
	version=$(dpkg-query -W -f '${Version}' "$3") || die "$3 is not installed; run 'make setup'"
	debian "$1" "$2" "$3" "$version" "$(dpkg-query -W -f '${Architecture}' "$3")" "$4" ''
}

of_lock() {
	while read -r name _ _ _ licence texts; do
		case $name in '' | '#'*) continue ;; esac
		[ -n "$texts" ] || die "$name has no licence and licence texts in $lock; its first line says how to give them"
		read -r version sum <<-END
			$(awk -v name="$name" '$1 == name { print $2, $4 }' "$deps/manifest")
		END
		[ -n "$sum" ] || die "$name is not in $deps/manifest; run 'make deps'"
		printf 'linked\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$version" "$licence" "$sum" \
			"$(purl "$name" "$version" source)" "$(printf '%s' ",$texts" | sed "s|,|,$deps/work/$name/|g; s|^,||")"
	done <"$lock"
}

gcc=$(gcc -dumpversion)
libgcc=libgcc-${gcc%%.*}-dev
libgcc_licence='GPL-3.0-or-later WITH GCC-exception-3.1'
list=$(
	of_lock
	if [ -d "$deps/toolchain" ]; then
		debian linked musl musl-dev "$(cat "$deps/toolchain/musl-dev.version")" "$arch" MIT "$deps/toolchain"
		installed linked libgcc "$libgcc-$arch-cross" "$libgcc_licence"
	else
		installed linked musl musl-dev MIT
		installed linked libgcc "$libgcc" "$libgcc_licence"
	fi
	installed beside ca-certificates ca-certificates MPL-2.0
)
printf '%s\n' "$list" | sort -k 2
