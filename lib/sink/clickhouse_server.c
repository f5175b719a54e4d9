/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/clickhouse_ops.h"

enum { INSERT_BLOCK_ROWS_MIN = 1 << 20, RESPONSE_MAX = 32 << 20 };

enum fate
server_open(struct clickhouse *ch, struct err *err)
{
	const struct sink_clickhouse_config *config = &ch->config;

	ch->hosts = calloc(config->url_count, sizeof(struct http_client *));
	must(ch->hosts);
	for (size_t i = 0; i < config->url_count; i++) {
		struct http_options options = {
			.base_url = config->urls[i],
			.user = config->user,
			.password = config->password,
			.ca_file = config->ca_file,
			.connect_timeout_ms = config->connect_timeout_ms,
			.total_timeout_ms = config->timeout_ms,
			.response_max = RESPONSE_MAX,
		};

		if (http_client_new(&options, &ch->hosts[i], err) != FATE_DONE)
			return err_wrap(err, "%s", config->urls[i]);
	}
	return FATE_DONE;
}

void
server_close(struct clickhouse *ch)
{
	for (size_t i = 0; ch->hosts && i < ch->config.url_count; i++)
		http_client_free(ch->hosts[i]);
	free(ch->hosts);
	http_response_finish(&ch->response);
	buf_finish(&ch->url);
	buf_finish(&ch->body);
}

static void
next_host(struct clickhouse *ch)
{
	ch->host = (ch->host + 1) % ch->config.url_count;
}

/* The number behind the first occurrence of words; 0: none. */
static size_t
number_after(struct slice text, struct slice words)
{
	const char *at = memmem(text.p, text.len, words.p, words.len);
	const char *end = text.p + text.len;
	size_t number = 0;

	if (!at)
		return 0;
	for (at += words.len; at < end && *at >= '0' && *at <= '9' && number < 100000000; at++)
		number = number * 10 + (size_t)(*at - '0');
	return number;
}

struct refusal
refusal_read(struct slice text)
{
	struct refusal refusal = { 0 };

	if (text.len == 0)
		return refusal;
	refusal.code = (int)number_after(text, SLICE("Code: "));
	refusal.row = number_after(text, SLICE("at row "));
	refusal.verdict = clickhouse_verdict(refusal.code);
	return refusal;
}

static enum fate
verdict_fate(enum clickhouse_verdict verdict)
{
	switch (verdict) {
	case CLICKHOUSE_BUSY: return FATE_RETRY;
	case CLICKHOUSE_BAD: return FATE_REJECT;
	case CLICKHOUSE_SCHEMA:
	case CLICKHOUSE_WRONG: return FATE_HALT;
	}
	never("verdict");
}

/* An answer without a ClickHouse code comes from something in between. */
static enum fate
status_fate(long status)
{
	if (status == 413)
		return FATE_REJECT;
	if (status >= 500 || status == 408 || status == 425 || status == 429)
		return FATE_RETRY;
	return FATE_HALT;
}

/* The exception's text: the body, or what follows the mark inside of it. */
static struct slice
exception_text(const struct http_response *response)
{
	struct slice body = buf_view(&response->body);
	const char *at = body.len ? memmem(body.p, body.len, "Code: ", 6) : NULL;

	if (!at)
		return (struct slice){ 0 };
	body = slice_of(at, (size_t)(body.p + body.len - at));
	at = memchr(body.p, '\n', body.len);
	return at ? slice_of(body.p, (size_t)(at - body.p)) : body;
}

/* Reads the whole answer: an exception can stand in the body of a 200. */
static enum fate
read_answer(const struct http_response *response, struct refusal *ret_refusal, struct err *err)
{
	struct slice code = http_response_header(response, "X-ClickHouse-Exception-Code");
	struct slice text = exception_text(response);
	struct slice body = buf_view(&response->body);
	bool exception = text.len > 0 && memmem(text.p, text.len, "Exception", 9);
	char code_text[ERR_CODE_SIZE];
	int64_t number;

	if (response->status == 200 && !exception && !code.p)
		return FATE_DONE;
	*ret_refusal = exception ? refusal_read(text) : (struct refusal){ 0 };
	if (slice_i64(code, &number) && number > 0 && number < 1000000) {
		ret_refusal->code = (int)number;
		ret_refusal->verdict = clickhouse_verdict((int)number);
	}
	if (!text.len)
		text = body.len > 200 ? slice_of(body.p, 200) : body;
	if (ret_refusal->code == 0)
		return err_set(err, status_fate(response->status), "HTTP %ld %.*s",
		    response->status, SLICE_ARG(text));
	snprintf(code_text, sizeof code_text, "%d", ret_refusal->code);
	return err_code(
	    err, verdict_fate(ret_refusal->verdict), code_text, "%.*s", SLICE_ARG(text));
}

