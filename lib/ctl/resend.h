/* SPDX-License-Identifier: Apache-2.0 */
/* resend.h -- a record of the enriched topic that is sent once more, and the transaction
 * that does it.
 *
 * It keeps key, value and headers, and gets sluice.replay: 1, so that every reader's fence
 * lets it pass and stays where it is. The record borrows until the commit. */
#ifndef CTL_RESEND_H
#define CTL_RESEND_H

#include "link/kafka_txn.h"
#include "work/deadletter.h"
#include "work/pipeline.h"

enum { RESEND_HEADERS = DEADLETTER_HEADERS_MAX + 2 };

struct resend {
	struct header headers[RESEND_HEADERS];
	struct kafka_out out;
};

/* The producer of all that is sent again for this pipeline: whoever else has it is fenced. id
 * lives as long as it. RETRY; HALT: a topic is not there. */
enum { RESEND_ID_SIZE = 300 };
enum fate resend_open(const struct pipeline *pipeline, char id[static RESEND_ID_SIZE],
    struct kafka_txn **ret_txn, struct err *err) NODISCARD;

/* What resend_fill's worker may be beside a worker's name: no sink has had it; and all sinks
 * have, it goes to its place in the topic again. */
#define RESEND_FOR_ALL  ((struct slice){ 0 })
#define RESEND_FOR_NONE SLICE("none")

/* topic, partition, key and value are set in .out before. */
void resend_fill(
    struct resend *resend, const struct header *headers, size_t count, struct slice worker);

/* All of them, or none. RETRY: this call goes on no more; what became of them is known to who
 * opens the same transactional id next. HALT. */
enum fate resend_commit(struct kafka_txn *txn, const struct kafka_out *outs, size_t count,
    struct err *err) NODISCARD;

#endif
