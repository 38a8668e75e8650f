/* SPDX-License-Identifier: Apache-2.0 */
/* Finds where UTF-8 ends being UTF-8. Strict: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef RINGSIDE_BASE_UTF8_H
#define RINGSIDE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Length of the character at the start of `text` (`length` > 0), 1 to 4; or, where there is none, minus the bytes that one
 * U+FFFD stands for (the longest start of a character, at least 1: what the Unicode Standard recommends).
 */
int utf8_next(const uint8_t *text, size_t length);
/* How many bytes at the start of a text are UTF-8. */
size_t utf8_valid_length(const void *text, size_t length);
bool utf8_valid(const void *text, size_t length);
/* C0, DEL, C1 and what reorders or hides text on a terminal (bidirectional controls). `length` is what utf8_next gave. */
bool utf8_control(const uint8_t *character, int length);

#endif
