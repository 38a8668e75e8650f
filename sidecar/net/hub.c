// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/receiver_internal.h"
#include "wire/frame.h"

#define ARENA_CAP    (24 * 1024 * 1024)
#define CREDIT_MOST  (4 * SESSION_FRAME_CAP)
#define CREDIT_POOL  (256ull * 1024 * 1024) /* what all agents together may have under way */
#define CREDIT_LEAST (64 * 1024)
#define IDLE_BUFFER  (64 * 1024)
#define COMPLAINTS   10 /* that are told in a second */

struct hub *hub_new(const struct net *net, struct loop *loop, struct roster *roster,
		    const struct hub_ops *ops, void *context)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return NULL;
	*hub = (struct hub){
		.net = net, .loop = loop, .roster = roster, .ops = ops, .context = context};
	hub->arena = frame_arena_new(ARENA_CAP);
	if (!hub->arena) {
		free(hub);
		return NULL;
	}
	return hub;
}

static void leave_list(struct receiver *receiver)
{
	struct receiver_list *list = receiver->list;

	*(receiver->prev ? &receiver->prev->next : &list->first) = receiver->next;
	*(receiver->next ? &receiver->next->prev : &list->last) = receiver->prev;
	list->count--;
}

static void join_list(struct receiver *receiver, struct receiver_list *list)
{
	receiver->list = list;
	receiver->next = NULL;
	receiver->prev = list->last;
	*(list->last ? &list->last->next : &list->first) = receiver;
	list->last = receiver;
	list->count++;
}

void hub_move(struct receiver *receiver, struct receiver_list *list)
{
	leave_list(receiver);
	join_list(receiver, list);
}

static void free_list(struct receiver_list *list)
{
	struct receiver *receiver, *next;

	for (receiver = list->first; receiver; receiver = next) {
		next = receiver->next;
		if (receiver->agent)
			receiver->agent->live = NULL;
		conn_done(&receiver->conn);
		free(receiver);
	}
}

void hub_free(struct hub *hub)
{
	if (!hub)
		return;
	free_list(&hub->newcomers);
	free_list(&hub->agents);
	free_list(&hub->gone);
	frame_arena_free(hub->arena);
	free(hub);
}

bool hub_paused(const struct hub *hub)
{
	return hub->paused;
}

size_t hub_count(const struct hub *hub)
{
	return hub->newcomers.count + hub->agents.count;
}

size_t hub_agents(const struct hub *hub)
{
	return hub->agents.count;
}

uint64_t hub_rejections(const struct hub *hub, enum hub_cause cause)
{
	return hub->rejected[cause];
}

static void watch_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	receiver_ready(
		(struct receiver *)(void *)((char *)watch - offsetof(struct receiver, watch)));
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct in6_addr *six_a, *six_b;
	bool mapped;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	six_a = &((const struct sockaddr_in6 *)a)->sin6_addr;
	six_b = &((const struct sockaddr_in6 *)b)->sin6_addr;
	mapped = IN6_IS_ADDR_V4MAPPED(six_a) || IN6_IS_ADDR_V4MAPPED(six_b);
	/* A host has a whole /64 to choose from. All of IPv4, as a listener on [::] sees it, is in one. */
	return !memcmp(six_a, six_b, mapped ? 16 : 8);
}

const char *hub_no_room(const struct hub *hub, const struct receiver *receiver)
{
	size_t same = 0;

	if (hub->agents.count >= HUB_AGENTS)
		return "too many agents in all";
	for (const struct receiver *other = hub->agents.first; other; other = other->next)
		same += same_address(&other->address, &receiver->address);
	return same >= HUB_AGENTS_PER_ADDRESS ? "too many agents from this address" : NULL;
}

/* Makes room for one more newcomer of this address. */
static void close_oldest(struct hub *hub, const struct sockaddr_storage *address)
{
	struct receiver *oldest = NULL;
	size_t same = 0;

	for (struct receiver *other = hub->newcomers.first; other; other = other->next) {
		if (!same_address(&other->address, address))
			continue;
		oldest = oldest ? oldest : other;
		same++;
	}
	if (same >= HUB_NEWCOMERS_PER_ADDRESS)
		receiver_evict(
			oldest,
			"too many connections from its address without a Hello: the oldest ends");
	else if (hub->newcomers.count >= HUB_NEWCOMERS)
		receiver_evict(hub->newcomers.first,
			       "too many connections without a Hello: the oldest ends");
}

