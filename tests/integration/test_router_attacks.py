# SPDX-License-Identifier: Apache-2.0
"""Every statement that must not get through, through the live router and on every engine that
holds the table: what acts, what reaches out, what goes around names, masks, filters, dialects and
sizes. The list of refusals is that of tests/unit/engine/test_attacks.c."""
import json
import re

import httpx
import pytest

from router_world import NAME, ROOT, RouterWorld, admin, clickhouse

ENGINES = (None, "postgres", "clickhouse")
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
        "SET role = 'postgres'", "RESET ALL", "BEGIN", "COMMIT", "LISTEN x", "LOAD 'x'", "PREPARE p AS SELECT 1", "EXECUTE p",
        "DECLARE c CURSOR FOR SELECT 1", "LOCK users", "VACUUM", "DO 'begin end'", "CALL f()", "COPY users TO PROGRAM 'id'",
        "COPY (SELECT * FROM users) TO STDOUT", "SELECT * INTO y FROM users")],
    *[(f"SELECT {call}", "FUNCTION_NOT_ALLOWED") for call in (
        "pg_sleep(10)", "set_config('a.b', 'c', false)", "pg_advisory_lock(1)", "pg_try_advisory_lock(1)", "pg_stat_reset()",
        "pg_read_file('/etc/hostname')", "pg_read_binary_file('x')", "setval('notes_id_seq', 1)",
        "lo_export(1, '/tmp/x')", "current_setting('data_directory')", "version()", "inet_server_addr()", "dblink('x', 'y')")],
    *[(f"SELECT * FROM {source}", "TABLE_FUNCTION") for source in (
        "url('http://169.254.169.254/', 'CSV')", "file('/etc/passwd')", "read_csv('/etc/passwd')", "read_text('/etc/passwd')",
        "dblink('host=x', 'SELECT 1') AS t(a int)", "duckdb_secrets()", "numbers(10)", "remoteSecure('h', 'd', 't')")],
    *[(f"SELECT * FROM {name}", "FORBIDDEN_RELATION") for name in (
        "pg_stat_activity", "pg_stats", "pg_shadow", "pg_catalog.pg_class", "information_schema.columns_udt")],
    *[(f"SELECT * FROM {name}", "UNKNOWN_TABLE") for name in (
        "unregistered", "public.unregistered", "system.users", "router_world.users_current", '"users_current"', "postgres.system.users",
        '"/etc/passwd"')],
]


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    world = RouterWorld(tmp_path_factory.mktemp("router")).make().start()
    with httpx.Client() as world.client:
        yield world
    assert world.stop() == 0
    world.drop()


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
            "clickhouse": clickhouse().query(f"SELECT name FROM system.tables WHERE database = '{world.name}' ORDER BY 1").result_rows}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_acts_or_reaches_out_is_refused(router, engine):
    before, wrong = state_of(router), []
    for sql, code in REFUSED + MORE_REFUSED:
        answer = router.ask(sql, client=router.client, **({"engine": engine} if engine else {}))
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
        for engine in ENGINES:
            assert refusal(router.ask(sql, who="ann", client=router.client, **({"engine": engine} if engine else {}))) in (
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
    row does. ClickHouse may be refused by the router, but not fail once it is asked."""
    if answer.status_code == 200:
        return False
    return engine != "clickhouse" or answer.json()["error"]["code"] not in NOT_ROUTED


@pytest.mark.parametrize("who", ["ann", "bob"])
def test_nothing_shows_what_is_masked_or_filtered(router, who):
    """Whatever is asked, on whatever engine, the answer is that of a table which never held more."""
    compared, wrong = 0, []
    for sql in SEES:
        with admin(router.name) as pg:
            want = pg.execute("SELECT to_jsonb(q) FROM (" + as_seen(sql) + ") q").fetchall()
        for engine in ENGINES:
            router.ask(sql, who="alice", client=router.client, **({"engine": engine} if engine else {}))  # another's plan is there
            answer = router.ask(sql, who=who, client=router.client, **({"engine": engine} if engine else {}))
            if re.search(r"SSN-1000\d\d", answer.text.replace(json.dumps(sql)[1:-1], "")):
                wrong.append((engine, sql, answer.text[:200]))
            if unlike_the_seen(engine, answer):
                wrong.append((engine, sql, answer.text[:200], "where the table that is seen gives rows"))
            elif answer.status_code == 200:
                compared += 1
                if len(answer.json()["rows"]) != len(want):
                    wrong.append((engine, sql, "rows", len(answer.json()["rows"]), "instead of", len(want)))
    assert not wrong, "\n".join(map(str, wrong))
    assert compared > 2 * len(SEES)


def test_answers_over_masks_are_those_of_the_masked_table(router):
    wrong, compared = [], 0
    for sql in SEES:
        for engine in ENGINES:
            force = {"engine": engine} if engine else {}
            seen = router.ask(sql, who="ann", client=router.client, **force)
            oracle = router.ask(as_seen(sql), who="ann", client=router.client, engine="postgres")
            assert oracle.status_code == 200, (sql, oracle.text)
            if unlike_the_seen(engine, seen):
                wrong.append((engine, sql, seen.text[:200], "where the table that is seen gives rows"))
            if seen.status_code != 200:
                continue
            compared += 1
            ordered = "ORDER BY" in sql
            a, b = seen.json()["rows"], oracle.json()["rows"]
            if (a != b) if ordered else (sorted(map(str, a)) != sorted(map(str, b))):
                wrong.append((engine, sql, str(a)[:150], str(b)[:150]))
    assert not wrong, "\n".join(map(str, wrong))
    assert compared > 2 * len(SEES)


def test_errors_and_side_doors_do_not_quote_hidden_values(router):
    for sql in ("SELECT ssn::integer FROM customers", "SELECT (ssn || name)::date FROM customers", "SELECT ssn::uuid FROM customers"):
        for engine in ENGINES:
            answer = router.ask(sql, who="ann", client=router.client, **({"engine": engine} if engine else {}))
            assert "SSN-" not in answer.text, answer.text
    for sql in ("EXPLAIN SELECT * FROM customers WHERE ssn = 'SSN-100003'", "EXPLAIN ANALYZE SELECT * FROM customers"):
        assert refusal(router.ask(sql, who="ann", client=router.client)) in ("GOVERNED_EXPLAIN", "STATEMENT_NOT_ALLOWED")
    for sql in ("SELECT most_common_vals FROM pg_stats", "SELECT query FROM pg_stat_activity", "SELECT * FROM unregistered"):
        assert refusal(router.ask(sql, who="ann", client=router.client)) in ("FORBIDDEN_RELATION", "UNKNOWN_TABLE")
    tables = {t["name"]: t for t in router.get("/v1/tables", who="ann").json()["tables"]}
    assert tables["customers"]["filtered"] and [c for c in tables["customers"]["columns"] if c.get("masked")][0]["name"] == "ssn"
    assert [t["name"] for t in router.get("/v1/tables", who="nina").json()["tables"]] == ["users"]


def test_the_audit_names_masked_columns_and_no_values(router):
    router.ask("SELECT name FROM customers WHERE ssn = 'SSN-100003' OR id = 5", who="ann", client=router.client)
    text = (router.folder / "audit.ndjson").read_text()
    last = json.loads(text.splitlines()[-1])
    assert "SSN-100003" not in text and "ann" in json.dumps(last) and "customers" in json.dumps(last)


# --- dialects ---

@pytest.mark.parametrize("engine", ENGINES)
def test_a_literal_stays_one(router, engine):
    force = {"engine": engine} if engine else {}
    tricks = ["x\\' UNION ALL SELECT ssn FROM customers -- ", "\\", "\\\\", "'", "''", "\\'", "a\\nb", "%_", "/* */", "--", "{x:Int8}", "$1", "?",
              "\\x41", "\\u0041", "\\0", "\u2028", "é", "𝄞", "".join(map(chr, range(1, 256)))] + [chr(b) for b in range(1, 256)]
    for at in range(0, len(tricks), 40):
        part = tricks[at:at + 40]
        sql = "SELECT " + ", ".join("'" + t.replace("'", "''") + "' AS c" + str(i) for i, t in enumerate(part)) + " FROM depts WHERE id = 1"
        assert router.rows(sql, client=router.client, **force) == [part]
    sql = "SELECT count(*) FROM customers WHERE name = 'x\\'' UNION ALL SELECT ssn FROM users -- '"
    assert router.rows(sql, who="ann", client=router.client, **force) == [[0]]


@pytest.mark.parametrize("engine", ENGINES)
def test_names_that_mean_something_elsewhere(router, engine):
    force = {"engine": engine} if engine else {}
    for word in ("final", "sample", "settings", "format", "prewhere", "array", "limit", "by", "with", "using"):
        assert router.rows(f'SELECT id AS "{word}", score FROM users AS "{word}" WHERE id = 5', client=router.client, **force) == [[5, 5]]
    assert router.rows("SELECT name AS id FROM users WHERE id = 7", client=router.client, **force) == [["name 7"]]
    assert router.rows("SELECT count(*) /* /* nested */ still */ FROM users -- end", client=router.client, **force) == [[1000]]
    assert router.rows('SELECT count(*) AS n FROM U&"\\0075sers"', client=router.client, **force) == [[1000]]
    assert router.rows("WITH users AS (SELECT id FROM depts) SELECT count(*) FROM users", client=router.client, **force) == [[20]]


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
    for engine in None, "postgres":
        assert router.rows(sql, client=router.client, **({"engine": engine} if engine else {})) == [[1000]]
    answer = router.ask(sql, client=router.client, engine="clickhouse")
    assert answer.status_code == 422 or answer.json()["rows"] == [[1000]]
    assert router.rows("SELECT " + "(" * 5_000 + "1" + ")" * 5_000, client=router.client) == [[1]]


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
