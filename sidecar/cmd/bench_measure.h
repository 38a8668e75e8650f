/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures one case of `bench transport`: producers on their CPUs, a consumer on its own, a warm-up, then the asked seconds.
 * Counting begins and ends with the buffers empty and the producers still, so that produced = received + lost is exact.
 */
#ifndef RINGSIDE_CMD_BENCH_MEASURE_H
#define RINGSIDE_CMD_BENCH_MEASURE_H

#include <stdint.h>

#include "cmd/bench_cases.h"

struct bench_result {
	struct bench_case of;
	uint64_t produced, received, lost;
	uint64_t corrupt;     /* of the warm-up too */
	double records_per_s; /* received */
	double wakeups_per_s; /* of the consumer */
	uint64_t copied_bytes_per_record;
	double producer_cpu_ns; /* a record produced */
	double consumer_cpu_ns; /* a record received */
	uint64_t memory_bytes;
};

/*
 * 0; -EBADMSG: the records or the counts are wrong (ret_result is filled); another -errno: the machine refuses what ret_what
 * names (static text); -ENODATA: it let all of it happen and made no record.
 */
int bench_measure(const struct bench_case *one, struct bench_result *ret_result,
		  const char **ret_what);

#endif
