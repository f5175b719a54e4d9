/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "router/ops.h"

static void
text(FILE *out, const char *name, const char *value)
{
	if (value)
		(void)fprintf(out, "  %s: %s\n", name, value);
}

static void
limits(const struct registry_limits *l, FILE *out)
{
	(void)fprintf(out,
	    "  limits: {rate: %g, concurrency: %" PRId64 ", rows: %" PRId64 ", bytes: %" PRId64
	    ", time: %" PRId64 "ms}\n",
	    l->rate, l->concurrency, l->rows, l->bytes, l->time_ms);
}

static void
server(const struct registry_server *s, FILE *out)
{
	(void)fprintf(out, "server:\n");
	text(out, "listen", s->listen);
	text(out, "keys_file", s->keys_file);
	text(out, "anonymous", s->anonymous);
	text(out, "audit_file", s->audit_file);
	text(out, "token_key_file", s->token_key_file);
	for (size_t i = 0; i < s->host_count; i++)
		(void)fprintf(out, "  %s%s%s", i ? "" : "hosts: [", s->hosts[i],
		    i + 1 == s->host_count ? "]\n" : ",");
	limits(&s->limits, out);
	(void)fprintf(out,
	    "  history_max: %" PRId64 "\n  plans_max: %" PRId64 "\n  connections_max: %" PRId64
	    "\n  results_max: %" PRId64 "\n  results_keep: %" PRId64
	    "ms\n  token_wait: %" PRId64 "ms\n  drain: %" PRId64 "ms\n",
	    s->history_max, s->plans_max, s->connections_max, s->results_max,
	    s->results_keep_ms, s->token_wait_ms, s->drain_ms);
}

static void
engine(const struct registry_engine *e, FILE *out)
{
	(void)fprintf(out, "  %s: {kind: %s", e->name, registry_kind(e->kind));
	if (e->version)
		(void)fprintf(out, ", version: %u", e->version);
	if (e->url)
		(void)fprintf(out, ", url: %s", e->url);
	if (e->user)
		(void)fprintf(out, ", user: %s", e->user);
	if (e->database)
		(void)fprintf(out, ", database: %s", e->database);
	if (e->password)
		(void)fprintf(out, ", password: '***'");
	(void)fprintf(out, ", price_cpu_s: %g, price_gb_read: %g, start_up_s: %g}\n",
	    e->price_cpu_s, e->price_gb_read, e->start_up_s);
}

static void
table(const struct registry *r, const struct registry_table *t, FILE *out)
{
	const char *between = "";

	(void)fprintf(out, "  %s.%s: {columns: %zu, engines: {", t->table.schema, t->table.name,
	    t->table.column_count);
	for (size_t e = 0; e < r->engine_count; e++) {
		const struct registry_placement *p = &t->placements[e];

		if (!p->path_count)
			continue;
		(void)fprintf(out, "%s%s: ", between, r->engines[e].name);
		for (size_t i = 0; i < p->path_count; i++)
			(void)fprintf(out, "%s%s", i ? "." : "", p->path[i]);
		if (t->replicas & 1u << e)
			(void)fprintf(out, " (replica)");
		between = ", ";
	}
	(void)fprintf(out, "}");
	for (size_t i = 0; i < t->policy_count; i++)
		(void)fprintf(out, ", %s for %s", t->policies[i].masks ? "masked" : "filtered",
		    t->policies[i].role);
	(void)fprintf(out, "}\n");
}

void
router_print(const struct registry *r, FILE *out)
{
	(void)fprintf(out, "# %s\nrouting: %s\n", r->file,
	    r->routing == ROUTING_COST ? "cost" : "literal");
	server(&r->server, out);
	(void)fprintf(out, "engines:\n");
	for (size_t i = 0; i < r->engine_count; i++)
		engine(&r->engines[i], out);
	(void)fprintf(out, "sources:\n");
	for (size_t i = 0; i < r->source_count; i++)
		text(out, r->sources[i].name, r->sources[i].file);
	(void)fprintf(out, "tables:\n");
	for (size_t i = 0; i < r->table_count; i++)
		table(r, &r->tables[i], out);
	(void)fprintf(out, "roles:\n");
	for (size_t i = 0; i < r->role_count; i++)
		(void)fprintf(out,
		    "  %s: {write: %s, ddl: %s, require_where: %s, tables: %zu}\n",
		    r->roles[i].name, r->roles[i].write ? "true" : "false",
		    r->roles[i].ddl ? "true" : "false",
		    r->roles[i].require_where ? "true" : "false", r->roles[i].table_count);
}
