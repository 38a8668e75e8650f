// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire_test.h"
#include "wire/printer.h"

static struct buf frames, text;
static struct batch *batch;
static struct printer_source *source;

static void name_cgroup(void *context, uint64_t id, uint32_t hierarchy, const char **ret_name,
			const char **ret_container)
{
	(void)context;
	(void)hierarchy;
	*ret_name = "pod";
	*ret_container = id == 43 ? "c0ffee" : "";
}

static struct printer_source *make_source(const char *agent, uint64_t epoch, bool attributes)
{
	Ringside__V1__AgentFrame *frame;
	struct printer_source *made;

	buf_clear(&frames);
	put_hello(&frames, agent, epoch, "secret");
	frame = unpack_first(&frames);
	made = printer_source_new(frame->hello, attributes);
	frame_free(frame);
	buf_clear(&frames);
	return made;
}

static int setup(void **state)
{
	(void)state;
	if (buf_init(&frames, 0, 2 * FRAME_MAX) || buf_init(&text, 0, 16 << 20))
		return -1;
	batch = batch_new(1, test_kinds, (struct cgroup_namer){name_cgroup, NULL});
	source = make_source("agent-1", 0xfeed, false);
	return batch && source ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	printer_source_free(source);
	batch_free(batch);
	buf_done(&frames);
	buf_done(&text);
	return 0;
}

static struct printer *new_printer(enum row_format format, uint64_t mask)
{
	struct printer *printer;

	buf_clear(&text);
	printer = printer_new(format, false, test_kinds, mask, &text);
	assert_non_null(printer);
	return printer;
}

static void print(struct printer *printer, const Ringside__V1__AgentFrame *frame)
{
	const char *why = "";
	int err = printer_frame(printer, source, frame, &why);

	if (err)
		fail_msg("%d %s", err, why);
}

static void print_batch(struct printer *printer, uint64_t first_seq)
{
	Ringside__V1__AgentFrame *frame;

	buf_clear(&frames);
	assert_int_equal(batch_seal(batch, first_seq, OFFSET, &frames), 0);
	frame = unpack_first(&frames);
	print(printer, frame);
	frame_free(frame);
}

static void append_two(void)
{
	struct numbers_event numbers = numbers_event(START_TIME, UINT64_MAX, -7);
	struct words_event words;

	numbers.header.tid = 1003;
	numbers.header.ns_tgid = 1;
	numbers.header.ns_tid = 4;
	numbers.header.cpu = 2;
	numbers.header.cgroup_id = 43;
	numbers.header.hierarchy = HIERARCHY_PIDS;
	assert_int_equal(batch_append(batch, &numbers.header), 0);
	words_event(&words, START_TIME + 500, "a\0\0b", 5);
	words.header.flags = EVENT_TRUNCATED;
	assert_int_equal(batch_append(batch, &words.header), 0);
}

static void records_have_their_common_keys_and_only_those_that_apply(void **state)
{
	struct printer *printer = new_printer(ROW_JSON, UINT64_MAX);

	(void)state;
	append_two();
	print_batch(printer, 40);
	assert_string_equal(buf_text(&text), "{\"kind\":\"numbers\",\"time\":\"2023-11-14T22:13:21."
					     "000000000Z\",\"agent\":\"agent-1\","
					     "\"epoch\":\"000000000000feed\",\"stream\":1,\"seq\":"
					     "40,\"pid\":1000,\"tid\":1003,\"ns_pid\":1,"
					     "\"ns_tid\":4,\"cpu\":2,\"comm\":\"tester\",\"cgroup_"
					     "id\":43,\"container\":\"c0ffee\","
					     "\"hierarchy\":\"pids\",\"call\":\"call\",\"big\":"
					     "18446744073709551615,\"small\":-7}\n"
					     "{\"kind\":\"words\",\"time\":\"2023-11-14T22:13:21."
					     "000000500Z\",\"agent\":\"agent-1\","
					     "\"epoch\":\"000000000000feed\",\"stream\":1,\"seq\":"
					     "41,\"pid\":1000,\"tid\":1000,\"cpu\":0,"
					     "\"comm\":\"tester\",\"cgroup_id\":42,\"words\":["
					     "\"a\",\"\",\"b\"],\"truncated\":true}\n");
	printer_free(printer);
}

