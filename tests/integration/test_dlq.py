# SPDX-License-Identifier: Apache-2.0
"""sluicectl dlq: dead letters are listed, shown, and sent again: once each, and a newer row wins."""
import collections
import datetime
import json
import os
import random
import signal
import subprocess
import time

import confluent_kafka
import pytest
import redis

from engagement import BIN, clickhouse, postgres
from wait import wait_for
from webhooks import Opposite, hooks  # noqa: F401
from world import Events, World

DDL = """
    CREATE TABLE items (id int PRIMARY KEY, kind int, note text);
    CREATE TABLE kinds (id int PRIMARY KEY, per int);
    INSERT INTO kinds VALUES (1, 1), (2, 0);
"""
SQL = "SELECT i.id, i.kind, i.note, 100 / k.per AS share FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"


def dlq(world, what, *more, timeout=120):
    """(exit code, lines on standard output and error)"""
    done = subprocess.run(command(world, what, *more), capture_output=True, text=True, errors="replace", timeout=timeout)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def command(world, what, *more):
    file = world.pipeline if isinstance(world, World) else world.file
    return [str(a) for a in (BIN / "sluicectl", "dlq", what, file, *more)]


def open_letters(world, *more):
    code, lines = dlq(world, "list", "--json", *more)
    assert code == (1 if lines else 0), lines
    return [json.loads(line) for line in lines]


def item(id, kind=1, note="n"):
    return {"id": id, "kind": kind, "note": note}


@pytest.fixture
def facts(stack, tmp_path):
    """enrich alone, its events written by the test."""
    world = World(tmp_path, DDL, SQL, ["items", "kinds"], ["id"], partitions=1).start()
    yield world, Events(world)
    codes = world.stop()
    assert all(code == 0 for code in codes.values()), codes


