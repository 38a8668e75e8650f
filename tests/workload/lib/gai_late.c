/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library that exports getaddrinfo itself. Nodes:
 *   nest:N:NODE    calls itself N times deep, then the C library's for NODE
 *   many:N         N answers, made here, 10.0.HIGH.LOW, port 1000 + index
 *   refuse:CODE    returns CODE at once
 * An unreadable node is EAI_SYSTEM, untouched. Anything else goes to the C library.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

typedef int (*resolver)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int readable(const char *node)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)node, 1};

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

/* One piece: freeaddrinfo must not see it. */
static struct addrinfo *made(int count)
{
	struct {
		struct addrinfo info;
		struct sockaddr_in address;
	} *list = calloc((size_t)count, sizeof(*list));

	for (int i = 0; list && i < count; i++) {
		list[i].info = (struct addrinfo){
			.ai_family = AF_INET,
			.ai_socktype = SOCK_STREAM,
			.ai_addrlen = sizeof(list[i].address),
			.ai_addr = (struct sockaddr *)&list[i].address,
			.ai_next = i + 1 < count ? &list[i + 1].info : NULL,
		};
		list[i].address.sin_family = AF_INET;
		list[i].address.sin_port = htons((in_port_t)(1000 + i));
		list[i].address.sin_addr.s_addr = htonl(0x0a000000u + (unsigned)i);
	}
	return list ? &list[0].info : NULL;
}

__attribute__((noinline)) int getaddrinfo(const char *node, const char *service,
					  const struct addrinfo *hints, struct addrinfo **answers)
{
	volatile int result =
		EAI_SYSTEM; /* volatile: no tail call, each level has a frame of its own */
	char text[256];
	int depth, code, length = 0;

	if (node && !readable(node))
		return EAI_SYSTEM;
	if (node && sscanf(node, "refuse:%d", &code) == 1)
		return code;
	if (node && sscanf(node, "many:%d", &code) == 1) {
		*answers = made(code);
		return 0;
	}
	if (node && sscanf(node, "nest:%d:%n", &depth, &length) == 1 && length) {
		if (depth > 1)
			snprintf(text, sizeof(text), "nest:%d:%s", depth - 1, node + length);
		else
			snprintf(text, sizeof(text), "%s", node + length);
		result = getaddrinfo(text, service, hints, answers);
	} else {
		resolver next = (resolver)dlsym(RTLD_NEXT, "getaddrinfo");

		if (!next) /* musl: what was opened last has no next */
			next = (resolver)dlsym(RTLD_DEFAULT, "getaddrinfo");
		result = next(node, service, hints, answers);
	}
	return result;
}
