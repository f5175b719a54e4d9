# SPDX-License-Identifier: Apache-2.0
"""sluicectl lint against what really runs: each thing that cannot be exact is refused with what mends
it, by lint and by the worker that would suffer; mended again, nothing is refused."""
import json
import os
import subprocess

import confluent_kafka.admin
import httpx
import pytest

from engagement import BIN, clickhouse, postgres, run
from wait import wait_for
from world import World

DDL = """
    CREATE TABLE items (id int PRIMARY KEY, kind int);
    ALTER TABLE items REPLICA IDENTITY FULL;
    CREATE INDEX items_kind ON items (kind);
    CREATE TABLE kinds (id int PRIMARY KEY, title text);
"""
SQL = "SELECT i.id, i.kind, k.title FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"
TABLE = """CREATE DATABASE IF NOT EXISTS {s};
CREATE TABLE IF NOT EXISTS {s}.rows (id Int32, kind Nullable(Int32), title Nullable(String), _version UInt64, _deleted UInt8)
ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id;
"""


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    it = World(tmp_path_factory.mktemp("lint"), DDL, SQL, ["items", "kinds"], ["id"], connector=True,
               clickhouse_ddl=TABLE).start([])
    yield it
    it.stop()


def check(world, worker):
    done = subprocess.run([BIN / f"sluice-{worker}", "--pipeline", world.pipeline, "--check"], capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stderr


def refused(world, worker, *words):
    code, out = world.sluicectl("lint")
    lines = [line for line in out.splitlines() if ": refused: " in line]
    assert code == 1 and len(lines) == 1 and all(word in lines[0] for word in words), out
    if worker:
        code, why = check(world, worker)
        assert code == 2 and all(word in why for word in words), why


def clean(world):
    code, out = world.sluicectl("lint")
    assert code == 0 and "refused" not in out, out
    return out


def test_what_bootstrap_made_is_good(world):
    clean(world)
    assert check(world, "enrich")[0] == 0 and check(world, "clickhouse")[0] == 0


@pytest.mark.parametrize("which,setting,value,words", [
    ("source", "cleanup.policy", "compact", ["--add-config cleanup.policy=delete"]),
    ("enriched", "min.compaction.lag.ms", "0", ["less than sink_outage_max", "--add-config min.compaction.lag.ms=604800000"]),
    ("enriched", "delete.retention.ms", "86400000", ["--add-config delete.retention.ms=604800000"]),
])
def test_settings_of_topics(world, which, setting, value, words):
    topic = world.topic() if which == "source" else world.enriched

    def alter(operation):
        resource = confluent_kafka.admin.ConfigResource(confluent_kafka.admin.ConfigResource.Type.TOPIC, topic)
        resource.add_incremental_config(confluent_kafka.admin.ConfigEntry(
            setting, operation, incremental_operation=confluent_kafka.admin.AlterConfigOpType.SET))
        for future in world.admin.incremental_alter_configs([resource]).values():
            future.result(20)

    before = {"cleanup.policy": "delete"}.get(setting, "604800000")
    alter(value)
    try:
        wait_for("the setting", 20, lambda: world.sluicectl("lint")[0] == 1)
        refused(world, "enrich", topic, *words)
    finally:
        alter(before)


def test_the_publication_and_the_index(world):
    with postgres() as pg:
        def change(there, back, *words):
            pg.execute(there.format(s=world.schema, p=world.name))
            try:
                refused(world, "enrich", *words)
            finally:
                pg.execute(back.format(s=world.schema, p=world.name))
        change("ALTER PUBLICATION {p} SET (publish = 'insert, update')",
               "ALTER PUBLICATION {p} SET (publish = 'insert, update, delete, truncate')",
               "does not send delete, truncate: ALTER PUBLICATION")
        change("ALTER PUBLICATION {p} SET TABLE {s}.items, {s}.signals, {s}.heartbeat",
               "ALTER PUBLICATION {p} SET TABLES IN SCHEMA {s}", f"ADD TABLE \"{world.schema}\".\"kinds\"")
        change("ALTER PUBLICATION {p} SET TABLE {s}.kinds, {s}.signals, {s}.heartbeat, {s}.items WHERE (id > 5)",
               "ALTER PUBLICATION {p} SET TABLES IN SCHEMA {s}", f"some rows of {world.schema}.items only")
        # What the connector does not capture may be sent in part.
        pg.execute(f"CREATE TABLE {world.schema}.others (id int PRIMARY KEY)")
        pg.execute(f"ALTER PUBLICATION {world.name} SET TABLE {world.schema}.items, {world.schema}.kinds, "
                   f"{world.schema}.signals, {world.schema}.heartbeat, {world.schema}.others WHERE (id > 5)")
        clean(world)
        assert check(world, "enrich")[0] == 0
        pg.execute(f"DROP TABLE {world.schema}.others")
        pg.execute(f"ALTER PUBLICATION {world.name} SET TABLES IN SCHEMA {world.schema}")
        change("DROP INDEX {s}.items_kind", "CREATE INDEX items_kind ON {s}.items (kind)",
               f"CREATE INDEX ON {world.schema}.items (kind)")
    clean(world)


@pytest.mark.parametrize("engine,words", [
    ("ReplacingMergeTree(_version, _deleted) ORDER BY (id, title)", ["ordered by (id, title)", "ORDER BY (id)"]),
    ("ReplacingMergeTree(_version, _deleted) PARTITION BY kind ORDER BY id",
     ["PARTITION BY kind, and kind does not place a row"]),
    ("ReplacingMergeTree(_version) ORDER BY id", ["ENGINE = ReplacingMergeTree(_version, _deleted)"]),
    ("MergeTree ORDER BY id", ["keeps older states of a row"]),
    ("ReplacingMergeTree(_version, _deleted) PARTITION BY intDiv(id, 1000) ORDER BY id", None),
    ("ReplacingMergeTree(_version, _deleted) ORDER BY (id)", None),
])
def test_tables_of_clickhouse(world, engine, words):
    client = clickhouse()

    def make(engine):
        client.command(f"DROP TABLE {world.schema}.rows")
        client.command(f"CREATE TABLE {world.schema}.rows (id Int32, kind Int32, title String, _version UInt64, "
                       f"_deleted UInt8) ENGINE = {engine}")
    make(engine)
    try:
        if words:
            refused(world, "clickhouse", f"{world.schema}.rows", *words)
        else:
            clean(world)
    finally:
        make("ReplacingMergeTree(_version, _deleted) ORDER BY id")


def test_a_slot_may_stand_as_long_as_the_heartbeat_is_slow(world):
    file = world.folder / "connector.json"
    good = file.read_text()
    file.write_text(good.replace('"heartbeat.interval.ms": "1000"', '"heartbeat.interval.ms": "9000"'))
    try:
        run(BIN / "sluicectl", "bootstrap", world.pipeline)
        for _ in range(2):
            assert '"heartbeat.interval.ms": "1000" is wanted' in clean(world)
    finally:
        file.write_text(good)
        run(BIN / "sluicectl", "bootstrap", world.pipeline)
    wait_for("a clean lint", 60, lambda: world.sluicectl("lint")[0] == 0, every=1)


def test_the_connector_as_connect_holds_it(world):
    """The file is good; what was registered is not. It also loses its heartbeat, so the slot stands."""
    url = f"{os.environ['SLUICE_CONNECT']}/connectors/{world.name}/config"
    good = httpx.get(url, timeout=20).json()
    bad = {**good, "skipped.operations": "d", "heartbeat.interval.ms": "0"}
    bad.pop("heartbeat.action.query")
    httpx.put(url, json=bad, timeout=60).raise_for_status()
    try:
        wait_for("the lint", 60, lambda: "for 5 s" in world.sluicectl("lint")[1], every=1)
        code, out = world.sluicectl("lint")
        assert code == 1 and "as Connect holds it: \"skipped.operations\": \"none\" is wanted: changes are not sent" in out, out
        assert "Connect holds" in out and "with other settings: " in out and "heartbeat.action.query" in out
        assert "offset.flush.interval.ms=1000 in Connect's own properties" in out
        code, why = check(world, "enrich")
        assert code == 2 and "as Connect holds it" in why, why
    finally:
        httpx.put(url, json=good, timeout=60).raise_for_status()
    wait_for("a clean lint", 60, lambda: world.sluicectl("lint")[0] == 0, every=1)
    conf = json.loads(world.pipeline.read_text())
    conf["kafka"]["connect"] = "http://127.0.0.1:1"
    world.pipeline.write_text(json.dumps(conf))
    code, out = world.sluicectl("lint")
    assert code == 3 and "connector's settings" in out, out
    assert check(world, "enrich")[0] == 0  # the stream does not need Connect to start
    world.write_pipeline()
