/* SPDX-License-Identifier: Apache-2.0 */
#include "link/clickhouse_code.h"

#include <stdbool.h>
#include <string.h>

/* Codes and names: ClickHouse, src/Common/ErrorCodes.cpp. */
static const struct {
	int code;
	enum clickhouse_verdict verdict;
	const char *sqlstate; /* NULL: none near */
} verdicts[] = {
	{ 3, CLICKHOUSE_BUSY },              /* UNEXPECTED_END_OF_FILE: the body was cut */
	{ 6, CLICKHOUSE_BAD, "22P02" },      /* CANNOT_PARSE_TEXT */
	{ 10, CLICKHOUSE_SCHEMA, "42703" },  /* NOT_FOUND_COLUMN_IN_BLOCK */
	{ 16, CLICKHOUSE_SCHEMA, "42703" },  /* NO_SUCH_COLUMN_IN_TABLE */
	{ 20, CLICKHOUSE_SCHEMA },           /* NUMBER_OF_COLUMNS_DOESNT_MATCH */
	{ 27, CLICKHOUSE_BAD, "22P02" },     /* CANNOT_PARSE_INPUT_ASSERTION_FAILED */
	{ 33, CLICKHOUSE_SCHEMA },           /* CANNOT_READ_ALL_DATA */
	{ 36, CLICKHOUSE_WRONG, "22023" },   /* BAD_ARGUMENTS */
	{ 38, CLICKHOUSE_BAD, "22007" },     /* CANNOT_PARSE_DATE */
	{ 41, CLICKHOUSE_BAD, "22007" },     /* CANNOT_PARSE_DATETIME */
	{ 43, CLICKHOUSE_WRONG, "42883" },   /* ILLEGAL_TYPE_OF_ARGUMENT */
	{ 44, CLICKHOUSE_SCHEMA },           /* ILLEGAL_COLUMN: materialized by now */
	{ 46, CLICKHOUSE_WRONG, "42883" },   /* UNKNOWN_FUNCTION */
	{ 47, CLICKHOUSE_SCHEMA, "42703" },  /* UNKNOWN_IDENTIFIER */
	{ 48, CLICKHOUSE_WRONG, "0A000" },   /* NOT_IMPLEMENTED */
	{ 50, CLICKHOUSE_WRONG, "42704" },   /* UNKNOWN_TYPE */
	{ 53, CLICKHOUSE_BAD, "42804" },     /* TYPE_MISMATCH */
	{ 60, CLICKHOUSE_SCHEMA, "42P01" },  /* UNKNOWN_TABLE */
	{ 62, CLICKHOUSE_WRONG, "42601" },   /* SYNTAX_ERROR */
	{ 69, CLICKHOUSE_BAD, "22003" },     /* ARGUMENT_OUT_OF_BOUND */
	{ 70, CLICKHOUSE_BAD, "22003" },     /* CANNOT_CONVERT_TYPE */
	{ 72, CLICKHOUSE_BAD, "22P02" },     /* CANNOT_PARSE_NUMBER */
	{ 73, CLICKHOUSE_WRONG },            /* UNKNOWN_FORMAT */
	{ 81, CLICKHOUSE_SCHEMA, "3F000" },  /* UNKNOWN_DATABASE */
	{ 115, CLICKHOUSE_WRONG, "42704" },  /* UNKNOWN_SETTING */
	{ 117, CLICKHOUSE_BAD, "22P02" },    /* INCORRECT_DATA */
	{ 131, CLICKHOUSE_SCHEMA },          /* TOO_LARGE_STRING_SIZE: columns out of step */
	{ 153, CLICKHOUSE_BAD, "22012" },    /* ILLEGAL_DIVISION */
	{ 158, CLICKHOUSE_BUSY, "54000" },   /* TOO_MANY_ROWS */
	{ 159, CLICKHOUSE_BUSY, "57014" },   /* TIMEOUT_EXCEEDED */
	{ 160, CLICKHOUSE_BUSY, "57014" },   /* TOO_SLOW */
	{ 164, CLICKHOUSE_WRONG, "42501" },  /* READONLY: the user's setting */
	{ 192, CLICKHOUSE_WRONG, "28P01" },  /* UNKNOWN_USER */
	{ 193, CLICKHOUSE_WRONG, "28P01" },  /* WRONG_PASSWORD */
	{ 194, CLICKHOUSE_WRONG, "28P01" },  /* REQUIRED_PASSWORD */
	{ 195, CLICKHOUSE_WRONG, "28000" },  /* IP_ADDRESS_NOT_ALLOWED */
	{ 198, CLICKHOUSE_BUSY },            /* DNS_ERROR */
	{ 201, CLICKHOUSE_BUSY, "53400" },   /* QUOTA_EXCEEDED */
	{ 202, CLICKHOUSE_BUSY, "53300" },   /* TOO_MANY_SIMULTANEOUS_QUERIES */
	{ 203, CLICKHOUSE_BUSY, "53300" },   /* NO_FREE_CONNECTION */
	{ 209, CLICKHOUSE_BUSY, "08006" },   /* SOCKET_TIMEOUT */
	{ 210, CLICKHOUSE_BUSY, "08006" },   /* NETWORK_ERROR */
	{ 218, CLICKHOUSE_SCHEMA, "42P01" }, /* TABLE_IS_DROPPED */
	{ 225, CLICKHOUSE_BUSY },            /* NO_ZOOKEEPER */
	{ 236, CLICKHOUSE_BUSY },            /* ABORTED */
	{ 241, CLICKHOUSE_BUSY, "53200" },   /* MEMORY_LIMIT_EXCEEDED */
	{ 242, CLICKHOUSE_BUSY },            /* TABLE_IS_READ_ONLY: its Keeper is away */
	{ 243, CLICKHOUSE_BUSY, "53100" },   /* NOT_ENOUGH_SPACE */
	{ 244, CLICKHOUSE_BUSY },            /* UNEXPECTED_ZOOKEEPER_ERROR */
	{ 252, CLICKHOUSE_BUSY },            /* TOO_MANY_PARTS */
	{ 279, CLICKHOUSE_BUSY, "08001" },   /* ALL_CONNECTION_TRIES_FAILED */
	{ 285, CLICKHOUSE_BUSY },            /* TOO_FEW_LIVE_REPLICAS */
	{ 286, CLICKHOUSE_BUSY },            /* UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE */
	{ 289, CLICKHOUSE_BUSY },            /* REPLICA_IS_NOT_IN_QUORUM */
	{ 307, CLICKHOUSE_BUSY, "54000" },   /* TOO_MANY_BYTES */
	{ 319, CLICKHOUSE_BUSY },            /* UNKNOWN_STATUS_OF_INSERT */
	{ 321, CLICKHOUSE_BAD, "22003" },    /* VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE */
	{ 349, CLICKHOUSE_BAD },             /* CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN */
	{ 373, CLICKHOUSE_BUSY },            /* SESSION_IS_LOCKED */
	{ 394, CLICKHOUSE_BUSY, "57014" },   /* QUERY_WAS_CANCELLED */
	{ 396, CLICKHOUSE_BUSY, "54000" },   /* TOO_MANY_ROWS_OR_BYTES */
	{ 407, CLICKHOUSE_BAD, "22003" },    /* DECIMAL_OVERFLOW */
	{ 425, CLICKHOUSE_BUSY },            /* SYSTEM_ERROR */
	{ 439, CLICKHOUSE_BUSY },            /* CANNOT_SCHEDULE_TASK */
	{ 441, CLICKHOUSE_BAD, "22P02" },    /* CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING */
	{ 469, CLICKHOUSE_BAD },             /* VIOLATED_CONSTRAINT */
	{ 473, CLICKHOUSE_BUSY },            /* DEADLOCK_AVOIDED */
	{ 497, CLICKHOUSE_WRONG, "42501" },  /* ACCESS_DENIED */
	{ 499, CLICKHOUSE_BUSY },            /* S3_ERROR */
	{ 516, CLICKHOUSE_WRONG, "28P01" },  /* AUTHENTICATION_FAILED */
	{ 691, CLICKHOUSE_BAD },             /* UNKNOWN_ELEMENT_OF_ENUM */
	{ 999, CLICKHOUSE_BUSY },            /* KEEPER_EXCEPTION */
};

