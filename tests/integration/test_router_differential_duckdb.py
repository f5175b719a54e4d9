# SPDX-License-Identifier: Apache-2.0
"""The router's SQL for DuckDB against PostgreSQL: random queries over the same rows, in a Parquet
file that DuckDB's Python package wrote, must give the same texts on both, or must not be sent.

SLUICE_ROUTER_QUERIES (600) and SLUICE_ROUTER_SEED (printed) make and repeat a run.
"""
import collections
import os
import random

import duckdb
import pytest

from route_gen import COLUMNS
from route_world import TABLES, World
from test_router_differential import CASES

SEED = int(os.environ.get("SLUICE_ROUTER_SEED", random.SystemRandom().randrange(1 << 32)))
QUERIES = int(os.environ.get("SLUICE_ROUTER_QUERIES", 600))
TYPES = {c: p.removesuffix(' COLLATE "C"') for c, (p, _) in COLUMNS.items()}

MORE = [  # besides those that ClickHouse is asked too
    "SELECT count(*) FROM facts f JOIN facts g ON f.a = g.a",
    "SELECT f.id, g.id FROM facts f LEFT JOIN nothing g ON f.id = g.id ORDER BY f.id",
    "SELECT f.id, g.b FROM facts f JOIN facts g USING (id) WHERE f.b > 0 ORDER BY 1",
    "SELECT id FROM facts WHERE a IN (SELECT b FROM facts WHERE ok) ORDER BY id",
    "SELECT id FROM facts f WHERE EXISTS (SELECT 1 FROM facts g WHERE g.b = f.a) ORDER BY id",
    "SELECT id FROM facts WHERE a NOT IN (SELECT a FROM facts) ORDER BY id",
    "SELECT id, row_number() OVER (PARTITION BY ok ORDER BY id) FROM facts ORDER BY id",
    "SELECT id, rank() OVER (ORDER BY a), dense_rank() OVER (ORDER BY a DESC) FROM facts ORDER BY id",
    "SELECT (SELECT max(b) FROM facts), id FROM facts WHERE id < 4 ORDER BY id",
    "SELECT x.n FROM (SELECT sum(n) AS n, ok FROM facts GROUP BY ok) x ORDER BY 1",
]
REFUSED = {MORE[-1]}  # a sum has no precision to order by


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("duck")
    files = ", ".join(f'{t}: "{folder}/{t}.parquet"' for t in TABLES)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        for t in TABLES:
            db.execute(f"CREATE TABLE {t} ({', '.join(f'{c} {k}' for c, k in TYPES.items())})")
            db.execute(f"COPY {t} TO '{folder}/{t}.parquet'")
    w = World(folder, SEED, "duckdb", f"library: {os.environ['SLUICE_DUCKDB']}, files: {{{files}}}", lambda t: t)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute(f"CREATE TABLE facts ({', '.join(f'{c} {k}' for c, k in TYPES.items())})")
        db.executemany(f"INSERT INTO facts VALUES ({', '.join(f'?::{k}' for k in TYPES.values())})",
                       [[None if v is None else str(v) for v in row] for row in w.data])
        db.execute(f"COPY facts TO '{folder}/facts.parquet'")
    yield w
    w.close()


@pytest.mark.parametrize("sql", CASES + MORE)
def test_case(world, sql):
    counts = collections.Counter()
    assert world.difference(sql, "ORDER BY" in sql, counts) is None
    assert counts["sent"] == (sql not in REFUSED), counts


def test_a_filter_that_hides_nothing_changes_nothing(world):
    world.run(SEED + 1, QUERIES // 4, "governed")


def test_random_queries_are_answered_alike(world):
    world.run(SEED, QUERIES)


def test_random_parameters_are_answered_alike(world):
    world.run(SEED + 2, QUERIES, with_parameters=True)


def test_a_parameter_stays_one(world):
    world.tricks()
