# SPDX-License-Identifier: Apache-2.0
"""The engagement pipeline under test: its programs, its place in the systems, and how far it is.

Everything is looked at with clients that are not ours: psycopg, confluent-kafka, redis,
clickhouse-connect, httpx."""
import os
import pathlib
import random
import signal
import subprocess
import time

import clickhouse_connect
import confluent_kafka
import confluent_kafka.admin
import httpx
import psycopg
import redis

from wait import wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build/bin"))
PIPELINE = ROOT / "pipelines/engagement.yaml"
WORKERS = ("enrich", "clickhouse", "leaderboard", "http")
SOURCE, ENRICHED = "pg.public.engagement_events", "thm.enriched.events"
BOARD = "thm:top:10m"
SCORE = "CASE event_type WHEN 'play' THEN 1 WHEN 'finish' THEN 1 WHEN 'click' THEN 0.2 ELSE 0 END"


class Program:
    """A program of ours that is started, killed and started again; its output is in a file."""

    def __init__(self, name, arguments, folder, env=None):
        self.name, self.arguments, self.env = name, [str(a) for a in arguments], env
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.arguments, stdout=log, stderr=log,
                                            env={**os.environ, **(self.env or {})})
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self, timeout=40):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop: {self.tail()}") from None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def run(*arguments, timeout=180, **more):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=timeout, **more)
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def postgres(dbname=None):
    return psycopg.connect(host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"],
                           dbname=dbname or os.environ["SLUICE_PG_DB"], user="postgres", autocommit=True)


def wal_now(pg):
    """All that is committed is below it, and a slot that stands where it was made, its snapshot to come, is too."""
    pg.execute("SELECT pg_current_xact_id()")  # its commit is a record
    return pg.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]


def clickhouse():
    url = httpx.URL(os.environ["SLUICE_CLICKHOUSE"])
    return clickhouse_connect.get_client(host=url.host, port=url.port, autogenerate_session_id=False)


