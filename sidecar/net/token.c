// SPDX-License-Identifier: Apache-2.0
#include "net/token.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/watched.h"
#include "wire/session.h"

#define FILE_LIMIT    (4 * 1024 * 1024)
#define BLANKS	      " \t\r"
#define LOOK_AGAIN_NS 1000000000ull

struct rule {
	struct rule *next;
	char token[TOKEN_MAX]; /* filled up with zeroes */
	char *agent;
	char *attributes; /* globs, each ended by a NUL, then an empty one */
};

struct tokens {
	struct watched file;
	struct rule *rules;
	uint64_t looked_ns;
};

/* -EILSEQ: a NUL stands in it, behind which nothing would be seen. */
static int read_text(const char *path, struct buf *text)
{
	int err;

	(void)buf_init(text, 0, FILE_LIMIT);
	err = buf_read_file(text, path);
	if (!err && buf_length(text) && memchr(buf_head(text), '\0', buf_length(text)))
		err = -EILSEQ;
	/* The end of the text, and of its last word. */
	return err ? err : buf_put(text, "", 1);
}

static void forget(struct buf *text)
{
	if (text->data)
		explicit_bzero(text->data, text->capacity);
	buf_done(text);
}

int token_parse(const char *text, char ret_token[static TOKEN_MAX + 1])
{
	const char *word = text + strspn(text, BLANKS "\n");
	const size_t length = strcspn(word, BLANKS "\n");
	const char *rest = word + length;

	if (length < TOKEN_MIN || length > TOKEN_MAX || rest[strspn(rest, BLANKS "\n")])
		return -EINVAL;
	snprintf(ret_token, TOKEN_MAX + 1, "%.*s", (int)length, word);
	return 0;
}

int token_read(const char *path, char ret_token[static TOKEN_MAX + 1])
{
	struct buf text;
	int err = read_text(path, &text);

	if (!err)
		err = token_parse((const char *)buf_head(&text), ret_token);
	forget(&text);
	return err == -EILSEQ ? -EINVAL : err;
}

static void rules_free(struct rule *rules)
{
	struct rule *next;

	for (; rules; rules = next) {
		next = rules->next;
		explicit_bzero(rules->token, sizeof(rules->token));
		free(rules->agent);
		free(rules->attributes);
		free(rules);
	}
}

/* The next word of the line, ended by a NUL in place; NULL: there is none. */
static char *next_word(char **line)
{
	char *word = *line + strspn(*line, BLANKS);
	char *end = word + strcspn(word, BLANKS);

	*line = *end ? end + 1 : end;
	*end = '\0';
	return *word ? word : NULL;
}

