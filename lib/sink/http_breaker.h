/* SPDX-License-Identifier: Apache-2.0 */
/* http_breaker.h -- whether a destination may be asked now. Pure: times and dice come in.
 *
 * It begins open: the first answer tells whether anybody is there. Closed, anything may go, but
 * not before what a Retry-After said. After BREAKER_FAILURES failures in a row, or at once when
 * told, it opens: then one request at a time probes, at pauses that grow with each that fails.
 * A good answer closes. */
#ifndef SINK_HTTP_BREAKER_H
#define SINK_HTTP_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BREAKER_FAILURES = 5, BREAKER_NEVER_MS = -1 };

struct breaker {
	int64_t base_ms, max_ms;
	bool open;
	unsigned failures; /* in a row */
	unsigned probes;   /* that failed since it opened */
	int64_t not_before_ms;
	int64_t good_ms; /* of the last good answer; BREAKER_NEVER_MS */
};

void breaker_init(struct breaker *breaker, int64_t base_ms, int64_t max_ms);

/* Whether one more may be sent while in_flight are. */
bool breaker_allows(const struct breaker *breaker, int64_t now_ms, size_t in_flight);

void breaker_good(struct breaker *breaker, int64_t now_ms); /* 2xx */
void breaker_alive(struct breaker *breaker);                /* it answers, but refused a row */
void breaker_hurry(struct breaker *breaker);                /* the next may go now */
/* retry_after_ms: -1 none. at_once: opens without counting. dice: any 32 bits. */
void breaker_bad(struct breaker *breaker, int64_t now_ms, int64_t retry_after_ms, bool at_once,
    uint32_t dice);

/* The attempt-th pause (from 0): full jitter between base_ms and the doubled bound. */
int64_t back_off_ms(int64_t base_ms, int64_t max_ms, unsigned attempt, uint32_t dice);

#endif
