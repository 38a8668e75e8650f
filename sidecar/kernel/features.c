// SPDX-License-Identifier: Apache-2.0
#include "kernel/features.h"

#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel/kernel_btf.h"
#include "kernel/perf_reader.h"
#include "kernel/refusal.h"
#include "kernel/self.h"
#include "kernel/uprobe.h"

/* Returns 0; enough to be loaded as anything. */
static const struct bpf_insn empty[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

static int close_if_open(int fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int load_empty(enum bpf_prog_type type, enum bpf_attach_type attach, int btf_id)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach,
		    .attach_btf_id = btf_id > 0 ? (uint32_t)btf_id : 0);

	return bpf_prog_load(type, "ringside_try", "Dual BSD/GPL", empty, 2, &options);
}

/* The id of a tracepoint's prototype: what tp_btf programs attach to. */
static int tracepoint_id(const struct btf *btf, const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF);
}

/* Attached for a moment to a rare tracepoint: some kernels load what they then refuse to attach. */
static int try_tracing(const struct btf *btf)
{
	int program, link;

	program = load_empty(BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP,
			     tracepoint_id(btf, "sched_process_exec"));
	if (program < 0)
		return program;
	link = bpf_raw_tracepoint_open(NULL, program);
	close(program);
	return close_if_open(link);
}

/* The same where the kernel's types come from a file. */
static int try_raw_tracing(void)
{
	const int program = load_empty(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
	int link;

	if (program < 0)
		return program;
	link = bpf_raw_tracepoint_open("sched_process_exec", program);
	close(program);
	return close_if_open(link);
}

static int try_task_iterator(const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "bpf_iter_task", BTF_KIND_FUNC);
	int program, link;

	if (id < 0)
		return -EOPNOTSUPP;
	program = load_empty(BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, id);
	if (program < 0)
		return program;
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, NULL);
	close(program);
	return close_if_open(link);
}

/*
 * A call without its arguments is refused either way; the verifier's log says whether for the
 * arguments or for the helper (three wordings, by age of the kernel).
 */
static int try_tracing_helper(const struct btf *btf, int helper)
{
	const struct bpf_insn call[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = helper},
		{.code = BPF_JMP | BPF_EXIT},
	};
	char log[4096] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP,
		    .log_buf = log, .log_size = sizeof(log), .log_level = 1);
	int id = tracepoint_id(btf, "sched_process_exec");
	int fd;

	if (id < 0)
		return -EOPNOTSUPP;
	options.attach_btf_id = (uint32_t)id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "ringside_try", "Dual BSD/GPL", call, 2,
			   &options);
	if (fd >= 0)
		return close_if_open(fd);
	if (!log[0])
		return fd;
	return strstr(log, "invalid func ") || strstr(log, "unknown func ") ||
			       strstr(log, "cannot use helper ")
		       ? -EOPNOTSUPP
		       : 0;
}

static int try_map(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries,
		   uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);

	return close_if_open(bpf_map_create(type, "ringside_try", key, value, entries, &options));
}

static int try_test_run(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int program = load_empty(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
	int err;

	if (program < 0)
		return program;
	err = bpf_prog_test_run_opts(program, &options);
	close(program);
	return err;
}

/* The kernel writes as much of the info as it knows. */
static int try_misses(void)
{
	struct bpf_prog_info info = {};
	uint32_t length = sizeof(info);
	int program = load_empty(BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
	int err;

	if (program < 0)
		return program;
	err = bpf_prog_get_info_by_fd(program, &info, &length);
	close(program);
	if (err)
		return err;
	return length >= offsetof(struct bpf_prog_info, recursion_misses) +
				       sizeof(info.recursion_misses)
		       ? 0
		       : -EOPNOTSUPP;
}

static int find_own_code(struct dl_phdr_info *info, size_t size, void *context)
{
	uintptr_t address = (uintptr_t)find_own_code;
	uint64_t *offset = context;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && address >= start &&
		    address - start < header->p_filesz)
			*offset = address - start + header->p_offset;
	}
	return *offset != 0;
}

/* On a function of our own, in this process only. */
static int try_uprobe_perf(void)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	struct perf_event_attr attr = {.size = sizeof(attr), .disabled = 1};
	int program, event, err = 0;
	unsigned int type;
	uint64_t offset = 0;

	if (!file)
		return -EOPNOTSUPP;
	if (fscanf(file, "%u", &type) != 1)
		err = -EOPNOTSUPP;
	fclose(file);
	dl_iterate_phdr(find_own_code, &offset);
	if (err || !offset)
		return -EOPNOTSUPP;
	attr.type = type;
	attr.uprobe_path = (uint64_t)(uintptr_t)"/proc/self/exe";
	attr.probe_offset = offset;
	event = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	program = load_empty(BPF_PROG_TYPE_KPROBE, 0, 0);
	if (program < 0)
		err = program;
	else if (ioctl(event, PERF_EVENT_IOC_SET_BPF, program))
		err = -errno;
	close_if_open(program);
	close(event);
	return err;
}

