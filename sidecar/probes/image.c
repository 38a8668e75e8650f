// SPDX-License-Identifier: Apache-2.0
#include "probes/image.h"

#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Only what has no dynamic symbols needs its full table: static executables. */
#define SYMTAB_MAX (32 * 1024 * 1024)

/* File offset of a virtual address, by the loadable segments; 0: in none. */
static uint64_t offset_of(Elf *elf, uint64_t address)
{
	size_t count;
	GElf_Phdr header;

	if (elf_getphdrnum(elf, &count))
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
		else if (!strcmp(name, "dlopen"))
			image->dlopen = offset_of(elf, symbol.st_value);
		else if (!strcmp(name, "dlmopen"))
			image->dlmopen = offset_of(elf, symbol.st_value);
	}
}

static void read_dynamic(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct image *image)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Dyn entry;

	for (int i = 0; data && gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++) {
		const char *name;

		if (entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH)
			image->searches = true;
		if (entry.d_tag != DT_NEEDED)
			continue;
		name = elf_strptr(elf, header->sh_link, entry.d_un.d_val);
		if (!name || strlen(name) >= IMAGE_NAME || image->needed_count == IMAGE_NEEDED)
			image->searches = true;
		else
			snprintf(image->needed[image->needed_count++], IMAGE_NAME, "%s", name);
	}
}

static void read_sections(Elf *elf, struct image *image)
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
			image->is_go = true;
		if (header.sh_type == SHT_DYNAMIC)
			read_dynamic(elf, section, &header, image);
		if (header.sh_type == SHT_DYNSYM ||
		    (header.sh_type == SHT_SYMTAB && !image->interpreter[0] &&
		     !image->getaddrinfo && header.sh_size <= SYMTAB_MAX))
			read_symbols(elf, section, &header, image);
	}
}

static void read_interpreter(int fd, Elf *elf, struct image *image)
{
	size_t count;
	GElf_Phdr header;

	if (elf_getphdrnum(elf, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(elf, (int)i, &header))
			return;
		if (header.p_type != PT_INTERP)
			continue;
		if (header.p_filesz > 0 && header.p_filesz < IMAGE_PATH &&
		    pread(fd, image->interpreter, header.p_filesz, (off_t)header.p_offset) < 0)
			image->interpreter[0] = 0;
		return;
	}
}

int image_read(int fd, struct image *ret_image)
{
	const uint16_t one = 1;
	const unsigned char order = *(const unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
	const unsigned char *identity;
	Elf *elf;

	memset(ret_image, 0, sizeof(*ret_image));
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf)
		return -EIO;
	if (elf_kind(elf) == ELF_K_ELF) {
		identity = (const unsigned char *)elf_getident(elf, NULL);
		ret_image->is_elf = true;
		ret_image->is_64bit =
			identity[EI_CLASS] == ELFCLASS64 && identity[EI_DATA] == order;
		read_interpreter(fd, elf, ret_image);
		read_sections(elf, ret_image);
	}
	elf_end(elf);
	return 0;
}
