// SPDX-License-Identifier: Apache-2.0
/* Counters: however many rows, each frame stays below the cap and checks; no row is lost or told twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "ringside.pb-c.h"
#include "wire/counters.h"
#include "wire/frame.h"
#include "wire/view.h"

#define ARENA (64 * 1024 * 1024)

static void long_names(void *context, uint64_t id, uint32_t hierarchy, const char **ret_name,
		       const char **ret_container)
{
	static char name[128], container[128];

	(void)context;
	(void)hierarchy;
	snprintf(name, sizeof(name), "%0*llx", 95, (unsigned long long)id);
	snprintf(container, sizeof(container), "%064llx", (unsigned long long)id);
	*ret_name = name;
	*ret_container = container;
}

/* The rows that a snapshot's frames hold; each is checked as a collector does it. */
static size_t read_back(struct buf *out, uint64_t *ret_sum, size_t *ret_frames)
{
	struct frame_arena *arena = frame_arena_new(ARENA);
	const uint8_t *message;
	size_t length, rows = 0;
	const char *why;
	long taken;

	assert_non_null(arena);
	while ((taken = frame_next(buf_head(out), buf_length(out), FRAME_MAX, &message, &length)) >
	       0) {
		const Ringside__V1__AgentFrame *frame = (void *)frame_unpack(
			arena, &ringside__v1__agent_frame__descriptor, message, length);

		assert_non_null(frame);
		assert_int_equal(view_check_counters(frame->counters, &why), 0);
		assert_int_equal(frame->counters->time, 77);
		for (size_t i = 0; i < view_counter_rows(frame->counters); i++)
			*ret_sum += frame->counters->syscalls->count[i];
		rows += view_counter_rows(frame->counters);
		(*ret_frames)++;
		buf_consume(out, (size_t)taken);
	}
	assert_int_equal(buf_length(out), 0);
	frame_arena_free(arena);
	return rows;
}

static void check_rows(size_t rows, size_t cgroups, size_t cpus, size_t most_frames)
{
	const struct cgroup_namer namer = {long_names, NULL};
	struct counters *counters = counters_new(cpus, namer);
	uint64_t *per_cpu = calloc(cpus + 1, sizeof(*per_cpu)), sum = 0, wanted = 0;
	size_t frames = 0;
	struct buf out;
	char name[32];

	assert_non_null(counters);
	assert_int_equal(buf_init(&out, 1024, 256 * FRAME_MAX), 0);
	for (size_t cpu = 0; cpu < cpus; cpu++)
		per_cpu[cpu] = UINT64_MAX - cpu;
	counters_begin(counters, 77, 0, &out);
	for (size_t i = 0; i < rows; i++) {
		const struct counters_row row = {
			.cgroup_id = UINT64_MAX - i % cgroups,
			.hierarchy = 0,
			.syscall = name,
			.nr = UINT32_MAX,
			.count = i + 1,
			.errors = UINT64_MAX,
			.total_ns = UINT64_MAX,
			.since_ns = UINT64_MAX,
			.per_cpu = per_cpu,
		};

		snprintf(name, sizeof(name), "ia32:a_long_name_of_a_call_%zu", i % 500);
		counters_add(counters, &row);
		wanted += i + 1;
	}
	assert_int_equal(counters_end(counters), 0);
	assert_int_equal(read_back(&out, &sum, &frames), rows);
	assert_int_equal(sum, wanted);
	assert_in_range(frames, rows ? 1 : 0, most_frames);
	counters_free(counters);
	buf_done(&out);
	free(per_cpu);
}

static void no_rows_are_no_frame(void **state)
{
	(void)state;
	check_rows(0, 1, 0, 0);
}

static void few_rows_are_one_frame(void **state)
{
	(void)state;
	check_rows(1, 1, 0, 1);
	check_rows(400, 3, 2, 1);
}

static void many_rows_are_frames_below_the_cap(void **state)
{
	(void)state;
	check_rows(65536, 65536, 0, 70);
	check_rows(65536, 5, 2, 30);
	check_rows(3000, 3000, 512, 40);
}

static void a_full_buffer_is_told(void **state)
{
	const struct cgroup_namer namer = {long_names, NULL};
	struct counters *counters = counters_new(0, namer);
	struct counters_row row = {.syscall = "write", .count = 1};
	uint64_t sum = 0;
	size_t frames = 0;
	struct buf out;

	(void)state;
	assert_int_equal(buf_init(&out, 1024, FRAME_MAX), 0);
	counters_begin(counters, 77, 0, &out);
	for (row.cgroup_id = 1; row.cgroup_id <= 65536; row.cgroup_id++)
		counters_add(counters, &row);
	assert_true(counters_end(counters) < 0);
	assert_true(read_back(&out, &sum, &frames) < 65536);
	/* And the next one begins afresh. */
	counters_begin(counters, 77, 0, &out);
	counters_add(counters, &row);
	assert_int_equal(counters_end(counters), 0);
	assert_int_equal(read_back(&out, &sum, &frames), 1);
	counters_free(counters);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rows_are_no_frame),
		cmocka_unit_test(few_rows_are_one_frame),
		cmocka_unit_test(many_rows_are_frames_below_the_cap),
		cmocka_unit_test(a_full_buffer_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
