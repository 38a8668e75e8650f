/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `run`, as the command line and the environment give them, and as the rest of `run` wants them. */
#ifndef RINGSIDE_CMD_RUN_H
#define RINGSIDE_CMD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "cmd/choices.h"
#include "cmd/trust.h"
#include "net/address.h"
#include "net/sender.h"
#include "scope/scope.h"
#include "wire/row.h"
#include "wire/session.h"

/* What options_parse fills in. */
struct run_options {
	struct option_list probe, scope, exclude, attribute;
	const char *collector, *format, *capture, *agent_id, *btf, *proc;
	struct trust_options trust;
	bool include_self, latency, per_cpu, standby;
	uint64_t write_min_bytes, write_sample, profile_hz;
	uint64_t queue;
	struct transport_options transport;
	uint64_t flush_interval, counters_interval, counters_memory;
};

/* Checked and resolved. */
struct run_plan {
	struct run_options options;
	uint32_t enabled; /* bit number = probe */
	struct transport_choice transport;
	struct scope scope;
	bool has_collector;
	struct address collector;
	struct tls *tls; /* NULL: the stream is plain */
	char token[TOKEN_MAX + 1];
	enum row_format format;
	struct session_attribute
		attributes[SESSION_ATTRIBUTES]; /* borrowed from argv and the environment */
	size_t attribute_count;
};

/*
 * 0; 1: help was printed; 2: a wrong call; or 3: the machine refuses. The last two are logged; with --standby the plan
 * then holds what was right of the attributes, the agent's id and, if has_collector, the collector.
 */
int run_plan(int argc, char **argv, struct run_plan *ret_plan);
/* How the sender reaches the collector, with this Hello; both are borrowed. */
struct sender_config run_plan_sender(const struct run_plan *plan,
				     const struct session_hello *hello);

/* How long the output may take at the end. */
#define RUN_FINISH_NS 2000000000ull
/* The last frame; then as sender_finish. */
int run_say_bye(struct sender *sender, const struct session_account *account, uint64_t deadline_ns);

/*
 * In place of observing: tells the collector why there is nothing to observe (the last error that was logged), answers health
 * as ready, and waits for a signal. `hello` is borrowed. 0 or -errno of the output, as sender_finish.
 */
int standby(const struct run_plan *plan, const struct session_hello *hello, int signal_fd);

#endif
