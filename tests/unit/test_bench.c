// SPDX-License-Identifier: Apache-2.0
/* The pure parts of `bench transport`: its cases, the check of the sequence, ratios, the plot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "cmd/bench_cases.h"
#include "cmd/bench_plot.h"
#include "cmd/bench_ratio.h"
#include "kernel/sequence.h"

static struct bench_cases cases;

static int teardown(void **state)
{
	(void)state;
	bench_cases_done(&cases);
	return 0;
}

static void without_lists_all_variants_are_measured_once(void **state)
{
	const struct bench_lists lists = {0};

	(void)state;
	assert_int_equal(bench_cases_make(&lists, &cases), 0);
	assert_int_equal(cases.count, BENCH_VARIANTS);
	assert_false(cases.stack_left_out);
	for (size_t i = 0; i < cases.count; i++) {
		const struct bench_case *one = &cases.items[i];

		assert_int_equal(one->variant, i);
		assert_int_equal(one->wakeup, BENCH_SAMPLED);
		assert_int_equal(one->size, 8);
		assert_int_equal(one->producers, 1);
		assert_false(one->same);
		assert_true(one->seconds == 3);
	}
}

static void lists_are_combined_with_variants_side_by_side(void **state)
{
	const struct bench_lists lists = {
		.variant = {{"ringbuf", "perf-heap"}, 2},
		.size = {{"8", "4096"}, 2},
		.consumer = {{"same", "other"}, 2},
		.seconds = {{"0.5"}, 1},
	};

	(void)state;
	assert_int_equal(bench_cases_make(&lists, &cases), 0);
	assert_int_equal(cases.count, 8);
	for (size_t i = 0; i < cases.count; i++) {
		const struct bench_case *one = &cases.items[i];

		assert_int_equal(one->variant, i % 2 ? BENCH_PERF_HEAP : BENCH_RINGBUF);
		assert_int_equal(one->size, i / 2 % 2 ? 4096 : 8);
		assert_int_equal(one->same, i < 4);
		assert_true(one->seconds == 0.5);
	}
}

static void perf_stack_is_left_out_or_refused_where_it_does_not_fit(void **state)
{
	struct bench_lists lists = {.size = {{"480", "488"}, 2}};

	(void)state;
	assert_int_equal(bench_cases_make(&lists, &cases), 0);
	assert_int_equal(cases.count, 2 * BENCH_VARIANTS - 1);
	assert_true(cases.stack_left_out);
	for (size_t i = 0; i < cases.count; i++)
		assert_true(cases.items[i].variant != BENCH_PERF_STACK ||
			    cases.items[i].size == 480);
	bench_cases_done(&cases);
	lists.variant = (struct option_list){{"perf-stack"}, 1};
	assert_int_equal(bench_cases_make(&lists, &cases), -EINVAL);
	lists.size = (struct option_list){{"480"}, 1};
	assert_int_equal(bench_cases_make(&lists, &cases), 0);
}

static void wrong_values_are_refused(void **state)
{
	static const struct bench_lists wrong[] = {
		{.size = {{"0"}, 1}},	      {.size = {{"12"}, 1}},
		{.size = {{"4104"}, 1}},      {.size = {{"8x"}, 1}},
		{.size = {{"-8"}, 1}},	      {.size = {{"8", "9"}, 2}},
		{.producers = {{"0"}, 1}},    {.producers = {{"257"}, 1}},
		{.variant = {{"ring"}, 1}},   {.wakeup = {{"never"}, 1}},
		{.consumer = {{"third"}, 1}}, {.seconds = {{"0"}, 1}},
		{.seconds = {{"nan"}, 1}},    {.seconds = {{"3s"}, 1}},
		{.seconds = {{"1e9"}, 1}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(bench_cases_make(&wrong[i], &cases), -EINVAL);
}

static void more_than_a_thousand_cases_are_refused(void **state)
{
	struct bench_lists lists = {0};

	(void)state;
	for (size_t i = 0; i < OPTION_LIST_MAX; i++) {
		lists.size.value[lists.size.count++] = "8";
		lists.producers.value[lists.producers.count++] = "1";
	}
	assert_int_equal(bench_cases_make(&lists, &cases), -EINVAL);
}

static void gaps_must_be_the_losses(void **state)
{
	struct sequence_cpu cpus[4] = {0};
	struct sequence sequence = {.bits = 30, .cpu_count = 4, .cpus = cpus};

	(void)state;
	for (uint32_t seq = 0; seq < 10; seq++)
		assert_true(sequence_take(&sequence, seq));
	assert_true(sequence_take(&sequence, 3u << 30 | 5));
	assert_true(sequence_holds(&sequence, 0, 10, 0));
	assert_true(sequence_holds(&sequence, 0, 12, 2)); /* the last two were lost */
	assert_false(sequence_holds(&sequence, 0, 12, 1));
	assert_true(sequence_holds(&sequence, 3, 6, 5));
	assert_false(sequence_holds(&sequence, 3, 6, 0));
	assert_true(sequence_holds(&sequence, 1, 0, 0));
	assert_false(sequence_take(&sequence, 3));	  /* again */
	assert_false(sequence_take(&sequence, 3u << 30)); /* a step back */
	sequence.cpu_count = 3;
	assert_false(sequence_take(&sequence, 3u << 30 | 6)); /* no such CPU */
}

