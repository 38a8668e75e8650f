// SPDX-License-Identifier: Apache-2.0
#include "kernel/sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/perf_event.h>

#include "kernel/percpu.h"

struct cpu_event {
	int fd;		     /* -1: none */
	uint64_t enabled_ns; /* for how long it had run when we looked last */
};

struct sampler {
	int program;
	enum profile_clock clock;
	uint32_t hz;
	size_t cpus;
	struct cpu_event *events;
};

const char *sampler_clock_name(enum profile_clock clock)
{
	return clock == PROFILE_CYCLES ? "cycles" : "cpu-clock";
}

/* A descriptor, stopped, or -errno; -ENODEV: the CPU is offline. */
static int open_event(enum profile_clock clock, uint32_t hz, size_t cpu)
{
	const bool cycles = clock == PROFILE_CYCLES;
	struct perf_event_attr attr = {
		.type = cycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = cycles ? PERF_COUNT_HW_CPU_CYCLES : PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = hz,
		.freq = 1,
		.disabled = 1,
		.exclude_idle = !cycles, /* cycles stand still there */
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED,
	};
	const long fd = syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static bool is_online(size_t cpu)
{
	const int fd = open_event(PROFILE_CPU_CLOCK, 1, cpu);

	if (fd >= 0)
		close(fd);
	return fd != -ENODEV;
}

int sampler_try(enum profile_clock clock, uint32_t hz)
{
	int err = -ENODEV;

	for (size_t cpu = 0; cpu < percpu_cpus(); cpu++) {
		const int fd = open_event(clock, hz, cpu);

		/* A CPU without this counter says the same as one that is offline. */
		if (fd == -ENODEV && !is_online(cpu))
			continue;
		if (fd < 0)
			return fd;
		close(fd);
		err = 0;
	}
	return err;
}

static void close_event(struct cpu_event *event)
{
	if (event->fd >= 0)
		close(event->fd);
	*event = (struct cpu_event){.fd = -1};
}

static int start_event(const struct sampler *sampler, size_t cpu)
{
	struct cpu_event *event = &sampler->events[cpu];
	int err;

	event->fd = open_event(sampler->clock, sampler->hz, cpu);
	if (event->fd < 0) {
		err = event->fd;
		event->fd = -1;
		return err;
	}
	if (!ioctl(event->fd, PERF_EVENT_IOC_SET_BPF, sampler->program) &&
	    !ioctl(event->fd, PERF_EVENT_IOC_ENABLE, 0))
		return 0;
	err = -errno;
	close_event(event);
	return err;
}

int sampler_new(int program, enum profile_clock clock, uint32_t hz, struct sampler **ret_sampler)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));
	int err = -ENOMEM;

	if (!sampler)
		return -ENOMEM;
	*sampler = (struct sampler){program, clock, hz, percpu_cpus(), NULL};
	sampler->events = calloc(sampler->cpus, sizeof(*sampler->events));
	if (!sampler->events)
		goto out;
	for (size_t cpu = 0; cpu < sampler->cpus; cpu++)
		sampler->events[cpu].fd = -1;
	for (size_t cpu = 0; cpu < sampler->cpus; cpu++) {
		err = start_event(sampler, cpu);
		if (err && err != -ENODEV)
			goto out;
	}
	err = 0;
out:
	if (err)
		sampler_free(sampler);
	else
		*ret_sampler = sampler;
	return err;
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	for (size_t cpu = 0; sampler->events && cpu < sampler->cpus; cpu++)
		close_event(&sampler->events[cpu]);
	free(sampler->events);
	free(sampler);
}

/* An event whose CPU goes offline is off for good; its time stands still. */
static bool has_ended(struct cpu_event *event)
{
	struct {
		uint64_t value, enabled_ns;
	} counted;
	const uint64_t before = event->enabled_ns;

	if (read(event->fd, &counted, sizeof(counted)) != sizeof(counted))
		return true;
	event->enabled_ns = counted.enabled_ns;
	return event->enabled_ns == before;
}

void sampler_refresh(struct sampler *sampler)
{
	for (size_t cpu = 0; cpu < sampler->cpus; cpu++) {
		struct cpu_event *event = &sampler->events[cpu];

		if (event->fd >= 0 && has_ended(event))
			close_event(event);
		if (event->fd < 0)
			(void)start_event(sampler, cpu);
	}
}
