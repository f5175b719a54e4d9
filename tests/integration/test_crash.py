# SPDX-License-Identifier: Apache-2.0
"""A record that aborts the worker again and again: after three aborts the worker goes record by
record, and the one that aborts it alone becomes a dead letter of class crash. The abort is a real
SIGABRT, sent while the worker has the record in hand: in a lookup that a policy of Postgres holds, in a
request that its receiver does not answer, or in an insert that does not come to ClickHouse."""
import json
import os
import signal
import threading
import urllib.parse
import uuid

from engagement import BIN, Program, clickhouse, postgres
from http_proxy import HttpProxy
from webhooks import Opposite, Webhooks
from wait import wait_for
from world import Events, World

ABORTS, GATE = 3, 7757
DDL = """
    CREATE TABLE items (a int PRIMARY KEY, kind int);
    CREATE TABLE kinds (id int PRIMARY KEY, title text);
    INSERT INTO kinds VALUES (1, 'one'), (2, 'two');
    CREATE FUNCTION gate(int) RETURNS bool LANGUAGE plpgsql AS
        $$BEGIN IF $1 = 1 THEN PERFORM pg_advisory_xact_lock_shared(7757); END IF; RETURN true; END$$;
    ALTER TABLE kinds ENABLE ROW LEVEL SECURITY;
    CREATE POLICY held ON kinds USING ({s}.gate(id));
"""
SQL = "SELECT i.a, k.title FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"


def aborts(program):
    program.process.send_signal(signal.SIGABRT)
    assert program.process.wait(timeout=20) == -signal.SIGABRT


def test_enrich_finds_the_record_out(stack, tmp_path):
    it = World(tmp_path, DDL, SQL, ["items", "kinds"], ["a"], partitions=1)
    role = f"gated_{uuid.uuid4().hex[:8]}"
    conf = json.loads(it.pipeline.read_text())
    conf["postgres"]["user"] = role
    it.pipeline.write_text(json.dumps(conf))
    it.start([])
    events = Events(it)
    enrich = it.workers["enrich"] = Program("enrich", [BIN / "sluice-enrich", "--pipeline", it.pipeline, "--listen", "-"],
                                            tmp_path, env={"RUNTIME_DIRECTORY": str(tmp_path)})
    with postgres() as pg:
        try:
            pg.execute(f"CREATE ROLE {role} LOGIN")
            pg.execute(f"GRANT USAGE ON SCHEMA {it.schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {it.schema} TO {role}")
            pg.execute("SELECT pg_advisory_lock(%s)", (GATE,))
            for a, kind in ((1, None), (2, 2), (3, 1), (4, None), (5, 2)):
                events.send(events.event("c", {"a": a, "kind": kind}), {"a": a})

            def in_hand():
                return pg.execute("SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = %s AND wait_event = 'advisory'",
                                  (role,)).fetchone()[0]
            for _ in range(ABORTS + 1):
                enrich.start()
                wait_for("the lookup", 60, in_hand, every=0.05)
                aborts(enrich)
                pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
                wait_for("the end of its session", 20, lambda: not in_hand(), every=0.05)
            assert [r[0]["a"] for r in it.records()] == [1, 2]  # one by one, as far as it
            enrich.start()
            assert [r[0]["a"] for r in it.wait_records(4)] == [1, 2, 4, 5]
            letter, = it.records(it.dlq)
            assert letter[0] == {"a": 3}
            headers = letter[2]
            assert headers["__connect.errors.exception.class.name"] == "crash"
            assert headers["__connect.errors.stage"] == "process" and headers["__connect.errors.offset"] == "2"
            assert "alone in hand" in headers["__connect.errors.exception.message"]
            log = enrich.log.read_text()
            assert log.count("event=crash") == ABORTS + 1 and "one_by_one=1" in log
            assert enrich.stop() == 0
        finally:
            if enrich.alive():
                enrich.kill()
            it.stop()
            pg.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_sink_finds_the_record_out(stack, tmp_path):
    held = []

    def answer(_, request):
        if json.loads(request["body"])["key"]["id"] != 3:
            return 200
        held.append(request)
        return "none"

    server = Opposite(answer)
    pipeline = Webhooks(tmp_path, server.url)
    try:
        for key in range(8):
            pipeline.change(key)
        pipeline.flush()
        worker = Program("http-aborts", [BIN / "sluice-http", "--pipeline", pipeline.file, "--listen", "-"], tmp_path,
                         env={"RUNTIME_DIRECTORY": str(tmp_path)})
        for n in range(ABORTS + 1):
            worker.start()
            wait_for("the request", 60, lambda: len(held) > n or worker.tail(), every=0.05)
            aborts(worker)
        worker.start()
        pipeline.caught_up()
        assert pipeline.dead_letters() == [(3, "the worker aborted with this record alone in hand, after others with it among them")]
        delivered = {json.loads(r["body"])["key"]["id"] for r in server.requests}
        assert delivered == set(range(8)) and len(held) == ABORTS + 1
        assert worker.stop() == 0
    finally:
        pipeline.close()
        server.stop()


