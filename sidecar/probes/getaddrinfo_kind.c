// SPDX-License-Identifier: Apache-2.0
/* getaddrinfo: from records to columns, and from columns to keys. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "getaddrinfo.h"
#include "probes/probe.h"
#include "wire/batch.h"
#include "wire/row.h"
#include "wire/view.h"

/* The texts that follow a record, taken one after the other. */
struct texts {
	const char *next, *end;
};

static bool next_text(struct texts *texts, size_t length, const char **ret_text)
{
	if ((size_t)(texts->end - texts->next) < length)
		return false;
	*ret_text = texts->next;
	texts->next += length;
	return true;
}

static bool fits(const struct getaddrinfo_event *lookup)
{
	const struct getaddrinfo_answer *answers = (const struct getaddrinfo_answer *)(lookup + 1);
	size_t length = sizeof(*lookup);

	if (lookup->header.length < length || lookup->answers > GETADDRINFO_ANSWERS)
		return false;
	length += lookup->answers * sizeof(*answers) + lookup->node_length + lookup->service_length;
	if (lookup->header.length < length)
		return false;
	for (size_t i = 0; i < lookup->answers; i++) {
		if (answers[i].address_length > sizeof(answers[i].address) ||
		    answers[i].canonname_length > GETADDRINFO_NAME)
			return false;
		length += answers[i].canonname_length;
	}
	return lookup->header.length >= length;
}

static void append_answer(struct batch *batch, Ringside__V1__GetaddrinfoColumns *c,
			  const struct getaddrinfo_answer *answer, struct texts *texts)
{
	const char *canonname = "";

	next_text(texts, answer->canonname_length, &canonname);
	c->answer_flags[c->n_answer_flags++] = answer->flags;
	c->answer_family[c->n_answer_family++] = answer->family;
	c->answer_socktype[c->n_answer_socktype++] = answer->socktype;
	c->answer_protocol[c->n_answer_protocol++] = answer->protocol;
	c->answer_addrlen[c->n_answer_addrlen++] = answer->addrlen;
	c->answer_address[c->n_answer_address++] =
		batch_string(batch, answer->address, answer->address_length);
	c->answer_port[c->n_answer_port++] = answer->port;
	c->answer_scope_id[c->n_answer_scope_id++] = answer->scope_id;
	c->answer_canonname[c->n_answer_canonname++] =
		batch_string(batch, canonname, answer->canonname_length);
}

static int getaddrinfo_append(struct batch *batch, void *columns, const struct event_header *event)
{
	Ringside__V1__GetaddrinfoColumns *c = columns;
	const struct getaddrinfo_event *lookup = (const struct getaddrinfo_event *)event;
	const struct getaddrinfo_answer *answers = (const struct getaddrinfo_answer *)(lookup + 1);
	const char *node = "", *service = "";
	struct texts texts;

	if (event->length < sizeof(*lookup) || !fits(lookup))
		return -EBADMSG;
	texts = (struct texts){(const char *)(answers + lookup->answers),
			       (const char *)event + event->length};
	next_text(&texts, lookup->node_length, &node);
	next_text(&texts, lookup->service_length, &service);
	c->present[c->n_present++] = lookup->present;
	c->node[c->n_node++] = batch_string(batch, node, lookup->node_length);
	c->service[c->n_service++] = batch_string(batch, service, lookup->service_length);
	c->hint_flags[c->n_hint_flags++] = lookup->hint_flags;
	c->hint_family[c->n_hint_family++] = lookup->hint_family;
	c->hint_socktype[c->n_hint_socktype++] = lookup->hint_socktype;
	c->hint_protocol[c->n_hint_protocol++] = lookup->hint_protocol;
	c->result[c->n_result++] = lookup->result;
	c->latency_ns[c->n_latency_ns++] = lookup->latency_ns;
	c->answers_seen[c->n_answers_seen++] = lookup->answers_seen;
	c->answer_count[c->n_answer_count++] = lookup->answers;
	for (size_t i = 0; i < lookup->answers; i++)
		append_answer(batch, c, &answers[i], &texts);
	return 0;
}

/* The numbers are the same in glibc's and musl's netdb.h; those below -12 are glibc's alone. */
static const char *result_name(int32_t result)
{
	static const struct {
		int32_t result;
		const char *name;
	} names[] = {
		{-1, "EAI_BADFLAGS"},	  {-2, "EAI_NONAME"},	  {-3, "EAI_AGAIN"},
		{-4, "EAI_FAIL"},	  {-5, "EAI_NODATA"},	  {-6, "EAI_FAMILY"},
		{-7, "EAI_SOCKTYPE"},	  {-8, "EAI_SERVICE"},	  {-9, "EAI_ADDRFAMILY"},
		{-10, "EAI_MEMORY"},	  {-11, "EAI_SYSTEM"},	  {-12, "EAI_OVERFLOW"},
		{-100, "EAI_INPROGRESS"}, {-101, "EAI_CANCELED"}, {-102, "EAI_NOTCANCELED"},
		{-103, "EAI_ALLDONE"},	  {-104, "EAI_INTR"},	  {-105, "EAI_IDN_ENCODE"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].result == result)
			return names[i].name;
	}
	return NULL;
}

