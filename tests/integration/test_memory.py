# SPDX-License-Identifier: Apache-2.0
"""memory_max holds: a backlog of large records and more dimension rows than the cache may keep, through
the real enrich, whose peak (VmHWM) stays below the budget."""
import json
import os
import random

import confluent_kafka

from engagement import postgres
from wait import wait_for
from world import Events, World

BUDGET, RECORDS, KINDS = 64 << 20, 40_000, 20_000
DDL = """
    CREATE TABLE items (a int PRIMARY KEY, kind int, note text);
    CREATE TABLE kinds (id int PRIMARY KEY, title text);
    INSERT INTO kinds SELECT n, repeat(md5(n::text), 40) FROM generate_series(1, 20000) n;
"""
SQL = "SELECT i.a, i.note, k.title FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"


def peak(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


def test_a_backlog_through_a_small_worker(stack, tmp_path):
    it = World(tmp_path, DDL, SQL, ["items", "kinds"], ["a"])
    conf = json.loads(it.pipeline.read_text())
    conf["memory_max"] = BUDGET
    it.pipeline.write_text(json.dumps(conf))
    it.start([])
    events, dice = Events(it), random.Random(7)
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "compression.type": "lz4",
                                         "queue.buffering.max.messages": 2 * RECORDS})
    words = [dice.randbytes(dice.randint(1, 6)).hex() for _ in range(3000)]  # as compressible as prose
    for a in range(RECORDS):
        event = events.event("c", {"a": a, "kind": dice.randint(1, KINDS), "note": " ".join(dice.choices(words, k=240))})
        producer.produce(it.topic(), json.dumps(event), json.dumps({"a": a}), partition=a % 2)
    assert producer.flush(60) == 0
    try:
        enrich = it.worker("enrich").start()
        ends = {(it.topic(), p): RECORDS // 2 for p in range(2)}

        def passed():
            request = confluent_kafka.ConsumerGroupTopicPartitions(
                f"{it.name}.enrich", [confluent_kafka.TopicPartition(*place) for place in ends])
            parts = it.admin.list_consumer_group_offsets([request])[f"{it.name}.enrich"].result(20).topic_partitions
            return all(p.offset == ends[p.topic, p.partition] for p in parts) or [p.offset for p in parts]
        wait_for("all records", 180, passed)
        high = peak(enrich.process)
        print(f"peak {high >> 20} MB of {BUDGET >> 20}")
        assert high < BUDGET, f"peak {high >> 20} MB"
        assert enrich.stop() == 0
        assert enrich.log.read_text().count("level=error") == 0
    finally:
        it.stop()
    with postgres() as pg:
        assert not pg.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (it.schema,)).fetchall()
