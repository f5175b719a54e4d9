/* SPDX-License-Identifier: Apache-2.0 */
/* http.h -- every change as a webhook: at least once, in order a key, under an id that
 * never changes.
 *
 * A lane is a hash of the key with one request in flight; lanes share one libcurl
 * multi. The body is built from the record's bytes and is the same on every attempt;
 * the timestamp and the signature are the attempt's. Answers fall into classes
 * (http_class); a destination that does not answer well is asked with one request at
 * a time, at growing pauses. Snapshot rows (`r`) are settled unasked unless wanted. */
#ifndef SINK_HTTP_H
#define SINK_HTTP_H

#include "base/buf.h"
#include "sink/sink.h"

enum { SINK_HTTP_LANES_MAX = 1024, SINK_HTTP_STATUSES_MAX = 16 };

/* 0 and NULL take the default named. The config outlives the sink. */
struct sink_http_config {
	const char *url;
	const char *secrets; /* as in wire/webhook.h; NULL: unsigned */
	const char *ca_file; /* the system's */
	bool allow_private;
	bool deliver_snapshot;
	size_t lanes;         /* 64 */
	int64_t timeout_ms;   /* 10000, a whole request */
	int64_t retry_for_ms; /* a row's, then it is a dead letter; for ever */
	int64_t back_off_ms;  /* 200: the first pause */
	int64_t pause_max_ms; /* 60000 */
	int64_t trust_ms;     /* 60000: how long a 2xx speaks for the destination */
	int done_statuses[SINK_HTTP_STATUSES_MAX]; /* besides 2xx: 409 */
	size_t done_status_count;
};

extern const struct sink_ops sink_http;

enum http_class {
	HTTP_CLASS_DONE,
	HTTP_CLASS_RETRY, /* busy: again, later */
	HTTP_CLASS_DEAD,  /* this row will never be taken */
	HTTP_CLASS_DOUBT, /* the row's fault, or the destination's: the pause rule */
};
enum http_class http_class(const struct sink_http_config *config, long status);

/* Appends {"id","op","table","key","row","before","ts_ms","version"}; key, row and before
 * are the record's bytes. */
void http_body(const struct record *record, struct buf *out);

/* Whether http_body() would be JSON as far as can be seen from outside, and the id fit
 * for a header. REJECT says what is not. */
enum fate http_body_check(const struct record *record, struct err *err) NODISCARD;

#endif
