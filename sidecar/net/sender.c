// SPDX-License-Identifier: Apache-2.0
#include "net/sender.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/uplink.h"

/* musl gives 128 KiB, which a handshake may come near to; what is not touched takes no memory. */
#define STACK (512 * 1024)

struct sender {
	struct sender_config config;
	struct queue *queue;
	struct uplink *uplink;
	pthread_t thread;
	bool started;
	int wake_fd;
	char address[ADDRESS_TEXT];
	/* Which of the bad news were logged since the last good ones. */
	bool said_lost, said_refused, said_untrusted;

	_Atomic bool connected;
	_Atomic uint64_t connections, bytes, cpu_ns;

	/* Written before wake_fd, read by the thread after it. */
	uint8_t *bye;
	size_t bye_length;
	uint64_t deadline_ns;
	_Atomic bool finishing;
};

/* Called on the sender's thread. */
static void hear(void *context, enum uplink_news news, const char *why)
{
	struct sender *sender = context;

	switch (news) {
	case UPLINK_FOUND:
		log_line(LOG_INFO, "collector connected", "collector", sender->address, NULL);
		sender->said_lost = sender->said_refused = sender->said_untrusted = false;
		sender->connections++;
		break;
	case UPLINK_LOST:
		/* With the end asked for, the caller says how it ended. */
		if (!sender->said_lost && !sender->finishing)
			log_line(LOG_WARN, "collector unreachable", "collector", sender->address,
				 "why", why, "do", "nothing: retrying, records wait in the queue",
				 NULL);
		sender->said_lost = true;
		break;
	case UPLINK_REFUSED:
		if (!sender->said_refused)
			log_line(LOG_ERROR, "collector refused the session", "collector",
				 sender->address, "why", why, "do",
				 "see the collector's log; retrying", NULL);
		sender->said_refused = true;
		break;
	case UPLINK_UNTRUSTED:
		if (!sender->said_untrusted)
			log_line(LOG_ERROR, "no TLS with the collector", "collector",
				 sender->address, "why", why, "do",
				 "compare both sides' certificates and authorities; retrying",
				 NULL);
		sender->said_untrusted = true;
		break;
	}
}

struct sender *sender_new(const struct sender_config *config, struct queue *queue)
{
	struct sender *sender = calloc(1, sizeof(*sender));

	if (!sender)
		return NULL;
	sender->config = *config;
	sender->queue = queue;
	address_print(&config->collector, sender->address);
	sender->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	sender->uplink = uplink_new(config, queue, config->net, hear, sender);
	if (sender->wake_fd < 0 || !sender->uplink) {
		sender_free(sender);
		return NULL;
	}
	return sender;
}

void sender_free(struct sender *sender)
{
	if (!sender || sender->started)
		return;
	if (sender->wake_fd >= 0)
		close(sender->wake_fd);
	uplink_free(sender->uplink);
	free(sender->bye);
	free(sender);
}

/* This thread talks to the network: it keeps no privilege. Capabilities are per thread, so the raw call touches no other. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0},
				      now[_LINUX_CAPABILITY_U32S_3] = {0};

	if (!syscall(SYS_capset, &header, none))
		return 0;
	if (!syscall(SYS_capget, &header, now) && !(now[0].permitted | now[1].permitted))
		return 0;
	return -EPERM;
}

static void clear_fd(int fd)
{
	uint64_t count;

	/* Empty is fine: it says no more than `look again`. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void publish(struct sender *sender)
{
	sender->connected = uplink_connected(sender->uplink);
	sender->bytes = uplink_bytes(sender->uplink);
	sender->cpu_ns = thread_cpu_ns();
}

static int wait_ms(uint64_t when)
{
	uint64_t now = clock_monotonic_ns();
	uint64_t ms = when > now ? (when - now + 999999) / 1000000 : 0;

	return ms > 60000 ? 60000 : (int)ms;
}

static void *sender_thread(void *argument)
{
	struct sender *sender = argument;
	struct uplink *uplink = sender->uplink;
	struct pollfd fds[3] = {{.fd = sender->wake_fd, .events = POLLIN},
				{.fd = sender->config.feed.fd(sender->queue), .events = POLLIN}};
	bool told = false;
	uint64_t when;

	if (drop_capabilities())
		log_line(LOG_WARN, "the sender's thread keeps its capabilities", "why",
			 "capset was refused", NULL);
	while (!uplink_ended(uplink)) {
		if (sender->finishing && !told) {
			uplink_finish(uplink, sender->bye, sender->bye_length, sender->deadline_ns);
			told = true;
		}
		when = uplink_step(uplink);
		publish(sender);
		if (uplink_ended(uplink))
			break;
		fds[2] = (struct pollfd){.fd = uplink_fd(uplink), .events = uplink_events(uplink)};
		if (poll(fds, 3, wait_ms(when)) < 0 && errno != EINTR) {
			log_line(LOG_ERROR, "the sender stops", "collector", sender->address, "why",
				 strerror(errno), "do", "start ringside again", NULL);
			break;
		}
		if (fds[0].revents)
			clear_fd(fds[0].fd);
		if (fds[1].revents)
			clear_fd(fds[1].fd);
	}
	sender->connected = false;
	return NULL;
}

int sender_start(struct sender *sender)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int err;

	err = pthread_attr_init(&attributes);
	if (err)
		return -err;
	(void)pthread_attr_setstacksize(&attributes, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&sender->thread, &attributes, sender_thread, sender);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	sender->started = !err;
	return -err;
}

void sender_stats(struct sender *sender, struct sender_stats *ret_stats)
{
	*ret_stats = (struct sender_stats){.connected = sender->connected,
					   .connections = sender->connections,
					   .bytes = sender->bytes,
					   .cpu_ns = sender->cpu_ns};
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++)
		ret_stats->acknowledged[i] = sender->config.feed.unacked(sender->queue, i);
}

int sender_finish(struct sender *sender, const uint8_t *bye, size_t length, uint64_t deadline_ns)
{
	uint64_t late = deadline_ns + 100000000u, one = 1;
	uint64_t now = clock_realtime_ns(), monotonic = clock_monotonic_ns();
	struct timespec until;
	int ended;

	if (!sender->started)
		return 0;
	sender->bye = malloc(length);
	if (!sender->bye)
		return -ENOMEM;
	memcpy(sender->bye, bye, length);
	sender->bye_length = length;
	sender->deadline_ns = deadline_ns;
	sender->finishing = true;
	if (write(sender->wake_fd, &one, sizeof(one)) < 0)
		return -errno;
	now += late > monotonic ? late - monotonic : 0;
	until = (struct timespec){.tv_sec = (time_t)(now / 1000000000u),
				  .tv_nsec = (long)(now % 1000000000u)};
	/* A name's lookup may hold the thread past the deadline. It is left behind then, with all it uses: the process ends. */
	if (pthread_timedjoin_np(sender->thread, NULL, &until))
		return -EBUSY;
	sender->started = false;
	ended = uplink_ended(sender->uplink);
	return ended > 0 ? 0 : ended < 0 ? ended : -EIO;
}
