/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_ops.h"

static const struct engine_ops *const drivers[ENGINE_KINDS] = {
	[ENGINE_POSTGRES] = &engine_postgres,
	[ENGINE_CLICKHOUSE] = &engine_clickhouse,
	[ENGINE_REDIS] = &engine_redis,
	[ENGINE_TRINO] = &engine_trino,
	[ENGINE_DUCKDB] = &engine_duckdb,
	[ENGINE_DATABRICKS] = NULL,
};

const struct engine_ops *
engine_ops_of(enum engine_kind kind)
{
	return drivers[kind];
}
