/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: a secret that the sidecar shows, and the collector's list of who may show which. The list has one rule a
 * line, its words parted by blanks; `#` begins a comment:
 *
 *   TOKEN AGENT [ATTRIBUTE]...
 *
 * AGENT is a glob that the agent id must match. Each ATTRIBUTE is a glob over KEY=VALUE, and each attribute that the agent
 * claims must match one of them; without any, it may claim what it likes. A token may stand in several lines.
 */
#ifndef RINGSIDE_NET_TOKEN_H
#define RINGSIDE_NET_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#define TOKEN_MIN 16
#define TOKEN_MAX 256

struct session_frame;
struct tokens;

/* The one word of a text. 0; -EINVAL: it is not one word of TOKEN_MIN to TOKEN_MAX bytes. */
int token_parse(const char *text, char ret_token[static TOKEN_MAX + 1]);
/* The same of what the sidecar's file holds; or another -errno. */
int token_read(const char *path, char ret_token[static TOKEN_MAX + 1]);

/* Reads the collector's list, whose path is borrowed. 0, or -errno with ret_why (text of `size` bytes). */
int tokens_new(const char *path, struct tokens **ret_tokens, char *ret_why, size_t size);
void tokens_free(struct tokens *tokens);
/*
 * Looks whether the file is another one, once a second at most. 0: it is not; 1: it was read; -errno with ret_why: it
 * can't be used, the old list stays, and this is told once.
 */
int tokens_look_again(struct tokens *tokens, char *ret_why, size_t size);
/* NULL: the Hello may pass; else why not. It takes the same time however much of a token is right. */
const char *tokens_refuse(const struct tokens *tokens, const struct session_frame *hello);

#endif
