/* SPDX-License-Identifier: Apache-2.0 */
/* The connector's contract: settings that change what events say, against the file that
 * bootstrap registers. */
#include <stdio.h>
#include <string.h>

#include "work/lint.h"

static const struct rule {
	const char *name, *want;
	bool absent;  /* Debezium's default is what is wanted */
	bool refused; /* else a warning */
	const char *why;
} rules[] = {
	{ "plugin.name", "pgoutput", false, true,
	    "other plug-ins write other events, and a publication is pgoutput's" },
	{ "tombstones.on.delete", "true", true, false,
	    "readers of the source topic keep deleted rows" },
	{ "provide.transaction.metadata", "false", true, false,
	    "transactions' topics and counts are not used here" },
	{ "topic.creation.enable", "false", false, false,
	    "a topic made by itself has another partition count" },
	{ "publication.autocreate.mode", "disabled", false, false,
	    "a publication made by itself may hold too few tables" },
	{ "heartbeat.interval.ms", "1000", false, false,
	    "what is known of how far the sinks are is as old as the heartbeat" },
	{ "poll.interval.ms", "10", false, false,
	    "changes wait for up to half a second at Debezium's default" },
};

struct lint_place
lint_setting_place(const struct connector *c, const char *name)
{
	const struct yaml_node *node = c->config;

	for (size_t i = 0; i < c->config->count; i++)
		if (strcmp(c->config->keys[i], name) == 0)
			node = c->config->key_nodes[i];
	return (struct lint_place){ yaml_name(c->yaml), node->line, node->column };
}

static void
lint_rules(const struct lint_input *in, struct lint *lint)
{
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		const struct rule *rule = &rules[i];
		const char *text = connector_setting(in->connector, rule->name);

		if (text ? strcmp(text, rule->want) == 0 : rule->absent)
			continue;
		lint_add(lint, rule->refused, lint_setting_place(in->connector, rule->name),
		    "\"%s\": \"%s\" is wanted: %s", rule->name, rule->want, rule->why);
	}
}

/* A truncated table whose t is skipped lives on in the sinks. */
static void
lint_skipped(const struct lint_input *in, struct lint *lint)
{
	static const char name[] = "skipped.operations";
	const char *text = connector_setting(in->connector, name);

	if (text && strcmp(text, "none") == 0)
		return;
	lint_add(lint,
	    text ? strpbrk(text, "cud") || in->pipeline->enrich.on_truncate != TRUNCATE_IGNORE
		 : in->pipeline->enrich.on_truncate != TRUNCATE_IGNORE,
	    lint_setting_place(in->connector, name),
	    "\"%s\": \"none\" is wanted: %s are not sent, and their rows stay in the sinks",
	    name, text && strpbrk(text, "cud") ? "changes" : "truncations");
}

static void
lint_prefix(const struct lint_input *in, struct lint *lint)
{
	const char *text = connector_setting(in->connector, "topic.prefix");

	if (!text || strcmp(text, in->pipeline->prefix) != 0)
		lint_add(lint, true, lint_setting_place(in->connector, "topic.prefix"),
		    "\"topic.prefix\" is %s, and the pipeline reads %s.*: they must be the "
		    "same",
		    text ? text : "missing", in->pipeline->prefix);
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);

	return len >= tail && strcmp(text + len - tail, end) == 0;
}

static void
lint_converters(const struct lint_input *in, struct lint *lint)
{
	static const char *const names[] = { "key.converter", "value.converter" };

	for (size_t i = 0; i < 2; i++) {
		const char *text = connector_setting(in->connector, names[i]);

		if (text && !ends_with(text, ".JsonConverter"))
			lint_add(lint, true, lint_setting_place(in->connector, names[i]),
			    "\"%s\": events are read as JSON alone: "
			    "org.apache.kafka.connect.json.JsonConverter",
			    names[i]);
	}
}

