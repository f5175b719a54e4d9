/* SPDX-License-Identifier: Apache-2.0 */
/* What makes keys agree that do not.
 *
 * A row that is missing or differs is asked of Debezium once more: what comes is a change like
 * any other. An extra row gets a tombstone. Its version is that of the last record that the
 * source's partition held before Postgres was read, or the row's own when that is the last:
 * what the key becomes after that has a higher one, be it under way already. What differs in
 * ClickHouse alone is sent to it again, with the places in `sluice.before` where the row should
 * not be. What was sent may stand behind a newer record that enrich wrote meanwhile; the next
 * reading sees that (.behind), and the newer one is put behind it again, as compaction keeps
 * the last. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "ctl/resend.h"
#include "ctl/verify_side.h"
#include "wire/json.h"

enum { BATCH = 50, BATCH_BYTES = 4 << 20 };

#define HEADER_BEFORE SLICE("sluice.before")

enum remedy { NONE, DELETE, SEND, MEND };

/* Where ClickHouse has a row: its identity columns. */
struct place {
	const struct verify_entry *entry;
	size_t at, len; /* in the texts */
};

/* A record on its way, and what its headers borrow. */
struct sending {
	struct kafka_message message; /* no handle: another one's of this message */
	struct resend resend;
	struct buf before;
	char id[RECORD_ID_LEN], ts[24], version[24];
	const struct verify_entry *deleted;
};

struct repair {
	struct verify *v;
	struct verify_repaired *repaired;
	bool deletes;
	int64_t now_ms;

	struct place *places; /* by entry */
	size_t place_count, place_size;
	struct buf texts;

	struct kafka_txn *txn;
	char id[RESEND_ID_SIZE];
	struct sending **sendings;
	struct kafka_out *outs;
	size_t count, size, bytes;
	size_t sent, mended; /* of the batch, as it is committed */
};

/* Once in a run; what does not help is not done again. */
static enum remedy
remedy_of(const struct repair *r, const struct verify_entry *e)
{
	if (verify_is_extra(e))
		return r->deletes ? DELETE : NONE;
	if (!e->agreed[SIDE_TOPIC])
		return NONE; /* verify_ask() */
	if (e->behind)
		return MEND;
	return e->agreed[SIDE_CLICKHOUSE] || e->sent || e->offset < 0 ? NONE : SEND;
}

/* --- where ClickHouse has rows --- */

static void
place_add(void *ctx, const struct verify_entry *e)
{
	struct repair *r = ctx;
	size_t at = r->texts.len;

	if (remedy_of(r, e) != SEND)
		return;
	verify_row_pick(r->v, &r->v->pipeline->enrich.identity, &r->texts);
	if (r->place_count == r->place_size) {
		r->place_size = r->place_size ? r->place_size * 2 : 64;
		r->places = realloc(r->places, r->place_size * sizeof *r->places);
		must(r->places);
	}
	r->places[r->place_count++] = (struct place){ e, at, r->texts.len - at };
}

static int
place_compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static enum fate
places_find(struct repair *r, struct err *err)
{
	enum fate fate;

	r->v->on_row = place_add;
	r->v->on_row_ctx = r;
	fate = verify_clickhouse(r->v, PASS_PLACES, err);
	if (r->place_count)
		qsort(r->places, r->place_count, sizeof *r->places, place_compare);
	return fate;
}

/* --- sending records again --- */

static void
batch_finish(struct repair *r)
{
	for (size_t i = 0; i < r->count; i++) {
		kafka_message_free(&r->sendings[i]->message);
		buf_finish(&r->sendings[i]->before);
		free(r->sendings[i]);
	}
	r->count = r->bytes = r->sent = r->mended = 0;
}

static enum fate
batch_send(struct repair *r, struct err *err)
{
	enum fate fate = FATE_DONE;

	for (size_t i = 0; i < r->count; i++)
		r->outs[i] = r->sendings[i]->resend.out;
	if (r->count)
		fate = resend_commit(r->txn, r->outs, r->count, err);
	for (size_t i = 0; i < r->count && fate == FATE_DONE; i++) {
		if (!r->sendings[i]->deleted)
			continue;
		verify_say(r->v, "  [%.*s] is extra: deleted",
		    SLICE_ARG(verify_table_key(r->v->table, r->sendings[i]->deleted)));
		r->repaired->deleted++;
	}
	if (fate == FATE_DONE) {
		r->repaired->sent += r->sent;
		r->repaired->mended += r->mended;
	}
	batch_finish(r);
	return fate;
}

static struct sending *
sending_new(struct repair *r)
{
	if (r->count == r->size) {
		r->size = r->size ? r->size * 2 : BATCH;
		r->sendings = realloc(r->sendings, r->size * sizeof *r->sendings);
		r->outs = realloc(r->outs, r->size * sizeof *r->outs);
		must(r->sendings && r->outs);
	}
	r->sendings[r->count] = calloc(1, sizeof **r->sendings);
	must(r->sendings[r->count]);
	return r->sendings[r->count++];
}

