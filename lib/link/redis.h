/* SPDX-License-Identifier: Apache-2.0 */
/* redis.h -- one connection to Redis (hiredis, RESP2), made when it is first needed.
 *
 * The struct redis owns the connection; replies belong to their caller until
 * redis_reply_free, and views of their items live as long. Every wait ends by
 * connect_timeout_ms or command_timeout_ms; after a timeout, a loss or a protocol
 * error the connection is closed and everything in flight is forgotten, so the
 * caller cannot know whether it ran. It refuses rediss:// (hiredis 0.14 has no
 * TLS). Error prefixes become fates in redis_fate(), the only table. Blocks; one
 * thread at a time. */
#ifndef LINK_REDIS_H
#define LINK_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct redis;

/* Texts are copied by redis_new. */
struct redis_options {
	const char *url; /* redis://[user[:password]@]host[:port][/db] or unix:///path[?db=N] */
	const char *user;           /* wins over the url's; NULL or "": the default user */
	const char *password;       /* wins over the url's; NULL or "": no AUTH */
	const char *client_name;    /* CLIENT SETNAME; NULL: none */
	int64_t connect_timeout_ms; /* 0: 3000 */
	int64_t command_timeout_ms; /* 0: 5000; from the call to its last reply */
};

enum redis_kind {
	REDIS_NIL,
	REDIS_TEXT,
	REDIS_STATUS,
	REDIS_INTEGER,
	REDIS_ARRAY,
	REDIS_ERROR
};

/* A view: text of TEXT, STATUS and ERROR, integer of INTEGER, count of ARRAY. */
struct redis_reply {
	enum redis_kind kind;
	struct slice text;
	int64_t integer;
	size_t count;
	void *handle;
};

/* HALT when the url is not one; no connection yet. */
enum fate redis_new(
    const struct redis_options *options, struct redis **ret_redis, struct err *err) NODISCARD;
void redis_free(struct redis *redis); /* accepts NULL */
/* Whom the next connection logs in as: the options' user and password alone. The one that
 * stands is kept, as Redis keeps it. HALT when they are too long, and nothing changes. */
enum fate redis_set_login(
    struct redis *redis, const struct redis_options *options, struct err *err) NODISCARD;

/* Connects, AUTH, SELECT, CLIENT SETNAME if there is no connection. A login that worked
 * before and is refused now is being changed: RETRY. */
enum fate redis_connect(struct redis *redis, struct err *err) NODISCARD;
void redis_disconnect(struct redis *redis);
bool redis_connected(const struct redis *redis);

/* How many connections were made: a change means run_id and positions must be read again. */
uint64_t redis_connection_count(const struct redis *redis);

/* One command, binary safe; connects first if needed. An error reply is the fate
 * of its prefix, which stands in err->code; ret_reply is then untouched. */
enum fate redis_command(struct redis *redis, const struct slice *argv, size_t argc,
    struct redis_reply *ret_reply, struct err *err) NODISCARD;

/* The same from words, for commands without binary arguments: ends with NULL. */
enum fate redis_words(struct redis *redis, struct redis_reply *ret_reply, struct err *err,
    const char *word, ...) NODISCARD __attribute__((sentinel));

/* Pipelining: append any number (up to REDIS_PIPELINE_MAX), then take as many
 * replies. redis_next gives error replies as REDIS_ERROR with DONE, so that the
 * others can still be read: redis_reply_fate() turns one into its fate. */
enum { REDIS_PIPELINE_MAX = 10000 };
enum fate redis_append(
    struct redis *redis, const struct slice *argv, size_t argc, struct err *err) NODISCARD;
enum fate redis_next(
    struct redis *redis, struct redis_reply *ret_reply, struct err *err) NODISCARD;
enum fate redis_reply_fate(const struct redis_reply *reply, struct err *err);

struct redis_reply redis_reply_item(const struct redis_reply *reply, size_t index);
void redis_reply_free(struct redis_reply *reply); /* accepts a zeroed one; not for items */

/* A script by its SHA1: loaded on NOSCRIPT and run again. argv is what follows
 * the script: numkeys is put before it. An error reply whose prefix stands in
 * own_errors (NULL-terminated, or NULL) comes back as REDIS_ERROR with DONE. */
struct redis_script {
	struct slice text;
	const char *const *own_errors;
	char sha[41]; /* filled on first use */
};
enum fate redis_eval(struct redis *redis, struct redis_script *script, size_t key_count,
    const struct slice *argv, size_t argc, struct redis_reply *ret_reply,
    struct err *err) NODISCARD;

/* INFO section ("server", "persistence"; "" is all) into ret_text, cleared first. */
enum fate redis_info(
    struct redis *redis, const char *section, struct buf *ret_text, struct err *err) NODISCARD;
/* "run_id" of "...run_id:abc\r\n..."; p is NULL when absent. */
struct slice redis_info_field(struct slice info, const char *name);

/* What the leaderboard asks before its first write. */
struct redis_server {
	char run_id[48];
	bool aof_enabled;
	bool aof_rewriting;  /* a BGREWRITEAOF runs or is scheduled */
	bool aof_rewrite_ok; /* the last one ended well */
	bool loading;
	bool replica;
};
enum fate redis_server(
    struct redis *redis, struct redis_server *ret_server, struct err *err) NODISCARD;

/* The fate of an error reply's first word ("OOM"); an unknown one is HALT. */
enum fate redis_fate(struct slice prefix);

#endif
