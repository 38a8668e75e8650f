// SPDX-License-Identifier: Apache-2.0
#include "scope/walk.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <linux/types.h>

#include "event.h"
#include "scope/text_chain.h"

#define WALK_DEPTH 64

/* Where a walk is: directory and whole path grow and shrink together. */
struct walk {
	walk_visit *visit;
	void *context;
	uint32_t depth;
	char directory[CGROUP_PATH];
	struct cgroup_ref ref;
};

static bool walk_here(struct walk *walk);

static bool walk_child(struct walk *walk, const struct dirent *entry)
{
	size_t directory_end = strlen(walk->directory), path_end = strlen(walk->ref.path);
	size_t path_start =
		path_end == 1 ? 0 : path_end; /* the root's "/" is the separator itself */
	size_t length = strlen(entry->d_name) + 2;
	bool stop;

	if (directory_end + length > sizeof(walk->directory) ||
	    path_end + length > sizeof(walk->ref.path))
		return false;
	sprintf(walk->directory + directory_end, "/%s", entry->d_name);
	sprintf(walk->ref.path + path_start, "/%s", entry->d_name);
	walk->ref.id = entry->d_ino;
	walk->ref.level++;
	walk->depth++;
	stop = walk_here(walk);
	walk->depth--;
	walk->ref.level--;
	walk->directory[directory_end] = '\0';
	walk->ref.path[path_end] = '\0';
	return stop;
}

static bool walk_here(struct walk *walk)
{
	struct dirent *entry;
	bool stop;
	DIR *dir;

	stop = walk->visit(walk->context, &walk->ref, walk->directory);
	if (stop || walk->depth == WALK_DEPTH)
		return stop;
	dir = opendir(walk->directory);
	if (!dir)
		return false;
	while (!stop && (entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			stop = walk_child(walk, entry);
	}
	closedir(dir);
	return stop;
}

bool walk_from(const char *directory, const struct cgroup_ref *ref, walk_visit *visit,
	       void *context)
{
	struct walk walk = {.visit = visit, .context = context, .ref = *ref};

	if ((size_t)snprintf(walk.directory, sizeof(walk.directory), "%s", directory) >=
	    sizeof(walk.directory))
		return false;
	return walk_here(&walk);
}

static bool file_has(const char *directory, const char *name, const char *text)
{
	char path[CGROUP_PATH + 32], line[64];
	bool has = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!has && fgets(line, sizeof(line), file))
		has = strncmp(line, text, strlen(text)) == 0;
	fclose(file);
	return has;
}

static bool visit_processes(void *context, const struct cgroup_ref *ref, const char *directory)
{
	(void)context;
	(void)ref;
	return file_has(directory, "cgroup.procs", "");
}

bool walk_populated(const char *directory, const struct cgroup_ref *ref)
{
	if (!ref->level)
		return true;
	if (ref->hierarchy == HIERARCHY_V2)
		return file_has(directory, "cgroup.events", "populated 1");
	return walk_from(directory, ref, visit_processes, NULL);
}
