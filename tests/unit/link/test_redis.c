/* SPDX-License-Identifier: Apache-2.0 */
/* The table of fates, urls, INFO; and the connection against a scripted peer. */
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
#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "link/redis.h"
#include "link/redis_wire.h"

static void
test_fates(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		enum fate fate;
	} lines[] = {
		{ "LOADING", FATE_RETRY },
		{ "BUSY", FATE_RETRY },
		{ "OOM", FATE_RETRY },
		{ "MISCONF", FATE_RETRY },
		{ "READONLY", FATE_RETRY },
		{ "MASTERDOWN", FATE_RETRY },
		{ "NOREPLICAS", FATE_RETRY },
		{ "CLUSTERDOWN", FATE_RETRY },
		{ "TRYAGAIN", FATE_RETRY },
		{ "NOSCRIPT", FATE_RETRY },
		{ "NOTBUSY", FATE_RETRY },
		{ "UNKILLABLE", FATE_RETRY },
		{ "EXECABORT", FATE_RETRY },
		{ "NOMASTERLINK", FATE_RETRY },
		{ "MOVED", FATE_HALT },
		{ "ASK", FATE_HALT },
		{ "CROSSSLOT", FATE_HALT },
		{ "NOAUTH", FATE_HALT },
		{ "WRONGPASS", FATE_HALT },
		{ "NOPERM", FATE_HALT },
		{ "NOPROTO", FATE_HALT },
		{ "WRONGTYPE", FATE_HALT },
		{ "DENIED", FATE_HALT },
		{ "ERR", FATE_HALT },
		{ "SOMETHING", FATE_HALT },
		{ "", FATE_HALT },
		{ "LOADINGX", FATE_HALT },
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		if (redis_fate(slice_str(lines[i].prefix)) != lines[i].fate)
			fail_msg("%s", lines[i].prefix);
}

static void
test_urls(void **state)
{
	(void)state;
	static const struct {
		const char *url, *host, *path, *user, *password;
		int port, db;
	} good[] = {
		{ "redis://h", "h", "", "", "", 6379, 0 },
		{ "redis://h:1/", "h", "", "", "", 1, 0 },
		{ "redis://h:1/3", "h", "", "", "", 1, 3 },
		{ "redis://[::1]:7/2", "::1", "", "", "", 7, 2 },
		{ "redis://[::1]", "::1", "", "", "", 6379, 0 },
		{ "redis://:pw@h", "h", "", "", "pw", 6379, 0 },
		{ "redis://u:p%40%3a@h:2", "h", "", "u", "p@:", 2, 0 },
		{ "redis://u:p@w@h", "h", "", "u", "p@w", 6379, 0 },
		{ "unix:///run/r.sock", "", "/run/r.sock", "", "", 0, 0 },
		{ "unix:///run/r.sock?db=4", "", "/run/r.sock", "", "", 0, 4 },
	};
	static const char *const bad[] = { "", "h:1", "http://h", "redis://", "redis://:1",
		"redis://h:0", "redis://h:x", "redis://h:65536", "redis://h/x", "redis://h/-1",
		"redis://[::1", "redis://u:secret%00@h", "redis://h?x", "unix://r",
		"unix:///r?x=1", "unix:///r?db=x", "rediss://u:secret@h" };
	struct err err = { 0 };
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct redis_address a = { 0 };
		if (redis_address_parse(good[i].url, &a, &err) != FATE_DONE)
			fail_msg("%s", good[i].url);
		assert_string_equal(a.host, good[i].host);
		assert_string_equal(a.path, good[i].path);
		assert_string_equal(a.user, good[i].user);
		assert_string_equal(a.password, good[i].password);
		assert_int_equal(a.port, good[i].port);
		assert_int_equal(a.db, good[i].db);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct redis_address a = { 0 };
		if (redis_address_parse(bad[i], &a, &err) != FATE_HALT)
			fail_msg("%s", bad[i]);
		assert_null(strstr(err.what, "secret"));
	}
}

static void
test_info_fields(void **state)
{
	(void)state;
	struct slice info = SLICE("# Server\r\nrun_id:abc\r\nxrun_id:no\r\nempty:\r\nlast:1");
	assert_true(slice_eq(redis_info_field(info, "run_id"), SLICE("abc")));
	assert_true(slice_eq(redis_info_field(info, "last"), SLICE("1")));
	assert_int_equal(redis_info_field(info, "empty").len, 0);
	assert_null(redis_info_field(info, "gone").p);
	assert_null(redis_info_field(info, "run").p);
	assert_null(redis_info_field(slice_of(NULL, 0), "run").p);
}

/* A peer that takes one connection, waits for each command's tail and answers it. */
struct line {
	const char *hears; /* the end of what must come */
	const char *says;  /* NULL: closes; "": says nothing */
};

