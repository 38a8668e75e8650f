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
#include <unistd.h>
#include <bpf/libbpf.h>

#include "base/buf.h"
#include "base/clock.h"
#include "probes/image.h"

#define MAPS_MAX (4 << 20) /* bytes of a process's map that are looked at */
#define FILES	 1024	   /* looked at; past it, the oldest that has no probe is forgotten */

enum { LINK_ENTER, LINK_LEAVE, LINK_LINKED, LINKS };

struct known_file {
	uint64_t inode;
	uint64_t device;
	uint64_t size; /* a file that was written in place is another one */
	int64_t changed_ns;
	uint64_t attached_ns; /* 0: it has no getaddrinfo */
	uint64_t linked_ns;   /* 0: it is no dynamic linker */
	bool unseen;
	struct bpf_link *links[LINKS];
};

struct images {
	struct images_config config;
	struct known_file files[FILES];
	size_t count, attached, oldest;
};

struct images *images_new(const struct images_config *config)
{
	struct images *images = calloc(1, sizeof(*images));

	if (images)
		images->config = *config;
	return images;
}

static void forget(struct images *images, struct known_file *file)
{
	images->attached -= file->attached_ns != 0;
	for (size_t i = 0; i < LINKS; i++)
		bpf_link__destroy(file->links[i]);
	memset(file, 0, sizeof(*file));
}

void images_free(struct images *images)
{
	if (!images)
		return;
	for (size_t i = 0; i < images->count; i++)
		forget(images, &images->files[i]);
	free(images);
}

size_t images_count(const struct images *images)
{
	return images->attached;
}

static struct bpf_link *attach(const struct images *images, const struct bpf_program *program,
			       int fd, uint64_t offset, bool leave)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (images->config.multi) {
		const unsigned long offsets[] = {offset};
		LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .offsets = offsets, .cnt = 1,
			    .retprobe = leave);

		return bpf_program__attach_uprobe_multi(program, -1, path, NULL, &options);
	}
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = leave);

	return bpf_program__attach_uprobe_opts(program, -1, path, offset, &options);
}

/* The return first: a call whose entry is seen always has its return seen. */
static void attach_file(struct images *images, struct known_file *file, int fd,
			const struct image *image)
{
	const struct images_config *config = &images->config;

	if (image->linked && config->linked) {
		file->links[LINK_LINKED] = attach(images, config->linked, fd, image->linked, false);
		file->linked_ns = clock_boottime_ns();
		file->unseen |= !file->links[LINK_LINKED];
	}
	if (!image->getaddrinfo)
		return;
	if (config->leave)
		file->links[LINK_LEAVE] =
			attach(images, config->leave, fd, image->getaddrinfo, true);
	if (!config->leave || file->links[LINK_LEAVE])
		file->links[LINK_ENTER] =
			attach(images, config->enter, fd, image->getaddrinfo, false);
	if (file->links[LINK_ENTER]) {
		file->attached_ns = clock_boottime_ns();
		images->attached++;
	} else {
		file->unseen = true;
	}
}

/* The slot of a file, or a free one; NULL: all have probes. */
static struct known_file *slot_of(struct images *images, const struct stat *status)
{
	struct known_file *file;

	for (size_t i = 0; i < images->count; i++) {
		file = &images->files[i];
		if (file->inode == status->st_ino && file->device == status->st_dev)
			return file;
	}
	if (images->count < FILES)
		return &images->files[images->count++];
	for (size_t tries = 0; tries < FILES; tries++) {
		file = &images->files[images->oldest++ % FILES];
		if (!file->attached_ns && !file->links[LINK_LINKED])
			return file;
	}
	return NULL;
}

