/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "contract.h"
#include "sink/clickhouse_ops.h"

/* --- a server that answers DESCRIBE with a text and inserts by a script --- */

struct answer {
	int status; /* 0: hangs up without a word */
	int code;   /* X-ClickHouse-Exception-Code; 0: none */
	const char *body;
};

enum { SCRIPT_MAX = 32 };

static struct {
	int listener;
	char url[64];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_mutex_t gate; /* who holds it holds the inserts' answers back */
	const char *describe;
	struct answer describe_answer; /* when its status is not 0 */
	const char *describe_after;    /* what DESCRIBE says once an insert came */
	struct answer script[SCRIPT_MAX];
	size_t played, scripted;
	size_t inserts, describes;
	const char *parts;     /* how many active ones the table has */
	struct buf head, body; /* of the last insert */
} server = { .lock = PTHREAD_MUTEX_INITIALIZER, .gate = PTHREAD_MUTEX_INITIALIZER };

static const char table_plain[] =
    "{\"name\":\"id\",\"type\":\"Int64\",\"default_type\":\"\",\"default_expression\":\"\"}\n"
    "{\"name\":\"at\",\"type\":\"DateTime64(3)\",\"default_type\":\"\"}\n"
    "{\"name\":\"s\",\"type\":\"String\",\"default_type\":\"\"}\n"
    "{\"name\":\"seen\",\"type\":\"DateTime\",\"default_type\":\"DEFAULT\"}\n"
    "{\"name\":\"m\",\"type\":\"String\",\"default_type\":\"MATERIALIZED\"}\n"
    "{\"name\":\"_version\",\"type\":\"UInt64\",\"default_type\":\"\"}\n"
    "{\"name\":\"_deleted\",\"type\":\"UInt8\",\"default_type\":\"\"}\n";

static const char table_wider[] =
    "{\"name\":\"id\",\"type\":\"Int64\",\"default_type\":\"\"}\n"
    "{\"name\":\"at\",\"type\":\"DateTime64(3)\",\"default_type\":\"\"}\n"
    "{\"name\":\"s\",\"type\":\"String\",\"default_type\":\"\"}\n"
    "{\"name\":\"extra\",\"type\":\"Int8\",\"default_type\":\"\"}\n"
    "{\"name\":\"_version\",\"type\":\"UInt64\",\"default_type\":\"\"}\n"
    "{\"name\":\"_deleted\",\"type\":\"UInt8\",\"default_type\":\"\"}\n";

/* Reads one request into head and body; false at the end of the connection. */
static bool
read_request(int fd, struct buf *head, struct buf *body)
{
	char part[65536], *end, *length;
	size_t want;

	head->len = body->len = 0;
	while (!(end = head->len ? memmem(head->p, head->len, "\r\n\r\n", 4) : NULL)) {
		ssize_t n = read(fd, part, sizeof part);

		if (n <= 0)
			return false;
		buf_put(head, part, (size_t)n);
	}
	buf_put(body, end + 4, (size_t)(head->p + head->len - end) - 4);
	head->len = (size_t)(end - head->p);
	length = strcasestr(buf_str(head), "Content-Length: ");
	want = length ? strtoul(length + 16, NULL, 10) : 0;
	if (strcasestr(head->p, "Expect: 100-continue"))
		if (write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 25)
			return false;
	while (body->len < want) {
		ssize_t n = read(fd, part, sizeof part);

		if (n <= 0)
			return false;
		buf_put(body, part, (size_t)n);
	}
	return true;
}

static bool
write_answer(int fd, const struct answer *answer)
{
	struct buf out = { 0 };
	bool ok = answer->status != 0;

	buf_printf(&out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n", answer->status,
	    strlen(answer->body));
	if (answer->code)
		buf_printf(&out, "X-ClickHouse-Exception-Code: %d\r\n", answer->code);
	buf_printf(&out, "\r\n%s", answer->body);
	if (ok)
		ok = write(fd, out.p, out.len) == (ssize_t)out.len;
	buf_finish(&out);
	return ok;
}

static struct answer
choose(struct buf *head, struct buf *body)
{
	struct answer answer = { 200, 0, "" };

	pthread_mutex_lock(&server.lock);
	if (body->len > 8 && memcmp(body->p, "DESCRIBE", 8) == 0) {
		server.describes++;
		answer.body = server.inserts && server.describe_after ? server.describe_after
								      : server.describe;
		if (server.describe_answer.status)
			answer = server.describe_answer;
	} else if (body->len > 6 && memcmp(body->p, "SELECT", 6) == 0) {
		answer.body = server.parts;
	} else {
		server.inserts++;
		server.head.len = server.body.len = 0;
		buf_put(&server.head, head->p, head->len);
		buf_put(&server.body, body->p, body->len);
		if (server.played < server.scripted)
			answer = server.script[server.played++];
	}
	pthread_mutex_unlock(&server.lock);
	return answer;
}

