# SPDX-License-Identifier: Apache-2.0
"""The router's Trino driver on pages recorded from a real Trino 476 (`make test-lake` records them
and runs the driver on the server itself)."""
import json
import pathlib
import time

import pytest

from engine_asker import asker
from trino_pages import Nobody, Replay, scenario
from webhooks import self_signed

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/trino"


class Run:
    """One statement over a scenario. Probes find a server that answers them nothing of use."""

    def __init__(self, folder, name, change=None, sql=None, until=None, tls=None, trusted=True, **how):
        entries = scenario(GOLDEN / f"{name}.jsonl")
        self.sql = sql or entries[0]["sent"]

        def answer(i, entry):
            if "runtime.nodes" in self.server.seen[-1][2]:
                self.server.seen.pop()
                return 503, {}, "busy"
            return change(len(self.server.seen) - 1, entry) if change else None

        self.server = Replay(entries, answer, tls)
        engine = {"kind": "trino", "url": self.server.url, "user": "lake", **({"ca_file": str(tls)} if tls and trusted else {})}
        with asker(folder, engine, place="lake.s.t") as a:
            self.answer = a.ask(self.sql, **how)
            end = time.monotonic() + 20
            while until and until not in self.methods() and time.monotonic() < end:
                a.ask("SELECT nothing", deadline_ms=300)  # what is left to be sent goes meanwhile
        self.asked = self.methods()
        self.server.close()

    def methods(self):
        return [method for method, _, _, _ in self.server.seen]

    def end(self):
        return self.answer["fate"], self.answer["code"]


def rows_of(name):
    return [row for entry in scenario(GOLDEN / f"{name}.jsonl") for row in json.loads(entry["body"]).get("data", [])]


def test_values(tmp_path):
    run = Run(tmp_path, "types")
    assert run.end() == ("done", "") and not run.server.wrong, run.answer
    assert run.answer["rows"] == [[
        "1", "t", "x'y", None, "-1.50", "1e+15", "0.1", "2026-01-02 03:04:05.12", "2026-01-02 03:04:05.12+00", "2026-01-02", "0044-03-15 BC",
        "123e4567-e89b-12d3-a456-426614174000", "\\xaa01", "NaN", "-Infinity", "01:02:03.5", "9007199254740993", "ü\x01\n\"\\", "ab  ", '{"a":1}', "-32768",
        "2026-01-02 03:04:05.123457", "12345678901234567890123456789012345.678"]]
    post = run.server.seen[0][3]
    assert post["X-Trino-User"] == "lake" and post["X-Trino-Client-Capabilities"] == "PARAMETRIC_DATETIME" and post["X-Trino-Time-Zone"] == "UTC"
    assert all(headers["X-Trino-User"] == "lake" for _, _, _, headers in run.server.seen)


@pytest.mark.parametrize("how", [{}, {"pause_every": 1, "pause_ms": 0}, {"pause_every": 100, "pause_ms": 5}])
def test_pages_in_order(tmp_path, how):
    run = Run(tmp_path, "pages", **how)
    expected = [[str(a), b] for a, b in rows_of("pages")]
    assert len(expected) > 500 and run.answer["rows"] == expected and not run.server.wrong
    assert run.asked == ["POST"] + ["GET"] * (len(run.asked) - 1) and len(run.asked) == len(scenario(GOLDEN / "pages.jsonl"))


@pytest.mark.parametrize("name,end,word", [
    ("empty", ("done", ""), ""), ("no_table", ("halt", "3F000"), "Schema 'bronze' does not exist"), ("syntax", ("reject", "42601"), "SYNTAX_ERROR"),
    ("zero", ("reject", "22012"), "Division by zero"), ("cast", ("reject", "22P02"), "Cannot cast"), ("array", ("reject", "0A000"), "not carried"),
    ("no_nodes", ("retry", "57P03"), "NO_NODES_AVAILABLE"),
])
def test_ends(tmp_path, name, end, word):
    run = Run(tmp_path, name)
    assert run.end() == end and word in run.answer["what"] and not [w for w in run.server.wrong if w[0] != "DELETE"], run.answer
    assert "io.trino" not in run.answer["what"] and "/s" not in run.answer["what"]
    if name == "syntax":
        assert run.answer["position"] >= 0


def test_where_an_error_is(tmp_path):
    assert Run(tmp_path, "no_table").answer["position"] == len("SELECT * FROM ")


@pytest.mark.parametrize("name,end", [("gone", ("retry", "08006")), ("unknown", ("retry", "08006"))])
def test_a_query_that_is_gone(tmp_path, name, end):
    run = Run(tmp_path, name)
    assert run.end() == end and run.asked == ["POST", "GET"], (run.answer, run.asked)