struct peer {
	int fd;
	pthread_t thread;
	const struct line *lines;
	size_t count;
	bool wrong;
	char url[64];
};

static void *
play(void *arg)
{
	struct peer *p = arg;
	int fd = accept(p->fd, NULL, NULL);
	for (size_t i = 0; i < p->count; i++) {
		char text[4096] = "";
		size_t len = 0, tail = strlen(p->lines[i].hears);
		ssize_t got = 1;
		while (got > 0 &&
		       (len < tail || memcmp(text + len - tail, p->lines[i].hears, tail))) {
			got = read(fd, text + len, sizeof text - len);
			len += got > 0 ? (size_t)got : 0;
		}
		p->wrong |= got <= 0;
		if (got <= 0 || p->lines[i].says == NULL)
			break;
		size_t say = strlen(p->lines[i].says);
		p->wrong |= write(fd, p->lines[i].says, say) != (ssize_t)say;
	}
	char byte;
	while (p->count && p->lines[p->count - 1].says && read(fd, &byte, 1) > 0)
		continue;
	close(fd);
	return NULL;
}

static struct redis *
against(struct peer *p, const struct line *lines, size_t count, struct redis_options o)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	struct redis *redis = NULL;
	struct err err = { 0 };
	*p = (struct peer){ .lines = lines, .count = count };
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(p->fd, 1), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(p->url, sizeof p->url, "redis://127.0.0.1:%u/2", ntohs(a.sin_port));
	assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
	o.url = p->url;
	assert_int_equal(redis_new(&o, &redis, &err), FATE_DONE);
	return redis;
}

static void
finish(struct peer *p, struct redis *redis)
{
	redis_free(redis);
	assert_int_equal(pthread_join(p->thread, NULL), 0);
	assert_false(p->wrong);
	close(p->fd);
}

#define SELECT                                                                                 \
	{                                                                                      \
		"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n", "+OK\r\n"                                 \
	}
#define PING "*1\r\n$4\r\nPING\r\n"

static void
test_greeting_and_replies(void **state)
{
	(void)state;
	static const struct line lines[] = {
		{ "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$2\r\npw\r\n", "+OK\r\n" }, SELECT,
		{ "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$6\r\nsluice\r\n", "+OK\r\n" },
		{ "\n\r\n", "*4\r\n$2\r\nab\r\n:7\r\n$-1\r\n*1\r\n+s\r\n" },
		{ PING, "-OOM command not allowed\r\n" }, { PING, "+PONG\r\n" }
	};
	struct peer p;
	struct redis_options o = { .user = "u", .password = "pw", .client_name = "sluice" };
	/* The fourth command holds a NUL: only what comes after it is compared. */
	struct redis *redis = against(&p, lines, 6, o);
	struct slice argv[] = { SLICE("a"), SLICE("x\0\n") };
	struct redis_reply r = { 0 };
	struct err err = { 0 };
	assert_false(redis_connected(redis));
	assert_int_equal(redis_connect(redis, &err), FATE_DONE);
	assert_int_equal(redis_connection_count(redis), 1);
	assert_int_equal(redis_command(redis, argv, 2, &r, &err), FATE_DONE);
	assert_int_equal(r.kind, REDIS_ARRAY);
	assert_int_equal(r.count, 4);
	assert_true(slice_eq(redis_reply_item(&r, 0).text, SLICE("ab")));
	assert_int_equal(redis_reply_item(&r, 1).integer, 7);
	assert_int_equal(redis_reply_item(&r, 2).kind, REDIS_NIL);
	struct redis_reply inner = redis_reply_item(&r, 3);
	assert_int_equal(redis_reply_item(&inner, 0).kind, REDIS_STATUS);
	redis_reply_free(&r);
	assert_int_equal(redis_words(redis, &r, &err, "PING", (char *)NULL), FATE_RETRY);
	assert_string_equal(err.code, "OOM");
	assert_null(r.handle);
	assert_int_equal(redis_words(redis, &r, &err, "PING", (char *)NULL), FATE_DONE);
	assert_true(slice_eq(r.text, SLICE("PONG")));
	redis_reply_free(&r);
	finish(&p, redis);
}

static void
test_pipeline(void **state)
{
	(void)state;
	static const struct line lines[] = { SELECT,
		{ PING PING PING, "+1\r\n-ERR no\r\n+3\r\n" } };
	struct peer p;
	struct redis *redis = against(&p, lines, 2, (struct redis_options){ 0 });
	struct slice ping = SLICE("PING");
	struct redis_reply r = { 0 };
	struct err err = { 0 };
	for (int i = 0; i < 3; i++)
		assert_int_equal(redis_append(redis, &ping, 1, &err), FATE_DONE);
	assert_int_equal(redis_next(redis, &r, &err), FATE_DONE);
	redis_reply_free(&r);
	assert_int_equal(redis_next(redis, &r, &err), FATE_DONE);
	assert_int_equal(r.kind, REDIS_ERROR);
	assert_int_equal(redis_reply_fate(&r, &err), FATE_HALT);
	assert_string_equal(err.code, "ERR");
	redis_reply_free(&r);
	assert_int_equal(redis_next(redis, &r, &err), FATE_DONE);
	assert_true(slice_eq(r.text, SLICE("3")));
	redis_reply_free(&r);
	finish(&p, redis);
}

