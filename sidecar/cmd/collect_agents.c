// SPDX-License-Identifier: Apache-2.0
/* What the collector does with agents and their frames: prints, captures, and says whether the equation holds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/collect.h"
#include "cmd/trouble.h"
#include "cmd/trust.h"
#include "net/conn.h"
#include "net/tls.h"
#include "probes/probe.h"
#include "wire/capture.h"
#include "wire/printer.h"

/* What is kept for an agent and its epoch: agent->user. */
struct origin {
	struct printer_source *source;
	struct buf hello; /* the frame, for a capture */
	/* As the last accounting had it, all probes together, and what agent->elsewhere was then. */
	uint64_t lost[SESSION_REASONS], elsewhere;
	bool stands_by; /* observes nothing */
};

/* A number as text, for log lines with more of them than log_u64 has room for. */
struct digits {
	char text[24];
};

static const char *digits(struct digits *digits, uint64_t value)
{
	snprintf(digits->text, sizeof(digits->text), "%llu", (unsigned long long)value);
	return digits->text;
}

static void forget(void *context, struct agent *agent)
{
	struct origin *origin = agent->user;

	(void)context;
	if (!origin)
		return;
	printer_source_free(origin->source);
	buf_done(&origin->hello);
	free(origin);
	agent->user = NULL;
}

static const Ringside__V1__AgentFrame *message_of(const struct session_frame *frame)
{
	return frame->message;
}

static const char *allowed(void *context, int fd, const struct session_frame *hello)
{
	struct collect *collect = context;
	const struct session_text *id = &hello->hello.agent_id;

	if (collect->names_bound && !tls_peer_has_name(collect->tls, fd, id->data, id->length))
		return "the certificate is not for this agent id";
	if (!collect->tokens)
		return NULL;
	trust_look_again(collect->tokens, collect->token_file);
	return tokens_refuse(collect->tokens, hello);
}

static int joined(void *context, struct agent *agent, const struct session_frame *hello,
		  const char *peer)
{
	struct collect *collect = context;
	struct origin *origin = agent->user;
	char epoch[24], why[512];

	if (!origin) {
		origin = calloc(1, sizeof(*origin));
		if (!origin)
			return -ENOMEM;
		agent->user = origin;
		origin->source = printer_source_new(message_of(hello)->hello, true);
		if (!origin->source || buf_init(&origin->hello, hello->length, hello->length) ||
		    buf_put(&origin->hello, hello->data, hello->length)) {
			forget(collect, agent);
			return -ENOMEM;
		}
	}
	collect->totals.sessions++;
	snprintf(epoch, sizeof(epoch), "%016llx", (unsigned long long)agent->epoch);
	log_line(LOG_INFO, "agent connected", "agent", agent->id, "epoch", epoch, "peer", peer,
		 NULL);
	if (hello->hello.standby.length) {
		snprintf(why, sizeof(why), "%.*s", (int)hello->hello.standby.length,
			 (const char *)hello->hello.standby.data);
		log_line(LOG_WARN, "agent observes nothing", "agent", agent->id, "why", why, NULL);
		origin->stands_by = true;
		collect->totals.standing_by++;
	}
	return 0;
}

static void capture(struct collect *collect, struct agent *agent, const struct session_frame *frame)
{
	const struct origin *origin = agent->user;
	int err;

	if (!collect->capture)
		return;
	err = capture_source(collect->capture, buf_head(&origin->hello),
			     buf_length(&origin->hello));
	if (!err)
		err = capture_frame(collect->capture, frame->data, frame->length);
	trouble_capture(err, &collect->capture_failed);
}

/*
 * An account is cumulative, and one who was with another collector meanwhile brings what that one counted: then it is only where
 * to count from.
 */
static void count_lost(struct collect_totals *totals, struct origin *origin,
		       const struct agent *agent, const struct session_account *account)
{
	uint64_t elsewhere = 0;

	for (size_t i = 0; i < SESSION_STREAMS; i++)
		elsewhere += agent->elsewhere[i];
	for (size_t reason = 0; reason < SESSION_REASONS; reason++) {
		uint64_t lost = 0;

		for (size_t i = 0; i < account->probe_count; i++)
			lost += account->probes[i].lost[reason];
		if (elsewhere == origin->elsewhere && lost > origin->lost[reason])
			totals->lost[reason] += lost - origin->lost[reason];
		origin->lost[reason] = lost;
	}
	origin->elsewhere = elsewhere;
}