@pytest.mark.parametrize("worse", ["close", (503, {"Retry-After": "0"}, "busy"), (502, {}, "bad gateway"), (429, {}, "slow down"), (504, {}, "late")])
def test_a_lost_page_is_asked_for_again_and_a_statement_is_not(tmp_path, worse):
    run = Run(tmp_path, "pages", lambda i, entry: worse if i in (1, 2, 4) else None)
    assert run.end() == ("done", "") and run.answer["rows"] == [[str(a), b] for a, b in rows_of("pages")], run.answer
    assert len(run.asked) == len(scenario(GOLDEN / "pages.jsonl")) + 3 and run.asked.count("POST") == 1
    run = Run(tmp_path, "pages", lambda i, entry: worse)
    assert run.answer["fate"] == "retry" and run.asked == ["POST"], (run.answer, run.asked)


def test_a_server_that_does_not_come_back_is_left(tmp_path):
    run = Run(tmp_path, "pages", lambda i, entry: (503, {"Retry-After": "0"}, "busy") if i else None)
    assert run.end() == ("retry", "08006") and run.asked.count("GET") == 11


@pytest.mark.parametrize("foreign", ["http://elsewhere.example:8080/v1/statement/queued/x/y/1", "https://127.0.0.1/v1/statement/x", "BASE.evil.example/v1/statement/x",
                                     "BASE/v1/../secret", "BASE/ui/", "/v1/statement/x", "", "file:///etc/passwd", "BASE@evil.example/v1/statement/x"])
def test_the_next_page_is_on_the_same_server(tmp_path, foreign):
    entry = scenario(GOLDEN / "pages.jsonl")[0]
    page = json.loads(entry["body"]) | {"nextUri": foreign}
    run = Run(tmp_path, "pages", lambda i, e: (200, {}, json.dumps(page)) if i == 0 else None)
    assert run.end() == ("halt", "08P01") and run.asked == ["POST"] and "elsewhere" not in run.answer["what"], run.answer


@pytest.fixture
def nobody():
    port = Nobody()
    yield port
    port.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    self_signed(folder)
    (folder / "both").write_text((folder / "cert.key").read_text() + (folder / "cert.pem").read_text())
    return folder / "both"


PLACES = ["http://127.0.0.1:NOBODY/v1/statement/executing/q/s/1", "http://localhost:NOBODY/v1/statement/x", "http://lake:pass@127.0.0.1:NOBODY/v1/statement/x",
          "BASE@127.0.0.1:NOBODY/v1/statement/x", "BASE:pass@127.0.0.1:NOBODY/v1/statement/x", "http://lake@NETLOC/v1/statement/x", "http://lake:pass@NETLOC/v1/statement/x",
          "https://127.0.0.1:NOBODY/v1/statement/x", "//127.0.0.1:NOBODY/v1/statement/x", "BASE\\@127.0.0.1:NOBODY/v1/statement/x", "BASE#@127.0.0.1:NOBODY/v1/statement/x",
          "BASE?@127.0.0.1:NOBODY/v1/statement/x", "BASE.127.0.0.1.nip.io:NOBODY/v1/statement/x", "BASE0/v1/statement/x", " http://127.0.0.1:NOBODY/v1/statement/x",
          "http:\\\\127.0.0.1:NOBODY/v1/statement/x", "HTTP://NETLOC/v1/statement/x", "http://127.1:NOBODY/v1/statement/x", "http://[::ffff:127.0.0.1]:NOBODY/v1/statement/x",
          "gopher://127.0.0.1:NOBODY/v1/statement/x", "BASE/v1/statement/../../\r\nHost: 127.0.0.1:NOBODY\r\n\r\n"]


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("place", PLACES)
def test_no_page_is_fetched_elsewhere(tmp_path, nobody, place, at):
    """Nor is the query ended there; the other members that hold addresses are not followed at all."""
    there = place.replace("NOBODY", str(nobody.port))

    def change(i, entry):
        page = json.loads(entry["body"]) | {"infoUri": there, "partialCancelUri": there}
        return 200, {"Location": there.split("\r")[0]}, json.dumps(page | ({"nextUri": there} if i == at else {}))

    run = Run(tmp_path, "pages", lambda i, entry: change(i, entry) if i <= at and entry else None)
    assert run.answer["fate"] != "done" and run.answer["code"] == "08P01" and run.asked[:at + 1] == ["POST", "GET", "GET"][:at + 1], (run.answer, run.asked)
    assert nobody.came == 0 and str(nobody.port) not in run.answer["what"]
    assert not [path for _, path, _, headers in run.server.seen if not path.startswith("/v1/statement") or "Authorization" in headers]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_after_https_no_page_comes_by_http(tmp_path, nobody, tls, scheme):
    good = Run(tmp_path, "pages", tls=tls)
    assert good.end() == ("done", "") and good.server.url.startswith("https:"), good.answer
    assert Run(tmp_path, "pages", tls=tls, trusted=False).asked == []
    for there in (f"{scheme}://127.0.0.1:{nobody.port}/v1/statement/x", "http://NETLOC/v1/statement/x"):
        run = Run(tmp_path, "pages", lambda i, entry, there=there: i == 1 and (200, {}, json.dumps(json.loads(entry["body"]) | {"nextUri": there})), tls=tls)
        assert run.end() == ("halt", "08P01") and run.asked == ["POST", "GET"] and nobody.came == 0, (run.answer, run.asked)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_no_redirect_is_followed(tmp_path, nobody, status, at):
    for where in (f"http://127.0.0.1:{nobody.port}/v1/statement/x", f"//127.0.0.1:{nobody.port}/", "/ui/", "file:///etc/passwd"):
        run = Run(tmp_path, "pages", lambda i, entry, where=where: i == at and (status, {"Location": where, "Refresh": f"0; url={where}"}, "elsewhere"))
        assert run.end() == ("halt", "08P01") and run.asked[:at + 1] == (["POST"] + ["GET"] * at), (run.answer, run.asked)
        assert nobody.came == 0 and not [path for _, path, _, _ in run.server.seen if not path.startswith("/v1/statement")], run.server.seen


