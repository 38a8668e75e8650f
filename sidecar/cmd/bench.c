// SPDX-License-Identifier: Apache-2.0
#include "cmd/benchmarks.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cmd/commands.h"

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *about;
} benchmarks[] = {
	{"pipeline", bench_pipeline_main,
	 "a write flood from the kernel to a collector: cost and losses"},
	{"transport", bench_transport_main,
	 "ring buffer and perf buffer, every variant: speed, cost and losses"},
};

int bench_main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < sizeof(benchmarks) / sizeof(benchmarks[0]); i++) {
		if (!strcmp(name, benchmarks[i].name))
			return benchmarks[i].main(argc - 1, argv + 1);
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		printf("Usage: ringside bench BENCHMARK [OPTION]...\n\n");
		for (size_t i = 0; i < sizeof(benchmarks) / sizeof(benchmarks[0]); i++)
			printf("  %-9s  %s\n", benchmarks[i].name, benchmarks[i].about);
		printf("\n`ringside bench BENCHMARK --help` explains each.\n");
		return 0;
	}
	log_line(LOG_ERROR, "unknown benchmark", "name", name, "do",
		 "say ringside bench pipeline or ringside bench transport", NULL);
	return 2;
}
