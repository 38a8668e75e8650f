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

#include "event.h"
#include "scope/text_path.h"

static void expect_join(const char *base, const char *relative, const char *whole)
{
	char path[CGROUP_PATH];

	assert_int_equal(path_join(base, relative, path, sizeof(path)), 0);
	assert_string_equal(path, whole);
}

static void a_join_takes_the_dots_back(void **state)
{
	(void)state;
	expect_join("/", "/", "/");
	expect_join("/", "/a", "/a");
	expect_join("/a", "/", "/a");
	expect_join("/a/b", "/../c", "/a/c");
	expect_join("/a/b", "/../../c/d", "/c/d");
	expect_join("/a", "/..", "/");
	expect_join("/a/b", "", "/a/b");
	expect_join("/a//b/", "//c/./d/", "/a/b/c/d");
	expect_join("/a", "/...", "/a/...");
	expect_join("/a", "/..b", "/a/..b");
}

static void a_join_stays_below_the_root(void **state)
{
	char path[CGROUP_PATH] = "untouched";

	(void)state;
	assert_int_equal(path_join("/", "/..", path, sizeof(path)), -EINVAL);
	assert_int_equal(path_join("/a", "/../../b", path, sizeof(path)), -EINVAL);
	assert_string_equal(path, "untouched");
}

static void a_join_that_is_too_long_is_refused(void **state)
{
	char path[CGROUP_PATH], small[4], relative[CGROUP_PATH + 1];

	(void)state;
	memset(relative, 'x', sizeof(relative) - 1);
	relative[0] = '/';
	relative[sizeof(relative) - 1] = '\0';
	assert_int_equal(path_join("/a", relative, path, sizeof(path)), -ENAMETOOLONG);
	assert_int_equal(path_join("/a", "/b", small, sizeof(small)), -ENAMETOOLONG);
}

static void the_level_is_the_depth(void **state)
{
	(void)state;
	assert_int_equal(path_depth("/"), 0);
	assert_int_equal(path_depth(""), 0);
	assert_int_equal(path_depth("/a"), 1);
	assert_int_equal(path_depth("/a/b/c"), 3);
	assert_string_equal(path_name("/a/b"), "b");
	assert_string_equal(path_name("/"), "/");
	assert_string_equal(path_name("own"), "own");
}

static void below_ends_at_a_slash(void **state)
{
	(void)state;
	assert_string_equal(path_below("/a/b", "/a"), "/b");
	assert_string_equal(path_below("/a", "/a"), "");
	assert_string_equal(path_below("/a/b", "/"), "/a/b");
	assert_string_equal(path_below("/", "/"), "");
	assert_null(path_below("/ab", "/a"));
	assert_null(path_below("/", "/a"));
	assert_null(path_below("name", "/"));
}

static void expect_root(const char *whole, const char *shown, const char *root)
{
	char path[CGROUP_PATH];

	assert_int_equal(path_ns_root(whole, shown, path, sizeof(path)), 0);
	assert_string_equal(path, root);
}

static void the_namespace_s_root_comes_from_what_proc_shows(void **state)
{
	char path[CGROUP_PATH];

	(void)state;
	expect_root("/a/b", "/a/b", "/");
	expect_root("/a/b", "/b", "/a");
	expect_root("/a/b", "/", "/a/b");
	expect_root("/", "/", "/");
	expect_root("/a/b", "/../b", "/a/?");
	expect_root("/a", "/..", "/a/?");
	expect_root("/a/b/c", "/../../b/c", "/a/?/?");
	assert_int_equal(path_ns_root("/a/b", "/c", path, sizeof(path)), -EINVAL);
	assert_int_equal(path_ns_root("/a", "/x/a", path, sizeof(path)), -EINVAL);
	assert_int_equal(path_ns_root("/ab", "/b", path, sizeof(path)), -EINVAL);
}

