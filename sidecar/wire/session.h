/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of a session as plain structs, so that net/ and cmd/ speak the protocol without knowing protobuf. Every
 * session_put_* appends one delimited frame to `out`: 0, -ENOSPC or -ENOMEM. Texts in decoded frames are borrowed from
 * the arena that they were unpacked in.
 */
#ifndef RINGSIDE_WIRE_SESSION_H
#define RINGSIDE_WIRE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_VERSION	   1
#define SESSION_FRAME_CAP  (1024 * 1024)
#define SESSION_STREAMS	   2 /* sequenced ones */
#define SESSION_ATTRIBUTES 64
#define SESSION_PROBES	   16
#define SESSION_REASONS	   6
#define SESSION_CAUSES	   2
#define SESSION_AGENT_ID   255

struct buf;
struct frame_arena;

struct session_text {
	const void *data;
	size_t length;
};

struct session_attribute {
	struct session_text key, value;
};

struct session_hello {
	uint32_t protocol_min, protocol_max;
	struct session_text agent_id;
	uint8_t boot_id[16];
	uint64_t epoch;
	uint64_t next_seq[SESSION_STREAMS]; /* lowest that is not acknowledged */
	const struct session_attribute
		*attributes; /* borrowed; not filled in by decoding: see session_hello_attribute */
	size_t attribute_count; /* at most SESSION_ATTRIBUTES */
	uint64_t boottime_ns, realtime_ns;
	struct session_text token, version;
	struct session_text standby; /* why it observes nothing; empty: it does */
};

/* The accounting of one probe and of one stream; Heartbeat and Bye carry it. See proto/ringside.proto. */
struct session_probe {
	char name[32];
	uint32_t stream;
	uint64_t produced;
	uint64_t lost[SESSION_REASONS];
	uint64_t taken;
	uint64_t prog_missed;
};

struct session_stream {
	uint64_t taken;
	uint64_t next_seq;
	uint64_t evicted[SESSION_CAUSES];
};

struct session_account {
	uint64_t boottime_ns, realtime_ns;
	struct session_probe probes[SESSION_PROBES];
	size_t probe_count;
	bool has_streams; /* false: a sign of life only */
	struct session_stream streams[SESSION_STREAMS];
};

enum session_error {
	SESSION_ERROR_PROTOCOL = 1,
	SESSION_ERROR_IN_USE = 2,
	SESSION_ERROR_NOT_ALLOWED = 3,
	SESSION_ERROR_TOO_LARGE = 4,
	SESSION_ERROR_SEQUENCE = 5,
};

struct session_welcome {
	uint32_t version;
	uint32_t frame_cap;
	uint64_t credit;
	uint32_t heartbeat_ms;
	bool durable;
	uint64_t stored[SESSION_STREAMS];
};

/* ---- agent to collector */

int session_put_hello(struct buf *out, const struct session_hello *hello);
int session_put_gap(struct buf *out, uint32_t stream, uint64_t first, uint64_t last,
		    uint32_t cause);
int session_put_heartbeat(struct buf *out, const struct session_account *account);
int session_put_bye(struct buf *out, const struct session_account *account);

enum session_item {
	SESSION_UNKNOWN, /* of a later version: to be ignored */
	SESSION_HELLO,
	SESSION_BATCH,
	SESSION_GAP,
	SESSION_COUNTERS,
	SESSION_HEARTBEAT,
	SESSION_BYE,
};

/* An AgentFrame as the collector takes it. */
struct session_frame {
	enum session_item item;
	union {
		struct session_hello hello;
		struct {
			uint32_t stream;
			uint64_t first;
			uint64_t count;		/* at least 1; first + count does not wrap */
			uint32_t cause;		/* of a gap */
		} range;			/* SESSION_BATCH, SESSION_GAP */
		struct session_account account; /* SESSION_HEARTBEAT, SESSION_BYE */
	};
	const void *
		message; /* the Ringside__V1__AgentFrame, for the printer; lives until the arena's next unpack */
	const uint8_t *data; /* its delimited bytes, as received */
	size_t length;
};

/*
 * Unpacks the message at `data` (without its prefix). 0; -EBADMSG with ret_why (static text): malformed, past the arena's
 * cap, or a field out of its range. `message`, `data` and `length` of the frame as above, but data is left to the caller.
 */
int session_unpack(struct frame_arena *arena, const uint8_t *data, size_t length,
		   struct session_frame *ret_frame, const char **ret_why);

/* The Hello's attribute with that index, below attribute_count; borrowed as `message` is. */
struct session_attribute session_hello_attribute(const struct session_frame *hello, size_t index);

/* ---- collector to agent */

int session_put_welcome(struct buf *out, const struct session_welcome *welcome);
int session_put_error(struct buf *out, enum session_error code, const char *text);
int session_put_ack(struct buf *out, const uint64_t next_seq[SESSION_STREAMS], uint64_t credit);
int session_put_collector_heartbeat(struct buf *out, uint64_t realtime_ns);
int session_put_collector_bye(struct buf *out, bool drain);

enum session_reply_item {
	SESSION_REPLY_UNKNOWN,
	SESSION_REPLY_WELCOME,
	SESSION_REPLY_ERROR,
	SESSION_REPLY_ACK,
	SESSION_REPLY_HEARTBEAT,
	SESSION_REPLY_BYE,
};

/* A CollectorFrame as the agent takes it. */
struct session_reply {
	enum session_reply_item item;
	union {
		struct session_welcome welcome;
		struct {
			uint32_t code;
			struct session_text text;
		} error;
		struct {
			bool has[SESSION_STREAMS];
			uint64_t next_seq[SESSION_STREAMS];
			uint64_t credit;
		} ack;
		bool drain; /* SESSION_REPLY_BYE */
	};
};

int session_unpack_reply(struct frame_arena *arena, const uint8_t *data, size_t length,
			 struct session_reply *ret_reply);

#endif
