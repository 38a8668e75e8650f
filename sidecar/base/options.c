// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define OPTIONS_MAX    64
#define HELP_CODE      1
#define FIRST_CODE     256 /* getopt_long's value of the first option: past any short option */
#define HELP_WIDTH     96
#define NAME_MAX_BYTES 64
#define NO_SUCH	       "there is no such option; --help lists them"

/* Where a value came from, for the line that says what is wrong with it. */
struct origin {
	const char *command;
	const char *name; /* "--format" or "RINGSIDE_FORMAT" */
};

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"", 1}, {"k", 1 << 10}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0},
};
static const struct unit time_units[] = {
	{"ns", 1},	    {"us", 1000},	  {"ms", 1000000}, {"s", 1000000000},
	{"m", 60000000000}, {"h", 3600000000000}, {NULL, 0},
};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static int parse_units(const char *text, const struct unit *units, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return -ERANGE;
	}
	for (; units->name; units++) {
		if (strcmp(text, units->name))
			continue;
		if (__builtin_mul_overflow(value, units->factor, &value))
			return -ERANGE;
		*ret_value = value;
		return 0;
	}
	return -EINVAL;
}

int options_size(const char *text, uint64_t *ret_bytes)
{
	return parse_units(text, size_units, ret_bytes);
}

int options_time(const char *text, uint64_t *ret_ns)
{
	if (!strcmp(text, "0")) {
		*ret_ns = 0;
		return 0;
	}
	return parse_units(text, time_units, ret_ns);
}

static int refuse(const struct origin *origin, const char *value, const char *why)
{
	log_line(LOG_ERROR, "wrong option", "command", origin->command, "option", origin->name,
		 "value", value, "why", why, NULL);
	return -EINVAL;
}

static int set_flag(const struct origin *origin, const char *value, bool *ret_flag)
{
	if (!strcmp(value, "1") || !strcmp(value, "true"))
		*ret_flag = true;
	else if (!strcmp(value, "0") || !strcmp(value, "false"))
		*ret_flag = false;
	else
		return refuse(origin, value, "it takes 1, true, 0 or false");
	return 0;
}

static const struct unit *units_of(enum option_type type)
{
	return type == OPTION_SIZE ? size_units : type == OPTION_TIME ? time_units : no_units;
}

/* In the largest unit that leaves no rest. */
static const char *with_unit(uint64_t value, enum option_type type, char ret_text[static 32])
{
	const struct unit *best = units_of(type);

	for (const struct unit *unit = best; unit->name; unit++) {
		if (value && value % unit->factor == 0 && unit->factor > best->factor)
			best = unit;
	}
	snprintf(ret_text, 32, "%llu%s", (unsigned long long)(value / best->factor), best->name);
	return ret_text;
}

static int set_number(const struct option_def *option, const struct origin *origin,
		      const char *value, uint64_t *ret_number)
{
	static const char *const takes[] = {
		[OPTION_SIZE] = "it takes a number of bytes, with k, M or G behind it",
		[OPTION_TIME] = "it takes a number with us, ms, s, m or h behind it",
		[OPTION_NUMBER] = "it takes a number",
	};
	char why[96], min[32], max[32];
	uint64_t number;
	const int err = option->type == OPTION_TIME
				? options_time(value, &number)
				: parse_units(value, units_of(option->type), &number);

	if (err == -EINVAL)
		return refuse(origin, value, takes[option->type]);
	if (!err && number >= option->min && (!option->max || number <= option->max)) {
		*ret_number = number;
		return 0;
	}
	with_unit(option->min, option->type, min);
	if (option->max)
		snprintf(why, sizeof(why), "it must be %s to %s", min,
			 with_unit(option->max, option->type, max));
	else
		snprintf(why, sizeof(why), "it must be at least %s%s", min,
			 err ? ", and below 2^64" : "");
	return refuse(origin, value, why);
}

static int add_item(const struct origin *origin, const char *value, size_t length,
		    struct option_list *list)
{
	char *copy;

	if (list->count == OPTION_LIST_MAX)
		return refuse(origin, value, "it is given too often: 32 values at most");
	/* Lives as long as the process, as argv and the environment do. */
	copy = strndup(value, length);
	if (!copy)
		return refuse(origin, value, "out of memory");
	list->value[list->count++] = copy;
	return 0;
}

static int add_items(const struct origin *origin, const char *value, const char *separators,
		     struct option_list *list)
{
	size_t before = list->count;

