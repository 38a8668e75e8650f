// SPDX-License-Identifier: Apache-2.0
/* A sidecar that can't observe, and that something waits for: an application in a pod is not to suffer for it. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/run.h"
#include "cmd/trouble.h"
#include "kernel/drop.h"
#include "net/health.h"
#include "net/uplink.h"
#include "spool/queue.h"

#define WHY_MAX	    400
#define FIELDS_MAX  16 /* what surrounds the token and the reason in a Hello */
#define QUEUE_BYTES (2 * 1024 * 1024)
#define AGAIN_MS    1000

static void wait_for_signal(int signal_fd)
{
	struct pollfd fds[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = health_listen("run"), .events = POLLIN},
	};

	if (fds[1].fd < 0)
		trouble_health(fds[1].fd, "sidecar");
	while (!fds[0].revents) {
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), fds[1].fd < 0 ? AGAIN_MS : -1) < 0 &&
		    errno != EINTR)
			break;
		/* Whoever had the name may have ended. */
		if (fds[1].fd < 0)
			fds[1].fd = health_listen("run");
		else if (fds[1].revents)
			health_serve(fds[1].fd, HEALTH_STANDBY);
	}
	if (fds[1].fd >= 0)
		close(fds[1].fd);
}

/* As much of the reason as the attributes and a token leave room for. */
static void last_reason(const struct session_hello *hello, char ret_why[static WHY_MAX])
{
	size_t taken = TOKEN_MAX + FIELDS_MAX, room;
	struct buf frame;

	if (!buf_init(&frame, UPLINK_HELLO_MAX, 2 * UPLINK_HELLO_MAX) &&
	    !session_put_hello(&frame, hello))
		taken += buf_length(&frame);
	buf_done(&frame);
	room = taken < UPLINK_HELLO_MAX ? UPLINK_HELLO_MAX - taken : 1;
	log_last_error(ret_why, room < WHY_MAX ? room : WHY_MAX);
}

static int say_bye(struct sender *sender)
{
	const struct session_account nothing = {
		.boottime_ns = clock_boottime_ns(),
		.realtime_ns = clock_realtime_ns(),
		.has_streams = true,
	};

	return run_say_bye(sender, &nothing, clock_monotonic_ns() + RUN_FINISH_NS);
}

int standby(const struct run_plan *plan, const struct session_hello *hello, int signal_fd)
{
	struct session_hello told = *hello;
	struct sender *sender = NULL;
	struct queue *queue = NULL;
	char why[WHY_MAX];
	int err = 0;

	if (signal_fd < 0) {
		log_line(LOG_ERROR, "cannot stand by", "why", strerror(-signal_fd), NULL);
		return signal_fd;
	}
	last_reason(hello, why);
	told.standby = (struct session_text){why, strlen(why)};
	(void)drop_all_but(0);
	if (plan->has_collector) {
		const struct sender_config config = run_plan_sender(plan, &told);

		queue = queue_new(QUEUE_BYTES);
		sender = queue ? sender_new(&config, queue) : NULL;
		err = sender ? sender_start(sender) : -ENOMEM;
	}
	log_line(LOG_WARN, "standing by", "role", "run", "agent", hello->agent_id.data, "why",
		 "nothing can be observed, as said above", "collector",
		 !plan->has_collector ? "it is not told: none was given, or its options are wrong"
		 : err		      ? strerror(-err)
				      : NULL,
		 "do", "mend that, and start ringside again", NULL);
	wait_for_signal(signal_fd);
	if (sender && !err)
		err = say_bye(sender);
	if (err != -EBUSY) {
		sender_free(sender);
		queue_free(queue);
	}
	return err;
}
