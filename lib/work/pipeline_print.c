/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "work/pipeline.h"

static void
print_text(struct buf *out, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "%s: '", key);
	for (; *value; value++)
		buf_printf(out, *value == '\'' ? "''" : "%c", *value);
	buf_cstr(out, "'\n");
}

static void
print_secret(struct buf *out, const char *key, const char *value)
{
	if (value && *value)
		buf_printf(out, "%s: '***'\n", key);
}

static void
print_list(struct buf *out, const char *key, const struct pipeline_list *list)
{
	buf_printf(out, "%s: [", key);
	for (size_t i = 0; i < list->count; i++)
		buf_printf(out, "%s%s", i ? ", " : "", list->items[i]);
	buf_cstr(out, "]\n");
}

/* A url's user information is a secret too. */
static void
print_url(struct buf *out, const char *key, const char *url)
{
	const char *host = strstr(url, "://");
	const char *at = host ? strchr(host, '@') : NULL;

	if (at)
		buf_printf(out, "%s: '%.*s***%s'\n", key, (int)(host + 3 - url), url, at);
	else
		print_text(out, key, url);
}

static void
print_sinks(const struct pipeline *p, struct buf *out)
{
	if (p->has_clickhouse) {
		const struct pipeline_clickhouse *c = &p->clickhouse;

		buf_cstr(out, "clickhouse:\n");
		print_url(out, "  url", c->url);
		print_text(out, "  user", c->user);
		print_secret(out, "  password", c->password);
		print_text(out, "  database", c->database);
		print_text(out, "  table", c->table);
		print_text(out, "  ddl", c->ddl_file);
		buf_printf(out,
		    "  batch_rows: %" PRId64 "\n  batch_bytes: %" PRId64
		    "\n  batch_age: %" PRId64 "ms\n",
		    c->batch_rows, c->batch_bytes, c->batch_age_ms);
		print_text(out, "  listen", c->listen);
	}
	if (p->has_leaderboard) {
		const struct pipeline_leaderboard *l = &p->leaderboard;

		buf_cstr(out, "leaderboard:\n");
		print_url(out, "  url", l->url);
		print_secret(out, "  password", l->password);
		buf_cstr(out, "  boards:\n");
		for (size_t i = 0; i < l->board_count; i++) {
			print_text(out, "    - key", l->boards[i].key);
			print_text(out, "      member", l->boards[i].member);
			print_text(out, "      at", l->boards[i].at);
			print_text(out, "      score", l->boards[i].score);
			buf_printf(out,
			    "      window: %" PRId64 "ms\n      bucket: %" PRId64 "ms\n",
			    l->boards[i].window_ms, l->boards[i].bucket_ms);
		}
		buf_printf(out, "  batch_rows: %" PRId64 "\n  batch_age: %" PRId64 "ms\n",
		    l->batch_rows, l->batch_age_ms);
		print_text(out, "  listen", l->listen);
	}
	if (p->has_http) {
		const struct pipeline_http *h = &p->http;

		buf_cstr(out, "http:\n");
		print_url(out, "  url", h->url);
		print_secret(out, "  secret", h->secret);
		buf_printf(out, "  allow_private: %s\n  snapshot: %s\n",
		    h->allow_private ? "true" : "false",
		    h->deliver_snapshot ? "deliver" : "skip");
		buf_printf(out,
		    "  lanes: %" PRId64 "\n  timeout: %" PRId64 "ms\n  in_flight_max: %" PRId64
		    "\n  retry_for: %" PRId64 "ms\n  pause_max: %" PRId64 "ms\n",
		    h->lanes, h->timeout_ms, h->in_flight_max, h->retry_for_ms,
		    h->pause_max_ms);
		print_text(out, "  listen", h->listen);
	}
}

void
pipeline_print(const struct pipeline *p, struct buf *out)
{
	const struct pipeline_enrich *e = &p->enrich;

	print_text(out, "name", p->name);
	buf_cstr(out, "postgres:\n");
	print_text(out, "  host", p->postgres.host);
	buf_printf(out, "  port: %" PRId64 "\n", p->postgres.port);
	print_text(out, "  database", p->postgres.database);
	print_text(out, "  user", p->postgres.user);
	print_secret(out, "  password", p->postgres.password);
	buf_printf(
	    out, "  statement_timeout: %" PRId64 "ms\n", p->postgres.statement_timeout_ms);
	buf_cstr(out, "kafka:\n");
	print_text(out, "  brokers", p->kafka.brokers);
	print_text(out, "  connect", p->kafka.connect);
	if (p->kafka.property_count)
		buf_cstr(out, "  properties:\n");
	for (size_t i = 0; i < p->kafka.property_count; i++) {
		const struct kafka_property *property = &p->kafka.properties[i];

		if (strstr(property->key, "password") || strstr(property->key, "secret"))
			buf_printf(out, "    %s: '***'\n", property->key);
		else
			buf_printf(out, "    %s: '%s'\n", property->key, property->value);
	}
	buf_cstr(out, "source:\n");
	print_text(out, "  prefix", p->prefix);
	print_text(out, "  connector", p->connector_file);
	buf_cstr(out, "enrich:\n");
	print_text(out, "  sql", e->sql_file);
	print_text(out, "  topic", e->topic);
	buf_printf(out, "  partitions: %" PRId64 "\n", e->partitions);
	print_list(out, "  key", &e->key);
	print_list(out, "  identity", &e->identity);
	buf_printf(out,
	    "  generation: %" PRId64 "\n  on_truncate: %s\n  on_dimension_change: %s\n",
	    e->generation, e->on_truncate == TRUNCATE_STOP ? "stop" : "ignore",
	    e->on_dimension_change == DIMENSION_REFRESH ? "refresh" : "keep");
	buf_printf(out,
	    "  batch_rows: %" PRId64 "\n  batch_bytes: %" PRId64 "\n  linger: %" PRId64
	    "ms\n  cache_bytes: %" PRId64 "\n  cache_ttl: %" PRId64 "ms\n",
	    e->batch_rows, e->batch_bytes, e->linger_ms, e->cache_bytes, e->cache_ttl_ms);
	print_text(out, "  listen", e->listen);
	print_sinks(p, out);
}
