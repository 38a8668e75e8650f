/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From frames to text: what `run` without a collector, `collect` and `cat` share. Takes unpacked AgentFrames of one source after
 * another and appends rows to a buffer; keeps for each source what its Hello said and which losses were shown.
 */
#ifndef RINGSIDE_WIRE_PRINTER_H
#define RINGSIDE_WIRE_PRINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/kind.h"
#include "wire/row.h"
#include "ringside.pb-c.h"

struct printer;
struct printer_source;

/* `out` is borrowed and gets whole lines. `mask`: bit number = kind to print, PRINTER_SYSCALLS and PRINTER_LOSS too. */
#define PRINTER_SYSCALLS 62
#define PRINTER_LOSS	 63
struct printer *printer_new(enum row_format format, bool colour,
			    const struct wire_kind *const *kinds, uint64_t mask, struct buf *out);
void printer_free(struct printer *printer);

/* A source, from its Hello (copied). `attributes`: print them in each record. NULL: no memory or no valid Hello. */
struct printer_source *printer_source_new(const Ringside__V1__Hello *hello, bool attributes);
void printer_source_free(struct printer_source *source);
/* Whether a Hello is of this source: of the same agent and epoch. */
bool printer_source_is(const struct printer_source *source, const Ringside__V1__Hello *hello);

/*
 * Checks and prints one frame. 0; -EBADMSG with ret_why (static text): the frame contradicts itself, nothing was printed;
 * -ENOSPC: `out` has no room for one of its lines (the caller flushes before each frame; a frame's text is bounded by 16 MiB). With
 * ROW_NONE it checks only.
 */
int printer_frame(struct printer *printer, struct printer_source *source,
		  const Ringside__V1__AgentFrame *frame, const char **ret_why);

/* The kind's bit from its name ("exec", "syscalls", "loss"); -1: unknown. */
int printer_kind(const struct wire_kind *const *kinds, const char *name);

#endif
