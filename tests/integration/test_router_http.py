# SPDX-License-Identifier: Apache-2.0
"""What is done to the router over HTTP by those who mean it no good: it answers 4xx or closes,
while others are served, and nothing is run. The scenarios of vtc/ are varnishtest's."""
import contextlib
import json
import pathlib
import re
import resource
import socket
import subprocess
import threading
import time

import httpx
import pytest

from router_world import RouterWorld, admin
from wait import wait_until

VTC = sorted((pathlib.Path(__file__).parent / "vtc").glob("*.vtc"))
IDLE, IDLE_RSS = 10_000, 100 << 20
LONG = "SELECT count(*) FROM users a, users b, users c WHERE a.score + b.score + c.score = -1"


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    world = RouterWorld(tmp_path_factory.mktemp("router"), name="router_http").make().start()
    yield world
    assert world.stop() == 0
    world.drop()


@contextlib.contextmanager
def others_are_served(router):
    """Another client asks all the while and is always answered, and soon."""
    stop, began_asking, slowest, wrong = threading.Event(), threading.Event(), [0.0], []

    def ask():
        with httpx.Client() as client:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    answer = router.ask("SELECT name FROM users WHERE id = 7", client=client)
                    if answer.status_code != 200 or answer.json()["rows"] != [["name 7"]]:
                        wrong.append(answer.text)
                except httpx.HTTPError as failure:
                    wrong.append(repr(failure))
                slowest[0] = max(slowest[0], time.monotonic() - began)
                began_asking.set()
                stop.wait(0.02)
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert began_asking.wait(30)
        yield
    finally:
        stop.set()
        thread.join(timeout=60)
    assert not wrong, wrong[:3]
    assert 0 < slowest[0] < 5


def connect(router, timeout=30):
    return socket.create_connection(("127.0.0.1", router.port), timeout=timeout)


def until_closed(sock):
    """All that comes until the other side closes."""
    out = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(65536):
            out += part
    return out


def request(router, body, who="alice", more=""):
    key = f"Authorization: Bearer {router.keys[who]}\r\n" if who else ""
    text = json.dumps(body)
    return f"POST /v1/query HTTP/1.1\r\nHost: x\r\n{key}{more}Content-Length: {len(text)}\r\n\r\n{text}".encode()


def running(router, like):
    with admin() as pg:
        return pg.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'active' AND query LIKE %s "
                          "AND pid <> pg_backend_pid()", (router.name, like)).fetchone()[0]


def waits_to_write(router, like):
    """Does the query's backend wait until what it has written is read?"""
    with admin() as pg:
        return pg.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'active' AND query LIKE %s "
                          "AND wait_event = 'ClientWrite'", (router.name, like)).fetchone()[0] == 1


def stands_still(router, like):
    """Whether the engine waits at every look for two seconds: what the router takes in, it has taken."""
    deadline = time.monotonic() + 2
    while waits_to_write(router, like):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("scenario", VTC, ids=lambda path: path.stem)
