// SPDX-License-Identifier: Apache-2.0
/* Our memmove against libc's, over every overlap and length near a block's edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

void *tested_memmove(void *to, const void *from, size_t length);

#define memmove tested_memmove
#include "../../sidecar/base/memmove.c"
#undef memmove

#define SIZE 512

static void bytes_move_as_with_libc_whatever_overlaps(void **state)
{
	uint8_t ours[SIZE], theirs[SIZE];

	(void)state;
	for (size_t length = 0; length <= 200; length++) {
		for (size_t shift = 0; shift <= 140; shift++) {
			for (size_t i = 0; i < SIZE; i++)
				ours[i] = theirs[i] = (uint8_t)(i * 7 + length);
			assert_ptr_equal(tested_memmove(ours + shift, ours + 70, length),
					 ours + shift);
			memmove(theirs + shift, theirs + 70, length);
			assert_memory_equal(ours, theirs, SIZE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_move_as_with_libc_whatever_overlaps)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
