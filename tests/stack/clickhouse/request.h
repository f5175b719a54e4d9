/* SPDX-License-Identifier: Apache-2.0 */
/* request.h -- one HTTP request: what it says, and what it holds meanwhile.
 *
 * The body lies in a memfd, which the engine can read by name and decompress.
 * A request takes an engine connection (its own, or its session's) and one of the
 * server's slots; request_release() gives back all of it, as early as the answer
 * is known, so that the client's next request finds its session free. */
#ifndef CLICKHOUSE_REQUEST_H
#define CLICKHOUSE_REQUEST_H

#include <microhttpd.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/buf.h"
#include "engine.h"
#include "format.h"
#include "session.h"
#include "users.h"

enum { QUERY_ID_SIZE = 130, TAG_SIZE = 17 };

struct server {
	struct users users;
	char host[128];
	uint64_t body_max;
	sem_t slots;       /* requests that may run at once */
	atomic_int active; /* requests whose answer has not left */
	FILE *log;         /* a line a request, or NULL */
};

struct stream {
	struct engine_result *result; /* NULL: no stream */
	struct engine_result *chunk;
	size_t chunk_at; /* sent of the chunk */
	enum joint joint;
	bool begun;     /* a chunk was read: later ones lose their head */
	struct buf end; /* an error's block, sent last */
	size_t end_at;
	struct engine_counts counts;
};

struct request {
	struct server *server;
	struct MHD_Connection *http;
	const char *method;
	int64_t began_us;
	int body_fd; /* -1: no body */
	uint64_t body_len;
	struct slice body; /* mapped while the request runs */
	unsigned status;   /* sent; for the log */

	/* from URL and headers; borrowed from the connection */
	const char *query, *format, *database, *session_id, *coding;
	const char *user_arg, *password_arg;
	int64_t session_timeout_s;
	bool session_check, close_session;
	struct engine_params params;
	struct buf settings; /* "a = 'x', b = 'y'" */
	char query_id[QUERY_ID_SIZE];
	char refusal[200]; /* the first argument we cannot honour, as an exception */

	const struct user *user;
	struct engine_conn *conn;
	struct session *session;
	bool has_slot;
	struct stream stream;
	bool streaming;     /* the answer still needs what is held */
	char tag[TAG_SIZE]; /* marks an exception in mid-stream */
};

struct request *request_new(struct server *server, const char *method);
void request_free(struct request *request);

/* More of the body; false when it cannot be kept. What grows past the server's
 * limit is counted only: the caller refuses it at the end. */
bool request_body_add(struct request *request, const char *p, size_t len);
/* Maps the body; a request without one has an empty slice. */
bool request_body_map(struct request *request);

void request_read_arguments(struct request *request);

/* Finds the user by header, basic auth or URL; false: unknown or a wrong password. */
bool request_authorize(struct request *request);

/* Takes a slot and a connection and prepares it: database, settings, readonly.
 * NULL when done, else the exception's text, valid as long as the request;
 * *ret_status is 0 when the exception's code decides it. */
const char *request_prepare(struct request *request, bool readonly, unsigned *ret_status);

/* Gives back slot, connection, session and body. Again is harmless. */
void request_release(struct request *request);

#endif