static void *
serve(void *arg)
{
	struct buf head = { 0 }, body = { 0 };
	int fd;

	(void)arg;
	while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
		while (read_request(fd, &head, &body)) {
			struct answer answer = choose(&head, &body);

			pthread_mutex_lock(&server.gate);
			pthread_mutex_unlock(&server.gate);
			if (!write_answer(fd, &answer))
				break;
		}
		close(fd);
	}
	buf_finish(&head);
	buf_finish(&body);
	return NULL;
}

static int
server_start(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof address;

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server.listener, (struct sockaddr *)(void *)&address, len) != 0 ||
	    listen(server.listener, 8) != 0 ||
	    getsockname(server.listener, (struct sockaddr *)(void *)&address, &len) != 0)
		return 1;
	snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d", ntohs(address.sin_port));
	return pthread_create(&server.thread, NULL, serve, NULL);
}

static int
server_stop(void **state)
{
	(void)state;
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
	buf_finish(&server.head);
	buf_finish(&server.body);
	return 0;
}

static int
server_reset(void **state)
{
	(void)state;
	pthread_mutex_lock(&server.lock);
	server.describe = table_plain;
	server.describe_after = NULL;
	server.parts = "7\n";
	server.describe_answer = (struct answer){ 0 };
	server.played = server.scripted = server.inserts = server.describes = 0;
	pthread_mutex_unlock(&server.lock);
	return 0;
}

static void
script(int status, int code, const char *body)
{
	pthread_mutex_lock(&server.lock);
	assert_true(server.scripted < SCRIPT_MAX);
	server.script[server.scripted++] = (struct answer){ status, code, body };
	pthread_mutex_unlock(&server.lock);
}

/* --- a sink and its records --- */

static const char *const identity[] = { "at", "id" };
static const char *urls[2];

static struct sink_clickhouse_config
config_make(void)
{
	urls[0] = server.url;
	return (struct sink_clickhouse_config){
		.urls = urls,
		.url_count = 1,
		.database = "d",
		.table = "t",
		.identity = identity,
		.identity_count = 2,
		.batch_age_ms = 1,
		.connect_timeout_ms = 2000,
		.timeout_ms = 5000,
	};
}

static struct sink *
open_connected(const struct sink_clickhouse_config *config)
{
	struct sink *sink;
	struct err err;

	if (sink_open(&sink_clickhouse, config, &sink, &err) != FATE_DONE ||
	    sink_connect(sink, &err) != FATE_DONE)
		fail_msg("%s", err.what);
	return sink;
}

static struct record records[8];
static size_t record_count;

/* Frees what is there and sets up records 0.. of these values. */
static void
make(size_t count, const char *const *values)
{
	for (size_t i = 0; i < record_count; i++)
		free(records[i].reason);
	memset(records, 0, sizeof records);
	record_count = count;
	for (size_t i = 0; i < count; i++) {
		records[i].version = 7 + i;
		records[i].value = slice_str(values[i]);
	}
}

/* Until all is settled, or something is in the way. */
static enum fate
work_on(struct sink *sink, struct err *err)
{
	enum fate fate = FATE_DONE;

	while (fate == FATE_DONE && sink_pending(sink) > 0)
		fate = sink_work(sink, 100, err);
	return fate;
}

static enum fate
work(struct sink *sink, struct err *err)
{
	struct record *pointers[8];

	for (size_t i = 0; i < record_count; i++)
		pointers[i] = &records[i];
	sink_push(sink, pointers, record_count);
	sink_flush(sink);
	return work_on(sink, err);
}

#define ROW(id, s) "{\"id\":" id ",\"at\":\"1970-01-01T00:00:00.00" id "Z\",\"s\":\"" s "\"}"

static void
assert_body(const char *want)
{
	struct buf hex = { 0 };

	for (size_t i = 0; i < server.body.len; i++)
		buf_printf(&hex, "%02x", (unsigned)(unsigned char)server.body.p[i]);
	assert_string_equal(buf_str(&hex), want);
	buf_finish(&hex);
}

#define U64(digit) "0" digit "00000000000000"

