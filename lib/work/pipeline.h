/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.h -- one pipeline file, read and checked: which topic, which SQL, which
 * keys, which sinks.
 *
 * pipeline_read() owns every text in the struct; the file's relative paths are
 * taken from the file's own directory. An unknown key, a wrong type, a missing
 * file or an unset ${NAME} is refused with file, line and column. Secrets come as
 * NAME or NAME_file and are masked by pipeline_print(). */
#ifndef WORK_PIPELINE_H
#define WORK_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "link/kafka.h"

enum {
	PIPELINE_KEYS_MAX = 16,
	PIPELINE_BOARDS_MAX = 256,
	PIPELINE_PROPERTIES_MAX = 64,
	PIPELINE_HOSTS_MAX = 8,
	PIPELINE_TABLES_MAX = 16,
	PIPELINE_SETTINGS_MAX = 32,
	PIPELINE_COLUMNS_MAX = 64,
	PIPELINE_HTTP_MAX = 16,
	PIPELINE_HEADERS_MAX = 12,
	PIPELINE_NETS_MAX = 32,
	PIPELINE_STATUSES_MAX = 16,
};

struct pipeline_list {
	const char *items[PIPELINE_KEYS_MAX];
	size_t count;
};

struct pipeline_postgres {
	const char *host, *database, *user, *password;
	int64_t port;
	int64_t statement_timeout_ms;
};

struct pipeline_kafka {
	const char *brokers;
	const char *connect; /* Kafka Connect's REST address */
	struct kafka_property properties[PIPELINE_PROPERTIES_MAX]; /* for librdkafka */
	size_t property_count;
};

enum on_truncate { TRUNCATE_STOP, TRUNCATE_IGNORE };
enum on_dimension_change { DIMENSION_REFRESH, DIMENSION_KEEP };

struct pipeline_enrich {
	const char *sql_file;
	struct slice sql; /* the file's text */
	const char *topic;
	int64_t partitions;
	struct pipeline_list key;      /* columns of the record's key */
	struct pipeline_list identity; /* columns that place a row in its sinks */
	int64_t generation;
	enum on_truncate on_truncate;
	enum on_dimension_change on_dimension_change;
	int64_t refresh_rows_max;   /* facts that one signal to Debezium may ask for */
	int64_t sink_outage_max_ms; /* what compaction leaves to a sink that was away */
	int64_t batch_rows, batch_bytes, linger_ms;
	int64_t cache_bytes; /* all dimensions together */
	int64_t cache_ttl_ms;
	const char *listen;
};

/* A name and what stands beside it: a setting, or a column and its field. */
struct pipeline_pair {
	const char *name, *value;
};

enum pipeline_mode { MODE_REPLACE, MODE_APPEND };
enum pipeline_source { SOURCE_ENRICHED, SOURCE_DEBEZIUM };
enum pipeline_pack { PACK_NONE, PACK_LZ4, PACK_ZSTD };

/* A table of ClickHouse. */
struct pipeline_table {
	const char *from;   /* SCHEMA.TABLE in Postgres; NULL: the enriched topic */
	const char *topic;  /* that its records come in */
	int64_t partitions; /* of a topic that bootstrap has to make */
	const char *database, *table;
	const char *target; /* DATABASE.TABLE */
	enum pipeline_mode mode;
	struct pipeline_list identity; /* fields; none: the primary key of from */
	struct pipeline_list skip;     /* columns of from that the table does not have */
	struct pipeline_pair columns[PIPELINE_COLUMNS_MAX]; /* column -> field */
	size_t column_count;
	const char *operation; /* column for the change's c, u, d or r; NULL: none */
};

