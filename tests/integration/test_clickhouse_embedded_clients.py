# SPDX-License-Identifier: Apache-2.0
"""The embedded ClickHouse under its unmodified clients, many at once, and under kill -9."""
import datetime
import decimal
import json
import os
import random
import subprocess
import threading
import time
import uuid

import clickhouse_connect
import lz4.frame
import pytest

from clickhouse_server import ROOT, TIMEOUT, Server

NODE = ROOT / "build/deps/node"
KILLS = int(os.environ.get("KILLS", "4"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("clickhouse") / "data")
    yield s
    assert s.stop() == 0


def client_of(server, **more):
    return clickhouse_connect.get_client(host="127.0.0.1", port=server.port, send_receive_timeout=TIMEOUT, **more)


def test_clickhouse_client_for_node(server):
    assert (NODE / "node_modules/@clickhouse/client").exists(), "tests/stack/stack install fetches it"
    run = subprocess.run(["node", str(ROOT / "tests/integration/clickhouse_client.mjs"), str(server.port), str(NODE)],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("ok   ") == 28


def test_eight_clients_at_once(server):
    server.ask("CREATE OR REPLACE TABLE eight (c UInt8, i UInt32, s String) ENGINE = MergeTree ORDER BY (c, i)")
    failures = []

    def client(number):
        try:
            c = client_of(server)
            for round_ in range(10):
                c.insert("eight", [[number, round_ * 100 + k, "x" * k] for k in range(100)], column_names=["c", "i", "s"])
                seen = c.query("SELECT count(), max(i) FROM eight WHERE c = {c:UInt8}", parameters={"c": number}).result_rows
                assert seen == [(round_ * 100 + 100, round_ * 100 + 99)], seen
                assert len(c.query("SELECT number FROM numbers(70000)").result_rows) == 70000
            c.close()
        except Exception as e:
            failures.append(repr(e))
    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    assert failures == []
    assert server.ask("SELECT count(), uniqExact(c, i) FROM eight") == "8000\t8000\n"


# --- clickhouse-connect -----------------------------------------------------

COLUMNS = ("id UInt64, u UUID, ts DateTime64(6, 'UTC'), d Decimal(18, 3), lc LowCardinality(Nullable(String)), n Nullable(Int32), "
           "s String, a Array(String), m Map(String, UInt8)")
UTC = datetime.timezone.utc


@pytest.mark.parametrize("more", [{}, {"compress": False}, {"compress": "lz4"}, {"compress": "zstd"}, {"compress": "gzip"},
                                  {"autogenerate_session_id": False}], ids=str)
def test_clickhouse_connect_writes_and_reads_blocks(server, more):
    c = client_of(server, **more)
    c.command("CREATE OR REPLACE TABLE cc (" + COLUMNS + ") ENGINE = MergeTree ORDER BY id")
    rows = [(i, uuid.UUID(int=i), datetime.datetime(2026, 1, 1, 0, 0, 0, i, tzinfo=UTC), decimal.Decimal("-1.250"), None if i % 3 else "x",
             None if i % 5 else i, f"s\n\n{i}", ["a", "b"], {"k": 1}) for i in range(5000)]
    assert c.insert("cc", rows, column_names=["id", "u", "ts", "d", "lc", "n", "s", "a", "m"]).written_rows == 5000
    assert c.query("SELECT * FROM cc ORDER BY id", query_tz="UTC", tz_mode="aware").result_rows == rows
    c.close()


def test_clickhouse_connect_parameters_settings_sessions_errors(server):
    c = client_of(server)
    when = datetime.datetime(2026, 1, 2)
    assert c.query("SELECT {x:UInt64}, {s:String}, {d:DateTime}", parameters={"x": 5, "s": "a'b\\c\nd", "d": when}).result_rows == [(5, "a'b\\c\nd", when)]
    assert c.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows == [(1,)]
    assert c.query("SELECT number FROM numbers(10)").summary["read_rows"] == "10"
    with c.query_row_block_stream("SELECT number FROM numbers(500000)") as blocks:
        assert sum(len(block) for block in blocks) == 500000
    c.command("CREATE TEMPORARY TABLE tt (a UInt8)")
    c.command("INSERT INTO tt VALUES (5)")
    assert c.query("SELECT * FROM tt").result_rows == [(5,)]
    assert c.raw_query("SELECT 1", fmt="JSONEachRow") == b'{"1":1}\n'
    assert client_of(server, database="system").query("SELECT count() > 0 FROM tables").result_rows == [(True,)]
    assert c.ping()
    for sql, code in (("SELECT * FROM nope", "60"), ("SELEC 1", "62"), ("SELECT throwIf(number = 400000) FROM numbers(500000)", "395")):
        with pytest.raises(Exception, match=f"ode: {code}"):
            len(c.query(sql).result_rows)
    assert c.query("SELECT 1").result_rows == [(1,)]
    c.close()


def test_clickhouse_connect_raw_inserts_and_tokens(server):
    c = client_of(server)
    c.command("CREATE OR REPLACE TABLE raw (id UInt64, s String) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 10")
    assert c.raw_insert("raw", column_names=["id", "s"], insert_block=b'7,"x"\n8,"y"\n', fmt="CSV").written_rows == 2
    block = c.raw_query("SELECT id + 2 AS id, s FROM raw ORDER BY id", fmt="Native")
    assert c.raw_insert("raw", insert_block=block, fmt="Native").written_rows == 2
    for _ in range(2):
        c.insert("raw", [[1, "t"]], column_names=["id", "s"], settings={"insert_deduplication_token": "one"})
    assert c.query("SELECT id, s FROM raw ORDER BY id").result_rows == [(1, "t"), (7, "x"), (8, "y"), (9, "x"), (10, "y")]
    c.close()


# --- kill -9 ----------------------------------------------------------------

class Writer(threading.Thread):
    """Batches of 2,000 rows; one whose outcome is unknown goes again with its token."""
    ROWS = 2000

    def __init__(self, server, number):
        super().__init__()
        self.server, self.number, self.done, self.stopped = server, number, [], False

    def batch(self, key):
        text = "".join(json.dumps({"b": key, "i": i, "s": "x" * (i % 50)}) + "\n" for i in range(self.ROWS)).encode()
        return (lz4.frame.compress(text), {"Content-Encoding": "lz4"}) if key % 2 else (text, {})

    def run(self):
        key = self.number * 1000000
        while not self.stopped:
            body, headers = self.batch(key)
            while not self.stopped:
                try:
                    answer = self.server.post("INSERT INTO k FORMAT JSONEachRow", body, headers, insert_deduplication_token=f"b{key}")
                    if answer.status == 200:
                        self.done.append(key)
                        break
                except (OSError, ValueError):
                    pass
                time.sleep(0.02)
            key += 1


def test_acknowledged_batches_survive_kill_9(tmp_path):
    server = Server(tmp_path / "data")
    server.ask("CREATE TABLE k (b UInt64, i UInt32, s String) ENGINE = MergeTree ORDER BY (b, i) SETTINGS non_replicated_deduplication_window = 10000")
    writers = [Writer(server, number) for number in range(3)]
    [w.start() for w in writers]
    dice = random.Random(7)
    try:
        for round_ in range(KILLS):
            time.sleep(dice.uniform(0.3, 1.0))
            server.process.kill()
            server.process.wait(TIMEOUT)
            acknowledged = {key for w in writers for key in list(w.done)}
            server.start()
            counts = {int(b): int(n) for b, n in (line.split() for line in server.ask("SELECT b, count() FROM k GROUP BY b").splitlines())}
            assert [key for key in acknowledged if counts.get(key) != Writer.ROWS] == []    # lost
            assert [key for key, n in counts.items() if n != Writer.ROWS] == []    # torn or doubled
            print(f"kill {round_ + 1}: {len(acknowledged)} batches acknowledged, {len(counts)} there")
            assert len(acknowledged) > 3 * round_
    finally:
        for w in writers:
            w.stopped = True
        [w.join(TIMEOUT) for w in writers]
    assert server.ask("SELECT uniqExact(b, i) = count(), sum(length(s)) = count() / 2000 * {want:UInt64} FROM k",
                      param_want=sum(i % 50 for i in range(Writer.ROWS))) == "1\t1\n"
    assert server.stop() == 0


def test_a_stop_ends_running_queries_and_keeps_the_data(tmp_path):
    server = Server(tmp_path / "data")
    server.ask("CREATE TABLE kept (a UInt32) ENGINE = MergeTree ORDER BY a")
    server.ask("INSERT INTO kept SELECT number FROM numbers(1000)")
    answers = []
    sql = "SELECT sum(cityHash64(number)) FROM numbers(100000000000)"
    slow = threading.Thread(target=lambda: answers.append(server.post(sql, query_id="slow").code))
    slow.start()
    server.wait_for_query("slow")
    began = time.monotonic()
    server.process.terminate()
    assert server.process.wait(TIMEOUT) == 0
    assert time.monotonic() - began < 15
    slow.join(TIMEOUT)
    assert answers == ["394"]
    server.start()
    assert server.ask("SELECT count(), sum(a) FROM kept") == "1000\t499500\n"
    assert server.stop() == 0
