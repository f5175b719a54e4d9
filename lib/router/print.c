/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* A list as the file has it. */
static void
names(FILE *out, const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)fprintf(
		    out, "%s%s%s", i ? ", " : name, list[i], i + 1 < count ? "" : "]");
}

/* An address may hold a password before its '@', which libpq looks for up to a '/', and a
 * connection string as a setting. */
static void
address(const char *url, FILE *out)
{
	const char *user = strstr(url, "://"), *end, *colon;

	if (strcasestr(url, "password")) {
		(void)fprintf(out, ", url: '***'");
		return;
	}
	user = user ? user + 3 : url;
	end = user + strcspn(user, "/");
	end = memrchr(user, '@', (size_t)(end - user));
	colon = end ? memchr(user, ':', (size_t)(end - user)) : NULL;
	if (colon)
		(void)fprintf(out, ", url: %.*s:***%s", (int)(colon - url), url, end);
	else
		(void)fprintf(out, ", url: %s", url);
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
	names(out, "  hosts: [", s->hosts, s->host_count);
	if (s->host_count)
		(void)fprintf(out, "\n");
	text(out, "check.write", s->check.write);
	text(out, "check.undo", s->check.undo);
	text(out, "check.read", s->check.read);
	text(out, "check.engine", s->check.engine);
	limits(&s->limits, out);
	(void)fprintf(out,
	    "  history_max: %" PRId64 "\n  plans_max: %" PRId64 "\n  connections_max: %" PRId64
	    "\n  results_max: %" PRId64 "\n  results_keep: %" PRId64
	    "ms\n  token_wait: %" PRId64 "ms\n  drain: %" PRId64 "ms\n",
	    s->history_max, s->plans_max, s->connections_max, s->results_max,
	    s->results_keep_ms, s->token_wait_ms, s->drain_ms);
}

static void
member(FILE *out, const char *name, const char *value)
{
	if (value)
		(void)fprintf(out, ", %s: %s", name, value);
}

static void
engine(const struct registry_engine *e, FILE *out)
{
	(void)fprintf(out, "  %s: {kind: %s", e->name, registry_kind(e->kind));
	if (e->version)
		(void)fprintf(out, ", version: %u", e->version);
	if (e->url)
		address(e->url, out);
	member(out, "user", e->user);
	member(out, "password", e->password ? "'***'" : NULL);
	member(out, "database", e->database);
	member(out, "ca_file", e->ca_file);
	member(out, "kill_user", e->kill_user);
	member(out, "kill_password", e->kill_password ? "'***'" : NULL);
	member(out, "library", e->library);
	if (e->memory_mb)
		(void)fprintf(out, ", memory_mb: %u", e->memory_mb);
	for (size_t i = 0; i < e->file_count; i++)
		(void)fprintf(out, "%s%s: %s%s", i ? ", " : ", files: {", e->files[i].name,
		    e->files[i].path, i + 1 < e->file_count ? "" : "}");
	(void)fprintf(out, ", price_cpu_s: %g, price_gb_read: %g, start_up_s: %g}\n",
	    e->price_cpu_s, e->price_gb_read, e->start_up_s);
}

static const char *
governed(const struct registry_policy *p)
{
	return !p->masks ? "filtered" : !p->filter ? "masked" : "filtered and masked";
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
		(void)fprintf(
		    out, ", %s for %s", governed(&t->policies[i]), t->policies[i].role);
	(void)fprintf(out, "}\n");
}

static void
role(const struct registry_role *role, FILE *out)
{
	(void)fprintf(out, "  %s: {write: %s, ddl: %s, require_where: %s", role->name,
	    role->write ? "true" : "false", role->ddl ? "true" : "false",
	    role->require_where ? "true" : "false");
	names(out, ", tables: [", role->tables, role->table_count);
	names(out, ", functions: [", role->functions, role->function_count);
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
		role(&r->roles[i], out);
}
