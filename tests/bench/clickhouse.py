# SPDX-License-Identifier: Apache-2.0
"""clickhouse.py [FIGURE...] -- the ClickHouse sink and its worker, beside other ways into the same
embedded server: make bench-clickhouse.

Prints NAME VALUE UNIT BOUND ok|MISS a line; exit 1 on a MISS. Figures: encode insert worker
freshness; without arguments all.
insert: ROWS rows in batches of BATCH by the sink, by a Python client that posts JSONEachRow, and
as the Native blocks that the sink sends, posted from files; in turn, ROUNDS times. Rates and ratios
are the medians of the rounds; merges are stopped and the table is emptied before each.
worker: sluice-clickhouse over a topic of BENCH_N records (1000000) in the stack's Kafka
(SLUICE_TEST_INSTANCE, bench): user+sys CPU of the process from its start to its end.
freshness: 100 records a second for BENCH_SECONDS (20) and the pipeline's default settings, from the
producer's call to the row that a reader sees who asks every few milliseconds; and the parts."""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import clickhouse_connect
import confluent_kafka
import confluent_kafka.admin
import lz4.frame

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from clickhouse_server import Server  # noqa: E402
from figure import INSTANCE, STACK, cpu, figure, missed, peak_mb, stop, told, use_instance  # noqa: E402

ROWS, BATCH, ROUNDS = 400000, 50000, int(os.environ.get("BENCH_ROUNDS", 5))
N, SECONDS, RATE, PARTITIONS = int(os.environ.get("BENCH_N", 1_000_000)), int(os.environ.get("BENCH_SECONDS", 20)), 100, 4
TABLE = "thm.enriched_events"
TOOLS = ROOT / os.environ.get("SLUICE_OUT", "build/gcc") / "tests/bench"
BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build/bin"))
FIGURES = ("encode", "insert", "worker", "freshness")


def note(text):
    print(f"# {text}", file=sys.stderr, flush=True)


class Place:
    """A ClickHouse of its own with the engagement pipeline's table."""

    def __init__(self, folder):
        self.folder, self.server = folder, Server(folder / "data")
        for statement in re.sub(r"--.*", "", (ROOT / "sql/clickhouse/engagement.sql").read_text()).split(";"):
            if statement.strip():
                self.server.ask(statement)
        self.client = clickhouse_connect.get_client(host="127.0.0.1", port=self.server.port, compress=False)

    def close(self):
        self.client.close()
        self.server.stop()

    def empty(self):
        self.server.ask(f"TRUNCATE TABLE {TABLE}")
        self.server.ask(f"SYSTEM STOP MERGES {TABLE}")

    def count(self):
        return self.client.query(f"SELECT count() FROM {TABLE}").first_row[0]

    def parts(self):
        return self.client.query("SELECT count() FROM system.parts WHERE active AND table = 'enriched_events'").first_row[0]


# --- insert: three ways, the same rows, the same batches ---

def sluice(place):
    run = subprocess.run([TOOLS / "bench_native", str(ROWS), str(BATCH), f"http://127.0.0.1:{place.server.port}", TABLE],
                         check=True, capture_output=True, text=True, timeout=300)
    return float(run.stdout.split()[0])


def splice(bodies):
    """What a good client must do at least: each record's JSON gets its version."""
    version = 0
    for lines in bodies:
        rows = []
        for line in lines:
            rows.append(b'%s,"_version":%d,"_deleted":0}\n' % (line[:-1], version))
            version += 1
        yield b"".join(rows)


def post(place, bodies, format_, compression=None):
    for body in bodies:
        place.client.raw_insert(TABLE, insert_block=body, fmt=format_, compression=compression, settings={"async_insert": 0})


def fetch(place, format_, columns="*"):
    """Batch by batch, each in the order in which the sink sends it."""
    sql = (f"SELECT {columns} FROM (SELECT * FROM {TABLE} ORDER BY _version LIMIT {{}}, {BATCH}) ORDER BY event_ts, id"
           f" SETTINGS max_block_size = {BATCH * 2}, preferred_block_size_bytes = 0")
    return [place.client.raw_query(sql.format(at), fmt=format_) for at in range(0, ROWS, BATCH)]


def measure(place, way):
    """(seconds, the server's CPU seconds)"""
    place.empty()
    used, start = cpu(place.server.process.pid), time.monotonic()
    seconds = way() or time.monotonic() - start
    used = cpu(place.server.process.pid) - used
    assert place.count() == ROWS, f"{place.count()} rows arrived"
    return seconds, used


