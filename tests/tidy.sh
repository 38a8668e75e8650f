#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over some files:  tests/tidy.sh CLANG_TIDY COUNT CFLAGS... FILES...
#
# Left out, each for what it would cost here:
#   easily-swappable-parameters         (key, value) and (data, length) pairs are the rule in C
#   reserved-identifier                 _GNU_SOURCE
#   narrowing-conversions               -Wconversion is on, with -Werror
#   assignment-in-if-condition          clang's own -Wparentheses asks for the second pair
#   multi-level-implicit-pointer-conversion, implicit-widening...   C has void *; sizes are checked where they come in
#   suspicious-string-compare           !strcmp() is how C says equal
#   casting-through-void                container_of
#   DeprecatedOrUnsafeBufferHandling    asks for Annex K, which no libc has
set -uo pipefail

tidy=$1 count=$2
shift 2
cflags=("${@:1:count}")
shift "$count"
checks='-*,bugprone-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier'
checks+=',-bugprone-narrowing-conversions,-bugprone-assignment-in-if-condition'
checks+=',-bugprone-multi-level-implicit-pointer-conversion,-bugprone-implicit-widening-of-multiplication-result'
checks+=',-bugprone-suspicious-string-compare,-bugprone-casting-through-void'
checks+=',-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling'
"$tidy" --quiet --warnings-as-errors='*' -checks="$checks" "$@" -- "${cflags[@]}" 2>/dev/null