class Pipeline:
    """bootstrap, receiver and workers of one pipeline."""

    def __init__(self, folder):
        self.folder = folder
        self.receiver_address = os.environ["SLUICE_RECEIVER"]
        self.receiver = Program("receiver", [BIN / "sluice-receiver", "--listen", self.receiver_address], folder)
        self.workers = {w: Program(w, [BIN / f"sluice-{w}", "--pipeline", PIPELINE], folder) for w in WORKERS}
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})

    def start(self):
        run("psql", "-q", "-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres",
            "-d", os.environ["SLUICE_PG_DB"], "-f", ROOT / "sql/postgres/engagement.sql")
        self.receiver.start()
        run(BIN / "sluicectl", "bootstrap", PIPELINE)
        for worker in self.workers.values():
            worker.start()
        return self

    def stop(self):
        codes = {name: w.stop() for name, w in self.workers.items() if w.process}
        self.receiver.stop()
        return codes

    def generate(self, count, seed, rate="0", **more):
        return Program("generate", [BIN / "sluice-generate", "--pipeline", PIPELINE, "--count", count, "--rate", rate,
                                    "--update-share", "0.2", "--delete-share", "0.05", "--seed", seed],
                       self.folder).start()

    # --- how far it is ---

    def ends(self, topic):
        parts = self.admin.list_topics(topic, timeout=10).topics[topic].partitions
        asked = {confluent_kafka.TopicPartition(topic, p): confluent_kafka.admin.OffsetSpec.latest() for p in parts}
        futures = self.admin.list_offsets(
            asked, isolation_level=confluent_kafka.IsolationLevel.READ_COMMITTED, request_timeout=10)
        return {tp.partition: f.result().offset for tp, f in futures.items()}

    def committed(self, worker, topic):
        group = f"engagement.{worker}"
        parts = [confluent_kafka.TopicPartition(topic, p) for p in self.ends(topic)]
        request = confluent_kafka.ConsumerGroupTopicPartitions(group, parts)
        result = self.admin.list_consumer_group_offsets([request])[group].result(timeout=10)
        return {tp.partition: tp.offset for tp in result.topic_partitions}

    def behind(self, worker, topic, ends):
        at = self.committed(worker, topic)
        return {p: (at[p], end) for p, end in ends.items() if at[p] < end} or True

    def caught_up(self, seconds=120):
        """The barrier: Postgres' LSN through the slot, the source topic, enrich, every sink."""
        with postgres() as pg:
            lsn = wal_now(pg)
            wait_for("the slot", seconds, lambda: pg.execute(
                "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'sluice_engagement'",
                (lsn,)).fetchone()[0])
        source = self.ends(SOURCE)
        wait_for("enrich", seconds, lambda: self.behind("enrich", SOURCE, source))
        enriched = self.ends(ENRICHED)
        for worker in WORKERS[1:]:
            wait_for(worker, seconds, lambda w=worker: self.behind(w, ENRICHED, enriched))

    # --- what must hold ---

    def records(self, topic=ENRICHED):
        """Every record of a topic, read committed."""
        ends = self.ends(topic)
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": f"look-{random.random()}",
            "isolation.level": "read_committed", "enable.partition.eof": True, "enable.auto.commit": False})
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in ends])
        found, open_parts, limit = [], set(ends), time.monotonic() + 120
        while open_parts and time.monotonic() < limit:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                open_parts.discard(message.partition())
                continue
            found.append(message)
        consumer.close()
        assert not open_parts, f"{topic}: not read to the end"
        return found

    def check_clickhouse(self):
        columns = ("id, content_id, user_id, event_type, event_ts, duration_ms, device, content_type, length_seconds,"
                   " engagement_seconds, engagement_pct, raw_payload")
        with postgres() as pg:
            want = {row[0]: tuple(row) for row in pg.execute(
                f"SELECT {columns.replace('raw_payload', 'raw_payload::text')} FROM enriched_events")}
        rows = clickhouse().query(
            f"SELECT {columns} FROM thm.enriched_events FINAL WHERE NOT _deleted", column_tzs={}, query_tz="UTC").result_rows
        got = {row[0]: tuple(row) for row in rows}
        assert len(got) == len(rows), "an id stands twice"
        missing, extra = sorted(set(want) - set(got)), sorted(set(got) - set(want))
        assert not missing and not extra, f"missing {missing[:5]} ({len(missing)}), extra {extra[:5]} ({len(extra)})"
        for key, row in want.items():
            assert _plain(got[key]) == _plain(row), f"id {key}"
        return len(want)

    def check_board(self):
        board = redis.Redis.from_url(os.environ["SLUICE_REDIS"], decode_responses=True)
        with board.pipeline(transaction=True) as multi:
            multi.hget(f"{{{BOARD}}}:meta", "watermark_ms")
            multi.zrange(BOARD, 0, -1, withscores=True)
            watermark, members = multi.execute()
        assert watermark, "no watermark"
        with postgres() as pg:
            want = {str(m): float(s) for m, s in pg.execute(
                f"""SELECT content_id, sum({SCORE}) FROM engagement_events
                    WHERE event_ts >= to_timestamp(%(w)s) - interval '590 s' AND event_ts < to_timestamp(%(w)s) + interval '10 s'
                    GROUP BY 1""", {"w": int(watermark) / 1000})}
        got = {m: s for m, s in members}
        assert got.keys() == want.keys(), f"members differ: {set(got) ^ set(want)}"
        for member, score in want.items():
            assert abs(got[member] - score) < 1e-6, f"{member}: {got[member]} is not {score}"
        return len(want)

    def check_receiver(self):
        want = set()
        for message in self.records():
            headers = dict(message.headers())
            if headers["sluice.op"] != b"r":
                want.add(headers["sluice.id"].decode())
        got = set(httpx.get(f"http://{self.receiver_address}/ids", timeout=60).text.split())
        assert want <= got, f"{len(want - got)} of {len(want)} changes never arrived"
        stats = httpx.get(f"http://{self.receiver_address}/stats", timeout=10).json()
        assert stats["order_violations"] == 0
        return len(want)

    def check_enriched_once(self):
        """Every source record stands in the enriched topic at most once, in order."""
        last, seen = {}, set()
        for message in self.records():
            source = dict(message.headers())["sluice.source"]
            assert source not in seen, f"{source} stands twice"
            seen.add(source)
            offset = int(source.rsplit(b"/", 1)[1])
            assert offset > last.get(message.partition(), -1), f"{source} is out of order"
            last[message.partition()] = offset
        return len(seen)


def _plain(row):
    """Values of two drivers in one form."""
    out = []
    for value in row:
        if hasattr(value, "tzinfo"):
            value = value.replace(tzinfo=None).isoformat()
        elif hasattr(value, "hex") and hasattr(value, "int"):
            value = str(value)
        out.append(value)
    return tuple(out)
