/* SPDX-License-Identifier: Apache-2.0 */
/* clickhouse_ops.h -- what the clickhouse*.c files share; nobody else's business.
 *
 * sink_clickhouse.c and sink_clickhouse_append.c are the drivers, _batch.c knows how large
 * a batch is, _insert.c makes one insert of it and reads what became of it, _server.c speaks
 * HTTP, _refusal.c reads refusals, _table.c knows the target's columns, _held.c what an append
 * table holds, _rows.c turns records into rows of the block. */
#ifndef SINK_CLICKHOUSE_OPS_H
#define SINK_CLICKHOUSE_OPS_H

#include "link/clickhouse_code.h"
#include "link/http.h"
#include "sink/clickhouse.h"
#include "sink/sink_ops.h"
#include "wire/json_shape.h"

/* A column of the target that an INSERT may name. */
struct target_column {
	char *name, *type;
	bool has_default;            /* DEFAULT expression */
	bool null_default;           /* sent as Nullable: NULL asks for the server's default */
	struct native_column *built; /* NULL: no record had it yet */
};

struct target {
	struct target_column *columns;
	size_t count;
};

/* Which column the i-th field of a JSON object went to, last time. */
struct hint {
	struct slice field; /* of the target or the config */
	struct target_column *column;
};

/* And what rows of scalars have in common, so that neither names nor brackets are looked
 * at again: the i-th value is the i-th field's. */
struct hints {
	struct hint *list;
	size_t count;
	struct json_shape shape;
	size_t shaped; /* fields of the shape; 0: there is none */
	size_t missed; /* rows that did not fit it */
};

/* A question or an insert, and what came back. */
struct exchange {
	struct buf url, body;
	struct slice view; /* the body that libcurl reads; a question's text */
	bool open;         /* no answer yet */
	struct http_response response;
	enum fate fate; /* below HTTP; err says more */
	struct err err;
	size_t host; /* that was asked */
};

/* What a server said; code 0: it did not say. */
struct refusal {
	int code;
	enum clickhouse_verdict verdict;
	size_t row; /* "at row N" of the block, from 1; 0: not said */
};

struct clickhouse {
	struct sink_clickhouse_config config; /* with defaults filled in */
	bool append;
	struct http_multi **hosts;
	size_t host;  /* the one in use */
	bool greeted; /* a login was taken once */
	struct exchange question;
	struct exchange inserts[2]; /* one on its way, one made ready */
	size_t flying;              /* which of them is the former */
	bool ready;                 /* the other one is */
	struct target target;
	struct native_block *block;
	struct native_column *version, *deleted;          /* replace */
	struct native_column *topic, *partition, *offset; /* append */
	struct native_column *operation;                  /* NULL: none */
	struct native_column *counter; /* filled last: its rows are the complete ones */
	struct native_column **identity;
	size_t built_count; /* columns in the block */
	struct hints value_hints, before_hints, key_hints;
	uint32_t *row_record; /* index of the record that a row came from */
	size_t row_record_cap;
	int64_t batch_age_ms;    /* at present; the config's is the least */
	int64_t next_look_ms;    /* at the table's parts */
	size_t batch_rows;       /* at present; the config's is the most */
	struct buf token;        /* of the insert at hand; empty: none */
	struct buf quoted;       /* a topic as JSON */
	int64_t insert_until_ms; /* append: no insert starts later than that */
};

/* --- clickhouse_batch.c --- */

/* Copies the config, fills in defaults, makes the clients. HALT. */
enum fate clickhouse_start(struct clickhouse *ch, const struct sink_clickhouse_config *config,
    bool append, struct err *err) NODISCARD;
void clickhouse_finish(struct clickhouse *ch);
void clickhouse_limits(const struct clickhouse *ch, struct sink_batch_limits *ret_limits);
/* Now and then: looks whether the table has too many parts, and waits longer then. */
enum fate clickhouse_tick(void *state, int64_t wall_ms, struct err *err) NODISCARD;

/* The batch grows and shrinks by how an insert went. */
void clickhouse_adapt(
    struct clickhouse *ch, enum fate fate, const struct refusal *refusal, bool outcome_unknown);

/* --- clickhouse_insert.c: sink_ops's functions of these names; state is a clickhouse --- */

