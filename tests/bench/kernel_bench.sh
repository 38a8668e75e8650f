#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the kernel's own ring buffer benchmark, a yardstick, from Debian's kernel source: only its ringbuf and perfbuf parts,
# with their hook changed from fentry to a tracepoint, and against the libbpf that we use, built once more for glibc.
#
#   tests/bench/kernel_bench.sh BUILD CLANG BPFTOOL      makes BUILD/bench/kernel/bench
#
# The source package (140 MB) is fetched through the machine's own apt and kept in BUILD/cache.
set -euo pipefail

build=$(cd "$1" && pwd)
clang=$2
bpftool=$3
cache=$build/cache/linux-source
out=$build/bench/kernel
src=$out/src
selftests=$src/tools/testing/selftests/bpf

die() {
	printf 'kernel_bench: %s\n' "$*" >&2
	exit 1
}

fetch() {
	local package
	mkdir -p "$cache"
	ls "$cache"/linux-source-*.deb >/dev/null 2>&1 && return
	package=$(apt-cache depends linux-source | awk '/Depends: linux-source-/ { print $2; exit }')
	[ -n "$package" ] || die "apt knows no package linux-source; run 'apt-get update' and try again"
	(cd "$cache" && apt-get -qq download -o APT::Sandbox::User=root "$package") || die "cannot fetch $package"
}

unpack() {
	rm -rf "$src" && mkdir -p "$src"
	dpkg-deb --fsys-tarfile "$cache"/linux-source-*.deb | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJ -C "$src" --strip-components=1 --wildcards '*/tools/include' '*/tools/arch/x86/include' \
			'*/tools/testing/selftests/bpf/bench.[ch]' '*/tools/testing/selftests/bpf/*.h' \
			'*/tools/testing/selftests/bpf/testing_helpers.c' \
			'*/tools/testing/selftests/bpf/benchs/bench_ringbufs.c' \
			'*/tools/testing/selftests/bpf/progs/ringbuf_bench.c' \
			'*/tools/testing/selftests/bpf/progs/perfbuf_bench.c'
}

# Changed in the unpacked copy: the hook, and in bench.c every benchmark and option of a part that is not there.
adapt() {
	sed -i 's|^SEC("fentry.*|SEC("tp/syscalls/sys_enter_getpgid")|' "$selftests"/progs/{ringbuf,perfbuf}_bench.c
	sed -i -e '/^extern const struct bench /{/bench_[rp]b_/!d}' -e '/^\t&bench_/{/&bench_[rp]b_/!d}' \
		-e '/^extern struct argp /{/bench_ringbufs_argp/!d}' \
		-e '/^static const struct argp_child bench_parsers/,/^};/{/bench_parsers\|bench_ringbufs_argp\|{},\|^};/!d}' \
		"$selftests/bench.c"
	# Of testing_helpers.c this alone; the rest needs the whole test suite.
	{
		printf '#include <errno.h>\n#include <stdbool.h>\n#include <stdlib.h>\n#include <string.h>\n'
		sed -n '/^int parse_num_list(/,/^}/p' "$selftests/testing_helpers.c"
	} >"$src/parse_num_list.c"
}

skeleton() {
	"$clang" -g -O2 -ffreestanding -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -I"$selftests/progs" -I"$build/deps/prefix/include" \
		-c "$selftests/progs/$1.c" -o "$src/$1.bpf.o"
	"$bpftool" gen skeleton "$src/$1.bpf.o" name "$1" >"$src/$1.skel.h"
}

build_libbpf() {
	[ -f "$out/libbpf/libbpf.a" ] ||
		make -s -C "$build/deps/work/libbpf/src" -j2 BUILD_STATIC_ONLY=1 NO_PKG_CONFIG=1 CC=gcc \
			OBJDIR="$out/libbpf" PREFIX="" LIBDIR=/lib DESTDIR="$out/prefix" install >"$out/libbpf.log"
}

mkdir -p "$out"
fetch
unpack
adapt
build_libbpf
skeleton ringbuf_bench
skeleton perfbuf_bench
gcc -O2 -g -w -DHAVE_GENHDR -I"$src" -I"$selftests" -I"$out/prefix/include" -I"$src/tools/include" \
	-I"$src/tools/arch/x86/include" -o "$out/bench" "$selftests/bench.c" "$selftests/benchs/bench_ringbufs.c" \
	"$src/parse_num_list.c" -L"$out/prefix/lib" -lbpf -lelf -lz -lm -lpthread
