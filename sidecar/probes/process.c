// SPDX-License-Identifier: Apache-2.0
/* The process family: fork, exec, exit, and the snapshot of what ran before. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/events.h"
#include "kernel/kernel_btf.h"
#include "probes/probe.h"
#include "process.h"
#include "process.raw.h"
#include "process.skel.h"

struct process_state {
	struct process_bpf *skeleton;
	struct events *events;
	struct bpf_link *snapshot_link; /* of the iterator for one PID namespace */
	bool snapshot_partial;
	uint8_t enriched[sizeof(struct exec_event) + PROCESS_PATH + PROCESS_ARGV];
};

/* The kernel's tracepoint passes whether the last thread leaves: its prototype has three parameters, __data included. */
static bool exit_has_group_dead(const struct btf *kernel)
{
	const struct btf_type *type;
	int id = btf__find_by_name_kind(kernel, "btf_trace_sched_process_exit", BTF_KIND_TYPEDEF);

	if (id < 0)
		return false;
	type = btf__type_by_id(kernel, btf__type_by_id(kernel, (uint32_t)id)->type);
	if (!btf_is_ptr(type))
		return false;
	type = btf__type_by_id(kernel, type->type);
	return btf_is_func_proto(type) && btf_vlen(type) == 3;
}

static int snapshot_round(struct process_state *state)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	char dummy[256];
	int fd, err = 0;

	if (!state->snapshot_partial) {
		err = bpf_prog_test_run_opts(
			bpf_program__fd(state->skeleton->progs.process_snapshot_all), &options);
		return err ? err : options.retval == SNAPSHOT_STUCK ? -ENOSPC : 0;
	}
	fd = bpf_iter_create(bpf_link__fd(state->snapshot_link));
	if (fd < 0)
		return fd;
	while ((err = (int)read(fd, dummy, sizeof(dummy))) > 0)
		;
	close(fd);
	return err < 0 ? -errno : 0;
}

/* Rounds, each as long as the ring has room, until no process in scope is left out. */
static int take_snapshot(struct process_state *state)
{
	struct snapshot_state *snapshot = &state->skeleton->bss->snapshot;
	int err;

	snapshot->attached_ns = clock_boottime_ns();
	do {
		snapshot->next_ns = snapshot->sent_bytes = 0;
		err = snapshot_round(state);
		events_drain_whole(state->events, RING_LIFECYCLE);
		snapshot->resume_ns = snapshot->next_ns;
	} while (!err && snapshot->next_ns);
	return err;
}

