/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a known number of times to /dev/null on descriptor 100, spread over threads that are
 * pinned round robin to the CPUs (--iovecs: how many make up a vector; --expect: the errno that
 * all these calls must end in). Then some calls that fail: on descriptor -1, with iovecs that
 * cannot be read at all, and with a list of iovecs of which only the first can be read.
 */
#include "workload.h"

#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#define FD	    100
#define MOST	    64
#define MOST_IOVECS 1100

enum { WRITE, PWRITE, WRITEV, PWRITEV, KINDS };
static const char *const kind_names[KINDS] = {"write", "pwrite64", "writev", "pwritev"};

struct job {
	pthread_t thread;
	int cpu;
	int tid;
	unsigned long first, count;
	unsigned long calls[KINDS];
	unsigned long long bytes[KINDS];
};

static int kinds[MOST], kind_count;
static size_t sizes[MOST];
static int size_count;
static unsigned long pause_every;
static int iovecs = 2, expected;
static char *data;

static long write_once(int kind, int fd, size_t size)
{
	size_t share = size / (size_t)iovecs;
	struct iovec list[MOST_IOVECS];

	for (int i = 0; i < iovecs; i++)
		list[i] = (struct iovec){data + share * (size_t)i, share};
	list[iovecs - 1].iov_len += size - share * (size_t)iovecs;

	switch (kind) {
	case WRITE:
		return syscall(SYS_write, fd, data, size);
	case PWRITE:
		return syscall(SYS_pwrite64, fd, data, size, 0L);
	case WRITEV:
		return syscall(SYS_writev, fd, list, iovecs);
	default:
		return syscall(SYS_pwritev, fd, list, iovecs, 0L, 0L);
	}
}

static void *flood(void *arg)
{
	struct job *job = arg;

	job->tid = thread_id();
	cpu_pin(job->cpu);
	for (unsigned long i = 0; i < job->count; i++) {
		unsigned long n = job->first + i;
		int kind = kinds[n % (unsigned long)kind_count];
		size_t size = sizes[n / (unsigned long)kind_count % (unsigned long)size_count];

		long returned = write_once(kind, FD, size);

		if (expected ? returned != -1 || errno != expected : returned != (long)size)
			die(kind_names[kind]);
		job->calls[kind]++;
		job->bytes[kind] += size;
		if (pause_every && i % pause_every == pause_every - 1)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return NULL;
}

static void expect_error(long returned, int error)
{
	if (returned != -1 || errno != error)
		die("a call that should fail did not, or for another reason");
}

static void fail_bad_fd(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		expect_error(write_once((int)(i % KINDS), -1, 33), EBADF);
}

static void fail_fault(unsigned long count)
{
	long page = sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec *last = (struct iovec *)(two + page) - 1;

	if (two == MAP_FAILED || munmap(two + page, (size_t)page))
		die("mmap");
	*last = (struct iovec){data, 44};
	for (unsigned long i = 0; i < count; i++)
		expect_error(i % 2 ? syscall(SYS_writev, FD, last, 2)
				   : syscall(SYS_writev, FD, 8L, 2),
			     EFAULT);
}

static void parse_kinds(char *text)
{
	for (char *one = strtok(text, ","); one; one = strtok(NULL, ",")) {
		int kind = 0;

		while (kind < KINDS && strcmp(one, kind_names[kind]))
			kind++;
		if (kind == KINDS || kind_count == MOST)
			die(one);
		kinds[kind_count++] = kind;
	}
}

static void parse_sizes(char *text)
{
	for (char *one = strtok(text, ","); one && size_count < MOST; one = strtok(NULL, ","))
		sizes[size_count++] = strtoul(one, NULL, 0);
}

static void print(const struct job *jobs, int threads, unsigned long bad_fd, unsigned long fault)
{
	report("{\"pid\":%d,\"fd\":%d,\"bad_fd\":%lu,\"fault\":%lu,\"report_writes\":1,\"threads\":"
	       "[",
	       getpid(), FD, bad_fd, fault);
	for (int t = 0; t < threads; t++)
		report("%s{\"tid\":%d,\"cpu\":%d,\"calls\":%lu}", t ? "," : "", jobs[t].tid,
		       jobs[t].cpu, jobs[t].count);
	report("],\"kinds\":{");
	for (int kind = 0; kind < KINDS; kind++) {
		unsigned long calls = 0;
		unsigned long long bytes = 0;

		for (int t = 0; t < threads; t++) {
			calls += jobs[t].calls[kind];
			bytes += jobs[t].bytes[kind];
		}
		report("%s\"%s\":{\"calls\":%lu,\"bytes\":%llu}", kind ? "," : "", kind_names[kind],
		       calls, bytes);
	}
	report("}}");
	report_send();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", 1, NULL, 'n'},   {"kinds", 1, NULL, 'k'},  {"sizes", 1, NULL, 's'},
		{"threads", 1, NULL, 't'}, {"bad-fd", 1, NULL, 'b'}, {"fault", 1, NULL, 'f'},
		{"iovecs", 1, NULL, 'i'},  {"expect", 1, NULL, 'x'}, {"pause-every", 1, NULL, 'p'},
		{NULL, 0, NULL, 0},
	};
	unsigned long count = 0, bad_fd = 0, fault = 0, first = 0;
	char all_kinds[] = "write,pwrite64,writev,pwritev", one_size[] = "64";
	int cpus[CPU_SETSIZE], cpu_count = cpu_list(cpus), threads = cpu_count, fd, option;
	struct job *jobs;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			count = strtoul(optarg, NULL, 0);
			break;
		case 'k':
			parse_kinds(optarg);
			break;
		case 's':
			parse_sizes(optarg);
			break;
		case 't':
			threads = atoi(optarg);
			break;
		case 'b':
			bad_fd = strtoul(optarg, NULL, 0);
			break;
		case 'f':
			fault = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			pause_every = strtoul(optarg, NULL, 0);
			break;
		case 'i':
			iovecs = atoi(optarg);
			break;
		case 'x':
			expected = atoi(optarg);
			break;
		default:
			return WORKLOAD_FAILED;
		}
	}
	if (iovecs < 1 || iovecs > MOST_IOVECS)
		return WORKLOAD_FAILED;
	if (!kind_count)
		parse_kinds(all_kinds);
	if (!size_count)
		parse_sizes(one_size);
	data = calloc(1, 1 << 20);
	jobs = calloc((size_t)threads, sizeof(*jobs));
	fd = open("/dev/null", O_WRONLY);
	if (!data || !jobs || fd < 0 || dup2(fd, FD) != FD)
		die("setup");
	gate_wait();
	for (int t = 0; t < threads; t++) {
		unsigned long share = count / (unsigned long)threads +
				      ((unsigned long)t < count % (unsigned long)threads);

		jobs[t] = (struct job){.cpu = cpus[t % cpu_count], .first = first, .count = share};
		first += share;
		if (pthread_create(&jobs[t].thread, NULL, flood, &jobs[t]))
			die("pthread_create");
	}
	for (int t = 0; t < threads; t++)
		pthread_join(jobs[t].thread, NULL);
	fail_bad_fd(bad_fd);
	fail_fault(fault);
	print(jobs, threads, bad_fd, fault);
	return 0;
}
