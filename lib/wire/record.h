/* SPDX-License-Identifier: Apache-2.0 */
/* record.h -- one record of an enriched topic: key, flat JSON row or tombstone,
 * and the sluice.* headers that say where it comes from.
 *
 * enrich writes records, sinks read them. All slices borrow from the message.
 * A record without sluice.version or sluice.source is refused: it did not come
 * from enrich. */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct header {
	struct slice name, value;
};

/* Headers of a record that is sent again: it passes the fence of versions. */
#define RECORD_REPLAY     "sluice.replay"
#define RECORD_REPLAY_FOR "sluice.replay.worker"

/* What a sink has done with a record. */
enum outcome {
	OUTCOME_PENDING = 0,
	OUTCOME_DONE,     /* durable in the sink, or rightly skipped */
	OUTCOME_REJECTED, /* will never be accepted: dead letter, with .reason */
};

struct record {
	/* position in the topic that the sink reads */
	const char *topic;
	int32_t partition;
	int64_t offset;

	struct slice key;   /* {"id":1} */
	struct slice value; /* flat JSON object; p is NULL for a tombstone */

	uint64_t version;        /* generation << 48 | source offset */
	char op;                 /* c u d r */
	bool replay;             /* sluice.replay: 1 */
	struct slice replay_for; /* sluice.replay.worker: who wants it; empty: all do */
	struct slice id;         /* 26 base32 characters */
	int64_t ts_ms;           /* commit time in Postgres */
	struct slice lsn;        /* decimal, or empty */
	struct slice before;     /* JSON of the identity columns before, or empty */
	struct slice source_topic;
	int32_t source_partition;
	int64_t source_offset;

	/* the worker's own */
	enum outcome outcome;
	uint32_t attempts;
	char *reason;  /* of a rejection, heap; freed by the worker */
	char *text;    /* heap that key, value and before lie in; NULL: the message */
	char *headers; /* heap that the slices of the headers lie in; NULL: the message */
	void *message; /* the Kafka message; NULL: another record of it has it */
	struct slice message_key, message_value; /* as they came */
};

/* Reads the headers into ret_record (position, key and value are set by the
 * caller). REJECT names the missing or malformed header. */
enum fate record_read_headers(const struct header *headers, size_t count,
    struct record *ret_record, struct err *err) NODISCARD;

enum { RECORD_ID_LEN = 26 };

/* base32 (RFC 4648, upper case, no padding) of the first 16 bytes of SHA-256 over
 * the parts, each preceded by its length as 4 bytes big endian. */
void record_id(const struct slice *parts, size_t count, char ret_id[RECORD_ID_LEN]);

enum { GENERATION_MAX = 31, VERSION_OFFSET_BITS = 48 };

static inline uint64_t
record_version(unsigned generation, int64_t source_offset)
{
	return (uint64_t)generation << VERSION_OFFSET_BITS | (uint64_t)source_offset;
}

#endif
