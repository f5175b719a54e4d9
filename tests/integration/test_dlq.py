# SPDX-License-Identifier: Apache-2.0
"""sluicectl dlq: dead letters are listed and shown."""
import json
import os
import subprocess
import time

import confluent_kafka
import pytest

from engagement import BIN, wait_for
from world import Events, World

DDL = """
    CREATE TABLE items (id int PRIMARY KEY, kind int, note text);
    CREATE TABLE kinds (id int PRIMARY KEY, per int);
    INSERT INTO kinds VALUES (1, 1), (2, 0);
"""
SQL = "SELECT i.id, i.kind, i.note, 100 / k.per AS share FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"


def dlq(world, what, *more, timeout=120):
    """(exit code, lines on standard output and error)"""
    done = subprocess.run([str(a) for a in (BIN / "sluicectl", "dlq", what, world.pipeline, *more)], capture_output=True,
                          text=True, timeout=timeout)
    return done.returncode, (done.stdout + done.stderr).splitlines()


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
    events.send(b'{"op":"c",\x1b[31m', {"id": 2})
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
    assert code == 0 and 'key: {"id": 2}' in lines and 'value: {"op":"c",?[31m' in lines, lines
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
