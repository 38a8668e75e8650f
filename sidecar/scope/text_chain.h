/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks through a task's chains of cgroups, as the self-probe read them. Indexes count from the
 * task's own cgroup up.
 */
#ifndef RINGSIDE_SCOPE_TEXT_CHAIN_H
#define RINGSIDE_SCOPE_TEXT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "selfprobe.h"
#include "scope/text_path.h"

/* A cgroup that was found. id 0: none. */
struct cgroup_ref {
	uint64_t id;
	uint32_t level;
	uint16_t hierarchy;
	bool populated;		/* some process is in it or below */
	char path[CGROUP_PATH]; /* whole; only the own name where the chain is cut */
};

/* The hierarchy as users write it: v2, memory, pids. */
const char *hierarchy_name(uint32_t hierarchy);

/* The cgroup at `index` of the chain; id 0 where the chain is empty. */
void chain_ref(const struct selfprobe_task *task, uint16_t hierarchy, uint32_t index,
	       struct cgroup_ref *ret_ref);

/*
 * Index of the cgroup with that id; the nearest that is a container's; the nearest that is the
 * pod's (uid NULL: of any pod). -ENOENT: none.
 */
int chain_find_id(const struct selfprobe_chain *chain, uint64_t id);
int chain_find_container(const struct selfprobe_chain *chain);
int chain_find_pod(const struct selfprobe_chain *chain, const char *uid);

/*
 * Which of one cgroup's counterparts in the hierarchies (index: enum scope_hierarchy) to observe
 * by: one with processes in it, then one that is a container's, then one that is not the root; v2
 * where nothing else decides. NULL: none was found.
 */
const struct cgroup_ref *refs_choose(const struct cgroup_ref refs[SELFPROBE_HIERARCHIES]);

/* The chains as text for an error: "v2 /a/b, memory /c". */
void chains_describe(const struct selfprobe_task *task, char *ret_text, size_t size);

#endif
