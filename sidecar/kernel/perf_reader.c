// SPDX-License-Identifier: Apache-2.0
#include "kernel/perf_reader.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/perf_event.h>
#include <bpf/bpf.h>

#include "base/clock.h"
#include "kernel/percpu.h"

#define SAMPLE_MAX UINT16_MAX /* struct perf_event_header counts in 16 bits */

/*
 * One CPU's buffer: a page of cursors, then a ring of records. A sample is
 *
 *   perf_event_header (8) | u32 size of what follows | the record that BPF sent | padding to 8
 *
 * so that the record lies at an odd multiple of 4: it is copied before it is used.
 */
struct cpu_buffer {
	int fd; /* -1: none */
	struct perf_event_mmap_page *cursors;
	const uint8_t *data;
	uint64_t head, tail; /* of the present drain */
	uint64_t time_ns;    /* of the record at `tail`; UINT64_MAX: there is none */
};

struct perf_reader {
	struct perf_reader_config config;
	size_t cpus, page, bytes; /* bytes: of each buffer's data */
	int epoll_fd;
	uint64_t newest_ns; /* of the records taken so far */
	uint64_t kernel_lost;
	struct cpu_buffer *buffers;
	_Alignas(8) uint8_t sample[SAMPLE_MAX + 1];
};

static int open_event(size_t cpu, uint32_t wakeup_bytes)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = wakeup_bytes > 1,
	};
	long fd;

	if (attr.watermark)
		attr.wakeup_watermark = wakeup_bytes;
	else
		attr.wakeup_events = 1;
	fd = syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

static void close_buffer(const struct perf_reader *reader, struct cpu_buffer *buffer)
{
	if (buffer->cursors)
		munmap(buffer->cursors, reader->page + reader->bytes);
	if (buffer->fd >= 0)
		close(buffer->fd);
	*buffer = (struct cpu_buffer){.fd = -1};
}

/* -ENODEV: the CPU is offline. */
static int open_buffer(struct perf_reader *reader, size_t cpu)
{
	struct epoll_event watch = {.events = EPOLLIN};
	struct cpu_buffer *buffer = &reader->buffers[cpu];
	const uint32_t key = (uint32_t)cpu;
	void *memory;
	int err;

	buffer->fd = open_event(cpu, reader->config.wakeup_bytes);
	if (buffer->fd < 0) {
		err = buffer->fd;
		buffer->fd = -1;
		return err;
	}
	memory = mmap(NULL, reader->page + reader->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		      buffer->fd, 0);
	if (memory == MAP_FAILED)
		goto fail;
	buffer->cursors = memory;
	buffer->data = (const uint8_t *)memory + reader->page;
	if (epoll_ctl(reader->epoll_fd, EPOLL_CTL_ADD, buffer->fd, &watch) ||
	    ioctl(buffer->fd, PERF_EVENT_IOC_ENABLE, 0) ||
	    bpf_map_update_elem(reader->config.map_fd, &key, &buffer->fd, BPF_ANY))
		goto fail;
	return 0;
fail:
	err = -errno;
	close_buffer(reader, buffer);
	return err;
}

