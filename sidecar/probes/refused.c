/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/log.h"
#include "kernel/events.h"
#include "kernel/refusal.h"
#include "probes/probe.h"

void probe_refused(const struct probe_setup *setup, const char *probe, const char *step, int err)
{
	const char *todo;
	const char *why = refusal_explain(err, events_btf(setup->events), &todo);
	char see[64];

	snprintf(see, sizeof(see), "see ringside check --probe %s", probe);
	log_line(LOG_ERROR, "cannot start probe", "probe", probe, "step", step, "why", why, "do",
		 todo ? todo : see, NULL);
}