	for (const char *at = value;; at++) {
		size_t length = strcspn(at, separators);
		size_t lead = strspn(at, " \t");
		const char *item = at + (lead < length ? lead : length);
		size_t left = length - (size_t)(item - at);
		int err;

		while (left && isspace((unsigned char)item[left - 1]))
			left--;
		if (left) {
			err = add_item(origin, item, left, list);
			if (err)
				return err;
		}
		at += length;
		if (!*at)
			break;
	}
	return list->count > before ? 0 : refuse(origin, value, "it is empty");
}

static int set_option(const struct option_def *option, const struct origin *origin,
		      const char *value, bool environment, void *config)
{
	void *field = (char *)config + option->offset;
	struct option_list *list = field;

	switch (option->type) {
	case OPTION_FLAG:
		return set_flag(origin, value, field);
	case OPTION_TEXT:
	case OPTION_ARGUMENT:
		*(const char **)field = value;
		return 0;
	case OPTION_SIZE:
	case OPTION_TIME:
	case OPTION_NUMBER:
		return set_number(option, origin, value, field);
	case OPTION_COMMA_LIST:
		return add_items(origin, value, ",\n", list);
	case OPTION_LIST:
		if (environment)
			return add_items(origin, value, "\n", list);
		if (list->count == OPTION_LIST_MAX)
			return refuse(origin, value, "it is given too often: 32 values at most");
		list->value[list->count++] = value;
		return 0;
	}
	return -EINVAL;
}

static bool is_list(const struct option_def *option)
{
	return option->type == OPTION_LIST || option->type == OPTION_COMMA_LIST;
}

static void environment_name(const char *option, char ret_name[static NAME_MAX_BYTES])
{
	snprintf(ret_name, NAME_MAX_BYTES, "RINGSIDE_%s", option);
	for (char *at = ret_name + strlen("RINGSIDE_"); *at; at++)
		*at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
}

/* An empty variable counts as unset: manifests often can't leave one out. */
static int read_environment(const char *command, const struct option_def *table, void *config)
{
	int err = 0;

	for (const struct option_def *option = table; option->name; option++) {
		char name[NAME_MAX_BYTES];
		const struct origin origin = {.command = command, .name = name};
		const char *value;

		environment_name(option->name, name);
		value = option->type == OPTION_ARGUMENT ? NULL : getenv(name);
		if (!value || !*value)
			continue;
		if (is_list(option))
			((struct option_list *)((char *)config + option->offset))->count = 0;
		if (set_option(option, &origin, value, true, config))
			err = -EINVAL;
	}
	return err;
}