def test_scenario(router, scenario):
    with others_are_served(router):
        done = subprocess.run(["varnishtest", "-k", f"-Dport={router.port}", f"-Dkey={router.keys['alice']}", scenario],
                              capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


WRITE = json.dumps({"sql": "INSERT INTO notes (body) VALUES ('smuggled')"})
HEAD = "POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\n"
HIDDEN = f"{HEAD}Content-Length: {len(WRITE)}\r\n\r\n{WRITE}"
CHUNKED = "Transfer-Encoding: chunked\r\n"
BROKEN = {
    "both lengths": f"{HEAD}Content-Length: 6\r\n{CHUNKED}\r\n0\r\n\r\n{HIDDEN}",
    "both lengths, the other way": f"{HEAD}{CHUNKED}Content-Length: {len(WRITE)}\r\n\r\n{WRITE}",
    "two codings": f"{HEAD}{CHUNKED}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n{HIDDEN}",
    "two lengths": f"{HEAD}Content-Length: 0\r\nContent-Length: {len(WRITE)}\r\n\r\n{HIDDEN}",
    "a coding that is not known": f"{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "a coding with a tab": f"{HEAD}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "chunked in HTTP/1.0": f"{HEAD.replace('1.1', '1.0')}{CHUNKED}\r\n0\r\n\r\n{HIDDEN}",
    "a blank behind a name": f"{HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "a blank before a length": f"{HEAD}Content-Length : {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "a signed length": f"{HEAD}Content-Length: +{len(WRITE)}\r\n\r\n{WRITE}",
    "a negative length": f"{HEAD}Content-Length: -1\r\n\r\n{HIDDEN}",
    "a length beyond 64 bits": f"{HEAD}Content-Length: 99999999999999999999999999\r\n\r\n{HIDDEN}",
    "a length of two": f"{HEAD}Content-Length: 0, {len(WRITE)}\r\n\r\n{HIDDEN}",
    "a gigabyte announced": f"{HEAD}Content-Length: 1073741824\r\n\r\n{HIDDEN}",
    "a gigabyte announced, to be continued": f"{HEAD}Expect: 100-continue\r\nContent-Length: 1073741824\r\n\r\n{HIDDEN}",
    "a gigabyte in one chunk": f"{HEAD}{CHUNKED}\r\n40000000\r\n{HIDDEN}" + "x" * (8 << 20),
    "a chunk's size that is none": f"{HEAD}{CHUNKED}\r\nzz\r\n{HIDDEN}",
    "a negative chunk": f"{HEAD}{CHUNKED}\r\n-1\r\n{HIDDEN}",
    "a chunk's size with 0x": f"{HEAD}{CHUNKED}\r\n0x10\r\n{HIDDEN}",
    "a chunk beyond 64 bits": f"{HEAD}{CHUNKED}\r\nfffffffffffffffffff\r\n{HIDDEN}",
    "a chunk without its end": f"{HEAD}{CHUNKED}\r\n2\r\n{{}}XX0\r\n\r\n{HIDDEN}",
    "a chunk's extension with a NUL": f"{HEAD}{CHUNKED}\r\n2;a=\0\r\n{{}}\r\nzz\r\n{HIDDEN}",
    "a chunk's extension behind none": f"{HEAD}{CHUNKED}\r\n;a=b\r\n{HIDDEN}",
    "a chunk's size that goes on": f"{HEAD}{CHUNKED}\r\n2 2\r\n{{}}\r\n{HIDDEN}",
    "a head of 40,000 bytes": f"{HEAD}X: {'a' * 40_000}\r\n\r\n",
    "a path of 40,000 bytes": f"GET /{'a' * 40_000} HTTP/1.1\r\nHost: x\r\n\r\n",
    "ten thousand headers": HEAD + "X: a\r\n" * 10_000 + "\r\n",
    "two hosts": f"{HEAD}Host: y\r\nContent-Length: {len(WRITE)}\r\n\r\n{WRITE}",
    "no host": HIDDEN.replace("Host: x\r\n", ""),
    "a header without a colon": f"{HEAD}X\r\n\r\n{HIDDEN}",
    "a NUL in the path": HIDDEN.replace("/v1/query", "/v1/query%00"),
    "a blank in the path": HIDDEN.replace("/v1/query", "/v1 /query"),
    "no version": HIDDEN.replace(" HTTP/1.1", ""),
    "a version to come": HIDDEN.replace(" HTTP/1.1", " HTTP/3.0"),
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + HIDDEN,
    "noise": "\xff\x00\x01" * 100 + "\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_http_is_refused_and_nothing_is_run(router, case):
    with others_are_served(router), connect(router) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(BROKEN[case].replace("KEY", router.keys["walter"]).encode("latin-1"))
        text = until_closed(sock)
        assert text == b"" or text.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505 ")), text[:1000]
        assert not re.search(b"HTTP/1.1 [123]", text), text[:1000]
    with admin(router.name) as pg:
        assert pg.execute("SELECT count(*) FROM notes WHERE body = 'smuggled'").fetchone() == (0,)


@pytest.mark.parametrize("head", ["GET /livez HTTP/1.1\nHost: x\nConnection: close\n\n",
                                  "GET /livez HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nConnection: close\r\n\r\n"])
def test_what_may_be_read_leniently_is_one_request(router, head):
    with connect(router) as sock:
        sock.sendall(head.encode())
        text = until_closed(sock)
    assert text.count(b"HTTP/1.1 ") == 1 and text.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ")), text


def test_a_body_too_large_is_refused_in_words(router):
    answer = httpx.post(router.url + "/v1/query", content=b"x" * (2 << 20), headers=router.headers("alice"), timeout=20)
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "HTTP"


def test_slow_senders_are_shut_out(router):
    """A hundred heads of which a byte comes now and then: no byte makes their time longer. And lines of chunks
    that fit nowhere, which libmicrohttpd neither reads nor refuses."""
    with others_are_served(router):
        socks = [connect(router) for _ in range(120)]
        for sock in socks[:100]:
            sock.sendall(b"POST /v1/query HTTP/1.1\r\nHost: x\r\nX: ")
        for sock in socks[100:]:
            sock.sendall(f"{HEAD}{CHUNKED}\r\n2;{'x' * 20_000}".encode())
        began, closed = time.monotonic(), []
        while len(closed) < len(socks):
            assert time.monotonic() - began < 60, f"{len(socks) - len(closed)} are still open"
            time.sleep(0.5)
            for sock in (s for s in socks if s not in closed):
                try:
                    sock.settimeout(0.001)
                    if sock.recv(1, socket.MSG_PEEK) is not None:
                        closed.append(sock)
                        continue
                except TimeoutError:
                    pass
                except ConnectionError:
                    closed.append(sock)
                    continue
                with contextlib.suppress(ConnectionError):
                    sock.sendall(b"a")
        for sock in socks:
            sock.settimeout(10)
            text = until_closed(sock)
            assert text == b"" or text.startswith(b"HTTP/1.1 4"), text[:100]
            sock.close()


def test_one_byte_at_a_time_is_a_request_too(router):
    sock = connect(router)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with others_are_served(router):
        for byte in request(router, {"sql": "SELECT 41 + 1 AS n"}, more="Connection: close\r\n"):
            sock.send(bytes([byte]))
    text = until_closed(sock)
    assert text.startswith(b"HTTP/1.1 200 ") and b'"rows":[[42]]' in text, text


def test_a_thousand_pipelined_requests_keep_their_order(router):
    with others_are_served(router), connect(router) as sock:
        texts = [f"SELECT {n} AS n" for n in range(1000)]
        sender = threading.Thread(target=sock.sendall, args=(b"".join(request(router, {"sql": sql}) for sql in texts) +
                                                             b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",))
        sender.start()
        answers = until_closed(sock)
        sender.join()
    at = -1
    for n in range(1000):
        at = answers.find(f'"rows":[[{n}]]'.encode(), at + 1)
        assert at >= 0, f"the answer to {n} is missing or comes too early"
    assert answers.count(b"HTTP/1.1 200 ") == 1001


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'{"sql": 1}', b'{"sql": null}', b'{"sql": "SELECT 1", "sql": "SELECT 2", "x": 1}', b'{"sq": "x"}',
    b'{"sql": "SELECT 1", "params": {}}', b'{"sql": "SELECT 1", "row_limit": -1}', b'{"sql": "SELECT 1", "max_staleness": "soon"}',
    b'{"sql": "SELECT \\u0000"}', b'{"sql": "SELECT \xff"}', b'{"sql": "\\ud800"}', b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe",
    b'{"sql": "SELECT 1", "format": "xml"}', b'{"sql": "SELECT 1"} trailing'])
def test_a_bad_body_is_refused_in_words(router, body):
    answer = httpx.post(router.url + "/v1/query", content=body, headers=router.headers("alice"), timeout=20)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] and answer.json()["error"]["message"]


def test_ten_thousand_idle_connections_fit(router):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= IDLE + 200, f"this machine allows {hard} descriptors a process: ulimit -Hn"
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, IDLE + 1000), hard))
    socks = []
    try:
        with others_are_served(router):
            for _ in range(IDLE):
                socks.append(connect(router))
            for sock in socks:
                sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            for sock in socks:
                assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
            assert router.rss() < IDLE_RSS, router.rss()
    finally:
        for sock in socks:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- who leaves, and who dies ---