static void
upserts_moves_and_deletes_in_one_insert(void **state)
{
	static const char *const values[] = { ROW("1", "a"), ROW("3", "b"), NULL,
		ROW("4", "c") };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink = open_connected(&config);
	struct err err;

	(void)state;
	make(4, values);
	records[1].before = SLICE("{\"at\":\"1970-01-01T00:00:00.002Z\",\"id\":3}");
	records[2].before = SLICE("{\"at\":\"1970-01-01T00:00:00.005Z\",\"id\":5,\"s\":\"x\"}");
	/* below the column's precision nothing has moved */
	records[3].before = SLICE("{\"at\":\"1970-01-01T00:00:00.0044Z\",\"id\":4}");
	assert_int_equal(work(sink, &err), FATE_DONE);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(records[i].outcome, OUTCOME_DONE);
	assert_int_equal(server.inserts, 1);
	/* 5 columns, 5 rows, in the order of (at, id): 1, the old 3, 3, 4, the gone 5 */
	assert_body("0505"
		    "085f76657273696f6e"
		    "0655496e743634" U64("7") U64("8") U64("8") "0a00000000000000" U64(
			"9") "085f64656c65746564"
			     "0555496e7438"
			     "0001000001"
			     "026174"
			     "0d4461746554696d653634283329" U64("1") U64("2") U64("3") U64("4")
				 U64("5") "026964"
					  "05496e743634" U64("1") U64("3") U64("3") U64("4")
					      U64("5") "0173"
						       "06537472696e67"
						       "0161"
						       "00"
						       "0162"
						       "0163"
						       "00");
	assert_non_null(strstr(buf_str(&server.head),
	    "POST /?query=INSERT%20INTO%20%60d%60.%60t%60%20%28%60_version%60%2C%20%60_"
	    "deleted%60%2C%20%60at%60%2C%20%60id%60%2C%20%60s%60%29%20FORMAT%20Native"
	    "&async_insert=0&wait_end_of_query=1&"));
	assert_null(strstr(server.head.p, "Content-Encoding"));
	sink_close(sink);
}

static void
rows_that_lack_fields_take_the_servers_default(void **state)
{
	static const char *const values[] = { ROW("1", "a"),
		("{\"id\":2,\"at\":\"1970-01-01T00:00:00.002Z\","
		 "\"seen\":\"1970-01-01 00:00:09\"}"),
		"{\"id\":3,\"at\":\"1970-01-01T00:00:00.003Z\",\"seen\":null}" };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink = open_connected(&config);
	struct err err;

	(void)state;
	make(3, values);
	assert_int_equal(work(sink, &err), FATE_DONE);
	assert_string_equal(records[2].reason, "column seen: null where it takes none");
	assert_body("0602"
		    "085f76657273696f6e"
		    "0655496e743634" U64("7")
			U64("8") "085f64656c65746564"
				 "0555496e7438"
				 "0000"
				 "026174"
				 "0d4461746554696d653634283329" U64("1")
				     U64("2") "026964"
					      "05496e743634" U64("1") U64(
						  "2") "0173"
						       "06537472696e67"
						       "0161"
						       "00"
						       "047365656e"
						       "124e756c6c61626c65284461746554696d6529"
						       "0100"
						       "00000000"
						       "09000000");
	sink_close(sink);
}

static void
what_cannot_be_a_row_is_refused_alone(void **state)
{
	static const char *const values[] = { ROW("1", "a"), "{\"id\":1}", "[]", "{\"id\":1,",
		"{\"id\":9223372036854775808}", NULL, NULL };
	static const char *const reasons[] = { NULL, "column at is missing",
		"not a JSON object", "not JSON at byte", "is out of range",
		"not wholly known: {\"id\":3}", "the place before the change: not JSON" };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink = open_connected(&config);
	struct err err;

	(void)state;
	make(7, values);
	records[5].key = SLICE("{\"id\":3}");
	records[6].before = SLICE("{\"id\":3,\"at\":");
	assert_int_equal(work(sink, &err), FATE_DONE);
	assert_int_equal(records[0].outcome, OUTCOME_DONE);
	for (size_t i = 1; i < 7; i++) {
		assert_int_equal(records[i].outcome, OUTCOME_REJECTED);
		if (!strstr(records[i].reason, reasons[i]))
			fail_msg("%s", records[i].reason);
	}
	assert_int_equal(server.inserts, 1);
	make(1, values + 2); /* nothing left: nothing is sent */
	assert_int_equal(work(sink, &err), FATE_DONE);
	assert_int_equal(server.inserts, 1);
	sink_close(sink);
}