enum fate clickhouse_deliver(
    void *state, struct record *const *records, size_t count, struct err *err) NODISCARD;
enum fate clickhouse_prepare(
    void *state, struct record *const *records, size_t count, struct err *err) NODISCARD;
enum fate clickhouse_send(void *state, struct err *err) NODISCARD;
enum fate clickhouse_answer(void *state, struct record *const *records, size_t count,
    int wait_ms, bool *ret_there, struct err *err) NODISCARD;
void clickhouse_forget(void *state);

/* --- clickhouse_server.c --- */

enum fate server_open(struct clickhouse *ch, struct err *err) NODISCARD;
void server_close(struct clickhouse *ch);
/* As sink_secrets: user, password and ca_file. */
enum fate server_secrets(struct clickhouse *ch, const struct sink_clickhouse_config *config,
    struct err *err) NODISCARD;
/* Sends a query with its parameters ({name:Type}); its answer is in ch->question.response.
 * RETRY or HALT; the next host is used next time. */
enum fate server_query(struct clickhouse *ch, const char *query,
    const struct clickhouse_setting *params, size_t param_count, struct err *err) NODISCARD;
/* The insert's url, for the block's columns as they are now. */
void server_insert_url(struct clickhouse *ch, struct buf *url);
/* Starts it; its body stays where it is until the answer. */
enum fate server_ask(
    struct clickhouse *ch, struct exchange *exchange, struct err *err) NODISCARD;
/* Moves what can move and waits for up to wait_ms while the exchange is open. HALT. */
enum fate server_wait(struct clickhouse *ch, const struct exchange *exchange, int64_t wait_ms,
    struct err *err) NODISCARD;
/* What became of it: DONE, RETRY, or as the verdict says; then ret_refusal is filled. */
enum fate server_judge(struct clickhouse *ch, struct exchange *exchange,
    struct refusal *ret_refusal, struct err *err) NODISCARD;
void server_cancel(struct clickhouse *ch); /* nothing is open any more */

/* --- clickhouse_refusal.c --- */

/* Code and row out of an exception's text. */
struct refusal refusal_read(struct slice text);
/* Reads the whole answer: an exception can stand in the body of a 200. */
enum fate refusal_judge(const struct http_response *response, struct refusal *ret_refusal,
    struct err *err) NODISCARD;

/* --- clickhouse_table.c --- */

/* Takes the target (it is empty then) and makes the block anew when it is not as it
 * was. HALT: it cannot be written to. */
enum fate table_use(
    struct clickhouse *ch, struct target *target, bool *ret_changed, struct err *err) NODISCARD;
/* The same with what the server says of the table. */
enum fate table_describe(struct clickhouse *ch, bool *ret_changed, struct err *err) NODISCARD;
void table_close(struct clickhouse *ch);
struct target_column *table_column(const struct target *target, struct slice name);
/* Puts the column into the block. HALT: its type is not supported. */
enum fate table_build(
    struct clickhouse *ch, struct target_column *column, struct err *err) NODISCARD;
/* Reads what DESCRIBE TABLE ... FORMAT JSONEachRow printed. */
enum fate target_read(struct slice text, struct target *ret_target, struct err *err) NODISCARD;
void target_free(struct target *target);
void name_quote(struct buf *out, const char *name); /* `name` */

/* --- clickhouse_held.c --- */

/* Offsets that a table of mode append holds, in order. */
struct held {
	int64_t *offsets;
	size_t count;
};
/* Of the range, in one partition. RETRY or HALT. */
enum fate held_ask(struct clickhouse *ch, const char *topic, int32_t part,
    struct sink_range range, struct held *held, struct err *err) NODISCARD;
bool held_has(const struct held *held, int64_t offset);
void held_finish(struct held *held);
/* How many inserts the table knows by their tokens. HALT: no MergeTree. */
enum fate held_window(struct clickhouse *ch, int64_t *ret_inserts, struct err *err) NODISCARD;

/* --- clickhouse_rows.c --- */

/* Appends a record's one or two rows. REJECT: the record, nothing was appended.
 * HALT: a field that the target lacks. */
enum fate rows_append(struct clickhouse *ch, const struct record *record, size_t index,
    struct err *err) NODISCARD;
void hints_finish(struct hints *hints); /* empty and valid again */

#endif
