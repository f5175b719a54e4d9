/* SPDX-License-Identifier: Apache-2.0 */
/* dlq_answer.h -- what becomes of one dead letter when it is sent again: a record of the
 * enriched topic, or a sentence that says why not and what to do.
 *
 * It asks Postgres for what enrich would ask for, and sends nothing. */
#ifndef CTL_DLQ_ANSWER_H
#define CTL_DLQ_ANSWER_H

#include "ctl/dlq_last.h"
#include "ctl/letter.h"
#include "ctl/resend.h"
#include "ctl/try.h"
#include "link/pg.h"

enum { DLQ_WHY_SIZE = 700 };

struct dlq_answers {
	const struct pipeline *pipeline;
	const struct dlq_last *last; /* what the enriched topic holds of a sink's keys */
	size_t size_max;             /* of a record */
	int64_t now_ms;
	/* its own */
	bool of_enrich;
	struct pg *pg;
	struct enrich_plan *plan;
	struct try *try;
};

/* One letter's. The message is held until dlq_answer_finish. */
struct dlq_answer {
	struct letter letter; /* borrows from message */
	struct kafka_message message;
	struct resend resend;
	struct buf text; /* of a record that was made anew */
	char why[DLQ_WHY_SIZE];
};

/* pipeline to now_ms are set before. worker: whose letters they are. RETRY or HALT. */
enum fate dlq_answers_open(
    struct dlq_answers *answers, const char *worker, struct err *err) NODISCARD;
void dlq_answers_close(struct dlq_answers *answers);

/* letter and message are set. *ret_sends: .resend is the record; else .why says why not.
 * RETRY, HALT: Postgres. */
enum fate dlq_answer(struct dlq_answers *answers, struct dlq_answer *answer, bool *ret_sends,
    struct err *err) NODISCARD;
void dlq_answer_finish(struct dlq_answer *answer);

#endif
