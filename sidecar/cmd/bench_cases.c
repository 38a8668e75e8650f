// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench_cases.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define PRODUCERS_MAX 256
#define CASES_MAX     1000
#define SECONDS_MIN   0.1
#define SECONDS_MAX   600.0

/* The options, from the slowest to change to the fastest. */
enum axis { SECONDS, PRODUCERS, CONSUMER, SIZE, WAKEUP, VARIANT, AXES };

static const char *const variants[BENCH_VARIANTS] = {
	[BENCH_PERF_STACK] = "perf-stack",
	[BENCH_PERF_HEAP] = "perf-heap",
	[BENCH_RINGBUF_OUTPUT] = "ringbuf-output",
	[BENCH_RINGBUF] = "ringbuf",
};
static const char *const wakeups[BENCH_WAKEUPS] = {
	[BENCH_EACH] = "each",
	[BENCH_SAMPLED] = "sampled",
	[BENCH_THRESHOLD] = "threshold",
};
static const char *const consumers[] = {"other", "same"};

static const struct option_list defaults[AXES] = {
	[SECONDS] = {{"3"}, 1},
	[PRODUCERS] = {{"1"}, 1},
	[CONSUMER] = {{"other"}, 1},
	[SIZE] = {{"8"}, 1},
	[WAKEUP] = {{"sampled"}, 1},
	[VARIANT] = {{"perf-stack", "perf-heap", "ringbuf-output", "ringbuf"}, 4},
};

const char *bench_variant_name(enum bench_variant variant)
{
	return variants[variant];
}

const char *bench_wakeup_name(enum bench_wakeup wakeup)
{
	return wakeups[wakeup];
}

const char *bench_consumer_name(const struct bench_case *one)
{
	return consumers[one->same];
}

static int refuse(const char *option, const char *value, const char *why)
{
	log_line(LOG_ERROR, "wrong option", "command", "bench transport", "option", option, "value",
		 value, "why", why, NULL);
	return -EINVAL;
}

static int find(const char *const *names, size_t count, const char *name, uint32_t *ret_number)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(names[i], name)) {
			*ret_number = (uint32_t)i;
			return 0;
		}
	}
	return -EINVAL;
}

int bench_variant_parse(const char *name, enum bench_variant *ret_variant)
{
	uint32_t number = 0;
	const int err = find(variants, BENCH_VARIANTS, name, &number);

	if (!err)
		*ret_variant = (enum bench_variant)number;
	return err;
}

static int parse_number(const char *text, uint64_t min, uint64_t max, uint32_t *ret_number)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value < min || value > max)
		return -EINVAL;
	*ret_number = (uint32_t)value;
	return 0;
}

static int set_seconds(struct bench_case *one, const char *value)
{
	char *end;
	const double seconds = strtod(value, &end);

	if (end == value || *end || !isfinite(seconds) || seconds < SECONDS_MIN ||
	    seconds > SECONDS_MAX)
		return refuse("--seconds", value, "it must be 0.1 to 600");
	one->seconds = seconds;
	return 0;
}

static int set_size(struct bench_case *one, const char *value)
{
	if (parse_number(value, sizeof(struct bench_record), BENCH_SIZE_MAX, &one->size) ||
	    one->size % 8)
		return refuse("--size", value, "it must be 8 to 4096, a multiple of 8");
	return 0;
}

static int set(struct bench_case *one, enum axis axis, const char *value)
{
	uint32_t number = 0;

	switch (axis) {
	case SECONDS:
		return set_seconds(one, value);
	case PRODUCERS:
		if (parse_number(value, 1, PRODUCERS_MAX, &one->producers))
			return refuse("--producers", value, "it must be 1 to 256");
		return 0;
	case CONSUMER:
		if (find(consumers, 2, value, &number))
			return refuse("--consumer", value, "it is same or other");
		one->same = number;
		return 0;
	case SIZE:
		return set_size(one, value);
	case WAKEUP:
		if (find(wakeups, BENCH_WAKEUPS, value, &number))
			return refuse("--wakeup", value, "it is each, sampled or threshold");
		one->wakeup = (enum bench_wakeup)number;
		return 0;
	case VARIANT:
		if (bench_variant_parse(value, &one->variant))
			return refuse("--variant", value,
				      "it is perf-stack, perf-heap, ringbuf-output or ringbuf");
		return 0;
	case AXES:
		break;
	}
	return -EINVAL;
}

static bool fits_stack(const struct bench_case *one)
{
	return one->variant != BENCH_PERF_STACK || one->size <= BENCH_STACK_MAX;
}

/* The lists count as the digits of a number do: the last one changes fastest. */
static int make_case(const struct option_list *const axes[AXES], size_t number,
		     struct bench_case *ret_one)
{
	int err = 0;

	for (int axis = AXES - 1; axis >= 0 && !err; axis--) {
		const struct option_list *list = axes[axis];

		err = set(ret_one, (enum axis)axis, list->value[number % list->count]);
		number /= list->count;
	}
	return err;
}

static int add_case(struct bench_cases *cases, const struct bench_case *one, bool by_name)
{
	_Static_assert(BENCH_STACK_MAX == 480, "the text below");

	if (fits_stack(one))
		cases->items[cases->count++] = *one;
	else if (by_name)
		return refuse("--size", log_u64(one->size),
			      "perf-stack builds records on the BPF stack of 512 bytes: 480 at "
			      "most; perf-heap has no such limit");
	else
		cases->stack_left_out = true;
	return 0;
}

int bench_cases_make(const struct bench_lists *lists, struct bench_cases *ret_cases)
{
	const struct option_list *axes[AXES] = {&lists->seconds,  &lists->producers,
						&lists->consumer, &lists->size,
						&lists->wakeup,	  &lists->variant};
	const bool by_name = lists->variant.count > 0;
	struct bench_cases cases = {0};
	struct bench_case one = {0};
	size_t count = 1;
	int err = 0;

	for (size_t axis = 0; axis < AXES; axis++) {
		if (!axes[axis]->count)
			axes[axis] = &defaults[axis];
		count *= axes[axis]->count;
	}
	if (count > CASES_MAX) {
		log_line(LOG_ERROR, "too many combinations of the lists", "count", log_u64(count),
			 "do", "give shorter lists: 1000 combinations at most", NULL);
		return -EINVAL;
	}
	cases.items = calloc(count, sizeof(cases.items[0]));
	if (!cases.items) {
		log_line(LOG_ERROR, "cannot measure", "why", "out of memory", NULL);
		return -ENOMEM;
	}
	for (size_t number = 0; number < count && !err; number++) {
		err = make_case(axes, number, &one);
		if (!err)
			err = add_case(&cases, &one, by_name);
	}
	if (err)
		bench_cases_done(&cases);
	else
		*ret_cases = cases;
	return err;
}

void bench_cases_done(struct bench_cases *cases)
{
	free(cases->items);
	*cases = (struct bench_cases){0};
}
