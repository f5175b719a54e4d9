# SPDX-License-Identifier: Apache-2.0
"""Every statement that must not get through, through the live router and on every engine that
holds the table: what acts, what reaches out, what goes around names, masks, filters, dialects and
sizes. The list of refusals is that of tests/unit/engine/test_attacks.c."""
import collections
import json
import os
import re

import httpx
import pytest
import redis

from route_world import TRICKS
from router_world import BOARD, NAME, ROOT, RouterWorld, admin, clickhouse, trino

ENGINES = ("postgres", "clickhouse", "duckdb")  # each holds every table that is asked for
STORES = (*ENGINES, "redis")
STRING = r'"((?:[^"\\]|\\.)*)"'


def c_table(name):
    """The rows of a table of strings in the unit test, literals that follow each other joined."""
    text = (ROOT / "tests/unit/engine/test_attacks.c").read_text()
    body = re.search(rf"\b{name}\[\] = \{{\n(.*?)\n\}};", text, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    out, end = [], None
    for match in re.finditer(STRING, body):
        if end is not None and not body[end:match.start()].strip():
            out[-1] += match[1]  # a literal behind a literal
        else:
            out.append(match[1])
        end = match.end()
    return [re.sub(r"\\(.)", r"\1", text) for text in out]


_words = c_table("refused")
REFUSED = list(zip(_words[::2], _words[1::2]))
GOVERNED = c_table("governed")
MORE_REFUSED = [  # of the router's cases and attacks that the unit test has elsewhere
    ("SELECT 1; DROP TABLE users", "MULTI_STATEMENT"), ("", "EMPTY"), ("/* nothing */ -- at all", "EMPTY"),
    *[(sql, "STATEMENT_NOT_ALLOWED") for sql in (
        "SET role = 'postgres'", "SET search_path = router_world", "RESET ALL", "BEGIN", "COMMIT", "LISTEN x", "LOAD 'x'", "PREPARE p AS SELECT 1", "EXECUTE p",
        "DECLARE c CURSOR FOR SELECT 1", "LOCK users", "VACUUM", "DO 'begin end'", "CALL f()", "COPY users TO PROGRAM 'id'",
        "COPY (SELECT * FROM users) TO STDOUT", "SELECT * INTO y FROM users")],
    *[(f"SELECT {call}", "FUNCTION_NOT_ALLOWED") for call in (
        "pg_sleep(10)", "set_config('a.b', 'c', false)", "pg_advisory_lock(1)", "pg_try_advisory_lock(1)", "pg_stat_reset()",
        "pg_read_file('/etc/hostname')", "pg_read_binary_file('x')", "setval('notes_id_seq', 1)",
        "lo_export(1, '/tmp/x')", "current_setting('data_directory')", "version()", "inet_server_addr()", "dblink('x', 'y')")],
    *[(f"SELECT * FROM {source}", "TABLE_FUNCTION") for source in (
        "url('http://169.254.169.254/', 'CSV')", "file('/etc/passwd')", "read_csv('/etc/passwd')", "read_text('/etc/passwd')",
        "dblink('host=x', 'SELECT 1') AS t(a int)", "duckdb_secrets()", "numbers(10)", "remoteSecure('h', 'd', 't')",
        "read_blob('x')", "read_json('x')", "read_parquet('users.parquet')", "parquet_scan('x')", "sniff_csv('x')", "glob('/etc/*')",
        "query('SELECT 1')", "query_table('customers')", "duckdb_settings()", "pragma_database_list()", "postgres_scan('h', 's', 't')",
        "pg.system.query(query => 'SELECT 1')", "system.query(query => 'DROP TABLE users')", "sequence(1, 10)")],
    *[(sql, "SYNTAX") for sql in (  # what no Postgres knows
        "ATTACH 'x.db' AS x", "DETACH db", "INSTALL httpfs", "LOAD httpfs", "PRAGMA enable_profiling", "EXPORT DATABASE 'x'", "SUMMARIZE users",
        "DESCRIBE users", "PIVOT users ON name", "FROM users", "USE memory", "SELECT * EXCLUDE (name) FROM users", "SELECT * FROM 'file.csv'",
        "SELECT * FROM TABLE(pg.system.query(query => 'SELECT 1'))", "SELECT * FROM users FOR SYSTEM_TIME AS OF 1", "SELECT * FROM users FINAL SAMPLE 1",
        "SELECT name FROM users FORMAT CSV", "SELECT 1 SETTINGS max_threads = 1", "SELECT * FROM users INTO OUTFILE 'x'", "SELECT MAP {'a': 1}")],
    *[(sql, "STATEMENT_NOT_ALLOWED") for sql in ("CHECKPOINT", "CALL pragma_version()", "SHOW TABLES", "COPY users FROM 's3://b/k'")],
    ("SELECT transform(ARRAY[1], x -> x)", "UNKNOWN_COLUMN"), ("SELECT filter(ARRAY['a'], name -> true) FROM users", "FUNCTION_NOT_ALLOWED"),
    ("SELECT any_match(ARRAY[1], id -> id > 0) FROM users", "FUNCTION_NOT_ALLOWED"), ("SELECT \"columns\"('s.*') FROM customers", "FUNCTION_NOT_ALLOWED"),
    *[(f"SELECT * FROM {name}", "FORBIDDEN_RELATION") for name in (
        "pg_stat_activity", "pg_stats", "pg_shadow", "pg_catalog.pg_class", "information_schema.columns_udt",
        "lake.information_schema.schemata")],
    *[(f"SELECT * FROM {name}", "UNKNOWN_TABLE") for name in (
        "unregistered", "public.unregistered", "elsewhere", "nothing", "router_world.users", "nowhere.users", "system.users", "router_world.users_current", '"users_current"', "postgres.system.users",
        '"/etc/passwd"', '"users.parquet"', "main.users", "memory.main.customers", "db.t", "duckdb_tables", "sqlite_master", '"customers$files"',
        '"customers$history"', "system.runtime.queries", "tpch.tiny.nation")],
]


def pytest_generate_tests(metafunc):
    """The router's own choice, and each engine by force; tests/lake runs these tests on engines of its own."""
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", (None, *metafunc.module.ENGINES))


@pytest.fixture(scope="module")
def router(request, tmp_path_factory):
    world = RouterWorld(tmp_path_factory.mktemp("router"), engines=request.module.STORES).make().start()
    world.asked = (None, *request.module.ENGINES)
    with httpx.Client() as world.client:
        yield world
    assert world.stop() == 0
    world.drop()


def force(engine):
    return {"engine": engine} if engine else {}


def refusal(answer):
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert error["status"] == answer.status_code and error["message"]
    return error["code"]


def state_of(world):
    """What an attack that got through would have changed."""
    with admin(world.name) as pg:
        one = lambda sql: pg.execute(sql).fetchall()
        return {
            "rows": one("SELECT count(*), sum(id) FROM users"), "customers": one("SELECT count(*) FROM customers"),
            "relations": one("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"),
            "functions": one("SELECT count(*) FROM pg_proc"), "large": one("SELECT count(*) FROM pg_largeobject_metadata"),
            "locks": one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
                         "(SELECT oid FROM pg_database WHERE datname = current_database())"),
            "sequence": one("SELECT last_value FROM notes_id_seq"),
            "files": sorted((f.name, f.stat().st_size, f.stat().st_mtime) for f in world.folder.glob("*.parquet*")),
            "clickhouse": "clickhouse" in world.engines and clickhouse().query(
                f"SELECT name FROM system.tables WHERE database = '{world.name}' ORDER BY 1").result_rows,
            "trino": "trino" in world.engines and sorted(trino(f"SHOW TABLES FROM memory.{world.name}"))}


