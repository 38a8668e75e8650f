/* SPDX-License-Identifier: Apache-2.0 */
/* The benchmarks: like commands, each with its own name as argv[0], exit code returned, errors logged. */
#ifndef RINGSIDE_CMD_BENCHMARKS_H
#define RINGSIDE_CMD_BENCHMARKS_H

int bench_pipeline_main(int argc, char **argv);
int bench_transport_main(int argc, char **argv);

#endif
