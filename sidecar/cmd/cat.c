// SPDX-License-Identifier: Apache-2.0
/* `ringside cat`: prints a captured stream of frames. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/options.h"
#include "cmd/commands.h"
#include "probes/probe.h"
#include "wire/batch.h"
#include "wire/frame.h"
#include "wire/printer.h"
#include "wire/replay.h"

#define READ_BYTES  (64 * 1024)
#define FLUSH_BYTES (64 * 1024)
#define TEXT_MAX    (16 * 1024 * 1024) /* one frame's text, at most */

struct cat_config {
	const char *format;
	struct option_list kinds;
	bool frames;
};

static const struct option_def cat_options[] = {
	{"format", OPTION_ARGUMENT, "FORMAT",
	 "table, json (a line a record) or csv (default: a table on a terminal, json elsewhere)",
	 offsetof(struct cat_config, format), 0, 0},
	{"kind", OPTION_COMMA_LIST, "KIND,...",
	 "only these kinds: fork, exec, exit, getaddrinfo, write, profile, syscalls, loss "
	 "(default: all)",
	 offsetof(struct cat_config, kinds), 0, 0},
	{"frames", OPTION_FLAG, NULL, "show the frames themselves, not their records",
	 offsetof(struct cat_config, frames), 0, 0},
	{0},
};

struct cat {
	const char *name; /* of the input, for people */
	int fd;
	uint64_t offset; /* of the input's next frame */
	struct buf in, out;
	bool stdout_failed;
	struct replay *replay;
};

static int pick_format(const char *name, enum row_format *ret_format)
{
	if (!name) {
		*ret_format = isatty(STDOUT_FILENO) ? ROW_TABLE : ROW_JSON;
		return 0;
	}
	if (!strcmp(name, "table"))
		*ret_format = ROW_TABLE;
	else if (!strcmp(name, "json"))
		*ret_format = ROW_JSON;
	else if (!strcmp(name, "csv"))
		*ret_format = ROW_CSV;
	else
		return -EINVAL;
	return 0;
}

/* 0, or -EINVAL: logged. */
static int check_config(const struct cat_config *config, enum row_format *ret_format,
			uint64_t *ret_mask)
{
	if (pick_format(config->format, ret_format)) {
		log_line(LOG_ERROR, "wrong option", "command", "cat", "option", "--format", "value",
			 config->format, "why", "it takes table, json or csv", NULL);
		return -EINVAL;
	}
	*ret_mask = config->kinds.count ? 0 : UINT64_MAX;
	for (size_t i = 0; i < config->kinds.count; i++) {
		int bit = printer_kind(wire_kinds, config->kinds.value[i]);

		if (bit < 0) {
			log_line(LOG_ERROR, "wrong option", "command", "cat", "option", "--kind",
				 "value", config->kinds.value[i], "why",
				 "there is no such kind; --help lists them", NULL);
			return -EINVAL;
		}
		*ret_mask |= UINT64_C(1) << bit;
	}
	if (config->frames && config->kinds.count) {
		log_line(LOG_ERROR, "wrong option", "command", "cat", "option", "--frames", "why",
			 "frames are not of one kind: --kind does not go with it", NULL);
		return -EINVAL;
	}
	return 0;
}

