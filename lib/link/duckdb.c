/* SPDX-License-Identifier: Apache-2.0 */
#include "link/duckdb.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/must.h"
#include "link/duckdb_api.h"

struct duck {
	void *library;
	struct duckdb_api api;
	duckdb_handle database;
};

struct duck_session {
	const struct duckdb_api *api;
	duckdb_handle connection, statement, chunk;
	struct duckdb_result result;
	bool asked; /* result is to be destroyed */
	bool over;  /* its last chunk has come */
	uint64_t row, chunk_rows;
	struct duck_column *columns;
	/* Of the chunk, by column. */
	duckdb_handle *vectors;
	const void **data;
	const uint64_t **valid;
	size_t column_count;
};

/* --- what errors mean: the class that begins their text --- */

static const struct {
	const char *class;
	enum fate fate;
	const char *code;
} table[] = {
	{ "Out of Range Error", FATE_REJECT, "22003" },
	{ "Conversion Error", FATE_REJECT, "22P02" },
	{ "Invalid Input Error", FATE_REJECT, "22023" },
	{ "Invalid type Error", FATE_REJECT, "42804" },
	{ "Mismatch Type Error", FATE_REJECT, "42804" },
	{ "Parser Error", FATE_REJECT, "42601" },
	{ "Syntax Error", FATE_REJECT, "42601" },
	{ "Binder Error", FATE_REJECT, "42000" },
	{ "Not implemented Error", FATE_REJECT, "0A000" },
	{ "INTERRUPT Error", FATE_RETRY, "57014" },
	{ "Out of Memory Error", FATE_RETRY, "53200" },
	{ "IO Error", FATE_RETRY, "58030" },
	{ "TransactionContext Error", FATE_RETRY, "40000" },
	{ "Catalog Error", FATE_HALT, "42P01" },
	{ "Permission Error", FATE_HALT, "42501" },
	{ "FATAL Error", FATE_HALT, "XX000" },
	{ "INTERNAL Error", FATE_HALT, "XX000" },
};

enum fate
duck_fate(const char *text, const char **ret_code)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strncasecmp(text, table[i].class, strlen(table[i].class)) == 0) {
			*ret_code = table[i].code;
			return table[i].fate;
		}
	}
	*ret_code = "XX000";
	return FATE_REJECT;
}

static enum fate
refusal(const char *text, struct err *err)
{
	const char *code;
	enum fate fate = duck_fate(text ? text : "", &code);

	/* the first line: the others repeat the statement */
	text = text ? text : "no reason told";
	return err_code(
	    err, fate, code, "duckdb: %.*s", (int)(strcspn(text, "\n") & 0xffff), text);
}

/* --- open: load, create, attach, lock --- */

static enum fate
load(struct duck *duck, const char *file, struct err *err)
{
	void *at;

	duck->library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!duck->library)
		return err_set(err, FATE_HALT, "duckdb: %s", dlerror());
