// SPDX-License-Identifier: Apache-2.0
/* A sidecar that can't observe, and that something waits for: an application in a pod is not to suffer for it. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/run.h"
#include "cmd/trouble.h"
#include "kernel/drop.h"
#include "net/health.h"
#include "spool/queue.h"

#define WHY_MAX	    400 /* a Hello has 4 KiB, and its attributes may take 3000 bytes */
#define QUEUE_BYTES (2 * 1024 * 1024)

static void wait_for_signal(int signal_fd)
{
	const int health_fd = health_listen("run");
	struct pollfd fds[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = health_fd, .events = POLLIN},
	};

	if (health_fd < 0)
		trouble_health(health_fd, "sidecar");
	while (!fds[0].revents) {
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			health_serve(health_fd, HEALTH_STANDBY);
	}
	if (health_fd >= 0)
		close(health_fd);
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

	log_last_error(why, sizeof(why));
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