def test_letters_are_listed_and_shown(facts):
    world, events = facts
    assert dlq(world, "list") == (0, ["0 dead letters open, 0 sent again"])
    events.send(events.event("c", item(1)), {"id": 1})
    events.send(b'{"op":"c",\x1b[31m\xc2\x9b\xff', {"id": 2})
    events.send(events.event("c", item(3, kind=2)), {"id": 3, "more": "x" * 100})
    wait_for("two letters", 60, lambda: len(open_letters(world)) == 2)
    code, lines = dlq(world, "list")
    assert code == 1 and lines[-1] == "2 dead letters, 0 sent again", lines
    first, second = (line.split() for line in lines[:2])
    assert first[:2] == [world.dlq, "0:0"] and first[3:6] == ["enrich", "malformed", f"{world.topic()}/0/1"]
    assert second[1] == "0:1" and second[3:6] == ["enrich", "expression/22012", f"{world.topic()}/0/2"], lines
    assert lines[1].endswith("...: division by zero (SQLSTATE 22012)")
    assert time.time() - 300 < time.mktime(time.strptime(first[2][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone < time.time() + 5
    for more, found in ((["enrich"], 2), (["--class", "malformed"], 1), (["--class", "22012"], 1), (["--class", "crash"], 0),
                        (["--since", "10m"], 2), (["--since", "2100-01-01"], 0), (["--offset", "0:1-9"], 1)):
        code, lines = dlq(world, "list", *more)
        assert (code, len(lines)) == (1 if found else 0, found + 1), (more, lines)
    code, lines = dlq(world, "list", "--json")
    letters = [json.loads(line) for line in lines]
    assert code == 1 and [letter["source_offset"] for letter in letters] == [1, 2]
    assert letters[1]["sqlstate"] == "22012" and letters[1]["replayed_ms"] is None
    assert json.loads(letters[1]["key"]) == {"id": 3, "more": "x" * 100}
    code, lines = dlq(world, "show", "0:0")
    assert code == 0 and 'key: {"id": 2}' in lines, lines
    assert any(line.startswith('value: {"op":"c",?[31m?') for line in lines), lines
    assert "__connect.errors.stage: decode" in lines and "sluice.dlq.generation: 0" in lines
    for more, why in ((["0:9"], "holds offsets 0 up to"), (["1:0"], "has 1 partition"), (["0"], "PARTITION:OFFSET"),
                      (["0:2"], "is no record")):
        code, lines = dlq(world, "show", *more)
        assert code == 2 and why in lines[0], lines
    code, lines = dlq(world, "list", "clickhouse")
    assert code == 2 and "has no worker clickhouse, but enrich" in lines[0], lines


def test_a_letter_too_large_for_its_topic_lacks_its_value(facts):
    """Debezium's largest events are larger than what a letter may be with its headers."""
    world, events = facts
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "message.max.bytes": 1048588})
    producer.produce(world.topic(), b"{" + b"x" * 1040000, key=json.dumps({"id": 1}), partition=0)
    assert producer.flush(20) == 0
    events.send(events.event("c", item(2)), {"id": 2})
    world.wait_records(1)
    letter, = world.records(world.dlq)
    assert letter[0] == {"id": 1} and letter[1] is None
    assert letter[2]["sluice.dlq.omitted"] == "value of 1040001 bytes"
    assert world.workers["enrich"].alive() and "SIGABRT" not in world.workers["enrich"].log.read_text()


# --- sent again: every worker's letters, beside a real Debezium ---

ALL_DDL = """
    CREATE TABLE items (id int PRIMARY KEY, kind int, amount int, member text, at timestamptz DEFAULT now(), note text);
    ALTER TABLE items REPLICA IDENTITY FULL;
    CREATE TABLE kinds (id int PRIMARY KEY, per int);
    INSERT INTO kinds VALUES (1, 1), (2, 0);
"""
ALL_SQL = """SELECT i.id, i.kind, i.amount, i.member, i.at, i.note, 100 / k.per AS share
FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"""
ALL_TABLE = """CREATE DATABASE IF NOT EXISTS {s};
CREATE TABLE IF NOT EXISTS {s}.rows (id Int32, kind Int32, amount Int16, member String, at DateTime64(6, 'UTC'), note String,
    share Nullable(Int32), _version UInt64, _deleted UInt8) ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (at, id);
"""
UTC = datetime.timezone.utc
SCORES = ("10 / (amount - 7)", "CASE WHEN amount = 7 THEN 1 ELSE 10 / (amount - 7) END")


class Whole(World):
    """All workers; the board's name and score change when its definition does."""
    board, url = 0, ""

    def write_pipeline(self, **enrich):
        super().write_pipeline(**enrich)
        conf = json.loads(self.pipeline.read_text())
        conf["http"] = {"url": self.url, "allow_private": True, "listen": "127.0.0.1:0"}
        conf["leaderboard"] = {"url": os.environ["SLUICE_REDIS"], "listen": "127.0.0.1:0", "boards": [
            {"key": self.key(), "member": "member", "at": "at", "score": SCORES[self.board], "window": "30m", "bucket": "10s"}]}
        self.pipeline.write_text(json.dumps(conf, indent=1))

    def key(self):
        return f"{self.name}:top:{self.board}"

    def query(self):
        with postgres() as pg:
            return sorted(pg.execute((self.folder / "query.sql").read_text()).fetchall())

    def rows(self):
        rows = clickhouse().query(f"SELECT id, kind, amount, member, at, note, share FROM {self.schema}.rows FINAL").result_rows
        return sorted((*r[:4], r[4].astimezone(UTC), *r[5:]) for r in rows)

    def scores(self):
        with postgres() as pg:
            return {m: float(s) for m, s in pg.execute(
                f"SELECT member, sum({SCORES[1]}) FROM {self.schema}.items GROUP BY member").fetchall()}

    def shown(self):
        return dict(redis.Redis.from_url(os.environ["SLUICE_REDIS"], decode_responses=True).zrange(self.key(), 0, -1, withscores=True))


def newest_are_last(records):
    """Compaction keeps the last record of a key: {key: version of it}, each the highest."""
    highest, last = collections.Counter(), {}
    for key, _, headers, *_ in sorted(records, key=lambda r: (r[3], r[4])):
        key, version = json.dumps(key), int(headers["sluice.version"])
        highest[key], last[key] = max(highest[key], version), version
    assert last == dict(highest), [key for key in last if last[key] != highest[key]]
    return last


def test_every_workers_letters_are_sent_again(stack, tmp_path):
    odd = {"status": 422}
    server = Opposite(lambda n, r: odd["status"] if b'"odd"' in r["body"] else 200)
    Whole.url = server.url
    world = Whole(tmp_path, ALL_DDL, ALL_SQL, ["items", "kinds"], ["id"], connector=True, clickhouse_ddl=ALL_TABLE,
                  enrich={"on_dimension_change": "keep", "identity": ["at", "id"]}).start(
                      ["enrich", "clickhouse", "http", "leaderboard"])
    workers = world.workers

    def counted(worker, count):
        wait_for(f"letters of {worker}", 90, lambda: len(open_letters(world, worker)) == count or
                 (dlq(world, "list"), workers[worker].tail(3)))
    try:
        with postgres() as pg:
            pg.execute(f"SET search_path TO {world.schema}")
            pg.execute("INSERT INTO items SELECT n, 1, 10 + n, 'm' || n % 5, now(), '' FROM generate_series(1, 20) n")
            pg.execute("INSERT INTO items SELECT n, 1, 100000, 'm1', now(), '' FROM generate_series(101, 103) n")  # no Int16
            pg.execute("INSERT INTO items VALUES (104, 1, 9, 'm1', now(), 'odd'), (108, 1, 7, 'm2', now(), '')")
            pg.execute("INSERT INTO items SELECT n, 2, 12, 'm3', now(), '' FROM generate_series(105, 107) n")  # 100 / 0
            pg.execute("INSERT INTO items VALUES (109, 1, 8, 'm4', now() - interval '5 min', '')")
            pg.execute("UPDATE items SET at = at + '1 min', amount = 100000 WHERE id = 109")  # leaves its place, and is refused
            pg.execute("UPDATE items SET at = at + '1 min', amount = 9 WHERE id = 109")
            counted("clickhouse", 4)
            counted("enrich", 3)
            counted("leaderboard", 1)
            counted("http", 1)
            pg.execute("UPDATE items SET amount = 5 WHERE id = 102")
            pg.execute("UPDATE items SET kind = 1 WHERE id = 106")
            pg.execute("DELETE FROM items WHERE id IN (103, 107)")
            wait_for("newer rows", 60, lambda: [r[:3] for r in world.rows() if r[0] > 100] ==
                     [(102, 1, 5), (104, 1, 9), (106, 1, 12), (108, 1, 7), (109, 1, 8), (109, 1, 9)] or world.rows()[20:])
            # refused again: a new letter, and nothing else
            code, lines = dlq(world, "replay", "http", "--all")
            assert code == 0 and lines == [f"1 of 1 dead letters of http sent again to {world.enriched}, 0 stay"], lines
            wait_for("the new letter", 60, lambda: len(open_letters(world, "http", "--all")) == 2)
            counted("http", 1)
            code, lines = dlq(world, "replay", "enrich", "--all")
            assert code == 1 and sum("stays: still refused: transform: expression: division by zero" in line for line in lines) == 3
            assert lines[-1].startswith("0 of 3 dead letters of enrich sent again"), lines
            # the causes are mended
            pg.execute("UPDATE kinds SET per = 4 WHERE id = 2")
            odd["status"] = 200
            clickhouse().command(f"ALTER TABLE {world.schema}.rows MODIFY COLUMN amount Int32")
            world.board = 1
            world.write_pipeline()
            for worker in ("clickhouse", "leaderboard", "enrich"):  # enrich: its cache, which keep lets grow old
                assert workers[worker].stop() == 0
                workers[worker].start()
            before = len(world.records())
            for worker, chosen in (("enrich", 3), ("clickhouse", 4), ("http", 1), ("leaderboard", 1)):
                code, lines = dlq(world, "replay", worker, "--all", "--dry-run")
                assert code == 0 and len(lines) == chosen + 1 and f"{chosen} of {chosen} " in lines[-1], lines
                assert len(world.records()) == before
            for worker, chosen in (("enrich", 3), ("clickhouse", 4), ("http", 1), ("leaderboard", 1)):
                code, lines = dlq(world, "replay", worker, "--all")
                assert code == 0 and lines[-1].startswith(f"{chosen} of {chosen} dead letters of {worker} sent again"), lines
                newest_are_last(world.records())
                code, lines = dlq(world, "replay", worker, "--all")
                assert code == 0 and lines[-1].startswith(f"0 of 0 dead letters of {worker}"), lines
            wait_for("ClickHouse", 90, lambda: world.rows() == world.query() or (world.rows()[20:], world.query()[20:]))
            wait_for("the board", 90, lambda: world.shown() == world.scores() or (world.shown(), world.scores()))
            wait_for("the webhook", 90, lambda: {r["id"] for r in server.requests} ==
                     {r[2]["sluice.id"] for r in world.records() if r[2]["sluice.op"] != "r"})
            code, out = world.sluicectl("verify")
            assert code == 0 and f"{len(world.query())} equal, 0 differ, 0 missing, 0 extra, 0 excused" in out, out
            assert dlq(world, "list")[0] == 0
        # the webhook had what it refused twice, and took, and everything else once
        times = collections.Counter(r["id"] for r in server.requests)
        assert sorted(times.values()) == [1] * (len(times) - 1) + [3], times
    finally:
        codes = world.stop()
        redis.Redis.from_url(os.environ["SLUICE_REDIS"]).delete(world.key())
        server.stop()
    assert all(code == 0 for code in codes.values()), codes


# --- killed, called twice at once, and too late ---

def read(topic):
    """Every record, read committed: (key, value, headers, partition, offset)."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": "look-" + topic,
                                         "isolation.level": "read_committed", "enable.partition.eof": True,
                                         "enable.auto.commit": False})
    count = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(count)])
    found, ended = [], set()
    while len(ended) < count:
        message = consumer.poll(20)
        assert message is not None, f"{topic}: nothing came"
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
            continue
        headers = {k: v.decode() for k, v in message.headers() or []}
        found.append((json.loads(message.key()) if message.key() else None, message.value(), headers, message.partition(),
                      message.offset()))
    consumer.close()
    return found


def refused(hooks, letters):  # noqa: F811
    """A webhook that refuses every row but the newer ones, until .status is set."""
    state = {"status": 422}
    pipeline, server = hooks(lambda n, r: 200 if b'"newer"' in r["body"] else state["status"], lanes=8)
    ids = [pipeline.change(key, row={"id": key, "t": "first"}) for key in range(letters)]
    pipeline.start()
    pipeline.caught_up()
    assert len(open_letters(pipeline)) == letters
    return pipeline, server, state, ids


def answered(pipeline):
    """The places of the letters that notes name, one a note."""
    return [r[2]["sluice.dlq.answers"] for r in read(pipeline.dlq) if "sluice.dlq.answers" in r[2]]


def last_note(pipeline):
    """The headers of what stands last in the dead letters' topic."""
    return " ".join(read(pipeline.dlq)[-1][2])


def answer(pipeline, letters):
    """Sends letters again and notes it, as a call does that dies before it looks after them."""
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})
    for key, value, headers, partition, offset in letters:
        own = {k: v for k, v in headers.items() if not k.startswith(("__connect", "sluice.dlq"))}
        text, source = json.dumps(key), int(headers["__connect.errors.offset"])
        producer.produce(pipeline.topic, value, key=text, partition=key["id"] % 4,
                         headers={**own, "sluice.replay": "1", "sluice.replay.worker": "http"})
        producer.produce(pipeline.dlq, None, key=text, partition=0, headers={
            "sluice.dlq.answers": f"{partition}/{offset}", "sluice.dlq.from": f"{key['id'] % 4}/{source}"})
    assert producer.flush(20) == 0


