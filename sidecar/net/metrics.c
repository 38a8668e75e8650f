// SPDX-License-Identifier: Apache-2.0
#include "net/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "net/conn.h"

#define CLIENTS	    8
#define REQUEST_CAP 2048
#define ANSWER_CAP  (64 * 1024)
#define PATIENCE_NS 5000000000ull

#define STATUS_OK "200 OK"

struct client {
	struct metrics *metrics;
	struct watch watch;
	struct conn conn; /* without a descriptor: the place is free */
	uint64_t due;	  /* 0: free */
	bool answered, finished;
};

struct metrics {
	struct loop *loop;
	struct watch listener;
	void (*fill)(void *context, FILE *out);
	void *context;
	struct client clients[CLIENTS];
};

static void client_close(struct client *client)
{
	if (client->conn.fd < 0)
		return;
	(void)loop_watch(client->metrics->loop, &client->watch, 0);
	conn_done(&client->conn);
	client->due = 0;
}

/* What to answer to a request that begins with this line. */
static const char *status_of(const char *line, const char *end)
{
	const char *target = memchr(line, ' ', (size_t)(end - line));
	const char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
	const char *query;

	if (!version || end - version != 9 || memcmp(version, " HTTP/1.", 8))
		return "400 Bad Request";
	if (target - line != 3 || memcmp(line, "GET", 3))
		return "405 Method Not Allowed\r\nAllow: GET";
	target++;
	query = memchr(target, '?', (size_t)(version - target));
	if ((query ? query : version) - target != 8 || memcmp(target, "/metrics", 8))
		return "404 Not Found";
	return STATUS_OK;
}

static void put_answer(struct client *client, const char *status, const char *body, size_t length)
{
	struct buf *out = &client->conn.out;

	client->answered = true;
	(void)buf_printf(out,
			 "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
			 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
			 status, length);
	/* No memory: the peer sees that less came than was said. */
	(void)buf_put(out, body, length);
}

static void answer(struct client *client, const char *status)
{
	const bool ok = !strcmp(status, STATUS_OK);
	char *body = NULL;
	size_t length = 0;
	FILE *out;

	if (!ok) {
		put_answer(client, status, "", 0);
		return;
	}
	out = open_memstream(&body, &length);
	if (out)
		client->metrics->fill(client->metrics->context, out);
	if (out && !fclose(out))
		put_answer(client, status, body, length);
	else
		put_answer(client, "500 Internal Server Error", "", 0);
	free(body);
}

static bool is_text(const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)data[i] < ' ' && data[i] != '\t' && data[i] != '\r' &&
		    data[i] != '\n')
			return false;
	return true;
}

/* Answers once the request is whole, or can't become one. */
static void take_request(struct client *client)
{
	const char *text = (const char *)buf_head(&client->conn.in);
	const size_t length = buf_length(&client->conn.in);

	if (memmem(text, length, "\r\n\r\n", 4))
		answer(client, status_of(text, memmem(text, length, "\r\n", 2)));
	else if (!is_text(text, length)) /* who speaks TLS to us would else be kept waiting */
		answer(client, "400 Bad Request");
	else if (length >= REQUEST_CAP)
		answer(client, "431 Request Header Fields Too Large");
}

static void client_ready(struct watch *watch, uint32_t events)
{
	struct client *client =
		(struct client *)(void *)((char *)watch - offsetof(struct client, watch));
	struct conn *conn = &client->conn;
	ssize_t n;

	(void)events;
	/* An event of this turn, for a connection that ended in it. */
	if (conn->fd < 0)
		return;
	/* Bytes left unread would turn our close into a reset that overtakes the answer. */
	if (client->answered)
		buf_clear(&conn->in);
	n = conn_fill(conn, REQUEST_CAP);
	if (n > 0 && !client->answered)
		take_request(client);
	if (n >= 0)
		n = conn_flush(conn);
	if (n < 0) {
		client_close(client);
		return;
	}
	if (client->answered && !conn_pending(conn) && !client->finished) {
		conn->net->finish(conn->net->context, conn->fd);
		client->finished = true;
	}
	(void)loop_watch(client->metrics->loop, watch,
			 EPOLLIN | (conn_pending(conn) ? EPOLLOUT : 0));
}

/* One connection a turn: those that are there are served in between. */
static void listener_ready(struct watch *watch, uint32_t events)
{
	struct metrics *metrics =
		(struct metrics *)(void *)((char *)watch - offsetof(struct metrics, listener));
	struct client *client = &metrics->clients[0];
	struct sockaddr_storage peer;
	int fd = net_accept(watch->fd, &peer);

	(void)events;
	if (fd == -EAGAIN)
		return;
	if (fd < 0) {
		/* Out of descriptors or memory: whoever waits goes on waiting until the next sweep. */
		(void)loop_watch(metrics->loop, watch, 0);
		return;
	}
	for (size_t i = 1; i < CLIENTS; i++)
		if (metrics->clients[i].due < client->due)
			client = &metrics->clients[i];
	client_close(client);
	conn_init(&client->conn, &net_real, REQUEST_CAP, ANSWER_CAP);
	conn_open(&client->conn, fd);
	client->watch = (struct watch){.fd = fd, .ready = client_ready};
	client->due = clock_monotonic_ns() + PATIENCE_NS;
	client->answered = client->finished = false;
	if (loop_watch(metrics->loop, &client->watch, EPOLLIN))
		client_close(client);
}

struct metrics *metrics_new(struct loop *loop, int fd, void (*fill)(void *context, FILE *out),
			    void *context)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics) {
		close(fd);
		return NULL;
	}
	*metrics = (struct metrics){.loop = loop,
				    .listener = {.fd = fd, .ready = listener_ready},
				    .fill = fill,
				    .context = context};
	for (size_t i = 0; i < CLIENTS; i++) {
		metrics->clients[i].metrics = metrics;
		metrics->clients[i].conn.fd = -1;
	}
	metrics_sweep(metrics);
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	for (size_t i = 0; i < CLIENTS; i++)
		client_close(&metrics->clients[i]);
	close(metrics->listener.fd);
	free(metrics);
}

void metrics_sweep(struct metrics *metrics)
{
	uint64_t now = clock_monotonic_ns();

	if (!metrics)
		return;
	for (size_t i = 0; i < CLIENTS; i++)
		if (now >= metrics->clients[i].due)
			client_close(&metrics->clients[i]);
	(void)loop_watch(metrics->loop, &metrics->listener, EPOLLIN);
}
