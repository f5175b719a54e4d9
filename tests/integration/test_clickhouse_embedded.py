# SPDX-License-Identifier: Apache-2.0
"""The embedded ClickHouse over plain HTTP: each test file's server is its own.

Every request has a timeout, since the engine's known faults are statements that hang.
"""
import base64
import gzip
import hashlib
import http.client
import json
import socket
import struct
import subprocess
import threading
import time
import urllib.parse

import backports.zstd
import lz4.frame
import pytest

from clickhouse_server import BINARY, LIBRARY, TIMEOUT, Answer, Server
from free_port import free_port
from wait import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("clickhouse") / "data")
    yield s
    assert s.stop() == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Users from a file, two requests at once, bodies of 1 MB."""
    folder = tmp_path_factory.mktemp("guarded")
    sha = lambda text: hashlib.sha256(text.encode()).hexdigest()
    (folder / "users").write_text(f"# name hash right\nwriter {sha('w')} readwrite\nreader {sha('r')} readonly\n")
    s = Server(folder / "data", "--users", str(folder / "users"), "--max-requests", "2", "--max-body-mb", "1",
               "--log", str(folder / "requests"))
    s.requests_log = folder / "requests"
    yield s
    assert s.stop() == 0


@pytest.fixture
def table(server):
    server.ask("CREATE OR REPLACE TABLE t (id UInt64, s String, n Nullable(Int32)) ENGINE = MergeTree ORDER BY id "
               "SETTINGS non_replicated_deduplication_window = 100")
    yield "t"
    server.ask("TRUNCATE TABLE t")
    server.ask("DROP TABLE t")


def rows_tsv(first, count):
    return "".join(f"{i}\ts{i}\t{i if i % 3 else chr(92) + 'N'}\n" for i in range(first, first + count))


# --- curl -------------------------------------------------------------------

def curl(server, *words):
    run = subprocess.run(["curl", "-sS", "-m", str(TIMEOUT), *words[1:], f"http://127.0.0.1:{server.port}{words[0]}"],
                         capture_output=True, timeout=TIMEOUT + 5)
    return run.returncode, run.stdout.decode()


def test_curl(server, table):
    assert curl(server, "/ping") == (0, "Ok.\n")
    assert curl(server, "/?query=SELECT+1") == (0, "1\n")
    assert curl(server, "/", "-d", "SELECT 1 FORMAT CSV") == (0, "1\n")
    assert curl(server, "/?query=SELECT+1", "-d", "FORMAT JSONEachRow") == (0, '{"1":1}\n')
    # 3 MB: curl sends "Expect: 100-continue" and waits for it
    body = rows_tsv(0, 200000)
    run = subprocess.run(["curl", "-sS", "-m", str(TIMEOUT), "--expect100-timeout", "15", "--data-binary", "@-", "-w", "%{time_total}",
                          f"http://127.0.0.1:{server.port}/?query=INSERT+INTO+t+FORMAT+TSV"],
                         input=body.encode(), capture_output=True, timeout=TIMEOUT + 5)
    assert run.returncode == 0 and float(run.stdout) < 10, (run.stdout, run.stderr)
    assert curl(server, "/", "-d", "SELECT count(), sum(id), countIf(n IS NULL) FROM t") == (0, f"200000\t{sum(range(200000))}\t66667\n")
    # broken off in mid-stream: an exception block, and no last chunk (18)
    status, text = curl(server, "/", "-d", "SELECT throwIf(number = 400000) FROM numbers(500000)")
    assert status == 18 and "__exception__" in text and "Code: 395." in text


# --- queries ----------------------------------------------------------------

def test_every_joinable_format_is_one_document(server):
    """200,000 rows are four chunks inside: what the joints make of them is compared byte for byte."""
    count = 200000
    sql = f"SELECT number AS n, concat('a\"\\n', toString(number)) AS s FROM numbers({count}) FORMAT "
    got = {f: server.post(sql + f).body for f in (
        "TSV", "TSVWithNames", "TSVWithNamesAndTypes", "CSV", "CSVWithNames", "CSVWithNamesAndTypes", "JSONEachRow",
        "JSONCompactEachRow", "JSONCompactEachRowWithNames", "JSONCompactEachRowWithNamesAndTypes",
        "RowBinary", "RowBinaryWithNames", "RowBinaryWithNamesAndTypes")}
    texts = [f'a"\n{i}' for i in range(count)]
    assert got["TSV"].decode() == "".join(f'{i}\ta"\\n{i}\n' for i in range(count))
    assert got["CSV"].decode() == "".join(f'{i},"a""\n{i}"\n' for i in range(count))
    assert [json.loads(line) for line in got["JSONEachRow"].splitlines()] == [{"n": i, "s": t} for i, t in enumerate(texts)]
    assert [json.loads(line) for line in got["JSONCompactEachRow"].splitlines()] == [[i, t] for i, t in enumerate(texts)]
    assert got["RowBinary"] == b"".join(struct.pack("<QB", i, len(t)) + t.encode() for i, t in enumerate(texts))
    names, types = {"TSV": b"n\ts\n", "CSV": b'"n","s"\n', "JSONCompactEachRow": b'["n", "s"]\n', "RowBinary": b"\2\1n\1s"}, \
        {"TSV": b"UInt64\tString\n", "CSV": b'"UInt64","String"\n', "JSONCompactEachRow": b'["UInt64", "String"]\n', "RowBinary": b"\6UInt64\6String"}
    for base in names:
        assert got[base + "WithNames"] == names[base] + got[base]
        assert got[base + "WithNamesAndTypes"] == names[base] + types[base] + got[base]


def test_json_and_parquet_come_in_one_piece(server):
    answer = server.post("SELECT number n FROM numbers(300000)", default_format="JSON")
    document = json.loads(answer.body)
    assert document["rows"] == 300000 and int(document["data"][-1]["n"]) == 299999
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    body = server.post("SELECT number n FROM numbers(100000) FORMAT Parquet").body
    assert body[:4] == body[-4:] == b"PAR1"


def test_a_large_result_is_bounded_in_memory(server):
    rows, sql = 1_200_000, "SELECT number, repeat('x', 400) FROM numbers({}) FORMAT RowBinary"
    assert len(server.post(sql.format(rows // 4)).body) == rows // 4 * 410    # warm: the engine's own buffers are there
    with open(f"/proc/{server.process.pid}/clear_refs", "w") as f:
        f.write("5")    # the peak starts anew
    before = server.kb("VmHWM")
    connection = server.connection()
    connection.request("POST", "/", sql.format(rows))
    response, total = connection.getresponse(), 0
    while part := response.read(1 << 20):
        total += len(part)
    connection.close()
    grown = server.kb("VmHWM") - before
    print(f"{total >> 20} MB sent, peak RSS grew by {grown >> 10} MB from {before >> 10} MB")
    assert total == rows * 410
    # A few blocks of 27 MB are under way, more of them where the reader is slow.
    assert grown < total // 2 >> 10


def test_summary_and_headers(server):
    answer = server.post("SELECT number FROM numbers(10)", query_id="mine")
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert summary["read_rows"] == "10" and int(summary["elapsed_ns"]) > 0
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Timezone"]
    assert answer.headers["Content-Type"].startswith("text/tab-separated-values")
    assert server.post("SELECT 1", headers={"X-ClickHouse-Format": "JSONEachRow"}).text == '{"1":1}\n'


def test_parameters_and_settings(server):
    assert server.ask("SELECT {s:String}, {a:Array(UInt8)}, {n:Nullable(UInt8)}", param_s="it's \\t", param_a="[1,2]", param_n="\\N") \
        == "it\\'s \\t\t[1,2]\t\\N\n"
    assert server.ask("SELECT getSetting('max_threads')", max_threads=1) == "1\n"
    assert server.ask("SELECT getSetting('max_block_size')") != "7\n"
    assert server.ask("SELECT getSetting('max_block_size')", max_block_size=7) == "7\n"
    assert server.ask("SELECT currentDatabase()", database="system") == "system\n"
    assert server.ask("SELECT currentDatabase()", headers={"X-ClickHouse-Database": "system"}) == "system\n"
    assert server.ask("SELECT currentDatabase()") == "default\n"


def test_one_connection_serves_many_requests(server, table):
    connection = server.connection()
    connection.connect()
    first = connection.sock
    for i in range(300):
        connection.request("POST", "/?query=INSERT+INTO+t+FORMAT+TSV" if i % 10 == 0 else "/", rows_tsv(i, 1) if i % 10 == 0 else f"SELECT {i}")
        answer = Answer(connection.getresponse())
        assert answer.status == 200 and answer.text == ("" if i % 10 == 0 else f"{i}\n")
    connection.request("POST", "/", "SELECT * FROM nope")
    assert Answer(connection.getresponse()).status == 404
    connection.request("POST", "/", "SELECT count() FROM t")
    assert Answer(connection.getresponse()).text == "30\n"
    assert connection.sock is first
    connection.close()


# --- errors -----------------------------------------------------------------

@pytest.mark.parametrize("sql, arguments, code, status", [
    ("SELECT * FROM nope", {}, "60", 404),
    ("SELECT nope", {}, "47", 404),
    ("SELECT nope()", {}, "46", 404),
    ("SELEC 1", {}, "62", 400),
    ("SELECT 1; SELECT 2", {}, "62", 400),
    ("SELECT 1 INTO OUTFILE '/nonexistent/x'", {}, "358", 500),
    ("", {}, "62", 400),
    ("-- nothing", {}, "62", 400),
    ("SELECT 1", {"database": "nope"}, "81", 404),
    ("SELECT 1", {"no_such_setting": "1"}, "115", 404),
    ("SELECT 1", {"max_threads": "many"}, "27", 400),
    ("SELECT {x:UInt8}", {}, "456", 500),
    ("SELECT throwIf(1)", {}, "395", 500),
    ("SELECT toUInt8('x')", {}, "6", 400),
    ("SELECT 1 FORMAT Nope", {}, "73", 404),
    ("SELECT sleep(3)", {"max_execution_time": "1"}, "159", 408),
    ("SELECT groupArray(number) FROM numbers(10000000)", {"max_memory_usage": "1000000"}, "241", 500),
    ("SELECT 1", {"session_id": "none", "session_check": "1"}, "372", 404),
    ("SELECT 1", {"session_id": "a", "session_timeout": "99999"}, "374", 400),
    ("SELECT 1", {"compress": "1"}, "48", 501),
    ("INSERT INTO nope VALUES (1)", {}, "60", 404),
    ("INSERT INTO t FORMAT JSONEachRow {\"id\": \"zz\"}", {}, "27", 400),
    ("INSERT INTO t (nope) VALUES (1)", {}, "16", 500),
])
def test_errors_have_code_and_status(server, table, sql, arguments, code, status):
    answer = server.post(sql, **arguments)
    assert (answer.code, answer.status) == (code, status), answer.text
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ") and "(version 2" in answer.text
    assert server.ask("SELECT count() FROM t") == "0\n"


def test_get_only_reads(server, table):
    insert = urllib.parse.quote("INSERT INTO t (id) VALUES (1)")
    assert server.request("GET", "/?query=" + insert).code == "164"
    assert server.request("GET", "/?query=DROP+TABLE+t").code == "164"
    assert server.request("GET", "/?query=SELECT+count()+FROM+t").text == "0\n"
    assert server.request("GET", "/nope").status == 404


def test_an_error_in_mid_stream_is_marked(server):
    connection = server.connection()
    connection.request("POST", "/", "SELECT throwIf(number = 400000) FROM numbers(500000)")
    response = connection.getresponse()
    tag = response.headers["X-ClickHouse-Exception-Tag"]
    with pytest.raises(http.client.IncompleteRead) as broken:
        response.read()
    end = broken.value.partial[-2000:].decode()
    message = end.split(f"\r\n__exception__\r\n{tag}\r\n")[1]
    text, last = message.rsplit(f" {tag}\r\n__exception__\r\n", 1)[0].rsplit("\n", 1)
    assert text.startswith("Code: 395.") and int(last) == len(text) + 1


# --- inserts ----------------------------------------------------------------

INSERT_SETTINGS = dict(async_insert=0, max_insert_block_size=4000000, min_insert_block_size_rows=4000000, min_insert_block_size_bytes=0)


@pytest.mark.parametrize("coding", [None, "lz4"])
@pytest.mark.parametrize("form", ["Native", "RowBinary", "JSONEachRow"])
def test_inserts(server, table, form, coding):
    """What the sinks send: the statement and settings in the URL, the block as the body."""
    source = "SELECT number AS id, concat('s', toString(number)) AS s, if(number % 3 = 0, NULL, toInt32(number)) AS n FROM numbers(1000)"
    body = server.post(f"{source} FORMAT {form}", output_format_json_quote_64bit_integers=0).body
    headers = {"Content-Encoding": "lz4"} if coding else {}
    body = lz4.frame.compress(body) if coding else body
    for _ in range(2):    # the token makes the second one nothing
        answer = server.post(f"INSERT INTO t (id, s, n) FORMAT {form}", body, headers, insert_deduplication_token="a", **INSERT_SETTINGS)
        assert answer.status == 200, answer.text
        assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "1000"
    assert server.ask("SELECT * FROM t ORDER BY id") == rows_tsv(0, 1000)
    server.ask(f"INSERT INTO t (id, s, n) FORMAT {form}", body, headers, insert_deduplication_token="b", **INSERT_SETTINGS)
    assert server.ask("SELECT count() FROM t") == "2000\n"


@pytest.mark.parametrize("coding, pack", [(None, bytes), ("lz4", lz4.frame.compress), ("gzip", gzip.compress), ("zstd", backports.zstd.compress)])
def test_a_cut_body_inserts_nothing(server, table, coding, pack):
    body = server.post("SELECT number AS id, toString(number) AS s FROM numbers(30000) FORMAT Native").body
    whole = pack(body)
    pieces = [pack(body[:n]) for n in (len(body) // 2, len(body) - 1)] + [whole[:n] for n in (len(whole) // 2, len(whole) - 20)]
    headers = {"Content-Encoding": coding} if coding else {}
    for piece in pieces + ([whole[:-1]] if coding == "lz4" else []):
        answer = server.post("INSERT INTO t (id, s) FORMAT Native", piece, headers)
        assert answer.status >= 400 and answer.code, answer.text
    assert server.ask("SELECT count() FROM t") == "0\n"


def test_a_client_that_dies_while_sending_inserts_nothing(server, table):
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as s:
        s.sendall(b"POST /?query=INSERT+INTO+t+FORMAT+TSV HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + rows_tsv(0, 10).encode())
    time.sleep(0.3)
    assert server.ask("SELECT count() FROM t") == "0\n"


def test_statements_with_their_rows(server, table):
    server.ask("INSERT INTO t VALUES (1, 'FORMAT x', NULL), (1 + 1, concat('a', 'b'), 3)")
    server.ask("INSERT INTO t (id, s) SETTINGS async_insert = 0 VALUES ({id:UInt64}, {s:String})", param_id=3, param_s="p")
    server.ask("INSERT INTO t (id) FORMAT TSV\n4\n5\n")
    server.ask("INSERT INTO t (id) FORMAT TSV\n6\n", b"7\n")
    server.ask("INSERT INTO t (id) SELECT 8")
    server.ask("INSERT INTO t (id) FORMAT TSV", b"")
    assert server.ask("SELECT id, s, n FROM t ORDER BY id") == \
        "1\tFORMAT x\t\\N\n2\tab\t3\n3\tp\t\\N\n" + "".join(f"{i}\t\t\\N\n" for i in (4, 5, 6, 7, 8))
    answer = server.post("DESCRIBE TABLE t FORMAT JSONEachRow")
    assert [json.loads(line)["name"] for line in answer.text.splitlines()] == ["id", "s", "n"]


# --- sessions, KILL, SYNC ---------------------------------------------------

def test_sessions(server):
    s = dict(session_id="s1", session_timeout="2")
    server.ask("CREATE TEMPORARY TABLE tt (a UInt8)", **s)
    server.ask("SET max_block_size = 77", **s)
    server.ask("INSERT INTO tt VALUES (5)", **s)
    assert server.ask("SELECT a, getSetting('max_block_size') FROM tt", **s) == "5\t77\n"
    assert server.post("SELECT * FROM tt").code == "60"
    assert server.post("SELECT * FROM tt", session_id="s2").code == "60"
    slow = threading.Thread(target=lambda: server.ask("SELECT sleep(3)", query_id="session", **s))
    slow.start()
    server.wait_for_query("session")
    assert server.post("SELECT 1", **s).code == "373"
    slow.join()
    assert server.post("SELECT a FROM tt", session_check=1, **s).text == "5\n"
    time.sleep(2.3)
    assert server.post("SELECT 1", session_check=1, **s).code == "372"
    server.ask("SELECT 1", session_id="s3", close_session=1)
    assert server.post("SELECT 1", session_id="s3", session_check=1).code == "372"


@pytest.mark.parametrize("sync", ["", " SYNC", " ASYNC"])
def test_kill_query_by_id(server, sync):
    answers = []
    sql = "SELECT sum(cityHash64(number)) FROM numbers(100000000000)"
    slow = threading.Thread(target=lambda: answers.append(server.post(sql, query_id="slow" + sync)))
    slow.start()
    server.wait_for_query("slow" + sync)
    assert server.ask("KILL QUERY WHERE query_id = 'another'" + sync) == ""
    assert slow.is_alive()
    assert sql in server.ask(f"KILL QUERY WHERE query_id = 'slow{sync}'{sync}")
    slow.join(5)
    assert answers and answers[0].code == "394"


def test_drop_sync_returns(server):
    server.ask("CREATE TABLE dropped (a UInt8) ENGINE = MergeTree ORDER BY a")
    server.ask("INSERT INTO dropped VALUES (1)")
    began = time.monotonic()
    server.ask("DROP TABLE dropped SYNC")
    assert time.monotonic() - began < 20 and server.post("SELECT * FROM dropped").code == "60"


def test_a_client_that_leaves_stops_its_stream(server):
    connection = server.connection()
    connection.request("POST", "/?query_id=left", "SELECT number FROM numbers(100000000000)")
    connection.getresponse().read(1 << 16)
    assert server.running("left")
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    wait_until("the stream stops", lambda: not server.running("left"), 5)


# --- users and limits -------------------------------------------------------

def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_users(guarded):
    keys = lambda name, key: {"X-ClickHouse-User": name, "X-ClickHouse-Key": key}
    for headers, arguments in ((keys("writer", "w"), {}), (basic("writer", "w"), {}), ({}, {"user": "writer", "password": "w"})):
        assert guarded.ask("SELECT 1", headers=headers, **arguments) == "1\n"
    for headers in ({}, keys("writer", "x"), basic("writer", ""), keys("nobody", "w"), keys("default", "")):
        answer = guarded.post("SELECT 1", headers=headers)
        assert (answer.code, answer.status) == ("516", 403)
    assert guarded.request("GET", "/ping").status == 200
    log = guarded.requests_log.read_text().splitlines()
    assert any(line.startswith("POST 200 ") and line.endswith("user writer") for line in log)
    assert not any("password" in line for line in log)


def test_a_readonly_user_cannot_write(guarded):
    writer, reader = basic("writer", "w"), basic("reader", "r")
    guarded.ask("CREATE TABLE IF NOT EXISTS r (a UInt8) ENGINE = MergeTree ORDER BY a", headers=writer)
    guarded.ask("INSERT INTO r VALUES (1)", headers=writer)
    assert guarded.ask("SELECT * FROM r", headers=reader, max_threads=1) == "1\n"
    for sql in ("INSERT INTO r VALUES (2)", "INSERT INTO r SELECT 2", "DROP TABLE r", "TRUNCATE TABLE r", "CREATE TABLE q (a UInt8) ENGINE = Memory",
                "ALTER TABLE r DELETE WHERE 1", "SET readonly = 0", "SELECT 1 SETTINGS readonly = 0", "KILL QUERY WHERE 1",
                "WITH 1 AS x INSERT INTO r SELECT x", "EXPLAIN SELECT 1; DROP TABLE r", "OPTIMIZE TABLE r"):
        answer = guarded.post(sql, headers=reader, session_id="one")
        assert answer.code in ("164", "62"), (sql, answer.text)
    for sql in ("SELECT * FROM file('/etc/passwd', LineAsString)", "SELECT (SELECT count() FROM url('http://127.0.0.1:1/', CSV))"):
        assert (guarded.post(sql, headers=reader).code, guarded.post(sql, headers=reader).status) == ("497", 403)
    assert guarded.post("INSERT INTO r FORMAT TSV", b"2\n", reader).code == "164"
    assert guarded.post("INSERT INTO r FORMAT TSV", b"2\n", reader, readonly=0).code == "164"
    assert guarded.post("SELECT 1 SETTINGS readonly = 0", headers=reader, readonly=0).code == "164"
    assert guarded.ask("SELECT sum(a) FROM r", headers=reader, session_id="one") == "1\n"
    # another user's session of the same name is another session
    assert guarded.post("SELECT 1", headers=writer, session_id="one", session_check=1).code == "372"


def test_too_many_requests_and_too_large_bodies(guarded):
    headers = basic("writer", "w")
    answers = []

    def ask():
        while (answer := guarded.post("SELECT sleep(3)", headers=headers)).status == 503:
            pass  # the other's place was ours
        answers.append(answer.status)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    [t.start() for t in threads]
    wait_until("both are served", lambda: guarded.post("SELECT 1", headers=headers).status == 503)
    for _ in range(3):
        answer = guarded.post("SELECT 1", headers=headers)
        assert (answer.code, answer.status) == ("202", 503)
    assert guarded.request("GET", "/ping").status == 200
    [t.join() for t in threads]
    assert answers == [200, 200]
    assert guarded.ask("SELECT 1", headers=headers) == "1\n"
    big = b"x" * (1 << 20) + b"y"
    answer = guarded.post("INSERT INTO r FORMAT TSV", big, headers)
    assert (answer.code, answer.status) == ("229", 413)
    chunked = guarded.request("POST", "/", iter([big[:1000000], big[1000000:]]), headers)
    assert chunked.status == 413


def test_one_process_a_folder_and_a_port(server, tmp_path):
    start = lambda *words: subprocess.run([BINARY, "--lib", LIBRARY, *words], capture_output=True, text=True, timeout=TIMEOUT)
    second = start("--path", str(server.folder), "--port", str(free_port()))
    assert second.returncode == 1 and "another process holds the folder" in second.stderr
    taken = start("--path", str(tmp_path / "d"), "--port", str(server.port))
    assert taken.returncode == 1 and f"port {server.port}" in taken.stderr
    assert start("--path", str(tmp_path / "e"), "--lib", "/nonexistent.so").returncode == 1
    (tmp_path / "users").write_text("ann xyz readonly\n")
    users = start("--path", str(tmp_path / "f"), "--users", str(tmp_path / "users"))
    assert users.returncode == 1 and "users:1: ann's hash" in users.stderr
    assert start("--port", "0").returncode == 2
    assert "--users FILE" in start("--help").stdout
    sockets = [line.split() for line in open(f"/proc/{server.process.pid}/net/tcp").readlines()[1:]]
    assert [local for _, local, _, state, *_ in sockets if state == "0A" and local.endswith(f":{server.port:04X}")] == [f"0100007F:{server.port:04X}"]