static void lists_of_later_records_begin_where_the_earlier_ended(void **state)
{
	struct printer *printer = new_printer(ROW_JSON, UINT64_MAX);
	struct words_event words;

	(void)state;
	words_event(&words, START_TIME, "a\0b", 4);
	assert_int_equal(batch_append(batch, &words.header), 0);
	append_two();
	words_event(&words, START_TIME, "last", 5);
	assert_int_equal(batch_append(batch, &words.header), 0);
	print_batch(printer, 0);
	assert_contains(&text, "\"words\":[\"a\",\"b\"]}");
	assert_contains(&text, "\"words\":[\"a\",\"\",\"b\"],");
	assert_contains(&text, "\"words\":[\"last\"]}");
	printer_free(printer);
}

static void a_mask_hides_kinds_and_keeps_the_sequence(void **state)
{
	struct printer *printer = new_printer(ROW_JSON, UINT64_C(1) << WORDS);

	(void)state;
	append_two();
	print_batch(printer, 40);
	assert_lacks(&text, "numbers");
	assert_contains(&text, "\"seq\":41,");
	assert_contains(&text, "\"words\":[\"a\",\"\",\"b\"]");
	assert_int_equal(printer_kind(test_kinds, "words"), WORDS);
	assert_int_equal(printer_kind(test_kinds, "loss"), PRINTER_LOSS);
	assert_int_equal(printer_kind(test_kinds, "syscalls"), PRINTER_SYSCALLS);
	assert_int_equal(printer_kind(test_kinds, "nonsense"), -1);
	printer_free(printer);
}

static void unknown_kinds_show_their_common_columns(void **state)
{
	static const struct wire_kind *const fewer[] = {&words_kind, NULL};
	Ringside__V1__AgentFrame *frame;
	struct printer *printer;
	const char *why;

	(void)state;
	buf_clear(&text);
	printer = printer_new(ROW_JSON, false, fewer, UINT64_MAX, &text);
	append_two();
	buf_clear(&frames);
	assert_int_equal(batch_seal(batch, 0, OFFSET, &frames), 0);
	frame = unpack_first(&frames);
	frame->batch->kind[0] = 4000000000u;
	assert_int_equal(printer_frame(printer, source, frame, &why), 0);
	assert_contains(&text, "{\"kind\":\"kind_4000000000\",\"time\"");
	assert_contains(&text, "\"hierarchy\":\"pids\"}\n");
	assert_contains(&text, "\"words\":[\"a\",\"\",\"b\"]");
	frame_free(frame);
	printer_free(printer);
}

static void attributes_come_with_each_record_when_asked_for(void **state)
{
	struct printer *printer = new_printer(ROW_JSON, UINT64_MAX);

	(void)state;
	printer_source_free(source);
	source = make_source("agent-1", 1, true);
	append_two();
	print_batch(printer, 0);
	assert_contains(&text,
			"\"small\":-7,\"attributes\":{\"host.name\":\"a\xef\xbf\xbd\\\"b\\\\\","
			"\"host.name_b64\":\"Yf8iYlw=\"}}\n");
	assert_lacks(&text, "secret");
	printer_free(printer);
	printer = new_printer(ROW_TABLE, UINT64_MAX);
	append_two();
	print_batch(printer, 0);
	assert_contains(&text, " agent=agent-1 ");
	assert_lacks(&text, "host.name");
	printer_free(printer);
}

