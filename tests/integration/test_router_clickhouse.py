# SPDX-License-Identifier: Apache-2.0
"""The router's ClickHouse driver on ClickHouse's engine: values, parameters, streaming, killing,
exceptions in mid-answer, a server that dies and comes back, users with readonly=1."""
import contextlib
import hashlib
import socket
import threading

import pytest

from clickhouse_server import Server
from engine_asker import asker
from wait import wait_until

MANY = 1_000_000
LONG = "SELECT sum(sleepEachRow(0.05)) FROM numbers(1000) SETTINGS max_block_size = 1"


def clickhouse(port, user="reader", password="see"):
    return {"kind": "clickhouse", "url": f"http://127.0.0.1:{port}", "user": user, "password": password,
            "kill_user": "killer", "kill_password": "kill"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clickhouse")
    users = [("reader", "see", "readonly"), ("killer", "kill", "readwrite")]
    (folder / "users").write_text("".join(f"{n} {hashlib.sha256(p.encode()).hexdigest()} {r}\n" for n, p, r in users))
    server = Server(folder / "data", "--users", folder / "users")
    yield folder, server
    server.stop()


@pytest.fixture(scope="module")
def house(world):
    folder, server = world
    with asker(folder, clickhouse(server.port)) as a:
        yield a


@pytest.mark.parametrize("sql,text,oid", [
    ("true", "t", 0), ("CAST(0 AS Bool)", "f", 0), ("1 = 1", "t", 16), ("NULL", None, 0), ("''", "", 0), ("'a\\\\b\\'c\\t\\n'", "a\\b'c\t\n", 0),
    ("'ü€😀'", "ü€😀", 0), ("toInt8(-7)", "-7", 0), ("toUInt8(200)", "200", 0), ("toInt64('-9223372036854775808')", "-9223372036854775808", 0),
    ("toUInt64('18446744073709551615')", "18446744073709551615", 0), ("toInt128('-170141183460469231731687303715884105727')", "-170141183460469231731687303715884105727", 0),
    ("toInt256('57896044618658097711785492504343953926634992332820282019728792003956564819967')",
     "57896044618658097711785492504343953926634992332820282019728792003956564819967", 0),
    ("toDecimal32('-1.50', 2)", "-1.50", 0), ("toDecimal64('0.050', 3)", "0.050", 0), ("toDecimal128('12345678901234567890.10', 2)", "12345678901234567890.10", 0),
    ("toDecimal256('1234567890123456789012345678901234567890.5', 1)", "1234567890123456789012345678901234567890.5", 0),
    ("toFloat64(1e15)", "1e+15", 0), ("toFloat64(100000)", "100000", 0), ("toFloat32(0.1)", "0.1", 0), ("nan", "NaN", 0), ("-inf", "-Infinity", 0),
    ("toDate('2026-01-02')", "2026-01-02", 0), ("toDate32('1910-06-01')", "1910-06-01", 0),
    ("toDateTime64('1969-12-31 23:59:59.999999', 6, 'UTC')", "1969-12-31 23:59:59.999999+00", 1184),
    ("toDateTime64('2026-01-02 03:04:05.5', 6, 'UTC')", "2026-01-02 03:04:05.5", 1114), ("toDateTime64('2026-01-02 03:04:05.25', 3, 'UTC')", "2026-01-02 03:04:05.25", 1114),
    ("toDateTime64('2026-01-02 03:04:05.1234567', 9, 'UTC')", "2026-01-02 03:04:05.123457", 1114), ("toDateTime('2026-01-02 03:04:05', 'UTC')", "2026-01-02 03:04:05", 1114),
    ("toUUID('123e4567-e89b-12d3-a456-426614174000')", "123e4567-e89b-12d3-a456-426614174000", 0),
    ("CAST('it\\'s' AS Enum8('a' = -1, 'it\\'s' = 5))", "it's", 0), ("CAST('b' AS Enum16('a' = -300, 'b' = 300))", "b", 0), ("toFixedString('ab', 5)", "ab", 0),
    ("toLowCardinality('low')", "low", 0), ("CAST('low' AS LowCardinality(Nullable(String)))", "low", 0), ("CAST(NULL AS Nullable(Int32))", None, 0),
])
def test_a_value_as_postgres_prints_it(house, sql, text, oid):
    answer = house.ask(f"SELECT {sql} AS v, toNullable({sql}) AS w", types=[oid, oid] if oid else [])
    assert answer["rows"] == [[text, text]], answer


def test_columns_and_empty_answers(house):
    answer = house.ask("SELECT toInt32(1) AS a, 'x' AS b, toDecimal64(1, 2) AS c WHERE 0")
    assert answer["columns"] == [["a", 23], ["b", 25], ["c", 1700]] and answer["rows"] == [] and answer["fate"] == "done"
    assert house.ask("SELECT 1, 2", types=[23])["code"] == "42P16"
    assert house.ask("SELECT [1, 2]")["code"] == "0A000"
    assert house.ask("EXPLAIN SELECT 1")["count"] > 0


def test_a_million_rows_pass_a_slow_reader_in_bounded_memory(house):
    sql = f"SELECT number AS id, concat('name ', toString(number)) AS name, number % 2 AS v, if(number % 3 = 0, NULL, number) AS n FROM numbers({MANY})"
    answer = house.ask(sql, quiet=True, pause_every=50_000, pause_ms=20)
    assert answer["fate"] == "done" and answer["count"] == MANY and house.peak_mb() < 64, (answer, house.peak_mb())
    total = house.ask("SELECT number, toString(number * 3) FROM numbers(300000)", pause_every=7_777, pause_ms=1)
    assert total["rows"] == [[str(i), str(i * 3)] for i in range(300_000)]


def test_what_the_engine_says_that_it_took(house):
    answer = house.ask("SELECT sum(number) FROM numbers(3000000)")
    assert answer["bytes_read"] == 24_000_000 and 0 < answer["cpu_s"] < 10


@pytest.mark.parametrize("how", [{"cancel_ms": 300}, {"deadline_ms": 300}])
def test_what_is_cancelled_is_killed(world, house, how):
    answer = house.ask(LONG, **how)
    assert (answer["fate"], answer["code"]) == ("retry", "57014") and answer["elapsed_us"] < 15_000_000, answer
    wait_until("it is killed", lambda: b"sleepEachRow" not in world[1].request(
        "POST", "/", "SELECT query FROM system.processes WHERE query NOT LIKE '%processes%'",
        {"X-ClickHouse-User": "killer", "X-ClickHouse-Key": "kill"}).body)
    assert house.rows("SELECT 1") == [["1"]]


def test_cancel_in_mid_answer_and_while_paused(house):
    endless = "SELECT number, toString(number) FROM numbers(1000000000)"
    answer = house.ask(endless, quiet=True, cancel_after=5_000)
    assert (answer["count"], answer["code"]) == (5_000, "57014") and answer["ended_ms"] < 4_000
    answer = house.ask(endless, quiet=True, pause_every=10, pause_ms=60_000, cancel_ms=200)
    assert (answer["count"], answer["code"]) == (10, "57014") and answer["ended_ms"] < 4_000
    assert house.ask("SELECT number FROM numbers(1000)", quiet=True)["count"] == 1000


def test_an_exception_in_mid_answer(house):
    for word in ("throwIf(number = 500000, 'too far')", "intDiv(1, number - 500000)"):
        answer = house.ask(f"SELECT number, {word} FROM numbers(1000000) SETTINGS max_block_size = 1000, max_threads = 1", quiet=True)
        assert answer["fate"] == "reject" and 0 < answer["count"] <= 500_000 and answer["code"] in ("XX000", "22012"), answer
        assert "Code: " in answer["what"] and "__exception__" not in answer["what"]
    rows = house.ask("SELECT number, throwIf(number = 200000) FROM numbers(1000000) SETTINGS max_block_size = 1000, max_threads = 1")["rows"]
    assert rows == [[str(i), "0"] for i in range(len(rows))]  # what came is whole


def test_text_that_looks_like_an_exception_is_text(house):
    word = "\r\n__exception__\r\nCode: 60. DB::Exception: x\r\n"
    assert house.rows(f"SELECT '{word}', number FROM numbers(3)") == [[word, str(i)] for i in range(3)]


@pytest.mark.parametrize("sql,fate,code", [
    ("SELECT FORM", "halt", "42703"), ("SELECT (", "reject", "42601"), ("", "reject", "42601"), ("SELECT * FROM nowhere", "halt", "42P01"), ("SELECT nofunction(1)", "reject", "42883"),
    ("SELECT toInt32('x')", "reject", "22P02"), ("SELECT accurateCast(3000000000, 'Int32')", "reject", "22003"), ("SELECT intDiv(1, 0)", "reject", "22012"),
    ("SELECT {p1:Int32}", "reject", "XX000"), ("SELECT 1; SELECT 2", "reject", "42601"), ("INSERT INTO t VALUES (1)", "halt", "42501"),
    ("CREATE TABLE t (a Int8) ENGINE = Memory", "halt", "42501"), ("DROP TABLE IF EXISTS t", "halt", "42501"), ("KILL QUERY WHERE 1", "halt", "42501"),
    ("SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a Int8')", "halt", "42501"), ("SELECT * FROM file('/etc/passwd', 'LineAsString')", "halt", "42501"),
])
def test_refused(house, sql, fate, code):
    answer = house.ask(sql)
    assert (answer["fate"], answer["code"]) == (fate, code), answer
    assert house.rows("SELECT 2") == [["2"]]


def test_hostile_texts(house):
    texts = ["it's", "x\\", "\\'", "'; DROP TABLE t; --", "\\N", "x' UNION ALL SELECT 2 -- ", "ü\x01\t\n\r\b\f", "", "{p2:String}", 'q"q', "日本", "a&b=c%20+"]
    for text in texts + [chr(c) for c in range(1, 128)]:
        quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
        assert house.rows(f"SELECT {quoted}, lengthUTF8({quoted}) AS n", types=[25, 20]) == [[text, str(len(text))]]


def test_a_wrong_password(world):
    folder, server = world
    with asker(folder, clickhouse(server.port, "killer", "wrong")) as a:
        answer = a.ask("SELECT 1")
    assert (answer["fate"], answer["code"]) == ("halt", "28P01") and "wrong" not in answer["what"]


def test_a_server_that_is_killed_in_mid_answer_and_comes_back(world, tmp_path):
    server = Server(tmp_path / "data")
    with asker(tmp_path, clickhouse(server.port, "default", "")) as a:
        assert a.rows("SELECT 1") == [["1"]]
        threading.Timer(0.7, server.process.kill).start()
        answer = a.ask("SELECT number, toString(number) FROM numbers(1000000000)", quiet=True)
        assert (answer["fate"], answer["code"]) == ("retry", "08006") and answer["count"] > 0, answer
        answer = a.ask("SELECT 1")
        assert answer["fate"] == "retry" and answer["rows"] == [], answer
        server.process.wait(timeout=20)
        server.start()
        wait_until("it is back", lambda: a.ask("SELECT 1")["fate"] == "done")
    server.stop()


HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n{more}\r\n"


@pytest.mark.parametrize("more,tail,fate,count", [
    ("", b"__exception__\r\nCode: 159. DB::Exception: Timeout exceeded\n", "retry", 2),  # as servers before 25.11 do, and the end is missing
    ("X-ClickHouse-Exception-Tag: abcdefghijklmnop\r\n", b"\r\n__exception__\r\nabcdefghijklmnop\r\nCode: 241. DB::Exception: Memory\n34 abcdefghijklmnop\r\n__exception__\r\n", "retry", 2),
    ("X-ClickHouse-Exception-Tag: abcdefghijklmnop\r\n", b"\x05abc", "retry", 0),  # cut inside a row: what may still be a mark is not handed on
])
def test_ends_that_a_server_may_have(tmp_path, more, tail, fate, count):
    body = b"\x02\x01a\x01b\x05Int32\x06String" + b"\x01\0\0\0\x02xy" * 2 + tail

    def serve(listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, contextlib.suppress(ConnectionError):  # who has read enough is gone
                peer.recv(65536)
                peer.sendall(HEAD.format(more=more).encode())
                for i in range(len(body)):  # a byte a chunk
                    peer.sendall(b"1\r\n" + body[i:i + 1] + b"\r\n")

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    with asker(tmp_path, clickhouse(listener.getsockname()[1])) as a:
        answer = a.ask("SELECT 1")
        listener.close()
    assert (answer["fate"], answer["count"], answer["rows"]) == (fate, count, [["1", "xy"]] * count), answer
