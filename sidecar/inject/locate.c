// SPDX-License-Identifier: Apache-2.0
#include "inject/locate.h"

#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *at)
{
	while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
		at++;
	return at;
}

static const char *skip_string(const char *at)
{
	for (at++; *at != '"'; at++)
		at += *at == '\\';
	return at + 1;
}

static const char *skip_scalar(const char *at)
{
	if (*at == '"')
		return skip_string(at);
	while (!strchr(",]} \t\n\r", *at))
		at++;
	return at;
}

/* Without recursion: a text may be nested deeper than the stack. */
static const char *skip_value(const char *at)
{
	size_t depth = 0;

	do {
		at = skip_space(at);
		if (*at == '{' || *at == '[') {
			depth++;
			at++;
		} else if (*at == '}' || *at == ']') {
			depth--;
			at++;
		} else if (*at == ',' || *at == ':') {
			at++;
		} else {
			at = skip_scalar(at);
		}
	} while (depth);
	return at;
}

/* The next item or member of a list or an object, NULL: there is none. `at`: behind its bracket, or behind an item. */
static const char *next_item(const char *at)
{
	at = skip_space(at);
	if (*at == ',')
		at = skip_space(at + 1);
	return *at == ']' || *at == '}' ? NULL : at;
}

static const char *find_member(const char *object, const char *key, size_t length)
{
	const char *name = *object == '{' ? next_item(object + 1) : NULL, *value;

	while (name) {
		const char *end = skip_string(name);

		value = skip_space(skip_space(end) + 1);
		if ((size_t)(end - name) == length + 2 && !memcmp(name + 1, key, length))
			return value;
		name = next_item(skip_value(value));
	}
	return NULL;
}

static const char *find_item(const char *list, size_t index)
{
	const char *item = *list == '[' ? next_item(list + 1) : NULL;

	while (item && index--)
		item = next_item(skip_value(item));
	return item;
}

const char *locate(const char *text, const char *path)
{
	const char *at = skip_space(text), *inner;

	while (*path) {
		if (*path == '[') {
			inner = find_item(at, strtoul(path + 1, NULL, 10));
			path += strcspn(path, "]") + 1;
		} else {
			const size_t length = strcspn(path, ".[");

			inner = find_member(at, path, length);
			path += length;
		}
		if (!inner)
			break;
		at = inner;
		path += *path == '.';
	}
	return at;
}