def last_of(router, sql):
    """How this statement ended when alice asked it last; None: it has not yet."""
    entries = router.get("/v1/history?limit=100000", who="alice").json()["entries"]
    return next((entry["outcome"] for entry in entries if entry["sql"] == sql), None)


@pytest.mark.parametrize("part", ["before the answer", "in its middle"])
def test_a_client_that_leaves_ends_its_query_in_the_engine(router, part):
    sql = LONG if part == "before the answer" else "SELECT a.id, b.name, c.name FROM users a, users b, users c"
    sock = connect(router)
    sock.sendall(request(router, {"sql": sql, "engine": "postgres", "format": "ndjson"}))
    wait_until("the query runs", lambda: running(router, "%users a%"), 20)
    if part == "in its middle":
        assert sock.recv(100_000)
    with others_are_served(router):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # leaves with a reset
        sock.close()
        wait_until("it is cancelled", lambda: not running(router, "%users a%"), 20)
    wait_until("it is on record", lambda: last_of(router, sql) == "CANCELLED")


def test_delete_ends_a_query_in_the_engine(router):
    begun = router.ask(LONG, engine="postgres", wait_timeout="10ms", on_timeout="continue").json()
    wait_until("the query runs", lambda: running(router, "%users a%"), 20)
    assert httpx.delete(f"{router.url}/v1/query/{begun['id']}", headers=router.headers("bob")).status_code == 404
    assert running(router, "%users a%")
    assert httpx.delete(f"{router.url}/v1/query/{begun['id']}", headers=router.headers("alice")).status_code == 202
    wait_until("it is cancelled", lambda: not running(router, "%users a%"), 20)


