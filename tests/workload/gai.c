/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls getaddrinfo(3). gai [OPTION]... MODE [NODE [SERVICE]]; NODE or SERVICE `-` is NULL.
 *   --hints FLAGS,FAMILY,SOCKTYPE,PROTOCOL   (else NULL)
 * Modes:
 *   call                  one call
 *   long                  the node is a name of 1,000 letters
 *   late                  the node is on a page of a file that nothing has touched yet
 *   bad_flags             node on no page at all, hints that the library refuses first (musl)
 *   crash                 node on no page at all, the SIGSEGV handler jumps out; then one call
 *   jump                  a call that blocks is left by siglongjmp from SIGALRM; then one call
 *   cancel                a thread is cancelled in a call that blocks; then one call
 *                         (the call that follows these has node 127.0.0.9)
 *   threads               8 threads, 50 calls each, node 127.THREAD.CALL.1, service 1000 + CALL
 *   wait                  no call; leaves when stdin ends
 *   twice                 the same call, again when stdin ends
 *   dlopen=LIBRARY        waits for stdin to end, opens the library, calls its getaddrinfo
 * Reports the result and the answers as the caller sees them.
 */
#include "workload.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#define THREADS 8
#define CALLS	50
#define AFTER	"127.0.0.9"

typedef int (*resolver)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static resolver resolve = getaddrinfo;
static struct addrinfo hints_store;
static const struct addrinfo *hints;
static sigjmp_buf out_of_call;

static void report_answer(const struct addrinfo *answer)
{
	char text[INET6_ADDRSTRLEN] = "";
	unsigned port = 0, scope_id = 0;

	if (answer->ai_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)answer->ai_addr;

		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		port = ntohs(v4->sin_port);
	} else if (answer->ai_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)answer->ai_addr;

		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		port = ntohs(v6->sin6_port);
		scope_id = v6->sin6_scope_id;
	}
	report("{\"flags\":%d,\"family\":%d,\"socktype\":%d,\"protocol\":%d,\"addrlen\":%u,"
	       "\"address\":\"%s\","
	       "\"port\":%u,\"scope_id\":%u,\"canonname\":",
	       answer->ai_flags, answer->ai_family, answer->ai_socktype, answer->ai_protocol,
	       (unsigned)answer->ai_addrlen, text, port, scope_id);
	report_string(answer->ai_canonname);
	report("}");
}

/*
 * One element of `calls` in the report. The answers are not freed: another library may have made
 * them.
 */
static void call(const char *node, const char *service)
{
	struct addrinfo *answers = NULL;
	struct timespec a, b;
	int result;

	clock_gettime(CLOCK_MONOTONIC, &a);
	result = resolve(node, service, hints, &answers);
	clock_gettime(CLOCK_MONOTONIC, &b);
	report("{\"tid\":%d,\"result\":%d,\"latency_ns\":%lld,\"answers\":[", thread_id(), result,
	       (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec);
	for (const struct addrinfo *one = result ? NULL : answers; one; one = one->ai_next) {
		report_answer(one);
		report("%s", one->ai_next ? "," : "");
	}
	report("]}");
}

static void *bad_pointer(void)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		die("mmap");
	return page;
}

static void call_long(const char *service)
{
	static char name[1001];

	memset(name, 'n', 1000);
	call(name, service);
}

/*
 * The file is written by another process's descriptor and its page dropped from this one's
 * mappings: not present.
 */
static void call_late(const char *node, const char *service)
{
	char path[] = "/tmp/gai-late-XXXXXX", *page;
	int fd = mkstemp(path);
	size_t length = strlen(node) + 1;

	if (fd < 0 || write(fd, node, length) != (ssize_t)length || unlink(path))
		die("mkstemp");
	page = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (page == MAP_FAILED)
		die("mmap");
	call(page, service);
}

static void call_bad_flags(void)
{
	hints_store = (struct addrinfo){.ai_flags = 0x40000000};
	hints = &hints_store;
	call(bad_pointer(), "80");
	hints = NULL;
}