def test_what_acts_or_reaches_out_is_refused(router, engine):
    before, wrong = state_of(router), []
    for sql, code in REFUSED + MORE_REFUSED:
        answer = router.ask(sql, client=router.client, **force(engine))
        if answer.status_code < 400 or (got := answer.json()["error"]["code"]) != code and (sql, code) in REFUSED:
            wrong.append((sql, code, answer.text[:200]))
        elif (sql, code) in MORE_REFUSED and got != code:
            wrong.append((sql, code, got))
        explained = router.ask(sql, path="/v1/explain", client=router.client).json()
        if explained["engine"] is not None:
            wrong.append((sql, "explained as", explained["engine"]))
    assert not wrong, "\n".join(map(str, wrong))
    assert state_of(router) == before


def test_a_reader_writes_nothing(router):
    before = state_of(router)
    for sql in ("INSERT INTO notes (body) VALUES ('x')", "UPDATE users SET score = 0", "DELETE FROM users", "TRUNCATE users",
                "DROP TABLE users", "CREATE TABLE t (a int)", "WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d",
                "EXPLAIN ANALYZE DELETE FROM users", "ALTER TABLE users ADD COLUMN x int"):
        for engine in router.asked:
            assert refusal(router.ask(sql, who="ann", client=router.client, **force(engine))) in (
                "WRITE_NOT_ALLOWED", "DDL_NOT_ALLOWED", "STATEMENT_NOT_ALLOWED"), sql
    for who in "ann", "walter":
        assert refusal(router.ask("SELECT nextval('notes_id_seq')", who=who, client=router.client)) == "FUNCTION_NOT_ALLOWED"
    assert refusal(router.ask("DELETE FROM users", who="walter", client=router.client)) == "REQUIRE_WHERE"
    assert refusal(router.ask("SELECT * FROM customers", who="nina", client=router.client)) in ("UNKNOWN_TABLE", "FORBIDDEN_RELATION")
    assert state_of(router) == before


# --- masks and filters ---

