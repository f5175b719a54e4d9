/* SPDX-License-Identifier: Apache-2.0 */
/* dlq_replay.h -- dead letters of one worker, sent again.
 *
 * A sink's record goes to the enriched topic again as it lies in the letter. Of an event
 * that enrich refused is made the record that enrich would make now, under the version that
 * the event has always had; Debezium's topic, which others read as well, stays as it is.
 * So a newer row wins either way. An event older than sink_outage_max is sent with its
 * row's values of now: a newer delete may have left the topic, and must not be undone.
 *
 * The records and the notes of their letters (letter.h) are one transaction, under a
 * transactional id that one call at a time holds, and the notes are read after it is held:
 * a call that died and is made again sends nothing twice, nor does a second letter of the
 * same message, which a worker writes when its position was reset. What still cannot be sent
 * stays a letter, with a sentence why; what a sink refuses again becomes a new letter. Behind
 * an old record its key's newest is put (dlq_last.h). A mirror's letters are refused: the topic
 * that they would go to is Debezium's. */
#ifndef CTL_DLQ_REPLAY_H
#define CTL_DLQ_REPLAY_H

#include "ctl/dlq.h"

struct dlq_replay_counts {
	size_t sent;  /* or would be */
	size_t stay;  /* chosen, and cannot be sent */
	size_t known; /* chosen, and sent before */
};

/* options->select.worker is set. RETRY: not now; what was sent by then is noted. */
enum fate dlq_replay(const struct pipeline *pipeline, const struct dlq_options *options,
    struct dlq_replay_counts *ret_counts, struct err *err) NODISCARD;

#endif
