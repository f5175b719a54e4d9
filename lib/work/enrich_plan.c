/* SPDX-License-Identifier: Apache-2.0 */
#include "work/enrich_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wire/json.h"
#include "work/catalog.h"
#include "work/watch.h"
#include "work/worker.h"

/* What stands before a member's value in an object. */
static void
member_fill(struct buf *ret_member, const char *name, bool is_first)
{
	buf_byte(ret_member, is_first ? '{' : ',');
	json_quote(ret_member, slice_str(name));
	buf_byte(ret_member, ':');
}

static void
list_finish(struct plan_list *list)
{
	for (size_t i = 0; i < PIPELINE_KEYS_MAX; i++)
		buf_finish(&list->items[i].member);
}

static enum fate
list_fill(struct enrich_plan *plan, const struct pipeline_list *names, struct plan_list *ret,
    struct err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		struct plan_column *item = &ret->items[i];
		enum fate fate = query_fact_column(
		    plan->query, names->items[i], &item->result, &item->column, err);

		if (fate != FATE_DONE)
			return err_wrap(err, "%s", plan->pipeline->file);
		item->name = sql_query_results(plan->query)[item->result].name;
		item->type = plan->fact->columns[item->column].type;
		member_fill(&item->member, item->name, i == 0);
	}
	ret->count = names->count;
	return FATE_DONE;
}

static void
members_fill(struct enrich_plan *plan)
{
	plan->result_count = sql_query_result_count(plan->query);
	plan->members = calloc(plan->result_count, sizeof *plan->members);
	must(plan->members);
	for (size_t i = 0; i < plan->result_count; i++)
		member_fill(&plan->members[i], sql_query_results(plan->query)[i].name, i == 0);
}

static enum fate
sources_fill(struct enrich_plan *plan, struct err *err)
{
	plan->source_count = sql_query_source_count(plan->query);
	if (plan->source_count == 0)
		return err_code(err, FATE_HALT, CODE_CONFIG, "%s: the query has no FROM",
		    plan->pipeline->enrich.sql_file);
	plan->fact = sql_query_source(plan->query, 0);
	if (plan->fact->key_count == 0)
		return err_code(err, FATE_HALT, CODE_CONFIG,
		    "table %s.%s has no usable unique key, so its rows have no names",
		    plan->fact->schema, plan->fact->table);
	for (size_t i = 0; i < plan->source_count; i++) {
		const struct sql_source *source = sql_query_source(plan->query, i);

		plan->lookups[i] = lookup_new(source);
		if (i > 0)
			plan->dimensions[i] =
			    dimension_new(source->columns, source->column_count,
				(size_t)plan->pipeline->enrich.cache_bytes /
				    (plan->source_count - 1),
				plan->pipeline->enrich.cache_ttl_ms);
	}
	plan->fact_change = change_reader_new();
	plan->fact_row = row_plan_new(plan->fact->columns, plan->fact->column_count);
	(void)snprintf(
	    plan->table, sizeof plan->table, "%s.%s", plan->fact->schema, plan->fact->table);
	plan->table_len = strlen(plan->table);
	(void)snprintf(plan->fact_topic, sizeof plan->fact_topic, "%s.%s",
	    plan->pipeline->prefix, plan->table);
	return FATE_DONE;
}

enum fate
enrich_plan_open(struct pg *pg, const struct pipeline *pipeline, struct enrich_plan **ret_plan,
    struct err *err)
{
	struct enrich_plan *plan = NULL;
	struct sql_query *query;
	enum fate fate = query_open(pg, pipeline, &query, err);

	if (fate == FATE_DONE)
		fate = enrich_plan_of(query, pipeline, &plan, err);
	if (fate != FATE_DONE)
		return fate;
	fate = watch_open(pg, query, &plan->watch, err);
	if (fate == FATE_DONE)
		*ret_plan = plan;
	else
		enrich_plan_free(plan);
	return fate;
}

enum fate
enrich_plan_of(struct sql_query *query, const struct pipeline *pipeline,
    struct enrich_plan **ret_plan, struct err *err)
{
	struct enrich_plan *plan = calloc(1, sizeof *plan);
	enum fate fate;

	must(plan);
	plan->pipeline = pipeline;
	plan->query = query;
	fate = sources_fill(plan, err);
	if (fate == FATE_DONE)
		fate = list_fill(plan, &pipeline->enrich.key, &plan->key, err);
	if (fate == FATE_DONE)
		fate = list_fill(plan, &pipeline->enrich.identity, &plan->identity, err);
	if (fate != FATE_DONE) {
		enrich_plan_free(plan);
		return fate;
	}
	members_fill(plan);
	*ret_plan = plan;
	return FATE_DONE;
}

void
enrich_plan_free(struct enrich_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < SQL_SOURCES_MAX; i++) {
		lookup_free(plan->lookups[i]);
		dimension_free(plan->dimensions[i]);
	}
	for (size_t i = 0; plan->members && i < plan->result_count; i++)
		buf_finish(&plan->members[i]);
	free(plan->members);
	change_reader_free(plan->fact_change);
	list_finish(&plan->key);
	list_finish(&plan->identity);
	watch_free(plan->watch);
	row_plan_free(plan->fact_row);
	sql_query_free(plan->query);
	free(plan);
}
