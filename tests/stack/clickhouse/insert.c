/* SPDX-License-Identifier: Apache-2.0 */
/* insert.c -- rows into the engine.
 *
 * Plain rows are pushed (chdb_stream_insert). Compressed rows, and inserts with
 * parameters, go as INSERT ... FROM INFILE '/proc/self/fd/N': the engine then
 * reads and decompresses the body's memfd itself. Nothing runs before the whole
 * body is there, so a client that dies while sending inserts nothing. */
#include <errno.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/must.h"
#include "reply.h"
#include "run.h"

enum { PIECE = 1 << 20 };

static enum MHD_Result
finish(struct request *request, struct engine_result *result)
{
	const char *error = engine_error(result);
	enum MHD_Result queued = error ? reply_error(request, error, 0)
				       : reply_written(request, engine_counts(result));

	engine_result_free(result);
	return queued;
}

static enum MHD_Result
push(struct request *request, struct slice head, const char *format, struct slice rows)
{
	struct engine_insert *insert = engine_insert_open(request->conn, head, format);
	const char *error = engine_insert_error(insert);
	enum MHD_Result queued;

	if (error) {
		queued = reply_error(request, error, 0);
	} else {
		while (rows.len) {
			struct slice piece =
			    slice_of(rows.p, rows.len < PIECE ? rows.len : PIECE);

			/* A refusal here comes again from engine_insert_done(). */
			if (!engine_insert_append(insert, piece))
				break;
			rows.p += piece.len;
			rows.len -= piece.len;
		}
		queued = finish(request, engine_insert_done(insert));
	}
	engine_insert_free(insert);
	return queued;
}

/* SETTINGS must stand after the INFILE clause. */
static enum MHD_Result
from_file(struct request *request, struct slice text, const struct statement *statement,
    const char *format, int fd, const char *coding)
{
	struct buf sql = { 0 };
	enum MHD_Result queued;

	buf_put(&sql, text.p, statement->head_len);
	buf_printf(&sql, " FROM INFILE '/proc/self/fd/%d'", fd);
	if (coding)
		buf_printf(&sql, " COMPRESSION '%s'", coding);
	buf_byte(&sql, ' ');
	buf_put(&sql, text.p + statement->head_len, statement->settings_len);
	buf_printf(&sql, " FORMAT %s", format);
	queued = finish(
	    request, engine_query(request->conn, buf_view(&sql), "Null", &request->params));
	buf_finish(&sql);
	return queued;
}

static bool
write_all(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes.p += n;
		bytes.len -= (size_t)n;
	}
	return true;
}

/* The engine takes a frame that is cut in its last block for a shorter one, and
 * would acknowledge rows that it never saw: so the frames are counted first. */
static bool
lz4_is_whole(struct slice body)
{
	LZ4F_decompressionContext_t context;
	size_t want = 0;
	char *scratch = malloc(PIECE);

	must(scratch && !LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)));
	while (body.len) {
		size_t out = PIECE;
		size_t in = body.len;

		want = LZ4F_decompress(context, scratch, &out, body.p, &in, NULL);
		if (LZ4F_isError(want) || (in == 0 && out == 0))
			break;
		body.p += in;
		body.len -= in;
	}
	LZ4F_freeDecompressionContext(context);
	free(scratch);
	return body.len == 0 && want == 0;
}

/* Rows in the statement's text, and perhaps more in the body. */
static enum MHD_Result
inline_rows(struct request *request, struct slice text, const struct statement *statement,
    const char *format, struct slice more)
{
	struct slice first =
	    slice_of(text.p + statement->data_at, text.len - statement->data_at);
	struct slice head = slice_of(text.p, statement->head_len + statement->settings_len);
	enum MHD_Result queued;
	int fd;

	if (more.len == 0 && request->params.count == 0)
		return push(request, head, format, first);
	fd = memfd_create("rows", MFD_CLOEXEC);
	/* As servers do: a line break stands between URL and body. */
	if (fd >= 0 && write_all(fd, first) && write_all(fd, SLICE("\n")) &&
	    write_all(fd, more))
		queued = from_file(request, text, statement, format, fd, NULL);
	else
		queued = reply_error(request,
		    "Code: 243. DB::Exception: No memory for the rows. (NOT_ENOUGH_SPACE)", 0);
	if (fd >= 0)
		(void)close(fd);
	return queued;
}

enum MHD_Result
insert_run(struct request *request, struct slice text, const struct statement *statement,
    const char *format, bool body_is_data)
{
	struct slice head = slice_of(text.p, statement->head_len + statement->settings_len);
	bool inlined = statement->data_at < text.len;

	if (inlined && body_is_data && request->coding)
		return reply_error(request,
		    "Code: 48. DB::Exception: Rows in the URL and a compressed body. "
		    "(NOT_IMPLEMENTED)",
		    0);
	if (inlined)
		return inline_rows(request, text, statement, format,
		    body_is_data ? request->body : slice_of(NULL, 0));
	if (!body_is_data || request->body.len == 0)
		return reply_written(request, (struct engine_counts){ 0 });
	if (request->coding && strcmp(request->coding, "lz4") == 0 &&
	    !lz4_is_whole(request->body))
		return reply_error(request,
		    "Code: 617. DB::Exception: The lz4 frame is broken or not whole. "
		    "(LZ4_DECODER_FAILED)",
		    MHD_HTTP_BAD_REQUEST);
	if (request->coding || request->params.count)
		return from_file(
		    request, text, statement, format, request->body_fd, request->coding);
	return push(request, head, format, request->body);
}
