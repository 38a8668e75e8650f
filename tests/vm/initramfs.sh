#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the guests' root as a cpio archive: busybox, the binary under test, the workloads with the libraries that they
# need, and the scripts of tests/vm/guest. Run it in the project's directory.
#
#   tests/vm/initramfs.sh OUT.cpio BINARY [BUILD]
#
# BUILD: where another architecture's build is, with Debian's packages for guests unpacked in BUILD/guest.
set -euo pipefail

die() {
	printf 'initramfs: %s\n' "$*" >&2
	exit 1
}

# With every library where the program looks for it.
copy_with_libraries() {
	local file
	cp "$1" "$root/bin/"
	[ -z "$foreign" ] || return 0
	while read -r file; do
		mkdir -p "$root${file%/*}"
		cp -L "$file" "$root$file"
	done < <({ ldd "$1" 2>/dev/null || true; } | grep -Eo '/[^ ]+')
}

# What ldd would say of programs that this machine cannot run.
copy_foreign_libraries() {
	mkdir -p "$root/lib/aarch64-linux-gnu"
	cp -L /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 "$root/lib/"
	cp -L /usr/aarch64-linux-gnu/lib/libc.so.6 "$foreign"/lib/aarch64-linux-gnu/libcap-ng.so.0 "$root/lib/aarch64-linux-gnu/"
}

[ $# -ge 2 ] || die "usage: initramfs.sh OUT.cpio BINARY [BUILD]"
out=$1 binary=$2 build=${3:-build}
if [ "$build" = build ]; then
	foreign= musl=/lib/ld-musl-x86_64.so.1
	setpriv=$(command -v setpriv) || die "no setpriv; run 'make setup-test'"
	busybox=$(command -v busybox) || die "no busybox; run 'make setup-test'"
else
	foreign=$build/guest musl=$foreign/lib/ld-musl-aarch64.so.1
	setpriv=$foreign/usr/bin/setpriv busybox=$foreign/bin/busybox
fi
command -v cpio >/dev/null || die "no cpio; run 'make setup-test'"
file -bL "$busybox" | grep -q 'statically linked' || die "$busybox is not static; run 'make setup-test'"
root=$(mktemp -d)
chmod 755 "$root" # or only root could enter /
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{bin,dev,etc,lib,out,proc,run,sys,tmp}
cp "$busybox" "$root/bin/busybox"
while read -r applet; do
	ln -s busybox "$root/bin/$applet"
done < <(${foreign:+qemu-aarch64-static} "$busybox" --list | grep -vx busybox)
cp "$binary" "$root/bin/ringside"
# In place of busybox's, which knows no bounding set; called by its path, or busybox's shell takes its own.
rm "$root/bin/setpriv"
copy_with_libraries "$setpriv"
[ -z "$foreign" ] || copy_foreign_libraries
for program in "$build"/tests/*; do
	[ ! -f "$program" ] || copy_with_libraries "$program"
done
cp "$build/tests/static/gai" "$root/bin/gai-static"
cp "$build/tests/musl/gai" "$root/bin/gai-musl"
cp -L "$musl" "$root/lib/"
cp tests/vm/guest/init "$root/init"
cp tests/vm/guest/lib.sh "$root/lib.sh"
printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
chmod -R u+w "$root"
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$out.new"
mv "$out.new" "$out"
