/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says of a request, and what that means. */
#include <limits.h>
#include <stdio.h>

#include "base/must.h"
#include "sink/clickhouse_ops.h"

struct refusal
refusal_read(struct slice text)
{
	struct refusal refusal = { 0 };
	uint64_t number;

	if (text.len == 0)
		return refusal;
	if (slice_u64_after(text, SLICE("Code: "), &number) && number <= INT_MAX)
		refusal.code = (int)number;
	if (slice_u64_after(text, SLICE("at row "), &number))
		refusal.row = number;
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

enum fate
refusal_judge(
    const struct http_response *response, struct refusal *ret_refusal, struct err *err)
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
