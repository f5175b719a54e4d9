# SPDX-License-Identifier: Apache-2.0
"""What must hold behind enrich after a fault, worked out by clients that are not ours.

Three lists are kept and compared: the changes of Postgres as its own test_decoding tells them, the
records of the source topic, and the records of the enriched topic (read committed). Each is read
once, from where it ended when the audit began."""
import collections
import json
import os
import time

import confluent_kafka

from engagement import ENRICHED, SOURCE, postgres

CONTENT = "pg.public.content"
SLOT = "sluice_fault_audit"
# A row as enrich writes it, but for blanks.
STATE = """SELECT e.id, to_json(e)::text FROM (
    SELECT id, content_id, user_id, event_type,
           to_char(event_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS event_ts, duration_ms, device,
           content_type, length_seconds, engagement_seconds, engagement_pct, raw_payload::text AS raw_payload
      FROM enriched_events WHERE {}) e"""


def _row(text):
    """Numbers stay as they are written."""
    return text and json.loads(text, parse_float=str, parse_int=str)


class Tail:
    """Reads a topic from where it ended when the tail began; each record once, read committed."""

    def __init__(self, stream, topic):
        self.stream, self.topic = stream, topic
        self.positions = stream.ends(topic)

    def read(self):
        ends = self.stream.ends(self.topic)
        waiting = {p for p, end in ends.items() if self.positions[p] < end}
        if not waiting:
            return []
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": "sluice-fault-look",
            "isolation.level": "read_committed", "enable.partition.eof": True, "enable.auto.commit": False,
            "auto.offset.reset": "error", "fetch.wait.max.ms": 10})
        consumer.assign([confluent_kafka.TopicPartition(self.topic, p, self.positions[p]) for p in waiting])
        found, limit = [], time.monotonic() + 60
        while waiting and time.monotonic() < limit:
            for message in consumer.consume(10000, 0.1):
                self._take(message, waiting, found)
        consumer.close()
        assert not waiting, f"{self.topic}: not read to the end"
        return found

    def _take(self, message, waiting, found):
        partition = message.partition()
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            self.positions[partition] = max(self.positions[partition], message.offset())
            waiting.discard(partition)
            return
        found.append(message)
        self.positions[partition] = message.offset() + 1


class Changes:
    """Postgres' own account of what was done to the facts: (key, txId, lsn, op)."""

    def __init__(self):
        with postgres() as pg:
            self.drop(pg)
            pg.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (SLOT,))

    @staticmethod
    def drop(pg):
        pg.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (SLOT,))

    def read(self):
        with postgres() as pg:
            rows = pg.execute(
                r"""SELECT (lsn - '0/0'::pg_lsn)::bigint, xid::text::bigint,
                           substring(data FROM '^table public\.engagement_events: (\w+)'),
                           substring(data FROM 'id\[bigint\]:(\d+)')::bigint,
                           substring(data FROM ' new-tuple: id\[bigint\]:(\d+)')::bigint
                      FROM pg_logical_slot_get_changes(%s, NULL, NULL)
                     WHERE data LIKE 'table public.engagement\_events: %%'""", (SLOT,)).fetchall()
        for lsn, xid, what, key, new in rows:
            if what == "UPDATE" and new is not None and new != key:
                yield from ((key, xid, lsn, "d"), (new, xid, lsn, "c"))
            else:
                yield (key, xid, lsn, {"INSERT": "c", "UPDATE": "u", "DELETE": "d"}[what])


class Source:
    """The source topic, and which of its records the replay mark drops."""

    def __init__(self, marks):
        self.offsets = collections.defaultdict(list)  # of rows, by partition, in order
        self.dropped = collections.defaultdict(set)
        self.changes, self.snapshotted = set(), set()
        self.newest = {}  # key: (partition, offset, is it a delete)
        self._marks = marks  # by partition: ((commit, lsn), time), where enrich stands at the beginning

    @property
    def replayed(self):
        return sum(map(len, self.dropped.values()))

    def add(self, message):
        if message.value() is None:
            return  # the tombstone behind a delete
        value = json.loads(message.value())
        if value["op"] not in "crud":
            return
        partition, offset, source = message.partition(), message.offset(), value["source"]
        if value["op"] != "r" and self._has_passed(partition, source):
            self.dropped[partition].add(offset)
            return
        key = json.loads(message.key())["id"]
        self.offsets[partition].append(offset)
        self.newest[key] = (partition, offset, value["op"] == "d")
        if value["op"] == "r":
            self.snapshotted.add(key)
        else:
            self.changes.add((key, source["txId"], source["lsn"], value["op"]))

    def _has_passed(self, partition, source):
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


