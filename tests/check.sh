#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Static checks: formatter, who may include whom, file lengths, clang-tidy, cppcheck. Called by `make check`:
#
#   tests/check.sh CLANG_FORMAT CLANG_TIDY -- FILES -- CFLAGS
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
format=$1 tidy=$2
shift 3
files=()
while [ "$1" != -- ]; do
	files+=("$1")
	shift
done
shift
cflags=("$@")
bad=0

fail() {
	printf 'check: %s\n' "$*" >&2
	bad=1
}

step() {
	printf '  %-7s %s\n' CHECK "$1"
}

# Which rooms each room may include; see CONTRIBUTING.md. A room may always include itself.
allowed() {
	case $1 in
	base) echo "" ;;
	wire) echo "base" ;;
	spool | net) echo "base wire" ;;
	inject) echo "base" ;;
	scope) echo "base" ;;
	kernel) echo "base" ;;
	probes) echo "base wire scope kernel" ;;
	cmd) echo "base wire spool net inject scope kernel probes" ;;
	esac
}

check_includes() {
	local file room other
	for file in sidecar/*/*.[ch]; do
		room=$(basename "$(dirname "$file")")
		while read -r other; do
			[ -d "sidecar/$other" ] || continue
			case " $room $(allowed "$room") " in
			*" $other "*) ;;
			*) fail "$file: $room must not include $other" ;;
			esac
		done < <(sed -n 's/^#include "\([a-z]*\)\/.*/\1/p' "$file")
		case $room in
		kernel | probes | scope) ;;
		# It prints libbpf's version.
		*) [ "$file" = sidecar/cmd/version.c ] ||
			! grep -Eq '^#include (<bpf/|".*\.skel\.h")' "$file" || fail "$file: only kernel, probes and scope see libbpf and skeletons" ;;
		esac
		case $file in
		sidecar/net/tls*.[ch]) ;;
		*) ! grep -q '^#include <openssl/' "$file" || fail "$file: only net/tls*.[ch] see OpenSSL" ;;
		esac
		case $room in
		wire | probes) ;;
		*) ! grep -q '^#include "ringside.pb-c.h"' "$file" || fail "$file: only wire and probes see protobuf" ;;
		esac
		case $room in
		inject) ;;
		# Its version too.
		*) [ "$file" = sidecar/cmd/version.c ] ||
			! grep -q '^#include <yyjson.h>' "$file" || fail "$file: only inject sees yyjson" ;;
		esac
	done
}

# A plain one does not load where the kernel has no BTF: see bpf/lib/rung.bpf.h.
check_tracepoints() {
	local file
	for file in bpf/*.bpf.c; do
		! grep -q '^SEC("tp_btf' "$file" || fail "$file: a program on a tracepoint begins with SEC_TRACEPOINT"
	done
}

check_lengths() {
	local lines file
	while read -r lines file; do
		[ "$lines" -le 500 ] || fail "$file: $lines lines; split it at 500"
	done < <(git ls-files '*.c' '*.h' '*.py' '*.sh' '*.proto' | grep -v '^proto/' | xargs wc -l | grep -v ' total$')
}

check_licences() {
	local file
	for file in "${files[@]}" $(git ls-files '*.sh' '*.py' '*.proto'); do
		head -n 3 "$file" | grep -q SPDX-License-Identifier || fail "$file: no SPDX line"
	done
}

step format
"$format" --dry-run -Werror "${files[@]}" 2>&1 | grep -E 'error:' | head -n 5
[ "${PIPESTATUS[0]}" = 0 ] || fail "run 'make format'"
step includes
check_includes
step tracepoints
check_tracepoints
step lengths
check_lengths
step licences
check_licences
step clang-tidy
find sidecar -name '*.c' -print0 | sort -z |
	xargs -0 -n 4 -P 2 tests/tidy.sh "$tidy" "${#cflags[@]}" "${cflags[@]}" || fail "clang-tidy"
step cppcheck
# varFuncNullUB: POSIX's NULL is a pointer. arrayIndexThenCheck, uninitvar: its idea of loops is wrong, clang-tidy's is not.
cppcheck --quiet --std=c11 --error-exitcode=1 --enable=warning,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=varFuncNullUB --suppress=arrayIndexThenCheck --suppress=uninitvar \
	'-DLIBBPF_OPTS(t,n,...)=struct t n = {0}' -Isidecar -Ibpf -Ibpf/lib sidecar || fail "cppcheck"
[ "$bad" = 0 ] && printf '  %-7s %s\n' CHECK 'all clean'
exit "$bad"
