/* SPDX-License-Identifier: Apache-2.0 */
/* deliver.h -- the loop of every sink worker: topics in, one or more targets out.
 *
 * It polls, hands each record to the routes that read its topic, retires what is done,
 * buries what was rejected (dead letters and offsets in one Kafka transaction) and
 * commits the lowest position that holds nothing pending in any route. A sink that
 * keeps its own position is asked for it at every assignment; one that freezes what it
 * inserts finds that again in the metadata of the group's offsets. */
#ifndef WORK_DELIVER_H
#define WORK_DELIVER_H

#include "sink/sink.h"
#include "work/worker.h"

struct sink_ops;
struct mirror;

enum { DELIVER_ROUTES_MAX = 16 };

/* From a topic to a target. */
struct deliver_route {
	const char *topic;
	const char *name; /* of the target; stands in the group's metadata. NULL: the sink's */
	const struct sink_ops *ops;
	const void *config;    /* the sink's own */
	struct mirror *mirror; /* the topic is Debezium's; NULL: enrich wrote it */
};

struct deliver {
	struct work *work;
	struct deliver_route routes[DELIVER_ROUTES_MAX];
	size_t route_count;
	size_t rows_max; /* records in hand, at most */
	size_t bytes_max;
	/* A route's configuration with the secrets of the file as it is now, alive until the
	 * next call; NULL: the file has this target no more. */
	const void *(*secrets)(void *owner, size_t route, const struct pipeline *now);
	void *owner;
	int64_t queue_kbytes; /* of what Kafka's client reads ahead; 0: kafka_consumer.h's */
};

/* Runs until work_stopping(). DONE or HALT. */
enum fate deliver_run(const struct deliver *deliver, struct err *err) NODISCARD;

/* For --check: opens the sinks and connects once. */
enum fate deliver_check(const struct deliver *deliver, struct err *err) NODISCARD;

#endif
