/* SPDX-License-Identifier: Apache-2.0 */
/* clickhouse_code.h -- what ClickHouse's error codes mean, to who inserts and to who asks.
 *
 * One table of codes (src/Common/ErrorCodes.cpp of ClickHouse 26): for an insert a verdict
 * on its rows, for a query a fate and the nearest SQLSTATE. Pure. */
#ifndef LINK_CLICKHOUSE_CODE_H
#define LINK_CLICKHOUSE_CODE_H

#include "base/err.h"
#include "base/slice.h"

/* For an insert. */
enum clickhouse_verdict {
	CLICKHOUSE_BUSY,   /* RETRY: busy, gone, or nobody knows */
	CLICKHOUSE_BAD,    /* REJECT: one of the rows */
	CLICKHOUSE_SCHEMA, /* the table is not as it was described: look, then HALT */
	CLICKHOUSE_WRONG,  /* HALT: login, rights, settings */
};
enum clickhouse_verdict clickhouse_verdict(int code); /* unknown codes are BUSY */

/* RETRY: busy, cancelled or out of memory; REJECT: the statement's fault, and unknown
 * codes; HALT: the user, or a table that is not there. */
enum fate clickhouse_query_fate(int code, const char **ret_sqlstate);

/* "Code: 60. DB::Exception: text", or whatever an answer of another status than 200 had:
 * its fate, with the SQLSTATE as code. Never DONE. */
enum fate clickhouse_refusal(struct slice text, long status, struct err *err);

#endif
