# SPDX-License-Identifier: Apache-2.0
"""lib/sql against a real PostgreSQL 15: the same expression over the same row, text for
text, errors by SQLSTATE, result columns by oid and typmod.

SLUICE_ORACLE_PAIRS (10,000) and SLUICE_ORACLE_SEED (printed) make and repeat a run. Every
difference found becomes a line of oracle_cases.sql, which runs over all rows.
"""
import collections
import json
import os
import pathlib
import random
import subprocess

import psycopg
import pytest
from psycopg import pq

from sql_gen import EDGES, SETUP, Gen, rows

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQLEVAL = ROOT / os.environ.get("SLUICE_SQLEVAL", "build/gcc/tests/golden/sqleval")
CATALOG_SQL = (ROOT / "sql/postgres/catalog.sql").read_text()
SEED = int(os.environ.get("SLUICE_ORACLE_SEED", random.SystemRandom().randrange(1 << 32)))
PAIRS = int(os.environ.get("SLUICE_ORACLE_PAIRS", 10_000))
ROWS, PER_EXPR = 60, 4
SESSION = (ROOT / "sql/postgres/session.sql").read_text().replace("search_path = public", "search_path = sluice_oracle, public")


class Oracle:
    def __init__(self, tmp):
        self.pg = psycopg.connect(host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"],
                                  user="postgres", dbname=os.environ.get("SLUICE_PG_DB", "postgres"), autocommit=True)
        self.pg.execute(SETUP)
        self.pg.execute(SESSION)
        rnd = random.Random(4711)
        for row in rows(rnd, ROWS):
            values = ", ".join("NULL" if v is None else "'" + v.replace("'", "''") + "'" for v in row)
            self.pg.execute(f"INSERT INTO t (id, {', '.join(EDGES)}) VALUES ({values})")
        result = self.raw("SELECT * FROM t ORDER BY id")
        names = [result.fname(i).decode() for i in range(result.nfields)]
        self.rows = [{n: (v.decode() if (v := result.get_value(r, i)) is not None else None)
                      for i, n in enumerate(names)} for r in range(result.ntuples)]
        self.pg.execute("PREPARE catalog(text[], bool) AS " + CATALOG_SQL)
        catalog = self.raw("EXECUTE catalog('{sluice_oracle.t}', true)").get_value(0, 0)
        path = tmp / "catalog.json"
        path.write_bytes(catalog)
        self.program = subprocess.Popen([SQLEVAL, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def raw(self, sql):
        result = self.pg.pgconn.exec_(sql.encode())
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise AssertionError(result.error_message)
        return result

    def describe(self, sql):
        """(oid, typmod) or the SQLSTATE of a text that does not prepare."""
        conn = self.pg.pgconn
        result = conn.prepare(b"", sql.encode())
        if result.status != pq.ExecStatus.COMMAND_OK:
            return result.error_field(pq.DiagnosticField.SQLSTATE).decode(), result.error_message.decode()
        result = conn.describe_prepared(b"")
        return None, (result.ftype(0), result.fmod(0))

    def ask(self, sql, row):
        """('value', text or None) or ('error', SQLSTATE)."""
        result = self.pg.pgconn.exec_(f"{sql} WHERE id = {row}".encode())
        if result.status == pq.ExecStatus.TUPLES_OK:
            value = result.get_value(0, 0)
            return "value", None if value is None else value.decode()
        return "error", result.error_field(pq.DiagnosticField.SQLSTATE).decode()

    def planning_fails(self, sql):
        """Postgres folds constants that a row may never reach."""
        result = self.pg.pgconn.exec_(f"EXPLAIN {sql} WHERE id = -1".encode())
        return result.status != pq.ExecStatus.TUPLES_OK

    def run(self, sql, picked):
        request = {"sql": sql.replace("FROM t", "FROM sluice_oracle.t"), "rows": [[self.rows[i - 1]] for i in picked]}
        self.program.stdin.write(json.dumps(request) + "\n")
        self.program.stdin.flush()
        return json.loads(self.program.stdout.readline())

    def compare(self, expr, picked, refusals):
        """A list of differences, as sentences."""
        sql = f"SELECT {expr} AS x FROM t"
        state, described = self.describe(sql)
        ours = self.run(sql, picked)
        if "refused" in ours:
            if state is None and ours["code"] and self.planning_fails(sql):
                return []
            if state is None:
                refusals[ours["refused"].split(": ", 1)[1]] += 1
            return []
        if state is not None:
            return [f"Postgres refuses: {state} {described}"]
        found = []
        column = ours["columns"][0]
        if (column["oid"], column["typmod"]) != described:
            found.append(f"type: ours {column['oid'], column['typmod']}, Postgres' {described}")
        for row, answer in zip(picked, ours["rows"]):
            mine = ("error", answer["code"]) if isinstance(answer, dict) else ("value", answer[0])
            theirs = self.ask(sql, row)
            if mine == ("error", "22007") and theirs == ("error", "22008"):
                continue  # no date at all: Postgres took its digits for a day
            if mine != theirs and not (theirs[0] == "error" and self.planning_fails(sql)):
                found.append(f"row {row}: ours {mine} {answer if mine[0] == 'error' else ''}, Postgres' {theirs}")
        return found


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    one = Oracle(tmp_path_factory.mktemp("oracle"))
    yield one
    one.program.stdin.close()
    one.program.wait(timeout=10)
    one.pg.execute("DROP SCHEMA sluice_oracle CASCADE")


def test_fixed_cases(oracle):
    lines = (ROOT / "tests/integration/oracle_cases.sql").read_text().splitlines()
    cases = [line for line in lines if line and not line.startswith("--")]
    differences, refusals = [], collections.Counter()
    for expr in cases:
        found = oracle.compare(expr, range(1, ROWS + 1), refusals)
        if found:
            differences.append(f"{expr}\n    {found[0]} (and {len(found) - 1} more)")
    assert not differences, "\n".join(differences[:40])
    assert not refusals, refusals


def test_random(oracle):
    print(f"SLUICE_ORACLE_SEED={SEED}")
    rnd = random.Random(SEED)
    gen = Gen(rnd)
    differences, refusals, pairs = [], collections.Counter(), 0
    while pairs < PAIRS:
        expr = gen.any()
        if len(expr) > 3000:
            continue
        picked = [rnd.randint(1, ROWS) for _ in range(PER_EXPR)]
        pairs += PER_EXPR
        found = oracle.compare(expr, picked, refusals)
        if found:
            differences.append(expr + "".join("\n    " + f for f in found))
    for sentence, count in refusals.most_common(15):
        print(f"refused {count}: {sentence}")
    assert not differences, f"{len(differences)} differences with seed {SEED}:\n" + "\n".join(
        sorted(differences, key=len)[:40])
    assert sum(refusals.values()) * PER_EXPR < PAIRS * 0.15