def insert(place):
    measure(place, lambda: sluice(place))  # warm, and the rows for the others
    records = [body.splitlines() for body in fetch(place, "JSONEachRow", "* EXCEPT (_version, _deleted)")]
    native = [lz4.frame.compress(body) for body in fetch(place, "Native")]
    ways = {"sluice": lambda: sluice(place), "json": lambda: post(place, splice(records), "JSONEachRow"),
            "native": lambda: post(place, native, "Native", "lz4")}
    rounds = []
    for _ in range(ROUNDS):
        rounds.append({name: measure(place, way) for name, way in ways.items()})
        note(", ".join(f"{name} {ROWS / seconds / 1e3:.0f} krows/s, server {used / ROWS * 1e6:.2f} s/M"
                       for name, (seconds, used) in rounds[-1].items()))
    figure("clickhouse_insert_rate", statistics.median(ROWS / r["sluice"][0] for r in rounds) / 1e3, "krows/s", "-", 0)
    figure("clickhouse_vs_python_json", statistics.median(r["json"][0] / r["sluice"][0] for r in rounds), "ratio", ">=2")
    figure("clickhouse_server_cpu", statistics.median(r["sluice"][1] for r in rounds) / ROWS * 1e6, "s/M", "-")
    figure("clickhouse_server_cpu_vs_json", statistics.median(r["sluice"][1] / r["json"][1] for r in rounds), "ratio", "-")
    figure("clickhouse_server_cpu_vs_native_file", statistics.median(r["sluice"][1] / r["native"][1] for r in rounds),
           "ratio", "<=1.2")


# --- a worker on a topic ---

class Kafka:
    """The stack's, and topics that are taken away again."""

    def __init__(self):
        status = subprocess.run([STACK, "status", INSTANCE], capture_output=True, text=True).stdout
        self.was_up = not re.search(r"^kafka .*down", status, re.M)
        subprocess.run([STACK, "up", INSTANCE, "kafka"], check=True, stdout=sys.stderr)
        use_instance()
        self.brokers, self.topics = os.environ["SLUICE_KAFKA"], []
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.brokers})

    def make(self, topic, partitions):
        self.admin.create_topics([confluent_kafka.admin.NewTopic(topic, partitions, 1)])[topic].result(timeout=30)
        self.topics.append(topic)
        end = time.monotonic() + 30
        while len(getattr(self.admin.list_topics(timeout=10).topics.get(topic), "partitions", ())) < partitions:
            assert time.monotonic() < end, f"{topic} does not come"
            time.sleep(0.1)

    def commit(self, group, topic):
        parts = [confluent_kafka.TopicPartition(topic, p, 0) for p in range(PARTITIONS)]
        request = confluent_kafka.ConsumerGroupTopicPartitions(group, parts)
        for future in self.admin.alter_consumer_group_offsets([request]).values():
            assert not any(part.error for part in future.result(timeout=30).topic_partitions)

    def leave(self):
        if self.topics:
            for future in self.admin.delete_topics(self.topics).values():
                future.result(timeout=30)
        if not self.was_up and not os.environ.get("BENCH_KEEP"):
            subprocess.run([STACK, "down", INSTANCE, "kafka"], stdout=sys.stderr)


class Worker:
    """sluice-clickhouse under measurement, with default settings."""

    def __init__(self, place, kafka):
        self.name = f"bench-{uuid.uuid4().hex[:8]}"
        self.topic = f"{self.name}.enriched"
        kafka.make(self.topic, PARTITIONS)
        kafka.make(f"{self.name}.dlq", 1)
        kafka.commit(f"{self.name}.clickhouse", self.topic)
        self.pipeline = place.folder / f"{self.name}.yaml"
        self.pipeline.write_text(json.dumps({
            "name": self.name,
            # nobody there: an enriched record says what it holds
            "postgres": {"host": "127.0.0.1", "port": 1, "database": "none", "user": "none"},
            "kafka": {"brokers": kafka.brokers}, "source": {"prefix": "pg"},
            "enrich": {"sql": str(ROOT / "sql/enrich/engagement.sql"), "topic": self.topic, "partitions": PARTITIONS,
                       "key": ["id"], "identity": ["event_ts", "id"]},
            "clickhouse": {"url": f"http://127.0.0.1:{place.server.port}", "database": "thm", "table": "enriched_events"}}))
        self.log = place.folder / f"{self.name}.log"

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BIN / "sluice-clickhouse", "--pipeline", self.pipeline, "--listen", "-"],
                                            stdout=log, stderr=log)
        return self

    def stop(self):
        """Its CPU seconds."""
        return stop(self.process)


