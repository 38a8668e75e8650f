// SPDX-License-Identifier: Apache-2.0
/*
 * The getaddrinfo family: attaches to what processes in scope map, and follows new images. A process that may have called before
 * the programs were attached, or whose resolver we can't see, is reported once, as msg=coverage on stderr.
 */
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "getaddrinfo.h"
#include "getaddrinfo.skel.h"
#include "kernel/events.h"
#include "probes/images.h"
#include "probes/probe.h"
#include "kernel/uprobe.h"

#define PENDING 256

/* When a new image is looked at again, after its exec: it maps its libraries meanwhile. */
static const uint64_t retry_ns[] = {0, 1000000, 5000000, 20000000, 100000000};
#define RETRIES (sizeof(retry_ns) / sizeof(retry_ns[0]))

/* A process that runs an image (or opened a library) that is not known yet. */
struct pending {
	struct getaddrinfo_notice notice;
	size_t tries;
	bool active, seen;
};

struct reported {
	uint32_t tgid;
	uint64_t start_time;
};
#define REPORTED 256

struct getaddrinfo_state {
	struct getaddrinfo_bpf *skeleton;
	struct bpf_link *scan;
	struct images *images;
	struct ring_buffer *notices;
	uint64_t notices_lost; /* as handled */
	struct pending pending[PENDING];
	struct reported reported[REPORTED];
	int epoll_fd, timer_fd;
};

static uint32_t visible_pid(uint32_t pid, uint32_t ns_pid)
{
	return ns_pid ? ns_pid : pid;
}

/* A process is reported once, though it may run several images. */
static bool was_reported(struct getaddrinfo_state *state, const struct getaddrinfo_notice *notice)
{
	struct reported *slot = &state->reported[notice->tgid % REPORTED];

	if (slot->tgid == notice->tgid && slot->start_time == notice->start_time)
		return true;
	*slot = (struct reported){notice->tgid, notice->start_time};
	return false;
}

static void report(struct getaddrinfo_state *state, const struct pending *pending, const char *why)
{
	const struct getaddrinfo_notice *notice = &pending->notice;

	if (was_reported(state, notice))
		return;
	log_line(LOG_WARN, "coverage", "probe", "getaddrinfo", "pid", log_u64(notice->tgid),
		 "image", notice->path, "why", why, NULL);
}

static void know_image(const struct getaddrinfo_state *state, const struct image_key *image)
{
	const uint64_t now = clock_boottime_ns();

	bpf_map_update_elem(bpf_map__fd(state->skeleton->maps.known_images), image, &now, BPF_ANY);
}

static void settle(struct getaddrinfo_state *state, struct pending *pending)
{
	pending->active = false;
	if (pending->notice.kind == NOTICE_EXEC)
		know_image(state, &pending->notice.image);
}

/* What one look says of the process: whether calls may have been missed. */
static void judge(struct getaddrinfo_state *state, const struct pending *pending,
		  const struct images_look *look)
{
	if (look->denied)
		report(state, pending,
		       "its files may not be opened: grant CAP_SYS_PTRACE, and CAP_DAC_READ_SEARCH "
		       "where "
		       "directories are closed");
	else if (look->unseen)
		report(state, pending,
		       "its resolver cannot be seen: static without the symbol, or of "
		       "another word size");
	else if (look->newest_ns > pending->notice.time_ns)
		report(state, pending,
		       "it ran before the library was attached: its first calls may be missing");
}

/* A process that is gone: its parent's root is most likely its own; in another only the very same file will do. */
static void look_after(struct getaddrinfo_state *state, const struct pending *pending,
		       struct images_look *ret_look)
{
	const struct getaddrinfo_notice *notice = &pending->notice;

	images_look_path(state->images, visible_pid(notice->ppid, notice->ns_ppid), notice->path, 0,
			 ret_look);
	if (!ret_look->alive)
		images_look_path(state->images, 1, notice->path, notice->image.inode, ret_look);
	if (!ret_look->alive)
		images_look_path(state->images, 0, notice->path, notice->image.inode, ret_look);
}

