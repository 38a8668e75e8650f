/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>
#include <cmocka.h>

#include "scope/scope.h"
#include "scope/text_chain.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define UID  "d1f5a2c4-0b7e-4c7a-9a53-0f6b1c2d3e4f"

static struct selfprobe_task task;

/* Ids count from the leaf up: 100, 101, ... */
static void make_chain(uint16_t hierarchy, const char *path)
{
	struct selfprobe_chain *chain = &task.chains[hierarchy];

	memset(chain, 0, sizeof(*chain));
	chain->level = path_depth(path);
	chain->count = chain->level + 1;
	for (uint32_t i = 0; i < chain->count; i++)
		chain->nodes[i].id = 100 + i;
	for (uint32_t i = chain->level; i-- > 0;) {
		size_t length = strcspn(path + 1, "/");

		assert_true(length < SELFPROBE_NAME);
		memcpy(chain->nodes[i].name, path + 1, length);
		path += 1 + length;
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&task, 0, sizeof(task));
	return 0;
}

static void a_ref_has_id_level_and_whole_path(void **state)
{
	struct cgroup_ref ref;

	(void)state;
	make_chain(HIERARCHY_MEMORY, "/a/b/c");
	chain_ref(&task, HIERARCHY_MEMORY, 0, &ref);
	assert_int_equal(ref.id, 100);
	assert_int_equal(ref.level, 3);
	assert_int_equal(ref.hierarchy, HIERARCHY_MEMORY);
	assert_string_equal(ref.path, "/a/b/c");
	chain_ref(&task, HIERARCHY_MEMORY, 2, &ref);
	assert_int_equal(ref.level, 1);
	assert_string_equal(ref.path, "/a");
	chain_ref(&task, HIERARCHY_MEMORY, 3, &ref);
	assert_int_equal(ref.id, 103);
	assert_int_equal(ref.level, 0);
	assert_string_equal(ref.path, "/");
}

static void an_empty_chain_has_no_ref(void **state)
{
	struct cgroup_ref ref;

	(void)state;
	chain_ref(&task, HIERARCHY_PIDS, 0, &ref);
	assert_int_equal(ref.id, 0);
	make_chain(HIERARCHY_PIDS, "/a");
	chain_ref(&task, HIERARCHY_PIDS, 2, &ref);
	assert_int_equal(ref.id, 0);
}

static void a_cut_chain_keeps_the_level_and_the_own_name(void **state)
{
	struct cgroup_ref ref;

	(void)state;
	make_chain(HIERARCHY_V2, "/a/b/c");
	task.chains[HIERARCHY_V2].count = 2;
	chain_ref(&task, HIERARCHY_V2, 0, &ref);
	assert_int_equal(ref.level, 3);
	assert_string_equal(ref.path, "c");
}

static void the_nearest_container_is_found(void **state)
{
	(void)state;
	make_chain(HIERARCHY_V2, "/docker-" ID_A ".scope/kubelet/crio-" ID_B ".scope/container");
	assert_int_equal(chain_find_container(&task.chains[HIERARCHY_V2]), 1);
	make_chain(HIERARCHY_V2, "/system.slice/ssh.service");
	assert_int_equal(chain_find_container(&task.chains[HIERARCHY_V2]), -ENOENT);
}

static void the_pod_is_found_at_any_distance(void **state)
{
	const struct selfprobe_chain *chain = &task.chains[HIERARCHY_V2];

	(void)state;
	make_chain(HIERARCHY_V2, "/kubepods/burstable/pod" UID "/" ID_A "/container");
	assert_int_equal(chain_find_pod(chain, UID), 2);
	assert_int_equal(chain_find_pod(chain, NULL), 2);
	assert_int_equal(chain_find_pod(chain, "d1f5a2c4-0b7e-4c7a-9a53-000000000000"), -ENOENT);
}

