/* SPDX-License-Identifier: Apache-2.0 */
#include "work/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/must.h"

enum { TOPIC_SIZE = 256, STACK_SIZE = 64 << 10 };

static const char magic[8] = "sluice1";

/* Offsets first to last; first > last: none. */
struct range {
	char topic[TOPIC_SIZE];
	int32_t partition;
	int64_t first, last;
};

struct note {
	char magic[8];
	volatile int32_t aborted; /* set by the handler alone */
	int32_t aborts;           /* with a suspect in hand */
	uint32_t hand_count, suspect_count, guilty_count;
	struct range hand[CRASH_PARTS_MAX], suspects[CRASH_PARTS_MAX];
	struct range guilty[CRASH_GUILTY_MAX];
};

static struct note *note;  /* NULL: none */
static struct range *last; /* that crash_take() found */
static char stack[STACK_SIZE];

static void
on_abort(int signal_number)
{
	if (note)
		note->aborted = 1;
	(void)raise(signal_number); /* its default by now: it ends the process as ever */
}

static void
handlers_install(void)
{
	static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	const stack_t own = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_handler = on_abort,
		.sa_flags = (int)SA_RESETHAND | SA_NODEFER | SA_ONSTACK };

	(void)sigaltstack(&own, NULL); /* a full stack is a reason, too */
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		(void)sigaction(signals[i], &action, NULL);
}

static struct range *
find(struct range *ranges, uint32_t count, const char *topic, int32_t partition)
{
	for (uint32_t i = 0; i < count; i++)
		if (ranges[i].partition == partition && strcmp(ranges[i].topic, topic) == 0)
			return &ranges[i];
	return NULL;
}

static int64_t
records(const struct range *ranges, uint32_t count)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		if (ranges[i].first <= ranges[i].last)
			sum += ranges[i].last - ranges[i].first + 1;
	return sum;
}

/* Of what was in hand the part that was suspected before; false when there is none. */
static bool
narrow(void)
{
	struct range both[CRASH_PARTS_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < note->hand_count; i++) {
		const struct range *now = &note->hand[i];
		const struct range *before =
		    find(note->suspects, note->suspect_count, now->topic, now->partition);

		if (!before)
			continue;
		both[count] = *now;
		if (both[count].first < before->first)
			both[count].first = before->first;
		if (both[count].last > before->last)
			both[count].last = before->last;
		count += both[count].first <= both[count].last;
	}
	if (count == 0)
		return false;
	memcpy(note->suspects, both, count * sizeof *both);
	note->suspect_count = count;
	return true;
}

/* The only record in hand, when it was suspected before: one that never was may have aborted
 * the worker by chance, and is the first of new suspects. */
static const struct range *
lone(void)
{
	const struct range *one = NULL, *before;

	if (records(note->hand, note->hand_count) != 1)
		return NULL;
	for (uint32_t i = 0; i < note->hand_count && !one; i++)
		if (note->hand[i].first == note->hand[i].last)
			one = &note->hand[i];
	must(one);
	before = find(note->suspects, note->suspect_count, one->topic, one->partition);
	return before && before->first <= one->first && one->last <= before->last ? one : NULL;
}

static void
conclude(void)
{
	const struct range *one = lone();

	if (note->aborts >= CRASH_ABORTS && one && note->guilty_count < CRASH_GUILTY_MAX) {
		note->guilty[note->guilty_count++] = *one;
		log_event(LOG_ERROR, "crash",
		    "topic=%s partition=%" PRId32 " offset=%" PRId64
		    " why=\"it aborted the worker alone: a dead letter\"",
		    one->topic, one->partition, one->first);
		return;
	}
	if (narrow()) {
		note->aborts++;
	} else {
		memcpy(note->suspects, note->hand, sizeof note->hand);
		note->suspect_count = note->hand_count;
		note->aborts = 1;
	}
	log_event(LOG_WARN, "crash", "aborts=%" PRId32 " suspects=%" PRId64 " one_by_one=%d",
	    note->aborts, records(note->suspects, note->suspect_count),
	    note->aborts >= CRASH_ABORTS);
}

