/* SPDX-License-Identifier: Apache-2.0 */
#include "router/statement.h"

#include "base/clock.h"

/* --- those there are, by id --- */

static size_t
bucket_of(struct slice id)
{
	size_t hash = 5381;

	for (size_t i = 0; i < id.len; i++)
		hash = hash * 33 ^ (unsigned char)id.p[i];
	return hash % ROUTER_BUCKETS;
}

void
statement_remember(struct statement *s)
{
	struct statement **bucket = &s->router->by_id[bucket_of(slice_str(s->id))];

	s->next_id = *bucket;
	*bucket = s;
	s->router->statement_count++;
}

void
statement_forget(struct statement *s)
{
	struct statement **at = &s->router->by_id[bucket_of(slice_str(s->id))];

	while (*at != s)
		at = &(*at)->next_id;
	*at = s->next_id;
	s->router->statement_count--;
}

struct statement *
statement_find(struct router *router, const struct principal *who, struct slice id)
{
	struct statement *s = router->by_id[bucket_of(id)];

	while (s && !(s->who == who && slice_eq(slice_str(s->id), id)))
		s = s->next_id;
	return s;
}

/* --- waiting for a replica --- */

void
statement_wait_end(struct statement *s)
{
	if (!s->waiting)
		return;
	*s->waiting = s->next_waiting;
	if (s->next_waiting)
		s->next_waiting->waiting = s->waiting;
	s->waiting = NULL;
	s->router->waiting_count--;
	loop_timer_clear(s->router->loop, &s->token_due);
}

/* No replica came that far. */
static void
token_due(void *ctx)
{
	struct statement *s = ctx;

	s->token_waited = true;
	statement_wait_end(s);
	if (clock_mono_us() < s->deadline_us)
		statement_route(s);
	else
		statement_fail_waiting(s);
}

void
statement_wait_begin(struct statement *s)
{
	struct router *r = s->router;
	int64_t until_us;

	s->state = STATEMENT_WAITS;
	s->next_waiting = r->waiting;
	s->waiting = &r->waiting;
	if (r->waiting)
		r->waiting->waiting = &s->next_waiting;
	r->waiting = s;
	r->waiting_count++;
	s->token_due.due = token_due;
	s->token_due.ctx = s;
	until_us = s->began_us + r->registry->server.token_wait_ms * 1000;
	loop_timer_set(
	    r->loop, &s->token_due, until_us < s->deadline_us ? until_us : s->deadline_us);
	router_fresh_hurry(r->fresh);
}

void
statements_moved(struct router *router)
{
	struct statement *s, *list = router->waiting;

	/* those that go on waiting come into a list of their own */
	router->waiting = NULL;
	if (list)
		list->waiting = &list;
	while ((s = list) != NULL) {
		statement_wait_end(s); /* the next one is the first now */
		statement_route(s);
	}
}

/* --- answers that wait to be fetched --- */

void
statement_unkeep(struct statement *s)
{
	struct router *r = s->router;

	if (!s->kept_at)
		return;
	*s->kept_at = s->next_kept;
	if (s->next_kept)
		s->next_kept->kept_at = s->kept_at;
	else
		r->kept_end = s->kept_at;
	s->kept_at = NULL;
	r->kept_count--;
}

bool
statement_forget_oldest(struct router *router)
{
	if (!router->kept)
		return false;
	statement_free(router->kept);
	return true;
}

void
statement_keep(struct statement *s)
{
	struct router *r = s->router;

	s->next_kept = NULL;
	s->kept_at = r->kept_end;
	*r->kept_end = s;
	r->kept_end = &s->next_kept;
	/* while all are being cancelled none but the one at hand goes */
	if (++r->kept_count > KEPT_MAX && !r->draining)
		(void)statement_forget_oldest(r);
}
