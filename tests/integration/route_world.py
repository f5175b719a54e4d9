# SPDX-License-Identifier: Apache-2.0
"""Postgres beside another engine over the same rows, for the differential tests of the router's SQL:
a query is refused for the engine or answered by its driver with the very texts of Postgres."""
import collections
import json
import os
import pathlib
import random
import subprocess

import psycopg
from psycopg import pq

from engine_asker import Asker
from route_gen import COLUMNS, Gen, rows, with_params

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUTE = ROOT / os.environ.get("SLUICE_ROUTE", "build/gcc/tests/golden/route")
ROWS = 240
OVERFLOW, ZERO = "22003", "22012"
TABLES = ("facts", "nothing")


UNKNOWN = 705
TRICKS = ["x\\' UNION ALL SELECT ssn FROM users -- ", "\\", "\\\\", "'", "''", "\\'", "a\\nb", "%_", "/* */", "--", "{x:Int8}", "$1", "?", ":x", "\\N",
          "\\x41", "\\u0041", "\\0", "\u2028", "é", "𝄞", "".join(map(chr, range(1, 256)))] + [chr(b) for b in range(1, 256)]


def types_differ(pg, sql, plan):
    """None when the types that were deduced of parameters are those that Postgres deduces; where
    Postgres can deduce none, nothing may be sent elsewhere."""
    if not plan["params"]:
        return None
    done = pg.pgconn.prepare(b"", sql.encode())
    if done.status != pq.ExecStatus.COMMAND_OK:
        state = done.error_field(pq.DiagnosticField.SQLSTATE).decode()
        typed = state in ("42P18", "42P08") and set(plan["sql"]) - {"postgres"}
        return f"{sql}: {state}, but it is sent to {set(plan['sql'])}" if typed else None
    said = pg.pgconn.describe_prepared(b"")
    theirs = [said.param_type(i) for i in range(said.nparams)]
    good = len(theirs) == len(plan["params"]) and all(ours in (UNKNOWN, oid) for ours, oid in zip(plan["params"], theirs))
    return None if good else f"{sql}: parameters are {theirs} in Postgres and {plan['params']} here"


