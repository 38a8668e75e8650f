// SPDX-License-Identifier: Apache-2.0
#include "probes/images.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "probes/image.h"

#define FILES 1024 /* looked at; past it, the oldest that has no probe is forgotten */
#define LINKS 4
#define NAMES 64 /* libraries of one process */

struct known_file {
	uint64_t inode;
	uint64_t device;
	int64_t changed_ns;   /* a file that was written again is another one */
	uint64_t attached_ns; /* 0: it has no getaddrinfo */
	bool unseen;
	struct bpf_link *links[LINKS];
};

struct images {
	struct images_config config;
	struct known_file files[FILES];
	size_t count, attached, oldest;
	char failure[128];
};

struct images *images_new(const struct images_config *config)
{
	struct images *images = calloc(1, sizeof(*images));

	if (images)
		images->config = *config;
	return images;
}

static void forget(struct known_file *file)
{
	for (size_t i = 0; i < LINKS; i++)
		bpf_link__destroy(file->links[i]);
	memset(file, 0, sizeof(*file));
}

void images_free(struct images *images)
{
	if (!images)
		return;
	for (size_t i = 0; i < images->count; i++)
		forget(&images->files[i]);
	free(images);
}

size_t images_count(const struct images *images)
{
	return images->attached;
}

const char *images_failure(const struct images *images)
{
	return images->failure;
}

static struct bpf_link *attach(struct images *images, const struct bpf_program *program, int fd,
			       uint64_t offset, bool leave)
{
	char path[64];
	struct bpf_link *link;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (images->config.multi) {
		const unsigned long offsets[] = {offset};
		LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .offsets = offsets, .cnt = 1,
			    .retprobe = leave);

		link = bpf_program__attach_uprobe_multi(program, -1, path, NULL, &options);
	} else {
		LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = leave);

		link = bpf_program__attach_uprobe_opts(program, -1, path, offset, &options);
	}
	if (!link)
		snprintf(images->failure, sizeof(images->failure), "%s", strerror(errno));
	return link;
}

/* The return first: a call whose entry is seen always has its return seen. */
static void attach_file(struct images *images, struct known_file *file, int fd,
			const struct image *image)
{
	const struct images_config *config = &images->config;

	if (image->dlopen && config->dlopen)
		file->links[2] = attach(images, config->dlopen, fd, image->dlopen, true);
	if (image->dlmopen && config->dlopen)
		file->links[3] = attach(images, config->dlopen, fd, image->dlmopen, true);
	if (!image->getaddrinfo)
		return;
	if (config->leave)
		file->links[1] = attach(images, config->leave, fd, image->getaddrinfo, true);
	if (!config->leave || file->links[1])
		file->links[0] = attach(images, config->enter, fd, image->getaddrinfo, false);
	if (file->links[0]) {
		file->attached_ns = clock_boottime_ns();
		images->attached++;
	} else {
		file->unseen = true;
	}
}

static struct known_file *known_slot(struct images *images)
{
	struct known_file *file;

	if (images->count < FILES)
		return &images->files[images->count++];
	for (size_t tries = 0; tries < FILES; tries++) {
		file = &images->files[images->oldest++ % FILES];
		if (!file->attached_ns) {
			forget(file);
			return file;
		}
	}
	return NULL;
}

/* The file behind an open descriptor; looked at where it was not before. NULL: it can't be. */
static const struct known_file *look_fd(struct images *images, int fd)
{
	struct known_file *file;
	struct image image;
	struct stat status;
	int64_t changed;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return NULL;
	changed = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
	for (size_t i = 0; i < images->count; i++) {
		file = &images->files[i];
		if (file->inode == status.st_ino && file->device == status.st_dev &&
		    file->changed_ns == changed)
			return file;
	}
	file = known_slot(images);
	if (!file)
		return NULL;
	file->inode = status.st_ino;
	file->device = status.st_dev;
	file->changed_ns = changed;
	if (image_read(fd, &image) || !image.is_elf)
		return file;
	if (!image.is_64bit)
		file->unseen = image.getaddrinfo != 0;
	else
		attach_file(images, file, fd, &image);
	if (!image.interpreter[0] && image.is_go && !image.getaddrinfo)
		file->unseen = true;
	return file;
}

static void add_to_look(struct images_look *look, const struct known_file *file)
{
	if (!file)
		return;
	look->unseen |= file->unseen;
	if (!file->attached_ns)
		return;
	look->found++;
	if (file->attached_ns > look->newest_ns)
		look->newest_ns = file->attached_ns;
}

/* One line of /proc/PID/maps: opens the mapped file itself, or, where that is not allowed, its path under the process's root. */
static void look_mapping(struct images *images, uint32_t pid, const char *line,
			 struct images_look *look)
{
	uint64_t start, end, inode;
	char modes[8], path[PATH_MAX + 64];
	int name = 0, fd;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %" SCNu64 " %n", &start, &end, modes,
		   &inode, &name) < 4 ||
	    modes[2] != 'x' || !inode || line[name] != '/')
		return;
	snprintf(path, sizeof(path), "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, pid, start, end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		snprintf(path, sizeof(path), "/proc/%u/root%.*s", pid,
			 (int)strcspn(line + name, "\n"), line + name);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			look->denied = true;
		else
			look->gone = true;
		return;
	}
	add_to_look(look, look_fd(images, fd));
	close(fd);
}

