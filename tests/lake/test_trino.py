# SPDX-License-Identifier: Apache-2.0
"""The router's Trino driver on a real Trino 476. With SLUICE_LAKE_RECORD=1 the pages that
test_router_trino.py replays (tests/golden/trino) are written anew."""
import json
import os
import pathlib
import threading
import time

import pytest

from conftest import INSTANCE, lake, trino_engine
from engine_asker import asker
from trino_pages import Recorder
from wait import wait_until

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/trino"
RECORD = bool(os.environ.get("SLUICE_LAKE_RECORD"))
LONG = "SELECT count(*) FROM tpch.sf100.lineitem a, tpch.sf100.lineitem b"
TYPES = ("SELECT 1 AS a, true AS b, 'x''y' AS c, NULL AS d, DECIMAL '-1.50' AS e, 1e15 AS f, REAL '0.1' AS g, TIMESTAMP '2026-01-02 03:04:05.120000' AS h, "
         "TIMESTAMP '2026-01-02 03:04:05.120 UTC' AS i, DATE '2026-01-02' AS j, DATE '-0043-03-15' AS k, UUID '123e4567-e89b-12d3-a456-426614174000' AS l, X'aa01' AS m, "
         "nan() AS n, -infinity() AS o, TIME '01:02:03.500' AS p, 9007199254740993 AS q, CAST('ü\x01\n\"\\' AS varchar) AS r, CAST('ab' AS char(4)) AS s, "
         "JSON '{\"a\":1}' AS t, CAST(-32768 AS smallint) AS u, TIMESTAMP '2026-01-02 03:04:05.123456789' AS v, DECIMAL '12345678901234567890123456789012345.678' AS w")
ROW = ["1", "t", "x'y", None, "-1.50", "1e+15", "0.1", "2026-01-02 03:04:05.12", "2026-01-02 03:04:05.12+00", "2026-01-02", "0044-03-15 BC",
       "123e4567-e89b-12d3-a456-426614174000", "\\xaa01", "NaN", "-Infinity", "01:02:03.5", "9007199254740993", "ü\x01\n\"\\", "ab  ", '{"a":1}', "-32768",
       "2026-01-02 03:04:05.123457", "12345678901234567890123456789012345.678"]
PAGES = "SELECT orderkey, orderstatus FROM tpch.tiny.orders WHERE orderkey < 4000"
NATION = "SELECT count(*) FROM tpch.tiny.nation"

SCENARIOS = {  # file: (SQL, how it ends)
    "types": (TYPES, ("done", "")), "pages": (PAGES, ("done", "")), "empty": ("SELECT name FROM tpch.tiny.nation WHERE nationkey < 0", ("done", "")),
    "no_table": ("SELECT * FROM lake.bronze.nope", ("halt", "3F000")), "syntax": ("SELECT FORM x FROM", ("reject", "42601")),
    "zero": ("SELECT 1 / (nationkey - 24) FROM tpch.tiny.nation", ("reject", "22012")), "cast": ("SELECT CAST(name AS bigint) FROM tpch.tiny.nation", ("reject", "22P02")),
    "array": ("SELECT ARRAY[1]", ("reject", "0A000")),
}


def test_values(reader):
    answer = reader.ask(TYPES)
    assert answer["rows"] == [ROW], answer
    assert [c[0] for c in answer["columns"]] == list("abcdefghijklmnopqrstuvw")


def test_a_million_rows_pass_a_slow_reader_in_bounded_memory(reader):
    answer = reader.ask("SELECT orderkey, custkey, totalprice, comment FROM tpch.sf1.orders LIMIT 1000000", quiet=True, pause_every=50_000, pause_ms=20, deadline_ms=400_000)
    assert answer["fate"] == "done" and answer["count"] == 1_000_000 and reader.peak_mb() < 96, (answer, reader.peak_mb())
    assert answer["cpu_s"] > 0


@pytest.mark.parametrize("how", [{"cancel_ms": 2000}, {"deadline_ms": 2000}])
def test_what_is_cancelled_ends_in_trino(trino, reader, how):
    answer = reader.ask(LONG, **how)
    assert (answer["fate"], answer["code"]) == ("retry", "57014"), answer
    wait_until("it has ended in Trino", lambda: reader.rows(
        "SELECT count(*) FROM system.runtime.queries WHERE state NOT IN ('FINISHED', 'FAILED') AND query LIKE '%sf100%' AND query NOT LIKE '%runtime%'") == [["0"]], 60)