SEES = [
    *GOVERNED,
    "SELECT id, name, ssn, region FROM customers ORDER BY id",
    "SELECT (c).* FROM customers c ORDER BY id",
    "WITH customers AS (SELECT id, 'x' AS ssn FROM depts) SELECT ssn FROM public.customers",
    "WITH c AS (SELECT ssn FROM customers), customers AS (SELECT 1 AS ssn) SELECT count(*), count(DISTINCT ssn) FROM c",
    "SELECT ssn FROM (SELECT 1 AS id) users, LATERAL (SELECT ssn FROM customers WHERE customers.id >= users.id) x",
    "SELECT count(*) FROM customers WHERE ssn LIKE 'SSN-1000%'",
    "SELECT count(*) FROM customers WHERE ssn > 'SSN-100030'",
    "SELECT count(*), count(DISTINCT ssn), min(ssn), max(ssn) FROM customers",
    "SELECT id FROM customers WHERE region = 'us'",
    "SELECT region, count(*) FROM customers GROUP BY region",
    "SELECT id AS region, name FROM customers WHERE id < 20 ORDER BY 1",
    "SELECT region AS id, ssn AS region FROM customers ORDER BY name",
    "SELECT count(*) FROM customers WHERE region <> 'eu' OR true",
    "SELECT count(*) FROM customers WHERE region = 'eu' OR region = 'us' OR 1 = 1",
    "SELECT count(*) FROM customers c WHERE NOT (c.region = 'eu')",
    "SELECT upper(ssn) || name FROM customers ORDER BY id LIMIT 5",
    "SELECT CASE WHEN ssn = 'SSN-100003' THEN 'yes' ELSE 'no' END AS x, count(*) FROM customers GROUP BY 1",
    "SELECT 1 / (CASE WHEN ssn LIKE 'SSN%' THEN 0 ELSE 1 END) AS x FROM customers ORDER BY id",
    "SELECT id, 100 / (id - 5) AS x FROM customers ORDER BY id",  # a row that is hidden: no error tells of it
    "SELECT count(*) FROM customers WHERE 100 / (id - 5) < 1000",
    "SELECT count(*) FROM customers WHERE 100 % (id - 5) < 1000 AND ssn <> name",
    "SELECT sum(100 / (id - 7)) FROM customers",
    "SELECT count(*) FROM customers WHERE (CASE WHEN region = 'eu' THEN '1' ELSE region END)::integer = 1",
    "SELECT count(*) FROM customers WHERE (CASE WHEN ssn LIKE 'SSN%' THEN ssn ELSE '1' END)::integer = 1",
    "SELECT u.id FROM users u JOIN customers c ON c.id = u.id AND 100 / (c.id - 5) < 1000 ORDER BY u.id",
    "SELECT count(*) FROM customers WHERE (CASE WHEN id = 5 THEN 9223372036854775807 ELSE 0::bigint END) + 1 > 0",
    "SELECT id + (CASE WHEN region <> 'eu' THEN 9223372036854775807 ELSE 0::bigint END) AS x FROM customers ORDER BY id",
    "SELECT count(*) FROM customers WHERE (CASE WHEN ssn = 'SSN-100003' THEN 9223372036854775807 ELSE 0::bigint END) + 1 > 0",
    "SELECT sum(id * (CASE WHEN ssn LIKE 'SSN%' OR region = 'us' THEN 9223372036854775807 ELSE 1::bigint END)) FROM customers",
    "SELECT count(*) FROM customers WHERE (CASE WHEN name = 'customer 5' THEN 9223372036854775807 ELSE 0::bigint END) + 1 = 1",
    "SELECT count(*) FROM customers WHERE (CASE WHEN name LIKE '% 5' THEN 9223372036854775807 ELSE 1::bigint END) * 2 = 1",
    "SELECT count(*) FROM (SELECT id, (4 - id) + 9223372036854775805 AS x FROM customers) c WHERE x <> 7",
    "SELECT count(*) FROM customers WHERE (4 - id) + 9223372036854775805 > 0",  # too large for the first only
    "SELECT id, (4 - id) + 9223372036854775805 AS x FROM customers WHERE name <> '' ORDER BY id",
    "SELECT max((4 - id) + 9223372036854775805) FROM customers",
    "SELECT id FROM customers ORDER BY ssn COLLATE \"C\" DESC, id",
    "SELECT id, ssn FROM customers ORDER BY region COLLATE \"C\" DESC, id LIMIT 3",
    "SELECT region, max(ssn COLLATE \"C\") FROM customers GROUP BY region HAVING min(ssn COLLATE \"C\") < 'SSN-2'",
    "SELECT id, rank() OVER (ORDER BY ssn COLLATE \"C\") FROM customers ORDER BY id",
    "SELECT id, count(*) OVER (PARTITION BY ssn) FROM customers ORDER BY id",
    "SELECT count(*) FROM customers WHERE ssn COLLATE \"C\" > 'SSN-100030'",
    "SELECT count(DISTINCT ssn) FROM customers",
    "SELECT length(ssn), count(*) FROM customers GROUP BY length(ssn)",
    "SELECT id FROM customers ORDER BY ssn DESC, id DESC LIMIT 3",
    "SELECT a.ssn, b.id FROM customers a JOIN customers b ON a.ssn = b.ssn WHERE a.id = 3 ORDER BY b.id",
    "SELECT ssn FROM customers EXCEPT SELECT name FROM users",
    "SELECT u.id FROM users u LEFT JOIN customers c ON c.id = u.id AND c.ssn LIKE 'SSN%' WHERE c.id IS NOT NULL ORDER BY 1",
    "WITH c AS (SELECT ssn FROM customers) SELECT count(*) FROM c WHERE ssn LIKE 'SSN%'",
    "SELECT (SELECT max(ssn) FROM customers) AS m",
    "SELECT count(*) FILTER (WHERE ssn LIKE 'SSN%') FROM customers",
    "SELECT id FROM customers WHERE (ssn, region) IN (SELECT 'SSN-100003', 'eu')",
    "SELECT DISTINCT ON (ssn) ssn, id FROM customers ORDER BY ssn, id",
    "SELECT id FROM \"customers\" WHERE \"ssn\" IS NOT NULL AND \"ssn\" <> '***'",
    "SELECT coalesce(nullif(ssn, '***'), 'hidden') AS x FROM customers ORDER BY id LIMIT 2",
]


