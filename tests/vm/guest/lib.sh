# SPDX-License-Identifier: Apache-2.0
# What a job is made of. Each step runs something, keeps its files in a directory of its own, and ships that to the
# host at once, as a tar in base64 between two lines on the port for results: a guest that dies later has told so
# far. The host judges; nothing is compared here.
out=/out
cgroups=/sys/fs/cgroup
patience=180 # seconds; under emulation the verifier takes long
under=exec   # how programs of ours are started: exec, or limited

# ship NAME: sends the directory of a step and removes it.
ship() {
	{
		echo "begin $1"
		tar -C "$out/$1" -cz . | base64
		echo "end $1"
	} >$results
	rm -rf "${out:?}/$1"
}

# until_true COMMAND...: 0 as soon as the command succeeds.
until_true() {
	tries=$((patience * 10))
	while ! "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		usleep 100000
	done
}

# answer NAME COMMAND...: a command that ends by itself.
answer() {
	name=$1 dir=$out/$1
	shift
	echo "step $name"
	mkdir -p "$dir"
	($under timeout $patience "$@") >"$dir/stdout" 2>"$dir/stderr" </dev/null
	echo $? >"$dir/code"
	ship "$name"
}

# For those who may lock 64 KiB of memory, and may not raise that.
limited() {
	ulimit -l 64
	exec /bin/setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource "$@"
}

# ---------------------------------------------------------------- ways to run a workload in the scope

enter='echo 0 >"$0/cgroup.procs"; exec "$@"'

# Its exec is the first thing that happens there, but for the shell's that brings it in.
inside() {
	sh -c "$enter" "$cgroup" "$@"
}

# In read(0, ...): its number on x86-64, or arm64.
at_gate() {
	grep -Eqs '^(0|63) 0x0 ' "/proc/$1/syscall" || [ ! -d "/proc/$1" ]
}

# Executed outside, moved in where it waits for the end of its stdin: what it does inside is its own alone.
gated() {
	mkfifo "$dir/gate"
	WORKLOAD_GATE=1 "$@" <"$dir/gate" &
	workload=$!
	exec 4>"$dir/gate"
	until_true at_gate $workload
	echo $workload >"$cgroup/cgroup.procs"
	exec 4>&-
	rm "$dir/gate"
	wait $workload
}

cpu_online() { # NUMBER 0|1
	echo "$2" >"/sys/devices/system/cpu/cpu$1/online"
}

# Three times: on CPUs 0 and 1, on 0 and 5 (which was offline when the sidecar started: perf buffers come within a
# second, and guests are slow), and on 0 alone.
replugged() {
	gated "$@" && cpu_online 5 1 && sleep 3 && cpu_online 1 0 && gated "$@" && cpu_online 5 0 && gated "$@"
	status=$?
	cpu_online 1 1
	return $status
}

# CPU 1 goes in the middle of the workload, once some of its records are there.
unplugged() {
	gated "$@" &
	flood=$!
	until_true test -s "$dir/stdout"
	cpu_online 1 0
	wc -l <"$dir/stdout" >"$dir/records_before"
	wait $flood
	flood=$?
	cpu_online 1 1
	return $flood
}

# All on CPU 0.
crowded() {
	inside taskset 1 "$@"
}

attached_or_gone() {
	grep -qs attached "$dir/share" || ! kill -0 $share 2>/dev/null
}

# Under NMIs, which the host injects between the two lines, and whose program shares the sidecar's maps.
under_nmis() {
	mkfifo "$dir/stop"
	nmi_share <"$dir/stop" >"$dir/share" 2>&1 &
	share=$!
	exec 5>"$dir/stop"
	until_true attached_or_gone
	echo "nmis begin" >$results
	gated "$@"
	flood=$?
	echo "nmis end" >$results
	exec 5>&-
	rm "$dir/stop"
	wait $share && return $flood
}

# ---------------------------------------------------------------- the sidecar

# Keeps a resolver's library mapped in the scope: it is attached before the sidecar is ready.
keep_library() {
	mkfifo "$dir/keeper"
	sh -c "$enter" "$cgroup" "$1" wait <"$dir/keeper" >/dev/null &
	keeper=$!
	exec 3>"$dir/keeper"
	until_true at_gate $keeper
}

release_library() {
	exec 3>&-
	wait $keeper
	rm "$dir/keeper"
}

ready_or_gone() {
	grep -qs 'msg=ready' "$dir/stderr" || ! kill -0 $sidecar 2>/dev/null
}

# observe NAME OPTIONS KEEP WAY PROGRAM ARG...: the sidecar on a cgroup of its own while a workload runs there, WAY being
# one of the above. KEEP: the program whose resolver is mapped before, or - for none.
observe() {
	name=$1 options=$2 keep=$3 dir=$out/$1 cgroup=$cgroups/$1
	shift 3
	echo "step $name"
	mkdir -p "$dir" "$cgroup"
	stat -c %i "$cgroup" >"$dir/cgroup"
	[ "$keep" = - ] || keep_library "$keep"
	$under ringside run --scope "cgroup:$cgroup" --format json $options >"$dir/stdout" 2>"$dir/stderr" </dev/null &
	sidecar=$!
	until_true ready_or_gone
	if grep -q 'msg=ready' "$dir/stderr"; then
		"$@" >"$dir/report" 2>"$dir/workload_stderr" </dev/null
		echo $? >"$dir/workload_code"
	fi
	kill -TERM $sidecar 2>/dev/null
	wait $sidecar
	echo $? >"$dir/code"
	[ "$keep" = - ] || release_library
	rmdir "$cgroup"
	ship "$name"
}
