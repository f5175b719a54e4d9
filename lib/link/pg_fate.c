/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of SQLSTATEs (PostgreSQL 15, appendix A) and the pure helpers. */
#include <string.h>

#include "base/must.h"
#include "link/pg_wire.h"

/* Longest match first: a whole code before its class. */
static const struct {
	const char *state; /* five characters, or the two of a class */
	enum fate fate;
} table[] = {
	{ "08P01", FATE_HALT },  /* protocol violation: not a Postgres we know */
	{ "08", FATE_RETRY },    /* connection */
	{ "0A", FATE_HALT },     /* feature not supported */
	{ "22", FATE_REJECT },   /* bad data: division by zero, out of range */
	{ "23", FATE_REJECT },   /* constraint */
	{ "25006", FATE_RETRY }, /* read only: a standby before its promotion */
	{ "25P03", FATE_RETRY }, /* idle in transaction timeout */
	{ "25", FATE_HALT },     /* invalid transaction state */
	{ "26", FATE_RETRY },    /* prepared statement gone: a pooler gave another session */
	{ "28", FATE_HALT },     /* password or role */
	{ "3D", FATE_HALT },     /* no such database */
	{ "3F", FATE_HALT },     /* no such schema */
	{ "40", FATE_RETRY },    /* serialization failure, deadlock */
	{ "42", FATE_HALT },     /* SQL or rights */
	{ "44", FATE_REJECT },   /* WITH CHECK OPTION */
	{ "53", FATE_RETRY },    /* disk full, out of memory, too many connections */
	{ "54", FATE_REJECT },   /* program limit exceeded: this input is too large */
	{ "55P03", FATE_RETRY }, /* lock not available */
	{ "55006", FATE_RETRY }, /* object in use */
	{ "55000", FATE_RETRY }, /* not in prerequisite state: a snapshot or slot not ready */
	{ "57014", FATE_RETRY }, /* statement timeout */
	{ "57P0", FATE_RETRY },  /* shutdown, crash, starting up (57P01 to 57P05) */
	{ "57P04", FATE_HALT },  /* database dropped */
	{ "58", FATE_RETRY },    /* the server's I/O */
	{ "72", FATE_RETRY },    /* snapshot too old */
	{ "P0", FATE_REJECT },   /* PL/pgSQL RAISE: about this input */
	{ "XX", FATE_HALT },     /* internal error, corruption */
};

enum fate
pg_fate(const char *sqlstate)
{
	size_t best = 0;
	enum fate fate = FATE_HALT;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		size_t len = strlen(table[i].state);
		if (len > best && strncmp(table[i].state, sqlstate, len) == 0) {
			best = len;
			fate = table[i].fate;
		}
	}
	return fate;
}

enum fate
pg_statement_fate(const char *sqlstate)
{
	/* About the connection and its login, whoever asks what. */
	static const char *const ours[] = { "08", "28", "3D", "57" };
	enum fate fate = pg_fate(sqlstate);

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		if (strncmp(sqlstate, ours[i], 2) == 0)
			return fate;
	}
	return fate == FATE_HALT ? FATE_REJECT : fate;
}

/* How the server's sentence begins and what follows, so that no quoted name misleads. */
static const struct {
	const char *begins, *holds, *state;
} fatals[] = {
	{ "password authentication failed", "", "28P01" },
	{ "no pg_hba.conf entry", "", "28000" },
	{ "pg_hba.conf rejects", "", "28000" },
	{ "role \"", "\" does not exist", "28000" },
	{ "role \"", "\" is not permitted to log in", "28000" },
	{ "database \"", "\" does not exist", "3D000" },
	{ "database \"", "\" is not currently accepting connections", "55000" },
	{ "permission denied for database", "", "42501" },
	{ "sorry, too many clients", "", "53300" },
	{ "remaining connection slots", "", "53300" },
	{ "too many connections", "", "53300" },
	{ "the database system is", "", "57P03" },
};

const char *
pg_connect_state(const char *sentence)
{
	const char *said = NULL, *next = sentence;
	while ((next = strstr(next, "FATAL:  "))) { /* of several hosts the last one */
		next += strlen("FATAL:  ");
		said = next;
	}
	for (size_t i = 0; said && i < sizeof fatals / sizeof *fatals; i++)
		if (strncmp(said, fatals[i].begins, strlen(fatals[i].begins)) == 0 &&
		    strstr(said, fatals[i].holds))
			return fatals[i].state;
	if (said)
		return "08006";
	if (strstr(sentence, "no password supplied"))
		return "28P01";
	if (strncmp(sentence, "invalid ", strlen("invalid ")) == 0) /* port, sslmode, ... */
		return "42601";
	return "08006";
}

void
pg_array_begin(struct buf *array)
{
	array->len = 0;
	buf_byte(array, '{');
}

/* Always quoted, so that an empty text, NULL and braces are what they are. */
void
pg_array_add(struct buf *array, struct slice element)
{
	if (array->len > 1)
		buf_byte(array, ',');
	if (element.p == NULL) {
		buf_cstr(array, "NULL");
		return;
	}
	buf_grow(array, element.len + 2);
	buf_byte(array, '"');
	for (size_t i = 0; i < element.len; i++) {
		if (element.p[i] == '"' || element.p[i] == '\\')
			buf_byte(array, '\\');
		buf_byte(array, element.p[i]);
	}
	buf_byte(array, '"');
}

void
pg_array_end(struct buf *array)
{
	must(array->len > 0);
	buf_byte(array, '}');
}