def test_cancel_in_mid_answer_and_while_paused(reader):
    answer = reader.ask("SELECT * FROM tpch.sf1.lineitem", quiet=True, cancel_after=10_000, deadline_ms=120_000)
    assert (answer["count"], answer["code"]) == (10_000, "57014")
    answer = reader.ask("SELECT * FROM tpch.sf1.lineitem", quiet=True, pause_every=10, pause_ms=60_000, cancel_ms=20_000, deadline_ms=120_000)
    assert (answer["count"], answer["code"]) == (10, "57014")


def test_hostile_texts(reader):
    texts = ["it's", "x\\", "'; DROP TABLE t; --", "? $2 \"$3\"", "ü\x01\t\n", "", "日本"]
    assert reader.rows("SELECT " + ", ".join("'" + t.replace("'", "''") + f"' AS c{i}" for i, t in enumerate(texts))) == [texts]


def test_writes_tell_how_many(reader):
    reader.ask("DROP TABLE IF EXISTS memory.default.w", write=True)
    assert reader.ask("CREATE TABLE memory.default.w AS SELECT * FROM tpch.tiny.nation", write=True, deadline_ms=60_000)["affected"] == 25
    assert reader.ask("INSERT INTO memory.default.w SELECT * FROM tpch.tiny.nation", write=True, deadline_ms=60_000)["affected"] == 25
    assert reader.rows("SELECT count(*) FROM memory.default.w") == [["50"]]
    assert reader.ask("DROP TABLE memory.default.w", write=True)["fate"] == "done"


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(trino, tmp_path, name):
    sql, end = SCENARIOS[name]
    recorder = Recorder(trino)
    recorder.record(sql)
    with asker(tmp_path, trino_engine(recorder.url), place="lake.s.t") as a:
        answer = a.ask(sql, deadline_ms=120_000)
    assert (answer["fate"], answer["code"]) == end, answer
    assert "io.trino" not in answer["what"]
    if RECORD:
        recorder.save(GOLDEN / f"{name}.jsonl")
    recorder.close()


def test_cancelled_and_gone(trino, tmp_path):
    """DELETE of the next page, an old token (410) and a query that nobody knows (404)."""
    recorder = Recorder(trino)
    recorder.record(LONG)
    with asker(tmp_path, trino_engine(recorder.url), place="lake.s.t") as a:
        assert a.ask(LONG, cancel_ms=3000)["code"] == "57014"
    assert [e["status"] for e in recorder.kept if e["method"] == "DELETE"] == [204]
    if RECORD:
        recorder.save(GOLDEN / "cancel.jsonl")
    recorder.record(PAGES)
    status, headers, data = recorder.ask("POST", "/v1/statement", PAGES.encode(), {"X-Trino-User": "lake", "Host": recorder.url[7:]})
    recorder.keep("POST", "/v1/statement", status, headers, data, PAGES)
    paths = []
    for _ in range(4):
        paths.append(json.loads(data)["nextUri"].removeprefix(recorder.url))
        status, headers, data = recorder.ask("GET", paths[-1], b"", {"Host": recorder.url[7:]})
    status, headers, data = recorder.ask("GET", paths[0], b"", {"Host": recorder.url[7:]})
    assert status == 410, (status, data)
    recorder.keep("GET", paths[0], status, headers, data)
    if RECORD:
        recorder.save(GOLDEN / "gone.jsonl")
    status, headers, data = recorder.ask("GET", paths[0].replace("/queued/20", "/queued/19"), b"", {"Host": recorder.url[7:]})
    assert status == 404, (status, data)
    recorder.kept[-1].update(status=status, headers=headers, body=data.decode())
    if RECORD:
        recorder.save(GOLDEN / "unknown.jsonl")
    recorder.close()


def test_no_nodes_and_a_killed_server(trino, tmp_path):
    """Last: Trino dies in mid-answer; for a moment when it starts it has no node to give work to."""
    pid = int((pathlib.Path(__file__).resolve().parents[2] / f"build/stack/{INSTANCE}/lake/pid").read_text())
    with asker(tmp_path, trino_engine(f"http://127.0.0.1:{trino}"), place="lake.s.t") as a:
        threading.Timer(6, os.kill, (pid, 9)).start()
        answer = a.ask("SELECT * FROM tpch.sf100.lineitem", quiet=True, deadline_ms=300_000)
    assert answer["fate"] == "retry" and answer["code"] == "08006", answer
    lake("up", INSTANCE, LAKE_NOWAIT="1")
    recorder, end, seen = Recorder(trino), time.monotonic() + 400, []
    while True:
        assert time.monotonic() < end, dict.fromkeys(seen)
        time.sleep(0.1)
        seen.append(recorder.run(NATION))
        if seen[-1] == "NO_NODES_AVAILABLE" and RECORD:
            recorder.save(GOLDEN / "no_nodes.jsonl")
        if seen[-1] == "done":
            break
    print("while it started:", list(dict.fromkeys(seen)))
    recorder.close()
