/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answer of getaddrinfo(3), read from the caller's memory into a scratch slot: entries behind the record's fixed part, then
 * texts. glibc's and musl's struct addrinfo have the same layout on 64-bit machines.
 */
#ifndef RINGSIDE_ADDRINFO_BPF_H
#define RINGSIDE_ADDRINFO_BPF_H

#include "getaddrinfo.h"
#include "event.bpf.h"

#define TEXT (GETADDRINFO_NAME + 1)
/* Of the room that a record is built in: the record is below, the canonical names' addresses are above. */
#define ANSWERS_END  8192
#define ANSWERS_ROOM (ANSWERS_END + 1152) /* a text may be read across the end */

struct addrinfo {
	__s32 flags, family, socktype, protocol;
	__u32 addrlen, reserved;
	__u64 addr, canonname, next;
};

struct sockaddr_any {
	__u16 family;
	__u8 port[2];
	__u8 v4_or_flow[4];
	__u8 v6[16];
	__u32 scope_id;
};

#define AF_INET	 2
#define AF_INET6 10

static __always_inline void fill_answer(struct getaddrinfo_answer *answer,
					const struct addrinfo *info, __u16 *flags)
{
	struct sockaddr_any address = {};

	__builtin_memset(answer, 0, sizeof(*answer));
	answer->flags = info->flags;
	answer->family = info->family;
	answer->socktype = info->socktype;
	answer->protocol = info->protocol;
	answer->addrlen = info->addrlen;
	answer->has_canonname = info->canonname != 0;
	if (info->family == AF_INET) {
		if (bpf_probe_read_user(&address, 16, (const void *)info->addr)) {
			*flags |= EVENT_FAULT;
			return;
		}
		answer->address_length = 4;
		__builtin_memcpy(answer->address, address.v4_or_flow, 4);
	} else if (info->family == AF_INET6) {
		if (bpf_probe_read_user(&address, sizeof(address), (const void *)info->addr)) {
			*flags |= EVENT_FAULT;
			return;
		}
		answer->address_length = 16;
		__builtin_memcpy(answer->address, address.v6, 16);
		answer->scope_id = address.scope_id;
	}
	answer->port = (__u16)(address.port[0] << 8 | address.port[1]);
}

/* Walks the list: 32 entries into the record, counting on to 256. Canonical names' addresses go above the record. */
static __noinline int read_answers(struct scratch *scratch, __u64 next)
{
	struct getaddrinfo_event *event = (struct getaddrinfo_event *)scratch;
	__u16 flags = event->header.flags;
	__u32 seen = 0;

	for (__u32 i = 0; i < GETADDRINFO_COUNT; i++) {
		struct addrinfo info;

		if (!next)
			break;
		if (bpf_probe_read_user(&info, sizeof(info), (const void *)next)) {
			flags |= EVENT_FAULT;
			break;
		}
		seen++;
		next = info.next;
		if (i < GETADDRINFO_ANSWERS) {
			__u64 *names = (void *)scratch + ANSWERS_END;

			fill_answer((void *)(event + 1) + i * sizeof(struct getaddrinfo_answer),
				    &info, &flags);
			names[i] = info.canonname;
		} else {
			flags |= EVENT_TRUNCATED;
		}
	}
	event->answers_seen = (__u16)seen;
	event->answers = (__u16)(seen < GETADDRINFO_ANSWERS ? seen : GETADDRINFO_ANSWERS);
	event->header.flags = flags;
	return 0;
}

static __noinline __u32 put_canonnames(struct scratch *scratch, __u32 used)
{
	struct getaddrinfo_event *event = (struct getaddrinfo_event *)scratch;
	__u16 flags = 0;

	for (__u32 i = 0; i < GETADDRINFO_ANSWERS; i++) {
		__u64 *names = (void *)scratch + ANSWERS_END;
		struct getaddrinfo_answer *answer = (void *)(event + 1) + i * sizeof(*answer);
		long length;

		if (i >= event->answers)
			break;
		if (!names[i])
			continue;
		if (used > ANSWERS_END - TEXT) {
			flags |= EVENT_TRUNCATED;
			break;
		}
		used &= ANSWERS_END - 1;
		length =
			bpf_probe_read_user_str(&scratch->data[used], TEXT, (const void *)names[i]);
		if (length <= 0 || length > TEXT) {
			flags |= EVENT_FAULT;
			continue;
		}
		answer->canonname_length = (__u32)length - 1;
		used += (__u32)length - 1;
	}
	event->header.flags |= flags;
	return used;
}

#endif
