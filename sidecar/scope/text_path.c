// SPDX-License-Identifier: Apache-2.0
#include "scope/text_path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "scope/scope.h"

/*
 * Appends the components of `relative`, taking `..` back. `length` is of the path so far, 0 for the
 * root.
 */
static int components_append(char *path, size_t length, size_t size, const char *relative)
{
	while (*relative) {
		size_t part = strcspn(relative, "/");

		if (part == 2 && memcmp(relative, "..", 2) == 0) {
			if (!length)
				return -EINVAL;
			while (path[--length] != '/')
				;
		} else if (part && !(part == 1 && *relative == '.')) {
			if (length + part + 2 > size)
				return -ENAMETOOLONG;
			path[length++] = '/';
			memcpy(path + length, relative, part);
			length += part;
		}
		relative += part + (relative[part] == '/');
	}
	if (!length)
		path[length++] = '/';
	path[length] = '\0';
	return 0;
}

int path_join(const char *base, const char *relative, char *ret_path, size_t size)
{
	char path[CGROUP_PATH];
	int err;

	err = components_append(path, 0, sizeof(path), base);
	if (err)
		return err;
	err = components_append(path, path[1] ? strlen(path) : 0, sizeof(path), relative);
	if (err)
		return err;
	if ((size_t)snprintf(ret_path, size, "%s", path) >= size)
		return -ENAMETOOLONG;
	return 0;
}

uint32_t path_depth(const char *path)
{
	uint32_t depth = 0;

	for (; *path; path++)
		depth += path[0] == '/' && path[1] && path[1] != '/';
	return depth;
}

const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

const char *path_below(const char *path, const char *base)
{
	size_t length = strlen(base);

	if (path[0] != '/')
		return NULL;
	if (length == 1 && base[0] == '/')
		return path[1] ? path : path + 1;
	if (strncmp(path, base, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	return path + length;
}

int path_ns_root(const char *whole, const char *shown, char *ret_path, size_t size)
{
	char unknown[CGROUP_PATH] = "";
	char base[CGROUP_PATH];
	const char *rest = shown;
	size_t length = strlen(whole), tail, used = 0;

	while (strncmp(rest, "/..", 3) == 0 && (!rest[3] || rest[3] == '/')) {
		if (used + 3 > sizeof(unknown))
			return -EINVAL;
		memcpy(unknown + used, "/?", 3);
		used += 2;
		rest += 3;
	}
	if (strcmp(rest, "/") == 0)
		rest++;
	tail = strlen(rest);
	if (tail > length || length >= sizeof(base) || strcmp(whole + length - tail, rest) != 0)
		return -EINVAL;
	memcpy(base, whole, length - tail);
	base[length - tail] = '\0';
	return path_join(base, unknown, ret_path, size);
}

/* Whether one word of a comma-separated list is `word`. */
static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);

	while (*list) {
		size_t part = strcspn(list, ",");

		if (part == length && memcmp(list, word, length) == 0)
			return true;
		list += part + (list[part] == ',');
	}
	return false;
}

static uint32_t hierarchies_of(const char *controllers)
{
	return (list_has(controllers, "memory") ? 1u << HIERARCHY_MEMORY : 0) |
	       (list_has(controllers, "pids") ? 1u << HIERARCHY_PIDS : 0);
}

/* NUMBER:CONTROLLERS:PATH; the v2 line is 0::PATH. A path may hold colons. */
uint32_t proc_cgroup_parse(char *line, char **ret_path)
{
	char *controllers = strchr(line, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path)
		return 0;
	*controllers++ = '\0';
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	*ret_path = path;
	if (strcmp(line, "0") == 0 && !*controllers)
		return 1u << HIERARCHY_V2;
	return hierarchies_of(controllers);
}

/* mountinfo writes space, tab, newline and backslash as \OOO. */
static void octal_unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS */
uint32_t proc_mount_parse(char *line, char **ret_root, char **ret_point)
{
	char *rest = strstr(line, " - ");
	char *type, *super, *save = NULL;
	char *field[5];

	if (!rest)
		return 0;
	*rest = '\0';
	type = strtok_r(rest + 3, " \n", &save);
	strtok_r(NULL, " \n", &save);
	super = strtok_r(NULL, " \n", &save);
	for (size_t i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return 0;
	}
	octal_unescape(field[3]);
	octal_unescape(field[4]);
	*ret_root = field[3];
	*ret_point = field[4];
	if (!type)
		return 0;
	if (strcmp(type, "cgroup2") == 0)
		return 1u << HIERARCHY_V2;
	return strcmp(type, "cgroup") == 0 && super ? hierarchies_of(super) : 0;
}
