/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands. Each gets its own name as argv[0] and returns the exit code: 0 done, 1 the machine or a peer refuses,
 * 2 a wrong call. Errors have been logged.
 */
#ifndef RINGSIDE_CMD_COMMANDS_H
#define RINGSIDE_CMD_COMMANDS_H

int run_main(int argc, char **argv);
int collect_main(int argc, char **argv);
int cat_main(int argc, char **argv);
int check_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int inject_main(int argc, char **argv);
int health_main(int argc, char **argv);
int version_main(int argc, char **argv);

#endif