class Enriched:
    """The enriched topic: which source record each stands for, and the last state of each key."""

    def __init__(self):
        self.offsets = collections.defaultdict(list)
        self.rows, self.last, self.touched = {}, {}, set()
        self.ids = set()  # what the receiver of webhooks must have

    def add(self, message):
        headers = dict(message.headers())
        topic, partition, offset = headers["sluice.source"].decode().split("/")
        assert (topic, int(partition)) == (SOURCE, message.partition()), headers
        key, value = json.loads(message.key())["id"], message.value()
        self.offsets[message.partition()].append(int(offset))
        self.last[key] = (int(partition), int(offset), value is None)
        self.rows[key] = value
        self.touched.add(key)
        if headers["sluice.op"] != b"r":
            self.ids.add(headers["sluice.id"].decode())


class Audit:
    """Begins when everything has been caught up with; feed it with look(), then ask it."""

    def __init__(self, stream):
        self.stream = stream
        self._source_tail, self._enriched_tail = Tail(stream, SOURCE), Tail(stream, ENRICHED)
        self._content_tail = Tail(stream, CONTENT)
        self._changes = Changes()
        self.source, self.enriched = Source(stream.marks()), Enriched()
        self._contents = set()

    def look(self):
        """Reads on; what enrich has not done yet at the end of it is left for the next look."""
        for message in self._source_tail.read():
            self.source.add(message)
        self._cut = dict(self._source_tail.positions)
        self.stream.enrich_passes(self._cut)
        for message in self._enriched_tail.read():
            self.enriched.add(message)
        for message in self._source_tail.read():
            self.source.add(message)
        for message in self._content_tail.read():
            self._contents.add(json.loads(message.key())["id"])

    # --- what must hold ---

    def once(self):
        """Every source record that the mark does not drop stands exactly once, in order."""
        for partition in self._cut:
            want, got = self.source.offsets[partition], self.enriched.offsets[partition]
            dropped = self.source.dropped[partition]
            twice = [offset for offset, count in collections.Counter(got).items() if count > 1]
            assert not twice, f"partition {partition}: {len(twice)} source records stand twice: {twice[:5]}"
            missing = sorted(o for o in set(want) - set(got) if o < self._cut[partition])
            assert not missing, f"partition {partition}: {len(missing)} source records are lost: {missing[:5]}"
            extra = sorted(set(got) - set(want))
            assert not set(extra) & dropped, f"partition {partition}: passed the mark: {sorted(set(extra) & dropped)[:5]}"
            assert not extra, f"partition {partition}: {len(extra)} records that are not expected: {extra[:5]}"
            assert got == want[:len(got)], f"partition {partition}: out of order"

    def at_least_once(self, gap=()):
        """Every change of Postgres is one of those records; of the transactions in the gap between
        two connectors, a snapshot's row of its key stands for it."""
        changes = list(self._changes.read())
        lost = [c for c in changes if c not in self.source.changes
                and not (c[1] in gap and c[0] in self.source.snapshotted)]
        assert not lost, f"{len(lost)} of {len(changes)} changes of Postgres are lost: {lost[:5]} (key, txId, lsn, op)"
        return len(changes)

    def newest(self):
        """Each key ends at the newest of its source records that enrich has passed."""
        for key, (partition, offset, gone) in self.source.newest.items():
            if offset < self._cut[partition]:
                assert self.enriched.last[key] == (partition, offset, gone), f"key {key} ends at {self.enriched.last[key]}"

    def differences(self):
        """True, or where the enriched topic's last state and the query in Postgres differ: asked of
        the keys touched, and of the facts of contents touched, since they were equal."""
        rows, keys = self.enriched.rows, self.enriched.touched
        with postgres() as pg:
            if self._contents:
                keys.update(row[0] for row in pg.execute(
                    "SELECT id FROM engagement_events WHERE content_id = ANY(%s::uuid[])", (list(self._contents),)))
                self._contents.clear()
            want = dict(pg.execute(STATE.format("id = ANY(%s)"), (list(keys),)))
        keys.difference_update([k for k in keys if _row(rows.get(k)) == _row(want.get(k))])
        return not keys or f"{len(keys)} rows differ: " + "; ".join(f"{rows.get(k)} is not {want.get(k)}" for k in sorted(keys)[:2])
