// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench_measure.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/bench_cpus.h"
#include "kernel/transport_bench.h"

#define WARM_UP_S 0.2

struct measure {
	struct transport_bench *bench;
	int stop_fd; /* tells the consumer that no record will follow */
	int consumer_cpu;
	_Atomic bool run, quit;
	sem_t start, still; /* one post a producer, each time */
	sem_t drained;
	uint64_t consumer_ns; /* CPU time; written while the consumer drains, read afterwards */
	uint64_t drained_ns;  /* clock_monotonic_ns */
	pthread_t consumer;
	bool consumer_started;
	uint32_t started; /* producers */
	struct producer *producers;
};

struct producer {
	struct measure *measure;
	pthread_t thread;
	int cpu;
	uint64_t cpu_ns;
};

/* What was counted up to one moment of stillness. */
struct moment {
	struct transport_counts counts;
	uint64_t producers_ns, consumer_ns;
};

static uint64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		;
}

static void *produce(void *context)
{
	struct producer *producer = context;
	struct measure *measure = producer->measure;

	bench_cpus_pin(producer->cpu);
	for (;;) {
		wait_for(&measure->start);
		if (measure->quit)
			return NULL;
		/* Once at least, however busy the machine is. */
		do
			syscall(SYS_getpgid, 0);
		while (atomic_load_explicit(&measure->run, memory_order_relaxed));
		producer->cpu_ns = thread_ns();
		sem_post(&measure->still);
	}
}

static void *consume(void *context)
{
	struct measure *measure = context;

	bench_cpus_pin(measure->consumer_cpu);
	while (!measure->quit) {
		if (!transport_bench_work(measure->bench))
			continue;
		measure->drained_ns = clock_monotonic_ns();
		measure->consumer_ns = thread_ns();
		sem_post(&measure->drained);
	}
	return NULL;
}

/* Producers in turns over the CPUs; one that has a CPU of its own keeps the last. Returns the highest CPU that produces. */
static int place(struct measure *measure, const struct bench_case *one)
{
	int cpus[CPU_SETSIZE] = {0}, top = 0;
	const size_t usable = bench_cpus_usable(cpus), own = one->same || usable < 2 ? 0 : 1;
	const size_t shared = usable > own ? usable - own : 1;

	for (uint32_t i = 0; i < one->producers; i++) {
		const int cpu = cpus[i % shared];

		measure->producers[i] = (struct producer){.measure = measure, .cpu = cpu};
		if (cpu > top)
			top = cpu;
	}
	measure->consumer_cpu = cpus[own ? usable - 1 : 0];
	return top;
}

static int start_threads(struct measure *measure, uint32_t producers)
{
	int err = pthread_create(&measure->consumer, NULL, consume, measure);

	measure->consumer_started = !err;
	while (!err && measure->started < producers) {
		struct producer *producer = &measure->producers[measure->started];

		err = pthread_create(&producer->thread, NULL, produce, producer);
		if (!err)
			measure->started++;
	}
	return -err;
}

