// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "cmd/commands.h"
#include "net/health.h"

static const struct option_def health_table[] = {{0}};

static const char *explain(int err)
{
	switch (err) {
	case -EPERM:
		return "another user's process has taken its name";
	case -ECONNREFUSED:
		return "none runs in this mount namespace";
	case -EAGAIN:
		return "it is not ready yet";
	default:
		return strerror(-err);
	}
}

int health_main(int argc, char **argv)
{
	static const char *const roles[] = {"run", "collect"};
	struct option_list operands = {.count = 0};
	enum health health;
	const char *asked = NULL;
	int err, worst = -ECONNREFUSED;

	err = options_parse("health", "ringside health [run|collect]",
			    "Ends with 0 when the sidecar or collector of this mount namespace is "
			    "ready, or stands by (run --standby), else with 1.",
			    health_table, NULL, argc, argv, 1, &operands);
	if (err)
		return err > 0 ? 0 : 2;
	if (operands.count)
		asked = operands.value[0];
	if (asked && strcmp(asked, roles[0]) && strcmp(asked, roles[1])) {
		log_line(LOG_ERROR, "unknown role", "role", asked, "do", "ask for run or collect",
			 NULL);
		return 2;
	}
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (asked && strcmp(asked, roles[i]))
			continue;
		err = health_ask(roles[i], &health);
		if (!err && health == HEALTH_STANDBY)
			log_line(LOG_WARN, "it stands by", "role", roles[i], "why",
				 "it could not start to observe", "do", "see its log", NULL);
		if (!err)
			return 0;
		if (err != -ECONNREFUSED)
			worst = err;
	}
	log_line(LOG_ERROR, "not ready", "role", asked ? asked : "run or collect", "why",
		 explain(worst), NULL);
	return 1;
}
