// SPDX-License-Identifier: Apache-2.0
#include "net/conn.h"

#include <errno.h>

#define STEP_MIN 4096
#define STEP_MAX (256 * 1024)

void conn_init(struct conn *conn, const struct net *net, size_t in_limit, size_t out_limit)
{
	conn->net = net;
	conn->fd = -1;
	/* Nothing is allocated yet, so neither can fail. */
	(void)buf_init(&conn->in, 0, in_limit);
	(void)buf_init(&conn->out, 0, out_limit);
}

void conn_done(struct conn *conn)
{
	conn_close(conn);
	buf_done(&conn->in);
	buf_done(&conn->out);
}

void conn_open(struct conn *conn, int fd)
{
	conn->fd = fd;
	buf_clear(&conn->in);
	buf_clear(&conn->out);
}

void conn_close(struct conn *conn)
{
	if (conn->fd >= 0)
		conn->net->close(conn->net->context, conn->fd);
	conn->fd = -1;
	buf_clear(&conn->in);
	buf_clear(&conn->out);
}

ssize_t conn_fill(struct conn *conn, size_t most)
{
	size_t held = buf_length(&conn->in);
	size_t step = held < STEP_MIN ? STEP_MIN : held > STEP_MAX ? STEP_MAX : held;
	ssize_t n;
	int err;

	if (held >= conn->in.limit)
		return -ENOSPC;
	if (step > conn->in.limit - held)
		step = conn->in.limit - held;
	if (step > most)
		step = most;
	err = buf_reserve(&conn->in, step);
	if (err)
		return err;
	/* Room that is there anyway costs nothing. */
	if (conn->in.capacity - conn->in.tail > step && most > step)
		step = conn->in.capacity - conn->in.tail < most ? conn->in.capacity - conn->in.tail
								: most;
	n = conn->net->recv(conn->net->context, conn->fd, conn->in.data + conn->in.tail, step);
	if (n == 0)
		return -EPIPE;
	if (n == -EAGAIN)
		return 0;
	if (n > 0)
		conn->in.tail += (size_t)n;
	return n;
}

int conn_flush(struct conn *conn)
{
	while (conn_pending(conn)) {
		ssize_t n = conn->net->send(conn->net->context, conn->fd, buf_head(&conn->out),
					    buf_length(&conn->out));

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		buf_consume(&conn->out, (size_t)n);
	}
	return 0;
}

size_t conn_pending(const struct conn *conn)
{
	return buf_length(&conn->out);
}

const char *conn_why(const struct conn *conn, int err)
{
	return conn->net->why(conn->net->context, conn->fd, err);
}

short conn_events(const struct conn *conn, bool reading, bool writing)
{
	return conn->net->events(conn->net->context, conn->fd, reading, writing);
}
