// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_port(const char *text, uint16_t *ret_port)
{
	unsigned long port = 0;

	if (!*text || strlen(text) > 5)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (unsigned long)(*text - '0');
	}
	if (port > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

static bool host_is_clean(const char *host)
{
	for (; *host; host++)
		if (*host <= ' ' || *host == 0x7f || strchr("/[]@\"\\", *host))
			return false;
	return true;
}

int address_parse(const char *text, struct address *ret_address)
{
	struct address address = {.port = ADDRESS_PORT};
	const char *host = text, *end, *port = NULL;

	if (*text == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end || end == host || (end[1] && end[1] != ':'))
			return -EINVAL;
		if (end[1])
			port = end + 2;
	} else {
		const char *colon = strchr(text, ':');

		end = text + strlen(text);
		/* Two colons without brackets: a bare IPv6 address. */
		if (colon && !strchr(colon + 1, ':')) {
			end = colon;
			port = colon + 1;
		}
	}
	if ((size_t)(end - host) >= sizeof(address.host) || (end == host && !port))
		return -EINVAL;
	memcpy(address.host, host, (size_t)(end - host));
	if (!host_is_clean(address.host) || (port && parse_port(port, &address.port)))
		return -EINVAL;
	if (strchr(address.host, ':') || *text == '[') {
		struct sockaddr_storage socket;

		if (address_literal(&address, &socket) || socket.ss_family != AF_INET6)
			return -EINVAL;
	}
	*ret_address = address;
	return 0;
}

void address_print(const struct address *address, char ret_text[ADDRESS_TEXT])
{
	const char *format = strchr(address->host, ':') ? "[%s]:%u" : "%s:%u";

	snprintf(ret_text, ADDRESS_TEXT, format, address->host, (unsigned int)address->port);
}

void address_print_socket(const struct sockaddr_storage *socket, char ret_text[ADDRESS_TEXT])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)socket;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)socket;
	char host[INET6_ADDRSTRLEN] = "?";

	if (socket->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(ret_text, ADDRESS_TEXT, "%s:%u", host, (unsigned int)ntohs(v4->sin_port));
	} else if (socket->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(ret_text, ADDRESS_TEXT, "[%s]:%u", host,
			 (unsigned int)ntohs(v6->sin6_port));
	} else {
		snprintf(ret_text, ADDRESS_TEXT, "?");
	}
}

int address_literal(const struct address *address, struct sockaddr_storage *ret_socket)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(address->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
	char host[ADDRESS_HOST], *scope;

	memset(ret_socket, 0, sizeof(*ret_socket));
	if (!address->host[0]) {
		memcpy(ret_socket, &v6, sizeof(v6));
		return 0;
	}
	if (inet_pton(AF_INET, address->host, &v4.sin_addr) == 1) {
		memcpy(ret_socket, &v4, sizeof(v4));
		return 0;
	}
	snprintf(host, sizeof(host), "%s", address->host);
	scope = strchr(host, '%');
	if (scope) {
		*scope++ = '\0';
		v6.sin6_scope_id = if_nametoindex(scope);
		if (!v6.sin6_scope_id)
			v6.sin6_scope_id = (uint32_t)strtoul(scope, NULL, 10);
		if (!v6.sin6_scope_id)
			return -EINVAL;
	}
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
		return -EINVAL;
	memcpy(ret_socket, &v6, sizeof(v6));
	return 0;
}

bool address_is_loopback(const struct address *address)
{
	struct sockaddr_storage socket;

	if (!strcmp(address->host, "localhost"))
		return true;
	return !address_literal(address, &socket) && address_socket_is_loopback(&socket);
}

bool address_socket_is_loopback(const struct sockaddr_storage *socket)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)socket;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)socket;

	if (socket->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	if (socket->ss_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return v6->sin6_addr.s6_addr[12] == 127;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

socklen_t address_socket_length(const struct sockaddr_storage *socket)
{
	return socket->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					    : sizeof(struct sockaddr_in6);
}
