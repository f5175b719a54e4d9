# SPDX-License-Identifier: Apache-2.0
"""lib/sink's ClickHouse driver against the embedded ClickHouse, read by clickhouse-connect.

build/*/tests/golden/chsink feeds it records; each test file's server is its own. Every test
prints its seed; SLUICE_SEED repeats a run.
"""
import datetime
import decimal
import ipaddress
import json
import math
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import uuid

import clickhouse_connect
import pytest

from clickhouse_server import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(1 << 32)))
UTC = datetime.timezone.utc


@pytest.fixture(scope="module")
def tool():
    path = pathlib.Path(os.environ.get("SLUICE_OUT", "build/gcc")) / "tests/golden/chsink"
    subprocess.run(["make", "-s", str(path)], cwd=ROOT, check=True)
    return ROOT / path


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("clickhouse") / "data")
    yield s
    assert s.stop() == 0


@pytest.fixture(scope="module")
def client(server):
    with clickhouse_connect.get_client(host="127.0.0.1", port=server.port) as c:
        yield c


def apply_sql(server, name):
    text = re.sub(r"--.*", "", (ROOT / "sql/clickhouse" / name).read_text())
    for statement in filter(str.strip, text.split(";")):
        server.ask(statement)


@pytest.fixture
def events(server):
    apply_sql(server, "engagement.sql")
    apply_sql(server, "engagement.sql")  # twice: nothing changes
    server.ask("TRUNCATE TABLE thm.enriched_events")
    return "thm.enriched_events"