static struct note *
map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *memory = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof *note) == 0)
		memory = mmap(NULL, sizeof *note, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		log_event(LOG_WARN, "crash", "path=%s why=%s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

static bool
is_whole(const struct note *n)
{
	return memcmp(n->magic, magic, sizeof magic) == 0 && n->hand_count <= CRASH_PARTS_MAX &&
	       n->suspect_count <= CRASH_PARTS_MAX && n->guilty_count <= CRASH_GUILTY_MAX;
}

void
crash_open(const char *member)
{
	const char *folder = getenv("RUNTIME_DIRECTORY"); /* may name several */
	char path[512];

	if (!folder || !*folder)
		return;
	(void)snprintf(
	    path, sizeof path, "%.*s/%s.crash", (int)strcspn(folder, ":"), folder, member);
	note = map(path);
	if (!note)
		return;
	if (!is_whole(note)) {
		memset(note, 0, sizeof *note);
		memcpy(note->magic, magic, sizeof magic);
	}
	if (note->aborted && note->hand_count > 0)
		conclude();
	note->aborted = 0;
	crash_drop();
	handlers_install();
}

void
crash_take(const char *topic, int32_t partition, int64_t offset)
{
	if (!note)
		return;
	if (!last || last->partition != partition || strcmp(last->topic, topic) != 0)
		last = find(note->hand, note->hand_count, topic, partition);
	if (!last) {
		if (note->hand_count == CRASH_PARTS_MAX)
			return;
		last = &note->hand[note->hand_count];
		(void)snprintf(last->topic, sizeof last->topic, "%s", topic);
		last->partition = partition;
		last->first = offset;
		last->last = offset;
		note->hand_count++;
		return;
	}
	if (last->first > last->last)
		last->first = offset;
	last->last = offset;
}

/* Removes what lies below the offset. */
static uint32_t
pass(struct range *ranges, uint32_t count, const char *topic, int32_t partition, int64_t offset)
{
	struct range *range = find(ranges, count, topic, partition);

	if (!range)
		return count;
	if (range->first < offset)
		range->first = offset;
	if (range->first <= range->last)
		return count;
	*range = ranges[count - 1];
	return count - 1;
}

void
crash_done(const char *topic, int32_t partition, int64_t offset)
{
	struct range *range;

	if (!note)
		return;
	range = find(note->hand, note->hand_count, topic, partition);
	if (range && range->first < offset)
		range->first = offset;
	if (note->suspect_count) {
		note->suspect_count =
		    pass(note->suspects, note->suspect_count, topic, partition, offset);
		if (note->suspect_count == 0)
			note->aborts = 0;
	}
	for (uint32_t i = note->guilty_count; i-- > 0;) {
		const struct range *g = &note->guilty[i];

		if (g->partition == partition && g->first < offset &&
		    strcmp(g->topic, topic) == 0)
			note->guilty[i] = note->guilty[--note->guilty_count];
	}
}

void
crash_drop(void)
{
	if (!note)
		return;
	note->hand_count = 0;
	last = NULL;
}

bool
crash_alone(void)
{
	return note && note->aborts >= CRASH_ABORTS && note->suspect_count > 0;
}

bool
crash_guilty(const char *topic, int32_t partition, int64_t offset)
{
	for (uint32_t i = 0; note && i < note->guilty_count; i++)
		if (note->guilty[i].first == offset && note->guilty[i].partition == partition &&
		    strcmp(note->guilty[i].topic, topic) == 0)
			return true;
	return false;
}

void
crash_keep(const struct kafka_part *mine, size_t count)
{
	for (uint32_t i = note ? note->suspect_count : 0; i-- > 0;) {
		const struct range *suspect = &note->suspects[i];
		bool kept = false;

		for (size_t k = 0; k < count && !kept; k++)
			kept = mine[k].partition == suspect->partition &&
			       strcmp(mine[k].topic, suspect->topic) == 0;
		if (!kept)
			note->suspects[i] = note->suspects[--note->suspect_count];
	}
	if (note && note->suspect_count == 0)
		note->aborts = 0;
}