static enum fate
send_request(struct clickhouse *ch, struct http_request *request, struct refusal *ret_refusal,
    struct err *err)
{
	enum fate fate = http_client_send(ch->hosts[ch->host], request, &ch->response, err);

	*ret_refusal = (struct refusal){ 0 };
	if (fate == FATE_DONE)
		fate = read_answer(&ch->response, ret_refusal, err);
	else if (fate == FATE_REJECT) /* too long an answer says nothing about the rows */
		fate = err->fate = FATE_RETRY;
	if (fate == FATE_DONE)
		return FATE_DONE;
	(void)err_wrap(err, "%s", ch->config.urls[ch->host]);
	if (fate == FATE_RETRY)
		next_host(ch);
	return fate;
}

static void
add_setting(struct buf *url, const char *name, const char *value)
{
	buf_byte(url, '&');
	http_escape(url, slice_str(name));
	buf_byte(url, '=');
	http_escape(url, slice_str(value));
}

enum fate
server_query(struct clickhouse *ch, const char *query, const struct clickhouse_setting *params,
    size_t param_count, struct err *err)
{
	struct slice body = slice_str(query);
	struct http_request request = { .body = &body, .body_count = 1 };
	struct refusal refusal;
	enum fate fate;

	ch->url.len = 0;
	buf_cstr(&ch->url, "/?wait_end_of_query=1");
	for (size_t i = 0; i < param_count; i++)
		add_setting(&ch->url, params[i].name, params[i].value);
	request.url = buf_str(&ch->url);
	for (size_t tried = 1;; tried++) { /* a question may be put to every host */
		fate = send_request(ch, &request, &refusal, err);
		if (fate != FATE_RETRY || tried == ch->config.url_count)
			break;
	}
	return fate == FATE_REJECT ? err->fate = FATE_HALT : fate;
}

/* One block, one part: the server must neither cut it nor wait for more. */
static void
insert_url(struct clickhouse *ch)
{
	const struct sink_clickhouse_config *config = &ch->config;
	struct buf query = { 0 };
	size_t block_rows = config->batch_rows * 4;
	char rows[24];

	if (block_rows < INSERT_BLOCK_ROWS_MIN)
		block_rows = INSERT_BLOCK_ROWS_MIN;
	snprintf(rows, sizeof rows, "%zu", block_rows);
	buf_cstr(&query, "INSERT INTO ");
	name_quote(&query, config->database);
	buf_byte(&query, '.');
	name_quote(&query, config->table);
	for (size_t i = 0; i < ch->built_count; i++) {
		buf_cstr(&query, i ? ", " : " (");
		name_quote(&query, native_column_name(native_block_column(ch->block, i)));
	}
	buf_cstr(&query, ") FORMAT Native");
	ch->url.len = 0;
	buf_cstr(&ch->url, "/?query=");
	http_escape(&ch->url, buf_view(&query));
	buf_finish(&query);
	add_setting(&ch->url, "async_insert", "0");
	add_setting(&ch->url, "wait_end_of_query", "1");
	add_setting(&ch->url, "input_format_null_as_default", "1");
	add_setting(&ch->url, "max_insert_block_size", rows);
	add_setting(&ch->url, "min_insert_block_size_rows", rows);
	add_setting(&ch->url, "min_insert_block_size_bytes", "0");
	if (ch->token.len)
		add_setting(&ch->url, "insert_deduplication_token", buf_str(&ch->token));
	for (size_t i = 0; i < config->setting_count; i++)
		add_setting(&ch->url, config->settings[i].name, config->settings[i].value);
}

enum fate
server_insert(struct clickhouse *ch, struct refusal *ret_refusal, struct err *err)
{
	static const char *const encodings[] = {
		[NATIVE_LZ4] = "Content-Encoding: lz4",
		[NATIVE_ZSTD] = "Content-Encoding: zstd",
	};
	const char *encoding =
	    ch->config.compression == NATIVE_PLAIN ? NULL : encodings[ch->config.compression];
	struct slice body = buf_view(&ch->body);
	struct http_request request = {
		.headers = &encoding,
		.header_count = encoding != NULL,
		.body = &body,
		.body_count = 1,
	};

	insert_url(ch);
	request.url = buf_str(&ch->url);
	return send_request(ch, &request, ret_refusal, err);
}
