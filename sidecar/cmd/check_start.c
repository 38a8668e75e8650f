// SPDX-License-Identifier: Apache-2.0
/*
 * Loads and attaches one probe, as `run` does, and takes it off again. What it records meanwhile is
 * dropped.
 */
#include <string.h>

#include "base/log.h"
#include "cmd/check.h"
#include "kernel/events.h"

static void drop(void *context, uint32_t ring, const struct event_header *event)
{
	(void)context;
	(void)ring;
	(void)event;
}

int check_start(const struct check_question *question, uint32_t probe, char ret_how[PROBE_HOW])
{
	const struct probe_family *family = probes[probe].family;
	struct scope_entry scopes[SCOPE_MAX];
	struct events_config config = {
		.transport = question->transport.transport,
		.ring_bytes = {question->transport.ring_bytes[0],
			       question->transport.ring_bytes[1]},
		.perf_pages = question->transport.perf_pages,
		.scopes = scopes,
		.scope_count = question->scope.count,
		.btf = question->btf,
		.proc = question->proc,
		.take = drop,
	};
	struct probe_setup setup = {
		.settings = &question->settings,
		.enabled = 1u << probe,
	};
	struct events *events;
	const char *what;
	void *state;
	int err;

	for (size_t i = 0; i < question->scope.count; i++)
		scopes[i] = question->scope.items[i].entry;
	err = events_new(&config, &events, &what);
	if (err) {
		log_line(LOG_ERROR, "cannot set up the event path", "object", what, "why",
			 strerror(-err), NULL);
		return err;
	}
	setup.events = events;
	err = family->start(&setup, &state, ret_how);
	if (!err) {
		family->detach(state);
		family->stop(state);
	}
	events_free(events);
	return err;
}
