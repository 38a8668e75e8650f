// SPDX-License-Identifier: Apache-2.0
/* The profile family: a clock on each CPU, and the names of the kernel's functions. */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/log.h"
#include "kernel/events.h"
#include "kernel/kallsyms.h"
#include "kernel/percpu.h"
#include "kernel/sampler.h"
#include "probes/probe.h"
#include "probes/profile_named.h"
#include "profile.skel.h"

struct profile_state {
	struct profile_bpf *skeleton;
	struct events *events;
	struct sampler *sampler;
	struct kallsyms *kallsyms; /* NULL: hidden from us, then no kernel stack is taken */
	_Alignas(8) uint8_t named[PROFILE_NAMED_ROOM];
};

static void profile_stop(void *context)
{
	struct profile_state *state = context;

	sampler_free(state->sampler);
	profile_bpf__destroy(state->skeleton);
	kallsyms_free(state->kallsyms);
	free(state);
}

size_t profile_memory(void)
{
	size_t bytes = 0, count;

	(void)kallsyms_measure(KALLSYMS_PATH, &bytes, &count);
	return sizeof(struct profile_state) + bytes + percpu_cpus() * PROFILE_ROOM;
}

static int open_object(struct profile_state *state, const struct probe_setup *setup,
		       enum profile_clock clock)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = events_btf(setup->events));
	struct profile_bpf *skeleton = profile_bpf__open_opts(&options);

	if (!skeleton)
		return -errno;
	state->skeleton = skeleton;
	skeleton->rodata->profile_hz = (uint32_t)setup->settings->profile_hz;
	skeleton->rodata->profile_clock = (uint16_t)clock;
	skeleton->rodata->profile_kernel = state->kallsyms;
	skeleton->rodata->event_nmi = clock == PROFILE_CYCLES;
	return events_lend(setup->events, skeleton->obj);
}

static int profile_start(const struct probe_setup *setup, void **ret_state, char ret_how[PROBE_HOW])
{
	struct profile_state *state = calloc(1, sizeof(*state));
	const uint32_t hz = (uint32_t)setup->settings->profile_hz;
	const int cycles = sampler_try(PROFILE_CYCLES, hz);
	const enum profile_clock clock = cycles ? PROFILE_CPU_CLOCK : PROFILE_CYCLES;
	const char *what = "open";
	int err;

	if (!state)
		return -ENOMEM;
	state->events = setup->events;
	(void)kallsyms_new(KALLSYMS_PATH, &state->kallsyms);
	err = open_object(state, setup, clock);
	if (err)
		goto out;
	what = "load";
	err = profile_bpf__load(state->skeleton);
	if (err)
		goto out;
	what = "perf_event_open";
	err = sampler_new(bpf_program__fd(state->skeleton->progs.profile_sample), clock, hz,
			  &state->sampler);
	if (err)
		goto out;
	*ret_state = state;
	snprintf(ret_how, PROBE_HOW, "perf_event,%s%s%s", sampler_clock_name(clock),
		 !cycles	     ? ""
		 : cycles == -ENOENT ? ",no_pmu"
				     : ",cycles_refused",
		 state->kallsyms ? "" : ",no_kernel_stack");
out:
	if (err) {
		probe_refused(setup, "profile", what, err);
		profile_stop(state);
	}
	return err;
}

static void profile_detach(void *context)
{
	struct profile_state *state = context;

	sampler_free(state->sampler);
	state->sampler = NULL;
}

static void profile_refresh(void *context)
{
	struct profile_state *state = context;

	sampler_refresh(state->sampler);
}

/* The parts that follow a record, taken one after the other; NULL: the record is not that long. */
static const void *next_part(const uint8_t **at, const uint8_t *end, size_t length)
{
	const uint8_t *part = *at;

	if ((size_t)(end - part) < length)
		return NULL;
	*at += length;
	return part;
}

/* Names go behind the user's frames. Returns the end. */
static uint8_t *put_frame(const struct profile_state *state, uint64_t address,
			  struct profile_named *frame, uint8_t *text)
{
	const char *name = NULL;
	uint64_t offset = address;

	if (state->kallsyms)
		name = kallsyms_find(state->kallsyms, address, &offset);
	*frame = (struct profile_named){.offset = offset};
	if (!name)
		return text;
	frame->name_length = (uint32_t)strlen(name);
	memcpy(text, name, frame->name_length);
	return text + frame->name_length;
}

/* Puts names to the kernel's frames, and keeps the cgroup's, which came with the record. */
static const struct event_header *profile_enrich(void *context, const struct event_header *event)
{
	struct profile_state *state = context;
	const struct profile_event *sample = (const struct profile_event *)event;
	const uint8_t *at = (const uint8_t *)(sample + 1),
		      *end = (const uint8_t *)event + event->length;
	struct profile_event *named = (struct profile_event *)state->named;
	struct profile_named *frames = (struct profile_named *)(named + 1);
	const struct bpf_stack_build_id *user;
	const struct cgroup_name *names;
	const uint64_t *kernel;
	uint8_t *text;

	if (event->length < sizeof(*sample) || sample->kernel_frames > PROFILE_FRAMES ||
	    sample->user_frames > PROFILE_FRAMES)
		return event;
	kernel = next_part(&at, end, sample->kernel_frames * sizeof(*kernel));
	user = kernel ? next_part(&at, end, sample->user_frames * sizeof(*user)) : NULL;
	if (!user)
		return event;
	names = sample->names ? next_part(&at, end, sizeof(*names)) : NULL;
	if (names)
		events_learn_cgroup(state->events, event, names);
	*named = *sample;
	text = (uint8_t *)(frames + sample->kernel_frames);
	memcpy(text, user, sample->user_frames * sizeof(*user));
	text += sample->user_frames * sizeof(*user);
	for (size_t i = 0; i < sample->kernel_frames; i++)
		text = put_frame(state, kernel[i], &frames[i], text);
	named->header.length = (uint32_t)(text - state->named);
	return &named->header;
}

static uint64_t profile_missed(void *context, uint32_t probe)
{
	struct profile_state *state = context;

	(void)probe;
	return events_missed(bpf_program__fd(state->skeleton->progs.profile_sample));
}

const struct probe_family profile_family = {
	.name = "profile",
	.start = profile_start,
	.detach = profile_detach,
	.stop = profile_stop,
	.refresh = profile_refresh,
	.enrich = profile_enrich,
	.missed = profile_missed,
};