def send(tool, server, table, identity, records, *more):
    """(last line, {record number: reason})"""
    lines = "".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in records)
    run = subprocess.run([tool, f"http://127.0.0.1:{server.port}", table, identity, *map(str, more)],
                         input=lines, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    *outcomes, last = run.stdout.splitlines()
    rejected = {int(o.split()[0]): o.split(" rejected ")[1] for o in outcomes if " rejected " in o}
    return last.strip(), rejected


def upsert(version, value, before=None):
    r = {"version": version, "key": {"id": value.get("id")}, "value": value}
    return r | ({"before": before} if before else {})


# --- types ---------------------------------------------------------------------------

D = decimal.Decimal


def edges(bits, signed):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return [(low, low), (high, high), (1, 1)]


def ts(text):
    return datetime.datetime.fromisoformat(text)  # the client reads UTC columns without a zone


# type -> (what the record holds, what a client must read)
TYPES = {
    **{f"{u}Int{b}": edges(b, not u) for u in ("", "U") for b in (8, 16, 32, 64, 128, 256)},
    "Float32": [(0.5, 0.5), ("NaN", math.nan), ("-Infinity", -math.inf), (3.4028234663852886e38, 3.4028234663852886e38)],
    "Float64": [(0.1, 0.1), ("Infinity", math.inf), (5e-324, 5e-324), (-1.7976931348623157e308, -1.7976931348623157e308)],
    "Bool": [(True, True), (False, False)],
    "String": [("", ""), ("a\"\\\n\0é😀", "a\"\\\n\0é😀"), ("x" * 100000, "x" * 100000)],
    "Nullable(String)": [(None, None), ("", "")],
    "FixedString(3)": [("abc", b"abc"), ("a", b"a\0\0")],
    "UUID": [(s, uuid.UUID(s)) for s in ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-fffffffffffe",
                                         "61f0c404-5cb3-11e7-907b-a6006ad3dba0")],
    "Date": [("1970-01-01", datetime.date(1970, 1, 1)), ("2149-06-06", datetime.date(2149, 6, 6))],
    "Date32": [("1900-01-01", datetime.date(1900, 1, 1)), ("2299-12-31", datetime.date(2299, 12, 31))],
    "DateTime('UTC')": [("1970-01-01T00:00:00Z", ts("1970-01-01")), ("2106-02-07T06:28:15Z", ts("2106-02-07T06:28:15"))],
    "DateTime64(6, 'UTC')": [(t + "Z", ts(t)) for t in ("1900-01-01T00:00:00.000000", "2299-12-31T23:59:59.999999",
                                                       "1969-12-31T23:59:59.999999", "2026-11-21T08:48:36.637801")],
    "Nullable(DateTime64(3, 'UTC'))": [(None, None), ("2026-11-21 08:48:36.637", ts("2026-11-21T08:48:36.637"))],
    "Decimal(9, 2)": [(D(x), D(x)) for x in ("9999999.99", "-9999999.99", "0.01")],
    "Decimal(18, 3)": [(D(x), D(x)) for x in ("999999999999999.999", "-0.001")],
    "Decimal(38, 10)": [(D(x), D(x)) for x in ("9999999999999999999999999999.9999999999", "-1.5")],
    "Decimal(76, 20)": [(D(x), D(x)) for x in ("-99999999999999999999999999999999999999999999999999999999.99999999999999999999",)],
    "Nullable(Decimal(18, 2))": [(None, None), (D("33.30"), D("33.30"))],
    "Enum8('a' = -128, 'b\\'c' = 127)": [("a", "a"), ("b'c", "b'c")],
    "Enum16('x' = -32768, 'y' = 32767)": [("x", "x"), ("y", "y")],
    "IPv4": [("255.255.255.255", ipaddress.ip_address("255.255.255.255")), ("10.0.0.1/32", ipaddress.ip_address("10.0.0.1"))],
    "IPv6": [("2001:db8::1", ipaddress.ip_address("2001:db8::1"))],
    "LowCardinality(String)": [("", ""), ("a", "a"), ("b", "b"), ("a", "a")],
    "LowCardinality(Nullable(String))": [(None, None), ("", ""), ("a", "a"), (None, None)],
    "LowCardinality(FixedString(2))": [("ab", b"ab"), ("", b"\0\0")],
    "Array(Int32)": [([], []), ([1, -2], [1, -2])],
    "Array(Array(Nullable(String)))": [([["a", None], []], [["a", None], []]), ([], [])],
    "Array(LowCardinality(String))": [(["a", "b", "a"], ["a", "b", "a"]), ([], [])],
    "Map(String, Decimal(9, 2))": [({"a": D("1.50")}, {"a": D("1.50")}), ({}, {}), ('{"b":2}', {"b": D(2)})],
    "Map(LowCardinality(String), Array(UInt8))": [({"a": [1, 2], "b": []}, {"a": [1, 2], "b": []})],
    "DateTime('America/New_York')": [("2026-03-08T06:59:59Z", ts("2026-03-08T01:59:59-05:00")),
                                     ("2026-03-08T07:00:00+00:00", ts("2026-03-08T03:00:00-04:00"))],
    "DateTime64(9, 'Asia/Kolkata')": [("1970-01-01T00:00:00.000000001Z", 1), ("2262-04-11T23:47:16.854775807Z", (1 << 63) - 1),
                                      ("1900-01-01T00:00:00Z", -2208988800 * 10**9)],
    "DateTime64(0, 'UTC')": [("1969-12-31T23:59:59Z", ts("1969-12-31T23:59:59"))],
    "Array(Nullable(Decimal(18, 3)))": [([D("0.001"), None], [D("0.001"), None])],
    "Array(UUID)": [(["61f0c404-5cb3-11e7-907b-a6006ad3dba0"], [uuid.UUID("61f0c404-5cb3-11e7-907b-a6006ad3dba0")])],
    "Map(String, Nullable(Int64))": [({"a": None, "b": -1}, {"a": None, "b": -1})],
    "LowCardinality(UInt64)": [((1 << 64) - 1, (1 << 64) - 1), (0, 0)],
    "LowCardinality(Date)": [("2026-11-21", datetime.date(2026, 11, 21))],
    "JSON": [({"a": 1}, {"a": 1}), ('{"b": {"c": "d"}}', {"b": {"c": "d"}})],
}


class Encoder(json.JSONEncoder):
    """Decimals digit for digit."""

    def iterencode(self, o, _one_shot=False):
        for chunk in super().iterencode(o, _one_shot):
            yield re.sub(r'"@([-0-9.]+)@"', r"\1", chunk)

    def default(self, o):
        return f"@{o:f}@" if isinstance(o, D) else super().default(o)


def dumps(record):
    return re.sub(r'"@([-0-9.]+)@"', r"\1", json.dumps(record, cls=Encoder)) + "\n"


