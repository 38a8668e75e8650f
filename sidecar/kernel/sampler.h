/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program run on each CPU at a steady rate: one perf event a CPU, by the processor's cycle counter or the kernel's own timer.
 * One thread. CPUs that come online get their event by sampler_refresh. Errors are -errno of perf_event_open(2).
 */
#ifndef RINGSIDE_KERNEL_SAMPLER_H
#define RINGSIDE_KERNEL_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/bpf.h>
#include <linux/types.h>

#include "profile.h"

struct sampler;

/* Whether every CPU that is online gives such an event. */
int sampler_try(enum profile_clock clock, uint32_t hz);
/* As the kernel calls it: static text. */
const char *sampler_clock_name(enum profile_clock clock);

/* `program` is the descriptor of a perf_event program, which must stay open. */
int sampler_new(int program, enum profile_clock clock, uint32_t hz, struct sampler **ret_sampler);
/* After it the program does not run. */
void sampler_free(struct sampler *sampler);
/* Gives events to CPUs that are online and have none, or whose event ended as they went offline. To be called now and then. */
void sampler_refresh(struct sampler *sampler);

#endif
