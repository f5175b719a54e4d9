/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the body of POST /v1/query: read or refused in words; every text that comes
 * out is terminated, without a NUL, and inside the body. */
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "router/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
terminated(const struct router_request *r, struct slice text)
{
	must(text.p >= r->body.p && text.p + text.len < r->body.p + r->body.cap);
	must(text.p[text.len] == '\0' && strlen(text.p) == text.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct router_request request;
	struct buf body = { 0 };
	struct err err = { 0 };

	buf_put(&body, (const char *)data, size);
	if (router_request_read(body, &request, &err) == FATE_DONE) {
		terminated(&request, request.sql);
		if (request.engine)
			terminated(&request, slice_str(request.engine));
		must(request.param_count <= REQUEST_PARAMS_MAX && request.row_limit >= 0);
	} else {
		must(*err.what);
	}
	router_request_finish(&request);
	return 0;
}
