// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Records of write made in NMIs, into the rings and accounts of a sidecar that runs already: at each NMI two are built in the
 * ring and two in room of this CPU's and copied, as `profile` sends its own by cycles.
 */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "syscalls.h"
#include "event.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define NMI_FD (-4711) /* what tells these records from calls */

/* Records that were asked for. */
__u64 asked = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct write_event);
} rooms SEC(".maps");

static __always_inline void share(void *ctx, enum event_shape shape,
				  struct event_account *account, void *local)
{
	const struct scope_match match = {.cgroup_id = 1};
	struct write_event *event;
	__u32 slot = 0;

	__sync_fetch_and_add(&asked, 1);
	__sync_fetch_and_add(&account->produced, 1);
	event = event_room(shape, RING_SAMPLES, sizeof(*event), local, &slot);
	if (!event) {
		event_no_room(account, shape, RING_SAMPLES, sizeof(*event));
		return;
	}
	event_fill_header(&event->header, EVENT_WRITE, sizeof(*event), &match);
	__builtin_memset(&event->requested, 0, sizeof(*event) - sizeof(event->header));
	event->fd = NMI_FD;
	event->syscall = 1;
	event->sample = 1;
	event_send(ctx, account, shape, RING_SAMPLES, event, sizeof(*event), slot);
}

SEC("tp_btf/nmi_handler")
int nmi_share(void *ctx)
{
	struct event_account *account = event_account_of(PROBE_WRITE);
	__u32 zero = 0;
	void *room = bpf_map_lookup_elem(&rooms, &zero);

	if (!account || !room)
		return 0;
	for (int i = 0; i < 2; i++) {
		share(ctx, SHAPE_FIXED, account, NULL);
		share(ctx, SHAPE_ROOMED, account, room);
	}
	return 0;
}