int perf_reader_try(void)
{
	int fd = -ENODEV;

	for (size_t cpu = 0; cpu < percpu_cpus() && fd == -ENODEV; cpu++)
		fd = open_event(cpu, 1);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int perf_reader_new(const struct perf_reader_config *config, struct perf_reader **ret_reader)
{
	struct perf_reader *reader = calloc(1, sizeof(*reader));
	int err = -ENOMEM;

	if (!reader)
		return -ENOMEM;
	reader->config = *config;
	reader->cpus = percpu_cpus();
	reader->page = (size_t)sysconf(_SC_PAGESIZE);
	reader->bytes = config->pages * reader->page;
	reader->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	reader->buffers = calloc(reader->cpus, sizeof(*reader->buffers));
	if (!reader->buffers || reader->epoll_fd < 0)
		goto out;
	for (size_t cpu = 0; cpu < reader->cpus; cpu++)
		reader->buffers[cpu].fd = -1;
	err = perf_reader_refresh(reader, NULL);
out:
	if (err)
		perf_reader_free(reader);
	else
		*ret_reader = reader;
	return err;
}

void perf_reader_free(struct perf_reader *reader)
{
	if (!reader)
		return;
	for (size_t cpu = 0; reader->buffers && cpu < reader->cpus; cpu++)
		close_buffer(reader, &reader->buffers[cpu]);
	if (reader->epoll_fd >= 0)
		close(reader->epoll_fd);
	free(reader->buffers);
	free(reader);
}

int perf_reader_fd(const struct perf_reader *reader)
{
	return reader->epoll_fd;
}

uint64_t perf_reader_kernel_lost(const struct perf_reader *reader)
{
	return reader->kernel_lost;
}

static uint64_t head_of(const struct cpu_buffer *buffer)
{
	return __atomic_load_n(&buffer->cursors->data_head, __ATOMIC_ACQUIRE);
}

/* A CPU that was offline has its buffer back only when it is opened anew, and that only when the old one is empty. */
int perf_reader_refresh(struct perf_reader *reader, const struct perf_unbuffered *unbuffered)
{
	int first = 0;

	for (size_t cpu = 0; cpu < reader->cpus; cpu++) {
		struct cpu_buffer *buffer = &reader->buffers[cpu];
		int err;

		if (buffer->fd >= 0) {
			if (!unbuffered || unbuffered[cpu].now == unbuffered[cpu].before ||
			    head_of(buffer) != buffer->cursors->data_tail)
				continue;
			close_buffer(reader, buffer);
		}
		err = open_buffer(reader, cpu);
		if (err && err != -ENODEV && !first)
			first = err;
	}
	return first;
}

/* Copies out of the ring, whose end may come in the middle. */
static void copy_out(const struct perf_reader *reader, const struct cpu_buffer *buffer,
		     uint64_t from, void *to, size_t length)
{
	const size_t at = (size_t)from & (reader->bytes - 1);
	const size_t first = length < reader->bytes - at ? length : reader->bytes - at;

	memcpy(to, buffer->data + at, first);
	memcpy((uint8_t *)to + first, buffer->data, length - first);
}

/* The room of what was passed is the kernel's again. */
static void pass(struct cpu_buffer *buffer, size_t size)
{
	buffer->tail += size;
	__atomic_store_n(&buffer->cursors->data_tail, buffer->tail, __ATOMIC_RELEASE);
}

/* Stands at the next sample, or at the end. Other records are passed over. */
static void find_sample(struct perf_reader *reader, struct cpu_buffer *buffer)
{
	struct perf_event_header header;
	uint64_t lost;

	for (; buffer->tail < buffer->head; pass(buffer, header.size)) {
		copy_out(reader, buffer, buffer->tail, &header, sizeof(header));
		if (header.type == PERF_RECORD_SAMPLE) {
			copy_out(reader, buffer,
				 buffer->tail + sizeof(header) + sizeof(uint32_t) +
					 offsetof(struct event_header, time_ns),
				 &buffer->time_ns, sizeof(buffer->time_ns));
			return;
		}
		if (header.type == PERF_RECORD_LOST) {
			/* header, u64 id, u64 lost: perf_event_open(2) */
			copy_out(reader, buffer, buffer->tail + sizeof(header) + sizeof(uint64_t),
				 &lost, sizeof(lost));
			reader->kernel_lost += lost;
		}
	}
	buffer->time_ns = UINT64_MAX;
}

/* Hands out the sample at `tail` and goes to the next. */
static void take_sample(struct perf_reader *reader, struct cpu_buffer *buffer)
{
	struct event_header *event = (struct event_header *)reader->sample;
	struct perf_event_header header;
	uint32_t size;

	copy_out(reader, buffer, buffer->tail, &header, sizeof(header));
	copy_out(reader, buffer, buffer->tail + sizeof(header), &size, sizeof(size));
	if (size <= header.size - sizeof(header) - sizeof(size) && size >= sizeof(*event)) {
		copy_out(reader, buffer, buffer->tail + sizeof(header) + sizeof(size), event, size);
		if (event->time_ns < reader->newest_ns)
			event->flags |= EVENT_LATE;
		else
			reader->newest_ns = event->time_ns;
		if (event->length <= size)
			reader->config.take(reader->config.context, reader->config.ring, event);
	}
	pass(buffer, header.size);
	find_sample(reader, buffer);
}

/* The buffer with the oldest record, and the time at which another one has its turn. */
static struct cpu_buffer *oldest(struct perf_reader *reader, uint64_t *ret_until)
{
	struct cpu_buffer *first = NULL;

	for (size_t cpu = 0; cpu < reader->cpus; cpu++) {
		struct cpu_buffer *buffer = &reader->buffers[cpu];

		if (buffer->fd < 0 || buffer->time_ns == UINT64_MAX)
			continue;
		if (!first || buffer->time_ns < first->time_ns) {
			if (first && first->time_ns < *ret_until)
				*ret_until = first->time_ns;
			first = buffer;
		} else if (buffer->time_ns < *ret_until) {
			*ret_until = buffer->time_ns;
		}
	}
	return first;
}

size_t perf_reader_drain(struct perf_reader *reader)
{
	const uint64_t settled = clock_boottime_ns() - PERF_WINDOW_NS;
	size_t taken = 0;

	for (size_t cpu = 0; cpu < reader->cpus; cpu++) {
		struct cpu_buffer *buffer = &reader->buffers[cpu];

		if (buffer->fd < 0)
			continue;
		buffer->head = head_of(buffer);
		buffer->tail = buffer->cursors->data_tail;
		find_sample(reader, buffer);
	}
	for (;;) {
		uint64_t until = settled;
		struct cpu_buffer *buffer = oldest(reader, &until);

		if (!buffer || buffer->time_ns > settled)
			return taken;
		do {
			take_sample(reader, buffer);
			taken++;
		} while (buffer->time_ns <= until);
	}
}
