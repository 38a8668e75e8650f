// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel/kallsyms.h"

#define TEST(name) cmocka_unit_test(name)

static char path[] = "/tmp/ringside-kallsyms-XXXXXX";

static void write_list(const char *list)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fputs(list, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

static struct kallsyms *load(const char *list)
{
	struct kallsyms *kallsyms = NULL;

	write_list(list);
	assert_int_equal(kallsyms_new(path, &kallsyms), 0);
	return kallsyms;
}

/* "name+offset", or "?" for what is not known. */
static const char *find(const struct kallsyms *kallsyms, uint64_t address)
{
	static char text[256];
	uint64_t offset = 0;
	const char *name = kallsyms_find(kallsyms, address, &offset);

	if (!name)
		return "?";
	snprintf(text, sizeof(text), "%s+%llu", name, (unsigned long long)offset);
	return text;
}

static const char whole[] = "0000000000000000 A fixed_percpu_data\n"
			    "ffffffff81000000 T _stext\n"
			    "ffffffff81000000 T _text\n"
			    "ffffffff81000100 t __pfx_first\n"
			    "ffffffff81000110 T first\n"
			    "ffffffff81000150 D data\n"
			    "ffffffff81000200 W second\n"
			    "ffffffffc0002010 t b_two\t[b]\n"
			    "ffffffffc0002000 t b_one\t[b]\n"
			    "ffffffffc0000040 t a_one\t[a]\n"
			    "ffffffffc0003000 t c_one\t[c]\n"
			    "ffffffffc0009020 t bpf_prog_0011_x\t[bpf]\n"
			    "ffffffffc0009880 t bpf_prog_0022_y\t[bpf]\n"
			    "fffffe0000006000 t far_below\t[__builtin__kprobes]\n";

static void an_address_is_in_the_function_before_it(void **state)
{
	struct kallsyms *kallsyms = load(whole);

	(void)state;
	assert_string_equal(find(kallsyms, 0xffffffff81000110), "first+0");
	assert_string_equal(find(kallsyms, 0xffffffff810001ff), "first+239");
	assert_string_equal(find(kallsyms, 0xffffffff81000200), "second+0");
	assert_string_equal(find(kallsyms, 0xffffffffc0002008), "b_one+8");
	assert_string_equal(find(kallsyms, 0xffffffffc0002010), "b_two+0");
	kallsyms_free(kallsyms);
}

static void data_and_padding_are_no_functions(void **state)
{
	struct kallsyms *kallsyms = load(whole);

	(void)state;
	assert_string_equal(find(kallsyms, 0xffffffff81000105), "_stext+261");
	assert_string_equal(find(kallsyms, 0xffffffff81000160), "first+80");
	kallsyms_free(kallsyms);
}

static void of_two_names_for_one_place_the_first_is_taken(void **state)
{
	struct kallsyms *kallsyms = load(whole);

	(void)state;
	assert_string_equal(find(kallsyms, 0xffffffff81000001), "_stext+1");
	kallsyms_free(kallsyms);
}

static void the_last_function_of_a_module_ends_with_its_page(void **state)
{
	struct kallsyms *kallsyms = load(whole);

	(void)state;
	assert_string_equal(find(kallsyms, 0xffffffff81000fff), "second+3583");
	assert_string_equal(find(kallsyms, 0xffffffff81001000), "?");
	assert_string_equal(find(kallsyms, 0xffffffffc0000fff), "a_one+4031");
	assert_string_equal(find(kallsyms, 0xffffffffc0001000), "?");
	assert_string_equal(find(kallsyms, 0xffffffffc0001fff), "?");
	/* The next module begins where this one ends. */
	assert_string_equal(find(kallsyms, 0xffffffffc0002fff), "b_two+4079");
	assert_string_equal(find(kallsyms, 0xffffffffc0003000), "c_one+0");
	kallsyms_free(kallsyms);
}

static void bpf_programs_have_no_names_of_their_own(void **state)
{
	struct kallsyms *kallsyms = load(whole);

	(void)state;
	assert_string_equal(find(kallsyms, 0xffffffffc0009021), "[bpf]+0");
	assert_string_equal(find(kallsyms, 0xffffffffc00098ff), "[bpf]+0");
	assert_string_equal(find(kallsyms, 0xffffffffc000a000), "?");
	kallsyms_free(kallsyms);
}

static void what_is_outside_has_no_name(void **state)
{
	struct kallsyms *kallsyms = load(whole);

	(void)state;
	assert_string_equal(find(kallsyms, 0), "?");
	assert_string_equal(find(kallsyms, 0xffffffff80ffffff), "?");
	assert_string_equal(find(kallsyms, 0xfffffe0000006001), "?");
	assert_string_equal(find(kallsyms, UINT64_MAX), "?");
	kallsyms_free(kallsyms);
}

static void hidden_addresses_are_refused(void **state)
{
	struct kallsyms *kallsyms = NULL;
	size_t bytes, count;

	(void)state;
	write_list("0000000000000000 T _stext\n0000000000000000 T first\n");
	assert_int_equal(kallsyms_new(path, &kallsyms), -EACCES);
	assert_int_equal(kallsyms_measure(path, &bytes, &count), -EACCES);
	write_list("nothing of the kind\n\nffffffff81000000\nffffffff81000000 \n");
	assert_int_equal(kallsyms_new(path, &kallsyms), -ENODATA);
	assert_int_equal(kallsyms_new("/nonexistent", &kallsyms), -ENOENT);
	assert_null(kallsyms);
}

static void long_names_and_broken_lines_do_no_harm(void **state)
{
	struct kallsyms *kallsyms;
	char list[4096] = "ffffffff81000000 T ", *at = list + strlen(list);
	uint64_t offset;

	(void)state;
	memset(at, 'n', 600);
	strcpy(at + 600,
	       "\t[module_with_quite_a_long_name_that_is_longer_than_sixty_four_characters]\n"
	       "ffffffff81000010 t \nffffffff81000020 t\nzz t x\nffffffff81000030 T end");
	kallsyms = load(list);
	assert_int_equal(strlen(kallsyms_find(kallsyms, 0xffffffff81000020, &offset)),
			 KALLSYMS_NAME - 1);
	assert_int_equal(offset, 0x20);
	assert_string_equal(find(kallsyms, 0xffffffff81000031), "end+1");
	kallsyms_free(kallsyms);
}

static void the_measure_is_what_is_allocated(void **state)
{
	size_t bytes, count;

	(void)state;
	write_list("ffffffff81000000 T one\nffffffff81000010 T two\n");
	assert_int_equal(kallsyms_measure(path, &bytes, &count), 0);
	assert_int_equal(count, 3); /* and the end */
	assert_true(bytes >= 3 * 8 + 1 + 4 + 4 && bytes < 200);
}

static int remove_list(void **state)
{
	(void)state;
	return unlink(path);
}

static int make_list(void **state)
{
	const int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_address_is_in_the_function_before_it),
		TEST(data_and_padding_are_no_functions),
		TEST(of_two_names_for_one_place_the_first_is_taken),
		TEST(the_last_function_of_a_module_ends_with_its_page),
		TEST(bpf_programs_have_no_names_of_their_own),
		TEST(what_is_outside_has_no_name),
		TEST(hidden_addresses_are_refused),
		TEST(long_names_and_broken_lines_do_no_harm),
		TEST(the_measure_is_what_is_allocated),
	};

	return cmocka_run_group_tests(tests, make_list, remove_list);
}
