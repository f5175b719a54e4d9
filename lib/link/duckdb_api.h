/* SPDX-License-Identifier: Apache-2.0 */
/* duckdb_api.h -- the functions of libduckdb.so (1.2 to 1.5) that duckdb*.c call, as a
 * table filled by dlsym(). Private to duckdb*.c. Shapes: duckdb.h of DuckDB 1.5. */
#ifndef LINK_DUCKDB_API_H
#define LINK_DUCKDB_API_H

#include "link/duckdb.h"

typedef void *duckdb_handle; /* database, connection, config, statement, chunk, vector */

/* Passed by value to fetch_chunk. */
struct duckdb_result {
	uint64_t deprecated_counts[3];
	void *deprecated_columns;
	char *deprecated_error;
	void *internal;
};

/* Inline when it fits, else a pointer. */
union duckdb_string {
	struct {
		uint32_t length;
		char prefix[4];
		const char *p;
	} pointer;
	struct {
		uint32_t length;
		char bytes[12];
	} in_place;
};

enum duckdb_type {
	DUCKDB_BOOLEAN = 1,
	DUCKDB_TINYINT,
	DUCKDB_SMALLINT,
	DUCKDB_INTEGER,
	DUCKDB_BIGINT,
	DUCKDB_UTINYINT,
	DUCKDB_USMALLINT,
	DUCKDB_UINTEGER,
	DUCKDB_UBIGINT,
	DUCKDB_FLOAT,
	DUCKDB_DOUBLE,
	DUCKDB_TIMESTAMP,
	DUCKDB_DATE,
	DUCKDB_TIME,
	DUCKDB_INTERVAL,
	DUCKDB_HUGEINT,
	DUCKDB_VARCHAR,
	DUCKDB_BLOB,
	DUCKDB_DECIMAL,
	DUCKDB_TIMESTAMP_S,
	DUCKDB_TIMESTAMP_MS,
	DUCKDB_TIMESTAMP_NS,
	DUCKDB_ENUM,
	DUCKDB_LIST,
	DUCKDB_UUID = 27,
	DUCKDB_TIMESTAMP_TZ = 31,
	DUCKDB_SQLNULL = 36,
};

enum { DUCKDB_STATEMENT_SELECT = 1, DUCKDB_STATEMENT_EXPLAIN = 4 };

/* X(result, name, arguments): duckdb_NAME of the library. */
#define DUCKDB_API(X)                                                                          \
	X(const char *, library_version, (void))                                               \
	X(int, create_config, (duckdb_handle *))                                               \
	X(int, set_config, (duckdb_handle, const char *, const char *))                        \
	X(void, destroy_config, (duckdb_handle *))                                             \
	X(int, open_ext, (const char *, duckdb_handle *, duckdb_handle, char **))              \
	X(void, free, (void *))                                                                \
	X(int, connect, (duckdb_handle, duckdb_handle *))                                      \
	X(void, disconnect, (duckdb_handle *))                                                 \
	X(void, close, (duckdb_handle *))                                                      \
	X(int, query, (duckdb_handle, const char *, struct duckdb_result *))                   \
	X(const char *, result_error, (struct duckdb_result *))                                \
	X(void, destroy_result, (struct duckdb_result *))                                      \
	X(uint64_t, column_count, (struct duckdb_result *))                                    \
	X(const char *, column_name, (struct duckdb_result *, uint64_t))                       \
	X(duckdb_handle, column_logical_type, (struct duckdb_result *, uint64_t))              \
	X(void, destroy_logical_type, (duckdb_handle *))                                       \
	X(int, get_type_id, (duckdb_handle))                                                   \
	X(uint8_t, decimal_scale, (duckdb_handle))                                             \
	X(int, decimal_internal_type, (duckdb_handle))                                         \
	X(int, enum_internal_type, (duckdb_handle))                                            \
	X(char *, enum_dictionary_value, (duckdb_handle, uint64_t))                            \
	X(duckdb_handle, list_type_child_type, (duckdb_handle))                                \
	X(duckdb_handle, list_vector_get_child, (duckdb_handle))                               \
	X(duckdb_handle, fetch_chunk, (struct duckdb_result))                                  \
	X(void, destroy_data_chunk, (duckdb_handle *))                                         \
	X(uint64_t, data_chunk_get_size, (duckdb_handle))                                      \
	X(duckdb_handle, data_chunk_get_vector, (duckdb_handle, uint64_t))                     \
	X(void *, vector_get_data, (duckdb_handle))                                            \
	X(uint64_t *, vector_get_validity, (duckdb_handle))                                    \
	X(void, interrupt, (duckdb_handle))                                                    \
	X(uint64_t, extract_statements, (duckdb_handle, const char *, duckdb_handle *))        \
	X(const char *, extract_statements_error, (duckdb_handle))                             \
	X(int, prepare_extracted_statement,                                                    \
	    (duckdb_handle, duckdb_handle, uint64_t, duckdb_handle *))                         \
	X(void, destroy_extracted, (duckdb_handle *))                                          \
	X(const char *, prepare_error, (duckdb_handle))                                        \
	X(int, prepared_statement_type, (duckdb_handle))                                       \
	X(void, destroy_prepare, (duckdb_handle *))                                            \
	X(int, execute_prepared_streaming, (duckdb_handle, struct duckdb_result *))

#define DUCKDB_MEMBER(result, name, arguments) result(*name) arguments;
struct duckdb_api {
	DUCKDB_API(DUCKDB_MEMBER)
};
#undef DUCKDB_MEMBER

/* What a column is, worked out once a statement. */
struct duck_column {
	int type;   /* enum duckdb_type */
	int stored; /* of a DECIMAL or ENUM: the integers that it is made of */
	unsigned scale;
	duckdb_handle logical, child_logical;
	struct duck_column *child; /* of a LIST */
};

void duck_column_init(
    const struct duckdb_api *api, duckdb_handle logical, struct duck_column *column);
void duck_column_finish(const struct duckdb_api *api, struct duck_column *column);
unsigned duck_column_oid_of(const struct duck_column *column);
/* Appends the value of a row that is not NULL. false: no text of it in Postgres. */
bool duck_value_print(struct buf *out, const struct duckdb_api *api,
    const struct duck_column *column, duckdb_handle vector, const void *data, uint64_t row);

#endif
