// SPDX-License-Identifier: Apache-2.0
/* The system call family: the counters of `syscalls` and the records of `write` come from the same hooks. */
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "kernel/events.h"
#include "kernel/features.h"
#include "kernel/kernel_btf.h"
#include "kernel/percpu.h"
#include "probes/probe.h"
#include "probes/syscall_name.h"
#include "syscalls.h"
#include "syscalls.raw.h"
#include "syscalls.skel.h"
#include "wire/counters.h"

struct syscalls_state {
	struct syscalls_bpf *skeleton;
	struct percpu counts, other;
	uint64_t *per_cpu;
	bool counting;
};

static void syscalls_stop(void *context)
{
	struct syscalls_state *state = context;

	percpu_done(&state->counts);
	percpu_done(&state->other);
	free(state->per_cpu);
	syscalls_bpf__destroy(state->skeleton);
	free(state);
}

size_t syscalls_rows(uint64_t memory)
{
	const size_t entry =
		percpu_cpus() * sizeof(struct syscall_count) + sizeof(struct syscall_key);
	const uint64_t rows = memory / entry;

	return rows < 16 ? 16 : rows > 65536 ? 65536 : (size_t)rows;
}

static int open_object(struct syscalls_state *state, const struct probe_setup *setup)
{
	const char *file = events_btf(setup->events);
	struct syscalls_bpf *skeleton = KERNEL_BTF_OPEN(syscalls, file);
	const bool writing = setup->enabled & 1u << PROBE_WRITE;
	bool in_hash;

	if (!skeleton)
		return -errno;
	state->skeleton = skeleton;
	state->counting = setup->enabled & 1u << PROBE_SYSCALLS;
	skeleton->rodata->counting = state->counting;
	skeleton->rodata->writing = writing;
	skeleton->rodata->timing = setup->settings->latency;
	skeleton->rodata->write_min_bytes = setup->settings->write_min_bytes;
	skeleton->rodata->write_sample = (uint32_t)setup->settings->write_sample;
	bpf_program__set_autoload(skeleton->progs.syscalls_enter, setup->settings->latency);
	in_hash = setup->settings->latency && (file || !features_have_task_storage());
	skeleton->rodata->entered_in_hash = in_hash;
	bpf_program__set_autoload(skeleton->progs.syscalls_process_exit,
				  state->counting || in_hash);
	bpf_map__set_max_entries(
		skeleton->maps.counts,
		state->counting ? (uint32_t)syscalls_rows(setup->settings->counters_memory) : 1);
	bpf_map__set_autocreate(skeleton->maps.entered, setup->settings->latency && !in_hash);
	bpf_map__set_autocreate(skeleton->maps.entered_hash, in_hash);
	return events_lend(setup->events, skeleton->obj);
}

static int syscalls_start(const struct probe_setup *setup, void **ret_state,
			  char ret_how[PROBE_HOW])
{
	struct syscalls_state *state = calloc(1, sizeof(*state));
	const char *what = "open";
	int err;

	if (!state)
		return -ENOMEM;
	err = open_object(state, setup);
	if (err)
		goto out;
	what = "load";
	err = syscalls_bpf__load(state->skeleton);
	if (err)
		goto out;
	what = "memory";
	err = percpu_init(&state->counts, bpf_map__fd(state->skeleton->maps.counts),
			  sizeof(struct syscall_count));
	if (!err)
		err = percpu_init(&state->other, bpf_map__fd(state->skeleton->maps.counts_other),
				  sizeof(struct syscall_count));
	if (!err && setup->settings->per_cpu) {
		state->per_cpu = calloc(state->counts.cpus, sizeof(*state->per_cpu));
		err = state->per_cpu ? 0 : -ENOMEM;
	}
	if (err)
		goto out;
	what = "attach";
	err = syscalls_bpf__attach(state->skeleton);
	if (err)
		goto out;
	*ret_state = state;
	snprintf(ret_how, PROBE_HOW, "%s%s", kernel_btf_rung(events_btf(setup->events)),
		 !setup->settings->latency		    ? ""
		 : state->skeleton->rodata->entered_in_hash ? ",latency=hash"
							    : ",latency");
out:
	if (err) {
		probe_refused(setup, "syscalls,write", what, err);
		syscalls_stop(state);
	}
	return err;
}

static void syscalls_detach(void *context)
{
	struct syscalls_state *state = context;

	syscalls_bpf__detach(state->skeleton);
	if (state->skeleton->bss->entered_lost)
		log_line(LOG_WARN, "calls without a latency", "probe", "syscalls", "count",
			 log_u64(state->skeleton->bss->entered_lost), "why",
			 "more than 16384 calls were under way at once", NULL);
}

/* One row from the values that were read last. A row's start is its first call on any CPU. */
static void add_row(struct syscalls_state *state, const struct percpu *values,
		    const struct syscall_key *key, const char *name, struct counters *counters)
{
	struct counters_row row = {
		.cgroup_id = key->cgroup_id,
		.hierarchy = key->hierarchy,
		.syscall = name,
		.nr = key->nr,
		.count = percpu_sum(values, offsetof(struct syscall_count, count)),
		.errors = percpu_sum(values, offsetof(struct syscall_count, errors)),
		.total_ns = percpu_sum(values, offsetof(struct syscall_count, total_ns)),
		.per_cpu = state->per_cpu,
	};

	if (!row.count)
		return;
	for (size_t cpu = 0; cpu < values->cpus; cpu++) {
		const struct syscall_count *value = percpu_value(values, cpu);

		if (value->since_ns && (!row.since_ns || value->since_ns < row.since_ns))
			row.since_ns = value->since_ns;
		if (state->per_cpu)
			state->per_cpu[cpu] = value->count;
	}
	counters_add(counters, &row);
}

static void syscalls_count(void *context, struct counters *counters)
{
	struct syscalls_state *state = context;
	struct syscall_key key, *previous = NULL;
	const uint32_t other = 0;
	char name[SYSCALL_NAME];

	if (!state->counting)
		return;
	for (; !bpf_map_get_next_key(state->counts.map_fd, previous, &key); previous = &key) {
		if (percpu_read(&state->counts, &key))
			continue;
		syscall_name(key.nr, key.ia32, name);
		add_row(state, &state->counts, &key, name, counters);
	}
	if (!percpu_read(&state->other, &other))
		add_row(state, &state->other, &(struct syscall_key){0}, "other", counters);
}

static uint64_t syscalls_missed(void *context, uint32_t probe)
{
	struct syscalls_state *state = context;
	uint64_t missed = events_missed(bpf_program__fd(state->skeleton->progs.syscalls_exit));

	if (probe == PROBE_SYSCALLS)
		missed += events_missed(
			bpf_program__fd(state->skeleton->progs.syscalls_process_exit));
	return missed;
}

const struct probe_family syscalls_family = {
	.name = "syscalls",
	.start = syscalls_start,
	.detach = syscalls_detach,
	.stop = syscalls_stop,
	.count = syscalls_count,
	.missed = syscalls_missed,
};
