// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <bpf/libbpf.h>
#include <protobuf-c/protobuf-c.h>
#include <yyjson.h>
#include <zlib.h>

#include "base/log.h"
#include "cmd/commands.h"
#include "net/tls.h"
#include "wire/session.h"

static const struct {
	const char *name, *version, *licence;
} third_party[] = {
#include "third_party.h"
};

static void print_licences(void)
{
	printf("%-16s %-28s %s\n", "ringside", RINGSIDE_VERSION,
	       "Apache-2.0; BPF programs GPL-2.0-only OR BSD-2-Clause");
	for (size_t i = 0; i < sizeof(third_party) / sizeof(third_party[0]); i++)
		printf("%-16s %-28s %s\n", third_party[i].name, third_party[i].version,
		       third_party[i].licence);
}

int version_main(int argc, char **argv)
{
	const char *option = argc > 1 ? argv[1] : "";
	bool licences = !strcmp(option, "--licenses");
	bool help = !strcmp(option, "--help") || !strcmp(option, "-h");

	if (argc > 2 || (argc == 2 && !licences && !help)) {
		log_line(LOG_ERROR, "wrong argument", "command", "version", "value",
			 argc > 2 ? argv[2] : option, "do", "leave it out", NULL);
		return 2;
	}
	if (help)
		printf("Usage: ringside version [--licenses]\n\nPrints the version of the program, "
		       "the "
		       "protocol and the libraries.\n\n"
		       "  --licenses  what is linked in, with version and licence\n");
	else if (licences)
		print_licences();
	else
		printf("ringside %s\nprotocol %d\nlibbpf %s\nlibelf %s\nzlib %s\nprotobuf-c %s\n"
		       "openssl %s\nyyjson %s\n",
		       RINGSIDE_VERSION, SESSION_VERSION, libbpf_version_string(), ELFUTILS_VERSION,
		       zlibVersion(), protobuf_c_version(), tls_version(), YYJSON_VERSION_STRING);
	return 0;
}
