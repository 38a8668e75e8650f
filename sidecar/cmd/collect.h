/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of `collect` share. One thread. */
#ifndef RINGSIDE_CMD_COLLECT_H
#define RINGSIDE_CMD_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "base/output.h"
#include "net/address.h"
#include "net/receiver.h"
#include "wire/kind.h"
#include "wire/row.h"
#include "wire/view.h"

struct capture;
struct tls;
struct tokens;
struct metrics;
struct printer;

/* Since the start. */
struct collect_totals {
	uint64_t sessions, records, frames, bytes;
	uint64_t kinds[KINDS_MAX];	/* records; 0: of kinds past that */
	uint64_t lost[SESSION_REASONS]; /* before they were taken, as agents account for it */
	uint64_t gaps[VIEW_GAP_CAUSES]; /* records in gaps */
	uint64_t standing_by;		/* agents that are connected and observe nothing: now */
};

struct collect {
	struct address address;		   /* asked for */
	struct sockaddr_storage listening; /* in fact */
	struct address metrics_address;	   /* where it was asked for */
	struct sockaddr_storage metrics_listening;
	enum row_format format;
	struct tls *tls;       /* NULL: plain */
	struct tokens *tokens; /* NULL: none is asked for */
	const char *token_file;
	bool names_bound; /* a certificate must hold the agent id */

	struct loop loop;
	struct watch listen_watch, signal_watch, health_watch, stdout_watch;
	struct output output;
	bool pollable; /* stdout can be waited for */

	struct roster *roster;
	struct hub *hub;
	struct printer *printer;
	struct capture *capture; /* NULL: none */
	struct metrics *metrics; /* NULL: none */

	bool stopping, failed, accept_failed, capture_failed;
	uint64_t swept_ns;
	uint64_t started_ns; /* real time */
	struct collect_totals totals;
};

/* Makes roster, hub and printer. 0 or -ENOMEM. */
int collect_agents_open(struct collect *collect);
void collect_agents_close(struct collect *collect);

/* Takes a listening descriptor over and answers scrapes on it. 0 or -ENOMEM. */
int collect_metrics_open(struct collect *collect, int fd);

/* No frame may be printed now. */
bool collect_full(struct collect *collect);
const char *collect_format(enum row_format format);

#endif
