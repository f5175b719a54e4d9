# SPDX-License-Identifier: Apache-2.0
"""The engagement pipeline under faults: extra slots, restarts by exit code, and what must hold.

What is expected is worked out from the source topic and Postgres by clients that are not ours.
Only records written since the stream started are looked at, and each is read once."""
import collections
import json
import os
import pathlib
import signal
import subprocess
import time

import confluent_kafka
import httpx

from engagement import BIN, ENRICHED, PIPELINE, ROOT, SOURCE, WORKERS, Pipeline, Program, postgres, run, wait_for

STACK = ROOT / "tests/stack/stack"
INSTANCE = os.environ["SLUICE_INSTANCE"]
PIDS = pathlib.Path(os.environ.get("STACK_DIR") or ROOT / "build/stack") / INSTANCE / "pid"
EXIT_RESTART = 3


class Tail:
    """Reads a topic from where it ended when the tail began; each record once, read committed."""

    def __init__(self, stream, topic):
        self.stream, self.topic = stream, topic
        self.positions = stream.ends(topic)

    def read(self):
        ends = self.stream.ends(self.topic)
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": "sluice-fault-look",
            "isolation.level": "read_committed", "enable.partition.eof": True, "enable.auto.commit": False,
            "auto.offset.reset": "error"})
        consumer.assign([confluent_kafka.TopicPartition(self.topic, p, at) for p, at in self.positions.items()])
        found, waiting, limit = [], {p for p, end in ends.items() if self.positions[p] < end}, time.monotonic() + 60
        while waiting and time.monotonic() < limit:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                self.positions[message.partition()] = max(self.positions[message.partition()], message.offset())
                waiting.discard(message.partition())
                continue
            found.append(message)
            self.positions[message.partition()] = message.offset() + 1
        consumer.close()
        assert not waiting, f"{self.topic}: not read to the end"
        return found


class Expected:
    """What the enriched topic must hold, worked out from the source topic."""

    def __init__(self):
        self.offsets = collections.defaultdict(list)  # by partition, in order
        self.newest = {}  # key: (partition, offset, is it a delete)
        self.replayed = 0
        self._marks = {}

    def add(self, message):
        if message.value() is None:
            return  # the tombstone behind a delete
        value = json.loads(message.value())
        if value["op"] not in "crud":
            return
        if value["op"] != "r" and self._passed_before(message.partition(), value["source"]):
            self.replayed += 1
            return
        self.offsets[message.partition()].append(message.offset())
        key = json.loads(message.key())["id"]
        self.newest[key] = (message.partition(), message.offset(), value["op"] == "d")

    def _passed_before(self, partition, source):
        """Debezium sends old changes again after a crash: below the mark and not newer."""
        commit = json.loads(source.get("sequence") or "[null]")[0]
        if commit is None or source.get("lsn") is None:
            return False
        place = (int(commit), source["lsn"])
        mark, newest_us = self._marks.get(partition, ((0, 0), 0))
        if place < mark and source["ts_us"] <= newest_us:
            return True
        self._marks[partition] = (max(place, mark), max(source["ts_us"], newest_us))
        return False


