/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "work/pipeline_ops.h"

void
pipeline_print_text(struct buf *out, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "%s%s '", key, key[strlen(key) - 1] == '-' ? "" : ":");
	for (; *value; value++)
		buf_printf(out, *value == '\'' ? "''" : "%c", *value);
	buf_cstr(out, "'\n");
}

void
pipeline_print_secret(struct buf *out, const char *key, const char *value)
{
	if (value && *value)
		buf_printf(out, "%s: '***'\n", key);
}

void
pipeline_print_list(struct buf *out, const char *key, const struct pipeline_list *list)
{
	buf_printf(out, "%s: [", key);
	for (size_t i = 0; i < list->count; i++)
		buf_printf(out, "%s%s", i ? ", " : "", list->items[i]);
	buf_cstr(out, "]\n");
}

void
pipeline_print_url(struct buf *out, const char *key, const char *url)
{
	const char *host = strstr(url, "://");
	const char *at = host ? strrchr(host, '@') : NULL; /* a password may hold one, too */

	if (at)
		buf_printf(out, "%s%s '%.*s***%s'\n", key,
		    key[strlen(key) - 1] == '-' ? "" : ":", (int)(host + 3 - url), url, at);
	else
		pipeline_print_text(out, key, url);
}

static void
print_sinks(const struct pipeline *p, struct buf *out)
{
	if (p->has_clickhouse)
		pipeline_print_clickhouse(p, out);
	if (p->has_leaderboard) {
		const struct pipeline_leaderboard *l = &p->leaderboard;

		buf_cstr(out, "leaderboard:\n");
		pipeline_print_url(out, "  url", l->url);
		pipeline_print_text(out, "  user", l->user);
		pipeline_print_secret(out, "  password", l->password);
		buf_cstr(out, "  boards:\n");
		for (size_t i = 0; i < l->board_count; i++) {
			pipeline_print_text(out, "    - key", l->boards[i].key);
			pipeline_print_text(out, "      member", l->boards[i].member);
			pipeline_print_text(out, "      at", l->boards[i].at);
			pipeline_print_text(out, "      score", l->boards[i].score);
			buf_printf(out,
			    "      window: %" PRId64 "ms\n      bucket: %" PRId64 "ms\n",
			    l->boards[i].window_ms, l->boards[i].bucket_ms);
			if (l->boards[i].top)
				buf_printf(out, "      top: %" PRId64 "\n", l->boards[i].top);
		}
		buf_printf(out, "  batch_rows: %" PRId64 "\n  batch_age: %" PRId64 "ms\n",
		    l->batch_rows, l->batch_age_ms);
		pipeline_print_text(out, "  listen", l->listen);
	}
	pipeline_print_http(p, out);
}

static void
print_enrich(const struct pipeline_enrich *e, struct buf *out)
{
	buf_cstr(out, "enrich:\n");
	pipeline_print_text(out, "  sql", e->sql_file);
	pipeline_print_text(out, "  topic", e->topic);
	buf_printf(out, "  partitions: %" PRId64 "\n", e->partitions);
	pipeline_print_list(out, "  key", &e->key);
	pipeline_print_list(out, "  identity", &e->identity);
	buf_printf(out,
	    "  generation: %" PRId64 "\n  on_truncate: %s\n  on_dimension_change: %s\n",
	    e->generation, e->on_truncate == TRUNCATE_STOP ? "stop" : "ignore",
	    e->on_dimension_change == DIMENSION_REFRESH ? "refresh" : "keep");
	buf_printf(out,
	    "  sink_outage_max: %" PRId64 "ms\n  refresh_rows_max: %" PRId64
	    "\n  batch_rows: %" PRId64 "\n  batch_bytes: %" PRId64 "\n  linger: %" PRId64
	    "ms\n  cache_bytes: %" PRId64 "\n  cache_ttl: %" PRId64 "ms\n",
	    e->sink_outage_max_ms, e->refresh_rows_max, e->batch_rows, e->batch_bytes,
	    e->linger_ms, e->cache_bytes, e->cache_ttl_ms);
	pipeline_print_text(out, "  listen", e->listen);
}

void
pipeline_print(const struct pipeline *p, struct buf *out)
{
	pipeline_print_text(out, "name", p->name);
	if (p->memory_max)
		buf_printf(out, "memory_max: %" PRId64 "\n", p->memory_max);
	buf_cstr(out, "postgres:\n");
	pipeline_print_text(out, "  host", p->postgres.host);
	buf_printf(out, "  port: %" PRId64 "\n", p->postgres.port);
	pipeline_print_text(out, "  database", p->postgres.database);
	pipeline_print_text(out, "  user", p->postgres.user);
	pipeline_print_secret(out, "  password", p->postgres.password);
	buf_printf(
	    out, "  statement_timeout: %" PRId64 "ms\n", p->postgres.statement_timeout_ms);
	buf_cstr(out, "kafka:\n");
	pipeline_print_text(out, "  brokers", p->kafka.brokers);
	pipeline_print_text(out, "  connect", p->kafka.connect);
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
	pipeline_print_text(out, "  prefix", p->prefix);
	pipeline_print_text(out, "  connector", p->connector_file);
	if (p->has_enrich)
		print_enrich(&p->enrich, out);
	print_sinks(p, out);
}