def test_kill_9_during_a_replay_of_a_thousand(hooks):  # noqa: F811
    """Each letter once, whenever it dies; half of the keys have a newer row, which stays the last."""
    seed = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(1 << 32)))
    print("seed", seed)
    dice = random.Random(seed)
    pipeline, server, state, ids = refused(hooks, 1000)
    newer = [pipeline.change(key, op="u", row={"id": key, "t": "newer"}) for key in range(0, 1000, 2)]
    pipeline.caught_up()
    state["status"] = 200
    marks = confluent_kafka.Consumer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": "marks"})
    place = confluent_kafka.TopicPartition(pipeline.dlq, 0)
    sent = []
    for _ in range(3):
        # The batch that the call before had open is undone by this one, which moves the end by its 50 notes and a mark:
        # below 60 it could be killed with nothing committed.
        start, more = marks.get_watermark_offsets(place)[1], dice.randrange(60, 200)
        process = subprocess.Popen(command(pipeline, "replay", "http", "--all"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and marks.get_watermark_offsets(place)[1] <= start + more:
            process.send_signal(signal.SIGCONT)  # in slices, so that it is not done before it is seen
            time.sleep(0.005)
            process.send_signal(signal.SIGSTOP)
        process.kill()
        assert process.wait(timeout=20) == -9
        sent.append(len(answered(pipeline)))
    print("sent before each kill:", sent)
    assert 0 < sent[0] < sent[1] < sent[2] < 1000
    sent = sent[-1]
    code, lines = dlq(pipeline, "replay", "http", "--all")
    assert code == 0 and lines[-1].startswith(f"{1000 - sent} of {1000 - sent} dead letters"), lines
    marks.close()
    assert len(answered(pipeline)) == len(set(answered(pipeline))) == 1000
    records = read(pipeline.topic)
    again = collections.Counter(r[2]["sluice.id"] for r in records if r[2].get("sluice.replay.worker") == "http")
    assert again == {id: 1 for id in ids}
    last = newest_are_last(records)
    assert last == {json.dumps({"id": key}): 1001 + key // 2 if key % 2 == 0 else key + 1 for key in range(1000)}
    pipeline.caught_up()
    taken = collections.Counter(r["id"] for r in server.requests)
    assert taken == {**{id: 2 for id in ids}, **{id: 1 for id in newer}}  # refused, then taken; a newer one once
    assert dlq(pipeline, "list") == (0, ["0 dead letters open, 1000 sent again"])
    assert pipeline.stop() == 0


def test_a_call_that_died_is_looked_after_by_the_next(hooks):  # noqa: F811
    """It sent its letters and died before it put the newer rows behind them."""
    pipeline, server, state, ids = refused(hooks, 5)
    newest = {}
    for key in (0, 1):
        pipeline.change(key, op="d" if key else "u", row={"id": key, "t": "newer"}, before={"id": key})
        newest[key] = pipeline.versions
    state["status"] = 200
    pipeline.caught_up()
    letters = [r for r in read(pipeline.dlq) if r[0]["id"] in newest]
    answer(pipeline, letters)
    with pytest.raises(AssertionError):
        newest_are_last(read(pipeline.topic))
    places = ",".join(f"{r[3]}:{r[4]}" for r in letters)
    code, lines = dlq(pipeline, "replay", "http", "--offset", places)
    assert code == 0 and lines == [f"0 of 0 dead letters of http sent again to {pipeline.topic}, 0 stay, 2 were sent before, "
                                   "2 newer records put behind them again"], lines
    last = newest_are_last(read(pipeline.topic))
    assert {key: last[json.dumps({"id": key})] for key in newest} == newest
    copies = [r for r in read(pipeline.topic) if r[2].get("sluice.replay.worker") == "none"]
    assert len(copies) == 2 and [r[1] for r in copies if r[0] == {"id": 1}] == [None]
    code, lines = dlq(pipeline, "replay", "http", "--all")  # it was settled: the next has three to send, and no copy
    assert code == 0 and lines[-1] == f"3 of 3 dead letters of http sent again to {pipeline.topic}, 0 stay, 2 were sent before", lines
    pipeline.caught_up()
    assert pipeline.stop() == 0


def held(topic, partition):
    """A transaction that stays open in this partition, as one of a killed enrich does for a while."""
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "transactional.id": f"held-{topic}",
                                         "transaction.timeout.ms": 600000})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"undone", key=b"undone", partition=partition)
    assert producer.flush(30) == 0
    return producer