static int64_t changed_ns(const struct stat *status)
{
	return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

/* The file behind an open descriptor; looked at where it was not before. NULL: it can't be. */
static const struct known_file *look_fd(struct images *images, int fd)
{
	struct known_file *file;
	struct image image;
	struct stat status;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return NULL;
	file = slot_of(images, &status);
	if (!file)
		return NULL;
	if (file->inode == status.st_ino && file->device == status.st_dev &&
	    file->size == (uint64_t)status.st_size && file->changed_ns == changed_ns(&status))
		return file;
	forget(images, file);
	file->inode = status.st_ino;
	file->device = status.st_dev;
	file->size = (uint64_t)status.st_size;
	file->changed_ns = changed_ns(&status);
	if (image_read(fd, &image))
		file->unseen = true;
	if (!image.is_elf)
		return file;
	file->unseen = image.is_closed || (!image.is_64bit && image.getaddrinfo);
	if (image.is_64bit)
		attach_file(images, file, fd, &image);
	return file;
}

static void add_to_look(struct images_look *look, const struct known_file *file)
{
	if (!file)
		return;
	look->unseen |= file->unseen;
	if (file->attached_ns > look->newest_ns)
		look->newest_ns = file->attached_ns;
	if (file->linked_ns > look->linked_ns)
		look->linked_ns = file->linked_ns;
}

/* What is too long for the path is too long for the kernel. */
#define PROC_PATH (PATH_MAX + 64)

/* `root_pid` 0: our own root. */
static int open_under(const char *proc, uint32_t root_pid, const char *path)
{
	char full[PROC_PATH];

	if (root_pid)
		snprintf(full, sizeof(full), "%s/%u/root/%s", proc, root_pid, path);
	else
		snprintf(full, sizeof(full), "/proc/self/root/%s", path);
	return open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* How to come to a mapped file. The first needs CAP_CHECKPOINT_RESTORE; the last three serve when the process is gone. */
enum way { WAY_MAPPING, WAY_EXECUTABLE, WAY_ROOT, WAY_PARENT, WAY_FIRST, WAY_OURS, WAYS };

static int open_by(const char *proc, enum way way, const struct images_file *file)
{
	const uint32_t roots[] = {
		[WAY_ROOT] = file->pid, [WAY_PARENT] = file->parent_pid, [WAY_FIRST] = 1};
	char path[PROC_PATH];

	if (way >= WAY_ROOT && file->path[0])
		return open_under(proc, way == WAY_OURS ? 0 : roots[way], file->path);
	if (way == WAY_MAPPING)
		snprintf(path, sizeof(path), "%s/%u/map_files/%" PRIx64 "-%" PRIx64, proc,
			 file->pid, file->start, file->end);
	else
		snprintf(path, sizeof(path), "%s/%u/exe", proc, file->pid);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* An overlay may show other inode numbers than the file below has, so they count where nothing else is known. */
static bool is_file(int fd, enum way way, const struct images_file *file)
{
	struct stat status;

	if (fstat(fd, &status))
		return false;
	if (!file->changed_ns)
		return way == WAY_MAPPING || status.st_ino == file->inode;
	return (uint64_t)status.st_size == file->size && changed_ns(&status) == file->changed_ns &&
	       (way <= WAY_PARENT || status.st_ino == file->inode);
}

/* 0, -EACCES, or -ENOENT: it is not there (any more). */
static int look_one(struct images *images, const struct images_file *file, enum way last,
		    struct images_look *look)
{
	int err = -ENOENT;

	for (enum way way = WAY_MAPPING; way <= last; way++) {
		const int fd = open_by(images->config.proc, way, file);
		bool found;

		if (fd < 0) {
			if (errno == EACCES || errno == EPERM)
				err = -EACCES;
			continue;
		}
		found = is_file(fd, way, file);
		if (found)
			add_to_look(look, look_fd(images, fd));
		close(fd);
		if (found)
			return 0;
	}
	return err;
}

/* All that a process maps, a line each. */
struct maps {
	char *text; /* malloc'd; NULL: it has none (any more), or it is denied */
	enum images_denial denied;
	bool is_cut; /* there is more of it */
};

/* At once: the process may end while we look at its files. And no more than MAPS_MAX: whoever is observed decides on its length. */
static void read_maps(const char *proc, uint32_t pid, struct maps *ret_maps)
{
	struct buf buf;
	char path[PROC_PATH];
	int err;

	snprintf(path, sizeof(path), "%s/%u/maps", proc, pid);
	(void)buf_init(&buf, 0, MAPS_MAX);
	err = buf_read_file(&buf, path);
	*ret_maps = (struct maps){
		.denied = err == -EACCES ? DENIED_PROCESS : DENIED_NOTHING,
		.is_cut = err == -EFBIG,
	};
	if (ret_maps->is_cut)
		buf_truncate(&buf, buf_length(&buf) - 1);
	if (buf_length(&buf) && !buf_put(&buf, "", 1))
		ret_maps->text = (char *)buf.data;
	else
		buf_done(&buf);
}

/* A file of the process was denied: by whom? Since 6.15 a map can be read (CAP_PERFMON) of a process whose files can't be. */
static enum images_denial denied_by(const char *proc, uint32_t pid)
{
	char path[PROC_PATH];
	int fd;

	snprintf(path, sizeof(path), "%s/%u/root", proc, pid);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? DENIED_PROCESS : DENIED_NOTHING;
	close(fd);
	return DENIED_FILE;
}

void images_look_file(struct images *images, const struct images_file *file,
		      struct images_look *ret_look)
{
	const char *proc = images->config.proc;
	struct maps maps;
	int err;

	memset(ret_look, 0, sizeof(*ret_look));
	err = look_one(images, file, WAY_OURS, ret_look);
	ret_look->alive = !err;
	if (err != -EACCES)
		return;
	/* The files of a process that ended are denied too; its map is not, but empty. */
	read_maps(proc, file->pid, &maps);
	ret_look->denied = maps.text ? denied_by(proc, file->pid) : maps.denied;
	free(maps.text);
}

/* One line of /proc/PID/maps. False: it maps no file as code. */
static bool parse_line(uint32_t pid, const char *line, struct images_file *ret_file)
{
	char modes[8];
	int name = 0;

	*ret_file = (struct images_file){.pid = pid};
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %" SCNu64 " %n", &ret_file->start,
		   &ret_file->end, modes, &ret_file->inode, &name) < 4 ||
	    modes[2] != 'x' || !ret_file->inode || line[name] != '/')
		return false;
	ret_file->path = line + name;
	return true;
}

/* False: it is not there any more. */
static bool look_line(struct images *images, uint32_t pid, const char *line,
		      struct images_look *look)
{
	struct images_file file;
	int err;

	if (!parse_line(pid, line, &file))
		return true;
	err = look_one(images, &file, WAY_ROOT, look);
	if (err == -EACCES)
		look->denied = denied_by(images->config.proc, pid);
	return err != -ENOENT;
}

/* Ends the line; the next one's start. */
static char *cut_line(char *line)
{
	char *next = line + strcspn(line, "\n");

	if (*next)
		*next++ = 0;
	return next;
}

/* False: the map is another one already. */
static bool look_maps(struct images *images, uint32_t pid, char *text, struct images_look *look)
{
	char *line, *next;

	for (line = text; *line; line = next) {
		next = cut_line(line);
		if (!look_line(images, pid, line, look))
			return false;
	}
	return true;
}

void images_look_process(struct images *images, uint32_t pid, struct images_look *ret_look)
{
	const char *proc = images->config.proc;
	struct maps maps;

	read_maps(proc, pid, &maps);
	memset(ret_look, 0, sizeof(*ret_look));
	/* An exec changes the map under our hands; the process's end may cut it short. */
	for (int tries = 0; maps.text && tries < 4 && !ret_look->alive; tries++) {
		ret_look->denied = DENIED_NOTHING;
		ret_look->unseen |= maps.is_cut;
		ret_look->alive = look_maps(images, pid, maps.text, ret_look);
		free(maps.text);
		read_maps(proc, pid, &maps);
	}
	/* What has no map ended; that is no matter of privileges. */
	if (!maps.text)
		ret_look->denied = maps.denied;
	ret_look->alive &= maps.text && !ret_look->denied;
	free(maps.text);
}

static bool opens(const char *proc, enum way way, const struct images_file *file)
{
	const int fd = open_by(proc, way, file);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || (errno != EACCES && errno != EPERM);
}

enum images_denial images_denied(const char *proc, uint32_t pid)
{
	struct images_file file;
	struct maps maps;
	char *line, *next;

	read_maps(proc, pid, &maps);
	for (line = maps.text; line && *line && !maps.denied; line = next) {
		next = cut_line(line);
		if (parse_line(pid, line, &file) && !opens(proc, WAY_MAPPING, &file) &&
		    !opens(proc, WAY_ROOT, &file))
			maps.denied = denied_by(proc, pid);
	}
	free(maps.text);
	return maps.denied;
}

bool images_has_mapping(const struct images *images, uint32_t pid, uint64_t start, uint64_t end)
{
	struct maps maps;
	char range[40];
	bool has;

	read_maps(images->config.proc, pid, &maps);
	snprintf(range, sizeof(range), "%" PRIx64 "-%" PRIx64 " ", start, end);
	has = maps.text && strstr(maps.text, range);
	free(maps.text);
	return has;
}

void images_look_root(struct images *images, uint32_t root_pid)
{
	static const char *const libraries[] = {
		"lib/x86_64-linux-gnu/libc.so.6",
		"lib64/ld-linux-x86-64.so.2",
		"lib/aarch64-linux-gnu/libc.so.6",
		"lib/ld-linux-aarch64.so.1",
		"lib64/libc.so.6",
		"usr/lib64/libc.so.6",
		"usr/lib/libc.so.6",
		"lib/ld-musl-x86_64.so.1",
		"lib/ld-musl-aarch64.so.1",
	};

	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		const int fd = open_under(images->config.proc, root_pid, libraries[i]);

		if (fd < 0)
			continue;
		look_fd(images, fd);
		close(fd);
	}
}
