/* SPDX-License-Identifier: Apache-2.0 */
/* sluicectl lint: what keeps a pipeline from being exact, with what mends it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "call.h"
#include "work/catalog.h"
#include "work/lint.h"
#include "work/store.h"
#include "work/worker.h"

enum { KAFKA_MS = 10000, EXIT_REFUSED = 1 };

static enum fate
ask_topics(const struct pipeline *p, struct pg *pg, struct lint *lint, struct err *err)
{
	struct kafka_conf conf = { .brokers = p->kafka.brokers,
		.client_id = "sluicectl",
		.properties = p->kafka.properties,
		.property_count = p->kafka.property_count };
	struct kafka_admin *admin = NULL;
	struct sql_query *query = NULL;
	enum fate fate = query_open(pg, p, &query, err);

	if (fate == FATE_DONE)
		fate = kafka_admin_open(&admin, &conf, KAFKA_MS, err);
	if (fate == FATE_DONE)
		fate = lint_topics(p, query, admin, lint, err);
	kafka_admin_close(admin);
	sql_query_free(query);
	return fate;
}

static enum fate
ask_all(const struct pipeline *p, struct lint *lint, struct err *err)
{
	struct pg *pg = NULL;
	enum fate fate = postgres_open(p, "sluicectl", &pg, err);

	if (fate == FATE_DONE && p->has_enrich)
		fate = lint_source(pg, p, true, lint, err);
	if (fate == FATE_DONE && p->has_enrich)
		fate = ask_topics(p, pg, lint, err);
	if (fate == FATE_DONE && p->has_clickhouse)
		fate = store_lint(p, lint, err);
	pg_free(pg);
	return fate;
}

int
run_lint(struct call *call, struct err *err)
{
	struct lint *lint = calloc(1, sizeof *lint);
	char line[sizeof lint->findings[0].what + 200];
	size_t refused = 0;
	enum fate fate;

	must(lint);
	fate = ask_all(call->pipeline, lint, err);
	for (size_t i = 0; i < lint->count; i++) {
		const struct lint_finding *f = &lint->findings[i];

		refused += f->refused;
		(void)snprintf(line, sizeof line, "%s:%u:%u: %s: %s", f->file, f->line,
		    f->column, f->refused ? "refused" : "warning", f->what);
		call_say(line);
	}
	free(lint);
	if (fate != FATE_DONE)
		return call_fail(err);
	return refused ? EXIT_REFUSED : EXIT_ASKED;
}
