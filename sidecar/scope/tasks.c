// SPDX-License-Identifier: Apache-2.0
#include "scope/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/types.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "selfprobe.h"
#include "selfprobe.skel.h"

struct tasks {
	struct selfprobe_bpf *bpf;
	bool iterates;
	struct selfprobe_task task; /* what the iterator gave last */
};

static int load(const char *btf, bool iterates, struct selfprobe_bpf **ret_bpf)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = btf);
	struct selfprobe_bpf *bpf = selfprobe_bpf__open_opts(&options);
	int err;

	if (!bpf)
		return -errno;
	bpf_program__set_autoload(bpf->progs.selfprobe_tasks, iterates);
	bpf_program__set_autoload(bpf->progs.selfprobe_next, !iterates);
	err = selfprobe_bpf__load(bpf);
	if (err) {
		selfprobe_bpf__destroy(bpf);
		return err;
	}
	*ret_bpf = bpf;
	return 0;
}

int tasks_open(const char *btf, enum tasks_of most, struct tasks **ret_tasks)
{
	struct tasks *tasks = calloc(1, sizeof(*tasks));
	libbpf_print_fn_t print;
	int err;

	if (!tasks)
		return -ENOMEM;
	/* A refusal is the caller's to report; libbpf would print the verifier's log. */
	print = libbpf_set_print(NULL);
	tasks->iterates = !btf && most == TASKS_OURS;
	err = load(btf, tasks->iterates, &tasks->bpf);
	if (err && tasks->iterates) {
		tasks->iterates = false;
		err = load(NULL, false, &tasks->bpf);
	}
	libbpf_set_print(print);
	if (err) {
		free(tasks);
		return err;
	}
	*ret_tasks = tasks;
	return 0;
}

void tasks_close(struct tasks *tasks)
{
	if (!tasks)
		return;
	selfprobe_bpf__destroy(tasks->bpf);
	free(tasks);
}

int tasks_self(struct tasks *tasks, struct selfprobe_task *ret_task)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int err;

	err = bpf_prog_test_run_opts(bpf_program__fd(tasks->bpf->progs.selfprobe_self), &options);
	if (err)
		return err;
	*ret_task = tasks->bpf->bss->found;
	return 0;
}

/* The kernel hands out whole objects only as far as the buffer has room for their bytes. */
static int object_read(int fd, struct selfprobe_task *task)
{
	size_t have = 0;

	while (have < sizeof(*task)) {
		ssize_t length = read(fd, (char *)task + have, sizeof(*task) - have);

		if (length < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (length < 0)
			return -errno;
		if (!length)
			return have ? -EIO : 0;
		have += (size_t)length;
	}
	return 1;
}

static int walk_each(struct tasks *tasks, tasks_visit *visit, void *context)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	const int fd = bpf_program__fd(tasks->bpf->progs.selfprobe_next);
	int err;

	memset(&tasks->bpf->bss->last, 0, sizeof(tasks->bpf->bss->last));
	tasks->bpf->bss->batch_count = tasks->bpf->bss->batch_at = 0;
	while (!(err = bpf_prog_test_run_opts(fd, &options)) && tasks->bpf->bss->batch_count) {
		tasks->task = tasks->bpf->bss->found;
		if (visit(context, &tasks->task))
			break;
	}
	return err;
}

int tasks_each(struct tasks *tasks, enum tasks_of of, uint32_t wanted, tasks_visit *visit,
	       void *context)
{
	struct bpf_link *link = NULL;
	int fd = -1, err;

	tasks->bpf->bss->wanted = wanted;
	tasks->bpf->bss->by_host = of == TASKS_HOST;
	if (!tasks->iterates)
		return walk_each(tasks, visit, context);
	link = bpf_program__attach_iter(tasks->bpf->progs.selfprobe_tasks, NULL);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		err = fd;
		goto out;
	}
	while ((err = object_read(fd, &tasks->task)) > 0) {
		if (visit(context, &tasks->task)) {
			err = 0;
			break;
		}
	}
out:
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}