def wait_count(place, worker, count, seconds):
    end = time.monotonic() + seconds
    while place.count() < count:
        assert worker.process.poll() is None, worker.log.read_text()[-2000:]
        assert time.monotonic() < end, f"{place.count()} of {count} rows after {seconds} s"
        time.sleep(0.1)


def worker(place, kafka):
    place.empty()
    it = Worker(place, kafka)
    subprocess.run([TOOLS / "enriched", kafka.brokers, it.topic, str(PARTITIONS), str(N)], check=True)
    it.start()
    wait_count(place, it, 1, 60)
    began, first = time.monotonic(), place.count()
    wait_count(place, it, N, 600)
    rate, parts, peak = (N - first) / (time.monotonic() - began), place.parts(), peak_mb(it.process.pid)
    figure("clickhouse_worker_cpu", it.stop() / N * 1e6, "s/M", "<=2.5")
    figure("clickhouse_worker_rate", rate / 1e3, "krows/s", "-", 0)
    figure("clickhouse_worker_rows_part", N / parts, "rows", "-", 0)
    figure("clickhouse_worker_rss", peak, "MB", "-", 0)


def produce(kafka, topic, sent):
    """Paced; sent: id -> when the producer was called."""
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "linger.ms": 0})
    began = time.monotonic()
    for n in range(RATE * SECONDS):
        while time.monotonic() < began + n / RATE:
            producer.poll(0)
            time.sleep(0.001)
        partition, offset = n % PARTITIONS, n // PARTITIONS
        row = {"id": n + 1, "content_id": str(uuid.UUID(int=n)), "user_id": str(uuid.UUID(int=n)), "event_type": "play",
               "event_ts": "2026-11-21T08:00:00.000000Z", "duration_ms": 1000, "device": "ios", "content_type": "podcast",
               "length_seconds": 60, "engagement_seconds": 1.0, "engagement_pct": 1.67, "raw_payload": None}
        sent[n + 1] = time.monotonic()
        producer.produce(topic, key=json.dumps({"id": n + 1}), value=json.dumps(row), partition=partition, headers={
            "sluice.source": f"pg.public.engagement_events/{partition}/{offset}", "sluice.version": str(offset),
            "sluice.op": "c", "sluice.id": "A" * 26, "sluice.ts": str(int(time.time() * 1000))})
    producer.flush(30)


def freshness(place, kafka):
    place.empty()
    it, sent, late = Worker(place, kafka).start(), {}, []
    end = time.monotonic() + 60
    while "working on 4 partitions" not in it.log.read_text():
        assert it.process.poll() is None and time.monotonic() < end, it.log.read_text()[-2000:]
        time.sleep(0.1)
    producer, seen, low, last = threading.Thread(target=produce, args=(kafka, it.topic, sent)), set(), 0, 0
    producer.start()
    end = time.monotonic() + SECONDS + 60
    while len(seen) < RATE * SECONDS:
        assert time.monotonic() < end, f"{len(seen)} of {RATE * SECONDS} rows were seen"
        count = place.count()
        if count == last:
            time.sleep(0.005)
            continue
        last, beyond = count, ", ".join(map(str, [0, *(id for id in seen if id > low)]))
        new = {row[0] for row in place.client.query(f"SELECT id FROM {TABLE} WHERE id > {low} AND id NOT IN ({beyond})").result_rows}
        at = time.monotonic()  # when the reader has them
        late += [at - sent[id] for id in new]
        seen |= new
        while low + 1 in seen:
            low += 1
    producer.join()
    parts = place.parts() / SECONDS
    it.stop()
    late.sort()
    figure("clickhouse_freshness_p50", late[len(late) // 2] * 1e3, "ms", "-", 0)
    figure("clickhouse_freshness_p99", late[len(late) * 99 // 100] * 1e3, "ms", "<=600", 0)
    figure("clickhouse_parts_a_second", parts, "parts/s", "<=3")


def main(wanted):
    if set(wanted) - set(FIGURES):
        sys.exit(f"clickhouse.py: figures are {' '.join(FIGURES)}")
    wanted = wanted or FIGURES
    if "encode" in wanted:
        told([TOOLS / "bench_native"])
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        place, kafka = Place(pathlib.Path(name)), None
        try:
            if "insert" in wanted:
                insert(place)
            if {"worker", "freshness"} & set(wanted):
                kafka = Kafka()
            if "worker" in wanted:
                worker(place, kafka)
            if "freshness" in wanted:
                freshness(place, kafka)
        finally:
            if kafka:
                kafka.leave()
            place.close()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
