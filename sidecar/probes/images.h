/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that getaddrinfo's programs are attached to, and the search for more in the files that processes map. One
 * thread. Each file is looked at once; what has the function is attached at once.
 */
#ifndef RINGSIDE_PROBES_IMAGES_H
#define RINGSIDE_PROBES_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_program;
struct images;

struct images_config {
	struct bpf_program *enter;
	struct bpf_program *leave;  /* NULL: no return probe may be attached */
	struct bpf_program *linked; /* for the dynamic linker's r_brk; NULL: not wanted */
	bool multi;		    /* by uprobe_multi links, else by perf events */
	const char *proc;	    /* the /proc that processes are read in */
};

/* A mapped file. Process numbers are those of the /proc that is read; 0: none there. */
struct images_file {
	uint32_t pid, parent_pid;
	uint64_t start, end; /* of the mapping */
	uint64_t inode;
	uint64_t size;
	int64_t changed_ns; /* mtime; 0: neither it nor the size is known */
	const char *path;   /* from the root of the mount namespace; empty: not known */
};

/* What may not be opened: the whole process (CAP_SYS_PTRACE), or one of its files (CAP_DAC_READ_SEARCH). */
enum images_denial { DENIED_NOTHING, DENIED_FILE, DENIED_PROCESS };

/* What a look found. */
struct images_look {
	bool alive; /* all was looked at; else it is gone, or denied */
	enum images_denial denied;
	bool unseen; /* has a resolver that we can't attach to */
	uint64_t
		newest_ns; /* when the last file with the function was attached, CLOCK_BOOTTIME; 0: none has it */
	uint64_t linked_ns; /* the same of a dynamic linker */
};

/* NULL: no memory. */
struct images *images_new(const struct images_config *config);
void images_free(struct images *images);
/* Files attached to. */
size_t images_count(const struct images *images);

/* Looks at one mapped file, also of a process that is gone, by its path then: only the very same file will do. */
void images_look_file(struct images *images, const struct images_file *file,
		      struct images_look *ret_look);
/* Looks at all files that the process maps as code. */
void images_look_process(struct images *images, uint32_t pid, struct images_look *ret_look);
/* What of the process's files may not be opened; nothing is attached. */
enum images_denial images_denied(const char *proc, uint32_t pid);
/* Whether the process has such a mapping (still): an exec or its end takes it away. */
bool images_has_mapping(const struct images *images, uint32_t pid, uint64_t start, uint64_t end);
/* The usual libraries under a process's root (0: our own), before any process has mapped them. */
void images_look_root(struct images *images, uint32_t root_pid);

#endif
