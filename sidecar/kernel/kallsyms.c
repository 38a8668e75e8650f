// SPDX-License-Identifier: Apache-2.0
#include "kernel/kallsyms.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024 /* KSYM_NAME_LEN is 512 */
#define MODULE_NAME    64

/* A function, or (no_name) where nothing known begins. */
struct symbol {
	uint32_t start; /* above the table's base */
	uint32_t name;	/* in the table's text */
};

static const uint32_t no_name = 0;
static const char bpf_name[] = "[bpf]"; /* of any BPF program */

struct kallsyms {
	uint64_t base; /* of the kernel's own text: its modules lie within 4 GiB of it */
	struct symbol *symbols;
	size_t count;
	char *text; /* begins with the empty name */
	size_t text_bytes;
};

/* While the file is read: what is in one line, and how far the module (or the kernel) reaches that the line is of. */
struct parser {
	struct kallsyms *to; /* its arrays are NULL: only counted */
	char module[MODULE_NAME];
	uint64_t highest; /* start of its last function; 0: none yet */
	size_t max_symbols, max_text;
};

/* "ffffffff81000000 t name\t[module]", the last part only of modules'. False: it is not of code. */
static bool parse_line(char *line, uint64_t *ret_address, const char **ret_name,
		       const char **ret_module)
{
	char *name, *module;

	*ret_address = strtoull(line, &name, 16);
	if (name == line || name[0] != ' ' || !name[1] || !strchr("tTwW", name[1]) ||
	    name[2] != ' ')
		return false;
	name += 3;
	module = name + strcspn(name, "\t\n");
	if (*module)
		*module++ = '\0';
	module += strspn(module, "[");
	module[strcspn(module, "]\n")] = '\0';
	if (strlen(name) >= KALLSYMS_NAME)
		name[KALLSYMS_NAME - 1] = '\0';
	*ret_name = name;
	*ret_module = module;
	return *name;
}

static void add_symbol(struct parser *parser, uint64_t address, const char *name)
{
	struct kallsyms *to = parser->to;
	const size_t length = *name ? strlen(name) + 1 : 0;

	if (address < to->base || address - to->base > UINT32_MAX)
		return;
	if (to->symbols) {
		if (to->count == parser->max_symbols || length > parser->max_text - to->text_bytes)
			return; /* loaded between the two readings */
		to->symbols[to->count].start = (uint32_t)(address - to->base);
		to->symbols[to->count].name = length ? (uint32_t)to->text_bytes : no_name;
		memcpy(to->text + to->text_bytes, name, length);
	}
	to->count++;
	to->text_bytes += length;
}

static void end_module(struct parser *parser)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (parser->highest)
		add_symbol(parser, (parser->highest | (page - 1)) + 1, "");
	parser->highest = 0;
}

/*
 * __pfx_ names the padding before a function, which is never run, and doubles the table. Of BPF programs the table changes
 * all the time, and several share a page: that it was one is all that is kept.
 */
static void take_line(struct parser *parser, uint64_t address, const char *name, const char *module)
{
	const bool bpf = !strcmp(module, "bpf");

	if (!strncmp(name, "__pfx_", 6))
		return;
	if (bpf || strncmp(parser->module, module, MODULE_NAME - 1)) {
		end_module(parser);
		snprintf(parser->module, sizeof(parser->module), "%s", module);
	}
	add_symbol(parser, address, bpf ? bpf_name : name);
	if (address > parser->highest)
		parser->highest = address;
}

static int read_all(struct parser *parser, const char *path)
{
	FILE *file = fopen(path, "re");
	const char *name, *module;
	char line[LINE_MAX_BYTES];
	bool seen = false;
	uint64_t address;
	int err = 0;

	if (!file)
		return -errno;
	parser->to->count = 0;
	parser->to->text_bytes = 1;
	while (!err && fgets(line, sizeof(line), file)) {
		if (!parse_line(line, &address, &name, &module))
			continue;
		if (!seen) {
			seen = true;
			parser->to->base = address;
			err = address ? 0 : -EACCES;
		}
		if (!err)
			take_line(parser, address, name, module);
	}
	end_module(parser);
	if (!err && ferror(file))
		err = -EIO;
	fclose(file);
	return err ? err : parser->to->count ? 0 : -ENODATA;
}

/* Of equal starts the first that was listed, as the kernel names it; and a name before none. */
static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if ((x->name == no_name) != (y->name == no_name))
		return x->name == no_name ? 1 : -1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* One symbol a start. */
static void keep_first_of_equals(struct kallsyms *kallsyms)
{
	size_t kept = 0;

	for (size_t i = 0; i < kallsyms->count; i++) {
		if (!kept || kallsyms->symbols[i].start != kallsyms->symbols[kept - 1].start)
			kallsyms->symbols[kept++] = kallsyms->symbols[i];
	}
	kallsyms->count = kept;
}

int kallsyms_measure(const char *path, size_t *ret_bytes, size_t *ret_count)
{
	struct kallsyms counted = {0};
	struct parser parser = {.to = &counted};
	const int err = read_all(&parser, path);

	if (err)
		return err;
	*ret_bytes = sizeof(counted) + counted.count * sizeof(struct symbol) + counted.text_bytes;
	*ret_count = counted.count;
	return 0;
}

int kallsyms_new(const char *path, struct kallsyms **ret_kallsyms)
{
	struct kallsyms *kallsyms = calloc(1, sizeof(*kallsyms));
	struct parser parser = {.to = kallsyms};
	int err;

	if (!kallsyms)
		return -ENOMEM;
	err = read_all(&parser, path);
	if (err)
		goto out;
	parser = (struct parser){
		.to = kallsyms, .max_symbols = kallsyms->count, .max_text = kallsyms->text_bytes};
	kallsyms->symbols = calloc(kallsyms->count, sizeof(*kallsyms->symbols));
	kallsyms->text = calloc(kallsyms->text_bytes, 1);
	err = kallsyms->symbols && kallsyms->text ? 0 : -ENOMEM;
	if (!err)
		err = read_all(&parser, path);
	if (err)
		goto out;
	qsort(kallsyms->symbols, kallsyms->count, sizeof(*kallsyms->symbols), compare);
	keep_first_of_equals(kallsyms);
out:
	if (err)
		kallsyms_free(kallsyms);
	else
		*ret_kallsyms = kallsyms;
	return err;
}

void kallsyms_free(struct kallsyms *kallsyms)
{
	if (!kallsyms)
		return;
	free(kallsyms->symbols);
	free(kallsyms->text);
	free(kallsyms);
}

const char *kallsyms_find(const struct kallsyms *kallsyms, uint64_t address, uint64_t *ret_offset)
{
	size_t low = 0, high = kallsyms->count;
	const char *name;
	uint64_t start;

	if (address < kallsyms->base || address - kallsyms->base > UINT32_MAX)
		return NULL;
	start = address - kallsyms->base;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (kallsyms->symbols[middle].start <= start)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || kallsyms->symbols[low - 1].name == no_name)
		return NULL;
	name = kallsyms->text + kallsyms->symbols[low - 1].name;
	*ret_offset = strcmp(name, bpf_name) ? start - kallsyms->symbols[low - 1].start : 0;
	return name;
}
