/* SPDX-License-Identifier: Apache-2.0 */
/* http_ops.h -- what the driver (sink_http.c) and its requests (http_send.c) share; nobody
 * else's business. */
#ifndef SINK_HTTP_OPS_H
#define SINK_HTTP_OPS_H

#include "base/metrics.h"
#include "link/http.h"
#include "sink/http.h"
#include "sink/http_breaker.h"
#include "sink/http_form.h"
#include "sink/http_lane.h"
#include "sink/sink_ops.h"
#include "wire/webhook.h"

enum {
	HTTP_M_DONE,
	HTTP_M_RETRY,
	HTTP_M_DEAD,
	HTTP_M_DOUBT,
	HTTP_M_NETWORK,
	HTTP_M_IN_FLIGHT,
	HTTP_M_BREAKER,
	HTTP_M_OPEN,
	HTTP_M_COUNT
};
extern struct metric http_metrics[HTTP_M_COUNT];

struct http_sink {
	const struct sink_http_config *config;
	struct sink_http_config again; /* with other secrets, once they were taken */
	struct http_multi *multi;
	struct webhook_keys *keys;
	struct breaker breaker;
	struct http_lanes lanes;
	struct http_open open;
	char form[SINK_FORM_SIZE];
	size_t turn;             /* the lane that is looked at first */
	char *authorization;     /* the header; NULL: none */
	char why[ERR_WHAT_SIZE]; /* what the destination last did wrong */
	unsigned doubts;         /* rows given up for a doubtful answer since the last 2xx */
	bool still;              /* nothing is sent: what is in flight is waited for */
	bool halted;
	struct err halt;
};

static inline int64_t
http_or_default(int64_t value, int64_t otherwise)
{
	return value ? value : otherwise;
}

/* --- http_send.c --- */

/* Sends what may be sent. */
void http_send_ready(struct http_sink *s);
/* When the next lane or the breaker is due; not after until_ms. */
int64_t http_next_due_ms(const struct http_sink *s, int64_t until_ms);
http_done http_on_answer; /* judges it, and sends the lane's next */

#endif