static void tell_consumer(struct measure *measure)
{
	const uint64_t one = 1;

	while (write(measure->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Lets the producers run, then waits until they are still and all is taken. Returns how long records were made or taken, ns. */
static uint64_t phase(struct measure *measure, double seconds)
{
	const struct timespec duration = {(time_t)seconds,
					  (long)((seconds - (double)(time_t)seconds) * 1e9)};
	uint64_t start;

	measure->run = true;
	start = clock_monotonic_ns();
	for (uint32_t i = 0; i < measure->started; i++)
		sem_post(&measure->start);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
	measure->run = false;
	for (uint32_t i = 0; i < measure->started; i++)
		wait_for(&measure->still);
	tell_consumer(measure);
	wait_for(&measure->drained);
	return measure->drained_ns - start;
}

static int look(const struct measure *measure, struct moment *ret_moment)
{
	ret_moment->producers_ns = 0;
	for (uint32_t i = 0; i < measure->started; i++)
		ret_moment->producers_ns += measure->producers[i].cpu_ns;
	ret_moment->consumer_ns = measure->consumer_ns;
	return transport_bench_counts(measure->bench, &ret_moment->counts);
}

static void end_threads(struct measure *measure)
{
	measure->quit = true;
	if (measure->consumer_started) {
		tell_consumer(measure);
		pthread_join(measure->consumer, NULL);
	}
	for (uint32_t i = 0; i < measure->started; i++)
		sem_post(&measure->start);
	for (uint32_t i = 0; i < measure->started; i++)
		pthread_join(measure->producers[i].thread, NULL);
}

static double share(uint64_t after, uint64_t before, double of)
{
	return of > 0 ? (double)(after - before) / of : 0;
}

static void fill_result(struct bench_result *result, const struct moment *before,
			const struct moment *after, uint64_t elapsed_ns)
{
	const struct transport_counts *first = &before->counts, *last = &after->counts;
	const double seconds = (double)elapsed_ns / 1e9;

	result->produced = last->produced - first->produced;
	result->received = last->received - first->received;
	result->lost = last->lost - first->lost;
	result->corrupt = last->corrupt;
	result->records_per_s = share(last->received, first->received, seconds);
	result->wakeups_per_s = share(last->wakeups, first->wakeups, seconds);
	result->producer_cpu_ns =
		share(after->producers_ns, before->producers_ns, (double)result->produced);
	result->consumer_cpu_ns =
		share(after->consumer_ns, before->consumer_ns, (double)result->received);
}

static int measure_started(struct measure *measure, struct bench_result *result)
{
	struct moment before, after;
	uint64_t elapsed_ns;
	int err;

	phase(measure, WARM_UP_S);
	err = look(measure, &before);
	if (err && err != -EBADMSG)
		return err;
	elapsed_ns = phase(measure, result->of.seconds);
	err = look(measure, &after);
	if (err && err != -EBADMSG)
		return err;
	fill_result(result, &before, &after, elapsed_ns);
	if (!result->received)
		return -ENODATA;
	if (result->corrupt || result->produced != result->received + result->lost)
		err = -EBADMSG;
	return err;
}

static int prepare(struct measure *measure, struct bench_result *result, const char **ret_what)
{
	const struct bench_case *one = &result->of;
	struct transport_config config = {
		.variant = one->variant, .wakeup = one->wakeup, .size = one->size};
	int err;

	*ret_what = "memory";
	measure->stop_fd = eventfd(0, EFD_CLOEXEC);
	measure->producers = calloc(one->producers, sizeof(measure->producers[0]));
	if (measure->stop_fd < 0 || !measure->producers)
		return -ENOMEM;
	config.top_cpu = (uint32_t)place(measure, one);
	config.stop_fd = measure->stop_fd;
	err = transport_bench_new(&config, &measure->bench, ret_what);
	if (err)
		return err;
	result->copied_bytes_per_record = transport_bench_copied(&config);
	result->memory_bytes = transport_bench_memory(&config);
	return 0;
}

int bench_measure(const struct bench_case *one, struct bench_result *ret_result,
		  const char **ret_what)
{
	struct measure measure = {.stop_fd = -1};
	int err;

	*ret_result = (struct bench_result){.of = *one};
	sem_init(&measure.start, 0, 0);
	sem_init(&measure.still, 0, 0);
	sem_init(&measure.drained, 0, 0);
	err = prepare(&measure, ret_result, ret_what);
	if (err)
		goto out;
	*ret_what = "a thread";
	err = start_threads(&measure, one->producers);
	if (!err) {
		*ret_what = "records of getpgid()";
		err = measure_started(&measure, ret_result);
	}
	end_threads(&measure);
out:
	transport_bench_free(measure.bench);
	free(measure.producers);
	if (measure.stop_fd >= 0)
		close(measure.stop_fd);
	return err;
}