NOT_ROUTED = {"ENGINE_CANNOT"}  # the router's own refusal of an engine that is asked for


def as_seen(sql):
    """The same statement over a table that holds what the analyst may see; the oracle."""
    return re.sub(r"\bcustomers\b", "customers_seen", sql)


def unlike_the_seen(engine, answer):
    """Is this no answer to what the table that is seen answers? An error tells of hidden rows as well as a
    row does. The copies may be refused by the router, but not fail once they are asked."""
    if answer.status_code == 200:
        return False
    return engine in (None, "postgres") or answer.json()["error"]["code"] not in NOT_ROUTED


def most_are_answered(compared):
    """The router refuses some to the copies: joins to ClickHouse, text ordered by locale to all."""
    return min(compared.values()) > len(SEES) // 3


@pytest.mark.parametrize("who", ["ann", "bob", "olga"])
def test_nothing_shows_what_is_masked_or_filtered(router, who):
    """Whatever is asked, on whatever engine, the answer is that of a table which never held more."""
    compared, wrong = collections.Counter(), []
    for sql in SEES:
        with admin(router.name) as pg:
            want = pg.execute("SELECT to_jsonb(q) FROM (" + as_seen(sql) + ") q").fetchall()
        for engine in router.asked:
            router.ask(sql, who="alice", client=router.client, **force(engine))  # another's plan is there
            answer = router.ask(sql, who=who, client=router.client, **force(engine))
            if re.search(r"SSN-1000\d\d", answer.text.replace(json.dumps(sql)[1:-1], "")):
                wrong.append((engine, sql, answer.text[:200]))
            if unlike_the_seen(engine, answer):
                wrong.append((engine, sql, answer.text[:200], "where the table that is seen gives rows"))
            elif answer.status_code == 200:
                compared[engine] += 1
                if len(answer.json()["rows"]) != len(want):
                    wrong.append((engine, sql, "rows", len(answer.json()["rows"]), "instead of", len(want)))
    assert not wrong, "\n".join(map(str, wrong))
    assert len(compared) == len(router.asked) and most_are_answered(compared), compared


def test_answers_over_masks_are_those_of_the_masked_table(router):
    compared, wrong = collections.Counter(), []
    for sql in SEES:
        for engine in router.asked:
            seen = router.ask(sql, who="ann", client=router.client, **force(engine))
            oracle = router.ask(as_seen(sql), who="ann", client=router.client, engine="postgres")
            assert oracle.status_code == 200, (sql, oracle.text)
            if unlike_the_seen(engine, seen):
                wrong.append((engine, sql, seen.text[:200], "where the table that is seen gives rows"))
            if seen.status_code != 200:
                continue
            compared[engine] += 1
            ordered = "ORDER BY" in sql
            a, b = seen.json()["rows"], oracle.json()["rows"]
            if (a != b) if ordered else (sorted(map(str, a)) != sorted(map(str, b))):
                wrong.append((engine, sql, str(a)[:150], str(b)[:150]))
    assert not wrong, "\n".join(map(str, wrong))
    assert len(compared) == len(router.asked) and most_are_answered(compared), compared