static struct row_text text_at(const struct batch_view *view, uint32_t index)
{
	const ProtobufCBinaryData *text = view_string(view, index);

	return (struct row_text){text->data, text->len};
}

static void print_answer(const struct batch_view *view, const Ringside__V1__GetaddrinfoColumns *c,
			 size_t i, struct row *row)
{
	const struct row_text address = text_at(view, COLUMN_AT(c, answer_address, i));
	char text[INET6_ADDRSTRLEN] = "";

	row_object_begin(row, NULL);
	row_i64(row, "flags", COLUMN_AT(c, answer_flags, i));
	row_i64(row, "family", COLUMN_AT(c, answer_family, i));
	row_i64(row, "socktype", COLUMN_AT(c, answer_socktype, i));
	row_i64(row, "protocol", COLUMN_AT(c, answer_protocol, i));
	row_u64(row, "addrlen", COLUMN_AT(c, answer_addrlen, i));
	if (address.length == 4 || address.length == 16) {
		inet_ntop(address.length == 4 ? AF_INET : AF_INET6, address.data, text,
			  sizeof(text));
		row_cstring(row, "address", text);
		row_u64(row, "port", COLUMN_AT(c, answer_port, i));
	}
	if (address.length == 16)
		row_u64(row, "scope_id", COLUMN_AT(c, answer_scope_id, i));
	if (COLUMN_AT(c, answer_canonname, i))
		row_text(row, "canonname", text_at(view, COLUMN_AT(c, answer_canonname, i)));
	row_object_end(row);
}

static void getaddrinfo_print(const struct batch_view *view, const void *columns, size_t i,
			      size_t flat, struct row *row)
{
	const Ringside__V1__GetaddrinfoColumns *c = columns;
	const uint32_t present = COLUMN_AT(c, present, i);
	const int32_t result = COLUMN_AT(c, result, i);

	if (present & PRESENT_NODE)
		row_text(row, "node", text_at(view, COLUMN_AT(c, node, i)));
	if (present & PRESENT_SERVICE)
		row_text(row, "service", text_at(view, COLUMN_AT(c, service, i)));
	if (present & PRESENT_HINTS) {
		row_object_begin(row, "hints");
		row_i64(row, "flags", COLUMN_AT(c, hint_flags, i));
		row_i64(row, "family", COLUMN_AT(c, hint_family, i));
		row_i64(row, "socktype", COLUMN_AT(c, hint_socktype, i));
		row_i64(row, "protocol", COLUMN_AT(c, hint_protocol, i));
		row_object_end(row);
	}
	if (!(present & PRESENT_RESULT))
		return;
	row_i64(row, "result", result);
	if (result_name(result))
		row_cstring(row, "result_name", result_name(result));
	row_u64(row, "latency_ns", COLUMN_AT(c, latency_ns, i));
	row_list_begin(row, "answers");
	for (size_t a = 0; a < COLUMN_AT(c, answer_count, i); a++)
		print_answer(view, c, flat + a, row);
	row_list_end(row);
	row_u64(row, "answers_seen", COLUMN_AT(c, answers_seen, i));
}

static const enum column_role getaddrinfo_roles[] = {
	COLUMN_SCALAR, COLUMN_STRING,	   COLUMN_STRING, COLUMN_SCALAR, COLUMN_SCALAR,
	COLUMN_SCALAR, COLUMN_SCALAR,	   COLUMN_SCALAR, COLUMN_SCALAR, COLUMN_SCALAR,
	COLUMN_COUNT,  COLUMN_FLAT,	   COLUMN_FLAT,	  COLUMN_FLAT,	 COLUMN_FLAT,
	COLUMN_FLAT,   COLUMN_FLAT_STRING, COLUMN_FLAT,	  COLUMN_FLAT,	 COLUMN_FLAT_STRING,
};

const struct wire_kind getaddrinfo_kind = {
	.number = EVENT_GETADDRINFO,
	.name = "getaddrinfo",
	.columns = &ringside__v1__getaddrinfo_columns__descriptor,
	.batch_field = 35,
	.roles = getaddrinfo_roles,
	.append = getaddrinfo_append,
	.print = getaddrinfo_print,
};
