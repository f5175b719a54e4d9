/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h -- ClickHouse as a library (libchdb, loaded by dlopen).
 *
 * A process has one engine on one data folder. Connections are cheap (0.3 ms) and
 * carry settings, the current database and temporary tables, so a request takes
 * one of its own. Results belong to the caller and outlive their connection;
 * an engine's refusal is a result with an error, in ClickHouse's own words.
 * Statements on one connection run one after the other. */
#ifndef CLICKHOUSE_ENGINE_H
#define CLICKHOUSE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum { ENGINE_PARAMS_MAX = 64 };

struct engine_conn;
struct engine_result;
struct engine_insert;

struct engine_params {
	const char *names[ENGINE_PARAMS_MAX];
	const char *values[ENGINE_PARAMS_MAX]; /* in escaped (TSV) form */
	size_t count;
};

struct engine_counts {
	uint64_t read_rows, read_bytes;
	uint64_t written_rows, written_bytes;
	uint64_t result_rows;
};

struct engine_facts {
	char version[64];
	char timezone[64];
};

/* HALT: the library or the folder is not usable. */
enum fate engine_open(const char *library, const char *folder, const char *config_file,
    struct err *err) NODISCARD;
void engine_close(void); /* after the last connection's end; stops the engine */
const struct engine_facts *engine_facts(void);

struct engine_conn *engine_connect(void); /* NULL when the engine has none left */
void engine_disconnect(struct engine_conn *conn);

/* params may be NULL. Never NULL. */
struct engine_result *engine_query(struct engine_conn *conn, struct slice sql,
    const char *format, const struct engine_params *params);

/* Only SELECT streams; engine_not_streamable() tells that refusal from others. */
struct engine_result *engine_stream(struct engine_conn *conn, struct slice sql,
    const char *format, const struct engine_params *params);
bool engine_not_streamable(const char *error);
/* The next chunk: an error, or no bytes at the end. */
struct engine_result *engine_fetch(struct engine_conn *conn, struct engine_result *stream);
void engine_cancel(struct engine_conn *conn, struct engine_result *stream);

const char *engine_error(const struct engine_result *result); /* NULL: none */
int engine_error_code(const char *error);
struct slice engine_bytes(const struct engine_result *result);
/* Zeros for a result with an error. */
struct engine_counts engine_counts(const struct engine_result *result);
void engine_result_free(struct engine_result *result);

/* Rows pushed into "INSERT INTO t (a, b) [SETTINGS ...]" without its FORMAT. */
struct engine_insert *engine_insert_open(
    struct engine_conn *conn, struct slice sql, const char *format);
const char *engine_insert_error(struct engine_insert *insert);
bool engine_insert_append(struct engine_insert *insert, struct slice bytes);
struct engine_result *engine_insert_done(struct engine_insert *insert);
void engine_insert_free(struct engine_insert *insert);

#endif
