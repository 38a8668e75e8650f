// SPDX-License-Identifier: Apache-2.0
/* profile: from records to columns and stacks, and from these to keys. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probes/probe.h"
#include "probes/profile_named.h"
#include "wire/batch.h"
#include "wire/row.h"
#include "wire/stack.h"
#include "wire/view.h"

_Static_assert(STACK_FRAMES == PROFILE_FRAMES, "a whole stack goes on the wire");

#define BUILD_ID 20 /* BPF_BUILD_ID_SIZE */
#define PLACE	 96

/* Shorter build ids are filled up with zeros by the kernel: 16 bytes (md5, uuid) or 8 (fast) of them are usual. */
static size_t build_id_length(const unsigned char id[BUILD_ID])
{
	static const unsigned char zeros[BUILD_ID];

	return !memcmp(id + 8, zeros, BUILD_ID - 8) ? 8
	       : !memcmp(id + 16, zeros, 4)	    ? 16
						    : BUILD_ID;
}

static uint32_t put_stack(struct batch *batch, struct stack *stack)
{
	uint8_t packed[STACK_PACKED];

	return stack->count ? batch_string(batch, packed, stack_pack(stack, packed)) : 0;
}

static uint32_t put_kernel(struct batch *batch, const struct profile_named *frames, size_t count,
			   const char *text)
{
	struct stack stack = {.count = count};

	for (size_t i = 0; i < count; i++) {
		stack.name[i] = batch_string(batch, text, frames[i].name_length);
		stack.offset[i] = frames[i].offset;
		text += frames[i].name_length;
	}
	return put_stack(batch, &stack);
}

static uint32_t put_user(struct batch *batch, const struct bpf_stack_build_id *frames, size_t count)
{
	struct stack stack = {.count = count};

	for (size_t i = 0; i < count; i++) {
		const unsigned char *id = frames[i].build_id;

		if (frames[i].status == BPF_STACK_BUILD_ID_VALID)
			stack.name[i] = batch_string(batch, id, build_id_length(id));
		stack.offset[i] = frames[i].offset; /* or `ip`, which shares its place */
	}
	return put_stack(batch, &stack);
}

static bool fits(const struct profile_event *sample)
{
	const struct profile_named *frames = (const struct profile_named *)(sample + 1);
	size_t length = sizeof(*sample);

	if (sample->header.length < length || sample->kernel_frames > PROFILE_FRAMES ||
	    sample->user_frames > PROFILE_FRAMES)
		return false;
	length += sample->kernel_frames * sizeof(*frames) +
		  sample->user_frames * sizeof(struct bpf_stack_build_id);
	if (sample->header.length < length)
		return false;
	for (size_t i = 0; i < sample->kernel_frames; i++)
		length += frames[i].name_length;
	return sample->header.length >= length;
}

static int profile_append(struct batch *batch, void *columns, const struct event_header *event)
{
	Ringside__V1__ProfileColumns *c = columns;
	const struct profile_event *sample = (const struct profile_event *)event;
	const struct profile_named *kernel = (const struct profile_named *)(sample + 1);
	const struct bpf_stack_build_id *user;

	if (!fits(sample))
		return -EBADMSG;
	user = (const struct bpf_stack_build_id *)(kernel + sample->kernel_frames);
	c->hz[c->n_hz++] = sample->hz;
	c->event[c->n_event++] =
		batch_literal(batch, sample->clock == PROFILE_CYCLES ? "cycles" : "cpu-clock");
	c->kernel_stack[c->n_kernel_stack++] = put_kernel(
		batch, kernel, sample->kernel_frames, (const char *)(user + sample->user_frames));
	c->user_stack[c->n_user_stack++] = put_user(batch, user, sample->user_frames);
	return 0;
}

static size_t put_hex(const ProtobufCBinaryData *bytes, char ret_text[2 * BUILD_ID])
{
	const size_t length = bytes->len < BUILD_ID ? bytes->len : BUILD_ID;

	for (size_t i = 0; i < 2 * length; i++)
		ret_text[i] = "0123456789abcdef"[bytes->data[i / 2] >> (i % 2 ? 0 : 4) & 15];
	return 2 * length;
}

/* The name of a frame's function, or its file's build id; nothing where it is not known. */
static struct row_text frame_name(const struct batch_view *view, uint32_t name, bool kernel,
				  char hex[2 * BUILD_ID])
{
	const ProtobufCBinaryData *text = view_string(view, name);

	if (kernel)
		return (struct row_text){text->data, text->len};
	return (struct row_text){hex, put_hex(text, hex)};
}

static void print_stack(const struct batch_view *view, const struct stack *stack, bool kernel,
			struct row *row)
{
	char hex[2 * BUILD_ID];

	row_list_begin(row, kernel ? "kernel_stack" : "user_stack");
	for (size_t i = 0; i < stack->count; i++) {
		row_object_begin(row, NULL);
		if (stack->name[i])
			row_text(row, kernel ? "symbol" : "build_id",
				 frame_name(view, stack->name[i], kernel, hex));
		row_u64(row, stack->name[i] ? "offset" : "address", stack->offset[i]);
		row_object_end(row);
	}
	row_list_end(row);
}

/* For tables, which have no room for stacks: the innermost frame. */
static void hint_place(const struct batch_view *view, const struct stack *stack, bool kernel,
		       struct row *row)
{
	char hex[2 * BUILD_ID], place[PLACE];
	struct row_text name = frame_name(view, stack->name[0], kernel, hex);
	int length;

	if (!kernel && name.length > 12)
		name.length = 12;
	length = snprintf(place, sizeof(place), "%.*s%s0x%llx",
			  (int)(name.length < 64 ? name.length : 64), (const char *)name.data,
			  name.length ? "+" : "", (unsigned long long)stack->offset[0]);
	row_hint(row, kernel ? "symbol" : "build_id", (struct row_text){place, (size_t)length});
}

static void profile_print(const struct batch_view *view, const void *columns, size_t i, size_t flat,
			  struct row *row)
{
	const Ringside__V1__ProfileColumns *c = columns;
	const ProtobufCBinaryData *event = view_string(view, COLUMN_AT(c, event, i));
	struct stack kernel, user;

	(void)flat;
	row_u64(row, "hz", COLUMN_AT(c, hz, i));
	row_text(row, "event", (struct row_text){event->data, event->len});
	stack_unpack(view_string(view, COLUMN_AT(c, kernel_stack, i)), &kernel);
	stack_unpack(view_string(view, COLUMN_AT(c, user_stack, i)), &user);
	if (kernel.count || user.count)
		hint_place(view, kernel.count ? &kernel : &user, kernel.count, row);
	if (kernel.count)
		print_stack(view, &kernel, true, row);
	if (user.count)
		print_stack(view, &user, false, row);
}

static const enum column_role profile_roles[] = {COLUMN_SCALAR, COLUMN_STRING, COLUMN_STRING,
						 COLUMN_STRING};

const struct wire_kind profile_kind = {
	.number = EVENT_PROFILE,
	.name = "profile",
	.columns = &ringside__v1__profile_columns__descriptor,
	.batch_field = 37,
	.roles = profile_roles,
	.append = profile_append,
	.print = profile_print,
};
