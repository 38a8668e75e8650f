/* SPDX-License-Identifier: Apache-2.0 */
/* Values of options that `run` and `check` share. Each function returns 0, or 2 for a wrong value (logged: it is a wrong call). */
#ifndef RINGSIDE_CMD_CHOICES_H
#define RINGSIDE_CMD_CHOICES_H

#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "base/options.h"
#include "event.h"

#define PROBE_ABOUT                                                                                \
	"probes: process, getaddrinfo, syscalls, write, profile (default "                         \
	"process,getaddrinfo,syscalls)"
#define SCOPE_ABOUT                                                                                \
	"pod, container, self, host, cgroup:PATH, id:N, id:memory:N, id:pids:N, pid:N, "           \
	"docker:ID-PREFIX (default: found out inside a container)"
#define TRANSPORT_ABOUT                                                                            \
	"how records leave the kernel: auto, ringbuf, ringbuf-output, perf-heap or perf-stack "    \
	"(default auto)"

#define BTF_ABOUT                                                                                  \
	"the running kernel's BTF, for kernels that do not have it: raw, or an ELF file with it "  \
	"(default: the kernel's own)"
#define BTF_TODO                                                                                   \
	"give --btf FILE of this very build (uname -r): by pahole --btf_encode_detached FILE "     \
	"vmlinux, or from BTFHub"

#define PROC_ABOUT                                                                                 \
	"the host's /proc: processes outside the sidecar's PID namespace are read there "          \
	"(default: those inside it, in /proc)"

#define PROFILE_HZ	 99 /* beside what runs a hundred times a second, not in step with it */
#define PROFILE_HZ_MAX	 10000
#define PROFILE_HZ_ABOUT "samples of profile, a second and CPU (default 99)"

/* How and in how much memory records leave the kernel, as the options give it. */
struct transport_options {
	const char *transport;
	uint64_t ring_lifecycle, ring_samples, perf_pages, wakeup_bytes;
};

struct transport_choice {
	enum event_transport transport;
	size_t ring_bytes[RINGS];
	size_t perf_pages, wakeup_bytes; /* 0: by ring_bytes */
};

/* Logs it and returns 2. */
int choice_wrong(const char *option, const char *value, const char *why, const char *todo);

/* Bits, by probe number; without a list the default ones. */
int choose_probes(const struct option_list *list, uint32_t *ret_enabled);
/* Each is KEY=VALUE in UTF-8, and no key is given twice. */
int choose_attributes(const struct option_list *list);
/* Borrowed. NULL: not given, or empty. */
const char *attribute_value(const struct option_list *list, const char *key);
/* Whether the file of --btf (NULL: not given) is one that describes this kernel. */
int choose_btf(const char *file);
/* Whether the directory of --proc (NULL: not given) is the host's /proc. */
int choose_proc(const char *directory, const char *btf);
/* `enabled`: the probes must be able to use it. */
int choose_transport(const struct transport_options *options, uint32_t enabled,
		     struct transport_choice *ret_choice);

#endif
