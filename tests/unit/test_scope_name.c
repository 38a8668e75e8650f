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
#include "scope/text_name.h"

#define ID     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID    "d1f5a2c4-0b7e-4c7a-9a53-0f6b1c2d3e4f"
#define UID_   "d1f5a2c4_0b7e_4c7a_9a53_0f6b1c2d3e4f"
#define OTHER  "d1f5a2c4-0b7e-4c7a-9a53-0f6b1c2d3e40"
#define STATIC "0123456789abcdef0123456789abcdef"

static void expect_id(const char *name)
{
	const char *id = NULL;

	assert_int_equal(scope_container_id(name, &id), CONTAINER_ID);
	assert_true(id >= name && id < name + strlen(name));
	assert_memory_equal(id, ID, CONTAINER_ID);
}

static void expect_none(const char *name)
{
	const char *id = "untouched";

	assert_int_equal(scope_container_id(name, &id), 0);
	assert_string_equal(id, "untouched");
}

static void each_engine_s_names_hold_the_id(void **state)
{
	(void)state;
	expect_id("docker-" ID ".scope");
	expect_id("cri-containerd-" ID ".scope");
	expect_id("crio-" ID ".scope");
	expect_id("crio-" ID);
	expect_id("libpod-" ID ".scope");
	expect_id("libpod-" ID);
	expect_id(ID);
	expect_id("kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" ID);
}

static void other_names_hold_none(void **state)
{
	(void)state;
	expect_none("");
	expect_none("container");
	expect_none("init.scope");
	expect_none("docker-.scope");
	expect_none("docker-" ID ".slice");
	expect_none("docker-" ID "0.scope");
	expect_none("docker-0123456789abcdef.scope");
	expect_none(ID "0");
	expect_none("x" ID);
	expect_none("kubepods-burstable-pod" UID_ ".slice");
	expect_none("pod" STATIC);
}

static void a_monitor_s_cgroup_is_not_its_container_s(void **state)
{
	(void)state;
	expect_none("crio-conmon-" ID ".scope");
	expect_none("libpod-conmon-" ID ".scope");
	expect_none("libpod_pod_" ID);
}

static void an_upper_case_id_is_none(void **state)
{
	(void)state;
	expect_none(
		"docker-0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef.scope");
}

static void a_pod_is_known_by_its_uid_in_both_spellings(void **state)
{
	(void)state;
	assert_true(name_is_pod("pod" UID, UID));
	assert_true(name_is_pod("kubepods-pod" UID_ ".slice", UID));
	assert_true(name_is_pod("kubepods-burstable-pod" UID_ ".slice", UID));
	assert_true(name_is_pod("kubelet-kubepods-besteffort-pod" UID_ ".slice", UID));
	assert_true(name_is_pod("pod" STATIC, STATIC));
	assert_true(name_is_pod("kubepods-pod" UID_ ".slice:cri-containerd:" ID, UID));
}

static void another_pod_is_not_it(void **state)
{
	(void)state;
	assert_false(name_is_pod("pod" OTHER, UID));
	assert_false(name_is_pod("pod" UID "0", UID));
	assert_false(name_is_pod("pod" UID, "d1f5a2c4"));
	assert_false(name_is_pod("pod" UID, ""));
	assert_false(name_is_pod("tripod" UID, UID));
	assert_false(name_is_pod("x" UID, UID));
	assert_false(name_is_pod("pod", UID));
	assert_false(name_is_pod("kubepods-burstable.slice", UID));
	assert_false(name_is_pod("docker-" ID ".scope", UID));
}

static void a_pod_of_unknown_uid_is_known_by_its_shape(void **state)
{
	(void)state;
	assert_true(name_is_any_pod("pod" UID));
	assert_true(name_is_any_pod("pod" STATIC));
	assert_true(name_is_any_pod("kubepods-burstable-pod" UID_ ".slice"));
	assert_false(name_is_any_pod("kubepods-burstable.slice"));
	assert_false(name_is_any_pod("kubepods"));
	assert_false(name_is_any_pod("libpod_pod_" ID));
	assert_false(name_is_any_pod("pod" ID));
	assert_false(name_is_any_pod("podium"));
	assert_false(name_is_any_pod("pod0123456789abcdef0123456789abcde"));
	assert_false(name_is_any_pod("pod" UID "-x"));
}

static void a_path_has_a_container_in_any_part(void **state)
{
	(void)state;
	assert_true(path_has_container("/system.slice/docker-" ID ".scope"));
	assert_true(path_has_container("/docker-" ID ".scope/init.scope"));
	assert_true(path_has_container("/kubepods/burstable/pod" UID "/" ID));
	assert_false(path_has_container("/"));
	assert_false(path_has_container(""));
	assert_false(path_has_container("/system.slice/ssh.service"));
	assert_false(path_has_container("/x-" ID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_engine_s_names_hold_the_id),
		cmocka_unit_test(other_names_hold_none),
		cmocka_unit_test(a_monitor_s_cgroup_is_not_its_container_s),
		cmocka_unit_test(an_upper_case_id_is_none),
		cmocka_unit_test(a_pod_is_known_by_its_uid_in_both_spellings),
		cmocka_unit_test(another_pod_is_not_it),
		cmocka_unit_test(a_pod_of_unknown_uid_is_known_by_its_shape),
		cmocka_unit_test(a_path_has_a_container_in_any_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
