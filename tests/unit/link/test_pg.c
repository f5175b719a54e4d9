/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server: the table of fates, array literals, refusals, a silent peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "link/pg.h"
#include "link/pg_wire.h"

static void
test_fates(void **state)
{
	(void)state;
	static const struct {
		const char *sqlstate;
		enum fate fate;
	} lines[] = {
		{ "08000", FATE_RETRY },
		{ "08001", FATE_RETRY },
		{ "08006", FATE_RETRY },
		{ "08P01", FATE_HALT },
		{ "0A000", FATE_HALT },
		{ "22012", FATE_REJECT },
		{ "22003", FATE_REJECT },
		{ "22P02", FATE_REJECT },
		{ "22021", FATE_REJECT },
		{ "23505", FATE_REJECT },
		{ "23514", FATE_REJECT },
		{ "25006", FATE_RETRY },
		{ "25P03", FATE_RETRY },
		{ "25P02", FATE_HALT },
		{ "26000", FATE_RETRY },
		{ "28000", FATE_HALT },
		{ "28P01", FATE_HALT },
		{ "3D000", FATE_HALT },
		{ "3F000", FATE_HALT },
		{ "40001", FATE_RETRY },
		{ "40P01", FATE_RETRY },
		{ "42P01", FATE_HALT },
		{ "42703", FATE_HALT },
		{ "42501", FATE_HALT },
		{ "42601", FATE_HALT },
		{ "44000", FATE_REJECT },
		{ "53100", FATE_RETRY },
		{ "53200", FATE_RETRY },
		{ "53300", FATE_RETRY },
		{ "54000", FATE_REJECT },
		{ "55P03", FATE_RETRY },
		{ "55006", FATE_RETRY },
		{ "55000", FATE_RETRY },
		{ "55P02", FATE_HALT },
		{ "57014", FATE_RETRY },
		{ "57P01", FATE_RETRY },
		{ "57P02", FATE_RETRY },
		{ "57P03", FATE_RETRY },
		{ "57P04", FATE_HALT },
		{ "57P05", FATE_RETRY },
		{ "58030", FATE_RETRY },
		{ "72000", FATE_RETRY },
		{ "P0001", FATE_REJECT },
		{ "XX000", FATE_HALT },
		{ "XX001", FATE_HALT },
		{ "99999", FATE_HALT },
		{ "", FATE_HALT },
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		if (pg_fate(lines[i].sqlstate) != lines[i].fate)
			fail_msg("%s is %s", lines[i].sqlstate,
			    fate_name(pg_fate(lines[i].sqlstate)));
}

static void
test_connect_sentences(void **state)
{
	(void)state;
	static const struct {
		const char *sentence, *sqlstate;
	} lines[] = {
		{ "FATAL:  password authentication failed for user \"u\"", "28P01" },
		{ "FATAL:  no pg_hba.conf entry for host \"h\", database \"d\"", "28000" },
		{ "FATAL:  pg_hba.conf rejects connection for host", "28000" },
		{ "FATAL:  role \"u\" does not exist", "28000" },
		{ "FATAL:  role \"u\" is not permitted to log in", "28000" },
		{ "FATAL:  database \"starting up\" does not exist", "3D000" },
		{ "FATAL:  database \"d\" is not currently accepting connections", "55000" },
		{ "FATAL:  permission denied for database \"d\"", "42501" },
		{ "FATAL:  sorry, too many clients already", "53300" },
		{ "FATAL:  remaining connection slots are reserved", "53300" },
		{ "FATAL:  too many connections for role \"u\"", "53300" },
		{ "FATAL:  too many connections for database \"d\"", "53300" },
		{ "FATAL:  the database system is starting up", "57P03" },
		{ "FATAL:  the database system is in recovery mode", "57P03" },
		{ "a: FATAL:  role \"u\" does not exist b: FATAL:  sorry, too many clients",
		    "53300" },
		{ "FATAL:  something else", "08006" },
		{ "fe_sendauth: no password supplied", "28P01" },
		{ "invalid port number: \"99999\"", "42601" },
		{ "connection refused", "08006" },
		{ "", "08006" },
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_string_equal(pg_connect_state(lines[i].sentence), lines[i].sqlstate);
}

static void
test_arrays(void **state)
{
	(void)state;
	struct buf a = { 0 };
	pg_array_begin(&a);
	pg_array_end(&a);
	assert_string_equal(buf_str(&a), "{}");
	pg_array_begin(&a);
	pg_array_add(&a, SLICE("a"));
	pg_array_add(&a, SLICE(""));
	pg_array_add(&a, slice_of(NULL, 0));
	pg_array_add(&a, SLICE("NULL"));
	pg_array_add(&a, SLICE("a\"b\\c,{}' \n\xc3\xbc"));
	pg_array_end(&a);
	assert_string_equal(
	    buf_str(&a), "{\"a\",\"\",NULL,\"NULL\",\"a\\\"b\\\\c,{}' \n\xc3\xbc\"}");
	buf_finish(&a);
}

static void
test_bad_conninfo_keeps_the_password(void **state)
{
	(void)state;
	struct pg *pg = NULL;
	struct err err = { 0 };
	struct pg_options o = { .conninfo = "host=x password='hunter2" };
	assert_int_equal(pg_new(&o, &pg, &err), FATE_HALT);
	assert_null(strstr(err.what, "hunter2"));
	assert_null(pg);
	pg_free(NULL);
}

/* Who reads the socket itself can read no GSSAPI: nobody is given less than he asked for. */
static void
test_gss_is_refused_where_it_cannot_be_read(void **state)
{
	(void)state;
	struct pg *pg = NULL;
	struct err err = { 0 };
	struct pg_options o = { .conninfo = "postgresql://h/d?gssencmode=require",
		.plain_or_tls = true };
	assert_int_equal(pg_new(&o, &pg, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "gssencmode"));
	o.conninfo = "host=h gssencmode=prefer";
	assert_int_equal(pg_new(&o, &pg, &err), FATE_DONE);
	pg_free(pg);
	assert_int_equal(setenv("PGGSSENCMODE", "require", 1), 0);
	assert_int_equal(pg_new(&o, &pg, &err), FATE_DONE); /* the text wins, as in libpq */
	pg_free(pg);
	o.conninfo = "host=h";
	assert_int_equal(pg_new(&o, &pg, &err), FATE_HALT);
	o.conninfo = NULL;
	assert_int_equal(pg_new(&o, &pg, &err), FATE_HALT);
	o.plain_or_tls = false;
	assert_int_equal(pg_new(&o, &pg, &err), FATE_DONE);
	pg_free(pg);
	assert_int_equal(unsetenv("PGGSSENCMODE"), 0);
}

static int
listener(char port[8])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(port, 8, "%u", ntohs(a.sin_port));
	return fd;
}

static void
test_nobody_there(void **state)
{
	(void)state;
	char port[8];
	int fd = listener(port); /* bound, not listening */
	struct pg_options o = { .host = "127.0.0.1", .port = port, .dbname = "d", .user = "u" };
	struct pg *pg = NULL;
	struct err err = { 0 };
	assert_int_equal(pg_new(&o, &pg, &err), FATE_DONE);
	assert_int_equal(pg_connect(pg, &err), FATE_RETRY);
	assert_string_equal(err.code, "08006");
	assert_non_null(strstr(err.what, "refused"));
	assert_null(strchr(err.what, '\n'));
	assert_false(pg_connected(pg));
	assert_int_equal(pg_connection_count(pg), 0);
	pg_free(pg);
	o.port = "99999";
	assert_int_equal(pg_new(&o, &pg, &err), FATE_DONE);
	assert_int_equal(pg_connect(pg, &err), FATE_HALT);
	pg_free(pg);
	close(fd);
}

static void
test_silent_peer_is_waited_for_so_long(void **state)
{
	(void)state;
	char port[8];
	int fd = listener(port);
	assert_int_equal(listen(fd, 4), 0); /* accepts, never answers */
	struct pg_options o = { .host = "127.0.0.1",
		.port = port,
		.dbname = "d",
		.user = "u",
		.connect_timeout_ms = 200 };
	struct pg_query q = { .sql = "SELECT 1" };
	struct pg_result r = { 0 };
	struct pg *pg = NULL;
	struct err err = { 0 };
	assert_int_equal(pg_new(&o, &pg, &err), FATE_DONE);
	int64_t begin = clock_mono_ms();
	assert_int_equal(pg_query(pg, &q, &r, &err), FATE_RETRY);
	assert_true(clock_mono_ms() - begin >= 200);
	assert_true(clock_mono_ms() - begin < 2000);
	assert_non_null(strstr(err.what, "in time"));
	assert_null(r.handle);
	pg_result_clear(&r);
	pg_free(pg);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fates),
		cmocka_unit_test(test_connect_sentences),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_bad_conninfo_keeps_the_password),
		cmocka_unit_test(test_gss_is_refused_where_it_cannot_be_read),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_silent_peer_is_waited_for_so_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
