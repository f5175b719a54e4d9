/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused is halved until the guilty row stands alone. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sink/sink_ops.h"

size_t
sink_keep_pending(struct record **records, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (records[i]->outcome == OUTCOME_PENDING)
			records[kept++] = records[i];
	return kept;
}

enum fate
sink_halve(const struct sink_ops *ops, void *state, struct record **records, size_t count,
    const struct err *why, struct err *err)
{
	size_t half = count / 2;
	enum fate fate;

	if (count == 1) {
		sink_reject(records[0], "%s", why->what);
		return FATE_DONE;
	}
	fate = sink_deliver_halving(ops, state, records, half, err);
	if (fate != FATE_DONE)
		return fate;
	return sink_deliver_halving(ops, state, records + half, count - half, err);
}

enum fate
sink_deliver_halving(const struct sink_ops *ops, void *state, struct record **records,
    size_t count, struct err *err)
{
	struct err why = { 0 };

	for (;;) {
		size_t before = count = sink_keep_pending(records, count);
		enum fate fate;

		if (count == 0)
			return FATE_DONE;
		for (size_t i = 0; i < count; i++)
			records[i]->attempts++;
		fate = ops->deliver(state, records, count, &why);
		if (fate == FATE_RETRY || fate == FATE_HALT) {
			*err = why;
			return fate;
		}
		if (fate == FATE_DONE) {
			for (size_t i = 0; i < count; i++)
				if (records[i]->outcome == OUTCOME_PENDING)
					records[i]->outcome = OUTCOME_DONE;
			return FATE_DONE;
		}
		count = sink_keep_pending(records, count);
		if (count == before) /* nobody was named: look for the row */
			return sink_halve(ops, state, records, count, &why, err);
	}
}

void
sink_reject(struct record *record, const char *fmt, ...)
{
	va_list args;
	char *reason;

	va_start(args, fmt);
	must(vasprintf(&reason, fmt, args) >= 0);
	va_end(args);
	free(record->reason);
	record->reason = reason;
	record->outcome = OUTCOME_REJECTED;
}
