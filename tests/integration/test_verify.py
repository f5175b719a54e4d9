# SPDX-License-Identifier: Apache-2.0
"""sluicectl verify finds what was planted and nothing else; sluicectl reset mends what exit 4 named."""
import json
import os

import confluent_kafka
import confluent_kafka.admin
import pytest

from engagement import clickhouse, postgres
from wait import wait_for
from world import World

DDL = """
    CREATE TABLE items (id int PRIMARY KEY, kind int, other int, name text, weight numeric(8,3), at timestamptz, tags text[],
                        doc jsonb, half real);
    CREATE TABLE kinds (id int PRIMARY KEY, title text, per int, family int);
    CREATE TABLE families (id int PRIMARY KEY, label text);
    CREATE INDEX ON items (kind);
    CREATE INDEX ON items (other);
    INSERT INTO families VALUES (1, 'first'), (2, 'second');
    INSERT INTO kinds VALUES (1, 'one', 1, 1), (2, 'two', 2, NULL), (3, 'three', 0, 2);
    INSERT INTO items SELECT n, 1 + n % 2, n % 4, 'item ' || n, n / 7.0, to_timestamp(n * 1000.5), ARRAY['a', n::text, NULL],
        jsonb_build_object('n', n), n / 3.0 FROM generate_series(1, 500) n;
"""
SQL = """SELECT i.id, i.kind, i.name, i.weight, i.at, i.tags, i.doc, i.half, k.title, 100 / k.per AS share, o.title AS other, f.label
FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind LEFT JOIN {s}.kinds o ON o.id = i.other
LEFT JOIN {s}.families f ON f.id = k.family"""
TABLE = """CREATE DATABASE IF NOT EXISTS {s};
CREATE TABLE IF NOT EXISTS {s}.rows (id Int32, kind Nullable(Int32), name Nullable(String), weight Nullable(Decimal(8, 3)),
    at Nullable(DateTime64(6, 'UTC')), tags Array(Nullable(String)), doc Nullable(String), half Nullable(Float32),
    title Nullable(String), share Nullable(Int32), other Nullable(String), label Nullable(String), _version UInt64, _deleted UInt8)
ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id;
"""


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    it = World(tmp_path_factory.mktemp("verify"), DDL, SQL, ["items", "kinds", "families"], ["id"], connector=True,
               clickhouse_ddl=TABLE).start(["enrich", "clickhouse"])
    yield it
    codes = it.stop()
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {it.folder}"


@pytest.fixture
def pg(world):
    with postgres() as connection:
        connection.execute(f"SET search_path TO {world.schema}")
        yield connection


def _clean(world, topic, rows=None):
    """topic, rows: (equal, excused); or one number for both sides."""
    wait_for("ClickHouse's worker", 60, lambda: len(world.members("clickhouse")) == 1)
    code, out = world.sluicectl("verify", "--settle", "20s" if rows is None else "0")
    assert code == 0, out
    topic, rows = (topic, rows) if rows else ((topic, 0), (topic, 0))
    assert out.splitlines() == [
        f"{name} {place}: {equal} equal, 0 differ, 0 missing, 0 extra, {excused} excused" for name, place, (equal, excused) in
        (("topic      ", world.enriched, topic), ("clickhouse ", f"{world.schema}.rows", rows))], out


def _still(world):
    """Facts that were asked for again may still come, with what they said before: until three seconds bring none."""
    seen = []

    def same():
        seen.append(sum(world.records_end(world.enriched)))
        return len(seen) > 6 and len(set(seen[-6:])) == 1
    wait_for("the end of all refreshes", 120, same, every=0.5)


def _plant(world, statement):
    clickhouse().command(statement.replace("{s}", world.schema))


def _raw(world, key, value, version, offset):
    """A record of the enriched topic that enrich did not write."""
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})
    here = [r for r in world.records() if r[0] == {"id": key}][-1]
    producer.produce(world.enriched, value, key=json.dumps({"id": key}).replace(" ", ""), partition=here[3], headers={
        **here[2], "sluice.version": str(version), "sluice.source": f"{world.topic()}/{here[3]}/{offset}"})
    assert producer.flush(20) == 0
    return here


def test_clean_after_the_snapshot(world):
    _clean(world, 500)


