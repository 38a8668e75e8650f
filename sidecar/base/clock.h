/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, in ns. clock_offset_ns is real time minus boot time, the two read as close together as can be. */
#ifndef RINGSIDE_BASE_CLOCK_H
#define RINGSIDE_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_boottime_ns(void);
uint64_t clock_realtime_ns(void);
uint64_t clock_monotonic_ns(void);
int64_t clock_offset_ns(void);

#endif