static void look(struct getaddrinfo_state *state, struct pending *pending)
{
	const struct getaddrinfo_notice *notice = &pending->notice;
	struct images_look found;

	if (!notice->visible) {
		report(state, pending,
		       "it is outside the sidecar's PID namespace: share the pod's or the host's");
		pending->active = false;
		return;
	}
	images_look_process(state->images, visible_pid(notice->tgid, notice->ns_tgid), &found);
	if ((found.alive && !found.gone) || found.denied) {
		pending->seen = true;
		judge(state, pending, &found);
		if (++pending->tries == RETRIES)
			settle(state, pending);
		return;
	}
	if (notice->kind == NOTICE_DLOPEN) {
		if (!pending->seen)
			report(state, pending,
			       "it ended before the library that it opened could be looked at");
		pending->active = false;
		return;
	}
	look_after(state, pending, &found);
	if (found.alive) {
		judge(state, pending, &found);
		settle(state, pending);
		return;
	}
	report(state, pending, "it ended before it could be looked at");
	pending->active = false;
}

static void arm_timer(const struct getaddrinfo_state *state)
{
	struct itimerspec spec = {0};
	uint64_t next = 0;

	for (size_t i = 0; i < PENDING; i++) {
		const struct pending *pending = &state->pending[i];
		const uint64_t due =
			pending->active ? pending->notice.time_ns + retry_ns[pending->tries] : 0;

		if (due && (!next || due < next))
			next = due;
	}
	if (next) {
		spec.it_value.tv_sec = (time_t)(next / 1000000000);
		spec.it_value.tv_nsec = (long)(next % 1000000000);
	}
	timerfd_settime(state->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static int take_notice(void *context, void *data, size_t size)
{
	struct getaddrinfo_state *state = context;

	if (size < sizeof(struct getaddrinfo_notice))
		return 0;
	for (size_t i = 0; i < PENDING; i++) {
		struct pending *pending = &state->pending[i];

		if (pending->active)
			continue;
		memset(pending, 0, sizeof(*pending));
		memcpy(&pending->notice, data, sizeof(pending->notice));
		pending->notice.path[NOTICE_PATH - 1] = 0;
		pending->active = true;
		look(state, pending);
		return 0;
	}
	__sync_fetch_and_add(&state->skeleton->bss->notices_lost, 1);
	return 0;
}

/* All processes in scope that /proc shows, and the usual libraries under their roots. */
static void scan(struct getaddrinfo_state *state)
{
	struct images_look found;
	uint32_t pids[256];
	ssize_t length;
	const int fd = bpf_iter_create(bpf_link__fd(state->scan));

	if (fd < 0)
		return;
	while ((length = read(fd, pids, sizeof(pids))) > 0) {
		for (size_t i = 0; i < (size_t)length / sizeof(pids[0]); i++) {
			images_look_process(state->images, pids[i], &found);
			images_look_root(state->images, pids[i]);
			if (found.inode)
				know_image(state, &(struct image_key){.inode = found.inode,
								      .device = found.device});
		}
	}
	close(fd);
}

static void getaddrinfo_work(void *context)
{
	struct getaddrinfo_state *state = context;
	const uint64_t now = clock_boottime_ns();
	uint64_t expired;

	if (read(state->timer_fd, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
		return;
	ring_buffer__consume(state->notices);
	for (size_t i = 0; i < PENDING; i++) {
		struct pending *pending = &state->pending[i];

		if (pending->active && pending->notice.time_ns + retry_ns[pending->tries] <= now)
			look(state, pending);
	}
	if (state->skeleton->bss->notices_lost != state->notices_lost) {
		log_line(LOG_WARN, "coverage", "probe", "getaddrinfo", "why",
			 "more new images than could be followed: their first calls may be missing",
			 "processes",
			 log_u64(state->skeleton->bss->notices_lost - state->notices_lost), NULL);
		state->notices_lost = state->skeleton->bss->notices_lost;
		scan(state);
	}
	arm_timer(state);
}

static int getaddrinfo_fd(void *context)
{
	return ((struct getaddrinfo_state *)context)->epoll_fd;
}

static void getaddrinfo_stop(void *context)
{
	struct getaddrinfo_state *state = context;

	images_free(state->images);
	bpf_link__destroy(state->scan);
	ring_buffer__free(state->notices);
	getaddrinfo_bpf__destroy(state->skeleton);
	if (state->epoll_fd >= 0)
		close(state->epoll_fd);
	if (state->timer_fd >= 0)
		close(state->timer_fd);
	free(state);
}

static int open_object(struct getaddrinfo_state *state, const struct probe_setup *setup, bool multi)
{
	struct getaddrinfo_bpf *skeleton = getaddrinfo_bpf__open();

	if (!skeleton)
		return -errno;
	state->skeleton = skeleton;
	if (multi) {
		bpf_program__set_expected_attach_type(skeleton->progs.getaddrinfo_enter,
						      BPF_TRACE_UPROBE_MULTI);
		bpf_program__set_expected_attach_type(skeleton->progs.getaddrinfo_return,
						      BPF_TRACE_UPROBE_MULTI);
		bpf_program__set_expected_attach_type(skeleton->progs.getaddrinfo_dlopen,
						      BPF_TRACE_UPROBE_MULTI);
	}
	return events_lend(setup->events, skeleton->obj);
}

static int attach_hooks(struct getaddrinfo_state *state)
{
	struct getaddrinfo_bpf *skeleton = state->skeleton;

	skeleton->links.getaddrinfo_exec = bpf_program__attach(skeleton->progs.getaddrinfo_exec);
	if (!skeleton->links.getaddrinfo_exec)
		return -errno;
	skeleton->links.getaddrinfo_exit = bpf_program__attach(skeleton->progs.getaddrinfo_exit);
	if (!skeleton->links.getaddrinfo_exit)
		return -errno;
	state->scan = bpf_program__attach_iter(skeleton->progs.getaddrinfo_scan, NULL);
	return state->scan ? 0 : -errno;
}

static int watch_notices(struct getaddrinfo_state *state)
{
	struct epoll_event event = {.events = EPOLLIN};

	state->notices = ring_buffer__new(bpf_map__fd(state->skeleton->maps.notices), take_notice,
					  state, NULL);
	state->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	state->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (!state->notices || state->epoll_fd < 0 || state->timer_fd < 0 ||
	    epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, state->timer_fd, &event) ||
	    epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, bpf_map__fd(state->skeleton->maps.notices),
		      &event))
		return -errno;
	return 0;
}

static int getaddrinfo_start(const struct probe_setup *setup, void **ret_state,
			     char ret_how[PROBE_HOW])
{
	struct getaddrinfo_state *state = calloc(1, sizeof(*state));
	struct images_config config = {.multi = uprobe_has_multi()};
	const bool returns = uprobe_return_is_safe();
	const char *what = "open";
	int err;

	if (!state)
		return -ENOMEM;
	state->epoll_fd = state->timer_fd = -1;
	err = open_object(state, setup, config.multi);
	if (err)
		goto out;
	what = "load";
	err = getaddrinfo_bpf__load(state->skeleton);
	if (err)
		goto out;
	what = "notices";
	err = watch_notices(state);
	if (err)
		goto out;
	config.enter = state->skeleton->progs.getaddrinfo_enter;
	config.leave = returns ? state->skeleton->progs.getaddrinfo_return : NULL;
	config.dlopen = returns ? state->skeleton->progs.getaddrinfo_dlopen : NULL;
	what = "attach";
	state->images = images_new(&config);
	err = state->images ? attach_hooks(state) : -ENOMEM;
	if (err)
		goto out;
	images_look_root(state->images, 0);
	images_look_root(state->images, 1);
	scan(state);
	*ret_state = state;
	snprintf(ret_how, PROBE_HOW, "%s%s,files=%zu",
		 config.multi ? "uprobe_multi" : "perf_uprobe", returns ? "" : ",no_result",
		 images_count(state->images));
out:
	if (err) {
		log_line(LOG_ERROR, "cannot start probe", "probe", "getaddrinfo", "step", what,
			 "why", strerror(-err), "do", "see ringside check --probe getaddrinfo",
			 NULL);
		getaddrinfo_stop(state);
	}
	return err;
}

static void getaddrinfo_detach(void *context)
{
	struct getaddrinfo_state *state = context;

	getaddrinfo_bpf__detach(state->skeleton);
	images_free(state->images);
	state->images = NULL;
	if (state->skeleton->bss->abandoned)
		log_line(LOG_INFO, "calls that never returned", "probe", "getaddrinfo", "count",
			 log_u64(state->skeleton->bss->abandoned), NULL);
}

static uint64_t getaddrinfo_missed(void *context, uint32_t probe)
{
	struct getaddrinfo_state *state = context;

	(void)probe;
	return events_missed(bpf_program__fd(state->skeleton->progs.getaddrinfo_enter)) +
	       events_missed(bpf_program__fd(state->skeleton->progs.getaddrinfo_return));
}

const struct probe_family getaddrinfo_family = {
	.name = "getaddrinfo",
	.start = getaddrinfo_start,
	.detach = getaddrinfo_detach,
	.stop = getaddrinfo_stop,
	.fd = getaddrinfo_fd,
	.work = getaddrinfo_work,
	.missed = getaddrinfo_missed,
};