/* Every line of the table of codes, and one that is not in it. */
/* Of a sink that was connected before: 192 to 194 and 516 are a login that changes. */
static const struct {
	int code;
	enum fate fate;
} fates[] = { { 3, FATE_RETRY }, { 6, FATE_REJECT }, { 10, FATE_HALT }, { 16, FATE_HALT },
	{ 20, FATE_HALT }, { 27, FATE_REJECT }, { 33, FATE_HALT }, { 36, FATE_HALT },
	{ 38, FATE_REJECT }, { 41, FATE_REJECT }, { 43, FATE_HALT }, { 44, FATE_HALT },
	{ 46, FATE_HALT }, { 47, FATE_HALT }, { 48, FATE_HALT }, { 50, FATE_HALT },
	{ 53, FATE_REJECT }, { 60, FATE_HALT }, { 62, FATE_HALT }, { 69, FATE_REJECT },
	{ 70, FATE_REJECT }, { 72, FATE_REJECT }, { 73, FATE_HALT }, { 81, FATE_HALT },
	{ 115, FATE_HALT }, { 117, FATE_REJECT }, { 131, FATE_HALT }, { 158, FATE_RETRY },
	{ 159, FATE_RETRY }, { 160, FATE_RETRY }, { 164, FATE_HALT }, { 192, FATE_RETRY },
	{ 193, FATE_RETRY }, { 194, FATE_RETRY }, { 195, FATE_HALT }, { 198, FATE_RETRY },
	{ 201, FATE_RETRY }, { 202, FATE_RETRY }, { 203, FATE_RETRY }, { 209, FATE_RETRY },
	{ 210, FATE_RETRY }, { 218, FATE_HALT }, { 225, FATE_RETRY }, { 236, FATE_RETRY },
	{ 241, FATE_RETRY }, { 242, FATE_RETRY }, { 243, FATE_RETRY }, { 244, FATE_RETRY },
	{ 252, FATE_RETRY }, { 279, FATE_RETRY }, { 285, FATE_RETRY }, { 286, FATE_RETRY },
	{ 289, FATE_RETRY }, { 307, FATE_RETRY }, { 319, FATE_RETRY }, { 321, FATE_REJECT },
	{ 349, FATE_REJECT }, { 373, FATE_RETRY }, { 394, FATE_RETRY }, { 407, FATE_REJECT },
	{ 425, FATE_RETRY }, { 439, FATE_RETRY }, { 441, FATE_REJECT }, { 469, FATE_REJECT },
	{ 473, FATE_RETRY }, { 497, FATE_HALT }, { 499, FATE_RETRY }, { 516, FATE_RETRY },
	{ 691, FATE_REJECT }, { 999, FATE_RETRY }, { 7777, FATE_RETRY } };

static void
every_code_has_its_fate(void **state)
{
	static const char *const values[] = { ROW("1", "a") };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink = open_connected(&config);
	struct err err;
	char text[64], code[12];

	for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
		enum fate want = fates[i].fate, got;

		(void)server_reset(state);
		make(1, values);
		snprintf(code, sizeof code, "%d", fates[i].code);
		snprintf(text, sizeof text, "Code: %s. DB::Exception: no. (NAME)\n", code);
		script(500, i % 2 ? fates[i].code : 0, text); /* by header or by text */
		got = work(sink, &err);
		if (want == FATE_REJECT) {
			assert_int_equal(got, FATE_DONE);
			assert_int_equal(records[0].outcome, OUTCOME_REJECTED);
			assert_non_null(strstr(records[0].reason, "DB::Exception: no."));
			assert_int_equal(server.describes, 1);
		} else {
			if (got != want)
				fail_msg("code %s: %s", code, fate_name(got));
			assert_string_equal(err.code, code);
			assert_int_equal(records[0].outcome, OUTCOME_PENDING);
		}
		sink_drop(sink);
	}
	sink_close(sink);
}