/* Unscaled bytes without their scale: nobody knows the number. */
static void
lint_decimals(const struct lint_input *in, struct lint *lint)
{
	static const char name[] = "decimal.handling.mode";
	const char *mode = connector_setting(in->connector, name);
	const char *schemas =
	    connector_setting(in->connector, "value.converter.schemas.enable");
	bool schemaless = schemas && strcmp(schemas, "false") == 0;
	bool precise = !mode || strcmp(mode, "precise") == 0;
	bool inexact = mode && strcmp(mode, "double") == 0;

	if (!inexact && !(precise && schemaless))
		return;
	for (size_t s = 0; s < sql_query_source_count(in->query); s++) {
		const struct sql_source *source = sql_query_source(in->query, s);

		for (size_t i = 0; i < source->column_count; i++) {
			if (source->columns[i].type.kind != TYPE_NUMERIC)
				continue;
			lint_add(lint, true, lint_setting_place(in->connector, name),
			    "\"%s\": \"string\" is wanted: %s.%s.%s is numeric, and %s", name,
			    source->schema, source->table, source->columns[i].name,
			    inexact ? "a double is not exact"
				    : "precise does not tell its scale without schemas");
			return;
		}
	}
}

static bool
list_holds(const char *list, const char *item)
{
	size_t len = strlen(item);

	while (*list) {
		size_t part = strcspn(list, ",");

		if (part == len && memcmp(list, item, len) == 0)
			return true;
		list += part + (list[part] == ',');
		list += strspn(list, " ");
	}
	return false;
}

static void
lint_tables(const struct lint_input *in, struct lint *lint)
{
	static const char name[] = "table.include.list";
	const char *list = connector_setting(in->connector, name);
	char table[200];

	for (size_t s = 0; list && s < sql_query_source_count(in->query); s++) {
		const struct sql_source *source = sql_query_source(in->query, s);

		(void)snprintf(table, sizeof table, "%s.%s", source->schema, source->table);
		if (strpbrk(list, "*\\[(") || list_holds(list, table))
			continue; /* a pattern is for Debezium to read */
		lint_add(lint, s == 0, lint_setting_place(in->connector, name),
		    s == 0 ? "\"%s\" lacks %s, whose changes the pipeline carries"
			   : "\"%s\" lacks %s: its changes are seen when cached rows grow old, "
			     "and facts are not sent again",
		    name, table);
	}
}

static void
lint_channels(const struct lint_input *in, struct lint *lint)
{
	const char *table = connector_setting(in->connector, "signal.data.collection");
	const char *channels = connector_setting(in->connector, "signal.enabled.channels");

	if (!table && sql_query_source_count(in->query) > 1 &&
	    in->pipeline->enrich.on_dimension_change == DIMENSION_REFRESH)
		lint_add(lint, false,
		    lint_setting_place(in->connector, "signal.data.collection"),
		    "no \"signal.data.collection\": facts of a changed dimension row are not "
		    "sent again");
	if (table && channels && !list_holds(channels, "source"))
		lint_add(lint, true,
		    lint_setting_place(in->connector, "signal.enabled.channels"),
		    "\"signal.enabled.channels\" lacks source: signals are rows of %s", table);
	if (!connector_setting(in->connector, "heartbeat.action.query"))
		lint_add(lint, false,
		    lint_setting_place(in->connector, "heartbeat.action.query"),
		    "no \"heartbeat.action.query\": verify and freshness stand still while the "
		    "database is idle and others write");
}

/* The partition must follow from the key alone, by the default partitioner. */
static void
lint_partitioner(const struct lint_input *in, struct lint *lint)
{
	const struct yaml_node *config = in->connector->config;

	for (size_t i = 0; i < config->count; i++)
		if (strcmp(config->keys[i], "producer.override.partitioner.class") == 0 ||
		    ends_with(config->items[i]->text, ".PartitionRouting"))
			lint_add(lint, true, lint_setting_place(in->connector, config->keys[i]),
			    "\"%s\" chooses partitions its own way, and the order of a key "
			    "breaks: "
			    "take it out",
			    config->keys[i]);
}

void
lint_connector(const struct lint_input *in, struct lint *lint)
{
	lint_prefix(in, lint);
	lint_converters(in, lint);
	lint_rules(in, lint);
	lint_skipped(in, lint);
	lint_decimals(in, lint);
	lint_tables(in, lint);
	lint_channels(in, lint);
	lint_partitioner(in, lint);
}