static void a_container_named_after_its_pod_is_not_the_pod(void **state)
{
	(void)state;
	make_chain(HIERARCHY_V2, "/kubepods-pod" UID ".slice:cri-containerd:" ID_A);
	assert_int_equal(chain_find_pod(&task.chains[HIERARCHY_V2], UID), -ENOENT);
	assert_int_equal(chain_find_container(&task.chains[HIERARCHY_V2]), 0);
}

static void ids_are_found_in_the_chain(void **state)
{
	(void)state;
	make_chain(HIERARCHY_V2, "/a/b");
	assert_int_equal(chain_find_id(&task.chains[HIERARCHY_V2], 101), 1);
	assert_int_equal(chain_find_id(&task.chains[HIERARCHY_V2], 99), -ENOENT);
	assert_int_equal(chain_find_id(&task.chains[HIERARCHY_V2], 0), -ENOENT);
}

/* What refs_choose takes of the task's own cgroups. */
static const char *chosen(const char *v2, const char *memory, const char *pids)
{
	static struct cgroup_ref refs[SELFPROBE_HIERARCHIES];
	const char *paths[] = {v2, memory, pids};
	const struct cgroup_ref *best;

	memset(&task, 0, sizeof(task));
	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++) {
		if (paths[i])
			make_chain(i, paths[i]);
		chain_ref(&task, i, 0, &refs[i]);
	}
	best = refs_choose(refs);
	return best ? hierarchy_name(best->hierarchy) : "none";
}

static void v2_is_chosen_unless_v1_says_more(void **state)
{
	(void)state;
	assert_string_equal(chosen("/a", "/a", "/a"), "v2");
	assert_string_equal(chosen("/", "/a", "/a"), "memory");
	assert_string_equal(chosen("/", "/", "/a"), "pids");
	assert_string_equal(chosen("/", "/", "/"), "v2");
	assert_string_equal(chosen("/", NULL, NULL), "v2");
	assert_string_equal(
		chosen("/system.slice/containerd.service", "/docker/" ID_A, "/docker/" ID_A),
		"memory");
	assert_string_equal(chosen(NULL, NULL, NULL), "none");
}

static void a_cgroup_with_processes_is_chosen_before_an_empty_one(void **state)
{
	struct cgroup_ref refs[SELFPROBE_HIERARCHIES] = {
		{.id = 1, .level = 1, .path = "/docker-" ID_A ".scope"},
		{.id = 2,
		 .level = 1,
		 .hierarchy = HIERARCHY_MEMORY,
		 .populated = true,
		 .path = "/x"},
	};

	(void)state;
	assert_ptr_equal(refs_choose(refs), &refs[1]);
}

static void chains_are_described_and_cut(void **state)
{
	char text[64], small[8];

	(void)state;
	make_chain(HIERARCHY_V2, "/");
	make_chain(HIERARCHY_MEMORY, "/a/b");
	chains_describe(&task, text, sizeof(text));
	assert_string_equal(text, "v2 /, memory /a/b");
	chains_describe(&task, small, sizeof(small));
	assert_string_equal(small, "v2 /, m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_ref_has_id_level_and_whole_path, setup),
		cmocka_unit_test_setup(an_empty_chain_has_no_ref, setup),
		cmocka_unit_test_setup(a_cut_chain_keeps_the_level_and_the_own_name, setup),
		cmocka_unit_test_setup(the_nearest_container_is_found, setup),
		cmocka_unit_test_setup(the_pod_is_found_at_any_distance, setup),
		cmocka_unit_test_setup(a_container_named_after_its_pod_is_not_the_pod, setup),
		cmocka_unit_test_setup(ids_are_found_in_the_chain, setup),
		cmocka_unit_test_setup(v2_is_chosen_unless_v1_says_more, setup),
		cmocka_unit_test_setup(a_cgroup_with_processes_is_chosen_before_an_empty_one,
				       setup),
		cmocka_unit_test_setup(chains_are_described_and_cut, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
