// SPDX-License-Identifier: Apache-2.0
#include "scope/text_name.h"

#include <string.h>

#include "scope/scope.h"

size_t name_hex_span(const char *text)
{
	return strspn(text, "0123456789abcdef");
}

/*
 * Only the engines' own prefixes: crio-conmon-ID.scope and libpod-conmon-ID.scope hold a monitor,
 * not the container. A colon stands before the id where a cgroupfs runtime was handed a systemd
 * name (SLICE:cri-containerd:ID).
 */
size_t scope_container_id(const char *name, const char **ret_id)
{
	static const char *const prefixes[] = {"docker-", "cri-containerd-", "crio-", "libpod-"};
	const char *colon = strrchr(name, ':');
	const char *id = colon ? colon + 1 : name;

	for (size_t i = 0; !colon && i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], length) == 0)
			id = name + length;
	}
	if (name_hex_span(id) != CONTAINER_ID)
		return 0;
	if (id[CONTAINER_ID] && strcmp(id + CONTAINER_ID, ".scope") != 0)
		return 0;
	*ret_id = id;
	return CONTAINER_ID;
}

static char dash(char c)
{
	return c == '_' ? '-' : c;
}

/*
 * What may follow a uid in a name: nothing, .slice, or the :RUNTIME:ID of a misread systemd name.
 */
static bool ends_pod(const char *rest)
{
	return !*rest || *rest == '.' || *rest == ':';
}

/*
 * The text behind a `pod` that begins the name or one of its dash-separated words, from `name` on.
 */
static const char *pod_next(const char *name, const char *from)
{
	while ((from = strstr(from, "pod"))) {
		if (from == name || from[-1] == '-')
			return from + 3;
		from += 3;
	}
	return NULL;
}

bool name_is_pod(const char *name, const char *uid)
{
	size_t length = strlen(uid);

	if (!length)
		return false;
	for (const char *text = name; (text = pod_next(name, text));) {
		size_t i = 0;

		while (i < length && text[i] && dash(text[i]) == dash(uid[i]))
			i++;
		if (i == length && ends_pod(text + i))
			return true;
	}
	return false;
}

static bool is_uuid(const char *text)
{
	static const size_t groups[] = {8, 4, 4, 4, 12};

	for (size_t i = 0; i < 5; i++) {
		if (name_hex_span(text) != groups[i])
			return false;
		text += groups[i];
		if (i < 4 && dash(*text++) != '-')
			return false;
	}
	return ends_pod(text);
}

bool name_is_any_pod(const char *name)
{
	for (const char *text = name; (text = pod_next(name, text));) {
		if (is_uuid(text) || (name_hex_span(text) == 32 && ends_pod(text + 32)))
			return true;
	}
	return false;
}

bool path_has_container(const char *path)
{
	char name[256];
	const char *id;

	while (*path) {
		size_t length = strcspn(path, "/");

		if (length && length < sizeof(name)) {
			memcpy(name, path, length);
			name[length] = '\0';
			if (scope_container_id(name, &id))
				return true;
		}
		path += length + (path[length] == '/');
	}
	return false;
}
