// SPDX-License-Identifier: Apache-2.0
#include "kernel/transport.h"

#include <string.h>

static const char *const names[TRANSPORTS] = {
	[TRANSPORT_AUTO] = "auto",
	[TRANSPORT_RINGBUF] = "ringbuf",
	[TRANSPORT_RINGBUF_OUTPUT] = "ringbuf-output",
	[TRANSPORT_PERF_HEAP] = "perf-heap",
	[TRANSPORT_PERF_STACK] = "perf-stack",
};

int transport_find(const char *name)
{
	for (int i = 0; i < TRANSPORTS; i++) {
		if (!strcmp(names[i], name))
			return i;
	}
	return -1;
}

const char *transport_name(enum event_transport transport)
{
	return names[transport];
}

bool transport_is_perf(enum event_transport transport)
{
	return transport == TRANSPORT_PERF_HEAP || transport == TRANSPORT_PERF_STACK;
}

enum event_transport transport_for_fixed(enum event_transport transport)
{
	return transport == TRANSPORT_AUTO ? TRANSPORT_RINGBUF : transport;
}

enum event_transport transport_for_sized(enum event_transport transport)
{
	return transport == TRANSPORT_AUTO ? TRANSPORT_RINGBUF_OUTPUT : transport;
}