/* The whole map at once: the process may end while we look at its files. NULL: it has none (any more), errno says why. */
static char *read_maps(uint32_t pid)
{
	char path[64], *text = NULL;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return NULL;
	errno = 0;
	if (getdelim(&text, &size, 0, maps) <= 0) {
		free(text);
		text = NULL;
	}
	fclose(maps);
	return text;
}

void images_look_process(struct images *images, uint32_t pid, struct images_look *ret_look)
{
	char *text = read_maps(pid), *line, *next;
	struct stat status;
	char path[64];

	memset(ret_look, 0, sizeof(*ret_look));
	if (!text) {
		ret_look->denied = errno == EACCES || errno == EPERM;
		return;
	}
	ret_look->alive = true;
	for (line = text; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		look_mapping(images, pid, line, ret_look);
	}
	free(text);
	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	if (!stat(path, &status)) {
		ret_look->inode = status.st_ino;
		ret_look->device = major(status.st_dev) << 20 | minor(status.st_dev);
	}
	/* Its map may have been cut short by its end. */
	text = read_maps(pid);
	ret_look->gone |= !text;
	free(text);
}

static int open_under(uint32_t root_pid, const char *path)
{
	char full[PATH_MAX + 64];

	if (root_pid)
		snprintf(full, sizeof(full), "/proc/%u/root/%s", root_pid, path);
	else
		snprintf(full, sizeof(full), "/proc/self/root/%s", path);
	return open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static void look_under(struct images *images, uint32_t root_pid, const char *path,
		       struct images_look *look)
{
	const int fd = open_under(root_pid, path);

	if (fd < 0)
		return;
	add_to_look(look, look_fd(images, fd));
	close(fd);
}

static const char *const libcs[] = {
	"lib/x86_64-linux-gnu/libc.so.6",
	"lib/aarch64-linux-gnu/libc.so.6",
	"lib64/libc.so.6",
	"usr/lib64/libc.so.6",
	"usr/lib/libc.so.6",
	"lib/ld-musl-x86_64.so.1",
	"lib/ld-musl-aarch64.so.1",
};
#define LIBCS (sizeof(libcs) / sizeof(libcs[0]))

/* Names of libraries, each once, that are still to be found. */
struct names {
	char name[NAMES][IMAGE_NAME];
	size_t count;
	bool more; /* than fit, or that a search path of the file's own leads to */
};

static void add_names(struct names *names, const struct image *image)
{
	names->more |= image->searches;
	for (size_t i = 0; i < image->needed_count; i++) {
		size_t at = 0;

		while (at < names->count && strcmp(names->name[at], image->needed[i]))
			at++;
		if (at < names->count)
			continue;
		if (names->count == NAMES)
			names->more = true;
		else
			memcpy(names->name[names->count++], image->needed[i], IMAGE_NAME);
	}
}

/* Where the loader looks when nothing tells it otherwise. */
static bool look_library(struct images *images, uint32_t root_pid, struct names *names, size_t at,
			 struct images_look *look)
{
	static const char *const directories[] = {
		"lib/x86_64-linux-gnu",
		"usr/lib/x86_64-linux-gnu",
		"lib/aarch64-linux-gnu",
		"lib64",
		"usr/lib64",
		"lib",
		"usr/lib",
		"usr/local/lib",
	};
	char path[IMAGE_NAME + 64];
	struct image image;

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", directories[i], names->name[at]);
		fd = open_under(root_pid, path);
		if (fd < 0)
			continue;
		add_to_look(look, look_fd(images, fd));
		if (!image_read(fd, &image))
			add_names(names, &image);
		close(fd);
		return true;
	}
	return false;
}

void images_look_path(struct images *images, uint32_t root_pid, const char *path, uint64_t inode,
		      struct images_look *ret_look)
{
	const int fd = open_under(root_pid, path);
	struct names names = {.count = 0};
	struct image image;
	struct stat status;

	memset(ret_look, 0, sizeof(*ret_look));
	if (fd < 0)
		return;
	if (fstat(fd, &status) || (inode && status.st_ino != inode) || image_read(fd, &image)) {
		close(fd);
		return;
	}
	ret_look->alive = true;
	add_to_look(ret_look, look_fd(images, fd));
	close(fd);
	if (!image.interpreter[0])
		return;
	look_under(images, root_pid, image.interpreter, ret_look);
	add_names(&names, &image);
	for (size_t i = 0; i < names.count; i++) {
		/* musl's libc is its interpreter. */
		if (strstr(image.interpreter, "/ld-musl") && !strncmp(names.name[i], "libc.", 5))
			continue;
		if (!look_library(images, root_pid, &names, i, ret_look))
			names.more = true;
	}
	ret_look->unresolved = names.more;
}

void images_look_root(struct images *images, uint32_t root_pid)
{
	struct images_look look = {0};

	for (size_t i = 0; i < LIBCS; i++)
		look_under(images, root_pid, libcs[i], &look);
}
