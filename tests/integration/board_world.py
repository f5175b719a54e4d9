# SPDX-License-Identifier: Apache-2.0
"""A board under test: a Redis of its own, an enriched topic of its own, and a model of both.

Records are produced straight into the enriched topic, as enrich would write them; what the
board must show is computed from them here, with Decimal, and read with redis-py."""
import atexit
import base64
import collections
import decimal
import functools
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
import uuid

import confluent_kafka
import confluent_kafka.admin
import psycopg
import redis

from free_port import free_port
from wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build/bin"))
KAFKA = os.environ["SLUICE_KAFKA"]
PARTITIONS = 4
SCORES = {"play": "1", "finish": "1", "click": "0.2", "pause": "0"}


def score_sql(scores):
    return "CASE event_type " + " ".join(f"WHEN '{kind}' THEN {score}" for kind, score in scores.items()) + " ELSE 0 END"


SCORE = score_sql(SCORES)

PIPELINE = """
name: {name}
postgres: {{host: {host}, port: {port}, database: {database}, user: postgres}}
kafka: {{brokers: "{kafka}"}}
source: {{prefix: pg}}
enrich: {{sql: board.sql, topic: {name}.enriched, partitions: {partitions}, key: [id], identity: [at, id]}}
leaderboard:
  url: {redis}
{login}
  batch_rows: {batch_rows}
  boards:
{boards}
"""
BOARD = """    - {{key: "{key}", member: "{member}", at: at, score: "{score}", window: {window}s, bucket: {bucket}s, top: {top}}}
"""


@functools.cache
def clock_shim():
    library = pathlib.Path(tempfile.mkdtemp(prefix="sluice-clock-")) / "clock.so"
    atexit.register(shutil.rmtree, library.parent)
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, ROOT / "tests/integration/clock.c", "-ldl"], check=True)
    return str(library)


class Redis:
    """A redis-server of this test alone: it may be killed, flushed and torn, and its clock set."""

    def __init__(self, folder, *options):
        self.folder, self.port, self.options, self.process = pathlib.Path(folder), free_port(), options, None
        self.env = {**os.environ, "LD_PRELOAD": clock_shim(), "CLOCK_FILE": str(self.folder / "clock")}
        self.set_clock(0)
        self.start()

    def set_clock(self, ahead_s):
        """From now on this Redis' wall clock is so much ahead of the machine's."""
        self.ahead_s = ahead_s
        with open(os.open(self.folder / "clock", os.O_RDWR | os.O_CREAT), "wb", buffering=0) as file:  # in place: it is mapped
            file.write(ahead_s.to_bytes(8, "little", signed=True))

    def now(self):
        return time.time() + self.ahead_s

    def start(self, *more, answers=True):
        with open(self.folder / "redis.log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                 "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", *self.options, *more],
                stdout=log, stderr=log, env=self.env)
        self.client = redis.Redis(port=self.port, decode_responses=True, protocol=2)
        if answers:
            wait_until("redis-server starts", lambda: self.answers() or self.process.poll() is not None, 20)
        if self.process.poll() is not None and self.mend_aof():
            return self.start(*more)
        assert not answers or self.answers(), (self.folder / "redis.log").read_text()[-1500:]
        return self

    def mend_aof(self):
        """Redis 7.0 keeps a torn MULTI when it starts, and when it is killed once more while it
        writes its AOF anew, it no longer starts. An operator does what its manual says."""
        if "the truncated file is not the last file" not in (self.folder / "redis.log").read_text()[-500:]:
            return False
        files = sorted(self.folder.glob("appendonlydir/*.incr.aof"), key=lambda p: int(p.name.split(".")[2]))
        for file in files[:-1]:
            subprocess.run(["redis-check-aof", "--fix", file], input=b"y\n", check=True, capture_output=True)
        return True

    def answers(self):
        try:
            return self.client.ping()
        except redis.exceptions.RedisError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"


class Worker:
    def __init__(self, world, slot=0):
        self.world, self.slot, self.port, self.process = world, slot, free_port(), None
        self.log = world.folder / f"leaderboard-{slot}.log"

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BIN / "sluice-leaderboard", "--pipeline", self.world.file, "--slot", str(self.slot),
                 "--listen", f"127.0.0.1:{self.port}"], stdout=log, stderr=log)
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=40)
        return self.process.returncode if self.process else 0

    def metrics(self):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5).read().decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in text.splitlines() if line and not line.startswith("#")}

    def reason(self, reason):
        return self.metrics()[f'sluice_board_rows_total{{reason="{reason}"}}']