def test_what_lies_behind_an_open_transaction_is_waited_for(hooks):  # noqa: F811
    """A read-committed reader ends before it: there is no telling what stands last, or which letters were sent."""
    (rows, _, sink, ids), (notes, _, other, noted) = refused(hooks, 3), refused(hooks, 3)
    sink["status"] = other["status"] = 200
    rows.change(0, op="u", row={"id": 0, "t": "newer"})
    rows.caught_up()
    newest = rows.versions
    transactions = [held(rows.topic, 0), held(notes.dlq, 0)]
    letter = read(notes.dlq)[0]
    answer(notes, [letter])  # by an earlier call; its note is not to be seen yet
    calls = [subprocess.Popen(command(p, "replay", "http", "--all"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
             for p in (rows, notes)]
    words = [call.communicate(timeout=150)[0] for call in calls]
    assert [call.returncode for call in calls] == [3, 3], words
    assert f"{rows.topic}: nothing came for" in words[0] and f"{notes.dlq}: nothing came for" in words[1], words
    assert "3 of 3 dead letters were sent again and noted" in words[0] and "settled" not in last_note(rows), words
    assert "dead letters were sent" not in words[1], words
    for transaction in transactions:
        transaction.abort_transaction(30)
    code, lines = dlq(rows, "replay", "http", "--all")
    assert code == 0 and lines[-1] == (f"0 of 0 dead letters of http sent again to {rows.topic}, 0 stay, 3 were sent before, "
                                       "1 newer record put behind them again"), lines
    assert "settled" in last_note(rows) and newest_are_last(read(rows.topic))[json.dumps({"id": 0})] == newest
    code, lines = dlq(notes, "replay", "http", "--all")
    assert code == 0 and lines[-1] == f"2 of 2 dead letters of http sent again to {notes.topic}, 0 stay, 1 were sent before", lines
    for pipeline, letters in ((rows, ids), (notes, noted)):
        again = collections.Counter(r[2]["sluice.id"] for r in read(pipeline.topic) if r[2].get("sluice.replay.worker") == "http")
        assert again == {id: 1 for id in letters}
        assert len(answered(pipeline)) == len(set(answered(pipeline))) == 3
        pipeline.caught_up()
        assert pipeline.stop() == 0


def test_two_calls_at_once_send_each_letter_once(hooks):  # noqa: F811
    pipeline, server, state, ids = refused(hooks, 400)
    state["status"] = 200
    calls = [subprocess.Popen(command(pipeline, "replay", "http", "--all"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
             for _ in range(3)]
    words = [call.communicate(timeout=120)[0] for call in calls]
    assert {call.returncode for call in calls} <= {0, 3}, words
    code, lines = dlq(pipeline, "replay", "http", "--all")
    assert code == 0, lines
    assert len(answered(pipeline)) == len(set(answered(pipeline))) == 400
    pipeline.caught_up()
    assert collections.Counter(r["id"] for r in server.requests) == {id: 2 for id in ids}
    assert pipeline.stop() == 0


def test_what_cannot_be_sent_stays_and_says_why(hooks):  # noqa: F811
    pipeline, server, state, ids = refused(hooks, 2)
    state["status"] = 200
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "message.max.bytes": 1048588})
    known = next(r for r in read(pipeline.dlq) if r[0] == {"id": 0})
    own = {k: v for k, v in known[2].items() if k.startswith("sluice.") and not k.startswith("sluice.dlq")}
    errors = {k: v for k, v in known[2].items() if k not in own}
    for n, (key, headers) in enumerate((
            (7, {**errors, "sluice.dlq.omitted": "value of 5 bytes"}), (7, {**own, **errors, "__connect.errors.topic": "other"}),
            (7, errors), (7, {**own, **errors, "__connect.errors.partition": "9"}),
            (8, {**own, **errors}))):  # no record of 8 is in the topic: compaction forgot it, and the delete
        producer.produce(pipeline.dlq, b'{"id":1}', key=json.dumps({"id": key}), partition=0,
                         headers={**headers, "__connect.errors.offset": str(100 + n)})
    producer.produce(pipeline.dlq, b"{" + b" " * 1020000 + b"}", key=json.dumps({"id": 0}), partition=0,
                     headers={**own, **errors, "__connect.errors.offset": "200"})
    assert producer.flush(20) == 0
    code, lines = dlq(pipeline, "replay", "http", "--all", "--dry-run")
    assert code == 1 and lines[-1].startswith("2 of 8 dead letters of http would be sent again") and "6 stay" in lines[-1], lines
    code, lines = dlq(pipeline, "replay", "http", "--all")
    words = "\n".join(lines)
    assert code == 1 and lines[-1].startswith("2 of 8 dead letters of http sent again") and "6 stay" in lines[-1], words
    for why in ("its value of 5 bytes had no room in the letter", "it came from other, and the sink reads", "header sluice.source is missing",
                "has no partition 9 any more", "holds neither it nor a newer one", "raise message.max.bytes below kafka:"):
        assert sum(why in line for line in lines) == 1, (why, words)
    assert len(open_letters(pipeline)) == 6
    for more, code, why in (([], 2, "replay takes a worker"), (["http"], 2, "say which letters"), (["board", "--all"], 2, "has no worker board"),
                            (["http", "--class", "none"], 1, "0 of 0 dead letters"), (["http", "--offset", "0"], 2, "PARTITION:OFFSET")):
        said = dlq(pipeline, "replay", *more)
        assert said[0] == code and why in said[1][-1], said
    pipeline.caught_up()
    assert pipeline.stop() == 0


def test_an_old_event_of_enrich_has_its_rows_values_of_now(stack, tmp_path):
    """A delete may have come and been forgotten; and a letter of another generation is not sent."""
    world = World(tmp_path, DDL, SQL, ["items", "kinds"], ["id"], partitions=1,
                  enrich={"sink_outage_max": "1s", "on_dimension_change": "keep"}).start()
    events = Events(world)
    try:
        for id in (1, 2):
            events.send(events.event("c", item(id, kind=2, note="then")), {"id": id})
        wait_for("two letters", 60, lambda: len(open_letters(world)) == 2)
        with postgres() as pg:
            pg.execute(f"UPDATE {world.schema}.kinds SET per = 4 WHERE id = 2")
            pg.execute(f"INSERT INTO {world.schema}.items VALUES (1, 2, 'now')")
        wait_for("their age", 10, lambda: time.time() * 1000 - max(letter["ts_ms"] for letter in open_letters(world)) > 1500)
        world.write_pipeline(generation=1)
        code, lines = dlq(world, "replay", "enrich", "--all")
        assert code == 1 and "0 of 2" in lines[-1] and sum("of generation 0 and the pipeline's is 1" in line for line in lines) == 2
        world.write_pipeline(generation=0)
        code, lines = dlq(world, "replay", "enrich", "--all")
        assert code == 0, lines
        (k1, row, headers, *_), (k2, gone, _, *_) = world.records()
        assert k1 == {"id": 1} and row == {"id": 1, "kind": 2, "note": "now", "share": 25} and (k2, gone) == ({"id": 2}, None)
        assert headers["sluice.source"] == f"{world.topic()}/0/0" and headers["sluice.version"] == "0" and headers["sluice.replay"] == "1"
        assert "sluice.replay.worker" not in headers
    finally:
        assert set(world.stop().values()) == {0}


APPENDED = """CREATE TABLE {s}.rows (id Int32, kind Int16, note String, share Nullable(Int32), _topic LowCardinality(String),
    _partition Int32, _offset Int64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 10000"""


def test_a_table_that_gets_every_change_gets_each_once(stack, tmp_path):
    """Its own letters; and not what was sent again for another worker."""
    world = World(tmp_path, DDL, SQL, ["items", "kinds"], ["id"], partitions=1, clickhouse_ddl="-- made below")
    conf = json.loads(world.pipeline.read_text())
    conf["clickhouse"]["mode"] = "append"
    world.pipeline.write_text(json.dumps(conf))
    clickhouse().command(f"CREATE DATABASE {world.schema}")
    clickhouse().command(APPENDED.replace("{s}", world.schema))
    world.start([])
    world.commit("clickhouse", [(world.enriched, 0, 0)])
    for worker in ("enrich", "clickhouse"):
        world.worker(worker).start()
    events = Events(world)

    def rows():
        return sorted(clickhouse().query(f"SELECT id, kind FROM {world.schema}.rows").result_rows)
    try:
        for id, kind in ((1, 1), (2, 100000), (3, 100000), (4, 1)):
            events.send(events.event("c", item(id, kind=kind)), {"id": id})
        events.send(events.event("u", item(2, kind=5)), {"id": 2})
        wait_for("rows and letters", 90, lambda: rows() == [(1, 1), (2, 5), (4, 1)] and
                 [json.loads(letter["key"])["id"] for letter in open_letters(world)] == [2, 3] or (rows(), world.workers["clickhouse"].tail()))
        assert world.workers["clickhouse"].stop() == 0
        clickhouse().command(f"ALTER TABLE {world.schema}.rows MODIFY COLUMN kind Int32")
        world.workers["clickhouse"].start()
        # a second letter of the same record, and a third: as after a reset
        third = next(letter for letter in open_letters(world) if letter["key"] == '{"id":3}')
        _, _, headers, _, _, value = next(r for r in world.records(world.dlq) if r[0] == {"id": 3})
        events.producer.produce(world.dlq, value, key=third["key"], partition=0, headers=headers)
        assert events.producer.flush(20) == 0 and len(open_letters(world)) == 3
        code, lines = dlq(world, "replay", "clickhouse", "--all")
        assert code == 0 and lines[-1].startswith("2 of 3 ") and lines[-1].endswith(
            "0 stay, 1 were sent before, 1 newer record put behind them again"), lines
        events.producer.produce(world.dlq, value, key=third["key"], partition=0, headers=headers)
        assert events.producer.flush(20) == 0 and len(open_letters(world)) == 1
        code, lines = dlq(world, "replay", "clickhouse", "--all")
        assert code == 0 and lines[-1].startswith("0 of 1 ") and open_letters(world) == [], lines
        key, _, headers, _, _, value = next(r for r in world.records() if r[0] == {"id": 4})
        events.producer.produce(world.enriched, value, key=json.dumps(key), partition=0,
                                headers={**headers, "sluice.replay": "1", "sluice.replay.worker": "http"})
        assert events.producer.flush(20) == 0
        events.send(events.event("c", item(5)), {"id": 5})
        expected = [(1, 1), (2, 5), (2, 100000), (3, 100000), (4, 1), (5, 1)]
        wait_for("the rest", 90, lambda: rows() == expected or (rows(), world.workers["clickhouse"].tail()))
    finally:
        assert set(world.stop().values()) == {0}
