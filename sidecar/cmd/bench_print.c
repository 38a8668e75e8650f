// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

int bench_format_parse(const char *name, enum bench_format *ret_format)
{
	static const char *const names[] = {
		[BENCH_TABLE] = "table", [BENCH_JSON] = "json", [BENCH_CSV] = "csv"};

	*ret_format = BENCH_TABLE;
	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(name, names[i])) {
			*ret_format = (enum bench_format)i;
			return 0;
		}
	}
	return name ? -EINVAL : 0;
}

static int flush(void)
{
	int err;

	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	err = errno ? -errno : -EIO;
	log_line(LOG_ERROR, "cannot write", "object", "stdout", "why", strerror(-err), NULL);
	return err;
}

static void print_table_row(const struct bench_result *r, bool first)
{
	const struct bench_case *of = &r->of;
	/* The time that the received ones took. */
	const double seconds = r->received ? (double)r->received / r->records_per_s : of->seconds;

	if (first)
		printf("M/s: million records each second; copied: bytes a record; ns: CPU time a "
		       "record\n\n"
		       "%-14s %-9s %5s %5s %-5s %9s %9s %9s %10s %7s %9s %9s %8s\n",
		       "variant", "wakeup", "size", "prod.", "cons.", "made M/s", "recv. M/s",
		       "lost M/s", "wakeups/s", "copied", "prod. ns", "cons. ns", "KiB");
	printf("%-14s %-9s %5" PRIu32 " %5" PRIu32 " %-5s %9.3f %9.3f %9.3f %10.0f %7" PRIu64
	       " %9.1f %9.1f %8" PRIu64 "\n",
	       bench_variant_name(of->variant), bench_wakeup_name(of->wakeup), of->size,
	       of->producers, bench_consumer_name(of), (double)r->produced / seconds / 1e6,
	       r->records_per_s / 1e6, (double)r->lost / seconds / 1e6, r->wakeups_per_s,
	       r->copied_bytes_per_record, r->producer_cpu_ns, r->consumer_cpu_ns,
	       r->memory_bytes / 1024);
}

static void print_json_row(const struct bench_result *r)
{
	const struct bench_case *of = &r->of;

	printf("{\"variant\":\"%s\",\"wakeup\":\"%s\",\"size\":%" PRIu32 ",\"producers\":%" PRIu32
	       ",\"consumer\":\"%s\",\"seconds\":%g,",
	       bench_variant_name(of->variant), bench_wakeup_name(of->wakeup), of->size,
	       of->producers, bench_consumer_name(of), of->seconds);
	printf("\"produced\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"corrupt\":%" PRIu64 ",",
	       r->produced, r->received, r->lost, r->corrupt);
	printf("\"records_per_s\":%.0f,\"wakeups_per_s\":%.1f,\"copied_bytes_per_record\":%" PRIu64
	       ",\"producer_cpu_ns\":%.2f,\"consumer_cpu_ns\":%.2f,\"memory_bytes\":%" PRIu64 "}\n",
	       r->records_per_s, r->wakeups_per_s, r->copied_bytes_per_record, r->producer_cpu_ns,
	       r->consumer_cpu_ns, r->memory_bytes);
}

static void print_csv_row(const struct bench_result *r, bool first)
{
	const struct bench_case *of = &r->of;

	if (first)
		printf("variant,wakeup,size,producers,consumer,seconds,produced,received,lost,"
		       "corrupt,records_per_s,wakeups_per_s,copied_bytes_per_record,"
		       "producer_cpu_ns,consumer_cpu_ns,memory_bytes\n");
	printf("%s,%s,%" PRIu32 ",%" PRIu32 ",%s,%g,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
	       ",%.0f,%.1f,%" PRIu64 ",%.2f,%.2f,%" PRIu64 "\n",
	       bench_variant_name(of->variant), bench_wakeup_name(of->wakeup), of->size,
	       of->producers, bench_consumer_name(of), of->seconds, r->produced, r->received,
	       r->lost, r->corrupt, r->records_per_s, r->wakeups_per_s, r->copied_bytes_per_record,
	       r->producer_cpu_ns, r->consumer_cpu_ns, r->memory_bytes);
}

int bench_print_result(enum bench_format format, const struct bench_result *result, bool first)
{
	if (format == BENCH_JSON)
		print_json_row(result);
	else if (format == BENCH_CSV)
		print_csv_row(result, first);
	else
		print_table_row(result, first);
	return flush();
}

int bench_print_ratio(enum bench_format format, const char *pair, const char *metric,
		      const struct bench_ratio *ratio, size_t rounds, bool first)
{
	if (format == BENCH_JSON) {
		printf("{\"pair\":\"%s\",\"metric\":\"%s\",\"median\":%.4f,\"min\":%.4f,"
		       "\"max\":%.4f,\"rounds\":%zu}\n",
		       pair, metric, ratio->median, ratio->min, ratio->max, rounds);
	} else if (format == BENCH_CSV) {
		if (first)
			printf("pair,metric,median,min,max,rounds\n");
		printf("\"%s\",%s,%.4f,%.4f,%.4f,%zu\n", pair, metric, ratio->median, ratio->min,
		       ratio->max, rounds);
	} else {
		if (first)
			printf("%s: the first divided by the second, %zu rounds\n\n"
			       "%-16s %9s %9s %9s\n",
			       pair, rounds, "metric", "median", "min", "max");
		printf("%-16s %9.3f %9.3f %9.3f\n", metric, ratio->median, ratio->min, ratio->max);
	}
	return flush();
}

void bench_print_progress(const struct bench_case *one, size_t number, size_t count)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K");
	if (one)
		fprintf(stderr, "%zu of %zu: %s %s %" PRIu32 " bytes, %g s", number, count,
			bench_variant_name(one->variant), bench_wakeup_name(one->wakeup), one->size,
			one->seconds);
}