def test_errors_and_side_doors_do_not_quote_hidden_values(router):
    for sql in ("SELECT ssn::integer FROM customers", "SELECT (ssn || name)::date FROM customers", "SELECT ssn::uuid FROM customers"):
        for engine in router.asked:
            answer = router.ask(sql, who="ann", client=router.client, **force(engine))
            assert "SSN-" not in answer.text, answer.text
    for sql in ("EXPLAIN SELECT * FROM customers WHERE ssn = 'SSN-100003'", "EXPLAIN ANALYZE SELECT * FROM customers"):
        assert refusal(router.ask(sql, who="ann", client=router.client)) in ("GOVERNED_EXPLAIN", "STATEMENT_NOT_ALLOWED")
    for sql in ("SELECT most_common_vals FROM pg_stats", "SELECT query FROM pg_stat_activity", "SELECT * FROM unregistered"):
        assert refusal(router.ask(sql, who="ann", client=router.client)) in ("FORBIDDEN_RELATION", "UNKNOWN_TABLE")
    tables = {t["name"]: t for t in router.get("/v1/tables", who="ann").json()["tables"]}
    assert tables["customers"]["filtered"] and [c for c in tables["customers"]["columns"] if c.get("masked")][0]["name"] == "ssn"
    assert [t["name"] for t in router.get("/v1/tables", who="nina").json()["tables"]] == ["users"]


def test_a_function_of_the_users_sees_what_they_see(router):
    """One that raises with its value, and is so cheap that Postgres would call it first."""
    assert router.rows("SELECT count(*) FROM depts WHERE leak(name)", who="tom", client=router.client) == [[20]]
    for sql in ("SELECT count(*) FROM customers WHERE leak(region)", "SELECT count(*) FROM customers WHERE leak(ssn)", "SELECT leak(region), leak(ssn) FROM customers",
                "SELECT name FROM customers ORDER BY leak(region)", "SELECT u.id FROM users u JOIN customers c ON leak(c.region) AND leak(c.ssn) AND c.id = u.id",
                "SELECT region FROM customers GROUP BY region HAVING leak(max(ssn))", "SELECT count(*) FILTER (WHERE leak(ssn)) FROM customers",
                "SELECT (SELECT leak(c.ssn)) FROM customers c", "SELECT id FROM users u WHERE EXISTS (SELECT 1 FROM customers c WHERE leak(c.region))"):
        for engine in router.asked:
            answer = router.ask(sql, who="tom", client=router.client, **force(engine))
            assert "told" not in answer.text and "SSN-" not in answer.text, answer.text
        assert refusal(router.ask(sql, who="ann", client=router.client)) == "FUNCTION_NOT_ALLOWED"
    for sql in ("SELECT (region).leak FROM customers", "SELECT c.leak FROM customers c", "SELECT public.leak(region) FROM customers", "SELECT evil.leak(region) FROM customers"):
        assert 400 <= (answer := router.ask(sql, who="tom", client=router.client)).status_code < 500 and "told" not in answer.text, answer.text


def test_who_may_write_does_not_read_what_is_hidden(router):
    before = state_of(router)
    for sql in ("INSERT INTO notes (body) SELECT ssn FROM customers", "UPDATE users SET name = c.ssn FROM customers c WHERE c.id = users.id",
                "DELETE FROM customers WHERE id = 1 RETURNING ssn", "UPDATE customers SET name = name WHERE region = 'us' RETURNING *",
                "INSERT INTO customers VALUES (99, 'x', 'y', 'us') RETURNING ssn", "INSERT INTO customers VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = customers.ssn",
                "WITH d AS (DELETE FROM customers RETURNING *) SELECT * FROM d", "DELETE FROM users u USING customers c WHERE c.ssn LIKE 'SSN%' AND u.id = c.id",
                "INSERT INTO notes (body) VALUES ((SELECT max(ssn) FROM customers))", "INSERT INTO notes (body) VALUES ('x') RETURNING (SELECT max(ssn) FROM customers)",
                "MERGE INTO users u USING customers c ON u.id = c.id WHEN MATCHED THEN UPDATE SET name = c.ssn", "CREATE TABLE t AS SELECT ssn FROM customers",
                "TRUNCATE customers", "ALTER TABLE customers ALTER ssn TYPE integer USING ssn::integer", "DROP TABLE customers"):
        for engine in router.asked:
            assert refusal(router.ask(sql, who="wendy", client=router.client, **force(engine))) == "GOVERNED_WRITE", sql
    assert refusal(router.ask("CREATE VIEW v AS SELECT * FROM customers", who="wendy", client=router.client)) == "STATEMENT_NOT_ALLOWED"
    assert state_of(router) == before


def test_no_lock_is_left_and_none_by_a_copy(router):
    for sql in ("SELECT id FROM users WHERE id = 1 FOR UPDATE", "SELECT id FROM users WHERE id = 1 FOR SHARE", "SELECT ssn FROM customers FOR UPDATE NOWAIT",
                "SELECT id FROM (SELECT id FROM users FOR UPDATE SKIP LOCKED) q WHERE id = 1"):
        for engine in router.asked:
            answer = router.ask(sql, who="ann", client=router.client, **force(engine))
            assert 400 <= answer.status_code < 500 and "SSN-" not in answer.text, (engine, sql, answer.text)
    with admin(router.name) as pg:
        pg.execute("SET lock_timeout = '5s'; BEGIN; LOCK TABLE users, customers IN ACCESS EXCLUSIVE MODE; COMMIT")


