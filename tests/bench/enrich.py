#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""enrich [FIGURE...] -- how fast, how late and how large sluice-enrich is, beside a bare copy loop.

Prints a line a figure: NAME VALUE UNIT BOUND ok|MISS; exit 1 on a MISS; BOUND is - for what the
others are to be seen beside. Without arguments all of it. CPU is user+sys of the process, RSS its
VmHWM; medians of RUNS runs, copy loop and worker in turns. It works on the stack's instance
SLUICE_TEST_INSTANCE (bench), which it starts and stops when that does not run yet. Environment:
BENCH_N events (1000000), BENCH_RUNS (3), BENCH_SECONDS of each paced run (20), BENCH_KEEP=1 leaves
the instance running."""
import atexit
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import confluent_kafka as kafka
import confluent_kafka.admin

from figure import INSTANCE, ROOT, STACK, figure, missed, peak_mb, stop, told, use_instance

sys.path.insert(0, str(ROOT / "tests/integration"))
from wait import wait_until  # noqa: E402

TOOLS = pathlib.Path(os.environ.get("BENCH_TOOLS", ROOT / "build/gcc/tests/bench"))
BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build/bin"))
N = int(os.environ.get("BENCH_N", 1_000_000))
RUNS = int(os.environ.get("BENCH_RUNS", 3))
SECONDS = int(os.environ.get("BENCH_SECONDS", 20))
ROWS, BYTES = 10_000, 8 << 20  # the pipeline's defaults
SOURCE, OUT, COPIED = "bench.public.engagement_events", "bench.enriched", "bench.copied"
PARTITIONS = range(4)


def note(text):
    print(f"# {text}", file=sys.stderr, flush=True)


class Place:
    """The instance, its topics, its contents and the pipeline file."""

    def __init__(self, folder):
        self.was_up = subprocess.run([STACK, "status", INSTANCE], capture_output=True, text=True).stdout
        self.was_up = not re.search(r"^(postgres|kafka) .*down", self.was_up, re.M)
        subprocess.run([STACK, "up", INSTANCE, "postgres", "kafka"], check=True, stdout=sys.stderr)
        use_instance()
        self.brokers = os.environ["SLUICE_KAFKA"]
        self.admin = kafka.admin.AdminClient({"bootstrap.servers": self.brokers})
        self.pipeline = folder / "bench.yaml"
        self.pipeline.write_text(f"""\
name: bench
postgres:
  host: {os.environ["SLUICE_PG_HOST"]}
  port: {os.environ["SLUICE_PG_PORT"]}
  database: {os.environ["SLUICE_PG_DB"]}
  user: sluice_enrich
kafka:
  brokers: {self.brokers}
source:
  prefix: bench
enrich:
  sql: {ROOT}/sql/enrich/engagement.sql
  topic: {OUT}
  partitions: {len(PARTITIONS)}
  key: [id]
  identity: [event_ts, id]
  listen: 127.0.0.1:{os.environ["SLUICE_PORT_ENRICH"]}
