#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The router beside the engines it asks: make bench-router (FIGURES="added point idle stream mixed decide").

Prints NAME VALUE UNIT BOUND ok|MISS a line; exit 1 on a MISS. What is compared is measured in turn
with what it is compared with, ROUNDS (3) times, and the median counts. Clients are plain sockets on
both sides: a prepared Bind/Execute/Sync to Postgres, one request to the router. The mixed workload
(mixed.sql) runs as the router chooses and then with everything forced to the dearest engine that
holds it; cost is what the engines took by the registry's prices, as /v1/history tells it."""
import json
import os
import pathlib
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import httpx

from figure import INSTANCE, ROOT, STACK, cpu, figure, missed, peak_mb, told, use_instance

use_instance()
sys.path.insert(0, str(ROOT / "tests/integration"))
import router_world  # noqa: E402

SERVERS = ("postgres", "clickhouse", "redis")
TOOLS = ROOT / os.environ.get("BENCH_TOOLS", "build/gcc/tests/bench")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
EVENTS, CALLS, IDLE = int(os.environ.get("BENCH_EVENTS", 1_000_000)), int(os.environ.get("BENCH_CALLS", 3000)), 10_000
POINT, ROW = "SELECT id, name, score FROM users WHERE id = 7", [[7, "name 7", 7]]
STREAM = "SELECT id, user_id, kind, ms, amount FROM events"
MB = 1 << 20


class Postgres:
    """One session of the protocol by hand: as little client as there can be."""

    def __init__(self, database, sql):
        self.sock = socket.create_connection((os.environ["SLUICE_PG_HOST"], int(os.environ["SLUICE_PG_PORT"])))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = struct.pack("!i", 196608) + f"user\0postgres\0database\0{database}\0\0".encode()
        self.sock.sendall(struct.pack("!i", len(body) + 4) + body)
        self.until_ready()
        self.call(self.message(b"P", b"q\0" + sql.encode() + b"\0" + struct.pack("!h", 0)))
        self.execute = (self.message(b"B", b"\0q\0" + struct.pack("!hhh", 0, 0, 0)) +
                        self.message(b"E", b"\0" + struct.pack("!i", 0)) + self.message(b"S", b""))

    def message(self, kind, body):
        return kind + struct.pack("!i", len(body) + 4) + body

    def call(self, messages):
        self.sock.sendall(messages + self.message(b"S", b""))
        return self.until_ready()

    def until_ready(self):
        """What came up to ReadyForQuery, the last message of what was asked, in parts."""
        parts, tail = [], b""
        while tail[:5] != b"Z\0\0\0\5":
            parts.append(self.sock.recv(1 << 18))
            assert parts[-1], "Postgres has hung up"
            tail = (tail + parts[-1])[-6:]
        return parts

    def ask(self):
        self.sock.sendall(self.execute)
        return self.until_ready()

    @staticmethod
    def rows(parts):
        """How many an answer says that it has given."""
        return int(re.search(rb"C....SELECT (\d+)\0Z", b"".join(parts[-2:]), re.S)[1])


