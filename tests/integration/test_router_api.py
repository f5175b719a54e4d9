# SPDX-License-Identifier: Apache-2.0
"""The router's API, as its callers use it: answers, errors, limits, keys, audit, history."""
import contextlib
import csv
import decimal
import hashlib
import io
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest
import redis

from router_world import BIN, BOARD, ROOT, RouterWorld, admin, clickhouse
from wait import wait_until

BIG = 1_000_000
LONG = "SELECT count(*) FROM users a, users b, users c WHERE a.score + b.score + c.score = -1"
STREAM_RSS = 64 << 20


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    world = RouterWorld(tmp_path_factory.mktemp("router"), name="router_api", anonymous="narrow",
                        server={"hosts": ["router.example"]}).make()
    with admin(world.name) as pg:
        pg.execute("CREATE TABLE big AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, %s) i" % BIG)
        pg.execute("ALTER TABLE big ADD PRIMARY KEY (id)")
        pg.execute("CREATE TABLE kinds (id int PRIMARY KEY, n numeric, b bigint, f float8, t text, j jsonb, o boolean, d bytea)")
        pg.execute("GRANT SELECT ON big, kinds TO router_world")
        pg.execute("INSERT INTO kinds VALUES (1, 12345678901234567890.1200, 9007199254740993, 1e300, E'a\\n\"\\\\,\u00fc', "
                   "'{\"a\": [1, 2.50]}', true, '\\x00ff'), (2, 'NaN', -1, 'Infinity', '', NULL, false, NULL), "
                   "(3, NULL, NULL, '-Infinity', NULL, '[]', NULL, '')")
    world.more = {
        "tables": {"big": {"columns": {"id": "integer", "text": "text"}, "key": "id", "engines": {"postgres": "public.big"}, "rows": BIG},
                   "kinds": {"columns": {"id": "integer", "n": "numeric", "b": "bigint", "f": "double precision", "t": "text",
                                         "j": "jsonb", "o": "boolean", "d": "bytea"}, "key": "id",
                             "engines": {"postgres": "public.kinds"}}}}
    world.write_registry = _merged(world)
    world.start()
    yield world
    assert world.stop() == 0
    world.drop()


def _merged(world):
    """The registry with the tables above besides its own."""
    tables, plain = world.more.pop("tables"), type(world).write_registry

    def write():
        path = plain(world)
        registry = json.loads(path.read_text())
        registry["tables"].update(tables)
        path.write_text(json.dumps(registry, indent=1))
        return path
    return write


def backends(router):
    with admin() as pg:
        return pg.execute("SELECT pid, query FROM pg_stat_activity WHERE usename = 'router_world' AND datname = %s "
                          "AND state = 'active'", (router.name,)).fetchall()


def error(answer, status, code):
    assert answer.status_code == status, answer.text
    found = answer.json()["error"]
    assert found["code"] == code and found["status"] == status and found["message"], answer.text
    return found


# --- answers ---

def test_values_keep_their_digits(router):
    answer = router.ask("SELECT n, b, f, t, j, o, d FROM kinds ORDER BY id")
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.text, parse_float=decimal.Decimal)
    assert body["rows"] == [
        [decimal.Decimal("12345678901234567890.1200"), 9007199254740993, decimal.Decimal("1e300"), 'a\n"\\,ü',
         {"a": [1, decimal.Decimal("2.50")]}, True, "\\x00ff"],
        ["NaN", -1, "Infinity", "", None, False, None], [None, None, "-Infinity", None, [], None, "\\x"]]
    assert "12345678901234567890.1200" in answer.text and "2.50" in answer.text
    assert [c["type"] for c in body["columns"]] == ["numeric", "bigint", "double precision", "text", "jsonb", "boolean", "bytea"]
    assert body["row_count"] == 3 and body["engine"] == "postgres" and not body["truncated"] and not body["degraded"]


def test_ndjson_and_csv_hold_the_same(router):
    sql = "SELECT id, t, n FROM kinds ORDER BY id"
    lines = [json.loads(line) for line in router.ask(sql, format="ndjson").text.splitlines()]
    assert [c["name"] for c in lines[0]["columns"]] == ["id", "t", "n"] and lines[-1]["row_count"] == 3
    assert lines[2] == [2, "", "NaN"] and lines[3] == [3, None, None]
    answer = router.ask(sql, format="csv")
    assert answer.headers["content-type"].startswith("text/csv") and answer.headers["sluice-engine"] == "postgres"
    assert list(csv.reader(io.StringIO(answer.text, newline=""))) == [
        ["id", "t", "n"], ["1", 'a\n"\\,ü', "12345678901234567890.1200"], ["2", "", "NaN"], ["3", "", ""]]
    assert answer.text.splitlines()[-2:] == ['2,"",NaN', "3,,"]  # "" is a text, nothing is NULL


