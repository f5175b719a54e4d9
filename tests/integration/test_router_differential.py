# SPDX-License-Identifier: Apache-2.0
"""The router's SQL for ClickHouse against PostgreSQL: random queries over the same rows must
give the same answer on both, or the router must not send them to ClickHouse.

SLUICE_ROUTER_QUERIES (2,000) and SLUICE_ROUTER_SEED (printed) make and repeat a run; every
difference found becomes a line of CASES or a refusal.
"""
import collections
import http.client
import json
import os
import pathlib
import random
import subprocess
import urllib.parse

import psycopg
import pytest
from psycopg import pq

from route_gen import COLUMNS, Gen, rows, with_params
from route_world import types_differ

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUTE = ROOT / os.environ.get("SLUICE_ROUTE", "build/gcc/tests/golden/route")
SEED = int(os.environ.get("SLUICE_ROUTER_SEED", random.SystemRandom().randrange(1 << 32)))
QUERIES = int(os.environ.get("SLUICE_ROUTER_QUERIES", 2_000))
ROWS = 240
OVERFLOW, ZERO, GROUPING = "22003", "22012", "42803"
BOOL, FLOAT8, TIMESTAMP, TIMESTAMPTZ = 16, 701, 1114, 1184

CASES = [  # answered alike since they were found to differ, or worth a look each time
    "SELECT sum(a), sum(g), sum(n), min(c), max(d), count(a), count(*) FROM nothing",
    "SELECT a, count(*) FROM nothing GROUP BY a",
    "SELECT count(*) FROM facts WHERE a NOT IN (1, NULL)",
    "SELECT count(*) FROM facts WHERE NOT (a = 1 OR NULL)",
    "SELECT count(*) FROM facts WHERE t = 'x\\' OR t = '\\'''",
    "SELECT 5 / 2, -7 / 2, -7 % 3, 7 % -3",
    "SELECT a / 2, a % 3 FROM facts",
    "SELECT a + b FROM facts WHERE id < 3",
    "SELECT a * 2 FROM facts WHERE a = 2147483647",
    "SELECT g + 1 FROM facts WHERE g = 9223372036854775807",
    "SELECT t AS a, a AS t FROM facts WHERE a = 7",
    "SELECT f.b AS a, f.a AS b FROM facts f WHERE f.b = 5 GROUP BY f.a, f.b",
    "SELECT x.a FROM (SELECT b AS a, a AS b FROM facts) x WHERE x.a = 5",
    "SELECT a AS final, b AS sample FROM facts AS settings ORDER BY settings.id",
    "SELECT ok, count(*) FILTER (WHERE a > 0), sum(a) FILTER (WHERE ok) FROM facts GROUP BY ok",
    "SELECT c FROM facts WHERE c > 'a' ORDER BY c, id",
    "SELECT count(*) FROM facts UNION ALL SELECT count(*) FROM nothing",
    "SELECT count(DISTINCT t), count(DISTINCT u), count(DISTINCT n) FROM facts",
    "SELECT ts, tz, d FROM facts WHERE ts > '2000-01-01' OR tz >= '2020-06-01 10:00:00.25' OR d = '1910-06-01'",
    "SELECT a IS DISTINCT FROM NULL, a IS NOT DISTINCT FROM 1, ok IS NOT TRUE, ok IS UNKNOWN FROM facts",
    "SELECT a::text, g::text, abs(b), abs(s), substring(t, 2), substring(t, 1, 1), substr(c, 3, 0) FROM facts",
    "SELECT abs(a) FROM facts WHERE a = -2147483648",
    "SELECT n FROM facts WHERE n > 0.5 AND n < 123456789.1231",
    "SELECT avg(a), avg(s), avg(g), avg(n), avg(id), avg(b) FROM facts",
    "SELECT avg(a), avg(n), coalesce(avg(n), 0) FROM nothing",
    "SELECT b, count(*), round(avg(n), 2), avg(a)::int, round(avg(g)) FROM facts GROUP BY 1",
    "SELECT avg(n) FILTER (WHERE ok), avg(a) FILTER (WHERE a > 1000000), avg(b + 1) FROM facts GROUP BY ok",
    "SELECT ok, avg(a) + sum(b), avg(n) / count(*), CASE WHEN avg(a) > 0 THEN 'x' ELSE 'y' END, avg(a) > sum(b) FROM facts GROUP BY ok, d"
    " HAVING count(*) > 1",
    "SELECT b, avg(n) AS m FROM facts GROUP BY b ORDER BY b DESC LIMIT 3",
    "SELECT abs(avg(a)), -avg(n), trunc(avg(n), 1), nullif(avg(a), 0), avg(n) IS NULL FROM facts WHERE b < 0",
]
DROPPED = [  # an average that only Postgres orders, compares or tells apart
    "SELECT b FROM facts GROUP BY b ORDER BY avg(n)", "SELECT b, avg(a) FROM facts GROUP BY b ORDER BY 2",
    "SELECT b FROM facts GROUP BY b HAVING avg(n) > 1", "SELECT DISTINCT avg(a) FROM facts GROUP BY b",
    "SELECT avg(DISTINCT a) FROM facts", "SELECT x.m FROM (SELECT avg(a) AS m FROM facts) x", "SELECT avg(f) FROM facts",
    "SELECT avg(a) FROM facts UNION SELECT avg(n) FROM facts", "SELECT max(x.m) FROM (SELECT avg(n) AS m FROM facts GROUP BY b) x",
]


