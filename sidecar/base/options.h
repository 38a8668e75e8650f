/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table a subcommand drives getopt_long, the environment (RINGSIDE_ + upper case, `-` as `_`), --help and the test
 * that every option is documented. The command line wins over the environment: a repeatable option given there replaces the
 * environment's list.
 */
#ifndef RINGSIDE_BASE_OPTIONS_H
#define RINGSIDE_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_FLAG,   /* bool: given; in the environment 1, true, 0 or false */
	OPTION_TEXT,   /* const char * */
	OPTION_SIZE,   /* uint64_t bytes: 64k, 1M, 2G */
	OPTION_TIME,   /* uint64_t ns: 10ms, 1s, 2m, 1h */
	OPTION_NUMBER, /* uint64_t */
	OPTION_ARGUMENT, /* const char *; not read from the environment, where run and collect have another meaning for it */
	OPTION_LIST,	   /* struct option_list; repeatable */
	OPTION_COMMA_LIST, /* struct option_list; repeatable, and comma-separated */
};

#define OPTION_LIST_MAX 32
struct option_list {
	const char *value[OPTION_LIST_MAX];
	size_t count;
};

struct option_def {
	const char *name; /* without the dashes */
	enum option_type type;
	const char *argument; /* shown in --help: HOST:PORT; NULL for flags */
	const char *help;     /* one line; the default in parentheses at its end */
	size_t offset;	      /* of the field in the command's struct, which holds the defaults */
	uint64_t min, max;    /* of numbers, sizes and times; max 0: no bound */
};

/*
 * Fills `config` from the environment, then from argv. Returns 0; 1: --help was printed to stdout; -EINVAL: each wrong option
 * and its value was logged (the caller ends with exit 2, or stands by: the right ones were taken). `table` is ended by a NULL
 * name. `synopsis` and `about` head the help; lines of `about` that begin with a space are examples. Operands (allowed up to
 * max_operands) are left in ret_operands (borrowed from argv).
 */
int options_parse(const char *command, const char *synopsis, const char *about,
		  const struct option_def *table, void *config, int argc, char **argv,
		  size_t max_operands, struct option_list *ret_operands);

/* The parsers of values: 0; -EINVAL; -ERANGE: past 64 bits. */
int options_size(const char *text, uint64_t *ret_bytes);
int options_time(const char *text, uint64_t *ret_ns);

#endif
