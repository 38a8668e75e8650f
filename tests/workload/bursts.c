// SPDX-License-Identifier: Apache-2.0
/* For each byte on stdin, as many writes of one byte to /dev/null as it says. Ends at the end of stdin. */
#include <fcntl.h>

#include "workload.h"

int main(void)
{
	const int fd = open("/dev/null", O_WRONLY);
	unsigned char count;

	while (read(STDIN_FILENO, &count, 1) == 1) {
		while (count--) {
			if (write(fd, "", 1) != 1)
				die("write");
		}
	}
	return 0;
}