#define EVALSHA                                                                                \
	"*4\r\n$7\r\nEVALSHA\r\n$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n"           \
	"$1\r\n1\r\n$1\r\nk\r\n"

static void
test_script_is_loaded_when_unknown(void **state)
{
	(void)state;
	static const struct line lines[] = { SELECT, { EVALSHA, "-NOSCRIPT No matching\r\n" },
		{ "$4\r\nLOAD\r\n$8\r\nreturn 1\r\n", "$1\r\nx\r\n" }, { EVALSHA, ":1\r\n" },
		{ EVALSHA, "-MISMATCH 5\r\n" }, { EVALSHA, "-OTHER 5\r\n" } };
	static const char *const own[] = { "MISMATCH", NULL };
	struct redis_script script = { .text = SLICE("return 1"), .own_errors = own };
	struct peer p;
	struct redis *redis = against(&p, lines, 6, (struct redis_options){ 0 });
	struct slice key = SLICE("k");
	struct redis_reply r = { 0 };
	struct err err = { 0 };
	assert_int_equal(redis_eval(redis, &script, 1, &key, 1, &r, &err), FATE_DONE);
	assert_int_equal(r.integer, 1);
	redis_reply_free(&r);
	assert_int_equal(redis_eval(redis, &script, 1, &key, 1, &r, &err), FATE_DONE);
	assert_int_equal(r.kind, REDIS_ERROR);
	assert_true(slice_eq(r.text, SLICE("MISMATCH 5")));
	redis_reply_free(&r);
	assert_int_equal(redis_eval(redis, &script, 1, &key, 1, &r, &err), FATE_HALT);
	assert_string_equal(err.code, "OTHER");
	finish(&p, redis);
}

static void
test_loss_and_silence(void **state)
{
	(void)state;
	static const struct line closes[] = { SELECT, { PING, NULL } };
	static const struct line silent[] = { SELECT, { PING, "" } };
	static const struct line noise[] = { SELECT, { PING, "HTTP/1.1 400\r\n" } };
	static const struct line wrongpass[] = { { "$4\r\nAUTH\r\n$1\r\nx\r\n",
	    "-WRONGPASS invalid\r\n" } };
	struct peer p;
	struct redis_reply r = { 0 };
	struct err err = { 0 };
	struct redis_options o = { .command_timeout_ms = 200 };
	struct redis *redis = against(&p, closes, 2, o);
	assert_int_equal(redis_words(redis, &r, &err, "PING", (char *)NULL), FATE_RETRY);
	assert_false(redis_connected(redis));
	finish(&p, redis);
	redis = against(&p, silent, 2, o);
	int64_t begin = clock_mono_ms();
	assert_int_equal(redis_words(redis, &r, &err, "PING", (char *)NULL), FATE_RETRY);
	assert_true(clock_mono_ms() - begin >= 200 && clock_mono_ms() - begin < 2000);
	assert_string_equal(err.what, "redis: no answer in time");
	assert_false(redis_connected(redis));
	finish(&p, redis);
	redis = against(&p, noise, 2, o);
	assert_int_equal(redis_words(redis, &r, &err, "PING", (char *)NULL), FATE_HALT);
	finish(&p, redis);
	o.password = "x";
	redis = against(&p, wrongpass, 1, o);
	assert_int_equal(redis_connect(redis, &err), FATE_HALT);
	assert_false(redis_connected(redis));
	finish(&p, redis);
	assert_null(r.handle);
}

static void
test_nobody_there(void **state)
{
	(void)state;
	struct redis_options o = { .url = "unix:///nonexistent/redis.sock" };
	struct redis *redis = NULL;
	struct err err = { 0 };
	assert_int_equal(redis_new(&o, &redis, &err), FATE_DONE);
	assert_int_equal(redis_connect(redis, &err), FATE_RETRY);
	redis_free(redis);
	o.url = "redis://127.0.0.1:1";
	assert_int_equal(redis_new(&o, &redis, &err), FATE_DONE);
	assert_int_equal(redis_connect(redis, &err), FATE_RETRY);
	assert_non_null(strstr(err.what, "refused"));
	redis_free(redis);
	redis_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fates),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_info_fields),
		cmocka_unit_test(test_greeting_and_replies),
		cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_script_is_loaded_when_unknown),
		cmocka_unit_test(test_loss_and_silence),
		cmocka_unit_test(test_nobody_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