class Router:
    """One keep-alive connection."""

    def __init__(self, world, sql, **more):
        self.sock = socket.create_connection(("127.0.0.1", world.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = json.dumps({"sql": sql, **more})
        self.request = (f"POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['alice']}\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def ask(self):
        """A short answer, whole by its Content-Length."""
        self.sock.sendall(self.request)
        text = self.sock.recv(1 << 16)
        head, _, body = text.partition(b"\r\n\r\n")
        size = int(re.search(rb"Content-Length: (\d+)", head)[1])
        while len(body) < size:
            part = self.sock.recv(1 << 16)
            assert part, "the router has hung up"
            body += part
        return head, body

    def stream(self):
        """A long one, to its last chunk, in parts."""
        self.sock.sendall(self.request)
        parts, tail = [], b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            parts.append(self.sock.recv(1 << 18))
            assert parts[-1], "the router has hung up"
            tail = (tail + parts[-1])[-7:]
        return parts


def right(answer):
    """Whether the look-up is answered with its row."""
    head, body = answer
    return head.startswith(b"HTTP/1.1 200 ") and json.loads(body)["rows"] == ROW


def unchunked(parts):
    """(head, body) of a chunked answer."""
    head, _, rest = b"".join(parts).partition(b"\r\n\r\n")
    body, at = [], 0
    while True:
        end = rest.index(b"\r\n", at)
        size = int(rest[at:end], 16)
        if size == 0:
            return head, b"".join(body)
        body.append(rest[end + 2:end + 2 + size])
        at = end + 4 + size


class World(router_world.RouterWorld):
    """The test's world with a million events more."""

    def make(self):
        super().make()
        with router_world.admin(self.name) as pg:
            pg.execute("CREATE TABLE events (id bigint PRIMARY KEY, user_id bigint, kind text, device text, ms integer, "
                       "amount numeric(18,2))")
            pg.execute("INSERT INTO events SELECT i, 1 + i * 7919 % 10000, (ARRAY['play', 'pause', 'finish', 'click'])[1 + i % 4], "
                       "(ARRAY['ios', 'android', 'web', 'tv', NULL])[1 + i % 5], i * 31 % 60000, (i * 37 % 100000) / 100.0 "
                       f"FROM generate_series(1::bigint, {EVENTS}) i")
            pg.execute("GRANT SELECT ON events TO router_world")
            pg.execute("VACUUM ANALYZE")
        ch = router_world.clickhouse()
        ch.command(f"CREATE TABLE {self.name}.events_current (id Int64, user_id Nullable(Int64), kind Nullable(String), "
                   "device Nullable(String), ms Nullable(Int32), amount Nullable(Decimal(18,2))) ENGINE = MergeTree ORDER BY id")
        ch.command(f"INSERT INTO {self.name}.events_current SELECT number + 1 AS i, 1 + i * 7919 % 10000, "
                   "['play', 'pause', 'finish', 'click'][1 + i % 4], [toNullable('ios'), 'android', 'web', 'tv', NULL][1 + i % 5], "
                   f"i * 31 % 60000, toDecimal64(i * 37 % 100000, 2) / 100 FROM numbers({EVENTS})")
        return self

    def write_registry(self):
        path = super().write_registry()
        registry = json.loads(path.read_text())
        registry["tables"]["events"] = {
            "columns": {"id": "bigint", "user_id": "bigint", "kind": "text", "device": "text", "ms": "integer", "amount": "numeric(18,2)"},
            "key": "id", "rows": EVENTS, "replicas": "clickhouse",
            "engines": {"postgres": "public.events", "clickhouse": f"{self.name}.events_current"}}
        path.write_text(json.dumps(registry, indent=1))
        return path


def timed(call, good, count):
    """Microseconds of each; when all are done, every answer is looked at."""
    out, answers = [], []
    for _ in range(count):
        began = time.perf_counter_ns()
        answers.append(call())
        out.append((time.perf_counter_ns() - began) / 1000)
    assert (bad := next((a for a in answers if not good(a)), None)) is None, bad
    return out


def added(world):
    """One client, in blocks of fifty by turns."""
    direct, through = Postgres(world.name, POINT), Router(world, POINT)
    p50, p99 = [], []

    def one(parts):
        return Postgres.rows(parts) == 1
    for _ in range(ROUNDS):
        a, b = [], []
        timed(direct.ask, one, 200), timed(through.ask, right, 200)
        for _ in range(CALLS // 50):
            a += timed(direct.ask, one, 50)
            b += timed(through.ask, right, 50)
        a.sort()
        b.sort()
        p50.append(b[len(b) // 2] - a[len(a) // 2])
        p99.append(b[len(b) * 99 // 100] - a[len(a) * 99 // 100])
    figure("router_added_p50", statistics.median(p50), "us", "<=100", 0)
    figure("router_added_p99", statistics.median(p99), "us", "<=300", 0)


def point(world):
    """http_load, 32 connections; the plan is in the cache and the text is one."""
    rates, cpus = [], []
    for _ in range(ROUNDS):
        before = cpu(world.process.pid)
        out = subprocess.run([TOOLS / "http_load", str(world.port), "32", "5", json.dumps(ROW, separators=(",", ":"))], check=True,
                             input=Router(world, POINT).request, capture_output=True, timeout=60).stdout
        answers, seconds = map(float, out.split())
        rates.append(answers / seconds)
        cpus.append((cpu(world.process.pid) - before) * 1e6 / answers)
    figure("router_point_rate", statistics.median(rates), "req/s", ">=15000", 0)
    figure("router_point_cpu", statistics.median(cpus), "us/req", digits=1)


def idle(world):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socks = []
    for _ in range(IDLE):
        socks.append(socket.create_connection(("127.0.0.1", world.port)))
        socks[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    for sock in socks:
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    figure("router_idle_10k_rss", world.rss() / MB, "MB", "<=100", 1)
    for sock in socks:
        sock.close()


def stream(world):
    """A million rows, read and thrown away."""
    direct, through = Postgres(world.name, STREAM), Router(world, STREAM, engine="postgres", format="ndjson")
    ratios, highest = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        given = direct.ask()
        a = time.perf_counter() - began
        assert Postgres.rows(given) == EVENTS
        began = time.perf_counter()
        given = through.stream()
        ratios.append(a / (time.perf_counter() - began))
        head, body = unchunked(given)
        lines = body.splitlines()
        assert head.startswith(b"HTTP/1.1 200 ") and len(lines) == EVENTS + 2, (head, len(lines), lines[-1])
        highest = max(highest, peak_mb(world.process.pid))
    figure("router_stream_vs_engine", statistics.median(ratios), "ratio", ">=0.8")
    figure("router_stream_rss", highest, "MB", "<=64", 1)


def statements():
    text = (ROOT / "tests/bench/mixed.sql").read_text()
    return [sql.strip() for sql in re.sub(r"--.*", "", text).split(";") if sql.strip()]


def run_all(world, client, force, expected):
    """(cost, milliseconds) of the whole list. expected: each statement's rows, by which engine ever."""
    ids, rows = {}, {}
    began = time.perf_counter()
    for sql, engine in force:
        answer = world.ask(sql, client=client, **({"engine": engine} if engine else {}))
        assert answer.status_code == 200, (sql, answer.text)
        whole = answer.json()
        ids[whole["id"]], rows[sql] = sql, whole["rows"]
    took = (time.perf_counter() - began) * 1000
    entries = world.get("/v1/history?limit=1000", who="alice").json()["entries"]
    costs = [entry["cost"] for entry in entries if entry["id"] in ids]
    assert len(costs) == len(ids) == len(force), f"{len(costs)} of {len(force)} are on record"
    for sql, found in rows.items():
        found = sorted(map(json.dumps, found))
        assert expected.setdefault(sql, found) == found, sql
    return sum(costs), took


def dearest_of(world, client, sql):
    """The engine with the highest price among those that could answer."""
    explained = world.ask(sql, path="/v1/explain", client=client).json()
    prices = {e["name"]: e["price_cpu_s"] for e in world.get("/v1/engines", who="alice").json()["engines"]}
    return max((e["name"] for e in explained["engines"] if e["candidate"]), key=prices.get)


def mixed(world):
    texts, costs, times, rows = statements(), [], [], {}
    assert len(texts) == 200
    with httpx.Client() as client:
        dearest = [(sql, dearest_of(world, client, sql)) for sql in texts]
        run_all(world, client, [(sql, None) for sql in texts], rows)  # what each engine takes becomes known
        run_all(world, client, dearest, rows)
        for _ in range(ROUNDS):
            chosen, chosen_ms = run_all(world, client, [(sql, None) for sql in texts], rows)
            worst, worst_ms = run_all(world, client, dearest, rows)
            costs.append(chosen / worst)
            times.append(chosen_ms / worst_ms)
    figure("router_cost_vs_dearest", statistics.median(costs), "ratio", "<=0.5")
    figure("router_latency_vs_dearest", statistics.median(times), "ratio", "<=1.2")


def decide(world):
    told([TOOLS / "decide", ROOT / "tests/unit/engine/router.yaml"])


FIGURES = {"decide": decide, "added": added, "point": point, "stream": stream, "idle": idle, "mixed": mixed}


def main():
    wanted = sys.argv[1:] or list(FIGURES)
    subprocess.run([STACK, "up", INSTANCE, *SERVERS], check=True, timeout=300, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        world = World(pathlib.Path(folder), name="router_bench", server={"history_max": 2000}).make()
        try:
            for name in wanted:  # each with a process of its own, so that peaks are its own
                world.start()
                FIGURES[name](world)
                world.stop()
        finally:
            world.stop()
            world.drop()
    if not os.environ.get("BENCH_KEEP"):
        subprocess.run([STACK, "wipe", INSTANCE], check=True, timeout=120, stdout=subprocess.DEVNULL)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
