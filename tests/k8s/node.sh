#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the disk of a Kubernetes node, from Debian's packages (containerd, runc, systemd, a cloud kernel), the kubelet as
# tests/cluster/build.sh builds it, and the files of tests/k8s/node. Needs root.
#
#   tests/k8s/node.sh OUT KUBELET     -> OUT/disk and OUT/vmlinuz; nothing is done where both are newer than what they are made of
set -euo pipefail

suite=trixie
packages=systemd-sysv,dbus,containerd,runc,containernetworking-plugins,iptables,iproute2,apparmor,linux-image-cloud-amd64

die() {
	printf 'node: %s\n' "$*" >&2
	exit 1
}

# shellcheck source=container/apt.sh
. "$(dirname "$0")/../../container/apt.sh"

[ $# -eq 2 ] || die "usage: node.sh OUT KUBELET"
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd) kubelet=$(realpath "$2")
if [ -f "$out/disk" ] && [ -z "$(find "$here/node" "$here/node.sh" "$kubelet" -newer "$out/disk")" ]; then
	exit 0
fi
for program in mmdebstrap mke2fs; do
	command -v $program >/dev/null || die "no $program; run 'make setup-test'"
done
uri=$(mirror)
[ -n "$uri" ] || die "apt knows no Debian mirror; run 'apt-get update' (make setup does) and try again"

if [ "$(cat "$out/packages" 2>/dev/null)" != "$suite $packages" ]; then
	printf 'node: fetching %s with containerd; some two minutes\n' "$suite"
	nice -n 5 mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		"$suite" "$out/packages.new.tar" "$uri" >"$out/log" 2>&1 || die "mmdebstrap: $(tail -n 1 "$out/log")"
	mv "$out/packages.new.tar" "$out/packages.tar"
	printf '%s\n' "$suite $packages" >"$out/packages"
fi
root=$out/root
rm -rf "$root" && mkdir "$root"
trap 'rm -rf "$root"' EXIT
tar -xpf "$out/packages.tar" -C "$root" --exclude './dev/*'
cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
rm -rf "${root:?}"/boot/* "$root"/var/lib/apt/lists/* "$root"/var/cache/*
cp -r "$here/node/." "$root/"
install "$kubelet" "$root/usr/local/bin/kubelet"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../kubelet.service "$root/etc/systemd/system/multi-user.target.wants/"
for unit in getty.target apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
	systemd-logind.service systemd-update-utmp.service e2scrub_reap.service; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
rm -f "$out/disk"
truncate -s 3G "$out/disk.new"
mke2fs -q -t ext4 -d "$root" "$out/disk.new"
mv "$out/disk.new" "$out/disk"