static int add_rule(char *line, struct rule **rules, const char **ret_why)
{
	const char *token = next_word(&line), *agent, *attribute;
	struct rule *rule;
	struct buf attributes;
	int err = 0;

	if (!token || *token == '#')
		return 0;
	agent = next_word(&line);
	*ret_why = "a token has 16 to 256 bytes";
	if (strlen(token) < TOKEN_MIN || strlen(token) > TOKEN_MAX)
		return -EINVAL;
	*ret_why = "no agent id stands behind the token; * is for all";
	if (!agent)
		return -EINVAL;
	rule = calloc(1, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	rule->next = *rules;
	*rules = rule;
	memcpy(rule->token, token, strlen(token));
	rule->agent = strdup(agent);
	(void)buf_init(&attributes, 0, FILE_LIMIT);
	*ret_why = "an attribute is not KEY=VALUE";
	while (!err && (attribute = next_word(&line)))
		err = strchr(attribute, '=')
			      ? buf_put(&attributes, attribute, strlen(attribute) + 1)
			      : -EINVAL;
	if (!err)
		err = buf_put(&attributes, "", 1);
	rule->attributes = (char *)attributes.data;
	return err ? err : rule->agent ? 0 : -ENOMEM;
}

static int read_rules(const char *path, struct rule **ret_rules, char *ret_why, size_t size)
{
	struct rule *rules = NULL;
	const char *why = NULL;
	unsigned int number = 0;
	struct buf text;
	char *line, *next;
	int err;

	err = read_text(path, &text);
	for (line = (char *)buf_head(&text); !err && line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		err = add_rule(line, &rules, &why);
	}
	forget(&text);
	if (!err && !rules) {
		err = -EINVAL;
		snprintf(ret_why, size, "it holds no token");
	} else if (err == -EINVAL) {
		snprintf(ret_why, size, "line %u: %s", number, why);
	} else if (err == -EILSEQ) {
		snprintf(ret_why, size, "it holds a NUL byte");
	} else if (err) {
		snprintf(ret_why, size, "%s", strerror(-err));
	}
	if (err)
		rules_free(rules);
	else
		*ret_rules = rules;
	return err;
}

int tokens_new(const char *path, struct tokens **ret_tokens, char *ret_why, size_t size)
{
	struct tokens *tokens = calloc(1, sizeof(*tokens));
	int err;

	if (!tokens)
		return -ENOMEM;
	tokens->file.path = path;
	tokens->looked_ns = clock_monotonic_ns();
	(void)watched_moved(&tokens->file);
	err = read_rules(path, &tokens->rules, ret_why, size);
	if (err) {
		tokens_free(tokens);
		return err;
	}
	*ret_tokens = tokens;
	return 0;
}

void tokens_free(struct tokens *tokens)
{
	if (!tokens)
		return;
	rules_free(tokens->rules);
	free(tokens);
}

int tokens_look_again(struct tokens *tokens, char *ret_why, size_t size)
{
	const uint64_t now = clock_monotonic_ns();
	struct rule *rules;
	int err;

	if (now - tokens->looked_ns < LOOK_AGAIN_NS)
		return 0;
	tokens->looked_ns = now;
	if (!watched_moved(&tokens->file))
		return 0;
	err = read_rules(tokens->file.path, &rules, ret_why, size);
	if (err)
		return err;
	rules_free(tokens->rules);
	tokens->rules = rules;
	return 1;
}

static bool same_token(const struct rule *rule, const char given[static TOKEN_MAX])
{
	volatile unsigned char differs = 0;

	for (size_t i = 0; i < TOKEN_MAX; i++)
		differs |= (unsigned char)(rule->token[i] ^ given[i]);
	return !differs;
}

static bool may_claim(const struct rule *rule, const struct session_attribute *attribute)
{
	char text[4096];
	int length = snprintf(text, sizeof(text), "%.*s=%.*s", (int)attribute->key.length,
			      (const char *)attribute->key.data, (int)attribute->value.length,
			      (const char *)attribute->value.data);

	/* A NUL within it would hide the rest from the glob. */
	if ((size_t)length != attribute->key.length + 1 + attribute->value.length)
		return false;
	for (const char *glob = rule->attributes; *glob; glob += strlen(glob) + 1)
		if (!fnmatch(glob, text, 0))
			return true;
	return false;
}

static const char *refuse_by(const struct rule *rule, const struct session_frame *hello)
{
	char agent[SESSION_AGENT_ID + 1];

	snprintf(agent, sizeof(agent), "%.*s", (int)hello->hello.agent_id.length,
		 (const char *)hello->hello.agent_id.data);
	if (fnmatch(rule->agent, agent, 0))
		return "the token is not for this agent id";
	for (size_t i = 0; i < hello->hello.attribute_count && *rule->attributes; i++) {
		const struct session_attribute attribute = session_hello_attribute(hello, i);

		if (!may_claim(rule, &attribute))
			return "the token does not allow all attributes that are claimed";
	}
	return NULL;
}

const char *tokens_refuse(const struct tokens *tokens, const struct session_frame *hello)
{
	const struct session_text *token = &hello->hello.token;
	const char *why = "the token is not known", *one;
	char given[TOKEN_MAX] = "";
	bool passes = false;

	if (!token->length)
		return "no token came, and this collector asks for one";
	if (token->length < TOKEN_MIN || token->length > TOKEN_MAX)
		return why;
	memcpy(given, token->data, token->length);
	for (const struct rule *rule = tokens->rules; rule; rule = rule->next) {
		if (!same_token(rule, given))
			continue;
		one = refuse_by(rule, hello);
		passes = passes || !one;
		why = one ? one : why;
	}
	return passes ? NULL : why;
}
