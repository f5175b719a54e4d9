/* SPDX-License-Identifier: Apache-2.0 */
/* http.h -- every change as a webhook: at least once, in order a key, under an id that
 * never changes.
 *
 * A lane is a hash of the key with one request in flight; lanes share one libcurl
 * multi. The body is built from the record's bytes and is the same on every attempt;
 * the timestamp and the signature are the attempt's. Answers fall into classes
 * (http_class); a destination that does not answer well is asked with one request at
 * a time, at growing pauses. A refused batch is halved within its lane. Snapshot rows
 * (`r`) are settled unasked unless wanted. A configuration that changes the body is refused
 * while deliveries are open (http_form.h). */
#ifndef SINK_HTTP_H
#define SINK_HTTP_H

#include "base/buf.h"
#include "sink/sink.h"
#include "wire/change.h"

enum {
	SINK_HTTP_LANES_MAX = 1024,
	SINK_HTTP_STATUSES_MAX = 16,
	SINK_HTTP_HEADERS_MAX = 12,
	SINK_HTTP_BATCH_MAX = 1000,
};

/* What a body is. CHANGE: {"id","op","table","key","row","before","ts_ms","version"}.
 * ROW: the record's value as it is, of a deleted row its key; the header sluice-op tells.
 * CLOUDEVENTS: a CloudEvents 1.0 event (structured mode) whose data is the change.
 * SELECT: the object that config.select makes of the row. */
enum sink_http_format { HTTP_CHANGE, HTTP_ROW, HTTP_CLOUDEVENTS, HTTP_SELECT };

/* 0 and NULL take the default named. The config outlives the sink. */
struct sink_http_config {
	const char *url;
	const char *secrets;              /* as in wire/webhook.h; NULL: unsigned */
	const char *token;                /* of "Authorization: Bearer"; NULL: none */
	const char *const *headers;       /* more of them: "Name: value" */
	size_t header_count;              /* at most SINK_HTTP_HEADERS_MAX */
	const char *ca_file;              /* the system's */
	const char *cert_file, *key_file; /* of the client (mTLS); none */
	bool http2;                       /* offered to https destinations */
	bool allow_private;               /* all private addresses */
	const char *const *private_nets;  /* or these: "10.1.0.0/16", "::1" */
	size_t private_net_count;
	bool deliver_snapshot;
	bool drain; /* deliveries that are open in another form go out in this one */
	enum sink_http_format format;
	const char *source;               /* CLOUDEVENTS: the source is /SOURCE/TABLE */
	const char *select;               /* SELECT: its list, over columns and sluice_op,
					   * sluice_id, sluice_table, sluice_ts, sluice_version */
	const struct row_column *columns; /* of the enriched row */
	size_t column_count;
	size_t batch_rows;    /* 0: a body is one change; else an array of up to so many */
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

/* The same as a CloudEvents event. */
void http_cloudevent(const struct record *record, const char *source, struct buf *out);

/* Whether http_body() would be JSON as far as can be seen from outside, and the id fit
 * for a header. REJECT says what is not. */
enum fate http_body_check(const struct record *record, struct err *err) NODISCARD;

/* Whether a configured header may be sent beside the sink's own: HALT names the fault but
 * not the value, which may be a secret. */
enum fate http_header_check(const char *header, struct err *err) NODISCARD;

#endif