""")
        self.contents()
        self.topics()

    def contents(self):
        address = ["-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres"]
        for script in (ROOT / "sql/postgres/engagement.sql", ROOT / "tests/bench/contents.sql"):
            subprocess.run(["psql", "-q", *address, "-d", os.environ["SLUICE_PG_DB"], "-v", "ON_ERROR_STOP=1",
                            "-f", script], check=True, stdout=subprocess.DEVNULL)

    def make(self, name, partitions):
        future = self.admin.create_topics([kafka.admin.NewTopic(name, partitions, 1)])[name]
        try:
            future.result()
        except kafka.KafkaException as error:
            if error.args[0].code() != kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def topics(self):
        for name in (SOURCE, OUT, COPIED):
            self.make(name, len(PARTITIONS))
        for name in ("bench.public.content", "bench.dlq"):
            self.make(name, 1)

    def ends(self, topic):
        asked = {kafka.TopicPartition(topic, p): kafka.admin.OffsetSpec.latest() for p in PARTITIONS}
        return {tp.partition: f.result().offset for tp, f in self.admin.list_offsets(asked).items()}

    def fill(self):
        """The source topic; what an earlier run left is used again when it is as long."""
        have = sum(self.ends(SOURCE).values())
        if not N <= have <= N * 1.02:
            for topic in (SOURCE, OUT, COPIED):
                self.admin.delete_topics([topic])[topic].result()
            time.sleep(2)
            self.topics()
            time.sleep(1)
            subprocess.run([TOOLS / "events", self.brokers, SOURCE, str(N)], check=True, stdout=subprocess.DEVNULL)
            have = sum(self.ends(SOURCE).values())
        note(f"{have} messages in {SOURCE}")
        return have

    def reset(self, offsets):
        """Where the worker's group goes on; without marks, so that nothing is a replay. A worker that
        stopped is a member until its session ends, and the broker refuses for so long."""
        parts = [kafka.TopicPartition(SOURCE, p, offsets[p]) for p in PARTITIONS]
        request = kafka.ConsumerGroupTopicPartitions("bench.enrich", parts)
        end = time.monotonic() + 30
        while True:
            answers = [f.result() for f in self.admin.alter_consumer_group_offsets([request]).values()]
            refused = [p.error for a in answers for p in a.topic_partitions if p.error]
            if not refused:
                return
            assert time.monotonic() < end, f"the group's offsets: {refused[0]}"
            time.sleep(0.5)

    def leave(self):
        if not self.was_up and not os.environ.get("BENCH_KEEP"):
            subprocess.run([STACK, "down", INSTANCE, "postgres", "kafka"], stdout=sys.stderr)


class Worker:
    """sluice-enrich under measurement."""

    def __init__(self, place, offsets, log):
        place.reset(offsets)
        self.metrics_url = f"http://127.0.0.1:{os.environ['SLUICE_PORT_ENRICH']}/metrics"
        self.process = subprocess.Popen([BIN / "sluice-enrich", "--pipeline", place.pipeline],
                                        stdout=log, stderr=log)
        atexit.register(self.process.kill)
        self.wait_for("its partitions", lambda: self.metric("sluice_partitions") == len(PARTITIONS), 30)

    def metrics(self):
        try:
            with urllib.request.urlopen(self.metrics_url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def metric(self, name):
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.metrics().splitlines()
                   if re.match(rf"{name}[ {{]", line))

    def records(self):
        return self.metric("sluice_records_total")

    def wait_for(self, what, ready, seconds):
        def asked():
            assert self.process.poll() is None, "sluice-enrich is gone; see its log"
            return ready()
        wait_until(what, asked, seconds, every=0.1)  # each question costs the worker CPU

    def peak_mb(self):
        return peak_mb(self.process.pid)

    def stop(self):
        """Its CPU seconds."""
        return stop(self.process)


def full_speed(place, messages, log):
    """CPU, wall and peak memory of the whole topic."""
    worker = Worker(place, dict.fromkeys(PARTITIONS, 0), log)
    worker.wait_for("the first record", lambda: worker.records() > 0, 30)
    began, first = time.monotonic(), worker.records()
    worker.wait_for("the last record", lambda: worker.records() >= messages, 300)
    rate = (messages - first) / (time.monotonic() - began)
    dead = worker.metric('sluice_records_total{outcome="dead"}')
    assert dead == 0, f"{dead} dead letters"
    peak = worker.peak_mb()
    return worker.stop() / messages * 1e6, rate, peak


def copy_loop(place, messages, run, *bare):
    out = subprocess.run([TOOLS / "copy_loop", place.brokers, f"bench.copy.{os.getpid()}.{run}{''.join(bare)}", SOURCE,
                          COPIED, str(messages), str(ROWS), str(BYTES), *bare],
                         check=True, capture_output=True, text=True).stdout
    count, wall_ms, cpu_ms = map(int, out.split())
    return cpu_ms / count * 1e3, count / wall_ms * 1e3


def speed(place, log):
    messages, ours, floor, bare = place.fill(), [], [], []
    for run in range(RUNS):
        bare.append(copy_loop(place, messages, run, "bare"))
        floor.append(copy_loop(place, messages, run))
        ours.append(full_speed(place, messages, log))
        note(f"run {run}, load {os.getloadavg()[0]:.1f}: copy loop {floor[-1][0]:.2f} s/M {floor[-1][1]:.0f}/s, without "
             f"headers {bare[-1][0]:.2f} s/M {bare[-1][1]:.0f}/s; "
             f"enrich {ours[-1][0]:.2f} s/M {ours[-1][1]:.0f}/s {ours[-1][2]:.0f} MB")
    middle = [statistics.median(column) for column in zip(*ours)]
    figure("copy_loop_cpu", statistics.median(f[0] for f in floor), "s/M")
    figure("copy_loop_cpu_without_headers", statistics.median(b[0] for b in bare), "s/M")
    figure("copy_loop_rate", statistics.median(f[1] for f in floor) / 1e3, "kmsg/s", "-", 0)
    figure("enrich_cpu_vs_copy_loop", statistics.median(o[0] / f[0] for o, f in zip(ours, floor)), "ratio", "<=1.5")
    figure("enrich_cpu", middle[0], "s/M", "<=3")
    figure("enrich_rate", middle[1] / 1e3, "kmsg/s", ">=300", 0)
    figure("enrich_rss_full", middle[2], "MB", "<=128", 0)


def idle(place, log):
    peaks = []
    for _ in range(RUNS):
        worker = Worker(place, place.ends(SOURCE), log)
        time.sleep(3)
        peaks.append(worker.peak_mb())
        worker.stop()
    figure("enrich_rss_idle", statistics.median(peaks), "MB", "<=32", 0)


def steady(place, log):
    """Paced events behind those that are there; LSNs go on, so that none is a replay."""
    peaks = []
    for run in range(RUNS):
        worker = Worker(place, place.ends(SOURCE), log)
        subprocess.run([TOOLS / "events", place.brokers, SOURCE, str(2000 * SECONDS), "2000", str((run + 2) * N)],
                       check=True, stdout=subprocess.DEVNULL)
        worker.wait_for("the last record", lambda w=worker: w.records() >= 2000 * SECONDS, 30)
        peaks.append(worker.peak_mb())
        worker.stop()
    figure("enrich_rss_steady", statistics.median(peaks), "MB", "<=96", 0)


def latency_run(place, first, worker):
    """Milliseconds of each event: from seen in the source topic to seen in the enriched one."""
    def reader(topic, isolation):
        consumer = kafka.Consumer({"bootstrap.servers": place.brokers, "group.id": "bench.look", "fetch.wait.max.ms": 100,
                                   "isolation.level": isolation, "enable.auto.commit": False})
        consumer.assign([kafka.TopicPartition(topic, p, end) for p, end in place.ends(topic).items()])
        return consumer

    count, seen, late = 100 * SECONDS, {}, []
    source, enriched = reader(SOURCE, "read_uncommitted"), reader(OUT, "read_committed")
    time.sleep(1)  # both fetch by now
    with subprocess.Popen([TOOLS / "events", place.brokers, SOURCE, str(count), "100", str(first)],
                          stdout=subprocess.DEVNULL):
        end = time.monotonic() + SECONDS + 20
        while len(late) < count and time.monotonic() < end:
            while (message := source.poll(0)) is not None:  # a tombstone is falsy
                if message.value() is not None:
                    seen[f"{message.topic()}/{message.partition()}/{message.offset()}".encode()] = time.monotonic()
            message = enriched.poll(0.001)
            if message is not None and not message.error():
                at, key = time.monotonic(), dict(message.headers())["sluice.source"]
                late.append((at - seen.get(key, at)) * 1e3)
    source.close()
    enriched.close()
    told = [line for line in worker.metrics().splitlines() if line.startswith("sluice_records_total")]
    assert len(late) == count, f"{len(late)} of {count} events were seen: {told}"
    return sorted(late)


def latency(place, log):
    halves, tails = [], []
    for run in range(RUNS):
        worker = Worker(place, place.ends(SOURCE), log)
        late = latency_run(place, (run + 20) * N, worker)
        worker.stop()
        halves.append(late[len(late) // 2])
        tails.append(late[len(late) * 99 // 100])
    figure("enrich_latency_p50", statistics.median(halves), "ms", "<=60", 0)
    figure("enrich_latency_p99", statistics.median(tails), "ms", "<=250", 0)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    chosen = sys.argv[1:] or ["decode", "cache", "batch", "speed", "idle", "steady", "latency"]
    place = Place(folder)
    note(f"librdkafka's and the worker's log: {folder}/enrich.log")
    try:
        with open(folder / "enrich.log", "ab") as log:
            for name in chosen:
                if name in ("decode", "cache"):
                    told([TOOLS / name])
                elif name == "batch":
                    told([TOOLS / name, place.pipeline])
                else:
                    {"speed": speed, "idle": idle, "steady": steady, "latency": latency}[name](place, log)
    finally:
        place.leave()
    if missed:
        note("missed: " + " ".join(missed))
    return bool(missed)


sys.exit(main())
