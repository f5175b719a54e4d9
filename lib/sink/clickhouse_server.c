/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "sink/clickhouse_ops.h"

enum {
	INSERT_BLOCK_ROWS_MIN = 1 << 20,
	RESPONSE_MAX = 32 << 20,
	ASK_STEP_MS = 1000,
	SECRETS_WAIT_MS = 3000, /* for an insert, while nobody polls Kafka */
	UPLOAD_MAX = 1 << 20
};

static void
response_keep(struct http_response *to, const struct http_response *from)
{
	struct buf body = to->body, headers = to->headers;

	body.len = headers.len = 0;
	buf_slice(&body, buf_view(&from->body));
	buf_slice(&headers, buf_view(&from->headers));
	*to = *from;
	to->body = body;
	to->headers = headers;
}

static void
on_answer(void *ctx, const struct http_response *response, const struct err *err)
{
	struct exchange *exchange = response->tag;

	(void)ctx;
	response_keep(&exchange->response, response);
	exchange->fate = response->fate;
	exchange->err = *err;
	exchange->open = false;
}

static void
hosts_free(struct http_multi **hosts, size_t count)
{
	for (size_t i = 0; hosts && i < count; i++)
		http_multi_free(hosts[i]);
	free(hosts);
}

static enum fate
hosts_new(const struct sink_clickhouse_config *config, struct http_multi ***ret_hosts,
    struct err *err)
{
	struct http_multi **hosts = calloc(config->url_count, sizeof(struct http_multi *));

	must(hosts);
	for (size_t i = 0; i < config->url_count; i++) {
		struct http_options options = {
			.base_url = config->urls[i],
			.user = config->user,
			.password = config->password,
			.ca_file = config->ca_file,
			.connect_timeout_ms = config->connect_timeout_ms,
			.total_timeout_ms = config->timeout_ms,
			.response_max = RESPONSE_MAX,
			.connection_max = 2, /* an insert on its way, and a question */
			.upload_max = UPLOAD_MAX,
		};

		if (http_multi_new(&options, on_answer, NULL, &hosts[i], err) != FATE_DONE) {
			hosts_free(hosts, config->url_count);
			return err_wrap(err, "%s", config->urls[i]);
		}
	}
	*ret_hosts = hosts;
	return FATE_DONE;
}

enum fate
server_open(struct clickhouse *ch, struct err *err)
{
	return hosts_new(&ch->config, &ch->hosts, err);
}

/* The insert on its way is waited for, not for ever; its answer is judged later, as ever. */
enum fate
server_secrets(
    struct clickhouse *ch, const struct sink_clickhouse_config *config, struct err *err)
{
	struct sink_clickhouse_config next = ch->config;
	struct http_multi **hosts = NULL;
	int64_t until_ms = clock_mono_ms() + SECRETS_WAIT_MS;
	enum fate fate;

	next.user = config->user;
	next.password = config->password;
	next.ca_file = config->ca_file;
	fate = hosts_new(&next, &hosts, err); /* texts are copied */
	for (size_t i = 0; i < 2; i++)
		while (fate == FATE_DONE && ch->inserts[i].open) {
			fate = server_wait(ch, &ch->inserts[i], ASK_STEP_MS, err);
			if (fate == FATE_DONE && ch->inserts[i].open &&
			    clock_mono_ms() >= until_ms)
				fate = err_set(err, FATE_RETRY,
				    "an insert is not answered yet, and no other login is "
				    "used before");
		}
	if (fate != FATE_DONE) {
		hosts_free(hosts, ch->config.url_count);
		return fate;
	}
	hosts_free(ch->hosts, ch->config.url_count);
	ch->hosts = hosts;
	return FATE_DONE;
}

static void
exchange_finish(struct exchange *exchange)
{
	buf_finish(&exchange->url);
	buf_finish(&exchange->body);
	http_response_finish(&exchange->response);
}

void
server_close(struct clickhouse *ch)
{
	hosts_free(ch->hosts, ch->config.url_count);
	exchange_finish(&ch->question);
	exchange_finish(&ch->inserts[0]);
	exchange_finish(&ch->inserts[1]);
}

static void
next_host(struct clickhouse *ch)
{
	ch->host = (ch->host + 1) % ch->config.url_count;
}