static void
answers_without_a_code_go_by_their_status(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum fate fate;
	} answers[] = { { 502, "bad gateway", FATE_RETRY }, { 503, "", FATE_RETRY },
		{ 429, "", FATE_RETRY }, { 408, "", FATE_RETRY }, { 404, "nginx", FATE_HALT },
		{ 401, "", FATE_HALT }, { 302, "", FATE_HALT }, { 0, "", FATE_RETRY },
		{ 200, "Code: 241. DB::Exception: too much. (MEMORY)", FATE_RETRY },
		{ 200,
		    "\r\n__exception__\r\nabc\r\nCode: 241. DB::Exception: too much\n12 "
		    "abc\r\n",
		    FATE_RETRY } };
	static const char *const values[] = { ROW("1", "a") };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink = open_connected(&config);
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		make(1, values);
		script(answers[i].status, 0, answers[i].body);
		if (answers[i].status == 0) /* libcurl sends again on a fresh connection */
			script(0, 0, "");
		assert_int_equal(work(sink, &err), answers[i].fate);
		assert_int_equal(records[0].outcome, OUTCOME_PENDING);
		sink_drop(sink);
	}
	sink_close(sink);
}

static void
a_row_that_the_server_names_is_refused_alone(void **state)
{
	/* the block is sorted, so the server's second row is the third record */
	static const char *const values[] = { ROW("1", "a"), ROW("5", "b"), ROW("3", "c"),
		ROW("4", "d") };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink = open_connected(&config);
	struct err err;

	(void)state;
	make(4, values);
	script(500, 469, "Code: 469. DB::Exception: Constraint c is violated at row 2. (X)");
	assert_int_equal(work(sink, &err), FATE_DONE);
	assert_int_equal(server.inserts, 2);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(records[i].outcome, i == 2 ? OUTCOME_REJECTED : OUTCOME_DONE);
	sink_close(sink);
}

static void
rows_of_other_shapes_are_read_as_well(void **state)
{
	static const char *const values[] = { ROW("1", "a"), ROW("2", "b\\u00e9"),
		"{\"s\":\"c\",\"id\":3,\"at\":\"1970-01-01T00:00:00.003Z\"}", ROW("4", "d"),
		"{\"id\":5,\"at\":\"1970-01-01T00:00:00.005Z\",\"s\":\"x\",\"s\":\"y\"}",
		"{\"id\":6,\"at\":\"1970-01-01T00:00:00.006Z\",\"s\":\"z\"} ",
		"{\"id\":7,\"at\":\"1970-01-01T00:00:00.007Z\",\"s\":7x}",
		"{\"id\":8,\"at\":\"1970-01-01T00:00:00.008Z\"}" };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink = open_connected(&config);
	struct err err;

	(void)state;
	for (int again = 0; again < 2; again++) {
		make(8, values);
		assert_int_equal(work(sink, &err), FATE_DONE);
		for (size_t i = 0; i < 8; i++)
			assert_int_equal(records[i].outcome,
			    i == 4 || i == 6 ? OUTCOME_REJECTED : OUTCOME_DONE);
		assert_non_null(strstr(records[4].reason, "s"));
		assert_non_null(memmem(
		    server.body.p, server.body.len, "\6String\1a\3b\xc3\xa9\1c\1d\1z\0", 17));
	}
	sink_close(sink);
}

static size_t
inserts_seen(void)
{
	size_t inserts;

	pthread_mutex_lock(&server.lock);
	inserts = server.inserts;
	pthread_mutex_unlock(&server.lock);
	return inserts;
}

/* Pushes the records in batches of two, and works until the first is at the server. */
static void
push_and_hold(struct sink *sink)
{
	struct record *pointers[8];
	struct err err;

	for (size_t i = 0; i < record_count; i++)
		pointers[i] = &records[i];
	pthread_mutex_lock(&server.gate);
	sink_push(sink, pointers, record_count);
	sink_flush(sink);
	while (inserts_seen() == 0)
		assert_int_equal(sink_work(sink, 1, &err), FATE_DONE);
}

static void
a_batch_is_made_while_another_is_on_its_way(void **state)
{
	static const char *const values[] = { ROW("1", "a"), ROW("2", "b"), "[]", ROW("4", "d"),
		ROW("5", "e") };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink;
	struct err err;

	(void)state;
	config.batch_rows = 2;
	sink = open_connected(&config);
	make(5, values);
	push_and_hold(sink);
	assert_int_equal(sink_work(sink, 5, &err), FATE_DONE); /* no answer: back in time */
	assert_int_equal(records[0].outcome, OUTCOME_PENDING);
	assert_int_equal(records[2].outcome, OUTCOME_REJECTED); /* it was looked at */
	assert_int_equal(sink_pending(sink), 4);
	assert_int_equal(inserts_seen(), 1);
	pthread_mutex_unlock(&server.gate);
	free(records[2].reason); /* the worker may let go of it */
	memset(&records[2], 0xff, sizeof records[2]);
	assert_int_equal(work_on(sink, &err), FATE_DONE);
	memset(&records[2], 0, sizeof records[2]);
	assert_int_equal(records[0].outcome, OUTCOME_DONE);
	assert_int_equal(records[4].outcome, OUTCOME_DONE);
	assert_int_equal(server.inserts, 3);

	(void)server_reset(state);
	make(5, values); /* what was dropped does not come back */
	push_and_hold(sink);
	sink_drop(sink);
	pthread_mutex_unlock(&server.gate);
	assert_int_equal(sink_pending(sink), 0);
	make(2, values);
	assert_int_equal(work(sink, &err), FATE_DONE);
	assert_int_equal(records[1].outcome, OUTCOME_DONE);
	sink_close(sink);
}

