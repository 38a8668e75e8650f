/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kind of record, as the wire and the printers see it. Each probe defines the kinds it makes (probes/NAME.c) and
 * lists them in probes/table.c; wire/ knows none of them by name. All functions run on the caller's thread; nothing here owns
 * memory.
 */
#ifndef RINGSIDE_WIRE_KIND_H
#define RINGSIDE_WIRE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include <protobuf-c/protobuf-c.h>

#define KINDS_MAX 64   /* kinds are numbered from 1 to 61: the printer has two bits of its own */
#define KIND_FLAT 4160 /* flat entries of one record, at most */

struct batch;
struct batch_view;
struct event_header;
struct row;

enum column_role {
	COLUMN_SCALAR,	    /* one entry a record */
	COLUMN_STRING,	    /* one entry a record: an index into the string table */
	COLUMN_COUNT,	    /* one entry a record: how many entries the flat columns have for it */
	COLUMN_FLAT,	    /* as many entries as the counts' sum */
	COLUMN_FLAT_STRING, /* the same, of string indexes */
};

/* The roles of a kind's columns, in the order of the message's fields. */
struct wire_kind {
	uint32_t number; /* enum event_kind */
	const char *name;
	const ProtobufCMessageDescriptor
		*columns;	       /* NAME_columns__descriptor: each field is packed repeated */
	uint32_t batch_field;	       /* field number of the sub-message in Batch */
	const enum column_role *roles; /* columns->n_fields of them */

	/*
	 * Appends one record to the columns (the message's arrays have room for one more record and for KIND_FLAT more flat
	 * entries; write columns->x[columns->n_x++]). `event` is checked to be event->length bytes long, no more. -EBADMSG: it
	 * contradicts itself; then nothing may have been appended.
	 */
	int (*append)(struct batch *batch, void *columns, const struct event_header *event);

	/*
	 * Prints the kind's own keys of one record: entry `index` of the columns, its flat entries beginning at `flat`.
	 * The view was checked: an index within a column is safe, and so are string indexes.
	 */
	void (*print)(const struct batch_view *view, const void *columns, size_t index, size_t flat,
		      struct row *row);
};

/* The value of entry i of a column that may be absent (all 0). */
#define COLUMN_AT(columns, name, i) ((i) < (columns)->n_##name ? (columns)->name[i] : 0)

#endif