def test_parameters(router):
    assert router.rows("SELECT $1::int + 1, $2::text, $3::boolean, $4::jsonb, $5::numeric",
                       params=[41, "ü'\"", True, {"a": 1}, 1.50]) == [[42, "ü'\"", True, {"a": 1}, 1.5]]
    assert router.rows("SELECT name FROM users WHERE id = $1", params=[7]) == [["name 7"]]
    assert router.rows("SELECT $1::int", params=[None]) == [[None]]
    for params in ([], [1, 2]):
        assert error(router.ask("SELECT $1::int", params=params), 400, "PARAMETERS")["sqlstate"] == "08P01"


def test_parameters_on_the_engine_that_fits(router):
    """$n is no reason for another engine; a value that an engine is not told exactly is."""
    count = "SELECT count(*) FROM users WHERE score > $1"
    for value, want, engine in ((5, 455, "clickhouse"), (" 5 ", 455, "clickhouse"), ("-1", 1000, "clickhouse"), (None, 0, "postgres")):
        body = router.ask(count, params=[value]).json()
        assert (body["engine"], body["reason"], body["rows"]) == (engine, "AGG_NO_JOIN", [[want]]), body
    for sql, params in (("SELECT role, count(*) FROM users WHERE role IN ($1, $2) AND at >= $3 GROUP BY role ORDER BY role COLLATE \"C\"",
                         ["admin", "gu'\\est", "2026-01-01 02:00:00+02"]),
                        ("SELECT sum(amount), round(avg(amount), $3) FROM users WHERE amount BETWEEN $1 AND $2", ["12.5", 1.1e2, 3]),
                        ("SELECT count(*) FROM users WHERE (score > 3) = $1 AND uuid <> $2", [" yes", "{00000000-0000-4000-8000-000000000001}"]),
                        ("SELECT count(*) FROM users WHERE name LIKE $1", ["name 1%"])):
        first = router.ask(sql, params=params).json()
        assert first["engine"] == "clickhouse" and first["row_count"], first
        assert first["rows"] == router.ask(sql, params=params, engine="postgres").json()["rows"], first
    point = router.ask("SELECT name FROM users WHERE id = $1", params=[7]).json()
    assert (point["engine"], point["reason"]) == ("postgres", "POINT_LOOKUP")
    # what Postgres would refuse is refused as Postgres does, wherever it is asked
    for engine in None, "clickhouse", "postgres":
        force = {"engine": engine} if engine else {}
        for value, state in (("abc", "22P02"), ("", "22P02"), ("1.5", "22P02"), ("99999999999", "22003")):
            assert error(router.ask(count, params=[value], **force), 400, "STATEMENT_FAILED")["sqlstate"] == state
    # Postgres alone holds these values, or may read them
    for value in ("infinity", "-infinity", "today", "0044-03-15 BC", "Jan 2 2026"):
        body = router.ask("SELECT count(*) FROM users WHERE at > $1", params=[value]).json()
        assert body["engine"] == "postgres" and body["row_count"] == 1, body
    assert router.ask("SELECT count(*) FROM users WHERE amount < $1", params=["NaN"]).json()["rows"] == [[1000]]
    error(router.ask("SELECT count(*) FROM users WHERE at > $1", params=["infinity"], engine="clickhouse"), 422, "ENGINE_CANNOT")


def test_parameters_of_a_board(router):
    for params, want in ((["member 3"], [[95.5]]), (["nobody"], []), (["it's $1 \\r\r"], [])):
        assert router.rows("SELECT score FROM top10 WHERE member = $1", params=params) == want
    assert router.rows("SELECT member FROM top10 ORDER BY score DESC LIMIT $1 OFFSET $2", params=[2, "1"]) == [["member 1"], ["member 2"]]
    error(router.ask("SELECT member FROM top10 ORDER BY score DESC LIMIT $1", params=[0]), 422, "NO_ENGINE")
    error(router.ask("SELECT score FROM top10 WHERE member = $1", params=["a\nZADD x"]), 422, "NO_ENGINE")
    assert error(router.ask("SELECT member FROM top10 ORDER BY score DESC LIMIT $1", params=["x"]), 400, "STATEMENT_FAILED")["sqlstate"] == "22P02"
    told = router.ask("SELECT member FROM top10 ORDER BY score DESC LIMIT $1", params=["x"], path="/v1/explain").json()
    assert (told["status"], told["reason"]) == (400, "STATEMENT_FAILED")  # what a query answers with


