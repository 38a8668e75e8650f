// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire_test.h"
#include "wire/capture.h"
#include "wire/replay.h"

static char directory[] = "/tmp/ringside-capture-XXXXXX", path[64];
static struct buf frame, hello_a, hello_b, file, text;

static int setup(void **state)
{
	(void)state;
	strcpy(directory + sizeof(directory) - 7, "XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/capture", directory);
	if (buf_init(&frame, 0, FRAME_MAX + 16) || buf_init(&hello_a, 0, 4096) ||
	    buf_init(&hello_b, 0, 4096) || buf_init(&file, 0, 16 << 20) ||
	    buf_init(&text, 0, 16 << 20))
		return -1;
	put_hello(&hello_a, "agent-a", 1, "secret");
	put_hello(&hello_b, "agent-b", 2, "secret");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	rmdir(directory);
	buf_done(&frame);
	buf_done(&hello_a);
	buf_done(&hello_b);
	buf_done(&file);
	buf_done(&text);
	return 0;
}

static void make_batch(uint64_t first_seq)
{
	struct batch *batch = batch_new(1, test_kinds, (struct cgroup_namer){0});
	struct numbers_event event = numbers_event(START_TIME, first_seq, 1);

	assert_non_null(batch);
	buf_clear(&frame);
	assert_int_equal(batch_append(batch, &event.header), 0);
	assert_int_equal(batch_seal(batch, first_seq, OFFSET, &frame), 0);
	batch_free(batch);
}

static int put_batch(struct capture *capture, uint64_t seq)
{
	make_batch(seq);
	return capture_frame(capture, buf_head(&frame), buf_length(&frame));
}

static int from(struct capture *capture, const struct buf *hello)
{
	return capture_source(capture, buf_head(hello), buf_length(hello));
}

static void read_file(int fd)
{
	ssize_t n;

	buf_clear(&file);
	do {
		assert_int_equal(buf_reserve(&file, 65536), 0);
		n = read(fd, file.data + file.tail, 65536);
		if (n > 0)
			file.tail += (size_t)n;
	} while (n > 0);
}

static void read_path(void)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	read_file(fd);
	close(fd);
}

/* Prints `file`; what replay_frame returned for the first frame that it did not take, or for the last. */
static int replay_file(enum row_format format, bool frames, const char **ret_why)
{
	struct replay *replay = replay_new(format, false, frames, test_kinds, UINT64_MAX, &text);
	size_t at = 0;
	int err = 0;

	assert_non_null(replay);
	while (!err && at < buf_length(&file)) {
		const uint8_t *message;
		size_t length;
		long taken = frame_next(buf_head(&file) + at, buf_length(&file) - at, FRAME_MAX,
					&message, &length);

		assert_true(taken > 0);
		err = replay_frame(replay, message, length, at, (size_t)taken, ret_why);
		at += (size_t)taken;
	}
	replay_free(replay);
	return err;
}

static const char *replay_ok(enum row_format format, bool frames)
{
	const char *why = "";

	buf_clear(&text);
	if (replay_file(format, frames, &why))
		fail_msg("%s", why);
	return buf_text(&text);
}

static size_t occurrences(const char *needle)
{
	size_t count = 0;

	for (const char *at = strstr(buf_text(&text), needle); at; at = strstr(at + 1, needle))
		count++;
	return count;
}

static void a_source_is_named_first_and_whenever_it_changes(void **state)
{
	struct capture *capture;

	(void)state;
	assert_int_equal(capture_open(path, &capture), 0);
	assert_int_equal(from(capture, &hello_a), 0);
	assert_int_equal(put_batch(capture, 0), 0);
	assert_int_equal(from(capture, &hello_a), 0);
	assert_int_equal(put_batch(capture, 1), 0);
	assert_int_equal(from(capture, &hello_b), 0);
	assert_int_equal(put_batch(capture, 100), 0);
	assert_int_equal(from(capture, &hello_a), 0);
	assert_int_equal(put_batch(capture, 2), 0);
	/* Sources that send nothing are not in the file. */
	assert_int_equal(from(capture, &hello_b), 0);
	assert_int_equal(capture_close(capture, NULL), 0);
	read_path();
	replay_ok(ROW_JSON, true);
	assert_int_equal(occurrences("\"type\":\"hello\""), 3);
	assert_int_equal(occurrences("\"type\":\"batch\""), 4);
	replay_ok(ROW_JSON, false);
	assert_contains(
		&text,
		"\"agent\":\"agent-b\",\"epoch\":\"0000000000000002\",\"stream\":1,\"seq\":100,");
	assert_contains(
		&text,
		"\"agent\":\"agent-a\",\"epoch\":\"0000000000000001\",\"stream\":1,\"seq\":2,");
	assert_int_equal(occurrences("\"attributes\":{\"host.name\":"), 4);
}

static void a_new_hello_of_the_same_agent_and_epoch_is_not_written_again(void **state)
{
	struct capture *capture;
	struct buf again;

	(void)state;
	assert_int_equal(buf_init(&again, 0, 4096), 0);
	put_hello(&again, "agent-a", 1, "another token");
	assert_int_equal(capture_open(path, &capture), 0);
	assert_int_equal(from(capture, &hello_a), 0);
	assert_int_equal(put_batch(capture, 0), 0);
	assert_int_equal(from(capture, &again), 0);
	assert_int_equal(put_batch(capture, 1), 0);
	assert_int_equal(capture_close(capture, NULL), 0);
	read_path();
	replay_ok(ROW_JSON, true);
	assert_int_equal(occurrences("\"type\":\"hello\""), 1);
	buf_done(&again);
}