static void
a_refusal_finds_its_row_though_the_next_batch_is_made(void **state)
{
	static const char *const values[] = { ROW("5", "a"), ROW("2", "b"), ROW("9", "c"),
		ROW("8", "d") };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink;
	struct err err;

	(void)state;
	config.batch_rows = 2;
	sink = open_connected(&config);
	for (int named = 1; named >= 0; named--) {
		(void)server_reset(state);
		script(500, 469,
		    named ? "Code: 469. DB::Exception: Constraint at row 2. (X)"
			  : "Code: 469. DB::Exception: Constraint. (X)");
		if (!named) /* halved: the row that stands alone first */
			script(500, 469, "Code: 469. DB::Exception: Constraint. (X)");
		make(4, values);
		push_and_hold(sink);
		pthread_mutex_unlock(&server.gate);
		assert_int_equal(work_on(sink, &err), FATE_DONE);
		assert_int_equal(records[0].outcome, OUTCOME_REJECTED);
		for (size_t i = 1; i < 4; i++)
			assert_int_equal(records[i].outcome, OUTCOME_DONE);
	}
	sink_close(sink);
}

static void
a_changed_table_is_described_again_once(void **state)
{
	static const char *const wider[] = {
		"{\"id\":1,\"at\":\"1970-01-01T00:00:00.001Z\",\"s\":\"\",\"extra\":5}"
	};
	struct sink_clickhouse_config config = config_make();
	struct sink *sink = open_connected(&config);
	struct err err;

	(void)state;
	make(1, wider); /* the column is not there */
	assert_int_equal(work(sink, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "no column for the field extra"));
	assert_int_equal(server.inserts, 0);
	assert_int_equal(server.describes, 2);
	sink_drop(sink);

	server.describe = table_wider; /* somebody adds it */
	make(1, wider);
	assert_int_equal(work(sink, &err), FATE_DONE);
	assert_int_equal(records[0].outcome, OUTCOME_DONE);
	assert_int_equal(server.describes, 3);

	server.describe_after = table_plain; /* and drops it */
	make(1, wider);
	script(500, 16, "Code: 16. DB::Exception: No such column");
	assert_int_equal(work(sink, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "no column for the field extra"));
	sink_close(sink);
}

static void
unfit_targets_are_refused_at_connect(void **state)
{
	static const struct clickhouse_field field = { .name = "nope" };
	struct sink_clickhouse_config config = config_make();
	static const struct {
		const char *describe, *why;
	} tables[] = {
		{ "{\"name\":\"id\",\"type\":\"Int64\",\"default_type\":\"\"}\n",
		    "no column _version" },
		{ "{\"name\":\"_version\",\"type\":\"String\",\"default_type\":\"\"}\n"
		  "{\"name\":\"_deleted\",\"type\":\"UInt8\",\"default_type\":\"\"}\n",
		    "_version has the wrong type" },
		{ "{\"name\":\"_version\",\"type\":\"UInt64\",\"default_type\":\"\"}\n"
		  "{\"name\":\"_deleted\",\"type\":\"UInt8\",\"default_type\":\"\"}\n",
		    "no column at" },
		{ "{\"name\":\"_version\",\"type\":\"UInt64\",\"default_type\":\"\"}\n"
		  "{\"name\":\"_deleted\",\"type\":\"UInt8\",\"default_type\":\"\"}\n"
		  "{\"name\":\"at\",\"type\":\"Tuple(UInt8)\",\"default_type\":\"\"}\n",
		    "Tuple(UInt8) is not supported" },
	};
	struct sink *sink;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		server.describe = tables[i].describe;
		assert_int_equal(sink_open(&sink_clickhouse, &config, &sink, &err), FATE_DONE);
		assert_int_equal(sink_connect(sink, &err), FATE_HALT);
		if (!strstr(err.what, tables[i].why))
			fail_msg("%s", err.what);
		assert_int_equal(sink_connect(sink, &err), FATE_HALT); /* and again */
		sink_close(sink);
	}
	server.describe = table_plain;
	config.fields = &field;
	config.field_count = 1;
	assert_int_equal(sink_open(&sink_clickhouse, &config, &sink, &err), FATE_DONE);
	assert_int_equal(sink_connect(sink, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "the table has no column nope"));
	server.describe_answer =
	    (struct answer){ 403, 516, "Code: 516. DB::Exception: who are you?" };
	assert_int_equal(sink_connect(sink, &err), FATE_RETRY); /* it knew us just now */
	sink_close(sink);
	assert_int_equal(sink_open(&sink_clickhouse, &config, &sink, &err), FATE_DONE);
	assert_int_equal(sink_connect(sink, &err), FATE_HALT);
	assert_non_null(strstr(err.what, "who are you?"));
	server.describe_answer = (struct answer){ 503, 0, "starting" };
	assert_int_equal(sink_connect(sink, &err), FATE_RETRY);
	sink_close(sink);
}

