/* SPDX-License-Identifier: Apache-2.0 */
/* Who this agent is: HOSTNAME-XXXXXXXX, stable over restarts, and the ids of this boot and this process. */
#ifndef RINGSIDE_CMD_IDENTITY_H
#define RINGSIDE_CMD_IDENTITY_H

#include <stdint.h>

#include "base/options.h"
#include "scope/scope.h"

#define IDENTITY 256

struct identity {
	char agent_id[IDENTITY]; /* NUL-terminated */
	char host[IDENTITY];
	uint8_t boot_id[16];
	uint64_t epoch; /* random, never 0 */
};

/*
 * `agent_id` is as given, or NULL: then HOSTNAME and a hash of the machine id (or boot id) and the sorted scopes, as they
 * were given and as their cgroups are called. Where they were not resolved, as of one that stands by, those of the options
 * (`given`) and pod_uid (or NULL) tell agents on one host name apart.
 */
void identity_read(const char *agent_id, const struct scope *scope, const struct option_list *given,
		   const char *pod_uid, struct identity *ret_identity);

#endif