static void losses_are_shown_when_they_change(void **state)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Heartbeat heartbeat = RINGSIDE__V1__HEARTBEAT__INIT;
	Ringside__V1__ProbeAccount write = RINGSIDE__V1__PROBE_ACCOUNT__INIT,
				   exec = RINGSIDE__V1__PROBE_ACCOUNT__INIT;
	Ringside__V1__ProbeAccount *probes[] = {&exec, &write};
	uint64_t lost[LOST_REASONS] = {5, 0, 0, 0, 0, 2};
	Ringside__V1__Bye bye = RINGSIDE__V1__BYE__INIT;
	struct printer *printer = new_printer(ROW_JSON, UINT64_MAX);

	(void)state;
	exec.probe = (ProtobufCBinaryData){7, (uint8_t *)"process"};
	write.probe = (ProtobufCBinaryData){5, (uint8_t *)"write"};
	write.stream = 1;
	write.n_lost = LOST_REASONS;
	write.lost = lost;
	heartbeat.n_probes = 2;
	heartbeat.probes = probes;
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_HEARTBEAT;
	frame.heartbeat = &heartbeat;
	print(printer, &frame);
	assert_contains(&text, "{\"kind\":\"loss\",\"time\":\"1970-01-01T00:00:00.000000000Z\","
			       "\"agent\":\"agent-1\","
			       "\"epoch\":\"000000000000feed\",\"stream\":1,\"probe\":\"write\","
			       "\"reason\":\"ring_full\","
			       "\"count\":5}\n");
	assert_contains(&text, "\"reason\":\"no_cpu_buffer\",\"count\":2}\n");
	buf_clear(&text);
	print(printer, &frame);
	assert_int_equal(buf_length(&text), 0);
	lost[0] = 6;
	bye.last = &heartbeat;
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_BYE;
	frame.bye = &bye;
	print(printer, &frame);
	assert_contains(&text, "\"reason\":\"ring_full\",\"count\":6}\n");
	assert_lacks(&text, "no_cpu_buffer");
	bye.last = NULL;
	print(printer, &frame);
	printer_free(printer);
}

static void a_gap_is_a_loss_with_its_range(void **state)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Gap gap = RINGSIDE__V1__GAP__INIT;
	struct printer *printer = new_printer(ROW_JSON, UINT64_MAX);
	const char *why;

	(void)state;
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_GAP;
	frame.gap = &gap;
	gap.stream = 1;
	gap.first = 10;
	gap.last = 19;
	gap.cause = 2;
	print(printer, &frame);
	assert_string_equal(
		buf_text(&text),
		"{\"kind\":\"loss\",\"agent\":\"agent-1\",\"epoch\":\"000000000000feed\","
		"\"stream\":1,\"first\":10,\"last\":19,\"reason\":\"oversize\","
		"\"count\":10}\n");
	gap.last = 9;
	assert_int_equal(printer_frame(printer, source, &frame, &why), -EBADMSG);
	gap.first = 0;
	gap.last = UINT64_MAX;
	assert_int_equal(printer_frame(printer, source, &frame, &why), -EBADMSG);
	printer_free(printer);
}

static void counters_are_rows_without_pid_and_seq(void **state)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Counters counters = RINGSIDE__V1__COUNTERS__INIT;
	Ringside__V1__SyscallColumns rows = RINGSIDE__V1__SYSCALL_COLUMNS__INIT;
	ProtobufCBinaryData strings[] = {
		{0, NULL}, {4, (uint8_t *)"read"}, {6, (uint8_t *)"c0ffee"}};
	uint64_t count[] = {5, 6}, errors[] = {0, 1}, since[] = {1000, 2000},
		 per_cpu[] = {2, 3, 6, 0};
	uint64_t total[] = {0, 77}, id[] = {42};
	uint32_t name[] = {1, 1}, container[] = {2}, hierarchy[] = {HIERARCHY_MEMORY};
	Ringside__V1__CgroupTable cgroups = RINGSIDE__V1__CGROUP_TABLE__INIT;
	struct printer *printer = new_printer(ROW_JSON, UINT64_MAX);

	(void)state;
	cgroups.n_id = cgroups.n_container = cgroups.n_hierarchy = 1;
	cgroups.id = id;
	cgroups.container = container;
	cgroups.hierarchy = hierarchy;
	counters.time = 3000;
	counters.realtime_offset = OFFSET;
	counters.n_strings = 3;
	counters.strings = strings;
	counters.cgroups = &cgroups;
	counters.syscalls = &rows;
	rows.n_syscall = rows.n_count = rows.n_errors = rows.n_since = 2;
	rows.syscall = name;
	rows.count = count;
	rows.errors = errors;
	rows.since = since;
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_COUNTERS;
	frame.counters = &counters;
	print(printer, &frame);
	assert_contains(
		&text,
		"{\"kind\":\"syscalls\",\"time\":\"2023-11-14T22:13:20.000003000Z\",\"agent\":"
		"\"agent-1\","
		"\"epoch\":\"000000000000feed\",\"stream\":2,\"cgroup_id\":42,\"container\":"
		"\"c0ffee\","
		"\"hierarchy\":\"memory\",\"syscall\":\"read\",\"nr\":0,\"count\":6,\"errors\":1,"
		"\"since\":\"2023-11-14T22:13:20.000002000Z\"}\n");
	buf_clear(&text);
	rows.n_total_ns = 2;
	rows.total_ns = total;
	rows.cpus = 2;
	rows.n_per_cpu = 4;
	rows.per_cpu = per_cpu;
	print(printer, &frame);
	assert_contains(&text, "\"errors\":0,\"total_ns\":0,");
	assert_contains(&text, "\"total_ns\":77,");
	assert_contains(&text, "\"per_cpu\":[2,3]}");
	assert_contains(&text, "\"per_cpu\":[6,0]}");
	printer_free(printer);
}

