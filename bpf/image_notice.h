/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel tells the reader about files that processes in scope map as code. */
#ifndef RINGSIDE_IMAGE_NOTICE_H
#define RINGSIDE_IMAGE_NOTICE_H

/* A file as the kernel knows it now. One that was written in place is another. */
struct image_key {
	__u64 address; /* of its inode: tells the same numbers on two subvolumes apart */
	__u64 inode;
	__u64 size;
	__s64 changed_ns; /* mtime */
};

#define NOTICE_NAME 256	 /* NAME_MAX and a NUL */
#define NOTICE_PATH 1024 /* room for one more name than a path may hold */

enum notice_of {
	NOTICE_FILE, /* the process maps a file that is not known; its libraries have been walked */
	NOTICE_EXEC, /* the same at its exec: its libraries are yet to be mapped */
	NOTICE_WHOLE,	 /* all that it maps must be looked at: `file` is its executable */
	NOTICE_UNWALKED, /* the same, since its exec: its mappings were locked then */
};

struct image_notice {
	__u32 of;	   /* enum notice_of */
	__u32 tgid;	   /* initial PID namespace */
	__u32 pid, parent; /* in the /proc that the sidecar reads; 0: not shown there */
	__u32 path_length; /* 0: not known */
	__u32 reserved;
	__u64 time_ns;	  /* since when the process, in scope, has it; CLOCK_BOOTTIME */
	__u64 start_time; /* of the process, with tgid its identity */
	__u64 start, end; /* of the mapping */
	struct image_key file;
	char path
		[NOTICE_PATH]; /* names from the file up to the root, each with its NUL; path_length bytes are sent */
};

/* A process in scope that the sidecar's /proc shows. */
struct image_scanned {
	__u32 tgid; /* initial PID namespace */
	__u32 pid;  /* the sidecar's */
	__u64 start_time;
};

/* Of a process that came into the scope: its arrival, CLOCK_BOOTTIME ns, until what it had mapped was told file by file. */
#define ARRIVAL_WALKED 0

#endif