static uint32_t cgroup_line(const char *line, char *ret_path)
{
	char copy[256];
	char *path = NULL;
	uint32_t hierarchies;

	strcpy(copy, line);
	hierarchies = proc_cgroup_parse(copy, &path);
	if (hierarchies)
		strcpy(ret_path, path);
	return hierarchies;
}

static void lines_of_proc_cgroup_are_read(void **state)
{
	char path[256];

	(void)state;
	assert_int_equal(cgroup_line("0::/../x\n", path), 1 << HIERARCHY_V2);
	assert_string_equal(path, "/../x");
	assert_int_equal(cgroup_line("4:memory:/a:b\n", path), 1 << HIERARCHY_MEMORY);
	assert_string_equal(path, "/a:b");
	assert_int_equal(cgroup_line("8:cpu,pids,cpuacct:/p\n", path), 1 << HIERARCHY_PIDS);
	assert_int_equal(cgroup_line("8:pids,memory:/p\n", path),
			 1 << HIERARCHY_PIDS | 1 << HIERARCHY_MEMORY);
	assert_int_equal(cgroup_line("9:name=systemd:/\n", path), 0);
	assert_int_equal(cgroup_line("9:memoryx,xpids:/\n", path), 0);
	assert_int_equal(cgroup_line("nonsense\n", path), 0);
	assert_int_equal(cgroup_line("", path), 0);
}

static uint32_t mount_line(const char *line, char *ret_root, char *ret_point)
{
	char copy[512];
	char *root = NULL, *point = NULL;
	uint32_t hierarchies;

	strcpy(copy, line);
	hierarchies = proc_mount_parse(copy, &root, &point);
	if (hierarchies) {
		strcpy(ret_root, root);
		strcpy(ret_point, point);
	}
	return hierarchies;
}

static void lines_of_mountinfo_are_read(void **state)
{
	char root[256], point[256];

	(void)state;
	assert_int_equal(mount_line("42 32 0:37 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 "
				    "cgroup2 rw,nsdelegate\n",
				    root, point),
			 1 << HIERARCHY_V2);
	assert_string_equal(root, "/");
	assert_string_equal(point, "/sys/fs/cgroup");
	assert_int_equal(mount_line("43 32 0:38 /../../x /mnt/a\\040b rw - cgroup none rw,memory\n",
				    root, point),
			 1 << HIERARCHY_MEMORY);
	assert_string_equal(root, "/../../x");
	assert_string_equal(point, "/mnt/a b");
	assert_int_equal(
		mount_line("43 32 0:38 / /c rw shared:1 master:2 - cgroup none rw,cpu,pids\n", root,
			   point),
		1 << HIERARCHY_PIDS);
}

static void other_mounts_are_passed_over(void **state)
{
	char root[256], point[256];

	(void)state;
	assert_int_equal(mount_line("43 32 0:38 / /c rw - cgroup none rw,cpu\n", root, point), 0);
	assert_int_equal(mount_line("43 32 0:38 / /c rw - tmpfs memory rw,memory\n", root, point),
			 0);
	assert_int_equal(mount_line("43 32 0:38 / /c rw - cgroup\n", root, point), 0);
	assert_int_equal(mount_line("43 32 0:38 / - cgroup2 x rw\n", root, point), 0);
	assert_int_equal(mount_line("43 32 0:38 / /c rw\n", root, point), 0);
	assert_int_equal(mount_line("", root, point), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_join_takes_the_dots_back),
		cmocka_unit_test(a_join_stays_below_the_root),
		cmocka_unit_test(a_join_that_is_too_long_is_refused),
		cmocka_unit_test(the_level_is_the_depth),
		cmocka_unit_test(below_ends_at_a_slash),
		cmocka_unit_test(the_namespace_s_root_comes_from_what_proc_shows),
		cmocka_unit_test(lines_of_proc_cgroup_are_read),
		cmocka_unit_test(lines_of_mountinfo_are_read),
		cmocka_unit_test(other_mounts_are_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
