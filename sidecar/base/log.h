/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines in logfmt on stderr: `level=error msg="..." key=value ...`. Values are quoted and escaped where they must be.
 * Any thread; each line is one write(2), and one that would block is dropped.
 *
 *   log_line(LOG_ERROR, "cannot listen", "address", address, "why", strerror(e), "do", "choose another port", NULL);
 */
#ifndef RINGSIDE_BASE_LOG_H
#define RINGSIDE_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
/* Pairs of key and value (both char *), ended by NULL; a NULL value leaves the pair out. */
void log_line(enum log_level level, const char *msg, ...) __attribute__((sentinel));
/* The last line of LOG_ERROR as a sentence, `msg; key: value; ...`, cut to size - 1 bytes; empty: there was none. */
void log_last_error(char *ret_text, size_t size);
/* For numbers among the pairs: up to four results live at once on each thread. */
const char *log_u64(unsigned long long value);
const char *log_i64(long long value);

#endif
