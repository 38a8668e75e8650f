/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shape of a process's life a run, by the first argument:
 *   exit CODE                  leaves with CODE
 *   signal NUMBER              is killed by its own signal
 *   leader CODE                the main thread leaves first; another ends the process with CODE once stdin ends
 *   threads COUNT              makes and joins threads that are no processes
 *   race COUNT                 threads that all call exit_group(3) at once
 *   thread_exec PROGRAM ARG... execs from a thread that is not the main one
 *   exec_fails PATH            an execve that fails, then exit 5
 *   fork COUNT                 children that leave by _exit(1), _exit(2), ... without exec
 *   vfork PROGRAM ARG...       vfork and exec; leaves with the child's code
 *   into DIR PROGRAM ARG...    clone3 into the cgroup DIR, exec there; leaves with the child's code
 *   big BYTES PROGRAM          execs PROGRAM with arguments of BYTES bytes in all, NULs counted
 *   burn MILLISECONDS          uses that much CPU time, half of it in a thread
 *   rss BYTES                  touches that much memory
 *   wait                       does nothing until stdin ends
 */
#include "workload.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define ARGUMENT 100000 /* below the kernel's limit for one argument, 128 KiB */

extern char **environ;
static pthread_barrier_t barrier;

static void begin(const char *shape)
{
	report("{\"pid\":%d,\"shape\":", getpid());
	report_string(shape);
}

static void end(void)
{
	report("}");
	report_send();
}

static int wait_code(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		die("child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : WORKLOAD_FAILED;
}

static int shape_exit(char **args)
{
	end();
	return atoi(args[0]);
}

static int shape_signal(char **args)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	end();
	signal(atoi(args[0]), SIG_DFL);
	kill(getpid(), atoi(args[0]));
	pause();
	return WORKLOAD_FAILED;
}

static void wait_for_end_of_stdin(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* The main thread has gone once its task is a zombie. */
static void *last_thread(void *arg)
{
	char path[64], text[512], *state;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	do {
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		text[n > 0 ? n : 0] = 0;
		state = strrchr(text, ')');
		usleep(1000);
	} while (state && state[2] != 'Z');
	report(",\"last_tid\":%d", thread_id());
	end();
	wait_for_end_of_stdin();
	exit(*(int *)arg);
}

static int shape_leader(char **args)
{
	static int code;
	pthread_t thread;

	code = atoi(args[0]);
	if (pthread_create(&thread, NULL, last_thread, &code))
		die("pthread_create");
	pthread_exit(NULL);
}

static void *nothing(void *arg)
{
	return arg;
}

static int shape_threads(char **args)
{
	int count = atoi(args[0]);

	for (int i = 0; i < count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
			die("pthread_create");
	}
	report(",\"threads\":%d", count);
	end();
	return 0;
}

static void *leave_together(void *arg)
{
	pthread_barrier_wait(&barrier);
	syscall(SYS_exit_group, 3);
	return arg;
}

static int shape_race(char **args)
{
	int count = atoi(args[0]);
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
	for (int i = 0; i < count; i++)
		if (pthread_create(&thread, NULL, leave_together, NULL))
			die("pthread_create");
	end();
	leave_together(NULL);
	return WORKLOAD_FAILED;
}

static void *exec_here(void *arg)
{
	char **args = arg;

	execv(args[0], args);
	die("execv");
}

static int shape_thread_exec(char **args)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, exec_here, args))
		die("pthread_create");
	pthread_join(thread, NULL);
	return WORKLOAD_FAILED;
}

static int shape_exec_fails(char **args)
{
	if (execv(args[0], args) != -1)
		return WORKLOAD_FAILED;
	end();
	return 5;
}

static int shape_fork(char **args)
{
	int count = atoi(args[0]);

	report(",\"children\":[");
	for (int i = 0; i < count; i++) {
		pid_t child = fork();

		if (!child)
			_exit(i + 1);
		report("%s%d", i ? "," : "", child);
		wait_code(child);
	}
	report("]");
	end();
	return 0;
}

static int shape_vfork(char **args)
{
	pid_t child = vfork();

	if (!child) {
		execv(args[0], args);
		_exit(WORKLOAD_FAILED);
	}
	report(",\"child\":%d", child);
	end();
	return wait_code(child);
}

static int shape_into(char **args)
{
	int fd = open(args[0], O_RDONLY | O_DIRECTORY);
	struct clone_args clone = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)fd,
	};
	pid_t child;

	if (fd < 0)
		die(args[0]);
	child = (pid_t)syscall(SYS_clone3, &clone, sizeof(clone));
	if (!child) {
		execv(args[1], args + 1);
		_exit(WORKLOAD_FAILED);
	}
	report(",\"child\":%d", child);
	end();
	return wait_code(child);
}

static int shape_big(char **args)
{
	size_t left = strtoul(args[0], NULL, 0);
	char **list = calloc(left / ARGUMENT + 4, sizeof(*list));
	int count = 0;

	left -= strlen(args[1]) + 1;
	list[count++] = args[1];
	while (left) {
		size_t length = left < ARGUMENT ? left : ARGUMENT;
		char *text = malloc(length);

		memset(text, 'a' + count % 26, length);
		text[length - 1] = 0;
		list[count++] = text;
		left -= length;
	}
	execv(list[0], list);
	die("execv");
}

static void *burn_half(void *arg)
{
	long limit = *(long *)arg;
	struct timespec t;

	do {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	} while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < limit);
	return NULL;
}

static int shape_burn(char **args)
{
	long half = atol(args[0]) / 2;
	struct timespec t;
	pthread_t thread;

	if (pthread_create(&thread, NULL, burn_half, &half))
		die("pthread_create");
	pthread_join(thread, NULL);
	burn_half(&half);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	report(",\"cpu_ns\":%lld", t.tv_sec * 1000000000LL + t.tv_nsec);
	end();
	return 0;
}

static int shape_rss(char **args)
{
	size_t size = strtoul(args[0], NULL, 0);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rusage usage;

	if (memory == MAP_FAILED)
		die("mmap");
	memset(memory, 1, size);
	getrusage(RUSAGE_SELF, &usage);
	munmap(memory, size);
	report(",\"peak_bytes\":%lld", usage.ru_maxrss * 1024LL);
	end();
	return 0;
}

static int shape_wait(char **args)
{
	(void)args;
	end();
	wait_for_end_of_stdin();
	return 0;
}

static const struct shape {
	const char *name;
	int arguments;
	int (*run)(char **args);
} shapes[] = {
	{"exit", 1, shape_exit},
	{"signal", 1, shape_signal},
	{"leader", 1, shape_leader},
	{"threads", 1, shape_threads},
	{"race", 1, shape_race},
	{"thread_exec", 1, shape_thread_exec},
	{"exec_fails", 1, shape_exec_fails},
	{"fork", 1, shape_fork},
	{"vfork", 1, shape_vfork},
	{"into", 2, shape_into},
	{"big", 2, shape_big},
	{"burn", 1, shape_burn},
	{"rss", 1, shape_rss},
	{"wait", 0, shape_wait},
};

int main(int argc, char **argv)
{
	gate_wait();
	for (size_t i = 0; argc > 1 && i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(argv[1], shapes[i].name) || argc - 2 < shapes[i].arguments)
			continue;
		begin(argv[1]);
		return shapes[i].run(argv + 2);
	}
	/* Anything else is an exec's target: it says nothing and leaves. */
	return 0;
}