def chunks(body):
    """What a chunked body holds, and its trailers; None when its end is missing."""
    data, at = [], 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end], 16)
        if size == 0:
            assert body.endswith(b"\r\n\r\n"), body[-300:]
            return b"".join(data), body[end + 2:-2]
        data.append(body[end + 2:end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(data), None


@pytest.mark.parametrize("format", ["json", "ndjson", "csv"])
def test_an_engine_that_dies_in_mid_answer_is_seen(router, format):
    sock = connect(router)
    sock.sendall(request(router, {"sql": "SELECT a.id, b.name, c.name FROM users a, users b, users c", "format": format,
                                  "engine": "postgres"}, more="Connection: close\r\n"))
    text = sock.recv(200_000)
    wait_until("the query runs", lambda: running(router, "%users a%"), 20)
    with admin() as pg:
        pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%users a%%'",
                   (router.name,))
    text += until_closed(sock)
    head, _, body = text.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    data, trailers = chunks(body)
    if format == "csv":
        assert trailers is None, body[-300:]  # it breaks off
    else:
        assert trailers == b"Sluice-Error: UNAVAILABLE\r\n", body[-300:]
        tail = json.loads(b'{"rows":[' + data[data.rindex(b'],"error"'):]) if format == "json" else json.loads(data.splitlines()[-1])
        assert tail["error"]["code"] == "UNAVAILABLE" and "row_count" not in tail
    wait_until("it is healthy again", lambda: router.ask("SELECT name FROM users WHERE id = 1").status_code == 200, 30)


def test_a_reader_that_does_not_read_costs_no_memory(router):
    sock = connect(router)
    before = router.rss()
    with others_are_served(router):
        sock.sendall(request(router, {"sql": "SELECT a.id, b.name, c.name FROM users a, users b, users c", "engine": "postgres"}))
        wait_until("the engine waits for the router", lambda: stands_still(router, "%users a%"), 60)
        assert router.rss() - before < 32 << 20
        assert waits_to_write(router, "%users a%")
        sock.close()
        wait_until("it is cancelled", lambda: not running(router, "%users a%"), 20)


# --- keys and tokens ---

@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer x", "Bearer slk_" + "0" * 64, "Basic YWxpY2U6eA==",
                                   "Bearer slk_" + "0" * 4000, "Bearer \u00ff".encode("latin-1")])
