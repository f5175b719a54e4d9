/* SPDX-License-Identifier: Apache-2.0 */
#include "work/gap.h"

#include "base/must.h"
#include "work/statements.h"

static int64_t
number_at(const struct pg_result *result, size_t column, int64_t otherwise)
{
	int64_t number;

	return slice_i64(pg_result_text(result, 0, column), &number) ? number : otherwise;
}

enum fate
gap_ask(struct pg *pg, const char *slot, struct gap_world *ret, struct err *err)
{
	struct slice param = slot ? slice_str(slot) : (struct slice){ 0 };
	struct pg_result result = { 0 };
	enum fate fate =
	    pg_query(pg, &(struct pg_query){ statement_postgres_gap, &param, 1 }, &result, err);

	if (fate == FATE_DONE) {
		must(result.row_count == 1);
		*ret = (struct gap_world){ .system = number_at(&result, 0, 0),
			.timeline = number_at(&result, 1, 0),
			.epoch = number_at(&result, 2, 0),
			.txns = slot ? number_at(&result, 3, -1) : 0 };
	}
	pg_result_clear(&result);
	return fate == FATE_DONE ? fate : err_wrap(err, "ask which Postgres this is");
}

const char *
gap_between(const struct gap_world *before, const struct gap_world *now)
{
	if (before->system == 0 || now->system == 0)
		return NULL;
	if (before->system != now->system)
		return "Postgres is another system";
	if (before->timeline != now->timeline)
		return "Postgres is on another timeline";
	if (before->txns >= 0 && now->txns < 0)
		return "the slot is gone";
	if (now->epoch < before->epoch || /* the old one's count had been reset since */
	    (before->epoch == now->epoch && now->txns < before->txns))
		return "the slot was made again";
	return NULL;
}

void
gap_remember(struct gap *gap, const struct gap_world *seen)
{
	if (seen->system == 0)
		return;
	for (size_t i = 0; i < gap->count; i++) {
		struct gap_world *known = &gap->seen[i];

		if (known->system != seen->system || known->timeline != seen->timeline ||
		    known->epoch != seen->epoch)
			continue;
		if (known->txns > seen->txns)
			known->txns = seen->txns; /* a partition that was quiet since */
		return;
	}
	if (gap->count < GAP_SEEN_MAX)
		gap->seen[gap->count++] = *seen;
}

const char *
gap_judge(struct gap *gap, const struct gap_world *now)
{
	const char *why = NULL;

	for (size_t i = 0; i < gap->count; i++) {
		why = gap_between(&gap->seen[i], now);
		if (!why)
			break;
	}
	gap->seen[0] = *now;
	gap->count = 1;
	return why;
}
