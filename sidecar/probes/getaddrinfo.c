// SPDX-License-Identifier: Apache-2.0
/* The getaddrinfo family: records of the calls. What its programs are attached to is coverage.c's. */
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "getaddrinfo.h"
#include "getaddrinfo.raw.h"
#include "getaddrinfo.skel.h"
#include "kernel/events.h"
#include "kernel/kernel_btf.h"
#include "kernel/uprobe.h"
#include "probes/coverage.h"
#include "probes/probe.h"

struct getaddrinfo_state {
	struct getaddrinfo_bpf *skeleton;
	struct coverage *coverage;
};

static int getaddrinfo_fd(void *context)
{
	return coverage_fd(((struct getaddrinfo_state *)context)->coverage);
}

static void getaddrinfo_work(void *context)
{
	coverage_work(((struct getaddrinfo_state *)context)->coverage);
}

static void getaddrinfo_refresh(void *context)
{
	coverage_refresh(((struct getaddrinfo_state *)context)->coverage);
}

static void getaddrinfo_stop(void *context)
{
	struct getaddrinfo_state *state = context;

	coverage_free(state->coverage);
	getaddrinfo_bpf__destroy(state->skeleton);
	free(state);
}

static int open_object(struct getaddrinfo_state *state, const struct probe_setup *setup, bool multi)
{
	struct getaddrinfo_bpf *skeleton = KERNEL_BTF_OPEN(getaddrinfo, events_btf(setup->events));

	if (!skeleton)
		return -errno;
	state->skeleton = skeleton;
	if (multi) {
		bpf_program__set_expected_attach_type(skeleton->progs.getaddrinfo_enter,
						      BPF_TRACE_UPROBE_MULTI);
		bpf_program__set_expected_attach_type(skeleton->progs.getaddrinfo_return,
						      BPF_TRACE_UPROBE_MULTI);
	}
	return events_lend(setup->events, skeleton->obj);
}

static int attach_hooks(struct getaddrinfo_bpf *skeleton)
{
	skeleton->links.getaddrinfo_exec = bpf_program__attach(skeleton->progs.getaddrinfo_exec);
	if (!skeleton->links.getaddrinfo_exec)
		return -errno;
	skeleton->links.getaddrinfo_exit = bpf_program__attach(skeleton->progs.getaddrinfo_exit);
	return skeleton->links.getaddrinfo_exit ? 0 : -errno;
}

static int getaddrinfo_start(const struct probe_setup *setup, void **ret_state,
			     char ret_how[PROBE_HOW])
{
	struct getaddrinfo_state *state = calloc(1, sizeof(*state));
	struct coverage_config config = {.events = setup->events, .multi = uprobe_has_multi()};
	const bool returns = uprobe_return_is_safe();
	const char *what = "open";
	int err;

	if (!state)
		return -ENOMEM;
	err = open_object(state, setup, config.multi);
	if (err)
		goto out;
	what = "load";
	err = getaddrinfo_bpf__load(state->skeleton);
	if (err)
		goto out;
	what = "attach";
	err = attach_hooks(state->skeleton);
	if (err)
		goto out;
	config.enter = state->skeleton->progs.getaddrinfo_enter;
	config.leave = returns ? state->skeleton->progs.getaddrinfo_return : NULL;
	err = coverage_start(&config, &state->coverage, &what);
	if (err)
		goto out;
	*ret_state = state;
	snprintf(ret_how, PROBE_HOW, "%s%s,%s,files=%zu",
		 config.multi ? "uprobe_multi" : "perf_uprobe", returns ? "" : ",no_result",
		 coverage_how(state->coverage), coverage_files(state->coverage));
out:
	if (err) {
		probe_refused(setup, "getaddrinfo", what, err);
		getaddrinfo_stop(state);
	}
	return err;
}

static void getaddrinfo_detach(void *context)
{
	struct getaddrinfo_state *state = context;

	getaddrinfo_bpf__detach(state->skeleton);
	coverage_detach(state->coverage);
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
	.refresh = getaddrinfo_refresh,
	.missed = getaddrinfo_missed,
};
