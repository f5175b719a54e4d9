/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD: the wall clock is ahead by the int64 of seconds that stands in the file
 * CLOCK_FILE, which may change at any time. The monotonic clock stays as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *ahead;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void
clock_open(void)
{
	const char *file = getenv("CLOCK_FILE");
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);

	*(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	if (at != MAP_FAILED)
		ahead = at;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = real_clock_gettime ? real_clock_gettime(id, ts)
					: (int)syscall(SYS_clock_gettime, id, ts);

	if (id == CLOCK_REALTIME && ahead)
		ts->tv_sec += *ahead;
	return result;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	int result = clock_gettime(CLOCK_REALTIME, &ts);

	(void)zone;
	*tv = (struct timeval){ .tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000 };
	return result;
}

time_t
time(time_t *ret)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