def test_clean_after_changes_of_rows_and_dimensions(world, pg):
    pg.execute("UPDATE items SET weight = weight + 0.001, tags = '{}', half = 'NaN' WHERE id % 3 = 0")
    pg.execute("DELETE FROM items WHERE id > 490")
    pg.execute("UPDATE items SET doc = NULL, name = E'tab\\t \"quote\" \\\\ é 𝄞', at = '1970-01-01' WHERE id < 5")
    pg.execute("UPDATE kinds SET title = 'zwei' WHERE id = 2")
    _clean(world, 490)


def test_dimensions_joined_twice_and_through_others(world, pg):
    """kinds is joined as k and o, families through k; each change reaches every fact."""
    pg.execute("UPDATE kinds SET title = 'drei' WHERE id = 3")
    _clean(world, 490)
    pg.execute("UPDATE families SET label = 'the first' WHERE id = 1")
    pg.execute("UPDATE kinds SET family = 2 WHERE id = 2")
    pg.execute("INSERT INTO families VALUES (9, 'late')")
    _clean(world, 490)
    pg.execute("TRUNCATE families")
    _clean(world, 490)


def test_clean_while_writes_go_on(world, pg):
    """Rows change between the readings; that is no difference."""
    import threading
    stop = threading.Event()

    def write():
        with postgres() as other:
            other.execute(f"SET search_path TO {world.schema}")
            n = 0
            while not stop.wait(0.02):
                n += 1
                other.execute("UPDATE items SET weight = %s WHERE id = %s", (n, 1 + n % 490))
                other.execute("UPDATE kinds SET title = %s WHERE id = 1", (f"one {n // 50}",))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        code, out = world.sluicectl("verify", "--settle", "30s")
    finally:
        stop.set()
        writer.join()
    assert code == 0, out
    _clean(world, 490)


def test_planted_differences_in_clickhouse_are_named(world):
    _still(world)
    copy = ("INSERT INTO {s}.rows SELECT id%s, kind, %s, weight + %s, at, tags, doc, half, title, share, other, label, _version + 1, %s "
            "FROM {s}.rows FINAL WHERE id = %s")
    _plant(world, copy % ("", "name", "0.001", 0, 7))      # a value changed
    _plant(world, copy % ("", "name", "0", 1, 8))          # a row gone
    _plant(world, copy % ("+ 100000", "name", "0", 0, 9))  # a row too many
    code, out = world.sluicectl("verify", "--settle", "0", "--count", "2")
    assert code == 1, out
    lines = out.splitlines()
    assert lines[0].endswith(": 490 equal, 0 differ, 0 missing, 0 extra, 0 excused")
    assert lines[1].endswith(": 488 equal, 1 differ, 1 missing, 1 extra, 0 excused")
    assert "  [7] differs in clickhouse: weight" in lines
    assert "  [8] is missing in clickhouse" in lines
    evidence = lines[lines.index("  [7] differs in clickhouse: weight") + 1:]
    assert evidence[0].startswith('    postgres   {"id":7,"kind":2,')
    assert evidence[1].startswith('    topic      {"id":7,"kind":2,') and f"({world.enriched}/" in evidence[1]
    assert evidence[2].startswith('    clickhouse {"id":7,"kind":2,') and evidence[2] != evidence[0]
    assert lines[-1] == "  and 1 key more"
    for row in (7, 8, 100009):
        _plant(world, f"INSERT INTO {{s}}.rows SELECT id, kind, name, if(id = 7, weight - 0.001, weight), at, tags, doc, half,"
                      f" title, share, other, label, _version + 1, id > 1000 FROM (SELECT * FROM {{s}}.rows WHERE id = {row}"
                      " ORDER BY _version DESC LIMIT 1)")
    _clean(world, 490)


def test_planted_differences_in_the_topic_are_named(world, pg):
    """A tombstone that never came, a record that is not what the query says, a row lost."""
    _still(world)
    here = {key: [r for r in world.records() if r[0] == {"id": key}][-1] for key in (11, 12, 495)}
    version = {key: int(r[2]["sluice.version"]) + (key == 495) for key, r in here.items()}  # of one version its tombstone wins
    row = here[12][5].replace(json.dumps(here[12][1]["name"]).encode(), b'"another"').replace(b'"share":', b'"share":1')
    for key, value in ((11, None), (12, row), (495, row.replace(b'"id":12', b'"id":495'))):
        _raw(world, key, value, version[key], version[key])
    code, out = world.sluicectl("verify", "--settle", "0")
    assert code == 1, out
    assert f"clickhouse  {world.schema}.rows: 490 equal, 0 differ" in out  # its fence drops what is not newer
    assert f"topic       {world.enriched}: 488 equal, 1 differ, 1 missing, 1 extra, 0 excused" in out
    assert "  [11] is missing in topic" in out
    assert "  [12] differs in topic: name, share" in out
    assert "  [495] is extra in topic" in out
    pg.execute("UPDATE items SET weight = 1 WHERE id IN (11, 12)")
    pg.execute("INSERT INTO items (id) VALUES (495)")
    pg.execute("DELETE FROM items WHERE id = 495")
    _clean(world, 490)


