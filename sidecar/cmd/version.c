// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <bpf/libbpf.h>
#include <protobuf-c/protobuf-c.h>
#include <zlib.h>

#include "base/log.h"
#include "cmd/commands.h"
#include "wire/session.h"

int version_main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--help") && strcmp(argv[1], "-h")) {
		log_line(LOG_ERROR, "wrong argument", "command", "version", "value", argv[1], "do",
			 "leave it out", NULL);
		return 2;
	}
	if (argc > 1) {
		printf("Usage: ringside version\n\nPrints the version of the program, the protocol "
		       "and the libraries.\n");
		return 0;
	}
	printf("ringside %s\nprotocol %d\nlibbpf %s\nlibelf %s\nzlib %s\nprotobuf-c %s\n",
	       RINGSIDE_VERSION, SESSION_VERSION, libbpf_version_string(), ELFUTILS_VERSION,
	       zlibVersion(), protobuf_c_version());
	return 0;
}
