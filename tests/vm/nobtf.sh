#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a small kernel without BTF from the source of a Debian suite, and the BTF that it lacks as a file. Once: it takes many
# minutes. What was built is kept with the config that it was built with; a change of that builds anew.
#
#   tests/vm/nobtf.sh OUT        -> OUT/vmlinuz, OUT/btf, and the source's package and version in OUT/package
#
# Through the mirror that this machine's apt is set up with, as fetch.sh does.
set -euo pipefail

suite=bookworm
source=linux-source-6.1

die() {
	printf 'nobtf: %s\n' "$*" >&2
	exit 1
}

. "$(dirname "$0")/../../container/apt.sh"

say() {
	printf '  %s  %s\n' "$(date +%H:%M:%S)" "$*"
}

fetch() {
	say "fetch $source of $suite"
	foreign_apt "$apt" amd64 "$suite"
	download "$apt" "$source"
}

unpack() {
	say "unpack"
	rm -rf "$out/src" && mkdir "$out/src"
	dpkg-deb --fsys-tarfile "$apt"/debs/*.deb | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJ -C "$out/src" --strip-components=1
	(cd "$apt/debs" && ls) | sed 's/_all\.deb$//; s/%3a/:/' >"$out/package"
	rm -rf "$apt"
}

# What the config asks for and Kconfig refuses is no kernel that we want.
configure() {
	local line
	make -s -C "$out/src" tinyconfig >"$out/log" 2>&1 || die "tinyconfig failed, see $out/log"
	(cd "$out/src" && scripts/kconfig/merge_config.sh -m .config "$config" && make -s olddefconfig) >"$out/log" 2>&1 ||
		die "the config was refused, see $out/log"
	while read -r line; do
		grep -qxF "$line" "$out/src/.config" || die "the kernel's own config has not: $line"
	done < <(grep ^CONFIG_ "$config")
}

build() {
	say "build; each line below is 200 files"
	make -C "$out/src" -j2 KBUILD_BUILD_USER=ringside KBUILD_BUILD_HOST=ringside KCFLAGS=-w bzImage 2>"$out/errors" |
		tee "$out/log" | awk '/^  (CC|AS) /{ n++ } n && n % 200 == 0 && n != said { said = n; printf "  %d\n", n; fflush() }' ||
		die "the kernel does not build: $(tail -n 3 "$out/errors"); see $out/log"
	say "encode its BTF"
	pahole --btf_encode_detached="$out/btf.new" "$out/src/vmlinux" || die "pahole cannot make BTF of $out/src/vmlinux"
	chmod 644 "$out/btf.new"
	cp "$out/src/arch/x86/boot/bzImage" "$out/vmlinuz"
	mv "$out/btf.new" "$out/btf"
}

[ $# -eq 1 ] || die "usage: nobtf.sh OUT"
config=$(cd "$(dirname "$0")" && pwd)/nobtf.config
mkdir -p "$1"
out=$(cd "$1" && pwd)
apt=$out/apt
if ! cmp -s "$config" "$out/config"; then
	rm -f "$out/config"
	fetch
	unpack
	configure
	build
	rm -rf "$out/src" "$out/log" "$out/errors"
	cp "$config" "$out/config"
	say "done: $(cat "$out/package")"
fi