struct pipeline_clickhouse {
	const char *urls[PIPELINE_HOSTS_MAX];
	size_t url_count;
	const char *url; /* the first of them */
	const char *user, *password, *ca_file, *database, *table;
	struct pipeline_pair settings[PIPELINE_SETTINGS_MAX];
	size_t setting_count;
	enum pipeline_pack pack;
	enum pipeline_source source;
	const char *group; /* NULL: NAME.clickhouse */
	enum on_truncate on_truncate;
	int64_t generation;
	struct pipeline_table tables[PIPELINE_TABLES_MAX];
	size_t table_count;
	const char *ddl_file;
	struct slice ddl;                   /* the file's text; p NULL without one */
	const char *cluster, *replica_path; /* of sluicectl ddl; NULL: one server */
	int64_t batch_rows, batch_bytes, batch_age_ms;
	int64_t timeout_ms;
	const char *listen;
};

struct pipeline_board {
	const char *key;    /* the ZSET that people read: thm:top:10m */
	const char *member; /* SQL over the enriched row */
	const char *at;
	const char *score;
	int64_t window_ms, bucket_ms;
	int64_t top; /* members shown; 0: all */
};

struct pipeline_leaderboard {
	const char *url; /* redis://[user[:password]@]host:port[/db], unix:///path */
	const char *user, *password;
	struct pipeline_board boards[PIPELINE_BOARDS_MAX];
	size_t board_count;
	int64_t batch_rows, batch_age_ms;
	const char *listen;
};

enum pipeline_http_format {
	PIPELINE_HTTP_CHANGE,
	PIPELINE_HTTP_ROW,
	PIPELINE_HTTP_CLOUDEVENTS
};

/* One destination. */
struct pipeline_http {
	const char *name; /* NULL: the pipeline's only one */
	const char
	    *worker; /* "http", or "http.NAME": its group is the pipeline's name and this */
	const char *url;
	const char *secret; /* whsec_... of the Standard Webhooks signature; NULL: unsigned */
	const char *token;  /* "Authorization: Bearer"; NULL: none */
	const char *headers[PIPELINE_HEADERS_MAX]; /* "Name: value"; values are secrets */
	size_t header_count;
	const char *ca_file, *cert_file, *key_file; /* NULL: the system's; none */
	bool http2;
	bool allow_private;                          /* all private addresses */
	const char *private_nets[PIPELINE_NETS_MAX]; /* or these */
	size_t private_net_count;
	bool deliver_snapshot;
	enum pipeline_http_format format;
	const char *body;   /* a SQL select list over the row; NULL: by format */
	int64_t batch_rows; /* 0: a change a request */
	int64_t lanes, timeout_ms, in_flight_max;
	int64_t retry_for_ms; /* a row's; 0: for ever */
	int64_t pause_max_ms;
	int done_statuses[PIPELINE_STATUSES_MAX]; /* besides 2xx */
	size_t done_status_count;
	const char *listen;
};

struct pipeline {
	const char *file;
	const char *name;
	struct pipeline_postgres postgres;
	struct pipeline_kafka kafka;
	const char *connector_file; /* NULL: none */
	const char *prefix;         /* topic.prefix of the connector */
	struct pipeline_enrich enrich;
	bool has_enrich, has_clickhouse, has_leaderboard, has_http;
	struct pipeline_clickhouse clickhouse;
	struct pipeline_leaderboard leaderboard;
	struct pipeline_http http[PIPELINE_HTTP_MAX]; /* has_http: at least one */
	size_t http_count;
	const char *dlq_topic; /* NAME.dlq */
	int64_t memory_max;    /* of each worker, bytes; 0: no budget (memory.h) */

	struct pipeline_own *own; /* memory; pipeline_free */
};

enum fate pipeline_read(
    const char *file, struct pipeline **ret_pipeline, struct err *err) NODISCARD;
void pipeline_free(struct pipeline *pipeline); /* accepts NULL */
/* Where the file says map.key, or else map; untouched when it says neither. */
void pipeline_place(const struct pipeline *pipeline, const char *map, const char *key,
    unsigned *ret_line, unsigned *ret_column);

/* The whole configuration with defaults filled in, as YAML; secrets as ***. */
void pipeline_print(const struct pipeline *pipeline, struct buf *out);

#endif