def test_rows_that_are_hidden_are_not_counted(router):
    for sql in "SELECT count(*) FROM customers", "SELECT * FROM users u JOIN customers c ON c.id = u.id":
        told = router.ask(sql, who="ann", client=router.client, path="/v1/explain").json()
        assert told["status"] == 200 and told["governed"] and "rows_estimated" not in told
        assert router.ask(sql, who="alice", client=router.client, path="/v1/explain").json()["rows_estimated"] > 0
    tables = {t["name"]: t for t in router.get("/v1/tables", who="ann").json()["tables"]}
    assert "rows_estimated" not in tables["customers"] and tables["users"]["rows_estimated"] > 0


def test_the_audit_names_masked_columns_and_no_values(router):
    router.ask("SELECT name FROM customers WHERE ssn = 'SSN-100003' OR id = 5", who="ann", client=router.client)
    text = (router.folder / "audit.ndjson").read_text()
    last = json.loads(text.splitlines()[-1])
    assert "SSN-100003" not in text and "ann" in json.dumps(last) and "customers" in json.dumps(last)


# --- dialects ---

def test_a_literal_stays_one(router, engine):
    for at in range(0, len(TRICKS), 40):
        part = TRICKS[at:at + 40]
        sql = "SELECT " + ", ".join("'" + t.replace("'", "''") + "' AS c" + str(i) for i, t in enumerate(part)) + " FROM depts WHERE id = 1"
        assert router.rows(sql, client=router.client, **force(engine)) == [part]
    sql = "SELECT count(*) FROM customers WHERE name = 'x\\'' UNION ALL SELECT ssn FROM users -- '"
    assert router.rows(sql, who="ann", client=router.client, **force(engine)) == [[0]]


def test_a_parameter_stays_one(router, engine):
    for at in range(0, len(TRICKS), 40):
        part = TRICKS[at:at + 40]
        sql = "SELECT " + ", ".join(f"${i + 1}::text AS c{i}" for i in range(len(part))) + " FROM depts WHERE id = 1"
        assert router.rows(sql, params=part, client=router.client, **force(engine)) == [part]
        listed = ", ".join(f"${i + 1}" for i in range(len(part)))
        sql = f"SELECT count(*) FROM customers WHERE name IN ({listed}) OR ssn IN ({listed}) OR region = $1"
        assert router.rows(sql, who="ann", params=part, client=router.client, **force(engine)) == [[0]]
    for trick in TRICKS[:-255]:
        for sql in ("SELECT count(*) FROM users WHERE score = $1", "SELECT count(*) FROM users WHERE at > $1", "SELECT id FROM users LIMIT $1",
                    "SELECT count(*) FROM users WHERE uuid = $1", "SELECT count(*) FROM users WHERE amount < $1"):
            answer = router.ask(sql, params=[trick], client=router.client, **force(engine))
            assert answer.status_code == 400 and answer.json()["error"]["sqlstate"] in ("22P02", "22007", "22008"), (sql, trick, answer.text)


def test_names_that_mean_something_elsewhere(router, engine):
    for word in ("final", "sample", "settings", "format", "prewhere", "array", "limit", "by", "with", "using", "columns", "exclude", "qualify", "pivot",
                 "lambda", "asof", "positional", "macro", "unnest", "rollup", "cube", "table", "localtime", "normalize", "listagg", "skip"):
        assert router.rows(f'SELECT id AS "{word}", score FROM users AS "{word}" WHERE id = 5', client=router.client, **force(engine)) == [[5, 5]]
    assert router.rows("SELECT name AS id FROM users WHERE id = 7", client=router.client, **force(engine)) == [["name 7"]]
    assert router.rows("SELECT count(*) /* /* nested */ still */ FROM users -- end", client=router.client, **force(engine)) == [[1000]]
    assert router.rows('SELECT count(*) AS n FROM U&"\\0075sers"', client=router.client, **force(engine)) == [[1000]]
    assert router.rows("WITH users AS (SELECT id FROM depts) SELECT count(*) FROM users", client=router.client, **force(engine)) == [[20]]
    assert router.rows("WITH users AS (SELECT id FROM depts) SELECT count(*) FROM public.users", client=router.client, **force(engine)) == [[1000]]
    assert router.rows("SELECT count(*) FROM USERS AS \"Users\"", client=router.client, **force(engine)) == [[1000]]


# --- the board ---