def test_the_end_of_a_query_is_not_sent_elsewhere(tmp_path, nobody):
    moved = (307, {"Location": f"http://127.0.0.1:{nobody.port}/v1/statement/x"}, "elsewhere")
    run = Run(tmp_path, "cancel", lambda i, entry: moved if entry and entry["method"] == "DELETE" else None, cancel_ms=700)
    assert run.answer["code"] == "57014" and "DELETE" in run.asked and nobody.came == 0, (run.answer, run.asked)


@pytest.mark.parametrize("body,end", [("", "08P01"), ("[]", "08P01"), ("{", "08P01"), ('{"data": [[1]]}', "08P01"), ('{"columns": [1], "data": [[1]]}', "0A000"),
                                      ('{"columns": [{"name": "a", "type": "bigint"}], "data": [[1, 2]]}', "08P01"), ('{"columns": [{"name": "a", "type": "bigint"}], "data": [1]}', "08P01"),
                                      ('{"columns": [{"name": "a", "type": "bigint"}], "data": [["x"]]}', "08P01"), ('{"error": {}}', "XX000"), ('{"error": {"message": 1, "errorName": []}}', "XX000")])
def test_pages_that_are_none(tmp_path, body, end):
    run = Run(tmp_path, "pages", lambda i, entry: (200, {}, body) if i == 0 else None)
    assert run.answer["code"] == end and run.answer["fate"] != "done", run.answer


@pytest.mark.parametrize("status,fate,code", [(401, "halt", "28000"), (403, "halt", "28000"), (404, "retry", "08006"), (400, "halt", "08P01"), (500, "retry", "08006"), (302, "halt", "08P01")])
def test_other_statuses(tmp_path, status, fate, code):
    run = Run(tmp_path, "pages", lambda i, entry: (status, {"Location": "http://127.0.0.1:1/"}, "no") if i == 0 else None)
    assert run.end() == (fate, code) and run.asked == ["POST"]


def test_what_is_cancelled_is_deleted(tmp_path):
    last = scenario(GOLDEN / "cancel.jsonl")[-1]
    assert last["method"] == "DELETE"
    run = Run(tmp_path, "cancel", cancel_ms=700)
    assert run.end() == ("retry", "57014") and run.asked[-1] == "DELETE" and run.server.seen[-1][1] == last["path"], (run.answer, run.asked)


def test_a_page_that_cannot_be_read_ends_the_query_in_trino(tmp_path):
    run = Run(tmp_path, "pages", lambda i, entry: (200, {}, json.dumps(json.loads(entry["body"]) | {"columns": [{"name": "a", "type": "bigint"}], "data": [["x"]]})) if i == 1 else None,
              until="DELETE")
    assert run.answer["code"] == "08P01" and run.asked[:2] == ["POST", "GET"] and "DELETE" in run.asked, (run.answer, run.asked)


def test_a_write_that_may_have_happened_says_so(tmp_path):
    gone, broken = (404, {}, "gone"), (200, {}, "{")
    failed = (200, {}, '{"error": {"message": "no", "errorName": "DIVISION_BY_ZERO", "errorType": "USER_ERROR"}}')
    done = (200, {}, '{"updateCount": 3}')
    foreign = (200, {}, '{"nextUri": "http://elsewhere.example/v1/statement/x"}')
    for i, (at, what, fate, unknown) in enumerate([(1, gone, "retry", True), (1, broken, "retry", True), (0, broken, "retry", True), (1, foreign, "halt", True),
                                                   (1, failed, "reject", False), (1, done, "done", False), (0, (401, {}, "no"), "halt", False), (0, gone, "retry", False)]):
        for write in True, False:
            folder = tmp_path / f"{i}{write}"
            folder.mkdir()
            run = Run(folder, "pages", lambda n, entry, at=at, what=what: what if n == at else None, write=write)
            assert run.answer["fate"] == fate and run.answer["unknown"] == (unknown and write), (at, what, write, run.answer)
            assert run.asked.count("POST") == 1


def test_a_write_that_is_cancelled_says_that_it_may_have_happened(tmp_path):
    run = Run(tmp_path, "cancel", cancel_ms=700, write=True)
    assert run.end() == ("retry", "57014") and run.answer["unknown"] and run.asked[-1] == "DELETE", (run.answer, run.asked)
