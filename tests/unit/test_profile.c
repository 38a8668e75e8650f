// SPDX-License-Identifier: Apache-2.0
/* Stacks in the string table, and the profile kind on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>

#include "probes/probe.h"
#include "probes/profile_named.h"
#include "wire/stack.h"
#include "wire_test.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct wire_kind *const kinds[] = {&profile_kind, NULL};
static struct buf out, text;
static struct batch *batch;

static void no_name(void *context, uint64_t id, uint32_t hierarchy, const char **ret_name,
		    const char **ret_container)
{
	(void)context;
	(void)id;
	(void)hierarchy;
	*ret_name = *ret_container = "";
}

static int setup(void **state)
{
	(void)state;
	batch = batch_new(1, kinds, (struct cgroup_namer){no_name, NULL});
	return !batch || buf_init(&out, 0, 2 << 20) || buf_init(&text, 0, 16 << 20);
}

static int teardown(void **state)
{
	(void)state;
	batch_free(batch);
	buf_done(&out);
	buf_done(&text);
	return 0;
}

/* A record of so many kernel frames ("function_0", ...) and user frames. */
static const struct event_header *sample(uint16_t kernel, uint16_t user, int32_t status)
{
	static _Alignas(8) uint8_t data[PROFILE_NAMED_ROOM];
	struct profile_event *event = (struct profile_event *)data;
	struct profile_named *named = (struct profile_named *)(event + 1);
	struct bpf_stack_build_id *frames = (struct bpf_stack_build_id *)(named + kernel);
	char *name = (char *)(frames + user);

	memset(data, 0, sizeof(data));
	event->hz = 99;
	event->clock = PROFILE_CYCLES;
	event->kernel_frames = kernel;
	event->user_frames = user;
	for (uint16_t i = 0; i < kernel; i++) {
		named[i].offset = 1000u + i;
		named[i].name_length = (uint32_t)sprintf(name, "function_%u", i);
		name += named[i].name_length;
	}
	for (uint16_t i = 0; i < user; i++) {
		frames[i].status = status;
		memset(frames[i].build_id, 0xab, sizeof(frames[i].build_id));
		frames[i].offset = 0x1000u + i;
	}
	event->header = test_header(EVENT_PROFILE, (uint32_t)((uint8_t *)name - data), START_TIME);
	return &event->header;
}

static Ringside__V1__AgentFrame *sealed(void)
{
	buf_clear(&out);
	assert_int_equal(batch_seal(batch, 0, OFFSET, &out), 0);
	return unpack_first(&out);
}

/* The batch's records as text, which is left in `text`. */
static void print(enum row_format format)
{
	Ringside__V1__AgentFrame *frame = sealed();
	const struct source source = {(const uint8_t *)"me", 2, 1, NULL};
	struct row *row;
	struct batch_view view;
	const char *why;

	buf_clear(&text);
	row = row_new(format, false, &text);
	assert_int_equal(view_check(&view, frame->batch, kinds, &why), 0);
	assert_int_equal(view_print(&view, &source, UINT64_MAX, row), 0);
	row_free(row);
	frame_free(frame);
}

static void both_stacks_are_printed_innermost_first(void **state)
{
	(void)state;
	assert_int_equal(batch_append(batch, sample(2, 2, BPF_STACK_BUILD_ID_VALID)), 0);
	print(ROW_JSON);
	assert_contains(
		&text,
		"\"hz\":99,\"event\":\"cycles\",\"kernel_stack\":["
		"{\"symbol\":\"function_0\",\"offset\":1000},"
		"{\"symbol\":\"function_1\",\"offset\":1001}],\"user_stack\":["
		"{\"build_id\":\"abababababababababababababababababababab\",\"offset\":4096},"
		"{\"build_id\":\"abababababababababababababababababababab\",\"offset\":4097}]}");
}

static void what_has_no_name_is_an_address(void **state)
{
	struct profile_event *event = (struct profile_event *)sample(1, 1, BPF_STACK_BUILD_ID_IP);

	(void)state;
	((struct profile_named *)(event + 1))->name_length = 0;
	assert_int_equal(batch_append(batch, &event->header), 0);
	print(ROW_JSON);
	assert_contains(
		&text, "\"kernel_stack\":[{\"address\":1000}],\"user_stack\":[{\"address\":4096}]");
}