/* Prints `text` wrapped at words; the first line begins at `column` already, the others are indented to it. */
static void print_wrapped(const char *text, size_t column)
{
	size_t at = column;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (at > column && at + 1 + word > HELP_WIDTH) {
			printf("\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)word, text);
		at += word;
		text += word;
		text += strspn(text, " ");
	}
	putchar('\n');
}

/* Line by line; what begins with a space is an example, and stays as it is. */
static void print_about(const char *text)
{
	while (*text) {
		const size_t length = strcspn(text, "\n");
		char *line = strndup(text, length);

		if (line && *line == ' ')
			puts(line);
		else if (line)
			print_wrapped(line, 0);
		free(line);
		text += length;
		text += *text == '\n';
	}
}

static void print_help(const char *command, const char *synopsis, const char *about,
		       const struct option_def *table)
{
	char name[NAME_MAX_BYTES];
	size_t widest = strlen("--help");

	for (const struct option_def *option = table; option->name; option++) {
		size_t width = 2 + strlen(option->name) +
			       (option->argument ? 1 + strlen(option->argument) : 0);

		if (width > widest)
			widest = width;
	}
	printf("Usage: %s\n\n", synopsis);
	print_about(about);
	printf("\nOptions of `%s`:\n", command);
	for (const struct option_def *option = table; option->name; option++) {
		int width = printf("  --%s%s%s", option->name, option->argument ? " " : "",
				   option->argument ? option->argument : "");

		printf("%*s", (int)widest + 4 - width, "");
		print_wrapped(option->help, widest + 4);
	}
	printf("  --help%*s", (int)(widest + 4 - strlen("  --help")), "");
	print_wrapped("Print this.", widest + 4);
	if (!table->name)
		return;
	environment_name(table->name, name);
	printf("\nEach option is an environment variable too: --%s is %s.\n", table->name, name);
	print_wrapped("The command line wins. There, options that may be repeated are separated by "
		      "newlines, or by commas "
		      "where the option takes a comma-separated list; flags are 1 or 0; empty "
		      "means not given. "
		      "Sizes take k, M or G behind the number, times us, ms, s, m or h.",
		      0);
}

static void fill_getopt(const struct option_def *table, struct option *ret_options)
{
	size_t count = 0;

	for (; table[count].name && count < OPTIONS_MAX; count++)
		ret_options[count] = (struct option){
			.name = table[count].name,
			.has_arg =
				table[count].type == OPTION_FLAG ? no_argument : required_argument,
			.val = FIRST_CODE + (int)count,
		};
	ret_options[count] =
		(struct option){.name = "help", .has_arg = no_argument, .val = HELP_CODE};
	ret_options[count + 1] = (struct option){0};
}

static bool is_letter(int code)
{
	return code > 0 && code < FIRST_CODE && code != HELP_CODE;
}

static int refuse_getopt(const char *command, int code, char **argv)
{
	struct origin origin = {.command = command};
	char letter[3] = {'-', (char)optopt, 0};

	if (is_letter(optopt))
		origin.name = letter;
	else
		origin.name = argv[optind - 1];
	if (code == ':')
		return refuse(&origin, NULL, "it needs a value");
	if (optopt >= FIRST_CODE || optopt == HELP_CODE)
		return refuse(&origin, NULL, "it takes no value");
	return refuse(&origin, NULL, NO_SUCH);
}

/* getopt_long also takes the beginning of a name, and so the option that is meant for another. */
static int refuse_short(const char *command, const char *name, char **argv)
{
	const char *word = argv[optarg == argv[optind - 1] ? optind - 2 : optind - 1];
	char given[NAME_MAX_BYTES];
	const struct origin origin = {.command = command, .name = given};
	const size_t length = strcspn(word, "=");

	if (length == strlen("--") + strlen(name))
		return 0;
	snprintf(given, sizeof(given), "%.*s", (int)length, word);
	return refuse(&origin, NULL, NO_SUCH);
}

/* A pass of its own: help must come whatever the environment and the options before it hold. */
static bool wants_help(const struct option *options, int argc, char **argv)
{
	int code;

	optind = 0; /* both libcs take this for: from the start, with fresh state */
	while ((code = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		if (code == 'h' || code == HELP_CODE)
			return true;
	return false;
}

static int read_arguments(const char *command, const struct option_def *table,
			  const struct option *options, void *config, int argc, char **argv)
{
	bool given[OPTIONS_MAX] = {false};
	int code, err = 0;

	optind = 0;
	while ((code = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		char name[NAME_MAX_BYTES];
		const struct origin origin = {.command = command, .name = name};
		const struct option_def *option;

		if (code < FIRST_CODE) {
			err = refuse_getopt(command, code, argv);
			if (is_letter(optopt))
				return err; /* -word is one mistake, not four */
			continue;
		}
		option = &table[code - FIRST_CODE];
		if (refuse_short(command, option->name, argv)) {
			err = -EINVAL;
			continue;
		}
		if (is_list(option) && !given[code - FIRST_CODE])
			((struct option_list *)((char *)config + option->offset))->count = 0;
		given[code - FIRST_CODE] = true;
		snprintf(name, sizeof(name), "--%s", option->name);
		if (set_option(option, &origin, optarg ? optarg : "1", false, config))
			err = -EINVAL;
	}
	return err;
}

int options_parse(const char *command, const char *synopsis, const char *about,
		  const struct option_def *table, void *config, int argc, char **argv,
		  size_t max_operands, struct option_list *ret_operands)
{
	struct option options[OPTIONS_MAX + 2];
	size_t operands = 0;
	int err, environment_err;

	fill_getopt(table, options);
	opterr = 0;
	if (wants_help(options, argc, argv)) {
		print_help(command, synopsis, about, table);
		return 1;
	}
	environment_err = read_environment(command, table, config);
	err = read_arguments(command, table, options, config, argc, argv);
	if (err || environment_err)
		return -EINVAL;
	for (; optind < argc; optind++) {
		if (operands == max_operands || operands == OPTION_LIST_MAX) {
			log_line(LOG_ERROR, "wrong argument", "command", command, "value",
				 argv[optind], "why", "nothing may stand here", "do", "see --help",
				 NULL);
			return -EINVAL;
		}
		ret_operands->value[operands++] = argv[optind];
	}
	if (ret_operands)
		ret_operands->count = operands;
	return 0;
}
