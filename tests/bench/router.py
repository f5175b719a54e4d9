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
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
STACK, INSTANCE = ROOT / "tests/stack/stack", os.environ.get("BENCH_INSTANCE", "bench")
SERVERS = ("postgres", "clickhouse", "redis")
for line in subprocess.run([STACK, "env", INSTANCE], check=True, capture_output=True, text=True).stdout.splitlines():
    name, _, value = line.removeprefix("export ").partition("=")
    os.environ[name] = value.strip("'")
sys.path.insert(0, str(ROOT / "tests/integration"))
import httpx  # noqa: E402
import router_world  # noqa: E402

TOOLS = ROOT / os.environ.get("BENCH_TOOLS", "build/gcc/tests/bench")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
EVENTS, CALLS, IDLE = int(os.environ.get("BENCH_EVENTS", 1_000_000)), int(os.environ.get("BENCH_CALLS", 3000)), 10_000
POINT = "SELECT id, name, score FROM users WHERE id = 7"
STREAM = "SELECT id, user_id, kind, ms, amount FROM events"
MB = 1 << 20
missed = []


def figure(name, value, unit, bound="-", digits=2):
    good = bound == "-" or (value >= float(bound[2:]) if bound[0] == ">" else value <= float(bound[2:]))
    missed.extend([] if good else [name])
    print(f"{name} {value:.{digits}f} {unit} {bound} {'-' if bound == '-' else 'ok' if good else 'MISS'}", flush=True)


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
        """Bytes read up to ReadyForQuery, which is the last message of what was asked."""
        total, tail = 0, b""
        while True:
            part = self.sock.recv(1 << 18)
            assert part
            total += len(part)
            tail = (tail + part)[-6:]
            if tail[:5] == b"Z\0\0\0\5":
                return total

    def ask(self):
        self.sock.sendall(self.execute)
        return self.until_ready()


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
        assert head.startswith(b"HTTP/1.1 200 "), text
        left = int(re.search(rb"Content-Length: (\d+)", head)[1]) - len(body)
        while left > 0:
            left -= len(self.sock.recv(1 << 16))

    def stream(self):
        """A long one, to its last chunk: bytes."""
        self.sock.sendall(self.request)
        total, tail = 0, b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            part = self.sock.recv(1 << 18)
            assert part, tail
            total += len(part)
            tail = (tail + part)[-7:]
        return total


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


def timed(call, count):
    out = []
    for _ in range(count):
        began = time.perf_counter_ns()
        call()
        out.append((time.perf_counter_ns() - began) / 1000)
    return sorted(out)


def cpu(pid):
    """Seconds of user and system time."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def added(world):
    """One client, in blocks of fifty by turns."""
    direct, through = Postgres(world.name, POINT), Router(world, POINT)
    p50, p99 = [], []
    for _ in range(ROUNDS):
        a, b = [], []
        timed(direct.ask, 200), timed(through.ask, 200)
        for _ in range(CALLS // 50):
            a += timed(direct.ask, 50)
            b += timed(through.ask, 50)
        a.sort()
        b.sort()
        p50.append(b[len(b) // 2] - a[len(a) // 2])
        p99.append(b[len(b) * 99 // 100] - a[len(a) * 99 // 100])
    figure("router_added_p50", statistics.median(p50), "us", "<=100", 0)
    figure("router_added_p99", statistics.median(p99), "us", "<=300", 0)


def point(world):
    """wrk, 32 connections; the plan is in the cache and the text is one."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = 'POST'\nwrk.body = {json.dumps(json.dumps({'sql': POINT}))}\n"
                     f"wrk.headers['Authorization'] = 'Bearer {world.keys['alice']}'\n")
        script.flush()
        rates, cpus = [], []
        for _ in range(ROUNDS):
            before = cpu(world.process.pid)
            out = subprocess.run(["wrk", "-t1", "-c32", "-d5s", "-s", script.name, f"{world.url}/v1/query"], check=True,
                                 capture_output=True, text=True, timeout=60).stdout
            assert "Non-2xx" not in out, out
            rates.append(float(re.search(r"Requests/sec: +([\d.]+)", out)[1]))
            cpus.append((cpu(world.process.pid) - before) * 1e6 / int(re.search(r"(\d+) requests in", out)[1]))
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
        direct.ask()
        a = time.perf_counter() - began
        began = time.perf_counter()
        through.stream()
        ratios.append(a / (time.perf_counter() - began))
        highest = max(highest, peak(world.process.pid))
    figure("router_stream_vs_engine", statistics.median(ratios), "ratio", ">=0.8")
    figure("router_stream_rss", highest / MB, "MB", "<=64", 1)


def peak(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def statements():
    text = (ROOT / "tests/bench/mixed.sql").read_text()
    return [sql.strip() for sql in re.sub(r"--.*", "", text).split(";") if sql.strip()]


def run_all(world, client, force):
    """(cost, milliseconds) of the whole list."""
    ids = {}
    began = time.perf_counter()
    for sql, engine in force:
        answer = world.ask(sql, client=client, **({"engine": engine} if engine else {}))
        assert answer.status_code == 200, (sql, answer.text)
        ids[answer.json()["id"]] = sql
    took = (time.perf_counter() - began) * 1000
    entries = world.get("/v1/history?limit=1000", who="alice").json()["entries"]
    return sum(entry["cost"] for entry in entries if entry["id"] in ids), took


def dearest_of(world, client, sql):
    """The engine with the highest price among those that could answer."""
    explained = world.ask(sql, path="/v1/explain", client=client).json()
    prices = {e["name"]: e["price_cpu_s"] for e in world.get("/v1/engines", who="alice").json()["engines"]}
    return max((e["name"] for e in explained["engines"] if e["candidate"]), key=prices.get)


def mixed(world):
    texts, costs, times = statements(), [], []
    assert len(texts) == 200
    with httpx.Client() as client:
        dearest = [(sql, dearest_of(world, client, sql)) for sql in texts]
        run_all(world, client, [(sql, None) for sql in texts])  # what each engine takes becomes known
        run_all(world, client, dearest)
        for _ in range(ROUNDS):
            chosen, chosen_ms = run_all(world, client, [(sql, None) for sql in texts])
            worst, worst_ms = run_all(world, client, dearest)
            costs.append(chosen / worst)
            times.append(chosen_ms / worst_ms)
    figure("router_cost_vs_dearest", statistics.median(costs), "ratio", "<=0.5")
    figure("router_latency_vs_dearest", statistics.median(times), "ratio", "<=1.2")


def decide(world):
    done = subprocess.run([TOOLS / "decide", ROOT / "tests/unit/engine/router.yaml"], capture_output=True, text=True, timeout=300)
    print(done.stdout, end="", flush=True)
    missed.extend(line.split()[0] for line in done.stdout.splitlines() if line.endswith("MISS"))
    assert done.returncode in (0, 1), done.stderr


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
