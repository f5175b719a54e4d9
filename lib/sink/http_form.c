/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/http_form.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "wire/record.h"

/* Raised when this code makes other bytes of the same row and configuration. */
#define BODY_VERSION "1"

enum { DIGEST_LEN = 8 };

static void
put_columns(const struct sink_http_config *config, struct buf *out)
{
	for (size_t i = 0; i < config->column_count; i++)
		buf_printf(out, "\n%s %" PRIu32 " %" PRId32, config->columns[i].name,
		    config->columns[i].type.oid, config->columns[i].type.typmod);
}

void
http_form(const struct sink_http_config *config, char ret_form[SINK_FORM_SIZE])
{
	static const char *const names[] = { [HTTP_CHANGE] = "change",
		[HTTP_ROW] = "row",
		[HTTP_CLOUDEVENTS] = "cloudevents",
		[HTTP_SELECT] = "select" };
	struct buf all = { 0 };
	struct slice text;
	char digest[RECORD_ID_LEN];

	buf_printf(
	    &all, "%s %s %d", BODY_VERSION, names[config->format], config->batch_rows > 0);
	if (config->format == HTTP_CLOUDEVENTS)
		buf_printf(&all, "\n%s", config->source);
	if (config->format == HTTP_SELECT) {
		buf_printf(&all, "\n%s", config->select);
		put_columns(config, &all);
	}
	text = buf_view(&all);
	record_id(&text, 1, digest);
	buf_finish(&all);
	(void)snprintf(ret_form, SINK_FORM_SIZE, "%s%s-%.*s", names[config->format],
	    config->batch_rows ? "+array" : "", DIGEST_LEN, digest);
}

void
http_open_finish(struct http_open *open)
{
	free(open->parts);
	*open = (struct http_open){ 0 };
}

/* Offsets behind the topic's end were promised, and never sent. */
static bool
is_open(const struct sink_part *part)
{
	return part->committed < part->frozen.end && part->committed < part->end;
}

static enum fate
check_form(const struct sink_part *part, const char *form, struct err *err)
{
	if (!is_open(part) || !*part->frozen.form || strcmp(part->frozen.form, form) == 0)
		return FATE_DONE;
	return err_code(err, FATE_HALT, "CONFIG",
	    "deliveries of %s/%" PRId32 " from %" PRId64
	    " on are open as %s and would now be %s: let the old configuration finish them, or "
	    "send them anew with --drain",
	    part->topic ? part->topic : "", part->partition, part->committed, part->frozen.form,
	    form);
}

enum fate
http_open_assign(struct http_open *open, const struct sink_part *parts, size_t count,
    const char *form, bool accept, struct err *err)
{
	for (size_t i = 0; i < count && !accept; i++)
		if (check_form(&parts[i], form, err) != FATE_DONE)
			return FATE_HALT;
	http_open_finish(open);
	open->parts = calloc(count + 1, sizeof *open->parts);
	must(open->parts);
	open->count = count;
	for (size_t i = 0; i < count; i++) {
		struct http_open_part *part = &open->parts[i];

		part->partition = parts[i].partition;
		if (!is_open(&parts[i]) || strcmp(parts[i].frozen.form, form) != 0)
			continue;
		part->first = parts[i].frozen.first;
		part->said = part->want = part->owed = parts[i].frozen.end;
		if (part->owed > parts[i].end)
			part->owed = parts[i].end;
	}
	return FATE_DONE;
}

static struct http_open_part *
part_find(const struct http_open *open, int32_t partition)
{
	for (size_t n = 0; n < open->count; n++) {
		size_t i = (open->near + n) % open->count;

		if (open->parts[i].partition == partition)
			return &open->parts[i];
	}
	return NULL;
}

void
http_open_add(struct http_open *open, int32_t partition, int64_t offset, int64_t now_ms)
{
	struct http_open_part *part = part_find(open, partition);

	if (!part)
		return;
	open->near = (size_t)(part - open->parts);
	open->used_ms = now_ms;
	open->idle = open->closing = false;
	if (part->top <= part->said && offset >= part->said)
		open->short_count++;
	part->top = offset + 1;
	if (part->top >= part->owed)
		part->owed = 0; /* all of it has come */
	if (offset < part->want - HTTP_FORM_AHEAD / 2)
		return;
	if (part->want == part->said)
		open->want_count++;
	part->first = offset;
	part->want = offset + 1 + HTTP_FORM_AHEAD;
}

bool
http_open_any(const struct http_open *open)
{
	for (size_t i = 0; i < open->count; i++)
		if (open->parts[i].said > open->parts[i].owed)
			return true;
	return false;
}

bool
http_open_short(const struct http_open *open)
{
	return open->short_count > 0;
}

/* Nothing is in hand, and nothing will be soon. */
static bool
quiet(const struct http_open *open, size_t pending)
{
	return pending == 0 && (open->idle || open->closing);
}

bool
http_open_range(const struct http_open *open, int32_t partition, size_t pending,
    struct sink_range *ret_range)
{
	const struct http_open_part *part = part_find(open, partition);

	if (!part)
		return false;
	ret_range->first = part->first;
	ret_range->end = quiet(open, pending) ? part->owed : part->want;
	return ret_range->end > 0;
}

bool
http_open_changed(const struct http_open *open, size_t pending)
{
	if (!quiet(open, pending))
		return open->want_count > 0;
	return http_open_any(open);
}

void
http_open_told(struct http_open *open, size_t pending)
{
	for (size_t i = 0; i < open->count; i++) {
		struct http_open_part *part = &open->parts[i];

		if (quiet(open, pending))
			part->want = part->top = part->owed;
		part->said = part->want;
	}
	open->want_count = open->short_count = 0;
}