def same(have, want):
    if isinstance(want, float) and math.isnan(want):
        return have is not None and math.isnan(have)
    if isinstance(want, int) and isinstance(have, datetime.datetime):  # nanoseconds: the client reads microseconds
        have = have if have.tzinfo else have.replace(tzinfo=UTC)
        return (have - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(microseconds=1) == want // 1000
    if isinstance(want, datetime.datetime) and isinstance(have, datetime.datetime) and want.tzinfo and not have.tzinfo:
        have = have.replace(tzinfo=UTC)
    return have == want


@pytest.mark.parametrize("pack", ["none", "lz4", "zstd"])
@pytest.mark.parametrize("type_", TYPES)
def test_type_round_trips(tool, server, client, type_, pack):
    values = TYPES[type_]
    server.ask(f"CREATE OR REPLACE TABLE r (id Int64, x {type_}, _version UInt64, _deleted UInt8)"
               " ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id", allow_suspicious_low_cardinality_types=1)
    records = [dumps(upsert(i, {"id": i, "x": given})) for i, (given, _) in enumerate(values)]
    records.reverse()  # the block is sorted
    assert send(tool, server, "default.r", "id", records, pack) == ("done", {})
    got = client.query("SELECT x FROM r ORDER BY id").result_columns[0]
    for have, (_, want) in zip(got, values, strict=True):
        assert same(have, want)


@pytest.mark.parametrize("pack", ["none", "lz4", "zstd"])
def test_every_type_takes_null(tool, server, client, pack):
    """One column a type that can be Nullable: nothing, each of its values, nothing."""
    types = {f"c{n}": t for n, t in enumerate(t for t in TYPES if not re.match(r"(LowCardinality|Nullable|Array|Map|JSON)\b", t))}
    server.ask("CREATE OR REPLACE TABLE n (id Int64, " + ", ".join(f"{c} Nullable({t})" for c, t in types.items()) + ", _version UInt64,"
               " _deleted UInt8) ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id")
    longest = max(len(TYPES[t]) for t in types.values())
    rows = [{"id": i} | {c: TYPES[t][i - 1][0] if 0 < i <= len(TYPES[t]) else None for c, t in types.items()} for i in range(longest + 2)]
    assert send(tool, server, "default.n", "id", [dumps(upsert(i, row)) for i, row in enumerate(rows)], pack) == ("done", {})
    for column, type_ in types.items():
        got = client.query(f"SELECT {column} FROM n ORDER BY id").result_columns[0]
        want = [None] + [w for _, w in TYPES[type_]] + [None] * (longest + 1 - len(TYPES[type_]))
        for have, w in zip(got, want, strict=True):
            assert same(have, w), (type_, have, w)


def test_a_dictionary_of_more_than_65536_words(tool, server, client):
    server.ask("CREATE OR REPLACE TABLE w (id Int64, x LowCardinality(Nullable(String)), _version UInt64, _deleted UInt8)"
               " ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id")
    records = [upsert(n, {"id": n, "x": f"word {n}" if n else None}) for n in range(70000)]
    assert send(tool, server, "default.w", "id", records, "lz4", 70000) == ("done", {})
    assert client.query("SELECT count(), uniqExact(x), countIf(x = concat('word ', toString(id))) FROM w").first_row == (70000, 69999, 69999)


# --- what a row becomes -------------------------------------------------------------------

def event(rng, number):
    us = rng.randrange(1_700_000_000_000_000, 1_700_000_600_000_000)
    seconds, us = divmod(us, 1_000_000)
    at = datetime.datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{us:06d}Z"
    return {"id": number, "content_id": str(uuid.UUID(int=rng.getrandbits(128))), "user_id": str(uuid.UUID(int=rng.getrandbits(128))),
            "event_type": rng.choice(["play", "pause", "finish", "click"]), "event_ts": at,
            "duration_ms": rng.choice([None, rng.randrange(1 << 31)]), "device": rng.choice([None, "", "ios", "web"]),
            "content_type": rng.choice([None, "podcast"]), "length_seconds": rng.choice([None, 60]),
            "engagement_seconds": rng.choice([None, 1.125]), "engagement_pct": None, "raw_payload": rng.choice([None, '{"a": "\\""}'])}


def changes(rng, count, ids):
    """Inserts, updates, moves and deletes in order, and the rows that are left."""
    rows, records = {}, []
    place = lambda row: {"event_ts": row["event_ts"], "id": row["id"]}
    for version in range(1, count + 1):
        number = rng.randrange(ids)
        old = rows.get(number)
        if old and rng.random() < 0.2:
            del rows[number]
            records.append({"version": version, "key": {"id": number}, "value": None, "before": place(old)})
            continue
        new = event(rng, number)
        if old and rng.random() < 0.5:
            new["event_ts"] = old["event_ts"]  # an update in place
        moved = old and old["event_ts"] != new["event_ts"]
        rows[number] = new
        records.append(upsert(version, new, place(old) if moved else None))
    return records, rows


def read_back(client):
    query = client.query("SELECT * FROM thm.enriched_events_current ORDER BY id")
    return [dict(zip(query.column_names, row)) for row in query.result_rows]


def as_read(row):
    dec = lambda x: None if x is None else D(str(x))
    return row | {"content_id": uuid.UUID(row["content_id"]), "user_id": uuid.UUID(row["user_id"]),
                  "event_ts": ts(row["event_ts"][:-1]), "engagement_seconds": dec(row["engagement_seconds"])}


def assert_equal(client, rows):
    assert read_back(client) == [as_read(rows[n]) for n in sorted(rows)]


@pytest.mark.parametrize("batch", [1000, 7])
def test_the_last_state_of_every_row(tool, server, client, events, batch):
    print("seed", SEED)
    rng = random.Random(SEED)
    records, rows = changes(rng, 3000, 200)
    for cut in (1200, 700):  # replays of what was there before, in other batches
        assert send(tool, server, events, "event_ts,id", records[:cut], "lz4", batch) == ("done", {})
    assert send(tool, server, events, "event_ts,id", records[500:], "lz4", batch * 3) == ("done", {})
    assert_equal(client, rows)
    server.ask("OPTIMIZE TABLE thm.enriched_events FINAL")
    assert_equal(client, rows)


@pytest.mark.parametrize("batch", [1, 100])
def test_no_stale_row_behind_a_delete_a_moved_event_and_a_moved_key(tool, server, client, events, batch):
    """ORDER BY (event_ts, id): what is gone from a place must be gone there, in one batch or in many, and
    when all of it comes again."""
    rng = random.Random(SEED)
    place = lambda row: {"event_ts": row["event_ts"], "id": row["id"]}
    gone, late, other, stays = (event(rng, n) for n in (1, 2, 3, 4))
    late_moved = late | {"event_ts": "2023-11-15T00:00:00.000001Z"}
    other_moved = other | {"id": 33}
    records = [upsert(n + 1, row) for n, row in enumerate((gone, late, other, stays))] + [
        {"version": 5, "key": {"id": 1}, "value": None, "before": place(gone)},
        upsert(6, late_moved, place(late)),
        {"version": 7, "key": {"id": 3}, "value": None, "before": place(other)},
        upsert(8, other_moved)]
    want = {2: late_moved, 33: other_moved, 4: stays}
    for part in (records, records[:3], records[4:7], records):
        assert send(tool, server, events, "event_ts,id", part, "lz4", batch) == ("done", {})
        if part is records:
            assert_equal(client, want)
            places = client.query("SELECT id, event_ts FROM thm.enriched_events FINAL WHERE NOT _deleted ORDER BY id").result_rows
            assert places == [(n, ts(want[n]["event_ts"][:-1])) for n in sorted(want)]
    server.ask("OPTIMIZE TABLE thm.enriched_events FINAL")
    assert_equal(client, want)


def test_a_poisoned_row_among_ten_thousand(tool, server, client, events):
    rng = random.Random(SEED)
    rows = {n: event(rng, n) for n in range(10000)}
    poison = rng.randrange(10000)
    records = [upsert(n + 1, rows[n]) for n in rows]
    records[poison]["value"] = rows[poison] | {"event_ts": "2300-01-01T00:00:00.000000Z"}
    last, rejected = send(tool, server, events, "event_ts,id", records, "lz4")
    assert (last, list(rejected)) == ("done", [poison])
    assert "column event_ts" in rejected[poison] and "out of range" in rejected[poison]
    del rows[poison]
    assert_equal(client, rows)


def test_a_row_that_a_constraint_refuses(tool, server, client):
    server.ask("CREATE OR REPLACE TABLE c (id Int64, s String, _version UInt64, _deleted UInt8, CONSTRAINT short CHECK length(s) < 5)"
               " ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id")
    records = [upsert(n + 1, {"id": -n, "s": "too long" if n in (3, 77) else "ok"}) for n in range(100)]
    last, rejected = send(tool, server, "default.c", "id", records)
    assert (last, sorted(rejected)) == ("done", [3, 77])
    assert all("469" in reason for reason in rejected.values())
    assert client.query("SELECT count() FROM c").first_row == (98,)


def test_defaults_of_the_server(tool, server, client):
    server.ask("CREATE OR REPLACE TABLE d (id Int64, a String DEFAULT concat('n', toString(id)), l LowCardinality(String) DEFAULT 'low',"
               " m Int64 MATERIALIZED id * 2, n Nullable(Int8), _version UInt64, _deleted UInt8)"
               " ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY id")
    records = [upsert(1, {"id": 1}), upsert(2, {"id": 2, "a": "given", "l": "x", "n": 5}), upsert(3, {"id": 3, "a": ""})]
    assert send(tool, server, "default.d", "id", records) == ("done", {})
    assert client.query("SELECT id, a, l, m, n FROM d ORDER BY id").result_rows == [
        (1, "n1", "low", 2, None), (2, "given", "x", 4, 5), (3, "", "low", 6, None)]


def test_a_batch_is_one_part(tool, server, client, events):
    server.ask("SYSTEM STOP MERGES thm.enriched_events")
    rng = random.Random(SEED)
    base = event(rng, 0)
    records = [upsert(n + 1, base | {"id": n}) for n in range(60000)]
    assert send(tool, server, events, "event_ts,id", records, "lz4", 60000) == ("done", {})
    assert client.query("SELECT count(), sum(rows) FROM system.parts WHERE table = 'enriched_events' AND active").first_row == (1, 60000)
    server.ask("SYSTEM START MERGES thm.enriched_events")


def test_refusals_of_a_real_server(tool, server, events):
    row = upsert(1, event(random.Random(1), 1))
    last, _ = send(tool, server, "thm.nothing", "id", [row])
    assert last.startswith("halt") and "thm.nothing" in last
    last, _ = send(tool, server, "nowhere.nothing", "id", [row])
    assert last.startswith("halt")
    last, _ = send(tool, server, events, "nope", [row])
    assert last.startswith("halt") and "no column nope" in last
    last, _ = send(tool, server, events, "event_ts,id", [upsert(1, row["value"] | {"extra": 1})])
    assert last.startswith("halt") and "extra" in last
    server.ask("CREATE OR REPLACE TABLE p (id Int64, _version UInt64, _deleted UInt8) ENGINE = ReplacingMergeTree(_version, _deleted)"
               " ORDER BY id SETTINGS parts_to_delay_insert = 1, parts_to_throw_insert = 1, max_delay_to_insert = 1")
    server.ask("SYSTEM STOP MERGES p")
    for n in range(3):
        last, _ = send(tool, server, "default.p", "id", [upsert(n + 1, {"id": n})])
    assert last.startswith("retry") and "252" in last
    server.ask("DROP TABLE p")


def test_kill_9_of_the_server(tool, tmp_path, client):
    """Acknowledged or not: sent again until done, the table ends as it must."""
    print("seed", SEED)
    rng = random.Random(SEED)
    server = Server(tmp_path / "data")
    try:
        apply_sql(server, "engagement.sql")
        records, rows = changes(rng, 6000, 300)
        for _ in range(3):
            killer = threading.Timer(rng.uniform(0.05, 0.4), server.process.send_signal, [signal.SIGKILL])
            killer.start()
            at = 0
            while at < len(records) and killer.is_alive():  # batch after batch, as a worker would
                send(tool, server, "thm.enriched_events", "event_ts,id", records[at:at + 500], "lz4", 50)
                at += 500
            killer.join()
            server.process.wait(20)
            server.start()
        assert send(tool, server, "thm.enriched_events", "event_ts,id", records, "lz4", 400) == ("done", {})
        with clickhouse_connect.get_client(host="127.0.0.1", port=server.port) as c:
            assert_equal(c, rows)
    finally:
        assert server.stop() == 0
