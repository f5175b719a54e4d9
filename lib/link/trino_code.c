/* SPDX-License-Identifier: Apache-2.0 */
#include "link/trino_code.h"

/* Names: io.trino.spi.StandardErrorCode of Trino 476. */
static const struct {
	const char *name;
	enum fate fate;
	const char *code;
} names[] = {
	{ "SYNTAX_ERROR", FATE_REJECT, "42601" },
	{ "TABLE_NOT_FOUND", FATE_HALT, "42P01" },
	{ "SCHEMA_NOT_FOUND", FATE_HALT, "3F000" },
	{ "CATALOG_NOT_FOUND", FATE_HALT, "3D000" },
	{ "COLUMN_NOT_FOUND", FATE_HALT, "42703" },
	{ "FUNCTION_NOT_FOUND", FATE_REJECT, "42883" },
	{ "TYPE_NOT_FOUND", FATE_REJECT, "42704" },
	{ "TYPE_MISMATCH", FATE_REJECT, "42804" },
	{ "AMBIGUOUS_NAME", FATE_REJECT, "42702" },
	{ "MISMATCHED_COLUMN_ALIASES", FATE_REJECT, "42P10" },
	{ "EXPRESSION_NOT_AGGREGATE", FATE_REJECT, "42803" },
	{ "DIVISION_BY_ZERO", FATE_REJECT, "22012" },
	{ "NUMERIC_VALUE_OUT_OF_RANGE", FATE_REJECT, "22003" },
	{ "INVALID_CAST_ARGUMENT", FATE_REJECT, "22P02" },
	{ "INVALID_LITERAL", FATE_REJECT, "22P02" },
	{ "INVALID_FUNCTION_ARGUMENT", FATE_REJECT, "22023" },
	{ "INVALID_PARAMETER_USAGE", FATE_REJECT, "08P01" },
	{ "SUBQUERY_MULTIPLE_ROWS", FATE_REJECT, "21000" },
	{ "NOT_SUPPORTED", FATE_REJECT, "0A000" },
	{ "QUERY_TEXT_TOO_LARGE", FATE_REJECT, "54000" },
	{ "QUERY_HAS_TOO_MANY_STAGES", FATE_REJECT, "54001" },
	{ "STACK_OVERFLOW", FATE_REJECT, "54001" },
	{ "EXCEEDED_CPU_LIMIT", FATE_REJECT, "54000" },
	{ "EXCEEDED_SCAN_LIMIT", FATE_REJECT, "54000" },
	{ "PERMISSION_DENIED", FATE_HALT, "42501" },
	{ "READ_ONLY_VIOLATION", FATE_HALT, "25006" },
	{ "USER_CANCELED", FATE_RETRY, "57014" },
	{ "ABANDONED_QUERY", FATE_RETRY, "57014" },
	{ "EXCEEDED_TIME_LIMIT", FATE_RETRY, "57014" },
	{ "ADMINISTRATIVELY_KILLED", FATE_RETRY, "57014" },
	{ "ADMINISTRATIVELY_PREEMPTED", FATE_RETRY, "57014" },
	{ "NO_NODES_AVAILABLE", FATE_RETRY, "57P03" },
	{ "SERVER_STARTING_UP", FATE_RETRY, "57P03" },
	{ "SERVER_SHUTTING_DOWN", FATE_RETRY, "57P01" },
	{ "QUERY_QUEUE_FULL", FATE_RETRY, "53300" },
	{ "EXCEEDED_GLOBAL_MEMORY_LIMIT", FATE_RETRY, "53200" },
	{ "EXCEEDED_LOCAL_MEMORY_LIMIT", FATE_RETRY, "53200" },
	{ "CLUSTER_OUT_OF_MEMORY", FATE_RETRY, "53200" },
};

static const struct {
	const char *type;
	enum fate fate;
	const char *code;
} types[] = {
	{ "USER_ERROR", FATE_REJECT, "42000" },
	{ "INTERNAL_ERROR", FATE_RETRY, "XX000" },
	{ "INSUFFICIENT_RESOURCES", FATE_RETRY, "53000" },
	{ "EXTERNAL", FATE_RETRY, "58000" },
};

enum fate
trino_fate(struct slice error_name, struct slice error_type, const char **ret_code)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (slice_eq(error_name, slice_str(names[i].name))) {
			*ret_code = names[i].code;
			return names[i].fate;
		}
	}
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (slice_eq(error_type, slice_str(types[i].type))) {
			*ret_code = types[i].code;
			return types[i].fate;
		}
	}
	*ret_code = "XX000";
	return FATE_RETRY;
}

bool
trino_status_passes(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

enum fate
trino_status_fate(long status, const char **ret_code)
{
	if (status == 401 || status == 403) {
		*ret_code = "28000";
		return FATE_HALT;
	}
	*ret_code = "08006";
	/* the query is gone: its server was started anew, or waited too long for us */
	if (status == 404 || status == 410 || status >= 500 || trino_status_passes(status))
		return FATE_RETRY;
	*ret_code = "08P01";
	return FATE_HALT;
}
