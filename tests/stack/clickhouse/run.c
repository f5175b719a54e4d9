/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <ctype.h>
#include <string.h>

#include "reply.h"

struct text {
	struct buf joined; /* holds what view cannot borrow */
	struct slice view; /* the whole statement */
	bool body_is_data;
};

/* A body that is a query may be compressed too: the engine reads it as a file. */
static const char *
body_as_text(struct request *request, struct buf *out)
{
	struct engine_result *result;
	struct buf sql = { 0 };
	const char *error = NULL;

	if (!request->coding) {
		buf_slice(out, request->body);
		return NULL;
	}
	buf_printf(&sql, "SELECT * FROM file('/proc/self/fd/%d', RawBLOB, 'x String', '%s')",
	    request->body_fd, request->coding);
	result = engine_query(request->conn, buf_view(&sql), "RawBLOB", NULL);
	if (engine_error(result))
		error = "Code: 354. DB::Exception: The body cannot be decompressed. "
			"(ZLIB_INFLATE_FAILED)";
	else
		buf_slice(out, engine_bytes(result));
	engine_result_free(result);
	buf_finish(&sql);
	return error;
}

static struct slice
trim_end(struct slice text)
{
	while (text.len &&
	       (isspace((unsigned char)text.p[text.len - 1]) || text.p[text.len - 1] == ';'))
		text.len--;
	return text;
}

/* The statement is the URL's query, the body, or both; an INSERT in the URL takes
 * the body as its rows. Returns an exception's text, or NULL. */
static const char *
put_together(struct request *request, struct text *text, struct statement *statement)
{
	const char *error;

	if (request->query && *request->query && request->body.len) {
		text->view = trim_end(slice_str(request->query));
		statement_read(text->view, statement);
		text->body_is_data = statement->kind == STATEMENT_INSERT_DATA;
		if (text->body_is_data)
			return NULL;
		buf_slice(&text->joined, text->view);
		buf_byte(&text->joined, '\n');
	} else if (request->query && *request->query) {
		text->view = slice_str(request->query);
		statement_read(text->view, statement);
		return NULL;
	} else if (!request->coding) {
		text->view = request->body;
		statement_read(text->view, statement);
		return NULL;
	}
	error = body_as_text(request, &text->joined);
	text->view = buf_view(&text->joined);
	statement_read(text->view, statement);
	return error;
}

static const char *
objection(const struct request *request, const struct statement *statement, bool get)
{
	if (statement->kind == STATEMENT_EMPTY)
		return "Code: 62. DB::Exception: Syntax error: Empty query. (SYNTAX_ERROR)";
	if (statement->many)
		return "Code: 62. DB::Exception: Syntax error (Multi-statements are not "
		       "allowed). (SYNTAX_ERROR)";
	if (statement->outfile)
		return "Code: 358. DB::Exception: INTO OUTFILE is not allowed. "
		       "(INTO_OUTFILE_NOT_ALLOWED)";
	if (statement->outside && request->user->readonly)
		return "Code: 497. DB::Exception: Not enough privileges to read outside of the "
		       "database. (ACCESS_DENIED)";
	if (!statement->writes)
		return NULL;
	if (get)
		return "Code: 164. DB::Exception: Cannot execute query in readonly mode. For "
		       "queries over HTTP, method GET implies readonly. You should use method "
		       "POST for modifying queries. (READONLY)";
	if (request->user->readonly)
		return "Code: 164. DB::Exception: Cannot execute query in readonly mode. "
		       "(READONLY)";
	return NULL;
}

static enum MHD_Result
dispatch(struct request *request, struct text *text, const struct statement *statement)
{
	const char *format = *statement->format ? statement->format
			     : request->format  ? request->format
						: "TabSeparated";
	struct buf tamed = { 0 };
	enum MHD_Result queued;

	if (statement->kind == STATEMENT_INSERT_DATA)
		return insert_run(request, text->view, statement, format, text->body_is_data);
	if (statement->kind != STATEMENT_KILL && statement->kind != STATEMENT_DROP)
		return query_run(request, text->view, statement, format);
	statement_tame(text->view, statement->kind, &tamed);
	queued = query_run(request, buf_view(&tamed), statement, format);
	buf_finish(&tamed);
	return queued;
}

enum MHD_Result
run_request(struct request *request)
{
	bool get = strcmp(request->method, "POST") != 0 && strcmp(request->method, "PUT") != 0;
	struct statement statement = { 0 };
	struct text text = { 0 };
	enum MHD_Result queued;
	unsigned status;
	const char *error;

	if (!request_authorize(request))
		return reply_error(request,
		    "Code: 516. DB::Exception: Authentication failed: password is incorrect, "
		    "or "
		    "there is no user with such name. (AUTHENTICATION_FAILED)",
		    0);
	error = request_prepare(request, get, &status);
	if (!error && !request_body_map(request))
		error = "Code: 241. DB::Exception: The body cannot be mapped. "
			"(MEMORY_LIMIT_EXCEEDED)";
	if (!error)
		error = put_together(request, &text, &statement);
	if (!error)
		error = objection(request, &statement, get);
	queued =
	    error ? reply_error(request, error, status) : dispatch(request, &text, &statement);
	buf_finish(&text.joined);
	return queued;
}
