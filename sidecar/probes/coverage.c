// SPDX-License-Identifier: Apache-2.0
#include "probes/coverage.h"

#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "event.h"
#include "image_notice.h"
#include "images.raw.h"
#include "images.skel.h"
#include "kernel/events.h"
#include "kernel/kernel_btf.h"
#include "probes/images.h"
#include "probes/uncovered.h"
#include "scope/scope.h"

/* How the path of a file of memfd_create(2) begins. */
#define IN_MEMORY "/memfd:"

/* What tells of new files; the first together with walks over the mappings at exec. */
enum follow { FOLLOW_LINKER, FOLLOW_KPROBE, FOLLOW_NOTHING };

struct coverage {
	struct images_bpf *skeleton;
	struct events *events;
	struct images *images;
	struct ring_buffer *notices;
	uint64_t notices_lost; /* as handled */
	struct uncovered *uncovered;
	uint64_t
		started_ns; /* what was attached by then needs no report: nothing is promised before */
	enum follow follow;
};

/* Why calls of the process may have been missed; NULL: none were. */
static const char *judge(const struct coverage *coverage, const struct image_notice *notice,
			 const struct images_look *look)
{
	if (look->denied == DENIED_PROCESS)
		return "its files may not be opened: it has another user, or more capabilities "
		       "than the sidecar: grant CAP_SYS_PTRACE";
	if (look->denied)
		return "a file of it may not be opened: only its owner may read it: grant "
		       "CAP_DAC_READ_SEARCH";
	if (look->unseen)
		return "its resolver cannot be seen: static without symbols, of Go, or of another "
		       "word size";
	if (look->newest_ns > notice->time_ns && look->newest_ns > coverage->started_ns)
		return notice->of == NOTICE_WHOLE
			       ? "it came into the scope before a library of it was "
				 "attached: its first calls may be missing"
			       : "it ran before the file was attached: its first calls may "
				 "be missing";
	if (look->alive)
		return NULL;
	return notice->pid ? "it ended before the file could be looked at"
			   : "it is outside the sidecar's PID namespace: share the pod's or the "
			     "host's, or give --proc";
}

/* The names of a notice come from the file upwards. Leaves `path` empty where it is not known. */
static void read_path(const struct image_notice *notice, char path[NOTICE_PATH + 1])
{
	const char *names = notice->path;
	size_t at = NOTICE_PATH, left = notice->path_length;

	path[0] = path[at] = 0;
	if (!left || left >= NOTICE_PATH || names[left - 1])
		return;
	while (left) {
		const size_t length = strlen(names);

		if (strcmp(names, "/")) {
			at -= length;
			memcpy(path + at, names, length);
			path[--at] = '/';
		}
		names += length + 1;
		left -= length + 1;
	}
	memmove(path, path + at, NOTICE_PATH + 1 - at);
}

static void look_file(struct coverage *coverage, const struct image_notice *notice,
		      const char *path, struct images_look *ret_look)
{
	const struct images_file file = {
		.pid = notice->pid,
		.parent_pid = notice->parent,
		.start = notice->start,
		.end = notice->end,
		.inode = notice->file.inode,
		.size = notice->file.size,
		.changed_ns = notice->file.changed_ns,
		.path = path,
	};
	uint64_t now;

	images_look_file(coverage->images, &file, ret_look);
	now = clock_boottime_ns();
	if (ret_look->alive)
		bpf_map_update_elem(bpf_map__fd(coverage->skeleton->maps.known), &notice->file,
				    &now, BPF_NOEXIST);
}

static bool is_walked(const struct coverage *coverage, const struct image_notice *notice)
{
	uint64_t arrival;

	return !bpf_map_lookup_elem(bpf_map__fd(coverage->skeleton->maps.arrived), &notice->tgid,
				    &arrival) &&
	       arrival == ARRIVAL_WALKED;
}

/* The process's linker has told since of all that it maps. */
static bool linker_was_seen(const struct coverage *coverage, const struct image_notice *notice)
{
	uint64_t seen_ns;

	return !bpf_map_lookup_elem(bpf_map__fd(coverage->skeleton->maps.linked), &notice->tgid,
				    &seen_ns) &&
	       seen_ns >= notice->time_ns;
}

/* All that a process maps. Where it is gone by now, or runs something else, notices of its old files and of the new ones follow. */
static void look_whole(struct coverage *coverage, const struct image_notice *notice,
		       const char *path, struct images_look *ret_look)
{
	struct images_look executable;

	images_look_process(coverage->images, notice->pid, ret_look);
	if (notice->of == NOTICE_UNWALKED ? linker_was_seen(coverage, notice)
					  : is_walked(coverage, notice))
		*ret_look = (struct images_look){.alive = true};
	look_file(coverage, notice, path, &executable);
}

/*
 * The file is a dynamic linker that was attached only after the process had it: libraries that it had mapped by then were told
 * by nobody.
 */
