/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"

struct slot {
	struct session session; /* first: a session is its slot */
	char id[160];
	const struct user *user;
	bool busy;
	int64_t timeout_ms;
	int64_t expires_ms; /* when not busy */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots[SESSIONS_MAX];

static void
slot_free(struct slot **slot)
{
	engine_disconnect((*slot)->session.conn);
	free(*slot);
	*slot = NULL;
}

static struct slot *
slot_new(const struct user *user, const char *id)
{
	struct slot *slot = calloc(1, sizeof *slot);

	must(slot);
	slot->session.conn = engine_connect();
	if (!slot->session.conn) {
		free(slot);
		return NULL;
	}
	(void)snprintf(slot->id, sizeof slot->id, "%s", id);
	slot->user = user;
	return slot;
}

static struct slot **
slot_find(const struct user *user, const char *id)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (slots[i] && slots[i]->user == user && strcmp(slots[i]->id, id) == 0)
			return &slots[i];
	return NULL;
}

static struct slot **
slot_empty(void)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (!slots[i])
			return &slots[i];
	return NULL;
}

static void
expire(int64_t now_ms)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (slots[i] && !slots[i]->busy && slots[i]->expires_ms <= now_ms)
			slot_free(&slots[i]);
}

static enum session_verdict
take(const struct user *user, const char *id, bool must_exist, int64_t timeout_s,
    struct session **ret_session)
{
	struct slot **at = slot_find(user, id);

	if (!at && must_exist)
		return SESSION_UNKNOWN;
	if (!at) {
		at = slot_empty();
		if (!at || !(*at = slot_new(user, id)))
			return SESSION_FULL;
	}
	if ((*at)->busy)
		return SESSION_LOCKED;
	(*at)->busy = true;
	(*at)->timeout_ms = timeout_s * 1000;
	*ret_session = &(*at)->session;
	return SESSION_TAKEN;
}

enum session_verdict
session_take(const struct user *user, const char *id, bool must_exist, int64_t timeout_s,
    struct session **ret_session)
{
	enum session_verdict verdict;

	must(pthread_mutex_lock(&lock) == 0);
	expire(clock_mono_ms());
	verdict = take(user, id, must_exist, timeout_s, ret_session);
	must(pthread_mutex_unlock(&lock) == 0);
	return verdict;
}

void
session_release(struct session *session, bool close)
{
	must(pthread_mutex_lock(&lock) == 0);
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		if (!slots[i] || &slots[i]->session != session)
			continue;
		slots[i]->busy = false;
		slots[i]->expires_ms = clock_mono_ms() + slots[i]->timeout_ms;
		if (close)
			slot_free(&slots[i]);
	}
	must(pthread_mutex_unlock(&lock) == 0);
}

void
sessions_expire(int64_t now_ms)
{
	must(pthread_mutex_lock(&lock) == 0);
	expire(now_ms);
	must(pthread_mutex_unlock(&lock) == 0);
}

void
sessions_close(void)
{
	sessions_expire(INT64_MAX);
}
