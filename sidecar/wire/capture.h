/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes frames to a capture file: a sequence of delimited AgentFrames, an agent's Hello (without its token) before its first
 * frame and again wherever the source (agent and epoch) differs from that of the frame before. A file that takes nothing for
 * a while (a pipe, a full disk) is never waited for: frames stay in a bounded buffer and are written with the next ones;
 * what the buffer has no room for is left out, whole. One thread at a time.
 */
#ifndef RINGSIDE_WIRE_CAPTURE_H
#define RINGSIDE_WIRE_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#define CAPTURE_BUFFER (4 * 1024 * 1024)

struct capture;

/* Makes the file anew, for its owner alone: arguments hold secrets. 0 or -errno. */
int capture_open(const char *path, struct capture **ret_capture);
/*
 * The source of the frames that follow: its Hello, as a delimited frame. Cheap where it is the same bytes as the last. 0 or
 * -EBADMSG: it is no Hello.
 */
int capture_source(struct capture *capture, const uint8_t *hello, size_t length);
/* One delimited frame. 0; -ENOBUFS: left out; another -errno: why the file does not grow (the frame is kept for later). */
int capture_frame(struct capture *capture, const uint8_t *frame, size_t length);
/*
 * Writes what is left, for half a second at most; a file then ends with a whole frame. 0, or the -errno that kept some of it
 * out. ret_missed (may be NULL): all frames that are not there.
 */
int capture_close(struct capture *capture, uint64_t *ret_missed);

#endif
