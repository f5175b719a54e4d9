/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/http_breaker.h"

enum { DOUBLINGS_MAX = 20 };
#define RETRY_AFTER_MAX_MS INT64_C(3600000)

void
breaker_init(struct breaker *breaker, int64_t base_ms, int64_t max_ms)
{
	*breaker = (struct breaker){
		.base_ms = base_ms, .max_ms = max_ms, .open = true, .good_ms = BREAKER_NEVER_MS
	};
}

bool
breaker_allows(const struct breaker *breaker, int64_t now_ms, size_t in_flight)
{
	return now_ms >= breaker->not_before_ms && (!breaker->open || in_flight == 0);
}

void
breaker_alive(struct breaker *breaker)
{
	breaker->open = false;
	breaker->failures = breaker->probes = 0;
}

void
breaker_good(struct breaker *breaker, int64_t now_ms)
{
	breaker->good_ms = now_ms;
	breaker_alive(breaker);
}

void
breaker_hurry(struct breaker *breaker)
{
	breaker->not_before_ms = 0;
	breaker->probes = 0;
}

static void
not_before(struct breaker *breaker, int64_t at_ms)
{
	if (at_ms > breaker->not_before_ms)
		breaker->not_before_ms = at_ms;
}

void
breaker_bad(struct breaker *breaker, int64_t now_ms, int64_t retry_after_ms, bool at_once,
    uint32_t dice)
{
	breaker->failures++;
	if (retry_after_ms > RETRY_AFTER_MAX_MS)
		retry_after_ms = RETRY_AFTER_MAX_MS;
	if (retry_after_ms >= 0)
		not_before(breaker, now_ms + retry_after_ms);
	if (!breaker->open) {
		if (!at_once && breaker->failures < BREAKER_FAILURES)
			return;
		breaker->open = true;
		breaker->probes = 0;
	} else if (now_ms < breaker->not_before_ms) {
		return; /* one of those that were in flight when it opened */
	}
	not_before(breaker,
	    now_ms + back_off_ms(breaker->base_ms, breaker->max_ms, breaker->probes++, dice));
}

int64_t
back_off_ms(int64_t base_ms, int64_t max_ms, unsigned attempt, uint32_t dice)
{
	int64_t top = base_ms << (attempt + 1 < DOUBLINGS_MAX ? attempt + 1 : DOUBLINGS_MAX);

	if (top > max_ms)
		top = max_ms;
	return top > base_ms ? base_ms + (int64_t)(dice % (uint64_t)(top - base_ms + 1)) : top;
}
