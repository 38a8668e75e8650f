// SPDX-License-Identifier: Apache-2.0
#include "scope/text_value.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "scope/scope.h"
#include "scope/text_name.h"

static const struct {
	const char *word;
	enum value_kind kind;
} words[] = {
	{"pod", VALUE_POD},
	{"container", VALUE_CONTAINER},
	{"self", VALUE_SELF},
	{"host", VALUE_HOST},
};

static const struct {
	const char *prefix;
	enum value_kind kind;
	uint16_t hierarchy;
} prefixes[] = {
	{"cgroup:", VALUE_CGROUP, HIERARCHY_V2}, {"id:memory:", VALUE_ID, HIERARCHY_MEMORY},
	{"id:pids:", VALUE_ID, HIERARCHY_PIDS},	 {"id:", VALUE_ID, HIERARCHY_V2},
	{"pid:", VALUE_PID, HIERARCHY_V2},	 {"docker:", VALUE_DOCKER, HIERARCHY_V2},
};

/* Digits only: strtoull would take signs, spaces and octal. */
static int number_parse(const char *text, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(unsigned char)*text - '0';

		if (digit > 9 || number > (max - digit) / 10)
			return -EINVAL;
		number = number * 10 + digit;
	}
	if (!number)
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int operand_check(struct scope_value *value, const char **ret_why)
{
	size_t length = strlen(value->operand);

	switch (value->kind) {
	case VALUE_CGROUP:
		*ret_why = "the path of a cgroup begins with /";
		return value->operand[0] == '/' ? 0 : -EINVAL;
	case VALUE_ID:
		*ret_why = "a cgroup id is a decimal number above 0";
		return number_parse(value->operand, UINT64_MAX, &value->number);
	case VALUE_PID:
		*ret_why = "a process id is a decimal number above 0";
		return number_parse(value->operand, INT32_MAX, &value->number);
	default:
		*ret_why = "a container id is 1 to 64 of 0-9 and a-f (cgroups hold ids, not names)";
		return length >= 1 && length <= CONTAINER_ID &&
				       name_hex_span(value->operand) == length
			       ? 0
			       : -EINVAL;
	}
}

int value_parse(const char *given, struct scope_value *ret_value, const char **ret_why)
{
	struct scope_value value = {};
	int err;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(given, words[i].word) != 0)
			continue;
		value.kind = words[i].kind;
		*ret_value = value;
		return 0;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i].prefix);

		if (strncmp(given, prefixes[i].prefix, length) != 0)
			continue;
		value.kind = prefixes[i].kind;
		value.hierarchy = prefixes[i].hierarchy;
		value.operand = given + length;
		err = operand_check(&value, ret_why);
		if (err)
			return err;
		*ret_value = value;
		return 0;
	}
	*ret_why = "is none of " VALUE_CHOICES;
	return -EINVAL;
}
