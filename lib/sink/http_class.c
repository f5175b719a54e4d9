/* SPDX-License-Identifier: Apache-2.0 */
/* What answers mean, and what is said of them. */
#include <stdio.h>

#include "link/http.h"
#include "sink/http_lane.h"

enum {
	SAID_MAX = 120, /* bytes of an answer that a dead letter quotes */
	SECRET_MIN = 8, /* shorter texts stand in answers by chance */
};

enum http_class
http_class(const struct sink_http_config *config, long status)
{
	static const struct {
		long status;
		enum http_class class;
	} table[] = {
		{ 401, HTTP_CLASS_DOUBT },
		{ 403, HTTP_CLASS_DOUBT },
		{ 404, HTTP_CLASS_DOUBT },
		{ 410, HTTP_CLASS_DOUBT },
		{ 408, HTTP_CLASS_RETRY },
		{ 425, HTTP_CLASS_RETRY },
		{ 429, HTTP_CLASS_RETRY },
	};

	for (size_t i = 0; i < config->done_status_count; i++)
		if (config->done_statuses[i] == status)
			return HTTP_CLASS_DONE;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].status == status)
			return table[i].class;
	if (status >= 200 && status < 300)
		return HTTP_CLASS_DONE;
	if (status >= 300 && status < 400)
		return HTTP_CLASS_DOUBT;
	return status >= 400 && status < 500 ? HTTP_CLASS_DEAD : HTTP_CLASS_RETRY;
}

static bool
repeats(struct slice said, const char *secret)
{
	size_t len = secret ? strlen(secret) : 0;

	return len >= SECRET_MIN && said.len && memmem(said.p, said.len, secret, len);
}

/* Some servers tell what they were sent. */
static bool
repeats_a_secret(const struct sink_http_config *config, struct slice said)
{
	if (repeats(said, config->token))
		return true;
	for (size_t i = 0; i < config->header_count; i++) {
		const char *value = strchr(config->headers[i], ':') + 1;

		if (repeats(said, value + strspn(value, " ")))
			return true;
	}
	return false;
}

void
http_describe(const struct sink_http_config *config, const struct http_response *response,
    char *ret, size_t size)
{
	struct slice said = buf_view(&response->body);
	size_t at = (size_t)snprintf(ret, size, "HTTP status %ld", response->status);

	if (repeats_a_secret(config, said))
		said = SLICE("(an answer that repeats a secret)");
	if (said.len > SAID_MAX)
		said.len = SAID_MAX;
	if (said.len == 0 || at + said.len + 3 > size)
		return;
	ret[at++] = ':';
	ret[at++] = ' ';
	for (size_t i = 0; i < said.len; i++)
		ret[at++] = said.p[i] >= 0x20 && said.p[i] < 0x7f ? said.p[i] : ' ';
	while (ret[at - 1] == ' ')
		at--;
	ret[at] = 0;
}