static void count(struct collect_totals *totals, const struct agent *agent,
		  const struct session_frame *frame)
{
	totals->frames++;
	totals->bytes += frame->length;
	if (frame->item == SESSION_BATCH) {
		const Ringside__V1__Batch *batch = message_of(frame)->batch;

		totals->records += frame->range.count;
		for (size_t i = 0; i < batch->n_kind; i++)
			totals->kinds[batch->kind[i] < KINDS_MAX ? batch->kind[i] : 0]++;
	} else if (frame->item == SESSION_GAP) {
		totals->gaps[frame->range.cause < VIEW_GAP_CAUSES ? frame->range.cause : 0] +=
			frame->range.count;
	} else if (frame->item != SESSION_COUNTERS && frame->account.has_streams) {
		count_lost(totals, agent->user, agent, &frame->account);
	}
}

static int frame_came(void *context, struct agent *agent, const struct session_frame *frame,
		      const char **ret_why)
{
	struct collect *collect = context;
	const struct origin *origin = agent->user;
	size_t before = buf_length(&collect->output.buf);
	int err = printer_frame(collect->printer, origin->source, message_of(frame), ret_why);

	if (err) {
		/* Half a frame's text must not be printed: the agent will send the frame again, or to someone else. */
		buf_truncate(&collect->output.buf, before);
		return err;
	}
	count(&collect->totals, agent, frame);
	capture(collect, agent, frame);
	return 0;
}

static void log_balance(const struct agent *agent, uint32_t stream)
{
	struct balance balance = agent_balance(agent, stream);
	struct digits number[9];
	char epoch[24], difference[24];
	const char *why = NULL;

	if (!agent->has_account)
		why = "no accounting came";
	else if (!agent->ended && !balance.holds)
		why = "what the agent did after its last accounting is not known";
	snprintf(epoch, sizeof(epoch), "%016llx", (unsigned long long)agent->epoch);
	snprintf(difference, sizeof(difference), "%lld", (long long)balance.difference);
	log_line(balance.holds ? LOG_INFO : LOG_WARN, "balance", "agent", agent->id, "epoch", epoch,
		 "stream", digits(&number[0], stream), "holds", balance.holds ? "yes" : "no",
		 "difference", difference, "end", agent->ended ? "bye" : "unclean", "produced",
		 digits(&number[1], balance.produced), "lost", digits(&number[2], balance.lost),
		 "taken", digits(&number[3], balance.taken), "next_seq",
		 digits(&number[4], balance.next_seq), "received",
		 digits(&number[5], balance.received), "gaps", digits(&number[6], balance.gaps),
		 "elsewhere", balance.elsewhere ? digits(&number[7], balance.elsewhere) : NULL,
		 "why", why, NULL);
}

static void left(void *context, struct agent *agent, const char *peer, const char *why)
{
	struct collect *collect = context;
	struct origin *origin = agent->user;

	collect->totals.standing_by -= origin->stands_by;
	origin->stands_by = false;
	if (why)
		log_line(LOG_WARN, "agent lost", "agent", agent->id, "peer", peer, "why", why,
			 NULL);
	else
		log_line(LOG_INFO, "agent left", "agent", agent->id, "peer", peer, NULL);
	for (uint32_t i = 0; i < SESSION_STREAMS; i++)
		log_balance(agent, i);
}

static void rejected(void *context, const char *peer, const char *why, uint64_t unsaid)
{
	(void)context;
	log_line(LOG_WARN, peer ? "peer cut off" : "peers cut off", "peer", peer, "why", why,
		 "not_said", unsaid ? log_u64(unsaid) : NULL, NULL);
}

static uint64_t appended(void *context)
{
	return output_position(&((struct collect *)context)->output);
}

static uint64_t written(void *context)
{
	return ((struct collect *)context)->output.written;
}

static bool full(void *context)
{
	return collect_full(context);
}

static const struct hub_ops hub_ops = {
	.allowed = allowed,
	.joined = joined,
	.frame = frame_came,
	.left = left,
	.rejected = rejected,
	.appended = appended,
	.written = written,
	.full = full,
};

int collect_agents_open(struct collect *collect)
{
	bool colour = collect->format == ROW_TABLE && isatty(STDOUT_FILENO);

	collect->printer =
		printer_new(collect->format, colour, wire_kinds, UINT64_MAX, &collect->output.buf);
	collect->roster = roster_new(forget, collect);
	if (collect->roster)
		collect->hub = hub_new(collect->tls ? tls_net(collect->tls) : &net_real,
				       &collect->loop, collect->roster, &hub_ops, collect);
	return collect->printer && collect->hub ? 0 : -ENOMEM;
}

void collect_agents_close(struct collect *collect)
{
	hub_free(collect->hub);
	roster_free(collect->roster);
	printer_free(collect->printer);
}

const char *collect_format(enum row_format format)
{
	switch (format) {
	case ROW_TABLE:
		return "table";
	case ROW_JSON:
		return "json";
	default:
		return "none";
	}
}
