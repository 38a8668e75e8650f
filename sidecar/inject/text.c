// SPDX-License-Identifier: Apache-2.0
/* From text to text. */
#include <errno.h>
#include <string.h>

#include "inject/locate.h"
#include "inject/work.h"

/* As the input: four spaces (kubectl), two, or one line. */
static yyjson_write_flag style_of(const char *text, size_t length)
{
	const char *newline = memchr(text, '\n', length);
	size_t indent = 0;

	/* A newline at the end alone is none. */
	if (!newline || newline == text + length - 1)
		return 0;
	while (newline + 1 + indent < text + length && newline[1 + indent] == ' ')
		indent++;
	return indent == 2 ? YYJSON_WRITE_PRETTY_TWO_SPACES : YYJSON_WRITE_PRETTY;
}

static void say_where(const char *text, size_t length, size_t at, struct inject_trouble *trouble)
{
	size_t character;

	if (!yyjson_locate_pos(text, length, at, &trouble->line, &trouble->column, &character))
		trouble->line = trouble->column = 0;
}

static int not_json(const char *text, size_t length, const yyjson_read_err *error,
		    struct inject_trouble *trouble)
{
	const size_t at = error->pos < length ? error->pos : length;

	if (error->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return -ENOMEM;
	snprintf(trouble->why, sizeof(trouble->why), "%s", error->msg);
	say_where(text, length, at, trouble);
	return -EINVAL;
}

static int write_out(const yyjson_mut_doc *doc, yyjson_write_flag style, char **ret_text,
		     size_t *ret_length)
{
	*ret_text = yyjson_mut_write(doc, style | YYJSON_WRITE_NEWLINE_AT_END, ret_length);
	return *ret_text ? 0 : -ENOMEM;
}

int inject_text(const struct inject_change *change, const char *text, size_t length,
		char **ret_text, size_t *ret_length, struct inject_trouble *ret_trouble)
{
	struct work work = {.change = change, .trouble = ret_trouble};
	yyjson_doc *sidecar = NULL, *doc;
	yyjson_read_err error;
	int err;

	*ret_trouble = (struct inject_trouble){.todo = NULL};
	/* Nothing is written to the text without YYJSON_READ_INSITU. */
	doc = yyjson_read_opts((char *)(uintptr_t)text, length, YYJSON_READ_NUMBER_AS_RAW, NULL,
			       &error);
	if (!doc)
		return not_json(text, length, &error, ret_trouble);
	sidecar = sidecar_read();
	work.sidecar = yyjson_doc_get_root(sidecar);
	work.doc = yyjson_doc_mut_copy(doc, NULL);
	yyjson_doc_free(doc);
	err = sidecar && work.doc ? object_change(&work) : -ENOMEM;
	if (err == -EINVAL)
		say_where(text, length, (size_t)(locate(text, ret_trouble->path) - text),
			  ret_trouble);
	if (!err)
		err = write_out(work.doc, style_of(text, length), ret_text, ret_length);
	yyjson_mut_doc_free(work.doc);
	yyjson_doc_free(sidecar);
	return err;
}
