#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the named layers of tests (all of `make test` without a name) and ends with one line: N passed, N failed, N skipped.
# A layer that cannot run here counts as one skip, with its reason. The virtual machines' layer by its name boots all
# kernels, else one of them.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
layers=("$@")
if [ ${#layers[@]} -eq 0 ]; then
	layers=(build reproducible unit inject probes integration docker helm vm)
	export VM=short
fi
passed=0 failed=0 skipped=0
python=build/venv/bin/python

count() { # the last number before WORD in the file's last summary line
	tail -n 3 "$2" | grep -Eo "[0-9]+ $1" | tail -n 1 | grep -Eo '[0-9]+' || echo 0
}

run_pytest() {
	local log=build/test-$1.log
	if ! find "tests/$1" -name 'test_*.py' | grep -q .; then
		printf 'layer %s: skipped: it has no tests\n' "$1"
		skipped=$((skipped + 1))
		return
	fi
	"$python" -m pytest -q -rs -p no:cacheprovider "tests/$1" 2>&1 | tee "$log"
	local status=${PIPESTATUS[0]}
	passed=$((passed + $(count passed "$log")))
	failed=$((failed + $(count failed "$log") + $(count 'errors?' "$log")))
	skipped=$((skipped + $(count skipped "$log")))
	[ "$status" = 0 ] || [ "$(count failed "$log")" != 0 ] || failed=$((failed + 1))
}

run_unit() {
	local test log build=build runner=()
	if [ "${ARCH:-$(dpkg --print-architecture)}" != "$(dpkg --print-architecture)" ]; then
		build=build/$ARCH
		# qemu's name of it, the libraries of Debian's cross compiler, and those that the Makefile fetched.
		local machine=aarch64
		runner=("qemu-$machine-static" -L "/usr/$machine-linux-gnu" -E "LD_LIBRARY_PATH=$build/libraries/usr/lib/$machine-linux-gnu")
	fi
	for test in "$build"/unit/test_*; do
		case $test in *.d | *.o | *.log) continue ;; esac
		log=$test.log
		printf '%s\n' "$test"
		if "${runner[@]}" "$test" >"$log" 2>&1; then
			passed=$((passed + $(grep -Ec '^\[ +OK \]' "$log")))
		else
			cat "$log"
			passed=$((passed + $(grep -Ec '^\[ +OK \]' "$log")))
			local bad
			bad=$(grep -Ec '^\[  FAILED  \] [a-z_0-9]+$' "$log")
			failed=$((failed + (bad > 0 ? bad : 1)))
		fi
	done
}

for layer in "${layers[@]}"; do
	printf '\n== %s\n' "$layer"
	case $layer in
	unit) run_unit ;;
	*) run_pytest "$layer" ;;
	esac
done
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