def test_an_append_finds_the_record_out_of_what_is_frozen(stack, tmp_path):
    """A batch's range is frozen before its insert, and goes again as it was, until it has aborted three times."""
    url, gate, held = urllib.parse.urlparse(os.environ["SLUICE_CLICKHOUSE"]), threading.Event(), []
    proxy = HttpProxy((url.hostname, url.port))

    def at(point, request):
        if point == "head" and b"two" in request.body:
            held.append(request)
            gate.wait(120)
    proxy.at, proxy.plan = at, lambda request: "drop" if b"two" in request.body else None
    it = World(tmp_path, "CREATE TABLE items (a int PRIMARY KEY, title text)", "SELECT a, title FROM {s}.items", ["items"], ["a"],
               partitions=1)
    client = clickhouse()
    client.command(f"CREATE DATABASE {it.schema}")
    client.command(f"CREATE TABLE {it.schema}.rows (a Int32, title String, _topic LowCardinality(String), _partition Int32, "
                   "_offset Int64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10000")
    conf = json.loads(it.pipeline.read_text())
    conf["clickhouse"] = {"url": proxy.url, "database": it.schema, "table": "rows", "mode": "append", "compression": "none"}
    it.pipeline.write_text(json.dumps(conf))
    it.has_clickhouse = True  # its database is dropped in the end
    it.start([])
    it.commit("clickhouse", [(it.enriched, 0, 0)])
    try:
        events = Events(it)
        for a, title in enumerate(("zero", "one", "two", "three", "four")):
            events.send(events.event("c", {"a": a, "title": title}), {"a": a})
        it.worker("enrich").start()
        it.wait_records(5)
        worker = it.workers["clickhouse"] = Program(
            "clickhouse", [BIN / "sluice-clickhouse", "--pipeline", it.pipeline, "--listen", "-"], tmp_path,
            env={"RUNTIME_DIRECTORY": str(tmp_path)})

        def rows():
            return [a for a, in client.query(f"SELECT a FROM {it.schema}.rows ORDER BY a").result_rows]
        for n in range(ABORTS + 1):
            worker.start()
            wait_for("the insert", 60, lambda: len(held) > n or worker.tail(), every=0.05)
            assert rows() == ([] if n < ABORTS else [0, 1])
            aborts(worker)
        worker.start()
        wait_for("the others", 60, lambda: rows() == [0, 1, 3, 4] or worker.tail())
        letter, = it.records(it.dlq)
        assert letter[0] == {"a": 2} and letter[2]["__connect.errors.exception.class.name"] == "crash"
        assert len(held) == ABORTS + 1
        events.send(events.event("c", {"a": 5, "title": "five"}), {"a": 5})
        wait_for("the next", 60, lambda: rows() == [0, 1, 3, 4, 5] or worker.tail())
        assert worker.stop() == 0
    finally:
        gate.set()
        it.stop()
        proxy.close()
