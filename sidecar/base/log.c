// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

/* A pipe that polls writable takes PIPE_BUF bytes, which is 4096 on Linux, without blocking. */
#define LINE_MAX_BYTES 4096
#define NUMBERS	       8
#define SENTENCE_MAX   512
#define PART_MAX       200 /* of it: a long value is not to leave the reason out */

static _Atomic int lowest = LOG_INFO;

static pthread_mutex_t error_lock = PTHREAD_MUTEX_INITIALIZER;
static char last_error[SENTENCE_MAX]; /* under error_lock */

struct line {
	char text[LINE_MAX_BYTES];
	size_t length;
};

void log_set_level(enum log_level level)
{
	atomic_store(&lowest, (int)level);
}

/* Cuts what doesn't fit; the line's end has its byte kept free. */
static void put(struct line *line, const char *text, size_t length)
{
	size_t room = sizeof(line->text) - 1 - line->length;

	if (length > room)
		length = room;
	memcpy(line->text + line->length, text, length);
	line->length += length;
}

static bool must_quote(const char *value)
{
	if (!*value)
		return true;
	for (const char *at = value; *at; at++) {
		unsigned char c = (unsigned char)*at;

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
			return true;
	}
	return false;
}

static char short_escape(uint8_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

static void put_escaped(struct line *line, const uint8_t *at, int step)
{
	char letter = short_escape(at[0]);

	if (letter) {
		put(line, (const char[]){'\\', letter}, 2);
		return;
	}
	if (step > 0 && !utf8_control(at, step)) {
		put(line, (const char *)at, (size_t)step);
		return;
	}
	for (int i = 0; i < (step < 0 ? -step : step); i++) {
		char hex[5];

		snprintf(hex, sizeof(hex), "\\x%02x", at[i]);
		put(line, hex, 4);
	}
}

static void put_value(struct line *line, const char *value)
{
	size_t left = strlen(value);

	if (!must_quote(value)) {
		put(line, value, left);
		return;
	}
	put(line, "\"", 1);
	while (left) {
		const uint8_t *at = (const uint8_t *)value;
		int step = utf8_next(at, left);
		size_t width = (size_t)(step < 0 ? -step : step);

		put_escaped(line, at, step);
		value += width;
		left -= width;
	}
	put(line, "\"", 1);
}

static void keep_error(const char *msg, va_list pairs)
{
	size_t used;
	const char *key;

	pthread_mutex_lock(&error_lock);
	used = (size_t)snprintf(last_error, sizeof(last_error), "%s", msg);
	while (used < sizeof(last_error) && (key = va_arg(pairs, const char *))) {
		const char *value = va_arg(pairs, const char *);

		if (value)
			used += (size_t)snprintf(last_error + used, sizeof(last_error) - used,
						 "; %s: %.*s", key, PART_MAX, value);
	}
	pthread_mutex_unlock(&error_lock);
}

void log_last_error(char *ret_text, size_t size)
{
	pthread_mutex_lock(&error_lock);
	snprintf(ret_text, size, "%s", last_error);
	pthread_mutex_unlock(&error_lock);
}

void log_line(enum log_level level, const char *msg, ...)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	struct line line = {.length = 0};
	const char *key;
	va_list pairs;

	if (level == LOG_ERROR) {
		va_start(pairs, msg);
		keep_error(msg, pairs);
		va_end(pairs);
	}
	if ((int)level < atomic_load(&lowest))
		return;
	put(&line, "level=", 6);
	put(&line, names[level], strlen(names[level]));
	put(&line, " msg=", 5);
	put_value(&line, msg);
	va_start(pairs, msg);
	while ((key = va_arg(pairs, const char *))) {
		const char *value = va_arg(pairs, const char *);

		if (!value)
			continue;
		put(&line, " ", 1);
		put(&line, key, strlen(key));
		put(&line, "=", 1);
		put_value(&line, value);
	}
	va_end(pairs);
	line.text[line.length++] = '\n';
	if (poll(&out, 1, 0) == 1 && out.revents & POLLOUT) {
		ssize_t written = write(STDERR_FILENO, line.text, line.length);

		(void)written; /* there is nowhere to report it to */
	}
}

static char *next_number(void)
{
	static _Thread_local char numbers[NUMBERS][24];
	static _Thread_local unsigned int next;

	return numbers[next++ % NUMBERS];
}

const char *log_u64(unsigned long long value)
{
	char *text = next_number();

	snprintf(text, 24, "%llu", value);
	return text;
}

const char *log_i64(long long value)
{
	char *text = next_number();

	snprintf(text, 24, "%lld", value);
	return text;
}
