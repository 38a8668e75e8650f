// SPDX-License-Identifier: Apache-2.0
#include "cmd/trouble.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void trouble_capture(int err, bool *said)
{
	if (err && !*said)
		log_line(LOG_WARN, "the capture falls behind", "why", strerror(-err), "do",
			 "give it a file on a disk with room; frames that do not fit are left out",
			 NULL);
	*said |= err != 0;
}

void trouble_health(int err, const char *who)
{
	char other[64];

	snprintf(other, sizeof(other), "another %s of this mount namespace answers", who);
	log_line(LOG_WARN, "health can't be asked for", "why",
		 err == -EADDRINUSE ? other : strerror(-err), NULL);
}
