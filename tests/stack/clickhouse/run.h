/* SPDX-License-Identifier: Apache-2.0 */
/* run.h -- from a complete request to its answer.
 *
 * run_request() puts the statement together from URL and body, refuses what may
 * not be done, and hands it to a query or an insert. Each call queues exactly one
 * answer; what the request holds is released by its caller. */
#ifndef CLICKHOUSE_RUN_H
#define CLICKHOUSE_RUN_H

#include "lexer.h"
#include "request.h"

enum MHD_Result run_request(struct request *request);

/* query.c: streams where the format's chunks can be joined, else in one piece. */
enum MHD_Result query_run(struct request *request, struct slice sql,
    const struct statement *statement, const char *format);

/* insert.c: text is the statement; its rows are in the body (perhaps compressed)
 * after those that stand in the text itself. */
enum MHD_Result insert_run(struct request *request, struct slice text,
    const struct statement *statement, const char *format, bool body_is_data);

#endif
