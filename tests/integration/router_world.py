# SPDX-License-Identifier: Apache-2.0
"""A router with tables of its own: a database in Postgres, the same rows in the other engines that it
is given (ClickHouse, Parquet files for DuckDB, Trino), a board in Redis, a registry with roles and
keys. Freshness and the pipeline take no part."""
import hashlib
import json
import os
import pathlib
import secrets
import subprocess
import urllib.parse

import clickhouse_connect
import duckdb
import httpx
import psycopg
import redis

from free_port import free_port
from wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / os.environ.get("SLUICE_BIN", "build/bin")
NAME = "router_world"
BOARD = "router:world:top"
REGIONS = ("eu", "us", "ap")

PG_DDL = """
CREATE TABLE users (id bigint PRIMARY KEY, name text, role text, user_id bigint, uuid uuid, score integer,
                    amount numeric(18,2), at timestamptz);
CREATE TABLE depts (id bigint PRIMARY KEY, name text);
CREATE TABLE customers (id bigint PRIMARY KEY, name text, ssn text, region text);
CREATE TABLE customers_seen (id bigint PRIMARY KEY, name text, ssn text, region text);
CREATE TABLE notes (id bigserial PRIMARY KEY, body text);
CREATE VIEW unregistered AS SELECT * FROM customers;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nothing FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE elsewhere (a int) SERVER nothing;
CREATE SCHEMA router_world;  -- "$user" of those who set no search_path
CREATE TABLE router_world.users AS SELECT 'not this one' AS name;
GRANT USAGE ON SCHEMA router_world TO router_world;
GRANT SELECT ON router_world.users TO router_world;
CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.000001 AS $$
BEGIN
    RAISE WARNING 'told: %', $1;
    IF $1 IN ('us', 'ap') OR $1 LIKE 'SSN%' THEN RAISE EXCEPTION 'told: %', $1; END IF;
    RETURN true;
END $$;
INSERT INTO users SELECT i, 'name ' || i % 50, (ARRAY['admin', 'user', 'guest'])[1 + i % 3], i % 7,
       ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, i % 11, i * 1.25,
       '2026-01-01 00:00:00+00'::timestamptz + i * interval '1 minute' FROM generate_series(1, 1000) i;
INSERT INTO depts SELECT i, 'dept ' || i FROM generate_series(1, 20) i;
INSERT INTO customers SELECT i, 'customer ' || i, 'SSN-' || 100000 + i, (ARRAY['eu', 'us', 'ap'])[1 + i % 3]
       FROM generate_series(1, 60) i;
INSERT INTO customers_seen SELECT id, name, '***', region FROM customers WHERE region = 'eu';
"""
CH_TYPES = {"bigint": "Int64", "text": "String", "uuid": "UUID", "integer": "Int32", "numeric(18,2)": "Decimal(18,2)",
            "timestamptz": "DateTime64(6, 'UTC')"}
TRINO_TYPES = {"bigint": "bigint", "text": "varchar", "uuid": "uuid", "integer": "integer", "numeric(18,2)": "decimal(18,2)",
               "timestamptz": "timestamp(6) with time zone"}
COLUMNS = {
    "users": {"id": "bigint", "name": "text", "role": "text", "user_id": "bigint", "uuid": "uuid", "score": "integer",
              "amount": "numeric(18,2)", "at": "timestamptz"},
    "depts": {"id": "bigint", "name": "text"},
    "customers": {"id": "bigint", "name": "text", "ssn": "text", "region": "text"},
    "customers_seen": {"id": "bigint", "name": "text", "ssn": "text", "region": "text"},
    "notes": {"id": "bigint", "body": "text"},
}
COPIED = ("users", "depts", "customers", "customers_seen")
COPIES = ("clickhouse", "duckdb", "trino")  # the engines that hold them besides Postgres
MASKED = {"filter": "region = 'eu'", "masks": {"ssn": "'***'"}}
DEARER = {**MASKED, "filter": "name LIKE 'customer%' AND (region = 'eu' OR region = 'xx' OR region = 'yy')"}  # the same rows, at a price
PEOPLE = {"alice": "admin", "walter": "writer", "ann": "analyst", "bob": "analyst", "nina": "narrow", "olga": "auditor",
          "tom": "trusting", "wendy": "scribe"}


def admin(database=None):
    return psycopg.connect(host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"], user="postgres",
                           dbname=database or "postgres", autocommit=True)


