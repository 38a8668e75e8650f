// SPDX-License-Identifier: Apache-2.0
#include "probes/syscall_name.h"

#include <stddef.h>
#include <stdio.h>

#include "syscall_names.h"

void syscall_name(uint32_t nr, bool ia32, char ret_name[SYSCALL_NAME])
{
	const char *const *names = ia32 ? syscall_names_compat : syscall_names;
	const size_t count = ia32 ? sizeof(syscall_names_compat) / sizeof(syscall_names_compat[0])
				  : sizeof(syscall_names) / sizeof(syscall_names[0]);
	const char *prefix = ia32 ? COMPAT_PREFIX : "";

	if (nr < count && names[nr])
		snprintf(ret_name, SYSCALL_NAME, "%s%s", prefix, names[nr]);
	else
		snprintf(ret_name, SYSCALL_NAME, "%ssyscall_%u", prefix, nr);
}
