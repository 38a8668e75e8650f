// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/standard.h"
#include "cmd/commands.h"

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *about;
} commands[] = {
	{"run", run_main, "the sidecar: observe a cgroup, stream to a collector or print"},
	{"collect", collect_main, "the collector: receive from many sidecars, print, acknowledge"},
	{"cat", cat_main, "print a captured stream of frames"},
	{"check", check_main, "say what this kernel and these privileges allow, and what to do"},
	{"bench", bench_main, "measure the transports and the pipeline on this machine"},
	{"inject", inject_main, "put the sidecar into the pods of Kubernetes objects"},
	{"health", health_main, "exit 0 when the sidecar or collector beside it is ready"},
	{"version", version_main, "version of the program, the protocol and the libraries"},
};

static void usage(FILE *out)
{
	fprintf(out, "Usage: ringside COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].about);
	fprintf(out, "\n`ringside COMMAND --help` explains each.\n");
}

int main(int argc, char **argv)
{
	standard_fill();
	signal(SIGXFSZ, SIG_IGN); /* a capture that may not grow is told like a full disk */
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version"))
		argv[1] = (char *)"version";
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].main(argc - 1, argv + 1);
	}
	log_line(LOG_ERROR, "unknown command", "command", argv[1], "do", "see ringside --help",
		 NULL);
	return 2;
}
