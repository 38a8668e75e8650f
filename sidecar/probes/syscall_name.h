/* SPDX-License-Identifier: Apache-2.0 */
/* Names of system calls, from a table that the build makes of the kernel's own headers. Any thread. */
#ifndef RINGSIDE_PROBES_SYSCALL_NAME_H
#define RINGSIDE_PROBES_SYSCALL_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define SYSCALL_NAME 48

/* "write"; "ia32:write" for a 32-bit caller's number ("a32:" on arm64); "syscall_451" where the number has no name. */
void syscall_name(uint32_t nr, bool ia32, char ret_name[SYSCALL_NAME]);

#endif
