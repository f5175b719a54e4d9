/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "router/ops.h"
#include "sql/function.h"
#include "wire/json.h"

void
router_error_write(const struct router_error *e, struct buf *out)
{
	buf_cstr(out, "\"error\":{\"code\":");
	json_quote(out, slice_str(e->code));
	buf_cstr(out, ",\"message\":");
	json_quote_any(out, slice_str(e->message));
	if (e->sqlstate && *e->sqlstate) {
		buf_cstr(out, ",\"sqlstate\":");
		json_quote(out, slice_str(e->sqlstate));
	}
	if (e->position > 0)
		buf_printf(out, ",\"position\":%" PRId64, e->position);
	buf_printf(out, ",\"status\":%u}", e->status);
}

int64_t
router_character(struct slice sql, long offset)
{
	if (offset < 0 || (size_t)offset > sql.len)
		return 0;
	return 1 + (int64_t)sql_char_count(slice_of(sql.p, (size_t)offset));
}

struct buf *
router_error_begin(struct httpd_exchange *x, const struct router_error *error)
{
	char seconds[24];
	struct buf *out;

	httpd_begin(x, error->status, "application/json");
	if (error->retry_after_s) {
		(void)snprintf(seconds, sizeof seconds, "%" PRId64, error->retry_after_s);
		httpd_add_header(x, "Retry-After", slice_str(seconds));
	}
	if (error->status == 401)
		httpd_add_header(x, "WWW-Authenticate", SLICE("Bearer"));
	out = httpd_out(x);
	buf_byte(out, '{');
	router_error_write(error, out);
	return out;
}

void
router_refuse(struct httpd_exchange *x, const struct router_error *error)
{
	buf_cstr(router_error_begin(x, error), "}\n");
	httpd_end(x, NULL);
}

void
router_refuse_plain(
    struct httpd_exchange *x, unsigned status, const char *code, const char *message)
{
	struct router_error error = { .status = status, .code = code, .message = message };

	router_refuse(x, &error);
}