def test_explain_fills_parameters_in(router):
    sql = "SELECT count(*) FROM users WHERE name = $1 AND score > $2"
    plain = router.ask(sql, path="/v1/explain").json()
    assert plain["engine"] == "clickhouse" and plain["parameters"] == 2 and "$2" in plain["sql"]
    filled = router.ask(sql, path="/v1/explain", params=["it's", "7"]).json()
    assert "'it\\'s'" in filled["sql"] and "toInt32(7)" in filled["sql"] and "$" not in filled["sql"]
    other = router.ask(sql, path="/v1/explain", params=["it's", "x"]).json()
    assert other["engine"] == "postgres"
    said = {e["name"]: e for e in other["engines"]}["clickhouse"]
    assert said["dropped_by"] == "PARAMETER_VALUE" and not said["candidate"] and "sql" not in said
    assert said["dropped_because"] == '$2: invalid input syntax for type integer: "x"'
    open_ = router.ask("SELECT count(*) FROM users WHERE $1 IS NULL", path="/v1/explain").json()
    said = {e["name"]: e for e in open_["engines"]}["clickhouse"]
    assert (said["dropped_by"], said["dropped_because"]) == ("CH_CANNOT_EXPRESS", "a parameter whose type is not known")


def test_the_engine_that_fits_answers_and_says_why(router):
    for sql, engine, reason in (
            ("SELECT name FROM users WHERE id = 3", "postgres", "POINT_LOOKUP"),
            ("SELECT role, count(*) FROM users GROUP BY role", "clickhouse", "AGG_NO_JOIN"),
            ("SELECT member, score FROM top10 ORDER BY score DESC LIMIT 3", "redis", "LEADERBOARD"),
            ("SELECT table_name FROM information_schema.tables", "registry", "METADATA")):
        body = router.ask(sql).json()
        assert (body["engine"], body["reason"]) == (engine, reason), body
    board = router.get("/v1/leaderboard/top10?top=2", who="alice").json()
    assert [(m["member"], m["score"]) for m in board["members"]] == [("member 0", 100), ("member 1", 98.5)]
    assert router.get("/v1/leaderboard/nothing", who="alice").status_code == 404
    assert router.get("/v1/leaderboard/top10?top=x", who="alice").status_code == 400


def test_writes_answer_with_a_token(router):
    body = router.ask("INSERT INTO notes (body) VALUES ($1) RETURNING id, body", params=["hello"]).json()
    assert body["affected"] == 1 and body["rows"][0][1] == "hello" and len(body["read_token"]) == 48
    assert router.rows("SELECT body FROM notes WHERE id = $1", params=[body["rows"][0][0]],
                       read_token=body["read_token"]) == [["hello"]]
    error(router.ask("SELECT 1", who="walter", read_token=body["read_token"]), 400, "READ_TOKEN")
    error(router.ask("DELETE FROM notes", who="walter"), 403, "REQUIRE_WHERE")


@pytest.mark.parametrize("sql,status,code,sqlstate,position", [
    ("SELECT * FORM users", 400, "SYNTAX", "42601", 10),
    ("SELECT 'ü', nope FROM users", 400, "UNKNOWN_COLUMN", "42703", 13),
    ("SELECT * FROM nowhere", 404, "UNKNOWN_TABLE", "42P01", 15),
    ("SELECT 1; SELECT 2", 400, "MULTI_STATEMENT", None, 10),
    ("", 400, "EMPTY", None, 1),
    ("SELECT pg_sleep(1)", 403, "FUNCTION_NOT_ALLOWED", None, 8),
    ("SELECT 1 / 0", 400, "STATEMENT_FAILED", "22012", None),
    ("COPY users TO PROGRAM 'x'", 403, "STATEMENT_NOT_ALLOWED", None, 1)])
def test_errors_say_where(router, sql, status, code, sqlstate, position):
    found = error(router.ask(sql), status, code)
    assert (found.get("sqlstate"), found.get("position")) == (sqlstate, position), found


def test_requests_are_read_strictly(router):
    for body in ("", "[]", "{", '{"sql": 1}', '{"sql": "SELECT 1", "x": 1}', '{"sql": "SELECT 1", "sql": "SELECT 2"}',
                 '{"sql": "SELECT 1\\u0000"}', '{"sql": "SELECT 1", "row_limit": 0}', '{"sql": "SELECT 1", "format": "xml"}',
                 '{"sql": "SELECT 1", "max_staleness": "soon"}', "{}", b'{"sql": "\xff"}'):
        answer = httpx.post(router.url + "/v1/query", content=body, headers=router.headers("alice"))
        error(answer, 400, "BAD_REQUEST")
    for method, path, status in (("GET", "/v1/query", 405), ("POST", "/nowhere", 404), ("PUT", "/v1/explain", 405)):
        assert httpx.request(method, router.url + path, headers=router.headers("alice")).status_code == status
    headers = {**router.headers("alice"), "origin": "http://evil.example"}
    error(httpx.post(router.url + "/v1/query", json={"sql": "SELECT 1"}, headers=headers), 403, "ORIGIN")