class Stream(Pipeline):
    """The pipeline with the workers that this tree builds."""

    def __init__(self, folder):
        super().__init__(folder)
        self.workers = {w: p for w, p in self.workers.items() if (BIN / f"sluice-{w}").exists()}
        self.sinks = [w for w in WORKERS[1:] if w in self.workers]
        self.restarts = collections.Counter()
        self.expected, self.seen = Expected(), collections.defaultdict(list)
        self.ids, self.last = set(), {}

    def start(self):
        super().start()
        self.caught_up()
        self.source, self.enriched = Tail(self, SOURCE), Tail(self, ENRICHED)
        return self

    def slot(self, number, worker="enrich"):
        """One more worker of a group, started."""
        name = f"{worker}-{number}"
        if name not in self.workers:
            self.workers[name] = Program(
                name, [BIN / f"sluice-{worker}", "--pipeline", PIPELINE, "--slot", number], self.folder)
        return self.workers[name].start()

    def drop_slot(self, number, worker="enrich"):
        program = self.workers.pop(f"{worker}-{number}", None)
        return program.stop() if program else None

    def supervise(self):
        """What systemd does: exit 3 is started again; no other end is expected."""
        for name, program in self.workers.items():
            if program.process is None or program.alive():
                continue
            code = program.process.returncode
            assert code == EXIT_RESTART, f"{name} ended with {code}: {program.tail()}"
            self.restarts[name] += 1
            program.start()

    def mend(self):
        """Everything runs again: one worker of each kind, servers, connector."""
        for name in [n for n in self.workers if "-" in n]:
            program = self.workers.pop(name)
            if program.alive():
                program.process.send_signal(signal.SIGCONT)
                program.stop()
        run(STACK, "up", INSTANCE)
        for program in self.workers.values():
            if program.alive():
                program.process.send_signal(signal.SIGCONT)
            else:
                program.start()

    # --- servers ---

    def kill_server(self, name):
        os.kill(int((PIDS / name).read_text().split()[0]), signal.SIGKILL)

    def up(self, *names):
        run(STACK, "up", INSTANCE, *names)

    def connector_runs(self):
        """True, or its state; a failed task is restarted, as an operator would."""
        url = f"{os.environ['SLUICE_CONNECT']}/connectors/pg.engagement.source"
        try:
            state = httpx.get(f"{url}/status", timeout=10).json()
            if any(t["state"] == "FAILED" for t in state["tasks"]):
                httpx.post(f"{url}/restart?includeTasks=true&onlyFailed=true", timeout=10)
        except (httpx.HTTPError, KeyError, ValueError) as why:
            return repr(why)
        return (state["connector"]["state"] == "RUNNING" and [t["state"] for t in state["tasks"]] == ["RUNNING"]) or state

    # --- how far it is ---

    def behind(self, worker, topic, ends):
        self.supervise()
        try:
            return super().behind(worker, topic, ends)
        except confluent_kafka.KafkaException as why:
            return repr(why)

    def slot_confirms(self, lsn):
        self.connector_runs()
        with postgres() as pg:
            row = pg.execute("SELECT confirmed_flush_lsn >= %s::pg_lsn, confirmed_flush_lsn FROM pg_replication_slots"
                             " WHERE slot_name = 'sluice_engagement'", (lsn,)).fetchone()
        return row[0] or row[1]

    def caught_up(self, seconds=90):
        with postgres() as pg:
            lsn = pg.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
        wait_for("the slot", seconds, lambda: self.slot_confirms(lsn))
        source = self.ends(SOURCE)
        wait_for("enrich", seconds, lambda: self.behind("enrich", SOURCE, source))
        enriched = self.ends(ENRICHED)
        for worker in self.sinks:
            wait_for(worker, seconds, lambda w=worker: self.behind(w, ENRICHED, enriched))

    # --- what must hold ---

    def check_enriched_once(self):
        """Every source record that is not a repetition stands in the enriched topic exactly
        once, in order, in its own partition, and each key ends at its newest state."""
        for message in self.source.read():
            self.expected.add(message)
        for message in self.enriched.read():
            headers = dict(message.headers())
            topic, partition, offset = headers["sluice.source"].decode().split("/")
            assert (topic, int(partition)) == (SOURCE, message.partition()), headers
            self.seen[message.partition()].append(int(offset))
            self.last[json.loads(message.key())["id"]] = (int(partition), int(offset), message.value() is None)
            if headers["sluice.op"] != b"r":
                self.ids.add(headers["sluice.id"].decode())
        for partition in sorted(set(self.expected.offsets) | set(self.seen)):
            _compare(partition, self.expected.offsets[partition], self.seen[partition])
        assert self.last == self.expected.newest, "a key does not end at its newest state"
        return sum(map(len, self.seen.values()))

    def check_receiver(self):
        got = set(httpx.get(f"http://{self.receiver_address}/ids", timeout=60).text.split())
        assert self.ids <= got, f"{len(self.ids - got)} of {len(self.ids)} changes never arrived"
        assert httpx.get(f"http://{self.receiver_address}/stats", timeout=10).json()["order_violations"] == 0
        return len(self.ids)

    def check(self, generate=None):
        """The barrier, then every invariant."""
        if generate:
            try:
                code = generate.process.wait(timeout=90)
            except subprocess.TimeoutExpired:
                generate.kill()
                raise AssertionError(f"sluice-generate hangs: {generate.tail()}") from None
            assert code == 0, generate.tail()
        self.caught_up()
        found = {"enriched": self.check_enriched_once(), "replayed": self.expected.replayed}
        for sink, look in (("clickhouse", self.check_clickhouse), ("leaderboard", self.check_board),
                           ("http", self.check_receiver)):
            if sink in self.workers:
                found[sink] = look()
        print(found, dict(self.restarts))
        return found


def _compare(partition, want, got):
    twice = [offset for offset, count in collections.Counter(got).items() if count > 1]
    assert not twice, f"partition {partition}: {len(twice)} source records stand twice: {twice[:5]}"
    missing, extra = sorted(set(want) - set(got)), sorted(set(got) - set(want))
    assert not missing, f"partition {partition}: {len(missing)} source records are lost: {missing[:5]}"
    assert not extra, f"partition {partition}: {len(extra)} records that are not expected: {extra[:5]}"
    assert got == want, f"partition {partition}: out of order"
