// SPDX-License-Identifier: Apache-2.0
/* What `profile` needs: perf events, the better of two clocks, and the kernel's names for its own addresses. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>

#include "cmd/check_findings.h"
#include "kernel/kallsyms.h"
#include "kernel/sampler.h"

#define PROFILE (1u << PROBE_PROFILE)

static void check_events(struct findings *findings, uint32_t hz)
{
	const int err = sampler_try(PROFILE_CPU_CLOCK, hz);

	if (!err) {
		check_add(findings->report, "requirement", "perf_event", CHECK_OK, NULL,
			  "each CPU can be interrupted %u times a second", hz);
		return;
	}
	check_add(findings->report, "requirement", "perf_event", CHECK_NO,
		  err == -EINVAL ? "give a smaller --profile-hz, or raise "
				   "kernel.perf_event_max_sample_rate"
		  : findings->privileges.perf_by_admin
			  ? PERF_BY_ADMIN_TODO
			  : "grant CAP_PERFMON, and allow perf_event_open in the seccomp filter",
		  "no clock of %u times a second: %s", hz, strerror(-err));
	findings_lack(findings, PROFILE, "perf_event");
}

static void check_cycles(struct findings *findings, uint32_t hz)
{
	static const char *const without =
		"by the kernel's timer: code that runs with interrupts off is seen where it ends";
	const int err = sampler_try(PROFILE_CYCLES, hz);

	if (!err) {
		check_add(findings->report, "requirement", "cycles", CHECK_OK, NULL,
			  "the processor's cycle counter is the clock, in NMIs");
		return;
	}
	check_add(findings->report, "requirement", "cycles", CHECK_DEGRADED, NULL, "%s; %s",
		  err == -ENOENT ? "no PMU is to be seen" : strerror(-err), without);
	findings_without(findings, PROFILE, without);
}

static void check_names(struct findings *findings)
{
	static const char *const without = "no kernel stacks";
	const bool held = privileges_have(&findings->privileges, CAP_SYSLOG);
	size_t bytes, count;
	const int err = kallsyms_measure(KALLSYMS_PATH, &bytes, &count);

	if (!err) {
		check_add(findings->report, "requirement", "kallsyms", CHECK_OK, NULL,
			  "%zu functions of the kernel have names, %.1f MiB", count,
			  (double)bytes / (1024 * 1024));
		return;
	}
	check_add(findings->report, "requirement", "kallsyms", CHECK_DEGRADED,
		  err == -EACCES && !held ? "--cap-add SYSLOG"
		  : err == -EACCES	  ? "sysctl kernel.kptr_restrict=1"
					  : NULL,
		  "%s: %s", err == -EACCES ? "the kernel hides its addresses" : strerror(-err),
		  without);
	findings_without(findings, PROFILE, without);
}

void findings_profile(struct findings *findings)
{
	const uint32_t hz = (uint32_t)findings->question->settings.profile_hz;

	check_events(findings, hz);
	check_cycles(findings, hz);
	check_names(findings);
}
