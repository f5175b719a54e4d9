# SPDX-License-Identifier: Apache-2.0
"""The inventory mirror under test: one worker, three tables as they stand, and every change of an
order once. Looked at with psycopg, confluent-kafka and clickhouse-connect."""
import datetime
import decimal
import json
import os
import random

import confluent_kafka
import confluent_kafka.admin

from engagement import BIN, ROOT, Program, clickhouse, postgres, run, wal_now
from wait import wait_for

PIPELINE = ROOT / "pipelines/inventory-mirror.yaml"
GROUP = "clickhouse_orders_group"
TABLES = {
    "orders": "id, order_date, purchaser, quantity, product_id, created_at",
    "customers": "id, first_name, last_name, email, created_at",
    "products": "id, name, description, price, created_at",
}
TOPIC = "postgres-server.inventory.{}"


class Mirror:
    def __init__(self, folder, pipeline=PIPELINE, binary="sluice-clickhouse", folder_bin=BIN, env=None):
        self.folder, self.pipeline = folder, pipeline
        self.worker = Program("mirror", [folder_bin / binary, "--pipeline", pipeline], folder, env)
        self.places, self.seen, self.refused = {}, {}, set()
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})

    def start(self):
        self.prepare()
        self.worker.start()
        return self

    def prepare(self):
        run("psql", "-q", "-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres",
            "-d", os.environ["SLUICE_PG_DB"], "-f", ROOT / "sql/postgres/orders.sql")
        run(BIN / "sluicectl", "bootstrap", self.pipeline)
        for table in TABLES:  # a new slot is confirmed before the snapshot's rows are sent
            topic = TOPIC.format(table)
            wait_for(f"the snapshot in {topic}", 120, lambda topic=topic: sum(self.ends(topic).values()) > 0)

    def generate(self, count, seed, rate="0"):
        return Program("generate", [BIN / "sluice-generate", "--pipeline", ROOT / "pipelines/orders.yaml", "--model", "orders",
                                    "--count", count, "--rate", rate, "--update-share", "0.3", "--delete-share", "0.1",
                                    "--contents", 400, "--seed", seed], self.folder).start()

    # --- how far it is ---

    def ends(self, topic):
        parts = self.admin.list_topics(topic, timeout=10).topics[topic].partitions
        asked = {confluent_kafka.TopicPartition(topic, p): confluent_kafka.admin.OffsetSpec.latest() for p in parts}
        futures = self.admin.list_offsets(
            asked, isolation_level=confluent_kafka.IsolationLevel.READ_COMMITTED, request_timeout=10)
        return {tp.partition: f.result().offset for tp, f in futures.items()}

    def committed(self, topic, parts):
        request = confluent_kafka.ConsumerGroupTopicPartitions(
            GROUP, [confluent_kafka.TopicPartition(topic, p) for p in parts])
        result = self.admin.list_consumer_group_offsets([request])[GROUP].result(timeout=10)
        return {tp.partition: tp for tp in result.topic_partitions}

    def behind(self, topic, ends):
        if not self.worker.alive():
            assert self.worker.process.returncode == 3, self.worker.tail()
            self.worker.start()
        at = self.committed(topic, ends)
        return {p: (at[p].offset, end) for p, end in ends.items() if at[p].offset < end} or True

    def captured(self, seconds=90):
        """Everything committed in Postgres stands in Kafka; the topics' ends."""
        with postgres() as pg:
            lsn = wal_now(pg)
            wait_for("the slot", seconds, lambda: pg.execute(
                "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = 'sluice_orders'",
                (lsn,)).fetchone()[0])
        return {TOPIC.format(t): self.ends(TOPIC.format(t)) for t in TABLES}

    def caught_up(self, seconds=90):
        for topic, ends in self.captured(seconds).items():
            wait_for(topic, seconds, lambda: self.behind(topic, ends))

    # --- what must hold ---

    def read(self, topic):
        """Every message of a topic that was not read before."""
        ends, places = self.ends(topic), self.places.setdefault(topic, {})
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": f"look-{random.random()}",
            "enable.partition.eof": True, "enable.auto.commit": False})
        consumer.assign([confluent_kafka.TopicPartition(topic, p, places.get(p, 0)) for p in ends])
        open_parts = set(ends)
        while open_parts:
            message = consumer.poll(20)
            assert message is not None, "the topic does not end"
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                open_parts.discard(message.partition())
            else:
                places[message.partition()] = message.offset() + 1
                yield message
        consumer.close()

    def changes(self):
        """(partition, offset) -> (op, id) of every change of an order in Debezium's topic."""
        for m in self.read(TOPIC.format("orders")):
            if m.value() is not None:
                self.seen[m.partition(), m.offset()] = (json.loads(m.value())["op"], json.loads(m.key())["id"])
        return self.seen

    def letters(self):
        """(topic, partition, offset) of every dead letter; each stands once."""
        found = [tuple(dict(m.headers())[f"__connect.errors.{what}"].decode() for what in ("topic", "partition", "offset"))
                 for m in self.read("inventory-mirror.dlq")]
        assert len(set(found)) == len(found), found
        self.refused |= {(topic, int(partition), int(offset)) for topic, partition, offset in found}
        return set(self.refused)

    def check_tables(self):
        counts = {}
        with clickhouse() as client:
            for table, columns in TABLES.items():
                with postgres() as pg:
                    want = [plain(row) for row in pg.execute(f"SELECT {columns} FROM inventory.{table} ORDER BY id")]
                got = [plain(row) for row in client.query(
                    f"SELECT {columns} FROM inventory.{table}_current ORDER BY id", query_tz="UTC").result_rows]
                differ = [(w, g) for w, g in zip(want, got) if w != g]
                assert got == want, f"{table}: {len(want)} in Postgres, {len(got)} in ClickHouse, first {differ[:2]}"
                counts[table] = len(want)
        return counts

    def check_changes(self):
        """Each change stands in orders_final once, no more and no less, or is a dead letter."""
        refused = self.letters()
        want = {at: change for at, change in self.changes().items() if (TOPIC.format("orders"), *at) not in refused}
        with clickhouse() as client:
            rows = client.query("SELECT _partition, _offset, operation_type, order_id FROM inventory.orders_final"
                                " WHERE _topic = 'postgres-server.inventory.orders'").result_rows
        got = {(p, o): (op, number) for p, o, op, number in rows}
        missing, extra = set(want) - set(got), set(got) - set(want)
        assert len(rows) == len(want), f"{len(rows)} rows, {len(want)} changes; missing {sorted(missing)[:5]}, extra {sorted(extra)[:5]}"
        assert got == want
        return len(rows)

    def check(self, seconds=90):
        self.caught_up(seconds)
        return self.check_tables(), self.check_changes()


def plain(row):
    return tuple(v.replace(tzinfo=None) if isinstance(v, datetime.datetime) else decimal.Decimal(v).normalize()
                 if isinstance(v, decimal.Decimal) else v for v in row)
