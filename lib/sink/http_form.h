/* SPDX-License-Identifier: Apache-2.0 */
/* http_form.h -- what shapes a body, and up to where bodies of that shape may have gone out.
 *
 * A receiver may refuse an id that it has seen when it comes again under another body: that
 * is what an Idempotency-Key is for. So a form must not change while deliveries are open: a
 * request for them may have been sent, and the group's offset does not cover them yet. The
 * metadata of the group's offsets says so as "FIRST-END/FORM": what lies from the offset up
 * to END is open in FORM. It is written before the first of them goes out, for AHEAD offsets
 * at once and again when half of them are used, and taken back when nothing has been in hand
 * for a while or the worker stops with nothing in hand. So END is an upper bound: after kill -9
 * it may name more than was sent, never less. There is no I/O here. */
#ifndef SINK_HTTP_FORM_H
#define SINK_HTTP_FORM_H

#include "sink/http.h"

enum { HTTP_FORM_AHEAD = 20000, HTTP_FORM_IDLE_MS = 2000 };

/* "change-7MZK2QWA": the format, "+array" when bodies are arrays, and a digest of all else
 * that a row's body hangs on: CloudEvents' source, the select list and its columns' types.
 * How many rows an array takes is no part of it: an array's id comes of its rows' ids. */
void http_form(const struct sink_http_config *config, char ret_form[SINK_FORM_SIZE]);

struct http_open_part {
	int32_t partition;
	int64_t first; /* the delivery that want was raised for */
	int64_t
	    owed;    /* what a worker before us left open ends here: said until it came again */
	int64_t top; /* behind the last delivery in hand */
	int64_t said; /* the group knows: below it deliveries may be open; 0: none are */
	int64_t want; /* what it is to know; never below said, nor below top */
};

struct http_open {
	struct http_open_part *parts;
	size_t count, near; /* near: found last */
	size_t want_count;  /* parts whose want is above said */
	size_t short_count; /* parts whose top is */
	int64_t used_ms;    /* when a record last came */
	bool idle, closing; /* nothing came for a while; all is to be finished */
};

void http_open_finish(struct http_open *open); /* accepts a zeroed one */

/* These partitions from now on. HALT with code CONFIG: deliveries of one are open in another
 * form, and accept is false. */
enum fate http_open_assign(struct http_open *open, const struct sink_part *parts, size_t count,
    const char *form, bool accept, struct err *err) NODISCARD;

/* A delivery at this offset is about to be open. Nothing is noted of partitions that were not
 * assigned. */
void http_open_add(struct http_open *open, int32_t partition, int64_t offset, int64_t now_ms);

/* Whether the group knows of any that this worker had in hand. */
bool http_open_any(const struct http_open *open);

/* Whether requests must wait until the group knows more. */
bool http_open_short(const struct http_open *open);

/* For sink.h's frozen, freezing and froze; pending: records in hand. */
bool http_open_range(const struct http_open *open, int32_t partition, size_t pending,
    struct sink_range *ret_range);
bool http_open_changed(const struct http_open *open, size_t pending);
void http_open_told(struct http_open *open, size_t pending);

#endif