static void look_linked(struct coverage *coverage, const struct image_notice *notice,
			struct images_look *look)
{
	struct images_look all;

	images_look_root(coverage->images, notice->pid);
	images_look_process(coverage->images, notice->pid, &all);
	if (!images_has_mapping(coverage->images, notice->pid, notice->start, notice->end))
		all = (struct images_look){.alive = false};
	/* Through another mount, a linker that was attached in time may seem to be a new file. */
	if (linker_was_seen(coverage, notice))
		return;
	look->alive &= all.alive;
	if (all.denied > look->denied)
		look->denied = all.denied;
	look->unseen |= all.unseen;
	if (all.newest_ns > look->newest_ns)
		look->newest_ns = all.newest_ns;
}

static void report(struct coverage *coverage, const struct image_notice *notice, const char *path,
		   const struct images_look *look)
{
	const struct uncovered_process process = {
		.tgid = notice->tgid,
		.start_time = notice->start_time,
		/* One in memory is made anew each time, as by container runtimes for each exec. */
		.changed_ns =
			strncmp(path, IN_MEMORY, strlen(IN_MEMORY)) ? notice->file.changed_ns : 0,
		.image = path,
		.why = judge(coverage, notice, look),
	};

	if (process.why)
		uncovered_add(coverage->uncovered, &process);
}

static int take_notice(void *context, void *data, size_t size)
{
	const struct image_notice *notice = data;
	struct coverage *coverage = context;
	char path[NOTICE_PATH + 1];
	struct images_look look;

	if (size < offsetof(struct image_notice, path) ||
	    notice->path_length > size - offsetof(struct image_notice, path))
		return 0;
	read_path(notice, path);
	if (notice->of == NOTICE_WHOLE || notice->of == NOTICE_UNWALKED)
		look_whole(coverage, notice, path, &look);
	else
		look_file(coverage, notice, path, &look);
	if (notice->of == NOTICE_EXEC && look.linked_ns > notice->time_ns)
		look_linked(coverage, notice, &look);
	report(coverage, notice, path, &look);
	return 0;
}

/* What the process maps, and the usual libraries under its root. Nothing is promised of the time before. */
static void scan_process(struct coverage *coverage, const struct image_scanned *process)
{
	const struct image_notice notice = {
		.of = NOTICE_WHOLE,
		.tgid = process->tgid,
		.pid = process->pid,
		.start_time = process->start_time,
		.time_ns = UINT64_MAX,
	};
	struct images_look look;
	char link[PATH_MAX + 32], path[NOTICE_PATH + 1];
	ssize_t length;

	images_look_process(coverage->images, process->pid, &look);
	images_look_root(coverage->images, process->pid);
	look.alive = true;
	snprintf(link, sizeof(link), "%s/%u/exe", events_proc(coverage->events), process->pid);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = 0;
	report(coverage, &notice, path, &look);
}

static void scan_visited(void *context, uint32_t pid, uint32_t tgid)
{
	scan_process(context, &(struct image_scanned){.tgid = tgid, .pid = pid});
}

/* All processes in scope that the /proc which is read shows. */
static void scan(struct coverage *coverage)
{
	const char *btf = events_btf(coverage->events);
	const char *host_proc = events_host_proc(coverage->events);
	struct scope_entry scopes[SCOPE_MAX];
	struct image_scanned found[64];
	ssize_t length;
	size_t count;
	int fd;

	if (btf || host_proc) { /* no iterator, or it shows our PID namespace alone */
		count = events_scopes(coverage->events, scopes);
		(void)scope_processes(scopes, count, btf, host_proc, scan_visited, coverage);
		return;
	}
	fd = bpf_iter_create(bpf_link__fd(coverage->skeleton->links.images_scan));
	if (fd < 0)
		return;
	while ((length = read(fd, found, sizeof(found))) > 0) {
		for (size_t i = 0; i < (size_t)length / sizeof(found[0]); i++)
			scan_process(coverage, &found[i]);
	}
	close(fd);
}

void coverage_work(struct coverage *coverage)
{
	const uint64_t lost = coverage->skeleton->bss->notices_lost;

	ring_buffer__consume(coverage->notices);
	if (lost == coverage->notices_lost)
		return;
	log_line(LOG_WARN, "coverage", "probe", "getaddrinfo", "why",
		 "more new files than could be followed: first calls may be missing", "notices",
		 log_u64(lost - coverage->notices_lost), NULL);
	coverage->notices_lost = lost;
	scan(coverage);
}

void coverage_refresh(struct coverage *coverage)
{
	uncovered_refresh(coverage->uncovered);
}

int coverage_fd(const struct coverage *coverage)
{
	return bpf_map__fd(coverage->skeleton->maps.notices);
}

size_t coverage_files(const struct coverage *coverage)
{
	return images_count(coverage->images);
}

