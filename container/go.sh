#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints where a Go is that builds what the tests need: the machine's own from 1.24 on, else Debian trixie's, fetched through apt
# into a directory and used from there.
#
#   container/go.sh OUT     -> /usr/bin/go, or OUT/go/usr/lib/go-1.24/bin/go
#
# From either, GOTOOLCHAIN=auto fetches a newer one through the Go proxy, where a module asks for it.
set -euo pipefail

release=1.24

die() {
	printf 'go: %s\n' "$*" >&2
	exit 1
}

# shellcheck source=container/apt.sh
. "$(dirname "$0")/apt.sh"

new_enough() {
	local version
	version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
	[ "$(printf 'go%s\n%s\n' "$release" "$version" | sort -V | head -n 1)" = "go$release" ]
}

[ $# -eq 1 ] || die "usage: go.sh OUT"
if own=$(command -v go) && new_enough "$own"; then
	printf '%s\n' "$own"
	exit
fi
go=$1/go/usr/lib/go-$release/bin/go
if [ ! -x "$go" ]; then
	mkdir -p "$1/go"
	apt=$(cd "$1/go" && pwd)/apt
	foreign_apt "$apt" "$(dpkg --print-architecture)" trixie
	download "$apt" "golang-$release-go" "golang-$release-src"
	for package in "$apt"/debs/*.deb; do
		dpkg -x "$package" "$1/go"
	done
	rm -rf "$apt"
fi
(cd "$(dirname "$go")" && printf '%s/go\n' "$PWD")
