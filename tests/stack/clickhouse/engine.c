/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

/* What libchdb calls chdb_connection * points to one opaque pointer. */
struct engine_conn {
	void *inner;
};

typedef struct engine_result *query_call(void *conn, const char *sql, size_t sql_len,
    const char *format, size_t format_len, const char *const *names, const size_t *name_lens,
    const char *const *values, const size_t *value_lens, size_t count);
typedef uint64_t count_call(const struct engine_result *result);

static struct {
	struct engine_conn *(*connect)(int argc, char **argv);
	void (*disconnect)(struct engine_conn *conn);
	query_call *query;
	query_call *stream;
	struct engine_result *(*fetch)(void *conn, struct engine_result *stream);
	void (*cancel)(void *conn, struct engine_result *stream);
	void (*free)(struct engine_result *result);
	char *(*bytes)(const struct engine_result *result);
	size_t (*len)(const struct engine_result *result);
	const char *(*error)(const struct engine_result *result);
	count_call *result_rows, *read_rows, *read_bytes, *written_rows, *written_bytes;
	void (*signals)(int enabled);
	struct engine_insert *(*insert_open)(
	    void *conn, const char *sql, size_t sql_len, const char *format, size_t format_len);
	const char *(*insert_error)(struct engine_insert *insert);
	int (*insert_append)(struct engine_insert *insert, const void *p, size_t len);
	struct engine_result *(*insert_done)(struct engine_insert *insert);
	void (*insert_free)(struct engine_insert *insert);
} api;

static char path_arg[4200], config_arg[4200];
static char *boot[] = { (char[]){ "clickhouse-embedded" }, path_arg, config_arg, NULL };
static struct engine_conn *kept; /* closing the last connection would stop the engine */
static struct engine_facts facts;

static enum fate
load(const char *path, struct err *err)
{
	const struct {
		const char *name;
		void *target;
	} symbols[] = {
		{ "chdb_connect", &api.connect },
		{ "chdb_close_conn", &api.disconnect },
		{ "chdb_query_with_params_n", &api.query },
		{ "chdb_stream_query_with_params_n", &api.stream },
		{ "chdb_stream_fetch_result", &api.fetch },
		{ "chdb_stream_cancel_query", &api.cancel },
		{ "chdb_destroy_query_result", &api.free },
		{ "chdb_result_buffer", &api.bytes },
		{ "chdb_result_length", &api.len },
		{ "chdb_result_error", &api.error },
		{ "chdb_result_rows_read", &api.result_rows },
		{ "chdb_result_storage_rows_read", &api.read_rows },
		{ "chdb_result_storage_bytes_read", &api.read_bytes },
		{ "chdb_result_rows_written", &api.written_rows },
		{ "chdb_result_bytes_written", &api.written_bytes },
		{ "chdb_set_signal_handlers_enabled", &api.signals },
		{ "chdb_stream_insert_n", &api.insert_open },
		{ "chdb_stream_insert_error", &api.insert_error },
		{ "chdb_stream_append", &api.insert_append },
		{ "chdb_stream_done", &api.insert_done },
		{ "chdb_destroy_insert_stream", &api.insert_free },
	};
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return err_set(err, FATE_HALT, "%s", dlerror());
	for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return err_set(err, FATE_HALT, "%s lacks %s (libchdb 26.7 or later)",
			    path, symbols[i].name);
		memcpy(symbols[i].target, &symbol, sizeof symbol);
	}
	return FATE_DONE;
}

static enum fate
ask(struct slice sql, char *out, size_t out_size, struct err *err)
{
	struct engine_result *result = engine_query(kept, sql, "TSVRaw", NULL);
	const char *error = engine_error(result);
	struct slice bytes = error ? SLICE("") : engine_bytes(result);
	enum fate fate = FATE_DONE;

	while (bytes.len && bytes.p[bytes.len - 1] == '\n')
		bytes.len--;
	if (error)
		fate = err_set(err, FATE_HALT, "%s", error);
	else
		(void)snprintf(out, out_size, "%.*s", SLICE_ARG(bytes));
	engine_result_free(result);
	return fate;
}

