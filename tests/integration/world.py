# SPDX-License-Identifier: Apache-2.0
"""Small pipelines of a test's own: a schema, a query, topics, and workers, all under a fresh name.

With `connector` Debezium carries the schema's tables; without it the test writes the
change events itself (Events), and nothing but enrich, Kafka and Postgres takes part."""
import json
import os
import uuid

import confluent_kafka
import confluent_kafka.admin
import httpx

from engagement import BIN, Program, clickhouse, postgres, run
from wait import wait_for

CONNECTOR = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
    "database.hostname": os.environ["SLUICE_CDC_HOST"], "database.port": os.environ["SLUICE_CDC_PORT"],
    "database.dbname": os.environ["SLUICE_PG_DB"], "database.user": "postgres", "database.password": "-",
    "plugin.name": "pgoutput", "publication.autocreate.mode": "disabled", "snapshot.mode": "initial",
    "poll.interval.ms": "10", "decimal.handling.mode": "string", "tombstones.on.delete": "true",
    "skipped.operations": "none", "signal.enabled.channels": "source", "heartbeat.interval.ms": "1000",
    "topic.creation.enable": "false", "provide.transaction.metadata": "false",
    "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
}


class World:
    """ddl, sql and clickhouse_ddl may say {s} for the schema's name. tables: the fact first."""

    def __init__(self, folder, ddl, sql, tables, key, enrich=None, connector=False, clickhouse_ddl=None, partitions=2,
                 offsets=True):
        self.folder, self.tables, self.partitions = folder, tables, partitions
        self.schema = self.name = "w" + uuid.uuid4().hex[:10]
        self.enriched, self.dlq = f"{self.name}.enriched", f"{self.name}.dlq"
        self.has_connector, self.has_clickhouse = connector, bool(clickhouse_ddl)
        self.settings = {"sql": "query.sql", "topic": self.enriched, "partitions": partitions, "key": key,
                         "listen": "127.0.0.1:0", **(enrich or {})}
        self.ddl, self.workers, self.offsets = ddl.replace("{s}", self.schema), {}, offsets
        (folder / "query.sql").write_text(sql.replace("{s}", self.schema))
        (folder / "table.sql").write_text((clickhouse_ddl or "").replace("{s}", self.schema))
        self.pipeline = folder / "pipeline.yaml"
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})
        self.write_pipeline()

    def topic(self, table=None):
        return f"{self.name}.{self.schema}.{table or self.tables[0]}"

    def write_pipeline(self, **enrich):
        """JSON is YAML."""
        self.settings.update(enrich)
        conf = {
            "name": self.name,
            "postgres": {"host": os.environ["SLUICE_PG_HOST"], "port": int(os.environ["SLUICE_PG_PORT"]),
                         "database": os.environ["SLUICE_PG_DB"], "user": "postgres"},
            "kafka": {"brokers": os.environ["SLUICE_KAFKA"], "connect": os.environ["SLUICE_CONNECT"]},
            "source": {"prefix": self.name}, "enrich": self.settings}
        if self.has_connector:
            conf["source"]["connector"] = "connector.json"
            tables = ",".join(f"{self.schema}.{t}" for t in (*self.tables, "signals", "heartbeat"))
            (self.folder / "connector.json").write_text(json.dumps({"name": self.name, "config": {
                **CONNECTOR, "topic.prefix": self.name, "table.include.list": tables, "slot.name": self.name,
                "publication.name": self.name, "signal.data.collection": f"{self.schema}.signals",
                "heartbeat.action.query": f"UPDATE {self.schema}.heartbeat SET at = now()"}}))
        if self.has_clickhouse:
            conf["clickhouse"] = {"url": os.environ["SLUICE_CLICKHOUSE"], "database": self.schema, "table": "rows",
                                  "ddl": "table.sql", "listen": "127.0.0.1:0"}
        self.pipeline.write_text(json.dumps(conf, indent=1))

    def start(self, workers=("enrich",)):
        with postgres() as pg:
            pg.execute(f"CREATE SCHEMA {self.schema}")
            pg.execute(f"SET search_path TO {self.schema}")
            pg.execute(self.ddl)
            if self.has_connector:
                pg.execute("CREATE TABLE signals (id text PRIMARY KEY, type text NOT NULL, data text)")
                pg.execute("CREATE TABLE heartbeat AS SELECT 1 AS id, now() AS at")
                pg.execute("ALTER TABLE heartbeat ADD PRIMARY KEY (id)")
                pg.execute(f"CREATE PUBLICATION {self.name} FOR TABLES IN SCHEMA {self.schema}")
        if self.has_connector:
            run(BIN / "sluicectl", "bootstrap", self.pipeline)
        else:
            self.make_topics()
        for worker in workers:
            self.worker(worker).start()
        return self

    def make_topics(self):
        new = [confluent_kafka.admin.NewTopic(t, n, 1) for t, n in (
            [(self.topic(), self.partitions), (self.enriched, self.partitions), (self.dlq, 1)] +
            [(self.topic(t), 1) for t in self.tables[1:]])]
        for future in self.admin.create_topics(new).values():
            future.result(timeout=20)

        def known():  # a broker may tell of a part of a topic that was made a moment ago
            topics = self.admin.list_topics(timeout=10).topics
            return all(t.topic in topics and len(topics[t.topic].partitions) == t.num_partitions for t in new)
        wait_for("all partitions", 20, known)
        if self.offsets:
            self.commit("enrich", [(self.topic(), p, 0) for p in range(self.partitions)])

    def commit(self, worker, places, metadata=""):
        parts = [confluent_kafka.TopicPartition(*place, metadata=metadata) for place in places]
        request = confluent_kafka.ConsumerGroupTopicPartitions(f"{self.name}.{worker}", parts)
        for future in self.admin.alter_consumer_group_offsets([request]).values():
            for part in future.result(timeout=20).topic_partitions:
                assert part.error is None, part.error

    def members(self, worker):
        group = f"{self.name}.{worker}"
        return self.admin.describe_consumer_groups([group])[group].result(timeout=20).members

    def worker(self, name):
        if name not in self.workers:
            self.workers[name] = Program(
                name, [BIN / f"sluice-{name}", "--pipeline", self.pipeline, "--listen", "-"], self.folder)
        return self.workers[name]

    def stop(self):
        """Stops all and takes everything away again; the workers' exit codes."""
        codes = {name: w.stop() for name, w in self.workers.items() if w.process}
        if self.has_connector:
            httpx.delete(f"{os.environ['SLUICE_CONNECT']}/connectors/{self.name}", timeout=20)
        with postgres() as pg:
            if self.has_connector:
                wait_for("the slot", 30, lambda: not pg.execute(
                    "SELECT active FROM pg_replication_slots WHERE slot_name = %s AND active", (self.name,)).fetchall())
                pg.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
                           (self.name,))
                pg.execute(f"DROP PUBLICATION IF EXISTS {self.name}")
            pg.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
        if self.has_clickhouse:
            clickhouse().command(f"DROP DATABASE IF EXISTS {self.schema}")
        return codes

    def exits(self, worker="enrich", seconds=40):
        """Waits for the worker to end by itself: (exit code, the last lines it wrote)."""
        program = self.workers[worker]
        return program.process.wait(timeout=seconds), program.tail(3)

    def sluicectl(self, command, *more, timeout=120):
        import subprocess
        done = subprocess.run([str(a) for a in (BIN / "sluicectl", command, self.pipeline, *more)],
                              capture_output=True, text=True, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    # --- what the topics hold ---

    def records(self, topic=None):
        """Every record of a topic, read committed: [(key, value, headers, partition, offset, value as it stands)]."""
        topic = topic or self.enriched
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": "look-" + self.name,
            "isolation.level": "read_committed", "enable.partition.eof": True, "enable.auto.commit": False})
        count = len(self.admin.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(count)])
        found, open_parts = [], set(range(count))
        while open_parts:
            message = consumer.poll(20)
            assert message is not None, f"{topic}: nothing came"
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                open_parts.discard(message.partition())
                continue
            found.append((json.loads(message.key()) if message.key() else None,
                          json.loads(message.value()) if message.value() else None,
                          {k: v.decode() for k, v in message.headers() or []}, message.partition(), message.offset(),
                          message.value()))
        consumer.close()
        return found

    def records_end(self, topic):
        """The end offsets of its partitions."""
        parts = self.admin.list_topics(topic, timeout=10).topics[topic].partitions
        asked = {confluent_kafka.TopicPartition(topic, p): confluent_kafka.admin.OffsetSpec.latest() for p in parts}
        return [f.result(timeout=10).offset for f in self.admin.list_offsets(asked).values()]

    def wait_records(self, count, topic=None, seconds=60):
        wait_for(f"{count} records of {topic or self.enriched}", seconds,
                 lambda: len(self.records(topic)) >= count or len(self.records(topic)))
        return self.records(topic)


