/* SPDX-License-Identifier: Apache-2.0 */
/* clickhouse-embedded -- ClickHouse's HTTP interface over libchdb, for tests and the demo.
 *
 * In reading order: http (socket, threads), run (statement and rights), lexer, query and
 * insert, request and session (what is held), reply, engine (the library).
 *
 * LIMITS. One engine user, so users are ours: readwrite or readonly, no roles and no row
 * policies. Answers leave uncompressed; compress=1 and decompress=1 (native blocks) are
 * refused, and so is TLS. query_id lives in the setting log_comment: KILL QUERY is rewritten,
 * system.processes is not. No system.query_log and its like, no native port, no clusters.
 * Formats that cannot be joined from chunks (JSON, Parquet...) stand in memory whole. */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/options.h"
#include "folder.h"
#include "http.h"

enum { STOP_PATIENCE_S = 5, FINISH_MS = 1000 };

static const char *opt_path = "build/clickhouse", *opt_users, *opt_log;
static const char *opt_library = "build/deps/chdb/libchdb.so";
static int64_t opt_port = 8123, opt_memory_mb = 2048, opt_body_mb = 1024, opt_requests = 32;

static const struct option_row rows[] = {
	{ "path", OPTION_TEXT, &opt_path, "DIR", "The data folder; made if absent." },
	{ "port", OPTION_INT, &opt_port, "N", "Listen on 127.0.0.1:N (8123).", 1, 65535 },
	{ "lib", OPTION_TEXT, &opt_library, "FILE", "libchdb.so, 26.7 or later." },
	{ "users", OPTION_TEXT, &opt_users, "FILE",
	    "Lines of: name sha256-hex readonly|readwrite (default: user default, no "
	    "password)." },
	{ "log", OPTION_TEXT, &opt_log, "FILE", "Append a line a request." },
	{ "memory-mb", OPTION_INT, &opt_memory_mb, "N", "The engine's memory (2048).", 256,
	    1 << 20 },
	{ "max-body-mb", OPTION_INT, &opt_body_mb, "N", "The largest body (1024).", 1,
	    1 << 16 },
	{ "max-requests", OPTION_INT, &opt_requests, "N",
	    "Requests that run at once (32); others get 503.", 1, HTTP_CONNECTIONS_MAX },
};

static const struct option_table options = {
	.prog = "clickhouse-embedded",
	.summary = "ClickHouse's HTTP interface over libchdb, for tests.",
	.operands = "",
	.rows = rows,
	.row_count = sizeof rows / sizeof *rows,
};

static enum fate
start(struct server *server, struct http **ret_http, struct err *err)
{
	struct folder folder;
	enum fate fate = users_load(opt_users, &server->users, err);

	if (fate == FATE_DONE)
		fate = folder_claim(opt_path, opt_memory_mb, &folder, err);
	if (fate == FATE_DONE)
		fate = engine_open(opt_library, folder.path, folder.config, err);
	if (fate != FATE_DONE)
		return fate;
	if (opt_log && !(server->log = fopen(opt_log, "ae")))
		return err_set(err, FATE_HALT, "%s cannot be written", opt_log);
	if (server->log)
		(void)setvbuf(server->log, NULL, _IOLBF, BUFSIZ);
	server->body_max = (uint64_t)opt_body_mb << 20;
	must(sem_init(&server->slots, 0, (unsigned)opt_requests) == 0);
	must(gethostname(server->host, sizeof server->host - 1) == 0);
	return http_start(server, (uint16_t)opt_port, ret_http, err);
}

/* Blocked in every thread: only wait_for_stop() takes them. */
static void
block_signals(sigset_t *ret_set)
{
	must(sigemptyset(ret_set) == 0);
	must(sigaddset(ret_set, SIGTERM) == 0);
	must(sigaddset(ret_set, SIGINT) == 0);
	must(pthread_sigmask(SIG_BLOCK, ret_set, NULL) == 0);
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

static void
wait_for_stop(const sigset_t *set)
{
	const struct timespec second = { .tv_sec = 1 };

	while (sigtimedwait(set, NULL, &second) < 0)
		sessions_expire(clock_mono_ms());
}

static void
too_long(int signal_number)
{
	(void)signal_number;
	_exit(EXIT_SUCCESS); /* what was acknowledged is on disk */
}

static void
wait_idle(struct server *server, int64_t patience_ms)
{
	int64_t end_ms = clock_mono_ms() + patience_ms;

	while (atomic_load(&server->active) && clock_mono_ms() < end_ms)
		clock_sleep_ms(10);
}

/* Short requests finish, long ones are cancelled and say so to their clients. */
static void
stop(struct server *server, struct http *http)
{
	struct engine_conn *conn;

	must(signal(SIGALRM, too_long) != SIG_ERR);
	(void)alarm(STOP_PATIENCE_S);
	http_quiesce(http);
	wait_idle(server, FINISH_MS);
	conn = engine_connect();
	if (conn)
		engine_result_free(
		    engine_query(conn, SLICE("KILL QUERY WHERE 1 ASYNC"), "Null", NULL));
	engine_disconnect(conn);
	wait_idle(server, FINISH_MS);
	http_stop(http);
	sessions_close();
	engine_close();
}

int
main(int argc, char **argv)
{
	static struct server server; /* threads use it until _exit() */
	struct http *http = NULL;
	struct err err = { 0 };
	enum option_verdict verdict;
	sigset_t set;
	int64_t began_ms = clock_mono_ms();

	log_init("clickhouse-embedded", LOG_INFO);
	if (options_parse(&options, argc, argv, &verdict, &err) != FATE_DONE) {
		log_event(LOG_ERROR, "usage", "why=%s", log_quote(err.what));
		return 2;
	}
	if (verdict == OPTIONS_EXIT_OK)
		return EXIT_SUCCESS;
	block_signals(&set);
	if (start(&server, &http, &err) != FATE_DONE) {
		log_event(LOG_ERROR, "start_failed", "why=%s", log_quote(err.what));
		_exit(EXIT_FAILURE); /* the library's exit handlers may hang */
	}
	log_event(LOG_INFO, "ready", "port=%lld version=%s ms=%lld", (long long)opt_port,
	    engine_facts()->version, (long long)(clock_mono_ms() - began_ms));
	wait_for_stop(&set);
	stop(&server, http);
	log_event(LOG_INFO, "stopped", "port=%lld", (long long)opt_port);
	_exit(EXIT_SUCCESS);
}
