// SPDX-License-Identifier: Apache-2.0
#include "cmd/choices.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"
#include "kernel/host_proc.h"
#include "kernel/kernel_btf.h"
#include "kernel/transport.h"
#include "probes/probe.h"

int choice_wrong(const char *option, const char *value, const char *why, const char *todo)
{
	log_line(LOG_ERROR, "wrong value", "option", option, "value", value, "why", why, "do", todo,
		 NULL);
	return 2;
}

int choose_probes(const struct option_list *list, uint32_t *ret_enabled)
{
	uint32_t enabled = 0;

	for (size_t i = 0; i < list->count; i++) {
		const int probe = probe_find(list->value[i]);

		if (probe < 0)
			return choice_wrong(
				"--probe", list->value[i], "no such probe",
				"take process, getaddrinfo, syscalls, write or profile");
		enabled |= 1u << probe;
	}
	for (size_t i = 0; i < probe_count && !list->count; i++)
		enabled |= (uint32_t)probes[i].by_default << i;
	*ret_enabled = enabled;
	return 0;
}

/* The value of the first of `count` attributes whose key is the text before `=` (or the end) of `key`. */
static const char *find_value(const struct option_list *list, size_t count, const char *key)
{
	const size_t length = strcspn(key, "=");

	for (size_t i = 0; i < count; i++) {
		if (!strncmp(list->value[i], key, length) && list->value[i][length] == '=')
			return list->value[i] + length + 1;
	}
	return NULL;
}

int choose_attributes(const struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *attribute = list->value[i], *equals = strchr(attribute, '=');

		if (!equals || equals == attribute)
			return choice_wrong("--attribute", attribute, "not KEY=VALUE",
					    "give a key, =, and a value");
		if (!utf8_valid(attribute, strlen(attribute)))
			return choice_wrong("--attribute", attribute, "not UTF-8",
					    "write it in UTF-8");
		if (find_value(list, i, attribute))
			return choice_wrong("--attribute", attribute, "that key was given before",
					    "give each key once");
	}
	return 0;
}

const char *attribute_value(const struct option_list *list, const char *key)
{
	const char *value = find_value(list, list->count, key);

	return value && *value ? value : NULL;
}

int choose_btf(const char *file)
{
	const char *why;

	if (!file)
		return 0;
	why = *file ? kernel_btf_wrong(file) : "no file";
	return why ? choice_wrong("--btf", file, why, BTF_TODO) : 0;
}

int choose_proc(const char *directory, const char *btf)
{
	const char *why, *todo;

	if (!directory)
		return 0;
	why = host_proc_wrong(directory, btf, &todo);
	return why ? choice_wrong("--proc", directory, why, todo) : 0;
}

/* A power of two that is at least `least`; the error names the nearest. */
static int choose_power(const char *option, uint64_t given, uint64_t least, const char *why)
{
	uint64_t right = least;
	char todo[64];

	while (right * 2 <= given)
		right *= 2;
	if (right < given && given - right > right * 2 - given)
		right *= 2;
	if (right == given)
		return 0;
	snprintf(todo, sizeof(todo), "take %llu", (unsigned long long)right);
	return choice_wrong(option, log_u64(given), why, todo);
}

static int choose_way(const char *name, uint32_t enabled, enum event_transport *ret_transport)
{
	const int transport = name ? transport_find(name) : TRANSPORT_AUTO;
	char why[96], todo[96];

	if (transport < 0)
		return choice_wrong("--transport", name, "no such transport",
				    "take auto, ringbuf, ringbuf-output, perf-heap or perf-stack");
	for (size_t i = 0; i < probe_count && transport == TRANSPORT_PERF_STACK; i++) {
		if (!(enabled & 1u << i && probes[i].records & RECORDS_LARGE))
			continue;
		snprintf(why, sizeof(why), "records of %s do not fit the BPF stack of 512 bytes",
			 probes[i].name);
		snprintf(todo, sizeof(todo), "leave %s out of --probe, or take perf-heap",
			 probes[i].name);
		return choice_wrong("--transport", name, why, todo);
	}
	*ret_transport = (enum event_transport)transport;
	return 0;
}

int choose_transport(const struct transport_options *options, uint32_t enabled,
		     struct transport_choice *ret_choice)
{
	static const char *const not_ring = "not a power of two of at least one page";
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct transport_choice choice = {
		.ring_bytes = {options->ring_lifecycle, options->ring_samples},
		.perf_pages = options->perf_pages,
		.wakeup_bytes = options->wakeup_bytes,
	};
	int err;

	err = choose_way(options->transport, enabled, &choice.transport);
	if (!err)
		err = choose_power("--ring-lifecycle", options->ring_lifecycle, page, not_ring);
	if (!err)
		err = choose_power("--ring-samples", options->ring_samples, page, not_ring);
	if (!err && options->perf_pages)
		err = choose_power("--perf-pages", options->perf_pages, 4, "not a power of two");
	if (!err)
		*ret_choice = choice;
	return err;
}
