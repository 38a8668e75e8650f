/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` and `collect` say alike of trouble with what they do beside their work: one line each, on stderr. */
#ifndef RINGSIDE_CMD_TROUBLE_H
#define RINGSIDE_CMD_TROUBLE_H

#include <stdbool.h>

/* capture_frame gave -errno (0: nothing is said). *said: whether it was told before; once is enough. */
void trouble_capture(int err, bool *said);
/* health_listen gave -errno; `who`: "sidecar" or "collector". */
void trouble_health(int err, const char *who);

#endif