class World:
    """Topic, pipeline file and model. One row is (member, at in ms, kind) or None when deleted."""

    def __init__(self, folder, server, window=600, bucket=10, members=("member",), batch_rows=500, score=None,
                 scores=SCORES, top=0, seed=None):
        self.folder, self.server = pathlib.Path(folder), server
        self.name = f"board-{uuid.uuid4().hex[:8]}"
        self.window, self.bucket, self.top, self.scores = window, bucket, top, scores
        self.boards = {f"{self.name}:{m}": m for m in members}
        self.windows = {}  # of boards whose window is another
        self.rows, self.counts, self.ends = {}, [0] * PARTITIONS, [0] * PARTITIONS
        self.random = random.Random(int(os.environ.get("SLUICE_SEED", "1")) if seed is None else seed)
        self.history = collections.deque(maxlen=500)
        self.members = [str(uuid.UUID(int=self.random.getrandbits(128))) for _ in range(40)]
        self.database = self.name.replace("-", "_")
        self.make_database()
        self.file = self.folder / "board.yaml"
        self.login = ""
        self.write_pipeline(server.url, batch_rows, score or score_sql(scores))
        self.make_topic()
        self.workers = []

    def make_database(self):
        self.dsn = f"host={os.environ['SLUICE_PG_HOST']} port={os.environ['SLUICE_PG_PORT']} user=postgres dbname="
        with psycopg.connect(self.dsn + "postgres", autocommit=True) as pg:
            pg.execute(f"CREATE DATABASE {self.database}")
        with psycopg.connect(self.dsn + self.database, autocommit=True) as pg:
            pg.execute("CREATE TABLE rows (id bigint PRIMARY KEY, member uuid, kind text, "
                       "at timestamptz, note text, ratio float8)")
        (self.folder / "board.sql").write_text("SELECT id, member, kind AS event_type, at, note, ratio FROM rows\n")

    def write_pipeline(self, url, batch_rows, score):
        boards = "".join(BOARD.format(key=key, member=member, score=score, window=self.windows.get(key, self.window), bucket=self.bucket,
                                      top=self.top)
                         for key, member in self.boards.items())
        self.file.write_text(PIPELINE.format(
            name=self.name, host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"],
            database=self.database, kafka=KAFKA, partitions=PARTITIONS, redis=url, batch_rows=batch_rows, login=self.login,
            boards=boards))

    def make_topic(self):
        self.topic, self.group = f"{self.name}.enriched", f"{self.name}.leaderboard"
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": KAFKA})
        new = confluent_kafka.admin.NewTopic
        for future in self.admin.create_topics([new(self.topic, PARTITIONS, 1),
                                                new(f"{self.name}.dlq", 1, 1)]).values():
            future.result(20)
        consumer = confluent_kafka.Consumer({"bootstrap.servers": KAFKA, "group.id": self.group})
        consumer.commit(offsets=[confluent_kafka.TopicPartition(self.topic, p, 0) for p in range(PARTITIONS)],
                        asynchronous=False)
        consumer.close()
        self.producer = confluent_kafka.Producer({"bootstrap.servers": KAFKA, "linger.ms": 5, "acks": "all",
                                                  "enable.idempotence": True})

    def close(self):
        for worker in self.workers:
            if worker.process and worker.process.poll() is None:
                worker.kill()
        for future in self.admin.delete_topics([self.topic, f"{self.name}.dlq"]).values():
            future.result(20)
        with psycopg.connect(self.dsn + "postgres", autocommit=True) as pg:
            pg.execute(f"DROP DATABASE {self.database} WITH (FORCE)")

    def worker(self, slot=0):
        self.workers.append(Worker(self, slot))
        return self.workers[-1].start()

    # --- records ---

    def send(self, id, row, version=None, replay=False, raw=None, model=True):
        """row None: a tombstone. raw: the value's bytes as they are."""
        partition = id % PARTITIONS
        offset = self.counts[partition]
        self.counts[partition] += 1
        version = offset if version is None else version
        name = base64.b32encode(hashlib.sha256(f"{partition}/{offset}".encode()).digest()[:16]).decode()[:26]
        headers = [("sluice.source", f"pg.public.rows/{partition}/{offset}"), ("sluice.version", str(version)),
                   ("sluice.op", "d" if row is None else "u" if id in self.rows else "c"), ("sluice.id", name),
                   ("sluice.ts", str(int(time.time() * 1000)))]
        if replay:
            headers.append(("sluice.replay", "1"))
        value = raw if raw is not None else None if row is None else json.dumps(self.json(id, row)).encode()
        self.producer.produce(self.topic, key=json.dumps({"id": id}, separators=(",", ":")), value=value,
                              headers=headers, partition=partition, on_delivery=self.delivered)
        self.producer.poll(0)
        if model:
            self.rows[id] = row
            self.history.append((id, row))
        return version

    def send_again(self, count):
        """The last changes once more, as Debezium does after a crash: through their old states."""
        for id, row in list(self.history)[-count:]:
            self.send(id, row)
        self.flush()

    def delivered(self, error, message):
        assert error is None, error
        self.ends[message.partition()] = max(self.ends[message.partition()], message.offset() + 1)

    @staticmethod
    def json(id, row):
        member, at, kind = row
        when = None if at is None else time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000)) + f".{at % 1000:03d}000Z"
        return {"id": id, "member": member, "event_type": kind, "at": when, "note": "é\"\\ " * 5, "ratio": 0.5}

    def some_row(self, behind_s, ahead_s):
        at = int(self.server.now() * 1000) + self.random.randint(-behind_s * 1000, ahead_s * 1000)
        return (self.random.choice(self.members), at, self.random.choice(list(SCORES)))

    def send_some(self, count, ids=3000, behind_s=700, ahead_s=60, deletes=0.1):
        for _ in range(count):
            id = self.random.randrange(ids)
            if self.rows.get(id) and self.random.random() < deletes:
                self.send(id, None)
            else:
                self.send(id, self.some_row(behind_s, ahead_s))
        self.flush()

    def flush(self):
        assert self.producer.flush(30) == 0

    # --- what the board shows, and what it must show ---

    def read(self, key):
        pipe = self.server.client.pipeline(transaction=True)
        pipe.hget(f"{{{key}}}:meta", "watermark_ms")
        pipe.zrange(key, 0, -1, withscores=True)
        watermark, members = pipe.execute()
        return int(watermark or 0), dict(members)

    def expected(self, key, watermark, number=float):
        low, high = watermark - (self.windows.get(key, self.window) - self.bucket) * 1000, watermark + self.bucket * 1000
        sums = {}
        for row in self.rows.values():
            if row is None or row[0] is None or row[1] is None or not low <= row[1] < high:
                continue
            member = row[0] if self.boards[key] == "member" else row[2]
            sums[member] = sums.get(member, decimal.Decimal(0)) + decimal.Decimal(self.scores[row[2]])
        best = sorted(sums.items(), key=lambda item: (item[1], item[0]), reverse=True)
        return {member: number(total) for member, total in best[:self.top or None]}

    def units(self, key, scale):
        """{K}:sum as it stands: exact where the ZSET's doubles no longer are."""
        return {m: decimal.Decimal(v.split()[0]).scaleb(-scale)
                for m, v in self.server.client.hgetall(f"{{{key}}}:sum").items()}

    def positions(self, key):
        held = self.server.client.hgetall(f"{{{key}}}:pos")
        return [int(held.get(str(p), -1)) for p in range(PARTITIONS)]

    def caught_up(self):
        try:
            return all(self.positions(key) == self.ends for key in self.boards)
        except redis.exceptions.RedisError:
            return False

    def on_time(self):
        return all(abs(self.read(key)[0] - self.server.now() * 1000) < (self.bucket + 5) * 1000 for key in self.boards)

    def exact(self, seconds=60):
        """Waits until all records are counted; then every board equals the model. The model is
        compared at the watermark that stands with the ZSET in one MULTI."""
        end = time.monotonic() + seconds
        while not (self.caught_up() and self.on_time()):
            assert time.monotonic() < end, (f"positions {[self.positions(k) for k in self.boards]}, ends {self.ends}: "
                                            + "".join(w.log.read_text()[-1500:] for w in self.workers))
            assert all(w.process.poll() in (None, 0) for w in self.workers), self.workers[-1].log.read_text()[-1500:]
            time.sleep(0.1)
        for key in self.boards:
            watermark, shown = self.read(key)
            wanted = self.expected(key, watermark)
            assert shown == wanted, {m: (shown.get(m), wanted.get(m)) for m in set(shown) | set(wanted)
                                     if shown.get(m) != wanted.get(m)}
        return shown


def folder():
    return tempfile.mkdtemp(prefix="sluice-board-")
