/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the frames of a capture: keeps apart the sources that their Hellos announce and prints their records, or shows the
 * frames themselves. For `cat`.
 */
#ifndef RINGSIDE_WIRE_REPLAY_H
#define RINGSIDE_WIRE_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "wire/kind.h"
#include "wire/row.h"

struct replay;

/*
 * `out` is borrowed and gets whole lines. `mask` as for printer_new. NULL: no memory.
 */
struct replay *replay_new(enum row_format format, bool colour, bool frames,
			  const struct wire_kind *const *kinds, uint64_t mask, struct buf *out);
void replay_free(struct replay *replay);

/*
 * One message, without its prefix; `offset` and `bytes` are those of the whole frame, for the eye. 0; -EBADMSG with ret_why: it
 * is malformed, contradicts itself or has no source; -ENOSPC: `out` is full; -ENOMEM.
 */
int replay_frame(struct replay *replay, const uint8_t *message, size_t length, uint64_t offset,
		 size_t bytes, const char **ret_why);

#endif