static void on_signal(int number)
{
	siglongjmp(out_of_call, number);
}

static void call_after(void)
{
	hints_store = (struct addrinfo){.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	hints = &hints_store;
	call(AFTER, NULL);
}

static void call_and_jump(int number, const char *node)
{
	struct addrinfo *answers;

	signal(number, on_signal);
	if (!sigsetjmp(out_of_call, 1)) {
		if (number == SIGALRM)
			ualarm(200000, 0);
		resolve(node, NULL, hints, &answers);
		die("the call returned");
	}
	signal(number, SIG_DFL);
	call_after();
}

static void *blocked(void *node)
{
	struct addrinfo *answers;

	resolve(node, NULL, hints, &answers);
	return NULL;
}

static void call_and_cancel(char *node)
{
	pthread_t thread;
	void *how;

	if (pthread_create(&thread, NULL, blocked, node))
		die("pthread_create");
	usleep(200000);
	if (pthread_cancel(thread) || pthread_join(thread, &how) || how != PTHREAD_CANCELED)
		die("the call was not cancelled");
	call_after();
}

static void *call_many(void *arg)
{
	struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM},
			*answers;
	char node[32], service[16];

	for (int i = 0; i < CALLS; i++) {
		snprintf(node, sizeof(node), "127.%d.%d.1", (int)(long)arg, i);
		snprintf(service, sizeof(service), "%d", 1000 + i);
		if (resolve(node, service, &numeric, &answers))
			die(node);
		freeaddrinfo(answers);
	}
	return NULL;
}

static void call_threads(void)
{
	pthread_t threads[THREADS];

	for (long t = 0; t < THREADS; t++)
		if (pthread_create(&threads[t], NULL, call_many, (void *)t))
			die("pthread_create");
	for (long t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
}

static void wait_for_stdin(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static void open_library(const char *path)
{
	void *library;

	wait_for_stdin();
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	*(void **)&resolve = library ? dlsym(library, "getaddrinfo") : NULL;
	if (!resolve)
		die(dlerror());
}

static char *text_or_null(char **args, int index, int count)
{
	return index < count && strcmp(args[index], "-") ? args[index] : NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"hints", 1, NULL, 'h'}, {NULL, 0, NULL, 0}};
	char *mode, *node, *service;

	while (getopt_long(argc, argv, "", options, NULL) == 'h') {
		if (sscanf(optarg, "%i,%i,%i,%i", &hints_store.ai_flags, &hints_store.ai_family,
			   &hints_store.ai_socktype, &hints_store.ai_protocol) != 4)
			return WORKLOAD_FAILED;
		hints = &hints_store;
	}
	if (optind >= argc)
		return WORKLOAD_FAILED;
	mode = argv[optind];
	node = text_or_null(argv, optind + 1, argc);
	service = text_or_null(argv, optind + 2, argc);
	gate_wait();
	if (!strncmp(mode, "dlopen=", 7))
		open_library(mode + 7);
	report("{\"pid\":%d,\"threads\":%d,\"calls_each\":%d,\"calls\":[", getpid(), THREADS,
	       CALLS);
	if (!strcmp(mode, "long"))
		call_long(service);
	else if (!strcmp(mode, "late"))
		call_late(node, service);
	else if (!strcmp(mode, "bad_flags"))
		call_bad_flags();
	else if (!strcmp(mode, "crash"))
		call_and_jump(SIGSEGV, bad_pointer());
	else if (!strcmp(mode, "jump"))
		call_and_jump(SIGALRM, node);
	else if (!strcmp(mode, "cancel"))
		call_and_cancel(node);
	else if (!strcmp(mode, "threads"))
		call_threads();
	else if (!strcmp(mode, "wait"))
		wait_for_stdin();
	else
		call(node, service);
	if (!strcmp(mode, "twice")) {
		wait_for_stdin();
		report(",");
		call(node, service);
	}
	report("]}");
	report_send();
	return 0;
}
