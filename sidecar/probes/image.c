// SPDX-License-Identifier: Apache-2.0
#include "probes/image.h"

#include <errno.h>
#include <gelf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* What a linker makes is far below these; the file's owner may write anything. */
#define TABLE_MAX    (32 * 1024 * 1024)
#define SEGMENTS_MAX 128

/* What tells whether an image may hold a resolver that no symbol shows. */
struct traits {
	bool executable;  /* has an entry point */
	bool interpreter; /* is a dynamic executable */
	bool linked;	  /* needs libraries, or is one */
	bool symbols;	  /* has its full table */
	bool dynamic, dynamic_symbols;
	bool go;
};

/* File offset of a virtual address, by the loadable segments; 0: in none. */
static uint64_t offset_of(Elf *elf, uint64_t address)
{
	size_t count;
	GElf_Phdr header;

	if (elf_getphdrnum(elf, &count) || count > SEGMENTS_MAX)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(elf, (int)i, &header))
			return 0;
		if (header.p_type == PT_LOAD && header.p_flags & PF_X &&
		    address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz)
			return address - header.p_vaddr + header.p_offset;
	}
	return 0;
}

static void read_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct image *image)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Sym symbol;

	if (!data || !header->sh_entsize)
		return;
	for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
		const char *name;

		if (!gelf_getsym(data, (int)i, &symbol))
			return;
		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (!name)
			continue;
		if (!strcmp(name, "getaddrinfo"))
			image->getaddrinfo = offset_of(elf, symbol.st_value);
		else if (!strcmp(name, "_dl_debug_state"))
			image->linked = offset_of(elf, symbol.st_value);
	}
}

static void read_dynamic(Elf_Scn *section, struct traits *traits)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Dyn entry;

	for (int i = 0; data && gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++)
		if (entry.d_tag == DT_NEEDED || entry.d_tag == DT_SONAME)
			traits->linked = true;
}

/* Of each kind there is one; where it can't be used in place, libelf would make room for a copy. */
static void read_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct image *image,
		       struct traits *traits)
{
	const size_t alignment = image->is_64bit ? sizeof(uint64_t) : sizeof(uint32_t);

	if (header->sh_size > TABLE_MAX || header->sh_offset % alignment)
		return;
	if (header->sh_type == SHT_DYNAMIC && !traits->dynamic) {
		traits->dynamic = true;
		read_dynamic(section, traits);
	} else if (header->sh_type == SHT_DYNSYM && !traits->dynamic_symbols) {
		traits->dynamic_symbols = true;
		read_symbols(elf, section, header, image);
	} else if (header->sh_type == SHT_SYMTAB && !traits->symbols && !traits->interpreter &&
		   !image->getaddrinfo) {
		/* Only what has no dynamic symbols needs its full table: static executables. */
		read_symbols(elf, section, header, image);
	}
}

static void read_sections(Elf *elf, struct image *image, struct traits *traits)
{
	Elf_Scn *section = NULL;
	size_t names;
	GElf_Shdr header;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, &header))
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (name && !strcmp(name, ".go.buildinfo"))
			traits->go = true;
		read_table(elf, section, &header, image, traits);
		traits->symbols |= header.sh_type == SHT_SYMTAB;
	}
}

static void read_headers(Elf *elf, struct traits *traits)
{
	size_t count;
	GElf_Ehdr file;
	GElf_Phdr header;

	traits->executable = gelf_getehdr(elf, &file) && file.e_entry;
	if (elf_getphdrnum(elf, &count))
		return;
	for (size_t i = 0; i < count && gelf_getphdr(elf, (int)i, &header); i++)
		traits->interpreter |= header.p_type == PT_INTERP;
}

static void read_elf(Elf *elf, struct image *image)
{
	const uint16_t one = 1;
	const unsigned char order = *(const unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
	const unsigned char *identity = (const unsigned char *)elf_getident(elf, NULL);
	struct traits traits = {0};

	image->is_elf = true;
	if (identity[EI_DATA] != order)
		return;
	image->is_64bit = identity[EI_CLASS] == ELFCLASS64;
	read_headers(elf, &traits);
	read_sections(elf, image, &traits);
	image->is_closed = !traits.interpreter && !image->getaddrinfo &&
			   (traits.go || (traits.executable && !traits.linked && !traits.symbols));
}

/* Numbers past what the header has room for stand elsewhere, and libelf makes room for as many as are named there. */
static bool is_counted(const char *map)
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;

	memcpy(&wide, map, sizeof(wide));
	memcpy(&narrow, map, sizeof(narrow));
	if (map[EI_CLASS] == ELFCLASS64)
		return (wide.e_shnum || !wide.e_shoff) && wide.e_phnum != PN_XNUM;
	return (narrow.e_shnum || !narrow.e_shoff) && narrow.e_phnum != PN_XNUM;
}

static sigjmp_buf cut;

static void leave(int signal)
{
	(void)signal;
	siglongjmp(cut, 1);
}

/* Whoever may write to the file can cut it short meanwhile: then the map has pages that it has not (SIGBUS). */
static int read_map(char *map, size_t size, struct image *ret_image)
{
	const struct sigaction leaving = {.sa_handler = leave};
	struct sigaction before;
	Elf *volatile elf = NULL;
	volatile int err = 0;
	char first;

	sigaction(SIGBUS, &leaving, &before);
	if (sigsetjmp(cut, 1)) {
		memset(ret_image, 0, sizeof(*ret_image));
		err = -EIO;
	} else {
		/* A written page is ours alone: the header stays as it is. */
		first = *(volatile char *)map;
		*(volatile char *)map = first;
		if (!memcmp(map, ELFMAG, SELFMAG) && !is_counted(map))
			err = -ENOEXEC;
		else
			elf = elf_memory(map, size);
		if (elf && elf_kind(elf) == ELF_K_ELF)
			read_elf(elf, ret_image);
	}
	elf_end(elf);
	sigaction(SIGBUS, &before, NULL);
	return err;
}

int image_read(int fd, struct image *ret_image)
{
	struct stat status;
	void *map;
	int err;

	memset(ret_image, 0, sizeof(*ret_image));
	if (fstat(fd, &status))
		return -errno;
	if (status.st_size < (off_t)sizeof(Elf64_Ehdr))
		return 0;
	map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	elf_version(EV_CURRENT);
	err = read_map(map, (size_t)status.st_size, ret_image);
	munmap(map, (size_t)status.st_size);
	return err;
}