const char *coverage_how(const struct coverage *coverage)
{
	static const char *const names[] = {
		[FOLLOW_LINKER] = "linker",
		[FOLLOW_KPROBE] = "kprobe",
		[FOLLOW_NOTHING] = "start_only",
	};

	return names[coverage->follow];
}

static int load(struct coverage *coverage, const struct coverage_config *config, enum follow follow)
{
	const bool walks = follow == FOLLOW_LINKER;
	const char *btf = events_btf(config->events);
	const bool host_proc = events_host_proc(config->events);
	struct images_bpf *skeleton = KERNEL_BTF_OPEN(images, btf);
	int err;

	if (!skeleton)
		return -errno;
	bpf_program__set_autoload(skeleton->progs.images_prepare_exec, walks);
	bpf_program__set_autoload(skeleton->progs.images_exit, walks);
	bpf_program__set_autoload(skeleton->progs.images_exec, walks);
	bpf_program__set_autoload(skeleton->progs.images_linked, walks);
	bpf_program__set_autoload(skeleton->progs.images_mapped, follow == FOLLOW_KPROBE);
	bpf_program__set_autoload(skeleton->progs.images_scan, !btf && !host_proc);
	skeleton->rodata->host_proc = host_proc;
	bpf_program__set_autoattach(skeleton->progs.images_mapped, false);
	if (config->multi)
		bpf_program__set_expected_attach_type(skeleton->progs.images_linked,
						      BPF_TRACE_UPROBE_MULTI);
	err = events_lend(config->events, skeleton->obj);
	if (!err)
		err = images_bpf__load(skeleton);
	if (err) {
		images_bpf__destroy(skeleton);
		return err;
	}
	coverage->skeleton = skeleton;
	coverage->follow = follow;
	return 0;
}

static int attach(struct coverage *coverage)
{
	struct images_bpf *skeleton = coverage->skeleton;
	int err = images_bpf__attach(skeleton);

	if (err || coverage->follow != FOLLOW_KPROBE)
		return err;
	skeleton->links.images_mapped = bpf_program__attach(skeleton->progs.images_mapped);
	if (!skeleton->links.images_mapped) {
		coverage->follow = FOLLOW_NOTHING;
		log_line(LOG_WARN, "coverage", "probe", "getaddrinfo", "why",
			 "this kernel lets programs neither walk mappings (6.10) nor use kprobes: "
			 "files first mapped from now on are not attached",
			 NULL);
	}
	return 0;
}

static int start(struct coverage *coverage, const struct coverage_config *config,
		 const char **ret_step)
{
	struct images_config images = {
		.enter = config->enter,
		.leave = config->leave,
		.multi = config->multi,
		.proc = events_proc(config->events),
	};
	const bool host_proc = events_host_proc(config->events);
	int err;

	coverage->events = config->events;
	*ret_step = "load images";
	err = events_btf(config->events) ? -EOPNOTSUPP : load(coverage, config, FOLLOW_LINKER);
	if (err)
		err = load(coverage, config, FOLLOW_KPROBE);
	if (err)
		return err;
	if (coverage->follow == FOLLOW_LINKER)
		images.linked = coverage->skeleton->progs.images_linked;
	*ret_step = "notices";
	coverage->notices = ring_buffer__new(coverage_fd(coverage), take_notice, coverage, NULL);
	if (!coverage->notices)
		return -errno;
	*ret_step = "attach";
	coverage->images = images_new(&images);
	coverage->uncovered = uncovered_new();
	if (!coverage->images || !coverage->uncovered)
		return -ENOMEM;
	/* Among all processes of the host it takes a while, in which others start: theirs are the same libraries, mostly. */
	if (host_proc)
		scan(coverage);
	err = attach(coverage);
	if (err)
		return err;
	images_look_root(coverage->images, 0);
	/* The host's first process is of no container. */
	if (!host_proc)
		images_look_root(coverage->images, 1);
	scan(coverage);
	coverage->started_ns = clock_boottime_ns();
	return 0;
}

int coverage_start(const struct coverage_config *config, struct coverage **ret_coverage,
		   const char **ret_step)
{
	struct coverage *coverage = calloc(1, sizeof(*coverage));
	int err;

	*ret_step = "start";
	if (!coverage)
		return -ENOMEM;
	err = start(coverage, config, ret_step);
	if (err)
		coverage_free(coverage);
	else
		*ret_coverage = coverage;
	return err;
}

void coverage_detach(struct coverage *coverage)
{
	images_bpf__detach(coverage->skeleton);
	images_free(coverage->images);
	uncovered_free(coverage->uncovered);
	coverage->images = NULL;
	coverage->uncovered = NULL;
}

void coverage_free(struct coverage *coverage)
{
	if (!coverage)
		return;
	images_free(coverage->images);
	uncovered_free(coverage->uncovered);
	ring_buffer__free(coverage->notices);
	images_bpf__destroy(coverage->skeleton);
	free(coverage);
}