enum fate
server_ask(struct clickhouse *ch, struct exchange *exchange, struct err *err)
{
	static const char *const encodings[] = {
		[NATIVE_LZ4] = "Content-Encoding: lz4",
		[NATIVE_ZSTD] = "Content-Encoding: zstd",
	};
	bool packed = exchange != &ch->question && ch->config.compression != NATIVE_PLAIN;
	struct http_request request = {
		.url = buf_str(&exchange->url),
		.headers = packed ? &encodings[ch->config.compression] : NULL,
		.header_count = packed,
		.body = &exchange->view,
		.body_count = 1,
		.tag = exchange,
	};

	if (exchange != &ch->question)
		exchange->view = buf_view(&exchange->body);
	exchange->host = ch->host;
	exchange->open = true;
	if (http_multi_add(ch->hosts[ch->host], &request, err) == FATE_DONE)
		return FATE_DONE;
	exchange->open = false;
	return err_wrap(err, "%s", ch->config.urls[ch->host]);
}

enum fate
server_wait(
    struct clickhouse *ch, const struct exchange *exchange, int64_t wait_ms, struct err *err)
{
	if (!exchange->open)
		return FATE_DONE;
	return http_multi_poll(ch->hosts[exchange->host], wait_ms, -1, err);
}

static bool
login_refused(int code)
{
	return code == 516 || (code >= 192 && code <= 194);
}

enum fate
server_judge(struct clickhouse *ch, struct exchange *exchange, struct refusal *ret_refusal,
    struct err *err)
{
	enum fate fate = exchange->fate;

	*ret_refusal = (struct refusal){ 0 };
	if (fate == FATE_DONE)
		fate = refusal_judge(&exchange->response, ret_refusal, err);
	else
		*err = exchange->err;
	if (exchange->fate == FATE_REJECT) /* too long an answer says nothing about the rows */
		fate = err->fate = FATE_RETRY;
	if (fate == FATE_DONE) {
		ch->greeted = true;
		return FATE_DONE;
	}
	if (fate == FATE_HALT && ch->greeted && login_refused(ret_refusal->code))
		fate = err->fate = FATE_RETRY; /* it worked before: it is being changed */
	(void)err_wrap(err, "%s", ch->config.urls[exchange->host]);
	if (fate == FATE_RETRY && ch->host == exchange->host)
		next_host(ch);
	return fate;
}

void
server_cancel(struct clickhouse *ch)
{
	for (size_t i = 0; ch->hosts && i < ch->config.url_count; i++)
		if (ch->hosts[i])
			http_multi_cancel_all(ch->hosts[i]);
	ch->question.open = ch->inserts[0].open = ch->inserts[1].open = false;
}

static void
add_setting(struct buf *url, const char *name, const char *value)
{
	buf_byte(url, '&');
	http_escape(url, slice_str(name));
	buf_byte(url, '=');
	http_escape(url, slice_str(value));
}

/* A question to one host, until it answers. */
static enum fate
ask(struct clickhouse *ch, struct err *err)
{
	struct refusal refusal;
	enum fate fate = server_ask(ch, &ch->question, err);

	while (fate == FATE_DONE && ch->question.open)
		fate = server_wait(ch, &ch->question, ASK_STEP_MS, err);
	return fate == FATE_DONE ? server_judge(ch, &ch->question, &refusal, err) : fate;
}

enum fate
server_query(struct clickhouse *ch, const char *query, const struct clickhouse_setting *params,
    size_t param_count, struct err *err)
{
	struct exchange *question = &ch->question;
	enum fate fate;

	question->url.len = 0;
	buf_cstr(&question->url, "/?wait_end_of_query=1");
	for (size_t i = 0; i < param_count; i++)
		add_setting(&question->url, params[i].name, params[i].value);
	question->view = slice_str(query);
	for (size_t tried = 1;; tried++) { /* a question may be put to every host */
		fate = ask(ch, err);
		if (fate != FATE_RETRY || tried == ch->config.url_count)
			break;
	}
	return fate == FATE_REJECT ? err->fate = FATE_HALT : fate;
}

/* One block, one part: the server must neither cut it nor wait for more. */
void
server_insert_url(struct clickhouse *ch, struct buf *url)
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
	url->len = 0;
	buf_cstr(url, "/?query=");
	http_escape(url, buf_view(&query));
	buf_finish(&query);
	add_setting(url, "async_insert", "0");
	add_setting(url, "wait_end_of_query", "1");
	add_setting(url, "input_format_null_as_default", "1");
	add_setting(url, "max_insert_block_size", rows);
	add_setting(url, "min_insert_block_size_rows", rows);
	add_setting(url, "min_insert_block_size_bytes", "0");
	if (ch->append)
		add_setting(url, "insert_deduplication_token", buf_str(&ch->token));
	else /* what is sent again on purpose may be a block that was sent before */
		add_setting(url, "insert_deduplicate", "0");
	for (size_t i = 0; i < config->setting_count; i++)
		add_setting(url, config->settings[i].name, config->settings[i].value);
}
