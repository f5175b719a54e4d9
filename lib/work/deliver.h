/* SPDX-License-Identifier: Apache-2.0 */
/* deliver.h -- the loop of every sink worker: enriched topic in, one sink out.
 *
 * It polls, pushes records to the sink, retires what is done, buries what was
 * rejected (dead letters and offsets in one Kafka transaction) and commits the
 * lowest position that holds nothing pending. A sink that keeps its own position is
 * asked for it at every assignment. */
#ifndef WORK_DELIVER_H
#define WORK_DELIVER_H

#include "sink/sink.h"
#include "work/worker.h"

struct sink_ops;

struct deliver {
	struct work *work;
	const struct sink_ops *ops;
	const void *config; /* the sink's own */
	size_t rows_max;    /* records in hand, at most */
	size_t bytes_max;
};

/* Runs until work_stopping(). DONE or HALT. */
enum fate deliver_run(const struct deliver *deliver, struct err *err) NODISCARD;

/* For --check: opens the sink and connects once. */
enum fate deliver_check(const struct deliver *deliver, struct err *err) NODISCARD;

#endif