#define DUCKDB_LOAD(result, name, arguments)                                                   \
	if (!(at = dlsym(duck->library, "duckdb_" #name)))                                     \
		return err_set(err, FATE_HALT, "duckdb: %s has no duckdb_" #name, file);       \
	memcpy(&duck->api.name, &at, sizeof at);
	DUCKDB_API(DUCKDB_LOAD)
#undef DUCKDB_LOAD
	return FATE_DONE;
}

static enum fate
create(struct duck *duck, const struct duck_options *o, struct err *err)
{
	char threads[16], memory[32], *why = NULL;
	duckdb_handle config = NULL;
	enum fate fate = FATE_DONE;
	const char *settings[][2] = { { "threads", threads }, { "memory_limit", memory },
		{ "autoinstall_known_extensions", "false" },
		{ "autoload_known_extensions", "false" },
		{ "allow_community_extensions", "false" },
		{ "allow_unsigned_extensions", "false" } };

	(void)snprintf(threads, sizeof threads, "%u", o->threads ? o->threads : 2);
	(void)snprintf(memory, sizeof memory, "%uMB", o->memory_mb ? o->memory_mb : 512);
	must(duck->api.create_config(&config) == 0);
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		(void)duck->api.set_config(config, settings[i][0], settings[i][1]);
	if (duck->api.open_ext(NULL, &duck->database, config, &why) != 0)
		fate = err_set(err, FATE_HALT, "duckdb: %s", why ? why : "does not open");
	if (why)
		duck->api.free(why);
	duck->api.destroy_config(&config);
	return fate;
}

/* Runs what we wrote ourselves. */
static enum fate
command(struct duck *duck, duckdb_handle connection, const char *sql, struct err *err)
{
	struct duckdb_result result = { 0 };
	enum fate fate = FATE_DONE;

	if (duck->api.query(connection, sql, &result) != 0) {
		(void)refusal(duck->api.result_error(&result), err);
		fate = err->fate = FATE_HALT;
	}
	duck->api.destroy_result(&result);
	return fate;
}

static void
quoted(struct buf *out, char quote, const char *text)
{
	buf_byte(out, quote);
	for (; *text; text++) {
		if (*text == quote)
			buf_byte(out, quote);
		buf_byte(out, *text);
	}
	buf_byte(out, quote);
}

/* The statements that make the world, each to be run by itself. */
static enum fate
furnish(
    struct duck *duck, duckdb_handle connection, const struct duck_options *o, struct err *err)
{
	static const char *const locks[] = { "SET TimeZone = 'UTC'",
		"SET temp_directory = ''", /* one that is set could be read from */
		"SET enable_external_access = false", "SET lock_configuration = true" };
	struct buf sql = { 0 }, allowed = { 0 };
	enum fate fate = FATE_DONE;

	buf_cstr(&allowed, "SET allowed_paths = [");
	if (o->database) {
		buf_cstr(&sql, "ATTACH ");
		quoted(&sql, '\'', o->database);
		buf_cstr(&sql, " AS db (READ_ONLY)");
		fate = command(duck, connection, buf_str(&sql), err);
	}
	for (size_t i = 0; i < o->file_count && fate == FATE_DONE; i++) {
		if (o->files[i].path[strcspn(o->files[i].path, "*?[")])
			fate = err_set(err, FATE_HALT, "duckdb: %s would be taken as a pattern",
			    o->files[i].path);
		if (fate != FATE_DONE)
			break;
		sql.len = 0;
		buf_cstr(&sql, "CREATE VIEW ");
		quoted(&sql, '"', o->files[i].name);
		buf_cstr(&sql, " AS SELECT * FROM read_parquet(");
		quoted(&sql, '\'', o->files[i].path);
		buf_byte(&sql, ')');
		fate = command(duck, connection, buf_str(&sql), err);
		buf_cstr(&allowed, i ? ", " : "");
		quoted(&allowed, '\'', o->files[i].path);
	}
	buf_byte(&allowed, ']');
	if (fate == FATE_DONE)
		fate = command(duck, connection, buf_str(&allowed), err);
	for (size_t i = 0; i < sizeof locks / sizeof *locks && fate == FATE_DONE; i++)
		fate = command(duck, connection, locks[i], err);
	buf_finish(&sql);
	buf_finish(&allowed);
	return fate;
}

enum fate
duck_open(const struct duck_options *options, struct duck **ret_duck, struct err *err)
{
	struct duck *duck = calloc(1, sizeof *duck);
	duckdb_handle connection = NULL;
	enum fate fate;

	must(duck);
	fate = load(duck, options->library ? options->library : "libduckdb.so", err);
	if (fate == FATE_DONE)
		fate = create(duck, options, err);
	if (fate == FATE_DONE && duck->api.connect(duck->database, &connection) != 0)
		fate = err_set(err, FATE_HALT, "duckdb: does not connect");
	if (fate == FATE_DONE)
		fate = furnish(duck, connection, options, err);
	if (connection)
		duck->api.disconnect(&connection);
	if (fate != FATE_DONE) {
		duck_close(duck);
		return fate;
	}
	*ret_duck = duck;
	return FATE_DONE;
}

/* The library stays loaded: its threads may outlive the last close by a moment. */
void
duck_close(struct duck *duck)
{
	if (!duck)
		return;
	if (duck->database)
		duck->api.close(&duck->database);
	free(duck);
}

const char *
duck_version(const struct duck *duck)
{
	return duck->api.library_version();
}

/* --- sessions --- */

enum fate
duck_session_open(struct duck *duck, struct duck_session **ret_session, struct err *err)
{
	struct duck_session *s = calloc(1, sizeof *s);

	must(s);
	s->api = &duck->api;
	if (s->api->connect(duck->database, &s->connection) != 0) {
		free(s);
		return err_set(err, FATE_RETRY, "duckdb: does not connect");
	}
	*ret_session = s;
	return FATE_DONE;
}

void
duck_session_close(struct duck_session *session)
{
	if (!session)
		return;
	duck_done(session);
	session->api->disconnect(&session->connection);
	free(session);
}

/* EXPLAIN ANALYZE runs what it explains and is EXPLAIN too. */
static bool
may_run(int kind, const char *sql)
{
	return kind == DUCKDB_STATEMENT_SELECT ||
	       (kind == DUCKDB_STATEMENT_EXPLAIN && strncmp(sql, "EXPLAIN SELECT ", 15) == 0);
}

/* A statement that could not be prepared must not be asked about its kind. */
static enum fate
prepare(struct duck_session *s, const char *sql, struct err *err)
{
	duckdb_handle all = NULL;
	uint64_t count = s->api->extract_statements(s->connection, sql, &all);
	enum fate fate = FATE_DONE;
	const char *why;

	why = count == 0 ? s->api->extract_statements_error(all) : NULL;
	if (why && *why)
		fate = refusal(why, err);
	else if (count == 0)
		fate = err_code(err, FATE_REJECT, "42601", "duckdb: no statement");
	else if (count > 1)
		fate = err_code(err, FATE_REJECT, "42601", "duckdb: more than one statement");
	else if (s->api->prepare_extracted_statement(s->connection, all, 0, &s->statement) != 0)
		fate = refusal(s->api->prepare_error(s->statement), err);
	else if (!may_run(s->api->prepared_statement_type(s->statement), sql))
		fate = err_code(
		    err, FATE_REJECT, "25006", "duckdb: this statement does not only read");
	s->api->destroy_extracted(&all);
	return fate;
}

static void
columns_take(struct duck_session *s)
{
	s->column_count = (size_t)s->api->column_count(&s->result);
	s->columns = calloc(s->column_count + 1, sizeof *s->columns);
	s->vectors = calloc(s->column_count + 1, sizeof *s->vectors);
	s->data = calloc(s->column_count + 1, sizeof *s->data);
	s->valid = calloc(s->column_count + 1, sizeof *s->valid);
	must(s->columns && s->vectors && s->data && s->valid);
	for (size_t i = 0; i < s->column_count; i++)
		duck_column_init(
		    s->api, s->api->column_logical_type(&s->result, i), &s->columns[i]);
}

enum fate
duck_ask(struct duck_session *session, const char *sql, struct err *err)
{
	struct duck_session *s = session;
	enum fate fate = prepare(s, sql, err);

	if (fate != FATE_DONE)
		return fate;
	s->asked = true;
	if (s->api->execute_prepared_streaming(s->statement, &s->result) != 0)
		return refusal(s->api->result_error(&s->result), err);
	columns_take(s);
	return FATE_DONE;
}

size_t
duck_column_count(const struct duck_session *session)
{
	return session->column_count;
}

const char *
duck_column_name(const struct duck_session *session, size_t column)
{
	return session->api->column_name(
	    (struct duckdb_result *)(uintptr_t)&session->result, column);
}

unsigned
duck_column_oid(const struct duck_session *session, size_t column)
{
	return duck_column_oid_of(&session->columns[column]);
}

/* The next chunk with rows in it; chunk NULL: there is none. */
static enum fate
chunk_take(struct duck_session *s, struct err *err)
{
	const char *why;

	do {
		if (s->chunk)
			s->api->destroy_data_chunk(&s->chunk);
		s->chunk = s->api->fetch_chunk(s->result);
		s->row = 0;
		s->chunk_rows = s->chunk ? s->api->data_chunk_get_size(s->chunk) : 0;
		/* A stream that was cut looks as if it had come to its end. */
		why = s->chunk ? NULL : s->api->result_error(&s->result);
		if (why && *why)
			return refusal(why, err);
		s->over = !s->chunk;
	} while (s->chunk && s->chunk_rows == 0);
	for (size_t c = 0; s->chunk && c < s->column_count; c++) {
		s->vectors[c] = s->api->data_chunk_get_vector(s->chunk, c);
		s->data[c] = s->api->vector_get_data(s->vectors[c]);
		s->valid[c] = s->api->vector_get_validity(s->vectors[c]);
	}
	return FATE_DONE;
}

static enum fate
row_print(struct duck_session *s, struct duck_batch *b, struct err *err)
{
	uint64_t row = s->row++;

	for (size_t c = 0; c < s->column_count; c++) {
		struct slice *cell = &b->cells[b->cell_count++];
		size_t at = b->bytes.len;

		cell->p = NULL;
		if (s->valid[c] && !(s->valid[c][row / 64] >> (row % 64) & 1))
			continue;
		if (!duck_value_print(
			&b->bytes, s->api, &s->columns[c], s->vectors[c], s->data[c], row))
			return err_code(err, FATE_REJECT, "0A000",
			    "duckdb: column %s has a type that is not carried",
			    duck_column_name(s, c));
		cell->p = (const char *)at + 1; /* a place; becomes a pointer at the end */
		cell->len = b->bytes.len - at;
	}
	b->row_count++;
	return FATE_DONE;
}

static void
cells_room(struct duck_batch *b, size_t more)
{
	if (b->cell_cap - b->cell_count >= more)
		return;
	b->cell_cap = b->cell_cap * 2 + more;
	b->cells = realloc(b->cells, b->cell_cap * sizeof *b->cells);
	must(b->cells);
}

enum fate
duck_next(
    struct duck_session *session, size_t bytes_max, struct duck_batch *batch, struct err *err)
{
	struct duck_session *s = session;
	enum fate fate = FATE_DONE;

	batch->bytes.len = batch->cell_count = batch->row_count = 0;
	while (fate == FATE_DONE && batch->bytes.len < bytes_max &&
	       batch->cell_count * sizeof *batch->cells < bytes_max) {
		if (s->row == s->chunk_rows && !s->over)
			fate = chunk_take(s, err);
		if (!s->chunk)
			break;
		cells_room(batch, s->column_count);
		fate = row_print(s, batch, err);
	}
	if (fate != FATE_DONE)
		return fate;
	buf_grow(&batch->bytes, 1); /* so that empty texts have an address */
	for (size_t i = 0; i < batch->cell_count; i++)
		if (batch->cells[i].p)
			batch->cells[i].p = batch->bytes.p + ((uintptr_t)batch->cells[i].p - 1);
	return FATE_DONE;
}

void
duck_batch_finish(struct duck_batch *batch)
{
	buf_finish(&batch->bytes);
	free(batch->cells);
	*batch = (struct duck_batch){ 0 };
}

void
duck_done(struct duck_session *session)
{
	struct duck_session *s = session;

	if (s->chunk)
		s->api->destroy_data_chunk(&s->chunk);
	for (size_t i = 0; i < s->column_count; i++)
		duck_column_finish(s->api, &s->columns[i]);
	free(s->columns);
	free(s->vectors);
	free(s->data);
	free(s->valid);
	if (s->asked)
		s->api->destroy_result(&s->result);
	if (s->statement)
		s->api->destroy_prepare(&s->statement);
	*s = (struct duck_session){ .api = s->api, .connection = s->connection };
}

void
duck_interrupt(struct duck_session *session)
{
	session->api->interrupt(session->connection);
}
