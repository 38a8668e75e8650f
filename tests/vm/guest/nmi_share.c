// SPDX-License-Identifier: Apache-2.0
/*
 * Attaches nmi_share.bpf.c to the maps of the one sidecar that runs, says `attached`, and at the end of stdin how many records it
 * asked for, as a number.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <linux/types.h>

#include "event.h"
#include "nmi_share.skel.h"

/* A map of that name which somebody else has made; -1: there is none. */
static int find_map(const char *name)
{
	struct bpf_map_info info;
	__u32 id = 0, size;
	int fd;

	while (!bpf_map_get_next_id(id, &id)) {
		fd = bpf_map_get_fd_by_id(id);
		size = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (fd >= 0 && !bpf_map_get_info_by_fd(fd, &info, &size) && !strcmp(info.name, name))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

static int share_maps(struct bpf_object *object)
{
	static const char *const needed[] = {"ring_samples", "accounts", "wakeups"};
	static const char *const others[] = {"ring_lifecycle", "cgroup_names", "cgroup_last",
					     "scratches",      "scratch_free", "perf_lifecycle",
					     "perf_samples"};
	int err = 0;

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]) && !err; i++) {
		const int fd = find_map(needed[i]);

		err = fd < 0 ? -ENOENT
			     : bpf_map__reuse_fd(bpf_object__find_map_by_name(object, needed[i]), fd);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, others[i]);
		const int fd = find_map(others[i]);

		if (map)
			err = fd < 0 ? bpf_map__set_autocreate(map, false)
				     : bpf_map__reuse_fd(map, fd);
	}
	return err;
}

int main(void)
{
	struct nmi_share_bpf *skeleton = nmi_share_bpf__open();
	char byte;

	if (!skeleton)
		return 1;
	skeleton->rodata->event_nmi = true;
	if (share_maps(skeleton->obj) || nmi_share_bpf__load(skeleton) ||
	    nmi_share_bpf__attach(skeleton)) {
		perror("nmi_share");
		return 1;
	}
	puts("attached");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	nmi_share_bpf__detach(skeleton);
	sleep(1);
	printf("%llu\n", (unsigned long long)skeleton->bss->asked);
	nmi_share_bpf__destroy(skeleton);
	return 0;
}
