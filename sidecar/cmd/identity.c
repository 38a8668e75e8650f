// SPDX-License-Identifier: Apache-2.0
#include "cmd/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <zlib.h>

static size_t read_line(const char *path, char *line, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	line[0] = 0;
	if (fd < 0)
		return 0;
	length = read(fd, line, size - 1);
	close(fd);
	line[length > 0 ? length : 0] = 0;
	line[strcspn(line, "\n")] = 0;
	return strlen(line);
}

static void boot_id_parse(const char *text, uint8_t ret_id[16])
{
	size_t digits = 0;

	memset(ret_id, 0, 16);
	for (; *text && digits < 32; text++) {
		const char digit[2] = {*text, 0};

		if (*text == '-')
			continue;
		ret_id[digits / 2] = (uint8_t)(ret_id[digits / 2] << 4 | strtoul(digit, NULL, 16));
		digits++;
	}
}

static int compare_items(const void *a, const void *b)
{
	const struct scope_item *const *left = a, *const *right = b;
	const int given = strcmp((*left)->given, (*right)->given);

	return given ? given : strcmp((*left)->name, (*right)->name);
}

static uLong hash_text(uLong hash, const char *text)
{
	return crc32(hash, (const Bytef *)text, (uInt)strlen(text) + 1);
}

static uLong hash_scope(uLong hash, const struct scope *scope)
{
	const struct scope_item *sorted[SCOPE_MAX];

	for (size_t i = 0; i < scope->count; i++)
		sorted[i] = &scope->items[i];
	qsort(sorted, scope->count, sizeof(sorted[0]), compare_items);
	for (size_t i = 0; i < scope->count; i++) {
		const struct scope_item *item = sorted[i];

		hash = hash_text(hash, item->given);
		/*
		 * The name as well: pods on the host's network are all `pod` on one host name. Not what is left
		 * out: our own container has another name when it starts again.
		 */
		if (!item->entry.exclude)
			hash = hash_text(hash, item->name);
	}
	return hash;
}

static uint32_t hash_of(const char *machine, const struct scope *scope,
			const struct option_list *given, const char *pod_uid)
{
	uLong hash = crc32(0, (const Bytef *)machine, (uInt)strlen(machine));

	if (scope->count)
		return (uint32_t)hash_scope(hash, scope);
	if (pod_uid)
		hash = hash_text(hash, pod_uid);
	for (size_t i = 0; i < given->count; i++)
		hash = hash_text(hash, given->value[i]);
	return (uint32_t)hash;
}

void identity_read(const char *agent_id, const struct scope *scope, const struct option_list *given,
		   const char *pod_uid, struct identity *ret_identity)
{
	char boot[64], machine[64];

	memset(ret_identity, 0, sizeof(*ret_identity));
	if (gethostname(ret_identity->host, sizeof(ret_identity->host) - 1) ||
	    !ret_identity->host[0])
		snprintf(ret_identity->host, sizeof(ret_identity->host), "unknown");
	read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	boot_id_parse(boot, ret_identity->boot_id);
	if (agent_id)
		snprintf(ret_identity->agent_id, IDENTITY, "%s", agent_id);
	else
		snprintf(ret_identity->agent_id, IDENTITY, "%.200s-%08x", ret_identity->host,
			 hash_of(read_line("/etc/machine-id", machine, sizeof(machine)) ? machine
											: boot,
				 scope, given, pod_uid));
	while (!ret_identity->epoch) {
		if (getrandom(&ret_identity->epoch, sizeof(ret_identity->epoch), 0) < 0)
			break;
	}
}