/* 0 or -errno. A reader that has gone away is no news: nothing is logged for it. */
static int flush(struct cat *cat)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	while (buf_length(&cat->out)) {
		ssize_t n = write(STDOUT_FILENO, buf_head(&cat->out), buf_length(&cat->out));

		if (n > 0) {
			buf_consume(&cat->out, (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			poll(&out, 1, -1);
		} else if (n == 0 || errno != EINTR) {
			int err = n ? -errno : -EIO;

			cat->stdout_failed = true;
			if (err != -EPIPE)
				log_line(LOG_ERROR, "cannot write to stdout", "why", strerror(-err),
					 NULL);
			return err;
		}
	}
	return 0;
}

static int complain(const struct cat *cat, const char *why, int err)
{
	log_line(LOG_ERROR, "cannot read further", "file", cat->name, "offset",
		 log_u64(cat->offset), "why", why, NULL);
	return err;
}

/* Takes the frames that are whole out of `in`. */
static int print_frames(struct cat *cat)
{
	const uint8_t *message;
	const char *why = NULL;
	size_t length;
	long taken;
	int err = 0;

	while (!err && buf_length(&cat->in)) {
		taken = frame_next(buf_head(&cat->in), buf_length(&cat->in), FRAME_MAX, &message,
				   &length);
		if (taken == 0)
			return 0;
		if (taken < 0)
			return complain(cat,
					taken == -EMSGSIZE
						? "a frame longer than 1 MiB: not a capture file?"
						: "not a frame: not a capture file?",
					(int)taken);
		if (buf_length(&cat->out) >= FLUSH_BYTES)
			err = flush(cat);
		if (err)
			return err;
		err = replay_frame(cat->replay, message, length, cat->offset, (size_t)taken, &why);
		if (err)
			return complain(cat,
					err == -EBADMSG	 ? why
					: err == -ENOSPC ? "a frame's text is longer than 16 MiB"
							 : strerror(-err),
					err);
		buf_consume(&cat->in, (size_t)taken);
		cat->offset += (uint64_t)taken;
	}
	return err;
}

static int print_file(struct cat *cat)
{
	for (;;) {
		ssize_t n;
		int err;

		err = buf_reserve(&cat->in, READ_BYTES);
		if (err)
			return complain(cat, strerror(-err), err);
		n = read(cat->fd, cat->in.data + cat->in.tail, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain(cat, strerror(errno), -errno);
		if (n == 0)
			break;
		cat->in.tail += (size_t)n;
		err = print_frames(cat);
		if (!err)
			err = flush(cat);
		if (err)
			return err;
	}
	return buf_length(&cat->in) ? complain(cat, "the file ends within a frame", -EBADMSG) : 0;
}

static int open_input(struct cat *cat, const char *name)
{
	if (!strcmp(name, "-")) {
		cat->name = "stdin";
		cat->fd = STDIN_FILENO;
		return 0;
	}
	cat->name = name;
	cat->fd = open(name, O_RDONLY | O_CLOEXEC);
	if (cat->fd >= 0)
		return 0;
	log_line(LOG_ERROR, "cannot open", "file", name, "why", strerror(errno), NULL);
	return -errno;
}

int cat_main(int argc, char **argv)
{
	struct cat_config config = {0};
	struct option_list operands;
	enum row_format format;
	struct cat cat = {.fd = -1};
	uint64_t mask;
	int err;

	err = options_parse(
		"cat", "ringside cat [OPTION]... [FILE|-]",
		"Prints the records of a capture: a file that --capture wrote, or any stream of "
		"delimited "
		"AgentFrames that begins with a Hello. Without FILE, or with -, reads stdin.",
		cat_options, &config, argc, argv, 1, &operands);
	if (err)
		return err > 0 ? 0 : 2;
	if (check_config(&config, &format, &mask))
		return 2;
	buf_init(&cat.in, 0, FRAME_MAX + FRAME_PREFIX_MAX + READ_BYTES);
	buf_init(&cat.out, 0, TEXT_MAX + FLUSH_BYTES);
	err = open_input(&cat, operands.count ? operands.value[0] : "-");
	if (err)
		return 1;
	cat.replay = replay_new(format, format == ROW_TABLE && isatty(STDOUT_FILENO), config.frames,
				wire_kinds, mask, &cat.out);
	if (cat.replay) {
		err = print_file(&cat);
		/* What was read before an error is shown all the same. */
		if (!cat.stdout_failed && flush(&cat) && !err)
			err = -EIO;
	} else {
		log_line(LOG_ERROR, "cannot start", "command", "cat", "why", strerror(ENOMEM),
			 NULL);
		err = -ENOMEM;
	}
	replay_free(cat.replay);
	buf_done(&cat.out);
	buf_done(&cat.in);
	if (cat.fd > STDIN_FILENO)
		close(cat.fd);
	return err ? 1 : 0;
}
