/* SPDX-License-Identifier: Apache-2.0 */
/* The standard descriptors, which the caller of the program may have closed. */
#ifndef RINGSIDE_BASE_STANDARD_H
#define RINGSIDE_BASE_STANDARD_H

#include <stdbool.h>

/*
 * First thing in main: opens /dev/null in place of those that are closed, or the next files that are opened would take their
 * numbers. For reading only: writing to such a stdout fails with EBADF, as to a closed one.
 */
void standard_fill(void);

/* Whether stdout can be written at all. */
bool standard_output_open(void);

#endif
