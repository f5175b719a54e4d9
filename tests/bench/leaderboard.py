#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The leaderboard's speed, size and delay, beside Python workers: make bench-leaderboard.

Prints NAME VALUE UNIT BOUND ok|MISS a line; exit 1 on a MISS. BENCH_N (300000) distinct rows of
10,000 members (Zipf 1.1) over the last 9 minutes, in order of time, wait in a topic of the stack's
Kafka; each way reads them ROUNDS times in turn, into a Redis of its own with its AOF on, and its
best round counts. CPU is user+sys of the process. After each round of sluice every sum is compared.

The last part is paced: RATE events a second for SECONDS, the top 100 read 100 times a second over
one plain socket (before that from an idle Redis), and single records timed from the producer's call
to their score. Then the clock of Redis is set forward by two eras (window + lateness), and what is
left of the rows is looked at.
BENCH_ORDER=random spreads the rows over the whole window without order."""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from figure import INSTANCE, ROOT, STACK, cpu, figure, missed, use_instance

use_instance()
sys.path.insert(0, str(ROOT / "tests/integration"))
import board_world  # noqa: E402
from wait import wait_until  # noqa: E402

SERVERS = ("postgres", "kafka")

PEER = ROOT / "tests/bench/leaderboard_peer.py"
N, ROUNDS = int(os.environ.get("BENCH_N", 300_000)), int(os.environ.get("BENCH_ROUNDS", 2))
ORDER = os.environ.get("BENCH_ORDER", "time")
RATE, SECONDS = 5000, int(os.environ.get("BENCH_SECONDS", 10))
WIDTH_S, MEMBERS, IDLE_S = 540, 10_000, 3


class World(board_world.World):
    """Rows as long as enrich's usual ones, and many members."""

    def prepare(self):
        self.members = [f"{n:08x}-0000-4000-8000-{n * 2654435761 % 2**48:012x}" for n in range(MEMBERS)]
        self.weights = [1 / (n + 1) ** 1.1 for n in range(MEMBERS)]
        self.kinds = list(board_world.SCORES)
        return self

    @staticmethod
    def json(id, row):
        return board_world.World.json(id, row) | {"note": "n" * 160}

    def rows_of(self, count, at):
        members = self.random.choices(self.members, self.weights, k=count)
        kinds = self.random.choices(self.kinds, (60, 10, 20, 10), k=count)
        return [(member, at(n), kind) for n, (member, kind) in enumerate(zip(members, kinds))]

    def fill(self):
        began = int(time.time() * 1000) - WIDTH_S * 1000
        step = WIDTH_S * 1000 / N
        order = (lambda n: began + int(n * step)) if ORDER == "time" else (
            lambda n: began + self.random.randrange(WIDTH_S * 1000))
        for id, row in enumerate(self.rows_of(N, order)):
            self.send(id, row)
            if id % 20000 == 0:
                self.flush()
        self.flush()


def fresh(folder, name):
    (folder / name).mkdir(exist_ok=True)
    return board_world.Redis(folder / name)


def sluice(world, folder, n):
    """One pass over the topic into an empty Redis: (events a second, worker's CPU, Redis' CPU, bytes a row)."""
    world.server = server = fresh(folder, f"sluice-{n}")
    world.write_pipeline(server.url, 5000, board_world.SCORE)
    key = next(iter(world.boards))
    idle, redis_cpu = server.client.info("memory")["used_memory"], cpu(server.process.pid)
    worker = world.worker(n)
    wait_until("the first batch", lambda: sum(world.positions(key)) > 0, 60)
    began, done, worker_cpu = time.perf_counter(), sum(world.positions(key)), cpu(worker.process.pid)
    reader = Reader(server, key)
    while not world.caught_up():
        time.sleep(0.02)
    rate = (N - done) / (time.perf_counter() - began)
    reads = reader.stop()
    took = ((cpu(worker.process.pid) - worker_cpu) / (N - done), (cpu(server.process.pid) - redis_cpu) / N)
    size = (server.client.info("memory")["used_memory"] - idle) / N
    world.exact()
    return rate, *took, size, reads[0], worker


