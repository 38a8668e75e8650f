/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --scope and --exclude, as text: what they ask for, before anything is looked up. */
#ifndef RINGSIDE_SCOPE_TEXT_VALUE_H
#define RINGSIDE_SCOPE_TEXT_VALUE_H

#include <stdint.h>

#define VALUE_CHOICES                                                                              \
	"pod, container, self, host, cgroup:/PATH, id:N, id:memory:N, id:pids:N, pid:N, "          \
	"docker:ID-PREFIX"

enum value_kind {
	VALUE_POD,
	VALUE_CONTAINER,
	VALUE_SELF,
	VALUE_HOST,
	VALUE_CGROUP,
	VALUE_ID,
	VALUE_PID,
	VALUE_DOCKER,
};

struct scope_value {
	enum value_kind kind;
	uint16_t hierarchy;  /* of VALUE_ID */
	uint64_t number;     /* of VALUE_ID and VALUE_PID */
	const char *operand; /* of VALUE_CGROUP and VALUE_DOCKER: points into the given text */
};

/* 0, or -EINVAL with ret_why (static text, fit to follow the value and a colon). */
int value_parse(const char *given, struct scope_value *ret_value, const char **ret_why);

#endif
