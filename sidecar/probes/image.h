/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks into executables and libraries for the functions that uprobes go on: by symbol, never by file name. Reads the file
 * through an open descriptor; keeps nothing. Files are untrusted: whatever they hold, the answer is one of the below.
 */
#ifndef RINGSIDE_PROBES_IMAGE_H
#define RINGSIDE_PROBES_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_PATH   256
#define IMAGE_NEEDED 32
#define IMAGE_NAME   64

struct image {
	uint64_t getaddrinfo; /* file offset of the function; 0: it has none */
	uint64_t dlopen, dlmopen;
	bool is_elf, is_64bit;		       /* of this machine's own class and order */
	bool is_go;			       /* has its own resolver */
	char interpreter[IMAGE_PATH];	       /* of a dynamic executable; empty: none */
	char needed[IMAGE_NEEDED][IMAGE_NAME]; /* libraries that it names */
	size_t needed_count;
	bool searches; /* has a search path of its own, or names more or longer libraries than fit */
};

/* 0 or -errno of reading; a file that is no ELF gives is_elf false. */
int image_read(int fd, struct image *ret_image);

#endif
