/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "reply.h"
#include "run.h"

/* The end of a broken stream, as servers since 25.11 say it. */
static void
put_exception(struct request *request, const char *error)
{
	buf_printf(&request->stream.end,
	    "\r\n__exception__\r\n%s\r\n%s\n%zu %s\r\n__exception__\r\n", request->tag, error,
	    strlen(error) + 1, request->tag);
}

/* The next chunk; false at the end. An error is left in the chunk. */
static bool
next_chunk(struct request *request)
{
	struct stream *stream = &request->stream;
	struct engine_counts counts;
	struct slice bytes;

	engine_result_free(stream->chunk);
	stream->chunk = engine_fetch(request->conn, stream->result);
	stream->chunk_at = 0;
	if (engine_error(stream->chunk))
		return false;
	bytes = engine_bytes(stream->chunk);
	if (bytes.len == 0)
		return false;
	counts = engine_counts(stream->chunk);
	counts.result_rows += stream->counts.result_rows;
	stream->counts = counts;
	if (stream->begun)
		stream->chunk_at = format_head_len(stream->joint, bytes);
	stream->begun = true;
	return true;
}

static size_t
copy_some(char *out, size_t max, const char *p, size_t len)
{
	size_t n = len < max ? len : max;

	memcpy(out, p, n);
	return n;
}

/* No more chunks: what was taken goes back before the client sees the end. */
static void
stream_ends(struct request *request)
{
	struct stream *stream = &request->stream;
	const char *error = engine_error(stream->chunk);

	if (error)
		put_exception(request, error);
	request_release(request);
}

static ssize_t
read_stream(void *cls, uint64_t pos, char *out, size_t max)
{
	struct request *request = cls;
	struct stream *stream = &request->stream;
	size_t n;

	(void)pos;
	while (stream->chunk && stream->chunk_at >= engine_bytes(stream->chunk).len)
		if (!next_chunk(request))
			stream_ends(request);
	if (stream->chunk) {
		struct slice bytes = engine_bytes(stream->chunk);

		n = copy_some(
		    out, max, bytes.p + stream->chunk_at, bytes.len - stream->chunk_at);
		stream->chunk_at += n;
		return (ssize_t)n;
	}
	if (stream->end.len == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (stream->end_at == stream->end.len)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = copy_some(
	    out, max, stream->end.p + stream->end_at, stream->end.len - stream->end_at);
	stream->end_at += n;
	return (ssize_t)n;
}

static enum MHD_Result
run_whole(struct request *request, struct slice sql, const char *format)
{
	struct engine_result *result =
	    engine_query(request->conn, sql, format, &request->params);
	const char *error = engine_error(result);
	enum MHD_Result queued;

	if (!error)
		return reply_result(request, result, format);
	queued = reply_error(request, error, 0);
	engine_result_free(result);
	return queued;
}

/* The first chunk is read before the status is chosen: early errors get a true one. */
static enum MHD_Result
run_stream(struct request *request, const char *format)
{
	struct stream *stream = &request->stream;

	if (!next_chunk(request) && engine_error(stream->chunk))
		return reply_error(request, engine_error(stream->chunk), 0);
	return reply_stream(request, format, read_stream);
}

enum MHD_Result
query_run(struct request *request, struct slice sql, const struct statement *statement,
    const char *format)
{
	struct stream *stream = &request->stream;
	const char *error;

	stream->joint = format_joint(format);
	if (statement->kind != STATEMENT_SELECT || stream->joint == JOINT_NONE)
		return run_whole(request, sql, format);
	stream->result = engine_stream(request->conn, sql, format, &request->params);
	error = engine_error(stream->result);
	if (!error)
		return run_stream(request, format);
	if (!engine_not_streamable(error))
		return reply_error(request, error, 0);
	engine_result_free(stream->result);
	stream->result = NULL;
	return run_whole(request, sql, format);
}