void hub_rejected(struct hub *hub, enum hub_cause cause, const char *peer, const char *why)
{
	uint64_t now = hub->net->now(hub->net->context);

	hub->rejected[cause]++;
	if (now - hub->complained_ns >= SECOND) {
		hub->complained_ns = now;
		hub->complaints = 0;
	}
	if (hub->complaints >= COMPLAINTS) {
		hub->unsaid++;
		return;
	}
	hub->complaints++;
	hub->ops->rejected(hub->context, peer, why, hub->unsaid);
	hub->unsaid = 0;
}

int hub_add(struct hub *hub, int fd, const struct sockaddr_storage *peer)
{
	struct receiver *receiver = calloc(1, sizeof(*receiver));
	uint64_t now = hub->net->now(hub->net->context);
	char text[ADDRESS_TEXT];

	if (!receiver) {
		hub->net->close(hub->net->context, fd);
		address_print_socket(peer, text);
		hub_rejected(hub, HUB_NO_ROOM, text, strerror(ENOMEM));
		return -ENOMEM;
	}
	close_oldest(hub, peer);
	receiver->hub = hub;
	receiver->address = *peer;
	address_print_socket(peer, receiver->peer);
	conn_init(&receiver->conn, hub->net, HUB_HELLO_CAP + FRAME_PREFIX_MAX, OUT_LIMIT);
	conn_open(&receiver->conn, fd);
	receiver->watch = (struct watch){.fd = fd, .ready = watch_ready};
	receiver->state = SHAKING;
	receiver->heard_ns = now;
	receiver->due = now + SHAKE_TIMEOUT;
	join_list(receiver, &hub->newcomers);
	receiver_shake(receiver);
	return 0;
}

static struct receiver *find(const struct receiver_list *list, int fd)
{
	struct receiver *receiver = list->first;

	while (receiver && receiver->conn.fd != fd)
		receiver = receiver->next;
	return receiver;
}

void hub_ready(struct hub *hub, int fd)
{
	struct receiver *receiver = find(&hub->newcomers, fd);

	receiver = receiver ? receiver : find(&hub->agents, fd);
	if (receiver)
		receiver_ready(receiver);
}

void hub_mark(struct receiver *receiver)
{
	if (receiver->in_marked)
		return;
	receiver->in_marked = true;
	receiver->next_marked = receiver->hub->marked;
	receiver->hub->marked = receiver;
}

/* One frame at first; twice as much after each Ack; never more than a fair share of the pool. */
static void grow_credit(struct receiver *receiver)
{
	uint64_t share = CREDIT_POOL / receiver->hub->agents.count;

	receiver->credit *= 2;
	if (receiver->credit > CREDIT_MOST)
		receiver->credit = CREDIT_MOST;
	if (receiver->credit > share)
		receiver->credit = share > CREDIT_LEAST ? share : CREDIT_LEAST;
}

/* Sends the Ack that is due, if any. */
static void settle(struct receiver *receiver, uint64_t written)
{
	struct ack_mark done;
	bool last;

	if (receiver->pending.position > written)
		return;
	/* A peer that does not read its Acks gets a later one instead of a row of them. */
	if (conn_pending(&receiver->conn) > OUT_LIMIT / 2)
		return;
	last = receiver->latest.position <= written;
	done = last ? receiver->latest : receiver->pending;
	receiver->pending = receiver->latest;
	receiver->marked = !last;
	grow_credit(receiver);
	(void)session_put_ack(&receiver->conn.out, done.next_seq, receiver->credit);
	receiver->said_ns = receiver->hub->net->now(receiver->hub->net->context);
	if (receiver->state == ENDING && last) {
		(void)session_put_collector_bye(&receiver->conn.out, false);
		receiver_leave(receiver);
		return;
	}
	receiver_flush(receiver);
}