static void a_stack_that_is_not_there_is_left_out(void **state)
{
	(void)state;
	assert_int_equal(batch_append(batch, sample(0, 0, 0)), 0);
	print(ROW_JSON);
	assert_contains(&text, "\"event\":\"cycles\"}");
	assert_int_equal(batch_append(batch, sample(0, 1, BPF_STACK_BUILD_ID_VALID)), 0);
	print(ROW_JSON);
	assert_lacks(&text, "kernel_stack");
	assert_contains(&text, "user_stack");
}

static void a_table_shows_the_innermost_frame(void **state)
{
	(void)state;
	assert_int_equal(batch_append(batch, sample(2, 2, BPF_STACK_BUILD_ID_VALID)), 0);
	print(ROW_TABLE);
	assert_contains(&text, "symbol=function_0+0x3e8\n");
	assert_lacks(&text, "function_1");
	assert_int_equal(batch_append(batch, sample(0, 2, BPF_STACK_BUILD_ID_VALID)), 0);
	print(ROW_TABLE);
	assert_contains(&text, "build_id=abababababab+0x1000\n");
	assert_int_equal(batch_append(batch, sample(0, 2, BPF_STACK_BUILD_ID_IP)), 0);
	print(ROW_TABLE);
	assert_contains(&text, "build_id=0x1000\n");
}

static void short_build_ids_lose_their_padding(void **state)
{
	struct profile_event *event =
		(struct profile_event *)sample(0, 3, BPF_STACK_BUILD_ID_VALID);
	struct bpf_stack_build_id *frames = (struct bpf_stack_build_id *)(event + 1);

	(void)state;
	memset(frames[1].build_id + 16, 0, 4);
	memset(frames[2].build_id + 8, 0, 12);
	assert_int_equal(batch_append(batch, &event->header), 0);
	print(ROW_JSON);
	assert_contains(&text, "\"abababababababababababababababababababab\"");
	assert_contains(&text, "\"abababababababababababababababab\"");
	assert_contains(&text, "\"abababababababab\"");
}

static void equal_stacks_are_in_the_batch_once(void **state)
{
	Ringside__V1__AgentFrame *frame;
	const Ringside__V1__ProfileColumns *columns;
	Ringside__V1__Stack *stack;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(
			batch_append(batch, sample(i % 2 ? 3 : 4, 5, BPF_STACK_BUILD_ID_VALID)), 0);
	frame = sealed();
	columns = frame->batch->profile;
	/* "", 4 names, 2 kernel stacks, a build id, a user stack, the clock, the comm. */
	assert_int_equal(frame->batch->n_strings, 11);
	assert_int_equal(columns->n_kernel_stack, 100);
	assert_int_equal(columns->kernel_stack[0], columns->kernel_stack[98]);
	assert_int_not_equal(columns->kernel_stack[0], columns->kernel_stack[1]);
	assert_int_equal(columns->user_stack[0], columns->user_stack[1]);
	/* As a stock reader reads it. */
	stack = ringside__v1__stack__unpack(NULL,
					    frame->batch->strings[columns->kernel_stack[0]].len,
					    frame->batch->strings[columns->kernel_stack[0]].data);
	assert_non_null(stack);
	assert_int_equal(stack->n_name, 4);
	assert_int_equal(stack->n_offset, 4);
	assert_memory_equal(frame->batch->strings[stack->name[3]].data, "function_3", 10);
	assert_int_equal(stack->offset[3], 1003);
	ringside__v1__stack__free_unpacked(stack, NULL);
	frame_free(frame);
}

static void records_that_contradict_themselves_are_refused(void **state)
{
	struct event_header *event = (struct event_header *)sample(2, 2, BPF_STACK_BUILD_ID_VALID);
	const uint32_t whole = event->length;

	(void)state;
	for (event->length = sizeof(*event); event->length < whole; event->length++)
		assert_int_equal(batch_append(batch, event), -EBADMSG);
	assert_int_equal(batch_append(batch, event), 0);
	((struct profile_event *)event)->kernel_frames = PROFILE_FRAMES + 1;
	event->length = PROFILE_NAMED_ROOM;
	assert_int_equal(batch_append(batch, event), -EBADMSG);
	((struct profile_event *)event)->kernel_frames = 0;
	((struct profile_event *)event)->user_frames = PROFILE_FRAMES + 1;
	assert_int_equal(batch_append(batch, event), -EBADMSG);
}

