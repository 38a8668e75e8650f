/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe: a family of BPF programs, the records they make and how those become columns. One file a probe, one line in
 * table.c. The reader's thread calls everything; a probe logs its own errors, once.
 */
#ifndef RINGSIDE_PROBES_PROBE_H
#define RINGSIDE_PROBES_PROBE_H

#include "wire/kind.h"

/* All kinds of records that this build knows, ended by NULL: for batches and printers. */
extern const struct wire_kind *const wire_kinds[];

#endif