MEMBERS = ["a b", "it's", 'q"q', "back\\slash", "cr\rhere", "tab\t", "x' OR '1'='1", "%25", "é日本", "\x01", "", "$3", "WITHSCORES"]
LINES = ["\r\nDEL x", "line\nbreak", "*2\r\n$3\r\nDEL\r\n$6\r\nsecret\r\n", "\n"]  # no word of a command has a newline
NO_BOARD = [  # what a board's two commands do not say, and the code that it meets
    *[(f"SELECT * FROM {name}", "UNKNOWN_TABLE") for name in ("secret", '"secret:board"', f'"{BOARD}"', "redis.top10", "router_world.top10", '"TOP10"')],
    *[(f"SELECT {column} FROM top10 ORDER BY score", "UNKNOWN_COLUMN") for column in ("key", "top10.x", "ctid", "ssn")],
    *[(f"SELECT member FROM top10 WHERE {where}", "LEADERBOARD_SHAPE") for where in (
        "member = 'a b' OR true", "member = 'a b' OR member = 'x'", "NOT member = 'a b'", "member <> 'x'", "member IN ('a b', 'x')",
        "member LIKE '%'", "member || '' = 'a b'", "upper(member) = 'X'", "member = upper('x')", "member = member", "score > 5", "score = 5",
        "member = NULL", "member IS NULL", "member = (SELECT name FROM users WHERE id = 1)", "member = 'a b' AND score > 0",
        "member = 'a b' LIMIT 0", "member = 'a b' LIMIT -1", "member = 'a b' OFFSET 1", "member = 'a b' FOR UPDATE")],
    *[(f"SELECT {what}", "LEADERBOARD_SHAPE") for what in (
        "upper(member) FROM top10 ORDER BY score", "count(*) FROM top10", "sum(score) FROM top10", "1 FROM top10 ORDER BY score", "t FROM top10 t ORDER BY score",
        "row_to_json(t) FROM top10 t ORDER BY score", "DISTINCT member FROM top10 ORDER BY score", "* FROM top10", "* FROM top10 LIMIT 5",
        "* FROM top10 ORDER BY member", "* FROM top10 ORDER BY score, member", "* FROM top10 ORDER BY score NULLS FIRST", "* FROM top10 ORDER BY -score",
        "* FROM top10 a, top10 b ORDER BY a.score", "* FROM top10 JOIN users ON name = member ORDER BY top10.score",
        "member FROM top10 UNION SELECT name FROM users", "* FROM (SELECT * FROM top10) q ORDER BY score", "member, rank() OVER (ORDER BY score) FROM top10")],
    *[(f"SELECT * FROM top10 ORDER BY score LIMIT {limit}", "LEADERBOARD_SHAPE") for limit in (
        "0", "-1", "10001", "9223372036854775807", "9223372036854775808", "99999999999999999999", "1 + 1", "2.5", "'3'", "1e9", "(SELECT 3)",
        "3 OFFSET -1", "3 OFFSET 10001", "3 OFFSET 9223372036854775807")],
    *[(sql, "CROSS_ENGINE_WRITE") for sql in ("INSERT INTO top10 VALUES ('x', 1)", "UPDATE top10 SET score = 1", "DELETE FROM top10 WHERE member = 'a b'",
                                              "TRUNCATE top10", "DROP TABLE top10")],
    ("EXPLAIN SELECT * FROM top10 ORDER BY score", "LEADERBOARD_SHAPE"), ("SELECT 1 AS n", "ENGINE_CANNOT"), ("SELECT * FROM users", "ENGINE_CANNOT"),
]


@pytest.fixture
def board(router):
    """Members of every shape, keys that nobody may see, and what commands Redis has run since."""
    client = redis.Redis.from_url(os.environ["SLUICE_REDIS"])
    client.zadd(BOARD, {member: 1000 + i for i, member in enumerate(MEMBERS)})
    client.zadd("secret:board", {"hidden": 1})
    client.set("secret", "hidden")
    client.config_resetstat()
    yield client
    client.delete("secret", "secret:board")
    client.zrem(BOARD, *MEMBERS)


def commands(client):
    ours = {"cmdstat_config|resetstat", "cmdstat_info", "cmdstat_ping", "cmdstat_hello", "cmdstat_client|setname", "cmdstat_client|setinfo"}
    return set(client.info("commandstats")) - ours


def test_a_member_is_one_word(router, board):
    for who in "alice", "ann":
        for forced in None, "redis":
            for i, member in enumerate(MEMBERS):
                sql = "SELECT member, score FROM top10 WHERE member = '" + member.replace("'", "''") + "'"
                assert router.rows(sql, who=who, client=router.client, **force(forced)) == [[member, 1000 + i]]
            for member in LINES:
                sql = "SELECT score FROM top10 WHERE member = '" + member.replace("'", "''") + "'"
                assert refusal(router.ask(sql, who=who, client=router.client, **force(forced))) == "LEADERBOARD_SHAPE"
    assert commands(board) == {"cmdstat_zscore"} and board.get("secret") == b"hidden"


def test_a_board_is_asked_nothing_else(router, board):
    before, wrong = (board.zcard(BOARD), board.dbsize()), []
    board.config_resetstat()
    for sql, code in NO_BOARD:
        if (got := refusal(router.ask(sql, client=router.client, engine="redis"))) != code:
            wrong.append((sql, code, got))
        if "top10" in sql and not sql.startswith("SELECT 1 AS") and (got := refusal(router.ask(sql, client=router.client))) != code:
            wrong.append((sql, code, got))
    assert not wrong, "\n".join(map(str, wrong))
    assert commands(board) == set() and (board.zcard(BOARD), board.dbsize()) == before
    assert refusal(router.ask("SELECT * FROM top10 ORDER BY score", who="nina", client=router.client, engine="redis")) == "UNKNOWN_TABLE"
    assert len(router.rows("SELECT member FROM top10 ORDER BY score LIMIT 10000 OFFSET 10", client=router.client, engine="redis")) == before[0] - 10


