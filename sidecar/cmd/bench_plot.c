// SPDX-License-Identifier: Apache-2.0
/*
 *      title, legend            TOP
 *   LEFT | axis and bars        HEIGHT
 *        | labels of a group    BOTTOM
 */
#include "cmd/bench_plot.h"

#include <inttypes.h>
#include <math.h>

#define LEFT	80.0
#define TOP	96.0
#define HEIGHT	280.0
#define BOTTOM	96.0
#define BAR	30.0
#define GAP	4.0  /* between bars */
#define MARGIN	18.0 /* on both sides of a group */
#define GROUP	96.0 /* at least: its labels */
#define LEGEND	135.0
#define TICKS	6 /* at most */
#define MILLION 1e6

static const char *const colours[BENCH_VARIANTS] = {
	[BENCH_PERF_STACK] = "#999999",
	[BENCH_PERF_HEAP] = "#e69f00",
	[BENCH_RINGBUF_OUTPUT] = "#56b4e9",
	[BENCH_RINGBUF] = "#0072b2",
};

struct scale {
	double step, top; /* million records/s */
};

/* Whole steps of 1, 2 or 5 times a power of ten. */
static struct scale scale_of(const struct bench_result *results, size_t count)
{
	double largest = 0, step;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, results[i].records_per_s / MILLION);
	if (largest <= 0)
		return (struct scale){1, 1};
	step = pow(10, floor(log10(largest / TICKS)));
	while (step * TICKS < largest) {
		const double first = step / pow(10, floor(log10(step) + 1e-9));

		step *= first > 1.5 && first < 3 ? 2.5 : 2;
	}
	return (struct scale){step, step * ceil(largest / step)};
}

static bool same_group(const struct bench_case *a, const struct bench_case *b)
{
	return a->wakeup == b->wakeup && a->size == b->size && a->producers == b->producers &&
	       a->same == b->same && a->seconds == b->seconds;
}

/* How many results from `first` on stand side by side. */
static size_t group_length(const struct bench_result *results, size_t count, size_t first)
{
	size_t length = 1;

	while (first + length < count &&
	       same_group(&results[first].of, &results[first + length].of))
		length++;
	return length;
}

static double group_width(size_t length)
{
	return fmax(GROUP, (double)length * (BAR + GAP) - GAP + 2 * MARGIN);
}

static double width_of(const struct bench_result *results, size_t count)
{
	double width = 0;

	for (size_t i = 0, length; i < count; i += length) {
		length = group_length(results, count, i);
		width += group_width(length);
	}
	return fmax(width, BENCH_VARIANTS * LEGEND);
}

static void draw_axis(FILE *file, struct scale scale, double width)
{
	for (int i = 0; i * scale.step <= scale.top * 1.001; i++) {
		const double y = TOP + HEIGHT * (1 - i * scale.step / scale.top);

		fprintf(file,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n"
			"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
			LEFT, y, LEFT + width, y, i ? "#dddddd" : "#000000", LEFT - 8, y + 4,
			i * scale.step);
	}
	fprintf(file,
		"<text transform=\"translate(24 %.1f) rotate(-90)\" text-anchor=\"middle\">"
		"received records, million/s</text>\n",
		TOP + HEIGHT / 2);
}

static void draw_legend(FILE *file, const struct bench_result *results, size_t count)
{
	bool used[BENCH_VARIANTS] = {false};
	double x = LEFT;

	for (size_t i = 0; i < count; i++)
		used[results[i].of.variant] = true;
	for (enum bench_variant variant = 0; variant < BENCH_VARIANTS; variant++) {
		if (!used[variant])
			continue;
		fprintf(file,
			"<rect x=\"%.1f\" y=\"52\" width=\"12\" height=\"12\" fill=\"%s\"/>\n"
			"<text x=\"%.1f\" y=\"62\">%s</text>\n",
			x, colours[variant], x + 18, bench_variant_name(variant));
		x += LEGEND;
	}
}

static void draw_bar(FILE *file, const struct bench_result *result, struct scale scale, double x)
{
	const double value = result->records_per_s / MILLION;
	const double height = HEIGHT * value / scale.top;

	fprintf(file,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n"
		"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-size=\"10\">%.*f</text>\n",
		x, TOP + HEIGHT - height, BAR, height, colours[result->of.variant], x + BAR / 2,
		TOP + HEIGHT - height - 4, value < 9.995 ? 2 : 1, value);
}

static void draw_group_label(FILE *file, const struct bench_case *of, double x)
{
	const double y = TOP + HEIGHT;

	fprintf(file,
		"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n"
		"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%" PRIu32 " bytes</text>\n",
		x, y + 18, bench_wakeup_name(of->wakeup), x, y + 34, of->size);
	fprintf(file,
		"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#555555\">%" PRIu32
		" prod., %s</text>\n",
		x, y + 50, of->producers, bench_consumer_name(of));
}

static void draw_groups(FILE *file, const struct bench_result *results, size_t count,
			struct scale scale)
{
	double left = LEFT;

	for (size_t i = 0, length; i < count; i += length) {
		double x;

		length = group_length(results, count, i);
		x = left + (group_width(length) - (double)length * (BAR + GAP) + GAP) / 2;
		for (size_t k = 0; k < length; k++, x += BAR + GAP)
			draw_bar(file, &results[i + k], scale, x);
		draw_group_label(file, &results[i].of, left + group_width(length) / 2);
		left += group_width(length);
	}
}

void bench_plot_draw(FILE *file, const struct bench_result *results, size_t count)
{
	const struct scale scale = scale_of(results, count);
	const double plot = width_of(results, count), width = LEFT + plot + 24;
	const double height = TOP + HEIGHT + BOTTOM;

	fprintf(file,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
		"<title>ringside bench transport</title>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
		width, height, width, height);
	fprintf(file,
		"<text x=\"%.1f\" y=\"30\" font-size=\"16\">From the kernel to user space: records "
		"each second</text>\n",
		LEFT);
	draw_legend(file, results, count);
	draw_axis(file, scale, plot);
	draw_groups(file, results, count, scale);
	fprintf(file,
		"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">wake-up, record size, "
		"producers, consumer's CPU</text>\n</svg>\n",
		LEFT + plot / 2, height - 16);
}