def peer(mode, world, folder, n):
    """Events a second of a Python worker over the same topic."""
    server = fresh(folder, f"{mode}-{n}")
    try:
        run = subprocess.run([sys.executable, PEER, mode, board_world.KAFKA, world.topic, str(N // 2), str(server.port)],
                             check=True, capture_output=True, text=True, timeout=600)
        seconds, used = map(float, run.stdout.split())
        assert server.client.zcard("{peer}top") > 0
        return N // 2 / seconds, used / (N // 2), cpu(server.process.pid) / (N // 2)
    finally:
        server.stop()


class Reader:
    """The top 100, a hundred times a second, by a process of its own."""

    def __init__(self, server, key):
        self.process = subprocess.Popen([sys.executable, PEER, "top", "-", key, "100", str(server.port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self):
        return [float(word) for word in self.process.communicate(timeout=30)[0].split()]


def speed(world, folder):
    ways = {"exact": [], "zincrby": []}
    rounds = []
    for n in range(ROUNDS):
        rounds.append(sluice(world, folder, n))
        for mode, found in ways.items():
            found.append(peer(mode, world, folder, n))
        if n < ROUNDS - 1:
            assert rounds[-1][5].stop() == 0
            world.server.stop()
    rate, worker_cpu, redis_cpu, size, read = (pick(r[i] for r in rounds) for i, pick in enumerate((max, min, min, max, min)))
    exact, zincrby = (max(ways[mode]) for mode in ways)
    figure("leaderboard_rate", rate / 1000, "kevents/s", ">=60")
    figure("leaderboard_worker_cpu", worker_cpu * 1e6, "us/event")
    figure("leaderboard_redis_cpu", redis_cpu * 1e6, "us/event", "<=12")
    figure("leaderboard_redis_bytes_row", size, "bytes", "<=150", 1)
    figure("leaderboard_top100_saturated", read * 1000, "ms")
    figure("leaderboard_python_exact", exact[0] / 1000, "kevents/s")
    figure("leaderboard_python_exact_cpu", sum(exact[1:]) * 1e6, "us/event")
    figure("leaderboard_vs_python_exact", rate / exact[0], "ratio", ">=2")
    figure("leaderboard_python_zincrby", zincrby[0] / 1000, "kevents/s")
    figure("leaderboard_vs_zincrby", rate / zincrby[0], "ratio")


def start_load(world, folder):
    """The load's records, entered into the model; at is the time when they are sent."""
    with open(folder / "load.ndjson", "w") as file:
        for n, row in enumerate(world.rows_of(RATE * SECONDS, lambda n: int(time.time() * 1000))):
            id = 20_000_000 + n
            partition, offset = id % board_world.PARTITIONS, world.counts[id % board_world.PARTITIONS]
            world.counts[partition] = world.ends[partition] = offset + 1
            world.rows[id] = row
            value = json.dumps(world.json(id, row) | {"at": "@now"})
            headers = {"sluice.source": f"pg.public.rows/{partition}/{offset}", "sluice.version": str(offset),
                       "sluice.op": "c", "sluice.id": f"{n:026d}".translate(str.maketrans("0189", "WXYZ")),
                       "sluice.ts": str(int(time.time() * 1000))}
            file.write(json.dumps([partition, f'{{"id":{id}}}', value, headers]) + "\n")
    return subprocess.Popen([sys.executable, PEER, "load", board_world.KAFKA, world.topic, file.name, str(RATE)])


def paced(world, folder):
    key, client = next(iter(world.boards)), world.server.client
    reader = Reader(world.server, key)
    time.sleep(IDLE_S)
    idle = reader.stop()
    late, reader = [], Reader(world.server, key)
    load = start_load(world, folder)
    while load.poll() is None:
        id = 40_000_000 + len(late)
        row = world.rows[id] = (f"ffffffff-0000-4000-8000-{id:012d}", int(time.time() * 1000), "play")
        began = time.perf_counter()
        world.producer.produce(world.topic, key=json.dumps({"id": id}), partition=1, headers=single_headers(id),
                               value=json.dumps(world.json(id, row)))
        world.producer.flush(10)
        world.ends[1] += 1
        while client.zscore(key, row[0]) is None:
            time.sleep(0.001)
        late.append(time.perf_counter() - began)
        time.sleep(0.05)
    reads = reader.stop()
    world.exact()
    assert load.returncode == 0
    figure("leaderboard_visible_p50", statistics.median(late) * 1000, "ms", "-", 1)
    figure("leaderboard_visible_p99", sorted(late)[int(len(late) * 0.99)] * 1000, "ms", "<=250", 1)
    figure("leaderboard_top100_idle", idle[0] * 1000, "ms")
    figure("leaderboard_top100_read", reads[0] * 1000, "ms", "<=0.2")
    figure("leaderboard_top100_read_p99", reads[1] * 1000, "ms")


def single_headers(id):
    """Of a source partition of its own, so that the load's versions need not be ahead of it."""
    return {"sluice.source": f"pg.public.rows/9/{id}", "sluice.version": str(id), "sluice.op": "c",
            "sluice.id": "A" * 26, "sluice.ts": str(int(time.time() * 1000))}


def main():
    was_up = subprocess.run([STACK, "status", INSTANCE], capture_output=True, text=True).stdout
    subprocess.run([STACK, "up", INSTANCE, *SERVERS], check=True, stdout=sys.stderr)
    try:
        run()
    finally:
        if re.search(r"^(postgres|kafka) .*down", was_up, re.M):
            subprocess.run([STACK, "down", INSTANCE, *SERVERS], stdout=sys.stderr)
    sys.exit(1 if missed else 0)


def run():
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = pathlib.Path(name)
        world = World(folder, fresh(folder, "first")).prepare()
        first = world.server
        try:
            world.fill()
            speed(world, folder)
            paced(world, folder)
            forgotten(world)
        finally:
            world.close()
            first.stop()
            world.server.stop()


def forgotten(world):
    """Two eras later nothing of the rows is left."""
    key, client = next(iter(world.boards)), world.server.client
    rows = sum(client.hlen(k) for k in client.scan_iter(f"{{{key}}}:s:*", 1000))
    world.server.set_clock(2 * (world.window + 600) + 60)
    wait_until("the board is empty", lambda: client.zcard(key) == 0, 30)
    left = len(list(client.scan_iter(f"{{{key}}}:s:*", 1000)))
    figure("leaderboard_rows_known", rows, "rows", "-", 0)
    figure("leaderboard_rows_left_after", left, "rows", "<=0", 0)


main()