void hub_settle(struct hub *hub)
{
	struct receiver *receiver = hub->marked, *next;
	uint64_t written = hub->ops->written(hub->context);

	hub->marked = NULL;
	for (; receiver; receiver = next) {
		next = receiver->next_marked;
		receiver->in_marked = false;
		if (receiver->state == STREAMING || receiver->state == ENDING)
			settle(receiver, written);
		if (receiver->marked && (receiver->state == STREAMING || receiver->state == ENDING))
			hub_mark(receiver);
	}
}

void hub_resume(struct hub *hub)
{
	if (!hub->paused)
		return;
	hub->paused = false;
	/* Who was served goes to the end, so that a slow output serves all in turn. */
	for (size_t left = hub->agents.count; left && hub->agents.first && !hub->paused; left--) {
		struct receiver *receiver = hub->agents.first;

		hub_move(receiver, &hub->agents);
		if (receiver->paused)
			receiver_read(receiver);
	}
	for (struct receiver *receiver = hub->agents.first; receiver; receiver = receiver->next)
		hub->paused = hub->paused || receiver->paused;
}

static void sweep_one(struct receiver *receiver, uint64_t now)
{
	bool idle = !buf_length(&receiver->conn.in) && receiver->conn.in.capacity > IDLE_BUFFER;
	size_t limit = receiver->conn.in.limit;

	if (now >= receiver->due && receiver->state <= GREETING)
		receiver->cause = HUB_TIMEOUT;
	if (now >= receiver->due && receiver->state == SHAKING) {
		receiver_lost(receiver, conn_why(&receiver->conn, -ETIMEDOUT));
	} else if (now >= receiver->due && receiver->state == GREETING) {
		receiver_refuse(receiver, SESSION_ERROR_PROTOCOL, "no Hello within 5 s");
	} else if (now >= receiver->due && receiver->state == STREAMING && !receiver->paused) {
		receiver_refuse(receiver, SESSION_ERROR_PROTOCOL, "no whole frame within 30 s");
	} else if (now >= receiver->due && receiver->state == LEAVING) {
		receiver_gone(receiver);
	} else if (receiver->state == STREAMING && !conn_pending(&receiver->conn) &&
		   now - receiver->said_ns >= HEARTBEAT_MS * (SECOND / 1000)) {
		(void)session_put_collector_heartbeat(&receiver->conn.out, clock_realtime_ns());
		receiver->said_ns = now;
		receiver_flush(receiver);
	}
	if (idle && now - receiver->heard_ns > HEARTBEAT_MS * (SECOND / 1000)) {
		buf_done(&receiver->conn.in);
		(void)buf_init(&receiver->conn.in, 0, limit);
	}
}

static void sweep_list(struct receiver_list *list, uint64_t now)
{
	struct receiver *receiver, *next;

	for (receiver = list->first; receiver; receiver = next) {
		next = receiver->next;
		sweep_one(receiver, now);
	}
}

void hub_sweep(struct hub *hub)
{
	uint64_t now = hub->net->now(hub->net->context);
	struct receiver *receiver, *next;

	sweep_list(&hub->newcomers, now);
	sweep_list(&hub->agents, now);
	for (receiver = hub->gone.first; receiver; receiver = next) {
		next = receiver->next;
		if (receiver->in_marked)
			continue;
		leave_list(receiver);
		free(receiver);
	}
	if (hub->unsaid && now - hub->complained_ns >= SECOND) {
		hub->ops->rejected(hub->context, NULL, NULL, hub->unsaid);
		hub->unsaid = 0;
	}
}

void hub_close(struct hub *hub)
{
	struct receiver *receiver, *next;

	for (receiver = hub->newcomers.first; receiver; receiver = next) {
		next = receiver->next;
		if (receiver->state <= GREETING)
			receiver_gone(receiver);
	}
	for (receiver = hub->agents.first; receiver; receiver = next) {
		next = receiver->next;
		if (receiver->state == LEAVING)
			continue;
		(void)session_put_collector_bye(&receiver->conn.out, true);
		receiver_end(receiver, "the collector ends");
	}
}