class Events:
    """Change events as Debezium writes them, without schemas, straight into a world's topics."""

    def __init__(self, world):
        self.world, self.lsn, self.tx = world, 1000, 700
        self.producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})

    def event(self, op, after=None, before=None, **source):
        self.lsn += 8
        self.tx += 1
        return {"before": before, "after": after, "op": op, "ts_ms": 1763700000000 + self.lsn, "source": {
            "version": "3.3.1.Final", "connector": "postgresql", "name": self.world.name,
            "ts_ms": 1763700000000 + self.lsn, "ts_us": (1763700000000 + self.lsn) * 1000, "snapshot": "false",
            "db": "app", "sequence": json.dumps([str(self.lsn - 8), str(self.lsn)]), "schema": self.world.schema,
            "table": self.world.tables[0], "txId": self.tx, "lsn": self.lsn, "xmin": None, **source}}

    def send(self, value, key=None, partition=0, table=None):
        """Returns the offset it got."""
        where = []
        self.producer.produce(
            self.world.topic(table), value if value is None or isinstance(value, bytes) else json.dumps(value),
            key=None if key is None else json.dumps(key), partition=partition,
            on_delivery=lambda err, message: where.append(err or message.offset()))
        assert self.producer.flush(20) == 0 and isinstance(where[0], int), where
        return where[0]