class World:
    """load(data) puts the rows into the engine; kind: its entry in the registry; path: of a table."""

    def __init__(self, tmp, seed, engine, kind, path, schema=None):
        self.engine, self.schema = engine, schema or f"sluice_{engine}"
        self.data = list(rows(random.Random(seed), ROWS))
        self.pg = psycopg.connect(host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"], user="postgres",
                                  dbname=os.environ.get("SLUICE_PG_DB", "postgres"), autocommit=True)
        self.pg.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE; CREATE SCHEMA {self.schema}; "
                        f"SET search_path = {self.schema}, pg_catalog; SET TimeZone = 'UTC'; SET statement_timeout = '20s'")
        for table in TABLES:
            self.pg.execute(f"CREATE TABLE {table} ({', '.join(f'{c} {p}' for c, (p, _) in COLUMNS.items())}, PRIMARY KEY (id))")
        with self.pg.cursor() as cursor:
            cursor.executemany(f"INSERT INTO facts VALUES ({', '.join(['%s'] * len(COLUMNS))})", self.data)
        registry = tmp / "router.yaml"
        typed = ", ".join(f"{c}: '{p}'" for c, (p, _) in COLUMNS.items())
        registry.write_text(f"engines: {{postgres: {{kind: postgres}}, {engine}: {{kind: {engine}, {kind}}}}}\ntables:\n" + "".join(
            f"  {t}: {{columns: {{{typed}}}, key: id, engines: {{postgres: {self.schema}.{t}, {engine}: {path(t)}}}, "
            "policies: {governed: {filter: id > 0}}}\n" for t in TABLES) + "roles: {reader: {}, governed: {}}\n")
        self.routes = {role: subprocess.Popen([ROUTE, registry, role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                       for role in ("reader", "governed")}
        self.asker = Asker(registry, engine)

    def plan(self, sql, role="reader", params=()):
        route = self.routes[role]
        route.stdin.write((json.dumps({"sql": sql, "params": list(params)}) if params else sql) + "\n")
        route.stdin.flush()
        return json.loads(route.stdout.readline())

    def finished(self, answer, role):
        """What the router makes of an engine's sums and counts."""
        route = self.routes[role]
        route.stdin.write(json.dumps({"finish": self.engine, "rows": answer["rows"]}) + "\n")
        route.stdin.flush()
        done = json.loads(route.stdout.readline())
        return answer | ({"rows": done["rows"]} if "rows" in done else {"fate": "reject", "code": done["code"], "what": str(done)})

    def ask_postgres(self, sql, params=()):
        """Rows of texts, or None and the SQLSTATE; the types."""
        result = self.pg.pgconn.exec_params(sql.encode(), [None if p is None else p.encode() for p in params])
        if result.status != pq.ExecStatus.TUPLES_OK:
            return None, (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode(), []
        texts = [[None if (v := result.get_value(r, i)) is None else v.decode() for i in range(result.nfields)] for r in range(result.ntuples)]
        return texts, None, [result.ftype(i) for i in range(result.nfields)]

    def difference(self, sql, ordered, counts, role="reader", params=()):
        """None when the query is refused or answered alike."""
        plan = self.plan(sql, role, params)
        emitted = plan["sql"].get(self.engine)
        wrong = types_differ(self.pg, sql, plan)
        if wrong:
            return wrong
        if not emitted:
            counts[plan["dropped"].get(self.engine, plan["reason"] + " " + plan["detail"])[:60]] += 1
            return None
        counts["sent"] += 1
        counts["with parameters"] += bool(params)
        expected, state, oids = self.ask_postgres(sql, params)
        wires = plan["wires"].get(self.engine)
        counts["finished"] += wires is not None
        answer = self.asker.ask(emitted, types=wires or oids)
        if wires and answer["fate"] == "done":
            answer = self.finished(answer, role)
        got, trouble = (answer["rows"], None) if answer["fate"] == "done" else (None, answer["code"])
        if (expected is None) != (got is None) and (state or OVERFLOW) in (OVERFLOW, ZERO) and (trouble or OVERFLOW) in (OVERFLOW, ZERO):
            counts["excused"] += 1  # a row that LIMIT, AND or OR passes over may overflow on one side only
            return None
        if expected is None and got is None:
            counts["errors"] += 1
            return None if state == trouble else f"{sql} {params}\n{emitted}\n{state} {answer['what']}"
        if expected is None or got is None:
            return f"{sql} {params}\n{emitted}\n{state or expected[:5]}\n{answer['what'] or got[:5]}"
        if not ordered:
            expected, got = (sorted(rows, key=lambda row: [(v is None, v or "") for v in row]) for rows in (expected, got))
        return None if expected == got else f"{sql} {params}\n{emitted}\npostgres {expected[:8]}\n{self.engine} {got[:8]}"

    def tricks(self):
        """A text is one literal, whatever it holds, and what is no number or date is Postgres' to refuse."""
        bad, cases = [], [(sql, [trick]) for trick in TRICKS[:-255] for sql in (
            "SELECT count(*) FROM facts WHERE t = $1 OR c IN ($1, 'x')", "SELECT count(*) FROM facts WHERE starts_with(t, $1)")]
        for at in range(0, len(TRICKS), 60):
            part = TRICKS[at:at + 60]
            listed = ", ".join(f"${i + 1}" for i in range(len(part)))
            cases.append((f"SELECT id, {listed.replace(',', '::text,')}::text FROM facts WHERE id < 3", part))
            cases.append((f"SELECT count(*) FROM facts WHERE t IN ({listed})", part))
        for sql, params in cases:
            counts = collections.Counter()
            bad.append(self.difference(sql, False, counts, params=params))
            assert counts["with parameters"] == 1, (sql, params, counts)
        for trick in TRICKS:
            for column in ("a", "g", "s", "n", "d", "ts", "tz", "ok", "u"):
                plan = self.plan(f"SELECT count(*) FROM facts WHERE {column} = $1", params=[trick])
                sent = self.engine in plan["sql"]
                assert sent == (self.ask_postgres("SELECT $1::" + COLUMNS[column][0], [trick])[1] is None), (column, trick, plan)
        assert not any(bad), "\n\n".join(filter(None, bad))

    def run(self, seed, queries, role="reader", with_parameters=False):
        """How many random queries were sent, and those answered otherwise."""
        gen, counts, bad, params = Gen(random.Random(seed)), collections.Counter(), [], ()
        for _ in range(queries):
            sql, ordered = gen.query()
            if with_parameters:
                sql, params = with_params(gen.r, sql)
            if os.environ.get("SLUICE_ROUTER_SHOW"):
                print(sql)
            found = self.difference(sql, ordered, counts, role, params)

            if found:
                bad.append(found)
        print(f"seed {seed}: {dict(counts.most_common(40))}")
        assert not bad, f"seed {seed}: {len(bad)} of {counts['sent']} differ, the first:\n" + "\n\n".join(bad[:12])
        assert not with_parameters or counts["with parameters"] > queries // 20, counts
        assert counts["sent"] > queries // 5 and counts["excused"] <= 3 + counts["sent"] // 50, counts

    def close(self):
        for route in self.routes.values():
            route.stdin.close()
            assert route.wait(timeout=30) == 0
            route.stdout.close()
        self.asker.close()
        self.pg.execute(f"DROP SCHEMA {self.schema} CASCADE")
        self.pg.close()
