/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks into executables and libraries for the functions that uprobes go on: by symbol, never by file name. Reads the file
 * through an open descriptor; keeps nothing. Files are untrusted: whatever they hold, and become meanwhile, the answer is one
 * of the below. One thread at a time.
 */
#ifndef RINGSIDE_PROBES_IMAGE_H
#define RINGSIDE_PROBES_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
	uint64_t getaddrinfo; /* file offset of the function; 0: it has none */
	uint64_t linked; /* of _dl_debug_state, which the dynamic linker calls around its work */
	bool is_elf, is_64bit; /* of this machine's own class and order */
	bool is_closed; /* static, and by Go with a resolver of its own, or without symbols: can't be told */
};

/* 0 or -errno of reading, -ENOEXEC where its headers name numbers that no linker makes; a file that is no ELF gives is_elf false. */
int image_read(int fd, struct image *ret_image);

#endif
