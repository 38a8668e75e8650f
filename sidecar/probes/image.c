// SPDX-License-Identifier: Apache-2.0
#include "probes/image.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>

/* Only what has no dynamic symbols needs its full table: static executables. */
#define SYMTAB_MAX (32 * 1024 * 1024)

/* What tells whether an image may hold a resolver that no symbol shows. */
struct traits {
	bool executable;  /* has an entry point */
	bool interpreter; /* is a dynamic executable */
	bool linked;	  /* needs libraries, or is one */
	bool symbols;	  /* has its full table */
	bool go;
};

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
		if (header.sh_type == SHT_DYNAMIC)
			read_dynamic(section, traits);
		traits->symbols |= header.sh_type == SHT_SYMTAB;
		if (header.sh_type == SHT_DYNSYM ||
		    (header.sh_type == SHT_SYMTAB && !traits->interpreter && !image->getaddrinfo &&
		     header.sh_size <= SYMTAB_MAX))
			read_symbols(elf, section, &header, image);
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

int image_read(int fd, struct image *ret_image)
{
	const uint16_t one = 1;
	const unsigned char order = *(const unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;
	const unsigned char *identity;
	struct traits traits = {0};
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
		read_headers(elf, &traits);
		read_sections(elf, ret_image, &traits);
		ret_image->is_closed =
			!traits.interpreter && !ret_image->getaddrinfo &&
			(traits.go || (traits.executable && !traits.linked && !traits.symbols));
	}
	elf_end(elf);
	return 0;
}