static void the_deepest_stacks_fill_a_batch_and_no_more(void **state)
{
	size_t count = 0;

	(void)state;
	while (!batch_append(batch,
			     sample(PROFILE_FRAMES, PROFILE_FRAMES, BPF_STACK_BUILD_ID_VALID)))
		count++;
	assert_true(count > 100);
	print(ROW_JSON);
	assert_contains(&text, "\"function_63\"");
}

static void fill(struct stack *stack, size_t count, uint32_t name, uint64_t offset)
{
	stack->count = count;
	for (size_t i = 0; i < count; i++) {
		stack->name[i] = name;
		stack->offset[i] = offset;
	}
}

static void the_largest_stack_comes_back(void **state)
{
	struct stack stack, back;
	uint8_t packed[STACK_PACKED];
	size_t length;

	(void)state;
	fill(&stack, STACK_FRAMES, UINT32_MAX, UINT64_MAX);
	length = stack_pack(&stack, packed);
	assert_true(length <= STACK_PACKED);
	assert_true(stack_unpack(&(ProtobufCBinaryData){length, packed}, &back));
	assert_int_equal(back.count, STACK_FRAMES);
	assert_memory_equal(back.name, stack.name, sizeof(back.name));
	assert_memory_equal(back.offset, stack.offset, sizeof(back.offset));
}

static void bytes_that_are_no_stack_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		bool good;
	} cases[] = {
		{"", 0, true},
		{"\x12\x01\x05", 3, true},
		{"\x0a\x01\x05", 3, false},
		{"\x12\x7f\x05", 3, false},
		{"\x0a\x02\x01\x01\x12\x01\x01", 7, false},
		{"\xff\xff\xff\xff", 4, false},
		{"garbage", 7, false},
	};
	uint8_t many[STACK_FRAMES + 3] = {0x12, STACK_FRAMES + 1};
	uint8_t unknown[STACK_PACKED];
	struct stack stack;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const ProtobufCBinaryData data = {cases[i].length, (uint8_t *)cases[i].bytes};

		assert_int_equal(stack_unpack(&data, &stack), cases[i].good);
		assert_int_equal(stack.count, cases[i].good && cases[i].length ? 1 : 0);
	}
	assert_false(stack_unpack(&(ProtobufCBinaryData){sizeof(many), many}, &stack));
	/* Many small fields that we do not know cost a reader memory: it has none for them. */
	for (size_t i = 0; i < sizeof(unknown); i += 2)
		memcpy(unknown + i, "\x38\x01", 2);
	assert_false(stack_unpack(&(ProtobufCBinaryData){sizeof(unknown), unknown}, &stack));
	assert_int_equal(stack.count, 0);
}

static void indexes_out_of_range_print_nothing_wrong(void **state)
{
	Ringside__V1__AgentFrame *frame;
	const struct source source = {(const uint8_t *)"me", 2, 1, NULL};
	struct batch_view view;
	struct row *row;
	const char *why;
	ProtobufCBinaryData *strings;

	(void)state;
	assert_int_equal(batch_append(batch, sample(1, 0, 0)), 0);
	frame = sealed();
	strings = &frame->batch->strings[frame->batch->profile->kernel_stack[0]];
	assert_int_equal(strings->data[2], 2); /* the name's index: tag, length, index */
	strings->data[2] = 0x7f;
	buf_clear(&text);
	row = row_new(ROW_JSON, false, &text);
	assert_int_equal(view_check(&view, frame->batch, kinds, &why), 0);
	assert_int_equal(view_print(&view, &source, UINT64_MAX, row), 0);
	assert_contains(&text, "\"kernel_stack\":[{\"symbol\":\"\",\"offset\":1000}]");
	row_free(row);
	frame_free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_stacks_are_printed_innermost_first),
		TEST(what_has_no_name_is_an_address),
		TEST(a_stack_that_is_not_there_is_left_out),
		TEST(a_table_shows_the_innermost_frame),
		TEST(short_build_ids_lose_their_padding),
		TEST(equal_stacks_are_in_the_batch_once),
		TEST(records_that_contradict_themselves_are_refused),
		TEST(the_deepest_stacks_fill_a_batch_and_no_more),
		TEST(the_largest_stack_comes_back),
		TEST(bytes_that_are_no_stack_are_refused),
		TEST(indexes_out_of_range_print_nothing_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