static void
unfit_configurations_are_refused_at_open(void **state)
{
	struct sink_clickhouse_config config = config_make();
	struct sink *sink;
	struct err err;

	(void)state;
	config.identity_count = 0;
	assert_int_equal(sink_open(&sink_clickhouse, &config, &sink, &err), FATE_HALT);
	config = config_make();
	config.table = NULL;
	assert_int_equal(sink_open(&sink_clickhouse, &config, &sink, &err), FATE_HALT);
	config = config_make();
	config.url_count = 0;
	assert_int_equal(sink_open(&sink_clickhouse, &config, &sink, &err), FATE_HALT);
}

static void
the_next_host_is_tried(void **state)
{
	static const char *const values[] = { ROW("1", "a") };
	struct sink_clickhouse_config config = config_make();
	struct sink *sink;
	struct err err;

	(void)state;
	urls[0] = "http://127.0.0.1:9"; /* nobody listens there */
	urls[1] = "http://127.0.0.1:7";
	config.url_count = 2;
	assert_int_equal(sink_open(&sink_clickhouse, &config, &sink, &err), FATE_DONE);
	assert_int_equal(sink_connect(sink, &err), FATE_RETRY);
	assert_non_null(strstr(err.what, "http://127.0.0.1:7"));
	sink_close(sink);
	urls[1] = server.url; /* a question is put to every host before it is given up */
	assert_int_equal(sink_open(&sink_clickhouse, &config, &sink, &err), FATE_DONE);
	assert_int_equal(sink_connect(sink, &err), FATE_DONE);
	make(1, values);
	assert_int_equal(work(sink, &err), FATE_DONE);
	sink_close(sink);
}

static void
names_and_settings_travel_escaped(void **state)
{
	static const struct clickhouse_rename renames[] = { { "row id", "id" } };
	static const struct clickhouse_setting settings[] = { { "insert_quorum", "a&b" } };
	static const char *const values[] = {
		"{\"row id\":1,\"\\u0061t\":\"1970-01-01T00:00:00Z\"}"
	};
	struct sink_clickhouse_config config = config_make();
	struct sink *sink;
	struct err err;

	(void)state;
	config.renames = renames;
	config.rename_count = 1;
	config.settings = settings;
	config.setting_count = 1;
	config.table = "we`ird\\";
	config.compression = NATIVE_LZ4;
	sink = open_connected(&config);
	make(1, values);
	assert_int_equal(work(sink, &err), FATE_DONE);
	assert_int_equal(records[0].outcome, OUTCOME_DONE);
	assert_non_null(strstr(buf_str(&server.head), "%60we%5C%60ird%5C%5C%60"));
	assert_non_null(strstr(server.head.p, "&insert_quorum=a%26b"));
	assert_non_null(strstr(server.head.p, "Content-Encoding: lz4"));
	sink_close(sink);
}