bool features_have_task_storage(void)
{
	struct btf *btf = kernel_btf_load(NULL);
	const bool have = btf && !try_tracing_helper(btf, BPF_FUNC_task_storage_get);

	btf__free(btf);
	return have;
}

/* What programs do by the kernel's own types. */
static void probe_typed(const struct btf *btf, int err[FEATURES])
{
	err[FEATURE_TRACING] = try_tracing(btf);
	err[FEATURE_TASK_ITERATOR] = try_task_iterator(btf);
	err[FEATURE_OPEN_ITERATOR] =
		btf__find_by_name_kind(btf, "bpf_iter_task_new", BTF_KIND_FUNC) < 0 ? -EOPNOTSUPP
										    : 0;
	err[FEATURE_MAP_WALK] =
		btf__find_by_name_kind(btf, "bpf_iter_task_vma_new", BTF_KIND_FUNC) < 0 ||
				tracepoint_id(btf, "sched_prepare_exec") < 0
			? -EOPNOTSUPP
			: 0;
	err[FEATURE_ANCESTOR_HELPER] =
		try_tracing_helper(btf, BPF_FUNC_get_current_ancestor_cgroup_id);
	err[FEATURE_TASK_STORAGE] = try_tracing_helper(btf, BPF_FUNC_task_storage_get);
}

/* What they do by those in a file. Processes are listed by a program that runs in our own task. */
static void probe_raw(int err[FEATURES])
{
	err[FEATURE_TRACING] = try_raw_tracing();
	err[FEATURE_TASK_ITERATOR] = err[FEATURE_OPEN_ITERATOR] = try_test_run();
	err[FEATURE_MAP_WALK] = err[FEATURE_TASK_STORAGE] = -EOPNOTSUPP;
	err[FEATURE_ANCESTOR_HELPER] = self_has_ancestor_helper() ? 0 : -EOPNOTSUPP;
}

static void probe_by_btf(const char *file, int err[FEATURES])
{
	static const enum feature by_types[] = {
		FEATURE_TRACING,       FEATURE_TRACE_SYSCALLS,	FEATURE_TASK_ITERATOR,
		FEATURE_OPEN_ITERATOR, FEATURE_ANCESTOR_HELPER, FEATURE_TASK_STORAGE,
		FEATURE_MAP_WALK,
	};
	const bool there = file || kernel_btf_is_there();
	struct btf *btf = there ? kernel_btf_load(file) : NULL;

	if (!btf) {
		err[FEATURE_BTF] = there ? -errno : -EOPNOTSUPP;
		for (size_t i = 0; i < sizeof(by_types) / sizeof(by_types[0]); i++)
			err[by_types[i]] = -ENODATA;
		return;
	}
	if (file)
		probe_raw(err);
	else
		probe_typed(btf, err);
	err[FEATURE_TRACE_SYSCALLS] =
		tracepoint_id(btf, "sys_exit") < 0 || tracepoint_id(btf, "sys_enter") < 0
			? -EOPNOTSUPP
			: 0;
	btf__free(btf);
}

void features_quiet(void)
{
	libbpf_set_print(NULL);
}

void features_probe(const char *btf, struct features *ret_features)
{
	struct features features = {};
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	probe_by_btf(btf, features.err);
	features.err[FEATURE_RINGBUF] = try_map(BPF_MAP_TYPE_RINGBUF, 0, 0, page, 0);
	features.err[FEATURE_PERF_OUTPUT] = perf_reader_try();
	features.err[FEATURE_MMAP_ARRAY] = try_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE);
	features.err[FEATURE_TEST_RUN] = try_test_run();
	features.err[FEATURE_MISSES] = try_misses();
	features.err[FEATURE_UPROBE_MULTI] = uprobe_has_multi() ? 0 : -EOPNOTSUPP;
	features.err[FEATURE_UPROBE_PERF] = try_uprobe_perf();
	features.err[FEATURE_URETPROBE] = uprobe_return_is_safe() ? 0 : -EOPNOTSUPP;
	features.err[FEATURE_NO_MEMLOCK] = refusal_charges_memlock() ? -EOPNOTSUPP : 0;
	libbpf_set_print(print);
	*ret_features = features;
}