enum fate
engine_open(const char *library, const char *folder, const char *config_file, struct err *err)
{
	enum fate fate = load(library, err);

	if (fate != FATE_DONE)
		return fate;
	api.signals(0);
	(void)snprintf(path_arg, sizeof path_arg, "--path=%s", folder);
	(void)snprintf(config_arg, sizeof config_arg, "--config-file=%s", config_file);
	kept = engine_connect();
	if (!kept)
		return err_set(err, FATE_HALT, "the engine does not start on %s", folder);
	fate = ask(SLICE("SELECT version()"), facts.version, sizeof facts.version, err);
	if (fate == FATE_DONE)
		fate =
		    ask(SLICE("SELECT timezone()"), facts.timezone, sizeof facts.timezone, err);
	return fate;
}

void
engine_close(void)
{
	engine_disconnect(kept);
	kept = NULL;
}

const struct engine_facts *
engine_facts(void)
{
	return &facts;
}

struct engine_conn *
engine_connect(void)
{
	return api.connect((int)(sizeof boot / sizeof *boot) - 1, boot);
}

void
engine_disconnect(struct engine_conn *conn)
{
	if (conn)
		api.disconnect(conn);
}

static struct engine_result *
call(query_call *run, struct engine_conn *conn, struct slice sql, const char *format,
    const struct engine_params *params)
{
	struct engine_result *result = run(conn->inner, sql.p, sql.len, format, strlen(format),
	    params ? params->names : NULL, NULL, params ? params->values : NULL, NULL,
	    params ? params->count : 0);

	must(result);
	return result;
}

struct engine_result *
engine_query(struct engine_conn *conn, struct slice sql, const char *format,
    const struct engine_params *params)
{
	return call(api.query, conn, sql, format, params);
}

struct engine_result *
engine_stream(struct engine_conn *conn, struct slice sql, const char *format,
    const struct engine_params *params)
{
	return call(api.stream, conn, sql, format, params);
}

bool
engine_not_streamable(const char *error)
{
	return strstr(error, "Streaming query is not supported") != NULL;
}

struct engine_result *
engine_fetch(struct engine_conn *conn, struct engine_result *stream)
{
	struct engine_result *chunk = api.fetch(conn->inner, stream);

	must(chunk);
	return chunk;
}

void
engine_cancel(struct engine_conn *conn, struct engine_result *stream)
{
	api.cancel(conn->inner, stream);
}

const char *
engine_error(const struct engine_result *result)
{
	return api.error(result);
}

int
engine_error_code(const char *error)
{
	const char *code = strstr(error, "Code: ");

	return code ? (int)strtol(code + strlen("Code: "), NULL, 10) : 1002;
}

struct slice
engine_bytes(const struct engine_result *result)
{
	return slice_of(api.bytes(result), api.len(result));
}

struct engine_counts
engine_counts(const struct engine_result *result)
{
	if (engine_error(result))
		return (struct engine_counts){ 0 };
	return (struct engine_counts){
		.read_rows = api.read_rows(result),
		.read_bytes = api.read_bytes(result),
		.written_rows = api.written_rows(result),
		.written_bytes = api.written_bytes(result),
		.result_rows = api.result_rows(result),
	};
}

void
engine_result_free(struct engine_result *result)
{
	if (result)
		api.free(result);
}

struct engine_insert *
engine_insert_open(struct engine_conn *conn, struct slice sql, const char *format)
{
	struct engine_insert *insert =
	    api.insert_open(conn->inner, sql.p, sql.len, format, strlen(format));

	must(insert);
	return insert;
}

const char *
engine_insert_error(struct engine_insert *insert)
{
	return api.insert_error(insert);
}

bool
engine_insert_append(struct engine_insert *insert, struct slice bytes)
{
	return api.insert_append(insert, bytes.p, bytes.len) == 0;
}

struct engine_result *
engine_insert_done(struct engine_insert *insert)
{
	struct engine_result *result = api.insert_done(insert);

	must(result);
	return result;
}

void
engine_insert_free(struct engine_insert *insert)
{
	api.insert_free(insert);
}