/* The record as it is, but for the headers given, which stand in their old ones' places. */
static enum fate
sending_fill(struct repair *r, struct sending *s, const struct kafka_message *message,
    struct slice value, const struct header *own, size_t own_count, struct slice worker,
    struct err *err)
{
	struct header headers[DEADLETTER_HEADERS_MAX];
	size_t count = 0, kept = 0;
	enum fate fate =
	    kafka_message_headers(message, headers, DEADLETTER_HEADERS_MAX, &count, err);

	if (fate != FATE_DONE || count + own_count > DEADLETTER_HEADERS_MAX)
		return err_set(err, FATE_HALT,
		    "%s/%" PRId32 "/%" PRId64 " has too many headers", message->topic,
		    message->partition, message->offset);
	for (size_t i = 0; i < count; i++) {
		bool replaced = slice_eq(headers[i].name, HEADER_BEFORE) && own_count;

		for (size_t n = 0; n < own_count; n++)
			replaced |= slice_eq(headers[i].name, own[n].name);
		if (!replaced)
			headers[kept++] = headers[i];
	}
	for (size_t n = 0; n < own_count; n++)
		headers[kept++] = own[n];
	s->resend.out = (struct kafka_out){ .topic = r->v->pipeline->enrich.topic,
		.partition = message->partition,
		.key = message->key,
		.value = value };
	resend_fill(&s->resend, headers, kept, worker);
	r->bytes += kafka_out_size(&s->resend.out);
	if (kafka_out_size(&s->resend.out) <= kafka_txn_size_max(r->txn))
		return FATE_DONE;
	return err_set(err, FATE_HALT,
	    "%s/%" PRId32 "/%" PRId64 " is too large to be sent again: raise message.max.bytes "
	    "below kafka: in the pipeline file",
	    message->topic, message->partition, message->offset);
}

/* Its name hangs on the record that it ends: who is told twice knows it. */
static void
name_tombstone(struct sending *s, const struct kafka_message *message)
{
	char partition[16], offset[24];
	struct slice parts[4];

	(void)snprintf(partition, sizeof partition, "%" PRId32, message->partition);
	(void)snprintf(offset, sizeof offset, "%" PRId64, message->offset);
	parts[0] = SLICE("repair");
	parts[1] = slice_str(message->topic);
	parts[2] = slice_str(partition);
	parts[3] = slice_str(offset);
	record_id(parts, 4, s->id);
}

/* The columns that place it, as its record has them. HALT: an older query's has not. */
static enum fate
put_before(const struct repair *r, const struct kafka_message *message, struct buf *out,
    struct err *err)
{
	const struct pipeline_list *identity = &r->v->pipeline->enrich.identity;
	struct slice raw = { 0 };
	enum fate fate = json_check(message->value, &raw, err);

	for (size_t i = 0; i < identity->count && fate == FATE_DONE; i++) {
		struct slice member = json_member(raw, slice_str(identity->items[i]));

		if (!member.p)
			fate = err_set(err, FATE_HALT, "%s/%" PRId32 "/%" PRId64 " has no %s",
			    message->topic, message->partition, message->offset,
			    identity->items[i]);
		buf_byte(out, i ? ',' : '{');
		json_quote(out, slice_str(identity->items[i]));
		buf_byte(out, ':');
		buf_slice(out, member);
	}
	buf_byte(out, '}');
	return fate;
}

/* verify_past() says which version nothing to come will have. */
static uint64_t
tombstone_version(const struct verify *v, const struct verify_entry *e)
{
	int64_t end = (size_t)e->source_partition < v->source_count
			  ? v->source_ends[e->source_partition]
			  : 0;
	uint64_t last =
	    record_version((unsigned)v->pipeline->enrich.generation, end > 0 ? end - 1 : 0);

	return last > e->version ? last : e->version;
}

static enum fate
tombstone_add(struct repair *r, const struct kafka_message *message,
    const struct verify_entry *e, struct err *err)
{
	struct sending *s = sending_new(r);
	enum fate fate = put_before(r, message, &s->before, err);
	struct header own[5];

	if (fate != FATE_DONE)
		return fate;
	name_tombstone(s, message);
	(void)snprintf(s->ts, sizeof s->ts, "%" PRId64, r->now_ms);
	(void)snprintf(s->version, sizeof s->version, "%" PRIu64, tombstone_version(r->v, e));
	own[0] = (struct header){ SLICE("sluice.op"), SLICE("d") };
	own[1] = (struct header){ SLICE("sluice.id"), slice_of(s->id, RECORD_ID_LEN) };
	own[2] = (struct header){ SLICE("sluice.ts"), slice_str(s->ts) };
	own[3] = (struct header){ SLICE("sluice.version"), slice_str(s->version) };
	own[4] = (struct header){ HEADER_BEFORE, buf_view(&s->before) };
	s->deleted = e;
	return sending_fill(r, s, message, (struct slice){ 0 }, own, 5, RESEND_FOR_ALL, err);
}

static enum fate
mend_add(struct repair *r, const struct kafka_message *message, struct err *err)
{
	r->mended++;
	return sending_fill(
	    r, sending_new(r), message, message->value, NULL, 0, RESEND_FOR_NONE, err);
}

