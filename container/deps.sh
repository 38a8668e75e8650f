#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the pinned source tarballs through apt and builds them, static and against musl, into one prefix.
# The same script serves the host's Makefile and the image's build stage.
#
#   [ARCH=arm64] container/deps.sh fetch|build OUT ...  for another architecture than this machine's
#   container/deps.sh fetch OUT            download and verify the tarballs of deps.lock into OUT/src
#   container/deps.sh build OUT [NAME...]  build what is not built yet (all, or the named ones) into OUT/prefix
#
# deps.lock pins name, Debian version, tarball and sha256. A pinned tarball with another sum always stops the
# build. Where the mirror serves a newer version only, apt's signature chain vouches for it: it is taken, said in
# one line and written to OUT/manifest; DEPS_STRICT=1 refuses instead. The machine's own apt sources are read,
# never written: the source index is kept in a private directory under OUT.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
lock=$here/deps.lock
suite=trixie

die() {
	printf 'deps: %s\n' "$*" >&2
	exit 1
}

# shellcheck source=container/apt.sh
. "$here/apt.sh"

source_apt() {
	private_apt "$apt" "deb-src [signed-by=$keyring]" "$suite"
	apt-get -qq "${apt_options[@]}" update ||
		die "cannot read the $suite source index from the configured mirror"
}

# NAME VERSION FILE SHA256 of the lock, one line a dependency. What the licences are for, see linked.sh.
locked() {
	grep -Ev '^(#|$)' "$lock" | cut -d' ' -f1-4
}

sum_of() {
	sha256sum "$1" | cut -d' ' -f1
}

check_sum() {
	local found
	found=$(sum_of "$1")
	[ "$found" = "$2" ] || die "wrong sha256 of $1: expected $2, found $found"
}

fetch_one() {
	local name=$1 version=$2 file=$3 sum=$4 taken
	if [ -f "$src/$file" ]; then
		check_sum "$src/$file" "$sum"
		printf '%s %s %s %s\n' "$name" "$version" "$file" "$sum" >>"$manifest.new"
		return
	fi
	[ -d "$apt/lists" ] && [ -n "${apt_options+set}" ] || source_apt
	rm -rf "$src/incoming"
	mkdir -p "$src/incoming"
	if (cd "$src/incoming" &&
		apt-get -qq "${apt_options[@]}" source --download-only --tar-only "$name=$version") 2>"$src/apt.log"; then
		[ -f "$src/incoming/$file" ] || die "$name $version holds no $file; found: $(ls "$src/incoming")"
		check_sum "$src/incoming/$file" "$sum"
		taken=$file
	else
		[ -z "${DEPS_STRICT:-}" ] ||
			die "$name $version is not on the mirror and DEPS_STRICT is set: $(tail -n 1 "$src/apt.log")"
		(cd "$src/incoming" && apt-get -qq "${apt_options[@]}" source --download-only --tar-only "$name") ||
			die "cannot fetch the source of $name from $suite"
		taken=$(cd "$src/incoming" && ls -- *.orig.tar.* | grep -v '\.asc$' | head -n 1)
		version=$(apt-cache "${apt_options[@]}" showsrc "$name" | awk '/^Version:/ { v = $2 } END { print v }')
		sum=$(sum_of "$src/incoming/$taken")
		printf 'deps: %s: pinned version is gone, taking %s (%s), vouched for by apt\n' "$name" "$version" "$taken"
		file=$taken
	fi
	mv "$src/incoming/$taken" "$src/$file"
	rm -rf "$src/incoming"
	printf '%s %s %s %s\n' "$name" "$version" "$file" "$sum" >>"$manifest.new"
}

fetch() {
	mkdir -p "$src"
	: >"$manifest.new"
	while read -r name version file sum; do
		fetch_one "$name" "$version" "$file" "$sum"
	done < <(locked)
	mv "$manifest.new" "$manifest"
}

unpack() {
	local file
	file=$(awk -v name="$1" '$1 == name { print $3 }' "$manifest")
	rm -rf "$work/$1" && mkdir -p "$work/$1" &&
	tar -xf "$src/$file" -C "$work/$1" --strip-components=1
}

