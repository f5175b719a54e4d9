/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(FOLDER_PATH_SIZE >= PATH_MAX, "realpath() writes PATH_MAX bytes");

static enum fate
no(struct err *err, const char *path, const char *what)
{
	return err_set(err, FATE_HALT, "%s: %s: %s", path, what, strerror(errno));
}

static enum fate
config_write(const char *path, int64_t memory_mb, struct err *err)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return no(err, path, "cannot be written");
	(void)fprintf(file,
	    "<!-- written at each start by clickhouse-embedded -->\n"
	    "<clickhouse>\n"
	    "  <max_server_memory_usage>%" PRId64 "</max_server_memory_usage>\n"
	    "  <mark_cache_size>268435456</mark_cache_size>\n"
	    "</clickhouse>\n",
	    memory_mb * 1024 * 1024);
	return fclose(file) == 0 ? FATE_DONE : no(err, path, "cannot be written");
}

/* The lock lives as long as the process: its descriptor is never closed. */
enum fate
folder_claim(const char *path, int64_t memory_mb, struct folder *ret_folder, struct err *err)
{
	struct folder folder;
	enum fate fate;
	int fd;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return no(err, path, "cannot be made");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || !realpath(path, folder.path)) {
		fate = no(err, path, "cannot be opened");
		if (fd >= 0)
			(void)close(fd);
		return fate;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		fate = no(err, path, "another process holds the folder");
		(void)close(fd);
		return fate;
	}
	(void)snprintf(folder.config, sizeof folder.config, "%s/embedded.xml", folder.path);
	fate = config_write(folder.config, memory_mb, err);
	if (fate == FATE_DONE)
		*ret_folder = folder;
	return fate;
}