static void numbers_may_wrap(void **state)
{
	struct sequence_cpu cpu = {.next = UINT32_MAX - 1};
	struct sequence sequence = {.bits = 32, .cpu_count = 1, .cpus = &cpu};

	(void)state;
	assert_true(sequence_take(&sequence, UINT32_MAX - 1));
	assert_true(sequence_take(&sequence, 1)); /* without UINT32_MAX and 0 */
	assert_int_equal(cpu.missing, 2);
	assert_int_equal(cpu.next, 2);
	assert_true(sequence_holds(&sequence, 0, (1ull << 32) + 3, 3));
	assert_false(sequence_holds(&sequence, 0, (1ull << 32) + 3, 2));
}

static void a_ratio_has_median_and_range(void **state)
{
	double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2}, one[] = {7};
	struct bench_ratio ratio = bench_ratio_of(odd, 3);

	(void)state;
	assert_true(ratio.median == 2 && ratio.min == 1 && ratio.max == 3);
	ratio = bench_ratio_of(even, 4);
	assert_true(ratio.median == 2.5 && ratio.min == 1 && ratio.max == 4);
	ratio = bench_ratio_of(one, 1);
	assert_true(ratio.median == 7 && ratio.min == 7 && ratio.max == 7);
}

/* How often `word` is in `text`. */
static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (text = strstr(text, word); text; text = strstr(text + 1, word))
		count++;
	return count;
}

static void a_plot_has_a_bar_a_result_and_a_label_a_group(void **state)
{
	static char drawn[65536];
	struct bench_result results[5] = {0};
	FILE *file = fmemopen(drawn, sizeof(drawn), "w");

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		results[i].of = (struct bench_case){
			.variant = i % 2 ? BENCH_RINGBUF : BENCH_PERF_HEAP,
			.wakeup = BENCH_THRESHOLD,
			.size = i < 2 ? 8 : 64,
			.producers = i < 4 ? 1 : 2,
		};
		results[i].records_per_s = 1.25e6 * (double)(i + 1);
	}
	assert_non_null(file);
	bench_plot_draw(file, results, 5);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(count_of(drawn, ">threshold</text>"), 3);
	assert_int_equal(count_of(drawn, ">64 bytes</text>"), 2);
	/* Bars and legend; perf-stack and ringbuf-output are not drawn. */
	assert_int_equal(count_of(drawn, "fill=\"#e69f00\""), 4);
	assert_int_equal(count_of(drawn, "fill=\"#0072b2\""), 3);
	assert_int_equal(count_of(drawn, "perf-stack"), 0);
	/* The largest is 6.25: steps of 2. */
	assert_int_equal(count_of(drawn, "text-anchor=\"end\">"), 5);
	assert_int_equal(count_of(drawn, ">8</text>"), 1);
	assert_int_equal(count_of(drawn, ">6.25</text>"), 1);
	assert_non_null(strstr(drawn, "</svg>\n"));
}

static void a_plot_of_nothing_received_is_drawn(void **state)
{
	static char drawn[65536];
	const struct bench_result result = {.of = {.size = 8}};
	FILE *file = fmemopen(drawn, sizeof(drawn), "w");

	(void)state;
	assert_non_null(file);
	bench_plot_draw(file, &result, 1);
	assert_int_equal(fclose(file), 0);
	assert_null(strstr(drawn, "nan"));
	assert_null(strstr(drawn, "inf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(without_lists_all_variants_are_measured_once, teardown),
		cmocka_unit_test_teardown(lists_are_combined_with_variants_side_by_side, teardown),
		cmocka_unit_test_teardown(perf_stack_is_left_out_or_refused_where_it_does_not_fit,
					  teardown),
		cmocka_unit_test_teardown(wrong_values_are_refused, teardown),
		cmocka_unit_test_teardown(more_than_a_thousand_cases_are_refused, teardown),
		cmocka_unit_test(gaps_must_be_the_losses),
		cmocka_unit_test(numbers_may_wrap),
		cmocka_unit_test(a_ratio_has_median_and_range),
		cmocka_unit_test(a_plot_has_a_bar_a_result_and_a_label_a_group),
		cmocka_unit_test(a_plot_of_nothing_received_is_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