def test_without_a_key_only_hosts_that_are_known(router):
    """A page whose host's name was made to mean this address asks with GET, which says no Origin."""
    kept = router.ask("SELECT id FROM users WHERE id < 100000", who=None, engine="postgres", wait_timeout="0s").json()["id"]
    paths = ("/v1/tables", "/v1/history", "/v1/engines", "/v1/leaderboard/top10", f"/v1/query/{kept}")
    for path in paths:
        for host in ("evil.example", f"evil.example:{router.port}", "127.0.0.1.evil.example", ""):
            answer = router.get(path, headers={"host": host})
            assert answer.status_code == 403 or not host and answer.status_code == 400, (path, host, answer.text)
        for host in (f"127.0.0.1:{router.port}", f"localhost:{router.port}", "[::1]", f"router.example:{router.port}"):
            assert router.get(path, headers={"host": host}).status_code != 403, (path, host)
        key = {**router.headers("alice"), "host": "evil.example"}
        assert httpx.get(router.url + path, headers=key, timeout=30).status_code in (200, 202, 404), path
    error(httpx.post(router.url + "/v1/query", json={"sql": "SELECT 1"}, headers={"host": "evil.example"}), 403, "HOST")
    assert router.get("/livez", headers={"host": "evil.example"}).status_code == 200  # who looks after it may call it anything


def test_explain_tells_all_and_does_nothing(router):
    before = router.rows("SELECT count(*) FROM notes", engine="postgres")
    told = router.ask("INSERT INTO notes (body) VALUES ('x')", path="/v1/explain").json()
    assert (told["status"], told["engine"], told["class"]) == (200, "postgres", "write")
    assert router.rows("SELECT count(*) FROM notes", engine="postgres") == before
    told = router.ask("SELECT role, count(*) FROM users GROUP BY role", path="/v1/explain").json()
    assert [item["stage"] for item in told["trace"]][:2] == ["admit", "classify"]
    engines = {engine["name"]: engine for engine in told["engines"]}
    assert engines["redis"]["dropped_by"] == "NOT_PLACED" and engines["clickhouse"]["chosen"]
    assert "GROUP BY" in engines["clickhouse"]["sql"] and engines["clickhouse"]["breaker"] == "closed"
    told = router.ask("SELECT x FROM users", path="/v1/explain").json()
    assert (told["status"], told["engine"], told["reason"], told["position"]) == (400, None, "UNKNOWN_COLUMN", 8)


def test_metadata_is_what_the_role_may_name(router):
    sql = "SELECT table_name FROM information_schema.tables ORDER BY 1"
    assert ["customers"] in router.rows(sql) and router.rows(sql, who="nina") == [["users"]]
    assert router.rows("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'users' "
                       "AND ordinal_position < 3 ORDER BY ordinal_position") == [["id", "bigint"], ["name", "text"]]
    assert router.rows("SELECT count(*) FROM information_schema.columns WHERE table_name = 'customers'", who="nina") == [[0]]
    assert [t["name"] for t in router.get("/v1/tables", who="nina").json()["tables"]] == ["users"]
    customers = {t["name"]: t for t in router.get("/v1/tables", who="ann").json()["tables"]}["customers"]
    assert customers["filtered"] and [c["name"] for c in customers["columns"] if c.get("masked")] == ["ssn"]


# --- limits, keys ---

def test_limits_of_an_answer(router):
    body = router.ask("SELECT id FROM users ORDER BY id", engine="postgres", row_limit=3).json()
    assert body["rows"] == [[1], [2], [3]] and body["truncated"]
    assert not router.ask("SELECT id FROM users", engine="postgres", row_limit=1000).json()["truncated"]
    body = router.ask("SELECT * FROM big", byte_limit=1000).json()
    assert body["truncated"] and 5 < body["row_count"] < 100
    assert error(router.ask(LONG, engine="postgres", timeout="300ms"), 504, "TIMEOUT")["sqlstate"] == "57014"
    wait_until("the engine has let go", lambda: not backends(router))


