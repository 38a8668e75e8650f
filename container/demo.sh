#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration behind `make run`: a cgroup with a small workload in it, a sidecar scoped to that cgroup, and a collector
# that shows what arrives. Ends after the given time or on Ctrl-C and removes what it made.
#
#   container/demo.sh BINARY 20s
set -euo pipefail

binary=$1
seconds=${2%s}
name=ringside-demo-$$
work=$(mktemp -d)
cgroup=
pids=()

die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

cleanup() {
	trap - EXIT INT TERM
	for pid in "${pids[@]}"; do
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	if [ -n "$cgroup" ]; then
		while read -r pid; do
			kill -KILL "$pid" 2>/dev/null || true
		done <"$cgroup/cgroup.procs"
		for _ in $(seq 50); do
			rmdir "$cgroup" 2>/dev/null && break
			sleep 0.1
		done
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

wait_for() { # FILE TEXT PID
	for _ in $(seq 100); do
		grep -q "$2" "$1" 2>/dev/null && return 0
		kill -0 "$3" 2>/dev/null || break
		sleep 0.1
	done
	cat "$1" >&2
	die "no '$2' within 10 s"
}

[ "$(id -u)" = 0 ] || die "run this as root: attaching probes needs it"
mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$mount" ] || die "no cgroup v2 mount was found; mount one: mount -t cgroup2 none /mnt"
cgroup=$mount/$name
mkdir "$cgroup" || die "cannot make a cgroup in $mount"

# The workload: short processes, lookups, a script.
cat >"$work/workload.sh" <<'WORKLOAD'
while :; do
	getent ahosts localhost >/dev/null
	getent ahosts "no-such-host.invalid" >/dev/null
	ls / >/dev/null
	sh -c 'exit 3'
	sleep 1
done
WORKLOAD

"$binary" collect --listen 127.0.0.1:0 --format table 2>"$work/collect.log" &
pids+=($!)
wait_for "$work/collect.log" 'msg=ready' $!
listen=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' "$work/collect.log" | head -n 1)

"$binary" run --scope "cgroup:$cgroup" --collector "$listen" --attribute service.name=demo \
	--counters-interval 5s 2>"$work/run.log" &
pids=($! "${pids[@]}")
wait_for "$work/run.log" 'msg=ready' "${pids[0]}"

sh -c 'echo $$ >"$1/cgroup.procs" && exec sh "$2"' sh "$cgroup" "$work/workload.sh" &
pids+=($!)
sleep "$seconds" &
wait $!
kill -TERM "${pids[0]}"
wait "${pids[0]}" || true
cat "$work/run.log" "$work/collect.log" >&2
