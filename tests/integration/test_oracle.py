# SPDX-License-Identifier: Apache-2.0
"""lib/sql against a real PostgreSQL 15: the same expression over the same row, text for
text, errors by SQLSTATE and message, result columns by oid and typmod.

SLUICE_ORACLE_PAIRS (10,000) and SLUICE_ORACLE_SEED (printed) make and repeat a run; `make
oracle COUNT= SEED=` is the longer one. Every difference found becomes a line of
oracle_cases.sql, which runs over all rows.
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
ROWS, FRESH, PER_EXPR = 60, 140, 4  # rows that never change, and rows of the seed
SESSION = (ROOT / "sql/postgres/session.sql").read_text().replace("search_path = public", "search_path = sluice_oracle, public")


def shortened(ours, theirs):
    """An error here holds 239 bytes."""
    return len(ours.encode()) >= 200 and theirs.startswith(ours[:60])


class Oracle:
    def __init__(self, tmp):
        self.pg = psycopg.connect(host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"],
                                  user="postgres", dbname=os.environ.get("SLUICE_PG_DB", "postgres"), autocommit=True)
        self.pg.execute(SETUP)
        self.pg.execute(SESSION)
        for row in rows(random.Random(4711), ROWS) + rows(random.Random(SEED), FRESH, ROWS + 1, fresh=True):
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
        self.catalog = self.raw("EXECUTE catalog('{sluice_oracle.t}', true)").get_value(0, 0)
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

    def ask_all(self, expr, picked):
        """What ask() says of each row; all at once unless one of them fails."""
        some = ", ".join(map(str, picked))
        result = self.pg.pgconn.exec_(f"SELECT {expr} AS x, id FROM t WHERE id IN ({some})".encode())
        if result.status != pq.ExecStatus.TUPLES_OK:
            return [self.ask(f"SELECT {expr} AS x FROM t", row) for row in picked]
        got = {int(result.get_value(i, 1)): result.get_value(i, 0) for i in range(result.ntuples)}
        return [("value", None if got[row] is None else got[row].decode()) for row in picked]

    def ask(self, sql, row):
        """('value', text or None) or ('error', SQLSTATE, message)."""
        result = self.pg.pgconn.exec_(f"{sql} WHERE id = {row}".encode())
        if result.status == pq.ExecStatus.TUPLES_OK:
            value = result.get_value(0, 0)
            return "value", None if value is None else value.decode()
        return ("error", *(result.error_field(f).decode() for f in (pq.DiagnosticField.SQLSTATE, pq.DiagnosticField.MESSAGE_PRIMARY)))

    def planning_fails(self, sql):
        """Postgres folds constants that a row may never reach."""
        result = self.pg.pgconn.exec_(f"EXPLAIN {sql} WHERE id = -1".encode())
        return result.status != pq.ExecStatus.TUPLES_OK

    def run(self, sql, picked):
        request = {"sql": sql.removesuffix("FROM t") + "FROM sluice_oracle.t", "rows": [[self.rows[i - 1]] for i in picked]}
        self.program.stdin.write(json.dumps(request) + "\n")
        self.program.stdin.flush()
        line = self.program.stdout.readline()
        assert line, f"the program died of: {sql}"
        return json.loads(line)

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
            if state.startswith("22"):
                return []  # a constant that its type refuses, found late: PREPARE at start tells
            return [f"Postgres refuses: {state} {described}"]
        found = []
        column = ours["columns"][0]
        if (column["oid"], column["typmod"]) != described:
            found.append(f"type: ours {column['oid'], column['typmod']}, Postgres' {described}")
        for row, answer, theirs in zip(picked, ours["rows"], self.ask_all(expr, picked)):
            mine = ("error", answer["code"], answer["what"]) if isinstance(answer, dict) else ("value", answer[0])
            if mine[:2] == ("error", "22007") and theirs[:2] == ("error", "22008"):
                continue  # no date at all: Postgres took its digits for a day
            same = mine == theirs or (mine[:2] == theirs[:2] and mine[0] == "error" and shortened(*mine[2:], *theirs[2:]))
            if not same and not (theirs[0] == "error" and self.planning_fails(sql)):
                found.append(f"row {row}: ours {mine}, Postgres' {theirs}")
        return found


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    one = Oracle(tmp_path_factory.mktemp("oracle"))
    yield one
    one.program.stdin.close()
    one.program.wait(timeout=10)
    one.pg.execute("DROP SCHEMA sluice_oracle CASCADE")


def fixed_cases():
    lines = (ROOT / "tests/integration/oracle_cases.sql").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("--")]


if "SLUICE_ORACLE_WRITE" in os.environ:  # a way to write tests/golden/sql anew
    def test_write_golden(oracle):
        """The fixed cases with Postgres' answers, for `make golden`, which has no Postgres."""
        def answer(sql, row):
            result = oracle.pg.pgconn.exec_(f"{sql} WHERE id = {row}".encode())
            if result.status == pq.ExecStatus.TUPLES_OK:
                value = result.get_value(0, 0)
                return [None if value is None else value.decode()]
            field = {k: result.error_field(getattr(pq.DiagnosticField, k)).decode() for k in ("MESSAGE_PRIMARY", "SQLSTATE")}
            return {"what": field["MESSAGE_PRIMARY"], "code": field["SQLSTATE"]}

        folder = ROOT / "tests/golden/sql"
        folder.mkdir(exist_ok=True)
        picked = range(1, 21)
        (folder / "catalog.json").write_text(json.dumps(json.loads(oracle.catalog)) + "\n")
        requests = [{"rows": [[oracle.rows[i - 1]] for i in picked]}]
        answers = [{}]
        for expr in fixed_cases():
            sql = f"SELECT {expr} AS x FROM t"
            _, (oid, typmod) = oracle.describe(sql)
            requests.append({"sql": f"SELECT {expr} AS x FROM sluice_oracle.t"})
            answers.append({"columns": [{"name": "x", "oid": oid, "typmod": typmod}],
                            "rows": [answer(sql, row) for row in picked]})
        for name, lines in (("requests.ndjson", requests), ("answers.ndjson", answers)):
            (folder / name).write_text("".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))


def test_fixed_cases(oracle):
    cases = fixed_cases()
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
        picked = [rnd.randint(1, ROWS + FRESH) for _ in range(PER_EXPR)]
        pairs += PER_EXPR
        found = oracle.compare(expr, picked, refusals)
        if found:
            differences.append(expr + "".join("\n    " + f for f in found))
    for sentence, count in refusals.most_common(15):
        print(f"refused {count}: {sentence}")
    assert not differences, f"{len(differences)} differences with seed {SEED}:\n" + "\n".join(
        sorted(differences, key=len)[:40])
    assert sum(refusals.values()) * PER_EXPR < PAIRS * 0.15