def clickhouse():
    at = urllib.parse.urlsplit(os.environ["SLUICE_CLICKHOUSE"])
    return clickhouse_connect.get_client(host=at.hostname, port=at.port)


def trino(sql):
    """The rows of one statement, asked of Trino itself."""
    page = httpx.post(os.environ["SLUICE_TRINO"] + "/v1/statement", content=sql.encode(), headers={"X-Trino-User": "loader"}, timeout=60).json()
    rows = page.get("data", [])
    while "nextUri" in page:
        page = httpx.get(page["nextUri"], timeout=60).json()
        rows += page.get("data", [])
    assert "error" not in page, page["error"]["message"]
    return rows


class RouterWorld:
    """engines: those that its registry names; the stores behind them are made and needed."""

    def __init__(self, folder, name=NAME, anonymous=None, server=None, registry=None, engines=("postgres", "clickhouse", "redis")):
        self.folder, self.name, self.process, self.engines = folder, name, None, engines
        self.keys = {who: f"slk_{secrets.token_hex(32)}" for who in PEOPLE}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = {"keys_file": str(folder / "keys.yaml"), "audit_file": str(folder / "audit.ndjson"),
                       "anonymous": anonymous, **(server or {})}
        self.more = registry or {}
        self.copies = [engine for engine in COPIES if engine in engines]

    # --- the stores ---

    def make(self):
        self.drop()
        with admin() as pg:
            pg.execute(f"CREATE DATABASE {self.name}")
            if not pg.execute("SELECT 1 FROM pg_roles WHERE rolname = 'router_world'").fetchone():
                pg.execute("CREATE ROLE router_world LOGIN NOSUPERUSER PASSWORD 'router_world'")
            pg.execute(f"REVOKE TEMPORARY ON DATABASE {self.name} FROM PUBLIC")
        with admin(self.name) as pg:
            pg.execute(PG_DDL)
            pg.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO router_world;"
                       "GRANT INSERT, UPDATE, DELETE ON users, notes TO router_world;"
                       "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO router_world")
            rows = {t: pg.execute(f"SELECT * FROM {t} ORDER BY id").fetchall() for t in COPIED}
            for engine in self.copies:
                getattr(self, f"copy_to_{engine}")(rows)
        if "redis" in self.engines:
            r = redis.Redis.from_url(os.environ["SLUICE_REDIS"])
            r.delete(BOARD)
            r.zadd(BOARD, {f"member {i}": 100 - i * 1.5 for i in range(20)})
        return self

    def copy_to_clickhouse(self, rows):
        ch = clickhouse()
        ch.command(f"CREATE DATABASE {self.name}")
        for table in COPIED:
            columns = COLUMNS[table]
            ch.command(f"CREATE TABLE {self.name}.{table}_current (" + ", ".join(
                f"`{c}` {CH_TYPES[t] if c == 'id' else f'Nullable({CH_TYPES[t]})'}" for c, t in columns.items()) +
                ") ENGINE = MergeTree ORDER BY id")
            ch.insert(f"{self.name}.{table}_current", rows[table], column_names=list(columns))

    def copy_to_duckdb(self, rows):
        """A Parquet file a table, written by DuckDB's own package."""
        with duckdb.connect() as db:
            db.execute("SET TimeZone = 'UTC'")
            for table in COPIED:
                columns = ", ".join(f"unnest($c{i})::{t} AS {c}" for i, (c, t) in enumerate(COLUMNS[table].items()))
                db.execute(f"CREATE TABLE {table} AS SELECT {columns}",
                           {f"c{i}": [str(v) for v in values] for i, values in enumerate(zip(*rows[table]))})
                db.execute(f"COPY {table} TO '{self.folder}/{table}.parquet'")

    def copy_to_trino(self, rows):
        trino(f"CREATE SCHEMA memory.{self.name}")
        for table in COPIED:
            columns = COLUMNS[table]
            trino(f"CREATE TABLE memory.{self.name}.{table} ({', '.join(f'{c} {TRINO_TYPES[t]}' for c, t in columns.items())})")
            for at in range(0, len(rows[table]), 250):
                trino(f"INSERT INTO memory.{self.name}.{table} SELECT * FROM (VALUES " + ", ".join(
                    "(" + ", ".join(f"CAST('{v}' AS {TRINO_TYPES[t]})" for v, t in zip(row, columns.values())) + ")"
                    for row in rows[table][at:at + 250]) + ")")

    def drop(self):
        with admin() as pg:
            pg.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        if "clickhouse" in self.engines:
            clickhouse().command(f"DROP DATABASE IF EXISTS {self.name}")
        if "trino" in self.engines:
            for table in COPIED:
                trino(f"DROP TABLE IF EXISTS memory.{self.name}.{table}")
            trino(f"DROP SCHEMA IF EXISTS memory.{self.name}")

    # --- the router ---

    def entries(self):
        """Of every engine that a registry may name."""
        env = os.environ
        return {
            "postgres": {"kind": "postgres", "user": "router_world", "password": "router_world", "price_cpu_s": 0.00005,
                         "url": f"postgresql://{env['SLUICE_PG_HOST']}:{env['SLUICE_PG_PORT']}/{self.name}"},
            "clickhouse": {"kind": "clickhouse", "url": env["SLUICE_CLICKHOUSE"], "price_cpu_s": 0.00002},
            "redis": {"kind": "redis", "url": env["SLUICE_REDIS"]},
            "duckdb": {"kind": "duckdb", "library": env["SLUICE_DUCKDB"], "price_cpu_s": 0.00001,
                       "files": {table: f"{self.folder}/{table}.parquet" for table in COPIED}},
            "trino": {"kind": "trino", "url": env["SLUICE_TRINO"], "user": "router", "price_cpu_s": 0.0001}}

    def write_registry(self):
        keys = {who: {"hash": hashlib.sha256(self.keys[who].encode()).hexdigest(), "role": role}
                for who, role in PEOPLE.items()}
        (self.folder / "keys.yaml").write_text(json.dumps({"keys": keys}))
        tables = {}
        for table, columns in COLUMNS.items():
            tables[table] = {"columns": columns, "key": "id", "engines": {"postgres": f"public.{table}"}}
            if table in COPIED and self.copies:
                paths = {"clickhouse": f"{self.name}.{table}_current", "duckdb": table, "trino": f"memory.{self.name}.{table}"}
                tables[table]["engines"].update((engine, paths[engine]) for engine in self.copies)
                tables[table]["replicas"] = self.copies
        tables["customers"]["policies"] = {"analyst": MASKED, "auditor": DEARER, "trusting": MASKED, "scribe": MASKED}
        if "redis" in self.engines:
            tables["top10"] = {"columns": {"member": "text", "score": "double precision"}, "engines": {"redis": BOARD}}
        registry = {
            "server": {"listen": f"127.0.0.1:{self.port}", **{k: v for k, v in self.server.items() if v is not None}},
            "engines": {engine: entry for engine, entry in self.entries().items() if engine in self.engines},
            "tables": tables,
            "roles": {"admin": {"write": True, "ddl": True, "functions": "nextval"}, "writer": {"write": True, "require_where": True},
                      "analyst": {}, "auditor": {}, "trusting": {"functions": "leak"},
                      "scribe": {"write": True, "ddl": True}, "narrow": {"tables": "users"}}}
        for part, value in self.more.items():
            registry[part] = {**registry.get(part, {}), **value}
        path = self.folder / "router.yaml"
        path.write_text(json.dumps(registry, indent=1))  # JSON is YAML
        return path

    def start(self):
        path = self.write_registry()
        self.log = open(self.folder / "router.log", "ab")
        self.process = subprocess.Popen([BIN / "sluice-router", "--pipeline", path], stderr=self.log, stdout=self.log)
        wait_until(f"it is healthy: {self.folder / 'router.log'}", self.healthy)
        return self

    def healthy(self):
        """Every engine that is needed answers."""
        assert self.process.poll() is None, (self.folder / "router.log").read_text()[-2000:]
        try:
            state = self.get("/v1/engines", who="alice")
        except httpx.TransportError:
            return False
        return state.status_code == 200 and not any(
            engine["down"] for engine in state.json()["engines"] if engine["name"] in self.engines)

    def stop(self):
        if not self.process:
            return None
        self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.log.close()

    # --- asking ---

    def headers(self, who):
        return {"authorization": f"Bearer {self.keys[who]}"} if who else {}

    def get(self, path, who=None, headers=None, **more):
        return httpx.get(self.url + path, headers={**self.headers(who), **(headers or {})}, timeout=30, **more)

    def ask(self, sql, who="alice", client=None, path="/v1/query", **more):
        return (client or httpx).post(self.url + path, json={"sql": sql, **more}, headers=self.headers(who), timeout=60)

    def rows(self, sql, who="alice", **more):
        answer = self.ask(sql, who, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"]

    def rss(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")
