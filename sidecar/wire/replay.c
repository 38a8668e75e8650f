// SPDX-License-Identifier: Apache-2.0
#include "wire/replay.h"

#include <errno.h>
#include <stdlib.h>

#include "ringside.pb-c.h"
#include "wire/frame.h"
#include "wire/frame_row.h"
#include "wire/printer.h"
#include "wire/session.h"

struct replay {
	struct frame_arena *arena;
	struct printer *printer;
	struct row *frames; /* NULL: records are shown */
	const struct wire_kind *const *kinds;
	struct printer_source **sources;
	size_t source_count;
	struct printer_source *source; /* of the frames that come now */
};

struct replay *replay_new(enum row_format format, bool colour, bool frames,
			  const struct wire_kind *const *kinds, uint64_t mask, struct buf *out)
{
	struct replay *replay = calloc(1, sizeof(*replay));

	if (!replay)
		return NULL;
	replay->kinds = kinds;
	replay->arena = frame_arena_new(FRAME_ARENA);
	replay->printer = printer_new(frames ? ROW_NONE : format, colour, kinds, mask, out);
	if (frames)
		replay->frames = row_new_layout(format, colour, out, &row_frames);
	if (replay->arena && replay->printer && (replay->frames || !frames))
		return replay;
	replay_free(replay);
	return NULL;
}

void replay_free(struct replay *replay)
{
	if (!replay)
		return;
	for (size_t i = 0; i < replay->source_count; i++)
		printer_source_free(replay->sources[i]);
	free(replay->sources);
	row_free(replay->frames);
	printer_free(replay->printer);
	frame_arena_free(replay->arena);
	free(replay);
}

/* Sources are kept: a capture may go back and forth between them, and a loss that was shown is not shown again. */
static int enter_source(struct replay *replay, const Ringside__V1__Hello *hello,
			const char **ret_why)
{
	struct printer_source **sources;

	for (size_t i = 0; i < replay->source_count; i++) {
		if (printer_source_is(replay->sources[i], hello)) {
			replay->source = replay->sources[i];
			return 0;
		}
	}
	sources = reallocarray(replay->sources, replay->source_count + 1,
			       sizeof(struct printer_source *));
	if (!sources)
		return -ENOMEM;
	replay->sources = sources;
	sources[replay->source_count] = printer_source_new(hello, true);
	if (!sources[replay->source_count]) {
		*ret_why = "a Hello that is not valid";
		return -EBADMSG;
	}
	replay->source = sources[replay->source_count++];
	return 0;
}

int replay_frame(struct replay *replay, const uint8_t *message, size_t length, uint64_t offset,
		 size_t bytes, const char **ret_why)
{
	const Ringside__V1__AgentFrame *frame;
	struct session_frame decoded;
	int err;

	err = session_unpack(replay->arena, message, length, &decoded, ret_why);
	if (err)
		return err;
	frame = decoded.message;
	if (decoded.item == SESSION_HELLO) {
		err = enter_source(replay, frame->hello, ret_why);
	} else if (!replay->source) {
		*ret_why = "no Hello before it";
		err = -EBADMSG;
	} else {
		err = printer_frame(replay->printer, replay->source, frame, ret_why);
	}
	if (err || !replay->frames)
		return err;
	return frame_row(frame, replay->kinds, offset, bytes, replay->frames);
}
