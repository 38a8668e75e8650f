// SPDX-License-Identifier: Apache-2.0
#include "probes/uncovered.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define PROCESSES   256
#define IMAGES	    64
#define PATH	    256
#define INTERVAL_NS 60000000000ull
#define NAMED	    60 /* images that are named in an interval */

/* An image and a reason that were told, and how many processes came since. */
struct told {
	const char *why; /* NULL: free */
	int64_t changed_ns;
	uint64_t since_ns;
	uint64_t processes;
	char image[PATH];
};

struct uncovered {
	struct {
		uint32_t tgid;
		uint64_t start_time;
	} processes[PROCESSES];
	struct told told[IMAGES];
	struct told others; /* processes of images that were not named */
	uint64_t named;	    /* since others.since_ns */
};

struct uncovered *uncovered_new(void)
{
	struct uncovered *uncovered = calloc(1, sizeof(*uncovered));

	if (uncovered)
		uncovered->others.why = "more images than can be named; see the lines before";
	return uncovered;
}

static void tell_rest(struct told *told)
{
	if (told->processes)
		log_line(LOG_WARN, "coverage", "probe", "getaddrinfo", "processes",
			 log_u64(told->processes), "image", told->image[0] ? told->image : NULL,
			 "why", told->why, NULL);
	told->processes = 0;
	told->since_ns = clock_boottime_ns();
}

void uncovered_free(struct uncovered *uncovered)
{
	if (!uncovered)
		return;
	for (size_t i = 0; i < IMAGES; i++)
		tell_rest(&uncovered->told[i]);
	tell_rest(&uncovered->others);
	free(uncovered);
}

/* A process may run several images. */
static bool is_known(struct uncovered *uncovered, const struct uncovered_process *process)
{
	const size_t i = process->tgid % PROCESSES;

	if (uncovered->processes[i].tgid == process->tgid &&
	    uncovered->processes[i].start_time == process->start_time)
		return true;
	uncovered->processes[i].tgid = process->tgid;
	uncovered->processes[i].start_time = process->start_time;
	return false;
}

static struct told *find(struct uncovered *uncovered, const struct uncovered_process *process)
{
	for (size_t i = 0; i < IMAGES; i++) {
		struct told *told = &uncovered->told[i];

		if (told->why == process->why && told->changed_ns == process->changed_ns &&
		    !strncmp(told->image, process->image, PATH - 1))
			return told;
	}
	return NULL;
}

/* A free one, or that of the image that was told of longest ago. */
static struct told *make_room(struct uncovered *uncovered)
{
	struct told *oldest = &uncovered->told[0];

	for (size_t i = 1; i < IMAGES && oldest->why; i++) {
		struct told *told = &uncovered->told[i];

		if (!told->why || told->since_ns < oldest->since_ns)
			oldest = told;
	}
	tell_rest(oldest);
	return oldest;
}

void uncovered_add(struct uncovered *uncovered, const struct uncovered_process *process)
{
	struct told *told;

	if (is_known(uncovered, process))
		return;
	told = find(uncovered, process);
	if (told) {
		told->processes++;
		return;
	}
	if (uncovered->named >= NAMED) {
		uncovered->others.processes++;
		return;
	}
	uncovered->named++;
	told = make_room(uncovered);
	*told = (struct told){.why = process->why,
			      .changed_ns = process->changed_ns,
			      .since_ns = clock_boottime_ns()};
	snprintf(told->image, sizeof(told->image), "%s", process->image);
	log_line(LOG_WARN, "coverage", "probe", "getaddrinfo", "pid", log_u64(process->tgid),
		 "image", process->image[0] ? process->image : NULL, "why", process->why, NULL);
}

void uncovered_refresh(struct uncovered *uncovered)
{
	const uint64_t now = clock_boottime_ns();

	for (size_t i = 0; i < IMAGES; i++) {
		struct told *told = &uncovered->told[i];

		if (told->processes && now - told->since_ns >= INTERVAL_NS)
			tell_rest(told);
	}
	if (now - uncovered->others.since_ns >= INTERVAL_NS) {
		tell_rest(&uncovered->others);
		uncovered->named = 0;
	}
}