def test_dead_letters_are_excused(world, pg):
    """600: the query raises 100 / 0; 601: ClickHouse's array takes no NULL."""
    pg.execute("INSERT INTO items (id, kind, tags) VALUES (600, 3, '{}'), (601, 1, NULL), (602, 1, '{}')")
    _clean(world, (492, 1), (491, 2))
    pg.execute("DELETE FROM items WHERE id IN (600, 601)")
    _clean(world, 491)


def test_a_worker_that_stands_still_is_not_now(world, pg):
    world.workers["enrich"].stop()
    pg.execute("UPDATE items SET weight = 2 WHERE id = 1")
    code, out = world.sluicectl("verify", "--timeout", "2s")
    assert code == 3 and "enrich is not complete up to" in out, out
    world.workers["enrich"].start()
    _clean(world, 491)


def test_reset_after_offsets_expired(world, pg):
    """The records at enrich's position are gone: exit 4, reset, and the rest is read."""
    enrich = world.workers["enrich"]
    code, out = world.sluicectl("reset", "enrich", "--to", "earliest", "--timeout", "500ms")
    assert code == 3 and "has 1 member" in out, out
    assert enrich.stop() == 0
    before = sum(_ends(world))
    pg.execute("UPDATE items SET weight = 3")
    pg.execute("UPDATE items SET weight = 4")
    wait_for("the updates", 60, lambda: sum(_ends(world)) >= before + 982 or _ends(world))
    ends = [confluent_kafka.TopicPartition(world.topic(), p, end - 50) for p, end in enumerate(_ends(world))]
    for future in world.admin.delete_records(ends).values():
        future.result(timeout=20)
    enrich.start()
    code, tail = world.exits()
    assert code == 4 and "sluicectl reset" in tail, (code, tail)
    code, out = world.sluicectl("reset", "enrich", "--to", "earliest")
    assert code == 0, out
    for part in ends:
        assert f" {world.topic()}/{part.partition}: " in out and f"-> {part.offset} (holds {part.offset} to " in out, out
    assert f"{world.topic('kinds')}/0: " in out and " kept " in out
    enrich.start()
    pg.execute("UPDATE items SET weight = 5")
    _clean(world, 491)


def test_reset_after_the_partition_count_changed(world, pg):
    """Keys move: old versions must not win, so the generation has to go up first."""
    enrich, sink = world.workers["enrich"], world.workers["clickhouse"]
    for future in world.admin.create_partitions([
            confluent_kafka.admin.NewPartitions(world.topic(), 3),
            confluent_kafka.admin.NewPartitions(world.enriched, 3)]).values():
        future.result(timeout=20)
    pg.execute("UPDATE items SET weight = 6")
    enrich.stop()
    sink.stop()
    enrich.start()
    code, tail = world.exits()
    assert code == 4 and ("partition new" in tail or "had 2 when" in tail), (code, tail)
    code, out = world.sluicectl("reset", "enrich", "--to", "earliest")
    assert code == 2 and "has 3 partitions, and had 2" in out and "generation" in out, out
    world.write_pipeline(generation=1, partitions=3)
    code, out = world.sluicectl("reset", "enrich", "--to", "earliest")
    assert code == 2, out
    code, out = world.sluicectl("reset", "enrich", "--to", "999999999")
    assert code == 0, out
    code, out = world.sluicectl("reset", "clickhouse", "--to", "earliest")
    assert code == 0, out
    enrich.start()
    sink.start()
    pg.execute("INSERT INTO signals VALUES ('again', 'execute-snapshot', %s)", (json.dumps(
        {"data-collections": [f"{world.schema}.items"], "type": "INCREMENTAL"}),))
    pg.execute("DELETE FROM items WHERE id = 602")
    _clean(world, 490)


def _ends(world):
    parts = {confluent_kafka.TopicPartition(world.topic(), p): confluent_kafka.admin.OffsetSpec.latest()
             for p in range(world.partitions)}
    return [f.result(timeout=20).offset for f in world.admin.list_offsets(parts, request_timeout=20).values()]
