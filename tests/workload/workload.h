/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workloads of the tests share: one report (one JSON object, one line, one write(2) to
 * stdout), pinning, and a gate: with WORKLOAD_GATE=1 in the environment a workload waits for end
 * of file on stdin before it does anything, so that the test can move it into a cgroup first.
 * Errors end the program with status 99.
 */
#ifndef RINGSIDE_WORKLOAD_H
#define RINGSIDE_WORKLOAD_H

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORKLOAD_FAILED 99

static char report_text[1 << 20];
static size_t report_length;

__attribute__((noreturn, unused)) static void die(const char *what)
{
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	_exit(WORKLOAD_FAILED);
}

__attribute__((format(printf, 1, 2), unused)) static void report(const char *format, ...)
{
	size_t room = sizeof(report_text) - report_length;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(report_text + report_length, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		die("report is too long");
	report_length += (size_t)n;
}

/* A JSON string, or null. Only for texts of ASCII letters, digits and punctuation. */
__attribute__((unused)) static void report_string(const char *text)
{
	if (!text) {
		report("null");
		return;
	}
	report("\"");
	for (; *text; text++)
		report(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	report("\"");
}

/* Exactly one write(2), so that a test can count it. */
__attribute__((unused)) static void report_send(void)
{
	ssize_t n;

	report("\n");
	n = write(STDOUT_FILENO, report_text, report_length);
	if (n != (ssize_t)report_length)
		die("report");
	report_length = 0;
}

__attribute__((unused)) static void gate_wait(void)
{
	char byte;

	if (!getenv("WORKLOAD_GATE"))
		return;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

__attribute__((unused)) static int cpu_list(int cpus[CPU_SETSIZE])
{
	cpu_set_t set;
	int count = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		die("sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[count++] = cpu;
	return count;
}

__attribute__((unused)) static void cpu_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

__attribute__((unused)) static int thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

#endif
