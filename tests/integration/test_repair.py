# SPDX-License-Identifier: Apache-2.0
"""sluicectl verify --repair: changes that Debezium never saw, rows that ClickHouse lost, records in the wrong order."""
import json
import os
import signal
import subprocess
import threading
import time

import confluent_kafka
import pytest

from engagement import BIN, clickhouse, postgres
from wait import wait_for, wait_until
from world import World

ROWS = 300
DDL = f"""
    CREATE TABLE items (id int, part text, name text, at timestamptz, PRIMARY KEY (id, part));
    ALTER TABLE items REPLICA IDENTITY FULL;
    INSERT INTO items SELECT n, 'a''b' || n % 3, 'item ' || n, to_timestamp(n * 1000.5) FROM generate_series(1, {ROWS}) n;
"""
SQL = "SELECT i.id, i.part, i.name, i.at FROM {s}.items i"
TABLE = """CREATE DATABASE IF NOT EXISTS {s};
CREATE TABLE IF NOT EXISTS {s}.rows (id Int32, part String, name Nullable(String), at DateTime64(6, 'UTC'), _version UInt64,
    _deleted UInt8) ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (at, id, part);
"""


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    it = World(tmp_path_factory.mktemp("repair"), DDL, SQL, ["items"], ["id", "part"], connector=True, clickhouse_ddl=TABLE,
               enrich={"identity": ["at", "id", "part"]}).start(["enrich", "clickhouse"])
    wait_for("ClickHouse's worker", 60, lambda: len(it.members("clickhouse")) == 1)
    code, out = it.sluicectl("verify", "--settle", "30s")
    assert code == 0 and f"{ROWS} equal" in out, out
    yield it
    codes = it.stop()
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {it.folder}"


def unseen(world, *statements):
    """The statements are done while the table is in no publication: their changes are sent to nobody."""
    with postgres() as pg:
        pg.execute(f"SET search_path TO {world.schema}")
        pg.execute(f"ALTER PUBLICATION {world.name} SET TABLE heartbeat, signals")
        for statement in statements:
            pg.execute(statement)
        pg.execute(f"ALTER PUBLICATION {world.name} SET TABLES IN SCHEMA {world.schema}")


def same(world):
    """Asked of both by their own clients: every row, and each at one place."""
    with postgres() as pg:
        want = pg.execute(f"SELECT id, part, name, extract(epoch FROM at)::numeric FROM {world.schema}.items ORDER BY 1, 2").fetchall()
    got = clickhouse().query("SELECT id, part, name, toDecimal64(at, 6) FROM {s}.rows FINAL WHERE NOT _deleted ORDER BY 1, 2".replace(
        "{s}", world.schema)).result_rows
    assert [tuple(r) for r in got] == want
    last = {}
    for record in world.records():
        last[tuple(sorted(record[0].items()))] = record[1]
    assert sorted((r["id"], r["part"], r["name"]) for r in last.values() if r) == [r[:3] for r in want]


def repaired(out):
    return [line for line in out.splitlines() if line.startswith("repair ")]


def test_what_nobody_saw_is_repaired(world):
    unseen(world, "DELETE FROM items WHERE id = 21", "UPDATE items SET name = 'E''\\ é' WHERE id = 22",
           "INSERT INTO items VALUES (700, 'new', NULL, '2026-01-02')", "UPDATE items SET at = at + interval '1 day' WHERE id = 24")
    clickhouse().command(f"ALTER TABLE {world.schema}.rows DELETE WHERE id = 23 SETTINGS mutations_sync = 2")
    code, out = world.sluicectl("verify", "--settle", "2s")
    assert code == 1, out
    assert f"{world.enriched}: 297 equal, 2 differ, 1 missing, 1 extra, 0 excused" in out
    assert f"{world.schema}.rows: 296 equal, 2 differ, 2 missing, 1 extra, 0 excused" in out
    code, out = world.sluicectl("verify", "--repair", "--settle", "2s")
    assert code == 0 and '  [21,"a\'b0"] is extra: deleted' in out.splitlines(), out
    assert repaired(out) == ["repair      3 asked of Debezium again, 1 extra deleted, 1 sent to clickhouse again, 0 put behind older ones",
                             "repair      0 asked of Debezium again, 0 extra deleted, 1 sent to clickhouse again, 0 put behind older ones"]
    same(world)
    gone = [r for r in world.records() if r[0]["id"] == 21]
    assert gone[-1][1] is None and gone[-1][2]["sluice.op"] == "d" and gone[-1][2]["sluice.replay"] == "1"
    assert int(gone[-1][2]["sluice.version"]) >= int(gone[-2][2]["sluice.version"]) and gone[-1][2]["sluice.id"] != gone[-2][2]["sluice.id"]
    assert json.loads(gone[-1][2]["sluice.before"]) == {k: gone[-2][1][k] for k in ("at", "id", "part")}
    code, out = world.sluicectl("verify", "--repair")
    assert code == 0 and not repaired(out), out


