/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes known numbers of system calls that the C library makes on no account of its own: getppid
 * on every CPU, getpgid that fails with ESRCH; the 32-bit entry (int 0x80) from 64-bit code, whose
 * numbers mean other calls; x32 numbers, which most kernels refuse; children that leave by
 * exit_group and threads that leave by exit.
 */
#include "workload.h"

#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define NO_SUCH_PID 0x7ffffffe
#define X32_BIT	    0x40000000L
/* i386 numbers; on x86-64 the first is writev, the second stat. */
#define IA32_GETPID 20
#define IA32_WRITE  4
#define IA32_WRITEV 146

#ifndef MAP_32BIT
#define MAP_32BIT 0
#endif

struct job {
	pthread_t thread;
	int cpu;
	unsigned long count;
};

static long ia32_call(long nr, long a, long b, long c)
{
	int returned = -1; /* of other processors: 64-bit code has no such entry */

#if defined(__x86_64__)
	__asm__ volatile("int $0x80"
			 : "=a"(returned)
			 : "a"((int)nr), "b"((int)a), "c"((int)b), "d"((int)c), "D"(0x7777)
			 : "memory", "r8", "r9", "r10", "r11");
#else
	(void)nr, (void)a, (void)b, (void)c;
#endif
	return returned;
}

/* A kernel without 32-bit support kills the caller. */
static int ia32_works(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		_exit(ia32_call(IA32_GETPID, 0, 0, 0) != getpid());
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		die("fork");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A writev of iovecs of 100 and 2,000 bytes, and one of 20 iovecs of 100 bytes; their memory lies below 4 GiB. */
static void ia32_vectors(int fd)
{
	struct {
		unsigned int base, length;
	} *vectors = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (vectors == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < 20; i++) {
		vectors[i].base = (unsigned int)(unsigned long)vectors;
		vectors[i].length = 100;
	}
	vectors[1].length = 2000;
	if (ia32_call(IA32_WRITEV, fd, (long)vectors, 2) != 2100)
		die("writev");
	vectors[1].length = 100;
	if (ia32_call(IA32_WRITEV, fd, (long)vectors, 20) != 2000)
		die("writev");
	munmap(vectors, 8192);
}

static void *count_up(void *arg)
{
	struct job *job = arg;

	cpu_pin(job->cpu);
	for (unsigned long i = 0; i < job->count; i++)
		syscall(SYS_getppid);
	return NULL;
}

static void run_threads(const int *cpus, int threads, unsigned long count)
{
	struct job *jobs = calloc((size_t)threads, sizeof(*jobs));

	if (!jobs)
		die("calloc");
	for (int t = 0; t < threads; t++) {
		jobs[t] = (struct job){.cpu = cpus[t], .count = count};
		if (pthread_create(&jobs[t].thread, NULL, count_up, &jobs[t]))
			die("pthread_create");
	}
	for (int t = 0; t < threads; t++)
		pthread_join(jobs[t].thread, NULL);
	free(jobs);
}

static void run_children(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		if (child < 0 || waitpid(child, NULL, 0) != child)
			die("fork");
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", 1, NULL, 'n'},	{"errors", 1, NULL, 'e'},
		{"ia32", 1, NULL, 'i'},		{"ia32-write", 1, NULL, 'w'},
		{"ia32-vectors", 0, NULL, 'v'}, {"x32", 1, NULL, 'x'},
		{"children", 1, NULL, 'c'},	{NULL, 0, NULL, 0},
	};
	unsigned long count = 0, errors = 0, ia32 = 0, ia32_write = 0, x32 = 0, children = 0;
	int cpus[CPU_SETSIZE], threads = cpu_list(cpus), has_ia32 = 0, vectors = 0, option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long value = optarg ? strtoul(optarg, NULL, 0) : 0;

		switch (option) {
		case 'n':
			count = value;
			break;
		case 'e':
			errors = value;
			break;
		case 'i':
			ia32 = value;
			break;
		case 'w':
			ia32_write = value;
			break;
		case 'v':
			vectors = 1;
			break;
		case 'x':
			x32 = value;
			break;
		case 'c':
			children = value;
			break;
		default:
			return WORKLOAD_FAILED;
		}
	}
	if (ia32 || ia32_write || vectors)
		has_ia32 = ia32_works();
	gate_wait();
	run_threads(cpus, threads, count);
	for (unsigned long i = 0; i < errors; i++)
		if (syscall(SYS_getpgid, NO_SUCH_PID) != -1 || errno != ESRCH)
			die("getpgid");
	for (unsigned long i = 0; has_ia32 && i < ia32; i++)
		ia32_call(IA32_GETPID, 0, 0, 0);
	for (unsigned long i = 0; has_ia32 && i < ia32_write; i++)
		ia32_call(IA32_WRITE, -1, 0, 0);
	if (has_ia32 && vectors)
		ia32_vectors(open("/dev/null", O_WRONLY));
	for (unsigned long i = 0; i < x32; i++)
		syscall(X32_BIT | SYS_getppid);
	run_children(children);
	report("{\"pid\":%d,\"cpus\":%d,\"getppid_per_cpu\":%lu,\"getppid\":%lu,\"getpgid_errors\":"
	       "%lu,\"has_ia32\":%s,"
	       "\"ia32_getpid\":%lu,\"ia32_write\":%lu,\"x32\":%lu,\"exit_groups\":%lu,\"thread_"
	       "exits\":%d,"
	       "\"cpu_numbers\":[",
	       getpid(), threads, count, count * (unsigned long)threads, errors,
	       has_ia32 ? "true" : "false", ia32, ia32_write, x32, children + 1, threads);
	for (int t = 0; t < threads; t++)
		report("%s%d", t ? "," : "", cpus[t]);
	report("]}");
	report_send();
	return 0;
}
