// SPDX-License-Identifier: Apache-2.0
#include "cmd/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "wire/row.h"

#define PRINT_LIMIT (1024 * 1024)

static const char *const states[] = {"ok", "degraded", "no"};
static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};

static const char *hierarchy_text(uint32_t hierarchy)
{
	static const char *const names[] = {
		[HIERARCHY_V2] = "v2",
		[HIERARCHY_MEMORY] = "memory",
		[HIERARCHY_PIDS] = "pids",
	};

	return names[hierarchy];
}

struct check_line *check_add(struct check_report *report, const char *check, const char *name,
			     enum check_state state, const char *todo, const char *format, ...)
{
	/*
	 * Past the end, the last line is overwritten: CHECK_LINES is sized so that this is never
	 * seen.
	 */
	struct check_line *line =
		&report->lines[report->count < CHECK_LINES ? report->count++ : CHECK_LINES - 1];
	va_list args;

	memset(line, 0, sizeof(*line));
	line->check = check;
	line->state = state;
	snprintf(line->name, sizeof(line->name), "%s", name);
	snprintf(line->todo, sizeof(line->todo), "%s", todo ? todo : "");
	va_start(args, format);
	vsnprintf(line->why, sizeof(line->why), format, args);
	va_end(args);
	return line;
}

/* Names of cgroups may hold what a terminal would obey. */
static void put_escaped(const char *text, int width)
{
	int used = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		used += c < 0x20 || c == 0x7f ? printf("\\x%02x", c) : printf("%c", c);
	}
	printf("%*s", used < width ? width - used : 0, "");
}

int check_print_table(const struct check_report *report, bool colour)
{
	int width = 0;

	for (size_t i = 0; i < report->count; i++) {
		int length = (int)strlen(report->lines[i].name);

		/* A long path would push the other columns off the screen. */
		if (length > width && length <= 40)
			width = length;
	}
	for (size_t i = 0; i < report->count; i++) {
		const struct check_line *line = &report->lines[i];

		printf("%-11s  ", line->check);
		put_escaped(line->name, width);
		printf("  %s%-8s%s  ", colour ? colours[line->state] : "", states[line->state],
		       colour ? "\033[0m" : "");
		put_escaped(line->why, 0);
		if (line->todo[0]) {
			printf("\n%*s-> ", 13 + width + 12, "");
			put_escaped(line->todo, 0);
		}
		printf("\n");
	}
	return fflush(stdout) ? -errno : 0;
}

static int line_row(struct row *row, const struct check_line *line)
{
	row_begin(row);
	row_cstring(row, "check", line->check);
	row_cstring(row, "name", line->name);
	row_cstring(row, "state", states[line->state]);
	row_cstring(row, "why", line->why);
	if (line->todo[0])
		row_cstring(row, "do", line->todo);
	if (line->scope) {
		row_u64(row, "cgroup_id", line->scope->entry.id);
		row_cstring(row, "hierarchy", hierarchy_text(line->scope->entry.hierarchy));
		row_u64(row, "level", line->scope->entry.level);
		row_cstring(row, "cgroup", line->scope->name);
		row_bool(row, "exclude", line->scope->entry.exclude);
	}
	if (line->bytes)
		row_u64(row, "bytes", line->bytes);
	return row_end(row);
}

int check_print_json(const struct check_report *report)
{
	struct row *row;
	struct buf out;
	int err;

	err = buf_init(&out, 16 * 1024, PRINT_LIMIT);
	if (err)
		return err;
	row = row_new(ROW_JSON, false, &out);
	if (!row)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < report->count; i++)
		err = line_row(row, &report->lines[i]);
	if (!err && (fwrite(buf_head(&out), 1, buf_length(&out), stdout) != buf_length(&out) ||
		     fflush(stdout)))
		err = -errno;
	row_free(row);
	buf_done(&out);
	return err;
}
