// SPDX-License-Identifier: Apache-2.0
/* fork, exec and exit: from records to columns, and from columns to keys. */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "probes/probe.h"
#include "process.h"
#include "wire/batch.h"
#include "wire/row.h"
#include "wire/view.h"

static int fork_append(struct batch *batch, void *columns, const struct event_header *event)
{
	Ringside__V1__ForkColumns *c = columns;
	const struct fork_event *fork = (const struct fork_event *)event;

	(void)batch;
	if (event->length < sizeof(*fork))
		return -EBADMSG;
	c->child[c->n_child++] = fork->child;
	c->child_start[c->n_child_start++] = fork->child_start;
	return 0;
}

static void fork_print(const struct batch_view *view, const void *columns, size_t i, size_t flat,
		       struct row *row)
{
	const Ringside__V1__ForkColumns *c = columns;

	(void)view;
	(void)flat;
	row_u64(row, "child", COLUMN_AT(c, child, i));
	row_u64(row, "child_start", COLUMN_AT(c, child_start, i));
}

static const enum column_role fork_roles[] = {COLUMN_SCALAR, COLUMN_SCALAR};

const struct wire_kind fork_kind = {
	.number = EVENT_FORK,
	.name = "fork",
	.columns = &ringside__v1__fork_columns__descriptor,
	.batch_field = 32,
	.roles = fork_roles,
	.append = fork_append,
	.print = fork_print,
};

static int exec_append(struct batch *batch, void *columns, const struct event_header *event)
{
	Ringside__V1__ExecColumns *c = columns;
	const struct exec_event *exec = (const struct exec_event *)event;
	const char *text = (const char *)(exec + 1);
	const char *argument, *end;
	uint32_t count = 0;

	if (event->length < sizeof(*exec) ||
	    event->length < sizeof(*exec) + exec->filename_length + exec->argv_length)
		return -EBADMSG;
	c->start_time[c->n_start_time++] = exec->start_time;
	c->ppid[c->n_ppid++] = exec->ppid;
	c->uid[c->n_uid++] = exec->uid;
	c->gid[c->n_gid++] = exec->gid;
	c->filename[c->n_filename++] = batch_string(batch, text, exec->filename_length);
	c->argv_bytes[c->n_argv_bytes++] = exec->argv_bytes;
	argument = text + exec->filename_length;
	end = argument + exec->argv_length;
	for (; argument < end; count++) {
		const size_t length = strnlen(argument, (size_t)(end - argument));

		c->argv[c->n_argv++] = batch_string(batch, argument, length);
		argument += length + 1;
	}
	c->argv_count[c->n_argv_count++] = count;
	return 0;
}

static struct row_text text_at(const struct batch_view *view, uint32_t index)
{
	const ProtobufCBinaryData *text = view_string(view, index);

	return (struct row_text){text->data, text->len};
}

static void exec_print(const struct batch_view *view, const void *columns, size_t i, size_t flat,
		       struct row *row)
{
	const Ringside__V1__ExecColumns *c = columns;
	const uint32_t count = COLUMN_AT(c, argv_count, i);
	struct row_text argv[PROCESS_ARGV];

	row_u64(row, "start_time", COLUMN_AT(c, start_time, i));
	row_u64(row, "ppid", COLUMN_AT(c, ppid, i));
	row_text(row, "filename", text_at(view, COLUMN_AT(c, filename, i)));
	for (size_t a = 0; a < count && a < PROCESS_ARGV; a++)
		argv[a] = text_at(view, COLUMN_AT(c, argv, flat + a));
	row_texts(row, "argv", argv, count < PROCESS_ARGV ? count : PROCESS_ARGV);
	row_u64(row, "argv_bytes", COLUMN_AT(c, argv_bytes, i));
	row_u64(row, "uid", COLUMN_AT(c, uid, i));
	row_u64(row, "gid", COLUMN_AT(c, gid, i));
}

static const enum column_role exec_roles[] = {COLUMN_SCALAR,	  COLUMN_SCALAR, COLUMN_SCALAR,
					      COLUMN_SCALAR,	  COLUMN_STRING, COLUMN_COUNT,
					      COLUMN_FLAT_STRING, COLUMN_SCALAR};

const struct wire_kind exec_kind = {
	.number = EVENT_EXEC,
	.name = "exec",
	.columns = &ringside__v1__exec_columns__descriptor,
	.batch_field = 33,
	.roles = exec_roles,
	.append = exec_append,
	.print = exec_print,
};

static int exit_append(struct batch *batch, void *columns, const struct event_header *event)
{
	Ringside__V1__ExitColumns *c = columns;
	const struct exit_event *exit = (const struct exit_event *)event;
	const uint32_t signal = exit->status & 0x7f;

	(void)batch;
	if (event->length < sizeof(*exit))
		return -EBADMSG;
	c->start_time[c->n_start_time++] = exit->start_time;
	c->code[c->n_code++] = signal ? 0 : exit->status >> 8 & 0xff;
	c->signal[c->n_signal++] = signal;
	c->duration_ns[c->n_duration_ns++] = exit->duration_ns;
	c->cpu_ns[c->n_cpu_ns++] = exit->cpu_ns;
	c->rss_peak_bytes[c->n_rss_peak_bytes++] = exit->rss_peak_bytes;
	return 0;
}

static void exit_print(const struct batch_view *view, const void *columns, size_t i, size_t flat,
		       struct row *row)
{
	const Ringside__V1__ExitColumns *c = columns;

	(void)view;
	(void)flat;
	row_u64(row, "start_time", COLUMN_AT(c, start_time, i));
	if (COLUMN_AT(c, signal, i))
		row_u64(row, "signal", COLUMN_AT(c, signal, i));
	else
		row_u64(row, "code", COLUMN_AT(c, code, i));
	row_u64(row, "duration_ns", COLUMN_AT(c, duration_ns, i));
	row_u64(row, "cpu_ns", COLUMN_AT(c, cpu_ns, i));
	if (COLUMN_AT(c, rss_peak_bytes, i))
		row_u64(row, "rss_peak_bytes", COLUMN_AT(c, rss_peak_bytes, i));
}

static const enum column_role exit_roles[] = {COLUMN_SCALAR, COLUMN_SCALAR, COLUMN_SCALAR,
					      COLUMN_SCALAR, COLUMN_SCALAR, COLUMN_SCALAR};

const struct wire_kind exit_kind = {
	.number = EVENT_EXIT,
	.name = "exit",
	.columns = &ringside__v1__exit_columns__descriptor,
	.batch_field = 34,
	.roles = exit_roles,
	.append = exit_append,
	.print = exit_print,
};