enum clickhouse_verdict
clickhouse_verdict(int code)
{
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
		if (verdicts[i].code == code)
			return verdicts[i].verdict;
	return CLICKHOUSE_BUSY;
}

/* A question has no rows to blame: what is wrong is the statement, the user, or a table
 * that is not there. */
static enum fate
query_fate(int code, enum clickhouse_verdict verdict)
{
	static const int users[] = { 164, 192, 193, 194, 195, 497, 516 };

	for (size_t i = 0; i < sizeof users / sizeof *users; i++)
		if (users[i] == code)
			return FATE_HALT;
	switch (verdict) {
	case CLICKHOUSE_BUSY: return FATE_RETRY;
	case CLICKHOUSE_BAD:
	case CLICKHOUSE_WRONG: return FATE_REJECT;
	case CLICKHOUSE_SCHEMA: return FATE_HALT;
	}
	return FATE_HALT;
}

enum fate
clickhouse_query_fate(int code, const char **ret_sqlstate)
{
	*ret_sqlstate = "XX000";
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
		enum fate fate = query_fate(code, verdicts[i].verdict);

		if (verdicts[i].code != code)
			continue;
		if (verdicts[i].sqlstate)
			*ret_sqlstate = verdicts[i].sqlstate;
		else if (fate == FATE_RETRY)
			*ret_sqlstate = "57P03";
		/* more rows or bytes than the profile allows stay more */
		return strncmp(*ret_sqlstate, "54", 2) == 0 ? FATE_REJECT : fate;
	}
	return FATE_REJECT;
}

static enum fate
status_refusal(struct slice text, long status, struct err *err)
{
	bool busy = status >= 500 || status == 408 || status == 429;
	bool user = status == 401 || status == 403;

	return err_code(err, busy ? FATE_RETRY : FATE_HALT,
	    busy   ? "08006"
	    : user ? "28P01"
		   : "08P01",
	    "clickhouse: HTTP %ld %.*s", status, text.len > 200 ? 200 : (int)text.len,
	    text.p ? text.p : "");
}

enum fate
clickhouse_refusal(struct slice text, long status, struct err *err)
{
	static const char words[] = "Code: ", tail[] = " (version ";
	const char *at = text.len ? memmem(text.p, text.len, words, sizeof words - 1) : NULL;
	const char *end, *sqlstate;
	int64_t code = 0;
	size_t digits;
	enum fate fate;

	if (!at)
		return status_refusal(text, status, err);
	text = slice_of(
	    at + sizeof words - 1, (size_t)(text.p + text.len - at) - (sizeof words - 1));
	for (digits = 0; digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9';)
		digits++;
	if (!slice_i64(slice_of(text.p, digits), &code) || code > 100000)
		return status_refusal(text, status, err);
	if ((end = memchr(text.p, '\n', text.len)))
		text.len = (size_t)(end - text.p);
	if ((end = memmem(text.p, text.len, tail, sizeof tail - 1)))
		text.len = (size_t)(end - text.p);
	fate = clickhouse_query_fate((int)code, &sqlstate);
	return err_code(err, fate, sqlstate, "clickhouse: Code: %.*s", SLICE_ARG(text));
}
