# SPDX-License-Identifier: Apache-2.0
"""What sluice-enrich makes of single events, on real Kafka and Postgres; the test writes the events."""
import json
import os
import subprocess

import confluent_kafka
import confluent_kafka.admin
import pytest

from engagement import BIN, postgres
from wait import wait_for
from world import Events, World

DDL = """
    CREATE TABLE items (a int, b text, kind int, note text, spare int, PRIMARY KEY (a, b));
    ALTER TABLE items REPLICA IDENTITY FULL;
    CREATE TABLE kinds (id int PRIMARY KEY, title text, family int);
    CREATE TABLE families (id int PRIMARY KEY, label text);
    INSERT INTO families VALUES (1, 'first');
    INSERT INTO kinds VALUES (1, 'one', 1), (2, 'two', NULL);
"""
FROM = " FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind LEFT JOIN {s}.families f ON f.id = k.family"
SQL = "SELECT i.a, i.b, i.kind, i.note, k.title, f.label" + FROM
TABLES = ["items", "kinds", "families"]


def _row(a, b="x", kind=1, note="n", **more):
    return {"a": a, "b": b, "kind": kind, "note": note, **more}


@pytest.fixture
def world(stack, tmp_path):
    made = []

    def make(sql=SQL, ddl=DDL, tables=TABLES, key=("a", "b"), start=True, **more):
        it = World(tmp_path, ddl, sql, tables, list(key), **more).start(["enrich"] if start else [])
        made.append(it)
        return it, Events(it)
    yield make
    for it in made:
        it.stop()


@pytest.fixture(scope="module")
def shared(stack, tmp_path_factory):
    """One world for the events that leave the worker alive."""
    it = World(tmp_path_factory.mktemp("events"), DDL, SQL, TABLES, ["a", "b"],
               enrich={"identity": ["kind", "a", "b"]}).start()
    yield it, Events(it)
    codes = it.stop()
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {it.folder}"


def _of(world, count, a):
    """The records of one `a`, when there are as many."""
    def found():
        return [r for r in world.records() if r[0]["a"] == a]
    wait_for(f"{count} records of {a}", 60, lambda: len(found()) >= count or len(found()))
    records = found()
    assert len(records) == count, records
    return records


def _exit(it, *words):
    code, tail = it.exits()
    assert all(word in tail for word in words), tail
    return code


def test_headers_of_each_kind_of_record(shared):
    world, events = shared
    create, move = events.event("c", _row(1)), events.event("u", _row(1, kind=2), _row(1))
    note, delete = events.event("u", _row(1, kind=2, note="m"), _row(1, kind=2)), events.event("d", None, _row(1, kind=2))
    snapshot = events.event("r", _row(1), lsn=None, txId=None, snapshot="incremental")
    sent = [create, move, note, delete, None, snapshot]
    offsets = [events.send(e, {"a": 1, "b": "x"}, partition=1) for e in sent]
    records = _of(world, 5, 1)
    assert [json.loads(r[5]) if r[5] else None for r in records] == [
        {"a": 1, "b": "x", "kind": 1, "note": "n", "title": "one", "label": "first"},
        {"a": 1, "b": "x", "kind": 2, "note": "n", "title": "two", "label": None},
        {"a": 1, "b": "x", "kind": 2, "note": "m", "title": "two", "label": None}, None,
        {"a": 1, "b": "x", "kind": 1, "note": "n", "title": "one", "label": "first"}]
    assert all(r[0] == {"a": 1, "b": "x"} and r[3] == 1 for r in records)
    before = [None, {"kind": 1, "a": 1, "b": "x"}, None, {"kind": 2, "a": 1, "b": "x"}, None]
    for record, event, offset, old in zip(records, sent[:4] + sent[5:], offsets[:4] + offsets[5:], before):
        headers = record[2]
        assert headers["sluice.source"] == f"{world.topic()}/1/{offset}"
        assert headers["sluice.version"] == str(offset)
        assert headers["sluice.op"] == event["op"]
        assert headers["sluice.ts"] == str(event["source"]["ts_ms"])
        assert headers.get("sluice.lsn") == (str(event["source"]["lsn"]) if event["source"]["lsn"] else None)
        assert len(headers["sluice.id"]) == 26
        assert json.loads(headers.get("sluice.before", "null")) == old
    assert len({r[2]["sluice.id"] for r in records}) == 5


