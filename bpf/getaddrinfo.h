/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The record of one call of getaddrinfo(3). */
#ifndef RINGSIDE_GETADDRINFO_H
#define RINGSIDE_GETADDRINFO_H

#include "event.h"

#define GETADDRINFO_NAME    1025 /* NI_MAXHOST: longest text that is kept, without its NUL */
#define GETADDRINFO_ANSWERS 32
#define GETADDRINFO_COUNT   256

/* Bits of getaddrinfo_event.present; the same as GetaddrinfoColumns.present. */
enum getaddrinfo_present {
	PRESENT_NODE = 1,
	PRESENT_SERVICE = 2,
	PRESENT_HINTS = 4,
	PRESENT_RESULT = 8,
};

struct getaddrinfo_answer {
	__s32 flags;
	__s32 family;
	__s32 socktype;
	__s32 protocol;
	__u32 addrlen;
	__u32 scope_id;
	__u16 port;	     /* host order */
	__u8 address_length; /* 0, 4 or 16 */
	__u8 has_canonname;
	__u8 address[16];	/* network order */
	__u32 canonname_length; /* without a NUL */
};
_Static_assert(sizeof(struct getaddrinfo_answer) == 48, "answer");

/*
 * Followed by `answers` entries, then the texts without NULs: node, service, then the canonical names of the entries
 * in their order.
 */
struct getaddrinfo_event {
	struct event_header header;
	__u64 latency_ns;
	__s32 result;
	__s32 hint_flags;
	__s32 hint_family;
	__s32 hint_socktype;
	__s32 hint_protocol;
	__u16 node_length;
	__u16 service_length;
	__u16 answers;
	__u16 answers_seen;
	__u32 present;
};
_Static_assert(sizeof(struct getaddrinfo_event) == 104, "getaddrinfo record");

#endif
