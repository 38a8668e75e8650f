/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks that the records of `bench transport` come as they were made: each CPU's in order, and as many missing as were counted
 * as lost. The reader's thread alone uses this; inline, for it runs once a record.
 */
#ifndef RINGSIDE_KERNEL_SEQUENCE_H
#define RINGSIDE_KERNEL_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sequence_cpu {
	uint32_t next; /* number of the record that comes next, if none is lost */
	uint64_t missing;
};

struct sequence {
	uint32_t bits; /* of a number; the CPU is above them (32: there is only CPU 0) */
	size_t cpu_count;
	struct sequence_cpu *cpus; /* borrowed */
};

static inline uint32_t sequence_mask(const struct sequence *sequence)
{
	return sequence->bits == 32 ? UINT32_MAX : (1u << sequence->bits) - 1;
}

/* False: no such CPU, or a number that has been. */
static inline bool sequence_take(struct sequence *sequence, uint32_t seq)
{
	const uint32_t mask = sequence_mask(sequence);
	const size_t number = sequence->bits == 32 ? 0 : seq >> sequence->bits;
	struct sequence_cpu *cpu;
	uint32_t gap;

	if (number >= sequence->cpu_count)
		return false;
	cpu = &sequence->cpus[number];
	gap = (seq - cpu->next) & mask;
	/* Far ahead is a step back. */
	if (gap > mask / 2)
		return false;
	cpu->missing += gap;
	cpu->next = seq + 1;
	return true;
}

/* At the end, all records taken: whether the CPU made `produced` records of which `lost` never came. */
static inline bool sequence_holds(const struct sequence *sequence, size_t cpu, uint64_t produced,
				  uint64_t lost)
{
	const struct sequence_cpu *one = &sequence->cpus[cpu];
	const uint32_t mask = sequence_mask(sequence);
	const uint32_t tail = ((uint32_t)produced - one->next) & mask;

	return (((uint32_t)(one->missing + tail - lost)) & mask) == 0;
}

#endif
