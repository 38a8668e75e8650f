#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# NMIs and a flood of writes on the same CPUs share a ring: nothing hangs, produced = taken + lost, and some reserves find the ring
# locked by what the NMI interrupts. Boots the kernel under qemu's emulation and injects NMIs by QMP while the flood runs.
# Run it in the project's directory, after `make build/vm/nmi_share`.
#
#   tests/vm/nmi.sh VMLINUZ...
set -euo pipefail

die() {
	printf 'nmi: %s\n' "$*" >&2
	exit 1
}

make_root() {
	local busybox applet
	busybox=$(command -v busybox) || die "no busybox"
	mkdir -p "$work"/root/{bin,dev,proc,sys,tmp}
	cp "$busybox" build/ringside build/vm/nmi_share "$work/root/bin/"
	gcc -std=gnu11 -O1 -D_GNU_SOURCE -static -pthread -o "$work/root/bin/write_flood" tests/workload/write_flood.c
	for applet in $("$busybox" --list | grep -vx busybox); do
		ln -s busybox "$work/root/bin/$applet"
	done
	cp tests/vm/nmi_guest.sh "$work/root/init"
	chmod 755 "$work/root/init"
	(cd "$work/root" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/root.cpio"
}

# QMP commands for the guest's monitor, NMIs as long as the guest says that its flood runs.
inject() {
	printf '{"execute":"qmp_capabilities"}\n'
	while ! grep -q '^begin' "$work/out" 2>/dev/null; do
		sleep 0.05
	done
	while ! grep -q '^end' "$work/out"; do
		printf '{"execute":"inject-nmi"}%.0s\n' 1 2 3 4 5 6 7 8 9 10 2>/dev/null || return 0
		sleep 0.002
	done
	sleep 300 &
	echo $! >"$work/sleeper"
	wait || true
}

number() { # the value of KEY= in the guest's results
	grep -Eo "(^|[ {,\"])$1\"?[=:][0-9]+" "$work/out" | tail -n 1 | grep -Eo '[0-9]+$' || echo 0
}

run() {
	local status=0 asked calls produced lost taken contended
	: >"$work/out"
	inject | timeout 300 qemu-system-x86_64 -accel tcg -m 1G -smp 2 -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$1" -initrd "$work/root.cpio" -append "console=ttyS0 quiet loglevel=0 panic=-1" -qmp stdio \
		-serial "file:$work/console" -serial "file:$work/out" >"$work/qmp" || status=$?
	[ -f "$work/sleeper" ] && kill "$(cat "$work/sleeper")" 2>/dev/null && rm -f "$work/sleeper"
	grep -q '^finished' "$work/out" || die "$1: it hung or died (status $status): $(tail -n 3 "$work/out")"
	asked=$(number asked) calls=$(number calls) produced=$(number write_produced) lost=$(number write_lost)
	taken=$(number stream1_taken) contended=$(number nmi_contended)
	printf '%s: NMI records asked=%s in_ring=%s flood=%s produced=%s taken=%s lost=%s nmi_contended=%s contended=%s ring_full=%s\n' \
		"$(sed -n 's/^kernel //p' "$work/out")" "$asked" "$(number nmi_records)" "$calls" "$produced" "$taken" "$lost" \
		"$contended" "$(number contended)" "$(number ring_full)"
	[ "$asked" -gt 0 ] || die "no NMI came to the program"
	[ "$produced" = "$((calls + asked))" ] || die "produced $produced is not the flood's $calls and the NMIs' $asked"
	[ "$produced" = "$((taken + lost))" ] || die "produced $produced is not taken $taken + lost $lost"
	[ "$contended" -gt 0 ] || die "no reserve met a locked ring: this proves nothing"
}

[ $# -ge 1 ] || die "usage: nmi.sh VMLINUZ..."
work=$(mktemp -d)
trap '[ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT
make_root
for kernel in "$@"; do
	run "$kernel"
done
