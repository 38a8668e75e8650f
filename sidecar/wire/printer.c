// SPDX-License-Identifier: Apache-2.0
#include "wire/printer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "event.h"
#include "wire/view.h"

#define AGENT_ID_MAX	    255
#define ATTRIBUTES_MAX	    64
#define ATTRIBUTE_KEY_MAX   255
#define ATTRIBUTE_VALUE_MAX 4096
#define PROBES_MAX	    16

struct printer {
	struct row *row;
	const struct wire_kind *const *kinds;
	uint64_t mask;
};

struct printer_source {
	Ringside__V1__Hello *hello; /* a copy, without its token */
	struct source source;
	uint64_t shown[PROBES_MAX * LOST_REASONS];
};

struct printer *printer_new(enum row_format format, bool colour,
			    const struct wire_kind *const *kinds, uint64_t mask, struct buf *out)
{
	struct printer *printer = calloc(1, sizeof(*printer));

	if (!printer)
		return NULL;
	printer->kinds = kinds;
	printer->mask = format == ROW_NONE ? 0 : mask;
	printer->row = row_new(format, colour, out);
	if (!printer->row) {
		free(printer);
		return NULL;
	}
	return printer;
}

void printer_free(struct printer *printer)
{
	if (!printer)
		return;
	row_free(printer->row);
	free(printer);
}

static bool clean(ProtobufCBinaryData text, size_t max)
{
	if (!text.len || text.len > max)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] == 0x7f)
			return false;
	return true;
}

static bool repeats_key(const Ringside__V1__Hello *hello, size_t i)
{
	const ProtobufCBinaryData *key = &hello->attributes[i]->key;

	for (size_t j = 0; j < i; j++) {
		const ProtobufCBinaryData *other = &hello->attributes[j]->key;

		if (other->len == key->len && !memcmp(other->data, key->data, key->len))
			return true;
	}
	return false;
}

static bool valid_hello(const Ringside__V1__Hello *hello)
{
	if (!clean(hello->agent_id, AGENT_ID_MAX) || !hello->epoch ||
	    hello->n_attributes > ATTRIBUTES_MAX)
		return false;
	for (size_t i = 0; i < hello->n_attributes; i++) {
		const Ringside__V1__Attribute *attribute = hello->attributes[i];

		/* Keys become JSON keys: those have no `_b64` beside them, and each is there once. */
		if (!clean(attribute->key, ATTRIBUTE_KEY_MAX) ||
		    !utf8_valid(attribute->key.data, attribute->key.len) ||
		    attribute->value.len > ATTRIBUTE_VALUE_MAX || repeats_key(hello, i))
			return false;
	}
	return true;
}

static Ringside__V1__Hello *copy_hello(const Ringside__V1__Hello *hello)
{
	Ringside__V1__Hello stripped = *hello;
	Ringside__V1__Hello *copy;
	uint8_t *packed;

	stripped.token = (ProtobufCBinaryData){0};
	stripped.base.n_unknown_fields = 0;
	packed = malloc(ringside__v1__hello__get_packed_size(&stripped) + 1);
	if (!packed)
		return NULL;
	copy = ringside__v1__hello__unpack(NULL, ringside__v1__hello__pack(&stripped, packed),
					   packed);
	free(packed);
	return copy;
}

struct printer_source *printer_source_new(const Ringside__V1__Hello *hello, bool attributes)
{
	struct printer_source *source;

	if (!valid_hello(hello))
		return NULL;
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	source->hello = copy_hello(hello);
	if (!source->hello) {
		free(source);
		return NULL;
	}
	source->source = (struct source){
		.agent = source->hello->agent_id.data,
		.agent_length = source->hello->agent_id.len,
		.epoch = hello->epoch,
		.attributes = attributes ? source->hello : NULL,
	};
	return source;
}

void printer_source_free(struct printer_source *source)
{
	if (!source)
		return;
	ringside__v1__hello__free_unpacked(source->hello, NULL);
	free(source);
}

bool printer_source_is(const struct printer_source *source, const Ringside__V1__Hello *hello)
{
	return source->source.epoch == hello->epoch &&
	       source->source.agent_length == hello->agent_id.len &&
	       !memcmp(source->source.agent, hello->agent_id.data, hello->agent_id.len);
}

static int print_batch(struct printer *printer, struct printer_source *source,
		       const Ringside__V1__Batch *batch, const char **ret_why)
{
	struct batch_view view;
	int err;

	err = view_check(&view, batch, printer->kinds, ret_why);
	if (err || !printer->mask)
		return err;
	return view_print(&view, &source->source, printer->mask, printer->row);
}

static int print_counters(struct printer *printer, struct printer_source *source,
			  const Ringside__V1__Counters *counters, const char **ret_why)
{
	int err = view_check_counters(counters, ret_why);

	if (err || !(printer->mask >> PRINTER_SYSCALLS & 1))
		return err;
	return view_print_counters(counters, &source->source, printer->row);
}

static int print_gap(struct printer *printer, struct printer_source *source,
		     const Ringside__V1__Gap *gap, const char **ret_why)
{
	if (gap->first > gap->last || gap->last - gap->first == UINT64_MAX) {
		*ret_why = "gap: first is past last";
		return -EBADMSG;
	}
	if (!(printer->mask >> PRINTER_LOSS & 1))
		return 0;
	return view_print_gap(gap, &source->source, printer->row);
}

static int print_account(struct printer *printer, struct printer_source *source,
			 const Ringside__V1__Heartbeat *account, const char **ret_why)
{
	if (!account)
		return 0;
	if (account->n_probes > PROBES_MAX) {
		*ret_why = "heartbeat: too many probes";
		return -EBADMSG;
	}
	if (!(printer->mask >> PRINTER_LOSS & 1))
		return 0;
	return view_print_loss(account, &source->source, source->shown, PROBES_MAX * LOST_REASONS,
			       printer->row);
}

int printer_frame(struct printer *printer, struct printer_source *source,
		  const Ringside__V1__AgentFrame *frame, const char **ret_why)
{
	switch (frame->body_case) {
	case RINGSIDE__V1__AGENT_FRAME__BODY_BATCH:
		return print_batch(printer, source, frame->batch, ret_why);
	case RINGSIDE__V1__AGENT_FRAME__BODY_COUNTERS:
		return print_counters(printer, source, frame->counters, ret_why);
	case RINGSIDE__V1__AGENT_FRAME__BODY_GAP:
		return print_gap(printer, source, frame->gap, ret_why);
	case RINGSIDE__V1__AGENT_FRAME__BODY_HEARTBEAT:
		return print_account(printer, source, frame->heartbeat, ret_why);
	case RINGSIDE__V1__AGENT_FRAME__BODY_BYE:
		return print_account(printer, source, frame->bye->last, ret_why);
	default: /* a Hello, which made the source; and what a later version sends */
		return 0;
	}
}

int printer_kind(const struct wire_kind *const *kinds, const char *name)
{
	if (!strcmp(name, "syscalls"))
		return PRINTER_SYSCALLS;
	if (!strcmp(name, "loss"))
		return PRINTER_LOSS;
	for (; *kinds; kinds++)
		if (!strcmp((*kinds)->name, name))
			return (int)(*kinds)->number;
	return -1;
}
