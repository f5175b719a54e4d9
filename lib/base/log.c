/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

enum { LINE_SIZE = 2048, QUOTE_SIZE = 600, QUOTES = 4, EVENTS = 64 };

/* One line of the throttle's memory: which event, in which second, how often. */
struct seen {
	const char *event;
	int64_t second;
	unsigned count;
	uint64_t dropped;
};

static struct {
	const char *prog;
	enum log_level level;
	struct seen seen[EVENTS];
} state = { .prog = "sluice", .level = LOG_INFO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void
log_init(const char *prog, enum log_level level)
{
	state.prog = prog;
	state.level = level;
}

bool
log_level_parse(const char *name, enum log_level *ret_level)
{
	for (unsigned i = 0; i < sizeof level_names / sizeof *level_names; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static struct seen *
seen_find(const char *event)
{
	struct seen *oldest = &state.seen[0];

	for (unsigned i = 0; i < EVENTS; i++) {
		struct seen *s = &state.seen[i];

		if (s->event && strcmp(s->event, event) == 0)
			return s;
		if (!s->event || s->second < oldest->second)
			oldest = s;
		if (!s->event)
			break;
	}
	*oldest = (struct seen){ .event = event };
	return oldest;
}

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char line[LINE_SIZE];
	int64_t now = clock_wall_ms();
	time_t second = (time_t)(now / 1000);
	struct seen *seen;
	struct tm tm;
	va_list args;
	int n;

	if (level < state.level)
		return;
	seen = seen_find(event);
	if (seen->second != now / 1000) {
		seen->second = now / 1000;
		seen->count = 0;
	}
	if (++seen->count > LOG_BURST) {
		seen->dropped++;
		return;
	}
	(void)gmtime_r(&second, &tm);
	n = (int)strftime(line, sizeof line, "ts=%Y-%m-%dT%H:%M:%S", &tm);
	n += snprintf(line + n, sizeof line - (size_t)n, ".%03dZ level=%s prog=%s event=%s ",
	    (int)(now % 1000), level_names[level], state.prog, event);
	must(n > 0 && n < (int)sizeof line);
	va_start(args, fmt);
	n += vsnprintf(line + n, sizeof line - (size_t)n, fmt, args);
	va_end(args);
	if (n > (int)sizeof line - 64)
		n = (int)sizeof line - 64;
	if (seen->dropped) {
		n += snprintf(
		    line + n, sizeof line - (size_t)n, " dropped=%" PRIu64, seen->dropped);
		seen->dropped = 0;
	}
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)n);
}

const char *
log_quote(const char *text)
{
	static char quotes[QUOTES][QUOTE_SIZE];
	static unsigned turn;
	char *out = quotes[turn++ % QUOTES];
	size_t n = 0;

	out[n++] = '"';
	for (const char *p = text; *p && n < QUOTE_SIZE - 4; p++) {
		if (*p == '"' || *p == '\\') {
			out[n++] = '\\';
			out[n++] = *p;
		} else {
			out[n++] = (unsigned char)*p < 0x20 ? ' ' : *p;
		}
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}
