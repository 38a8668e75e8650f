#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Reads the skeleton of an object as compiled for raw tracepoints, compares it with that of the other compilation, and prints the
# object's bytes as a C function. See bpf/lib/rung.bpf.h.
#
#   container/raw_bytes.sh NAME NAME.skel.h <SKELETON
set -eu

skeleton=$(mktemp) && other=$(mktemp)
trap 'rm -f "$skeleton" "$other"' EXIT
cat >"$skeleton"

without_bytes() {
	grep -v -e '\\$' -e '";$' -e NOLINT -e '\*sz = ' "$1"
}

without_bytes "$2" >"$other"
without_bytes "$skeleton" | diff "$other" - >&2 || {
	printf 'raw_bytes: %s: its two compilations have different maps, variables or programs\n' "$1" >&2
	exit 1
}
printf '/* NOLINTBEGIN */\n#include <stddef.h>\n\n'
sed -n "/^static inline const void \*$1_bpf__elf_bytes(size_t \*sz)\$/,/^}/p" "$skeleton" | sed "1s/_bpf__/_raw__/"
printf '/* NOLINTEND */\n'
