/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a Batch or a Counters message that came from a peer: checks every length and index once, then walks its records.
 * Borrows the message. A view that was checked can't be walked out of bounds, whatever the peer sent.
 */
#ifndef RINGSIDE_WIRE_VIEW_H
#define RINGSIDE_WIRE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/kind.h"
#include "ringside.pb-c.h"

struct row;

/* Whose frames these are: printed into every record. Borrowed texts. */
struct source {
	const uint8_t *agent;
	size_t agent_length;
	uint64_t epoch;
	const Ringside__V1__Hello *attributes; /* NULL: print no `attributes` (as `run` does) */
};

#define VIEW_ENTRIES_MAX                                                                           \
	65536 /* records of a batch, and flat entries of a kind, that are accepted */

struct batch_view {
	const Ringside__V1__Batch *batch;
	const struct wire_kind *const *kinds;
};

/* 0, or -EBADMSG with ret_why set to a static text that names the column. */
int view_check(struct batch_view *view, const Ringside__V1__Batch *batch,
	       const struct wire_kind *const *kinds, const char **ret_why);
int view_check_counters(const Ringside__V1__Counters *counters, const char **ret_why);

/* A kind's columns in a batch, NULL where there are none; the rows of a Counters message. */
ProtobufCMessage *view_columns(const Ringside__V1__Batch *batch, const struct wire_kind *kind);
size_t view_counter_rows(const Ringside__V1__Counters *counters);

/* Text i of the string table. */
const ProtobufCBinaryData *view_string(const struct batch_view *view, uint32_t i);
/* Record flags of the record being printed (enum event_flag) and its boot time. */
uint32_t view_flags(const struct batch_view *view, size_t record);

/*
 * Calls row_begin, prints all keys of each record, row_end; stops at the first error of the row's sink. `mask`: which
 * kinds to print, bit number; unknown kinds print their common columns with `kind` "kind_N". Returns 0 or the sink's error.
 */
int view_print(const struct batch_view *view, const struct source *source, uint64_t mask,
	       struct row *row);
int view_print_counters(const Ringside__V1__Counters *counters, const struct source *source,
			struct row *row);
/* Names of causes of gaps (what is none of them is "unknown", as 0 is) and of reasons of an accounting's losses. */
#define VIEW_GAP_CAUSES 3
const char *view_gap_cause(uint32_t cause);
const char *view_lost_reason(size_t reason);
/* A Gap as a loss row, and the lost counts of an accounting that differ from those printed before (kept by the caller). */
int view_print_gap(const Ringside__V1__Gap *gap, const struct source *source, struct row *row);
int view_print_loss(const Ringside__V1__Heartbeat *now, const struct source *source,
		    uint64_t *shown, size_t shown_count, struct row *row);

#endif
