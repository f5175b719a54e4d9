/* SPDX-License-Identifier: Apache-2.0 */
/* reply.h -- answers in ClickHouse's HTTP manners: headers, summary, exceptions.
 *
 * reply_result() owns the result it is given until the last byte has left. */
#ifndef CLICKHOUSE_REPLY_H
#define CLICKHOUSE_REPLY_H

#include "request.h"

/* The HTTP status that goes with an exception's code. */
unsigned reply_status_of(int code);

enum MHD_Result reply_text(struct request *request, unsigned status, const char *text);

/* error is an exception's text; status 0 lets its code decide. */
enum MHD_Result reply_error(struct request *request, const char *error, unsigned status);

/* The whole result in one piece; format NULL for an answer without a body. */
enum MHD_Result reply_result(
    struct request *request, struct engine_result *result, const char *format);

/* An insert's answer: no body, its rows in the summary. */
enum MHD_Result reply_written(struct request *request, struct engine_counts counts);

/* What request->stream holds, from its first chunk on. */
enum MHD_Result reply_stream(
    struct request *request, const char *format, MHD_ContentReaderCallback read);

#endif
