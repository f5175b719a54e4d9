/* SPDX-License-Identifier: Apache-2.0 */
/* What answers mean. */
#include "sink/http.h"

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
