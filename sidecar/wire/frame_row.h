/* SPDX-License-Identifier: Apache-2.0 */
/* Shows a frame itself, not its records: what it is, how large, and what it says of the stream. */
#ifndef RINGSIDE_WIRE_FRAME_ROW_H
#define RINGSIDE_WIRE_FRAME_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "ringside.pb-c.h"
#include "wire/kind.h"
#include "wire/row.h"

extern const struct row_layout row_frames;

/* A checked frame, at `offset` of its file and `bytes` long with its prefix. As row_end. */
int frame_row(const Ringside__V1__AgentFrame *frame, const struct wire_kind *const *kinds,
	      uint64_t offset, size_t bytes, struct row *row);

#endif