# Debian's musl and kernel headers of another architecture, in OUT/toolchain, and a musl-gcc for that. Its libgcc's atomics ask
# the C library for something that musl has not.
cross_compiler() {
	local wrapper=$toolchain/musl-gcc specs=$toolchain/musl-gcc.specs
	[ -x "$wrapper" ] && return
	"$here/foreign.sh" "$toolchain" "$arch" musl-dev linux-libc-dev
	sed -E "s#/usr/(lib|include)/#$toolchain/usr/\1/#g" "$toolchain"/usr/lib/*-linux-musl/musl-gcc.specs >"$specs"
	printf '#!/bin/sh\nexec %sgcc -mno-outline-atomics "$@" -specs "%s"\n' "$cross" "$specs" >"$wrapper"
	chmod 755 "$wrapper"
}

# musl's own include directory has no kernel headers, and /usr/include must never be seen by musl-gcc.
kernel_headers() {
	local include=/usr/include
	[ -z "$cross" ] || include=$toolchain/usr/include
	mkdir -p "$prefix/include"
	cp -rL "$include/linux" "$include/asm-generic" "$prefix/include/"
	cp -rL "$include"/${triplet}/asm "$prefix/include/"
}

# Each build_ function is one && chain: it is called under ||, where set -e does not hold.
build_zlib() {
	unpack zlib &&
	(cd "$work/zlib" && CC="$cc" AR="${cross}ar" RANLIB="${cross}ranlib" CFLAGS="$cflags" ./configure --static --prefix="$prefix" &&
		make -j"$jobs" libz.a && cp libz.a "$prefix/lib/" && cp zlib.h zconf.h "$prefix/include/")
}

build_elfutils() {
	unpack elfutils &&
	(cd "$work/elfutils" &&
		ac_cv_search_argp_parse='none required' ac_cv_search_fts_close='none required' \
			ac_cv_search__obstack_free='none required' \
			./configure --disable-debuginfod --disable-libdebuginfod --disable-nls --disable-demangler --enable-deterministic-archives --host="$triplet" \
			--without-bzlib --without-lzma --without-zstd CC="$cc" CFLAGS="$cflags -I$prefix/include" \
			LDFLAGS="-L$prefix/lib" &&
		make -C lib eu-search.o && make -C libelf -j"$jobs" libelf.a &&
		"${cross}ar" rcsD libelf/libelf.a lib/eu-search.o &&
		cp libelf/libelf.a "$prefix/lib/" && cp libelf/libelf.h libelf/gelf.h "$prefix/include/")
}

build_libbpf() {
	unpack libbpf &&
	make -C "$work/libbpf/src" -j"$jobs" BUILD_STATIC_ONLY=1 NO_PKG_CONFIG=1 CC="$cc" AR="${cross}ar" \
		CFLAGS="$cflags -I$prefix/include" PREFIX="" LIBDIR=/lib DESTDIR="$prefix" install install_uapi_headers
}

build_protobuf_c() {
	unpack protobuf-c &&
	(cd "$work/protobuf-c" && $cc $cflags -I. -c protobuf-c/protobuf-c.c -o protobuf-c.o &&
		"${cross}ar" rcsD "$prefix/lib/libprotobuf-c.a" protobuf-c.o &&
		mkdir -p "$prefix/include/protobuf-c" && cp protobuf-c/protobuf-c.h "$prefix/include/protobuf-c/")
}

# A library for one protocol: what else OpenSSL can do is left out. Paths within its tree are relative already, and it writes
# its flags into the library, so that none of them may hold a path of this machine.
build_openssl() {
	unpack openssl &&
	(cd "$work/openssl" &&
		CC="$cc" AR="${cross}ar" RANLIB="${cross}ranlib" CFLAGS="-O2 -g0 -ffunction-sections -fdata-sections" ./Configure \
			"linux-$($cc -dumpmachine | cut -d- -f1)" --prefix=/usr --openssldir=/etc/ssl --libdir=lib \
			no-shared no-dso no-module no-tests no-apps no-docs no-engine no-legacy no-comp no-http \
			no-autoload-config no-ui-console no-secure-memory no-multiblock \
			no-ssl no-tls1 no-tls1_1 no-tls1_2 no-dtls no-quic no-srp no-srtp no-psk no-nextprotoneg \
			no-ssl-trace no-integrity-only-ciphers \
			no-cms no-cmp no-ct no-ocsp no-ts no-rfc3779 no-gost no-sm2 no-sm3 no-sm4 no-aria no-bf no-camellia \
			no-cast no-des no-idea no-md4 no-mdc2 no-rc2 no-rc4 no-seed no-whirlpool no-rmd160 no-siphash no-siv \
			no-scrypt no-argon2 no-dsa no-dh no-ec2m no-ml-dsa no-slh-dsa &&
		SOURCE_DATE_EPOCH=0 make -j"$jobs" build_libs &&
		cp libssl.a libcrypto.a "$prefix/lib/" && mkdir -p "$prefix/include/openssl" &&
		cp include/openssl/*.h "$prefix/include/openssl/")
}

build_yyjson() {
	unpack yyjson &&
	(cd "$work/yyjson" && $cc $cflags -c src/yyjson.c -o yyjson.o &&
		ar rcsD "$prefix/lib/libyyjson.a" yyjson.o && cp src/yyjson.h "$prefix/include/")
}

build() {
	local name
	mkdir -p "$prefix/lib" "$prefix/include" "$out/built"
	[ -z "$cross" ] || cross_compiler
	[ -d "$prefix/include/linux" ] || kernel_headers
	for name in "$@"; do
		[ -f "$out/built/$name" ] && continue
		printf 'deps: building %s\n' "$name"
		"build_${name//-/_}" >"$out/built/$name.log" 2>&1 ||
			die "building $name failed; see $out/built/$name.log: $(tail -n 3 "$out/built/$name.log")"
		: >"$out/built/$name"
	done
}

verb=${1:-}
out=${2:-}
[ -n "$out" ] || die "usage: deps.sh fetch|build OUT [NAME...]"
mkdir -p "$out"
out=$(cd "$out" && pwd)
src=$out/src
apt=$out/apt
work=$out/work
prefix=$out/prefix
manifest=$out/manifest
native=$(dpkg --print-architecture)
arch=${ARCH:-$native}
case $arch in
amd64) triplet=x86_64-linux-gnu ;;
arm64) triplet=aarch64-linux-gnu ;;
*) die "unknown architecture '$arch': amd64 or arm64" ;;
esac
toolchain=$out/toolchain
if [ "$arch" = "$native" ]; then
	cross= cc=${MUSL_CC:-musl-gcc}
else
	cross=$triplet- cc=musl-gcc
	PATH=$toolchain:$PATH # by its name: OpenSSL writes the compiler into the library
fi
# Paths of the build directory must not reach the binary: two directories, one result.
cflags="-O2 -g0 -fPIE -ffile-prefix-map=$out=/deps"
jobs=$(nproc)
shift 2

case $verb in
fetch) fetch ;;
build)
	[ -f "$manifest" ] || fetch
	if [ $# -eq 0 ]; then
		set -- $(locked | cut -d' ' -f1)
	fi
	build "$@"
	;;
*) die "unknown verb '$verb': fetch or build" ;;
esac