/* Once for each place that is not the row's own, and once at least. */
static enum fate
row_add(struct repair *r, const struct kafka_message *message, const struct verify_entry *e,
    struct err *err)
{
	const struct place *end = r->places + r->place_count, *place = r->places;
	const struct slice worker = SLICE("clickhouse");
	struct buf own = { 0 };
	enum fate fate = FATE_DONE;
	bool any = false;

	if (message->value.p)
		fate = put_before(r, message, &own, err);
	if (r->place_count)
		place = bsearch(&(struct place){ .entry = e }, r->places, r->place_count,
		    sizeof *r->places, place_compare);
	while (place && place > r->places && place[-1].entry == e)
		place--;
	for (; place && place < end && place->entry == e && fate == FATE_DONE; place++) {
		struct slice there = slice_of(r->texts.p + place->at, place->len);
		struct sending *s;
		struct header header;

		if (slice_eq(there, buf_view(&own)))
			continue;
		s = sending_new(r);
		buf_slice(&s->before, there);
		header = (struct header){ HEADER_BEFORE, buf_view(&s->before) };
		fate = sending_fill(r, s, message, message->value, &header, 1, worker, err);
		any = true;
	}
	if (!any && fate == FATE_DONE)
		fate = sending_fill(
		    r, sending_new(r), message, message->value, NULL, 0, worker, err);
	r->sent++;
	buf_finish(&own);
	return fate;
}

static enum fate
take_record(void *ctx, struct kafka_message *message, struct err *err)
{
	struct repair *r = ctx;
	struct slice key = verify_topic_key(r->v, message->key);
	struct verify_entry *e = key.p ? verify_table_find(r->v->table, key) : NULL;
	enum fate fate = FATE_DONE;
	size_t before = r->count;

	if (!e || e->partition != message->partition || e->offset != message->offset)
		return FATE_DONE;
	switch (remedy_of(r, e)) {
	case DELETE: fate = tombstone_add(r, message, e, err); break;
	case MEND: fate = mend_add(r, message, err); break;
	case SEND:
		fate = row_add(r, message, e, err);
		e->sent = true;
		break;
	case NONE: return FATE_DONE;
	}
	if (r->count > before) {
		r->sendings[r->count - 1]->message = *message;
		message->handle = NULL;
	}
	if (fate == FATE_DONE && (r->count >= BATCH || r->bytes >= BATCH_BYTES))
		fate = batch_send(r, err);
	return fate;
}

static void
left_tell(void *ctx, const char *topic, int64_t left)
{
	struct repair *r = ctx;

	verify_progress(r->v, "repair: %zu records sent, %s: %" PRId64 " records to read",
	    r->repaired->deleted + r->repaired->sent, topic, left);
}

/* The records are read once more, from the first that is wanted. */
static enum fate
send_all(struct repair *r, const int64_t *from, struct err *err)
{
	const struct pipeline *p = r->v->pipeline;
	struct scan scan;
	enum fate fate = resend_open(p, r->id, &r->txn, err);

	if (fate != FATE_DONE)
		return fate;
	fate = scan_open(&scan, &p->kafka, p->enrich.topic, err);
	if (fate == FATE_DONE && scan.count != r->v->scan.count)
		fate =
		    err_set(err, FATE_HALT, "%s has got partitions meanwhile", p->enrich.topic);
	if (fate == FATE_DONE)
		fate = scan_from(&scan, from, err);
	if (fate == FATE_DONE)
		fate = scan_read(&scan, take_record, left_tell, r, err);
	if (fate == FATE_DONE)
		fate = batch_send(r, err);
	scan_close(&scan);
	return fate;
}

/* --- all of it --- */

enum fate
verify_repair(struct verify *v, bool deletes, struct verify_repaired *repaired, struct err *err)
{
	struct repair r = {
		.v = v, .repaired = repaired, .deletes = deletes, .now_ms = clock_wall_ms()
	};
	int64_t *from = calloc(v->scan.count + 1, sizeof *from);
	size_t sends = 0, places = 0;
	enum fate fate;

	must(from);
	*repaired = (struct verify_repaired){ 0 };
	for (size_t i = 0; i < v->scan.count; i++)
		from[i] = INT64_MAX;
	for (size_t i = 0; i < verify_table_count(v->table); i++) {
		const struct verify_entry *e = verify_table_entry(v->table, i);
		enum remedy remedy = remedy_of(&r, e);

		places += remedy == SEND;
		if (remedy == NONE)
			continue;
		sends++;
		if (e->offset < from[e->partition])
			from[e->partition] = e->offset;
	}
	fate = verify_ask(v, &repaired->asked, err);
	if (fate == FATE_DONE && places)
		fate = places_find(&r, err);
	if (fate == FATE_DONE && sends)
		fate = send_all(&r, from, err);
	batch_finish(&r);
	kafka_txn_close(r.txn);
	free(r.sendings);
	free(r.outs);
	free(r.places);
	buf_finish(&r.texts);
	free(from);
	return fate == FATE_DONE ? fate : err_wrap(err, "repair");
}
