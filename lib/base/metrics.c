/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <inttypes.h>

#include "base/must.h"

static struct {
	struct metric *rows;
	size_t count;
} tables[METRICS_TABLES];
static size_t table_count;

void
metrics_register(struct metric *rows, size_t count)
{
	must(table_count < METRICS_TABLES);
	tables[table_count].rows = rows;
	tables[table_count++].count = count;
}

static void
print_metric(struct buf *out, const struct metric *metric, const struct metric *previous)
{
	if (!previous || strcmp(previous->name, metric->name) != 0)
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
		    metric->name, metric->kind == METRIC_COUNTER ? "counter" : "gauge");
	buf_printf(out, "%s%s%s%s %" PRId64 "\n", metric->name, metric->labels ? "{" : "",
	    metric->labels ? metric->labels : "", metric->labels ? "}" : "",
	    metric_get(metric));
}

void
metrics_print(struct buf *out)
{
	for (size_t t = 0; t < table_count; t++)
		for (size_t i = 0; i < tables[t].count; i++)
			print_metric(
			    out, &tables[t].rows[i], i ? &tables[t].rows[i - 1] : NULL);
}
