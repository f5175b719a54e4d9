/* SPDX-License-Identifier: Apache-2.0 */
/* clickhouse.h -- rows in ClickHouse, by inserts of Native blocks over HTTP.
 *
 * sink_clickhouse keeps the last state of every row in a ReplacingMergeTree(_version,
 * _deleted); a row that moves to another place of the sorting key leaves a deleted row
 * at the old one, in the same insert. sink_clickhouse_append adds every change once to a
 * MergeTree with _topic, _partition and _offset: what it is about to insert it freezes
 * (sink.h), and after any unknown outcome it asks the table which offsets it holds.
 * The config is the caller's and outlives the sink. Every field of a record must be a
 * column; columns that records lack take the server's default. Refused: tables without
 * the columns named here, and an append table whose deduplication window is too small
 * to stop an insert that arrives late. */
#ifndef SINK_CLICKHOUSE_H
#define SINK_CLICKHOUSE_H

#include "sink/sink.h"
#include "wire/native.h"
#include "wire/value.h"

struct clickhouse_setting {
	const char *name, *value;
};

/* Field of the record -> column of the table, where the names differ. */
struct clickhouse_rename {
	const char *field, *column;
};

/* A field that records have, as the pipeline's query says. */
struct clickhouse_field {
	const char *name;
	struct pgtype type;
};

/* 0 and NULL take the default named. */
struct sink_clickhouse_config {
	const char *const *urls; /* "http://host:8123", tried in turn */
	size_t url_count;
	const char *user, *password; /* none */
	const char *ca_file;         /* the system's */
	const char *database;        /* "default" */
	const char *table;
	size_t batch_rows;                         /* 50000 */
	size_t batch_bytes;                        /* 32 MB of keys and values */
	int64_t batch_age_ms;                      /* 400 */
	int64_t connect_timeout_ms;                /* 5000 */
	int64_t timeout_ms;                        /* 30000, a whole insert */
	enum native_pack_kind compression;         /* NATIVE_PLAIN */
	const struct clickhouse_setting *settings; /* sent with every insert */
	size_t setting_count;
	/* Columns of the table's ORDER BY, in its order; append has none. */
	const char *const *identity;
	size_t identity_count;
	const char *operation; /* column that takes the record's op; NULL: none */
	const struct clickhouse_rename *renames;
	size_t rename_count;
	const struct clickhouse_field *fields; /* checked at connect when given */
	size_t field_count;
};

extern const struct sink_ops sink_clickhouse;
extern const struct sink_ops sink_clickhouse_append;

#endif