def test_keys_and_their_limits(router):
    assert router.rows("SELECT count(*) FROM users", who=None) == [[1000]]  # anonymous, as narrow
    error(router.ask("SELECT count(*) FROM depts", who=None), 404, "UNKNOWN_TABLE")
    for bad in ("Bearer slk_" + "0" * 64, "Bearer x", "Basic YTpi", "Bearer " + router.keys["alice"][:-1]):
        answer = httpx.post(router.url + "/v1/query", json={"sql": "SELECT 1"}, headers={"authorization": bad})
        error(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"
    new = subprocess.run([BIN / "sluicectl", "key", "new", "carl", "admin"], capture_output=True, text=True, check=True, timeout=30)
    key = new.stdout.strip()
    keys = json.loads((router.folder / "keys.yaml").read_text())
    keys["keys"]["carl"] = {"role": "admin", "hash": hashlib.sha256(key.encode()).hexdigest(),
                            "limits": {"rate": 0.1, "concurrency": 1, "rows": 5, "time": "20s"}}
    assert keys["keys"]["carl"]["hash"] in new.stderr
    (router.folder / "keys.yaml").write_text(json.dumps(keys))
    router.process.send_signal(signal.SIGHUP)
    carl = {"headers": {"authorization": f"Bearer {key}"}, "timeout": 30}
    wait_until("the key is known", lambda: httpx.get(router.url + "/v1/tables", **carl).status_code == 200)
    first = httpx.post(router.url + "/v1/query", json={"sql": "SELECT id FROM users", "engine": "postgres"}, **carl).json()
    assert first["row_count"] == 5 and first["truncated"]
    answers = [httpx.post(router.url + "/v1/query", json={"sql": "SELECT 1"}, **carl) for _ in range(4)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused and all(int(a.headers["retry-after"]) >= 1 for a in refused)
    answers = [httpx.post(router.url + "/v1/explain", json={"sql": "SELECT 1"}, **carl) for _ in range(4)]  # weighing counts too
    assert [a for a in answers if a.status_code == 429]
    (router.folder / "keys.yaml").write_text(json.dumps({"keys": {"alice": {}}}))  # refused: all stays as it is
    router.process.send_signal(signal.SIGHUP)
    wait_until("the refusal", lambda: "event=keys kept=1" in (router.folder / "router.log").read_text())
    assert httpx.get(router.url + "/v1/tables", **carl).status_code == 200
    del keys["keys"]["carl"]
    (router.folder / "keys.yaml").write_text(json.dumps(keys))
    router.process.send_signal(signal.SIGHUP)
    wait_until("the key is gone", lambda: httpx.get(router.url + "/v1/tables", **carl).status_code == 401)


# --- what is kept ---

def test_asynchronous_statements(router):
    begun = router.ask(LONG, engine="postgres", wait_timeout="0s")
    assert begun.status_code == 202 and begun.json()["state"] == "running"
    path = "/v1/query/" + begun.json()["id"]
    assert router.get(path, who="alice").status_code == 202
    error(router.get(path, who="bob"), 404, "NOT_FOUND")  # another's
    wait_until("it runs", lambda: backends(router))
    assert httpx.delete(router.url + path, headers=router.headers("alice")).status_code == 202
    wait_until("the engine has let go", lambda: not backends(router))
    error(wait_until("it has ended", lambda: (a := router.get(path, who="alice")).status_code != 202 and a), 409, "CANCELLED")
    error(router.ask(LONG, engine="postgres", wait_timeout="200ms", on_timeout="cancel"), 504, "TIMEOUT")
    body = router.ask("SELECT id FROM users WHERE id < 4 ORDER BY id", wait_timeout="20s").json()
    assert body["state"] == "answered" and body["rows"] == [[1], [2], [3]] and body["chunk_count"] == 1


def test_a_large_answer_is_fetched_in_chunks(router):
    body = router.ask("SELECT id, text FROM big WHERE id <= 100000 ORDER BY id", wait_timeout="60s").json()
    assert body["chunk_count"] > 2 and body["row_count"] == 100000
    ids = []
    for n in range(body["chunk_count"]):
        chunk = router.get(f"/v1/query/{body['id']}/chunk/{n}", who="alice").json()
        assert chunk["row_count"] == len(chunk["rows"])
        ids += [row[0] for row in chunk["rows"]]
    assert ids == list(range(1, 100001))
    assert router.get(f"/v1/query/{body['id']}/chunk/99", who="alice").status_code == 404
    assert httpx.delete(f"{router.url}/v1/query/{body['id']}", headers=router.headers("alice")).status_code == 202
    assert router.get(f"/v1/query/{body['id']}", who="alice").status_code == 404


# --- streams ---

def test_a_million_rows_stream(router):
    began, count, last = router.rss(), 0, None
    peak = began
    with httpx.stream("POST", router.url + "/v1/query", json={"sql": "SELECT id, text FROM big", "format": "ndjson"},
                      headers=router.headers("alice"), timeout=120) as answer:
        for line in answer.iter_lines():
            count, last = count + 1, line
            if count % 100000 == 0:
                peak = max(peak, router.rss())
    assert json.loads(last)["row_count"] == BIG and count == BIG + 2
    assert peak < STREAM_RSS, peak


# --- audit and history ---

def audit(router):
    return [json.loads(line) for line in (router.folder / "audit.ndjson").read_text().splitlines() if line]


def test_every_statement_is_on_record(router):
    read, write = "SELECT name, ssn FROM customers WHERE id = 3", "INSERT INTO notes (body) VALUES ('audited')"
    assert router.rows(read, who="ann") == [["customer 3", "***"]]
    router.ask(write, who="walter")
    router.ask("SELECT nope FROM users", who="ann")
    lines = audit(router)
    ours = [l for l in lines if l["sql_sha256"] == hashlib.sha256(read.encode()).hexdigest()]
    assert [l["outcome"] for l in ours][:2] == ["begins", "answered"]
    assert ours[0]["principal"] == "ann" and ours[0]["role"] == "analyst" and ours[0]["tables"] == ["customers"]
    assert ours[0]["masked"] == ["customers.ssn"] and ours[0]["engine"] == "postgres" and len(ours[0]["policy"]) == 16
    writes = [l for l in lines if l["sql_sha256"] == hashlib.sha256(write.encode()).hexdigest()]
    assert [l["outcome"] for l in writes] == ["begins", "answered"] and writes[0]["tables"] == ["notes"]
    assert lines[-1]["outcome"] == "UNKNOWN_COLUMN" and "nope" not in json.dumps(lines)


def test_history_is_ones_own(router):
    router.ask("SELECT 'of bob'", who="bob")
    mine = router.get("/v1/history?limit=5", who="bob").json()
    assert mine["entries"][0]["sql"] == "SELECT 'of bob'" and mine["entries"][0]["outcome"] == "answered"
    assert not any("of bob" in e["sql"] for e in router.get("/v1/history", who="alice").json()["entries"])
    assert router.get("/v1/history?limit=x", who="bob").status_code == 400


def test_state_and_metrics(router):
    assert router.get("/health").json() == {"status": "ok"}
    assert router.get("/livez").status_code == router.get("/readyz").status_code == 200
    text = router.get("/metrics").text
    assert 'sluice_router_answered_total{engine="postgres"}' in text and "sluice_router_plan_hits_total" in text
    spec = router.get("/openapi.json").json()
    assert spec["openapi"].startswith("3.1") and "/v1/query" in spec["paths"]
    engines = {e["name"]: e for e in router.get("/v1/engines", who="alice").json()["engines"]}
    assert engines["postgres"]["asked"] > 0 and not engines["clickhouse"]["down"]


def test_what_cannot_be_written_down_does_not_run(tmp_path):
    """The audit's disk is full (a limit of the file's size): reads go on, writes and governed reads do not."""
    world = RouterWorld(tmp_path, name="router_full", server={"history_max": 2, "results_max": 1 << 20}, engines=("postgres",)).make()
    try:
        world.start()
        resource.prlimit(world.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        while world.ask("INSERT INTO notes (body) VALUES ('x')", who="walter").status_code == 200:
            pass
        count = world.rows("SELECT count(*) FROM notes", engine="postgres")
        error(world.ask("INSERT INTO notes (body) VALUES ('y')", who="walter"), 503, "AUDIT")
        error(world.ask("SELECT name FROM customers", who="ann"), 503, "AUDIT")
        assert world.rows("SELECT count(*) FROM notes", engine="postgres") == count
        assert world.rows("SELECT name FROM users WHERE id = 7", who="ann") == [["name 7"]]
        assert "sluice_router_audit_failures_total 0" not in world.get("/metrics").text
        assert world.get("/v1/history", who="alice").json()["dropped"] > 0
        (tmp_path / "audit.ndjson").write_text("")  # there is room again
        assert world.ask("INSERT INTO notes (body) VALUES ('z')", who="walter").status_code == 200
        assert [l["outcome"] for l in audit(world)][-2:] == ["begins", "answered"]
        kept = []
        for _ in range(2):  # each is as large as all answers together may be: the older one gives way
            kept.append(world.ask("SELECT a.name, b.name FROM users a CROSS JOIN users b", engine="postgres", wait_timeout="0s"))
            ended = wait_until("it has ended", lambda: (a := world.get(
                f"/v1/query/{kept[-1].json()['id']}", who="alice")).status_code == 200 and a)
            assert ended.json()["truncated"] and len(ended.content) < 2 << 20
        assert world.get(f"/v1/query/{kept[0].json()['id']}", who="alice").status_code == 404
        assert world.stop() == 0
    finally:
        if world.process and world.process.poll() is None:
            world.process.kill()
        world.drop()


# --- the program ---

def test_the_program_checks_prints_and_refuses(router, tmp_path):
    path = router.folder / "router.yaml"
    check = subprocess.run([BIN / "sluice-router", "--pipeline", path, "--check"], capture_output=True, text=True, timeout=60)
    assert check.returncode == 0 and "postgres: answers" in check.stdout, check
    shown = subprocess.run([BIN / "sluice-router", "--pipeline", path, "--print-config"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0 and "password: '***'" in shown.stdout and "password: router_world" not in shown.stdout
    registry = json.loads(path.read_text())
    for change, words in (({"server": {"listen": "127.0.0.1:0", "surprise": 1}}, "surprise"), ({"server": {"anonymous": "nobody"}}, "nobody")):
        bad = tmp_path / "bad.yaml"
        bad.write_text(json.dumps({**registry, **change}, indent=1))
        done = subprocess.run([BIN / "sluice-router", "--pipeline", bad], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and words in done.stderr and "bad.yaml:" in done.stderr, done


def test_the_whole_configuration_is_shown_without_its_secrets(tmp_path):
    registry = {
        "server": {"anonymous": "reader", "token_wait": "3s",
                   "check": {"write": "INSERT INTO t VALUES (1) RETURNING id", "read": "SELECT max(id) FROM t", "engine": "clickhouse"}},
        "engines": {
            "postgres": {"kind": "postgres", "url": "postgresql://jane:SECRET1@db:5433/app"},
            "clickhouse": {"kind": "clickhouse", "url": "https://ch:8443", "ca_file": "/etc/ca.pem", "user": "asker", "password": "SECRET2",
                           "kill_user": "killer", "kill_password": "SECRET3"},
            "redis": {"kind": "redis", "url": "redis://:SECRET4@cache:6379/1"},
            "duckdb": {"kind": "duckdb", "library": "/opt/libduckdb.so", "memory_mb": 256, "files": {"rev": "/data/rev.parquet"}}},
        "tables": {"t": {"columns": {"id": "bigint", "ssn": "text"}, "key": "id", "engines": {"postgres": "public.t", "clickhouse": "x.t"},
                         "replicas": "clickhouse", "policies": {"reader": {"filter": "id > 0", "masks": {"ssn": "'***'"}}}}},
        "roles": {"reader": {"tables": "t", "functions": "nextval"}}}
    path = tmp_path / "router.yaml"

    def shown():
        path.write_text(json.dumps(registry, indent=1))
        done = subprocess.run([BIN / "sluice-router", "--pipeline", path, "--print-config"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "SECRET" not in done.stdout
        return done.stdout
    said = shown()
    for words in ("postgresql://jane:***@db:5433/app", "redis://:***@cache:6379/1", "/etc/ca.pem", "killer", "kill_password: '***'",
                  "/opt/libduckdb.so", "256", "rev: /data/rev.parquet", "INSERT INTO t", "SELECT max(id)", "token_wait: 3000ms",
                  "filtered and masked for reader", "tables: [t]", "functions: [nextval]"):
        assert words in said, f"{words} is not in {said}"
    for url in ("host=db user=jane password=SECRET1", "host=db password = 'SECRET1 SECRET1'", "postgresql://db/app?password=SECRET1"):
        registry["engines"]["postgres"]["url"] = url
        assert "url: '***'" in shown()
    registry["engines"]["postgres"]["url"] = "postgresql://jane:SEC?RET1@db/app"  # libpq looks for the '@' up to a '/'
    said = shown()
    assert "url: postgresql://jane:***@db/app" in said and "RET1" not in said


def test_sluicectl_query(router):
    env = {**os.environ, "SLUICE_ROUTER": router.url, "SLUICE_KEY": router.keys["alice"]}

    def query(*words):
        return subprocess.run([BIN / "sluicectl", "query", *words], capture_output=True, text=True, timeout=60, env=env)
    done = query("SELECT id, name FROM users WHERE id = $1", "7")
    assert done.returncode == 0 and done.stdout.splitlines()[-1].split() == ["7", "name", "7"] and "POINT_LOOKUP" in done.stderr
    assert query("SELECT id FROM users ORDER BY id LIMIT 2", "--format", "csv", "--engine", "postgres").stdout == "id\n1\n2\n"
    refused = query("SELECT * FORM users")
    assert refused.returncode == 1 and "SYNTAX" in refused.stderr and "character 10" in refused.stderr
    assert query("SELECT 1", "--url", "http://127.0.0.1:1").returncode == 3
    check = [BIN / "sluicectl", "check", router.folder / "router.yaml"]
    done = subprocess.run(check, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0 and [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", "health:"], ["ok", "postgres:"], ["ok", "clickhouse:"], ["ok", "redis:"]], done
    env["SLUICE_ROUTER"] = "http://127.0.0.1:1"
    assert subprocess.run(check, capture_output=True, text=True, timeout=60, env=env).returncode == 3


def listens(world):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", world.port), timeout=5):
        return True
    return False


def test_every_answer_is_utf8(router):
    """A sentence that had to be cut, and bytes in a store that are no text."""
    for more in ({"x" + "\u00e9" * 40: 1}, {"engine": "\u00e9" * 200}):
        assert router.ask("SELECT name FROM users", **more).json()["error"]["message"]
    for sql in ("SELECT '{}'::int", "SELECT {} FROM users", "SELECT id FROM users WHERE role = '{}'::int"):
        for before in ("", "x", "xx"):
            for path in ("/v1/query", "/v1/explain"):
                assert router.ask(sql.format(before + "\u00e9" * 300), path=path).json()
    assert router.get("/v1/history", who="alice").json()["entries"]

    board = redis.Redis.from_url(os.environ["SLUICE_REDIS"])
    board.zadd(BOARD, {b"\xff\xfe": 1000})
    try:
        said = error(router.get("/v1/leaderboard/top10", who="alice"), 502, "ENGINE_FAILED")
        assert said["sqlstate"] == "22021" and "member" in said["message"]
    finally:
        board.zrem(BOARD, b"\xff\xfe")
    clickhouse().command(f"INSERT INTO {router.name}.depts_current (id, name) VALUES (5000, unhex('61ff62'))")
    try:
        for how in ({}, {"format": "ndjson"}, {"format": "csv"}, {"wait_timeout": "20s"}):
            answer = router.ask("SELECT id, name FROM depts ORDER BY id", engine="clickhouse", **how)
            said = error(answer, 502, "ENGINE_FAILED")
            assert said["sqlstate"] == "22021" and "name" in said["message"]
        assert router.rows("SELECT id FROM depts WHERE id = 5000", engine="clickhouse") == [[5000]]
    finally:
        clickhouse().command(f"ALTER TABLE {router.name}.depts_current DELETE WHERE id = 5000 SETTINGS mutations_sync = 2")


def test_sigterm_finishes_what_is_under_way(tmp_path):
    world = RouterWorld(tmp_path, name="router_drain", engines=("postgres",), server={"drain": "5m"}).make()
    try:
        world.start()
        answers = []
        slow = "SELECT count(*) FROM users a, users b, users c WHERE c.id <= 40 AND a.score + b.score + c.score = -1"
        asker = threading.Thread(target=lambda: answers.append(world.ask(slow, engine="postgres")))
        asker.start()
        wait_until("it runs", lambda: backends(world))
        world.process.terminate()
        wait_until("it takes no more", lambda: not listens(world))
        assert not answers and backends(world)
        assert world.process.wait(timeout=60) == 0  # a second SIGTERM would end it at once
        asker.join(timeout=30)
        assert answers[0].status_code == 200 and answers[0].json()["rows"] == [[0]]
    finally:
        world.stop()
        world.drop()


def test_sigterm_waits_no_longer_than_drain(tmp_path):
    world = RouterWorld(tmp_path, name="router_drain_over", engines=("postgres",), server={"drain": "1s"}).make()
    try:
        world.start()
        answers = []
        asker = threading.Thread(target=lambda: answers.append(world.ask(LONG)))
        asker.start()
        assert world.ask(LONG, wait_timeout="0s").status_code == 202
        wait_until("they run", lambda: "\nsluice_router_statements 2\n" in world.get("/metrics").text and backends(world))
        began = time.monotonic()
        assert world.stop() == 0
        assert 1 <= time.monotonic() - began < 15
        asker.join(timeout=30)
        error(answers[0], 409, "CANCELLED")
        assert [l["outcome"] for l in audit(world)] == ["CANCELLED"] * 2
        wait_until("Postgres has let go", lambda: not backends(world))
    finally:
        world.drop()


def test_a_second_sigterm_ends_at_once(tmp_path, monkeypatch):
    """Whatever it waits for: a statement, a broker that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("SLUICE_KAFKA", "127.0.0.1:%d" % silent.getsockname()[1])
        world = RouterWorld(tmp_path, name="router_twice", engines=("postgres",), server={"drain": "10m"},
                            registry={"sources": {"engagement": str(ROOT / "pipelines/engagement.yaml")}}).make()
        try:
            world.start()
            assert world.ask(LONG, wait_timeout="0s").status_code == 202
            wait_until("it runs", lambda: backends(world))
            world.process.terminate()
            wait_until("it takes no more", lambda: not listens(world))
            began = time.monotonic()
            assert world.stop() == 0
            assert time.monotonic() - began < 20
            assert [l["outcome"] for l in audit(world)] == ["CANCELLED"]
            wait_until("Postgres has let go", lambda: not backends(world))
        finally:
            world.drop()


def test_sigterm_finishes_what_nobody_waits_for(tmp_path):
    world = RouterWorld(tmp_path, name="router_drain_kept", engines=("postgres",)).make()
    try:
        world.start()
        slow = "SELECT count(*) FROM users a, users b, depts c WHERE a.score * b.score + c.id = -1"
        assert world.ask(slow, engine="postgres", wait_timeout="0s").status_code == 202
        wait_until("it runs", lambda: backends(world), every=0.01)
        assert not audit(world) and world.stop() == 0
        assert [l["outcome"] for l in audit(world)] == ["answered"]
    finally:
        world.drop()
