/* SPDX-License-Identifier: Apache-2.0 */
/* log.h -- logfmt on stderr, one event a line. Only work/ and cmd/ log.
 *
 * log_event(LOG_WARN, "dead_letter", "topic=%s offset=%" PRId64, ...) prints
 *   ts=2026-11-21T11:22:33.444Z level=warn prog=sluice-enrich event=dead_letter topic=...
 * offset=7 Values with blanks or quotes go through LOG_Q ("%s" of log_quote()). Equal events
 * are throttled: after LOG_BURST lines of one event in a second the rest are
 * counted, and the next line that passes says dropped=N. One thread only. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum { LOG_BURST = 10 };

void log_init(const char *prog, enum log_level level);
bool log_level_parse(const char *name, enum log_level *ret_level); /* debug info warn error */
void log_event(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);

/* "text" with quotes, backslashes and control characters escaped, in one of a
 * few static buffers (valid until the fourth next call), cut at 600 bytes. */
const char *log_quote(const char *text);

#endif
