/* SPDX-License-Identifier: Apache-2.0 */
/* kafka.h -- what every Kafka client here shares: configuration, messages,
 * positions, and the table that turns Kafka's errors into fates.
 *
 * Only kafka_*.c see librdkafka, and call nothing newer than its 2.0.2. One
 * thread makes all calls of a client; callbacks come from inside those calls.
 * Nothing here logs: what librdkafka says goes to on_event. Topic names handed
 * out live as long as the client that handed them out. */
#ifndef LINK_KAFKA_H
#define LINK_KAFKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "wire/record.h"

enum kafka_event_kind {
	KAFKA_EVENT_LOG,    /* a line of librdkafka's log */
	KAFKA_EVENT_ERROR,  /* connection trouble that librdkafka mends by itself */
	KAFKA_EVENT_COMMIT, /* an asynchronous offset commit failed */
	KAFKA_EVENT_TXN,    /* a transaction was aborted, a producer replaced: why */
	KAFKA_EVENT_STATS,  /* text: librdkafka's statistics, JSON */
};

struct kafka_event {
	enum kafka_event_kind kind;
	int level;          /* syslog's: 3 error, 4 warning, 6 info, 7 debug */
	const char *client; /* librdkafka's instance name */
	const char *code;   /* name of Kafka's error, or the log's facility */
	const char *text;   /* valid during the call only */
};

struct kafka_property {
	const char *key, *value; /* value "" is a value */
};

/* Borrowed by the client for its whole life; zeroed fields mean "nothing". */
struct kafka_conf {
	const char *brokers;   /* bootstrap.servers */
	const char *client_id; /* NULL: librdkafka's default */
	/* From the pipeline file, set after ours. A property that exactness hangs on
	 * (isolation.level, enable.auto.commit ...) is refused. */
	const struct kafka_property *properties;
	size_t property_count;
	int64_t stats_ms; /* 0: no KAFKA_EVENT_STATS */
	void (*on_event)(void *ctx, const struct kafka_event *event);
	void *event_ctx;
	/* Asked in every wait loop: true makes the call return HALT with code RESTART. */
	bool (*stopping)(void *ctx);
	void *stop_ctx;
};

/* A HALT whose code is KAFKA_RESTART means exit 3 (a clean process will do); any
 * other HALT means exit 4. Other errors carry Kafka's numeric code ("-195"). */
#define KAFKA_RESTART "RESTART"
bool kafka_wants_restart(const struct err *err);

/* The table: what a caller does about an error of this code. */
struct kafka_error_row {
	int code; /* rd_kafka_resp_err_t */
	enum fate fate;
	bool restart; /* of HALT */
	const char *why;
};
const struct kafka_error_row *kafka_error_table(size_t *ret_count);
/* Fills err from a code: "what: NAME: text". Codes outside the table are RETRY. */
enum fate kafka_error_set(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);

/* librdkafka's version, "2.15.1". */
const char *kafka_library_version(void);

enum { KAFKA_NO_OFFSET = -1 };                   /* no committed offset */
enum { KAFKA_AT_END = -1, KAFKA_AT_START = -2 }; /* instead of a time, in offsets_at */

/* One partition. What offset means is said by each call. */
struct kafka_part {
	const char *topic;
	int32_t partition;
	int64_t offset;
	struct slice metadata; /* of a commit; empty: none */
};

/* A received message. All slices borrow from handle. */
struct kafka_message {
	const char *topic; /* lives as long as the consumer */
	int32_t partition;
	int64_t offset;
	int64_t timestamp_ms;    /* -1: none */
	struct slice key, value; /* p NULL: null; an empty one has p set */
	void *handle;
};

/* Up to max headers in their order; *ret_count is how many there are. REJECT:
 * unreadable, or more than max. A null value has p NULL. */
enum fate kafka_message_headers(const struct kafka_message *message, struct header *out,
    size_t max, size_t *ret_count, struct err *err) NODISCARD;
/* The same, and takes them out of the message into one block, *ret_block, which is the
 * caller's to free: a message that is kept long costs one allocation then, not two a
 * header. NULL: it has none. */
enum fate kafka_message_take_headers(const struct kafka_message *message, struct header *out,
    size_t max, size_t *ret_count, char **ret_block, struct err *err) NODISCARD;
/* Puts the headers of such a block back, for who reads the message next. */
void kafka_message_give_headers(const struct kafka_message *message, const char *block);
void kafka_message_free(struct kafka_message *message); /* then handle is NULL; twice is fine */

/* A message to be produced. Everything is copied by the call that takes it. */
struct kafka_out {
	const char *topic;
	int32_t partition;       /* below the topic's count; KAFKA_ANY_PARTITION by key hash */
	struct slice key, value; /* p NULL: null */
	const struct header *headers;
	size_t header_count;
	int64_t timestamp_ms; /* 0: now */
};
enum { KAFKA_ANY_PARTITION = -1 };

/* An upper bound of what the broker counts against message.max.bytes. */
size_t kafka_out_size(const struct kafka_out *out);

#endif
