// SPDX-License-Identifier: Apache-2.0
#include "net/roster.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

struct roster {
	struct agent *buckets[BUCKETS];
	struct agent *newest, *oldest;
	size_t count;
	void (*forget)(void *context, struct agent *agent);
	void *context;
};

static struct agent **bucket_of(struct roster *roster, const void *id, size_t length)
{
	const uint8_t *bytes = id;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return &roster->buckets[(hash ^ hash >> 16) % BUCKETS];
}

struct roster *roster_new(void (*forget)(void *context, struct agent *agent), void *context)
{
	struct roster *roster = calloc(1, sizeof(*roster));

	if (!roster)
		return NULL;
	roster->forget = forget;
	roster->context = context;
	return roster;
}

static void unlink_use(struct roster *roster, struct agent *agent)
{
	*(agent->newer ? &agent->newer->older : &roster->newest) = agent->older;
	*(agent->older ? &agent->older->newer : &roster->oldest) = agent->newer;
}

static void link_newest(struct roster *roster, struct agent *agent)
{
	agent->newer = NULL;
	agent->older = roster->newest;
	*(roster->newest ? &roster->newest->newer : &roster->oldest) = agent;
	roster->newest = agent;
}

static void drop(struct roster *roster, struct agent *agent)
{
	struct agent **link = bucket_of(roster, agent->id, agent->id_length);

	while (*link && *link != agent)
		link = &(*link)->next_in_bucket;
	*link = agent->next_in_bucket;
	unlink_use(roster, agent);
	roster->forget(roster->context, agent);
	roster->count--;
	free(agent);
}

void roster_free(struct roster *roster)
{
	if (!roster)
		return;
	while (roster->oldest)
		drop(roster, roster->oldest);
	free(roster);
}

struct agent *roster_find(struct roster *roster, const void *id, size_t length)
{
	struct agent *agent = *bucket_of(roster, id, length);

	while (agent && (agent->id_length != length || memcmp(agent->id, id, length)))
		agent = agent->next_in_bucket;
	return agent;
}

static struct agent *add(struct roster *roster, const struct session_text *id)
{
	struct agent **bucket = bucket_of(roster, id->data, id->length);
	struct agent *agent;

	if (roster->count >= ROSTER_MAX) {
		for (agent = roster->oldest; agent && agent->live; agent = agent->newer)
			;
		if (!agent)
			return NULL;
		drop(roster, agent);
	}
	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return NULL;
	memcpy(agent->id, id->data, id->length);
	agent->id_length = id->length;
	agent->next_in_bucket = *bucket;
	*bucket = agent;
	link_newest(roster, agent);
	roster->count++;
	return agent;
}

static void begin_epoch(struct roster *roster, struct agent *agent, uint64_t epoch)
{
	roster->forget(roster->context, agent);
	agent->user = NULL;
	agent->epoch = epoch;
	agent->has_account = false;
	memset(agent->next_seq, 0, sizeof(agent->next_seq));
	memset(agent->received, 0, sizeof(agent->received));
	memset(agent->gaps, 0, sizeof(agent->gaps));
	memset(agent->elsewhere, 0, sizeof(agent->elsewhere));
}

struct agent *roster_claim(struct roster *roster, const struct session_hello *hello)
{
	struct agent *agent = roster_find(roster, hello->agent_id.data, hello->agent_id.length);

	if (!agent)
		agent = add(roster, &hello->agent_id);
	if (!agent)
		return NULL;
	unlink_use(roster, agent);
	link_newest(roster, agent);
	if (agent->epoch != hello->epoch)
		begin_epoch(roster, agent, hello->epoch);
	agent->ended = false;
	for (uint32_t i = 0; i < SESSION_STREAMS; i++) {
		if (hello->next_seq[i] <= agent->next_seq[i])
			continue;
		agent->elsewhere[i] += hello->next_seq[i] - agent->next_seq[i];
		agent->next_seq[i] = hello->next_seq[i];
	}
	return agent;
}

struct balance agent_balance(const struct agent *agent, uint32_t stream)
{
	const struct session_account *account = &agent->account;
	struct balance balance = {.taken = account->streams[stream].taken,
				  .next_seq = account->streams[stream].next_seq,
				  .received = agent->received[stream],
				  .gaps = agent->gaps[stream],
				  .elsewhere = agent->elsewhere[stream]};
	uint64_t have = balance.received + balance.gaps + balance.elsewhere, reached;

	if (!agent->has_account)
		return (struct balance){.received = balance.received,
					.gaps = balance.gaps,
					.elsewhere = balance.elsewhere};
	for (size_t i = 0; i < account->probe_count; i++) {
		if (account->probes[i].stream != stream)
			continue;
		balance.produced += account->probes[i].produced;
		for (size_t j = 0; j < SESSION_REASONS; j++)
			balance.lost += account->probes[i].lost[j];
	}
	reached = balance.produced - balance.lost;
	balance.holds = reached == balance.taken && balance.taken == balance.next_seq &&
			balance.next_seq == have;
	balance.difference = (int64_t)(reached - have);
	if (!balance.difference && !balance.holds)
		balance.difference = (int64_t)(balance.taken != have ? balance.taken - have
								     : balance.next_seq - have);
	return balance;
}
