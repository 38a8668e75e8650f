// SPDX-License-Identifier: Apache-2.0
/* Attaches one variant of yardstick.bpf.c, says `ready`, drains its ring, until stdin ends:  hold empty | yardstick CGROUP_ID */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "yardstick.skel.h"

static int ignore(void *context, void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	return 0;
}

int main(int argc, char **argv)
{
	const int yardstick = argc == 3 && !strcmp(argv[1], "yardstick");
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	struct yardstick_bpf *skeleton = yardstick_bpf__open();
	struct ring_buffer *ring;
	unsigned long long id;
	unsigned char one = 1;

	if (!skeleton || (!yardstick && (argc != 2 || strcmp(argv[1], "empty"))))
		return 2;
	bpf_program__set_autoload(skeleton->progs.yardstick_enter, yardstick);
	bpf_program__set_autoload(skeleton->progs.yardstick_exit, yardstick);
	bpf_program__set_autoload(skeleton->progs.empty_exit, !yardstick);
	if (yardstick_bpf__load(skeleton) || yardstick_bpf__attach(skeleton))
		return 1;
	id = yardstick ? strtoull(argv[2], NULL, 10) : 0;
	bpf_map_update_elem(bpf_map__fd(skeleton->maps.scope), &id, &one, BPF_ANY);
	ring = ring_buffer__new(bpf_map__fd(skeleton->maps.ring), ignore, NULL, NULL);
	if (!ring)
		return 1;
	puts("ready");
	fflush(stdout);
	while (poll(&input, 1, 2) == 0)
		ring_buffer__consume(ring);
	ring_buffer__free(ring);
	yardstick_bpf__destroy(skeleton);
	return 0;
}