static void
batches_shrink_when_the_server_is_short_of_memory(void **state)
{
	static const char *const values[] = { ROW("1", "a"), ROW("2", "b"), ROW("3", "c"),
		ROW("4", "d") };
	struct sink_clickhouse_config config = config_make();
	struct sink_batch_limits limits;
	void *driver = calloc(1, sink_clickhouse.state);
	struct record *pointers[4];
	struct err err;

	(void)state;
	config.batch_rows = 4000;
	make(4, values);
	for (size_t i = 0; i < 4; i++)
		pointers[i] = &records[i];
	assert_int_equal(sink_clickhouse.open(driver, &config, &err), FATE_DONE);
	script(500, 241, "Code: 241. DB::Exception: memory");
	script(500, 252, "Code: 252. DB::Exception: parts");
	assert_int_equal(sink_clickhouse.deliver(driver, pointers, 4, &err), FATE_RETRY);
	sink_clickhouse.limits(driver, &limits);
	assert_int_equal(limits.rows_max, 2000);
	assert_int_equal(sink_clickhouse.deliver(driver, pointers, 4, &err), FATE_RETRY);
	sink_clickhouse.limits(driver, &limits);
	assert_int_equal(limits.rows_max, 2000);
	for (int i = 0; i < 10; i++)
		assert_int_equal(sink_clickhouse.deliver(driver, pointers, 4, &err), FATE_DONE);
	sink_clickhouse.limits(driver, &limits);
	assert_int_equal(limits.rows_max, 4000);
	sink_clickhouse.close(driver);
	free(driver);
	make(0, NULL);
}

static void
rows_wait_longer_when_there_are_many_parts(void **state)
{
	static const char *const values[] = { ROW("1", "a") };
	struct sink_clickhouse_config config = config_make();
	struct clickhouse *driver = calloc(1, sink_clickhouse.state);
	struct sink_batch_limits limits;
	struct record *pointers[1] = { &records[0] };
	struct err err;

	(void)state;
	make(1, values);
	config.batch_age_ms = 400;
	assert_int_equal(sink_clickhouse.open(driver, &config, &err), FATE_DONE);
	script(500, 252, "Code: 252. DB::Exception: parts");
	assert_int_equal(sink_clickhouse.deliver(driver, pointers, 1, &err), FATE_RETRY);
	sink_clickhouse.limits(driver, &limits);
	assert_int_equal(limits.age_ms, 800);
	server.parts = "300\n";
	assert_int_equal(sink_clickhouse.tick(driver, 0, &err), FATE_DONE);
	assert_int_equal(sink_clickhouse.tick(driver, 0, &err), FATE_DONE); /* too soon */
	sink_clickhouse.limits(driver, &limits);
	assert_int_equal(limits.age_ms, 1600);
	server.parts = "299\n";
	for (int i = 0; i < 5; i++) {
		driver->next_look_ms = 0;
		assert_int_equal(sink_clickhouse.tick(driver, 0, &err), FATE_DONE);
	}
	sink_clickhouse.limits(driver, &limits);
	assert_int_equal(limits.age_ms, 400);
	sink_clickhouse.close(driver);
	free(driver);
	make(0, NULL);
}

static void
fill_row(struct record *record, size_t i)
{
	static const char *const values[] = { ROW("1", "a"), ROW("2", "b"), ROW("3", "c"),
		NULL };

	record->value = slice_str(values[i % 4]);
	record->key = SLICE("{\"id\":3}");
	if (i % 4 >= 2)
		record->before = SLICE("{\"at\":\"1970-01-01T00:00:00.009Z\",\"id\":3}");
}

static void
the_contract_of_sinks_is_kept(void **state)
{
	struct sink_clickhouse_config config = config_make();

	(void)state;
	script(200, 0, "");
	script(503, 0, "busy");
	script(500, 252, "Code: 252. DB::Exception: parts");
	contract_check(&sink_clickhouse, &config, fill_row);
}

#define CASE(f) cmocka_unit_test_setup(f, server_reset)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(upserts_moves_and_deletes_in_one_insert),
		CASE(rows_that_lack_fields_take_the_servers_default),
		CASE(what_cannot_be_a_row_is_refused_alone),
		CASE(every_code_has_its_fate),
		CASE(answers_without_a_code_go_by_their_status),
		CASE(a_row_that_the_server_names_is_refused_alone),
		CASE(rows_of_other_shapes_are_read_as_well),
		CASE(a_batch_is_made_while_another_is_on_its_way),
		CASE(a_refusal_finds_its_row_though_the_next_batch_is_made),
		CASE(a_changed_table_is_described_again_once),
		CASE(unfit_targets_are_refused_at_connect),
		CASE(unfit_configurations_are_refused_at_open),
		CASE(the_next_host_is_tried),
		CASE(names_and_settings_travel_escaped),
		CASE(the_contract_of_sinks_is_kept),
		CASE(batches_shrink_when_the_server_is_short_of_memory),
		CASE(rows_wait_longer_when_there_are_many_parts),
	};

	return cmocka_run_group_tests(tests, server_start, server_stop);
}
