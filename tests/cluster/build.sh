#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds etcd, Kubernetes' servers, kubectl and the kubelet from Go modules, as go.mod and go.sum beside this file pin them.
#
#   tests/cluster/build.sh OUT     -> OUT/etcd, OUT/kube-apiserver, ...
set -euo pipefail

[ $# -eq 1 ] || {
	printf 'usage: build.sh OUT\n' >&2
	exit 1
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
go=$(../../container/go.sh "$out/..")
export CGO_ENABLED=0 GOTOOLCHAIN=auto GOFLAGS=-mod=readonly
# What Kubernetes' own build writes into its binaries: the API server serves it, and helm's charts ask for it.
version=$("$go" list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${version#v}"
flags=(-s -w)
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags+=(-X "$package.gitVersion=$version" -X "$package.gitMajor=$major" -X "$package.gitMinor=$minor")
done
nice -n 5 "$go" build -buildvcs=false -trimpath -ldflags "${flags[*]}" -o "$out/" tool
mv "$out/server" "$out/etcd"