static void forget_snapshot(const struct process_state *state)
{
	const int fd = bpf_map__fd(state->skeleton->maps.snapshot_seen);
	struct process_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

static void process_stop(void *context)
{
	struct process_state *state = context;

	bpf_link__destroy(state->snapshot_link);
	process_bpf__destroy(state->skeleton);
	free(state);
}

static int open_object(struct process_state *state, const struct probe_setup *setup)
{
	const long page = sysconf(_SC_PAGESIZE);
	const char *file = events_btf(setup->events);
	struct process_bpf *skeleton = KERNEL_BTF_OPEN(process, file);
	struct btf *kernel;

	if (!skeleton)
		return -errno;
	state->skeleton = skeleton;
	kernel = kernel_btf_load(file);
	if (!kernel)
		return -errno;
	skeleton->rodata->exit_has_group_dead = exit_has_group_dead(kernel);
	/* By a file the processes are found along the kernel's list of them. */
	state->snapshot_partial =
		!file && btf__find_by_name_kind(kernel, "bpf_iter_task_new", BTF_KIND_FUNC) < 0;
	btf__free(kernel);
	skeleton->rodata->page_size = (uint64_t)page;
	bpf_program__set_autoload(state->snapshot_partial
					  ? skeleton->progs.process_snapshot_all
					  : skeleton->progs.process_snapshot_visible,
				  false);
	bpf_program__set_autoattach(skeleton->progs.process_snapshot_visible, false);
	return events_lend(setup->events, skeleton->obj);
}

static int process_start(const struct probe_setup *setup, void **ret_state, char ret_how[PROBE_HOW])
{
	struct process_state *state = calloc(1, sizeof(*state));
	const char *what = "open";
	int err;

	if (!state)
		return -ENOMEM;
	state->events = setup->events;
	err = open_object(state, setup);
	if (err)
		goto out;
	what = "load";
	err = process_bpf__load(state->skeleton);
	if (err)
		goto out;
	what = "attach";
	state->skeleton->bss->snapshot.running = 1;
	state->skeleton->bss->snapshot.attached_ns = UINT64_MAX;
	state->skeleton->bss->snapshot.pause_bytes =
		events_ring_bytes(setup->events, RING_LIFECYCLE) / 4;
	err = process_bpf__attach(state->skeleton);
	if (!err && state->snapshot_partial) {
		state->snapshot_link = bpf_program__attach_iter(
			state->skeleton->progs.process_snapshot_visible, NULL);
		err = state->snapshot_link ? 0 : -errno;
	}
	if (err)
		goto out;
	*ret_state = state;
	snprintf(ret_how, PROBE_HOW, "%s%s", kernel_btf_rung(events_btf(setup->events)),
		 state->snapshot_partial ? ",snapshot=partial" : "");
out:
	if (err) {
		probe_refused(setup, "process", what, err);
		process_stop(state);
	}
	return err;
}

/* Called once the reader can take records. */
static void process_ready(void *context)
{
	struct process_state *state = context;
	const int err = take_snapshot(state);

	if (err)
		log_line(LOG_WARN, "processes that run already are not shown", "probe", "process",
			 "why", strerror(-err), NULL);
	state->skeleton->bss->snapshot.running = 0;
	forget_snapshot(state);
}

static void process_detach(void *context)
{
	struct process_state *state = context;

	process_bpf__detach(state->skeleton);
}

static size_t read_file(const char *path, char *data, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = 0;

	if (fd < 0)
		return 0;
	while (length < size && (n = read(fd, data + length, size - length)) > 0)
		length += (size_t)n;
	close(fd);
	return length;
}

/* Whether the process has run another program since its snapshot record was made. */
static bool has_moved_on(const struct process_state *state, const struct exec_event *exec)
{
	const struct process_key key = {.start_time = exec->start_time, .tgid = exec->header.tgid};
	uint8_t seen;

	return bpf_map_lookup_elem(bpf_map__fd(state->skeleton->maps.snapshot_seen), &key, &seen) ||
	       seen == SEEN_EXEC;
}

/*
 * Path and arguments as /proc shows them, behind `exec`; its lengths are those of the record. The path needs the rights of
 * a debugger (proc(5)): where they are missing, the kernel's name of the file stays. 0 or -errno.
 */
static int read_proc(const struct process_state *state, const struct exec_event *given,
		     struct exec_event *exec)
{
	const bool own_numbers =
		state->skeleton->rodata->pidns_level && !events_host_proc(state->events);
	const char *proc = events_proc(state->events);
	const uint32_t pid = own_numbers ? exec->header.ns_tgid : exec->header.tgid;
	char *text = (char *)(exec + 1);
	char path[PATH_MAX + 32], link[PROCESS_PATH];
	ssize_t length;

	if (!pid)
		return -ESRCH;
	snprintf(path, sizeof(path), "%s/%u/exe", proc, pid);
	length = readlink(path, link, sizeof(link));
	if (length > 0 && length < PROCESS_PATH) {
		memcpy(text, link, (size_t)length);
	} else {
		length = given->filename_length;
		memcpy(text, given + 1, (size_t)length);
	}
	exec->filename_length = (uint16_t)length;
	snprintf(path, sizeof(path), "%s/%u/cmdline", proc, pid);
	exec->argv_length = (uint16_t)read_file(path, text + length, PROCESS_ARGV);
	if (exec->argv_length < exec->argv_bytes && exec->argv_length < PROCESS_ARGV)
		return -ENODATA;
	return 0;
}

/*
 * A running process's path and arguments, where the /proc that we read shows it. Where it has run something else since, its record keeps the
 * name that the kernel gave, and says that the arguments could not be read.
 */
static const struct event_header *process_enrich(void *context, const struct event_header *event)
{
	struct process_state *state = context;
	struct exec_event *exec = (struct exec_event *)state->enriched;
	const struct exec_event *given = (const struct exec_event *)event;

	if (event->kind != EVENT_EXEC || !(event->flags & EVENT_SNAPSHOT) ||
	    event->length < sizeof(*exec))
		return event;
	*exec = *given;
	if (read_proc(state, given, exec) || has_moved_on(state, given)) {
		memcpy(exec, given, given->header.length);
		if (exec->argv_bytes)
			exec->header.flags |= EVENT_FAULT;
		return &exec->header;
	}
	if (exec->argv_bytes > exec->argv_length)
		exec->header.flags |= EVENT_TRUNCATED;
	exec->header.length = (uint32_t)(sizeof(*exec) + exec->filename_length + exec->argv_length);
	return &exec->header;
}

static uint64_t process_missed(void *context, uint32_t probe)
{
	struct process_state *state = context;

	(void)probe;
	return events_missed(bpf_program__fd(state->skeleton->progs.process_fork)) +
	       events_missed(bpf_program__fd(state->skeleton->progs.process_exec)) +
	       events_missed(bpf_program__fd(state->skeleton->progs.process_exit));
}

const struct probe_family process_family = {
	.name = "process",
	.start = process_start,
	.ready = process_ready,
	.detach = process_detach,
	.stop = process_stop,
	.enrich = process_enrich,
	.missed = process_missed,
};