static void the_token_stays_out_and_strangers_may_not_read(void **state)
{
	struct capture *capture;
	struct stat status;

	(void)state;
	assert_int_equal(capture_open(path, &capture), 0);
	assert_int_equal(from(capture, &hello_a), 0);
	assert_int_equal(put_batch(capture, 0), 0);
	assert_int_equal(capture_close(capture, NULL), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	read_path();
	assert_null(memmem(buf_head(&file), buf_length(&file), "secret", 6));
	assert_non_null(memmem(buf_head(&file), buf_length(&file), "agent-a", 7));
}

static void what_is_no_hello_is_no_source(void **state)
{
	struct capture *capture;

	(void)state;
	assert_int_equal(capture_open(path, &capture), 0);
	make_batch(0);
	assert_int_equal(from(capture, &frame), -EBADMSG);
	assert_int_equal(capture_source(capture, NULL, 0), -EBADMSG);
	assert_int_equal(capture_source(capture, buf_head(&hello_a), buf_length(&hello_a) - 1),
			 -EBADMSG);
	assert_int_equal(capture_close(capture, NULL), 0);
	assert_int_equal(capture_close(NULL, NULL), 0);
	assert_int_equal(capture_open("/nonexistent/capture", &capture), -ENOENT);
}

static void a_reader_that_stalls_costs_whole_frames_and_no_time(void **state)
{
	struct capture *capture;
	uint64_t sent = 0, missed;
	int reader, err;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	assert_int_equal(capture_open(path, &capture), 0);
	assert_int_equal(from(capture, &hello_a), 0);
	while (!(err = put_batch(capture, sent)))
		sent++;
	assert_int_equal(err, -ENOBUFS);
	assert_true(sent * buf_length(&frame) > CAPTURE_BUFFER / 2);
	/* The pipe's part is read: what comes next fits again. */
	read_file(reader);
	assert_int_equal(put_batch(capture, sent + 1), 0);
	close(reader);
	/* A closed pipe is said once, at the latest at the end; SIGPIPE is the program's to ignore. */
	assert_int_equal(capture_close(capture, &missed), -EPIPE);
	assert_true(missed > 1 && missed <= sent + 2);
	/* Whole frames up to where the pipe was cut. */
	for (size_t at = 0; at < buf_length(&file);) {
		const uint8_t *message;
		size_t length;
		long taken = frame_next(buf_head(&file) + at, buf_length(&file) - at, FRAME_MAX,
					&message, &length);

		assert_true(taken >= 0);
		if (!taken)
			break;
		at += (size_t)taken;
	}
}

static void a_full_disk_is_reported_and_frames_wait(void **state)
{
	struct capture *capture;
	uint64_t missed;

	(void)state;
	assert_int_equal(capture_open("/dev/full", &capture), 0);
	assert_int_equal(from(capture, &hello_a), 0);
	assert_int_equal(put_batch(capture, 0), -ENOSPC);
	assert_int_equal(put_batch(capture, 1), -ENOSPC);
	/* Two batches and the Hello before them. */
	assert_int_equal(capture_close(capture, &missed), -ENOSPC);
	assert_int_equal(missed, 3);
}

static void append_raw(const struct buf *from_buf)
{
	assert_int_equal(buf_put(&file, buf_head(from_buf), buf_length(from_buf)), 0);
}

static void frames_without_a_source_are_refused(void **state)
{
	const char *why = "";

	(void)state;
	buf_clear(&file);
	make_batch(0);
	append_raw(&frame);
	assert_int_equal(replay_file(ROW_JSON, false, &why), -EBADMSG);
	assert_non_null(strstr(why, "Hello"));
}

static void frames_of_later_versions_are_passed_over(void **state)
{
	(void)state;
	buf_clear(&file);
	append_raw(&hello_a);
	/* Member 15 of the frame: an empty message. */
	assert_int_equal(buf_put(&file, "\x02\x7a\x00", 3), 0);
	make_batch(7);
	append_raw(&frame);
	replay_ok(ROW_JSON, false);
	assert_contains(&text, "\"seq\":7,");
	replay_ok(ROW_JSON, true);
	assert_contains(&text, "\"type\":\"unknown\",\"bytes\":3}");
}

static void frames_are_shown_in_every_format(void **state)
{
	(void)state;
	buf_clear(&file);
	append_raw(&hello_a);
	make_batch(7);
	append_raw(&frame);
	replay_ok(ROW_JSON, true);
	assert_contains(&text, "{\"offset\":0,\"type\":\"hello\",\"bytes\":");
	assert_contains(&text, "\"stream\":1,\"first_seq\":7,\"count\":1,");
	assert_contains(&text, "\"kinds\":{\"numbers\":1}}\n");
	replay_ok(ROW_TABLE, true);
	assert_contains(&text, "    OFFSET TYPE         BYTES STREAM  FIRST_SEQ  COUNT DETAILS\n");
	assert_contains(&text, "kinds={numbers=1}\n");
	replay_ok(ROW_CSV, true);
	assert_contains(&text, "offset,type,bytes,stream,first_seq,count,fields\n0,hello,");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_source_is_named_first_and_whenever_it_changes),
		TEST(a_new_hello_of_the_same_agent_and_epoch_is_not_written_again),
		TEST(the_token_stays_out_and_strangers_may_not_read),
		TEST(what_is_no_hello_is_no_source),
		TEST(a_reader_that_stalls_costs_whole_frames_and_no_time),
		TEST(a_full_disk_is_reported_and_frames_wait),
		TEST(frames_without_a_source_are_refused),
		TEST(frames_of_later_versions_are_passed_over),
		TEST(frames_are_shown_in_every_format),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
