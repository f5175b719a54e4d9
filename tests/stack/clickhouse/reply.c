/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

enum { SUMMARY_SIZE = 400, BLOCK_SIZE = 256 * 1024 };

unsigned
reply_status_of(int code)
{
	switch (code) {
	case 6:
	case 15:
	case 25:
	case 26:
	case 27:
	case 38:
	case 41:
	case 43:
	case 53:
	case 62:
	case 72:
	case 117:
	case 130:
	case 131:
	case 184:
	case 374:
	case 376:
	case 427:
	case 441:
	case 446:
	case 457: return MHD_HTTP_BAD_REQUEST;
	case 46:
	case 47:
	case 50:
	case 56:
	case 60:
	case 63:
	case 73:
	case 81:
	case 115:
	case 372: return MHD_HTTP_NOT_FOUND;
	case 192:
	case 193:
	case 497:
	case 516: return MHD_HTTP_FORBIDDEN;
	case 194: return MHD_HTTP_UNAUTHORIZED;
	case 159: return MHD_HTTP_REQUEST_TIMEOUT;
	case 128:
	case 229: return 413;
	case 48: return MHD_HTTP_NOT_IMPLEMENTED;
	case 202:
	case 209:
	case 210:
	case 439: return MHD_HTTP_SERVICE_UNAVAILABLE;
	default: return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

static void
add(struct MHD_Response *response, const char *name, const char *value)
{
	(void)MHD_add_response_header(response, name, value);
}

static enum MHD_Result
answer(struct request *request, unsigned status, struct MHD_Response *response,
    const char *format, const char *summary)
{
	enum MHD_Result queued;

	add(response, "X-ClickHouse-Query-Id", request->query_id);
	add(response, "X-ClickHouse-Server-Display-Name", request->server->host);
	add(response, "X-ClickHouse-Timezone", engine_facts()->timezone);
	if (format) {
		add(response, "X-ClickHouse-Format", format);
		add(response, "Content-Type", format_content_type(format));
	} else {
		add(response, "Content-Type", "text/plain; charset=UTF-8");
	}
	if (summary)
		add(response, "X-ClickHouse-Summary", summary);
	request->status = status;
	queued = MHD_queue_response(request->http, status, response);
	MHD_destroy_response(response);
	return queued;
}

static void
summary_write(
    char out[SUMMARY_SIZE], const struct request *request, const struct engine_counts *counts)
{
	(void)snprintf(out, SUMMARY_SIZE,
	    "{\"read_rows\":\"%" PRIu64 "\",\"read_bytes\":\"%" PRIu64 "\","
	    "\"written_rows\":\"%" PRIu64 "\",\"written_bytes\":\"%" PRIu64 "\","
	    "\"total_rows_to_read\":\"0\",\"result_rows\":\"%" PRIu64 "\","
	    "\"result_bytes\":\"0\",\"elapsed_ns\":\"%" PRId64 "\"}",
	    counts->read_rows, counts->read_bytes, counts->written_rows, counts->written_bytes,
	    counts->result_rows, (clock_mono_us() - request->began_us) * 1000);
}

enum MHD_Result
reply_text(struct request *request, unsigned status, const char *text)
{
	return answer(request, status,
	    MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY),
	    NULL, NULL);
}

/* "Code: 33. DB::Exception: Code: 33. DB::Exception: ..." says it once too often. */
static const char *
without_echo(const char *error)
{
	const char *again =
	    strncmp(error, "Code: ", 6) == 0 ? strstr(error + 6, "Code: ") : NULL;

	if (again && again - error < 40 && engine_error_code(error) == engine_error_code(again))
		return again;
	return error;
}

enum MHD_Result
reply_error(struct request *request, const char *error, unsigned status)
{
	int code = engine_error_code(error);
	struct MHD_Response *response;
	struct buf text = { 0 };
	char number[16];

	buf_cstr(&text, without_echo(error));
	while (text.len && isspace((unsigned char)text.p[text.len - 1]))
		text.len--;
	if (!strstr(error, "(version "))
		buf_printf(&text, " (version %s (embedded))", engine_facts()->version);
	buf_byte(&text, '\n');
	response = MHD_create_response_from_buffer(text.len, text.p, MHD_RESPMEM_MUST_COPY);
	buf_finish(&text);
	(void)snprintf(number, sizeof number, "%d", code);
	add(response, "X-ClickHouse-Exception-Code", number);
	if (code == 194)
		add(response, "WWW-Authenticate", "Basic realm=\"ClickHouse server HTTP API\"");
	return answer(request, status ? status : reply_status_of(code), response, NULL, NULL);
}

static void
result_done(void *cls)
{
	engine_result_free(cls);
}

enum MHD_Result
reply_result(struct request *request, struct engine_result *result, const char *format)
{
	struct engine_counts counts = engine_counts(result);
	struct slice bytes = engine_bytes(result);
	char summary[SUMMARY_SIZE];

	summary_write(summary, request, &counts);
	if (bytes.len == 0) {
		engine_result_free(result);
		return answer(request, MHD_HTTP_OK,
		    MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), NULL,
		    summary);
	}
	return answer(request, MHD_HTTP_OK,
	    MHD_create_response_from_buffer_with_free_callback_cls(
		bytes.len, (void *)(uintptr_t)bytes.p, result_done, result),
	    format, summary);
}

enum MHD_Result
reply_written(struct request *request, struct engine_counts counts)
{
	char summary[SUMMARY_SIZE];

	counts.read_rows = counts.result_rows = counts.written_rows;
	counts.read_bytes = counts.written_bytes;
	summary_write(summary, request, &counts);
	return answer(request, MHD_HTTP_OK,
	    MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), NULL, summary);
}

enum MHD_Result
reply_stream(struct request *request, const char *format, MHD_ContentReaderCallback read)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
	    MHD_SIZE_UNKNOWN, BLOCK_SIZE, read, request, NULL);
	char summary[SUMMARY_SIZE];

	request->streaming = true;
	summary_write(summary, request, &request->stream.counts);
	add(response, "X-ClickHouse-Exception-Tag", request->tag);
	return answer(request, MHD_HTTP_OK, response, format, summary);
}