def test_a_row_at_two_places_is_said_and_repaired(world):
    place = f"INSERT INTO {world.schema}.rows SELECT id, part, name, at + toIntervalDay(%d), _version, 0 FROM {world.schema}.rows FINAL WHERE id = 40"
    for days in (-7, 7):
        clickhouse().command(place % days)
    code, out = world.sluicectl("verify", "--settle", "1s")
    assert code == 1 and "stands at several places in clickhouse" in out and "1 differ" in out, out
    code, out = world.sluicectl("verify", "--repair", "--settle", "2s")
    assert code == 0 and "1 sent to clickhouse again" in out, out
    same(world)


def test_an_older_record_behind_a_newer_one_is_put_right(world):
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})
    newest = [r for r in world.records() if r[0]["id"] == 22][-1]
    older = [r for r in world.records() if r[0]["id"] == 22][0]
    assert int(older[2]["sluice.version"]) < int(newest[2]["sluice.version"])
    producer.produce(world.enriched, older[5], key=json.dumps(newest[0], separators=(",", ":")), partition=newest[3], headers=older[2])
    assert producer.flush(20) == 0
    code, out = world.sluicectl("verify", "--settle", "2s")
    assert code == 0 and "topic       an older record stands behind the newest of 1 key, and" in out, out
    code, out = world.sluicectl("verify", "--repair", "--settle", "2s")
    assert code == 0 and len(repaired(out)) == 1 and "1 put behind older ones" in out, out
    assert [r for r in world.records() if r[0]["id"] == 22][-1][1] == newest[1]
    same(world)


def test_extra_rows_that_come_back_meanwhile_stay(world):
    """Between two looks at Postgres and at the topic: what is deleted is not there, and what is there stays."""
    unseen(world, "DELETE FROM items WHERE id BETWEEN 100 AND 250")
    written = []

    def write():
        with postgres() as pg:
            pg.execute(f"SET search_path TO {world.schema}")
            for key in range(100, 251):
                pg.execute("INSERT INTO items VALUES (%s, 'a''b' || %s %% 3, 'back', now())", (key, key))
                written.append(key)
                time.sleep(0.04)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while writer.is_alive():
            code, out = world.sluicectl("verify", "--repair", "--settle", "0")
            assert code in (0, 1), out
    finally:
        writer.join()
    assert len(written) == 151
    code, out = world.sluicectl("verify", "--settle", "10s")
    assert code == 0, out
    same(world)


def test_more_extra_rows_than_it_may_delete_stay(world):
    unseen(world, "DELETE FROM items WHERE id BETWEEN 60 AND 64", "UPDATE items SET name = 'sixty-five' WHERE id = 65")
    code, out = world.sluicectl("verify", "--repair", "--settle", "0", "--delete-max", "4")
    assert code == 1 and "none of 5 extra rows is deleted" in out and "5 extra," in out and "0 differ" in out, out
    code, out = world.sluicectl("verify", "--repair", "--settle", "0", "--delete-max", "5")
    assert code == 0 and "5 extra deleted" in out, out
    same(world)


def test_many_are_asked_for_as_a_table(world):
    unseen(world, "INSERT INTO items SELECT n, 'm', 'many', '2026-01-01' FROM generate_series(10001, 15500) n")
    code, out = world.sluicectl("verify", "--repair", "--settle", "0")
    assert code == 0 and "5500 asked of Debezium again" in out, out
    with postgres() as pg:
        data = [json.loads(d) for d, in pg.execute(f"SELECT data FROM {world.schema}.signals WHERE id LIKE 'sluicectl verify/%%'").fetchall()]
    assert sum(d["additional-conditions"][0]["filter"] == "(true)" for d in data) == 1
    same(world)


def test_a_repair_that_is_killed_goes_on(world):
    unseen(world, "DELETE FROM items WHERE id > 40 AND id <= 300")
    before = sum(world.records_end(world.enriched))
    process = subprocess.Popen([BIN / "sluicectl", "verify", world.pipeline, "--repair", "--settle", "1s"], stdout=subprocess.DEVNULL)
    wait_until("it has begun to send", lambda: sum(world.records_end(world.enriched)) > before or process.poll() is not None, every=0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    code, out = world.sluicectl("verify", "--repair", "--settle", "2s")
    assert code == 0, out
    same(world)


def test_without_a_signal_table_it_says_so(world):
    unseen(world, "UPDATE items SET name = 'unheard' WHERE id = 30", "DELETE FROM items WHERE id = 31")
    connector = world.folder / "connector.json"
    whole = connector.read_text()
    config = json.loads(whole)
    del config["config"]["signal.data.collection"]
    connector.write_text(json.dumps(config))
    try:
        code, out = world.sluicectl("verify", "--repair", "--settle", "1s")
    finally:
        connector.write_text(whole)
    assert code == 1 and "1 extra deleted" in out and "no signal.data.collection" in out and "1 differ" in out, out
    code, out = world.sluicectl("verify", "--repair", "--settle", "2s")
    assert code == 0, out
    same(world)
