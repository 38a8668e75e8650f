// SPDX-License-Identifier: Apache-2.0
/* write: from records to columns, and from columns to keys. */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "probes/probe.h"
#include "probes/syscall_name.h"
#include "syscalls.h"
#include "wire/batch.h"
#include "wire/row.h"
#include "wire/view.h"

static int write_append(struct batch *batch, void *columns, const struct event_header *event)
{
	Ringside__V1__WriteColumns *c = columns;
	const struct write_event *write = (const struct write_event *)event;
	char name[SYSCALL_NAME];

	if (event->length < sizeof(*write))
		return -EBADMSG;
	if (write->syscall == 1 && !(event->flags & EVENT_IA32)) {
		c->syscall[c->n_syscall++] = batch_literal(batch, "write");
	} else {
		syscall_name(write->syscall, event->flags & EVENT_IA32, name);
		c->syscall[c->n_syscall++] = batch_string(batch, name, strlen(name));
	}
	c->fd[c->n_fd++] = write->fd;
	c->requested[c->n_requested++] = write->requested;
	c->returned[c->n_returned++] = write->returned;
	c->sample_less_one[c->n_sample_less_one++] = write->sample ? write->sample - 1 : 0;
	c->latency_ns[c->n_latency_ns++] = write->latency_ns;
	return 0;
}

static void write_print(const struct batch_view *view, const void *columns, size_t i, size_t flat,
			struct row *row)
{
	const Ringside__V1__WriteColumns *c = columns;
	const ProtobufCBinaryData *name = view_string(view, COLUMN_AT(c, syscall, i));

	(void)flat;
	row_text(row, "syscall", (struct row_text){name->data, name->len});
	row_i64(row, "fd", COLUMN_AT(c, fd, i));
	row_u64(row, "requested", COLUMN_AT(c, requested, i));
	row_i64(row, "returned", COLUMN_AT(c, returned, i));
	row_u64(row, "sample", (uint64_t)COLUMN_AT(c, sample_less_one, i) + 1);
	if (COLUMN_AT(c, latency_ns, i))
		row_u64(row, "latency_ns", COLUMN_AT(c, latency_ns, i));
}

static const enum column_role write_roles[] = {COLUMN_STRING, COLUMN_SCALAR, COLUMN_SCALAR,
					       COLUMN_SCALAR, COLUMN_SCALAR, COLUMN_SCALAR};

const struct wire_kind write_kind = {
	.number = EVENT_WRITE,
	.name = "write",
	.columns = &ringside__v1__write_columns__descriptor,
	.batch_field = 36,
	.roles = write_roles,
	.append = write_append,
	.print = write_print,
};