@pytest.mark.parametrize("path, status", [
    *[(f"top10?top={top}", 400) for top in ("0", "-1", "10001", "1000000000", "1e9", "", "x", "%2b1", "1.0", "0x10", "9223372036854775808", "1%00")],
    *[(key, 404) for key in ("secret", "secret:board", "secret%3Aboard", "TOP10", "users", "public.top10", "%22top10%22", "top10%20", "top10%2f..", "..%2ftables",
                             "top10/", "top10/x", "top10%0d%0aDEL%20secret", "%", "%zz", "", "*", "router:world:*", "a" * 4000)],
    *[(key, 400) for key in ("top10%00", "%00")],
    *[(key, 200) for key in ("top10", "%74op10", "router:world:top", "router%3Aworld%3atop", "top10?top=3", "top10?top=%33&top=9")]])
def test_a_leaderboard_by_its_path(router, board, path, status):
    answer = router.client.get(f"{router.url}/v1/leaderboard/{path}", headers=router.headers("ann"))
    assert answer.status_code == status and "hidden" not in answer.text, answer.text
    if status == 200:
        assert len(answer.json()["members"]) == (3 if "?" in path else 10) and answer.json()["members"][0] == {"member": MEMBERS[-1], "score": 999 + len(MEMBERS)}
    assert commands(board) == ({"cmdstat_zrevrange"} if status == 200 else set())
    hidden = router.client.get(f"{router.url}/v1/leaderboard/{path}", headers=router.headers("nina"))
    assert hidden.status_code == (404 if status == 200 else status) and "member" not in hidden.text, hidden.text


# --- size and shape ---

@pytest.mark.parametrize("head, middle, count, tail", [
    ("SELECT 1", "+1", 30_000, ""), ("SELECT ", "NOT ", 16_000, "true"), ("SELECT 1", "::int", 13_000, ""),
    ("SELECT 1", " UNION SELECT 1", 4_300, ""), ("SELECT ", "(", 5_000, ""),
    ("SELECT ", " ", 65_536, "1"), ("SELECT ", "(SELECT ", 8_000, "1"), ("SELECT * FROM (", "SELECT * FROM (", 4_000, ""),
    ("SELECT ", "1,", 200_000, "1"), ("SELECT 1 FROM users", ",users", 10_000, ""), ("SELECT ", "- ", 30_000, "1"),
    ("SELECT id FROM users WHERE id IN (1", ",1", 500_000, ")")], ids=lambda v: str(v)[:16])
def test_sizes_and_depths_are_bounded(router, head, middle, count, tail):
    answer = router.ask(head + middle * count + tail, client=router.client)
    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert router.rows("SELECT 1 AS n", client=router.client) == [[1]]


def test_a_list_of_ten_thousand_is_answered_and_right(router):
    sql = f"SELECT count(*) FROM users WHERE id IN ({','.join(str(n) for n in range(1, 10_001))})"
    for engine in router.asked:
        answer = router.ask(sql, client=router.client, **force(engine))
        assert answer.status_code == 422 and engine not in (None, "postgres") or answer.json()["rows"] == [[1000]], (engine, answer.text[:300])
    assert router.rows("SELECT " + "(" * 5_000 + "1" + ")" * 5_000, client=router.client) == [[1]]


def test_a_list_of_columns_without_end(router):
    for many in 1_000, 30_000:  # Postgres takes 1,664
        for engine in router.asked:
            answer = router.ask("SELECT " + "1," * many + "1 FROM depts WHERE id = 1", client=router.client, **force(engine))
            assert 400 <= answer.status_code < 500 or [len(row) for row in answer.json()["rows"]] == [many + 1], (engine, many, answer.text[:300])
    assert router.rows("SELECT 1 AS n", client=router.client) == [[1]]


@pytest.mark.parametrize("body", [b'{"sql": "SELECT 1\\u0000; DROP TABLE users"}', b'{"sql": "SELECT \'\xff\xfe\'"}', b'{"sql": "SELECT \'\\udc00\'"}'])
def test_text_that_is_none_is_refused(router, body):
    answer = router.client.post(router.url + "/v1/query", content=body, headers=router.headers("alice"))
    assert answer.status_code == 400, answer.text


def test_a_shared_plan_keeps_each_to_what_is_theirs(router):
    sql = "SELECT count(*) FROM customers"
    for _ in range(3):
        assert router.rows(sql, who="alice", client=router.client) == [[60]]
        assert router.rows(sql, who="ann", client=router.client) == [[20]]
    assert router.name == NAME