def test_every_compression_is_read(shared):
    """What Debezium's producer may be told to use; several records a batch, so that it is used."""
    world, events = shared
    for n, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd")):
        producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "compression.type": codec,
                                             "linger.ms": 50})
        for b in range(20):
            event = events.event("c", _row(60 + n, b=str(b), note=f"{codec} " * 50))
            producer.produce(world.topic(), json.dumps(event), json.dumps({"a": 60 + n, "b": str(b)}), partition=0)
        assert producer.flush(20) == 0
        assert {r[1]["note"] for r in _of(world, 20, 60 + n)} == {f"{codec} " * 50}


def test_a_change_that_comes_again_has_the_same_id(shared):
    """Equality passes the replay mark; a snapshot row is a new change each time."""
    world, events = shared
    event = events.event("c", _row(2))
    row = events.event("r", _row(2))
    for value in (event, event, row, row):
        events.send(value, {"a": 2, "b": "x"})
    ids = [r[2]["sluice.id"] for r in _of(world, 4, 2)]
    assert ids[0] == ids[1] and len(set(ids)) == 3


def test_a_key_that_changes_is_one_row_gone_and_one_new(shared):
    world, events = shared
    events.send(events.event("c", _row(3)), {"a": 3, "b": "x"})
    events.send(events.event("d", None, {"a": 3, "b": "x", "kind": 1, "note": None}), {"a": 3, "b": "x"})
    events.send(None, {"a": 3, "b": "x"})
    events.send(events.event("c", _row(3, b="y")), {"a": 3, "b": "y"}, partition=1)
    records = _of(world, 3, 3)
    assert sorted((r[0]["b"], r[2]["sluice.op"], r[1] is None) for r in records) == [
        ("x", "c", False), ("x", "d", True), ("y", "c", False)]


def test_old_changes_are_dropped_below_the_mark_and_after_a_restart(shared):
    world, events = shared
    old = [events.event("u", _row(4, note=f"old {n}")) for n in range(3)]
    new = events.event("u", _row(4, note="new"))
    no_sequence = events.event("u", _row(4, note="no sequence"), sequence=json.dumps([None, "1"]), lsn=1)
    for event in (old[0], new, old[1], old[2], no_sequence, {**old[0], "op": "r"}):
        events.send(event, {"a": 4, "b": "x"}, partition=1)
    notes = [r[1]["note"] for r in _of(world, 4, 4)]
    assert notes == ["old 0", "new", "no sequence", "old 0"]
    assert world.workers["enrich"].stop() == 0
    for event in (old[2], new):
        events.send(event, {"a": 4, "b": "x"}, partition=1)
    world.workers["enrich"].start()
    assert [r[1]["note"] for r in _of(world, 5, 4)] == [*notes, "new"]


def test_columns_that_the_query_does_not_use_come_and_go(shared):
    world, events = shared
    with postgres() as pg:
        events.send(events.event("c", _row(5, spare=1)), {"a": 5, "b": "x"})
        pg.execute(f"ALTER TABLE {world.schema}.items DROP spare")
        events.send(events.event("u", _row(5)), {"a": 5, "b": "x"})
        pg.execute(f"ALTER TABLE {world.schema}.items ADD fresh text")
        events.send(events.event("u", _row(5, fresh="f")), {"a": 5, "b": "x"})
        events.send(b'{"op":"c","after":{"a":"poison"}}', {"a": 5, "b": "x"})  # the columns are asked for
        events.send(events.event("u", _row(5)), {"a": 5, "b": "x"})
    records = _of(world, 4, 5)
    assert all(r[1].keys() == {"a", "b", "kind", "note", "title", "label"} for r in records)
    assert "sluice.dlq.sink" in world.wait_records(1, world.dlq)[0][2]


@pytest.mark.parametrize("change, after, words", [
    ("DROP note", {"a": 7, "b": "x", "kind": 1}, "was text and is gone"),
    ("RENAME note TO remark", {"a": 7, "b": "x", "kind": 1, "remark": "r"}, "was text and is gone"),
    ("ALTER note TYPE int USING 7", {"a": 7, "b": "x", "kind": 1, "note": 7}, "was text and is integer"),
])
def test_a_used_column_that_changes_is_a_halt(world, change, after, words):
    it, events = world()
    events.send(events.event("c", _row(6)), {"a": 6, "b": "x"})
    it.wait_records(1)
    with postgres() as pg:
        pg.execute(f"INSERT INTO {it.schema}.items VALUES (7, 'x', 1, 'n')")
        pg.execute(f"ALTER TABLE {it.schema}.items {change}")
    event = events.event("u", after)
    offset = events.send(event, {"a": 7, "b": "x"})
    code, tail = it.exits()
    assert code == 4, tail
    assert f"column {it.schema}.items.note {words}" in tail, tail
    assert f"at LSN 0/{event['source']['lsn']:X} ({it.topic()}/0/{offset})" in tail, tail
    assert len(it.records()) == 1
    if "DROP" in change:
        it.workers["enrich"].start()
        code, tail = it.exits()
        assert code == 2 and "note" in tail, (code, tail)