def test_without_a_good_key_nothing_is_said(router, value):
    headers = {} if value is None else {"authorization": value}
    for method, path in (("POST", "/v1/query"), ("POST", "/query"), ("POST", "/v1/explain"), ("GET", "/v1/tables"),
                         ("GET", "/v1/engines"), ("GET", "/v1/history"), ("GET", "/v1/leaderboard/top10"), ("GET", "/v1/query/x"),
                         ("DELETE", "/v1/query/x")):
        answer = httpx.request(method, router.url + path, headers=headers, timeout=20,
                               content=b'{"sql": "SELECT 1"}' if method == "POST" else None)
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.json()["error"]["code"] == "UNAUTHENTICATED" and answer.headers["www-authenticate"] == "Bearer"


def test_a_key_off_by_one_digit_is_as_wrong_as_any(router):
    key = router.keys["alice"]
    near = key[:-1] + ("0" if key[-1] != "0" else "1")
    texts = {httpx.get(router.url + "/v1/tables", headers={"authorization": f"Bearer {k}"}).text
             for k in (near, key.upper(), "slk_" + "f" * 64)}
    assert len(texts) == 1


def test_another_s_read_token_and_a_forged_one_are_refused(router):
    written = router.ask("INSERT INTO notes (body) VALUES ('mine') RETURNING id", who="walter").json()
    token = written["read_token"]
    assert router.ask("SELECT count(*) FROM notes", who="walter", read_token=token).status_code == 200
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    for who, value in (("alice", token), ("ann", token), ("walter", forged), ("walter", token[:-1]), ("walter", ""),
                       ("walter", "A" * 48), ("walter", "A" * 60_000)):
        answer = router.ask("SELECT 1", who=who, read_token=value)
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "READ_TOKEN", (who, value[:60], answer.text)
        told = router.ask("SELECT 1", who=who, read_token=value, path="/v1/explain")
        assert told.status_code == 400 and told.json()["error"]["code"] == "READ_TOKEN", (who, value[:60], told.text)


def test_a_page_elsewhere_cannot_ask_through_the_reader_s_browser(router):
    for origin in ("http://evil.example", "null", f"http://evil.example:{router.port}"):
        answer = httpx.post(router.url + "/v1/query", json={"sql": "SELECT 1"}, headers={**router.headers("alice"), "origin": origin})
        assert answer.status_code == 403, answer.text
    rebound = httpx.post(router.url + "/v1/query", json={"sql": "SELECT 1"},
                         headers={**router.headers("alice"), "origin": "http://evil.example", "host": "evil.example"})
    assert rebound.status_code == 403


def test_another_s_statements_are_not_there(router):
    begun = router.ask("SELECT name FROM users WHERE id = 3", who="walter", wait_timeout="10s").json()
    for who in "ann", "alice":
        assert router.get(f"/v1/query/{begun['id']}", who=who).status_code == 404
        assert begun["id"] not in router.get("/v1/history?limit=100000", who=who).text
    assert begun["id"] in router.get("/v1/history", who="walter").text
