# SPDX-License-Identifier: Apache-2.0
"""The router's SQL for Trino against PostgreSQL: joins over two placements, and random queries over
the same rows. SLUICE_ROUTER_QUERIES (400 here) and SLUICE_ROUTER_SEED make and repeat a run."""
import collections
import os
import random

import httpx
import pytest

from route_gen import COLUMNS
from route_world import TABLES, World
from test_router_differential import CASES
from test_router_differential_duckdb import MORE, REFUSED

SEED = int(os.environ.get("SLUICE_ROUTER_SEED", random.SystemRandom().randrange(1 << 32)))
QUERIES = int(os.environ.get("SLUICE_ROUTER_QUERIES", 400))
TYPES = {"bigint": "bigint", "integer": "integer", "smallint": "smallint", "numeric(12,3)": "decimal(12,3)", "text": "varchar", 'text COLLATE "C"': "varchar",
         "date": "date", "timestamp": "timestamp(6)", "timestamptz": "timestamp(6) with time zone", "double precision": "double", "boolean": "boolean", "uuid": "uuid"}


def run(sql):
    answer = httpx.post(os.environ["SLUICE_TRINO"] + "/v1/statement", content=sql.encode(), headers={"X-Trino-User": "loader"}, timeout=60).json()
    rows = []
    while "nextUri" in answer:
        answer = httpx.get(answer["nextUri"], timeout=60).json()
        rows += answer.get("data", [])
    assert "error" not in answer, answer["error"]["message"]
    return rows


def literal(value, kind):
    if value is None:
        return "NULL"
    text = str(value).removesuffix("+00")
    quoted = "'" + text.replace("'", "''") + "'"
    if kind == "boolean":
        return str(value).lower()
    if kind == "timestamp(6) with time zone":
        return f"TIMESTAMP {quoted[:-1]} UTC'"
    return f"CAST({quoted} AS {kind})"


@pytest.fixture(scope="module")
def world(trino, tmp_path_factory):
    w = World(tmp_path_factory.mktemp("trino"), SEED, "trino", f"url: '{os.environ['SLUICE_TRINO']}', user: lake", lambda t: f"memory.default.{t}")
    kinds = [TYPES[p] for p, _ in COLUMNS.values()]
    for t in TABLES:
        run(f"DROP TABLE IF EXISTS memory.default.{t}")
        run(f"CREATE TABLE memory.default.{t} ({', '.join(f'{c} {k}' for c, k in zip(COLUMNS, kinds))})")
    for at in range(0, len(w.data), 60):
        run("INSERT INTO memory.default.facts VALUES " + ", ".join(
            f"({', '.join(literal(v, k) for v, k in zip(row, kinds))})" for row in w.data[at:at + 60]))
    yield w
    for t in TABLES:
        run(f"DROP TABLE memory.default.{t}")
    w.close()


@pytest.mark.parametrize("sql", CASES + MORE)
def test_case(world, sql):
    counts = collections.Counter()
    assert world.difference(sql, "ORDER BY" in sql, counts) is None
    assert counts["sent"] == (sql not in REFUSED), counts


def test_random_queries_are_answered_alike(world):
    world.run(SEED, QUERIES)


def test_random_parameters_are_answered_alike(world):
    world.run(SEED + 2, QUERIES, with_parameters=True)


def test_a_parameter_stays_one(world):
    world.tricks()


JOINS = [  # what stands in Iceberg and what stands in Postgres, through the router's own SQL
    "SELECT u.name, p.note FROM users u JOIN patient_data p ON p.user_id = u.id ORDER BY p.user_id, p.note COLLATE \"C\"",
    "SELECT count(*) FROM users u LEFT JOIN patient_data p ON p.user_id = u.id WHERE p.user_id IS NULL",
    "SELECT u.id FROM users u WHERE EXISTS (SELECT 1 FROM patient_data p WHERE p.user_id = u.id) ORDER BY u.id",
    "SELECT u.id, sum(p.cost) FROM users u, patient_data p WHERE p.user_id = u.id GROUP BY u.id ORDER BY u.id",
    "SELECT id FROM users WHERE id IN (SELECT user_id FROM patient_data WHERE cost > 5.0) ORDER BY id",
    "SELECT count(*) FROM users CROSS JOIN patient_data",
    "SELECT user_id, cost FROM patient_data ORDER BY cost DESC NULLS LAST, user_id LIMIT 3",
]


@pytest.fixture(scope="module")
def joins(trino, tmp_path_factory):
    """users in Postgres, patient_data in Iceberg, and both in Postgres to compare with."""
    w = World(tmp_path_factory.mktemp("joins"), SEED, "trino", f"url: '{os.environ['SLUICE_TRINO']}', user: lake", lambda t: f"pg.sluice_joins.{t}", "sluice_joins")
    w.pg.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text); CREATE TABLE patient_data (user_id bigint, note text, cost numeric(10,2));"
                 "INSERT INTO users SELECT i, 'user ''' || i || '\\' FROM generate_series(1, 40) i;"
                 "INSERT INTO patient_data SELECT i % 50, 'note ' || i || ' ü', CASE WHEN i % 7 > 0 THEN i / 3.0 END FROM generate_series(1, 200) i")
    run("CREATE SCHEMA IF NOT EXISTS lake.med")
    run("DROP TABLE IF EXISTS lake.med.patient_data")
    run("CREATE TABLE lake.med.patient_data AS SELECT user_id, note, cost FROM pg.sluice_joins.patient_data")
    registry = tmp_path_factory.mktemp("registry") / "router.yaml"
    registry.write_text(f"engines: {{postgres: {{kind: postgres}}, trino: {{kind: trino, url: '{os.environ['SLUICE_TRINO']}'}}}}\ntables:\n"
                        "  users: {columns: {id: bigint, name: text}, key: id, engines: {postgres: sluice_joins.users, trino: pg.sluice_joins.users}}\n"
                        "  patient_data: {columns: {user_id: bigint, note: text, cost: 'numeric(10,2)'}, engines: {trino: lake.med.patient_data}}\nroles: {reader: {}}\n")
    from route_world import ROUTE
    import subprocess
    w.routes["joins"] = subprocess.Popen([ROUTE, registry, "reader"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield w
    run("DROP TABLE lake.med.patient_data")
    w.close()


@pytest.mark.parametrize("sql", JOINS)
def test_join_of_two_placements(joins, sql):
    plan = joins.plan(sql, "joins")
    assert plan["engine"] == "trino", plan
    expected, state, oids = joins.ask_postgres(sql)
    assert state is None, state
    assert joins.asker.rows(plan["sql"]["trino"], types=oids, deadline_ms=120_000) == expected