@pytest.mark.parametrize("policy", ["stop", "ignore"])
def test_truncate(world, policy):
    it, events = world(enrich={"on_truncate": policy})
    events.send(events.event("c", _row(8)), {"a": 8, "b": "x"})
    it.wait_records(1)
    offset = events.send(events.event("t"))
    events.send(events.event("c", _row(9)), {"a": 9, "b": "x"})
    if policy == "ignore":
        assert [r[0]["a"] for r in it.wait_records(2)] == [8, 9]
        return
    assert _exit(it, f"was truncated (topic {it.topic()} partition 0 offset {offset})") == 4
    it.workers["enrich"].start()
    assert _exit(it, "was truncated") == 4  # a restart meets it again
    assert len(it.records()) == 1


def test_repair_is_refused_for_now(world):
    it, _ = world(start=False, enrich={"on_truncate": "repair"})
    done = subprocess.run([BIN / "sluice-enrich", "--pipeline", it.pipeline, "--check"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 2 and "on_truncate" in done.stderr and "stop, ignore" in done.stderr, done.stderr


def test_where_and_inner_join_turn_rows_into_deletes(world):
    it, events = world(sql="SELECT i.a, i.b, i.note, k.title FROM {s}.items i JOIN {s}.kinds k ON k.id = i.kind "
                       "WHERE i.note IS DISTINCT FROM 'hide'")
    key = {"a": 10, "b": "x"}
    for event in (events.event("c", _row(10)), events.event("u", _row(10, note="hide"), _row(10)),
                  events.event("u", _row(10, note=None)), events.event("u", _row(10, kind=77)),
                  events.event("u", _row(10, kind=2)), events.event("u", _row(10, kind=None))):
        events.send(event, key)
    records = it.wait_records(6)
    assert [r[1] and r[1]["title"] for r in records] == ["one", None, "one", None, "two", None]
    assert [r[2]["sluice.op"] for r in records] == ["c", "d", "u", "d", "u", "d"]
    assert all(json.loads(r[2]["sluice.before"]) == key for r in records if r[1] is None)


def test_a_position_above_the_end_and_too_few_partitions(world):
    it, _ = world(start=False)
    it.commit("enrich", [(it.topic(), 0, 5), (it.topic(), 1, 0)])
    it.worker("enrich").start()
    assert _exit(it, "holds 0 to 0, and the committed offset is 5", "made again", "sluicectl reset") == 4
    for future in it.admin.create_partitions([confluent_kafka.admin.NewPartitions(it.topic(), 3)]).values():
        future.result(timeout=20)
    it.workers["enrich"].start()
    assert _exit(it, "has 3 partitions and", "only 2") == 2


def test_no_position_is_a_halt_and_never_a_guess(world):
    it, _ = world(offsets=False)
    assert _exit(it, "has no offset for", "sluicectl reset") == 4


@pytest.mark.parametrize("metadata, words", [
    ("v1 0 0 0 2 0", "has 3 partitions, and had 2 when this group committed"),
    ("v1 0 0 0 3 1", "versions would go back"),
])
def test_another_partition_count_or_generation_is_a_halt(world, metadata, words):
    it, _ = world(start=False, partitions=3)
    it.commit("enrich", [(it.topic(), p, 0) for p in range(3)], metadata)
    it.worker("enrich").start()
    assert _exit(it, words) == 4


def test_a_table_joined_to_itself_or_by_an_expression_cannot_be_refreshed(world):
    it, _ = world(start=False, ddl=DDL + "CREATE INDEX ON items (kind); CREATE INDEX ON items (b);")
    it.has_connector = True  # its file; nobody registers it
    for sql, word in (("SELECT i.a, i.b, k.title FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind + 1", "expression"),
                      ("SELECT i.a, i.b, j.note FROM {s}.items i LEFT JOIN {s}.items j ON j.a = i.kind AND j.b = i.b",
                       "joined to itself")):
        (it.folder / "query.sql").write_text(sql.replace("{s}", it.schema))
        for choice, code in (("refresh", 2), ("keep", 0)):
            it.write_pipeline(on_dimension_change=choice)
            done = subprocess.run([BIN / "sluice-enrich", "--pipeline", it.pipeline, "--check"], capture_output=True,
                                  text=True, timeout=30)
            assert done.returncode == code and (code == 0 or word in done.stderr), done.stderr