static void hellos_that_cannot_be_a_source_are_refused(void **state)
{
	char longest[300];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[256] = 0;
	assert_null(make_source(longest, 1, false));
	assert_null(make_source("", 1, false));
	assert_null(make_source("new\nline", 1, false));
	assert_null(make_source("agent", 0, false));
	longest[255] = 0;
	printer_source_free(make_source(longest, 1, false));
}

static void what_contradicts_itself_prints_nothing(void **state)
{
	struct printer *printer = new_printer(ROW_JSON, UINT64_MAX);
	Ringside__V1__AgentFrame *frame;
	const char *why = NULL;

	(void)state;
	append_two();
	buf_clear(&frames);
	assert_int_equal(batch_seal(batch, 0, OFFSET, &frames), 0);
	frame = unpack_first(&frames);
	frame->batch->comm[1] = 99;
	assert_int_equal(printer_frame(printer, source, frame, &why), -EBADMSG);
	assert_non_null(why);
	assert_int_equal(buf_length(&text), 0);
	frame_free(frame);
	printer_free(printer);
}

/* All bytes below 0x80: a long tag would make protobuf-c shift into a sign bit, which UBSan takes for our fault. */
static void append_small(void)
{
	struct numbers_event numbers = numbers_event(5, 9, 1);
	struct words_event words;

	words_event(&words, 5, "a\0\0b", 5);
	numbers.header.tgid = numbers.header.tid = words.header.tgid = words.header.tid = 7;
	words.header.cgroup_id = 43;
	assert_int_equal(batch_append(batch, &numbers.header), 0);
	assert_int_equal(batch_append(batch, &words.header), 0);
}

/* Any byte of a frame turned into any of a few: refused or printed, never read out of bounds. */
static void damaged_frames_never_do_harm(void **state)
{
	static const uint8_t damage[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	struct frame_arena *arena = frame_arena_new(FRAME_ARENA);
	struct printer *printer = new_printer(ROW_JSON, UINT64_MAX);
	const uint8_t *message;
	size_t length;
	uint8_t *copy;

	(void)state;
	append_small();
	append_small();
	buf_clear(&frames);
	assert_int_equal(batch_seal(batch, 0, 0, &frames), 0);
	assert_true(frame_next(buf_head(&frames), buf_length(&frames), FRAME_MAX, &message,
			       &length) > 0);
	copy = malloc(length);
	for (size_t at = 0; at < length; at++) {
		for (size_t d = 0; d < sizeof(damage); d++) {
			Ringside__V1__AgentFrame *frame;
			const char *why;

			memcpy(copy, message, length);
			copy[at] = damage[d];
			frame = (Ringside__V1__AgentFrame *)frame_unpack(
				arena, &ringside__v1__agent_frame__descriptor, copy, length);
			buf_clear(&text);
			if (frame)
				printer_frame(printer, source, frame, &why);
		}
	}
	free(copy);
	printer_free(printer);
	frame_arena_free(arena);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(records_have_their_common_keys_and_only_those_that_apply),
		TEST(lists_of_later_records_begin_where_the_earlier_ended),
		TEST(a_mask_hides_kinds_and_keeps_the_sequence),
		TEST(unknown_kinds_show_their_common_columns),
		TEST(attributes_come_with_each_record_when_asked_for),
		TEST(losses_are_shown_when_they_change),
		TEST(a_gap_is_a_loss_with_its_range),
		TEST(counters_are_rows_without_pid_and_seq),
		TEST(hellos_that_cannot_be_a_source_are_refused),
		TEST(what_contradicts_itself_prints_nothing),
		TEST(damaged_frames_never_do_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
