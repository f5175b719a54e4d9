/* SPDX-License-Identifier: Apache-2.0 */
/* session.h -- engine connections that outlive a request, by session_id.
 *
 * A session belongs to one user and to one request at a time; a second request
 * is refused as ClickHouse does (373). Idle sessions expire; their number is
 * bounded. All calls are safe from any thread. */
#ifndef CLICKHOUSE_SESSION_H
#define CLICKHOUSE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "users.h"

enum { SESSIONS_MAX = 256, SESSION_TIMEOUT_S = 60, SESSION_TIMEOUT_MAX_S = 3600 };

struct session {
	struct engine_conn *conn;
	bool readonly; /* SET readonly was done: it cannot be taken back */
};

enum session_verdict {
	SESSION_TAKEN,   /* yours until session_release() */
	SESSION_LOCKED,  /* another request holds it */
	SESSION_UNKNOWN, /* must_exist was asked for, and it does not */
	SESSION_FULL,    /* SESSIONS_MAX are open, or the engine gave no connection */
};

enum session_verdict session_take(const struct user *user, const char *id, bool must_exist,
    int64_t timeout_s, struct session **ret_session);
void session_release(struct session *session, bool close);

void sessions_expire(int64_t now_ms); /* closes those whose time is over */
void sessions_close(void);            /* closes all that no request holds */

#endif
