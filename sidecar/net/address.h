/* SPDX-License-Identifier: Apache-2.0 */
/* Where a collector listens: HOST, HOST:PORT, 1.2.3.4:PORT, [v6]:PORT, [v6] or bare v6. No name is looked up here. */
#ifndef RINGSIDE_NET_ADDRESS_H
#define RINGSIDE_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_HOST 256
#define ADDRESS_PORT 9717
#define ADDRESS_TEXT (ADDRESS_HOST + 8)

struct address {
	char host
		[ADDRESS_HOST]; /* a name or a literal, without brackets; empty: every address of this machine */
	uint16_t port;
};

/* 0 or -EINVAL. Port 0 is taken as it is (for listening). */
int address_parse(const char *text, struct address *ret_address);
/* HOST:PORT or [v6]:PORT. */
void address_print(const struct address *address, char ret_text[ADDRESS_TEXT]);
void address_print_socket(const struct sockaddr_storage *socket, char ret_text[ADDRESS_TEXT]);

/* From a literal (scope ids of IPv6 allowed); -EINVAL: the host is a name. */
int address_literal(const struct address *address, struct sockaddr_storage *ret_socket);
/* The host is a loopback literal or `localhost`. */
bool address_is_loopback(const struct address *address);
bool address_socket_is_loopback(const struct sockaddr_storage *socket);
socklen_t address_socket_length(const struct sockaddr_storage *socket);

#endif