class Refused(Exception):
    """What ClickHouse says of a statement that it does not answer."""


class Both:
    def __init__(self, tmp):
        self.pg = psycopg.connect(host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"], user="postgres",
                                  dbname=os.environ.get("SLUICE_PG_DB", "postgres"), autocommit=True)
        self.pg.execute("DROP SCHEMA IF EXISTS sluice_router CASCADE; CREATE SCHEMA sluice_router; "
                        "SET search_path = sluice_router, pg_catalog; SET TimeZone = 'UTC'; SET statement_timeout = '20s'")
        address = urllib.parse.urlsplit(os.environ["SLUICE_CLICKHOUSE"])
        self.http = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        self.clickhouse("DROP DATABASE IF EXISTS sluice_router")
        self.clickhouse("CREATE DATABASE sluice_router")
        for table in "facts", "nothing":
            self.pg.execute(f"CREATE TABLE {table} ({', '.join(f'{c} {p}' for c, (p, _) in COLUMNS.items())}, PRIMARY KEY (id))")
            self.clickhouse(f"CREATE TABLE sluice_router.{table} ({', '.join(f'{c} {k}' for c, (_, k) in COLUMNS.items())}) "
                            "ENGINE = MergeTree ORDER BY id")
        data = list(rows(random.Random(SEED), ROWS))
        with self.pg.cursor() as cursor:
            cursor.executemany(f"INSERT INTO facts VALUES ({', '.join(['%s'] * len(COLUMNS))})", data)
        lines = "\n".join(json.dumps([v.removesuffix("+00") if isinstance(v, str) and i == list(COLUMNS).index("tz") else v
                                      for i, v in enumerate(row)]) for row in data)
        self.clickhouse("INSERT INTO sluice_router.facts FORMAT JSONCompactEachRow\n" + lines)
        registry = tmp / "router.yaml"
        columns = ", ".join(f"{c}: '{p}'" for c, (p, _) in COLUMNS.items())
        registry.write_text("engines: {postgres: {kind: postgres}, clickhouse: {kind: clickhouse}}\ntables:\n" + "".join(
            f"  {t}: {{columns: {{{columns}}}, key: id, engines: {{postgres: sluice_router.{t}, clickhouse: sluice_router.{t}}}, "
            "policies: {governed: {filter: id > 0}}}\n" for t in ("facts", "nothing")) + "roles: {reader: {}, governed: {}}\n")
        self.routes = {role: subprocess.Popen([ROUTE, registry, role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                       for role in ("reader", "governed")}

    def clickhouse(self, sql):
        self.http.request("POST", "/?output_format_decimal_trailing_zeros=1&max_threads=1", sql.encode())
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Refused(text.decode(errors="replace")[:300])
        return text

    def plan(self, sql, role="reader", params=()):
        route = self.routes[role]
        route.stdin.write((json.dumps({"sql": sql, "params": list(params)}) if params else sql) + "\n")
        route.stdin.flush()
        return json.loads(route.stdout.readline())

    def ask_postgres(self, sql, params=()):
        """Rows of texts, or None and the SQLSTATE."""
        result = self.pg.pgconn.exec_params(sql.encode(), [None if p is None else p.encode() for p in params])
        if result.status != pq.ExecStatus.TUPLES_OK:
            return None, (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode(), []
        oids = [result.ftype(i) for i in range(result.nfields)]
        return [[value(result.get_value(r, i), oids[i]) if oids[i] == FLOAT8 and result.get_value(r, i) is not None
                 else result.get_value(r, i) for i in range(result.nfields)] for r in range(result.ntuples)], None, oids

    def ask_clickhouse(self, sql, oids, wires=None, role="reader"):
        """The rows as the router would give them: with wires, finished by it."""
        try:
            text = self.clickhouse(sql + "\nFORMAT TabSeparated")
        except Refused as error:
            return None, str(error)
        if oids is None:
            return text, None  # Postgres has raised an error
        rows = [[value(cell, oid) for cell, oid in zip(line.split(b"\t"), wires or oids, strict=True)]
                for line in text.split(b"\n")[:-1]]
        return self.finished(rows, role) if wires else (rows, None)

    def finished(self, rows, role):
        route = self.routes[role]
        texts = [[None if cell is None else cell.decode() for cell in row] for row in rows]
        route.stdin.write(json.dumps({"finish": "clickhouse", "rows": texts}) + "\n")
        route.stdin.flush()
        answer = json.loads(route.stdout.readline())
        if "code" in answer:
            return None, f"Code: 70. {answer}"
        return [[None if cell is None else cell.encode() for cell in row] for row in answer["rows"]], None

    def close(self):
        for route in self.routes.values():
            route.stdin.close()
            assert route.wait(timeout=30) == 0
            route.stdout.close()
        self.clickhouse("DROP DATABASE sluice_router")
        self.pg.execute("DROP SCHEMA sluice_router CASCADE")
        self.http.close()
        self.pg.close()


ESCAPES = {b"\\": b"\\", b"t": b"\t", b"n": b"\n", b"r": b"\r", b"0": b"\0", b"b": b"\b", b"f": b"\f", b"'": b"'"}


def value(cell, oid):
    """A cell of TabSeparated as Postgres would print it."""
    if cell == b"\\N":
        return None
    out, i = b"", 0
    while i < len(cell):
        if cell[i:i + 1] == b"\\":
            out, i = out + ESCAPES[cell[i + 1:i + 2]], i + 2
        else:
            out, i = out + cell[i:i + 1], i + 1
    if oid == BOOL:
        return {b"true": b"t", b"false": b"f", b"1": b"t", b"0": b"f"}[out]
    if oid == FLOAT8:
        return repr(float(out)).encode()
    if oid in (TIMESTAMP, TIMESTAMPTZ):
        out = (out.rstrip(b"0").rstrip(b".") if b"." in out else out) + (b"+00" if oid == TIMESTAMPTZ else b"")
    return out


@pytest.fixture(scope="module")
def both(stack, tmp_path_factory):
    b = Both(tmp_path_factory.mktemp("router"))
    yield b
    b.close()


def difference(both, sql, ordered, counts, params=()):
    """None when the query is refused or answered alike."""
    plan = both.plan(sql, params=params)
    emitted = plan["sql"].get("clickhouse")
    wrong = types_differ(both.pg, sql, plan)
    if wrong:
        return wrong
    if not emitted:
        counts[plan["dropped"].get("clickhouse", plan["reason"] + " " + plan["detail"])[:60]] += 1
        return None
    counts["sent"] += 1
    counts["with parameters"] += bool(params)
    expected, state, oids = both.ask_postgres(sql, params)
    wires = plan["wires"].get("clickhouse")
    counts["finished"] += wires is not None
    got, trouble = both.ask_clickhouse(emitted, oids if expected is not None else None, wires)
    if (expected is None) != (got is None) and (state or OVERFLOW) in (OVERFLOW, ZERO) and (trouble is None or "Code: 70." in trouble):
        counts["excused"] += 1  # a row that LIMIT, AND or OR passes over may overflow on one side only
        return None
    if expected is None or got is None:
        counts["errors"] += expected is None and got is None
        return None if expected is None and got is None else f"{sql} {params}\n{emitted}\n{state or expected[:5]}\n{trouble or got[:5]}"
    if not ordered:
        expected, got = (sorted(rows, key=lambda row: [(v is None, v or b"") for v in row]) for rows in (expected, got))
    return None if expected == got else f"{sql} {params}\n{emitted}\npostgres   {expected[:8]}\nclickhouse {got[:8]}"


WITH_NULL = {  # ClickHouse is not asked: elsewhere in a statement it answers such conditions otherwise
    "SELECT count(*) FROM facts WHERE a NOT IN (1, NULL)", "SELECT count(*) FROM facts WHERE NOT (a = 1 OR NULL)",
    "SELECT a IS DISTINCT FROM NULL, a IS NOT DISTINCT FROM 1, ok IS NOT TRUE, ok IS UNKNOWN FROM facts"}


@pytest.mark.parametrize("sql", CASES)
def test_case(both, sql):
    counts = collections.Counter()
    assert difference(both, sql, "ORDER BY" in sql, counts) is None
    assert counts["sent"] == (sql not in WITH_NULL) and not counts["excused"], counts


@pytest.mark.parametrize("sql", DROPPED + sorted(WITH_NULL))
def test_dropped(both, sql):
    plan = both.plan(sql)
    assert plan["status"] == 200 and set(plan["sql"]) == {"postgres"}, plan


def test_an_error_of_finishing(both):
    """What Postgres raises for a result is raised for it here too."""
    sql = "SELECT 1 / (avg(a) - avg(a)) FROM facts"
    plan = both.plan(sql)
    assert both.ask_postgres(sql)[1] == "22012"
    got, trouble = both.ask_clickhouse(plan["sql"]["clickhouse"], plan["wires"]["clickhouse"], plan["wires"]["clickhouse"])
    assert got is None and "22012" in trouble


def test_a_filter_that_hides_nothing_changes_nothing(both):
    """The SQL that governance makes for Postgres answers what the caller's own text answers."""
    gen, rewritten = Gen(random.Random(SEED + 1)), 0
    for _ in range(QUERIES // 4):
        sql, ordered = gen.query()
        sql, params = with_params(gen.r, sql) if gen.r.random() < 0.5 else (sql, [])
        plan = both.plan(sql, "governed", params)
        emitted = plan["sql"].get("postgres")
        expected, state, _ = both.ask_postgres(sql, params)
        if not emitted or state in (OVERFLOW, ZERO):
            continue
        got, trouble, _ = both.ask_postgres(emitted, params)
        rewritten += 1
        if trouble in (OVERFLOW, ZERO):
            continue
        if trouble == GROUPING:  # a column that hangs on a grouped key: a filtered table has no key
            assert " GROUP BY " in sql
            continue
        assert state == trouble, f"{sql} {params}\n{emitted}\n{state} {trouble}"
        if state is None and not ordered:
            expected, got = sorted(expected, key=repr), sorted(got, key=repr)
        assert expected == got, f"seed {SEED}: {sql} {params}\n{emitted}"
    assert rewritten > QUERIES // 8


def test_random_queries_are_answered_alike(both):
    gen, counts, bad = Gen(random.Random(SEED)), collections.Counter(), []
    for _ in range(QUERIES):
        sql, ordered = gen.query()
        if os.environ.get("SLUICE_ROUTER_SHOW"):
            print(sql)
        found = difference(both, sql, ordered, counts)
        if found:
            bad.append(found)
    print(f"seed {SEED}: {dict(counts.most_common(40))}")
    assert not bad, f"seed {SEED}: {len(bad)} of {counts['sent']} differ, the first:\n" + "\n\n".join(bad[:8])
    assert counts["finished"] > QUERIES // 50
    assert counts["sent"] > QUERIES // 5 and counts["excused"] <= 3 + counts["sent"] // 50, counts


def test_random_parameters_are_answered_alike(both):
    gen, counts, bad = Gen(random.Random(SEED + 2)), collections.Counter(), []
    for _ in range(QUERIES // 2):
        sql, ordered = gen.query()
        sql, params = with_params(gen.r, sql)
        found = difference(both, sql, ordered, counts, params)
        if found:
            bad.append(found)
    print(f"seed {SEED}: {dict(counts.most_common(40))}")
    assert not bad, f"seed {SEED}: {len(bad)} of {counts['sent']} differ, the first:\n" + "\n\n".join(bad[:8])
    assert counts["with parameters"] > QUERIES // 20 and counts["excused"] <= 3 + counts["sent"] // 50, counts
