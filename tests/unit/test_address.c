/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "net/address.h"

static void every_form_is_read_and_printed(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
		const char *printed;
	} forms[] = {
		{"collector", "collector", 9717, "collector:9717"},
		{"collector.example:80", "collector.example", 80, "collector.example:80"},
		{"127.0.0.1", "127.0.0.1", 9717, "127.0.0.1:9717"},
		{"127.0.0.1:0", "127.0.0.1", 0, "127.0.0.1:0"},
		{"10.0.0.1:65535", "10.0.0.1", 65535, "10.0.0.1:65535"},
		{"[::1]", "::1", 9717, "[::1]:9717"},
		{"[::1]:1", "::1", 1, "[::1]:1"},
		{"::1", "::1", 9717, "[::1]:9717"},
		{"fe80::1%lo", "fe80::1%lo", 9717, "[fe80::1%lo]:9717"},
		{":9000", "", 9000, ":9000"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct address address;
		char text[ADDRESS_TEXT];

		assert_int_equal(address_parse(forms[i].text, &address), 0);
		assert_string_equal(address.host, forms[i].host);
		assert_int_equal(address.port, forms[i].port);
		address_print(&address, text);
		assert_string_equal(text, forms[i].printed);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",	    ":",	   "host:", "host:x",	      "host:65536", "host:-1",
		"host: 1",  "host:000001", "[::1",  "[::1]x",	      "[::1]:",	    "[]:1",
		"[host]:1", "a b",	   "::1:x", "1:2:3",	      "[1.2.3.4]",  "host/p",
		"http://x", "u@host",	   "h\n",   "fe80::1%nowhere"};
	char endless[ADDRESS_HOST + 10];
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (!address_parse(wrong[i], &address))
			fail_msg("%s was taken", wrong[i]);
	}
	memset(endless, 'a', sizeof(endless));
	endless[sizeof(endless) - 1] = '\0';
	assert_int_not_equal(address_parse(endless, &address), 0);
}

static bool loopback(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address_is_loopback(&address);
}

static void loopback_is_told_from_everything_else(void **state)
{
	(void)state;
	assert_true(loopback("localhost"));
	assert_true(loopback("127.0.0.1"));
	assert_true(loopback("127.255.3.4:1"));
	assert_true(loopback("::1"));
	assert_true(loopback("::ffff:127.0.0.1"));
	assert_false(loopback("::ffff:10.0.0.1"));
	assert_false(loopback("0.0.0.0"));
	assert_false(loopback("::"));
	assert_false(loopback(":9717"));
	assert_false(loopback("128.0.0.1"));
	assert_false(loopback("localhost.example"));
	assert_false(loopback("127.0.0.1.example"));
}

static void sockets_are_printed_with_their_port(void **state)
{
	struct sockaddr_storage socket;
	struct address address;
	char text[ADDRESS_TEXT];

	(void)state;
	assert_int_equal(address_parse("[::1]:99", &address), 0);
	assert_int_equal(address_literal(&address, &socket), 0);
	address_print_socket(&socket, text);
	assert_string_equal(text, "[::1]:99");
	assert_int_equal(address_parse("1.2.3.4:5", &address), 0);
	assert_int_equal(address_literal(&address, &socket), 0);
	address_print_socket(&socket, text);
	assert_string_equal(text, "1.2.3.4:5");
	assert_int_equal(address_parse("name", &address), 0);
	assert_int_not_equal(address_literal(&address, &socket), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_read_and_printed),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(loopback_is_told_from_everything_else),
		cmocka_unit_test(sockets_are_printed_with_their_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
